"""The builder of scene_genre, and small data sets that it builds."""

import functools
import itertools
import pathlib
import sys

import tensorflow_datasets as tfds

from keras_ssc.data import pair_files
from keras_ssc.films import image_files
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


def build(data_dir, manual_dir, **config):
    """Builds a data set `scene_genre/small`, as `tfds build` does."""
    module = builder_module()
    builder = module.Builder(
        data_dir=data_dir, config=module.SceneGenreConfig("small", **config)
    )
    builder.download_and_prepare(
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
        folder = frames / pair_files.folder_name(genre, split)
        folder.mkdir(parents=True)
        for number, frame in enumerate(drawn_films.shot(place, 16), start=1):
            name = pair_files.frame_name(genre, place + 1, number)
            data = image_files.encode_frame(frame)
            (folder / name).write_bytes(data)
    build(data_dir, frames, source="frames")
