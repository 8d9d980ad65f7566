"""Kills scans and labellers at random moments: what is lost?

    python -m tests.campaigns.library_kills [--kills 10] [--seed 0]

A scan of drawn films is killed again and again and then left to its end. What
was stored before a kill must be there after it, as it was, and at last all must
be as after a scan that nothing disturbed. Then a process that labels is killed:
each label that it has told must be there.
"""

import argparse
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

import numpy as np

from keras_ssc import command
from keras_ssc import errors
from keras_ssc.library import database
from keras_ssc.library import features
from keras_ssc.metrics import tables
from tests.helpers import drawn_films

# When films were written, seconds since 1970: not just now.
_LONG_AGO = 1_600_000_000

_NUM_FILMS = 40

# Labels films until it is killed; tells each label when it is stored.
_LABELLER = """
import itertools, sys
from keras_ssc.library import database

with database.Library(sys.argv[1]) as library:
    films = [film.id for film in library.films()]
    for number in itertools.count():
        film = films[number % len(films)]
        label, _ = library.set_label(film, [f"genre {number % 7}"], "ann")
        print(label.id, flush=True)
"""


def stored_in(path):
    """Returns what a scan stored of each film, a dict from films' names."""
    if not path.is_file():
        return {}
    with database.Library(path, create=True) as library:
        return {
            film.name: (
                film.seconds,
                [library.picture(film.id, x.number) for x in shots],
                features.load(path, film.content).pairs,
            )
            for film in library.films()
            if film.is_read
            for shots in [library.shots(film.id)]
        }


def is_same(one, other):
    """Says whether two films were stored alike, but for rounding."""
    return one[:2] == other[:2] and np.allclose(one[2], other[2], atol=0.02)


def _scan(folder, path):
    arguments = ["scan", folder, "--db", path, "--pairs", "4"]
    program = [sys.executable, "-m", "tests.helpers.light_scan", *arguments]
    return subprocess.Popen(
        list(map(str, program)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def kill_scans(folder, path, num_kills, rng):
    """Kills scans at random moments; then one is left to its end.

    Returns:
        A dict: how many `kills` there were, how many films were `read` when
        each came, and how many were `lost` by one.
    """
    num_read, num_lost = [], 0
    for _ in range(num_kills):
        before = stored_in(path)
        scan = _scan(folder, path)
        # Within its start, too, which takes some seconds.
        until = rng.uniform(0, 1)
        if until < 0.2:
            time.sleep(10 * until)
        else:
            wanted = len(before) + rng.randint(0, 2)
            while scan.poll() is None and _num_read(path) <= wanted:
                time.sleep(rng.uniform(0, 0.2))
        scan.send_signal(signal.SIGKILL)
        scan.wait()
        after = stored_in(path)
        num_read.append(len(after))
        num_lost += sum(
            name not in after or not is_same(film, after[name])
            for name, film in before.items()
        )
    if _scan(folder, path).wait():
        raise errors.OutsideError("the last scan failed")
    return {"kills": num_kills, "read": num_read, "lost": num_lost}


def _num_read(path):
    if not path.is_file():
        return 0
    with database.Library(path, create=True) as library:
        return sum(film.is_read for film in library.films())


def kill_labellers(path, num_kills, rng):
    """Kills processes that label.

    Returns:
        A dict: how many labels were `told`, and how many of them are `lost`.
    """
    told = []
    for _ in range(num_kills):
        labeller = subprocess.Popen(
            [sys.executable, "-c", _LABELLER, str(path)],
            stdout=subprocess.PIPE,
            text=True,
        )
        told.append(int(labeller.stdout.readline()))
        time.sleep(rng.uniform(0, 0.5))
        labeller.send_signal(signal.SIGKILL)
        rest = labeller.communicate()[0].splitlines(keepends=True)
        told += [int(line) for line in rest if line.endswith("\n")]
    with database.Library(path) as library:
        found = {
            label.id
            for film in library.films()
            for label in library.history(film.id)
        }
    return {"told": len(told), "lost": len(set(told) - found)}


def main():
    """Runs the command."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.campaigns.library_kills"
    )
    parser.add_argument("--kills", type=int, default=10, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as root:
        root = pathlib.Path(root)
        for number in range(_NUM_FILMS):
            path = root / "films" / f"{number}.mp4"
            drawn_films.write_film(path, drawn_films.shot(number, 24))
            os.utime(path, (_LONG_AGO, _LONG_AGO))
        whole, path = root / "whole.sqlite", root / "library.sqlite"
        _scan(root / "films", whole).wait()
        scans = kill_scans(root / "films", path, arguments.kills, rng)
        found, expected = stored_in(path), stored_in(whole)
        num_other = sum(
            name not in found or not is_same(film, found[name])
            for name, film in expected.items()
        )
        labels = kill_labellers(path, arguments.kills, rng)
    rows = [
        ("kills of a scan", scans["kills"]),
        ("films read when they came", ", ".join(map(str, scans["read"]))),
        ("films that a kill lost", scans["lost"]),
        (
            "films at the end that are not as undisturbed",
            f"{num_other} of {len(expected)}",
        ),
        ("kills of a labeller", arguments.kills),
        ("labels lost, of those told", f"{labels['lost']} of {labels['told']}"),
    ]
    print(tables.markdown_table(("what", "number"), rows))
    return 1 if scans["lost"] or num_other or labels["lost"] else 0


if __name__ == "__main__":
    command.run(main)
