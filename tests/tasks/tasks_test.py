import json
import math

import numpy as np
import pytest
import tensorflow as tf

from keras_ssc import tasks
from keras_ssc.genres import REPORT_GENRES
from keras_ssc.metrics import calibration
from keras_ssc.metrics import scoring
from keras_ssc.serving.client import Answer

GENRES = ("noir", "Sci-Fi", "한국 영화")
SEVERAL = tasks.of("several", GENRES)
ONE = tasks.of("one", GENRES)


def test_without_genres_it_is_the_report_s():
    assert tasks.read({"model": "fc"}) == tasks.REPORT
    assert tasks.REPORT.genres == REPORT_GENRES


@pytest.mark.parametrize("task", [ONE, SEVERAL])
def test_what_is_written_is_read(task):
    plain = json.loads(json.dumps(task.described()))
    assert tasks.read(plain) == task


@pytest.mark.parametrize(
    "values",
    [
        *({"genres": genres} for genres in ([], "noir", ["a", "a"], [1], None)),
        {"task": "many"},
    ],
)
def test_malformed_genres_are_refused(values):
    with pytest.raises(ValueError):
        tasks.read(values)


def test_a_label_has_the_film_s_genres_in_every_form():
    feature = SEVERAL.label_feature()
    encoded = feature.encode_example(SEVERAL.example_label(("noir", GENRES[2])))
    label = SEVERAL.prepared_label(tf.constant(encoded)).numpy()
    assert label.tolist() == [1, 0, 1] and label.dtype == np.uint8
    assert SEVERAL.true_genres(label) == ["noir", GENRES[2]]
    assert SEVERAL.is_of(label[None]).tolist() == [[True, False, True]]
    assert SEVERAL.targets(label[None]).numpy().tolist() == [[1.0, 0.0, 1.0]]
    one = ONE.label_feature().encode_example(ONE.example_label(("Sci-Fi",)))
    assert ONE.prepared_label(one) == 1
    assert ONE.true_genres(one) == ["Sci-Fi"]
    assert ONE.targets(np.array([1])).numpy().tolist() == [[0.0, 1.0, 0.0]]
    for task in (ONE, SEVERAL):
        assert tasks.of_feature(task.label_feature()) == task


def test_genres_at_their_thresholds_are_named_the_highest_score_first():
    task = tasks.SeveralGenres(GENRES, limits=(0.3, 0.8, 0.6))
    assert task.named([0.3, 0.79, 0.9]) == [2, 0]
    assert task.named([0.2, 0.7, 0.5]) == []
    assert task.thresholds == pytest.approx(
        {"noir": 0.3, "Sci-Fi": 0.8, GENRES[2]: 0.6}
    )
    assert ONE.named([0.3, 0.3, 0.2]) == [0]
    assert ONE.thresholds is None


def logits_of(num_films, pairs=40, scale=1.0, bias=0.0, seed=0):
    """Logits of which labels are drawn, then scaled and moved; and films."""
    generator = np.random.default_rng(seed)
    true = generator.normal(scale=2, size=(num_films * pairs, len(GENRES)))
    label = generator.random(true.shape) < 1 / (1 + np.exp(-true))
    film = np.repeat([f"film {n}" for n in range(num_films)], pairs)
    return true * scale + bias, label.astype(np.uint8), film


@pytest.mark.parametrize(
    "scale, bias, ways",
    [
        (5.0, 0.0, {"temperature", "platt"}),
        (1.0, 3.0, {"platt"}),
        (1.0, 0.0, {"none", "temperature", "platt"}),
    ],
)
def test_each_genre_is_calibrated_in_the_way_that_helps(scale, bias, ways):
    logits, label, film = logits_of(30, scale=scale, bias=bias)
    told = json.loads(json.dumps(SEVERAL.calibrated(logits, label, film)))
    assert {each["way"] for each in told["genres"].values()} <= ways
    task = SEVERAL.with_calibration(told)
    before, after = (
        calibration.expected_calibration_error(
            *each.judgements(label, each.scores(logits))
        )
        for each in (SEVERAL, task)
    )
    assert after < 0.04
    if (scale, bias) != (1.0, 0.0):
        assert before > 0.1
        assert told["log_loss"]["after"] < told["log_loss"]["before"]
    # Where a genre's logits are moved by 3, so is what undoes it.
    if bias:
        for each in told["genres"].values():
            assert each["bias"] / each["scale"] == pytest.approx(-3, abs=0.5)


