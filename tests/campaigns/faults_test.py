import dataclasses
import os
import random
import shutil
import subprocess
import sys
import textwrap

import keras
import pytest
import tensorflow as tf

from keras_ssc import files
from keras_ssc.serving import exporting
from keras_ssc.training import checkpoints
from tests.campaigns import faults
from tests.campaigns import process as processes

# Writes eight files, one after the other; what is there is not written again.
PROGRAM = """
    import os, pathlib, sys, time
    care, names = sys.argv[1], sys.argv[2]
    for name in names:
        path = pathlib.Path("out", f"{name}.txt")
        if path.exists():
            continue
        try:
            text = 8 * pathlib.Path("own/source.txt").read_text()
            if care == "careful":
                pathlib.Path("out/.half").write_text(text)
                time.sleep(0.05)
                os.replace("out/.half", path)
            else:
                path.write_text(text[:3])
                time.sleep(0.05)
                path.write_text(text)
        except OSError as error:
            sys.exit(f"error: {error}")
"""


@pytest.fixture
def make_stand(tmp_path, monkeypatch):
    """Makes a stand of a program that writes files, with care or without."""
    (tmp_path / "inputs").mkdir()
    (tmp_path / "inputs" / "source.txt").write_text("words ")
    (tmp_path / "writes.py").write_text(textwrap.dedent(PROGRAM))
    monkeypatch.setattr(processes, "ROOT", tmp_path)
    jobs = {
        care: faults.Job(
            f"writes {care} 12345678", f"writes {care} e", resume=resume
        )
        for care, resume in (
            ("careful", "writes careful 12345678"),
            ("careless", None),
        )
    }
    monkeypatch.setattr(faults, "JOBS", jobs)
    monkeypatch.setattr(faults, "make_inputs", lambda folder: None)

    def make(care):
        stand = faults.Stand(care, tmp_path / "inputs", tmp_path / "tried")
        stand.run_undisturbed()
        assert 0 < stand.first < stand.seconds
        assert set(stand.expected) == {f"{name}.txt" for name in "e12345678"}
        return stand

    return make


@pytest.mark.parametrize(
    "fault",
    [
        "SIGKILL",
        "SIGKILL, again and again",
        "SIGTERM",
        "an input vanishes",
        "the folder becomes read-only",
        "the disk is full",
    ],
)
def test_a_command_that_takes_care_ends_as_undisturbed(make_stand, fault):
    stand = make_stand("careful")
    moment = (stand.first + stand.seconds) / 2
    trial = stand.disturb(fault, moment, random.Random(0))
    assert trial.is_kept and trial.is_equal
    assert faults.is_right([trial]) == trial.is_named
    if fault == "SIGKILL":
        assert trial.code == -9 and trial.num_hits == 1 and trial.is_named


def test_a_half_file_is_found(make_stand):
    stand = make_stand("careless")
    moments = (0.2, 0.25, 0.3, 0.35)
    trials = [
        stand.disturb("SIGKILL", seconds, random.Random(0))
        for seconds in moments
    ]
    assert not faults.is_right(trials)
    assert not all(trial.is_equal for trial in trials)


def test_damage_to_what_was_there_is_found(make_stand, monkeypatch):
    def spoil(stand, process, generator):
        (stand.out / "e.txt").write_text("spoilt")
        return True

    monkeypatch.setitem(faults.FAULTS, "spoilt", spoil)
    trial = make_stand("careful").disturb("spoilt", 0.1, random.Random(0))
    assert not trial.is_kept and not trial.is_equal


def test_a_fault_that_comes_too_late_hits_nothing(make_stand):
    trial = make_stand("careful").disturb("SIGKILL", 30, random.Random(0))
    assert not trial.num_hits and trial.code == 0 and trial.is_equal


def test_a_campaign_is_the_same_each_time(make_stand, tmp_path):
    # Where there is no worker, none dies; what resumes nothing is killed once.
    kinds = ("a worker dies", "SIGKILL, again and again", "SIGTERM", "SIGKILL")
    given = (["careless"], kinds, 3, 7, tmp_path)
    tried = list(faults.campaign(*given))
    assert [t.fault for t in tried] == ["SIGTERM", "SIGKILL", "SIGTERM"]


def test_the_clock_jumps_to_and_fro(tmp_path):
    (tmp_path / "watches.py").write_text(
        textwrap.dedent(
            """
            import sys, time
            start, seen = time.time(), set()
            end = time.monotonic() + 30
            while len(seen) < 2 and time.monotonic() < end:
                seen.add(round((time.time() - start) / 86_400))
                time.sleep(0.01)
            print(sys.argv[1], len(seen))
            """
        )
    )
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "tests.campaigns.process"),
            *("watches", "words"),
        ],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{processes.ROOT}"},
        timeout=120,
    )
    assert ended.stdout.split() == ["words", "2"]


def test_the_table_counts():
    trial = faults.Trial("build", "SIGKILL", 1.0, 1, -9, True, True, True)
    lost = dataclasses.replace(trial, is_equal=False)
    lines = faults.table([trial, trial, lost]).splitlines()
    assert "| build | SIGKILL | 3 | 3 | 3 | 3 | 2 |" in lines
    assert faults.is_right([trial]) and not faults.is_right([lost])


