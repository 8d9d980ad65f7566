"""The head over all of a film's pairs: trained by film, and compared."""

import dataclasses

import keras
import numpy as np

from keras_ssc import files
from keras_ssc import models
from keras_ssc.data import dealing
from keras_ssc.metrics import intervals
from keras_ssc.metrics import scoring
from keras_ssc.metrics import tables
from keras_ssc.training import checkpoints
from keras_ssc.training import linear_head

# Films in a batch, and pairs of a film in a step.
_BATCH = 16
_PAIRS = 32

_LEARNING_RATE = 1e-3
_WEIGHT_DECAY = 1e-2
_EPOCHS = 100
_PATIENCE = 10

# By how much the validation loss is to fall: where the mean is right already,
# a head can only be more certain of it, and a handful of films proves nothing.
_LEAST_GAIN = 0.01

# Without validation films to stop by.
_DEFAULT_EPOCHS = 10

# Of the training films: how many parts are left out in turn.
_FOLDS = 5


def positions(seconds):
    """Says where in a film its pairs are.

    Args:
        seconds: Float array (pairs,), their times; NaN where not known.

    Returns:
        float32 array (pairs,): 0 for the first pair, 1 for the last, a half
        where that cannot be said.
    """
    seconds = np.asarray(seconds, np.float64)
    start, end = seconds.min(), seconds.max()
    if not end > start:
        return np.full(len(seconds), 0.5, np.float32)
    return ((seconds - start) / (end - start)).astype(np.float32)


@dataclasses.dataclass(frozen=True, eq=False)
class Films:
    """The films of a split, as the head takes them.

    Attributes:
        arrays: Tuple of features, labels and films of the pairs, see
            `linear_head.arrays_of`.
        position: float32 array (pairs,), 0..1.
        places: List of integer arrays, the pairs of each film.
    """

    arrays: tuple
    position: np.ndarray
    places: list

    @property
    def label(self):
        """The label of each film, an array (films, ...)."""
        return self.arrays[1][[own[0] for own in self.places]]

    def inputs(self, numbers, generator=None):
        """Returns films as a batch.

        Args:
            numbers: Integer array (batch,), which films.
            generator: NumPy's, which draws up to 32 pairs of each; None for
                all pairs.

        Returns:
            A dict of arrays, see `models.film_head`.
        """
        chosen = [self.places[number] for number in numbers]
        longest = max(map(len, self.places))  # of all: one shape for all
        if generator is not None:
            longest = min(longest, _PAIRS)
            chosen = [generator.permutation(own)[:longest] for own in chosen]
        shape = len(chosen), longest
        features = self.arrays[0]
        batch = {
            "features": np.zeros((*shape, features.shape[1]), np.float32),
            "position": np.zeros(shape, np.float32),
            "mask": np.zeros(shape, bool),
        }
        for row, own in enumerate(chosen):
            batch["features"][row, : len(own)] = features[own]
            batch["position"][row, : len(own)] = self.position[own]
            batch["mask"][row, : len(own)] = True
        return batch

    def scores(self, head, task):
        """Computes the films' scores, see `scores`, float32 (films, genres)."""
        return _scores(self._logits(head), task)

    def loss(self, head, task):
        """Returns a head's mean loss on the films, a float."""
        targets = np.asarray(task.targets(self.label))
        loss = task.loss(self.label)(targets, self._logits(head))
        return float(keras.ops.convert_to_numpy(loss))

    def _logits(self, head):
        numbers = np.arange(len(self.places))
        return keras.ops.concatenate(
            [head(self.inputs(some)) for some in _batches(numbers)]
        )


def _batches(numbers):
    return np.split(numbers, range(_BATCH, len(numbers), _BATCH))


def of_split(head, split):
    """Collects the films of a split.

    Args:
        head: The head of the model of pairs, see `models.head`.
        split: A `datasets.PreparedSplit` with its features.

    Returns:
        A `Films`, in the order of their names.
    """
    arrays = linear_head.arrays_of(models.before(head, "logits"), split)
    film = arrays[2]
    # Mirrored pairs, if there are any, come after all others.
    seconds = np.resize(split.seconds, len(film))
    places = scoring.places_of(film)
    position = np.empty(len(film), np.float32)
    for own in places:
        position[own] = positions(seconds[own])
    return Films(arrays, position, places)


def scores(head, task, features, seconds):
    """Computes the scores of one film.

    Args:
        head: A `keras.Model`, see `models.film_head`.
        task: The model's task, see `tasks`.
        features: Float array (pairs, n).
        seconds: Float array (pairs,), their times.

    Returns:
        float32 array (genres,), 0..1.
    """
    inputs = {
        "features": np.float32(features)[None],
        "position": positions(seconds)[None],
        "mask": np.ones((1, len(features)), bool),
    }
    return _scores(head(inputs), task)[0]


def _scores(logits, task):
    activation = keras.activations.get(task.activation)
    return keras.ops.convert_to_numpy(activation(logits))


def compare(task, films, by_mean):
    """Compares the head's verdicts with the mean's.

    Args:
        task: See `tasks`.
        films: List of dicts, as `measure` of a task has them, of the head.
        by_mean: The same films, of the mean.

    Returns:
        A dict: `what` is measured of a film; its mean over the films, of the
        `head` and the `mean`; `num_films`; their `difference` with the ends
        `low` and `high` of its 95 % interval, None of too few films.
    """
    head, mean = (
        np.array([task.film_values(film)[task.film_value] for film in some])
        for some in (films, by_mean)
    )
    difference, low, high = intervals.mean_of_films(head - mean)
    return {
        "what": task.film_value,
        "num_films": len(films),
        "head": float(head.mean()),
        "mean": float(mean.mean()),
        **{"difference": difference, "low": low, "high": high},
    }


