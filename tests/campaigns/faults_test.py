import os
import random
import shutil
import subprocess
import sys
import textwrap

import keras
import pytest
import tensorflow as tf

from keras_ssc import checkpoints
from keras_ssc import export
from keras_ssc import files
from tests.campaigns import faults
from tests.campaigns import process as processes

# Writes eight files, one after the other; what is there is not written again.
PROGRAM = """
    import os, pathlib, sys, time
    out, source, is_careful = pathlib.Path(sys.argv[1]), *sys.argv[2:]
    for number in range(8):
        path = out / f"{number}.txt"
        if path.exists():
            continue
        text = pathlib.Path(source).read_text() * (number + 1)
        try:
            if is_careful == "careful":
                (out / ".half").write_text(text)
                time.sleep(0.05)
                os.replace(out / ".half", path)
            else:
                path.write_text(text[:3])
                time.sleep(0.05)
                path.write_text(text)
        except OSError as error:
            sys.exit(f"error: {error}")
"""


@pytest.fixture
def make_job(tmp_path, monkeypatch):
    (tmp_path / "inputs").mkdir()
    (tmp_path / "inputs" / "source.txt").write_text("words ")
    (tmp_path / "writes.py").write_text(textwrap.dedent(PROGRAM))
    monkeypatch.setattr(processes, "ROOT", tmp_path)

    def make(care):
        class Job(faults.Job):
            name = care

            def module(self):
                return ("writes", self.out, self.own / "source.txt", care)

            def before(self):
                (self.out / "earlier.txt").write_text("whole")

        return Job

    return make


def disturbed(make, fault, tmp_path, seconds=0.3):
    stand = faults.Stand(make, tmp_path / "inputs", tmp_path / "tried")
    stand.run_undisturbed()
    assert 0 < stand.first < stand.seconds
    assert set(stand.expected) == {
        "earlier.txt",
        *(f"{number}.txt" for number in range(8)),
    }
    return stand.disturb(fault, seconds, random.Random(0))


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
def test_a_command_that_takes_care_ends_as_undisturbed(
    make_job, tmp_path, fault
):
    trial = disturbed(make_job("careful"), fault, tmp_path)
    assert trial.num_hits and trial.is_kept and trial.is_equal
    assert faults.is_right([trial]) == trial.is_named
    if fault == "SIGKILL":
        assert trial.code == -9 and trial.is_named


def test_a_half_file_is_found(make_job, tmp_path):
    trials = [
        disturbed(make_job("careless"), "SIGKILL", tmp_path, seconds)
        for seconds in (0.2, 0.25, 0.3, 0.35)
    ]
    assert not faults.is_right(trials)
    assert not all(trial.is_equal for trial in trials)


def test_damage_to_what_was_there_is_found(make_job, tmp_path, monkeypatch):
    def spoil(job, process, generator):
        (job.out / "earlier.txt").write_text("spoilt")
        return True

    monkeypatch.setitem(faults.FAULTS, "spoilt", spoil)
    trial = disturbed(make_job("careful"), "spoilt", tmp_path)
    assert not trial.is_kept and not trial.is_equal


def test_a_fault_that_comes_too_late_hits_nothing(make_job, tmp_path):
    trial = disturbed(make_job("careful"), "SIGKILL", tmp_path, seconds=30)
    assert not trial.num_hits and trial.code == 0 and trial.is_equal


def test_where_there_is_no_worker_none_dies(make_job, tmp_path, monkeypatch):
    monkeypatch.setattr(faults, "JOBS", {"careful": make_job("careful")})
    monkeypatch.setattr(faults, "make_inputs", lambda folder: None)
    kinds = ("a worker dies", "SIGKILL")
    tried = list(faults.campaign(["careful"], kinds, 2, 7, tmp_path))
    assert [trial.fault for trial in tried] == ["SIGKILL"] * 2


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
            *(sys.executable, "-m", "tests.campaigns.faults", "--jump"),
            *("watches", "words"),
        ],
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "PYTHONPATH": f"{tmp_path}:{processes.ROOT}",
        },
        timeout=120,
    )
    assert ended.stdout.split() == ["words", "2"]


def test_the_table_counts():
    trial = faults.Trial("build", "SIGKILL", 1.0, 1, -9, True, True, True)
    lost = faults.dataclasses.replace(trial, is_equal=False)
    text = faults.text_of([trial, trial, lost])
    assert "3 faults, lost or damaged: 1" in text
    assert "| build | SIGKILL | 3 | 3 | 3 | 3 | 2 |" in text
    assert faults.is_right([trial]) and not faults.is_right([lost])


