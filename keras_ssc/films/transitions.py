"""Gradual transitions, found on small thumbnails of a film's frames.

In a dissolve and in a fade each frame is a blend of two pictures: one before
and one after, the second one's share growing from 0 to 1. In a wipe each place
switches from one picture to the other, and the places where it happens lie on
an edge that moves over the frame. Both are tested for on all stretches of up
to 64 frames, from the inner products of the frames' thumbnails alone.
"""

import dataclasses
import itertools

import numpy as np

from keras_ssc.films.shots import Transition
from keras_ssc.films.thumbnails import SIZE

# Transitions are sought on about 30 frames a second.
_STEP_SECONDS = 1 / 30

# Lengths of the stretches that are tested, from the last frame before a
# transition to the first one after it: steps of a sixth find any length.
LENGTHS = (4, 5, 6, 7, 8, 10, 12, 14, 17, 20, 24, 28, 33, 39, 46, 54, 64)

# No transition needs to know more frames before it and after it than this.
CONTEXT = 18

# Frames around a transition that decide it: the longest stretch, one that
# overlaps it, and what is looked at around that.
MARGIN = 2 * LENGTHS[-1] + CONTEXT

# Where the frame's share is measured, as shares of a stretch.
_PLACES = (1 / 4, 3 / 8, 1 / 2, 5 / 8, 3 / 4)

# Frames before and after, at which the two shots must differ, too.
_AROUND = (0, 4, 8, 12, CONTEXT)

# Mean squared differences in levels of a thumbnail: less than this is no other
# picture.
_LEAST_CHANGE = 500.0

# Correlation above which two pictures are one, in other light.
ALIKE = 0.85

# Contrast below which pictures are alike by chance, in levels.
_FAINT = 2.0

# Levels below which a place stays dark: a letterbox's bars, in luma of limited
# range (black is 16).
_DARK = 28

# Logistic regression on what `blend_evidence` measures of stretches of real
# footage, fitted as `python -m experiments.shots fit` does, on two seeds and
# half of the sources; the thresholds, too.
_WEIGHTS = np.array([-6.59, 4.11, -2.17, -3.19, -3.81, -4.03, 0.76])
_OFFSET = -10.5
_LEAST_PROBABILITY = 0.8

WIPE_LENGTHS = (5, 7, 10, 14, 20, 28, 39, 54)

# Squared difference of a place's colours, in levels, that is too small to see
# when it switches; and the one from which on a larger one says no more.
_LEAST_PIXEL_CHANGE, _MOST_PIXEL_CHANGE = 400.0, 4000.0

# The share of the frame that must change, and how unlike the shots must be.
_LEAST_CHANGED, _LEAST_UNLIKE = 0.2, -1.2

# How steady they must be, and by which part of its length a stretch may be
# early or late.
_LEAST_STEADY, _EARLY = 0.2, 6

# The standard deviation of the times at which an edge passes, as a share of
# the time that it takes.
_EDGE_SPREAD = 0.25

# As `_WEIGHTS`, of what `edge_evidence` measures, unlikeness and steadiness.
_WIPE_WEIGHTS = np.array([-1.93, 3.9, -1.01, 4.85, 3.95, 0.56])
_WIPE_OFFSET = -7.35
_LEAST_WIPE_ODDS = 1.0

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

# In the picture between the halves of a fade, this share of the places is of
# one level, within so many: a subtitle or a watermark may stay in it.
_PLAIN_SHARE, _PLAIN_LEVELS = 0.75, 12

# Frames for which it may stand, of 1/30 s or longer.
_LONGEST_PLAIN = 60

# What `blend_evidence` measures in dissolves of the middle's contrast and
# detail.
_USUAL_MIXTURE = (0.3, 0.1)

# What no blend explains of the frames of a fade, on average.
_MOST_UNEXPLAINED = 0.15


@dataclasses.dataclass(frozen=True)
class _Found:
    """A transition that may be one: between frames that show one shot each.

    Attributes:
        kind: String, see `shots.KINDS`; `half` of a fade that goes in or out.
        before: Integer, the last frame before it.
        after: Integer, the first frame after it.
        score: Float, 0 to 1: how sure.
    """

    kind: str
    before: int
    after: int
    score: float


