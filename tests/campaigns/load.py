"""Puts load on the page and on the serving client.

    python -m tests.campaigns.load RUN_OR_EXPORT --seconds 30

Some clients, then more than can be served, send requests one after the other
for a bounded time. Excess requests must be refused as busy, at once; none may
end in an error or in a time-out.

The page is the command that a user starts. TensorFlow Serving's binary is
replaced by the tests' stand-in, which answers with the same exported model by
the same REST API: the figures of the serving client are the client's and the
model's, and say nothing about the binary.
"""

import argparse
import concurrent.futures
import contextlib
import dataclasses
import functools
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

import cv2
import numpy as np

from keras_ssc import command
from keras_ssc import errors
from keras_ssc.films import image_files
from keras_ssc.metrics import tables
from keras_ssc.serving import client as serving_client
from keras_ssc.serving import exported
from keras_ssc.serving import exporting
from tests.campaigns import process as processes
from tests.helpers import drawn_films

# What came of a request.
ANSWERED, BUSY, FAILED = "answered", "busy", "error"

HEADER = [
    "what",
    "clients",
    "answers",
    "answers a second",
    *("p50, seconds", "p95", "p99"),
    "busy",
    "slowest busy, seconds",
    "errors",
    *("memory at start, MiB", "at the end"),
]

# As long as a client of a server waits, by its default. On the page one sees
# the queue move, and waits for all who are before.
_TIMEOUT, _PAGE_TIMEOUT = 60.0, 300.0

# A client that was refused as busy does not ask again at once.
_PAUSE = 0.5

# As many as wait on the page and are served there, by its defaults.
_MOST = 17

_NUM_PAIRS = 20


