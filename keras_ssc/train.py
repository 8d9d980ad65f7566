"""A built data set -> a trained model in a run's folder.

    python -m keras_ssc.train --model double_stack

The run's folder then holds `model.keras`, `config.json`, `history.csv`,
`curves.png`, `checkpoints/` and `logs/` (for TensorBoard).
"""

import argparse
import csv
import dataclasses
import json
import os
import pathlib
import time

import keras
import numpy as np
import tensorflow as tf

from keras_ssc import __version__
from keras_ssc import command
from keras_ssc import files
from keras_ssc import input_pipeline
from keras_ssc import models
from keras_ssc import report
from keras_ssc import train_config
from keras_ssc.genres import GENRES
from keras_ssc.train_config import TrainConfig


def train(config, verbose=True):
    """Trains a model.

    Args:
        config: A `TrainConfig`.
        verbose: Boolean, whether to show progress.

    Returns:
        `pathlib.Path` of the run's folder.

    Raises:
        ValueError: If a setting is wrong, the data set is not built, or the
            run's folder holds something.
        OSError: If a file cannot be written.
    """
    config = train_config.fill_in(config)
    builder = input_pipeline.open_dataset(config.dataset, config.data_dir)
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(config.seed)
    strategy = make_strategy(config.strategy)
    with strategy.scope():
        model = _build(config)
    splits = {
        split: input_pipeline.prepare(
            builder, split, config.image_size, model.input, verbose
        )
        for split in ("train", "validation")
        if split == "train" or split in builder.info.splits
    }
    if config.patience is not None and "validation" not in splits:
        raise ValueError(
            f"--patience needs a validation split; {config.dataset} has "
            f"{', '.join(builder.info.splits)}. Name films of the split "
            "validation in the film list, and build again."
        )
    steps = splits["train"].num_pairs // config.batch_size
    batches = input_pipeline.training_batches(
        splits["train"], config.batch_size, config.seed, config.balanced
    )
    run_dir = _make_run_dir(config)
    _adapt(model, splits["train"])
    with strategy.scope():
        _compile(model, config, steps)
    model.fit(
        _one_hot(batches),
        epochs=config.epochs,
        steps_per_epoch=steps,
        shuffle=False,  # the batches are shuffled already
        validation_data=_validation_batches(splits, config, strategy),
        callbacks=_callbacks(run_dir, config, "validation" in splits),
        verbose=1 if verbose else 0,
    )
    _write_model(model, run_dir / "model.keras")
    title = f"{config.model} on {config.dataset}, seed {config.seed}"
    history = read_history(run_dir)
    files.write_bytes(
        run_dir / "curves.png", report.curves_figure(history, title)
    )
    return run_dir


def make_strategy(name):
    """Returns the `tf.distribute` strategy of a name in `STRATEGIES`."""
    num_gpus = len(tf.config.list_logical_devices("GPU"))
    if name == "mirrored" or (name == "auto" and num_gpus > 1):
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def _build(config):
    keras.config.set_dtype_policy(config.precision)
    try:
        return models.build_model(
            config.model, config.image_size, **config.model_options()
        )
    finally:
        keras.config.set_dtype_policy("float32")


def _adapt(model, prepared):
    """Lets the magnitude's layer see the training pairs' magnitudes."""
    for layer in model.layers:
        if layer.name == "log_magnitude":
            magnitudes = input_pipeline.magnitudes(prepared)
            values = np.log(magnitudes + models.STILL_MAGNITUDE)
            layer.adapt(values[:, np.newaxis])


def _compile(model, config, steps):
    rate = _learning_rate(config, steps)
    optimizers = {
        "adam": lambda: keras.optimizers.Adam(rate),
        "sgd": lambda: keras.optimizers.SGD(rate, momentum=0.9),
    }
    model.compile(
        optimizer=optimizers[config.optimizer](),
        loss=keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=config.label_smoothing
        ),
        metrics=["accuracy"],
        jit_compile=config.jit_compile,
    )


