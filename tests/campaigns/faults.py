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
import hashlib
import json
import os
import pathlib
import random
import re
import runpy
import shutil
import signal
import subprocess
import sys
import threading
import time

import keras
import tensorflow as tf

from keras_ssc import checkpoints
from keras_ssc import command
from keras_ssc import export
from keras_ssc import files
from keras_ssc import report
from keras_ssc import tf_serving
from keras_ssc import train
from tests import drawn_films
from tests.campaigns import process as processes

# Of the moments, those that fall before the command has written anything.
_START_UP_SHARE = 0.2

# A year of seconds: by so much the clock jumps, back or forth.
_JUMP = 365 * 86_400

# How often one command is killed and resumed, at most.
_NUM_KILLS = 4

# Longer than any command here takes; one that is silent for longer hangs.
_LIMIT_SECONDS = 600

_DISK_BYTES = 64 * 2**20


@dataclasses.dataclass(frozen=True)
class Trial:
    """A fault, and what it left.

    Attributes:
        job: String, the command.
        fault: String, a key of `FAULTS`.
        seconds: Float, the moment.
        num_hits: Integer, how often it came before the command had ended,
            and could be done.
        code: Integer, how the disturbed command ended.
        is_named: Boolean, whether it ended by a signal, in a result, or in
            one named error, and not in a traceback.
        is_kept: Boolean, whether what lay there before, and what the command
            had stored, is whole.
        is_equal: Boolean, whether the command ended in what the undisturbed
            one did when it ran once more.
    """

    job: str
    fault: str
    seconds: float
    num_hits: int
    code: int
    is_named: bool
    is_kept: bool
    is_equal: bool


