"""From a list with genres of its own to a served answer, for both tasks."""

import json

import numpy as np
import pytest
import tensorflow as tf

from keras_ssc.data import card
from keras_ssc.data import datasets
from keras_ssc.data import extraction
from keras_ssc.films import film_reader
from keras_ssc.films.cleaning import ExtractConfig
from keras_ssc.metrics import figures
from keras_ssc.prediction import predictor
from keras_ssc.prediction import verdict_pictures
from keras_ssc.prediction import words
from keras_ssc.serving import client as serving_client
from keras_ssc.serving import exporting
from keras_ssc.training import cross_validation
from keras_ssc.training import evaluation
from keras_ssc.training import loop
from keras_ssc.training import runs
from keras_ssc.training import trainings
from tests.helpers import drawn_films
from tests.helpers import scene_genre
from tests.helpers import tiny_runs

pytestmark = pytest.mark.usefixtures("no_pictures")

ONE = ("Sci-Fi", "한국 영화", "horror")
# Each film has a genre of each of the two columns.
SEVERAL = ("Sci-Fi|noir", "한국 영화|noir", "Sci-Fi|C++")

GENRES = {
    "one": ("horror", "Sci-Fi", "한국 영화"),
    "several": ("Sci-Fi", "noir", "한국 영화", "C++"),
}


@pytest.fixture(scope="module", params=["one", "several"])
def made(request, tmp_path_factory):
    """The folder of a list's films, frames, data set and evaluated run."""
    folder = tmp_path_factory.mktemp(request.param)
    lines = ["film,genre,path"]
    for number in range(12):
        genre = (ONE if request.param == "one" else SEVERAL)[number % 3]
        path = drawn_films.write_film(
            folder / f"{number}.mp4", drawn_films.shot(number, 24)
        )
        lines.append(f"film {number},{genre},{path.name}")
    films = folder / "films.csv"
    films.write_text("\n".join(lines) + "\n", "utf-8")
    config = ExtractConfig(num_pairs=4, width=48, height=32)
    _, problems, notes = extraction.extract(
        films, folder / "frames", config, workers=1
    )
    assert not problems
    assert "split dealt by film" in notes[0]
    scene_genre.build(folder / "data", folder / "frames", source="frames")
    with tiny_runs.without_pictures():
        run = loop.train(
            tiny_runs.small(folder / "data", folder / "run", balanced=True),
            verbose=False,
        )
        evaluation.evaluate(run, verbose=False)
    return request.param, folder, run


def test_the_genres_travel_to_the_run(made):
    name, folder, run = made
    assert (folder / "frames" / "genres.txt").read_text("utf-8").split("\n")[
        :-1
    ] == list(GENRES[name])
    splits = datasets.DatasetSplits("scene_genre/small", folder / "data")
    assert splits.task.name == name and splits.task.genres == GENRES[name]
    assert runs.read_task(run) == splits.task
    counts = [
        splits.prepare(split, (18, 32), ()).num_pairs for split in splits.names
    ]
    assert sum(counts) == 48 and min(counts) > 0
    metrics = json.loads((run / "metrics.json").read_text("utf-8"))
    assert metrics["task"] == name
    assert metrics["genres"] == list(GENRES[name])
    assert set(metrics["pair"]["per_genre"]) == set(GENRES[name])
    text = (run / "metrics.md").read_text("utf-8")
    assert all(genre in text for genre in GENRES[name])


def test_the_export_answers_as_keras_does(made):
    name, folder, run = made
    version = exporting.export(run, folder / "served", verbose=False)
    asked, exported = predictor.load(run), predictor.load(version)
    assert exported.task.genres == asked.task.genres == GENRES[name]
    assert exported.task.thresholds == asked.task.thresholds
    pair = drawn_films.shot(99, 2)
    answer, other = (each.predict_pair(*pair) for each in (asked, exported))
    assert answer.genres == other.genres
    assert answer.scores == pytest.approx(other.scores, abs=1e-5)
    # What a server sends says the same to a client, and makes its task known.
    response = (version / "sample_response.json").read_bytes()
    (served,) = serving_client.read_response(response, 1)
    assert list(served.scores) == list(GENRES[name])
    assert served.thresholds == pytest.approx(asked.task.thresholds or None)
    stored = tf.saved_model.load(str(version)).signatures["frames"]
    outputs = stored(
        **{
            key: tf.constant(np.stack([frame]))
            for key, frame in zip(("frame", "next_frame"), pair, strict=True)
        }
    )
    assert set(outputs) == {
        *("scores", "genres", "familiarity"),
        "genre" if name == "one" else "thresholds",
    }
    text = (version / "model_card.md").read_text("utf-8")
    assert "한국 영화" in text


def test_a_film_s_verdict_names_what_reaches_its_threshold(made, tmp_path):
    name, folder, run = made
    asked = predictor.load(run)
    found = asked.predict_film(
        folder / "0.mp4", film_reader.Plan(8), pictures=True
    )
    expected = asked.task.named(np.array(list(found.scores.values())))
    assert found.genres == [GENRES[name][place] for place in expected]
    assert found.genre == (found.genres[0] if found.genres else None)
    plain = json.loads(json.dumps(found.as_json()))
    assert plain["thresholds"] == asked.task.thresholds
    header, row = found.as_csv().splitlines()[:2]
    assert header.split(",")[4:-2] == list(GENRES[name])
    assert row.split(",")[3] == "|".join(found.shots[0].genres)
    told = words.film_text(found)
    assert all(genre in told for genre in GENRES[name])
    assert words.headline(found).startswith(
        "none of its genres"
        if not found.genres
        else words.genre_score(found.scores, found.genres[0])
        if found.is_sure
        else "uncertain"
    )
    for draw in (verdict_pictures.timeline, verdict_pictures.contact_sheet):
        assert draw(found).startswith(b"\x89PNG")


