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
import urllib.parse

import h5py
import numpy as np
import tensorflow_datasets as tfds

from keras_ssc import command
from keras_ssc import evaluate
from keras_ssc import export
from keras_ssc import extract
from keras_ssc import files
from keras_ssc import predict
from keras_ssc import train
from keras_ssc.data import pair_files
from keras_ssc.errors import OutsideError
from keras_ssc.films import film_list
from keras_ssc.films import image_files
from keras_ssc.metrics import tables
from keras_ssc.prediction import predictor
from keras_ssc.serving import exporting
from keras_ssc.training import evaluation
from keras_ssc.training import loop
from keras_ssc.training.train_config import TrainConfig
from tests.campaigns import hostile_corpus
from tests.campaigns import load
from tests.campaigns import process as processes
from tests.helpers import drawn_films

# How a task may end.
RESULT, ERROR = "result", "named error"
TRACEBACK, CRASH, HANG = "traceback", "crash", "hang"
BAD = (TRACEBACK, CRASH, HANG)

ALL_FILMS = "all films in one list"

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

# Every so many of the films and images are uploads of the page, and of the
# models are evaluated and exported, which takes seconds.
_EVERY_UPLOAD = 4
_EVERY_MODEL = 3


@dataclasses.dataclass(frozen=True)
class Task:
    """One file for one entry point.

    Attributes:
        entry: String, the entry point, as the table names it.
        file: String, the file, as the corpus names it.
        program: String, a key of `PROGRAMS`.
        arguments: Tuple of strings.
    """

    entry: str
    file: str
    program: str
    arguments: tuple


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
        self.version = None

    def environment(self):
        """Returns the environment of a worker."""
        path = os.environ.get("PYTHONPATH", "")
        return {
            **os.environ,
            "PYTHONPATH": f"{processes.ROOT}:{path}",
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }

    def prepare(self):
        """Makes a data set, a run and an export: small, and good."""
        frames = self.out / "frames"
        drawn = hostile_corpus.frames()[: hostile_corpus.CUT]
        for genre, movie in itertools.product(("action", "romance"), (1, 2, 3)):
            split = ("train", "validation", "test")[movie - 1]
            folder = frames / pair_files.folder_name(genre, split)
            folder.mkdir(parents=True)
            for number, frame in enumerate(drawn, start=1):
                name = pair_files.frame_name(genre, movie, number)
                (folder / name).write_bytes(image_files.encode_frame(frame))
        build(self.data, frames)
        loop.train(
            TrainConfig(
                model="fc",
                dataset="scene_genre/small",
                data_dir=str(self.data),
                run_dir=str(self.run_dir),
                image_size=(18, 32),
                epochs=1,
                batch_size=4,
            ),
            verbose=False,
        )
        evaluation.evaluate(self.run_dir, verbose=False)
        self.version = exporting.export(
            self.run_dir, self.out / "export", verbose=False
        )

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

    def copy_of(self, source, name):
        """Returns a copy of a folder, for one task alone."""
        target = self.out / "copies" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        # Not shutil.copytree: it copies no pipes.
        subprocess.run(["cp", "-a", "--", source, target], check=True)
        return target


@functools.cache
def _builder_module():
    sys.path.insert(0, str(processes.BUILDER.parent))
    try:
        from scene_genre import scene_genre_dataset_builder
    finally:
        sys.path.remove(str(processes.BUILDER.parent))
    return scene_genre_dataset_builder


