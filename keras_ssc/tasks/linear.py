"""Linear classifiers of features, by scikit-learn's logistic regression."""

import warnings

import numpy as np
from sklearn import exceptions
from sklearn import linear_model

# The logit of what no pair to train on has.
NEVER = -30.0

# Iterations for one strength; the next one goes on from there.
_MOST_ITERATIONS = 200


def fits(features, classes, shares, strengths):
    """Fits classifiers, each from the one before.

    Args:
        features: float32 array (pairs, n), of about unit length.
        classes: Integer array (pairs,), two classes or more among them.
        shares: Float array (pairs,), how much each pair counts, of sum 1.
        strengths: Iterable of floats above 0, of the L2 penalty on the mean
            loss, from strong to weak.

    Yields:
        For each strength, a tuple: kernel (n, classes that are there) and bias
        (classes that are there), of logits, in the order of the classes.
    """
    num_pairs = len(classes)
    found = linear_model.LogisticRegression(
        warm_start=True, max_iter=_MOST_ITERATIONS
    )
    for strength in strengths:
        found.set_params(C=1 / (strength * num_pairs))
        with warnings.catch_warnings():
            # The weakest penalties of classes that are far apart have no end.
            warnings.simplefilter("ignore", exceptions.ConvergenceWarning)
            found.fit(features, classes, sample_weight=shares * num_pairs)
        kernel, bias = found.coef_.T, found.intercept_
        if kernel.shape[1] == 1:
            # Of two classes, the second one's logit less the first one's.
            kernel = np.concatenate([-kernel / 2, kernel / 2], axis=1)
            bias = np.concatenate([-bias / 2, bias / 2])
        yield kernel, bias


def binary_fits(features, is_of, shares, strengths):
    """Fits one classifier of two classes, see `fits`.

    Args:
        features: See `fits`.
        is_of: Bool array (pairs,).
        shares: See `fits`.
        strengths: See `fits`.

    Yields:
        For each strength, a tuple: kernel (n,) and bias, of one logit.
    """
    if is_of.all() or not is_of.any():
        bias = -NEVER if is_of.all() else NEVER
        yield from ((np.zeros(features.shape[1]), bias) for _ in strengths)
        return
    for kernel, bias in fits(features, is_of, shares, strengths):
        yield kernel[:, 1] - kernel[:, 0], bias[1] - bias[0]
