"""Light encoders in the place of the embedded ones, which take seconds."""

import functools

import keras
from keras import layers
from keras import ops

from keras_ssc import models
from keras_ssc.models import parts


@functools.cache
def encoder():
    """Returns an encoder of what `models.embedded_encoder` takes.

    Its features are the frame's colours on a grid of 4 by 4.
    """
    frame = parts.frame_input(models.EMBEDDED_SIZE)
    x = layers.AveragePooling2D(56)(parts.scale_frame(frame))
    x = parts.features(x, "frame")
    return models.Encoder(keras.Model({"frame": frame}, x))


@functools.cache
def pair_encoder():
    """Returns an encoder of what `models.embedded_pair_encoder` takes.

    Its features are the colours of frame and flow on a grid of 4 by 4.
    """
    inputs, motion = parts.frame_and_flow_inputs(models.EMBEDDED_SIZE)
    moved = ops.concatenate([motion, motion[..., :1] * motion[..., 1:]], -1)
    pictures = {"frame": parts.scale_frame(inputs["frame"]), "flow": moved}
    found = [
        parts.features(layers.AveragePooling2D(56)(x), kind)
        for kind, x in pictures.items()
    ]
    return models.Encoder(keras.Model(inputs, found))
