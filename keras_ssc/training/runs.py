"""A training's folder: its config, its history and its model."""

import csv
import dataclasses
import os
import pathlib
import time

import numpy as np

from keras_ssc import __version__
from keras_ssc import files
from keras_ssc import genres
from keras_ssc import models
from keras_ssc import tasks
from keras_ssc.data import datasets
from keras_ssc.data import folds
from keras_ssc.metrics import tables
from keras_ssc.training import train_config
from keras_ssc.training.train_config import TrainConfig

# What fields of a config were before there were such fields.
_LATER = {"backbone": None, "start": None, "store": False}

# Genres that an error names.
_MOST_TOLD = 8


def folder_of(config):
    """Returns the path of the folder that a new run gets."""
    name = f"{time.strftime('%Y%m%d-%H%M%S')}_{config.model}"
    return pathlib.Path(config.run_dir or pathlib.Path("runs") / name)


def make_folder(config, run_dir, splits):
    """Makes a run's folder and writes its config, the first thing in it.

    Args:
        config: A `TrainConfig`.
        run_dir: `pathlib.Path` of the folder.
        splits: See `datasets.DatasetSplits`: its genres and, of a fold, which
            one it is are written, too.

    Raises:
        ValueError: If the folder holds something.
    """
    if run_dir.exists() and (not run_dir.is_dir() or any(run_dir.iterdir())):
        raise ValueError(
            f"Expected --run-dir as a new or empty folder. {run_dir} holds "
            "something, perhaps another run."
        )
    (run_dir / "checkpoints").mkdir(parents=True, exist_ok=True)
    files.write_json(
        run_dir / "config.json",
        {
            **dataclasses.asdict(config),
            **splits.task.described(),
            **splits.described(),
            "keras_ssc": __version__,
        },
    )


def read_config(run_dir):
    """Reads the config of a run.

    Raises:
        ValueError: If the folder is not a run.
    """

    def read(values):
        values = {**_LATER, **values}
        kept = {
            field.name: _value_of(field, values[field.name])
            for field in dataclasses.fields(TrainConfig)
        }
        config = TrainConfig(**kept)
        train_config.check(config)
        return config

    return _read(run_dir, read)


def with_epochs(config, epochs):
    """Returns a run's config for more epochs, those before included.

    Args:
        config: The `TrainConfig` that `read_config` returns.
        epochs: Integer, 1 or more.

    Raises:
        ValueError: If it is less, or the run knows no epochs.
    """
    if config.optimizer == "lbfgs":
        raise ValueError(
            "Expected a run that is trained by epochs. This one's head was "
            "trained by lbfgs to its optimum: there is nothing to train on. "
            "Received: --epochs with --resume"
        )
    # A trunk that no epoch has trained stays as it is.
    is_frozen = config.freeze == config.epochs
    config = dataclasses.replace(
        config,
        epochs=epochs,
        freeze=epochs if is_frozen else config.freeze,
    )
    train_config.check(config)
    return config


def set_aside(run_dir, config, num_epochs):
    """Gives a run a config with more epochs; keeps a model that was there.

    The model, what was measured of it and copies of the config and history
    are then in `RUN/epochs_NNN`, a run of its own. Called again after a kill,
    it does what is left to do.

    Args:
        run_dir: `pathlib.Path` of the run's folder.
        config: A `TrainConfig`, see `with_epochs`.
        num_epochs: Integer, of the run until now.
    """
    path = run_dir / "config.json"
    model = run_dir / "model.keras"
    kept = run_dir / f"epochs_{num_epochs:03d}"
    shared = (path, run_dir / "history.csv")
    if model.exists():
        kept.mkdir(exist_ok=True)
        # Before the config changes, and never again.
        for each in shared:
            if not (kept / each.name).exists():
                files.write_bytes(kept / each.name, each.read_bytes())
    changed = {"epochs": config.epochs, "freeze": config.freeze}
    files.write_json(path, files.read_json(path) | changed)
    if model.exists():
        moved = [
            each
            for each in run_dir.iterdir()
            if each.is_file() and each not in (*shared, model)
        ]
        # Last of all: a run with a model is finished.
        for each in (*moved, model):
            os.replace(each, kept / each.name)


def with_start(config):
    """Returns a config whose model is that of the run that it starts from.

    Args:
        config: A `TrainConfig`, not filled in.

    Raises:
        ValueError: If it asks for another model than the run has, or the
            folder is not a run.
    """
    if config.start is None:
        return config
    found = read_config(config.start)
    options = {"image_size", "precision", *models.options_of(found.model)}
    fields = {
        field.name: field.default
        for field in dataclasses.fields(TrainConfig)
        if field.name in {"model", *options}
    }
    other = [
        name
        for name, default in fields.items()
        if getattr(config, name) not in (default, getattr(found, name))
    ]
    if other:
        given, its = (
            ", ".join(f"{name} {getattr(each, name)}" for name in other)
            for each in (config, found)
        )
        raise ValueError(
            f"Expected with --start {config.start} the model of that run, "
            f"which has {its}. Received: {given}"
        )
    return dataclasses.replace(
        config, **{name: getattr(found, name) for name in fields}
    )


def read_task(run_dir):
    """Reads which task a run was trained for, see `tasks`; not calibrated.

    Raises:
        ValueError: If the folder is not a run.
    """
    return _read(run_dir, tasks.read)


