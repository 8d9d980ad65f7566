"""Which films are copies of one another."""

import pathlib

import cv2
import numpy as np
import pytest

from keras_ssc.library import copies
from keras_ssc.library import database
from tests.helpers import drawn_films


@pytest.fixture
def library(tmp_path):
    path = tmp_path / "library.sqlite"
    with database.Library(path, create=True) as opened:
        yield opened


def _pictures(seed, count=4):
    return [drawn_films.place(10 * seed + number) for number in range(count)]


def _add(library, name, pictures, seconds=100.0, means=(1.0, 1.0)):
    film = library.add_file(pathlib.Path(f"/films/{name}"), name, 1, 1)
    times = np.linspace(0, seconds, len(pictures) + 1)
    shots = [
        (start, end, cv2.imencode(".jpg", picture)[1].tobytes())
        for start, end, picture in zip(
            times[:-1], times[1:], pictures, strict=True
        )
    ]
    library.set_read(film, (seconds, 4, 4), shots, np.array(means), [])
    return film


def test_a_copy_is_found_among_others(library):
    films = [_add(library, str(seed), _pictures(seed)) for seed in range(5)]
    small = [
        cv2.resize(x, None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA) + 20
        for x in _pictures(3)
    ]
    copy = _add(library, "copy", small)
    assert copies.find(library) == [[films[3], copy]]


def test_other_features_are_no_copy(library):
    """Such as of films with the same pictures that move otherwise."""
    _add(library, "one", _pictures(1), means=(1.0, 0.0))
    _add(library, "other", _pictures(1), means=(0.7, 0.7))
    assert copies.find(library) == []


def test_the_same_pictures_in_another_order_are_no_copy(library):
    _add(library, "one", _pictures(1))
    _add(library, "other", _pictures(1)[::-1])
    assert copies.find(library) == []


def test_copies_are_about_as_long(library):
    films = [
        _add(library, str(seconds), _pictures(1), seconds)
        for seconds in (100.0, 96.0, 80.0)
    ]
    assert copies.find(library) == [films[:2]]


def test_more_pictures_are_compared_at_the_same_moments(library):
    films = [
        _add(
            library, str(count), [x for x in _pictures(1) for _ in range(count)]
        )
        for count in (2, 6)
    ]
    assert copies.find(library) == [films]


def test_three_copies_are_one_group_in_any_block(library, monkeypatch):
    monkeypatch.setattr(copies, "_BLOCK", 2)
    films = [
        _add(library, f"{seed} {copy}", _pictures(seed), 100.0 + copy)
        for seed in range(3)
        for copy in range(3)
    ]
    found = sorted(copies.find(library))
    assert found == [films[:3], films[3:6], films[6:]]


def test_films_without_pictures_are_no_copies(library):
    for name in ("one", "other"):
        film = library.add_file(pathlib.Path(f"/films/{name}"), name, 1, 1)
        library.set_read(film, (9.0, 4, 4), [(0.0, 9.0, None)], np.ones(2), [])
    assert copies.find(library) == []


def test_an_empty_library_has_none(library):
    assert copies.find(library) == []
