import math
import re

import numpy as np
import pytest

from keras_ssc import tasks
from keras_ssc.metrics import calibration


def drawn(num_pairs, seed=0):
    """Logits, and labels drawn from the very probabilities they mean."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 2, (num_pairs, 6))
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = [generator.choice(6, p=row) for row in scores]
    return logits, np.array(labels)


def judged(labels, scores):
    """The score of each verdict, and whether it is right."""
    return tasks.REPORT.judgements(labels, scores)


@pytest.mark.parametrize("scale", [0.3, 1.0, 4.0])
def test_temperature_undoes_a_scaling_of_true_logits(scale):
    logits, labels = drawn(5000)
    found = calibration.fit_temperature(logits * scale, labels)
    assert found == pytest.approx(scale, rel=0.06)


def test_temperature_makes_overconfident_scores_mean_what_they_say():
    logits, labels = drawn(5000)
    logits *= 5
    plain, calibrated = (
        calibration.expected_calibration_error(
            *judged(labels, calibration.probabilities(logits, temperature))
        )
        for temperature in (1.0, calibration.fit_temperature(logits, labels))
    )
    assert plain > 0.2
    assert calibrated < 0.03


def test_a_model_without_a_mistake_has_a_finite_temperature():
    labels = np.arange(48) % 6
    logits = 3.0 * np.eye(6)[labels]
    temperature = calibration.fit_temperature(logits, labels)
    assert 0.01 < temperature < 3.0
    highest = calibration.probabilities(logits, temperature).max(axis=1)
    # Of 48 pairs and 6 genres, the target is 49 / 54 and not 1.
    np.testing.assert_allclose(highest, 49 / 54, rtol=1e-3)


def test_labels_that_logits_say_nothing_of_make_flat_scores():
    logits, _ = drawn(3000)
    labels = np.random.default_rng(1).integers(0, 6, 3000)
    assert calibration.fit_temperature(logits, labels) > 20


def of_films(scale):
    """Pairs of six films; how sure the model is of each varies by film."""
    logits, labels = drawn(1200)
    films = np.repeat([f"film {n}" for n in range(6)], 200)
    return logits * scale, labels, films


def test_a_temperature_that_helps_on_films_left_out_is_applied():
    logits, labels, films = of_films(5.0)
    found = calibration.choose_temperature(logits, labels, films)
    assert found["temperature"] == found["fitted_temperature"]
    assert found["temperature"] == pytest.approx(5.0, rel=0.1)
    assert found["num_films"] == 6
    assert found["log_loss"]["after"] < found["log_loss"]["before"]


def test_a_temperature_that_does_not_help_on_films_left_out_is_not_applied():
    # Right of all pairs but those of one film: it alone makes the others'
    # scores flat, and without it they are sharp.
    logits, labels, films = of_films(1.0)
    logits = 4.0 * np.eye(6)[labels]
    is_odd = films == "film 5"
    logits[is_odd] = np.roll(logits[is_odd], 1, axis=1) / 4
    found = calibration.choose_temperature(logits, labels, films)
    assert found["temperature"] == 1.0
    assert found["fitted_temperature"] != pytest.approx(1.0, abs=0.05)
    assert found["log_loss"]["after"] > found["log_loss"]["before"]
    # Each film has the same weight, however many pairs it has.
    again = np.concatenate([np.arange(1200), np.flatnonzero(films == "film 0")])
    twice = calibration.choose_temperature(
        logits[again], labels[again], films[again]
    )
    assert twice["log_loss"]["before"] == pytest.approx(
        found["log_loss"]["before"]
    )


def test_a_temperature_of_one_film_cannot_be_tried_and_is_not_applied():
    logits, labels, _ = of_films(5.0)
    found = calibration.choose_temperature(logits, labels, np.zeros(1200))
    assert found["temperature"] == 1.0
    assert found["fitted_temperature"] == pytest.approx(5.0, rel=0.1)
    assert found["log_loss"] == {"before": None, "after": None}


@pytest.mark.parametrize(
    "changes, words",
    [
        ({}, r"in turn, it changes the log loss .* to 0\.300: it is applied"),
        ({"temperature": 1.0}, "it is not applied"),
        (
            {"log_loss": {"before": None, "after": None}},
            "one film. It cannot be tried on another, and is not applied",
        ),
        # As evaluate wrote it before.
        ({"log_loss": None}, r"validation split\. Expected"),
        ({"split": None}, "has no validation split"),
    ],
)
def test_what_was_done_is_told(changes, words):
    fitted = {
        "temperature": 2.0,
        "fitted_temperature": 2.0,
        "num_films": 6,
        "num_pairs": 1200,
        "split": "validation",
        "log_loss": {"before": 0.5, "after": 0.3},
        "expected_calibration_error": {"before": 0.2, "after": 0.1},
    }
    metrics = {"split": "test", "calibration": fitted | changes}
    assert re.search(words, tasks.REPORT.calibration_text(metrics))


@pytest.mark.parametrize("temperature", [0.05, 1.0, 7.0, 100.0])
def test_no_temperature_changes_a_verdict(temperature):
    logits, _ = drawn(200)
    scores = calibration.probabilities(logits, temperature)
    assert scores.dtype == np.float32
    np.testing.assert_array_equal(scores.argmax(axis=1), logits.argmax(axis=1))
    np.testing.assert_allclose(scores.sum(axis=1), 1.0, rtol=1e-5)


def test_calibration_error_of_an_example_done_by_hand():
    # With four bins. (0.25, 0.5]: scores 0.5 and 0.4, one right, so
    # |1 - 0.9|. (0.5, 0.75]: 0.6 right and 0.7 right: |2 - 1.3|.
    # (0.75, 1]: 0.9 wrong: |0 - 0.9|. Together 1.7 of five pairs.
    scores = np.array(
        [
            [0.5, 0.3, 0.2],
            [0.4, 0.3, 0.3],
            [0.6, 0.4, 0.0],
            [0.1, 0.7, 0.2],
            [0.05, 0.05, 0.9],
        ]
    )
    labels = np.array([0, 1, 0, 1, 0])
    error = calibration.expected_calibration_error(
        *judged(labels, scores), num_bins=4
    )
    assert error == pytest.approx(1.7 / 5)


def test_scores_of_one_are_in_the_last_bin():
    scores = np.eye(6)
    for labels, expected in ((np.arange(6), 0.0), ((np.arange(6) + 1) % 6, 1)):
        error = calibration.expected_calibration_error(*judged(labels, scores))
        assert error == pytest.approx(expected)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_logits_that_are_not_finite_are_refused(bad):
    logits, labels = drawn(10)
    logits[3, 2] = bad
    with pytest.raises(ValueError, match="10 pairs, 1 logits that are not"):
        calibration.fit_temperature(logits, labels)


def test_no_pairs_are_refused():
    with pytest.raises(ValueError, match="Received: 0 pairs"):
        calibration.fit_temperature(np.zeros((0, 6)), np.zeros(0, int))
