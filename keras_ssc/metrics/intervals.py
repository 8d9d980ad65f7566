"""How far a mean depends on which films there are."""

import numpy as np
from scipy import stats

NUM_DRAWS, CONFIDENCE = 10_000, 0.95

# Draws of fewer hold the same films.
_FEWEST = 3


def mean_of_films(values):
    """Computes the mean of the films' values and its interval.

    Pairs of a film resemble each other: what varies is the film. So films are
    drawn with replacement (a bootstrap).

    Args:
        values: Float array (films,).

    Returns:
        A tuple of floats: the mean, and the ends of its 95 % interval, None of
        fewer than three films.
    """
    values = np.asarray(values, np.float64)
    if len(values) < _FEWEST:
        return float(values.mean()), None, None
    low, high = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=NUM_DRAWS,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return float(values.mean()), float(low), float(high)
