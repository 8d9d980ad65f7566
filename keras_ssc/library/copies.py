"""Which films of a library are copies of one another: coded anew, resized.

Two films are if they are about as long, their features are alike as a whole,
and so are their small pictures at the same moments, by a perceptual hash (the
signs of the lowest frequencies of 32 by 32 grey pixels around their median).
`experiments.copies` measured this beside other ways.
"""

import dataclasses
import functools

import cv2
import numpy as np

# How much longer the longer of two copies is at most: a film of 24 frames a
# second that is shown at 25 is 4 % shorter.
MOST_LONGER = 1.05

# The least cosine of two copies' mean features; films of which it is less are
# not looked at further. And the least share of equal bits of their pictures:
# of any two pictures, about half are equal.
LEAST_ALIKE_MEANS = 0.8
LEAST_ALIKE = 0.79

# Films that are compared with others at once: 1,024 with 10,000 take 40 MB.
_BLOCK = 1024

_SIDE, _LOWEST = 32, 8


@dataclasses.dataclass(frozen=True, eq=False)
class Hashes:
    """A film's pictures, hashed.

    Attributes:
        moments: float array (pictures,), when they are, of the film 0 to 1.
        bits: Boolean array (pictures, 64).
    """

    moments: np.ndarray
    bits: np.ndarray


def find(library):
    """Finds copies among the films that were read.

    Args:
        library: A `database.Library`.

    Returns:
        A list of lists of films' `id`s, two or more each.
    """
    groups = Groups()
    films = {film.id: film for film in library.films()}
    hashes = functools.cache(lambda film: hashes_of(library, films[film]))
    for one, other in _candidates(library, films):
        if groups.of(one) is groups.of(other):
            continue
        if alike(hashes(one), hashes(other)) >= LEAST_ALIKE:
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


def hashes_of(library, film, hash_of=None):
    """Hashes the pictures of a film that was read.

    Args:
        library: A `database.Library`.
        film: A `database.LibraryFilm`.
        hash_of: Function of a JPEG's bytes that returns a boolean array
            (bits,); None for `phash`.

    Returns:
        A `Hashes`.
    """
    moments, bits = [], []
    for shot in library.shots(film.id):
        picture = library.picture(film.id, shot.number)
        if picture is not None:
            middle = (shot.start_seconds + shot.end_seconds) / 2
            moments.append(middle / film.seconds)
            bits.append((hash_of or phash)(picture))
    return Hashes(np.array(moments), np.array(bits))


def phash(picture):
    """Hashes a picture so that one that looks alike has nearly the same bits.

    Args:
        picture: Bytes of a JPEG.

    Returns:
        Boolean array (64,).
    """
    data = np.frombuffer(picture, np.uint8)
    grey = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
    small = cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    lowest = cv2.dct(np.float32(small))[:_LOWEST, :_LOWEST].ravel()
    return lowest > np.median(lowest)


def alike(one, other):
    """Says how alike two films' pictures are.

    Args:
        one: A `Hashes`.
        other: Another film's.

    Returns:
        Float, 0 to 1: the share of equal bits of pictures at the same moments;
        0 if one has no picture.
    """
    if not len(one.moments) or not len(other.moments):
        return 0.0
    nearest = np.abs(one.moments[:, np.newaxis] - other.moments).argmin(axis=1)
    return float((one.bits == other.bits[nearest]).mean())


def _unit(rows):
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)


class Groups:
    """Groups of films that grow together."""

    def __init__(self):
        self._group_of = {}

    def of(self, film):
        """Returns a list of the film's group, itself among them."""
        return self._group_of.setdefault(film, [film])

    def join(self, one, other):
        """Makes one group of two films' groups, which are not one yet."""
        joined, added = self.of(one), self.of(other)
        joined += added
        self._group_of |= dict.fromkeys(added, joined)

    def all(self):
        """Returns the groups of two or more."""
        found = {id(group): group for group in self._group_of.values()}
        return [sorted(group) for group in found.values() if len(group) > 1]
