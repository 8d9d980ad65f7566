"""Puts load on the page and on the serving client: nobody is kept waiting.

    python -m experiments.load RUN_OR_EXPORT --seconds 30

Some visitors, then more than can be served, ask again and again for a bounded
time. Whoever cannot be served must be told so at once, as busy, and not be
left without an answer.

The page is the command that a user starts. TensorFlow Serving's binary is
replaced by the tests' stand-in, which answers with the same exported model by
the same REST API: the figures of `serving_client` are the client's and the
model's, and say nothing about the binary.
"""

import argparse
import collections
import concurrent.futures
import contextlib
import dataclasses
import functools
import math
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from experiments import benchmark
from experiments import readme
from keras_ssc import command
from keras_ssc import export
from keras_ssc import frame_store
from keras_ssc import predictor
from keras_ssc import report
from keras_ssc import sample_films
from keras_ssc import serving_client
from keras_ssc import train

# What came of a request.
ANSWERED, BUSY, SILENT, FAILED = "answered", "busy", "time-out", "error"

HEADER = [
    "what",
    "clients",
    "answers",
    "answers a second",
    "p50, seconds",
    "p95",
    "p99",
    "busy",
    "slowest busy, seconds",
    "time-outs",
    "errors",
    "memory at start, MiB",
    "at the end",
]

# As long as a client of a server waits, by its default. On the page one sees
# the queue move, and waits for all who are before.
_TIMEOUT, _PAGE_TIMEOUT = 60.0, 300.0

# One who was told that the page is busy does not ask again at once.
_PAUSE = 0.5

# As many as wait on the page and are judged there, by its defaults.
_MOST = 17

# The frames of each shot of the film that is sent, and its pairs.
_SHOTS, _NUM_PAIRS = (24, 24), 20

_START_SECONDS = 120.0


class BusyError(Exception):
    """What was asked has too much to do, and says so."""


class SilentError(Exception):
    """There was no answer in time."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of one request.

    Attributes:
        kind: String, `ANSWERED`, `BUSY`, `SILENT` or `FAILED`.
        seconds: Float, how long it took.
        text: String, the error; empty for an answer.
    """

    kind: str
    seconds: float
    text: str = ""


@dataclasses.dataclass(frozen=True)
class Load:
    """What came of many requests of some clients at once.

    Attributes:
        name: String, what was asked.
        num_clients: Integer.
        seconds: Float, from the first request to the last outcome.
        outcomes: List of `Outcome`.
        start_bytes: Integer, memory of the process that was asked, before.
        end_bytes: The same, afterwards.
    """

    name: str
    num_clients: int
    seconds: float
    outcomes: list
    start_bytes: int
    end_bytes: int

    def seconds_of(self, kind):
        """Returns how long each outcome of a kind took."""
        return [each.seconds for each in self.outcomes if each.kind == kind]

    def count(self, kind):
        """Returns how many outcomes are of a kind."""
        return len(self.seconds_of(kind))

    def is_right(self):
        """Says whether all were answered, or told that it is busy."""
        return self.count(ANSWERED) > 0 and not (
            self.count(SILENT) or self.count(FAILED)
        )

    def as_json(self):
        """Returns plain values."""
        answers = self.seconds_of(ANSWERED)
        errors = collections.Counter(
            each.text for each in self.outcomes if each.kind == FAILED
        )
        return {
            "name": self.name,
            "clients": self.num_clients,
            "seconds": self.seconds,
            "outcomes": {
                kind: self.count(kind)
                for kind in (ANSWERED, BUSY, SILENT, FAILED)
            },
            "answers_per_second": len(answers) / self.seconds,
            "latency_seconds": {
                f"p{share}": percentile(answers, share)
                for share in (50, 95, 99)
            },
            "slowest_busy_seconds": max(self.seconds_of(BUSY), default=None),
            "errors": dict(errors),
            "start_bytes": self.start_bytes,
            "end_bytes": self.end_bytes,
        }


