"""Gradual transitions, found on small thumbnails of a film's frames.

In a dissolve and in a fade each frame is a blend of two pictures: one before
and one after, the second one's share growing from 0 to 1. In a wipe each place
switches from one picture to the other, and the places where it happens lie on
an edge that moves over the frame. Both are tested for on all stretches of up
to 64 frames, from the inner products of the frames' thumbnails alone.
"""

import dataclasses

import numpy as np

from keras_ssc.films.shots import Transition
from keras_ssc.films.thumbnails import SIZE

# Lengths of the stretches that are tested, from the last frame before a
# transition to the first one after it: steps of a sixth find any length.
_LENGTHS = (4, 5, 6, 7, 8, 10, 12, 14, 17, 20, 24, 28, 33, 39, 46, 54, 64)

# No transition needs to know more frames before it and after it than this.
CONTEXT = 18

# Frames around a transition that decide it: the longest stretch, one that
# overlaps it, and what is looked at around that.
MARGIN = 2 * _LENGTHS[-1] + CONTEXT

# Where the frame's share is measured, as shares of a stretch.
_PLACES = (1 / 4, 3 / 8, 1 / 2, 5 / 8, 3 / 4)

# Frames before and after, at which the two shots must differ, too.
_AROUND = (0, 4, 8, 12, CONTEXT)

# Mean squared differences in levels of a thumbnail: less than this is no other
# picture.
_LEAST_CHANGE = 100.0

# Correlation above which two pictures are one, in other light.
_ALIKE = 0.85

# Levels below which a place stays dark: a letterbox's bars, in luma of limited
# range (black is 16).
_DARK = 28

# Logistic regression (C=1) of `_evidence` on stretches of real footage: see
# `experiments.shots.fit`.
_WEIGHTS = np.array([-4.06, -5.3, -7.3, -3.32, -7.79, 2.75])
_OFFSET = -2.18
_LEAST_PROBABILITY = 0.5

_WIPE_LENGTHS = (5, 7, 10, 14, 20, 28, 39, 54)

# Squared difference of a place's colours, in levels, that is too small to see
# when it switches; and the one from which on a larger one says no more.
_LEAST_PIXEL_CHANGE, _MOST_PIXEL_CHANGE = 400.0, 4000.0

# Correlation above which the pictures before and after a wipe are one shot's.
_MOST_ALIKE = 0.7

# For each place of a thumbnail, the terms of a surface of second order; the
# last is the distance from the middle, in pixels.
_X, _Y = np.meshgrid(np.linspace(-1, 1, SIZE[0]), np.linspace(-1, 1, SIZE[1]))
_SURFACE = np.stack(
    [
        *(np.ones_like(_X), _X, _Y, _X * _Y, _X**2, _Y**2),
        np.hypot(_X * SIZE[0], _Y * SIZE[1]) / SIZE[0],
    ],
    axis=-1,
).reshape(-1, 7)

# The picture between the halves of a fade has this share of the contrast of
# the others at most: a subtitle or a watermark may stay in it.
_FLAT = 0.35

# Frames for which it may stand, in frames of 1/30 s or longer.
_LONGEST_FLAT = 60


@dataclasses.dataclass(frozen=True)
class _Found:
    """A transition that may be one: between frames that show one shot each.

    Attributes:
        kind: String, see `shots.KINDS`.
        before: Integer, the last frame before it.
        after: Integer, the first frame after it.
        score: Float, 0 to 1: how sure.
    """

    kind: str
    before: int
    after: int
    score: float


def find(thumbnails, is_blank):
    """Finds the gradual transitions of a part of a film without a cut.

    Args:
        thumbnails: uint8 array (frames, 3, 18, 32), see `thumbnails.of`.
        is_blank: bool array (frames,), see `cuts.is_blank`.

    Returns:
        List of `shots.Transition`, ascending, without overlaps. Frames are
        counted from the part's first. One may begin with the first frame, if
        that is blank, or end behind the last one.
    """
    part = _Part(thumbnails, is_blank)
    found = _strongest(part, [*_blends(part), *_wipes(part)])
    found = [_exactly(part, each) for each in found]
    return _with_fades(part, found)


