"""Transitions, frame by frame: how one picture becomes another."""

import dataclasses

import numpy as np

# Of wipes: the picture that comes grows over the other.
STYLES = ("right", "left", "up", "diagonal", "iris")


@dataclasses.dataclass(frozen=True)
class Blend:
    """How a transition looks.

    Attributes:
        kind: String, one of `keras_ssc.films.shots.KINDS`.
        num_frames: Integer, its own frames; 0 of a cut.
        colour: Of a fade, tuple of three integers, RGB, that it goes through.
        hold: Of a fade, float, the share of its frames in that colour alone.
        style: Of a wipe, one of `STYLES`.
    """

    kind: str
    num_frames: int
    colour: tuple | None = None
    hold: float | None = None
    style: str | None = None


def frame_of(blend, place, earlier, later):
    """Draws a frame of a transition.

    Args:
        blend: A `Blend`, no cut.
        place: Integer, from 0: which of its frames.
        earlier: uint8 array (height, width, 3), RGB, of the shot that ends.
        later: The same of the shot that begins.

    Returns:
        uint8 array of the same shape; neither of the two alone.
    """
    part = (place + 1) / (blend.num_frames + 1)
    if blend.kind == "dissolve":
        return mixed(earlier, later, part)
    if blend.kind == "fade":
        ramp = (1 - blend.hold) / 2
        colour = np.full_like(earlier, blend.colour)
        if part < 0.5:
            return mixed(earlier, colour, min(part / ramp, 1))
        return mixed(later, colour, min((1 - part) / ramp, 1))
    height, width = earlier.shape[:2]
    y, x = np.mgrid[:height, :width]
    y, x = (y + 0.5) / height, (x + 0.5) / width
    shown_from = {
        "right": x,
        "left": 1 - x,
        "up": 1 - y,
        "diagonal": (x + y) / 2,
        "iris": np.hypot(x - 0.5, y - 0.5) * np.sqrt(2),
    }[blend.style]
    return np.where(shown_from[..., None] < part, later, earlier)


def mixed(one, other, part):
    """Mixes pictures: `part` of the other, 0 to 1."""
    return np.uint8(one * np.float32(1 - part) + other * np.float32(part) + 0.5)