def build(data_dir, manual_dir, source="frames"):
    """Builds a data set, as `tfds build` does."""
    module = _builder_module()
    config = module.SceneGenreConfig(name="small", source=source, num_pairs=4)
    builder = module.Builder(data_dir=data_dir, config=config)
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(manual_dir=manual_dir)
    )


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
        self._url = self._page.launch(port=None)

    def send(self, path):
        """Sends a request as it is; says what came back, and looks again."""
        url = urllib.parse.urlsplit(self._url)
        # Where a request says that it is longer, the page waits for the rest.
        with socket.create_connection((url.hostname, url.port), 10) as asked:
            try:
                asked.sendall(pathlib.Path(path).read_bytes())
                answer = http.client.HTTPResponse(asked)
                answer.begin()
                status, body = answer.status, answer.read(2**20)
            except (OSError, http.client.HTTPException):
                status, body = 400, b""  # it hung up, or waits
        self._check(url)
        if status >= 500:
            raise RuntimeError(f"HTTP {status}: {body[:500]}")
        if status >= 400:
            raise ValueError(f"HTTP {status}: {body[:200]}")
        self._await(path, url, body)

    def _await(self, path, url, body):
        """Waits for the event that a call has begun."""
        try:
            event = json.loads(body)["event_id"]
        except (ValueError, TypeError, KeyError):
            return
        where = pathlib.Path(path).read_bytes().split()[1].decode("ascii")
        asked = http.client.HTTPConnection(url.hostname, url.port, timeout=60)
        asked.request("GET", f"{where}/{event}")
        said = asked.getresponse().read()
        asked.close()
        if b"event: complete" not in said:
            raise ValueError(said[:200])

    def _check(self, url):
        asked = http.client.HTTPConnection(url.hostname, url.port, timeout=30)
        asked.request("GET", "/")
        if asked.getresponse().status != 200:
            raise RuntimeError("the page answers no more")
        asked.close()

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
        self._connection.send((task.program, task.arguments))
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
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, str(number), str(self._said)],
            pass_fds=[number],
            stdin=subprocess.DEVNULL,
            cwd=self._ground.here,
            env=self._ground.environment(),
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


def tasks(ground, found, seed=0):
    """Returns a list of `Task`, every file for every entry point.

    Args:
        ground: A `Ground` that is prepared.
        found: What `hostile_corpus.write` returned.
        seed: Integer, of the damage.
    """
    made = (
        _tasks_of_films(ground, found["films"]),
        _tasks_of_lists(ground, found["film lists"]),
        _tasks_of_images(ground, found["images"]),
        _tasks_of_frames(ground, found["frames"]),
        _tasks_of_page(ground, found),
        _tasks_of_runs(ground, seed),
        _tasks_of_exports(ground, seed),
        _tasks_of_weights(ground, seed),
    )
    return [task for of_kind in made for task in of_kind]


def _extract(ground, entry, file, film_list, out, workers=1):
    small = ("--pairs", "4", "--size", "64x36", "--workers", str(workers))
    arguments = (str(film_list), "--out", str(ground.out / out), *small)
    return Task(entry, file, "extract", arguments)


def _build(ground, entry, file, manual_dir, *source):
    data_dir = ground.out / "built" / f"{entry} {file}"
    arguments = (str(data_dir), str(manual_dir), *source)
    return Task(entry, file, "build", arguments)


def _predict(entry, file, model, *files):
    arguments = ("--pairs=4", "--", str(model), *map(str, files))
    return Task(entry, file, "predict", arguments)


def _tasks_of_films(ground, paths):
    entry, lists = "extract, a film", ground.out / "lists"
    lists.mkdir()
    for place, path in enumerate(paths):
        film_list, out = lists / f"{place}.csv", f"extracted/film {place}"
        _write_list(film_list, [path])
        yield _extract(ground, entry, path.name, film_list, out)
        yield _predict("predict, a film", path.name, ground.run_dir, path)
    film_list, out = lists / "all.csv", "extracted/all films"
    _write_list(film_list, paths)
    yield _extract(ground, entry, ALL_FILMS, film_list, out, workers=2)


def _write_list(path, films):
    # What is no text cannot stand in a list in UTF-8.
    names = [str(film).encode("utf-8", "replace").decode() for film in films]
    rows = [
        (f"film {place}", "action", "train", name, "", "")
        for place, name in enumerate(names)
    ]
    files.write_csv(path, film_list.COLUMNS, rows)


def _tasks_of_lists(ground, paths):
    for place, path in enumerate(paths):
        entry, out = "extract, a film list", f"extracted/list {place}"
        yield _extract(ground, entry, path.name, path, out)
        # The builder's list has one name and lies beside its films.
        manual_dir = ground.out / "manual" / str(place)
        manual_dir.mkdir(parents=True)
        for film in ("good.mp4", "circle.mp4"):
            (manual_dir / film).symlink_to(path.parent / film)
        (manual_dir / "films.csv").symlink_to(path)
        entry = "tfds build, a film list"
        yield _build(ground, entry, path.name, manual_dir, "films")


def _tasks_of_images(ground, paths):
    for place, path in enumerate(paths):
        entry = "predict, two images"
        yield _predict(entry, path.name, ground.run_dir, path, path)
        frames = ground.out / "pictures" / str(place) / "action_train"
        frames.mkdir(parents=True)
        for number in (1, 2):
            link = frames / f"action_movie1_00{number}.png"
            link.symlink_to(path)
        entry = "tfds build, frames"
        yield _build(ground, entry, path.name, frames.parent)


