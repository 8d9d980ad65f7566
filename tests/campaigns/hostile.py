"""Gives every entry point malformed and malicious files.

    python -m tests.campaigns.hostile

Each file is to end in a result or in one named error: no traceback, no crash,
no hang, no more memory than the limit, and nothing written outside the folder
of the output. The files are made by `tests.campaigns.hostile_corpus`.
"""

import argparse
import collections
import contextlib
import dataclasses
import functools
import http.client
import itertools
import json
import multiprocessing.connection
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
import traceback
import typing
import urllib.parse

import h5py
import numpy as np

from keras_ssc import command
from keras_ssc import evaluate
from keras_ssc import export
from keras_ssc import extract
from keras_ssc import files
from keras_ssc import predict
from keras_ssc import train
from keras_ssc.errors import OutsideError
from keras_ssc.films import film_list
from keras_ssc.metrics import tables
from keras_ssc.prediction import predictor
from keras_ssc.serving import exporting
from keras_ssc.training import evaluation
from keras_ssc.training import loop
from tests.campaigns import hostile_corpus
from tests.campaigns import load
from tests.campaigns import process as processes
from tests.helpers import scene_genre
from tests.helpers import tiny_runs

# How a task may end.
RESULT, ERROR = "result", "named error"
TRACEBACK, CRASH, HANG = "traceback", "crash", "hang"
BAD = (TRACEBACK, CRASH, HANG)

# What `command.run` tells in one line.
_NAMED = (ValueError, OutsideError, OSError)

# A film of a second, an image or a model of a few weights.
_MAX_SECONDS = 120.0

# Between two looks at what a worker's other processes hold.
_SECONDS_BETWEEN = 0.02

# Above it, in bytes that are really used, a small file has won.
MAX_MEMORY = 3 * 2**30

# What a worker may reserve: TensorFlow alone takes several gigabytes of
# addresses, and uses few of them.
_MAX_ADDRESSES = 16 * 2**30

_PROGRAM = (
    "import sys; from tests.campaigns.hostile import work; work(*sys.argv[1:])"
)


@dataclasses.dataclass(frozen=True)
class Task:
    """One file for one entry point.

    Attributes:
        entry: String, a key of `ENTRIES`.
        file: String, the file, as the corpus names it.
        given: What the corpus has under that name.
    """

    entry: str
    file: str
    given: object


@dataclasses.dataclass(frozen=True)
class Ending:
    """How a task ended.

    Attributes:
        task: The `Task`.
        outcome: String, `RESULT`, `ERROR` or one of `BAD`.
        said: String, the error or the traceback.
        memory: Integer, the most bytes that the worker, or another process of
            its own, used for it.
    """

    task: Task
    outcome: str
    said: str
    memory: int

    def is_wrong(self):
        """Says whether it is neither a result nor one named error."""
        return self.outcome in BAD or self.memory > MAX_MEMORY


