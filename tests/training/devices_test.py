"""One device, two devices and two hosts: the same training."""

import dataclasses
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_ssc.training import checkpoints
from keras_ssc.training import devices
from keras_ssc.training import loop
from keras_ssc.training import runs
from tests.helpers import on_two_devices
from tests.helpers import programs
from tests.helpers import tiny_runs

# Trains, and prints a checksum of the weights that this process has.
PROGRAM = """
import hashlib
import sys
import time
from keras_ssc.training import checkpoints
from keras_ssc import command
from keras_ssc.training import loop
from keras_ssc.training.train_config import TrainConfig
from tests.helpers import tiny_runs

on_epoch_end = checkpoints.Checkpoints.on_epoch_end

def tells(self, epoch, logs=None):
    on_epoch_end(self, epoch, logs)
    data = b"".join(array.tobytes() for array in self.model.get_weights())
    print("epoch", epoch, hashlib.sha256(data).hexdigest(), flush=True)
    time.sleep(0.2)  # for a kill that is to come before the end

checkpoints.Checkpoints.on_epoch_end = tells
with tiny_runs.without_pictures():
    if len(sys.argv) > 2:
        command.run(lambda: loop.train(eval(sys.argv[2]), False) and 0)
    else:
        command.run(lambda: loop.resume(sys.argv[1], False) and 0)
"""


def start_on_two_hosts(run_dir, config=None):
    """Starts a training process for each host; config None resumes the run."""
    hosts = two_hosts()
    return [start(run_dir, config, hosts, index) for index in range(2)]


