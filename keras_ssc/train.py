"""A built data set -> a trained model in a run's folder.

    python -m keras_ssc.train --model double_stack

The run's folder then holds `model.keras`, `config.json`, `history.csv`,
`curves.png`, `checkpoints/` and `logs/` (for TensorBoard). A training that was
stopped goes on with --resume RUN.
"""

import argparse
import csv
import dataclasses
import json
import pathlib
import time

import keras
import numpy as np
import tensorflow as tf

from keras_ssc import __version__
from keras_ssc import checkpoints
from keras_ssc import command
from keras_ssc import files
from keras_ssc import input_pipeline
from keras_ssc import models
from keras_ssc import report
from keras_ssc import train_config
from keras_ssc.genres import GENRES
from keras_ssc.train_config import TrainConfig


class TrainingError(command.OutsideError):
    """A training that cannot go on, such as one whose loss is not finite."""


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
        TrainingError: If the loss is not finite any more.
        OSError: If a file cannot be written.
    """
    config = train_config.fill_in(config)
    strategy, builder = _open(config)
    with strategy.scope():
        model = _build(config)
    prepared = _prepare_splits(builder, config, model, verbose)
    run_dir = _make_run_dir(config)
    _adapt(model, prepared["train"])
    with strategy.scope():
        compile_model(model, config, _num_steps(prepared, config))
    return _fit(model, config, run_dir, prepared, strategy, None, verbose)


def resume(run_dir, verbose=True):
    """Goes on with a training that was stopped, from its last epoch.

    Weights, optimizer, learning rate, order of the pairs, and what was best
    on the validation split are as they were; with `deterministic`, the
    training ends in the weights that it would have ended in.

    Args:
        run_dir: The run's folder.
        verbose: Boolean, whether to show progress.

    Returns:
        `pathlib.Path` of the run's folder. Nothing is done to a run that is
        finished.

    Raises:
        ValueError: If the folder is no run, or the data set is not built.
        TrainingError: If the loss is not finite any more.
        OSError: If a file cannot be written.
    """
    run_dir = pathlib.Path(run_dir)
    config = read_config(run_dir)
    if (run_dir / "model.keras").exists():
        return run_dir
    strategy, builder = _open(config)
    with strategy.scope():
        state, model = checkpoints.load_newest(run_dir / "checkpoints")
        is_new = model is None
        model = _build(config) if is_new else model
    prepared = _prepare_splits(builder, config, model, verbose)
    if is_new:
        _adapt(model, prepared["train"])
        with strategy.scope():
            compile_model(model, config, _num_steps(prepared, config))
    elif verbose:
        print(f"going on after epoch {state.epoch} of {config.epochs}")
    _cut_history(run_dir, state.epoch if state else 0)
    return _fit(model, config, run_dir, prepared, strategy, state, verbose)


def _open(config):
    """Sets the seeds; returns the strategy and the data set's builder."""
    builder = input_pipeline.open_dataset(config.dataset, config.data_dir)
    if config.patience is not None and "validation" not in builder.info.splits:
        raise ValueError(
            f"--patience needs a validation split; {config.dataset} has "
            f"{', '.join(builder.info.splits)}. Name films of the split "
            "validation in the film list, and build again."
        )
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(config.seed)
    return make_strategy(config.strategy), builder


def _prepare_splits(builder, config, model, verbose):
    prepared = {
        split: input_pipeline.prepare(
            builder, split, config.image_size, model.input, verbose
        )
        for split in ("train", "validation")
        if split == "train" or split in builder.info.splits
    }
    input_pipeline.check_batch_size(prepared["train"], config.batch_size)
    return prepared


def _num_steps(prepared, config):
    return prepared["train"].num_pairs // config.batch_size


def _fit(model, config, run_dir, prepared, strategy, state, verbose):
    """Trains from the state's epoch to the end; returns the run's folder."""
    first_epoch = state.epoch if state else 0
    batches = input_pipeline.training_batches(
        prepared["train"],
        config.batch_size,
        config.seed,
        config.balanced,
        first_epoch,
    )
    keeper = checkpoints.Checkpoints(
        run_dir / "checkpoints",
        config.keep_checkpoints,
        config.patience,
        state,
    )
    if not (state and state.is_over(config)):
        model.fit(
            one_hot(batches),
            initial_epoch=first_epoch,
            epochs=config.epochs,
            steps_per_epoch=_num_steps(prepared, config),
            shuffle=False,  # the batches are shuffled already
            validation_data=_validation_batches(prepared, config, strategy),
            callbacks=[*callbacks(run_dir), keeper],
            verbose=1 if verbose else 0,
        )
    title = f"{config.model} on {config.dataset}, seed {config.seed}"
    history = read_history(run_dir)
    files.write_bytes(
        run_dir / "curves.png", report.curves_figure(history, title)
    )
    # Last of all: a run with a model is finished.
    keeper.write_final(model, run_dir / "model.keras")
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


def compile_model(model, config, steps):
    """Compiles a model as a config says, with epochs of so many steps."""
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


def one_hot(batches):
    """Returns batches whose labels are as the loss takes them."""
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
    return one_hot(batches)


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


def _cut_history(run_dir, num_epochs):
    """Takes epochs out of history.csv that no checkpoint has."""
    path = run_dir / "history.csv"
    if path.exists():
        lines = path.read_text("utf-8").splitlines(keepends=True)
        kept = "".join(lines[: num_epochs + 1]) if num_epochs else ""
        files.write_text(path, kept)


def callbacks(run_dir):
    """Returns the callbacks that watch a training; none of them stores it."""
    return [
        _StopAtNaN(),
        keras.callbacks.CSVLogger(run_dir / "history.csv", append=True),
        keras.callbacks.TensorBoard(
            run_dir / "logs", write_graph=False, update_freq=1
        ),
    ]


class _StopAtNaN(keras.callbacks.Callback):
    """Ends a training whose loss is not finite, before it is stored.

    Keras' TerminateOnNaN ends it too, but as if all were well.
    """

    def __init__(self):
        super().__init__()
        self.epoch = 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        loss = (logs or {}).get("loss", 0.0)
        if not np.isfinite(loss):
            raise TrainingError(
                f"The loss is {loss} in epoch {self.epoch + 1}, step "
                f"{batch + 1}. The last good checkpoint is kept. Try a lower "
                "--learning-rate."
            )


def main():
    """Runs the command."""
    parser = argparse.ArgumentParser(
        prog="python -m keras_ssc.train",
        description="Trains a model. What is not given is the model's "
        "default: the report's settings on films, small ones on the sample.",
    )
    train_config.add_flags(parser)
    parser.add_argument(
        "--resume", metavar="RUN", help="go on with a run that was stopped"
    )
    arguments = vars(parser.parse_args())
    resumed = arguments.pop("resume")
    config = TrainConfig(**arguments)
    if resumed and config != TrainConfig():
        raise ValueError(
            "Expected --resume RUN alone: a run goes on with the settings it "
            "began with."
        )
    run_dir = resume(resumed) if resumed else train(config)
    print(f"run: {run_dir}")
    print(f"its curves: {run_dir}/curves.png")
    print(f"next: python -m keras_ssc.evaluate {run_dir}")


if __name__ == "__main__":
    command.run(main)
