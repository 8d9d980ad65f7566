"""What predict says of films that are unlike those that a run was trained on.

With the encoder that is used, on tiny runs.
"""

import json
import shutil

import numpy as np
import pytest

import keras_ssc
from keras_ssc import models
from keras_ssc.data import extraction
from keras_ssc.films import film_reader
from keras_ssc.films import image_files
from keras_ssc.films.cleaning import ExtractConfig
from keras_ssc.metrics import familiarity
from keras_ssc.metrics.unlike import UNLIKE
from keras_ssc.models import embedded
from keras_ssc.prediction import predictor
from keras_ssc.prediction import words
from keras_ssc.serving import client as serving_client
from keras_ssc.training import evaluation
from keras_ssc.training import loop
from keras_ssc.training import run_familiarity
from keras_ssc.training import runs
from tests.helpers import drawn_films
from tests.helpers import programs
from tests.helpers import tiny_runs

SIZE = drawn_films.SIZE[::-1]


@pytest.fixture(scope="module", autouse=True)
def _embedded_encoder():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "embedded_encoder", embedded.encoder)
        yield


@pytest.fixture(scope="module")
def run_dir(build_frames, tmp_path_factory):
    """A run on films of places that are much alike, evaluated."""
    folder = tmp_path_factory.mktemp("films")
    rows = []
    for movie in range(16):
        path = folder / f"{movie}.mp4"
        drawn_films.write_film(path, drawn_films.shot(movie, 24))
        genre = ("action", "romance")[movie % 2]
        split = "train" if movie < 12 else "test"
        rows.append(f"film {movie},{genre},{split},{path.name},,")
    films = drawn_films.write_list(folder / "films.csv", *rows)
    config = ExtractConfig(num_pairs=6)
    extraction.extract(films, folder / "frames", config, workers=1)
    data_dir = build_frames(folder / "frames", "small")
    with tiny_runs.without_pictures():
        config = tiny_runs.small(data_dir, folder / "run", epochs=1)
        loop.train(config, verbose=False)
        evaluation.evaluate(folder / "run", verbose=False)
    return folder / "run"


@pytest.fixture(scope="module")
def asked(run_dir):
    return keras_ssc.load(run_dir)


@pytest.fixture(scope="module")
def stored(run_dir):
    """Frames and next frames of the test films, and each pair's film."""
    splits = runs.open_splits(run_dir)
    examples = list(
        splits._builder.as_dataset(
            split="test", shuffle_files=False
        ).as_numpy_iterator()
    )
    return [
        np.stack([example[name] for example in examples])
        for name in ("frame", "next_frame", "film")
    ]


@pytest.fixture(scope="module")
def titles(tmp_path_factory):
    """A film of nothing but title cards."""
    path = tmp_path_factory.mktemp("films") / "titles.mp4"
    return drawn_films.write_film(path, [card(x) for x in range(24)])


def noise(num_pairs):
    generator = np.random.default_rng(0)
    return generator.integers(0, 256, (num_pairs, *SIZE, 3)).astype(np.uint8)


def card(shift=0):
    """Rows of white letters on black, as those of a title."""
    frame = np.zeros((*SIZE, 3), np.uint8)
    for row in range(5):
        top = 16 + 7 * row
        for left in range(24, 60 + 3 * row, 4):
            frame[top : top + 4, left : left + 2] = 255
    return np.roll(frame, shift, axis=1)


def test_stored_pairs_are_as_familiar_as_evaluate_says(asked, run_dir, stored):
    metrics = json.loads((run_dir / "metrics.json").read_text())
    frame, next_frame, film = stored
    scores, _, judged = asked.scores(frame, next_frame)
    assert judged.dtype == np.float32 and judged.shape == scores.shape[:1]
    for measured in metrics["films"]:
        own = judged[film == measured["film"].encode()]
        assert measured["familiarity"] == pytest.approx(
            np.median(own), abs=0.05
        )
    assert np.mean(judged < UNLIKE) < 0.2


def test_noise_is_unlike_the_training_films(asked):
    frames = noise(2)
    _, _, judged = asked.scores(frames, frames)
    assert (judged < UNLIKE).all()
    answer = asked.predict_pair(frames[0], frames[0])
    assert answer.is_unlike and answer.genre is None and answer.genres == []
    assert sum(answer.scores.values()) == pytest.approx(1, abs=1e-5)
    first, *_, last = words.pair_text(answer).splitlines()
    assert first.startswith(
        "unlike the films it was trained on (familiarity 0.00); best guess: "
    )
    assert last == "familiarity: 0.00"


def test_film_of_title_cards_gets_no_genre_and_its_scores(asked, titles):
    found = asked.predict_film(titles, film_reader.Plan(4))
    assert found.is_unlike and found.genre is None and found.genres == []
    assert found.familiarity < UNLIKE and found.num_unlike == 0
    assert len(found.scores) == len(asked.task.genres)


def test_title_cards_in_a_film_do_not_vote(asked, tmp_path):
    scene, cards = drawn_films.shot(12, 24), [card(x) for x in range(24)]
    plan = film_reader.Plan(every=0.25)
    whole, alone = (
        asked.predict_film(
            drawn_films.write_film(tmp_path / f"{len(frames)}.mp4", frames),
            plan,
        )
        for frames in ([*scene, *cards], scene)
    )
    # Letters as fine as these flicker in a thumbnail: more than one shot.
    assert not whole.shots[0].is_unlike
    assert all(shot.is_unlike for shot in whole.shots[1:])
    assert whole.num_unlike == whole.num_pairs - alone.num_pairs > 0
    assert whole.scores == pytest.approx(alone.scores, abs=0.01)
    assert whole.genre == alone.genre is not None


