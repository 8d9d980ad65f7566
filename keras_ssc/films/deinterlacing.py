"""Two fields woven into one frame -> the picture at one moment.

Broadcasts and old cameras store the odd lines of a frame a moment after the
even ones. Where something moves, its edges are combs: the eye takes them for
detail, and optical flow for motion. FFmpeg's bwdif draws the second field's
lines anew, from the frames before and after.
"""

import cv2
import numpy as np
from av.filter import Graph

from keras_ssc.films import colour

WAYS = ("auto", "no", "yes")

# A pixel that differs by so many grey levels from both the line above and the
# line below, in one direction, is a comb's. So many of a frame's pixels may be
# by chance.
_COMB_LEVELS = 12
_COMB_SHARE = 0.002


def is_combed(frame):
    """Says whether the two fields of a frame show different moments.

    Args:
        frame: An `av.VideoFrame`.
    """
    with colour.tagged_for_pyav(frame):
        grey = frame.reformat(format="gray").to_ndarray()
    above, line, below = grey[:-2], grey[1:-1], grey[2:]
    # Saturated at 0: how much brighter the line is than its neighbours, and
    # how much darker.
    brighter = np.minimum(cv2.subtract(line, above), cv2.subtract(line, below))
    darker = np.minimum(cv2.subtract(above, line), cv2.subtract(below, line))
    combed = np.maximum(brighter, darker) > _COMB_LEVELS
    return cv2.countNonZero(combed.view(np.uint8)) > _COMB_SHARE * combed.size


def first_field(before, frame, after):
    """Returns a frame as it was when its first field was taken.

    Args:
        before: The `av.VideoFrame` before it, or None.
        frame: An `av.VideoFrame`.
        after: The one after it, or None.

    Returns:
        An `av.VideoFrame` of the same size and format.
    """
    graph = Graph()
    graph.threads = 1
    source = graph.add_buffer(
        width=frame.width,
        height=frame.height,
        format=frame.format,
        time_base=frame.time_base,
    )
    sink = graph.add("buffersink")
    # One frame a frame; "all": films that are asked about may not say it.
    graph.link_nodes(source, graph.add("bwdif", "send_frame:auto:all"), sink)
    graph.configure()
    neighbours = [near for near in (before, frame, after) if near is not None]
    made = []
    for near in [*neighbours, None]:
        source.push(near)
        made += _pulled(sink)
    return made[0 if before is None else 1]


def _pulled(sink):
    """Yields the frames that a filter has ready."""
    while True:
        try:
            yield sink.pull()
        except (BlockingIOError, EOFError):
            return
