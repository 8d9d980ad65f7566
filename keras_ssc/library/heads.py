"""A linear head on films' mean features, fitted to labels in a moment."""

import base64
import dataclasses
import io
import json

import numpy as np
from sklearn.utils import extmath

from keras_ssc import tasks
from keras_ssc.data import dealing
from keras_ssc.metrics import scoring

# A film's coordinates, and the films that these directions are found on: more
# of either change no suggestion and take longer.
_MOST_DIRECTIONS, _MOST_ROWS = 256, 2000

# Of the L2 penalty on the mean loss of coordinates of about unit length, from
# strong to weak; the best on films left out is taken.
_STRENGTHS = (1e-2, 1e-3, 1e-4)

# With too few films to leave some out.
_DEFAULT_STRENGTH = 1e-3

_NUM_FOLDS = 5

# Labelled films from which on some are left out, and scores are calibrated;
# and how many these are calibrated on at most: a few numbers need no more.
FEWEST_TO_VALIDATE, _FEWEST_TO_CALIBRATE = 10, 20
_MOST_TO_CALIBRATE = 200


@dataclasses.dataclass(frozen=True, eq=False)
class Space:
    """The directions in which a library's films differ.

    All features weigh the same, whatever their range.

    Attributes:
        centre: float32 array (n,), the films' mean features.
        matrix: float32 array (n, directions), what features are multiplied
            with.
    """

    centre: np.ndarray
    matrix: np.ndarray

    def coordinates(self, means):
        """Returns float32 (films, directions), about 1 long, of features."""
        return (means - self.centre) @ self.matrix


def space_of(means, seed=0):
    """Finds the directions in which films differ.

    Args:
        means: float32 array (films, n), one film or more.
        seed: Integer.

    Returns:
        A `Space`.
    """
    centre, deviation = means.mean(axis=0), means.std(axis=0)
    # As precise as the features are stored.
    scale = 1 / np.where(deviation > 1e-4, deviation, np.inf)
    rows = (means[_spread(len(means), _MOST_ROWS)] - centre) * scale
    _, lengths, directions = extmath.randomized_svd(
        rows,
        n_components=min(_MOST_DIRECTIONS, *rows.shape),
        random_state=seed,
    )
    length = np.sqrt(np.sum(lengths**2) / len(rows)) or 1.0
    matrix = scale[:, np.newaxis] * directions.T / length
    return Space(centre, np.float32(matrix))


@dataclasses.dataclass(frozen=True, eq=False)
class Head:
    """What gives scores of features, of a film or of a shot.

    Attributes:
        task: The labels' task, calibrated, see `tasks`.
        calibration: Dict of plain values, the task's, see `calibrated` there.
        kernel: float32 array (n, genres).
        bias: float32 array (genres,).
    """

    task: object
    calibration: dict
    kernel: np.ndarray
    bias: np.ndarray

    def scores(self, features):
        """Returns float32 (films, genres) of float arrays (films, n)."""
        return self.task.scores(np.float32(features @ self.kernel + self.bias))


@dataclasses.dataclass(frozen=True, eq=False)
class Fitted:
    """A head, and how it does on films that it was not fitted to.

    Attributes:
        head: A `Head`.
        left_out: float32 array (labelled, genres), the scores of each
            labelled film by a head of others; None of fewer than 10.
    """

    head: Head
    left_out: np.ndarray | None


def fit(task, space, means, label, seed=0):
    """Fits a head.

    Args:
        task: See `tasks`, not calibrated.
        space: The library's `Space`.
        means: float32 array (labelled, n), of films of which none is a copy
            of another.
        label: Array (labelled, ...), as the task has labels.
        seed: Integer, of which films are left out together.

    Returns:
        A `Fitted`.
    """
    inputs = space.coordinates(means)
    strength, logits = _DEFAULT_STRENGTH, None
    calibration = task.not_calibrated()
    if len(label) >= FEWEST_TO_VALIDATE:
        strength, logits = _validated(task, inputs, label, seed)
        calibration = _calibration(task, logits, label)
    task = task.with_calibration(calibration)
    ((kernel, bias),) = _fits(task, inputs, label, [strength])
    kernel = space.matrix @ kernel
    bias = bias - space.centre @ kernel
    head = Head(task, calibration, np.float32(kernel), np.float32(bias))
    left_out = None if logits is None else task.scores(np.float32(logits))
    return Fitted(head, left_out)


def _fits(task, inputs, label, strengths):
    # The queue asks for films of some genres before those of others.
    shares = task.balanced_shares(label, np.arange(len(label)))
    return task.linear_fits(inputs, label, shares, strengths)


def _validated(task, inputs, label, seed):
    """Returns the best strength of L2 and, with it, logits of films left out.

    Returns:
        A tuple: float; float64 array (labelled, genres).
    """
    is_of = task.is_of(label)
    _, fold_of = dealing.deal(is_of, _NUM_FOLDS, seed)
    logits = np.empty((len(_STRENGTHS), *is_of.shape))
    for fold in np.unique(fold_of):
        out = fold_of == fold
        fits = _fits(task, inputs[~out], label[~out], _STRENGTHS)
        for place, (kernel, bias) in enumerate(fits):
            logits[place, out] = inputs[out] @ kernel + bias
    best = int(np.argmin([task.log_loss(label, each) for each in logits]))
    return _STRENGTHS[best], logits[best]


def _calibration(task, logits, label):
    """Returns what `calibrated` does, of films whose genres all folds knew."""
    is_of = task.is_of(label)
    is_rare = is_of.sum(axis=0) < _NUM_FOLDS
    usual = np.flatnonzero(~(is_of & is_rare).any(axis=1))
    if len(usual) < _FEWEST_TO_CALIBRATE:
        return task.not_calibrated()
    chosen = usual[_spread(len(usual), _MOST_TO_CALIBRATE)]
    return task.calibrated(logits[chosen], label[chosen], chosen)


def _spread(count, most):
    """Returns the places of at most so many of a count, evenly spread."""
    return np.linspace(0, count - 1, min(count, most)).astype(int)


def named(task, scores):
    """Decides: which genres each film is said to have.

    A film of a library has one at least.

    Args:
        task: See `tasks`.
        scores: Float array (films, genres).

    Returns:
        Bool array (films, genres).
    """
    is_named = np.zeros(scores.shape, bool)
    for own, each in zip(is_named, scores, strict=True):
        own[task.named(each) or [scoring.best(each)]] = True
    return is_named


def confidence(scores, is_named):
    """Says how likely a film has the genres named, and no other.

    Args:
        scores: Float array (films, genres).
        is_named: Bool array (films, genres).

    Returns:
        Float array (films,), 0 to 1: that of the least sure of a film's
        decisions; of one genre a film, its score.
    """
    return np.where(is_named, scores, 1 - scores).min(axis=1)


# ---- stored ----


def to_text(head):
    """Writes a `Head` as a text, for `from_text`."""
    data = io.BytesIO()
    np.savez(data, kernel=head.kernel, bias=head.bias)
    return json.dumps(
        {
            **head.task.described(),
            "calibration": head.calibration,
            "arrays": base64.b64encode(data.getvalue()).decode(),
        }
    )


def from_text(text):
    """Reads what `to_text` wrote; returns a `Head`."""
    values = json.loads(text)
    calibration = values["calibration"]
    task = tasks.read(values).with_calibration(calibration)
    data = io.BytesIO(base64.b64decode(values["arrays"]))
    with np.load(data, allow_pickle=False) as stored:
        return Head(task, calibration, stored["kernel"], stored["bias"])
