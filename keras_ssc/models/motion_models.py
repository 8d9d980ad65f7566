"""The models that see both frames, or a frame and its motion."""

import keras
from keras import layers
from keras import ops

from keras_ssc import checks
from keras_ssc.flow import motion_magnitude
from keras_ssc.models import backbones
from keras_ssc.models import parts

TRUNKS = ("shared", "separate", "flownet")

# Keeps the logarithm of a still pair finite; a hundredth of the magnitude at
# which a viewer begins to see motion.
_STILL_MAGNITUDE = 1e-5

# A scalar beside 2,048 features is ignored unless it is large.
_MAGNITUDE_SCALE = 10.0


def inception_v3_6ch(
    image_size=(299, 299), num_genres=6, weights=None, backbone="inception_v3"
):
    """Builds Inception v3 over both frames, R1 G1 B1 R2 G2 B2.

    Args:
        image_size: Tuple of two integers, (height, width), 75 or more.
        num_genres: Integer, how many classes there are.
        weights: None, `"imagenet"`, or a path; see `backbones.Trunk`.
        backbone: String, see `backbones.find`.

    Returns:
        A `keras.Model` of `frame` and `next_frame`, uint8 (batch, height,
        width, 3).
    """
    frame = parts.frame_input(image_size)
    next_frame = parts.frame_input(image_size, "next_frame")
    trunk = backbones.Trunk(backbone, image_size, weights)
    # Each frame is scaled before they are joined.
    scaled = [trunk.scale_frame(x) for x in (frame, next_frame)]
    x = trunk(trunk.stem(ops.concatenate(scaled, axis=-1), "pair_stem"))
    x = parts.features(x, "pair")
    return keras.Model(
        {"frame": frame, "next_frame": next_frame},
        parts.logits(x, num_genres),
        name="inception_v3_6ch",
    )


def flownet_fc(
    image_size=(224, 224),
    num_genres=6,
    dense_units=(4096, 4096),
    single_frame=False,
):
    """Builds FlowNet-S's encoder followed by fully connected layers.

    Dosovitskiy et al. 2015, arXiv:1504.06852. Kernels begin as N(0, 0.05),
    as the report's did.

    Args:
        image_size: Tuple of two integers, (height, width).
        num_genres: Integer, how many classes there are.
        dense_units: Tuple of integers, the fully connected layers, each with
            batch normalisation and dropout of 0.5.
        single_frame: Boolean, whether it sees one frame, as the report's
            did, and not the pair, as the paper's does.

    Returns:
        A `keras.Model` of `frame` and, unless `single_frame`, `next_frame`,
        uint8 (batch, height, width, 3).
    """
    names = ("frame",) if single_frame else ("frame", "next_frame")
    inputs = {name: parts.frame_input(image_size, name) for name in names}
    scaled = [parts.scale_frame(x) for x in inputs.values()]
    x = scaled[0] if single_frame else ops.concatenate(scaled, axis=-1)
    initializer = keras.initializers.RandomNormal(0.0, 0.05)
    x = layers.Flatten()(backbones.flownet_s(x, initializer))
    for units in dense_units:
        x = layers.Dense(units, kernel_initializer=initializer)(x)
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.Dropout(0.5)(layers.ReLU()(x))
    return keras.Model(inputs, parts.logits(x, num_genres), name="flownet_fc")