class Job:
    """A command in a folder of its own.

    Args:
        inputs: `pathlib.Path` of what all jobs read, see `make_inputs`.
        folder: `pathlib.Path` of this trial's folder: `own/` has a copy of
            what the command reads, `out/` what it writes.
    """

    name = ""
    has_workers = False  # processes of its own
    resumes = False  # from where it was interrupted

    def __init__(self, inputs, folder):
        self.own, self.out = folder / "own", folder / "out"
        self.out.mkdir(parents=True, exist_ok=True)
        shutil.copytree(
            inputs, self.own, dirs_exist_ok=True, copy_function=os.link
        )
        self._log = folder / "log.txt"

    def module(self):
        """Returns the module that is run, and its arguments."""
        raise NotImplementedError

    def before(self):
        """Runs an earlier command, whose work must not be damaged."""

    def outcome(self):
        """Returns what the command has made, so that it can be compared."""
        return hashes_of(self.out)

    def is_named(self, said):
        """Says whether what it has said is a result or one named error."""
        return "Traceback" not in said

    def resumed(self):
        """Returns the module and arguments of the command that resumes."""
        return self.module()

    def progress(self):
        """Returns the share of its work that is stored."""
        return 0.0

    def is_whole(self, progress):
        """Says whether it lost nothing of the progress that it had made."""
        return True

    def said(self):
        """Returns what the program that was started last has said."""
        return self._log.read_text("utf-8", "replace")

    def start(self, program, wrapper=()):
        """Starts a program; returns its `subprocess.Popen`."""
        module, *arguments = program
        with open(self._log, "wb") as log:
            return subprocess.Popen(
                [
                    *(sys.executable, "-u", "-m", *wrapper, module),
                    *map(str, arguments),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.own.parent,
                env={**os.environ, "PYTHONPATH": str(processes.ROOT)},
            )

    def run(self, program=None):
        """Runs the command undisturbed; returns its exit code."""
        process = self.start(program or self.module())
        try:
            return process.wait(_LIMIT_SECONDS)
        finally:
            process.kill()


class _Extract(Job):
    """Extracts films, of which the first ones were extracted before."""

    name = "extract"
    has_workers = True

    def _of(self, film_list):
        flags = ("--out", self.out / "frames", "--pairs", 6)
        return ("keras_ssc.extract", self.own / "films" / film_list, *flags)

    def module(self):
        return self._of("films_24.csv")

    def before(self):
        return self.run(self._of("films_6.csv"))


class _Build(Job):
    """Builds a data set beside another one."""

    name = "build"

    def _of(self, folder):
        _, _, *program = processes.build_command(
            "frames", self.own / folder, self.out / folder
        )
        return program

    def module(self):
        return self._of("frames")

    def before(self):
        return self.run(self._of("few_frames"))

    def outcome(self):
        # Not the files: protobuf writes an example's features in an order of
        # the process, and dataset_info.json says when it was written.
        return {
            str(path.relative_to(self.out)): [
                tf.train.Example.FromString(record).SerializeToString(
                    deterministic=True
                )
                for record in tf.data.TFRecordDataset(
                    str(path)
                ).as_numpy_iterator()
            ]
            for path in sorted(self.out.rglob("*.tfrecord-*"))
            if path.is_file() and "incomplete" not in str(path)
        }

    def is_named(self, said):
        # The command is TFDS's, which prints the traceback of what the
        # builder raised, and after it what ends its progress bars.
        return "Traceback" not in said or re.search(
            r"^[\w.]+(Error|Interrupt)\b", said, re.MULTILINE
        )


class _Train(Job):
    """Trains a small model beside a finished run."""

    name = "train"
    resumes = True
    dataset, num_epochs = "scene_genre/frames", 6

    def _of(self, run, epochs):
        return (
            *("keras_ssc.train", "--model", "fc", "--deterministic"),
            *("--dataset", self.dataset, "--data-dir", self.own / "data"),
            *("--image-size", "24x16", "--batch-size", 4, "--epochs", epochs),
            # Often, so that some faults come while a checkpoint is written.
            *("--checkpoint-steps", 3, "--run-dir", self.out / run),
        )

    def module(self):
        return self._of("run", self.num_epochs)

    def before(self):
        return self.run(self._of("earlier", 1))

    def resumed(self):
        if (self.out / "run" / "config.json").exists():
            return ("keras_ssc.train", "--resume", self.out / "run")
        shutil.rmtree(self.out / "run", ignore_errors=True)
        return self.module()

    def outcome(self):
        model = keras.saving.load_model(self.out / "run" / "model.keras")
        digest = hashlib.sha256()
        for weights in model.get_weights():
            digest.update(weights.tobytes())
        return digest.hexdigest(), train.read_history(self.out / "run")

    def _checkpoints(self):
        return checkpoints.by_age(self.out / "run" / "checkpoints")

    def progress(self):
        epochs = map(epochs_of, self._checkpoints())
        return max(epochs, default=0) / self.num_epochs

    def is_whole(self, progress):
        # What is trained again was lost.
        first = re.search(r"^Epoch (\d+)/", self.said(), re.MULTILINE)
        return (
            all(map(is_readable, self._checkpoints()))
            and self.progress() >= progress
            and (first is None or int(first[1]) > progress * self.num_epochs)
        )


class _Export(Job):
    """Exports a run's second version."""

    name = "export"

    def module(self):
        out = self.out / "served"
        return ("keras_ssc.export", self.own / "run", "--out", out)

    def before(self):
        return self.run()

    def outcome(self):
        versions = sorted(
            path for path in (self.out / "served").iterdir() if path.is_dir()
        )
        newest = max(versions, key=lambda path: int(path.name))
        # Graphs name their functions anew each time: what the model answers
        # is compared, and that every version has all its files, whole.
        response = newest / tf_serving.SAMPLE_RESPONSE
        return json.loads(response.read_text()), [
            is_complete(version) for version in versions
        ].count(False)


class _Predict(Job):
    """Classifies a film, over what an earlier verdict wrote."""

    name = "predict"
    has_workers = True

    def module(self):
        film = self.own / "films" / "00003.mp4"
        flags = ("--pairs", 8, "--csv", self.out / "shots.csv")
        flags += ("--timeline", self.out / "timeline.png")
        return ("keras_ssc.predict", self.own / "run", film, *flags)

    def before(self):
        return self.run()


JOBS = {job.name: job for job in (_Extract, _Build, _Train, _Export, _Predict)}


def epochs_of(path):
    """Returns how many epochs are done in a checkpoint; 0 if it is gone."""
    try:
        return json.loads(path.with_suffix(".json").read_text("utf-8"))["epoch"]
    except (OSError, ValueError, KeyError):
        return 0


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


def is_complete(version):
    """Says whether an export's files are those of its checksums."""
    try:
        export.check_sums(version)
    except ValueError:
        return False
    return True


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


def _send(number):
    def send(job, process, generator):
        process.send_signal(number)
        return True

    return send


def _kill_worker(job, process, generator):
    # Not the standard library's tracker, that does no work: when it is
    # killed, its successor prints tracebacks, and all else continues.
    workers = [
        pid
        for pid in processes.family(process.pid)[1:]
        if b"resource_tracker" not in _command_line(pid)
    ]
    if not workers:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(generator.choice(workers), signal.SIGKILL)
    return True


def _command_line(pid):
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def _take_input(job, process, generator):
    paths = sorted(path for path in job.own.rglob("*") if path.is_file())
    generator.choice(paths).unlink()
    return True


def _fill_disk(job, process, generator):
    """Fills the small disk that the job writes to."""
    if not os.path.ismount(job.out):
        return False
    with contextlib.suppress(OSError):
        (job.out / ".filler").write_bytes(bytes(_DISK_BYTES))
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
    "the folder becomes read-only": lambda job, *_: _set_read_only(job.out),
    _DISK_FULL: _fill_disk,
    # From within, see `run_with_jumping_clock`.
    _CLOCK_JUMPS: lambda job, process, generator: True,
}


