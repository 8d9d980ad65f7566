"""A linear head on stored features, fitted to its optimum in seconds."""

import sys

import keras
import numpy as np

from keras_ssc import files
from keras_ssc import models
from keras_ssc.data import augmentation

# Of the L2 penalty on the mean loss of features of about unit length, from
# strong to weak; the best on the validation films is taken.
STRENGTHS = tuple(10.0**power for power in range(0, -7, -1))

# Without validation films.
_DEFAULT_STRENGTH = 1e-3

_BATCH = 1024


def check(head):
    """Raises `ValueError` if a head is more than one linear layer."""
    if len(head.trainable_weights) != len(head.get_layer("logits").weights):
        raise ValueError(
            "Expected a head of one linear layer with --optimizer lbfgs. "
            f"{head.name} has more: take --optimizer adam, or --dense-units "
            "none where the model has that option."
        )


def fit(head, prepared, balanced, history_path):
    """Fits a head that is one linear layer, and writes its history.

    Args:
        head: A `keras.Model`, see `features.head`; its layer `logits` gets the
            weights.
        prepared: Dict of `datasets.PreparedSplit` with the features: `train`
            and perhaps `validation`.
        balanced: Boolean, whether genres and films count equally.
        history_path: `pathlib.Path` of the CSV file with a row for each
            strength of L2.

    Returns:
        The strength of L2 that was best, a float.
    """
    layer = head.get_layer("logits")
    task = prepared["train"].task
    inputs = models.before(head, "logits")
    arrays = {name: arrays_of(inputs, each) for name, each in prepared.items()}
    features, label, _ = arrays["train"]
    measured = keras.Sequential([keras.Input(features.shape[1:]), _twin(layer)])
    measured.compile(loss=task.loss(label), metrics=task.metrics())
    rows, fitted = [], []
    for weights in fits(task, arrays["train"], balanced, STRENGTHS):
        fitted.append(weights)
        measured.layers[-1].set_weights(weights)
        rows.append(
            {"epoch": len(rows), "l2": STRENGTHS[len(rows)]}
            | _measure(measured, task, arrays)
        )
    best = _best(rows)
    layer.set_weights(fitted[best])
    files.write_csv(history_path, rows[0], (row.values() for row in rows))
    return STRENGTHS[best]


def fits(task, arrays, balanced, strengths):
    """Yields the linear layer's kernel and bias for each strength of L2.

    Args:
        task: See `tasks`.
        arrays: What `arrays_of` returned, of the pairs to fit to.
        balanced: See `fit`.
        strengths: Sequence of floats, from strong to weak.
    """
    features, label, film = arrays
    scale, offset = _standardization(features)
    shares = (
        task.balanced_shares(label, film)
        if balanced
        else np.full(len(label), 1 / len(label))
    )
    for kernel, bias in task.linear_fits(
        features * scale + offset, label, shares, strengths
    ):
        yield kernel * scale[:, None], bias + offset @ kernel


def _twin(layer):
    return keras.layers.Dense(layer.units, dtype="float32")


def arrays_of(inputs, split):
    """Returns what the linear layer sees of a split, labels and films.

    Args:
        inputs: A `keras.Model` of the features, up to that layer.
        split: A `datasets.PreparedSplit`; of mirrored pairs too if it has
            their features.
    """
    names = list(augmentation.inputs_of(split.features))
    kinds = [names]
    if augmentation.mirrored(names[0]) in split.features:
        kinds.append([augmentation.mirrored(name) for name in names])
    features = [
        # Not predict, which would trace a graph for a moment's work.
        inputs(
            {
                name: split.features[own][:]
                for name, own in zip(names, kind, strict=True)
            },
            training=False,
        )
        for kind in kinds
    ]
    num = len(kinds)
    return (
        np.concatenate([np.asarray(x, np.float32) for x in features]),
        np.concatenate([split.label] * num),
        np.concatenate([split.film] * num),
    )


def _standardization(features):
    """Returns scale and offset that bring features to about unit length."""
    deviation = features.std(axis=0)
    scale = 1 / np.where(deviation > 0, deviation, 1.0)
    scale /= np.sqrt(features.shape[1])
    return scale.astype(np.float32), -features.mean(axis=0) * scale


def _measure(model, task, arrays):
    """Measures a fit on each split: a dict as Keras' history has it."""
    found = {}
    for split, (features, label, _) in arrays.items():
        results = model.evaluate(
            features,
            np.asarray(task.targets(label)),
            batch_size=_BATCH,
            verbose=0,
            return_dict=True,
        )
        prefix = "val_" if split == "validation" else ""
        found |= {f"{prefix}{name}": x for name, x in results.items()}
    return found


def _best(rows):
    """Returns the place of the best strength of L2."""
    if "val_loss" in rows[0]:
        return int(np.argmin([row["val_loss"] for row in rows]))
    print(
        f"note: no validation films to choose the L2 penalty on: it is "
        f"{_DEFAULT_STRENGTH:g}.",
        file=sys.stderr,
    )
    return STRENGTHS.index(_DEFAULT_STRENGTH)
