"""Measures how the cost of a library grows with its number of films.

    python -m tests.campaigns.library_growth --scan 10 100 --sizes 10 100 1000

Short drawn films are scanned, as many as --scan says. Libraries of --sizes are
filled with drawn features and pictures instead, as many as a film of any length
has: they are opened, searched for copies, learnt from and shown. The last row
says what 100,000 films cost by the largest of each. It fails if a film costs
more among many than among few.
"""

import argparse
import pathlib
import statistics
import sys
import tempfile
import time

import cv2
import numpy as np
from starlette import testclient

from keras_ssc import command
from keras_ssc.genres import REPORT_GENRES
from keras_ssc.library import copies
from keras_ssc.library import database
from keras_ssc.library import features
from keras_ssc.library import learning
from keras_ssc.metrics import tables
from keras_ssc.page import library_page
from tests.campaigns import process
from tests.helpers import drawn_films

# What a scan keeps of a film: its pairs, each with a picture.
_NUM_PAIRS, _NUM_FEATURES = 32, 2560

_MANY = 100_000

# Every so many films have a label.
_LABELLED = 10

# Requests for a page; the median counts.
_REQUESTS = 9

# Two measurements of the same work differ by less.
_NOISE = 1.5


def scan(num_films, folder):
    """Returns the `process.Cost` of a scan of drawn films."""
    films = folder / "films"
    films.mkdir(exist_ok=True)
    drawn_films.write_films(films, num_films)
    for path in films.iterdir():
        if path.suffix != ".mp4" or int(path.stem) >= num_films:
            path.unlink()
    return process.cost_of(
        *(sys.executable, "-m", "keras_ssc.library", "scan", films),
        *("--db", folder / f"scanned_{num_films}.sqlite"),
    )


def fill(path, num_films, seed=0):
    """Fills a library with drawn films.

    Returns:
        Integer, bytes of the features of one film.
    """
    random = np.random.default_rng(seed)
    picture = _picture()
    shots = [(x, x + 1.0, picture) for x in map(float, range(_NUM_PAIRS))]
    centres = random.normal(size=(len(REPORT_GENRES), _NUM_FEATURES))
    num_bytes = 0
    with database.Library(path, create=True) as library:
        for number in range(num_films):
            content = f"{number:032x}"
            film = library.add_file(
                path.with_name(f"{number}.mp4"), content, 1, 1
            )
            kind = number % len(REPORT_GENRES)
            means = centres[kind] + random.normal(size=_NUM_FEATURES)
            library.set_read(film, (32.0, 640, 360), shots, means, [])
            if number == 0:
                num_bytes = _features_bytes(library, content, random)
            if number // len(REPORT_GENRES) % _LABELLED == 0:
                library.set_label(film, [REPORT_GENRES[kind]], "a campaign")
    return num_bytes


def _picture():
    frame = cv2.resize(drawn_films.shot(0, 1)[0], (240, 135))
    return cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 80])[
        1
    ].tobytes()


def _features_bytes(library, content, random):
    pairs = random.normal(size=(_NUM_PAIRS, _NUM_FEATURES))
    places = np.arange(_NUM_PAIRS)
    features.save(
        library.path, content, features.Features(pairs, places, places)
    )
    return features.path_of(library.path, content).stat().st_size


def use(path):
    """Returns a dict of seconds: what is done with a library."""
    found = {}
    with database.Library(path) as library:
        found["open"] = _seconds(lambda: (library.films(), library.means()))
        found["copies"] = _seconds(lambda: copies.find(library))
        found["learn"] = _seconds(lambda: learning.learn(library))
        client = testclient.TestClient(
            library_page.make_app(library), base_url="http://127.0.0.1:7860"
        )
        found["page"] = statistics.median(
            _seconds(lambda: client.get("/").raise_for_status())
            for _ in range(_REQUESTS)
        )
    return found


def _seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def is_right(seconds):
    """Says whether a film costs no more among many than among few.

    Args:
        seconds: Dict from numbers of films to seconds.
    """
    few, many = min(seconds), max(seconds)
    return seconds[many] / many <= _NOISE * seconds[few] / few


def main():
    """Runs the command."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.campaigns.library_growth"
    )
    add = parser.add_argument
    for name, sizes in (("--scan", [10, 100]), ("--sizes", [10, 100, 1000])):
        add(name, nargs="+", type=int, default=sizes, metavar="N")
    arguments = parser.parse_args()
    for sizes in (arguments.scan, arguments.sizes):
        if len(set(sizes)) < 2:
            raise ValueError(f"Expected two sizes or more. Received: {sizes}")
    with tempfile.TemporaryDirectory(prefix="keras_ssc_growth_") as folder:
        folder = pathlib.Path(folder)
        scans = {n: scan(n, folder) for n in arguments.scan}
        used = {}
        for number in arguments.sizes:
            path = folder / f"{number}.sqlite"
            film_bytes = fill(path, number)
            used[number] = use(path) | {"bytes": path.stat().st_size}
    print(
        f"{process.machine()}; scanned: drawn films of a second.\n\n"
        f"{_scan_table(scans)}\n\n{_use_table(used, film_bytes)}"
    )
    return int(not is_right({n: x.seconds for n, x in scans.items()}))


def _scan_table(scans):
    seconds = {n: {"scan": cost.seconds} for n, cost in scans.items()}
    return tables.markdown_table(
        ["films", "scan, s", "s a film"],
        [
            [name, f"{x['scan']:,.1f}", f"{x['scan'] / number:,.2f}"]
            for name, number, x in _with_many(seconds)
        ],
    )


def _use_table(used, film_bytes):
    return tables.markdown_table(
        [
            *("films", "database, MB", "features, MB", "opened, s"),
            *("copies, s", "learn, s", "page, ms"),
        ],
        [
            [
                name,
                f"{x['bytes'] / 1e6:,.1f}",
                f"{film_bytes * number / 1e6:,.1f}",
                *(f"{x[key]:,.2f}" for key in ("open", "copies", "learn")),
                f"{1000 * x['page']:,.0f}",
            ]
            for name, number, x in _with_many(used)
        ],
    )


def _with_many(found):
    """Yields names, numbers and costs; last, what many cost by the others.

    Each film more is taken to cost what those between the two largest sizes
    did: what begins a command is no film's.
    """
    yield from ((f"{number:,}", number, x) for number, x in found.items())
    less, most = sorted(found)[-2:]
    factor = (_MANY - most) / (most - less)
    yield (
        f"{_MANY:,} by that",
        _MANY,
        {
            name: value + factor * (value - found[less][name])
            for name, value in found[most].items()
        },
    )


if __name__ == "__main__":
    command.run(main)