def _call(*arguments):
    ended = subprocess.run(
        [str(each) for each in arguments], capture_output=True
    )
    return ended.returncode == 0


def _set_read_only(folder, sign="+"):
    # Root writes where it may not: it takes the attribute, if the file
    # system has it.
    if os.geteuid():
        mode = {"+": "a-w", "-": "u+w"}[sign]
        return _call("chmod", "-R", mode, folder)
    return _call("chattr", "-R", f"{sign}i", folder)


def run_with_jumping_clock(module, *arguments):
    """Runs a module as a program whose clock jumps by a year, to and fro."""
    now, offset = time.time, [0.0]
    time.time = lambda: now() + offset[0]

    def jump():
        generator = random.Random(os.getpid())
        while True:
            time.sleep(generator.uniform(0.05, 2.0))
            offset[0] = generator.choice((-_JUMP, 0.0, _JUMP))

    threading.Thread(target=jump, daemon=True).start()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def make_inputs(folder):
    """Makes what the jobs read: films, frames, a data set and a run.

    Args:
        folder: `pathlib.Path`; what is there is kept.
    """
    if (folder / "run" / "metrics.json").exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    python = (sys.executable, "-m")
    for name, number in (("few_frames", 6), ("frames", 24)):
        films = drawn_films.write_films(folder / "films", number)
        processes.cost_of(
            *(*python, "keras_ssc.extract", films),
            *("--out", folder / name, "--pairs", 6),
        )
    processes.cost_of(
        *processes.build_command("frames", folder / "frames", folder / "data")
    )
    processes.cost_of(
        *(*python, "keras_ssc.train", "--model", "fc", "--epochs", 1),
        *("--dataset", "scene_genre/frames", "--data-dir", folder / "data"),
        *("--image-size", "24x16", "--batch-size", 4),
        *("--run-dir", folder / "run"),
    )
    processes.cost_of(*python, "keras_ssc.evaluate", folder / "run")


