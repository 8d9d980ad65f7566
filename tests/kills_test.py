import json
import os
import shutil
import sys

import keras
import pytest

from experiments import kills
from keras_ssc import checkpoints
from keras_ssc import files
from keras_ssc.errors import OutsideError


@pytest.fixture
def run_dir(tmp_path):
    """A run's folder with checkpoints of two epochs."""
    folder = tmp_path / "run" / "checkpoints"
    folder.mkdir(parents=True)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    callback = checkpoints.Checkpoints(folder, 2)
    callback.set_model(model)
    for epoch in range(2):
        callback.on_epoch_end(epoch, {})
    return tmp_path / "run"


def cut_short(path):
    path.write_bytes(path.read_bytes()[:500])


def test_a_damaged_checkpoint_is_found(run_dir):
    first, second = checkpoints.by_age(run_dir / "checkpoints")
    assert kills.is_readable(first) and kills.is_readable(second)
    cut_short(second)
    assert kills.is_readable(first) and not kills.is_readable(second)
    first.with_suffix(".json").write_text("{")
    assert not kills.is_readable(first)


def test_epochs_are_counted_by_the_checkpoints_states(run_dir):
    assert kills.epochs_stored(run_dir) == 2
    folder = run_dir / "checkpoints"
    # One within the third epoch, as a training may store it.
    files.write_json(folder / "epoch_002_step_0012.json", {"epoch": 2})
    shutil.copy(
        folder / "epoch_002.keras", folder / "epoch_002_step_0012.keras"
    )
    assert kills.epochs_stored(run_dir) == 2
    (folder / ".writing.keras").write_bytes(b"half")
    assert len(checkpoints.by_age(run_dir / "checkpoints")) == 3


def test_the_first_epoch_is_what_keras_says():
    said = "going on after epoch 3 of 12\nEpoch 4/12\n\x1b[1m 1/54\nEpoch 5/12"
    assert kills.first_epoch(said) == 4
    assert kills.first_epoch("nothing yet") is None


class StandIn(kills.Training):
    """A training whose process is a few lines of Python."""

    def __init__(self, run_dir, program, num_epochs):
        super().__init__(run_dir, [], num_epochs)
        self.program = program

    def _program(self):
        return [sys.executable, "-u", "-c", self.program, str(self.run_dir)]


def kill(run_dir, program, num_epochs=4):
    (run_dir / "config.json").write_text("{}")
    said = run_dir.with_name("run.log")
    program = f"{program}\nimport time; time.sleep(60)"
    training = StandIn(run_dir, program, num_epochs)
    training._look()  # what an earlier start stored

    class Waits(float):
        """A delay that ends when the process has said its last word."""

        def __le__(self, seconds):
            return said.exists() and "ready" in said.read_text()

    return training.run(Waits(1.0))


def test_a_kill_that_cost_nothing_counts_nothing(run_dir):
    seen = kill(run_dir, "print('Epoch 3/4'); print('ready')")
    assert (seen.kind, seen.num_checkpoints) == (kills.TRAINING, 2)
    assert (seen.num_unreadable, seen.num_lost) == (0, 0)


def test_a_damaged_checkpoint_is_counted_with_its_epoch(run_dir):
    seen = kill(
        run_dir,
        "import sys\n"
        "open(f'{sys.argv[1]}/checkpoints/epoch_002.keras', 'wb').close()\n"
        "print('ready')",
    )
    assert (seen.kind, seen.num_checkpoints) == (kills.STARTING, 2)
    assert (seen.num_unreadable, seen.num_lost) == (1, 1)


def test_an_epoch_that_is_trained_again_is_lost(run_dir):
    seen = kill(run_dir, "print('Epoch 1/4'); print('ready')")
    assert (seen.num_unreadable, seen.num_lost) == (0, 2)


def test_a_kill_in_a_checkpoint_is_known_by_its_temporary_file(run_dir):
    (run_dir / "checkpoints" / ".old.tmp").write_text("of an earlier kill")
    os.utime(run_dir / "checkpoints" / ".old.tmp", (1, 1))
    seen = kill(run_dir, "print('Epoch 3/4'); print('ready')")
    assert seen.kind == kills.TRAINING
    seen = kill(
        run_dir,
        "import sys\n"
        "open(f'{sys.argv[1]}/checkpoints/.writing.keras', 'w').close()\n"
        "print('ready')",
    )
    assert (seen.kind, seen.num_unreadable) == (kills.WRITING, 0)


@pytest.mark.parametrize(
    "program, kind",
    [
        ("print('Epoch 2/2')", kills.ENDING),
        ("open(f'{sys.argv[1]}/curves.png', 'w').close()", kills.ENDING),
        ("print('importing')", kills.STARTING),
    ],
)
def test_after_the_last_epoch_a_start_up_is_a_start_up(run_dir, program, kind):
    program = f"import sys\n{program}\nprint('ready')"
    assert kill(run_dir, program, num_epochs=2).kind == kind


def test_an_error_of_the_training_is_told(run_dir):
    training = StandIn(run_dir, "raise SystemExit(3)", 4)
    with pytest.raises(OutsideError, match=r"code 3.*run\.log"):
        training.run(60.0)


def made_up_kill(**changes):
    values = {
        "run": "killed_1",
        "seconds": 1.0,
        "kind": kills.TRAINING,
        "num_checkpoints": 2,
        "num_unreadable": 0,
        "num_lost": 0,
    }
    return kills.Kill(**{**values, **changes})


RIGHT = kills.Ending("killed_1", 0, True, True)


def test_a_table_counts_the_kills():
    killed = [
        made_up_kill(),
        made_up_kill(kind=kills.WRITING, num_unreadable=1, num_lost=2),
    ]
    results = kills.results_of(killed, [RIGHT], "fc")
    lines = kills.text_of(results).splitlines()
    assert "cores" in lines[0] and lines[0].endswith("; fc.")
    assert "| kills | 2 |" in lines
    assert "| - while a checkpoint was written | 1 |" in lines
    assert "| - after the last epoch | 0 |" in lines
    assert "| unreadable checkpoints | 1 of 4 looked at |" in lines
    assert "| lost epochs, beyond the one under way | 2 |" in lines
    assert "| runs with the undisturbed run's weights | 1 of 1 |" in lines


@pytest.mark.parametrize(
    "killed, ending",
    [
        (made_up_kill(num_unreadable=1), RIGHT),
        (made_up_kill(num_lost=1), RIGHT),
        (made_up_kill(), kills.Ending("killed_1", 1, True, True)),
        (made_up_kill(), kills.Ending("killed_1", 0, False, True)),
        (made_up_kill(), kills.Ending("killed_1", 0, True, False)),
    ],
)
def test_anything_wrong_is_wrong(killed, ending):
    assert kills.is_right([made_up_kill()], [RIGHT])
    assert not kills.is_right([killed], [ending])


def test_killed_trainings_end_as_the_undisturbed_one(data_dir, tmp_path):
    settings = ["--model", "fc", "--dataset", "scene_genre/small"]
    settings += ["--data-dir", str(data_dir), "--image-size", "32x18"]
    settings += ["--batch-size", "8", "--epochs", "2", "--deterministic"]
    killed, endings = kills.kill_and_resume(
        settings, 2, 1, seed=0, folder=tmp_path / "runs"
    )
    assert len(killed) == 1 and kills.is_right(killed, endings)
    stored = json.loads(json.dumps(kills.results_of(killed, endings, "fc")))
    assert "| kills | 1 |" in kills.text_of(stored)