class _Part:
    """What is known of the frames of a part of a film.

    Args:
        thumbnails: uint8 array (frames, 3, 18, 32).
        is_blank: bool array (frames,).

    Attributes:
        num_frames: Integer.
        pixels: float32 array (frames, 3, places), the thumbnails.
        contrast: float64 array (frames,), the luma's standard deviation.
        blanks: List of tuples (first, end), runs of blank frames.
        first: int64 array (frames,): to each frame the first one of its run,
            of blank frames or of others.
        last: int64 array (frames,), the same for the last one.
    """

    def __init__(self, thumbnails, is_blank):
        self.num_frames = len(thumbnails)
        self.pixels = thumbnails.reshape(self.num_frames, 3, -1).astype(
            np.float32
        )
        luma = self.pixels[:, 0]
        seen = luma.max(axis=0) > _DARK
        luma = luma[:, seen] if seen.any() else luma
        chroma = self.pixels[:, 1:].reshape(self.num_frames, -1)
        colours = np.concatenate([luma, chroma], axis=1) - 128
        self._products = (colours @ colours.T).astype(float) / luma.shape[1]
        luma = luma - luma.mean(axis=1, keepdims=True)
        self._covariances = (luma @ luma.T).astype(float) / luma.shape[1]
        self.contrast = np.sqrt(np.diag(self._covariances))
        self._is_blank = is_blank
        edges = np.flatnonzero(np.diff(is_blank)) + 1
        starts = np.r_[0, edges].astype(int)
        ends = np.r_[edges, self.num_frames].astype(int)
        run = np.searchsorted(edges, np.arange(self.num_frames), "right")
        self.first, self.last = starts[run], ends[run] - 1
        self.blanks = [
            (int(start), int(end))
            for start, end in zip(starts, ends, strict=True)
            if is_blank[start]
        ]

    def distance(self, one, other):
        """Returns the mean squared differences of frames, in levels."""
        products = self._products
        return (
            products[one, one]
            - 2 * products[one, other]
            + products[other, other]
        )

    def correlation(self, one, other):
        """Returns how alike the frames' lumas are, whatever the light."""
        # 4: faint pictures correlate by chance.
        return self._covariances[one, other] / np.sqrt(
            (self.contrast[one] * self.contrast[other]) ** 2 + 4
        )

    def share(self, before, after, frame):
        """Returns how much of the way from one frame to another a third is.

        Returns:
            A tuple: the share, 0 for the one and 1 for the other; and the
            squared distance from that blend of the two, as a share of theirs.
        """
        change = np.maximum(self.distance(before, after), 1e-6)
        way = self.distance(before, frame)
        share = (way - self.distance(frame, after) + change) / (2 * change)
        return share, np.maximum(way / change - share**2, 0)

    def stretches(self, length):
        """Returns the ends of all stretches of a length in one run."""
        before = np.arange(self.num_frames - length)
        after = before + length
        is_one = self.first[before] == self.first[after]
        is_one &= self.distance(before, after) > _LEAST_CHANGE
        is_one &= ~self._is_blank[before]
        before, after = before[is_one], after[is_one]
        is_other = self.correlation(before, after) < _ALIKE
        return before[is_other], after[is_other]

    def alike_around(self, before, after):
        """Returns how alike the two shots are at their most alike frames."""
        alike = np.full(len(before), -1.0)
        for back in _AROUND:
            for forth in _AROUND:
                one = np.maximum(before - back, self.first[before])
                other = np.minimum(after + forth, self.last[after])
                alike = np.maximum(alike, self.correlation(one, other))
        return alike


# ---- dissolves, and the halves of fades ----


def _blends(part):
    """Returns the stretches that are blends of their ends, as `_Found`."""
    found = []
    for length in _LENGTHS:
        if length < part.num_frames:
            before, after = part.stretches(length)
            before, after, evidence = _evidence(part, length, before, after)
            odds = evidence @ _WEIGHTS + _OFFSET
            scores = 1 / (1 + np.exp(-odds))
            found += [
                _Found("dissolve", int(before[i]), int(after[i]), scores[i])
                for i in np.flatnonzero(scores > _LEAST_PROBABILITY)
            ]
    return found


