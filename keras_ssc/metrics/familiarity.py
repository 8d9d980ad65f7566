"""How much pairs look like the films that a model was trained on.

How far a pair is from them is its mean distance to the nearest three of them,
and from a film to its nearest three rows, the features of some of its pairs
(Sun et al. 2022, "Out-of-Distribution Detection with Deep Nearest Neighbors").
Of several films: one that has a twin, such as another episode, would be near
whatever it looks like, and what has none would be far. What is far is judged by
the training films themselves: by how far the pairs of each are from the others
(Bates et al. 2023, "Testing for Outliers with Conformal p-values", by film and
without the + 1). So no other films are needed for it.
"""

import io
import pathlib

import numpy as np

from keras_ssc import files
from keras_ssc.metrics import scoring
from keras_ssc.metrics.unlike import UNLIKE

# That a distance is the mean of: nearest films, and nearest rows of each.
_FILMS, _ROWS = 3, 3

# Of all training films together; for `strength`, which fits once a genre.
_MOST_ROWS, _MOST_ROWS_OF_STRENGTH = 4096, 1024

# Of a direction: what is no longer has none.
LEAST_LENGTH = 1e-6

# Pairs compared with all rows at once.
_BLOCK = 256


class Familiarity:
    """What training films look like; `fit` makes it, `load` reads it.

    Args:
        rows: Float array (rows, n), features of training pairs, those of one
            film behind each other.
        num_rows: Integer array (films,), how many rows are of each film.
        distances: Float array (rows,), how far each is from the rows of the
            other films, those of one film in ascending order.
        encoder: String, which encoder the features are of.
        is_unit: Boolean, whether rows are of unit length, and pairs that are
            judged are brought to it, as in Sun et al.

    Attributes:
        rows: float32 array, as the argument.
        num_rows: int64 array, as the argument.
        distances: float32 array, as the argument.
        encoder: String, as the argument.
        is_unit: Boolean, as the argument.
        num_films: Integer, the nearest films that a distance is the mean of:
            3, or as many others as there are.
        rows_each: Integer, the nearest rows of each of these: 3, or as many as
            every film has.
        weights: float64 array (rows,), what each of `distances` counts, of
            sum 1: every film the same.
        ordered: float32 array (rows,), `distances` in ascending order.
        counts: float32 array (rows + 1,), what all from a place in `ordered`
            on count, 0 to 1.
    """

    def __init__(self, rows, num_rows, distances, encoder="", is_unit=True):
        self.rows = np.asarray(rows, np.float32)
        self.num_rows = np.asarray(num_rows, np.int64)
        self.distances = np.asarray(distances, np.float32)
        self.encoder = encoder
        self.is_unit = is_unit
        self.num_films, self.rows_each = _counts_of(self.num_rows)
        self.weights = np.repeat(
            1 / (len(self.num_rows) * self.num_rows), self.num_rows
        )
        order = np.argsort(self.distances)
        self.ordered = self.distances[order]
        counts = np.cumsum(self.weights[order][::-1])[::-1]
        self.counts = np.append(counts, 0.0).astype(np.float32)

    @classmethod
    def fit(
        cls,
        features,
        film,
        encoder="",
        is_unit=True,
        most_rows=_MOST_ROWS,
    ):
        """Takes rows of training films, and how far these are from another.

        Args:
            features: Float array (pairs, n), or what is indexed as one.
            film: Array of strings (pairs,).
            encoder: String, which encoder the features are of.
            is_unit: Boolean, whether features are compared by their
                directions alone: their lengths differ with contrast.
            most_rows: Integer, the rows at most. Every film has the same
                number, or all its pairs where they are fewer, evenly spread.

        Returns:
            A `Familiarity`.

        Raises:
            ValueError: If there are fewer than two films.
        """
        places = _choose(film, most_rows)
        if len(places) < 2:
            raise ValueError(
                "Expected two training films or more, to compare each with "
                f"the others. Received: {len(places)}"
            )
        num_rows = np.array([len(own) for own in places])
        rows = np.asarray(features[np.concatenate(places)], np.float32)
        if is_unit:
            rows = _directions(rows)
        # As they are stored: a run that is loaded again says the same.
        rows = np.float16(rows).astype(np.float32)
        distances = _distances(
            rows, rows, num_rows, np.repeat(np.arange(len(places)), num_rows)
        )
        by_film = np.split(distances, np.cumsum(num_rows)[:-1])
        distances = np.concatenate([np.sort(own) for own in by_film])
        return cls(rows, num_rows, distances, encoder, is_unit)

    def judge(self, features):
        """Says how familiar pairs are.

        Args:
            features: Float array (pairs, n), or what is indexed as one.

        Returns:
            float32 array (pairs,), 0 to 1: the mean over the training films
            of the share of their pairs that are at least as far from the
            others' rows as the pair is from all rows.

        Raises:
            ValueError: If the features are of another length.
        """
        return self.shares(self.distances_of(features))

    def distances_of(self, features):
        """Says how far pairs are from the rows, see `judge`.

        Returns:
            float32 array (pairs,).
        """
        if features.shape[1:] != self.rows.shape[1:]:
            raise ValueError(
                f"Expected features (pairs, {self.rows.shape[1]}). Received: "
                f"{features.shape}"
            )
        return _distances(
            features, self.rows, self.num_rows, is_unit=self.is_unit
        )

    def shares(self, distances):
        """Says how familiar pairs are that are so far from the rows.

        Args:
            distances: float32 array (pairs,).

        Returns:
            See `judge`.
        """
        return self.counts[np.searchsorted(self.ordered, distances)]

    def save(self, path):
        """Writes it to an `.npz` file, as `files.write_bytes` does."""
        data = io.BytesIO()
        np.savez(
            data,
            rows=self.rows.astype(np.float16),
            num_rows=self.num_rows,
            distances=self.distances,
            encoder=np.array(self.encoder),
            is_unit=np.array(self.is_unit),
        )
        files.write_bytes(path, data.getvalue())

    @classmethod
    def load(cls, path):
        """Reads what `save` wrote.

        Raises:
            ValueError: If the file is malformed.
        """
        path = pathlib.Path(path)
        try:
            # A pipe would be waited for.
            if not path.is_file():
                raise ValueError("not a file")
            with np.load(path, allow_pickle=False) as stored:
                names = ("rows", "num_rows", "distances", "encoder", "is_unit")
                arrays = [stored[name] for name in names]
            _check(*arrays)
        # NumPy and zipfile raise errors of as many kinds as a file can be
        # damaged in ways.
        except Exception as error:
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise ValueError(
                f"Expected in {path} what evaluate writes ({reason}). Measure "
                f"the run again: python -m keras_ssc.evaluate {path.parent}"
            ) from error
        *parts, encoder, is_unit = arrays
        return cls(*parts, str(encoder), bool(is_unit))


