"""Disturbs extract, build, train, export and predict at random moments.

    python -m tests.campaigns.faults --faults 50

Each command runs undisturbed once. Then, again and again, it runs in a folder
of its own and something is done to it at a random moment; the same command
runs once more, undisturbed, and must end as the first one ended. What lay
there before, the work of an earlier command, must be whole all along.
"""

import argparse
import collections
import contextlib
import dataclasses
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import typing

import tensorflow as tf

from keras_ssc import command
from keras_ssc import errors
from keras_ssc import files
from keras_ssc.metrics import tables
from keras_ssc.models import loading
from keras_ssc.serving import exported
from keras_ssc.serving import tf_serving
from keras_ssc.training import checkpoints
from keras_ssc.training import runs
from tests.campaigns import process as processes
from tests.helpers import drawn_films
from tests.helpers import scene_genre

# How often one command is killed and resumed, at most.
NUM_KILLS = 4

# Longer than any command here takes; one that is silent for longer hangs.
_LIMIT_SECONDS = 600

_DISK_BYTES = 64 * 2**20

# What a later command writes anew, of what an earlier one has written.
_REPLACED = ("index.csv", "shots.csv", "timeline.png")


@dataclasses.dataclass(frozen=True)
class Trial:
    """A fault, and what it left.

    Attributes:
        job: String, the command.
        fault: String, a key of `FAULTS`.
        num_hits: Integer, how often it came before the command had ended,
            and could be done.
        is_named: Boolean, whether it ended by a signal, in a result, or in
            one named error, and not in a traceback.
        is_kept: Boolean, whether what lay there before, and what the command
            had stored, is whole.
        is_equal: Boolean, whether the command ended in what the undisturbed
            one did when it ran once more.
    """

    job: str
    fault: str
    num_hits: int
    is_named: bool
    is_kept: bool
    is_equal: bool


