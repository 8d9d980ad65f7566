"""Kills a training at random moments and looks at what is lost: nothing.

    python -m experiments.kills --kills 20

One training runs undisturbed; another one is killed with SIGKILL and resumed
by the command that a user gives, again and again. In the end both must be the
same, bit for bit.
"""

import argparse
import collections
import dataclasses
import json
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import time

import keras
import numpy as np

from experiments import benchmark
from experiments import readme
from keras_ssc import checkpoints
from keras_ssc import command
from keras_ssc import models
from keras_ssc import runs
from keras_ssc import tables
from keras_ssc.errors import OutsideError

# What the process did when it was killed.
STARTING = "in start-up, before the first step"
TRAINING = "within an epoch"
WRITING = "while a checkpoint was written"
ENDING = "after the last epoch"
KINDS = (STARTING, TRAINING, WRITING, ENDING)

# Of the kills of a resumed training, those that are to come in its start-up.
_START_UP_SHARE = 0.2


@dataclasses.dataclass(frozen=True)
class Kill:
    """A kill, and what it left.

    Attributes:
        run: String, name of the run's folder.
        seconds: Float, since the run's config was there.
        kind: String, one of `KINDS`.
        num_checkpoints: Integer, checkpoints in the folder afterwards.
        num_unreadable: Integer, how many of them cannot be read.
        num_lost: Integer, epochs that were stored before and no longer are.
    """

    run: str
    seconds: float
    kind: str
    num_checkpoints: int
    num_unreadable: int
    num_lost: int


@dataclasses.dataclass(frozen=True)
class Ending:
    """A run that came to its end, beside the undisturbed one.

    Attributes:
        run: String, name of the run's folder.
        num_lost: Integer, epochs that were stored and that the last resumed
            training did not go on from.
        weights_equal: Boolean, bit for bit.
        history_equal: Boolean, every number in `history.csv`.
    """

    run: str
    num_lost: int
    weights_equal: bool
    history_equal: bool


class Training:
    """A run that is started, killed, and resumed, by commands.

    Args:
        run_dir: `pathlib.Path` of the run's folder.
        settings: List of strings, flags of `keras_ssc.train`.
        num_epochs: Integer, how many epochs the settings ask for.
    """

    def __init__(self, run_dir, settings, num_epochs):
        self.run_dir = run_dir
        self.num_epochs = num_epochs
        # Of the last start: until there is a config, from then until the
        # first step is done, and from then to the end.
        self.start_seconds = self.trace_seconds = self.run_seconds = 0.0
        self._settings = settings
        self._log = run_dir.with_name(f"{run_dir.name}.log")
        # The most epochs that were ever stored, and those of them that were
        # when the last start began.
        self._num_stored = self._num_stored_before = 0

    def is_begun(self):
        """Says whether there is something to resume."""
        return (self.run_dir / "config.json").exists()

    def is_finished(self):
        """Says whether the run has its model."""
        return (self.run_dir / "model.keras").exists()

    def share_left(self):
        """Returns the share of the epochs that is not stored yet."""
        return 1 - epochs_stored(self.run_dir) / self.num_epochs

    def run(self, delay=None):
        """Starts or resumes the training.

        Args:
            delay: Float, seconds from the moment that there is a config until
                it is killed; None for never.

        Returns:
            A `Kill`, or None if the training ended by itself.

        Raises:
            OutsideError: If it ended in an error.
        """
        started = time.time()
        self._num_stored_before = self._num_stored
        with open(self._log, "wb") as log:
            process = subprocess.Popen(
                self._program(), stdout=log, stderr=subprocess.STDOUT
            )
            try:
                self._watch(process, delay)
            finally:
                process.kill()  # nothing happens to one that has ended
                code = process.wait()
        self._look()
        if code == 0:
            return None
        if code != -signal.SIGKILL or delay is None:
            raise OutsideError(
                f"The training ended with code {code}. What it said is in "
                f"{self._log}."
            )
        return self._kill(delay, started)

    def _program(self):
        flags = ["--resume", str(self.run_dir)]
        if not self.is_begun():
            flags = [*self._settings, "--run-dir", str(self.run_dir)]
        return [sys.executable, "-u", "-m", "keras_ssc.train", *flags]

    def _watch(self, process, delay):
        """Returns when the training has ended, or is to be killed."""
        start = time.monotonic()
        while not self.is_begun() and process.poll() is None:
            time.sleep(0.01)
        begun = time.monotonic()
        self.start_seconds = begun - start
        self.trace_seconds = 0.0
        while process.poll() is None:
            if not self.trace_seconds and "/step" in self._said():
                self.trace_seconds = time.monotonic() - begun
            if delay is not None and time.monotonic() - begun >= delay:
                return
            self._look()
            time.sleep(0.01)
        self.run_seconds = time.monotonic() - begun

    def _look(self):
        self._num_stored = max(self._num_stored, epochs_stored(self.run_dir))

    def _kill(self, delay, started):
        paths = checkpoints.by_age(self.run_dir / "checkpoints")
        readable = [path for path in paths if is_readable(path)]
        kept = max(map(epochs_of, readable), default=0)
        return Kill(
            run=self.run_dir.name,
            seconds=delay,
            kind=self._kind(started),
            num_checkpoints=len(paths),
            num_unreadable=len(paths) - len(readable),
            num_lost=max(self._num_stored - kept, self.num_not_resumed()),
        )

    def num_not_resumed(self):
        """Returns how many stored epochs the last start trained again."""
        first = first_epoch(self._said())
        if first is None:
            return 0
        return max(self._num_stored_before - (first - 1), 0)

    def _kind(self, started):
        """Returns what the process did, as the folder and its words tell."""

        def is_written(folder, names):
            # What is older was left by an earlier start.
            return any(
                path.stat().st_mtime >= started for path in folder.glob(names)
            )

        if is_written(self.run_dir / "checkpoints", ".*"):
            return WRITING
        has_trained = first_epoch(self._said()) is not None
        is_over = epochs_stored(self.run_dir) >= self.num_epochs
        if is_over and (has_trained or is_written(self.run_dir, "*.png")):
            return ENDING
        return TRAINING if has_trained else STARTING

    def _said(self):
        return self._log.read_text("utf-8", "replace")