def find(thumbnails, is_blank, is_cut):
    """Finds the gradual transitions of a part of a film.

    Args:
        thumbnails: uint8 array (frames, 3, 18, 32), see `thumbnails.of`.
        is_blank: bool array (frames,), see `cuts.is_blank`.
        is_cut: bool array (frames,), whether there is a cut before a frame.

    Returns:
        List of `shots.Transition`, ascending, without overlaps; cuts are left
        out, but where blank frames lie between two shots that is a fade, even
        if they come and go at once. Frames are counted from the part's first.
        What begins with the first frame, or ends behind the last, began before
        or has not ended.
    """
    part = Part(thumbnails, is_blank, is_cut)
    blends, halves = _blends(part)
    halves = _exactly(part, _strongest(part, halves))
    found = [*blends, *_wipes(part), *_fades(part, halves)]
    return _made(part, _exactly(part, _strongest(part, found)))


def every(step_seconds):
    """Says every how many frames a film is looked at; an integer."""
    return max(round(_STEP_SECONDS / step_seconds), 1)


def likeness(colours, other_colours):
    """Says how much two thumbnails show one picture, whatever the light.

    Args:
        colours: uint8 array (3, 18, 32), see `thumbnails.of`.
        other_colours: The same.

    Returns:
        Float, the correlation of their lumas, about 0 to 1.
    """
    one, other = (x[0].ravel().astype(float) for x in (colours, other_colours))
    one -= one.mean()
    other -= other.mean()
    energy = np.sqrt((one @ one) * (other @ other)) / one.size
    return float(one @ other / one.size / max(energy, _FAINT))


class Part:
    """What is known of the frames of a part of a film.

    Args:
        thumbnails: uint8 array (frames, 3, 18, 32).
        is_blank: bool array (frames,).
        is_cut: bool array (frames,).

    Attributes:
        num_frames: Integer.
        pixels: float32 array (frames, 3, places), the thumbnails.
        contrast: float64 array (frames,), the luma's standard deviation.
        is_plain: bool array (frames,), whether most places are of one level.
        detail: float32 array (2, frames), the mean squared differences of
            neighbours in the luma, vertically and horizontally.
        blanks: List of tuples (first, end), runs of blank frames.
        first: int64 array (frames,): to each frame the first one of its run,
            of blank frames or of others, without a cut.
        last: int64 array (frames,), the same for the last one.
    """

    def __init__(self, thumbnails, is_blank, is_cut):
        self.num_frames = len(thumbnails)
        self.pixels = thumbnails.reshape(self.num_frames, 3, -1).astype(
            np.float32
        )
        luma = self.pixels[:, 0]
        seen = luma.max(axis=0) > _DARK
        luma = luma[:, seen] if seen.any() else luma
        chroma = self.pixels[:, 1:].reshape(self.num_frames, -1)
        colours = np.concatenate([luma, chroma], axis=1) - 128
        products = (colours @ colours.T).astype(float) / luma.shape[1]
        energy = np.diag(products)
        self._distances = energy[:, None] - 2 * products + energy
        middle = luma.shape[1] // 2
        median = np.partition(luma, middle, axis=1)[:, middle, None]
        is_near = np.abs(luma - median) < _PLAIN_LEVELS
        self.is_plain = is_near.mean(axis=1) > _PLAIN_SHARE
        luma = luma - luma.mean(axis=1, keepdims=True)
        covariances = (luma @ luma.T).astype(float) / luma.shape[1]
        self.contrast = np.sqrt(np.diag(covariances))
        self._correlations = covariances / np.maximum(
            self.contrast[:, None] * self.contrast, _FAINT
        )
        self._is_blank = is_blank
        picture = self.pixels[:, 0].reshape(self.num_frames, *SIZE[::-1])
        self.detail = np.stack(
            [
                np.square(np.diff(picture, axis=axis)).mean(axis=(1, 2))
                for axis in (1, 2)
            ]
        )
        edges = np.flatnonzero(np.diff(is_blank) | is_cut[1:]) + 1
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
        return self._distances[one, other]

    def correlation(self, one, other):
        """Returns how alike the frames' lumas are, whatever the light."""
        return self._correlations[one, other]

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
        is_other = self.correlation(before, after) < ALIKE
        return before[is_other], after[is_other]

    def unlike_around(self, before, after):
        """Returns how unlike two shots are at their most alike frames.

        Args:
            before: int64 array, the last frames of the earlier shots.
            after: int64 array, the first frames of the later ones.

        Returns:
            float64 array, the logarithm of 1 less their correlation: below
            -1.5 they are one shot.
        """
        alike = np.full(len(before), -0.2)
        for back in _AROUND:
            for forth in _AROUND:
                # Also beyond a cut: a flash or an explosion may look like one.
                one = np.maximum(before - back, 0)
                other = np.minimum(after + forth, self.num_frames - 1)
                alike = np.maximum(alike, self.correlation(one, other))
        return np.log(1.03 - alike)

    def steady(self, before, after):
        """Returns how little the pictures change before and after.

        Args:
            before: int64 array (stretches,), the first frames of stretches.
            after: int64 array (stretches,), their last frames.

        Returns:
            float64 array (stretches,), the lower correlation over 10 frames.
        """
        earlier = np.maximum(before - 10, self.first[before])
        later = np.minimum(after + 10, self.last[after])
        return np.minimum(
            self.correlation(earlier, before), self.correlation(after, later)
        )