class Ground:
    """The folders of a measurement.

    Args:
        root: `pathlib.Path` of a folder for it alone; what is in it is
            deleted.

    Attributes:
        corpus: `pathlib.Path`, the files that are tried.
        out: `pathlib.Path`, the only folder that may be written to.
        outside: `pathlib.Path`, what nothing may touch.
    """

    def __init__(self, root):
        self.root = root.absolute()
        shutil.rmtree(self.root, ignore_errors=True)
        for name in ("corpus", "out", "outside", "home", "temporary", "here"):
            (self.root / name).mkdir(parents=True)
            setattr(self, name, self.root / name)
        (self.outside / "canary").write_text("untouched")
        with h5py.File(self.outside / "secret.h5", "w") as file:
            file["secret"] = np.full((3, 3, 3, 64), 1 / 3, np.float32)
        self.data, self.run_dir = self.out / "data", self.out / "run"
        self._numbers = itertools.count()

    def prepare(self, seed=0):
        """Makes a data set, a run and an export, small and good, and the files.

        Returns:
            A dict from a kind of file to a dict from a name to the file.
        """
        scene_genre.build_with_validation(self.data, self.out / "frames")
        config = tiny_runs.small(
            self.data, self.run_dir, epochs=1, batch_size=4
        )
        loop.train(config, verbose=False)
        evaluation.evaluate(self.run_dir, verbose=False)
        self.version = exporting.export(
            self.run_dir, self.out / "export", verbose=False
        )
        found = hostile_corpus.write(self.corpus, self.outside, seed)
        changes = hostile_corpus.export_changes(self.version, seed)
        return {
            **found,
            "all films": {"all films": list(found["films"].values())},
            **hostile_corpus.run_changes(self.run_dir, self.outside, seed),
            "exports": {"good": {}, **dict(changes)},
        }

    def new(self, files=None):
        """Returns a path in the output's folder, with files or with nothing."""
        path = self.out / "new" / str(next(self._numbers))
        path.parent.mkdir(exist_ok=True)
        if files is not None:
            hostile_corpus.write_tree(path, files)
        return path

    def copy(self, source, changes=None):
        """Returns a copy of a folder, for one task alone, with changes."""
        target = self.new()
        # Not shutil.copytree: it copies no pipes.
        subprocess.run(["cp", "-a", "--", source, target], check=True)
        hostile_corpus.write_tree(target, changes or {})
        return target

    def seen(self):
        """Returns what lies outside the folder of the output, as it is.

        The system's folder for temporary files is left out: TFDS, Beam and
        TensorFlow leave files there, of good input too.
        """
        found = {}
        for folder, names, others in os.walk(self.root):
            if pathlib.Path(folder) == self.root:
                names.remove("out")
                names.remove("temporary")
            for name in (*names, *others):
                path = os.path.join(folder, name)
                status = os.lstat(path)
                is_folder = os.path.isdir(path) and not os.path.islink(path)
                found[path] = (
                    status.st_mode,
                    0 if is_folder else status.st_size,
                    0 if is_folder else status.st_mtime_ns,
                )
        return found


def build(data_dir, manual_dir, source="frames"):
    """Builds a data set, as `tfds build` does."""
    scene_genre.build(data_dir, manual_dir, source=source, num_pairs=4)


def _of_command(module):
    """Returns what runs a command with arguments, in this process."""

    def run(*arguments):
        sys.argv = [module.__name__, *arguments]
        return module.main()

    return run


class _Page:
    """A page that is served, and asked over HTTP."""

    def __init__(self, run_dir, folder):
        from keras_ssc.page import page  # Gradio is for its tasks alone

        limits = page.Limits(megabytes=4, minutes=1, seconds=60, waiting=4)
        self._page = page.Page(predictor.load(run_dir), folder, limits)
        url = self._page.launch(port=None)
        self._url, self._address = url, urllib.parse.urlsplit(url)

    def send(self, path):
        """Sends a request as it is; says what came back, and looks again."""
        address = self._address.hostname, self._address.port
        # Where a request says that it is longer, the page waits for the rest.
        with socket.create_connection(address, 10) as asked:
            try:
                asked.sendall(pathlib.Path(path).read_bytes())
                answer = http.client.HTTPResponse(asked)
                answer.begin()
                status, body = answer.status, answer.read(2**20)
            except (OSError, http.client.HTTPException):
                status, body = 400, b""  # it hung up, or waits
        if self._get("/")[0] != 200:
            raise RuntimeError("the page answers no more")
        if status >= 500:
            raise RuntimeError(f"HTTP {status}: {body[:500]}")
        if status >= 400:
            raise ValueError(f"HTTP {status}: {body[:200]}")
        try:
            event = json.loads(body)["event_id"]
        except (ValueError, TypeError, KeyError):
            return
        # A call has begun it, and waits for its end.
        where = pathlib.Path(path).read_bytes().split()[1].decode("ascii")
        _, said = self._get(f"{where}/{event}")
        if b"event: complete" not in said:
            raise ValueError(said[:200])

    def _get(self, path):
        asked = http.client.HTTPConnection(self._address.netloc, timeout=60)
        with contextlib.closing(asked):
            asked.request("GET", path)
            answer = asked.getresponse()
            return answer.status, answer.read()

    def judge(self, name, *paths):
        """Uploads files and asks for their genre, as a browser does."""
        with contextlib.closing(load.PageClient(self._url)) as client:
            getattr(client, f"judge_{name}")(*paths)


@functools.cache
def _page(run_dir, folder):
    return _Page(run_dir, folder)


PROGRAMS = {
    "extract": _of_command(extract),
    "predict": _of_command(predict),
    "evaluate": _of_command(evaluate),
    "export": _of_command(export),
    "train": _of_command(train),
    "build": build,
    "send": lambda run, folder, path: _page(run, folder).send(path),
    "judge": lambda run, folder, *rest: _page(run, folder).judge(*rest),
}