def test_what_is_fitted_on_one_film_or_one_answer_is_not_applied():
    logits, label, film = logits_of(1)
    told = SEVERAL.calibrated(5 * logits, label, film)
    assert {each["way"] for each in told["genres"].values()} == {"none"}
    assert told["log_loss"] == {"before": None, "after": None}
    logits, label, film = logits_of(8)
    label[:, 1] = 0
    told = SEVERAL.calibrated(5 * logits, label, film)["genres"]
    assert told["Sci-Fi"]["way"] == "none" and told["noir"]["way"] != "none"
    assert told["Sci-Fi"]["threshold"] == 0.5
    assert told["Sci-Fi"]["num_films"] == 0


@pytest.mark.parametrize(
    "change", [{"scale": "x"}, {"bias": math.nan}, {"threshold": None}]
)
def test_a_malformed_calibration_is_no_evaluated_run(change):
    told = SEVERAL.not_calibrated()
    told["genres"]["noir"] |= change
    measured = {**SEVERAL.described(), "calibration": told}
    with pytest.raises(ValueError, match=r"was evaluated.*evaluate runs/x"):
        tasks.of_metrics(measured, "runs/x")
    with pytest.raises(ValueError, match="was evaluated"):
        tasks.of_metrics({**SEVERAL.described()}, "runs/x")


def test_the_threshold_of_the_best_f1_is_the_nearest_to_a_half():
    labels = np.array([False, False, True, True])
    scores = np.array([0.1, 0.2, 0.7, 0.9])
    assert scoring.best_threshold(labels, scores) == 0.5
    scores = np.array([0.01, 0.02, 0.1, 0.3])
    assert scoring.best_threshold(labels, scores) == pytest.approx(0.06)
    scores = np.array([0.8, 0.9, 0.96, 0.98])
    assert scoring.best_threshold(labels, scores) == pytest.approx(0.93)
    assert scoring.best_threshold(np.zeros(4, bool), scores) == 0.5
    assert scoring.best_threshold(np.array([True]), np.array([0.2])) == 0.1


def test_precisions_are_those_counted_by_hand():
    labels = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0]], bool)
    scores = np.array([[0.9, 0.8, 0.1], [0.7, 0.6, 0.2], [0.8, 0.3, 0.1]])
    measured = scoring.precision_scores(labels, scores, scores >= 0.5, GENRES)
    # noir: right at ranks 1 and 3. Sci-Fi: at ranks 2 and 3.
    assert measured["per_genre"] == {
        "noir": pytest.approx((1 + 2 / 3) / 2),
        "Sci-Fi": pytest.approx((1 / 2 + 2 / 3) / 2),
        GENRES[2]: None,
    }
    assert measured["map_macro"] == pytest.approx((5 / 6 + 7 / 12) / 2)
    assert measured["map_weighted"] == measured["map_macro"]
    # By samples: [1], [1, 1], and Sci-Fi at rank 2.
    assert measured["map_samples"] == pytest.approx((1 + 1 + 0.5) / 3)
    # noir: 2 of 3 named are right, none missed; Sci-Fi: 1 of 2, one missed.
    assert measured["per_genre_f1"]["noir"] == pytest.approx(4 / 5)
    assert measured["per_genre_f1"]["Sci-Fi"] == pytest.approx(1 / 2)
    assert measured["macro_f1"] == pytest.approx((4 / 5 + 1 / 2) / 2)
    assert measured["micro_f1"] == pytest.approx(6 / 9)
    nothing = scoring.precision_scores(
        labels[:, 2:], scores[:, 2:], scores[:, 2:] > 1, GENRES[2:]
    )
    assert nothing["map_macro"] is None


