"""The experiment on copies, on films of a second."""

import numpy as np
import pytest

from experiments import copies
from keras_ssc.library import database
from keras_ssc.library import scanning
from tests.helpers import drawn_films


@pytest.mark.parametrize(
    "scores, is_copy, threshold",
    [
        ([0.9, 0.8, 0.2], [True, True, False], 0.5),
        ([0.9, 0.8, 0.2], [True, False, False], 0.85),
        ([0.9, 0.8, 0.7, 0.1], [True, False, True, False], 0.4),
    ],
)
def test_the_best_threshold(scores, is_copy, threshold):
    found = copies._best_threshold(np.array(scores), np.array(is_copy))
    assert found == pytest.approx(threshold)


def test_each_kind_of_copy_is_looked_for(tmp_path, monkeypatch):
    kinds = {"half the size": copies.KINDS["half the size"]}
    monkeypatch.setattr(copies, "KINDS", kinds)
    paths = {
        str(number): drawn_films.write_film(
            tmp_path / f"{number}.mp4", drawn_films.shot(number, 24)
        )
        for number in range(4)
    }
    copies.make(tmp_path / "films", paths)
    path = tmp_path / "library.sqlite"
    with database.Library(path, create=True) as library:
        scanning.scan(library, [tmp_path / "films"])
        half_of = {name: int(name) % 2 for name in paths}
        found = copies.measure(library, half_of)
    assert (found["num_films"], found["num_files"]) == (4, 8)
    assert found["groups"] == {"precision": 1.0, "recall": 1.0, "wrong": 0}
    assert found["kinds"] == {"half the size": 1.0}
    text = copies.text_of(found)
    assert "| **the library's groups** | 100.0 % | 100.0 % | 0 |" in text
