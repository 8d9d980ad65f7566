"""Calibrated scores: one temperature for all logits."""

import numpy as np
from keras import ops
from scipy import optimize
from sklearn import metrics

# Where temperatures are looked for: from scores a hundred times as sharp to a
# hundred times as flat.
_BOUNDS = (0.01, 100.0)


def probabilities(logits, temperature):
    """Turns logits into calibrated probabilities.

    Args:
        logits: Float NumPy array or Keras tensor (pairs, genres).
        temperature: Float above 0; 1 leaves the softmax as it is.

    Returns:
        What `logits` is, float32 (pairs, genres): softmax(logits /
        temperature).
    """
    is_array = isinstance(logits, np.ndarray)
    scores = ops.softmax(ops.cast(logits, "float32") / temperature)
    return ops.convert_to_numpy(scores) if is_array else scores


def fit_temperature(logits, labels):
    """Finds the temperature under which labels are most likely.

    Guo et al. 2017, "On Calibration of Modern Neural Networks", section 4.2.
    As Platt 1999 does, no label counts as certain: of N pairs and K genres,
    the true genre's target is (N + 1) / (N + K). Otherwise a model without a
    mistake on the pairs would be taken as infinitely certain.

    Args:
        logits: Float array (pairs, genres), of pairs that the model was not
            trained on.
        labels: Integer array (pairs,), places of genres.

    Returns:
        Float, from 0.01 to 100.

    Raises:
        ValueError: If there is no pair, or a logit is not finite.
    """
    logits = np.asarray(logits, np.float64)
    num_pairs, num_genres = logits.shape
    if not num_pairs or not np.isfinite(logits).all():
        raise ValueError(
            "Expected finite logits of one pair or more. Received: "
            f"{num_pairs} pairs, {np.sum(~np.isfinite(logits))} logits that "
            "are not finite"
        )
    targets = np.full(logits.shape, 1 / (num_pairs + num_genres))
    targets[np.arange(num_pairs), labels] *= num_pairs + 1

    def loss(log_temperature):
        scaled = logits / np.exp(log_temperature)
        scaled -= scaled.max(axis=1, keepdims=True)
        log_sums = np.log(np.exp(scaled).sum(axis=1, keepdims=True))
        return -np.mean(np.sum(targets * (scaled - log_sums), axis=1))

    found = optimize.minimize_scalar(
        loss, bounds=np.log(_BOUNDS), method="bounded"
    )
    return float(np.exp(found.x))


def choose_temperature(logits, labels, films):
    """Fits a temperature, and applies it if it helps on films not fitted on.

    A validation split is a handful of films, whose pairs resemble each other:
    what fits them need not fit the next film. So each film is left out in
    turn, and the temperature of the others is tried on it.

    Args:
        logits: Float array (pairs, genres), of pairs that the model was not
            trained on.
        labels: Integer array (pairs,), places of genres.
        films: Array (pairs,), the film of each pair.

    Returns:
        A dict of plain values: `temperature`, 1 if none is applied;
        `fitted_temperature`, that of all pairs; `num_films`; and `log_loss`,
        of the films left out, each with the same weight, `before` and `after`
        (None of a single film, on which nothing can be tried).

    Raises:
        ValueError: As `fit_temperature` does.
    """
    fitted = fit_temperature(logits, labels)
    names = np.unique(films)
    losses = {"before": None, "after": None}
    if len(names) > 1:
        found = []
        for name in names:
            own = films == name
            others = fit_temperature(logits[~own], labels[~own])
            found.append(
                [
                    metrics.log_loss(
                        labels[own],
                        probabilities(logits[own], temperature),
                        labels=np.arange(logits.shape[1]),
                    )
                    for temperature in (1.0, others)
                ]
            )
        before, after = np.mean(found, axis=0).tolist()
        losses = {"before": before, "after": after}
    is_better = len(names) > 1 and losses["after"] < losses["before"]
    return {
        "temperature": fitted if is_better else 1.0,
        "fitted_temperature": fitted,
        "num_films": len(names),
        "log_loss": losses,
    }


def expected_calibration_error(labels, scores, num_bins=15):
    """Says by how much the scores of verdicts miss how often they are right.

    Guo et al. 2017, equation 3: over bins of equal width, the mean of
    |accuracy - score|, each bin counted by its pairs.

    Args:
        labels: Integer array (pairs,), places of genres.
        scores: Float array (pairs, genres), probabilities.
        num_bins: Integer, how many bins the scores from 0 to 1 fall into.

    Returns:
        Float, from 0 (as sure as right) to 1.
    """
    highest = scores.max(axis=1).astype(np.float64)
    is_right = scores.argmax(axis=1) == labels
    # As in the paper, a bin has its upper end: (0, 1/15] is the first.
    bins = np.clip(np.ceil(highest * num_bins) - 1, 0, num_bins - 1)
    gaps = np.bincount(
        bins.astype(int), weights=is_right - highest, minlength=num_bins
    )
    return float(np.abs(gaps).sum() / len(labels))


def temperature_of(measured, run_dir):
    """Returns the temperature that `evaluate` has written.

    Args:
        measured: What its `metrics.json` has; it may be malformed.
        run_dir: Path of the run, for the error.

    Returns:
        Float above 0.

    Raises:
        ValueError: If there is none.
    """
    try:
        temperature = measured["calibration"]["temperature"]
    except (KeyError, TypeError, IndexError):
        temperature = None
    is_number = type(temperature) in (int, float)
    # Far beyond what is fitted, scores become NaN.
    if not is_number or not _BOUNDS[0] / 10 <= temperature <= 10 * _BOUNDS[1]:
        raise ValueError(
            "Expected a run that was evaluated, for its scores to be "
            f"calibrated: python -m keras_ssc.evaluate {run_dir}"
        )
    return float(temperature)
