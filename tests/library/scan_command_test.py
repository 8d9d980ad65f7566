"""The command that scans folders, as it is run."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from keras_ssc.library import database
from keras_ssc.library import features
from tests.helpers import drawn_films
from tests.helpers import light_encoder
from tests.helpers import programs

# When films were written, seconds since 1970: not just now.
LONG_AGO = 1_600_000_000


@pytest.fixture(autouse=True)
def light_pair_encoder(monkeypatch):
    """As the command in a process of its own has it, `light_scan`."""
    monkeypatch.setattr(
        "keras_ssc.models.embedded_pair_encoder", light_encoder.pair_encoder
    )


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    for number in range(4):
        path = folder / f"{number}.mp4"
        drawn_films.write_film(path, drawn_films.shot(number, 24))
        os.utime(path, (LONG_AGO, LONG_AGO))
    return folder


def run(*arguments):
    return programs.run_here("keras_ssc.library", *arguments)


def _stored(path):
    """Returns all that a scan stores, a dict from films' names."""
    with database.Library(path) as library:
        return {
            film.name: (
                film.seconds,
                [library.picture(film.id, x.number) for x in shots],
                features.load(path, film.content),
            )
            for film in library.films()
            if film.is_read
            for shots in [library.shots(film.id)]
        }


def test_it_says_what_was_done_and_what_is_next(films, tmp_path):
    (films / "poster.jpg").write_bytes(b"")
    db = tmp_path / "library.sqlite"
    code, printed = run("scan", films, "--db", db, "--pairs", 2)
    assert code == 0
    for text in (
        "read now: 4",
        "left aside: 1 .jpg",
        f"library: {db}, 4 films",
        f"keras_ssc.library suggest --db {db}",
        f"keras_ssc.app --library {db}",
    ):
        assert text in printed
    code, printed = run("scan", films, "--db", db, "--pairs", 2)
    assert code == 0 and "known already: 4" in printed


def test_a_film_that_cannot_be_read_is_told(films, tmp_path):
    folder = tmp_path / "films"
    folder.mkdir()
    (folder / "broken.mp4").write_bytes(b"no film")
    os.utime(folder / "broken.mp4", (LONG_AGO, LONG_AGO))
    code, printed = run("scan", folder, "--db", tmp_path / "x.sqlite")
    assert code == 1
    assert f"error: {folder / 'broken.mp4'}" in printed
    assert "cannot be read, tried again next time: 1" in printed


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["MISSING"], "Expected a folder of films"),
        (["FILMS", "--pairs", "0"], "Expected num_pairs above 0"),
        (["FILMS", "--workers", "0"], "Expected workers of 1 or more"),
    ],
)
def test_mistakes_are_one_line(films, tmp_path, arguments, message):
    known = {"FILMS": films, "MISSING": tmp_path / "missing"}
    arguments = [known.get(each, each) for each in arguments]
    code, printed = run("scan", *arguments, "--db", tmp_path / "a.sqlite")
    assert code == 2
    assert printed.startswith(f"error: {message}")
    assert printed.count("\n") == 1


def test_a_library_that_cannot_be_written_is_one_line(films, tmp_path):
    db = tmp_path / "missing" / "library.sqlite"
    code, printed = run("scan", films, "--db", db)
    assert code == 1
    assert printed.startswith(f"error: {db}: the library cannot be written")
    assert printed.count("\n") == 1


def test_a_full_disk_is_one_line_and_nothing_is_lost(
    films, tmp_path, monkeypatch
):
    db = tmp_path / "library.sqlite"
    save = features.save
    saved = []

    def full(*arguments):
        if len(saved) == 2:
            raise OSError(28, "No space left on device")
        saved.append(save(*arguments))

    with monkeypatch.context() as patched:
        patched.setattr(features, "save", full)
        code, printed = run("scan", films, "--db", db, "--pairs", 2)
    assert code == 1 and "error: No space left on device" in printed
    assert len(_stored(db)) == 2
    code, printed = run("scan", films, "--db", db, "--pairs", 2)
    assert code == 0 and "read now: 2" in printed


def test_a_killed_scan_resumes(films, tmp_path):
    db = tmp_path / "library.sqlite"
    arguments = ["scan", films, "--pairs", 2, "--workers", 1, "--db"]
    command = [sys.executable, "-m", "tests.helpers.light_scan", *arguments, db]
    with subprocess.Popen(list(map(str, command))) as scan:
        while scan.poll() is None:
            # It may be there and have no table yet.
            if db.is_file() and db.stat().st_size and _num_read(db):
                scan.send_signal(signal.SIGKILL)
                break
            time.sleep(0.01)
    assert scan.wait() == -signal.SIGKILL
    kept = _stored(db)
    assert 1 <= len(kept) < 4
    code, printed = run(*arguments, db)
    assert code == 0 and f"known already: {len(kept)}" in printed
    whole = tmp_path / "whole.sqlite"
    run(*arguments, whole)
    found, expected = _stored(db), _stored(whole)
    assert found.keys() == expected.keys()
    for name, (seconds, pictures, stored) in found.items():
        assert (seconds, pictures) == expected[name][:2]
        np.testing.assert_allclose(
            stored.pairs, expected[name][2].pairs, atol=1e-2
        )


def _num_read(db):
    with database.Library(db, create=True) as library:
        return sum(film.is_read for film in library.films())
