"""Which films to label next: those that teach most."""

import numpy as np

# The films that are chosen one after the other, each unlike those before it;
# nobody labels more before the next time that the library learns.
_NUM_CHOSEN = 200


def order(uncertainty, coordinates, is_labelled):
    """Puts the films without a label into the order to label them in.

    Args:
        uncertainty: Float array (films,), 0 to 1; all the same if nothing is
            known.
        coordinates: Float array (films, n), see `heads.Space`.
        is_labelled: Bool array (films,).

    Returns:
        Integer array, the places of the films without a label.
    """
    asked = np.flatnonzero(~is_labelled)
    own, unsure = coordinates[asked], uncertainty[asked]
    distance = _nearest(own, coordinates[is_labelled])
    if not is_labelled.any():
        # The most usual film first, of which one knows what it teaches.
        first = _squares(own, own.mean(axis=0, keepdims=True))[:, 0].argmin()
    is_left = np.ones(len(asked), bool)
    chosen = []
    for _ in range(min(_NUM_CHOSEN, len(asked))):
        value = unsure * distance
        if not chosen and not is_labelled.any():
            place = int(first)
        else:
            place = int(np.where(is_left, value, -1.0).argmax())
        chosen.append(place)
        is_left[place] = False
        distance = np.minimum(distance, _squares(own, own[[place]])[:, 0])
    rest = np.flatnonzero(is_left)
    rest = rest[np.argsort(-unsure[rest], kind="stable")]
    return asked[np.concatenate([chosen, rest]).astype(int)]


def _nearest(rows, others):
    if not len(others):
        return np.full(len(rows), np.inf)
    return _squares(rows, others).min(axis=1)


def _squares(rows, others):
    """Returns squares of distances, (rows, others)."""
    found = np.square(rows).sum(axis=1)[:, np.newaxis] - 2 * rows @ others.T
    return np.maximum(found + np.square(others).sum(axis=1), 0.0)
