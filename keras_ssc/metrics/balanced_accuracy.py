"""Accuracy that counts every genre as much, however many pairs it has."""

import keras
from keras import ops

from keras_ssc.metrics import scoring


@keras.saving.register_keras_serializable(package="keras_ssc")
class BalancedAccuracy(keras.metrics.Metric):
    """The mean of the genres' recalls, over the genres that occur.

    Macro recall: a model that always says the most frequent genre has a high
    accuracy, and a balanced one of 1 / genres. It is computed from the
    confusion matrix, in the weight `confusion`, (num_genres, num_genres):
    true genres down, predicted ones across.

    Args:
        num_genres: Integer, how many genres there are.
        name: String, the metric's name in logs.
        dtype: The dtype of counts and result; Keras' floatx if None.
    """

    def __init__(self, num_genres, name="balanced_accuracy", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.num_genres = num_genres
        # Counts add up over batches and over devices.
        self.confusion = self.add_variable(
            (num_genres, num_genres), "zeros", aggregation="sum"
        )

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Counts a batch.

        Args:
            y_true: One-hot labels (batch, num_genres).
            y_pred: Logits or probabilities (batch, num_genres).
            sample_weight: What each pair counts (batch,); 1 if None.
        """
        true, predicted = (
            ops.one_hot(scoring.best(scores), self.num_genres, dtype=self.dtype)
            for scores in (y_true, y_pred)
        )
        if sample_weight is not None:
            weight = ops.cast(sample_weight, self.dtype)
            true = true * ops.reshape(weight, (-1, 1))
        counts = ops.matmul(ops.transpose(true), predicted)
        self.confusion.assign_add(counts)

    def result(self):
        """Returns the mean recall, a scalar; 0 if nothing was counted."""
        right = ops.diagonal(self.confusion)
        totals = ops.sum(self.confusion, axis=1)
        occurs = ops.cast(totals > 0, self.dtype)
        recalls = ops.divide_no_nan(right, totals)
        return ops.divide_no_nan(ops.sum(recalls), ops.sum(occurs))

    def get_config(self):
        """Returns what it is made again from."""
        return {**super().get_config(), "num_genres": self.num_genres}


def read_confusion(model):
    """Reads the counts of a compiled model's `BalancedAccuracy`.

    They are those of the metric's last pass over data: within `fit`, at an
    epoch's end, the validation's where there is one.

    Args:
        model: A `keras.Model`.

    Returns:
        Array (num_genres, num_genres) of counts, true genres down, predicted
        ones across; None if the model is compiled without the metric, or has
        seen no batch yet.
    """
    for metric in model.metrics:
        # Keras puts what compile was given into one metric that holds them.
        for inner in (metric, *getattr(metric, "metrics", ())):
            if isinstance(inner, BalancedAccuracy):
                return ops.convert_to_numpy(inner.confusion)
    return None
