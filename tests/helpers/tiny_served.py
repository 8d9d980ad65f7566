"""A served model small enough for tests, and images for it."""

import cv2
import keras
import tensorflow as tf

from keras_ssc import models
from keras_ssc.serving import served_model
from tests.helpers import drawn_films

SIZE = (68, 120)
TEMPERATURE = 1.7
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
    save_model(keras.Model(given, model({"frame": frame})), folder)


def save_model(model, folder):
    """Writes a Keras model as a SavedModel."""
    served = served_model.ServedModel(model, TEMPERATURE)
    tf.saved_model.save(served, str(folder), signatures=served.signatures())


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