def test_the_card_counts_each_genre_of_a_film(made):
    name, folder, _ = made
    written = card.write_card(
        "scene_genre/small",
        folder / "card",
        folder / "data",
        folder / "frames",
    )
    films = {
        genre: sum(
            count[genre]["films"] for count in written["counts"].values()
        )
        for genre in GENRES[name]
    }
    assert films == (
        dict.fromkeys(GENRES["one"], 4)
        if name == "one"
        else {"Sci-Fi": 8, "noir": 8, "한국 영화": 4, "C++": 4}
    )


def test_an_interrupted_training_is_resumed_to_the_same_weights(made, tmp_path):
    _, folder, _ = made
    config = tiny_runs.repeatable(folder / "data", tmp_path / "whole", epochs=3)
    whole = loop.train(config, verbose=False)
    config = tiny_runs.repeatable(folder / "data", tmp_path / "half", epochs=3)
    tiny_runs.interrupt(config, 1)
    loop.resume(tmp_path / "half", verbose=False)
    tiny_runs.assert_same_weights(whole, tmp_path / "half")


def test_a_run_of_other_genres_is_refused_before_any_work(made, small_run):
    name, folder, _ = made
    other = datasets.DatasetSplits("scene_genre/small", folder / "data")
    with pytest.raises(ValueError) as raised:
        evaluation.evaluate(small_run, splits=other)
    said = str(raised.value)
    assert "one, action, horror, romance" in said
    assert f"scene_genre/small/1.1.0 has: {name}, {GENRES[name][0]}" in said


def test_folds_test_each_film_once(made, monkeypatch):
    # A process of its own for each is another test's.
    monkeypatch.setattr(
        trainings, "in_a_process", lambda do, *given: do(*given)
    )
    _, folder, _ = made
    config = tiny_runs.small(
        folder / "data", folder / "folds", epochs=1, batch_size=4
    )
    found = cross_validation.cross_validate(config, 3)
    assert sorted(film["film"] for film in found["films"]) == sorted(
        f"film {number}" for number in range(12)
    )
    assert [each["run"] for each in found["folds"]] == [
        *("fold_1", "fold_2", "fold_3")
    ]
    for each in found["by_film"].values():
        assert each["low"] <= each["mean"] <= each["high"]
    text = (folder / "folds" / "folds.md").read_text("utf-8")
    assert "all films together" in text and "95 % interval" in text
    # Evaluated alone, a fold's run is tested on the fold's own films.
    run = folder / "folds" / "fold_2"
    before = (run / "metrics.json").read_bytes()
    evaluation.evaluate(run, verbose=False)
    assert (run / "metrics.json").read_bytes() == before
    # Done already, nothing is trained again.
    stamp = (run / "model.keras").stat().st_mtime_ns
    assert cross_validation.cross_validate(config, 3) == found
    assert (run / "model.keras").stat().st_mtime_ns == stamp
    with pytest.raises(ValueError, match="Expected 2 folds or more"):
        cross_validation.cross_validate(config, 1)


def test_a_film_list_of_several_genres_is_built_of_its_films(made):
    name, folder, _ = made
    scene_genre.build(
        folder / "of_films",
        folder,
        source="films",
        num_pairs=2,
        task="one" if name == "several" else None,
    )
    splits = datasets.DatasetSplits("scene_genre/small", folder / "of_films")
    assert splits.task.name == "one"
    expected = GENRES["one"] if name == "one" else ("Sci-Fi", "한국 영화")
    assert splits.task.genres == expected
    assert figures.genre_colours(expected).keys() == set(expected)


def test_without_test_films_validation_is_measured_and_told(tmp_path, capsys):
    frames = tmp_path / "frames"
    for number, genre in enumerate(("western", "film noir") * 2):
        split = "train" if number < 2 else "validation"
        shot = drawn_films.shot(number, 16)
        drawn_films.write_frames(frames, genre, split, number + 1, shot)
    scene_genre.build(tmp_path / "data", frames, source="frames")
    config = tiny_runs.small(tmp_path / "data", tmp_path / "run", batch_size=4)
    run = loop.train(config, verbose=False)
    metrics = evaluation.evaluate(run, verbose=False)
    assert metrics["split"] == "validation"
    assert "has no test films" in capsys.readouterr().err
    assert predictor.load(run).task.genres == ("film_noir", "western")
    with pytest.raises(ValueError, match="one of: train, validation"):
        evaluation.evaluate(run, split="test", verbose=False)


def test_one_genre_is_nothing_to_distinguish(tmp_path):
    for number, split in enumerate(("train", "test")):
        shot = drawn_films.shot(number, 8)
        drawn_films.write_frames(tmp_path, "western", split, 1 + number, shot)
    scene_genre.build(tmp_path / "data", tmp_path, source="frames")
    config = tiny_runs.small(tmp_path / "data", tmp_path / "run", batch_size=2)
    with pytest.raises(ValueError, match="Expected two genres or more"):
        loop.train(config, verbose=False)
    assert not (tmp_path / "run").exists()
