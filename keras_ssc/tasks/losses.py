"""Losses that Keras does not have."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_ssc")
class WeightedBinaryCrossentropy(keras.losses.Loss):
    """Binary cross-entropy of logits, in which each genre has a weight.

    Args:
        weights: List of floats (genres,), what a pair that is of the genre
            counts; one that is not counts 1.
        label_smoothing: Float, from 0 to below 1: targets are moved by so much
            of their way to a half.
        name: String.
        **settings: See `keras.losses.Loss`.
    """

    def __init__(
        self, weights, label_smoothing=0.0, name="weighted_bce", **settings
    ):
        super().__init__(name=name, **settings)
        self.weights = [float(weight) for weight in weights]
        self.label_smoothing = label_smoothing

    def call(self, y_true, y_pred):
        """Returns the loss of each pair, (batch,).

        Args:
            y_true: Multi-hot labels (batch, genres).
            y_pred: Logits (batch, genres).
        """
        y_true = ops.cast(y_true, y_pred.dtype)
        weights = ops.convert_to_tensor(self.weights, y_pred.dtype)
        counts = 1 + y_true * (weights - 1)
        targets = y_true * (1 - self.label_smoothing) + self.label_smoothing / 2
        losses = ops.binary_crossentropy(targets, y_pred, from_logits=True)
        return ops.mean(counts * losses, axis=-1)

    def get_config(self):
        """Returns what it is made again from."""
        own = {"weights": self.weights, "label_smoothing": self.label_smoothing}
        return {**super().get_config(), **own}
