"""A model of logits whose confusion is counted, and labels for it."""

import keras
import numpy as np

from keras_ssc.metrics import balanced_accuracy


def drawn(num_pairs, genres=range(6), seed=0):
    """Labels of some genres, unevenly many, and logits that lean to them."""
    generator = np.random.default_rng(seed)
    labels = generator.choice(genres, num_pairs)
    labels[: num_pairs // 2] = genres[0]
    logits = generator.normal(size=(num_pairs, 6)).astype(np.float32)
    logits[np.arange(num_pairs), labels] += 1
    return labels, logits


def one_hot(labels):
    return keras.utils.to_categorical(labels, 6)


def compiled_model():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(6)])
    model.compile(
        "sgd",
        keras.losses.CategoricalCrossentropy(from_logits=True),
        metrics=["accuracy", balanced_accuracy.BalancedAccuracy(6)],
    )
    return model


class ConfusionReader(keras.callbacks.Callback):
    """Keeps what a callback can read at each epoch's end."""

    def on_train_begin(self, logs=None):
        self.confusions, self.logs = [], []

    def on_epoch_end(self, epoch, logs=None):
        self.confusions.append(balanced_accuracy.read_confusion(self.model))
        self.logs.append(dict(logs))
