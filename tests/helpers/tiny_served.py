"""A served model small enough for tests, and images for it."""

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_ssc import models
from keras_ssc import tasks
from keras_ssc.genres import REPORT_GENRES
from keras_ssc.metrics.familiarity import Familiarity
from keras_ssc.serving import served_model
from keras_ssc.serving.client import Answer
from keras_ssc.training import run_familiarity
from tests.helpers import drawn_films

SIZE = (68, 120)
TASK = tasks.OneGenre(REPORT_GENRES, temperature=1.7)
SHARPNESS = 20.0


def build():
    """Returns a Keras model with random weights, the same ones always."""
    keras.utils.set_random_seed(7)
    model = models.build_model("fc", SIZE)
    # As they are drawn, the weights answer nearly the same to every frame.
    kernel = model.layers[-1].kernel
    kernel.assign(SHARPNESS * kernel)
    return model


def save(folder):
    """Writes the model as a SavedModel, as one of a pair's frame and flow."""
    model = build()
    flow = keras.Input((*SIZE, 2), name="flow")
    frame = keras.Input((*SIZE, 3), dtype="uint8", name="frame")
    given = {"frame": frame, "flow": flow}
    # Of no weight, but Keras may take no input that nothing depends on.
    logits = model({"frame": frame}) + 0 * flow[:, 0, 0, :1]
    save_model(keras.Model(given, logits), folder)


def save_model(model, folder, familiarity=None):
    """Writes a Keras model as a SavedModel."""
    served = served_model.ServedModel(model, TASK, familiarity)
    tf.saved_model.save(served, str(folder), signatures=served.signatures())


def familiarity():
    """Returns what the places of 16 drawn films look like."""
    drawn = np.stack([drawn_films.shot(place, 1)[0] for place in range(16)])
    film = np.arange(16).astype(str)
    return Familiarity.fit(run_familiarity.encode(drawn), film)


def frames(num_pairs):
    """Returns pairs of drawn frames, of another size than the model's."""
    shots = [
        drawn_films.shot(number, 2, speed=number % 4)
        for number in range(num_pairs)
    ]
    return [tuple(shot) for shot in shots]


def encode(frame, suffix=".png"):
    """Encodes an RGB frame."""
    _, data = cv2.imencode(suffix, cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    return data.tobytes()


def pairs(num_pairs, suffix=".png"):
    """Returns pairs of encoded frames."""
    return [
        tuple(encode(frame, suffix) for frame in pair)
        for pair in frames(num_pairs)
    ]


def ask(signature, pairs):
    """Asks a serving_default for encoded pairs; returns a dict of arrays."""
    images = zip(*pairs, strict=True) if pairs else ((), ())
    images = (tf.constant(part, tf.string) for part in images)
    names = ("frame_bytes", "next_frame_bytes")
    outputs = signature(**dict(zip(names, images, strict=True)))
    return {name: value.numpy() for name, value in outputs.items()}


def local(served_dir):
    """Returns what asks a served model as a client does, but no server."""
    model = tf.saved_model.load(str(served_dir))
    signature = model.signatures["serving_default"]

    def answers(pairs):
        outputs = ask(signature, pairs)
        return [
            Answer(
                genre.decode(),
                dict(zip(REPORT_GENRES, scores, strict=True)),
                motion,
            )
            for genre, scores, motion in zip(
                outputs["genre"],
                outputs["scores"].tolist(),
                outputs["motion_magnitude"].tolist(),
                strict=True,
            )
        ]

    return answers


def assert_same(answers, expected):
    assert len(answers) == len(expected)
    for answer, other in zip(answers, expected, strict=True):
        assert answer.genre == other.genre
        assert answer.scores == pytest.approx(other.scores, abs=1e-5)
        assert answer.motion_magnitude == pytest.approx(
            other.motion_magnitude, abs=1e-5
        )