def strength(features, film, is_of):
    """Says how often a genre that is not there is noticed.

    Each genre's films are left out in turn, and their pairs judged by the
    films that are left, on at most 1,024 pairs of all.

    Args:
        features: Float array (pairs, n), or what is indexed as one, of the
            training films.
        film: Array of strings (pairs,).
        is_of: Bool array (pairs, genres), which genres each pair's film has.

    Returns:
        A list (genres,) of floats, the share of the genre's pairs that are
        unlike the others; None of a genre that has no film, or leaves fewer
        than two.
    """
    places = np.concatenate(_choose(film, _MOST_ROWS_OF_STRENGTH))
    features, film, is_of = (x[places] for x in (features, film, is_of))
    return [_noticed(features, film, own) for own in is_of.T]


def _noticed(features, film, is_own):
    if not is_own.any() or len(np.unique(film[~is_own])) < 2:
        return None
    others = Familiarity.fit(features[~is_own], film[~is_own])
    return float(np.mean(others.judge(features[is_own]) < UNLIKE))


def _choose(film, most_rows):
    """Returns a list with the places of the chosen pairs of each film."""
    films = scoring.places_of(film)
    films = [films[place] for place in _spread(len(films), most_rows)]
    each = most_rows // len(films)
    return [own[_spread(len(own), each)] for own in films]


def _spread(count, most):
    """Returns the places of at most so many out of a count, evenly spread."""
    return np.linspace(0, count - 1, min(count, most)).round().astype(np.int64)


def _counts_of(num_rows):
    # The same numbers for all, whether an own film is left out or not.
    return min(_FILMS, len(num_rows) - 1), int(min(_ROWS, num_rows.min()))


def _directions(features):
    """Returns features of unit length."""
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return features / np.maximum(lengths, LEAST_LENGTH)


def _distances(features, rows, num_rows, film=None, is_unit=False):
    """Returns the distances from the films, float32 (pairs,).

    Args:
        features: Float array (pairs, n), or what is indexed as one.
        rows: float32 array (rows, n), see `Familiarity`.
        num_rows: Integer array (films,), see `Familiarity`.
        film: Integer array (rows,) where the pairs are the rows: the film of
            each, which does not count. None: all do.
        is_unit: Boolean, whether the pairs are brought to unit length.
    """
    found = np.empty(len(features), np.float32)
    num_films, rows_each = _counts_of(num_rows)
    lengths = np.square(rows).sum(axis=1)
    ends = np.cumsum(num_rows)[:-1]
    for start in range(0, len(features), _BLOCK):
        block = slice(start, start + _BLOCK)
        own = np.asarray(features[block], np.float32)
        own = _directions(own) if is_unit else own
        squares = lengths - 2 * own @ rows.T
        squares += np.square(own).sum(axis=1, keepdims=True)
        by_film = np.stack(
            [
                _mean_root_of_least(each, rows_each)
                for each in np.split(squares, ends, axis=1)
            ],
            axis=1,
        )  # (pairs, films)
        if film is not None:
            by_film[np.arange(len(own)), film[block]] = np.inf
        nearest = np.partition(by_film, num_films - 1, axis=1)[:, :num_films]
        found[block] = nearest.mean(axis=1)
    return found


def _mean_root_of_least(squares, count):
    least = np.partition(squares, count - 1, axis=1)[:, :count]
    # Rounding makes a distance of none negative.
    return np.sqrt(np.maximum(least, 0)).mean(axis=1)


def _check(rows, num_rows, distances, encoder, is_unit):
    """Raises `ValueError` if arrays of a file are not those of `save`."""
    is_whole = (
        rows.ndim == 2
        and num_rows.ndim == 1
        and distances.shape == rows.shape[:1]
        and rows.dtype == np.float16
        and distances.dtype == np.float32
        and num_rows.dtype == np.int64
        and is_unit.ndim == 0
        and is_unit.dtype == bool
        and encoder.ndim == 0
        and encoder.dtype.kind == "U"
        and len(num_rows) >= 2
        and num_rows.min() > 0
        and num_rows.sum() == len(rows)
        and np.isfinite(rows).all()
        and np.isfinite(distances).all()
    )
    if not is_whole:
        raise ValueError("its arrays do not fit together")
