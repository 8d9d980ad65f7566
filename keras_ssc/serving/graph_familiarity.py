"""How much pairs look like the training films, in a served model's graph."""

import numpy as np
import tensorflow as tf

from keras_ssc import models
from keras_ssc.metrics.familiarity import LEAST_LENGTH


class GraphFamiliarity(tf.Module):
    """What `familiarity.Familiarity.judge` is, as a part of a graph.

    Args:
        fitted: A `familiarity.Familiarity` of the embedded encoder.
        encodes: Boolean, whether it has the encoder and takes frames, uint8
            (pairs, 224, 224, 3), RGB; if not, it takes what the encoder has
            made of them, float32 (pairs, n).

    Attributes:
        encodes: Boolean, as the argument.
        distances: Function of what it takes that returns a float32 tensor
            (pairs,), see `Familiarity.distances_of`.
        rows: tf.Variable, the rows of `fitted`.
        weights: List of tf.Variable, the encoder's, if it has it.
    """

    def __init__(self, fitted, encodes):
        super().__init__(name="familiarity")
        self._fitted, self.encodes = fitted, encodes
        # As in the run's file: float32 would be twice as large.
        self.rows = tf.Variable(np.float16(fitted.rows), trainable=False)
        spec = tf.TensorSpec((None, fitted.rows.shape[1]), tf.float32)
        distances, self.weights = self._distances, []
        if encodes:
            name = models.EMBEDDED_FEATURES
            network = models.embedded_encoder().network([name])
            spec = tf.TensorSpec((None, *models.EMBEDDED_SIZE, 3), tf.uint8)
            # The network itself would be written with each weight twice.
            self.weights = [variable.value for variable in network.variables]

            def distances(frame):
                features = network({"frame": frame}, training=False)[name]
                return self._distances(features)

        self.distances = tf.function(distances, input_signature=[spec])

    @property
    def num_bytes(self):
        """Integer, what its variables take of a stored model."""
        return sum(
            x.dtype.size * x.shape.num_elements() for x in self.variables
        )

    def judge(self, given):
        """Returns how familiar pairs are, float32 (pairs,), 0 to 1."""
        places = tf.searchsorted(self._fitted.ordered, self.distances(given))
        return tf.gather(self._fitted.counts, places)

    def _distances(self, features):
        rows = tf.cast(self.rows, tf.float32)
        if self._fitted.is_unit:
            lengths = tf.norm(features, axis=1, keepdims=True)
            features = features / tf.maximum(lengths, LEAST_LENGTH)
        squares = np.square(self._fitted.rows).sum(axis=1)
        squares = squares - 2 * tf.matmul(features, rows, transpose_b=True)
        squares += tf.reduce_sum(features**2, axis=1, keepdims=True)
        nearest = -tf.math.top_k(-squares, self._fitted.neighbours).values
        # Rounding makes a distance of none negative.
        return tf.reduce_mean(tf.sqrt(tf.maximum(nearest, 0)), axis=1)
