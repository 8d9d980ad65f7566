"""The one number of a flow."""

import math

import numpy as np
from keras import ops


def motion_magnitude(flow):
    """Computes the one number that says how much a pair moves.

    The report's formula, (1/N) sum_k sqrt((|M_k| / H) (|M_k| / W)), which is
    the mean length of the motion vectors divided by sqrt(H W): the same
    motion gives the same number at every size. Farneback's method sees
    little motion in flat areas, so the number mixes motion with texture.

    Args:
        flow: Float NumPy array or Keras tensor (..., height, width, 2), in
            pixels. Height and width of a tensor are known.

    Returns:
        float32, an array or a tensor as `flow` is, (...): 0 where nothing
        moves.
    """
    size = math.prod(flow.shape[-3:-1])
    if isinstance(flow, np.ndarray):
        length = np.hypot(flow[..., 0], flow[..., 1], dtype=np.float32)
        # Summed in float64: 80,000 small float32 terms lose the last digits.
        mean = length.mean(axis=(-2, -1), dtype=np.float64)
        return np.float32(mean / np.sqrt(size))
    flow = ops.cast(flow, "float32")
    length = ops.sqrt(ops.sum(ops.square(flow), axis=-1))
    return ops.mean(length, axis=(-2, -1)) / math.sqrt(size)