def _digits(seconds):
    return "" if seconds is None else f"{seconds:.3g}"


def percentile(values, share):
    """Returns the least value that a share of all does not exceed.

    It is one of the values: of few, the 99th percentile is the largest.

    Args:
        values: List of floats.
        share: Float above 0, at most 100, percent.

    Returns:
        Float; None if there is no value.
    """
    if not values:
        return None
    return sorted(values)[math.ceil(len(values) * share / 100) - 1]


def put_load(name, asks, seconds, pid, pause=_PAUSE):
    """Asks with many clients at once, each again and again.

    Requests that are under way when the time is over are waited for.

    Args:
        name: String, what is asked.
        asks: List of functions without arguments, one a client: a request
            each, that raises `BusyError`, `SilentError` or something else if
            there is no answer.
        seconds: Float, how long new requests are made.
        pid: Integer, the process that is asked.
        pause: Float, seconds before one asks again who got no answer.

    Returns:
        A `Load`.
    """
    begin = threading.Barrier(len(asks) + 1)

    def visit(ask):
        outcomes = []
        begin.wait()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            outcomes.append(_outcome(ask))
            if outcomes[-1].kind != ANSWERED:
                time.sleep(pause)
        return outcomes, time.monotonic()

    with concurrent.futures.ThreadPoolExecutor(len(asks)) as pool:
        visits = [pool.submit(visit, ask) for ask in asks]
        start_bytes = memory_of(pid)
        start = time.monotonic()
        begin.wait()
        ended = [visit.result() for visit in visits]
    return Load(
        name,
        len(asks),
        max(end for _, end in ended) - start,
        [outcome for outcomes, _ in ended for outcome in outcomes],
        start_bytes,
        memory_of(pid),
    )


def _outcome(ask):
    """Makes one request; returns its `Outcome`."""
    start, kind, text = time.monotonic(), ANSWERED, ""
    try:
        ask()
    except BusyError as error:
        kind, text = BUSY, str(error)
    except SilentError as error:
        kind, text = SILENT, str(error)
    # Whatever else goes wrong is what is looked for.
    except Exception as error:
        kind, text = FAILED, f"{type(error).__name__}: {error}"
    return Outcome(kind, time.monotonic() - start, text)


def memory_of(pid):
    """Returns the memory that a process holds, in bytes."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)[1]) * 1024


@contextlib.contextmanager
def running(*arguments):
    """Runs a command that serves, in a process of its own.

    Args:
        *arguments: Strings or paths, what stands behind `python -m`.

    Yields:
        A tuple: the URL that the command prints, and the process's id.

    Raises:
        OutsideError: If it ends, or prints no URL in time.
    """
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *map(str, arguments)],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield _wait_for_url(process, log), process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def _wait_for_url(process, log):
    end = time.monotonic() + _START_SECONDS
    while True:
        said = os.pread(log.fileno(), 2**16, 0).decode("utf-8", "replace")
        found = re.search(r"\bat (http://[\w.:]+)", said)
        if found:
            return found[1]
        if process.poll() is not None or time.monotonic() > end:
            raise command.OutsideError(
                f"Expected a URL of {process.args[2]}. It said: "
                f"{' '.join(said.split())[-500:] or 'nothing'}"
            )
        time.sleep(0.1)


def free_port():
    """Returns a port of this machine where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def page_clients(url, num_clients, timeout=_PAGE_TIMEOUT):
    """Opens the page as several visitors.

    Returns:
        A list of `PageClient`.
    """
    # A visitor has to read the page first; that takes as long as an answer.
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        return list(
            pool.map(lambda _: PageClient(url, timeout), range(num_clients))
        )


