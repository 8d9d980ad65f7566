import pathlib
import sys

import pytest

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
