"""Which two frames of a film are a pair: the next is about 1/24 s later.

So motion means the same at all frame rates, and in films whose file shows
each picture more than once: a film of 24 frames a second in a file of 60.
"""

import collections
import dataclasses
import math

import cv2
import numpy as np

from keras_ssc import checks

# Seconds from a frame to the next one: a cinema's.
INTERVAL = 1 / 24

# Above so many frames a second, a picture that is shown again is no frame. At
# or below, a film may well hold each picture for two frames (animation).
_MAX_RATE = 33.0

# A picture that is shown again is followed by another one within so many
# seconds; what stays longer stands still.
_LONGEST_REPEAT = 1 / 12

# Frames further apart than so many usual steps, and so many seconds, are not
# consecutive: between them the film stood, or a part of it is missing.
_GAP_STEPS, _GAP_SECONDS = 4, 0.25

# What two frames are compared on.
_SIZE = (160, 90)

# A picture that is shown again differs by coding noise: by up to so many grey
# levels in the mean, and in no spot of 3x3 by more. (Of real clips, encoded
# by x264 at its usual quality, nine in ten repeats are below.)
_NOISE_MEAN, _NOISE_SPOT = 0.5, 5.0

# Coarse codecs leave more noise. Among frames that change, one whose spot
# changes this much less than the others' is a repeat nevertheless.
_REPEAT_SHARE = 0.6


@dataclasses.dataclass(frozen=True)
class Pairing:
    """How the pairs of a film are made; `of` makes it.

    Attributes:
        stride: Integer, how many frames on the next one is, by the film's
            rate. Without `skips_repeats` it always is.
        skips_repeats: Boolean, whether pictures that are shown again are
            left out.
        before: Integer, how many frames before the first one are looked at.
        after: Integer, how many after it; `stride` or more.
        interval: Float, frames from the first to the next; not rounded.
        max_gap: Float, seconds: frames further apart are no pair.
    """

    stride: int
    skips_repeats: bool
    before: int
    after: int
    interval: float
    max_gap: float


@dataclasses.dataclass(frozen=True)
class Choice:
    """What is paired with a frame.

    Attributes:
        next_frame: Integer, the next frame's number.
        repeated: Boolean, whether both are one picture.
        first_shown: Integer, the frame that shows the first one's picture
            first.
    """

    next_frame: int
    repeated: bool
    first_shown: int


def of(index, interval=INTERVAL, stride=None):
    """Says how pairs of a film are made.

    Args:
        index: The film's `frame_index.FrameIndex`.
        interval: Float, seconds from a pair's first frame to its next.
        stride: Integer, frames on, whatever the rate and whatever they show;
            None to go by the interval.

    Returns:
        A `Pairing`.

    Raises:
        ValueError: If a number is 0 or less.
    """
    checks.above_zero("interval", interval)
    checks.at_least("stride", stride, 1)
    step = index.step_seconds
    frames = interval / step
    skips_repeats = stride is None and 1 / step > _MAX_RATE
    if stride is None:
        # Of two that are as near, the earlier one.
        stride = max(1, math.ceil(frames - 0.5 - 1e-6))
    before, after = 0, stride
    if skips_repeats:
        longest = math.ceil(_LONGEST_REPEAT / step)
        before, after = longest, stride + longest
    max_gap = max(_GAP_STEPS * step, _GAP_SECONDS)
    return Pairing(stride, skips_repeats, before, after, frames, max_gap)


def change(frame, next_frame):
    """Measures how two frames differ.

    Args:
        frame: uint8 array (height, width, 3), RGB, of any size.
        next_frame: The same.

    Returns:
        A tuple of floats in grey levels: the mean of the differences, and
        that of the spot which differs most.
    """
    grey, next_grey = map(_small_grey, (frame, next_frame))
    difference = next_grey - grey
    spots = cv2.blur(difference, (3, 3))
    return float(np.abs(difference).mean()), float(np.abs(spots).max())


