"""Which films of a library are copies of one another: coded anew, resized.

Two films are if they are about as long, and if what they show and how it moves
is alike at the same moments, in the stored features. `experiments.copies`
measured this beside other ways.
"""

import functools

import numpy as np

from keras_ssc.library import features

# How much longer the longer of two copies is at most: a film of 24 frames a
# second that is shown at 25 is 4 % shorter.
MOST_LONGER = 1.05

# The least cosine of two copies' mean features, and the least mean cosine of
# their pairs' at the same moments. Films of which the first is less are not
# looked at further.
LEAST_ALIKE_MEANS = 0.9
LEAST_ALIKE = 0.9

# Films that are compared with others at once: 1,024 with 10,000 take 40 MB.
_BLOCK = 1024

# Films whose features are kept in memory, of 0.2 MB each.
_MOST_KEPT = 512


def find(library):
    """Finds copies among the films that were read.

    Args:
        library: A `database.Library`.

    Returns:
        A list of lists of films' `id`s, two or more each.
    """
    groups = _Groups()
    films = {film.id: film for film in library.films()}

    @functools.lru_cache(_MOST_KEPT)
    def stored(film):
        return features.load(library.path, films[film].content)

    for one, other in _candidates(library, films):
        if groups.of(one) is groups.of(other):
            continue
        pair = [(stored(film), films[film].seconds) for film in (one, other)]
        if None not in (pair[0][0], pair[1][0]) and (
            alike(*pair) >= LEAST_ALIKE
        ):
            groups.join(one, other)
    return groups.all()


def _candidates(library, films):
    """Yields pairs of `id`s of films that may be copies."""
    ids, means = library.means()
    seconds = np.array([films[film].seconds for film in ids])
    order = np.argsort(seconds)
    ids, means, seconds = ids[order], _unit(means[order]), seconds[order]
    for start in range(0, len(ids), _BLOCK):
        own = slice(start, start + _BLOCK)
        longest = seconds[own][-1] * MOST_LONGER
        others = slice(start, np.searchsorted(seconds, longest, "right"))
        is_candidate = (means[own] @ means[others].T >= LEAST_ALIKE_MEANS) & (
            seconds[others] <= seconds[own, np.newaxis] * MOST_LONGER
        )
        for one, other in np.argwhere(np.triu(is_candidate, 1)):
            yield int(ids[start + one]), int(ids[start + other])


def alike(one, other, parts=(0, 1)):
    """Says how alike two films are.

    Args:
        one: Tuple of a `features.Features` and the film's seconds.
        other: The same of another film.
        parts: Tuple of integers, what is compared: 0, the frames' features;
            1, those of their motion.

    Returns:
        Float, -1 to 1: the mean cosine of the features of pairs at the same
        moments, of frames or of motion, whichever is less alike.
    """
    (one, one_seconds), (other, other_seconds) = one, other
    moments = one.seconds / one_seconds
    nearest = np.abs(
        moments[:, np.newaxis] - other.seconds / other_seconds
    ).argmin(axis=1)
    mine, its = (
        np.split(np.float32(pairs), 2, axis=1)
        for pairs in (one.pairs, other.pairs[nearest])
    )
    return min(
        float((_unit(mine[x]) * _unit(its[x])).sum(axis=1).mean())
        for x in parts
    )


def _unit(rows):
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)


class _Groups:
    """Groups that grow together."""

    def __init__(self):
        self._group_of = {}

    def of(self, film):
        """Returns a list of the film's group, itself among them."""
        return self._group_of.setdefault(film, [film])

    def join(self, one, other):
        joined, added = self.of(one), self.of(other)
        joined += added
        self._group_of |= dict.fromkeys(added, joined)

    def all(self):
        """Returns the groups of two or more."""
        found = {id(group): group for group in self._group_of.values()}
        return [sorted(group) for group in found.values() if len(group) > 1]
