"""The models, one builder function each; `MODELS` knows them by name.

A model takes a dict of what it needs of a pair, by the names that the input
pipeline gives them: `frame` and `next_frame`, uint8 RGB, and `flow`, float32
pixels. Scaling is inside the model. It returns logits.
"""

import keras
from keras import layers
from keras import ops

# Farneback throws outliers of hundreds of pixels where nothing matches; real
# motion between two frames stays below this.
_MAX_FLOW_PIXELS = 20.0

# Brings flow into the range that frames have. Most of a film moves by less
# than 8 pixels from frame to frame.
_FLOW_SCALE_PIXELS = 8.0

# Keras' default of 0.99 needs some hundred steps until the averages that
# evaluation uses have forgotten where they began; short trainings end before,
# and everything becomes one genre, silently.
_BATCH_NORMALIZATION_MOMENTUM = 0.9


def build_model(name, image_size, num_genres=6, **options):
    """Builds a model by its name.

    Args:
        name: String, a key of `MODELS`.
        image_size: Tuple of two integers, (height, width) of the frames.
        num_genres: Integer, how many classes there are.
        **options: The model's own options, see its function.

    Returns:
        A `keras.Model`. Its inputs are a dict, see each function; its output
        is float32 logits of shape (batch, num_genres).

    Raises:
        ValueError: If there is no such model.
    """
    if name not in MODELS:
        raise ValueError(
            f"Unknown model. Expected one of: {', '.join(sorted(MODELS))}. "
            f"Received: {name!r}"
        )
    return MODELS[name](image_size, num_genres, **options)


def fc(image_size=(68, 120), num_genres=6):
    """Builds the fully connected network of the report, 50 - 10 - 40.

    Args:
        image_size: Tuple of two integers, (height, width).
        num_genres: Integer, how many classes there are.

    Returns:
        A `keras.Model` of `frame`, uint8 (batch, height, width, 3).
    """
    frame = keras.Input((*image_size, 3), dtype="uint8", name="frame")
    # Centred: with inputs of 0..1 the ten ReLUs of the second layer can all
    # die in the first steps (one seed in four did), and nothing is learnt.
    x = layers.Flatten()(_scale_frame(frame))  # (batch, height * width * 3)
    for units in (50, 10, 40):
        x = layers.Dense(units, activation="relu")(x)
    return keras.Model({"frame": frame}, _logits(x, num_genres), name="fc")


def double_stack(image_size=(299, 299), num_genres=6, dense_units=(4096, 2048)):
    """Builds the double stack of the report: a frame and its flow.

    Both go through Inception v3, each through a first convolution of its own
    and then through one trunk, with the same weights. Between the fully
    connected layers are ReLUs; the report had none, which made them one
    linear map.

    Args:
        image_size: Tuple of two integers, (height, width), 75 or more.
        num_genres: Integer, how many classes there are.
        dense_units: Tuple of integers, the fully connected layers. The
            report's are 4096 and 2048.

    Returns:
        A `keras.Model` of `frame`, uint8 (batch, height, width, 3), and
        `flow`, float32 (batch, height, width, 2) in pixels, (x, y).
    """
    frame = keras.Input((*image_size, 3), dtype="uint8", name="frame")
    flow = keras.Input((*image_size, 2), dtype="float32", name="flow")
    trunk, make_stem = _inception_v3_trunk(image_size)
    frame_maps = make_stem("frame_stem")(_scale_frame(frame))
    flow_maps = make_stem("flow_stem")(_scale_flow(flow))
    # One call for both: called twice, batch normalisation would average over
    # two distributions in turn, and evaluation with these averages lags.
    x = ops.stack([frame_maps, flow_maps], axis=1)  # (batch, 2, h, w, 32)
    x = ops.reshape(x, (-1, *frame_maps.shape[1:]))  # (2 batch, h, w, 32)
    x = trunk(x)  # (2 batch, 2048)
    x = ops.reshape(x, (-1, 2 * x.shape[-1]))  # (batch, 4096)
    for units in dense_units:
        x = layers.Dense(units, activation="relu")(x)
    return keras.Model(
        {"frame": frame, "flow": flow},
        _logits(x, num_genres),
        name="double_stack",
    )


MODELS = {"fc": fc, "double_stack": double_stack}


def _logits(x, num_genres):
    # float32 under mixed precision too: a softmax of float16 loses genres.
    return layers.Dense(num_genres, dtype="float32", name="logits")(x)


def _scale_frame(frame):
    return layers.Rescaling(1 / 127.5, offset=-1)(frame)  # -1..1


def _scale_flow(flow):
    flow = ops.clip(flow, -_MAX_FLOW_PIXELS, _MAX_FLOW_PIXELS)
    return layers.Rescaling(1 / _FLOW_SCALE_PIXELS)(flow)


def _inception_v3_trunk(image_size):
    """Returns Inception v3 behind its first convolution, and a stem maker.

    The stem, the first convolution, is what depends on the number of
    channels. `make_stem(name)` returns a new one, for any number.
    """
    if min(image_size) < 75:
        raise ValueError(
            "Expected image_size of 75 or more on both sides for "
            f"Inception v3. Received: {tuple(image_size)}"
        )
    network = keras.applications.InceptionV3(
        include_top=False,
        weights=None,
        input_shape=(*image_size, 3),
        pooling="avg",
    )
    for layer in network.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = _BATCH_NORMALIZATION_MOMENTUM
    stem = network.layers[1]
    trunk = keras.Model(stem.output, network.output, name="inception_v3")

    def make_stem(name):
        return layers.Conv2D.from_config({**stem.get_config(), "name": name})

    return trunk, make_stem
