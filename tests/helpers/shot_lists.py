"""Lists of shots without a film, and times of films' frames."""

import fractions
import pathlib

import numpy as np

from keras_ssc.films.shot_detection import ShotList
from keras_ssc.films.shots import Shot
from keras_ssc.films.shots import Transition

NUM_FRAMES = 20_000


def constant(rate, num_frames=NUM_FRAMES, start=0.0):
    """Times of frames of a constant rate."""
    return start + np.arange(num_frames) / float(fractions.Fraction(rate))


def in_milliseconds(seconds):
    """Times as Matroska stores them."""
    return np.round(seconds, 3)


def variable(num_frames=NUM_FRAMES, start=0.0):
    """Times as a telephone's: 1/60 to 1/15 s from one to the next."""
    steps = np.random.default_rng(3).uniform(1 / 59, 1 / 15, num_frames - 1)
    return start + np.concatenate([[0], np.cumsum(steps)])


# Times of films of every kind, by what they are.
FILMS = {
    "23.976": constant("24000/1001"),
    "23.976 in milliseconds": in_milliseconds(constant("24000/1001")),
    "24": constant(24),
    "25, from 3 s on": constant(25, start=3.0),
    "29.97": constant("30000/1001"),
    "29.97 in milliseconds, late": in_milliseconds(
        constant("30000/1001", start=0.021)
    ),
    "59.94": constant("60000/1001"),
    "variable": variable(),
    "variable, in milliseconds, late": in_milliseconds(variable(start=1.234)),
    "24, frames missing": np.delete(constant(24), np.r_[50:90, 1798:1803]),
}

# Shots and transitions that begin around a minute's end, where drop-frame
# timecode leaves numbers out, and after ten minutes.
PARTS = (
    *((0, 1, None), (1, 1798, "cut"), (1801, 3597, "dissolve")),
    *((3597, 3598, "cut"), (3640, 17_981, "fade"), (17_982, 19_500, "wipe")),
)


def make(seconds, parts=PARTS, path="films/film.mp4", notes=()):
    """Makes a `ShotList` of (first frame, end frame, kind of transition).

    A transition's frames are those since the end of the shot before.
    """
    seconds = np.asarray(seconds, np.float64)
    step = float(np.median(np.diff(seconds))) if len(seconds) > 1 else 0.04
    times = [*seconds.tolist(), float(seconds[-1]) + step]
    shots, end = [], 0
    for first, after, kind in parts:
        by = Transition(kind, end, first) if kind else None
        shots.append(Shot(times[first], times[after], first, after, by))
        end = after
    return ShotList(pathlib.Path(path), shots, seconds, step, 96, 64, notes)


def frames_shown(seconds, times):
    """Which frames of a film are on the screen at times, to 2 ms.

    Files round times to milliseconds; frames are further apart.
    """
    return np.searchsorted(seconds, np.asarray(times) + 0.002, "right") - 1
