"""A campaign of faults: extract, build, train, export and predict.

    python -m experiments.faults --faults 50

Each command runs undisturbed once. Then, again and again, it runs in a folder
of its own and something is done to it at a random moment; the same command
runs once more, undisturbed, and must end in what the first one ended in. What
lay there before, the work of an earlier command, must be whole all along.

Trials that are finished in --out are not repeated; delete the folder to try
changed code.
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

from experiments import benchmark
from experiments import growth
from experiments import readme
from keras_ssc import command
from keras_ssc import export
from keras_ssc import files
from keras_ssc import report
from keras_ssc import tf_serving

_TFDS = "tensorflow_datasets.scripts.cli.main"

# Of the moments, those that fall before the command has written anything.
_START_UP_SHARE = 0.2

# A year of seconds: by so much the clock jumps, back or forth.
_JUMP = 365 * 86_400

# How often a moment is drawn closer after a command that had ended by then.
_NUM_TRIES = 4

# Longer than any command here takes; one that is silent for longer hangs.
_LIMIT_SECONDS = 600


@dataclasses.dataclass(frozen=True)
class Trial:
    """A fault, and what it left.

    Attributes:
        job: String, the command.
        number: Integer, which of its trials, from 0.
        fault: String, a key of `FAULTS`.
        seconds: Float, the moment.
        is_hit: Boolean, whether it came before the command had ended, and
            could be done.
        code: Integer, how the disturbed command ended.
        is_named: Boolean, whether it ended by a signal, in a result, or in
            one named error, and not in a traceback.
        is_kept: Boolean, whether what lay there before is whole.
        is_equal: Boolean, whether the command ended in what the undisturbed
            one did when it ran once more.
    """

    job: str
    number: int
    fault: str
    seconds: float
    is_hit: bool
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

    def __init__(self, inputs, folder):
        self.own, self.out = folder / "own", folder / "out"
        self.out.mkdir(parents=True, exist_ok=True)
        shutil.copytree(
            inputs, self.own, dirs_exist_ok=True, copy_function=os.link
        )
        self.said = folder / "said.txt"

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
        """Returns the module and arguments of the command that goes on."""
        return self.module()

    def start(self, program, wrapper=()):
        """Starts a program; returns its `subprocess.Popen`."""
        module, *arguments = program
        with open(self.said, "wb") as said:
            return subprocess.Popen(
                [
                    *(sys.executable, "-m", *wrapper, module),
                    *map(str, arguments),
                ],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                cwd=self.own.parent,
                env={**os.environ, "PYTHONPATH": str(_ROOT)},
            )

    def run(self, program=None):
        """Runs the command undisturbed; returns its exit code."""
        process = self.start(program or self.module())
        try:
            return process.wait(_LIMIT_SECONDS)
        finally:
            process.kill()


def _in_order(record):
    """Returns a serialized example, its features in order."""
    example = tf.train.Example.FromString(record)
    return example.SerializeToString(deterministic=True)


_ROOT = pathlib.Path(__file__).parent.parent


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
        flags = ("--config", "frames", "--manual_dir", self.own / folder)
        data = self.out / folder
        return (_TFDS, "build", growth.BUILDER, *flags, "--data_dir", data)

    def module(self):
        return self._of("frames")

    def before(self):
        return self.run(self._of("few_frames"))

    def outcome(self):
        # Not the files: protobuf writes an example's features in an order of
        # the process, and dataset_info.json says when it was written.
        return {
            str(path.relative_to(self.out)): [
                hashlib.sha256(_in_order(record)).hexdigest()
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

    def _of(self, run, epochs):
        return (
            *("keras_ssc.train", "--model", "fc", "--deterministic"),
            *("--dataset", "scene_genre/frames", "--data-dir"),
            *(self.own / "data", "--image-size", "24x16", "--batch-size", 4),
            *("--epochs", epochs, "--run-dir", self.out / run),
        )

    def module(self):
        return self._of("run", 6)

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
        return digest.hexdigest()


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
    """Judges a film, over what an earlier verdict wrote."""

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


def is_complete(version):
    """Says whether an export's files are those of its checksums."""
    try:
        export.check_sums(version)
    except ValueError:
        return False
    return True