def _small_grey(frame):
    small = cv2.resize(frame, _SIZE, interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)


def is_repeat(change):
    """Says whether what `change` measured is coding noise."""
    mean, spot = change
    return mean <= _NOISE_MEAN and spot <= _NOISE_SPOT


def is_gap(index, number, next_number, max_gap):
    """Says whether there is a hole in time between two frames of a film."""
    return bool(
        (np.diff(index.seconds[number : next_number + 1]) > max_gap).any()
    )


def last_frame(index, pairing, key, end):
    """Returns the last frame that may be looked at for a pair.

    Args:
        index: The film's `FrameIndex`.
        pairing: Its `Pairing`.
        key: Integer, the pair's first frame.
        end: Integer, the last frame of its scene or shot.
    """
    end = min(key + pairing.after, end, index.num_frames - 1)
    holes = np.diff(index.seconds[key : end + 1]) > pairing.max_gap
    return key + int(np.argmax(holes)) if holes.any() else end


def choose(pairing, key, changes):
    """Chooses the frame that is paired with another.

    Args:
        pairing: A `Pairing`.
        key: Integer, the pair's first frame.
        changes: Dict from the numbers of frames around it to how each
            differs from the one before it, see `change`. Those after `key`
            are consecutive. If the pairing does not skip repeats, that of
            `key + stride` alone: how it differs from `key`.

    Returns:
        A `Choice`; None if there are too few frames after `key`.
    """
    given = key + pairing.stride
    if not pairing.skips_repeats:
        if given not in changes:
            return None
        return Choice(given, is_repeat(changes[given]), key)
    last = key
    while last + 1 in changes:
        last += 1
    if last < given:
        return None
    # One of them may be a cut, so not the largest.
    spots = sorted(spot for _, spot in changes.values())
    least = _REPEAT_SHARE * spots[-2] if len(spots) > 1 else 0.0
    new = {
        number
        for number, found in changes.items()
        if not is_repeat(found) and found[1] >= least
    }
    first = key
    while first not in new and first in changes:
        first -= 1
    pictures = [number for number in range(key + 1, last + 1) if number in new]
    if not pictures:
        return Choice(given, True, first)
    nearest = min(
        pictures,
        # A hundredth of a frame: time stamps are rounded.
        key=lambda n: (round(abs(n - first - pairing.interval), 2), n),
    )
    return Choice(nearest, False, first)


def read_runs(frames, pairing, keys, lasts):
    """Groups the frames of a film around those that begin a pair.

    Args:
        frames: Iterator of (number, frame), ascending; `wanted` says which.
        pairing: A `Pairing`.
        keys: The frames that begin a pair, ascending.
        lasts: For each key its `last_frame`.

    Yields:
        For each key a dict from numbers to frames: itself, those just before
        it and after it. Empty if it is missing.
    """
    recent, newest = collections.OrderedDict(), -1
    for key, last in zip(keys, lasts, strict=True):
        while newest < last:
            newest, frame = next(frames, (math.inf, None))
            recent[newest] = frame
        while next(iter(recent)) < key - pairing.before:
            recent.popitem(last=False)
        run = {key: recent[key]} if key in recent else {}
        for step in (-1, 1):
            number = key + step
            while run and number in recent and number <= last:
                run[number] = recent[number]
                number += step
        yield run


def wanted(pairing, keys, lasts):
    """Returns the numbers of all frames that `read_runs` needs."""
    return {
        number
        for key, last in zip(keys, lasts, strict=True)
        for number in range(max(key - pairing.before, 0), last + 1)
    }


def changes_of(run, pairing, key):
    """Returns what `choose` asks for, of a dict of frames."""
    if not pairing.skips_repeats:
        given = key + pairing.stride
        return {given: change(run[key], run[given])} if given in run else {}
    return {
        number: change(run[number - 1], run[number])
        for number in run
        if number - 1 in run
    }