def _evidence(part, length, before, after):
    """Measures how much stretches are blends.

    Args:
        part: A `_Part`.
        length: Integer, their length.
        before: int64 array (stretches,), their first frames.
        after: int64 array (stretches,), their last frames.

    Returns:
        A tuple: `before` and `after` of those that may be one; float64 array
        (their number, 6), in the order of `_WEIGHTS`: the logarithm of what no
        blend explains in the middle; how alike the shots are around, twice,
        for the second time above one half only; how far the middle's contrast
        is from a mixture's; how uneven the share grows; how steady the
        pictures are before and after.
    """
    shares, rests = [], []
    for place in _PLACES:
        frame = before + min(max(round(length * place), 1), length - 1)
        share, rest = part.share(before, after, frame)
        shares.append(share)
        rests.append(rest)
    shares, rests = np.array(shares), np.array(rests)
    may = rests.max(axis=0) < 0.45
    may &= (shares[0] < shares[2]) & (shares[2] < shares[4])
    may &= np.abs(shares[2] - 0.5) < 0.3
    before, after = before[may], after[may]
    shares, rests = shares[:, may], rests[:, may]
    alike = part.alike_around(before, after)
    middle = (before + after) // 2
    contrast = part.contrast
    dip = contrast[middle] ** 2 / np.maximum(
        np.minimum(contrast[before], contrast[after]) ** 2, 4
    )
    places = np.array(_PLACES)[:, None]
    reach = min(length, 10)
    steady = np.minimum(
        part.correlation(
            np.maximum(before - reach, part.first[before]), before
        ),
        part.correlation(after, np.minimum(after + reach, part.last[after])),
    )
    evidence = [
        np.log(rests[2] + 0.02),
        np.maximum(alike, -0.2),
        np.maximum(alike, 0.5),
        np.abs(np.log(np.clip(dip, 0.05, 20) / 0.6)),
        np.abs(shares - places).max(axis=0),
        steady,
    ]
    return before, after, np.stack(evidence, axis=-1)


# ---- wipes ----


def _wipes(part):
    """Returns the stretches in which an edge moves over the frame."""
    found = []
    for length in _WIPE_LENGTHS:
        if length >= part.num_frames:
            continue
        before, after = part.stretches(length)
        ways = []
        shares = []
        for place in (1 / 4, 1 / 2, 3 / 4):
            share, rest = part.share(
                before, after, before + round(length * place)
            )
            shares.append(share)
            # Of a hard edge, the squares of both differences add up to 1.
            ways.append(share**2 + (1 - share) ** 2 + 2 * rest)
        may = (shares[0] < shares[1]) & (shares[1] < shares[2])
        may &= np.abs(shares[1] - 0.5) < 0.35
        may &= (np.max(ways, axis=0) < 1.5) & (ways[1] > 0.7)
        may[may] = part.alike_around(before[may], after[may]) < _MOST_ALIKE
        found += [
            _wipe(part, one, other)
            for one, other in zip(
                before[may].tolist(), after[may].tolist(), strict=True
            )
        ]
    return [each for each in found if each is not None]


def _wipe(part, before, after):
    """Returns a stretch as `_Found` if it is a wipe, or None.

    When each place of the frame switches to the later picture is measured,
    and a surface of second order laid through these times: a straight edge, a
    corner's or a circle's that moves evenly is one.
    """
    first, last = part.pixels[before], part.pixels[after]
    change = last - first
    energy = (change**2).sum(axis=0)
    changes = energy > _LEAST_PIXEL_CHANGE
    if changes.mean() < 0.45:
        return None
    between = part.pixels[before + 1 : after + 1][..., changes]
    shares = ((between - first[:, changes]) * change[:, changes]).sum(axis=1)
    shares = np.clip(shares / energy[changes], 0, 1)
    length = after - before
    times = length - shares.sum(axis=0) + 0.5
    weights = np.sqrt(np.minimum(energy[changes], _MOST_PIXEL_CHANGE))
    terms = _SURFACE[changes]
    factors = np.linalg.lstsq(
        terms * weights[:, None], times * weights, rcond=None
    )[0]
    fitted = terms @ factors
    weights = weights**2 / (weights**2).sum()
    mean = weights @ times
    spread = weights @ (times - mean) ** 2
    explained = 1 - weights @ (times - fitted) ** 2 / max(spread, 1e-6)
    frames = np.arange(1, length + 1)[:, None]
    expected = np.clip(frames - fitted + 0.5, 0, 1)
    other = np.abs(shares - expected).mean(axis=0) @ weights
    # What a blend of the whole frame would leave.
    blend = np.abs(shares - frames / length).mean(axis=0) @ weights
    is_wipe = (
        explained > 0.7
        and other < 0.12
        and other < 0.4 * blend
        and 0.14 < np.sqrt(spread) / length < 0.36
    )
    if not is_wipe:
        return None
    whole = _SURFACE @ factors
    start = before + max(int(np.floor(whole.min())) - 1, 0)
    end = before + min(int(np.ceil(whole.max())) + 1, length)
    return _Found("wipe", start, end, float(1 - other / blend))