def test_every_job_says_what_it_runs(tmp_path):
    (tmp_path / "inputs").mkdir()
    for name, make in faults.JOBS.items():
        job = make(tmp_path / "inputs", tmp_path / name)
        module, *_ = job.module()
        assert module.startswith(("keras_ssc.", "tensorflow_datasets."))


def test_an_export_is_complete_or_not(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"graph")
    export.write_sums(tmp_path)
    assert faults.is_complete(tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"grap")
    assert not faults.is_complete(tmp_path)


def test_records_are_compared_by_what_they_hold(tmp_path):
    (tmp_path / "inputs").mkdir()
    job = faults.JOBS["build"](tmp_path / "inputs", tmp_path / "trial")
    features = {
        name: tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
        for value, name in enumerate("abcdefgh")
    }
    path = job.out / "data.tfrecord-00000-of-00001"
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
        outcomes.append(job.outcome())
    assert outcomes[0] == outcomes[1] != outcomes[2]
    assert len(outcomes[0][path.name]) == 1


def test_tfds_names_an_error_in_a_line_of_its_own(tmp_path):
    (tmp_path / "inputs").mkdir()
    build, extract = (
        faults.JOBS[name](tmp_path / "inputs", tmp_path / name)
        for name in ("build", "extract")
    )
    said = "Traceback (most recent call last):\n  File\nOSError: no room\n"
    assert build.is_named(said) and not extract.is_named(said)
    assert build.is_named(f"{said}\n\n   \x1b[A")
    assert not build.is_named("Traceback (most recent call last):\n  File\n")
    assert build.is_named("done\n") and extract.is_named("error: no room\n")


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
    """A training, as far as it came: checkpoints of two epochs of six."""
    (tmp_path / "inputs").mkdir()
    job = faults.JOBS["train"](tmp_path / "inputs", tmp_path / "trial")
    folder = job.out / "run" / "checkpoints"
    folder.mkdir(parents=True)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    callback = checkpoints.Checkpoints(folder, 2)
    callback.set_model(model)
    for epoch in range(2):
        callback.on_epoch_end(epoch, {})
    return job


def test_epochs_are_counted_by_the_checkpoints_states(killed):
    assert killed.progress() == 2 / 6
    folder = killed.out / "run" / "checkpoints"
    # One within the third epoch, as a training may store it.
    files.write_json(folder / "epoch_002_step_0012.json", {"epoch": 2})
    shutil.copy(
        folder / "epoch_002.keras", folder / "epoch_002_step_0012.keras"
    )
    (folder / ".writing.keras").write_bytes(b"half")
    assert killed.progress() == 2 / 6


def say(job, said):
    (job.out.parent / "log.txt").write_text(said)


def test_lost_epochs_and_damaged_checkpoints_are_found(killed):
    say(killed, "resumed\nEpoch 3/6\n\x1b[1m 1/54\nEpoch 4/6")
    assert killed.is_whole(2 / 6)
    assert not killed.is_whole(3 / 6)  # one that was stored is gone
    say(killed, "Epoch 2/6")  # is trained again
    assert not killed.is_whole(2 / 6) and killed.is_whole(1 / 6)
    say(killed, "starting")
    first, second = checkpoints.by_age(killed.out / "run" / "checkpoints")
    assert faults.is_readable(first) and faults.is_readable(second)
    second.write_bytes(second.read_bytes()[:500])
    assert faults.is_readable(first) and not faults.is_readable(second)
    assert not killed.is_whole(1 / 6)
    first.with_suffix(".json").write_text("{")
    assert not faults.is_readable(first)


def test_a_killed_training_ends_as_the_undisturbed_one(data_dir, tmp_path):
    class Train(faults.JOBS["train"]):
        dataset, num_epochs = "scene_genre/small", 2

        def before(self):
            (self.out / "earlier.txt").write_text("whole")

    (tmp_path / "inputs").mkdir()
    shutil.copytree(data_dir, tmp_path / "inputs" / "data")
    stand = faults.Stand(Train, tmp_path / "inputs", tmp_path / "tried")
    stand.run_undisturbed()
    moment = stand.first + 0.8 * (stand.seconds - stand.first)
    trial = stand.disturb("SIGKILL", moment, random.Random(0))
    assert faults.is_right([trial]), trial
