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
    scene_genre.build(
        folder,
        manual_dir=None,
        source="sample",
        num_pairs=6,
        films_per_genre=2,
        film_seconds=1.5,
    )
    return folder


@pytest.fixture(scope="session")
def validation_dir(tmp_path_factory):
    """A data folder whose data set has a validation split."""
    folder = tmp_path_factory.mktemp("data")
    frames = tmp_path_factory.mktemp("frames")
    scene_genre.build_with_validation(folder, frames)
    return folder


@pytest.fixture(scope="session")
def served_dir(tmp_path_factory):
    """A tiny served model with random weights, as a SavedModel."""
    # Imported here: most tests can do without TensorFlow's seconds.
    from tests.helpers import tiny_served

    folder = tmp_path_factory.mktemp("served") / "scene_genre" / "1"
    tiny_served.save(folder)
    return folder
