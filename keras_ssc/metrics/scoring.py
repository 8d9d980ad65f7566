"""Labels and predictions -> accuracy, macro F1 and confusion."""

import numpy as np
from sklearn import metrics


def scores_of(labels, predicted, names):
    """Computes accuracy, macro F1, accuracy per genre and the confusion.

    Args:
        labels: Integer array (n,), the true classes.
        predicted: Integer array (n,), the predicted classes.
        names: Sequence of the classes' names.

    Returns:
        A dict: `accuracy` and `macro_f1`, floats; `per_genre`, a dict from
        each name to the share of its examples that are right, None where it
        has none; `confusion`, a list of rows, true classes down, predicted
        ones across; `num`, how many examples.
    """
    places = range(len(names))
    confusion = metrics.confusion_matrix(labels, predicted, labels=places)
    counts = confusion.sum(axis=1)
    present = [place for place in places if counts[place]]
    return {
        "num": len(labels),
        "accuracy": float(metrics.accuracy_score(labels, predicted)),
        # Over the genres that are there: one that the split lacks would
        # count as 0, whatever the model does.
        "macro_f1": float(
            metrics.f1_score(
                labels,
                predicted,
                labels=present,
                average="macro",
                zero_division=0,
            )
        ),
        "per_genre": {
            name: float(confusion[place, place] / counts[place])
            if counts[place]
            else None
            for place, name in enumerate(names)
        },
        "confusion": confusion.tolist(),
    }


def film_scores(probabilities):
    """Computes a film's scores: the mean of its pairs', all weighing the same.

    Args:
        probabilities: Float array (pairs, classes), of pairs at even or
            random times over the film.

    Returns:
        float64 array (classes,).
    """
    return np.mean(probabilities, axis=0, dtype=np.float64)