def work(number, said_path):
    """Does tasks in a process of its own, one after the other.

    Args:
        number: String, the number of the pipe that they come from.
        said_path: String, path of the file for what the programs print.
    """
    connection = multiprocessing.connection.Connection(int(number))
    resource.setrlimit(resource.RLIMIT_AS, (_MAX_ADDRESSES, _MAX_ADDRESSES))
    said = os.open(said_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for output in (1, 2):
        os.dup2(said, output)
    sys.stdout.reconfigure(errors="backslashreplace")
    # A good model is asked many times; loading it is tried apart.
    predictor.load = functools.lru_cache(maxsize=1)(predictor.load)
    connection.send("ready")
    while True:
        try:
            program, arguments = connection.recv()
        except EOFError:
            os._exit(0)
        # From here on, the kernel counts the process's peak anew (proc(5)).
        pathlib.Path("/proc/self/clear_refs").write_text("5")
        start = os.path.getsize(said_path)
        outcome, words = _do(program, arguments)
        sys.stdout.flush()
        sys.stderr.flush()
        with open(said_path, encoding="utf-8", errors="replace") as file:
            file.seek(start)
            printed = file.read()
        # What tfds and Beam print of an error themselves is not ours to end,
        # nor what Gradio prints of a request that is none.
        is_ours = program not in ("build", "send") or outcome == RESULT
        if is_ours and "Traceback (most recent" in printed:
            outcome, words = TRACEBACK, printed
        memory = processes.memory_of("self")
        connection.send((outcome, words or printed[-2000:], memory))


def _do(program, arguments):
    """Runs a program; returns (outcome, what is to be said of it)."""
    try:
        code = PROGRAMS[program](*arguments)
    except _NAMED as error:
        return ERROR, f"{type(error).__name__}: {error}"
    except SystemExit as error:
        code = error.code  # argparse has told the mistake
    except BaseException:
        return TRACEBACK, traceback.format_exc()
    return (ERROR if code else RESULT), ""


class Worker:
    """A process that does tasks; started again when it dies or hangs.

    Args:
        ground: A `Ground`.
    """

    def __init__(self, ground):
        self._ground = ground
        self._process = None

    def do(self, task, max_seconds=_MAX_SECONDS):
        """Does a task; returns its `Ending`."""
        if self._process is None:
            self._start()
        program, *arguments = ENTRIES[task.entry].make(self._ground, task.given)
        self._connection.send((program, [str(each) for each in arguments]))
        try:
            memory = self._watch(max_seconds)
            if memory is None:
                self.stop()
                return Ending(task, HANG, f"{max_seconds:g} seconds", 0)
            outcome, said, own_memory = self._connection.recv()
            ending = Ending(task, outcome, said, max(memory, own_memory))
            if ending.memory > MAX_MEMORY:
                self.stop()  # the next one is measured anew
            return ending
        except (EOFError, ConnectionResetError):
            code = self._process.wait()
            said = self._said.read_text("utf-8", "replace")[-2000:]
            self.stop()
            return Ending(task, CRASH, f"exit code {code}: {said}", 0)

    def _watch(self, max_seconds):
        """Waits for an answer.

        Returns:
            The most bytes that a process of the worker's held meanwhile; None
            if no answer came.
        """
        most = 0
        end = time.monotonic() + max_seconds
        while not self._connection.poll(_SECONDS_BETWEEN):
            if time.monotonic() > end:
                return None
            others = processes.family(self._process.pid)[1:]
            most = max(most, *map(processes.memory_of, others), 0)
        return most

    def _start(self):
        self._said = self._ground.out / "said.txt"
        self._connection, theirs = multiprocessing.Pipe()
        number = theirs.fileno()
        path = os.environ.get("PYTHONPATH", "")
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, str(number), str(self._said)],
            pass_fds=[number],
            stdin=subprocess.DEVNULL,
            cwd=self._ground.here,
            env={
                **os.environ,
                "PYTHONPATH": f"{processes.ROOT}:{path}",
                "HOME": str(self._ground.home),
                "TMPDIR": str(self._ground.temporary),
                "TF_CPP_MIN_LOG_LEVEL": "3",
            },
            # A group of its own: what it started ends with it.
            start_new_session=True,
        )
        theirs.close()
        self._connection.recv()

    def stop(self):
        """Ends the process, and those that it started."""
        if self._process is not None:
            # It may have ended, and all of them.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._connection.close()
            self._process = None