class PageClient:
    """A visitor of the page.

    Args:
        url: String, the page's.
        timeout: Float, seconds that the visitor waits.
    """

    def __init__(self, url, timeout=_PAGE_TIMEOUT):
        import gradio_client

        self._timeout = timeout
        self._handle_file = gradio_client.handle_file
        self._client = gradio_client.Client(
            url,
            verbose=False,
            download_files=False,
            analytics_enabled=False,
            # Of one HTTP request; an answer comes in pieces of a stream.
            httpx_kwargs={"timeout": _TIMEOUT},
        )

    def judge_film(self, film):
        """Sends a film and waits for its verdict."""
        self._ask("/take_film", self._handle_file(str(film)))
        return self._ask("/judge_film", _NUM_PAIRS, True)

    def judge_pair(self, frame, next_frame):
        """Sends two image files and waits for their verdict."""
        paths = (self._handle_file(str(path)) for path in (frame, next_frame))
        return self._ask("/judge_pair", *paths)

    def close(self):
        """Leaves the page."""
        self._client.close()

    def _ask(self, name, *arguments):
        from gradio_client.utils import QueueError

        job = self._client.submit(*arguments, api_name=name)
        try:
            return job.result(timeout=self._timeout)
        except QueueError as error:
            raise BusyError(str(error)) from error
        # Of Python 3.10 it is no TimeoutError.
        except concurrent.futures.TimeoutError as error:
            job.cancel()
            raise SilentError(
                f"{name}: no answer within {self._timeout:g} seconds"
            ) from error


def ask_server(client, pair):
    """Asks a `serving_client.Client` of one pair of encoded images."""
    try:
        return client.predict([pair])
    except serving_client.BusyError as error:
        raise BusyError(str(error)) from error
    except serving_client.ServingError as error:
        if "no answer within" in str(error):
            raise SilentError(str(error)) from error
        raise


def draw_film(folder):
    """Draws a short film, and two frames of it as PNG.

    Args:
        folder: `pathlib.Path`.

    Returns:
        A tuple of three paths: the film, a frame and the one after it.
    """
    film = sample_films.Film(
        genre="action",
        number=0,
        split="test",
        path=folder / "film.mp4",
        shots=_SHOTS,
        frame_rate=24,
        size=(480, 270),
        seed=0,
    )
    sample_films.draw_film(film)
    paths = [film.path, folder / "1.png", folder / "2.png"]
    frames = sample_films.film_frames(film)
    for path, frame in zip(paths[1:], frames, strict=False):
        path.write_bytes(frame_store.encode_frame(frame))
    return paths


def load_page(url, pid, drawn, numbers, seconds):
    """Puts load on a page.

    Args:
        url: String, the page's.
        pid: Integer, its process.
        drawn: The paths that `draw_film` returned.
        numbers: List of integers, how many clients at once.
        seconds: Float, of each load.

    Yields:
        A `Load` for each kind of request and number of clients.
    """
    film, *frames = drawn
    clients = page_clients(url, max(numbers))
    asks = {
        "page, a film": [
            functools.partial(client.judge_film, film) for client in clients
        ],
        "page, two frames": [
            functools.partial(client.judge_pair, *frames) for client in clients
        ],
    }
    try:
        yield from _loads(asks, numbers, seconds, pid)
    finally:
        for client in clients:
            client.close()


def load_server(url, pid, drawn, numbers, seconds):
    """Puts load on a server through `serving_client`; see `load_page`."""
    pair = tuple(path.read_bytes() for path in drawn[1:])
    client = serving_client.Client(url, timeout=_TIMEOUT)
    ask = functools.partial(ask_server, client, pair)
    asks = {"serving client, two frames": [ask] * max(numbers)}
    yield from _loads(asks, numbers, seconds, pid)


def _loads(asks, numbers, seconds, pid):
    for name, of_clients in asks.items():
        # The first answer is the slowest: graphs are traced for it.
        of_clients[0]()
        for number in numbers:
            yield put_load(name, of_clients[:number], seconds, pid)


