"""Suggestions for the films of a library, and the queue."""

import json

import numpy as np
import pytest

from keras_ssc.library import __main__
from keras_ssc.library import heads
from keras_ssc.library import learning
from keras_ssc.library import queueing
from keras_ssc.library import scanning
from keras_ssc.prediction import predictor
from tests.helpers import drawn_films
from tests.helpers import small_libraries
from tests.helpers import tiny_served

GENRES = ("Heist", "film noir", "코미디")


@pytest.fixture
def make(tmp_path):
    opened = []

    def make_one(kinds, **settings):
        path = tmp_path / f"{len(opened)}.sqlite"
        library, ids = small_libraries.make(path, kinds, **settings)
        opened.append(library)
        return library, ids

    yield make_one
    for library in opened:
        library.close()


def _label(library, ids, kinds):
    for film, kind in zip(ids, kinds, strict=True):
        library.set_label(film, [GENRES[kind]], "ann")


def test_every_film_gets_the_genre_of_films_like_it(make):
    kinds = [0, 1, 2] * 20
    library, ids = make(kinds)
    _label(library, ids[:30], kinds[:30])
    learnt = learning.learn(library)
    found = library.suggestions()
    assert sorted(found) == ids
    assert [found[x].genres for x in ids] == [(GENRES[k],) for k in kinds]
    assert learnt.num_labelled == learnt.num_suggested == 30
    assert learnt.num_confident > 20 and learnt.num_doubted == 0
    one = found[ids[40]]
    assert sum(one.scores.values()) == pytest.approx(1, abs=1e-5)
    assert one.confidence == pytest.approx(max(one.scores.values()))
    assert 0 <= one.familiarity <= 1
    # Labelled films are not asked about.
    assert [found[x].place is None for x in ids] == [True] * 30 + [False] * 30
    assert sorted(found[x].place for x in ids[30:]) == list(range(30))
    assert "Of 10 films like the labelled ones about 10 would" in (
        learning.quality_text(library)
    )


def test_a_correction_teaches(make):
    kinds = [0] * 10 + [1] * 10
    library, ids = make(kinds)
    _label(library, ids[:2] + ids[-2:], [0, 0, 0, 1])
    learning.learn(library)
    library.set_label(ids[-2], [GENRES[1]], "ann")
    learnt = learning.learn(library)
    assert learnt.num_changed > 0
    assert {library.suggestions()[x].genres for x in ids[10:]} == {(GENRES[1],)}
    assert learning.learn(library).num_changed == 0


def test_several_genres_are_suggested_each_by_itself(make):
    kinds = [0, 1, 2] * 12
    of_kind = (GENRES[:1], GENRES[:2], GENRES[1:])
    library, ids = make(kinds, spread=0.1)
    for film, kind in zip(ids[:24], kinds, strict=False):
        library.set_label(film, of_kind[kind], "ann")
    learning.learn(library)
    for film, kind in list(zip(ids, kinds, strict=True))[24:]:
        found = library.suggestions()[film]
        assert set(found.genres) == set(of_kind[kind])
        sure = [
            score if genre in found.genres else 1 - score
            for genre, score in found.scores.items()
        ]
        assert found.confidence == pytest.approx(min(sure))


def test_a_wrong_label_is_doubted(make):
    kinds = [0, 1] * 15
    library, ids = make(kinds, spread=0.1)
    wrong = [1, 1, *kinds[2:]]
    _label(library, ids, wrong)
    assert learning.learn(library).num_doubted == 1
    found = library.suggestions()
    assert found[ids[0]].doubt == (GENRES[0],)
    assert found[ids[1]].doubt is None


def test_copies_count_once_and_are_asked_about_once(make):
    library, ids = make([0, 1] * 12)
    library.set_copies([ids[:3], ids[20:23]])
    _label(library, ids[:10], [0, 1, 0, *[1, 0, 1, 0, 1, 0, 1]])
    # A copy without a label has its original's.
    learning.learn(library)
    found = library.suggestions()
    # The newest label of the three copies is the third's.
    assert found[ids[1]].doubt == (GENRES[0],)
    assert found[ids[0]].doubt is found[ids[2]].doubt is None
    assert {found[x].place for x in ids[21:23]} == {12, 13}
    assert set(learning.similar(library, ids[0], 30)) == set(ids[3:])


