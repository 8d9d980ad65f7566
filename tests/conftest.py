import itertools
import pathlib
import sys

import pytest
import tensorflow_datasets as tfds

from tests.helpers import drawn_films

BUILDERS = pathlib.Path(__file__).parent.parent / "tfds_builder"


@pytest.fixture(scope="session")
def builder_module():
    """The builder's module, as `tfds build` finds it: by its folder."""
    sys.path.insert(0, str(BUILDERS))
    try:
        from scene_genre import scene_genre_dataset_builder
    finally:
        sys.path.remove(str(BUILDERS))
    return scene_genre_dataset_builder


@pytest.fixture(scope="session")
def data_dir(builder_module, tmp_path_factory):
    """A data folder with a small sample data set, built as a user would."""
    folder = tmp_path_factory.mktemp("data")
    config = builder_module.SceneGenreConfig(
        name="small",
        source="sample",
        num_pairs=6,
        films_per_genre=2,
        film_seconds=1.5,
    )
    builder_module.Builder(
        data_dir=folder, config=config
    ).download_and_prepare()
    return folder


@pytest.fixture(scope="session")
def build_frames(builder_module, tmp_path_factory):
    """Builds a data set of a folder of frames; returns its data folder."""

    def build(frames, name):
        folder = tmp_path_factory.mktemp("data")
        config = builder_module.SceneGenreConfig(name=name, source="frames")
        builder = builder_module.Builder(data_dir=folder, config=config)
        builder.download_and_prepare(
            download_config=tfds.download.DownloadConfig(manual_dir=frames)
        )
        return folder

    return build


@pytest.fixture(scope="session")
def validation_dir(build_frames, tmp_path_factory):
    """A data folder whose data set has a validation split."""
    frames = tmp_path_factory.mktemp("frames")
    for place, (genre, split) in enumerate(
        itertools.product(
            ("action", "romance"), ("train", "validation", "test")
        )
    ):
        shot = drawn_films.shot(place, 16)
        drawn_films.write_frames(frames, genre, split, place + 1, shot)
    return build_frames(frames, "small")


@pytest.fixture(scope="session")
def small_run(validation_dir, tmp_path_factory):
    """A finished run of a data set that has a validation split."""
    from keras_ssc.training import loop
    from tests.helpers import tiny_runs

    folder = tmp_path_factory.mktemp("runs") / "fc"
    config = tiny_runs.small(validation_dir, folder, batch_size=4)
    return loop.train(config, verbose=False)


@pytest.fixture(scope="session")
def served_dir(tmp_path_factory):
    """A tiny served model with random weights, as a SavedModel."""
    # Imported here: most tests can do without TensorFlow's seconds.
    from tests.helpers import tiny_served

    folder = tmp_path_factory.mktemp("served") / "scene_genre" / "1"
    tiny_served.save(folder)
    return folder
