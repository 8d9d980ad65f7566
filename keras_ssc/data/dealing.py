"""Films dealt to folds."""

import numpy as np


def deal(is_of, num_folds, seed):
    """Deals films to folds, those of the rarest genre first.

    Args:
        is_of: Bool array (films, genres).
        num_folds: Integer.
        seed: Integer.

    Returns:
        A tuple: the order in which the films were dealt, and each film's fold,
        integer arrays (films,).
    """
    order, fold_of = [], np.full(len(is_of), -1)
    for label in np.argsort(is_of.sum(axis=0), kind="stable"):
        own = np.flatnonzero(is_of[:, label] & (fold_of < 0))
        for film in np.random.default_rng([seed, label]).permutation(own):
            # The fold with the fewest films of the genre.
            dealt = fold_of[is_of[:, label] & (fold_of >= 0)]
            in_folds = np.bincount(dealt, minlength=num_folds)
            fold_of[film] = in_folds.argmin()
            order.append(film)
    return np.array(order), fold_of