class Stand:
    """Where one command is tried, again and again.

    Args:
        make: A class of `JOBS`.
        inputs: `pathlib.Path`, see `make_inputs`.
        folder: `pathlib.Path` of what is tried. It is one for all trials:
            what a command writes may name the files that it is from.

    Attributes:
        expected: What the undisturbed command ends in.
        first: Float, the seconds until it writes something.
        seconds: Float, the seconds until it ends.
    """

    def __init__(self, make, inputs, folder):
        self._make, self._inputs = make, inputs
        self._folder, self._earlier = folder / "trial", folder / "earlier"
        self._clear()
        shutil.rmtree(folder, ignore_errors=True)

    def _clear(self):
        """Removes what a trial has left, also one that was interrupted."""
        if not self._folder.exists():
            return
        out = self._folder / "out"
        _set_read_only(out, "-")
        if os.path.ismount(out):
            _call("umount", out)
        shutil.rmtree(self._folder)

    def _prepare(self):
        """Makes a job whose earlier command has run."""
        job = self._make(self._inputs, self._folder)
        if self._earlier.exists():
            shutil.copytree(self._earlier, job.out, dirs_exist_ok=True)
        else:
            job.before()
            shutil.copytree(job.out, self._earlier)
        return job

    def run_undisturbed(self):
        """Runs the command to its end.

        Raises:
            OutsideError: If it fails.
        """
        self._clear()
        job = self._prepare()
        before = hashes_of(job.out)
        start = time.monotonic()
        process = job.start(job.module())
        first = None
        while process.poll() is None:
            if first is None and hashes_of(job.out) != before:
                first = time.monotonic() - start
            time.sleep(0.05)
        self.seconds = time.monotonic() - start
        if process.returncode:
            last_line = job.said().strip().rpartition("\n")[2]
            raise command.OutsideError(
                f"{job.name}, undisturbed, ended with code "
                f"{process.returncode}: {last_line}"
            )
        self.first = first or self.seconds / 2
        self.expected = job.outcome()

    def moment(self, generator, progress=0.0):
        """Draws a moment, in seconds from the command's start.

        Args:
            generator: `random.Random`.
            progress: Float, the share of the work that is done already.
        """
        if generator.random() < _START_UP_SHARE:
            return generator.uniform(0, self.first)
        left = (1 - progress) * (self.seconds - self.first)
        return self.first + generator.uniform(0, left)

    def disturb(self, fault, seconds, generator):
        """Does something to the command at a moment, and runs it once more.

        Args:
            fault: String, a key of `FAULTS`.
            seconds: Float, the moment.
            generator: `random.Random`, for what the fault draws.

        Returns:
            A `Trial`.
        """
        self._clear()
        out = self._folder / "out"
        out.mkdir(parents=True)
        if fault == _DISK_FULL:
            size = f"size={_DISK_BYTES}"
            _call("mount", "-t", "tmpfs", "-o", size, "tmpfs", out)
        job = self._prepare()
        kept = hashes_of(job.out)
        wrapper = ()
        if fault == _CLOCK_JUMPS:
            wrapper = ("tests.campaigns.faults", "--jump")
        program, moment = job.module(), seconds
        num_hits, progress, is_named, is_whole = 0, 0.0, True, True
        for _ in range(_NUM_KILLS if fault == _KILLED_OFTEN else 1):
            process = job.start(program, wrapper)
            most, has_ended = self._wait(job, process, moment)
            progress = max(progress, most)
            is_hit = not has_ended and FAULTS[fault](job, process, generator)
            code = self._end(process)
            if code >= 0 and not job.is_named(job.said()):
                is_named = False
                print(job.said(), flush=True)
            self._repair(job)
            is_whole = is_whole and job.is_whole(progress)
            if not is_hit:
                break
            num_hits += 1
            program = job.resumed()
            moment = self.moment(generator, job.progress())
        now = hashes_of(job.out)
        trial = Trial(
            job=job.name,
            fault=fault,
            seconds=seconds,
            num_hits=num_hits,
            code=code,
            is_named=is_named,
            is_kept=is_whole
            and all(
                now.get(name) == digest
                for name, digest in kept.items()
                if not _is_replaced(name)
            ),
            is_equal=self._ends_as_expected(job, progress),
        )
        self._clear()
        return trial

    def _wait(self, job, process, seconds):
        """Waits for a moment; returns the most progress, and if it ended."""
        end, progress = time.monotonic() + seconds, job.progress()
        while (left := end - time.monotonic()) > 0:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(min(left, 0.05))
                return progress, True
            progress = max(progress, job.progress())
        return progress, process.poll() is not None

    def _end(self, process):
        """Waits for a command's end; returns its exit code."""
        try:
            return process.wait(_LIMIT_SECONDS)
        finally:
            for pid in processes.family(process.pid)[1:]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.kill()

    def _repair(self, job):
        """Undoes what a fault did to the disk and to the inputs."""
        _set_read_only(job.out, "-")
        (job.out / ".filler").unlink(missing_ok=True)
        for path in self._inputs.rglob("*"):
            own = job.own / path.relative_to(self._inputs)
            if path.is_file() and not own.exists():
                os.link(path, own)

    def _ends_as_expected(self, job, progress):
        if job.run(job.resumed()):
            print(job.said(), flush=True)
            return False
        try:
            return job.outcome() == self.expected and job.is_whole(progress)
        except (OSError, ValueError, tf.errors.OpError):
            return False


def _is_replaced(name):
    """Says whether a file is one that a later command writes anew."""
    return name.endswith(("index.csv", "shots.csv", "timeline.png"))


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
        make = JOBS[name]
        stand = Stand(make, inputs, folder / name)
        kinds = [
            each
            for each in faults
            if (make.has_workers or each != _WORKER_DIES)
            and (make.resumes or each != _KILLED_OFTEN)
        ]
        stand.run_undisturbed()
        print(f"{name}, undisturbed: {stand.seconds:.1f} s", flush=True)
        for number in range(num_faults if kinds else 0):
            generator = random.Random(f"{seed} {name} {number}")
            fault = kinds[number % len(kinds)]
            moment = stand.moment(generator)
            yield stand.disturb(fault, moment, generator)


def is_right(trials):
    """Says whether nothing was lost, damaged or left unsaid."""
    return all(
        trial.is_named and trial.is_kept and trial.is_equal for trial in trials
    )


def text_of(trials):
    """Writes trials as a Markdown table, one row a command and fault."""
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
    lost = sum(not (trial.is_kept and trial.is_equal) for trial in trials)
    return (
        f"{processes.machine()}. {len(trials)} faults, lost or damaged: "
        f"{lost}.\n\n" + report.markdown_table(header, rows)
    )


def main():
    """Runs the command."""
    if sys.argv[1:2] == ["--jump"]:
        return run_with_jumping_clock(*sys.argv[2:])
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
    trials = []
    try:
        for trial in campaign(
            arguments.commands,
            arguments.kinds,
            arguments.faults,
            arguments.seed,
            out,
        ):
            trials.append(trial)
            print(f"{len(trials)}: {trial}", flush=True)
    finally:  # also of those before it was interrupted
        print(text_of(trials))
    return int(not is_right(trials))


if __name__ == "__main__":
    command.run(main)