def _extract(ground, film_list, out=None, workers=1):
    small = ("--pairs", 4, "--size", "64x36", "--workers", workers)
    return "extract", film_list, "--out", out or ground.new(), *small


def _extract_films(ground, *paths, out=None, **settings):
    # What is no text cannot stand in a list in UTF-8.
    names = [str(path).encode("utf-8", "replace").decode() for path in paths]
    rows = [
        # The name of the first is the one in the corpus' folders of frames.
        (f"A film{place or ''}", "action", "train", name, "", "")
        for place, name in enumerate(names)
    ]
    path = ground.new({}) / "films.csv"
    files.write_csv(path, film_list.COLUMNS, rows)
    return _extract(ground, path, out, **settings)


def _build(ground, manual_dir, *source):
    return "build", ground.new(), manual_dir, *source


def _build_films(ground, path):
    # The builder's list has one name and lies beside its films.
    names = ("good.mp4", "circle.mp4")
    beside = {name: path.parent / name for name in names}
    return _build(ground, ground.new({"films.csv": path, **beside}), "films")


def _build_pair(ground, path):
    names = [f"action_train/action_movie1_00{number}.png" for number in (1, 2)]
    return _build(ground, ground.new(dict.fromkeys(names, path)))


def _predict(model, *files):
    return "predict", "--pairs=4", "--", model, *files


def _predict_pair(ground, model):
    image = ground.corpus / "images" / "good.png"
    return _predict(model, image, image)


def _changed_run(ground, changes):
    return ground.copy(ground.run_dir, changes)


def _export(ground, changes):
    return "export", _changed_run(ground, changes), "--out", ground.new()


def _of_own_sums(ground, changes):
    """Returns an export that is changed by one who knows the checksums."""
    copy = ground.copy(ground.version, changes)
    exporting.write_sums(copy)
    return copy


def _train(ground, weights):
    flags = {
        "--model": "vgg16",
        "--weights": weights,
        "--image-size": 32,
        "--dense-units": 4,
        "--epochs": 1,
        "--dataset": "scene_genre/small",
        "--data-dir": ground.data,
        "--batch-size": 4,
        "--run-dir": ground.new(),
    }
    return "train", *(each for flag in flags.items() for each in flag)


def _ask(ground, program, *arguments):
    return program, ground.run_dir, ground.out / "page", *arguments


@dataclasses.dataclass(frozen=True)
class Entry:
    """An entry point.

    Attributes:
        kinds: Tuple of strings, what of the corpus it is given.
        make: Function of a `Ground` and of one of those, that returns a key
            of `PROGRAMS` and the program's arguments.
        every: Integer, 1 for all of them.
    """

    kinds: tuple
    make: typing.Callable
    every: int = 1


ENTRIES = {
    "extract, a film": Entry(("films",), _extract_films),
    "extract, all films": Entry(
        ("all films",), lambda g, paths: _extract_films(g, *paths, workers=2)
    ),
    "predict, a film": Entry(("films",), lambda g, p: _predict(g.run_dir, p)),
    "extract, a film list": Entry(("film lists",), _extract),
    "tfds build, a film list": Entry(("film lists",), _build_films),
    "predict, two images": Entry(
        ("images",), lambda g, path: _predict(g.run_dir, path, path)
    ),
    "tfds build, two images": Entry(("images",), _build_pair),
    "tfds build, frames": Entry(("frames",), _build),
    "predict, a folder of frames": Entry(
        ("frames",), lambda g, path: _predict(g.run_dir, path)
    ),
    "extract, into a folder": Entry(
        ("frames",),
        lambda g, path: _extract_films(
            g, g.corpus / "film lists" / "good.mp4", out=g.copy(path)
        ),
    ),
    "app, a request": Entry(("requests",), lambda g, p: _ask(g, "send", p)),
    # An upload takes seconds, and so do an evaluation and an export.
    "app, a film": Entry(
        ("films",), lambda g, path: _ask(g, "judge", "film", path), every=4
    ),
    "app, two images": Entry(
        ("images",),
        lambda g, path: _ask(g, "judge", "pair", path, path),
        every=4,
    ),
    "predict, a run": Entry(
        ("models", "metrics"),
        lambda g, changes: _predict_pair(g, _changed_run(g, changes)),
    ),
    "evaluate": Entry(
        ("models",), lambda g, c: ("evaluate", _changed_run(g, c)), every=3
    ),
    "evaluate, a config": Entry(
        ("configs",), lambda g, changes: ("evaluate", _changed_run(g, changes))
    ),
    "export": Entry(
        ("models",),
        _export,
        every=3,
    ),
    "export, metrics": Entry(
        ("metrics",),
        _export,
    ),
    "train, --resume": Entry(
        ("checkpoints",), lambda g, c: ("train", "--resume", _changed_run(g, c))
    ),
    "predict, an export": Entry(
        ("exports",), lambda g, c: _predict_pair(g, g.copy(g.version, c))
    ),
    "predict, an export of its own sums": Entry(
        ("exports",), lambda g, c: _predict_pair(g, _of_own_sums(g, c))
    ),
    "train, --weights": Entry(("weights",), _train),
}


