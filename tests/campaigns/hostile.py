"""Gives every entry point files that mean harm, and looks at what it does.

    python -m experiments.hostile

Each file is to end in a result or in one named error: no traceback, no crash,
no hang, no more memory than the limit, and nothing written outside the folder
of the output. The files are made by `tests.hostile_corpus`.
"""

import argparse
import collections
import contextlib
import dataclasses
import functools
import http.client
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

from experiments import benchmark
from experiments import growth
from experiments import readme
from keras_ssc import command
from keras_ssc import evaluate
from keras_ssc import export
from keras_ssc import extract
from keras_ssc import files
from keras_ssc import predict
from keras_ssc import predictor
from keras_ssc import report
from keras_ssc import scenes
from keras_ssc import train
from keras_ssc.train_config import TrainConfig
from keras_ssc.video import VideoError
from tests import drawn_films
from tests import hostile_corpus

BUILDERS = pathlib.Path(__file__).parent.parent / "tfds_builder"

# How a task may end.
RESULT, ERROR = "result", "named error"
TRACEBACK, CRASH, HANG = "traceback", "crash", "hang"
BAD = (TRACEBACK, CRASH, HANG)

# What `command.run` tells in one line.
_NAMED = (ValueError, command.OutsideError, VideoError, OSError)

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
    "import sys; from experiments import hostile; hostile.work(*sys.argv[1:])"
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
        here = pathlib.Path(__file__).parent.parent
        return {
            **os.environ,
            "PYTHONPATH": f"{here}:{os.environ.get('PYTHONPATH', '')}",
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }

    def prepare(self):
        """Makes a data set, a run and an export: small, and good."""
        frames = self.out / "frames"
        for genre in ("action", "romance"):
            for split in ("train", "validation", "test"):
                self._draw(frames, genre, split)
        build(self.data, frames)
        train.train(
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
        evaluate.evaluate(self.run_dir, verbose=False)
        self.version = export.export(
            self.run_dir, self.out / "export", verbose=False
        )

    def _draw(self, frames, genre, split):
        from keras_ssc import frame_store
        from keras_ssc import pairs

        movie = 1 + ("train", "validation", "test").index(split)
        drawn = hostile_corpus.frames()[: hostile_corpus.CUT]
        folder = frames / pairs.folder_name(genre, split)
        folder.mkdir(parents=True)
        for number, frame in enumerate(drawn, start=1):
            name = pairs.frame_name(genre, movie, number)
            (folder / name).write_bytes(frame_store.encode_frame(frame))

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
    sys.path.insert(0, str(BUILDERS))
    try:
        from scene_genre import scene_genre_dataset_builder
    finally:
        sys.path.remove(str(BUILDERS))
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
        from keras_ssc import page

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
        import gradio_client

        client = gradio_client.Client(
            self._url, verbose=False, download_files=False
        )
        given = [gradio_client.handle_file(path) for path in paths]
        try:
            if name == "film":
                client.predict(given[0], api_name="/take_film")
                client.predict(20, True, api_name="/judge_film")
            else:
                client.predict(*given, api_name="/judge_pair")
        except gradio_client.exceptions.AppError as error:
            raise ValueError(error) from error
        finally:
            client.close()


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
        # What tfds and Beam print of an error themselves is not ours to end.
        is_ours = program != "build" or outcome == RESULT
        if is_ours and "Traceback (most recent" in printed:
            outcome, words = TRACEBACK, printed
        memory = 1024 * growth.peak("self")
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
        kilobytes = 0
        end = time.monotonic() + max_seconds
        while not self._connection.poll(_SECONDS_BETWEEN):
            if time.monotonic() > end:
                return None
            others = growth.family(self._process.pid)[1:]
            kilobytes = max(kilobytes, *map(growth.peak, others), 0)
        return 1024 * kilobytes

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


def tasks_of_media(ground, found):
    """Yields the tasks of films, images, lists, frames and requests.

    Args:
        ground: A `Ground` that is prepared.
        found: What `hostile_corpus.write` returned.
    """
    run_dir = str(ground.run_dir)
    small = ["--pairs", "4", "--size", "64x36", "--workers", "1"]
    lists = ground.out / "lists"
    lists.mkdir()
    for place, path in enumerate(found["films"]):
        film_list = lists / f"{place}.csv"
        _write_list(film_list, [path])
        folder = str(ground.out / "extracted" / f"film {place}")
        yield Task(
            "extract, a film",
            path.name,
            "extract",
            (str(film_list), "--out", folder, *small),
        )
        yield Task(
            "predict, a film",
            path.name,
            "predict",
            ("--pairs=4", "--", run_dir, f"{path.parent}/{path.name}"),
        )
    film_list = lists / "all.csv"
    _write_list(film_list, found["films"])
    folder = str(ground.out / "extracted" / "all films")
    yield Task(
        "extract, a film",
        "all films in one list",
        "extract",
        (str(film_list), "--out", folder, *small[:-1], "2"),
    )
    yield from _tasks_of_lists(ground, found["film lists"], small)
    yield from _tasks_of_images(ground, found["images"], run_dir)
    yield from _tasks_of_frames(ground, found["frames"], run_dir, small)
    yield from _tasks_of_page(ground, found, run_dir)


def _write_list(path, films):
    # What is no text cannot stand in a list in UTF-8.
    names = [
        str(film).encode("utf-8", "replace").decode("utf-8") for film in films
    ]
    files.write_csv(
        path,
        scenes.COLUMNS,
        [
            (f"film {place}", "action", "train", name, "", "")
            for place, name in enumerate(names)
        ],
    )


def _tasks_of_lists(ground, paths, small):
    for place, path in enumerate(paths):
        folder = str(ground.out / "extracted" / f"list {place}")
        arguments = (str(path), "--out", folder, *small)
        yield Task("extract, a film list", path.name, "extract", arguments)
        # The builder's list has one name and lies beside its films.
        manual_dir = ground.out / "manual" / str(place)
        manual_dir.mkdir(parents=True)
        for film in ("good.mp4", "circle.mp4"):
            (manual_dir / film).symlink_to(path.parent / film)
        (manual_dir / "films.csv").symlink_to(path)
        data_dir = str(ground.out / "built" / f"list {place}")
        yield Task(
            "tfds build, a film list",
            path.name,
            "build",
            (data_dir, str(manual_dir), "films"),
        )


def _tasks_of_images(ground, paths, run_dir):
    for place, path in enumerate(paths):
        yield Task(
            "predict, two images",
            path.name,
            "predict",
            (run_dir, str(path), str(path)),
        )
        frames = ground.out / "pictures" / str(place) / "action_train"
        frames.mkdir(parents=True)
        for number in (1, 2):
            link = frames / f"action_movie1_00{number}.png"
            link.symlink_to(path)
        data_dir = str(ground.out / "built" / f"image {place}")
        yield Task(
            "tfds build, frames",
            path.name,
            "build",
            (data_dir, str(frames.parent)),
        )


def _tasks_of_frames(ground, paths, run_dir, small):
    film_list = ground.out / "lists" / "good.csv"
    film = ground.corpus / "film lists" / "good.mp4"
    # The film that the folders' records tell of.
    drawn_films.write_list(film_list, f"A film,action,train,{film},,")
    for path in paths:
        data_dir = str(ground.out / "built" / f"frames {path.name}")
        yield Task(
            "tfds build, frames", path.name, "build", (data_dir, str(path))
        )
        yield Task(
            "predict, a folder of frames",
            path.name,
            "predict",
            (run_dir, str(path)),
        )
        copy = ground.copy_of(path, f"frames/{path.name}")
        yield Task(
            "extract, into a folder",
            path.name,
            "extract",
            (str(film_list), "--out", str(copy), *small),
        )


def _tasks_of_page(ground, found, run_dir):
    where = (run_dir, str(ground.out / "page"))
    for path in found["requests"]:
        yield Task("app, a request", path.name, "send", (*where, str(path)))
    uploads = (("film", "films"), ("pair", "images"))
    for name, kind in uploads:
        # Of what is no file, a browser sends nothing.
        sent = [path for path in found[kind] if _is_sent(path)]
        for path in sent[::_EVERY_UPLOAD]:
            twice = [str(path)] * (1 if name == "film" else 2)
            yield Task(
                f"app, {'a film' if name == 'film' else 'two images'}",
                path.name,
                "judge",
                (*where, name, *twice),
            )


def _is_sent(path):
    try:
        return path.is_file() and path.name.isprintable()
    except (OSError, RuntimeError):
        return False


def tasks_of_models(ground, seed=0):
    """Yields the tasks of runs, exports and weights tampered with."""
    image = str(ground.corpus / "images" / "good.png")
    model = (ground.run_dir / "model.keras").read_bytes()
    models = [
        ("good.keras", model),
        *hostile_corpus.keras_changes(model, ground.outside, seed),
        *hostile_corpus.other_models(ground.out / "other models"),
    ]
    for place, (name, data) in enumerate(models):
        # All three load a model by the same function: two of them try a part.
        entries = ("predict, a run", "evaluate", "export")
        for entry in entries[: None if place % _EVERY_MODEL == 0 else 1]:
            yield _task_of_run(
                ground, entry, name, {"model.keras": data}, image
            )
    yield from _tasks_of_json(ground, image)
    yield from _tasks_of_resumed(ground, models)
    for name, changes in (
        ("good", {}),
        *hostile_corpus.export_changes(ground.version, seed),
    ):
        # As damage does it, and as one does who knows the checksums.
        for sums in ("", "sums of its own, "):
            copy = ground.copy_of(ground.version, f"export/{sums}{name}")
            hostile_corpus.write_tree(copy, changes)
            if sums:
                export.write_sums(copy)
            yield Task(
                "predict, an export",
                f"{sums}{name}",
                "predict",
                (str(copy), image, image),
            )
    weights = ground.corpus / "weights"
    for path in hostile_corpus.write_weights(weights, seed, ground.outside):
        yield Task(
            "train, --weights",
            path.name,
            "train",
            (
                *("--model", "vgg16", "--weights", str(path)),
                *("--image-size", "32", "--dense-units", "4", "--epochs", "1"),
                *("--dataset", "scene_genre/small", "--data-dir"),
                *(str(ground.data), "--batch-size", "4", "--run-dir"),
                str(ground.out / "trained" / path.name),
            ),
        )


def _task_of_run(ground, entry, name, changes, image):
    """Makes a run's copy with changes, and the task of it."""
    copy = ground.copy_of(ground.run_dir, f"{entry}/{name}")
    hostile_corpus.write_tree(copy, changes)
    arguments = {
        "predict, a run": ("predict", (str(copy), image, image)),
        "evaluate": ("evaluate", (str(copy),)),
        "export": (
            "export",
            (str(copy), "--out", str(ground.out / "exports" / name)),
        ),
    }
    return Task(entry, name, *arguments[entry])


def _tasks_of_json(ground, image):
    config = json.loads((ground.run_dir / "config.json").read_text("utf-8"))
    for what, text in hostile_corpus.config_changes(config):
        changes = {"config.json": text}
        yield _task_of_run(ground, "evaluate", f"config {what}", changes, image)
    metrics = json.loads((ground.run_dir / "metrics.json").read_text("utf-8"))
    changed = enumerate(hostile_corpus.metrics_changes(metrics))
    for place, (what, text) in changed:
        changes = {"metrics.json": text}
        entries = ("predict, a run", "export")
        for entry in entries[: None if place % _EVERY_MODEL == 0 else 1]:
            name = f"metrics {what}"
            yield _task_of_run(ground, entry, name, changes, image)


def _tasks_of_resumed(ground, models):
    folder = ground.run_dir / "checkpoints"
    (name,) = (path.stem for path in folder.glob("epoch_*.keras"))
    state = json.loads((folder / f"{name}.json").read_text("utf-8"))
    changes = [
        (f"state {what}", {f"checkpoints/{name}.json": text})
        for what, text in hostile_corpus.state_changes(state)
    ]
    changes += [
        (f"checkpoint {what}", {f"checkpoints/{name}.keras": data})
        for what, data in models[:: len(models) // 12]
    ]
    for what, changed in changes:
        copy = ground.copy_of(ground.run_dir, f"resumed/{what}")
        hostile_corpus.write_tree(copy, {"model.keras": None, **changed})
        yield Task("train, --resume", what, "train", ("--resume", str(copy)))


def warm_up(ground, entry):
    """Returns a task after which libraries have written what they keep."""
    run_dir = str(ground.run_dir)
    if entry.startswith("app"):
        request = str(ground.corpus / "requests" / "000.http")
        page = (run_dir, str(ground.out / "page"), request)
        return Task("warm-up", "000.http", "send", page)
    if entry.startswith("tfds build"):
        manual_dir = str(ground.out / "manual" / "0")
        built = (str(ground.out / "warm-up"), manual_dir, "films")
        return Task("warm-up", "good.csv", "build", built)
    image = str(ground.corpus / "images" / "good.png")
    return Task("warm-up", "good.png", "predict", (run_dir, image, image))


def measure(ground, tasks, show=None):
    """Does tasks, each entry point's in a process of its own.

    Args:
        ground: A `Ground` that is prepared.
        tasks: List of `Task`.
        show: Function of an `Ending`, called for each.

    Returns:
        A tuple (endings, outside): a list of `Ending`, and a dict from an
        entry point to a list of paths that were changed outside the output.
    """
    by_entry = collections.defaultdict(list)
    for task in tasks:
        by_entry[task.entry].append(task)
    endings, outside = [], {}
    for entry, its_tasks in by_entry.items():
        worker = Worker(ground)
        try:
            worker.do(warm_up(ground, entry))
            before = ground.seen()
            for task in its_tasks:
                endings.append(worker.do(task))
                if show is not None:
                    show(endings[-1])
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
    return not any(outside.values()) and not any(
        ending.outcome in BAD or ending.memory > MAX_MEMORY
        for ending in endings
    )


def count(endings, outside):
    """Counts what `measure` returns.

    Returns:
        List of dicts, one an entry point: `entry`, `tried`, how many of each
        outcome, `memory` in bytes, and how many files were written `outside`.
    """
    counted = []
    for entry, changed in outside.items():
        own = [ending for ending in endings if ending.task.entry == entry]
        outcomes = collections.Counter(ending.outcome for ending in own)
        counted.append(
            {
                "entry": entry,
                "tried": len(own),
                **{each: outcomes[each] for each in (RESULT, ERROR, *BAD)},
                "memory": max(ending.memory for ending in own),
                "outside": len(changed),
            }
        )
    return counted


def merge(path, results, entries):
    """Keeps what was counted before at entry points that were not tried anew.

    Args:
        path: `pathlib.Path` of the earlier results; it may be missing.
        results: Dict, see `text_of`.
        entries: Sequence of all entry points, in order.

    Returns:
        Dict as `results`, with the earlier ones if they are of the same
        machine and as many files.
    """
    same = {name: results[name] for name in ("machine", "num_files")}
    earlier = readme.earlier(path, **same).get("entries", [])
    rows = {row["entry"]: row for row in [*earlier, *results["entries"]]}
    order = dict.fromkeys(entries)
    return {
        **results,
        "entries": [rows[each] for each in order if each in rows],
    }


def text_of(results):
    """Writes what was counted as Markdown.

    Args:
        results: Dict of `machine`, `num_files` and `entries`, see `count`.

    Returns:
        String.
    """
    rows = [
        [
            each["entry"],
            each["tried"],
            *(each[outcome] for outcome in (RESULT, ERROR, *BAD)),
            each["memory"] // 2**20,
            each["outside"],
        ]
        for each in results["entries"]
    ]
    sums = [sum(column) for column in list(zip(*rows, strict=True))[1:7]]
    most = max(row[7] for row in rows)
    rows.append(["all", *sums, most, sum(row[8] for row in rows)])
    table = report.markdown_table(
        [
            "entry point",
            "tried",
            "results",
            "named errors",
            "tracebacks",
            "crashes",
            "hangs",
            "most memory, MiB",
            "written outside",
        ],
        rows,
    )
    return (
        f"{results['machine']}; {results['num_files']:,} files, "
        f"{MAX_MEMORY // 2**20:,} MiB and {_MAX_SECONDS:g} seconds for "
        f"each.\n\n{table}"
    )


def _plain(ending):
    # Names that are no text, and what odd names a program has said.
    said = ending.said.encode("utf-8", "backslashreplace").decode("utf-8")
    name = ending.task.file.encode("utf-8", "backslashreplace").decode("utf-8")
    return {
        "entry": ending.task.entry,
        "file": name,
        "outcome": ending.outcome,
        "said": said,
        "memory": ending.memory,
    }


def _show(ending):
    if ending.outcome in BAD or ending.memory > MAX_MEMORY:
        task = ending.task
        print(f"{ending.outcome}: {task.entry}: {task.file!r}", flush=True)
        print(ending.said.encode("ascii", "backslashreplace").decode("ascii"))


def main():
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m experiments.hostile")
    add = parser.add_argument
    add("--seed", type=int, default=0, metavar="N", help="of the damage")
    add(
        "--entry",
        default="",
        metavar="PATTERN",
        help="default: all of them; the others stay as they were counted",
    )
    add("--out", default="results/hostile", metavar="DIR")
    add("--readme", action="store_true", help="put the table into the README")
    arguments = parser.parse_args()
    out = pathlib.Path(arguments.out)
    ground = Ground(out / "ground")
    found = hostile_corpus.write(ground.corpus, arguments.seed)
    ground.prepare()
    tasks = [
        *tasks_of_media(ground, found),
        *tasks_of_models(ground, arguments.seed),
    ]
    num_files = len({task.file for task in tasks})
    chosen = [task for task in tasks if re.search(arguments.entry, task.entry)]
    print(f"{len(chosen)} tasks of {num_files} files", flush=True)
    endings, outside = measure(ground, chosen, _show)
    results = merge(
        out / "hostile.json",
        {
            "machine": benchmark.machine(),
            "num_files": num_files,
            "entries": count(endings, outside),
        },
        [task.entry for task in tasks],
    )
    text = text_of(results)
    readme.write("hostile", results, text, out)
    readme.write("endings", [_plain(each) for each in endings], None, out)
    print(text)
    for path in sorted(set().union(*outside.values())):
        print(f"written outside: {path!r}")
    print(f"written: {out}/hostile.md, {out}/hostile.json, {out}/endings.json")
    if arguments.readme:
        readme.put_results("hostile", results, text)
    return int(not is_right(endings, outside))


if __name__ == "__main__":
    command.run(main)
