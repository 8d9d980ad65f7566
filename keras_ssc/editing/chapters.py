"""A film's shots as chapters, in the metadata file of FFmpeg."""

import math
import re

from keras_ssc.editing import timeline


def text(found, labels=None):
    """Writes a film's shots as chapters.

    A chapter begins with a shot's first frame and ends with the next shot's:
    a transition's frames end the chapter before it.

    Args:
        found: A `shot_detection.ShotList`.
        labels: Sequence of a string or None for each shot, which are added
            to the chapters' titles; None for none.

    Returns:
        String, ffmetadata. Times are milliseconds, rounded up: at a chapter's
        start its shot is on the screen, also where a container rounds times.
    """
    starts = [_milliseconds(shot.start_seconds) for shot in found.shots]
    ends = [*starts[1:], _milliseconds(found.shots[-1].end_seconds)]
    lines = [";FFMETADATA1"]
    for place, (_, label) in enumerate(timeline.with_labels(found, labels)):
        title = f"Shot {place + 1}" + (f": {label}" if label else "")
        lines += [
            *("[CHAPTER]", "TIMEBASE=1/1000"),
            *(f"START={starts[place]}", f"END={ends[place]}"),
            f"title={_escaped(title)}",
        ]
    return "\n".join(lines) + "\n"


def _milliseconds(seconds):
    # Not up from what is a whole number but for the last bit.
    return math.ceil(round(seconds * 1000, 3))


def _escaped(value):
    return re.sub(r"([=;#\\\n])", r"\\\1", value)
