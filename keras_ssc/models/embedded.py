"""The encoder that is at hand everywhere, whatever model was trained."""

import functools

import keras

from keras_ssc.models import backbones
from keras_ssc.models import motion_models
from keras_ssc.models import parts
from keras_ssc.models.features import Encoder

# Of the frames that it takes, (height, width), and what it gives of them.
IMAGE_SIZE = (224, 224)
FEATURES = "frame_features"

_BACKBONE = "efficientnet_lite0"


@functools.cache
def encoder():
    """Builds it, once in a process.

    EfficientNet-Lite0 with ImageNet's weights, which are installed with this
    project. A model with the same trunk, frozen, has the same features.

    Returns:
        An `Encoder` of `frame`, uint8 (pairs, 224, 224, 3), RGB, whose only
        feature is `frame_features`, float32 (pairs, 1280).

    Raises:
        WeightsError: If the weights cannot be had.
    """
    frame = parts.frame_input(IMAGE_SIZE)
    trunk = backbones.Trunk(_BACKBONE, IMAGE_SIZE, "imagenet")
    x = trunk(trunk.stem(trunk.scale_frame(frame), "frame_stem"))
    return Encoder(keras.Model({"frame": frame}, parts.features(x, "frame")))


@functools.cache
def pair_encoder():
    """Builds the same for a frame and its motion, once in a process.

    It is what a frozen `double_stack` of this backbone has before its head.

    Returns:
        An `Encoder` of `frame`, as `encoder` takes it, and `flow`, float32
        (pairs, 224, 224, 2), pixels; its features are `frame_features` and
        `flow_features`, float32 (pairs, 1280) each.

    Raises:
        WeightsError: If the weights cannot be had.
    """
    return Encoder(
        motion_models.double_stack(
            IMAGE_SIZE, weights="imagenet", dense_units=(), backbone=_BACKBONE
        )
    )
