"""Calibrated scores: a temperature for all logits, or genre by genre."""

import numpy as np
from scipy import optimize
from scipy import special

# Where temperatures are looked for: from scores a hundred times as sharp to a
# hundred times as flat.
_BOUNDS = (0.01, 100.0)

# What may be added to a genre's logits, which then say "never" or "always".
_MOST_BIAS = 20.0

# Films are left out one by one, or in as many groups.
_MOST_GROUPS = 20


def probabilities(logits, temperature):
    """Turns logits into calibrated probabilities.

    Args:
        logits: Float NumPy array or Keras tensor (pairs, genres).
        temperature: Float above 0; 1 leaves the softmax as it is.

    Returns:
        What `logits` is, float32 (pairs, genres): softmax(logits /
        temperature).
    """
    if isinstance(logits, np.ndarray):
        return special.softmax(np.float32(logits) / np.float32(temperature), 1)
    # Only now: arrays are calibrated without Keras, which takes seconds.
    from keras import ops

    return ops.softmax(ops.cast(logits, "float32") / temperature)


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
    logits = _checked(logits)
    num_pairs, num_genres = logits.shape
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


def _checked(logits):
    """Returns logits as float64; `ValueError` if they are no numbers."""
    logits = np.asarray(logits, np.float64)
    if not len(logits) or not np.isfinite(logits).all():
        raise ValueError(
            "Expected finite logits of one pair or more. Received: "
            f"{len(logits)} pairs, {np.sum(~np.isfinite(logits))} logits that "
            "are not finite"
        )
    return logits


def choose_temperature(logits, labels, films):
    """Fits a temperature, and applies it if it helps on films not fitted on.

    A validation split is a handful of films, whose pairs resemble each other:
    what fits them need not fit the next film. So each film is left out in
    turn, of more than 20 in 20 groups, and the temperature of the others is
    tried on it.

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
    names, place = np.unique(films, return_inverse=True)
    losses = {"before": None, "after": None}
    if len(names) > 1:
        group = place % _MOST_GROUPS
        scaled = np.asarray(logits, np.float64).copy()
        for each in np.unique(group):
            out = group == each
            scaled[out] /= fit_temperature(logits[~out], labels[~out])
        losses = {
            "before": _loss_by_film(logits, labels, place),
            "after": _loss_by_film(scaled, labels, place),
        }
    is_better = len(names) > 1 and losses["after"] < losses["before"]
    return {
        "temperature": fitted if is_better else 1.0,
        "fitted_temperature": fitted,
        "num_films": len(names),
        "log_loss": losses,
    }


def _loss_by_film(logits, labels, place):
    """Returns the log loss of pairs, of which each film weighs 1."""
    logs = special.log_softmax(np.asarray(logits, np.float64), axis=1)
    of_pairs = -logs[np.arange(len(labels)), labels]
    return float(np.mean(np.bincount(place, of_pairs) / np.bincount(place)))


def choose_by_genre(logits, is_of, films):
    """Calibrates each genre by itself, in the way that helps on other films.

    Tried are a temperature (Guo et al. 2017) and Platt's scale and bias (Platt
    1999, "Probabilistic Outputs for Support Vector Machines", with its targets,
    which are never certain). Films are left out as in `choose_temperature`.

    Args:
        logits: Float array (pairs, genres), of pairs that the model was not
            trained on.
        is_of: Bool array (pairs, genres), which genres each pair has.
        films: Array (pairs,), the film of each pair.

    Returns:
        A dict: `genres`, a list of (way, scale, bias), the way `"none"`,
        `"temperature"` or `"platt"`; `num_films`; and `log_loss`, of the films
        left out, the genres' mean, `before` and `after` (None of a single
        film).

    Raises:
        ValueError: If there is no pair, or a logit is not finite.
    """
    logits = _checked(logits)
    names, place = np.unique(films, return_inverse=True)
    group = place % _MOST_GROUPS
    chosen, losses = [], []
    for column, own in zip(logits.T, np.asarray(is_of, bool).T, strict=True):
        found = _losses_left_out(column, own, place, group)
        losses.append((found["none"], min(found.values())))
        way = min(found, key=found.get)  # of equal ones, the simplest
        chosen.append((way, *_WAYS[way](column, own)))
    before, after = np.mean(losses, axis=0).tolist()
    is_tried = len(names) > 1
    return {
        "genres": chosen,
        "num_films": len(names),
        "log_loss": {
            "before": before if is_tried else None,
            "after": after if is_tried else None,
        },
    }


def _losses_left_out(logits, own, place, group):
    """Returns the log loss of each way on films left out, each weighing 1."""
    ways = (
        _WAYS
        if len(np.unique(place)) > 1 and 0 < own.sum() < len(own)
        else ["none"]
    )
    losses = {}
    for way in ways:
        scaled = np.empty_like(logits)
        for each in np.unique(group):
            out = group == each
            scale, bias = _WAYS[way](logits[~out], own[~out])
            scaled[out] = logits[out] * scale + bias
        of_pairs = np.logaddexp(0, np.where(own, -scaled, scaled))
        losses[way] = np.mean(np.bincount(place, of_pairs) / np.bincount(place))
    return losses


def _platt(logits, own, with_bias=True):
    """Fits scale and bias of one genre's logits."""
    num_own = own.sum()
    targets = np.where(
        own, (num_own + 1) / (num_own + 2), 1 / (len(own) - num_own + 2)
    )

    def loss(parameters):
        scale, bias = np.exp(parameters[0]), parameters[1] * with_bias
        scaled = logits * scale + bias
        value = np.mean(np.logaddexp(0, scaled) - targets * scaled)
        errors = special.expit(scaled) - targets
        slope = np.mean(errors * logits) * scale
        return value, np.array([slope, np.mean(errors) * with_bias])

    bounds = [tuple(np.log(_BOUNDS)), (-_MOST_BIAS, _MOST_BIAS)]
    found = optimize.minimize(
        loss, np.zeros(2), jac=True, method="L-BFGS-B", bounds=bounds
    )
    return float(np.exp(found.x[0])), float(found.x[1] * with_bias)


