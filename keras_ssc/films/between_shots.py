"""Which pairs of a film lie between two shots, told from the frames around.

Pairs lie all over a film. Whether one lies in a dissolve, a fade or a wipe is
told from what is before and after it; the rest of the film is not read.
"""

import cv2
import numpy as np

from keras_ssc.films import cuts
from keras_ssc.films import transitions

# Frames of 1/30 s or longer that are looked at before and after a pair: a
# dissolve of so many is seen from its first to its last, wherever in it the
# pair is.
_REACH = 40
_STEP_SECONDS = 1 / 30

# Where a transition begins and ends is known to so many of these frames.
_MARGIN = 2

# Where a transition begins and ends is known to so many of these frames.
_MARGIN = 2

# Pairs whose surroundings meet are decided together, up to so many frames.
_MOST_FRAMES = 400

# Cuts are sought on frames of this long side, as `cuts` looks at them.
LONG_SIDE = 320

# `cuts` takes no frames with a shorter side; they are enlarged to it.
_LEAST_SIDE = 16

# A cut changes the mean luma by more than this. Between frames that correlate
# more than this, a cut leads nobody astray: what is sought are blends of
# pictures that differ more. One frame in a hundred is left to be looked at more
# closely.
_LEAST_CHANGE = 2.6
_MOST_ALIKE = 0.7

# Above this standard deviation in levels of luma, a frame is surely not blank.
_LEAST_CONTRAST = 10.0


def around(spans, index):
    """Returns the parts of a film that decide about pairs.

    Args:
        spans: List of tuples (first, last), the frames of each pair, ascending.
        index: The film's `frame_index.FrameIndex`.

    Returns:
        List of tuples (part, spans): a range of frame numbers, and those of
        the pairs that it decides about. Parts may overlap.
    """
    every = max(round(_STEP_SECONDS / index.step_seconds), 1)
    found = []
    for first, last in spans:
        start = max(first // every - _REACH, 0) * every
        end = min(last + every * _REACH + 1, index.num_frames)
        if found:
            part, held = found[-1]
            if start <= part.stop and end - part.start <= every * _MOST_FRAMES:
                end = max(part.stop, end)
                part = range(part.start, end, every)
                found[-1] = part, [*held, (first, last)]
                continue
        found.append((range(start, end, every), [(first, last)]))
    return found


class Looker:
    """Looks at the frames of parts of a film, one after the other."""

    def __init__(self):
        self._last = None

    def look(self, frame):
        """Says what `frames_between` needs to know of a frame.

        Args:
            frame: A `frame_reading.ScannedFrame`.

        Returns:
            A tuple: its colours, see `thumbnails.of`; whether it is blank; and
            whether there is a cut between the frame looked at before and it.
        """
        last, self._last = self._last, frame
        is_blank = bool(
            frame.luma.std() < _LEAST_CONTRAST
            and cuts.is_blank(_enlarged(frame.small()))
        )
        is_cut = bool(
            last is not None
            and not is_blank
            and cv2.absdiff(frame.luma, last.luma).mean() > _LEAST_CHANGE
            and transitions.likeness(last.colours, frame.colours) < _MOST_ALIKE
            and cuts.is_cut(_enlarged(last.small()), _enlarged(frame.small()))
        )
        return frame.colours, is_blank, is_cut


def _enlarged(frame):
    height, width = frame.shape[:2]
    if min(height, width) >= _LEAST_SIDE:
        return frame
    return cv2.resize(
        frame, (max(width, _LEAST_SIDE), max(height, _LEAST_SIDE))
    )


def frames_between(looks, spans):
    """Finds the frames of pairs that lie between two shots.

    Args:
        looks: Dict from frame numbers, ascending, to what `Looker` said of
            them. Those that could not be decoded are missing.
        spans: List of tuples (first, last), the frames of each pair.

    Returns:
        A set of frame numbers.
    """
    if len(looks) < 2:
        return set()
    colours, is_blank, is_cut = map(np.array, zip(*looks.values(), strict=True))
    between = set()
    for each in transitions.find(colours, is_blank, is_cut):
        # Blank frames between two pictures that are there at once show one
        # thing: they are the user's to keep.
        if not is_blank[each.first_frame : each.end_frame].all():
            before, after = _ends(each, list(looks))
            between.update(range(before + 1, after))
    return between & {
        n for first, last in spans for n in range(first, last + 1)
    }


def _ends(found, numbers):
    """Returns the last frame surely before a transition, and one after it."""
    before = found.first_frame - 1 - _MARGIN
    after = found.end_frame + _MARGIN
    return (
        numbers[before] if before >= 0 else numbers[0] - 1,
        numbers[after] if after < len(numbers) else numbers[-1] + 1,
    )
