import dataclasses
import random
import shutil
import textwrap

import keras
import pytest

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
    trial = stand.disturb(fault, 0.8 * stand.seconds, random.Random(0))
    assert trial.is_kept and trial.is_equal
    assert faults.is_right([trial]) == trial.is_named
    if fault == "SIGKILL":
        assert trial.num_hits == 1 and trial.is_named


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


def test_lost_epochs_and_damaged_checkpoints_are_found(tmp_path):
    folder = tmp_path / "run" / "checkpoints"
    folder.mkdir(parents=True)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    callback = checkpoints.Checkpoints(folder, 2)
    callback.set_model(model)
    for epoch in range(2):
        callback.on_epoch_end(epoch, {})
    assert faults.progress_of(tmp_path) == 2
    said = "resumed\nEpoch 3/6\n\x1b[1m 1/54\nEpoch 4/6"
    assert faults.is_whole(tmp_path, 2, 2, said)
    assert faults.is_whole(tmp_path, 0, 2, "Epoch 1/6")  # for the first time
    assert not faults.is_whole(tmp_path, 2, 3, "starting")  # one is gone
    assert not faults.is_whole(tmp_path, 2, 2, "Epoch 2/6")  # trained again
    _, path = checkpoints.by_age(folder)
    path.write_bytes(path.read_bytes()[:500])
    assert not faults.is_whole(tmp_path, 1, 1, "starting")


def test_a_training_killed_twice_ends_as_the_undisturbed_one(
    data_dir, tmp_path, monkeypatch
):
    train = faults.JOBS["train"]
    program = train.program.replace("scene_genre/frames", "scene_genre/small")
    program = program.replace("--epochs 6", "--epochs 2")
    job = dataclasses.replace(train, program=program, before="calendar")
    monkeypatch.setitem(faults.JOBS, "train", job)
    monkeypatch.setattr(faults, "NUM_KILLS", 2)
    shutil.copytree(data_dir, tmp_path / "inputs" / "data")
    stand = faults.Stand("train", tmp_path / "inputs", tmp_path / "tried")
    stand.run_undisturbed()
    trial = stand.disturb(
        "SIGKILL, again and again", 0.8 * stand.seconds, random.Random(0)
    )
    assert trial.num_hits and faults.is_right([trial]), trial