def test_films_are_measured_by_the_mean_of_their_pairs():
    label = np.array([[1, 0, 0]] * 2 + [[0, 1, 1]], np.uint8)
    film = np.array(["a", "a", "b"])
    scores = np.array([[0.9, 0.1, 0.2], [0.3, 0.1, 0.2], [0.4, 0.7, 0.1]])
    measured = SEVERAL.measure(label, film, scores, np.ones(3, int))
    first, second = measured["films"]
    assert first["verdict"] == first["genres"] == ["noir"]
    assert first["scores"]["noir"] == pytest.approx(0.6)
    assert second["verdict"] == ["Sci-Fi"]
    assert second["genres"] == ["Sci-Fi", GENRES[2]]
    assert measured["film"]["num"] == measured["scene"]["num"] == 2
    assert measured["film"] == SEVERAL.measure_films(measured["films"])
    assert SEVERAL.film_values(first) == {
        "average precision of a film's genres": 1.0,
        "films of which all genres are right, and no other": 1.0,
    }


def test_a_rare_genre_counts_more_where_training_is_balanced():
    label = np.zeros((100, 3), np.uint8)
    label[:, 0], label[:10, 1], label[:1, 2] = 1, 1, 1
    loss = SEVERAL.loss(label, balanced=True)
    assert loss.weights == [1.0, 9.0, 20.0]
    logits = np.zeros((1, 3), np.float32)
    for place, weight in enumerate(loss.weights):
        hot = np.eye(3, dtype=np.float32)[[place]]
        expected = np.log(2) * (2 + weight) / 3
        assert float(loss(hot, logits)) == pytest.approx(expected)
    plain = SEVERAL.loss(label, label_smoothing=0.2)
    right = np.float32([[9.0, -9.0, -9.0]])
    expected = 0.9 * np.log1p(np.exp(-9)) + 0.1 * np.log1p(np.exp(9))
    hot = np.float32([[1, 0, 0]])
    assert float(plain(hot, right)) == pytest.approx(expected, rel=1e-4)
    # Stored with a checkpoint, it is made again.
    again = type(loss).from_config(loss.get_config())
    assert again.weights == loss.weights
    shares = SEVERAL.balanced_shares(None, np.array(["a", "a", "a", "b"]))
    assert shares.tolist() == pytest.approx([1 / 6, 1 / 6, 1 / 6, 1 / 2])


def test_the_task_of_a_server_is_in_its_answer():
    scores = dict.fromkeys(GENRES, 0.25)
    assert tasks.of_answer(Answer("noir", scores)) == ONE
    limits = dict(zip(GENRES, (0.25, 0.5, 0.75), strict=True))
    task = tasks.of_answer(Answer(None, scores, None, [], limits))
    assert task == tasks.SeveralGenres(GENRES, limits=(0.25, 0.5, 0.75))
    card = {**SEVERAL.described(), "thresholds": limits}
    assert tasks.of_card(card) == task
    assert tasks.of_card({"format": "savedmodel"}) == tasks.REPORT
    with pytest.raises(ValueError, match="thresholds is"):
        tasks.of_card({**card, "thresholds": {"noir": 1}})


@pytest.mark.parametrize("task", [ONE, SEVERAL])
def test_the_loss_without_keras_is_the_training_s(task):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(20, 3)).astype(np.float32)
    label = rng.integers(0, 3, 20)
    if task is SEVERAL:
        label = rng.integers(0, 2, (20, 3)).astype(np.uint8)
    targets = np.asarray(task.targets(label))
    loss = float(task.loss(label)(targets, logits))
    assert task.log_loss(label, logits) == pytest.approx(loss, rel=1e-5)


@pytest.mark.parametrize("task", [ONE, SEVERAL])
def test_scores_of_arrays_are_those_of_tensors(task):
    logits = np.random.default_rng(0).normal(size=(20, 3))
    tensor = tf.constant(logits, tf.float32)
    scores = task.scores(logits)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, np.asarray(task.scores(tensor)), 1e-5)
