"""How much pairs look like the training films, in a served model's graph."""

import numpy as np
import tensorflow as tf

from keras_ssc import models


class GraphFamiliarity(tf.Module):
    """What `familiarity.Familiarity.judge` is, as a part of a graph.

    Args:
        fitted: A `familiarity.Familiarity` of the embedded encoder.
        encodes: Boolean, whether it has the encoder; if not, it is given the
            features.
    """

    def __init__(self, fitted, encodes):
        super().__init__(name="familiarity")
        self._fitted = fitted
        # As in the run's file: float32 would be twice as large.
        self.rows = tf.Variable(np.float16(fitted.rows), trainable=False)
        self._encode, self.weights = None, []
        if encodes:
            network = models.embedded_encoder().network(
                [models.EMBEDDED_FEATURES]
            )
            # The network itself would be written with each weight twice.
            self._encode = lambda frame: network(
                {"frame": frame}, training=False
            )
            self.weights = [variable.value for variable in network.variables]

    @property
    def num_bytes(self):
        """Integer, what its variables take of a stored model."""
        return sum(
            x.dtype.size * x.shape.num_elements() for x in self.variables
        )

    def __call__(self, frame, features=None):
        """Says how familiar pairs are.

        Args:
            frame: uint8 tensor (pairs, 224, 224, 3), RGB.
            features: float32 tensor (pairs, n), what the encoder makes of
                them; None if this is to compute it.

        Returns:
            float32 tensor (pairs,), 0 to 1.
        """
        if features is None:
            features = self._encode(frame)[models.EMBEDDED_FEATURES]
        places = tf.searchsorted(
            self._fitted.ordered, self._distances(features), out_type=tf.int64
        )
        return tf.gather(self._fitted.counts, places)

    def _distances(self, features):
        rows = tf.cast(self.rows, tf.float32)
        squares = np.square(self._fitted.rows).sum(axis=1)
        squares = squares - 2 * tf.matmul(features, rows, transpose_b=True)
        squares += tf.reduce_sum(features**2, axis=1, keepdims=True)
        nearest = -tf.math.top_k(-squares, self._fitted.neighbours).values
        # Rounding makes a distance of none negative.
        return tf.reduce_mean(tf.sqrt(tf.maximum(nearest, 0)), axis=1)
