"""Checkpoints of a training, and resuming from the newest one.

After each epoch, `epoch_003.json` (where the training stands) and then
`epoch_003.keras` (the whole model with its optimizer) appear in the run's
`checkpoints/`; within an epoch, if `checkpoint_steps` is set,
`epoch_003_step_0120`.
Beside them, `best.keras` is the model that did best on the validation split,
where there is one.
"""

import contextlib
import dataclasses
import re
import shutil

import keras

from keras_ssc import files
from keras_ssc import models

# A checkpoint has a loss and measures: Keras knows them by these.
from keras_ssc.metrics import balanced_accuracy  # noqa: F401
from keras_ssc.tasks import losses  # noqa: F401

_TEMPORARY = ".writing.keras"


@dataclasses.dataclass(frozen=True)
class State:
    """Where a training stands.

    Attributes:
        epoch: Integer, how many epochs are done.
        step: Integer, how many steps of the next epoch are done.
        best_loss: Float, the lowest validation loss so far; None if there
            is none.
        num_waited: Integer, epochs since then.
        metrics: List of the metrics' values within an epoch, nested lists.
        seeds: List of what dropout draws from next, a layer after the other.
            Keras does not store it with a model.
    """

    epoch: int
    step: int = 0
    best_loss: float | None = None
    num_waited: int = 0
    metrics: list | None = None
    seeds: list | None = None

    def __post_init__(self):
        for name in ("epoch", "step", "num_waited"):
            value = getattr(self, name)
            if type(value) is not int or value < 0:
                raise ValueError(
                    f"Expected {name} of 0 or more. Received: {value!r}"
                )
        if not isinstance(self.best_loss, float | int | None):
            raise ValueError(
                f"Expected best_loss as a number. Received: {self.best_loss!r}"
            )

    @property
    def is_best(self):
        """Whether no epoch did better than the one that has just ended."""
        return (
            self.step == 0
            and self.best_loss is not None
            and self.num_waited == 0
        )

    def is_over(self, config):
        """Says whether a `TrainConfig` asks for no more epochs."""
        has_waited = (
            config.patience is not None and self.num_waited >= config.patience
        )
        return has_waited or self.epoch >= config.epochs

    def name(self):
        """Returns the name of its files, without an ending."""
        step = f"_step_{self.step:04d}" if self.step else ""
        return f"epoch_{self.epoch:03d}{step}"


class Checkpoints(keras.callbacks.Callback):
    """Writes checkpoints, and stops when patience ends.

    Keras' ModelCheckpoint writes in place, and its EarlyStopping forgets
    what was best when a training is resumed.

    Args:
        folder: `pathlib.Path` of the checkpoints; None to write nothing, as
            all hosts but one do.
        num_kept: Integer, how many of the newest are kept.
        patience: Integer, epochs without a lower validation loss until the
            training stops; None for never.
        state: The `State` to resume from; None at the beginning.
        steps_between: Integer, steps within an epoch from one checkpoint to
            the next; None for checkpoints at the epochs' ends only.
    """

    def __init__(
        self, folder, num_kept, patience=None, state=None, steps_between=None
    ):
        super().__init__()
        self.folder = folder
        self.num_kept = num_kept
        self.patience = patience
        self.state = state or State(0)
        self.steps_between = steps_between
        self._first_step = 0

    def on_epoch_begin(self, epoch, logs=None):
        """Restores the metrics of an interrupted epoch."""
        self._first_step = self.state.step
        if self.state.metrics is not None:
            _assign(self.model.metrics_variables, self.state.metrics)

    def on_train_batch_end(self, batch, logs=None):
        """Writes a checkpoint within an epoch, where it is time."""
        step = self._first_step + batch + 1
        # Behind an epoch's last step, its own checkpoint is about to come.
        is_last = batch + 1 == self.params["steps"]
        is_due = self.steps_between and step % self.steps_between == 0
        if is_due and not is_last:
            # On all hosts: each holds a part of the metrics' values.
            self.state = dataclasses.replace(
                self.state,
                step=step,
                metrics=_values(self.model.metrics_variables),
            )
            self._write()

    def on_epoch_end(self, epoch, logs=None):
        """Writes the checkpoint of an epoch."""
        loss = (logs or {}).get("val_loss")
        best = self.state.best_loss
        if loss is not None and (best is None or loss < best):
            self.state = State(epoch + 1, best_loss=float(loss))
        else:
            waited = self.state.num_waited + (loss is not None)
            self.state = State(epoch + 1, best_loss=best, num_waited=waited)
        self._write()
        if self.patience is not None:
            self.model.stop_training = self.state.num_waited >= self.patience

    def _write(self):
        if self.folder is None:
            return
        path = self.folder / f"{self.state.name()}.keras"
        state = dataclasses.replace(
            self.state, seeds=_values(_seeds_of(self.model))
        )
        files.write_json(path.with_suffix(".json"), dataclasses.asdict(state))
        write_model(self.model, path)
        _keep_best(path, self.state)
        for old in by_age(self.folder)[: -self.num_kept]:
            old.unlink()
            old.with_suffix(".json").unlink(missing_ok=True)

    def write_final(self, path, whole=None):
        """Writes the model that did best, or the last one, to `path`.

        Args:
            path: `pathlib.Path`.
            whole: A `keras.Model` whose head was trained, to be written with
                the head that did best; None if it was trained itself.

        It is the model alone, without optimizer, loss and metrics: with
        Adam a third of a checkpoint's size, and plain Keras loads it, if it
        computes flow once `keras_ssc.flow` is imported.
        """
        source = self.folder / "best.keras"
        if not source.exists():
            source = self.folder / f"{self.state.name()}.keras"
        model = models.load(source)
        if whole is not None:
            models.copy_head(model, whole)
        write_model(whole or model, path)


