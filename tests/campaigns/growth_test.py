import sys

import pytest

from keras_ssc import errors
from keras_ssc.data import extraction
from keras_ssc.films import film_list
from keras_ssc.genres import GENRES
from tests.campaigns import growth
from tests.campaigns import process
from tests.helpers import drawn_films


def test_a_command_is_measured_with_all_its_processes():
    program = "import subprocess, sys\n" + (
        "subprocess.run([sys.executable, '-c', 'x = bytes([1]) * (80 << 20); "
        "[i for i in range(10**6)]'])"
    )
    cost = process.cost_of(sys.executable, "-c", program)
    assert cost.seconds > 0 and cost.core_seconds > 0
    assert 80 < cost.megabytes < 200


def test_a_command_that_fails_is_told():
    with pytest.raises(errors.OutsideError, match="exit code 3: no luck"):
        process.cost_of(
            sys.executable,
            "-c",
            "import sys; sys.stderr.write('no luck'); sys.exit(3)",
        )


def test_a_film_must_not_cost_more_among_many():
    def costs(seconds):
        cost = process.Cost(seconds, 9.0, 120.0)
        return dict.fromkeys(("extract", "extract again", "tfds build"), cost)

    sizes = {10: costs(1.0), 1200: costs(6.0)}
    row = growth.table(sizes).splitlines()[-1]
    assert row == "| 1,200 | 5.0 | 5.0 | 5.0 | 120 | 120 |"
    assert growth.is_right(sizes) and growth.is_right({10: costs(1.0)})
    assert not growth.is_right({10: costs(1.0), 1200: costs(240.0)})


def test_films_are_drawn_once_and_are_of_every_genre(tmp_path):
    path = drawn_films.write_films(tmp_path, 14)
    films, problems = film_list.read_film_list(path)
    assert not problems and len(films) == 14
    assert {film.genre for film in films} == set(GENRES)
    assert [film.split for film in films].count("test") == 6
    assert extraction.without_duplicates(films) == (films, [])
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.mp4")}
    drawn_films.write_films(tmp_path, 14)
    assert before == {
        path: path.stat().st_mtime_ns for path in tmp_path.glob("*.mp4")
    }