def _learning_rate(config, steps):
    schedules = keras.optimizers.schedules
    if config.schedule == "exponential":
        return schedules.ExponentialDecay(
            config.learning_rate, steps, decay_rate=0.96, staircase=True
        )
    if config.schedule == "cosine" and config.warmup_steps:
        return schedules.CosineDecay(
            0.0,
            max(config.epochs * steps - config.warmup_steps, 1),
            warmup_target=config.learning_rate,
            warmup_steps=config.warmup_steps,
        )
    if config.schedule == "cosine":
        return schedules.CosineDecay(
            config.learning_rate, config.epochs * steps
        )
    return config.learning_rate


def _one_hot(batches):
    return batches.map(
        lambda inputs, label: (inputs, tf.one_hot(label, len(GENRES)))
    )


def _validation_batches(splits, config, strategy):
    if "validation" not in splits:
        return None
    batches = input_pipeline.evaluation_batches(
        splits["validation"], config.batch_size
    )
    if strategy.num_replicas_in_sync > 1:
        # A last batch smaller than the number of devices starves one.
        batches = batches.unbatch().batch(
            config.batch_size, drop_remainder=True
        )
    return _one_hot(batches)


def _make_run_dir(config):
    """Makes the run's folder and writes its config, the first thing in it."""
    name = f"{time.strftime('%Y%m%d-%H%M%S')}_{config.model}"
    run_dir = pathlib.Path(config.run_dir or pathlib.Path("runs") / name)
    if run_dir.exists() and (not run_dir.is_dir() or any(run_dir.iterdir())):
        raise ValueError(
            f"Expected --run-dir as a new or empty folder. {run_dir} holds "
            "something, perhaps another run."
        )
    (run_dir / "checkpoints").mkdir(parents=True, exist_ok=True)
    files.write_json(
        run_dir / "config.json",
        {**dataclasses.asdict(config), "keras_ssc": __version__},
    )
    return run_dir


def read_config(run_dir):
    """Reads the config of a run.

    Raises:
        ValueError: If the folder is no run.
    """
    path = pathlib.Path(run_dir) / "config.json"
    try:
        values = json.loads(path.read_text("utf-8"))
        names = {field.name for field in dataclasses.fields(TrainConfig)}
        kept = {name: values[name] for name in names}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"Expected a run's folder, which `python -m keras_ssc.train` "
            f"wrote. {path} is missing or none of ours."
        ) from error
    for name in ("image_size", "dense_units"):
        kept[name] = kept[name] and tuple(kept[name])
    return TrainConfig(**kept)


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


def _callbacks(run_dir, config, has_validation):
    callbacks = [
        keras.callbacks.TerminateOnNaN(),
        keras.callbacks.CSVLogger(run_dir / "history.csv"),
        keras.callbacks.TensorBoard(
            run_dir / "logs", write_graph=False, update_freq=1
        ),
        _Checkpoints(run_dir / "checkpoints", config.keep_checkpoints),
    ]
    if has_validation:
        # The best epoch's weights become the run's model, however many
        # epochs follow it.
        callbacks.append(
            keras.callbacks.EarlyStopping(
                "val_loss",
                patience=config.patience or config.epochs,
                restore_best_weights=True,
            )
        )
    return callbacks


class _Checkpoints(keras.callbacks.Callback):
    """Writes the whole model after each epoch and keeps the newest ones.

    Keras' own ModelCheckpoint writes in place: a kill in the middle of it
    would leave a file that looks like a checkpoint.
    """

    def __init__(self, folder, num_kept):
        super().__init__()
        self.folder = folder
        self.num_kept = num_kept

    def on_epoch_end(self, epoch, logs=None):
        _write_model(self.model, self.folder / f"epoch_{epoch + 1:03d}.keras")
        written = sorted(self.folder.glob("epoch_*.keras"))
        for path in written[: -self.num_kept]:
            path.unlink()


def _write_model(model, path):
    temporary = path.with_name(".writing.keras")
    try:
        model.save(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def main():
    """Runs the command."""
    parser = argparse.ArgumentParser(
        prog="python -m keras_ssc.train",
        description="Trains a model. What is not given is the model's "
        "default: the report's settings on films, small ones on the sample.",
    )
    train_config.add_flags(parser)
    run_dir = train(TrainConfig(**vars(parser.parse_args())))
    print(f"run: {run_dir}")
    print(f"its curves: {run_dir}/curves.png")
    print(f"next: python -m keras_ssc.evaluate {run_dir}")


if __name__ == "__main__":
    command.run(main)
