"""The head over a film's pairs: what it learns, and a run that has one."""

import shutil

import keras
import numpy as np
import pytest

import keras_ssc
from keras_ssc import models
from keras_ssc import tasks
from keras_ssc.data import datasets
from keras_ssc.films import film_reader
from keras_ssc.models import backbones
from keras_ssc.training import evaluation
from keras_ssc.training import film_head
from keras_ssc.training import loop
from keras_ssc.training import runs
from keras_ssc.training import train_config
from tests.helpers import drawn_films
from tests.helpers import scene_genre
from tests.helpers import tiny_runs
from tests.helpers import tiny_trunk

pytestmark = pytest.mark.usefixtures("no_pictures")

ONE = tasks.OneGenre(("rise", "fall"))
SEVERAL = tasks.SeveralGenres(("rise", "fall"))


def split_of(task, seed, num_films=24, num_pairs=10):
    """Films of two kinds of pairs: which kind is early says the genre."""
    generator = np.random.default_rng(seed)
    genre = np.arange(num_films) % 2
    seconds = np.tile(np.arange(num_pairs) / 24, num_films)
    is_late = np.tile(np.arange(num_pairs) >= num_pairs / 2, num_films)
    film = np.repeat(np.arange(num_films), num_pairs)
    kind = (is_late ^ genre[film].astype(bool)).astype(float)
    features = generator.normal(0, 0.3, (len(film), 4)).astype(np.float32)
    features[:, 0] += kind
    features[:, 1] -= kind
    label = genre[film]
    if task.name == SEVERAL.name:
        label = np.eye(2, dtype=np.uint8)[label]
    return datasets.PreparedSplit(
        {"pair_features": features},
        label,
        np.array([f"film {number:02d}" for number in film]),
        *(np.zeros(len(film), int), np.arange(len(film)), seconds),
        task,
    )


def linear():
    """A head of a model of pairs that knows no genre from the other."""
    features = keras.Input((4,), name="pair_features")
    layer = keras.layers.Dense(2, name="logits", kernel_initializer="zeros")
    return keras.Model({"pair_features": features}, layer(features))


def config_of(**changes):
    return train_config.TrainConfig(
        model="film_attention", jit_compile=False, **changes
    )


@pytest.mark.parametrize("task", [ONE, SEVERAL])
def test_it_learns_what_the_mean_cannot_say(task, tmp_path):
    prepared = {
        name: split_of(task, seed)
        for seed, name in enumerate(("train", "validation"))
    }
    config = config_of(balanced=True)
    film_head.fit(linear(), 1e-3, prepared, config, tmp_path)
    films = film_head.of_split(linear(), split_of(task, seed=2))
    head = models.load(tmp_path / "film.keras")
    scores = films.scores(head, task)
    is_right = (scores > 0.5) == task.is_of(films.label)
    assert is_right.mean() > 0.9
    rows = (tmp_path / "film_history.csv").read_text().splitlines()
    assert rows[0] == "epoch,loss,val_loss"
    losses = [float(row.split(",")[2]) for row in rows[1:]]
    assert min(losses) < 0.7 * losses[0]
    own = films.places[3]
    one = film_head.scores(head, task, films.arrays[0][own], own / 24.0)
    np.testing.assert_allclose(one, scores[3], atol=1e-5)


def test_it_stays_at_the_mean_where_nothing_can_be_learned(tmp_path):
    prepared = {"train": split_of(ONE, 0, num_films=2)}
    film_head.fit(linear(), 1e-3, prepared, config_of(), tmp_path)
    head = models.load(tmp_path / "film.keras")
    films = film_head.of_split(linear(), split_of(ONE, 1))
    np.testing.assert_allclose(films.scores(head, ONE), 0.5, atol=1e-6)


def test_the_same_seed_gives_the_same_head(tmp_path):
    heads = []
    for name, seed in (("one", 3), ("same", 3), ("other", 4)):
        folder = tmp_path / name
        folder.mkdir()
        prepared = {"train": split_of(ONE, 0, num_films=6)}
        film_head.fit(linear(), 1e-3, prepared, config_of(seed=seed), folder)
        heads.append(models.load(folder / "film.keras").get_weights())
    one, same, other = heads
    assert all(map(np.array_equal, one, same))
    assert not all(map(np.array_equal, one, other))


def test_positions_are_between_the_first_pair_and_the_last():
    found = film_head.positions([3.0, 1.0, 5.0])
    np.testing.assert_allclose(found, [0.5, 0.0, 1.0])
    for unknown in ([4.0], [2.0, 2.0], [np.nan, np.nan]):
        assert set(film_head.positions(unknown).tolist()) == {0.5}


def film_of(genre, verdict):
    return {"genre": genre, "verdict": verdict, "pair_accuracy": 0.5}