def _kill(job, process, generator):
    process.send_signal(signal.SIGKILL)
    return True


def _terminate(job, process, generator):
    process.send_signal(signal.SIGTERM)
    return True


def _kill_worker(job, process, generator):
    # Not the standard library's tracker, that does no work: when it is
    # killed, its successor prints tracebacks, and all else goes on.
    workers = [
        number
        for number in growth.family(process.pid)[1:]
        if b"resource_tracker" not in _command_line(number)
    ]
    if not workers:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(generator.choice(workers), signal.SIGKILL)
    return True


def _command_line(number):
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{number}/cmdline").read_bytes()
    return b""


def _take_input(job, process, generator):
    paths = sorted(path for path in job.own.rglob("*") if path.is_file())
    generator.choice(paths).unlink()
    return True


def _lock_folder(job, process, generator):
    # Root writes where it may not: it takes the attribute, if the file
    # system has it.
    if os.geteuid():
        return _call("chmod", "-R", "a-w", job.out)
    return _call("chattr", "-R", "+i", job.out)


def _fill_disk(job, process, generator):
    """Fills the small disk that the job writes to."""
    if not os.path.ismount(job.out):
        return False
    with contextlib.suppress(OSError):
        (job.out / ".filler").write_bytes(bytes(_DISK_BYTES))
    return True


def _nothing(job, process, generator):
    return True


_WORKER_DIES = "a worker dies"

# What each does to a command at work; it says whether it could.
FAULTS = {
    "SIGKILL": _kill,
    "SIGTERM": _terminate,
    _WORKER_DIES: _kill_worker,
    "an input vanishes": _take_input,
    "the folder becomes read-only": _lock_folder,
    "the disk is full": _fill_disk,
    "the clock jumps": _nothing,  # from within, see `run_with_jumping_clock`
}

_DISK_BYTES = 64 * 2**20


def _call(*arguments):
    ended = subprocess.run(
        [str(each) for each in arguments], capture_output=True
    )
    return ended.returncode == 0


def _unlock(folder):
    if os.geteuid():
        _call("chmod", "-R", "u+w", folder)
    else:
        _call("chattr", "-R", "-i", folder)


def repair(job, inputs):
    """Undoes what a fault did to the disk and to the inputs."""
    _unlock(job.out)
    (job.out / ".filler").unlink(missing_ok=True)
    for path in inputs.rglob("*"):
        own = job.own / path.relative_to(inputs)
        if path.is_file() and not own.exists():
            os.link(path, own)


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
    films = folder / "films"
    for number in (6, 24):
        growth.draw_films(films, number)
    for name, number in (("few_frames", 6), ("frames", 24)):
        _run(
            *("keras_ssc.extract", films / f"films_{number}.csv"),
            *("--out", folder / name, "--pairs", 6),
        )
    data = ("--data_dir", folder / "data")
    _run(
        *(_TFDS, "build", growth.BUILDER, "--config", "frames", *data),
        *("--manual_dir", folder / "frames"),
    )
    _run(
        *("keras_ssc.train", "--model", "fc", "--epochs", 1, "--batch-size", 4),
        *("--dataset", "scene_genre/frames", "--data-dir", folder / "data"),
        *("--image-size", "24x16", "--run-dir", folder / "run"),
    )
    _run("keras_ssc.evaluate", folder / "run")


