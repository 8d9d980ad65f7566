"""The networks of `keras.applications` by name, and how each scales a frame.

Their weights for `"imagenet"` are downloaded by Keras.
"""

import functools
import pathlib
import re

import keras
from keras import layers
from keras import ops

from keras_ssc.models import parts

# ImageNet's mean and standard deviation of red, green and blue, in 0..1.
_MEANS = (0.485, 0.456, 0.406)
_DEVIATIONS = (0.229, 0.224, 0.225)


def caffe(frame):
    """Scales a frame as the weights of VGG and of the first ResNets expect it.

    BGR, less the mean of ImageNet, as their `preprocess_input` does.
    """
    frame = ops.flip(ops.cast(frame, "float32"), axis=-1)
    return layers.Rescaling(1.0, offset=[-103.939, -116.779, -123.68])(frame)


def _standardized(frame):
    """Scales a frame to ImageNet's mean of 0 and deviation of 1."""
    pairs = list(zip(_MEANS, _DEVIATIONS, strict=True))
    scale = [1 / (255 * deviation) for _, deviation in pairs]
    offset = [-mean / deviation for mean, deviation in pairs]
    return layers.Rescaling(scale, offset=offset)(frame)


def _as_it_is(frame):
    """Leaves scaling to the network, which begins with it."""
    return ops.cast(frame, "float32")


# By module of `keras.applications`, what its `preprocess_input` does.
SCALES = {
    "convnext": _as_it_is,
    "densenet": _standardized,
    "efficientnet": _as_it_is,
    "efficientnet_v2": _as_it_is,
    "inception_resnet_v2": parts.scale_frame,
    "inception_v3": parts.scale_frame,
    "mobilenet": parts.scale_frame,
    "mobilenet_v2": parts.scale_frame,
    "mobilenet_v3": _as_it_is,
    "nasnet": parts.scale_frame,
    "resnet": caffe,
    "resnet_v2": parts.scale_frame,
    "vgg16": caffe,
    "vgg19": caffe,
    "xception": parts.scale_frame,
}

# The smallest side of an image in pixels; 32 of the others.
_MIN_SIZES = {"inception_resnet_v2": 75, "inception_v3": 75, "xception": 71}


def _efficientnet(function, include_top, weights, input_shape, pooling):
    """Builds an EfficientNet; refuses ImageNet's weights given as a file.

    Only where `"imagenet"` is asked for, Keras divides the image once more,
    as these weights need it.
    """
    file = pathlib.Path(weights or "").name
    if re.fullmatch(r"efficientnetb\d_notop\.h5", file):
        raise ValueError(
            "frames are scaled otherwise for ImageNet's weights: put it into "
            "models of KERAS_HOME, ~/.keras, and give --weights imagenet"
        )
    return function(
        include_top=include_top,
        weights=weights,
        input_shape=input_shape,
        pooling=pooling,
    )


def _found():
    """Returns by name a function, the smallest image and the scaling."""
    found = {}
    for name, function in vars(keras.applications).items():
        module = getattr(function, "__module__", "").rpartition(".")[2]
        if callable(function) and module in SCALES:
            if module == "efficientnet":
                function = functools.partial(_efficientnet, function)
            smallest = _MIN_SIZES.get(module, 32)
            found[name.lower()] = function, smallest, SCALES[module]
    return found


# Such as `mobilenetv2` and `efficientnetv2b0`: the functions' names in small
# letters.
FUNCTIONS = _found()
