"""What several models are put together from: inputs, scaling, heads."""

import keras
from keras import layers
from keras import ops

from keras_ssc import checks
from keras_ssc.flow import OpticalFlow

FLOWS = ("given", "graph")

# Farneback throws outliers of hundreds of pixels where nothing matches; real
# motion between two frames stays below this.
_MAX_FLOW_PIXELS = 20.0

# Keras' default of 0.99 needs some hundred steps until the averages that
# evaluation uses have forgotten where they began; short trainings end before,
# and everything becomes one genre, silently.
_BATCH_NORMALIZATION_MOMENTUM = 0.9

# Brings flow into the range that frames have. Most of a film moves by less
# than 8 pixels from frame to frame.
_FLOW_SCALE_PIXELS = 8.0


def frame_input(image_size, name="frame"):
    """Returns a `keras.Input` of uint8 RGB, (batch, height, width, 3)."""
    return keras.Input((*image_size, 3), dtype="uint8", name=name)


def frame_and_flow_inputs(image_size, flow="given"):
    """Returns the inputs of a model that sees a frame and its flow.

    Args:
        image_size: Tuple of two integers, (height, width).
        flow: String. `"given"`: the flow is an input; `"graph"`: the model
            computes it, of the frame and the next one.

    Returns:
        A tuple (inputs, flow): a dict of `keras.Input`, `frame` and either
        `flow` or `next_frame`; and the flow, a Keras tensor, float32 (batch,
        height, width, 2) in pixels, (x, y).

    Raises:
        ValueError: If `flow` is something else.
    """
    checks.one_of("flow", flow, FLOWS)
    inputs = {"frame": frame_input(image_size)}
    if flow == "given":
        inputs["flow"] = keras.Input((*image_size, 2), name="flow")
        return inputs, inputs["flow"]
    inputs["next_frame"] = frame_input(image_size, "next_frame")
    computed = OpticalFlow(name="optical_flow")(
        [inputs["frame"], inputs["next_frame"]]
    )
    return inputs, computed


def scale_frame(frame):
    """Scales a uint8 frame to -1..1."""
    return layers.Rescaling(1 / 127.5, offset=-1)(frame)


def scale_flow(flow):
    """Clips flow, in pixels, and scales it to about the range of frames."""
    flow = ops.clip(flow, -_MAX_FLOW_PIXELS, _MAX_FLOW_PIXELS)
    return layers.Rescaling(1 / _FLOW_SCALE_PIXELS)(flow)


def features(x, kind):
    """Marks what a trunk, which may be frozen, has made of a pair.

    Args:
        x: Keras tensor (batch, ...).
        kind: String: what it is made of, such as `frame`, `flow` or `pair`.

    Returns:
        The same as a float32 tensor (batch, n), the output of the layer
        `<kind>_features`, see `features.names`.
    """
    return layers.Flatten(name=f"{kind}_features", dtype="float32")(x)


def set_momentum(network):
    """Sets the momentum of a network's batch normalisation."""
    # That inside other layers too, which Keras has no public word for.
    for layer in network._flatten_layers():
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = _BATCH_NORMALIZATION_MOMENTUM


def dense(x, units):
    """Adds fully connected layers with ReLUs, one for each of `units`."""
    for place, number in enumerate(units, start=1):
        x = layers.Dense(number, activation="relu", name=f"dense_{place}")(x)
    return x


def logits(x, num_genres):
    """Adds the last layer: float32 logits, (batch, num_genres)."""
    # float32 under mixed precision too: a softmax of float16 loses genres.
    return layers.Dense(num_genres, dtype="float32", name="logits")(x)