def _run(module, *arguments):
    growth.cost_of(sys.executable, "-m", module, *arguments)


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
        """Removes what a trial has left, also one that was stopped."""
        if not self._folder.exists():
            return
        out = self._folder / "out"
        _unlock(out)
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
            raise command.OutsideError(
                f"{job.name}, undisturbed, ended with code "
                f"{process.returncode}: "
                + last_line(job.said.read_text("utf-8", "replace"))
            )
        self.first = first or self.seconds / 2
        self.expected = job.outcome()

    def moment(self, generator):
        """Draws a moment, in seconds from the command's start."""
        if generator.random() < _START_UP_SHARE:
            return generator.uniform(0, self.first)
        return generator.uniform(self.first, self.seconds)

    def disturb(self, number, fault, seconds, generator):
        """Does something to the command at a moment, and runs it once more.

        If the command has ended by then, on a machine that has less else to
        do than before, it is disturbed again, as much earlier.

        Args:
            number: Integer, the trial's.
            fault: String, a key of `FAULTS`.
            seconds: Float, the moment.
            generator: `random.Random`, for what the fault draws.

        Returns:
            A `Trial`.
        """
        for _ in range(_NUM_TRIES):
            trial, took = self._disturb(number, fault, seconds, generator)
            if took is None or not is_right([trial]):
                break
            share = took / self.seconds
            self.first, self.seconds = share * self.first, took
            seconds *= share
        return trial

    def _disturb(self, number, fault, seconds, generator):
        """See `disturb`; returns the seconds too if the command had ended."""
        self._clear()
        out = self._folder / "out"
        out.mkdir(parents=True)
        if fault == "the disk is full":
            size = f"size={_DISK_BYTES}"
            _call("mount", "-t", "tmpfs", "-o", size, "tmpfs", out)
        job = self._prepare()
        kept = hashes_of(job.out)
        wrapper = ()
        if fault == "the clock jumps":
            wrapper = ("experiments.faults", "--jump")
        start, took = time.monotonic(), None
        process = job.start(job.module(), wrapper)
        try:
            process.wait(seconds)
            took = time.monotonic() - start
        except subprocess.TimeoutExpired:
            pass
        is_hit = took is None and FAULTS[fault](job, process, generator)
        try:
            code = process.wait(_LIMIT_SECONDS)
        finally:
            for one in growth.family(process.pid)[1:]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(one, signal.SIGKILL)
            process.kill()
        said = job.said.read_text("utf-8", "replace")
        repair(job, self._inputs)
        now = hashes_of(job.out)
        trial = Trial(
            job=job.name,
            number=number,
            fault=fault,
            seconds=seconds,
            is_hit=is_hit,
            code=code,
            is_named=code < 0 or bool(job.is_named(said)),
            is_kept=all(
                now.get(name) == digest
                for name, digest in kept.items()
                if not _is_replaced(name)
            ),
            is_equal=_is_equal(job, self.expected),
        )
        if not is_right([trial]):
            print(said, flush=True)
        self._clear()
        return trial, took


def last_line(said):
    """Returns the last line of what a program said; it may be empty."""
    return said.strip().rpartition("\n")[2]


def _is_replaced(name):
    """Says whether a file is one that a later command writes anew."""
    return name.endswith(("index.csv", "shots.csv", "timeline.png"))


def _is_equal(job, expected):
    if job.run(job.resumed()):
        return False
    try:
        return job.outcome() == expected
    except (OSError, ValueError, tf.errors.OpError):
        return False


def campaign(names, faults, num_faults, seed, folder, done=()):
    """Does some faults to each job.

    Args:
        names: Iterable of keys of `JOBS`.
        faults: Sequence of keys of `FAULTS`, which take turns.
        num_faults: Integer, for each job.
        seed: Integer, of the moments.
        folder: `pathlib.Path` for all that is written.
        done: Sequence of `Trial`s that are not repeated.

    Yields:
        A `Trial` after the other.
    """
    finished = {(trial.job, trial.number) for trial in done}
    inputs = folder / "inputs"
    make_inputs(inputs)
    for name in names:
        numbers = [
            number
            for number in range(num_faults)
            if (name, number) not in finished
        ]
        if not numbers:
            continue
        stand = Stand(JOBS[name], inputs, folder / name)
        kinds = [
            each
            for each in faults
            if JOBS[name].has_workers or each != _WORKER_DIES
        ]
        stand.run_undisturbed()
        print(f"{name}, undisturbed: {stand.seconds:.1f} s", flush=True)
        for number in numbers:
            # Its own: what a trial draws is the same after a stop.
            generator = random.Random(f"{seed} {name} {number}")
            fault = kinds[number % len(kinds)]
            moment = stand.moment(generator)
            yield stand.disturb(number, fault, moment, generator)