# ---- dissolves, and the halves of fades ----


def _blends(part):
    """Returns the stretches that are blends of their ends.

    Returns:
        A tuple of two lists of `_Found`: dissolves; and halves of fades, blends
        of which one end is plain.
    """
    blends, halves = [], []
    for length in LENGTHS:
        if length >= part.num_frames:
            break
        before, after, evidence = blend_evidence(
            part, length, *part.stretches(length)
        )
        is_half = part.is_plain[before] != part.is_plain[after]
        found = [
            _Found("dissolve", one, other, 0.0)
            for one, other in zip(before.tolist(), after.tolist(), strict=True)
        ]
        blends += _scored(found, evidence)
        # The contrast of a plain picture says nothing of a mixture's.
        evidence[:, 2:4] = _USUAL_MIXTURE
        halves += [
            dataclasses.replace(each, kind="half")
            for each in _scored(
                list(itertools.compress(found, is_half)), evidence[is_half]
            )
        ]
    return blends, halves


def _scored(found, evidence):
    """Returns those that are probably a blend, with their scores."""
    scores = 1 / (1 + np.exp(-(evidence @ _WEIGHTS + _OFFSET)))
    return [
        dataclasses.replace(found[place], score=float(scores[place]))
        for place in np.flatnonzero(scores > _LEAST_PROBABILITY)
    ]