def open_splits(run_dir, data_dir=None):
    """Opens the splits that a run was trained on.

    Args:
        run_dir: The run's folder.
        data_dir: Where data sets are, if not where the run had them.

    Returns:
        A `datasets.DatasetSplits`, or a `folds.FoldSplits` of a fold's run.

    Raises:
        ValueError: If the folder is not a run, or the data set is not built.
    """
    config = read_config(run_dir)
    fold = _read(run_dir, lambda values: values.get("fold"))
    where = data_dir or config.data_dir
    if fold is None:
        return datasets.DatasetSplits(config.dataset, where)
    builder = datasets.open_dataset(config.dataset, where)
    return _read(run_dir, lambda _: folds.FoldSplits(builder, **fold))


def check_task(run_dir, splits):
    """Raises `ValueError` if a run's genres are not those of its data set.

    Args:
        run_dir: The run's folder.
        splits: See `datasets.DatasetSplits`.

    Returns:
        The task.
    """
    own, other = read_task(run_dir), splits.task
    if own != other:
        raise ValueError(
            f"Expected a data set of the task and the genres of {run_dir}: "
            f"{_told(own)}. {splits.name} has: {_told(other)}. Name another "
            "data set, or train a model on this one."
        )
    return own


def _told(task):
    """Says a task and its first genres."""
    return f"{task.name}, {genres.listing(task.genres, _MOST_TOLD)}"


def _read(run_dir, read):
    """Returns what a function makes of a run's config.json."""
    path = pathlib.Path(run_dir) / "config.json"
    try:
        return read(files.read_json(path))
    except (
        *(OSError, ValueError, KeyError, TypeError, AttributeError),
    ) as error:
        # What names the file itself would name it twice.
        reason = getattr(error, "strerror", None) or str(error)
        raise ValueError(
            f"Expected a run's folder, which `python -m keras_ssc.train` "
            f"wrote. {path} is missing or malformed "
            f"({reason.removeprefix(f'{path}: ')})."
        ) from error


def _value_of(field, value):
    """Returns a field's value from JSON; `TypeError` if it has another."""
    if isinstance(value, list):
        value = tuple(value)
        is_pair = field.name != "image_size" or len(value) == 2
        if not is_pair or any(type(n) is not int or n < 1 for n in value):
            raise TypeError(f"{field.name} is {value}")
    is_whole = type(value) is int and isinstance(1.0, field.type)
    if not isinstance(value, field.type) and not is_whole:
        raise TypeError(f"{field.name} is {value!r}")
    return value


def read_history(run_dir):
    """Reads `history.csv` as a dict from column to a list of floats.

    Columns that were not measured, as those of a validation split that the
    data set lacks, are left out.
    """
    with open(pathlib.Path(run_dir) / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        name: [float(row[name]) for row in rows]
        for name in rows[0]
        if rows[0][name] != "NA"
    }


def cut_history(run_dir, num_epochs):
    """Takes epochs out of history.csv that no checkpoint has."""
    path = run_dir / "history.csv"
    if path.exists():
        lines = path.read_text("utf-8").splitlines(keepends=True)
        kept = "".join(lines[: num_epochs + 1]) if num_epochs else ""
        files.write_text(path, kept)


def load_model(run_dir):
    """Loads the model of a finished run.

    Args:
        run_dir: The run's folder, see `train`.

    Returns:
        A `keras.Model`, not compiled; its output is logits.

    Raises:
        ValueError: If the run has no model, or it is damaged or not a model
            of this project.
    """
    path = pathlib.Path(run_dir) / "model.keras"
    if not path.exists():
        raise ValueError(
            f"Expected a finished run. {path} is missing: the training was "
            "interrupted, or is still running."
        )
    model = models.load(path)
    models.check(model, path, len(read_task(run_dir).genres))
    return model


def load_film_head(run_dir):
    """Loads the head over a film's pairs of a finished run.

    Args:
        run_dir: The run's folder, see `train`.

    Returns:
        A `keras.Model`, see `models.film_head`; None of a model without one.

    Raises:
        ValueError: If it is missing, damaged or another model.
    """
    if models.MODELS[read_config(run_dir).model].film_head is None:
        return None
    path = pathlib.Path(run_dir) / "film.keras"
    head = models.load(path)
    models.check_film_head(head, path, len(read_task(run_dir).genres))
    return head


def summary(run_dir):
    """Says in a line how a finished run ended."""
    config, history = read_config(run_dir), read_history(run_dir)
    metric = read_task(run_dir).metric
    words = metric.replace("_", " ")
    counted = "strengths of L2" if "l2" in history else "epochs"
    parts = [
        f"{config.model}, {len(history['loss'])} {counted}",
        f"loss {history['loss'][-1]:.4f}",
        f"{words} {tables.percent(history[metric][-1])}",
    ]
    if "val_loss" in history:
        best = int(np.argmin(history["val_loss"]))
        where = f"in epoch {best + 1}"
        if "l2" in history:
            where = f"with L2 {history['l2'][best]:g}"
        parts.append(
            f"best on validation {where}: loss "
            f"{history['val_loss'][best]:.4f}, {words} "
            f"{tables.percent(history[f'val_{metric}'][best])}"
        )
    return "; ".join(parts)