def measure(model, numbers, seconds):
    """Puts load on the page of a model, and on the serving client.

    Args:
        model: `pathlib.Path` of a run that was evaluated, or of an export.
        numbers: List of integers, how many clients at once.
        seconds: Float, of each load.

    Yields:
        `Load`s.

    Raises:
        ValueError: If the path is none of both.
        OutsideError: If something cannot be started.
    """
    with tempfile.TemporaryDirectory(prefix="keras_ssc_load_") as folder:
        folder = pathlib.Path(folder)
        version = predictor.newest_version(model)
        if version is None:
            version = export.export(model, folder / "served", verbose=False)
        drawn = draw_film(folder)
        page = ("keras_ssc.app", model, "--port", free_port())
        with running(*page) as (url, pid):
            yield from load_page(url, pid, drawn, numbers, seconds)
        server = ("tests.serving_stand_in", version, "--most", _MOST)
        with running(*server) as (url, pid):
            yield from load_server(url, pid, drawn, numbers, seconds)


def text_of(results):
    """Writes what came of the loads as Markdown.

    Args:
        results: Dict of `machine`, `title` and `loads`, see `Load.as_json`.

    Returns:
        String.
    """
    table = report.markdown_table(HEADER, map(cells, results["loads"]))
    return f"{results['machine']}; {results['title']}.\n\n{table}"


def cells(load):
    """Returns a table's cells of what `Load.as_json` returns."""
    outcomes = load["outcomes"]
    return [
        load["name"],
        load["clients"],
        outcomes[ANSWERED],
        f"{load['answers_per_second']:.2f}",
        *map(_digits, load["latency_seconds"].values()),
        outcomes[BUSY],
        _digits(load["slowest_busy_seconds"]),
        outcomes[SILENT],
        outcomes[FAILED],
        *(f"{load[name] / 2**20:.0f}" for name in ("start_bytes", "end_bytes")),
    ]


def title(model, seconds):
    """Says in a line what was measured, and how."""
    version = predictor.newest_version(model)
    if version is None:
        what = f"a run of {train.read_config(model).model}"
    else:
        what = f"the export of {export.read_card(version)['model']}"
    return (
        f"{what}; {seconds:g} seconds a row, the clients on the same "
        f"machine as what they ask, with {os.getloadavg()[0]:.1f} processes at "
        "work beforehand; a film of "
        f"{sum(_SHOTS) / 24:g} seconds and {_NUM_PAIRS} pairs, quick; the page "
        f"takes {_MOST} requests at once, and so does the stand-in for "
        "TensorFlow Serving (not its binary) that the serving client asks"
    )


def main():
    """Runs the command."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.load",
        description="Puts load on the page and on the serving client.",
    )
    add = parser.add_argument
    add(
        "model",
        type=pathlib.Path,
        metavar="RUN_OR_EXPORT",
        help="a run that was evaluated, or an export",
    )
    add("--clients", type=int, nargs="+", default=[1, 8, 32], metavar="N")
    add(
        "--seconds",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="of each load (default: 30)",
    )
    add("--out", default="results/load", metavar="DIR")
    add("--readme", action="store_true", help="put the table into the README")
    arguments = parser.parse_args()
    if min(arguments.clients) < 1 or not arguments.seconds > 0:
        raise ValueError(
            "Expected --clients and --seconds above 0. Received: "
            f"{arguments.clients} and {arguments.seconds}"
        )
    # Ended by another, it leaves no page and no server behind either.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    said = title(arguments.model, arguments.seconds)
    loads = []
    for load in measure(arguments.model, arguments.clients, arguments.seconds):
        loads.append(load)
        print(*cells(load.as_json()), sep=" | ", flush=True)
    out = pathlib.Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    results = {
        "machine": benchmark.machine(),
        "title": said,
        "loads": [load.as_json() for load in loads],
    }
    text = text_of(results)
    readme.write("load", results, text, out)
    print(text)
    print(f"written: {out}/load.md, {out}/load.json")
    if arguments.readme:
        readme.put_results("load", results, text)
    return int(not all(load.is_right() for load in loads))


if __name__ == "__main__":
    command.run(main)
