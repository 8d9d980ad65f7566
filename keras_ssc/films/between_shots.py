"""Which pairs of a film lie between two shots, told from the frames around.

Pairs lie all over a film. Whether one lies in a dissolve, a fade or a wipe is
told from what is before and after it; the rest of the film is not read.
"""

import numpy as np

from keras_ssc.films import transitions

# Frames of 1/30 s or longer that are looked at before and after a pair: a
# dissolve of so many is seen from its first to its last, wherever in it the
# pair is.
_REACH = 40

# Where a transition begins and ends is known to so many of these frames.
_MARGIN = 2

# Pairs whose surroundings meet are decided together, up to so many frames.
_MOST_FRAMES = 400


def around(spans, index):
    """Returns the parts of a film that decide about pairs.

    Args:
        spans: List of tuples (first, last), the frames of each pair, ascending.
        index: The film's `frame_index.FrameIndex`.

    Returns:
        List of tuples (part, spans): a range of frame numbers, and those of
        the pairs that it decides about. Parts may overlap.
    """
    every = transitions.every(index.step_seconds)
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


def frames_between(looks, spans):
    """Finds the frames of pairs that lie between two shots.

    Args:
        looks: Dict from frame numbers, ascending, to the tuples (colours,
            is_blank, is_cut) that `transitions.find` takes. Those that could
            not be decoded are missing.
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
