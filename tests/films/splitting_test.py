import collections
import dataclasses
import time

import hypothesis
import pytest
from hypothesis import strategies

from keras_ssc.films import splitting
from keras_ssc.films.film_list import Film

SPLITS = splitting.SPLITS

# The same examples always, and few enough for every run.
few = hypothesis.settings(
    derandomize=True, max_examples=100, deadline=None, database=None
)

NUMS_FILMS = strategies.lists(strategies.integers(1, 30), min_size=1)
GENRES = strategies.lists(
    strategies.sampled_from("abcdef"), min_size=1, max_size=3, unique=True
)


# One film in each split.
NOIR = {"noir 0": "train", "noir 1": "validation", "noir 2": "test"}


def films_of(**counts):
    """Returns films, `horror=5` of horror, without a split."""
    return [
        Film(f"{genre} {number}", (genre,), "", ())
        for genre, count in counts.items()
        for number in range(count)
    ]


def count_of(films, splits):
    """Returns how many films of each genre are in each split."""
    count = collections.defaultdict(lambda: dict.fromkeys(SPLITS, 0))
    for film in films:
        for genre in film.genres:
            count[genre][splits[film.name]] += 1
    return count


def with_splits(films, splits):
    return [
        dataclasses.replace(film, split=splits[film.name]) for film in films
    ]


@pytest.mark.parametrize(
    "text, shares",
    [
        ("70/15/15", splitting.DEFAULT_SHARES),
        (" 7 / 1.5/1.5 ", splitting.DEFAULT_SHARES),
        ("1/0/1", (0.5, 0.0, 0.5)),
        ("100/0/0", (1.0, 0.0, 0.0)),
    ],
)
def test_shares_are_read_in_any_unit(text, shares):
    assert splitting.parse_shares(text) == shares


@pytest.mark.parametrize(
    "text",
    [
        *("", "70", "70/30", "70/10/10/10", "a/b/c", "70/15/", "70,15,15"),
        *("0/50/50", "0/0/0", "70/-15/45", "nan/1/1", "inf/1/1", "1/inf/1"),
        *("1e308/1e308/1e308", "1/nan/1", "-1/-1/-1"),
    ],
)
def test_what_is_no_shares_is_refused(text):
    with pytest.raises(ValueError, match="such as 70/15/15. Received: ") as got:
        splitting.parse_shares(text)
    assert repr(text) in str(got.value)


@pytest.mark.parametrize(
    "num_films, train, validation, test",
    [
        (1, 1, 0, 0),
        (2, 1, 0, 1),
        (3, 1, 1, 1),
        (4, 2, 1, 1),
        (5, 3, 1, 1),
        (7, 5, 1, 1),
        (20, 14, 3, 3),
        (100, 70, 15, 15),
    ],
)
def test_a_genre_has_its_shares_however_few_its_films(
    num_films, train, validation, test
):
    films = films_of(noir=num_films)
    count = count_of(films, splitting.deal(films))["noir"]
    assert count == {"train": train, "validation": validation, "test": test}


def test_genres_of_ten_films_share_evenly():
    films = films_of(**{f"genre {number}": 10 for number in range(20)})
    splits = splitting.deal(films)
    for count in count_of(films, splits).values():
        assert count["train"] == 7
        assert {count["validation"], count["test"]} == {1, 2}
    # What one genre has too much, another has too little.
    assert collections.Counter(splits.values()) == {
        "train": 140,
        "validation": 30,
        "test": 30,
    }


@few
@hypothesis.given(NUMS_FILMS, strategies.integers(0, 5))
def test_every_genre_is_in_every_split_it_has_films_for(nums_films, seed):
    films = films_of(**{f"g{n}": num for n, num in enumerate(nums_films)})
    count = count_of(films, splitting.deal(films, seed=seed))
    for number, num_films in enumerate(nums_films):
        own = count[f"g{number}"]
        assert sum(own.values()) == num_films
        assert sum(num > 0 for num in own.values()) == min(num_films, 3)
        assert own["train"] > 0
        assert abs(own["train"] - 0.7 * num_films) <= 1.2
        for split in ("validation", "test"):
            assert abs(own[split] - 0.15 * num_films) <= 1


@few
@hypothesis.given(
    strategies.lists(GENRES, min_size=1, max_size=40), strategies.data()
)
def test_films_of_several_genres_are_dealt_whatever_their_order(rows, data):
    films = [
        Film(f"film {number}", tuple(genres), "", ())
        for number, genres in enumerate(rows)
    ]
    splits = splitting.deal(films)
    assert list(splits) == sorted(film.name for film in films)
    assert set(splits.values()) <= set(SPLITS)
    assert splitting.deal(data.draw(strategies.permutations(films))) == splits
    # The rarest genre is dealt first: none is left without training.
    rarest = min(
        collections.Counter(g for genres in rows for g in genres).items(),
        key=lambda item: (item[1], item[0]),
    )[0]
    assert count_of(films, splits)[rarest]["train"] > 0


@few
@hypothesis.given(
    strategies.lists(GENRES, min_size=1, max_size=30),
    strategies.dictionaries(
        strategies.integers(0, 29), strategies.sampled_from(SPLITS)
    ),
)
def test_films_that_have_a_split_keep_it(rows, fixed):
    names = [f"film {number}" for number in range(len(rows))]
    known = {f"film {number}": split for number, split in fixed.items()}
    films = [
        Film(name, tuple(genres), "", ())
        for name, genres in zip(names, rows, strict=True)
    ]
    expected = {name: known[name] for name in names if name in known}
    by_known = splitting.deal(films, known=known)
    assert by_known.items() >= expected.items()
    # What the list says counts as what was dealt earlier.
    films = [
        dataclasses.replace(film, split=expected.get(film.name, ""))
        for film in films
    ]
    assert splitting.deal(films) == by_known


