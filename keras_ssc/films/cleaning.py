"""What is stored of a film's frames, and which pairs are dropped."""

import dataclasses
import itertools

import cv2

from keras_ssc import checks
from keras_ssc.films import cuts
from keras_ssc.films import deinterlacing
from keras_ssc.films import image_limits
from keras_ssc.films import pairing

# Frames looked at to find a film's bars. A bar is there in all of them; two
# dozen moments are enough that no dark scene fills them all.
NUM_BAR_FRAMES = 24


@dataclasses.dataclass(frozen=True)
class ExtractConfig:
    """What is drawn from a film, and what is dropped."""

    num_pairs: int = 300  # the report's number a film
    interval: float = pairing.INTERVAL  # seconds to a pair's next frame
    stride: int | None = None  # instead: frames to it; 1 in the report
    width: int = 480  # the report's size of a stored frame
    height: int = 270
    seed: int = 0  # the same seed and film give the same pairs
    crop_bars: bool = True  # bars give the film away, and so the genre
    drop_blank: bool = True  # black or one colour: nothing to learn from
    drop_cuts: bool = True  # a pair over a cut has no motion to see
    drop_transitions: bool = True  # two pictures in one: no motion of either
    drop_repeated: bool = False  # animation shows a picture twice, rightly
    deinterlace: str = "auto"  # see `frame_reading.read_frames`

    def __post_init__(self):
        for name in ("num_pairs", "stride"):
            checks.at_least(name, getattr(self, name), 1)
        checks.above_zero("interval", self.interval)
        checks.one_of("deinterlace", self.deinterlace, deinterlacing.WAYS)
        # What reads stored frames refuses others.
        image_limits.check_size(self.width, self.height)


def stored_frame(frame, bars, config):
    """Makes of a film's frame what is stored of it.

    Args:
        frame: uint8 array (height, width, 3), RGB.
        bars: The film's `black_bars.Bars`, or None.
        config: An `ExtractConfig`.

    Returns:
        uint8 array (config.height, config.width, 3), RGB.
    """
    if bars is not None:
        frame = bars.crop(frame)
    size = (config.width, config.height)
    if frame.shape[1::-1] == size:
        return frame
    # The mean over the covered pixels: no aliasing when shrinking, and what
    # the report's 480x270 frames were made with.
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA)


def why_dropped(frames, config):
    """Says why a pair is not used.

    Args:
        frames: List of stored frames, see `stored_frame`: the pair's first
            one, those between, its next one.
        config: An `ExtractConfig`.

    Returns:
        String, `"blank"` or `"cut"`; empty if it is used.
    """
    first, last = frames[0], frames[-1]
    if config.drop_blank and (cuts.is_blank(first) or cuts.is_blank(last)):
        return "blank"
    steps = itertools.pairwise(frames)
    if config.drop_cuts and any(cuts.is_cut(*step) for step in steps):
        return "cut"
    return ""