def _values(variables):
    return [
        keras.ops.convert_to_numpy(variable).tolist() for variable in variables
    ]


def _seeds_of(model):
    """Returns the variables that the layers draw random numbers from."""
    return [
        layer.seed_generator.state
        for layer in models.all_layers(model)
        if getattr(layer, "seed_generator", None) is not None
    ]


def _assign(variables, values):
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def by_age(folder):
    """Returns the paths of a folder's checkpoints, the oldest first."""

    def place(path):
        return [int(number) for number in re.findall(r"\d+", path.stem)]

    return sorted(folder.glob("epoch_*.keras"), key=place)


def load_newest(folder, may_write=True):
    """Loads the newest checkpoint that is whole.

    One that cannot be read is reported and left out; the one before is taken.

    Args:
        folder: `pathlib.Path` of the checkpoints.
        may_write: Boolean, False where another host looks after the folder.

    Returns:
        A tuple (state, model): a `State` and a compiled `keras.Model`; both
        None if there is no checkpoint.
    """
    for path in reversed(by_age(folder)):
        try:
            state = State(**files.read_json(path.with_suffix(".json")))
            model = models.load(path, compile=True)
            _assign(_seeds_of(model), state.seeds)
        # The state can be malformed in any way, too.
        except Exception as error:
            reason = str(error).replace(f"{path} is", "It is")
            reason = " ".join(reason.split())[:200]
            print(f"{path} cannot be read and is skipped: {reason}")
            continue
        # A kill may have come between the checkpoint and its copy.
        if may_write:
            _keep_best(path, state)
        return state, model
    return None, None


def _keep_best(path, state):
    if state.is_best:
        temporary = path.with_name(_TEMPORARY)
        with files.replacing(path.with_name("best.keras"), temporary):
            shutil.copyfile(path, temporary)


@contextlib.contextmanager
def _without_synchronization(model):
    """Stores batch normalisation as every backend of Keras takes it."""
    found = [
        layer
        for layer in models.all_layers(model)
        if getattr(layer, "synchronized", False)
    ]
    for layer in found:
        layer.synchronized = False
    try:
        yield
    finally:
        for layer in found:
            layer.synchronized = True


def write_model(model, path):
    """Writes a model under a temporary name and moves it into place.

    Args:
        model: A `keras.Model`.
        path: `pathlib.Path` that ends in `.keras`.

    Raises:
        OSError: If it cannot be written; what was there before stays.
    """
    temporary = path.with_name(_TEMPORARY)
    with _without_synchronization(model), files.replacing(path, temporary):
        model.save(temporary)