# From a way to the function that fits it, the simplest first.
_WAYS = {
    "none": lambda logits, own: (1.0, 0.0),
    "temperature": lambda logits, own: _platt(logits, own, with_bias=False),
    "platt": _platt,
}


def expected_calibration_error(sure, is_right, num_bins=15):
    """Says by how much scores miss how often they are right.

    Guo et al. 2017, equation 3: over bins of equal width, the mean of
    |accuracy - score|, each bin counted by its answers.

    Args:
        sure: float64 array (answers,), the score of each, 0 to 1.
        is_right: Bool array (answers,).
        num_bins: Integer, how many bins the scores from 0 to 1 fall into.

    Returns:
        Float, from 0 (as sure as right) to 1.
    """
    # As in the paper, a bin has its upper end: (0, 1/15] is the first.
    bins = np.clip(np.ceil(sure * num_bins) - 1, 0, num_bins - 1)
    gaps = np.bincount(
        bins.astype(int), weights=is_right - sure, minlength=num_bins
    )
    return float(np.abs(gaps).sum() / len(sure))


def checked_temperature(told):
    """Returns the temperature of a calibration that a file has.

    Args:
        told: What `choose_temperature` returned; it may be malformed.

    Returns:
        Float above 0.

    Raises:
        ValueError: If there is none.
    """
    temperature = told["temperature"] if isinstance(told, dict) else None
    is_number = type(temperature) in (int, float)
    # Far beyond what is fitted, scores become NaN.
    if not is_number or not _BOUNDS[0] / 10 <= temperature <= 10 * _BOUNDS[1]:
        raise ValueError(f"the temperature is {temperature!r}")
    return float(temperature)
