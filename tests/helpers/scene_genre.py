"""The builder of scene_genre, and small data sets that it builds."""

import functools
import itertools
import pathlib
import sys

import tensorflow_datasets as tfds

from tests.helpers import drawn_films

BUILDER = pathlib.Path(__file__).parents[2] / "tfds_builder" / "scene_genre"


@functools.cache
def builder_module():
    """Returns the builder's module, as `tfds build` finds it: by its folder."""
    sys.path.insert(0, str(BUILDER.parent))
    try:
        from scene_genre import scene_genre_dataset_builder
    finally:
        sys.path.remove(str(BUILDER.parent))
    return scene_genre_dataset_builder


def build(data_dir, manual_dir=None, name="small", **config):
    """Builds a data set, as `tfds build` does."""
    module = builder_module()
    config = module.SceneGenreConfig(name=name, **config)
    module.Builder(data_dir=data_dir, config=config).download_and_prepare(
        download_config=tfds.download.DownloadConfig(manual_dir=manual_dir)
    )


def build_with_validation(data_dir, frames):
    """Builds a data set of two genres and all three splits.

    Args:
        data_dir: `pathlib.Path` of the data folder.
        frames: `pathlib.Path` of a folder for the frames.
    """
    for place, (genre, split) in enumerate(
        itertools.product(
            ("action", "romance"), ("train", "validation", "test")
        )
    ):
        shot = drawn_films.shot(place, 16)
        drawn_films.write_frames(frames, genre, split, place + 1, shot)
    build(data_dir, frames, source="frames")
