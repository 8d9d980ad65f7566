"""The simulated person of the labelling experiment, on drawn numbers."""

import pathlib

import numpy as np
import pytest

from experiments import labelling

_GENRES = ("horror", "romance", "animation_2d")


@pytest.fixture(scope="module")
def known():
    """Sixty films of three genres, in their order by name, too."""
    rng = np.random.default_rng(0)
    kind = np.repeat([0, 1, 2], 20)
    centres = rng.normal(size=(3, 16))
    return labelling.Known(
        np.array([f"film {number:02}" for number in range(60)]),
        np.float32(centres[kind] + 0.4 * rng.normal(size=(60, 16))),
        [(_GENRES[each],) for each in kind],
    )


def test_a_person_who_labels_all_has_all_right(known):
    few = known.part(np.arange(0, 60, 5))
    for order in labelling.ORDERS:
        counts, shares = zip(*labelling.simulate(few, order, 0), strict=True)
        assert counts == tuple(range(1, 13))
        assert shares[-1] == 1


def test_by_name_a_genre_is_met_late(known):
    by_name = dict(labelling.simulate(known, "alphabetical", 0, 22))
    # Of one genre alone nothing is learnt.
    assert by_name[20] == 20 / 60
    assert by_name[22] < 0.75
    assert dict(labelling.simulate(known, "queue", 0, 6))[6] > 0.9


def test_an_order_that_there_is_not(known):
    with pytest.raises(ValueError, match="Unknown order"):
        labelling.simulate(known, "by length", 0)


def test_wrong_labels_are_found_among_films_that_are_clear(known):
    found = labelling.find_wrong(known, 0)
    assert found["wrong"] == 3
    assert found["found"] >= 2
    assert found["doubted"] - found["found"] <= 3


def test_two_genres_are_of_the_picture_and_of_the_motion(known):
    several = labelling.with_several_genres(known)
    assert several.genres[0] == ("night", "slow")
    assert several.genres[-1] == ("cartoon", "steady")


def test_some_genres_are_rare(known):
    rare = labelling.with_rare_genres(known)
    counts = [rare.genres.count((genre,)) for genre in _GENRES]
    assert counts == [20, 10, 5]


def test_noise_makes_films_hard_to_tell_apart(known):
    noisy = labelling.with_noise(known)
    assert noisy.genres == known.genres
    clear, hard = (
        dict(labelling.simulate(each, "random", 0, 20))[20]
        for each in (known, noisy)
    )
    assert hard < clear - 0.1


def test_what_was_measured_is_written_and_drawn(known):
    measured = labelling.measure(known, 2, 8, progress=False)
    assert measured["num_films"] == 48
    assert measured["labels"] == list(range(1, 9))
    results = {"machine": "a machine", "sets": {"Three genres": measured}}
    text = labelling.text_of(results)
    assert "Three genres: libraries of 48 films" in text
    assert "| 99.0 % | " in text or "| 99 % | " in text
    assert labelling.figures_of(results)["curves"].startswith(b"\x89PNG")


def test_labels_needed_are_those_of_the_first_that_reaches_it():
    found = {
        "labels": [5, 10, 15],
        "right": {"queue": [[0.5, 0.9, 0.95], [0.5, 0.6, 0.7]]},
    }
    needed = labelling.labels_needed(found, "queue", 0.9)
    np.testing.assert_array_equal(needed, [10, np.nan])


def test_films_are_drawn_once(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(
        labelling, "_encode", lambda film: made.append(film) or np.ones(4)
    )
    first = labelling.draw(3, 2, tmp_path)
    again = labelling.draw(3, 2, tmp_path)
    assert len(made) == 12 and {film.seed for film in made} == {3}
    assert first.names.tolist() == again.names.tolist()
    assert first.genres == again.genres
    assert not pathlib.Path(made[0].path).exists()