def test_images_are_judged_as_they_are_not_as_the_model_sees_them(
    asked, stored
):
    # The model's frames have 32 by 18 pixels.
    pairs = [[each[place] for each in stored[:2]] for place in (0, -1)]
    encoded = [list(map(image_files.encode_frame, pair)) for pair in pairs]
    expected = [asked.predict_pair(*pair) for pair in pairs]
    assert asked.predict(encoded) == expected
    # Images of one call may be of several sizes.
    larger = [image_files.encode_frame(x.repeat(2, axis=0)) for x in pairs[0]]
    assert asked.predict([larger, encoded[1]])[1] == expected[1]
    with pytest.raises(
        serving_client.ImageError, match=r"next_frame_bytes\[1\] is"
    ):
        asked.predict([encoded[0], (encoded[0][0], b"none")])


@pytest.mark.parametrize("name", ["resnet50", "double_stack"])
def test_one_pass_says_what_two_say(name, monkeypatch, stored):
    options = {"dense_units": (4,)} if name == "double_stack" else {}
    model = models.build_model(
        name,
        models.EMBEDDED_SIZE,
        backbone="efficientnet_lite0",
        weights="imagenet",
        **options,
    )
    frame, next_frame, _ = (each[:8] for each in stored)
    features = run_familiarity.encode(frame)
    fitted = familiarity.Familiarity.fit(features, np.arange(8).astype(str))
    one = predictor.of_model(model, familiarity=fitted)

    def refuse(frame):
        raise AssertionError("a second pass")

    with monkeypatch.context() as patch:
        patch.setattr(run_familiarity, "encode", refuse)
        scores, _, judged = one.scores(frame, next_frame)
    monkeypatch.setattr(run_familiarity, "has_encoder", lambda model: False)
    two = predictor.of_model(model, familiarity=fitted)
    other_scores, _, other = two.scores(frame, next_frame)
    np.testing.assert_allclose(scores, other_scores, atol=1e-6)
    np.testing.assert_allclose(judged, other, atol=0.13)  # a film is 1 / 8


def test_a_run_without_the_file_says_nothing_and_how_to_have_it(
    run_dir, stored, tmp_path, capsys
):
    old = shutil.copytree(run_dir, tmp_path / "old")
    (old / run_familiarity.FILE).unlink()
    metrics = json.loads((old / "metrics.json").read_text())
    del metrics["familiarity"]
    (old / "metrics.json").write_text(json.dumps(metrics))
    capsys.readouterr()
    asked = keras_ssc.load(old)
    scores, _, judged = asked.scores(stored[0][:2], stored[1][:2])
    assert judged is None and len(scores) == 2
    assert asked.predict_pair(stored[0][0], stored[1][0]).familiarity is None
    note = capsys.readouterr().err
    assert note.count("note: ") == 1
    assert f"python -m keras_ssc.evaluate {old}" in note
    # Where evaluate could not tell, it has said why.
    metrics["familiarity"] = None
    (old / "metrics.json").write_text(json.dumps(metrics))
    keras_ssc.load(old)
    assert capsys.readouterr().err == ""


def test_a_malformed_file_is_one_error_of_the_command(run_dir, tmp_path):
    damaged = shutil.copytree(run_dir, tmp_path / "damaged")
    (damaged / run_familiarity.FILE).write_bytes(b"no file of NumPy's")
    with pytest.raises(ValueError, match="Measure the run again"):
        keras_ssc.load(damaged)


def test_without_the_weights_the_note_says_what_to_install(
    run_dir, monkeypatch, capsys
):
    def missing():
        raise models.WeightsError("pip install some-weights")

    monkeypatch.setattr(models, "embedded_encoder", missing)
    assert keras_ssc.load(run_dir).scores(noise(1), noise(1))[2] is None
    assert "some-weights" in capsys.readouterr().err


def test_the_command_says_it_of_a_film_and_of_two_images(
    run_dir, titles, tmp_path
):
    code, printed = programs.run_here(
        "keras_ssc.predict", run_dir, titles, "--pairs", 4
    )
    assert code == 0
    assert f"{titles}: unlike the films it was trained on (fam" in printed
    paths = [tmp_path / "1.png", tmp_path / "2.png"]
    for path in paths:
        path.write_bytes(image_files.encode_frame(noise(1)[0]))
    code, printed = programs.run_here(
        "keras_ssc.predict", run_dir, *paths, "--json"
    )
    [prediction] = json.loads(printed)["predictions"]
    assert code == 0 and prediction["familiarity"] == 0
    assert prediction["genre"] is None and prediction["genres"] == []
    assert list(prediction["scores"]) == ["action", "romance"]


def test_a_server_s_answer_has_it_if_the_model_does():
    answer = serving_client.Answer("a", {"a": 0.6, "b": 0.4}, familiarity=0.5)
    unlike = serving_client.Answer("a", {"a": 0.6, "b": 0.4}, familiarity=0.01)

    class Client:
        def predict(self, pairs):
            return [answer, unlike][: len(pairs)]

    asks = predictor._ask_server(Client())
    _, magnitudes, judged = asks(noise(2), noise(2))
    assert magnitudes is None and judged.tolist() == pytest.approx([0.5, 0.01])
    assert answer.genre == "a" and unlike.genre is None
    row = {"scores": [0.6, 0.4], "genres": ["a", "b"], "genre": "a"}
    for more, expected in (({}, None), ({"familiarity": 0.01}, 0.01)):
        body = json.dumps({"predictions": [row | more]}).encode()
        [read] = serving_client.read_response(body, 1)
        assert read.familiarity == expected
        assert read.is_unlike == (expected is not None)
    body = json.dumps({"predictions": [row | {"familiarity": "x"}]}).encode()
    with pytest.raises(serving_client.ResponseError):
        serving_client.read_response(body, 1)