def hashes_of(folder):
    """Returns a dict from each file's path to its SHA-256, hidden ones not."""
    return {
        str(path.relative_to(folder)): files.sha256(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not any(
            part.startswith(".") for part in path.relative_to(folder).parts
        )
    }


def records_of(out):
    """Returns a dict from a file of a data set to its serialized examples.

    The files' bytes differ: protobuf writes an example's features in an order
    of the process, and `dataset_info.json` says when it was written.
    """
    return {
        str(path.relative_to(out)): [
            tf.train.Example.FromString(record).SerializeToString(
                deterministic=True
            )
            for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
        ]
        for path in sorted(out.rglob("*.tfrecord-*"))
        if path.is_file() and "incomplete" not in str(path)
    }


def _run_of(out):
    model = runs.load_model(out / "run")
    weights = [array.tobytes() for array in model.get_weights()]
    return weights, runs.read_history(out / "run")


def _export_of(out):
    versions = [path for path in (out / "served").iterdir() if path.is_dir()]
    newest = max(versions, key=lambda path: int(path.name))
    # Graphs name their functions anew each time: what the model answers is
    # compared, and that every version has all its files, whole.
    for path in versions:
        exported.check_sums(path)
    return json.loads((newest / tf_serving.SAMPLE_RESPONSE).read_text())


@dataclasses.dataclass(frozen=True)
class Job:
    """A command that is disturbed.

    It runs in a folder in which `own/` has what it reads, see `make_inputs`,
    and `out/` what it writes.

    Attributes:
        program: String, the module and its arguments.
        before: String, an earlier one, whose work must not be damaged.
        outcome: Function of the path of `out/`, that returns what the command
            has made, so that it can be compared.
        has_workers: Boolean, whether it starts processes of its own.
        resume: String, the program that resumes it; the same one if None.
    """

    program: str
    before: str
    outcome: typing.Callable = hashes_of
    has_workers: bool = False
    resume: str | None = None


_TFDS = "tensorflow_datasets.scripts.cli.main"
_EXTRACT = "keras_ssc.extract own/films/{}.csv --out out/frames --pairs 6"
_BUILD = (
    f"{_TFDS} build {scene_genre.BUILDER} --config frames "
    "--manual_dir own/{0} --data_dir out/{0}"
)
# Checkpoints come often, so that some faults come while one is written.
_TRAIN = (
    "keras_ssc.train --model fc --deterministic --dataset scene_genre/frames "
    "--data-dir own/data --image-size 24x16 --batch-size 4 "
    "--checkpoint-steps 3 --epochs {} --run-dir out/{}"
)
_EXPORT = "keras_ssc.export own/run --out out/served"
_PREDICT = (
    "keras_ssc.predict own/run own/films/00003.mp4 --pairs 8 "
    "--csv out/shots.csv --timeline out/timeline.png"
)

JOBS = {
    "extract": Job(
        _EXTRACT.format("films_24"),
        before=_EXTRACT.format("films_6"),
        has_workers=True,
    ),
    "build": Job(
        _BUILD.format("frames"), _BUILD.format("few_frames"), records_of
    ),
    "train": Job(
        _TRAIN.format(6, "run"),
        before=_TRAIN.format(1, "earlier"),
        outcome=_run_of,
        resume="keras_ssc.train --resume out/run",
    ),
    "export": Job(_EXPORT, _EXPORT, _export_of),
    "predict": Job(_PREDICT, _PREDICT, has_workers=True),
}


def is_named(program, said):
    """Says whether what a program has said is a result or one named error."""
    if "Traceback" not in said:
        return True
    # TFDS's command prints the traceback of what the builder raised, and
    # after it what ends its progress bars.
    error = re.search(r"^[\w.]+(Error|Interrupt)\b", said, re.MULTILINE)
    return program.startswith(_TFDS) and error is not None


def progress_of(out):
    """Returns how many epochs are stored of the training in a job's `out/`."""
    most = 0
    for path in checkpoints.by_age(out / "run" / "checkpoints"):
        # Another process may write or remove it.
        with contextlib.suppress(OSError, ValueError):
            state = json.loads(path.with_suffix(".json").read_text("utf-8"))
            most = max(most, state["epoch"])
    return most


def is_readable(path):
    """Says whether a checkpoint's model and state can be loaded."""
    try:
        text = path.with_suffix(".json").read_text("utf-8")
        checkpoints.State(**json.loads(text))
        loading.load(path)
    except (OSError, ValueError, TypeError):
        return False
    return True


def is_whole(out, before, progress, said):
    """Says whether a training has lost none of its checkpoints.

    Args:
        out: `pathlib.Path` of a job's `out/`; it may be of another command.
        before: Integer, epochs that were stored when it was started last.
        progress: Integer, the most epochs that were stored since.
        said: String, what the training has said since it was started last.
    """
    # What is trained again was lost.
    first = re.search(r"^Epoch (\d+)/", said, re.MULTILINE)
    return (
        all(map(is_readable, checkpoints.by_age(out / "run" / "checkpoints")))
        and progress_of(out) >= progress
        and (first is None or int(first[1]) > before)
    )


def _send(number):
    def send(stand, process, generator):
        process.send_signal(number)
        return True

    return send


def _kill_worker(stand, process, generator):
    workers = processes.family(process.pid)[1:]
    if not workers:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(generator.choice(workers), signal.SIGKILL)
    return True


def _take_input(stand, process, generator):
    paths = sorted(path for path in stand.own.rglob("*") if path.is_file())
    generator.choice(paths).unlink()
    return True


def _fill_disk(stand, process, generator):
    """Fills the small disk that the command writes to."""
    if not os.path.ismount(stand.out):
        return False
    with contextlib.suppress(OSError):
        (stand.out / ".filler").write_bytes(bytes(_DISK_BYTES))
    return True


_WORKER_DIES, _KILLED_OFTEN = "a worker dies", "SIGKILL, again and again"
_DISK_FULL, _CLOCK_JUMPS = "the disk is full", "the clock jumps"

# What each does to a command at work; it says whether it could.
FAULTS = {
    "SIGKILL": _send(signal.SIGKILL),
    _KILLED_OFTEN: _send(signal.SIGKILL),  # and each time it is resumed
    "SIGTERM": _send(signal.SIGTERM),
    _WORKER_DIES: _kill_worker,
    "an input vanishes": _take_input,
    "the folder becomes read-only": lambda stand, *_: _set_read_only(stand.out),
    _DISK_FULL: _fill_disk,
    # From within, see `process.run_with_jumping_clock`.
    _CLOCK_JUMPS: lambda stand, process, generator: True,
}


def _set_read_only(folder, sign="+"):
    # Root writes where it may not: it takes the attribute, if the file
    # system has it.
    command = ["chattr", "-R", f"{sign}i"]
    if os.geteuid():
        command = ["chmod", "-R", {"+": "a-w", "-": "u+w"}[sign]]
    ended = subprocess.run([*command, folder], capture_output=True)
    return ended.returncode == 0


def make_inputs(folder):
    """Makes what the jobs read: films, frames, a data set and a run.

    Args:
        folder: `pathlib.Path`; what is there is kept.
    """
    if (folder / "run" / "metrics.json").exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    commands = [
        f"{_TFDS} build {scene_genre.BUILDER} --config frames "
        "--manual_dir frames --data_dir data",
        "keras_ssc.train --model fc --epochs 1 --dataset scene_genre/frames "
        f"--data-dir {folder / 'data'} --image-size 24x16 --batch-size 4 "
        "--run-dir run",
        "keras_ssc.evaluate run",
    ]
    for name, number in (("frames", 24), ("few_frames", 6)):
        films = drawn_films.write_films(folder / "films", number)
        program = f"keras_ssc.extract {films} --out {name} --pairs 6"
        commands.insert(0, program)
    for program in commands:
        subprocess.run(
            [sys.executable, "-m", *program.split()],
            check=True,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(processes.ROOT)},
        )