@pytest.mark.parametrize(
    "labels, said",
    [
        ((), "No film is labelled yet"),
        ((0,), "All labelled films (1) are Heist"),
        ((0, 0), "All labelled films (2) are Heist"),
        ((0, 1), "2 films labelled: label 8 more"),
        ((0,) * 5 + (1,) * 5 + (2,), "Only one film is labelled as each of"),
    ],
)
def test_few_labels_say_what_is_missing(make, labels, said):
    library, ids = make([0] * 5 + [1] * 5 + [2] * 3)
    _label(library, ids[: len(labels)], labels)
    learnt = learning.learn(library)
    assert said in learning.quality_text(library)
    found = library.suggestions()
    assert sorted(found) == ids
    asked = sorted(x.place for x in found.values() if x.place is not None)
    assert asked == list(range(13 - len(labels)))
    if len(set(labels)) < 2:
        assert learnt.num_suggested == 0
        assert {x.genres for x in found.values()} == {()}
        assert learning.shot_scores(library, ids[0]) is None


@pytest.mark.parametrize("count", [0, 1])
def test_a_library_of_hardly_any_films_is_no_error(make, count):
    library, ids = make([0] * count)
    assert learning.learn(library).num_suggested == 0
    _label(library, ids, [0] * count)
    assert learning.learn(library).num_labelled == count


def test_shots_have_scores_of_their_own(make):
    kinds = [0, 1] * 10
    library, ids = make(kinds)
    _label(library, ids, kinds)
    assert learning.shot_scores(library, ids[0]) is None
    learning.learn(library)
    genres, scores = learning.shot_scores(library, ids[1])
    assert genres == GENRES[:2] and scores.shape == (2, 2)
    assert (scores.argmax(axis=1) == 1).all()
    whole = library.suggestions()[ids[1]].scores[GENRES[1]]
    assert scores[:, 1].mean() == pytest.approx(whole, abs=0.1)


def test_similar_films_are_those_of_near_features(make):
    library, ids = make([0, 1, 2] * 5, spread=0.05)
    assert set(learning.similar(library, ids[1], 4)) == set(ids[4::3])
    assert learning.similar(library, 99, 4) == []


def test_the_stored_head_says_what_is_suggested(make):
    kinds = [0, 1, 2] * 10
    library, ids = make(kinds)
    _label(library, ids, kinds)
    learning.learn(library)
    head = heads.from_text(library.setting("head"))
    found = [list(x.scores.values()) for x in library.suggestions().values()]
    np.testing.assert_array_equal(head.scores(library.means()[1]), found)


# ---- the queue ----


def test_the_next_films_stand_for_many_and_are_unlike_each_other():
    # Three that are alike, two others, one by itself; the last is labelled.
    place = np.array([[0.0], [0.1], [0.2], [10.0], [10.1], [20.0], [5.0]])
    labelled = np.array([False] * 6 + [True])
    unsure = np.array([0.9, 0.9, 0.9, 0.5, 0.5, 0.01, 0.0])
    found = queueing.order(unsure, place, labelled)
    assert found[0] == 1
    assert found[1] in (3, 4)
    assert sorted(found) == [0, 1, 2, 3, 4, 5]
    # What is certain teaches nothing.
    certain = np.array([0.0, 0.0, 0.0, 0.5, 0.5, 0.01, 0.0])
    assert queueing.order(certain, place, labelled)[0] in (3, 4)


def test_each_of_the_next_films_teaches_most():
    rng = np.random.default_rng(0)
    place, unsure = rng.normal(size=(40, 3)), rng.uniform(size=40)
    labelled = np.arange(40) < 5
    found = queueing.order(unsure, place, labelled)
    distance = np.linalg.norm(place[:, None] - place, axis=2)
    known = np.flatnonzero(labelled).tolist()
    for first in found.tolist():
        nearest = distance[known].min(axis=0)
        gains = {
            film: np.maximum(nearest - distance[film], 0)[5:] @ unsure[5:]
            for film in set(range(40)) - set(known)
        }
        assert gains[first] == pytest.approx(max(gains.values()), abs=1e-4)
        known.append(first)