def tasks(found):
    """Returns a list of `Task`, every file for every entry point.

    Args:
        found: What `Ground.prepare` returned.
    """
    return [
        Task(name, file, given)
        for name, entry in ENTRIES.items()
        for kind in entry.kinds
        for file, given in _sent(name, found[kind])[:: entry.every]
    ]


def _sent(entry, found):
    # Of what is no file, a browser sends nothing.
    return [
        (name, given)
        for name, given in found.items()
        if entry not in ("app, a film", "app, two images")
        or (name.isprintable() and os.path.isfile(given))
    ]


_WARM_UPS = {
    "app": ("app, a request", "requests", "000.http"),
    "tfds": ("tfds build, a film list", "film lists", "good.csv"),
}


def warm_up(ground, entry):
    """Returns a task after which libraries have written what they keep."""
    pair = ("predict, two images", "images", "good.png")
    name, kind, file = _WARM_UPS.get(entry.split()[0], pair)
    return Task(name, file, ground.corpus / kind / file)


HEADER = [
    *("entry point", "tried", "results", "named errors", "tracebacks"),
    *("crashes", "hangs", "most memory, MiB", "written outside"),
]


def measure(ground, entry, chosen):
    """Does an entry point's tasks in a process of their own.

    Args:
        ground: A `Ground` that is prepared.
        entry: A key of `ENTRIES`.
        chosen: Iterable of `Task`.

    Returns:
        A tuple: whether nothing went wrong, and the row below `HEADER`.
    """
    worker, endings = Worker(ground), []
    try:
        worker.do(warm_up(ground, entry))
        before = ground.seen()
        for task in chosen:
            endings.append(worker.do(task))
            if endings[-1].is_wrong():
                print(f"{endings[-1].outcome}: {entry}: {task.file!a}")
                print(ascii(endings[-1].said), flush=True)
    finally:
        worker.stop()
    outside = {path for path, _ in before.items() ^ ground.seen().items()}
    for path in sorted(outside):
        print(f"written outside: {path!r}", flush=True)
    wrong = any(ending.is_wrong() for ending in endings)
    outcomes = collections.Counter(ending.outcome for ending in endings)
    return not outside and not wrong, [
        *(entry, len(endings)),
        *(outcomes[outcome] for outcome in (RESULT, ERROR, *BAD)),
        max(ending.memory for ending in endings) // 2**20,
        len(outside),
    ]


def main():
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns.hostile")
    add = parser.add_argument
    add("--seed", type=int, default=0, metavar="N", help="of the damage")
    add("--entry", default="", metavar="PATTERN", help="default: all of them")
    add("--out", default="results/hostile", metavar="DIR")
    arguments = parser.parse_args()
    ground = Ground(pathlib.Path(arguments.out) / "ground")
    made = tasks(ground.prepare(arguments.seed))
    chosen = [task for task in made if re.search(arguments.entry, task.entry)]
    num_files = len({task.file for task in made})
    print(f"{len(chosen)} tasks of {num_files} files", flush=True)
    measured = [
        measure(ground, entry, own)
        for entry, own in itertools.groupby(chosen, lambda task: task.entry)
    ]
    print(
        f"{processes.machine()}; {num_files:,} files, {MAX_MEMORY // 2**20:,} "
        f"MiB and {_MAX_SECONDS:g} seconds for each.\n"
    )
    print(tables.markdown_table(HEADER, [row for _, row in measured]))
    return int(not all(is_right for is_right, _ in measured))


if __name__ == "__main__":
    command.run(main)
