"""How much pairs look like the training films, in a served model's graph."""

import numpy as np
import tensorflow as tf

from keras_ssc import models
from keras_ssc.metrics.familiarity import LEAST_LENGTH

# A squared distance that no pair has.
_FAR = 1e30


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
        self._places = _places(fitted.num_rows)
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
        # A film's rows beside each other, filled up with what is never near.
        squares = tf.pad(squares, ((0, 0), (0, 1)), constant_values=_FAR)
        by_row = tf.gather(squares, self._places, axis=1)
        # Rounding makes a distance of none negative.
        roots = tf.sqrt(tf.maximum(_least(by_row, self._fitted.rows_each), 0))
        by_film = tf.reduce_mean(roots, axis=-1)  # (pairs, films)
        nearest = _least(by_film, self._fitted.num_films)
        return tf.reduce_mean(nearest, axis=-1)


def _least(x, count):
    return -tf.math.top_k(-x, count).values


def _places(num_rows):
    """Returns the places of each film's rows, int32 (films, most rows).

    What is filled up is the place behind all rows.
    """
    ends = np.cumsum(num_rows)
    places = (ends - num_rows)[:, np.newaxis] + np.arange(num_rows.max())
    places[places >= ends[:, np.newaxis]] = ends[-1]
    return places.astype(np.int32)