class Stand:
    """Where one command is tried, again and again.

    Args:
        name: String, a key of `JOBS`.
        inputs: `pathlib.Path`, see `make_inputs`.
        folder: `pathlib.Path` of what is tried. It is one for all trials:
            what a command writes may name the files that it is from.

    Attributes:
        job: The `Job`.
        expected: What the undisturbed command ends in.
        seconds: Float, the seconds until it ends.
    """

    def __init__(self, name, inputs, folder):
        self.name, self.job, self._inputs = name, JOBS[name], inputs
        self._folder, self._earlier = folder / "trial", folder / "earlier"
        self.own, self.out = self._folder / "own", self._folder / "out"
        self._clear()
        shutil.rmtree(folder, ignore_errors=True)

    def _clear(self):
        """Removes what a trial has left, also one that was interrupted."""
        if self._folder.exists():
            _set_read_only(self.out, "-")
            if os.path.ismount(self.out):
                subprocess.run(["umount", self.out], check=True)
            shutil.rmtree(self._folder)

    def _prepare(self, fault=None):
        """Makes the folder of a trial, in which an earlier command has run."""
        self._clear()
        self.out.mkdir(parents=True)
        if fault == _DISK_FULL:
            mount = f"mount -t tmpfs -o size={_DISK_BYTES} tmpfs".split()
            # Where it may not be mounted, the fault hits nothing.
            subprocess.run([*mount, self.out], capture_output=True)
        self._link_inputs()
        if not self._earlier.exists():
            self._run(self.job.before)
            shutil.copytree(self.out, self._earlier)
        shutil.copytree(self._earlier, self.out, dirs_exist_ok=True)

    def _link_inputs(self):
        for path in self._inputs.rglob("*"):
            own = self.own / path.relative_to(self._inputs)
            if path.is_file() and not own.exists():
                own.parent.mkdir(parents=True, exist_ok=True)
                os.link(path, own)

    def _start(self, program, *wrapper):
        """Starts a program; returns its `subprocess.Popen`."""
        with open(self._folder / "log.txt", "wb") as log:
            return subprocess.Popen(
                [sys.executable, "-u", "-m", *wrapper, *program.split()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                env={**os.environ, "PYTHONPATH": str(processes.ROOT)},
            )

    def _said(self):
        return (self._folder / "log.txt").read_text("utf-8", "replace")

    def _run(self, program):
        return self._end(self._start(program))

    def _end(self, process):
        """Waits for a command's end; returns its exit code."""
        try:
            return process.wait(_LIMIT_SECONDS)
        finally:
            for pid in processes.family(process.pid)[1:]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.kill()

    def run_undisturbed(self):
        """Runs the command to its end.

        Raises:
            OutsideError: If it fails.
        """
        self._prepare()
        start = time.monotonic()
        code = self._run(self.job.program)
        self.seconds = time.monotonic() - start
        if code:
            raise errors.OutsideError(
                f"{self.name}, undisturbed, ended with code {code}: "
                + self._said().strip().rpartition("\n")[2]
            )
        self.expected = self.job.outcome(self.out)

    def moment(self, generator):
        """Draws a moment, in seconds from the command's start."""
        return generator.uniform(0, self.seconds)

    def disturb(self, fault, seconds, generator):
        """Does something to the command at a moment, and runs it once more.

        Args:
            fault: String, a key of `FAULTS`.
            seconds: Float, the moment.
            generator: `random.Random`, for what the fault draws.

        Returns:
            A `Trial`.
        """
        self._prepare(fault)
        kept = hashes_of(self.out)
        program, moment = self.job.program, seconds
        wrapper = ()
        if fault == _CLOCK_JUMPS:
            wrapper = ("tests.campaigns.process",)
        num_hits, progress, named, whole = 0, 0, True, True
        for _ in range(NUM_KILLS if fault == _KILLED_OFTEN else 1):
            before, process = progress, self._start(program, *wrapper)
            most, has_ended = self._wait(process, moment)
            progress = max(progress, most)
            is_hit = not has_ended and FAULTS[fault](self, process, generator)
            code = self._end(process)
            said = self._said()
            if code >= 0 and not is_named(program, said):
                named = False
                print(said, flush=True)
            self._repair()
            whole = whole and is_whole(self.out, before, progress, said)
            if not is_hit:
                break
            num_hits += 1
            program, moment = self._resumed(), self.moment(generator)
        now = hashes_of(self.out)
        trial = Trial(
            job=self.name,
            fault=fault,
            num_hits=num_hits,
            is_named=named,
            is_kept=whole
            and all(
                now.get(name) == digest
                for name, digest in kept.items()
                if not name.endswith(_REPLACED)
            ),
            is_equal=self._ends_as_expected(progress),
        )
        self._clear()
        return trial

    def _wait(self, process, seconds):
        """Waits for a moment; returns the most progress, and if it ended."""
        end, progress = time.monotonic() + seconds, progress_of(self.out)
        while (left := end - time.monotonic()) > 0:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(min(left, 0.05))
                return progress, True
            progress = max(progress, progress_of(self.out))
        return progress, process.poll() is not None

    def _repair(self):
        """Undoes what a fault did to the disk and to the inputs."""
        _set_read_only(self.out, "-")
        (self.out / ".filler").unlink(missing_ok=True)
        self._link_inputs()

    def _resumed(self):
        if self.job.resume is None:
            return self.job.program
        if (self.out / "run" / "config.json").exists():
            return self.job.resume
        shutil.rmtree(self.out / "run", ignore_errors=True)
        return self.job.program

    def _ends_as_expected(self, progress):
        if self._run(self._resumed()):
            print(self._said(), flush=True)
            return False
        try:
            is_equal = self.job.outcome(self.out) == self.expected
        except (OSError, ValueError, tf.errors.OpError):
            return False
        return is_equal and is_whole(self.out, progress, progress, self._said())


def campaign(names, faults, num_faults, seed, folder):
    """Does some faults to each job.

    Args:
        names: Iterable of keys of `JOBS`.
        faults: Sequence of keys of `FAULTS`, which take turns.
        num_faults: Integer, for each job.
        seed: Integer, of the moments.
        folder: `pathlib.Path` for all that is written.

    Yields:
        A `Trial` after the other.
    """
    inputs = folder / "inputs"
    make_inputs(inputs)
    for name in names:
        stand = Stand(name, inputs, folder / name)
        kinds = [
            each
            for each in faults
            if (stand.job.has_workers or each != _WORKER_DIES)
            and (stand.job.resume or each != _KILLED_OFTEN)
        ]
        stand.run_undisturbed()
        print(f"{name}, undisturbed: {stand.seconds:.1f} s", flush=True)
        for number in range(num_faults if kinds else 0):
            generator = random.Random(f"{seed} {name} {number}")
            fault = kinds[number % len(kinds)]
            yield stand.disturb(fault, stand.moment(generator), generator)


def is_right(trials):
    """Says whether nothing was lost, damaged or left unsaid."""
    return all(
        trial.is_named and trial.is_kept and trial.is_equal for trial in trials
    )


def table(trials):
    """Returns a Markdown table of trials, one row a command and fault."""
    by_row = collections.defaultdict(list)
    for trial in trials:
        by_row[trial.job, trial.fault].append(trial)
    header = [
        *("command", "fault", "tried", "hit it at work"),
        "a result, a signal or one named error",
        "nothing stored is lost",
        "run again, ends as undisturbed",
    ]
    names = ("num_hits", "is_named", "is_kept", "is_equal")
    rows = [
        [
            *row,
            len(own),
            *(sum(getattr(t, name) for t in own) for name in names),
        ]
        for row, own in by_row.items()
    ]
    return tables.markdown_table(header, rows)


def main():
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns.faults")
    add = parser.add_argument
    add("--faults", type=int, default=50, metavar="N", help="for each command")
    add("--commands", nargs="+", choices=JOBS, default=list(JOBS))
    add("--kinds", nargs="+", choices=FAULTS, default=list(FAULTS))
    add("--seed", type=int, default=0, metavar="N", help="of the moments")
    add("--out", default="results/faults", metavar="DIR")
    arguments = parser.parse_args()
    if arguments.faults < 1:
        raise ValueError(
            f"Expected --faults above 0. Received: {arguments.faults}"
        )
    out = pathlib.Path(arguments.out).resolve()
    given = (arguments.commands, arguments.kinds, arguments.faults)
    trials = []
    try:
        for trial in campaign(*given, arguments.seed, out):
            trials.append(trial)
            print(f"{len(trials)}: {trial}", flush=True)
    finally:  # of those before it was interrupted too
        print(
            f"{processes.machine()}; {len(trials)} faults.\n\n{table(trials)}"
        )
    return int(not is_right(trials))


if __name__ == "__main__":
    command.run(main)
