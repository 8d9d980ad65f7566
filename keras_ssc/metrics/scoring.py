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


def best(scores):
    """Returns the places of the highest scores; of equal ones, the first.

    Args:
        scores: Float NumPy array or tensor (..., classes).

    Returns:
        Integers (...), an array of NumPy's or a tensor, as `scores` is.
    """
    if isinstance(scores, np.ndarray):
        return np.argmax(scores, axis=-1)
    # Only now: what has arrays needs no Keras.
    from keras import ops

    return ops.argmax(scores, axis=-1)


def places_of(keys):
    """Returns the places of each key, the keys in order."""
    _, place, counts = np.unique(keys, return_inverse=True, return_counts=True)
    return np.split(np.argsort(place, kind="stable"), np.cumsum(counts)[:-1])


def means_of(keys, scores):
    """Computes the scores of films or scenes, see `film_scores`.

    Args:
        keys: Array (pairs,), the film or scene of each pair.
        scores: Float array (pairs, classes).

    Returns:
        A tuple: an integer array (groups,), the first pair of each; and a
        float64 array (groups, classes).
    """
    groups = places_of(keys)
    means = [film_scores(scores[places]) for places in groups]
    return np.array([places[0] for places in groups]), np.array(means)


def scene_keys(film, scene):
    """Returns a key for each scene of each film, an array (pairs,)."""
    return np.char.add(np.char.add(film, "\n"), scene.astype(str))


def precision_scores(labels, scores, predicted, names):
    """Computes average precision and F1 where examples have several classes.

    Args:
        labels: Bool array (n, classes), the true classes.
        scores: Float array (n, classes).
        predicted: Bool array (n, classes), the classes that were named.
        names: Sequence of the classes' names.

    Returns:
        A dict: `num`, how many examples; the mean average precision, as
        published work on trailers reports it: `map_macro`, the classes' mean,
        `map_weighted`, weighted by their examples, `map_micro`, of all
        examples and classes together, `map_samples`, the examples' mean;
        `macro_f1`, `micro_f1`; `per_genre`, a dict from each name to its
        average precision, and `per_genre_f1`, None where it has no example.
        Classes without one do not count. All None if no class has one.
    """
    present = np.flatnonzero(labels.any(axis=0))
    found = {"num": len(labels)}
    per_class = {
        name: dict.fromkeys(names) for name in ("per_genre", "per_genre_f1")
    }
    keys = ("map_macro", "map_weighted", "map_micro", "map_samples")
    if not len(present):
        return (
            found | dict.fromkeys((*keys, "macro_f1", "micro_f1")) | per_class
        )
    has_any = labels.any(axis=1)
    by_samples = metrics.average_precision_score(
        labels[has_any], scores[has_any], average="samples"
    )
    labels, scores, predicted = (
        array[:, present] for array in (labels, scores, predicted)
    )
    precisions = np.atleast_1d(
        metrics.average_precision_score(labels, scores, average=None)
    )
    right, named, true = (
        array.sum(axis=0) for array in (labels & predicted, predicted, labels)
    )
    f1_scores = 2 * right / (named + true)
    for place, precision, f1 in zip(
        present, precisions, f1_scores, strict=True
    ):
        per_class["per_genre"][names[place]] = float(precision)
        per_class["per_genre_f1"][names[place]] = float(f1)
    means = (
        np.mean(precisions),
        np.average(precisions, weights=true),
        metrics.average_precision_score(labels.ravel(), scores.ravel()),
        by_samples,
    )
    found |= dict(zip(keys, map(float, means), strict=True))
    found["macro_f1"] = float(np.mean(f1_scores))
    found["micro_f1"] = float(2 * right.sum() / (named.sum() + true.sum()))
    return found | per_class


def best_threshold(labels, scores):
    """Finds the score from which on a class is to be named.

    Args:
        labels: Bool array (n,), which examples are of the class.
        scores: Float array (n,), 0 to 1.

    Returns:
        Float: of the thresholds with the best F1 the nearest to a half, which
        it is if no example is of the class.
    """
    order = np.sort(np.unique(scores))
    # Between neighbours: what is a little different later falls as it did.
    tried = np.unique([0.5, *(order[1:] + order[:-1]) / 2, order[0] / 2])
    predicted = scores[:, None] >= tried
    right = (predicted & labels[:, None]).sum(axis=0)
    f1_scores = 2 * right / np.maximum(predicted.sum(axis=0) + labels.sum(), 1)
    is_best = f1_scores >= f1_scores.max() - 1e-12
    best = tried[is_best]
    return float(best[np.argmin(np.abs(best - 0.5))]) if labels.any() else 0.5
