"""How far `OpticalFlow` may be from OpenCV's flow.

At a cut nothing matches, and rounding decides what is found: there OpenCV
differs from itself, with and without its vector code, by pixels.
"""

import dataclasses

import keras
import numpy as np

from keras_ssc import flow

# The bar: end-point errors in pixels, magnitudes as they are.
MAX_MEAN, MAX_PERCENTILE, MAX_SHARE = 1e-4, 1e-3, 0.005
FAR_PIXELS = 0.01
MAGNITUDE_ABSOLUTE, MAGNITUDE_RELATIVE = 2e-6, 1e-4


@dataclasses.dataclass(frozen=True)
class Parity:
    """How far flows are from those that are right.

    Attributes:
        mean: Float, the mean end-point error in pixels.
        percentile: Float, its 99th percentile, pixels.
        share: Float, the share of pixels off by more than `FAR_PIXELS`.
        largest: Float, pixels.
        magnitude: Float, the largest error of a pair's magnitude, less what
            it may be.
    """

    mean: float
    percentile: float
    share: float
    largest: float
    magnitude: float

    @property
    def holds(self):
        """Whether the bar holds."""
        return (
            self.mean <= MAX_MEAN
            and self.percentile <= MAX_PERCENTILE
            and self.share <= MAX_SHARE
            and self.magnitude <= 0
        )


def compare(measured, expected):
    """Compares flows with those that are right.

    Args:
        measured: float32 array (pairs, height, width, 2), pixels.
        expected: The same.

    Returns:
        A `Parity`.
    """
    difference = measured - expected
    error = np.hypot(difference[..., 0], difference[..., 1])
    right = flow.motion_magnitude(expected)
    allowed = MAGNITUDE_ABSOLUTE + MAGNITUDE_RELATIVE * right
    off = np.abs(flow.motion_magnitude(measured) - right)
    return Parity(
        mean=float(error.mean(dtype=np.float64)),
        percentile=float(np.percentile(error, 99)),
        share=float((error > FAR_PIXELS).mean()),
        largest=float(error.max()),
        magnitude=float((off - allowed).max()),
    )


def opencv_flow(frame, next_frame):
    """Computes flows with OpenCV, pair by pair."""
    pairs = zip(frame, next_frame, strict=True)
    return np.stack([flow.farneback_flow(*pair) for pair in pairs])


def flow_model(size):
    """Builds a model that is the layer alone, for any batch."""
    inputs = [keras.Input((*size, 3), dtype="uint8") for _ in range(2)]
    return keras.Model(inputs, flow.OpticalFlow()(inputs))
