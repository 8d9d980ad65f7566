"""Colours: of a flow as a picture, and how bright each is."""

import numpy as np

# How much red, green and blue count for grey: ITU-R BT.601, as in OpenCV.
GREY_WEIGHTS = np.array([0.299, 0.587, 0.114])

# Middlebury's colour wheel: where on its 55 steps each colour stands. The eye
# distinguishes more between red and yellow than between green and cyan.
_WHEEL_STEPS = (0, 15, 21, 25, 36, 49, 55)
_WHEEL_COLOURS = np.array(
    [
        (255, 0, 0),
        (255, 255, 0),
        (0, 255, 0),
        (0, 255, 255),
        (0, 0, 255),
        (255, 0, 255),
        (255, 0, 0),
    ]
)


def longest_motion(flow):
    """Returns the length that a picture of flow is to have in full colour.

    Args:
        flow: float array (..., 2), in pixels, (x, y); one flow or several
            that are to be compared.

    Returns:
        Float, pixels: 99 of 100 vectors are no longer. A few wild ones at the
        borders must not make the rest pale.
    """
    return float(np.percentile(np.hypot(flow[..., 0], flow[..., 1]), 99))


def flow_colours(flow, max_pixels=None):
    """Paints a flow: its direction as hue, its length as saturation.

    The colours are those of Baker et al. 2011, "A Database and Evaluation
    Methodology for Optical Flow": what stands still is white, what moves to
    the right red, downward yellow, to the left cyan, upward violet.

    Args:
        flow: float array (height, width, 2), in pixels, (x, y).
        max_pixels: Float, the length that has its full colour; longer ones
            have it too. Pictures with the same number can be compared. The
            longest of this flow if None.

    Returns:
        uint8 array (height, width, 3), RGB.

    Raises:
        ValueError: If the flow's shape is another.
    """
    if flow.ndim != 3 or flow.shape[2] != 2:
        raise ValueError(
            "Expected a flow of shape (height, width, 2). "
            f"Received: {flow.shape}"
        )
    x, y = flow[..., 0], flow[..., 1]
    length = np.hypot(x, y)
    longest = length.max() if max_pixels is None else max_pixels
    # A flow without any motion has no length to divide by.
    saturation = np.minimum(length / max(longest, 1e-6), 1)[..., np.newaxis]
    steps = np.arctan2(y, x) % (2 * np.pi) * _WHEEL_STEPS[-1] / (2 * np.pi)
    hue = np.stack(
        [
            np.interp(steps, _WHEEL_STEPS, channel)
            for channel in _WHEEL_COLOURS.T
        ],
        axis=-1,
    )
    return np.rint(255 - saturation * (255 - hue)).astype(np.uint8)