def test_films_that_have_a_split_count():
    films = films_of(noir=20)
    known = {f"noir {number}": "train" for number in range(14)}
    count = count_of(films, splitting.deal(films, known=known))["noir"]
    assert count == {"train": 14, "validation": 3, "test": 3}


def test_added_films_leave_the_others_where_they_are():
    films = films_of(noir=7, drama=5)
    splits = splitting.deal(films)
    more = films_of(noir=20, drama=20, dance=6)
    added = splitting.deal(more, known=splits)
    assert added.items() >= splits.items()
    assert count_of(more, added)["noir"] == {
        "train": 14,
        "validation": 3,
        "test": 3,
    }


def test_a_share_of_zero_gets_no_film():
    films = films_of(noir=9, drama=2, dance=1)
    splits = splitting.deal(films, (0.8, 0.2, 0.0))
    count = count_of(films, splits)
    assert count["noir"] == {"train": 7, "validation": 2, "test": 0}
    assert count["drama"] == {"train": 1, "validation": 1, "test": 0}
    assert set(splitting.deal(films, (1.0, 0.0, 0.0)).values()) == {"train"}


def test_another_genre_does_not_change_how_one_is_shuffled():
    noir = films_of(noir=20)
    both = films_of(noir=20, dance=20)
    alone, beside = splitting.deal(noir), splitting.deal(both)
    assert {film.name: beside[film.name] for film in noir} == alone
    assert splitting.deal(noir, seed=1) != alone


def test_two_genres_are_shuffled_each_for_itself():
    splits = splitting.deal(films_of(noir=40, dance=40), (0.5, 0.0, 0.5))
    assert [splits[f"noir {n}"] == "train" for n in range(40)] != [
        splits[f"dance {n}"] == "train" for n in range(40)
    ]


def test_spellings_of_a_genre_are_dealt_as_one():
    films = [
        Film("A", ("Film Noir",), "", ()),
        Film("B", ("film-noir",), "", ()),
    ]
    assert set(splitting.deal(films).values()) == {"train", "test"}


def test_many_films_are_dealt_fast_and_near_their_shares():
    films = films_of(**{f"genre {number}": 50 for number in range(200)})
    start = time.perf_counter()
    splits = splitting.deal(films)
    assert time.perf_counter() - start < 10
    count = collections.Counter(splits.values())
    assert count == {"train": 7000, "validation": 1500, "test": 1500}


def test_nothing_is_told_of_what_lacks_nothing():
    films = films_of(noir=3, drama=6)
    films = with_splits(films, splitting.deal(films))
    assert splitting.gaps(films, ("noir", "drama")) == []


def test_one_genre_only_is_told():
    films = with_splits(films_of(noir=3), NOIR)
    (note,) = splitting.gaps(films, ("noir",))
    assert note.startswith("one genre only, 'noir': there is nothing to dist")


@pytest.mark.parametrize("split", SPLITS)
def test_a_genre_that_a_split_lacks_is_told_with_what_it_means(split):
    others = [each for each in SPLITS if each != split]
    films = with_splits(
        films_of(noir=3, dance=2),
        {**NOIR, "dance 0": others[0], "dance 1": others[1]},
    )
    (note,) = splitting.gaps(films, ("noir", "dance"))
    assert note.startswith(f"no film in {split} of 'dance': ")
    word = {
        "train": "never trained",
        "validation": "best epoch",
        "test": "evaluate measures nothing of it",
    }
    assert word[split] in note


def test_genres_of_one_film_are_told_in_one_line_the_first_of_many():
    films = films_of(noir=3, **{f"g{number}": 1 for number in range(8)})
    splits = {film.name: "train" for film in films} | NOIR
    genres = ("noir", *(f"g{number}" for number in range(8)))
    notes = splitting.gaps(with_splits(films, splits), genres)
    assert len(notes) == 3
    assert notes[0] == (
        "one film only of 'g0', 'g1', 'g2', 'g3', 'g4' and 3 more: a genre "
        "needs two, one to train and one to test on."
    )
    assert notes[1].startswith("no film in validation of 'g0'")
    assert notes[2].startswith("no film in test of 'g0'")


def test_a_genre_without_films_is_told_once():
    films = with_splits(films_of(noir=3), NOIR)
    (note,) = splitting.gaps(films, ("noir", "dance"))
    assert note.startswith("no film yet of 'dance': ")


@pytest.mark.parametrize(
    "filled, notes",
    [
        (
            ("train", "validation"),
            ["no film is in test: evaluate measures on the validation films."],
        ),
        (
            ("train", "test"),
            [
                "no film is in validation: training keeps its last epoch, and "
                "scores are not calibrated."
            ],
        ),
        (
            ("validation", "test"),
            ["no film is in train: there is nothing to train on."],
        ),
        (
            ("train", "train"),
            [
                "no film is in validation: training keeps its last epoch, and "
                "scores are not calibrated.",
                "no film is in test: evaluate has nothing to measure on.",
            ],
        ),
    ],
)
def test_a_split_without_films_is_told_in_one_line(filled, notes):
    films = films_of(noir=2, dance=2)
    splits = {film.name: filled[int(film.name[-1])] for film in films}
    told = splitting.gaps(with_splits(films, splits), ("noir", "dance"))
    assert told == notes