def double_stack(
    image_size=(299, 299),
    num_genres=6,
    weights=None,
    dense_units=(4096, 2048),
    trunk="shared",
    flow="given",
    backbone="inception_v3",
):
    """Builds the report's double stack: Inception v3 on the frame and the flow.

    Both go through Inception v3, each through a first convolution of its own
    and then, as in the report, through one trunk with the same weights.
    Between the fully connected layers are ReLUs; the report had none, which
    made them one linear map.

    Args:
        image_size: Tuple of two integers, (height, width), 75 or more.
        num_genres: Integer, how many classes there are.
        weights: None, `"imagenet"`, or a path; see `backbones.Trunk`.
        backbone: String, see `backbones.find`.
        dense_units: Tuple of integers, the fully connected layers.
        trunk: String. `"shared"`: one trunk for both; `"separate"`: one for
            each; `"flownet"`: FlowNet-S's encoder for the flow.
        flow: String. `"given"`: the flow is an input; `"graph"`: the model
            computes it, of both frames.

    Returns:
        A `keras.Model` of `frame`, uint8 (batch, height, width, 3), and
        `flow`, float32 (batch, height, width, 2) in pixels, (x, y), or, with
        `"graph"`, `next_frame` as `frame`.
    """
    checks.one_of("trunk", trunk, TRUNKS)
    inputs, motion = parts.frame_and_flow_inputs(image_size, flow)
    scaled_flow = parts.scale_flow(motion)
    own = backbones.Trunk(backbone, image_size, weights)
    scaled_frame = own.scale_frame(inputs["frame"])
    frame_maps = own.stem(scaled_frame, "frame_stem")
    if trunk == "shared":
        flow_maps = own.stem(scaled_flow, "flow_stem")
        features = _both_at_once(own, frame_maps, flow_maps)
    elif trunk == "separate":
        label = f"flow_{backbones.label_of(backbone)}"
        other = backbones.Trunk(backbone, image_size, weights, label=label)
        flow_maps = other.stem(scaled_flow, "flow_stem")
        features = own(frame_maps), other(flow_maps)
    else:
        flow_maps = backbones.flownet_s(scaled_flow)
        pooled = layers.GlobalAveragePooling2D()(flow_maps)
        features = own(frame_maps), pooled
    kinds = ("frame", "flow")
    features = list(map(parts.features, features, kinds))
    x = ops.concatenate(features, axis=-1)  # (batch, 4096)
    x = parts.dense(x, dense_units)
    return keras.Model(inputs, parts.logits(x, num_genres), name="double_stack")


def _both_at_once(trunk, frame_maps, flow_maps):
    # One call for both: called twice, batch normalisation would average over
    # two distributions in turn, and evaluation with these averages lags.
    x = ops.stack([frame_maps, flow_maps], axis=1)  # (batch, 2, h, w, 32)
    x = ops.reshape(x, (-1, *frame_maps.shape[1:]))  # (2 batch, h, w, 32)
    x = trunk(x)  # (2 batch, 2048)
    x = ops.reshape(x, (-1, 2, *x.shape[1:]))
    return x[:, 0], x[:, 1]  # of frame and flow, (batch, 2048) each


def motion_magnitude_stack(
    image_size=(299, 299),
    num_genres=6,
    weights=None,
    encoding=None,
    flow="given",
    backbone="inception_v3",
):
    """Builds the report's stack of Inception v3 and the motion magnitude.

    The magnitude's logarithm is standardised by the layer `log_magnitude`,
    which is to be adapted to the training pairs' (`motion_magnitude`),
    and raised beside the frame's features; then 256 - 6.

    Args:
        image_size: Tuple of two integers, (height, width), 75 or more.
        num_genres: Integer, how many classes there are.
        weights: None, `"imagenet"`, or a path; see `backbones.Trunk`.
        backbone: String, see `backbones.find`.
        encoding: Integer, how many neurons the frame's features are encoded
            to; 1 in the report. None keeps all 2,048 of them.
        flow: String. `"given"`: the flow is an input; `"graph"`: the model
            computes it, of both frames.

    Returns:
        A `keras.Model` of `frame`, uint8 (batch, height, width, 3), and
        `flow`, float32 (batch, height, width, 2) in pixels, (x, y), or, with
        `"graph"`, `next_frame` as `frame`.
    """
    inputs, motion = parts.frame_and_flow_inputs(image_size, flow)
    trunk = backbones.Trunk(backbone, image_size, weights)
    scaled_frame = trunk.scale_frame(inputs["frame"])
    x = trunk(trunk.stem(scaled_frame, "frame_stem"))
    x = parts.features(x, "frame")
    if encoding is not None:
        x = layers.Dense(encoding, activation="relu", name="encoding")(x)
    magnitude = ops.expand_dims(motion_magnitude(motion), -1)  # (batch, 1)
    magnitude = ops.log(magnitude + _STILL_MAGNITUDE)
    magnitude = parts.features(magnitude, "magnitude")
    magnitude = layers.Normalization(name="log_magnitude", dtype="float32")(
        magnitude
    )
    x = ops.concatenate([x, _MAGNITUDE_SCALE * magnitude], axis=-1)
    x = parts.dense(x, (256,))
    return keras.Model(
        inputs, parts.logits(x, num_genres), name="motion_magnitude_stack"
    )