def test_the_comparison_says_whether_the_mean_is_passed():
    right, wrong = film_of("rise", "rise"), film_of("rise", "fall")
    found = film_head.compare(ONE, [right] * 6, [right, *[wrong] * 5])
    assert found["low"] > 0
    said = film_head.comparison_text(found)
    assert said.startswith("Of 6 films, films right: 100.0 % with the head")
    assert "+83.3 points" in said
    assert said.endswith("The head passes the mean.")
    found = film_head.compare(ONE, [wrong, right], [right, right])
    said = film_head.comparison_text(found)
    assert "-50.0 points (too few films for an interval)" in said
    assert said.endswith("The head does not pass the mean.")


@pytest.mark.parametrize(
    "changes", [{"freeze": 0, "optimizer": "adam"}, {"optimizer": "adam"}]
)
def test_without_stored_features_it_is_refused(changes):
    with pytest.raises(ValueError, match="film_attention --settings frozen"):
        train_config.fill_in(config_of(**changes))


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    """Pairs of films enough to learn from: three of each genre."""
    frames = tmp_path_factory.mktemp("frames")
    for place, split in enumerate((*["train"] * 3, "validation", "test")):
        for number, genre in enumerate(("action", "romance")):
            shot = drawn_films.shot(2 * place + number, 12)
            drawn_films.write_frames(frames, genre, split, place + 1, shot)
    return frames


@pytest.fixture(scope="module")
def films_dir(frames, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    scene_genre.build(folder, frames, source="frames")
    return folder


def tiny(films_dir, run_dir):
    return tiny_runs.small(
        films_dir,
        run_dir,
        model="film_attention",
        image_size=(75, 75),
        deterministic=True,
        batch_size=4,
        flow="opencv",
    )


@pytest.fixture(scope="module")
def run_dir(films_dir, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(backbones, "Trunk", tiny_trunk.TinyTrunk)
        config = tiny(films_dir, tmp_path_factory.mktemp("runs") / "tiny")
        return loop.train(config, verbose=False)


def test_a_run_is_evaluated_by_both(run_dir):
    metrics = evaluation.evaluate(run_dir, verbose=False)
    assert metrics["film"].keys() == metrics["film_mean"].keys()
    assert metrics["comparison"]["num_films"] == len(metrics["films"]) == 2
    for film, by_mean in zip(
        metrics["films"], metrics["films_mean"], strict=True
    ):
        assert film["film"] == by_mean["film"]
        assert sum(film["scores"].values()) == pytest.approx(1)
    assert "The head does not pass" in (run_dir / "metrics.md").read_text()


def test_a_folder_of_pairs_gets_what_evaluate_says(run_dir, frames):
    films = evaluation.evaluate(run_dir, verbose=False)["films"]
    asked = keras_ssc.load(run_dir)
    found = {
        (verdict.path, genre): score
        for verdict in asked.predict_frames(frames)
        for genre, score in verdict.scores.items()
    }
    for film in films:
        for genre, score in film["scores"].items():
            assert found[film["film"], genre] == pytest.approx(score, abs=1e-3)


def test_a_film_is_judged_by_its_head_and_a_shot_by_the_mean(
    run_dir, tmp_path, monkeypatch
):
    evaluation.evaluate(run_dir, verbose=False)
    asked = []

    def scores(head, task, features, seconds):
        asked.append((features.shape, seconds))
        return np.eye(6)[2]

    monkeypatch.setattr(film_head, "scores", scores)
    path = tmp_path / "film.mp4"
    drawn_films.write_film(path, drawn_films.shot(1, 40))
    plan = film_reader.Plan(num_pairs=4)
    found = keras_ssc.load(run_dir).predict_film(path, plan)
    [((num_pairs, num_features), seconds)] = asked
    assert (num_pairs, num_features) == (found.num_pairs, 8)
    assert list(seconds) == sorted(set(seconds))
    assert found.scores["romance"] == 1
    assert found.genre == "romance"
    assert found.shots[0].scores != found.scores


def test_a_run_without_its_head_is_refused(run_dir, tmp_path):
    shutil.copytree(run_dir, tmp_path / "run")
    (tmp_path / "run" / "film.keras").unlink()
    with pytest.raises(ValueError, match=r"film\.keras is not a file"):
        evaluation.evaluate(tmp_path / "run", verbose=False)
    assert runs.load_film_head(run_dir) is not None


def test_an_interrupted_run_ends_with_the_same_head(
    run_dir, films_dir, tmp_path, monkeypatch
):
    monkeypatch.setattr(backbones, "Trunk", tiny_trunk.TinyTrunk)
    config = tiny(films_dir, tmp_path / "run")

    def interrupt(*_):
        raise tiny_runs.StoppedError

    with monkeypatch.context() as patched:
        patched.setattr(film_head.checkpoints, "write_model", interrupt)
        with pytest.raises(tiny_runs.StoppedError):
            loop.train(config, verbose=False)
    assert not (tmp_path / "run" / "model.keras").exists()
    loop.resume(tmp_path / "run", verbose=False)
    heads = [runs.load_film_head(x) for x in (run_dir, tmp_path / "run")]
    assert all(map(np.array_equal, *(x.get_weights() for x in heads)))
