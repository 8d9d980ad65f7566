"""Farneback's optical flow of one pair, by OpenCV."""

import cv2
from keras import backend

# The report's parameters of Farneback's method, in OpenCV's order: pyramid
# scale, levels, window, iterations, poly_n, poly_sigma, flags.
FARNEBACK_PARAMETERS = (0.5, 3, 15, 3, 5, 1.2, 0)

# Below, the borders that OpenCV weighs less overlap, and its rule for them
# overflows.
_MIN_SIZE = 10


def farneback_flow(frame, next_frame):
    """Computes the dense optical flow of a pair with OpenCV.

    Farneback 2003, "Two-Frame Motion Estimation Based on Polynomial
    Expansion", with the report's parameters, on 8-bit grey frames. In flat
    areas the method sees little of the motion. `OpticalFlow` computes the
    same for batches, inside a model.

    Args:
        frame: uint8 array (height, width, 3), RGB, 10 pixels or more on both
            sides.
        next_frame: uint8 array of the same shape, RGB.

    Returns:
        float32 array (height, width, 2): how far each pixel of `frame` moves
        until `next_frame`, in pixels, (x, y), x to the right and y downward.

    Raises:
        ValueError: If a frame is something else, or the shapes differ.
    """
    check_pair(frame, next_frame, "height, width, 3")
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    next_grey = cv2.cvtColor(next_frame, cv2.COLOR_RGB2GRAY)
    return cv2.calcOpticalFlowFarneback(
        grey, next_grey, None, *FARNEBACK_PARAMETERS
    )


def check_pair(frame, next_frame, axes):
    """Checks that two arrays or tensors are a pair.

    Args:
        frame: Anything with a shape and a dtype.
        next_frame: The same.
        axes: String, the shape that is expected, such as "height, width, 3".

    Raises:
        ValueError: If they are not.
    """
    for name, array in (("frame", frame), ("next_frame", next_frame)):
        dtype, shape = backend.standardize_dtype(array.dtype), array.shape
        is_image = len(shape) == axes.count(",") + 1 and shape[-1] == 3
        if dtype != "uint8" or not is_image:
            raise ValueError(
                f"Expected {name} as uint8 RGB of shape ({axes}). "
                f"Received: {dtype} of shape {tuple(shape)}"
            )
        if min(side or _MIN_SIZE for side in shape[-3:-1]) < _MIN_SIZE:
            raise ValueError(
                f"Expected {name} of {_MIN_SIZE} pixels or more on both sides. "
                f"Received: shape {tuple(shape)}"
            )
    pairs = zip(frame.shape, next_frame.shape, strict=True)
    if any(one != other and None not in (one, other) for one, other in pairs):
        raise ValueError(
            "Expected frame and next_frame of one shape. "
            f"Received: {tuple(frame.shape)} and {tuple(next_frame.shape)}"
        )
