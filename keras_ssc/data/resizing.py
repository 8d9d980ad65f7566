"""The one way in which frames are resized."""

import tensorflow as tf


def resize(frame, image_size):
    """Resizes frames, as training, evaluation and the served model all do.

    Args:
        frame: uint8 tensor (..., height, width, 3).
        image_size: Tuple of two integers, (height, width).

    Returns:
        uint8 tensor (..., *image_size, 3). Bilinear, averaged over the
        covered pixels where it shrinks.
    """
    resized = tf.image.resize(frame, image_size, antialias=True)
    return tf.cast(tf.clip_by_value(tf.round(resized), 0, 255), tf.uint8)
