"""Attention over all of a film's pairs, on features of a frozen trunk."""

import math

import keras
from keras import layers
from keras import ops

from keras_ssc.models import motion_models

_UNITS = 64

# How many weighted means of the pairs there are, each with weights of its own.
_MEANS = 4

# Waves of a position: halves of a period over the whole film.
_WAVES = (1, 2, 4)

# Films are few.
_DROPOUT = 0.5

_LEAST = 1e-6


def film_attention(
    image_size=(224, 224),
    num_genres=6,
    weights=None,
    trunk="shared",
    flow="given",
    backbone="efficientnet_lite0",
):
    """Builds the double stack with one linear layer, for `film_head` above it.

    Args:
        image_size: See `motion_models.double_stack`, as all of these.
        num_genres: Integer, how many classes there are.
        weights: None, `"imagenet"`, or a path.
        trunk: String.
        flow: String.
        backbone: String.

    Returns:
        A `keras.Model` of pairs, with the inputs of the double stack.
    """
    pairs = motion_models.double_stack(
        image_size, num_genres, weights, (), trunk, flow, backbone
    )
    return keras.Model(pairs.input, pairs.output, name="film_attention")


def film_head(num_features, num_genres, activation):
    """Builds the head over a film's pairs.

    It says what the mean of the pairs' scores says, plus what it has learned
    of all pairs together; at the beginning, that is nothing.

    Args:
        num_features: Integer, how many features a pair has, n.
        num_genres: Integer, how many classes there are.
        activation: String, what makes scores of a pair's logits: `"softmax"`
            or `"sigmoid"`.

    Returns:
        A `keras.Model`. Its inputs are a dict of `features`, float32 (batch,
        pairs, n), those that the pairs' last layer takes; `position`, float32
        (batch, pairs), where in the film each is, 0..1; `mask`, bool (batch,
        pairs), False where a film has no more pairs. Its output is float32
        logits (batch, num_genres). The layer `pair_scores` has the weights of
        the pairs' last layer and is not trained.
    """
    features = keras.Input((None, num_features), name="features")
    position = keras.Input((None,), name="position")
    mask = keras.Input((None,), dtype="bool", name="mask")
    is_there = ops.expand_dims(mask, -1)  # (batch, pairs, 1)
    scores = layers.Dense(
        num_genres, activation, trainable=False, name="pair_scores"
    )(features)
    x = layers.Dense(_UNITS)(layers.LayerNormalization()(features))
    x = layers.ReLU()(x + layers.Dense(_UNITS)(_waves(position)))
    x = layers.Dropout(_DROPOUT)(x)  # (batch, pairs, units)
    weights = layers.Dense(_MEANS)(x)
    weights = ops.softmax(ops.where(is_there, weights, -1e9), axis=1)
    means = ops.matmul(ops.transpose(weights, (0, 2, 1)), x)
    means = layers.Dropout(_DROPOUT)(layers.Flatten()(means))
    learned = layers.Dense(
        num_genres, kernel_initializer="zeros", name="learned"
    )(means)
    inputs = {"features": features, "position": position, "mask": mask}
    logits = _logits_of_mean(scores, is_there, activation) + learned
    return keras.Model(inputs, logits, name="film_head")


def _waves(position):
    """Returns sines and cosines of positions, (batch, pairs, 6)."""
    angles = [math.pi * number * position for number in _WAVES]
    waves = [wave(x) for x in angles for wave in (ops.sin, ops.cos)]
    return ops.stack(waves, axis=-1)


def _logits_of_mean(scores, is_there, activation):
    """Returns the logits that have the mean of the pairs' scores as theirs."""
    counted = ops.cast(is_there, "float32")
    mean = ops.sum(counted * scores, axis=1) / ops.sum(counted, axis=1)
    mean = ops.clip(mean, _LEAST, 1 - _LEAST)
    if activation == "softmax":
        return ops.log(mean)
    return ops.log(mean) - ops.log(1 - mean)
