"""Optical flow of a pair, and its one number: the motion magnitude."""

import cv2
import numpy as np

# The report's parameters of Farneback's method, in OpenCV's order: pyramid
# scale, levels, window, iterations, poly_n, poly_sigma, flags.
FARNEBACK_PARAMETERS = (0.5, 3, 15, 3, 5, 1.2, 0)


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
