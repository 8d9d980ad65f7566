import dataclasses
import json
import os
import pickle
import signal
import subprocess
import sys
import time

import pytest

from experiments import trainings
from keras_ssc.training import loop
from keras_ssc.training import runs
from keras_ssc.training import train_config
from keras_ssc.training import trainings as product
from tests.helpers import tiny_runs

pytestmark = pytest.mark.usefixtures("no_pictures")


@pytest.fixture
def config(data_dir, tmp_path):
    return train_config.fill_in(
        tiny_runs.small(
            data_dir,
            tmp_path / "fc_0",
            epochs=3,
            batch_size=16,
            learning_rate=1e-3,
        )
    )


def test_a_training_is_measured_once(config, tmp_path, monkeypatch):
    result = trainings.train_and_evaluate(config)
    written = json.loads((tmp_path / "fc_0" / "metrics.json").read_text())
    assert result["pair"] == written["pair"]["accuracy"]
    assert result["film"] == written["film"]["accuracy"]
    weights = [18 * 32 * 3 * 50, 50 * 10, 10 * 40, 40 * 6]
    assert result["parameters"] == sum(weights) + 50 + 10 + 40 + 6
    assert result["inputs"] == ["frame"]
    assert not (tmp_path / "fc_0" / "checkpoints").exists()
    monkeypatch.setattr(loop, "train", None)
    monkeypatch.setattr(loop, "resume", None)
    assert trainings.train_and_evaluate(config) == result


def test_an_interrupted_training_is_resumed(config, tmp_path, monkeypatch):
    tiny_runs.interrupt(config, 2, train=trainings.train_and_evaluate)
    monkeypatch.setattr(loop, "train", None)
    trainings.train_and_evaluate(config)
    history = runs.read_history(tmp_path / "fc_0")
    assert history["epoch"] == [0, 1, 2]


def test_without_a_checkpoint_an_interrupted_training_begins_anew(
    config, tmp_path
):
    (tmp_path / "fc_0" / "checkpoints").mkdir(parents=True)
    (tmp_path / "fc_0" / "something").write_text("half")
    trainings.train_and_evaluate(config)
    assert not (tmp_path / "fc_0" / "something").exists()


def test_a_process_of_its_own_gives_the_same_result(
    config, tmp_path, real_encoder
):
    config = dataclasses.replace(config, deterministic=True)
    result = trainings.in_a_process(config)
    other = dataclasses.replace(config, run_dir=str(tmp_path / "other"))
    alike = ("pair", "films", "expected_calibration_error")
    expected = trainings.train_and_evaluate(other)
    assert {key: result[key] for key in alike} == {
        key: expected[key] for key in alike
    }
    # A finished training needs no process.
    assert trainings.in_a_process(config, Killed(tmp_path)) == result


def test_one_gpu_is_shared_unless_the_user_set_otherwise(monkeypatch):
    environment = {"TF_FORCE_GPU_ALLOW_GROWTH": "false"}
    monkeypatch.setattr(os, "environ", environment)
    product.share_devices()
    assert environment == {
        "TF_FORCE_GPU_ALLOW_GROWTH": "false",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    }


class Killed:
    """Splits whose reader is killed."""

    name = "scene_genre/small/1.1.0"

    def __init__(self, folder):
        self.folder = folder

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        os.kill(os.getpid(), signal.SIGKILL)


class Kept(Killed):
    """Splits whose reader never ends."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        while True:
            (self.folder / "alive").touch()
            time.sleep(0.1)


def test_a_killed_process_is_an_error(config, tmp_path):
    with pytest.raises(loop.TrainingError, match="fc_0 was killed, perhaps"):
        trainings.in_a_process(config, Killed(tmp_path))


def test_an_error_in_a_process_is_raised_here(config):
    unknown = dataclasses.replace(config, dataset="scene_genre/unknown")
    with pytest.raises(ValueError, match="unknown") as caught:
        trainings.in_a_process(unknown)
    assert "in train_and_evaluate" in str(caught.value.__cause__)


PARENT = """
import pathlib, pickle, signal
from experiments import trainings

# A shell's background processes ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)
if __name__ == "__main__":
    trainings.in_a_process(*pickle.loads(pathlib.Path("given").read_bytes()))
"""


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT])
def test_a_process_ends_with_its_parent(config, tmp_path, ending):
    (tmp_path / "given").write_bytes(pickle.dumps((config, Kept(tmp_path))))
    (tmp_path / "parent.py").write_text(PARENT)
    parent = subprocess.Popen(
        [sys.executable, "parent.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
        start_new_session=True,
    )
    alive = tmp_path / "alive"
    try:
        wait_until(alive.exists)
        if ending == signal.SIGKILL:
            parent.kill()
        else:
            # As Ctrl-C at a terminal, twice: all of its processes get it.
            for _ in range(2):
                os.killpg(parent.pid, ending)
        parent.wait(60)
    finally:
        parent.kill()
    wait_until(lambda: time.time() - alive.stat().st_mtime > 2)


def wait_until(is_so, seconds=60):
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_training_with_other_settings_is_refused(config, tmp_path):
    loop.train(dataclasses.replace(config, epochs=1), verbose=False)
    with pytest.raises(ValueError, match=r"epochs 3.*Found epochs 1.*another"):
        trainings.train_and_evaluate(config)
    assert (tmp_path / "fc_0" / "model.keras").exists()
