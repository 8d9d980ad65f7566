import os
import shutil
import sys
import time

import pytest

from tests.helpers import scene_genre

# Files with few and slow tests; begun last, one would run alone at the end.
SLOW = ("jax_test", "notebook_test", "devices_test")

# How many threads an operation has, in OpenCV, OpenVINO, NumPy, TensorFlow.
THREADS = (
    "OPENCV_FOR_THREADS_NUM",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
)


def pytest_xdist_auto_num_workers():
    """One more than processors: much of the time is waiting for processes.

    Workers, and the processes that they start, have one thread an operation:
    beside each other, more of them only wait for a processor.
    """
    for name in THREADS:
        os.environ.setdefault(name, "1")
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items):
    """Puts the slow files first; the order is the same in each worker."""
    items.sort(key=lambda item: not item.path.stem.startswith(SLOW))


def made_once(tmp_path_factory, name, make):
    """Returns a worker's copy of a folder that one of the workers makes."""
    own = tmp_path_factory.mktemp(name)
    if "PYTEST_XDIST_WORKER" not in os.environ:
        make(own)
        return own
    shared = tmp_path_factory.getbasetemp().parent / name
    done = shared.with_suffix(".done")
    try:
        shared.mkdir()
    except FileExistsError:
        limit = time.monotonic() + 300
        while not done.exists():
            assert time.monotonic() < limit, f"{name} was not made"
            time.sleep(0.1)
    else:
        make(shared)
        done.touch()
    shutil.copytree(shared, own, dirs_exist_ok=True)
    return own


@pytest.fixture(scope="session", autouse=True)
def light_encoder():
    """Light encoders are in the embedded ones' place, in this process.

    Not where no test has loaded the models: that takes seconds, too.
    """
    with pytest.MonkeyPatch.context() as patch:
        if "keras_ssc.models" in sys.modules:
            from tests.helpers import light_encoder

            patch.setattr(
                "keras_ssc.models.embedded_encoder", light_encoder.encoder
            )
            patch.setattr(
                "keras_ssc.models.embedded_pair_encoder",
                light_encoder.pair_encoder,
            )
        yield


@pytest.fixture
def real_encoder(monkeypatch):
    """The embedded encoders are themselves, for tests of what they see."""
    from keras_ssc.models import embedded

    monkeypatch.setattr("keras_ssc.models.embedded_encoder", embedded.encoder)
    monkeypatch.setattr(
        "keras_ssc.models.embedded_pair_encoder", embedded.pair_encoder
    )


@pytest.fixture(scope="session")
def builder_module():
    """The builder's module, as `tfds build` finds it: by its folder."""
    return scene_genre.builder_module()


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory):
    """A data folder with a small sample data set, built as a user would."""
    sizes = {"num_pairs": 6, "films_per_genre": 2, "film_seconds": 1.5}

    def make(folder):
        scene_genre.build(folder, source="sample", **sizes)

    return made_once(tmp_path_factory, "sample_data", make)


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


@pytest.fixture(scope="module")
def no_pictures():
    """For files whose tests look at no picture of a training."""
    from tests.helpers import tiny_runs

    with tiny_runs.without_pictures():
        yield


@pytest.fixture(scope="session")
def served_dir(tmp_path_factory):
    """A tiny served model with random weights, as a SavedModel."""
    # Imported here: most tests can do without TensorFlow's seconds.
    from tests.helpers import tiny_served

    folder = tmp_path_factory.mktemp("served") / "scene_genre" / "1"
    tiny_served.save(folder)
    return folder


@pytest.fixture(scope="session")
def familiar_dir(tmp_path_factory):
    """The same, of a model that sees no motion and knows its films."""
    from tests.helpers import tiny_served

    folder = tmp_path_factory.mktemp("served") / "scene_genre" / "1"
    fitted = tiny_served.familiarity()
    tiny_served.save_model(tiny_served.build(), folder, fitted)
    return folder