def epochs_of(path):
    """Returns how many epochs are done in a checkpoint; 0 if it is gone."""
    try:
        return json.loads(path.with_suffix(".json").read_text("utf-8"))["epoch"]
    except (OSError, ValueError, KeyError):
        return 0


def epochs_stored(run_dir):
    """Returns how many epochs are done in a run's newest checkpoint."""
    return max(
        map(epochs_of, checkpoints.by_age(run_dir / "checkpoints")), default=0
    )


def is_readable(path):
    """Says whether a checkpoint's model and state can be loaded."""
    try:
        text = path.with_suffix(".json").read_text("utf-8")
        checkpoints.State(**json.loads(text))
        keras.saving.load_model(path, safe_mode=True)
    # As many kinds of errors as a file can be damaged in ways.
    except Exception:
        return False
    return True


def first_epoch(said):
    """Returns the number of the first epoch that a training said it began.

    Args:
        said: String, its output.

    Returns:
        Integer from 1, or None if it began none.
    """
    found = re.search(r"^Epoch (\d+)/", said, re.MULTILINE)
    return found and int(found[1])


def kill_and_resume(settings, num_epochs, num_kills, seed, folder):
    """Trains undisturbed, and trains with kills, and compares.

    The moments are drawn evenly from what the undisturbed run needed; after a
    kill, some from a start-up and the others from what is left of the run
    behind it. A run that ends before all kills are done is followed by
    another one.

    Args:
        settings: List of strings, flags of `keras_ssc.train`.
        num_epochs: Integer, how many epochs they ask for.
        num_kills: Integer.
        seed: Integer, of the moments.
        folder: `pathlib.Path` for the runs; what is in it is deleted.

    Returns:
        A tuple (kills, endings): a list of `Kill` and a list of `Ending`.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    whole = Training(folder / "whole", settings, num_epochs)
    whole.run()
    print(f"undisturbed: {whole.run_seconds:.1f} s", flush=True)
    generator = random.Random(seed)
    kills, endings = [], []
    while len(kills) < num_kills:
        run_dir = folder / f"killed_{len(endings) + 1}"
        training = Training(run_dir, settings, num_epochs)
        while not training.is_finished():
            delay = None
            if len(kills) < num_kills:
                delay = _draw_delay(generator, training, whole)
            kill = training.run(delay)
            if kill is not None:
                kills.append(kill)
                print(f"{len(kills)} of {num_kills}: {kill}", flush=True)
        endings.append(_compare(training, whole))
        print(endings[-1], flush=True)
    return kills, endings


def _draw_delay(generator, training, whole):
    if not training.is_begun():
        return generator.uniform(0, whole.run_seconds)
    # Drawn evenly from both, most moments would fall into start-ups: there are
    # many of them, and each is longer than what is left to train.
    if generator.random() < _START_UP_SHARE:
        return generator.uniform(0, whole.start_seconds)
    trained_seconds = whole.run_seconds - whole.trace_seconds
    left = training.share_left() * trained_seconds
    before = whole.start_seconds + whole.trace_seconds
    return before + generator.uniform(0, left)


def _compare(training, whole):
    run_dirs = (training.run_dir, whole.run_dir)
    weights = [
        keras.saving.load_model(run_dir / "model.keras").get_weights()
        for run_dir in run_dirs
    ]
    histories = [runs.read_history(run_dir) for run_dir in run_dirs]
    return Ending(
        run=training.run_dir.name,
        num_lost=training.num_not_resumed(),
        weights_equal=all(
            np.array_equal(array, twin)
            for array, twin in zip(*weights, strict=True)
        ),
        history_equal=histories[0] == histories[1],
    )


def is_right(kills, endings):
    """Says whether nothing was damaged, lost or changed."""
    damage = sum(kill.num_unreadable + kill.num_lost for kill in kills)
    return not damage and all(
        ending.weights_equal and ending.history_equal and not ending.num_lost
        for ending in endings
    )


def results_of(kills, endings, training):
    """Returns what `kill_and_resume` returns as plain values, see `text_of`."""
    return {
        "machine": benchmark.machine(),
        "training": training,
        "kills": [dataclasses.asdict(kill) for kill in kills],
        "runs": [dataclasses.asdict(ending) for ending in endings],
    }


def text_of(results):
    """Writes what came of the kills as Markdown.

    Args:
        results: Dict of `machine`, `training` (a title), and of `kills` and
            `runs`, dicts of what `kill_and_resume` returns.

    Returns:
        String.
    """
    kills = [Kill(**kill) for kill in results["kills"]]
    endings = [Ending(**ending) for ending in results["runs"]]
    count = collections.Counter(kill.kind for kill in kills)
    checked = sum(kill.num_checkpoints for kill in kills)
    unreadable = sum(kill.num_unreadable for kill in kills)
    lost = sum(each.num_lost for each in [*kills, *endings])
    weights, history = (
        sum(getattr(ending, name) for ending in endings)
        for name in ("weights_equal", "history_equal")
    )
    runs = len(endings)
    rows = [
        ["kills", len(kills)],
        *([f"- {kind}", count[kind]] for kind in KINDS),
        ["unreadable checkpoints", f"{unreadable} of {checked} looked at"],
        ["lost epochs, beyond the one under way", lost],
        ["runs with the undisturbed run's weights", f"{weights} of {runs}"],
        ["runs with the undisturbed run's history", f"{history} of {runs}"],
    ]
    table = tables.markdown_table(["what", "number"], rows)
    return f"{results['machine']}; {results['training']}.\n\n{table}"


def main():
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m experiments.kills")
    add = parser.add_argument
    add("--kills", type=int, default=20, metavar="N")
    add("--seed", type=int, default=0, metavar="N", help="of the moments")
    add("--model", choices=models.MODELS, default="fc")
    add("--epochs", type=int, default=8, metavar="N")
    add("--image-size", metavar="SIZE", help="as train takes it")
    add("--batch-size", metavar="N", help="default: the model's")
    # Often, so that some kills come while one is written.
    add("--checkpoint-steps", type=int, default=3, metavar="N")
    add("--dataset", default="scene_genre/sample")
    add("--data-dir", metavar="DIR")
    add("--out", default="results/kills", metavar="DIR")
    add("--readme", action="store_true", help="put the table into the README")
    arguments = parser.parse_args()
    for name in ("kills", "epochs", "checkpoint_steps"):
        if getattr(arguments, name) < 1:
            raise ValueError(
                f"Expected --{name} above 0. "
                f"Received: {getattr(arguments, name)}"
            )
    out = pathlib.Path(arguments.out)
    kills, endings = kill_and_resume(
        _settings(arguments),
        arguments.epochs,
        arguments.kills,
        arguments.seed,
        out / "runs",
    )
    results = results_of(
        kills,
        endings,
        f"{arguments.model} on {arguments.dataset}, {arguments.epochs} "
        f"epochs, a checkpoint every {arguments.checkpoint_steps} steps",
    )
    text = text_of(results)
    readme.write("kills", results, text, out)
    print(text)
    print(f"written: {out}/kills.md, {out}/kills.json")
    if arguments.readme:
        readme.put_results("kills", results, text)
    return int(not is_right(kills, endings))


def _settings(arguments):
    settings = ["--deterministic"]
    for name in (
        "model",
        "epochs",
        "image_size",
        "batch_size",
        "checkpoint_steps",
        "dataset",
        "data_dir",
    ):
        value = getattr(arguments, name)
        if value is not None:
            settings += [f"--{name.replace('_', '-')}", str(value)]
    return settings


if __name__ == "__main__":
    command.run(main)