def comparison_text(found):
    """Says in some sentences what `compare` found."""
    low, high = found["low"], found["high"]
    interval = (
        "too few films for an interval"
        if low is None
        else f"95 % interval {100 * low:+.1f} to {100 * high:+.1f}, bootstrap "
        "over films"
    )
    passes = "passes" if low is not None and low > 0 else "does not pass"
    return (
        f"Of {found['num_films']} films, {found['what']}: "
        f"{tables.percent(found['head'])} with the head over a film's pairs, "
        f"{tables.percent(found['mean'])} with the mean of the pairs, a "
        f"difference of {100 * found['difference']:+.1f} points ({interval}). "
        f"The head {passes} the mean."
    )


def fit(head, strength, prepared, config, run_dir):
    """Trains the head over films' pairs, and stores it as `film.keras`.

    It begins at the mean of the pairs' calibrated scores, and stays there if
    no epoch does clearly better on the validation films. `film_history.csv`
    has a row for each epoch, the first one the mean's.

    Args:
        head: The head of the model of pairs, fitted by `linear_head.fit`.
        strength: Float, its L2.
        prepared: Dict of `datasets.PreparedSplit` with the features: `train`
            and perhaps `validation`.
        config: A `TrainConfig`.
        run_dir: `pathlib.Path` of the run's folder.
    """
    # A training that is resumed has drawn nothing before.
    keras.utils.set_random_seed(config.seed)
    films = {name: of_split(head, split) for name, split in prepared.items()}
    weights = head.get_layer("logits").get_weights()
    task = prepared["train"].task
    if "validation" in films:
        features, *known = films["validation"].arrays
        logits = features @ weights[0] + weights[1]
        task = task.with_calibration(task.calibrated(logits, *known))
    found = models.MODELS[config.model].film_head(
        len(weights[0]), len(task.genres), task.activation
    )
    parts = _parts(films["train"], strength, task, config.balanced, config.seed)
    rows = _train(found, weights, parts, films, task, config)
    values = (row.values() for row in rows)
    files.write_csv(run_dir / "film_history.csv", rows[0], values)
    checkpoints.write_model(found, run_dir / "film.keras")


def _parts(films, strength, task, balanced, seed):
    """Splits training films into parts, each with a layer that knows it not.

    The linear layer knows the training films, and its scores of them would
    leave a head nothing to learn.

    Returns:
        A list of tuples: an integer array of films, and kernel and bias of a
        linear layer that was fitted to the other parts' pairs.
    """
    is_of = task.is_of(films.label)
    _, fold_of = dealing.deal(is_of, _FOLDS, seed)
    parts = []
    for fold in np.unique(fold_of):
        own, others = (
            np.flatnonzero(fold_of == fold),
            np.flatnonzero(fold_of != fold),
        )
        # Of a genre that the others lack, they say "never".
        is_unknown = is_of[own] & ~is_of[others].any(axis=0)
        own = own[~is_unknown.any(axis=1)]
        if len(own):
            pairs = np.concatenate([films.places[film] for film in others])
            arrays = [array[pairs] for array in films.arrays]
            fits = linear_head.fits(task, arrays, balanced, [strength])
            parts.append((own, next(fits)))
    return parts


def _train(found, weights, parts, films, task, config):
    """Trains a head; returns its history, a list of dicts."""
    train, validation = films["train"], films.get("validation")
    targets = np.asarray(task.targets(train.label))
    counts = np.ones(len(targets))
    if config.balanced:
        shares = task.balanced_shares(train.label, np.arange(len(targets)))
        counts = shares * len(targets)
    # Not itself: it is stored without an optimizer.
    trained = keras.Model(found.input, found.output)
    trained.compile(
        keras.optimizers.AdamW(_LEARNING_RATE, weight_decay=_WEIGHT_DECAY),
        task.loss(train.label, balanced=config.balanced),
        jit_compile=config.jit_compile,
    )
    layer = found.get_layer("pair_scores")
    generator = np.random.default_rng(config.seed)

    def run_epoch():
        trained.reset_metrics()
        for own, own_weights in parts:
            layer.set_weights(_scaled(own_weights, task))
            for some in _batches(generator.permutation(own)):
                inputs = train.inputs(some, generator)
                loss = trained.train_on_batch(
                    inputs, targets[some], counts[some]
                )
        return float(loss)

    rows, best, kept = [], 0, None
    most = _EPOCHS if validation else _DEFAULT_EPOCHS
    for epoch in range(most + 1 if parts else 1):
        row = {"epoch": epoch, "loss": run_epoch() if epoch else "NA"}
        layer.set_weights(_scaled(weights, task))
        row["val_loss"] = validation.loss(found, task) if validation else "NA"
        rows.append(row)
        if not (epoch and validation) or (
            row["val_loss"] < rows[best]["val_loss"] - _LEAST_GAIN
        ):
            best, kept = epoch, found.get_weights()
        elif epoch - best >= _PATIENCE:
            break
    found.set_weights(kept)
    return rows


def _scaled(weights, task):
    """Returns a linear layer's weights that give calibrated logits."""
    (kernel, bias), (scale, offset) = weights, task.scaling
    return [kernel * scale, bias * scale + offset]