def is_right(trials):
    """Says whether nothing was lost, damaged or left unsaid."""
    return all(
        trial.is_named and trial.is_kept and trial.is_equal for trial in trials
    )


def read_trials(path, seed, kinds):
    """Reads the trials of a campaign that was stopped.

    Args:
        path: `pathlib.Path` of its results; it may be missing.
        seed: Integer, of the moments.
        kinds: Sequence of keys of `FAULTS`.

    Returns:
        List of `Trial`s.

    Raises:
        ValueError: If they are of another seed or of other faults.
    """
    if not path.exists():
        return []
    results = files.read_json(path)
    if [results["seed"], results["kinds"]] != [seed, list(kinds)]:
        raise ValueError(
            f"Expected {path} to hold trials with seed {seed} and "
            f"{', '.join(kinds)}. Found seed {results['seed']} and "
            f"{', '.join(results['kinds'])}. Give another --out, or delete "
            "it."
        )
    return [Trial(**trial) for trial in results["trials"]]


def text_of(results):
    """Writes the campaign as a Markdown table, one row a command and fault.

    Args:
        results: Dict of `machine` and `trials`, dicts of `Trial`s.

    Returns:
        String.
    """
    trials = [Trial(**trial) for trial in results["trials"]]
    by_row = collections.defaultdict(list)
    for trial in trials:
        by_row[trial.job, trial.fault].append(trial)
    rows = [
        [
            job,
            fault,
            len(own),
            sum(trial.is_hit for trial in own),
            sum(trial.is_named for trial in own),
            sum(trial.is_kept for trial in own),
            sum(trial.is_equal for trial in own),
        ]
        for (job, fault), own in by_row.items()
    ]
    lost = sum(not (trial.is_kept and trial.is_equal) for trial in trials)
    header = [
        "command",
        "fault",
        "tried",
        "hit it at work",
        "a result, a signal or one named error",
        "what was there before is whole",
        "run again, ends as undisturbed",
    ]
    return (
        f"{results['machine']}. {len(trials)} faults, lost or damaged: "
        f"{lost}.\n\n" + report.markdown_table(header, rows)
    )


def main():
    """Runs the command."""
    if sys.argv[1:2] == ["--jump"]:
        return run_with_jumping_clock(*sys.argv[2:])
    parser = argparse.ArgumentParser(prog="python -m experiments.faults")
    add = parser.add_argument
    add("--faults", type=int, default=50, metavar="N", help="for each command")
    add("--commands", nargs="+", choices=JOBS, default=list(JOBS))
    add("--kinds", nargs="+", choices=FAULTS, default=list(FAULTS))
    add("--seed", type=int, default=0, metavar="N", help="of the moments")
    add("--out", default="results/faults", metavar="DIR")
    add("--readme", action="store_true", help="into experiments/README.md")
    arguments = parser.parse_args()
    if arguments.faults < 1:
        raise ValueError(
            f"Expected --faults above 0. Received: {arguments.faults}"
        )
    out = pathlib.Path(arguments.out).resolve()
    out.mkdir(parents=True, exist_ok=True)
    stored = out / "faults.json"
    trials = read_trials(stored, arguments.seed, arguments.kinds)
    for trial in campaign(
        arguments.commands,
        arguments.kinds,
        arguments.faults,
        arguments.seed,
        out,
        trials,
    ):
        trials.append(trial)
        results = {
            "machine": benchmark.machine(),
            "seed": arguments.seed,
            "kinds": arguments.kinds,
            "trials": [dataclasses.asdict(each) for each in trials],
        }
        files.write_json(stored, results)
        print(f"{len(trials)}: {trial}", flush=True)
    results = files.read_json(stored)
    text = text_of(results)
    files.write_text(out / "faults.md", text)
    print(text)
    print(f"written: {out}/faults.md, {out}/faults.json")
    if arguments.readme:
        readme.put_results("faults", results, text)
    return int(not is_right(trials))


if __name__ == "__main__":
    command.run(main)
