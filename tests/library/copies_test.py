"""Which films are copies of one another."""

import pathlib

import numpy as np
import pytest

from keras_ssc.library import copies
from keras_ssc.library import database
from keras_ssc.library import features

SIZE = 40


@pytest.fixture
def library(tmp_path):
    path = tmp_path / "library.sqlite"
    with database.Library(path, create=True) as opened:
        yield opened


def _add(library, name, pairs, seconds=100.0):
    content = f"content of {name}"
    film = library.add_file(pathlib.Path(f"/films/{name}"), content, 1, 1)
    count = len(pairs)
    features.save(
        library.path,
        content,
        features.Features(
            pairs,
            seconds * (np.arange(count) + 0.5) / count,
            np.arange(count),
        ),
    )
    library.set_read(film, (seconds, 4, 4), [], pairs.mean(axis=0), [])
    return film


def _pairs(seed, count=8):
    return np.random.default_rng(seed).normal(size=(count, 2 * SIZE))


def test_a_copy_is_found_among_others(library):
    films = [_add(library, str(seed), _pairs(seed)) for seed in range(5)]
    noise = 0.05 * np.random.default_rng(9).normal(size=(8, 2 * SIZE))
    copy = _add(library, "copy", _pairs(3) + noise)
    assert copies.find(library) == [[films[3], copy]]


def test_other_motion_is_no_copy(library):
    pairs = np.abs(_pairs(1)) + 1
    _add(library, "one", pairs)
    slow = pairs.copy()
    slow[:, SIZE:] = np.where(np.arange(SIZE) % 2, 3 * slow[:, SIZE:], 0)
    _add(library, "other", slow)
    assert copies.find(library) == []


def test_the_same_pictures_in_another_order_are_no_copy(library):
    pairs = _pairs(1)
    _add(library, "one", pairs)
    _add(library, "other", pairs[::-1])
    assert copies.find(library) == []


def test_copies_are_about_as_long(library):
    films = [
        _add(library, str(seconds), _pairs(1), seconds)
        for seconds in (100.0, 96.0, 80.0)
    ]
    assert copies.find(library) == [sorted(films[:2])]


def test_more_pairs_are_compared_at_the_same_moments(library):
    films = [
        _add(library, "few", np.repeat(_pairs(1), 2, axis=0)),
        _add(library, "many", np.repeat(_pairs(1), 6, axis=0)),
    ]
    assert copies.find(library) == [films]


def test_three_copies_are_one_group_in_any_block(library, monkeypatch):
    monkeypatch.setattr(copies, "_BLOCK", 2)
    films = [
        _add(library, f"{seed} {copy}", _pairs(seed), 100.0 + copy)
        for seed in range(3)
        for copy in range(3)
    ]
    found = sorted(copies.find(library))
    assert found == [films[:3], films[3:6], films[6:]]


def test_damaged_features_are_compared_with_none(library):
    _add(library, "one", _pairs(1))
    _add(library, "other", _pairs(1))
    features.path_of(library.path, "content of one").write_bytes(b"")
    assert copies.find(library) == []


def test_an_empty_library_has_none(library):
    assert copies.find(library) == []
