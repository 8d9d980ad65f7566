"""Optical flow of a pair, and its one number: the motion magnitude."""

import cv2
import numpy as np

# The report's parameters of Farneback's method, in OpenCV's order: pyramid
# scale, levels, window, iterations, poly_n, poly_sigma, flags.
FARNEBACK_PARAMETERS = (0.5, 3, 15, 3, 5, 1.2, 0)

# Middlebury's colour wheel: where on its 55 steps each colour stands. The eye
# tells more between red and yellow than between green and cyan.
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


def farneback_flow(frame, next_frame):
    """Computes the dense optical flow of a pair with OpenCV.

    Farneback 2003, "Two-Frame Motion Estimation Based on Polynomial
    Expansion", with the report's parameters, on 8-bit grey frames. In flat
    areas the method sees little of the motion.

    Args:
        frame: uint8 array (height, width, 3), RGB.
        next_frame: uint8 array of the same shape, RGB.

    Returns:
        float32 array (height, width, 2): how far each pixel of `frame` moves
        until `next_frame`, in pixels, (x, y), x to the right and y downward.

    Raises:
        ValueError: If a frame is not uint8 (height, width, 3), or the shapes
            differ.
    """
    for name, array in (("frame", frame), ("next_frame", next_frame)):
        if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3:
            raise ValueError(
                f"Expected {name} as uint8 RGB of shape (height, width, 3). "
                f"Received: {array.dtype} of shape {array.shape}"
            )
    if frame.shape != next_frame.shape:
        raise ValueError(
            "Expected frame and next_frame of one shape. "
            f"Received: {frame.shape} and {next_frame.shape}"
        )
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    next_grey = cv2.cvtColor(next_frame, cv2.COLOR_RGB2GRAY)
    return cv2.calcOpticalFlowFarneback(
        grey, next_grey, None, *FARNEBACK_PARAMETERS
    )


def motion_magnitude(flow):
    """Computes the one number that says how much a pair moves.

    The report's formula, (1/N) sum_k sqrt((|M_k| / H) (|M_k| / W)), which is
    the mean length of the motion vectors divided by sqrt(H W): the same
    motion gives the same number at every size.

    Args:
        flow: float array (..., height, width, 2), in pixels.

    Returns:
        float32 array (...): 0 where nothing moves.
    """
    height, width = flow.shape[-3:-1]
    length = np.hypot(flow[..., 0], flow[..., 1], dtype=np.float32)
    # Summed in float64: 80,000 small float32 terms lose the last digits.
    mean = length.mean(axis=(-2, -1), dtype=np.float64)
    return np.float32(mean / np.sqrt(height * width))


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