def blend_evidence(part, length, before, after):
    """Measures how much stretches are blends.

    Args:
        part: A `Part`.
        length: Integer, their length.
        before: int64 array (stretches,), their first frames.
        after: int64 array (stretches,), their last frames.

    Returns:
        A tuple: `before` and `after` of those that may be one; float64 array
        (their number, 7), in the order of `_WEIGHTS`: the logarithm of what no
        blend explains in the middle; how unlike the shots are around; how far
        the middle's contrast is from a mixture's, and the logarithm of its
        detail (blurred where the camera moves, much where it is one picture in
        other light); how uneven the share grows, squared; how unsteady the
        pictures are before and after, squared; the length's logarithm.
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
    middle = (before + after) // 2
    contrast = part.contrast
    dip = contrast[middle] ** 2 / np.maximum(
        np.minimum(contrast[before], contrast[after]) ** 2, 4
    )
    places = np.array(_PLACES)[:, None]
    detail = part.detail[:, middle] / np.maximum(
        np.minimum(part.detail[:, before], part.detail[:, after]), 1
    )
    evidence = [
        np.log(rests[2] + 0.06),
        part.unlike_around(before, after),
        np.abs(np.log(np.clip(dip, 0.05, 20) / 0.6)),
        np.log(np.clip(detail.min(axis=0), 0.02, 20)),
        np.abs(shares - places).max(axis=0) ** 2,
        (1 - part.steady(before, after)) ** 2,
        np.full(len(before), np.log(length)),
    ]
    return before, after, np.stack(evidence, axis=-1)


# ---- wipes ----


def _wipes(part):
    """Returns the stretches in which an edge moves over the frame."""
    found = []
    for length in WIPE_LENGTHS:
        if length < part.num_frames:
            for before, after, *around in zip(
                *wipe_candidates(part, length), strict=True
            ):
                edge = edge_evidence(part, before, after)
                if edge is None:
                    continue
                evidence, start, end = edge
                odds = [*evidence, *around] @ _WIPE_WEIGHTS + _WIPE_OFFSET
                if odds > _LEAST_WIPE_ODDS:
                    score = 1 / (1 + np.exp(-odds))
                    found.append(_Found("wipe", start, end, score))
    return found


def wipe_candidates(part, length):
    """Returns stretches whose inner products could be a wipe's.

    Returns:
        Four lists: their first and last frames, and how unlike the shots are
        around, and how steady.
    """
    before, after = part.stretches(length)
    # A wipe is also seen in a stretch that is a little early or late.
    some = before % max(length // _EARLY, 1) == 0
    before, after = before[some], after[some]
    shares, ways = [], []
    for place in (1 / 4, 1 / 2, 3 / 4):
        share, rest = part.share(before, after, before + round(length * place))
        shares.append(share)
        # Of a hard edge, the squares of both differences add up to 1.
        ways.append(share**2 + (1 - share) ** 2 + 2 * rest)
    may = (shares[0] < shares[1]) & (shares[1] < shares[2])
    may &= np.abs(shares[1] - 0.5) < 0.35
    may &= (np.max(ways, axis=0) < 1.4) & (ways[1] > 0.75)
    before, after = before[may], after[may]
    around = [
        measure(before, after) for measure in (part.unlike_around, part.steady)
    ]
    may = (around[0] > _LEAST_UNLIKE) & (around[1] > _LEAST_STEADY)
    return [each[may].tolist() for each in (before, after, *around)]


def edge_evidence(part, before, after):
    """Measures how much an edge moves over the frame, and nothing else.

    When each place of the frame switches to the later picture is measured,
    and a surface of second order laid through these times: a straight edge, a
    corner's or a circle's that moves evenly is one.

    Args:
        part: A `Part`.
        before: Integer, the stretch's first frame.
        after: Integer, its last frame.

    Returns:
        None if too little changes; else a tuple: list of floats, the first
        ones that `_WIPE_WEIGHTS` weighs: the logarithm of what the edge leaves
        unexplained, as a share of what a blend leaves; how much of the times'
        spread the surface explains; how far that spread is from an edge's that
        takes the whole stretch; the share of the places that change. And two
        integers, the last frame before the wipe and the first after it.
    """
    first, last = part.pixels[before], part.pixels[after]
    change = last - first
    energy = (change**2).sum(axis=0)
    changes = energy > _LEAST_PIXEL_CHANGE
    if changes.mean() < _LEAST_CHANGED:
        return None
    between = part.pixels[before + 1 : after + 1]
    ways = np.einsum("tcp,cp->tp", between, change) - (first * change).sum(0)
    energy = energy[changes]
    shares = np.clip(ways[:, changes] / energy, 0, 1)
    length = after - before
    times = length - shares.sum(axis=0) + 0.5
    weights = np.minimum(energy, _MOST_PIXEL_CHANGE)
    weights /= weights.sum()
    terms = _SURFACE[changes]
    factors = np.linalg.solve(
        terms.T @ (terms * weights[:, None]) + 1e-6 * np.eye(terms.shape[1]),
        terms.T @ (times * weights),
    )
    fitted = terms @ factors
    spread = weights @ (times - weights @ times) ** 2
    explained = 1 - weights @ (times - fitted) ** 2 / max(spread, 1e-6)
    frames = np.arange(1, length + 1, dtype=np.float32)[:, None]
    edge = np.clip(frames - fitted.astype(np.float32) + 0.5, 0, 1)
    left = (np.abs(shares - edge) @ weights).mean()
    left_by_blend = (np.abs(shares - frames / length) @ weights).mean()
    evidence = [
        np.log(left / left_by_blend + 0.05),
        max(explained, 0),
        abs(np.sqrt(spread) / length - _EDGE_SPREAD),
        changes.mean(),
    ]
    whole = _SURFACE @ factors
    start = before + max(int(np.floor(whole.min())) - 1, 0)
    end = before + min(int(np.ceil(whole.max())) + 1, length)
    return evidence, start, max(end, start + 2)


# ---- of many stretches, the transitions ----


def _strongest(part, found):
    """Returns those that no stronger one overlaps, ascending.

    Of wipes as strong, the longest, which has seen all of the edge's way; of
    halves of fades the shortest, which leaves room for the other half.
    """

    def rank(each):
        length = each.after - each.before
        if each.kind == "dissolve":
            return -each.score, 0
        return -round(each.score, 2), length if each.kind == "half" else -length

    is_free = np.ones(part.num_frames, bool)
    kept = []
    for each in sorted(found, key=rank):
        frames = slice(each.before, each.after + 1)
        if is_free[frames].all():
            is_free[frames] = False
            kept.append(each)
    return sorted(kept, key=lambda each: each.before)


def _exactly(part, found):
    """Returns dissolves with the frames where they begin and end."""
    exact = []
    for place, each in enumerate(found):
        if each.kind in ("dissolve", "half"):
            least = exact[-1].after if exact else 0
            rest = found[place + 1 :]
            most = rest[0].before if rest else part.num_frames - 1
            each = _exact_dissolve(part, each, least, most)
        exact.append(each)
    return exact


def _exact_dissolve(part, found, least, most):
    """Finds where a dissolve begins and ends, not before or after others."""
    least = max(least, int(part.first[found.before]))
    most = min(most, int(part.last[found.after]))
    before, after = found.before, found.after
    # First further out, as long as the pictures go on to move apart.
    step = max((after - before) // 8, 1)
    while after + step <= most and _grows(part, before, after, after + step):
        after += step
    while before - step >= least and _grows(part, after, before, before - step):
        before -= step
    # Then, a line through the shares says where they are 0 and 1.
    frames = np.arange(before, after + 1)
    shares, _ = part.share(before, after, frames)
    inner = (shares > 0.15) & (shares < 0.85)
    if inner.sum() >= 2:
        slope, offset = np.polyfit(frames[inner], shares[inner], 1)
        if slope > 0.5 / (after - before):
            exact_before = max(round(-offset / slope), before, least)
            exact_after = min(round((1 - offset) / slope), after, most)
            if exact_after - exact_before >= 2:
                before, after = exact_before, exact_after
    return dataclasses.replace(found, before=before, after=after)


def _grows(part, start, end, further):
    """Says whether a blend that reaches `end` goes on to another frame."""
    growth = np.sqrt(
        part.distance(start, further) / max(part.distance(start, end), 1e-6)
    )
    share, rest = part.share(start, further, end)
    length = abs(end - start)
    expected = abs(further - end) / length
    return growth > 1 + 0.6 * expected and rest < 0.1 and share > 0


# ---- fades ----


def _fades(part, halves):
    """Returns what fades out and in again, with another picture, as `_Found`.

    Args:
        part: A `Part`.
        halves: List of `_Found`, ascending, see `_blends`.
    """
    found = []
    for one, other in itertools.pairwise(halves):
        between = part.is_plain[one.after : max(other.before, one.after) + 1]
        unlike = part.unlike_around(
            np.array([one.before]), np.array([other.after])
        )
        if (
            other.before - one.after <= _LONGEST_PLAIN
            and between.all()
            and not part.is_plain[[one.before, other.after]].any()
            and unlike[0] > _LEAST_UNLIKE
        ):
            # Surer than what else may be seen in it.
            score = 1 + min(one.score, other.score)
            found.append(_Found("fade", one.before, other.after, score))
    return found


def _made(part, found):
    """Returns `Transition`s, of these and of the runs of blank frames.

    Args:
        part: A `Part`.
        found: List of `_Found`, ascending, without overlaps.
    """
    blanks = [
        (_fades_out(part, start), _fades_in(part, end))
        for start, end in part.blanks
    ]
    made = [Transition("fade", before + 1, after) for before, after in blanks]
    for each in found:
        if any(
            each.before < after and each.after > before
            for before, after in blanks
        ):
            continue
        kind = each.kind
        if (
            kind == "dissolve"
            and part.is_plain[[each.before, each.after]].any()
        ):
            kind = "fade"
        made.append(Transition(kind, each.before + 1, each.after))
    return sorted(made, key=lambda each: each.first_frame)


def _fades_out(part, start):
    """Returns the last frame of full contrast before a blank one."""
    if start == 0:
        return -1
    frames = np.arange(start, part.first[start - 1] - 1, -1)
    return start - 1 - _num_faded(part, frames)


def _fades_in(part, end):
    """Returns the first frame of full contrast after the last blank one."""
    if end == part.num_frames:
        return end
    return end + _num_faded(part, np.arange(end - 1, part.last[end] + 1))


def _num_faded(part, frames):
    """Counts the frames that are not of full contrast yet.

    Contrast grows in a line from a blank frame on; where it stops to grow, the
    picture is all there.

    Args:
        part: A `Part`.
        frames: int64 array, a blank frame and those next to it, going away
            from it.

    Returns:
        Integer, 0 where the picture is there at once.
    """
    frames = frames[: LENGTHS[-1] + 1]
    contrast = part.contrast[frames]
    best, num_faded = np.inf, 0
    for length in range(1, len(frames)):
        level = contrast[length : length + CONTEXT].mean()
        line = contrast[0] + (level - contrast[0]) * np.arange(length) / length
        misfit = np.abs(contrast[:length] - line).sum()
        misfit += np.abs(contrast[length:] - level).sum()
        # A longer one must be clearly better.
        if misfit < 0.8 * best:
            _, rest = part.share(frames[0], frames[length], frames[:length])
            if rest.mean() < _MOST_UNEXPLAINED:
                best, num_faded = misfit, length - 1
    return num_faded