def test_an_export_is_complete_or_not(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"graph")
    exporting.write_sums(tmp_path)
    assert faults.is_complete(tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"grap")
    assert not faults.is_complete(tmp_path)


def test_records_are_compared_by_what_they_hold(tmp_path):
    features = {
        name: tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
        for value, name in enumerate("abcdefgh")
    }
    path = tmp_path / "data.tfrecord-00000-of-00001"
    outcomes = []
    for names in ("abcdefgh", "hgfedcba", "abcdefg"):
        parts = [
            tf.train.Example(
                features=tf.train.Features(feature={name: features[name]})
            ).SerializeToString()
            for name in names
        ]
        # Joined messages are one message: their features in this order.
        with tf.io.TFRecordWriter(str(path)) as writer:
            writer.write(b"".join(parts))
        outcomes.append(faults.records_of(tmp_path))
    assert outcomes[0] == outcomes[1] != outcomes[2]
    assert len(outcomes[0][path.name]) == 1


def test_tfds_names_an_error_in_a_line_of_its_own():
    build, extract = (
        faults.JOBS[name].program for name in ("build", "extract")
    )
    said = "Traceback (most recent call last):\n  File\nOSError: no room\n"
    assert faults.is_named(build, said)
    assert not faults.is_named(extract, said)
    assert faults.is_named(build, f"{said}\n\n   \x1b[A")
    assert not faults.is_named(build, "Traceback (most recent\n  File\n")
    assert faults.is_named(build, "done\n")
    assert faults.is_named(extract, "error: no room\n")


def test_a_worker_is_killed_and_not_the_tracker(tmp_path):
    (tmp_path / "parent.py").write_text(
        textwrap.dedent(
            """
            import multiprocessing, time
            from multiprocessing import resource_tracker
            if __name__ == "__main__":
                resource_tracker.ensure_running()
                worker = multiprocessing.get_context("spawn").Process(
                    target=time.sleep, args=(600,)
                )
                worker.start()
                print("ready", flush=True)
                worker.join()
                print(worker.exitcode)
            """
        )
    )
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "parent.py")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        assert process.stdout.readline() == "ready\n"
        assert len(processes.family(process.pid)) == 3
        # The tracker would be the first one that is drawn.
        generator = random.Random(1)
        assert faults.FAULTS["a worker dies"](None, process, generator)
        assert process.stdout.read() == "-9\n"


@pytest.fixture
def killed(tmp_path):
    """What a killed training left: checkpoints of two epochs."""
    folder = tmp_path / "run" / "checkpoints"
    folder.mkdir(parents=True)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    callback = checkpoints.Checkpoints(folder, 2)
    callback.set_model(model)
    for epoch in range(2):
        callback.on_epoch_end(epoch, {})
    return tmp_path


def test_epochs_are_counted_by_the_checkpoints_states(killed):
    assert faults.progress_of(killed) == 2
    folder = killed / "run" / "checkpoints"
    # One within the third epoch, as a training may store it.
    files.write_json(folder / "epoch_002_step_0012.json", {"epoch": 2})
    shutil.copy(
        folder / "epoch_002.keras", folder / "epoch_002_step_0012.keras"
    )
    (folder / ".writing.keras").write_bytes(b"half")
    assert faults.progress_of(killed) == 2
    assert len(checkpoints.by_age(folder)) == 3


def test_lost_epochs_and_damaged_checkpoints_are_found(killed):
    said = "resumed\nEpoch 3/6\n\x1b[1m 1/54\nEpoch 4/6"
    assert faults.is_whole(killed, 2, 2, said)
    assert faults.is_whole(killed, 2, 2, "starting")
    assert not faults.is_whole(killed, 2, 3, "starting")  # one is gone
    assert not faults.is_whole(killed, 2, 2, "Epoch 2/6")  # is trained again
    assert faults.is_whole(killed, 0, 2, "Epoch 1/6")  # for the first time
    first, second = checkpoints.by_age(killed / "run" / "checkpoints")
    assert faults.is_readable(first) and faults.is_readable(second)
    second.write_bytes(second.read_bytes()[:500])
    assert faults.is_readable(first) and not faults.is_readable(second)
    assert not faults.is_whole(killed, 1, 1, "starting")
    first.with_suffix(".json").write_text("{")
    assert not faults.is_readable(first)


def test_a_killed_training_ends_as_the_undisturbed_one(
    data_dir, tmp_path, monkeypatch
):
    train = faults.JOBS["train"]
    program = train.program.replace("scene_genre/frames", "scene_genre/small")
    program = program.replace("--epochs 6", "--epochs 2")
    job = dataclasses.replace(train, program=program, before="calendar")
    monkeypatch.setitem(faults.JOBS, "train", job)
    shutil.copytree(data_dir, tmp_path / "inputs" / "data")
    stand = faults.Stand("train", tmp_path / "inputs", tmp_path / "tried")
    stand.run_undisturbed()
    moment = stand.first + 0.8 * (stand.seconds - stand.first)
    trial = stand.disturb("SIGKILL", moment, random.Random(0))
    assert faults.is_right([trial]), trial