def test_behind_those_that_are_chosen_the_unsure_ones_come_first(monkeypatch):
    monkeypatch.setattr(queueing, "_NUM_CHOSEN", 3)
    unsure = np.linspace(0, 1, 20)
    found = queueing.order(unsure, np.eye(20), np.zeros(20, bool))
    rest = found[3:].tolist()
    assert rest == sorted(rest, reverse=True) and len(rest) == 17


def test_with_nothing_known_the_first_films_are_of_all_groups():
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(4), 25)
    place = 10 * np.eye(4)[group] + rng.normal(size=(100, 4))
    found = queueing.order(np.ones(100), place, np.zeros(100, bool))
    assert set(group[found[:4]]) == {0, 1, 2, 3}
    assert sorted(found) == list(range(100))


def test_all_labelled_leaves_nothing_to_ask():
    found = queueing.order(np.ones(3), np.eye(3), np.ones(3, bool))
    assert found.tolist() == []


# ---- a model that was trained elsewhere ----


@pytest.fixture
def films(tmp_path):
    """A library of three films whose files are there, and one that is gone."""
    paths = [tmp_path / f"{name}.mp4" for name in ("one", "two", "broken")]
    for number, path in enumerate(paths[:2]):
        drawn_films.write_film(path, drawn_films.shot(number, 24))
    paths[2].write_bytes(b"no film")
    library, ids = small_libraries.make(tmp_path / "db.sqlite", [0, 1, 2, 0])
    with library:
        for number, (film, path) in enumerate(zip(ids, paths, strict=False)):
            old = library.files(film)[0].path
            library.lose_files([old])
            library.add_file(path, f"{number:064x}", 1, 1)
        yield library, ids


def test_a_models_own_genres_are_suggested(films, tmp_path, monkeypatch):
    library, (one, two, broken, gone) = films
    asked = predictor.of_model(tiny_served.build(), tiny_served.TASK, "mine")
    monkeypatch.setattr(predictor, "load", lambda model: asked)
    library.set_label(one, ["science fiction"], "ann")
    library.set_label(two, ["Heist"], "ann")
    learnt = learning.learn(library, "runs/mine")
    found = library.suggestions()
    assert sorted(found) == [one, two]
    assert set(learnt.unread) == {broken, gone}
    assert "its file is gone" in learnt.unread[gone]
    expected = asked.predict_film(tmp_path / "one.mp4", scanning.DEFAULT_PLAN)
    assert found[one].scores == pytest.approx(expected.scores)
    assert found[one].genres == tuple(expected.genres)
    assert found[one].confidence == pytest.approx(expected.confidence)
    told = learning.quality_text(library)
    assert "Suggested by mine." in told
    assert "1 film labelled with a genre that it does not know" in told
    assert learning.shot_scores(library, one) is None


def test_no_model_changes_nothing(films, tmp_path):
    library, _ = films
    learning.learn(library)
    before = library.suggestions()
    with pytest.raises(ValueError, match="Expected a run"):
        learning.learn(library, tmp_path)
    assert library.suggestions() == before


# ---- the command ----


def test_the_command_says_what_to_label_next(make, capsys, monkeypatch):
    kinds = [0, 1] * 15
    library, ids = make(kinds, spread=0.1)
    _label(library, ids[:20], [1, *kinds[1:20]])
    argv = ["library", "suggest", "--db", str(library.path)]
    monkeypatch.setattr("sys.argv", argv)
    assert __main__.main() == 0
    told = capsys.readouterr().out
    assert "Learnt from 20 films" in told and "to label next:\n- " in told
    assert "labels that look wrong:\n- 0: film noir; like films" in told
    monkeypatch.setattr("sys.argv", [*argv, "--json"])
    assert __main__.main() == 0
    told = json.loads(capsys.readouterr().out)
    assert told["version"] == 1 and len(told["films"]) == 30
    assert told["films"][0]["doubt"] == [GENRES[0]]
    assert told["learnt"]["num_labelled"] == 20