# ---- of many stretches, the transitions ----


def _strongest(part, found):
    """Returns those that no stronger one overlaps, ascending."""
    is_free = np.ones(part.num_frames, bool)
    kept = []
    for each in sorted(found, key=lambda each: -each.score):
        frames = slice(each.before, each.after + 1)
        if is_free[frames].all():
            is_free[frames] = False
            kept.append(each)
    return sorted(kept, key=lambda each: each.before)


def _exactly(part, found):
    """Returns a dissolve with the frames where it begins and ends.

    A line through the shares in its middle says where they are 0 and 1.
    """
    if found.kind != "dissolve":
        return found
    length = found.after - found.before
    frames = np.arange(found.before, found.after + 1)
    shares, _ = part.share(found.before, found.after, frames)
    inner = (shares > 0.15) & (shares < 0.85)
    if inner.sum() < 2:
        return found
    slope, offset = np.polyfit(frames[inner], shares[inner], 1)
    if slope < 0.5 / length:
        return found
    before = round(-offset / slope)
    after = round((1 - offset) / slope)
    reach = max(length // 3, 1)
    before = max(before, found.before - reach, int(part.first[found.before]))
    after = min(after, found.after + reach, int(part.last[found.after]))
    if after - before < 2:
        return found
    return dataclasses.replace(found, before=before, after=after)


# ---- fades ----


def _with_fades(part, found):
    """Returns transitions: of what fades out and in, one.

    Args:
        part: A `_Part`.
        found: List of `_Found`, ascending: dissolves and wipes, of which
            those from or to a flat picture are halves of fades.

    Returns:
        List of `Transition`.
    """
    flat = [
        (_fades_out(part, start), _fades_in(part, end))
        for start, end in part.blanks
    ]
    pieces = [
        each
        for each in found
        if not any(
            each.before < after and each.after > before
            for before, after in flat
        )
    ]
    made = [
        Transition(
            "fade" if before < start - 1 or after > end else "cut",
            before + 1,
            after,
        )
        for (before, after), (start, end) in zip(flat, part.blanks, strict=True)
    ]
    place = 0
    while place < len(pieces):
        one = pieces[place]
        other = pieces[place + 1] if place + 1 < len(pieces) else None
        if other is not None and _is_fade(part, one, other):
            made.append(Transition("fade", one.before + 1, other.after))
            place += 2
            continue
        kind = one.kind
        contrasts = part.contrast[[one.before, one.after]]
        if kind == "dissolve" and contrasts.min() < _FLAT * contrasts.max():
            kind = "fade"
        made.append(Transition(kind, one.before + 1, one.after))
        place += 1
    return sorted(made, key=lambda each: each.first_frame)


def _is_fade(part, one, other):
    """Says whether a flat picture stands between two blends."""
    if other.before - one.after > _LONGEST_FLAT:
        return False
    between = part.contrast[one.after : max(other.before, one.after) + 1]
    around = part.contrast[[one.before, other.after]]
    return bool(between.max() < _FLAT * around.min())


def _fades_out(part, start):
    """Returns the last frame of full contrast before a blank one."""
    return start - 1 - _num_faded(part.contrast[: start + 1][::-1])


def _fades_in(part, end):
    """Returns the first frame of full contrast after the last blank one."""
    return end + _num_faded(part.contrast[max(end - 1, 0) :])


def _num_faded(contrast):
    """Counts the frames that are not of full contrast yet.

    Contrast grows in a line from a blank frame on; where it stops to grow, the
    picture is all there.

    Args:
        contrast: float64 array, of a blank frame and those next to it.

    Returns:
        Integer, 0 where the picture is there at once.
    """
    contrast = contrast[: _LENGTHS[-1] + 1]
    best, num_faded = np.inf, 0
    for length in range(1, len(contrast)):
        after = contrast[length : length + CONTEXT]
        level = after.mean()
        line = contrast[0] + (level - contrast[0]) * np.arange(length) / length
        misfit = np.abs(contrast[:length] - line).sum()
        misfit += np.abs(contrast[length:] - level).sum()
        if misfit < best:
            best, num_faded = misfit, length - 1
    return num_faded
