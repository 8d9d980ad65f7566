import pytest

from tests.helpers import scene_genre


@pytest.fixture(scope="session")
def builder_module():
    """The builder's module, as `tfds build` finds it: by its folder."""
    return scene_genre.builder_module()


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory):
    """A data folder with a small sample data set, built as a user would."""
    folder = tmp_path_factory.mktemp("data")
    sizes = {"num_pairs": 6, "films_per_genre": 2, "film_seconds": 1.5}
    scene_genre.build(folder, source="sample", **sizes)
    return folder


@pytest.fixture(scope="session")
def build_frames(tmp_path_factory):
    """Builds a data set of a folder of frames; returns its data folder."""

    def build(frames, name):
        folder = tmp_path_factory.mktemp("data")
        scene_genre.build(folder, frames, name, source="frames")
        return folder

    return build


@pytest.fixture(scope="session")
def validation_dir(tmp_path_factory):
    """A data folder whose data set has a validation split."""
    folder = tmp_path_factory.mktemp("data")
    frames = tmp_path_factory.mktemp("frames")
    scene_genre.build_with_validation(folder, frames)
    return folder


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
