import dataclasses
import json
import os
import pickle
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

from experiments import model_table
from experiments import trainings
from keras_ssc import checkpoints
from keras_ssc import loop
from keras_ssc import models
from keras_ssc import runs
from tests import checkpoints_test


def results_of(**accuracies):
    """Made-up results: each model's shares by pair; by film all right."""
    return [
        {
            "model": name,
            "seed": seed,
            "pair": share,
            "film": 1.0,
            "largest_difference": 0.0,
        }
        for name, shares in accuracies.items()
        for seed, share in enumerate(shares)
    ]


NETWORK = {
    "model": "inception_v3",
    "image_size": [68, 120],
    "batch_size": 16,
    "trained": 21_780_646,
    "not_trained": 34_432,
    "multiply_adds": 338_861_408,
    "seconds_a_step": 0.123456,
}


def test_a_row_is_what_was_measured():
    results = results_of(inception_v3=[0.5, 0.6, 0.7], fc=[0.1])
    row = model_table.table(results, [NETWORK]).splitlines()[2]
    assert row.strip("| ").split(" | ") == [
        "inception_v3",
        "21,780,646 + 34,432",
        "120x68",
        "338.9",
        "0.123",
        "60.0 ± 10.0",
        "100.0 ± 0.0",
        "50.0, 60.0, 70.0",
        "59.2",
    ]


def test_one_seed_has_no_spread():
    network = {**NETWORK, "model": "vgg16"}
    row = model_table.table(results_of(vgg16=[0.5]), [network]).splitlines()[2]
    assert "| 50.0 | 100.0 | 50.0 | 44.1 |" in row


def test_every_model_has_the_report_s_figure():
    assert all(each.report_accuracy for each in models.MODELS.values())


def test_a_gain_is_measured_against_the_spread_of_both():
    results = results_of(
        inception_v3=[0.57, 0.60, 0.63],  # 60, spread 3
        double_stack=[0.86, 0.90, 0.94],  # 90, spread 4
        inception_v3_6ch=[0.53, 0.50, 0.47],
        motion_magnitude_stack=[0.58, 0.62, 0.66],
        flownet_fc=[0.99],
    )
    compared = {each["model"]: each for each in model_table.gains(results)}
    assert set(compared) == {
        "inception_v3_6ch",
        "double_stack",
        "motion_magnitude_stack",
    }
    assert compared["double_stack"]["points"] == pytest.approx(30)
    assert compared["double_stack"]["spread"] == pytest.approx(5)
    said = model_table.gains_text(list(compared.values()))
    assert (
        "double_stack beats it by 30.0 points, 6.0 times the spread of 5.0"
        in said
    )
    assert "inception_v3_6ch does **not** beat it, 10.0 points less" in said
    assert (
        "motion_magnitude_stack does **not** clearly beat it, 2.0 points more"
        in said
    )
    assert said.endswith("two seeds of both: flownet_fc.")


def test_seeds_without_a_spread_are_told():
    results = results_of(inception_v3=[0.6, 0.6], double_stack=[0.7, 0.7])
    said = model_table.gains_text(model_table.gains(results))
    assert "10.0 points, with no spread over the seeds" in said


def test_the_largest_difference_is_told():
    results = results_of(fc=[0.5, 0.5])
    results[1]["largest_difference"] = 0.25
    assert "by 0.25 at most" in model_table.differences_text(results)


def test_a_training_has_the_sample_s_settings_and_its_seeds(tmp_path):
    configs = model_table.configs_of(
        ["vgg16", "fc"], [4, 5], ["vgg16"], tmp_path, epochs=7
    )
    named = [(each.model, each.seed) for each in configs]
    assert named == [("vgg16", 4), ("fc", 4), ("fc", 5)]
    assert {each.epochs for each in configs} == {7}
    assert configs[0].dense_units == (256,)


@pytest.fixture
def config(data_dir, tmp_path):
    (made,) = model_table.configs_of(
        ["fc"],
        [0],
        [],
        tmp_path,
        dataset="scene_genre/small",
        data_dir=str(data_dir),
        image_size=(18, 32),
        epochs=3,
    )
    return made