def start(run_dir, config, hosts, index):
    cluster = {
        "cluster": {"worker": hosts},
        "task": {"type": "worker", "index": index},
    }
    return subprocess.Popen(
        [
            *(sys.executable, "-c", PROGRAM, run_dir),
            *([] if config is None else [repr(config)]),
        ],
        env={**os.environ, "TF_CONFIG": json.dumps(cluster)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process):
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said[-3000:]
    return [line for line in said.splitlines() if line.startswith("epoch ")]


def two_hosts():
    """Returns two addresses of this machine with free ports."""
    sockets = [socket.socket() for _ in range(2)]
    for made in sockets:
        made.bind(("127.0.0.1", 0))
    hosts = [f"127.0.0.1:{made.getsockname()[1]}" for made in sockets]
    for made in sockets:
        made.close()
    return hosts


def losses(run_dir):
    """Reads the loss of every step, as TensorBoard shows it."""
    found = tiny_runs.logged(run_dir)["batch_loss"]
    steps, values = zip(*found, strict=True)
    assert steps == tuple(range(1, len(steps) + 1))
    return [float(value) for value in values]


def settings(data_dir, run_dir, **changes):
    return tiny_runs.small(
        data_dir,
        run_dir,
        **{"batch_size": 6, "epochs": 3, "deterministic": True, **changes},
    )


@pytest.fixture(scope="module")
def one_device(validation_dir, tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("one") / "run"
    return loop.train(settings(validation_dir, run_dir), verbose=False)


@pytest.fixture(scope="module")
def on_two(validation_dir, tmp_path_factory):
    """What a process with two devices printed, and the run it trained."""
    run_dir = tmp_path_factory.mktemp("two") / "run"
    config = settings(validation_dir, run_dir, strategy="mirrored")
    printed = programs.run("-m", "tests.helpers.on_two_devices", repr(config))
    return printed, run_dir


@pytest.mark.parametrize("check", on_two_devices.CHECKS)
def test_two_devices_compute_what_one_does(on_two, check):
    printed, _ = on_two
    assert f"holds: {check.__name__}\n" in printed, printed[-3000:]


def test_two_devices_train_as_one_does(on_two, one_device):
    _, run_dir = on_two
    np.testing.assert_allclose(losses(run_dir), losses(one_device), rtol=1e-5)
    assert_same_history(run_dir, one_device)


def assert_same_history(run_dir, other_dir, epochs=3):
    history, other = runs.read_history(run_dir), runs.read_history(other_dir)
    assert history.keys() == other.keys() and "val_loss" in history
    for name in history:
        np.testing.assert_allclose(
            history[name][:epochs], other[name][:epochs], rtol=1e-5
        )


def test_a_model_is_stored_as_other_backends_take_it(tmp_path):
    layer = keras.layers.BatchNormalization(synchronized=True)
    model = keras.Sequential([keras.Input((3,)), layer])
    checkpoints.write_model(model, tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert not loaded.layers[-1].synchronized
    assert layer.synchronized


@pytest.fixture(scope="module")
def on_two_hosts(validation_dir, tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("two") / "run"
    config = settings(validation_dir, run_dir, epochs=8)
    started = start_on_two_hosts(run_dir, config)
    return run_dir, [finish(process) for process in started]


def test_two_hosts_compute_what_one_device_does(one_device, on_two_hosts):
    run_dir, said = on_two_hosts
    assert said[0] == said[1] and len(said[0]) == 8
    expected = losses(one_device)
    np.testing.assert_allclose(
        losses(run_dir)[: len(expected)], expected, rtol=1e-5
    )
    assert_same_history(run_dir, one_device)


def test_one_host_writes_the_run_s_files(on_two_hosts, one_device):
    run_dir, _ = on_two_hosts
    names, expected = (
        sorted(
            path.name
            for path in folder.rglob("*")
            if path.is_file()
            and not {"tfevents", "epoch"} & set(re.split("[._]", path.name))
        )
        for folder in (run_dir, one_device)
    )
    assert names == expected
    logs = [
        sorted(path.parent.name for path in folder.rglob("*tfevents*"))
        for folder in (run_dir, one_device)
    ]
    assert logs[0] == logs[1]


def test_a_host_that_dies_ends_the_other_and_all_go_on(
    validation_dir, on_two_hosts, tmp_path
):
    whole, said = on_two_hosts
    run_dir = tmp_path / "run"
    config = settings(validation_dir, run_dir, epochs=8)
    started = start_on_two_hosts(run_dir, config)
    limit = time.monotonic() + 200
    while not list(run_dir.glob("checkpoints/epoch_*.keras")):
        assert time.monotonic() < limit
        assert all(process.poll() is None for process in started)
        time.sleep(0.01)
    started[1].kill()
    killed = time.monotonic()
    told, _ = started[0].communicate(timeout=100)
    assert time.monotonic() - killed < 60
    started[1].communicate()
    assert started[0].returncode == 1, told[-3000:]
    last = [line for line in told.splitlines() if line.startswith("error:")]
    assert "Another worker has ended" in last[0] and "--resume" in last[0]
    assert "Traceback" not in told
    for process in start_on_two_hosts(run_dir):
        assert finish(process)[-1] == said[0][-1]
    assert_same_history(run_dir, whole, epochs=8)


def test_two_hosts_need_a_folder_that_both_see(validation_dir, monkeypatch):
    config = dataclasses.replace(settings(validation_dir, ""), run_dir=None)
    monkeypatch.setattr(devices, "has_several_hosts", lambda _: True)
    monkeypatch.setattr(devices, "is_chief", lambda _: True)
    monkeypatch.setattr(devices, "wait_for_all", lambda _: None)
    with pytest.raises(ValueError, match="Expected --run-dir"):
        loop.train(config, verbose=False)


@pytest.mark.parametrize(
    "text",
    [
        "no JSON",
        "[]",
        '{"cluster": {"worker": ["a:1", "b:1"]}}',
        '{"cluster": {"worker": ["a:1", "b:1"]}, '
        '"task": {"type": "worker", "index": 2}}',
        '{"cluster": {"worker": ["a:1", "b"]}, '
        '"task": {"type": "worker", "index": 0}}',
        '{"cluster": {"worker": ["a:1", "b:1"], "ps": ["c:1"]}, '
        '"task": {"type": "worker", "index": 0}}',
    ],
)
def test_a_tf_config_that_says_nothing_is_refused(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(ValueError, match="Expected TF_CONFIG as JSON"):
        devices.make_strategy("auto")


def test_several_hosts_need_tf_config(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(ValueError, match="two workers or more"):
        devices.make_strategy("multi_worker")


class Replicas:
    def __init__(self, count):
        self.num_replicas_in_sync = count


def test_devices_share_a_batch_evenly():
    devices.check_batch_size(Replicas(4), 64)
    with pytest.raises(ValueError, match=r"4 devices can share.*66"):
        devices.check_batch_size(Replicas(4), 66)


def test_an_error_that_is_none_of_a_host_s_is_let_through():
    with (
        pytest.raises(tf.errors.InternalError, match="a bug"),
        devices.naming_lost_workers(),
    ):
        raise tf.errors.InternalError(None, None, "a bug")


@pytest.mark.parametrize(
    "flags, expected",
    [
        ("fpu sse2 avx512_bf16", "mixed_bfloat16"),
        ("fpu amx_bf16", "mixed_bfloat16"),
    ],
)
def test_mixed_precision_is_what_the_processor_has(
    monkeypatch, flags, expected
):
    monkeypatch.setattr(devices.pathlib.Path, "read_text", lambda *_: flags)
    assert devices.precision_of_machine("mixed") == expected
    assert devices.precision_of_machine("float32") == "float32"


def test_mixed_precision_is_refused_where_it_would_be_slow(monkeypatch):
    monkeypatch.setattr(
        devices.pathlib.Path, "read_text", lambda *_: "fpu sse2"
    )
    with pytest.raises(ValueError, match="avx512_bf16 or amx_bf16"):
        devices.precision_of_machine("mixed")


def test_slurm_tells_every_host_who_it_is(tmp_path):
    # Stand-ins for a cluster's commands; srun runs one task after the other.
    stubs = {
        "scontrol": "printf 'node01\\nnode02\\n'",
        "srun": 'shift; for i in 0 1; do SLURM_PROCID=$i "$@"; done',
        "python": 'echo "$TF_CONFIG"; echo "$@"',
    }
    for name, text in stubs.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{text}\n")
        (tmp_path / name).chmod(0o755)
    script = pathlib.Path(__file__).parents[2] / "experiments/train.slurm"
    flags = ["--model", "fc", "--run-dir", "runs/two hosts"]
    said = subprocess.run(
        ["bash", script, *flags],
        env={
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "SLURM_JOB_ID": "123456",
            "SLURM_JOB_NODELIST": "node[01-02]",
        },
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    hosts = ["node01:23456", "node02:23456"]
    for index in range(2):
        assert json.loads(said[2 * index]) == {
            "cluster": {"worker": hosts},
            "task": {"type": "worker", "index": index},
        }
        assert said[2 * index + 1] == "-m keras_ssc.train " + " ".join(flags)
