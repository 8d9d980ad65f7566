"""Few numbers of a pair, and what they can classify without any network."""

import cv2
import numpy as np
from sklearn import linear_model

# What pairs without motion have in place of their magnitude, whose logarithm
# may be any: 0.04 pixels of motion on a frame of extract. Between a frame and
# itself Farneback's method sees up to a third of that.
MAGNITUDE_FLOOR = 1e-4

# Of red, of green and of blue: coarse enough for few films.
_BINS = 4


def colour_histogram(frame):
    """Counts a frame's colours.

    Args:
        frame: uint8 array (height, width, 3), RGB.

    Returns:
        float32 array (64,): the roots of the shares of the pixels in 4x4x4
        boxes of red, green and blue. Joint, since three histograms of a
        channel each cannot separate a grey frame from one of red, green and
        blue things. Roots, since their differences are Hellinger's distance:
        scaled to one spread instead, a colour that hardly occurs in training
        would outweigh all others of a film that has it.
    """
    counts = cv2.calcHist([frame], [0, 1, 2], None, [_BINS] * 3, [0, 256] * 3)
    return np.sqrt(counts.ravel() / counts.sum())


def colour_classifier(seed):
    """Returns an untrained scikit-learn classifier of colour histograms."""
    # Linear: trees on 64 numbers memorise a handful of films.
    return linear_model.LogisticRegression(max_iter=2000, random_state=seed)


def balanced_accuracy_interval(labels, accuracies, seed=0, num_draws=2000):
    """Estimates how far a balanced accuracy depends on the choice of films.

    Pairs of a film are much alike, so films are drawn, with replacement, and
    not pairs (a bootstrap of clusters). Each film counts as much as any other
    of its genre.

    Args:
        labels: Integer array (films,), at least one.
        accuracies: Float array (films,), the share of each film's pairs that
            are classified right.
        seed: Integer.
        num_draws: Integer, how often the films are drawn.

    Returns:
        A tuple of floats (balanced accuracy, low, high): over all films, and
        the bounds that 95 % of the draws lie within.
    """
    labels, accuracies = np.asarray(labels), np.asarray(accuracies)
    generator = np.random.default_rng(seed)
    drawn = generator.integers(len(labels), size=(num_draws, len(labels)))
    everything = _mean_of_genres(labels, accuracies)
    draws = [_mean_of_genres(labels[d], accuracies[d]) for d in drawn]
    low, high = np.quantile(draws, (0.025, 0.975))
    return float(everything), float(low), float(high)


def _mean_of_genres(labels, accuracies):
    counts = np.bincount(labels)
    sums = np.bincount(labels, accuracies)
    return (sums[counts > 0] / counts[counts > 0]).mean()