def test_a_training_is_measured_once(config, tmp_path, monkeypatch):
    result = trainings.train_and_evaluate(config)
    written = json.loads((tmp_path / "fc_0" / "metrics.json").read_text())
    assert result["pair"] == written["pair"]["accuracy"]
    assert result["film"] == written["film"]["accuracy"]
    assert result["largest_difference"] == 0
    assert not (tmp_path / "fc_0" / "checkpoints").exists()
    monkeypatch.setattr(loop, "train", None)
    monkeypatch.setattr(loop, "resume", None)
    assert trainings.train_and_evaluate(config) == result
    network = model_table.measure_network(config, runs=1, num_steps=1)
    assert network["multiply_adds"] == 18 * 32 * 3 * 50 + 500 + 400 + 240
    assert network["trained"] > 18 * 32 * 3 * 50
    assert network["not_trained"] == 0
    measured = {
        "machine": "one",
        "dataset": "scene_genre/small",
        "models": [network],
        "results": [result],
    }
    text = model_table.text_of(json.loads(json.dumps(measured)))
    assert text.startswith("one; scene_genre/small; a training step is of 16 ")
    assert "| fc | " in text


def test_a_stopped_training_goes_on(config, tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        checkpoints_test.stop_after(patched, 2)
        with pytest.raises(checkpoints_test.StoppedError):
            trainings.train_and_evaluate(config)
    monkeypatch.setattr(loop, "train", None)
    trainings.train_and_evaluate(config)
    history = runs.read_history(tmp_path / "fc_0")
    assert history["epoch"] == [0, 1, 2]


def test_what_was_stopped_before_a_checkpoint_begins_anew(config, tmp_path):
    (tmp_path / "fc_0" / "checkpoints").mkdir(parents=True)
    (tmp_path / "fc_0" / "something").write_text("half")
    trainings.train_and_evaluate(config)
    assert not (tmp_path / "fc_0" / "something").exists()


def test_in_a_process_of_its_own_it_is_the_same(config, tmp_path):
    config = dataclasses.replace(config, deterministic=True)
    result = trainings.in_a_process(config)
    other = dataclasses.replace(config, run_dir=str(tmp_path / "other"))
    alike = ("pair", "confusion", "films", "expected_calibration_error")
    expected = trainings.train_and_evaluate(other)
    assert {key: result[key] for key in alike} == {
        key: expected[key] for key in alike
    }
    # What is done needs no process.
    assert trainings.in_a_process(config, Killed(tmp_path)) == result


def test_one_gpu_is_shared_unless_the_user_said_how(monkeypatch):
    environment = {"TF_FORCE_GPU_ALLOW_GROWTH": "false"}
    monkeypatch.setattr(os, "environ", environment)
    trainings.share_devices()
    assert environment == {
        "TF_FORCE_GPU_ALLOW_GROWTH": "false",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    }


class Killed:
    """In the place of splits, what ends or keeps whoever asks for them."""

    name = "scene_genre/small/1.1.0"

    def __init__(self, folder):
        self.folder = folder

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        os.kill(os.getpid(), signal.SIGKILL)


class Kept(Killed):
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        while True:
            (self.folder / "alive").touch()
            time.sleep(0.1)


def test_a_process_that_is_killed_is_told(config, tmp_path):
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

# What a shell starts in the background has it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
if __name__ == "__main__":
    trainings.in_a_process(*pickle.loads(pathlib.Path("given").read_bytes()))
"""


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT])
def test_a_process_ends_with_the_one_that_asked(config, tmp_path, ending):
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


def test_a_training_with_other_settings_is_not_taken_for_this(config, tmp_path):
    loop.train(dataclasses.replace(config, epochs=1), verbose=False)
    with pytest.raises(ValueError, match=r"epochs 3.*Found epochs 1.*--out"):
        trainings.train_and_evaluate(config)
    assert (tmp_path / "fc_0" / "model.keras").exists()


def test_a_model_that_changes_when_it_is_loaded_is_found(config, monkeypatch):
    write_final = checkpoints.Checkpoints.write_final

    def damaged(self, path):
        write_final(self, path)
        model = keras.saving.load_model(path, compile=False)
        model.layers[-1].bias.assign_add(np.full(6, 0.5))
        model.save(path)

    monkeypatch.setattr(checkpoints.Checkpoints, "write_final", damaged)
    result = trainings.train_and_evaluate(config)
    assert result["largest_difference"] == pytest.approx(0.5)