def _tasks_of_frames(ground, paths):
    film_list = ground.out / "lists" / "good.csv"
    film = ground.corpus / "film lists" / "good.mp4"
    # The film that the folders' records tell of.
    drawn_films.write_list(film_list, f"A film,action,train,{film},,")
    for path in paths:
        name = path.name
        yield _build(ground, "tfds build, frames", name, path)
        entry = "predict, a folder of frames"
        yield _predict(entry, name, ground.run_dir, path)
        copy = ground.copy_of(path, f"frames/{name}")
        entry = "extract, into a folder"
        yield _extract(ground, entry, name, film_list, copy)


def _tasks_of_page(ground, found):
    where = (str(ground.run_dir), str(ground.out / "page"))
    for path in found["requests"]:
        yield Task("app, a request", path.name, "send", (*where, str(path)))
    for entry, kind, times in (("film", "films", 1), ("pair", "images", 2)):
        # Of what is no file, a browser sends nothing.
        sent = [path for path in found[kind] if _is_sent(path)]
        for path in sent[::_EVERY_UPLOAD]:
            name = f"app, {'a film' if times == 1 else 'two images'}"
            given = (*where, entry, *([str(path)] * times))
            yield Task(name, path.name, "judge", given)


def _is_sent(path):
    try:
        return path.is_file() and path.name.isprintable()
    except (OSError, RuntimeError):
        return False


