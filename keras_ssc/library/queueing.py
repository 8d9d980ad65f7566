"""Which films to label next: those that teach most about the others."""

import heapq

import numpy as np

# The films that are chosen one after the other; nobody labels more before the
# next time that the library learns.
_NUM_CHOSEN = 200

# Of a large library, the films that stand for all in what a label teaches.
_MOST_TAUGHT = 2000

# What is certain counts, too: a head may be certain and wrong.
_LEAST_UNCERTAINTY = 1e-3


def order(uncertainty, coordinates, is_labelled):
    """Puts the films without a label into the order to label them in.

    A label teaches about the films that are nearer to its film than to any
    that is labelled or asked about before: by so much nearer, and the more, the
    less is certain of them (the greedy solution of facility location; Wei et
    al. 2015, "Submodularity in Data Subset Selection and Active Learning").
    So an unsure film that stands for many comes first, next one that is unlike
    it, and what resembles no other film late. With nothing labelled, it begins
    with the most usual film.

    Args:
        uncertainty: Float array (films,), 0 to 1; all the same if nothing is
            known.
        coordinates: Float array (films, n), see `heads.Space`.
        is_labelled: Bool array (films,).

    Returns:
        Integer array, the places of the films without a label.
    """
    asked = np.flatnonzero(~is_labelled)
    if not len(asked):
        return asked
    unsure, own = uncertainty[asked], coordinates[asked]
    taught = np.linspace(0, len(own) - 1, min(len(own), _MOST_TAUGHT))
    taught = taught.round().astype(int)
    distance = _distances(own, own[taught])
    nearest = np.full(len(taught), distance.max())
    if is_labelled.any():
        labelled = coordinates[is_labelled]
        nearest = _distances(own[taught], labelled).min(axis=1)
    weight = np.maximum(unsure[taught], _LEAST_UNCERTAINTY)
    chosen = _choose(distance, nearest, np.float32(weight))
    rest = np.setdiff1d(np.arange(len(asked)), chosen)
    rest = rest[np.argsort(-unsure[rest], kind="stable")]
    return asked[np.concatenate([chosen, rest])]


def _choose(distance, nearest, weight):
    """Returns the first films, an integer array.

    Args:
        distance: float32 array (films, taught).
        nearest: float32 array (taught,), how far each is from what is known.
        weight: float32 array (taught,), what each counts.
    """

    def gain(place):
        return np.maximum(nearest - distance[place], 0) @ weight

    # A gain only ever falls: what is first after it was computed anew, is.
    waiting = [(-gain(place), place) for place in range(len(distance))]
    heapq.heapify(waiting)
    chosen = []
    while waiting and len(chosen) < _NUM_CHOSEN:
        place = waiting[0][1]
        now = (-gain(place), place)
        if len(waiting) == 1 or now <= min(waiting[1:3]):
            heapq.heappop(waiting)
            chosen.append(place)
            nearest = np.minimum(nearest, distance[place])
        else:
            heapq.heapreplace(waiting, now)
    return np.array(chosen)


def _distances(rows, others):
    """Returns distances, float32 (rows, others)."""
    squares = np.square(rows).sum(axis=1)[:, np.newaxis] - 2 * rows @ others.T
    squares += np.square(others).sum(axis=1)
    return np.sqrt(np.maximum(squares, 0), dtype=np.float32)
