"""Checkpoints of a training, and going on from the newest one.

After each epoch, `epoch_003.json` (where the training stands) and then
`epoch_003.keras` (the whole model with its optimizer) appear in the run's
`checkpoints/`. Beside them, `best.keras` is the model that did best on the
validation split, where there is one.
"""

import dataclasses
import json
import os
import shutil

import keras

from keras_ssc import files


@dataclasses.dataclass(frozen=True)
class State:
    """Where a training stands after an epoch.

    Attributes:
        epoch: Integer, how many epochs are done.
        best_loss: Float, the lowest validation loss so far; None if there
            is none.
        num_waited: Integer, epochs since then.
    """

    epoch: int
    best_loss: float | None = None
    num_waited: int = 0

    def is_over(self, config):
        """Says whether a `TrainConfig` asks for no more epochs."""
        has_waited = (
            config.patience is not None and self.num_waited >= config.patience
        )
        return has_waited or self.epoch >= config.epochs


class Checkpoints(keras.callbacks.Callback):
    """Writes a checkpoint after each epoch, and stops when patience ends.

    Keras' ModelCheckpoint writes in place, and its EarlyStopping forgets
    what was best when a training goes on.

    Args:
        folder: `pathlib.Path` of the checkpoints.
        num_kept: Integer, how many of the newest are kept.
        patience: Integer, epochs without a lower validation loss until the
            training stops; None for never.
        state: The `State` to go on from; None at the beginning.
    """

    def __init__(self, folder, num_kept, patience=None, state=None):
        super().__init__()
        self.folder = folder
        self.num_kept = num_kept
        self.patience = patience
        self.state = state or State(0)

    def on_epoch_end(self, epoch, logs=None):
        """Writes the checkpoint of an epoch."""
        loss = (logs or {}).get("val_loss")
        waited = self.state.num_waited + (loss is not None)
        self.state = State(epoch + 1, self.state.best_loss, waited)
        if loss is not None and (
            self.state.best_loss is None or loss < self.state.best_loss
        ):
            self.state = State(epoch + 1, float(loss), 0)
        name = f"epoch_{epoch + 1:03d}"
        files.write_json(
            self.folder / f"{name}.json", dataclasses.asdict(self.state)
        )
        write_model(self.model, self.folder / f"{name}.keras")
        _keep_best(self.folder / f"{name}.keras", self.state)
        for path in sorted(self.folder.glob("epoch_*.keras"))[: -self.num_kept]:
            path.unlink()
            path.with_suffix(".json").unlink(missing_ok=True)
        if self.patience is not None:
            self.model.stop_training = self.state.num_waited >= self.patience

    def write_final(self, path):
        """Writes the model that did best, or the last one, to `path`.

        It is the model alone, without optimizer, loss and metrics: with
        Adam a third of a checkpoint's size, and plain Keras loads it.
        """
        source = self.folder / "best.keras"
        if not source.exists():
            source = self.folder / f"epoch_{self.state.epoch:03d}.keras"
        model = keras.saving.load_model(source, compile=False, safe_mode=True)
        write_model(model, path)


def load_newest(folder):
    """Loads the newest checkpoint that is whole.

    One that cannot be read is told, left out, and the one before is taken.

    Args:
        folder: `pathlib.Path` of the checkpoints.

    Returns:
        A tuple (state, model): a `State` and a compiled `keras.Model`; both
        None if there is no checkpoint.
    """
    for path in sorted(folder.glob("epoch_*.keras"), reverse=True):
        try:
            text = path.with_suffix(".json").read_text("utf-8")
            state = State(**json.loads(text))
            model = keras.saving.load_model(path, safe_mode=True)
        # Keras, zipfile and h5py raise errors of many kinds for a file that
        # is cut short.
        except Exception as error:
            reason = " ".join(str(error).split())[:200]
            print(f"{path} cannot be read and is left out: {reason}")
            continue
        # A kill may have come between the checkpoint and its copy.
        _keep_best(path, state)
        return state, model
    return None, None


def _keep_best(path, state):
    if state.best_loss is not None and state.num_waited == 0:
        _copy(path, path.with_name("best.keras"))


def write_model(model, path):
    """Writes a model under a temporary name and moves it into place.

    Args:
        model: A `keras.Model`.
        path: `pathlib.Path` that ends in `.keras`.

    Raises:
        OSError: If it cannot be written; what was there before stays.
    """
    temporary = path.with_name(".writing.keras")
    try:
        with files.named(path):
            model.save(temporary)
            _flush(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _copy(source, target):
    temporary = target.with_name(".writing.keras")
    try:
        with files.named(target):
            shutil.copyfile(source, temporary)
            _flush(temporary)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def _flush(path):
    with open(path, "rb") as file:
        os.fsync(file.fileno())