def _tasks_of_runs(ground, seed):
    run_dir = ground.run_dir
    model = (run_dir / "model.keras").read_bytes()
    models = [
        ("good.keras", model),
        *hostile_corpus.keras_changes(model, ground.outside, seed),
        *hostile_corpus.other_models(ground.out / "other models"),
    ]
    changed = [(name, {"model.keras": data}) for name, data in models]
    yield from _tasks_of_changes(
        ground, changed, "predict, a run", "evaluate", "export"
    )
    metrics = json.loads((run_dir / "metrics.json").read_text("utf-8"))
    changed = [
        (f"metrics {what}", {"metrics.json": text})
        for what, text in hostile_corpus.metrics_changes(metrics)
    ]
    yield from _tasks_of_changes(ground, changed, "predict, a run", "export")
    config = json.loads((run_dir / "config.json").read_text("utf-8"))
    changed = [
        (f"config {what}", {"config.json": text})
        for what, text in hostile_corpus.config_changes(config)
    ]
    yield from _tasks_of_changes(ground, changed, "evaluate")
    (path,) = (run_dir / "checkpoints").glob("epoch_*.json")
    state, name = (
        json.loads(path.read_text("utf-8")),
        f"checkpoints/{path.stem}",
    )
    changed = [
        (f"state {what}", {"model.keras": None, f"{name}.json": text})
        for what, text in hostile_corpus.state_changes(state)
    ]
    changed += [
        (f"checkpoint {what}", {"model.keras": None, f"{name}.keras": data})
        for what, data in models[:: len(models) // 12]
    ]
    yield from _tasks_of_changes(ground, changed, "train, --resume")


def _tasks_of_changes(ground, changed, *entries):
    """Yields tasks of copies of the run, each with changes."""
    image = ground.corpus / "images" / "good.png"
    for place, (name, changes) in enumerate(changed):
        # All load a run by the same functions: the others try a part.
        for entry in entries[: None if place % _EVERY_MODEL == 0 else 1]:
            copy = ground.copy_of(ground.run_dir, f"{entry}/{name}")
            hostile_corpus.write_tree(copy, changes)
            out = str(ground.out / "exports" / name)
            yield {
                "predict, a run": _predict(entry, name, copy, image, image),
                "evaluate": Task(entry, name, "evaluate", (str(copy),)),
                "export": Task(
                    entry, name, "export", (str(copy), "--out", out)
                ),
                "train, --resume": Task(
                    entry, name, "train", ("--resume", str(copy))
                ),
            }[entry]


def _tasks_of_exports(ground, seed):
    image = ground.corpus / "images" / "good.png"
    changed = hostile_corpus.export_changes(ground.version, seed)
    for name, changes in (("good", {}), *changed):
        # As damage does it, and as one does who knows the checksums.
        for sums in ("", "sums of its own, "):
            copy = ground.copy_of(ground.version, f"export/{sums}{name}")
            hostile_corpus.write_tree(copy, changes)
            if sums:
                exporting.write_sums(copy)
            entry = "predict, an export"
            yield _predict(entry, f"{sums}{name}", copy, image, image)


def _tasks_of_weights(ground, seed):
    weights = ground.corpus / "weights"
    for path in hostile_corpus.write_weights(weights, seed, ground.outside):
        flags = {
            "--model": "vgg16",
            "--weights": path,
            "--image-size": 32,
            "--dense-units": 4,
            "--epochs": 1,
            "--dataset": "scene_genre/small",
            "--data-dir": ground.data,
            "--batch-size": 4,
            "--run-dir": ground.out / "trained" / path.name,
        }
        arguments = tuple(str(each) for flag in flags.items() for each in flag)
        yield Task("train, --weights", path.name, "train", arguments)


def warm_up(ground, entry):
    """Returns a task after which libraries have written what they keep."""
    if entry.startswith("app"):
        request = ground.corpus / "requests" / "000.http"
        given = (ground.run_dir, ground.out / "page", request)
        return Task("warm-up", request.name, "send", tuple(map(str, given)))
    if entry.startswith("tfds build"):
        manual_dir = ground.out / "manual" / "0"
        return _build(ground, "warm-up", "good.csv", manual_dir, "films")
    image = ground.corpus / "images" / "good.png"
    return _predict("warm-up", image.name, ground.run_dir, image, image)


def measure(ground, chosen):
    """Does tasks, each entry point's in a process of its own.

    Args:
        ground: A `Ground` that is prepared.
        chosen: List of `Task`.

    Returns:
        A tuple (endings, outside): a list of `Ending`, and a dict from an
        entry point to a list of paths that were changed outside the output.
    """
    by_entry = collections.defaultdict(list)
    for task in chosen:
        by_entry[task.entry].append(task)
    endings, outside = [], {}
    for entry, its_tasks in by_entry.items():
        worker = Worker(ground)
        try:
            worker.do(warm_up(ground, entry))
            before = ground.seen()
            for task in its_tasks:
                ending = worker.do(task)
                endings.append(ending)
                if ending.is_wrong():
                    print(f"{ending.outcome}: {entry}: {task.file!a}")
                    print(ascii(ending.said), flush=True)
        finally:
            worker.stop()
        after = ground.seen()
        outside[entry] = sorted(
            path
            for path in before.keys() | after.keys()
            if before.get(path) != after.get(path)
        )
    return endings, outside


def is_right(endings, outside):
    """Says whether nothing went wrong."""
    wrong = any(ending.is_wrong() for ending in endings)
    return not wrong and not any(outside.values())


def table(endings, outside):
    """Returns a Markdown table of what `measure` returns."""
    header = ["entry point", "tried", "results", "named errors", "tracebacks"]
    header += ["crashes", "hangs", "most memory, MiB", "written outside"]
    rows = []
    for entry in (*outside, "all"):
        own = [each for each in endings if entry in (each.task.entry, "all")]
        outcomes = collections.Counter(ending.outcome for ending in own)
        changed = [outside[entry]] if entry != "all" else outside.values()
        rows.append(
            [
                *(entry, len(own)),
                *(outcomes[outcome] for outcome in (RESULT, ERROR, *BAD)),
                max(ending.memory for ending in own) // 2**20,
                sum(map(len, changed)),
            ]
        )
    return tables.markdown_table(header, rows)


def main():
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns.hostile")
    add = parser.add_argument
    add("--seed", type=int, default=0, metavar="N", help="of the damage")
    add("--entry", default="", metavar="PATTERN", help="default: all of them")
    add("--out", default="results/hostile", metavar="DIR")
    arguments = parser.parse_args()
    ground = Ground(pathlib.Path(arguments.out) / "ground")
    found = hostile_corpus.write(ground.corpus, arguments.seed)
    ground.prepare()
    made = tasks(ground, found, arguments.seed)
    chosen = [task for task in made if re.search(arguments.entry, task.entry)]
    num_files = len({task.file for task in made})
    print(f"{len(chosen)} tasks of {num_files} files", flush=True)
    endings, outside = measure(ground, chosen)
    print(
        f"{processes.machine()}; {num_files:,} files, {MAX_MEMORY // 2**20:,} "
        f"MiB and {_MAX_SECONDS:g} seconds for each.\n"
    )
    print(table(endings, outside))
    for path in sorted(set().union(*outside.values())):
        print(f"written outside: {path!r}")
    return int(not is_right(endings, outside))


if __name__ == "__main__":
    command.run(main)
