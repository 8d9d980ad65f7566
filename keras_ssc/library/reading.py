"""Films -> what a library keeps of each: pair features and small pictures."""

import collections
import contextlib
import dataclasses
import functools

import cv2
import numpy as np

from keras_ssc import models
from keras_ssc.errors import VideoError
from keras_ssc.films import film_reader
from keras_ssc.films import side_by_side
from keras_ssc.films.shots import Shot
from keras_ssc.library import database
from keras_ssc.library import features
from keras_ssc.prediction import pair_inputs
from keras_ssc.prediction import words

# Pairs that the network is given at once.
_BATCH = 16

# In this order they are stored.
_FEATURES = ("frame_features", "flow_features")

_JPEG_QUALITY = 80


@dataclasses.dataclass(frozen=True, eq=False)
class FilmRead:
    """What is kept of a film.

    Attributes:
        seconds: Float, how long it is.
        width: Integer, pixels, upright.
        height: Integer, the same.
        notes: Tuple of strings, what in the file is not as it should be.
        shots: List of tuples (start_seconds, end_seconds, JPEG bytes, or None
            where no pair could be used).
        features: A `features.Features`.
    """

    seconds: float
    width: int
    height: int
    notes: tuple
    shots: list
    features: features.Features

    @property
    def means(self):
        """The mean of its pairs' features, float32 (n,)."""
        return self.features.pairs.mean(axis=0, dtype=np.float32)


def encoder_key():
    """Says with which weights features are made, a string.

    Raises:
        WeightsError: If the weights cannot be had.
    """
    keys = models.embedded_pair_encoder().keys
    return " ".join(keys[name] for name in _FEATURES)


def read_films(paths, plan, workers=None, progress=None):
    """Reads films side by side.

    Args:
        paths: List of paths of film files.
        plan: A `film_reader.Plan`.
        workers: Integer, how many films are read at once; None for one a
            core, at most 8.
        progress: Function of a film's place in the list, a string and two
            integers: what is read, how many of how many.

    Yields:
        A tuple for each film, as soon as it has ended: its place, and its
        `FilmRead` or the exception that it ended in. Close the generator to
        end the processes that read.
    """
    workers = side_by_side.num_workers(workers, len(paths))
    # Each with batches of its own: a film's features do not depend on which
    # others are read.
    films = collections.defaultdict(_Film)
    reading = side_by_side.read_films(paths, plan, workers)
    with contextlib.closing(reading):
        for place, value in reading:
            if isinstance(value, StopIteration):
                yield place, films.pop(place).end(paths[place])
            elif isinstance(value, Exception):
                films.pop(place, None)
                yield place, value
            elif not isinstance(value, tuple):
                films[place].add(value)
            elif progress is not None:
                progress(place, *value)


class _Film:
    """Takes what is read of a film, in order."""

    def __init__(self):
        self._picture = None
        self._waiting = []  # pairs that the network is yet to be given
        self._encoded = []
        self._seconds, self._numbers = [], []  # of each pair that is used
        self._small = []  # pictures of the shot that has not ended
        self._shots = []
        self._dropped = collections.Counter()

    def add(self, value):
        if isinstance(value, film_reader.Picture):
            self._picture = value
        elif isinstance(value, Shot):
            picture = None
            if self._small:
                picture = _jpeg(self._small[len(self._small) // 2])
            self._shots.append(
                (value.start_seconds, value.end_seconds, picture)
            )
            self._small.clear()
        elif value.reason:
            self._dropped[value.reason] += 1
        else:
            self._add_pair(value)

    def _add_pair(self, pair):
        self._seconds.append(pair.seconds)
        self._numbers.append(len(self._shots))
        self._small.append(_small(pair.frame, self._picture.aspect))
        self._waiting.append(pair)
        if len(self._waiting) == _BATCH:
            self._encode()

    def _encode(self):
        if self._waiting:
            self._encoded.append(_encode(self._waiting))
            self._waiting.clear()

    def end(self, path):
        """Returns the `FilmRead`, or the error."""
        self._encode()
        if not self._encoded:
            reasons = words.reasons(self._dropped)
            return VideoError(
                f"{path}: no pair of frames can be used "
                f"({reasons or 'it has a single frame'})."
            )
        picture = self._picture
        times = picture.seconds
        return FilmRead(
            float(times[-1] - times[0]) + picture.step_seconds,
            *(picture.width, picture.height, picture.notes, self._shots),
            features.Features(
                np.float16(np.concatenate(self._encoded)),
                np.array(self._seconds),
                np.array(self._numbers),
            ),
        )


@functools.cache
def _inputs():
    return pair_inputs.PairInputs(models.EMBEDDED_SIZE)


def _encode(pairs):
    """Returns the features of pairs, float32 (pairs, n)."""
    encoder = models.embedded_pair_encoder()
    inputs = _inputs()(
        np.stack([pair.frame for pair in pairs]),
        np.stack([pair.next_frame for pair in pairs]),
    )
    found = encoder({name: inputs[name] for name in encoder.inputs}, _FEATURES)
    return np.concatenate([found[name] for name in _FEATURES], axis=1)


def _small(frame, aspect):
    """Returns a stored frame as small as it is kept, in its own shape."""
    side = database.PICTURE_SIDE
    size = [max(round(side * min(x, 1)), 1) for x in (aspect, 1 / aspect)]
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA)


def _jpeg(picture):
    _, data = cv2.imencode(
        ".jpg",
        cv2.cvtColor(picture, cv2.COLOR_RGB2BGR),
        [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY],
    )
    return data.tobytes()
