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
import tensorflow as tf

from keras_ssc import __version__
from keras_ssc import command
from keras_ssc import files
from keras_ssc import input_pipeline
from keras_ssc import models
from keras_ssc import report

STRATEGIES = ("auto", "one_device", "mirrored")

# What the report trained each model with, on films.
REPORT_SETTINGS = {
    "fc": {
        "image_size": (68, 120),
        "epochs": 50,
        "batch_size": 128,
        # The report gives the epochs only; Keras' own default.
        "learning_rate": 1e-3,
    },
    "double_stack": {
        "image_size": (299, 299),
        "epochs": 50,
        "batch_size": 64,
        "learning_rate": 1e-4,
        "dense_units": (4096, 2048),
    },
}

# What two processor cores can do in minutes on the sample films.
SAMPLE_SETTINGS = {
    "fc": {
        "image_size": (68, 120),
        "epochs": 30,
        "batch_size": 16,
        "learning_rate": 1e-3,
    },
    "double_stack": {
        "image_size": (96, 96),
        "epochs": 4,
        "batch_size": 16,
        "learning_rate": 3e-4,
        "dense_units": (512, 256),
    },
}


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """All settings of a training. None: the model's default for the data."""

    model: str = "double_stack"  # a key of models.MODELS
    dataset: str = "scene_genre/sample"  # the data set that needs no input
    data_dir: str | None = None  # where data sets are; TFDS's default
    run_dir: str | None = None  # default: runs/<time>_<model>
    image_size: tuple | None = None  # (height, width) of the model's frames
    dense_units: tuple | None = None  # the layers behind the two branches
    epochs: int | None = None
    batch_size: int | None = None  # over all devices together
    learning_rate: float | None = None  # Adam's, falling as a cosine to 0
    seed: int = 0  # of weights, order and mirroring
    strategy: str = "auto"  # mirrored where there are several GPUs
    deterministic: bool = False  # same seed, same weights; slower on GPUs
    keep_checkpoints: int = 2  # the newest ones; each is a whole model


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
    config = fill_in(config)
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
    steps = splits["train"].num_pairs // config.batch_size
    batches = input_pipeline.training_batches(
        splits["train"], config.batch_size, config.seed
    )
    run_dir = _make_run_dir(config)
    with strategy.scope():
        _compile(model, config, steps)
    model.fit(
        batches,
        epochs=config.epochs,
        steps_per_epoch=steps,
        shuffle=False,  # the batches are shuffled already
        validation_data=_validation_batches(splits, config, strategy),
        callbacks=_callbacks(run_dir, config),
        verbose=1 if verbose else 0,
    )
    _write_model(model, run_dir / "model.keras")
    title = f"{config.model} on {config.dataset}, seed {config.seed}"
    history = read_history(run_dir)
    files.write_bytes(
        run_dir / "curves.png", report.curves_figure(history, title)
    )
    return run_dir


def fill_in(config):
    """Returns the config with the defaults of its model and data set.

    Raises:
        ValueError: If there is no such model or strategy, or a number is
            out of its range.
    """
    if config.model not in models.MODELS:
        raise ValueError(
            f"Unknown model. Expected one of: "
            f"{', '.join(sorted(models.MODELS))}. Received: {config.model!r}"
        )
    is_sample = config.dataset.partition(":")[0] == "scene_genre/sample"
    settings = SAMPLE_SETTINGS if is_sample else REPORT_SETTINGS
    defaults = settings[config.model]
    if config.dense_units is not None and "dense_units" not in defaults:
        raise ValueError(f"{config.model} has no --dense-units.")
    config = dataclasses.replace(
        config,
        **{
            name: value
            for name, value in defaults.items()
            if getattr(config, name) is None
        },
    )
    for name in ("epochs", "batch_size", "learning_rate", "keep_checkpoints"):
        if not getattr(config, name) > 0:
            raise ValueError(
                f"Expected {name} above 0. Received: {getattr(config, name)}"
            )
    return config


def make_strategy(name):
    """Returns the `tf.distribute` strategy of a name in `STRATEGIES`."""
    if name not in STRATEGIES:
        raise ValueError(
            f"Unknown strategy. Expected one of: {', '.join(STRATEGIES)}. "
            f"Received: {name!r}"
        )
    num_gpus = len(tf.config.list_logical_devices("GPU"))
    if name == "mirrored" or (name == "auto" and num_gpus > 1):
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def _build(config):
    options = {}
    if config.dense_units is not None:
        options["dense_units"] = tuple(config.dense_units)
    return models.build_model(config.model, config.image_size, **options)


def _compile(model, config, steps):
    schedule = keras.optimizers.schedules.CosineDecay(
        config.learning_rate, config.epochs * steps
    )
    model.compile(
        optimizer=keras.optimizers.Adam(schedule),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        # XLA and MirroredStrategy do not go together.
        jit_compile=False,
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
    return batches


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


def _callbacks(run_dir, config):
    return [
        keras.callbacks.TerminateOnNaN(),
        keras.callbacks.CSVLogger(run_dir / "history.csv"),
        keras.callbacks.TensorBoard(
            run_dir / "logs", write_graph=False, update_freq=1
        ),
        _Checkpoints(run_dir / "checkpoints", config.keep_checkpoints),
    ]


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


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m keras_ssc.train",
        description="Trains a model. What is not given is the model's "
        "default: the report's settings on films, small ones on the sample.",
    )
    add = parser.add_argument
    default = TrainConfig()
    add("--model", default=default.model, help=", ".join(models.MODELS))
    add("--dataset", default=default.dataset, metavar="scene_genre/CONFIG")
    add("--data-dir", metavar="DIR", help="where data sets are built")
    add("--run-dir", metavar="DIR", help="default: runs/<time>_<model>")
    add("--epochs", type=int, metavar="N")
    add("--batch-size", "--bs", type=int, metavar="N")
    add("--learning-rate", "--lr", type=float, metavar="RATE")
    add(
        "--image-size",
        type=_image_size,
        metavar="N or WxH",
        help="pixels of the model's frames, such as 96 or 120x68",
    )
    add(
        "--dense-units",
        type=_dense_units,
        metavar="N,N",
        help="the fully connected layers of double_stack, such as 512,256",
    )
    add("--seed", type=int, default=default.seed, metavar="N")
    add(
        "--strategy",
        default=default.strategy,
        help=f"{', '.join(STRATEGIES)} (default: %(default)s)",
    )
    add("--deterministic", action="store_true")
    add("--keep-checkpoints", type=int, default=default.keep_checkpoints)
    return parser


def _image_size(text):
    try:
        sides = [int(side) for side in text.lower().split("x")]
    except ValueError:
        sides = []
    if len(sides) not in (1, 2) or min(sides) < 1:
        raise argparse.ArgumentTypeError(
            f"expected N or WIDTHxHEIGHT, such as 96 or 120x68, received "
            f"{text!r}"
        )
    return sides[-1], sides[0]  # (height, width)


def _dense_units(text):
    try:
        units = tuple(int(number) for number in text.split(","))
    except ValueError:
        units = (0,)
    if min(units) < 1:
        raise argparse.ArgumentTypeError(
            f"expected numbers such as 512,256, received {text!r}"
        )
    return units


def main():
    """Runs the command."""
    run_dir = train(TrainConfig(**vars(_parser().parse_args())))
    print(f"run: {run_dir}")
    print(f"its curves: {run_dir}/curves.png")
    print(f"next: python -m keras_ssc.evaluate {run_dir}")


if __name__ == "__main__":
    command.run(main)