@dataclasses.dataclass(frozen=True)
class Load:
    """What came of many requests of some clients at once.

    Attributes:
        name: String, what was asked.
        num_clients: Integer.
        seconds: Float, from the first request to the last outcome.
        outcomes: List of tuples (kind, seconds, error), one a request: what
            came of it, how long it took, and None or the exception.
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
        return [seconds for one, seconds, _ in self.outcomes if one == kind]

    def is_right(self):
        """Says whether all were answered, or refused as busy."""
        return bool(self.seconds_of(ANSWERED)) and not self.errors()

    def errors(self):
        """Returns the set of what the other requests ended in."""
        return {
            repr(error) for kind, _, error in self.outcomes if kind == FAILED
        }

    def cells(self):
        """Returns the cells of its row in the table, see `HEADER`."""
        answers, busy = self.seconds_of(ANSWERED), self.seconds_of(BUSY)
        # One of the values: of few, the 99th percentile is the largest.
        shares = np.percentile(
            answers or [np.nan], (50, 95, 99), method="inverted_cdf"
        )
        return [
            self.name,
            self.num_clients,
            len(answers),
            f"{len(answers) / self.seconds:.2f}",
            *(f"{seconds:.3g}" for seconds in shares),
            len(busy),
            f"{max(busy):.3g}" if busy else "",
            len(self.seconds_of(FAILED)),
            *(f"{n / 2**20:.0f}" for n in (self.start_bytes, self.end_bytes)),
        ]


def put_load(name, asks, seconds, pid):
    """Asks with many clients at once, each again and again.

    Requests that are under way when the time is over are waited for.

    Args:
        name: String, what is asked.
        asks: List of functions without arguments, one a client: a request
            each, that raises an error if there is no answer.
        seconds: Float, how long new requests are made.
        pid: Integer, the process that is asked.

    Returns:
        A `Load`.
    """
    from gradio_client.utils import QueueError

    def visit(ask):
        outcomes = []
        while (asked := time.monotonic()) < start + seconds:
            kind, error = ANSWERED, None
            try:
                ask()
            except (QueueError, serving_client.BusyError) as caught:
                kind, error = BUSY, caught
            # Whatever else goes wrong, a time-out too, is what is looked for.
            except Exception as caught:
                kind, error = FAILED, caught
            outcomes.append((kind, time.monotonic() - asked, error))
            if error is not None:
                time.sleep(_PAUSE)
        return outcomes

    start_bytes = processes.memory_of(pid, "VmRSS")
    start = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(len(asks)) as pool:
        outcomes = [each for own in pool.map(visit, asks) for each in own]
    took = time.monotonic() - start
    end_bytes = processes.memory_of(pid, "VmRSS")
    return Load(name, len(asks), took, outcomes, start_bytes, end_bytes)


@contextlib.contextmanager
def running(*arguments):
    """Runs a command that serves, in a process of its own.

    Args:
        *arguments: Strings or paths, what stands behind `python -m`.

    Yields:
        A tuple: the URL that the command prints, and the process's id.

    Raises:
        OutsideError: If it ends before.
    """
    with subprocess.Popen(
        [sys.executable, "-m", *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            for line in process.stdout:
                if found := re.search(r"\bat (http://[\w.:]+)", line):
                    yield found[1], process.pid
                    return
            raise errors.OutsideError(
                f"Expected a URL of {arguments[0]}. It ended with code "
                f"{process.wait()}"
            )
        finally:
            process.terminate()


class PageClient:
    """A visitor of the page.

    Args:
        url: String, the page's.
    """

    def __init__(self, url):
        import gradio_client

        self._handle_file = gradio_client.handle_file
        self._client = gradio_client.Client(
            url,
            verbose=False,
            download_files=False,
            analytics_enabled=False,
            # Of one HTTP request; an answer comes in pieces of a stream.
            httpx_kwargs={"timeout": _TIMEOUT},
        )
        self.close = self._client.close

    def judge_film(self, film):
        """Sends a film and waits for its verdict."""
        self._ask("/take_film", self._handle_file(str(film)))
        return self._ask("/judge_film", _NUM_PAIRS, True)

    def judge_pair(self, *frames):
        """Sends two image files and waits for their verdict."""
        paths = (self._handle_file(str(path)) for path in frames)
        return self._ask("/judge_pair", *paths)

    def _ask(self, name, *arguments):
        job = self._client.submit(*arguments, api_name=name)
        return job.result(timeout=_PAGE_TIMEOUT)


def draw_film(folder):
    """Draws a film of two seconds; returns its path and two of its frames."""
    frames = [
        cv2.resize(frame, (480, 270))
        for number in (1, 2)
        for frame in drawn_films.shot(number, 24)
    ]
    paths = [folder / "1.png", folder / "2.png"]
    for path, frame in zip(paths, frames, strict=False):
        path.write_bytes(image_files.encode_frame(frame))
    return [drawn_films.write_film(folder / "film.mp4", frames), *paths]


def measure(model, numbers, seconds):
    """Puts load on the page of a model, and on the serving client.

    Args:
        model: `pathlib.Path` of a run that was evaluated, or of an export.
        numbers: List of integers, how many clients at once.
        seconds: Float, of each load.

    Yields:
        `Load`s, for each kind of request and number of clients.

    Raises:
        ValueError: If the path is none of both.
        OutsideError: If something cannot be started.
    """
    partial = functools.partial
    with tempfile.TemporaryDirectory(prefix="keras_ssc_load_") as folder:
        folder = pathlib.Path(folder)
        version = exported.newest_version(model)
        if version is None:
            version = exporting.export(model, folder / "served", verbose=False)
        film, *frames = draw_film(folder)
        with socket.socket() as taken:  # a port where nobody listens
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
        app = ("keras_ssc.app", model, "--port", port)
        with running(*app) as (url, pid), contextlib.ExitStack() as stack:
            # A visitor has to read the page first; that takes as long as an
            # answer.
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                clients = list(pool.map(PageClient, [url] * max(numbers)))
            for client in clients:
                stack.callback(client.close)
            asks = [partial(client.judge_film, film) for client in clients]
            yield from _loads("page, a film", asks, numbers, seconds, pid)
            asks = [partial(client.judge_pair, *frames) for client in clients]
            yield from _loads("page, two frames", asks, numbers, seconds, pid)
        server = ("tests.helpers.serving_stand_in", version, "--most", _MOST)
        with running(*server) as (url, pid):
            client = serving_client.Client(url, timeout=_TIMEOUT)
            pair = tuple(path.read_bytes() for path in frames)
            asks = [partial(client.predict, [pair])] * max(numbers)
            name = "serving client, two frames"
            yield from _loads(name, asks, numbers, seconds, pid)


def _loads(name, asks, numbers, seconds, pid):
    # The first answer is the slowest: graphs are traced for it.
    asks[0]()
    for number in numbers:
        yield put_load(name, asks[:number], seconds, pid)


def main():
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns.load")
    add = parser.add_argument
    add(
        "model",
        type=pathlib.Path,
        metavar="RUN_OR_EXPORT",
        help="a run that was evaluated, or an export",
    )
    add("--clients", type=int, nargs="+", default=[1, 8, 32], metavar="N")
    add("--seconds", type=float, default=30.0, help="of each load")
    arguments = parser.parse_args()
    if min(arguments.clients) < 1 or not arguments.seconds > 0:
        raise ValueError(
            "Expected --clients and --seconds above 0. Received: "
            f"{arguments.clients} and {arguments.seconds}"
        )
    # Ended by another, it leaves no page and no server behind either.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    busy = os.getloadavg()[0]
    loads = []
    for load in measure(arguments.model, arguments.clients, arguments.seconds):
        loads.append(load)
        print(*load.cells(), *load.errors(), sep=" | ", flush=True)
    print(
        f"{processes.machine()}; {arguments.seconds:g} seconds a row, with "
        f"{busy:.1f} processes at work beforehand.\n"
    )
    print(tables.markdown_table(HEADER, [load.cells() for load in loads]))
    return int(not all(load.is_right() for load in loads))


if __name__ == "__main__":
    command.run(main)
