"""Two frames as they were decoded -> what a network takes of them."""

import concurrent.futures
import os

import numpy as np

from keras_ssc import flow
from keras_ssc.data import resizing


class PairInputs:
    """Resizes pairs and computes their flow, side by side in threads.

    Args:
        image_size: Tuple of two integers, (height, width).
        has_flow: Boolean, whether the flow is wanted.
    """

    def __init__(self, image_size, has_flow=True):
        self._image_size, self._has_flow = image_size, has_flow
        self._threads = concurrent.futures.ThreadPoolExecutor(os.cpu_count())

    def __call__(self, frame, next_frame):
        """Computes what a network takes.

        Args:
            frame: uint8 array (pairs, height, width, 3), RGB.
            next_frame: The same, the frames after them.

        Returns:
            A dict of arrays: `frame` and `next_frame`, uint8 (pairs,
            *image_size, 3), and, if it is wanted, `flow`, float32 (pairs,
            *image_size, 2), pixels, by OpenCV.
        """
        inputs = {
            name: resizing.resize(array, self._image_size).numpy()
            for name, array in (("frame", frame), ("next_frame", next_frame))
        }
        if self._has_flow:
            inputs["flow"] = np.stack(
                list(self._threads.map(flow.farneback_flow, *inputs.values()))
            )
        return inputs
