"""The settings of a training, and their flags."""

import argparse
import dataclasses
import typing

from keras_ssc import checks
from keras_ssc.training import settings

# The last one is for a linear head on stored features alone.
OPTIMIZERS = ("adam", "sgd", "lbfgs")
SCHEDULES = ("constant", "exponential", "cosine")
STRATEGIES = ("auto", "one_device", "mirrored", "multi_worker")
PRECISIONS = ("float32", "mixed", "mixed_float16", "mixed_bfloat16")

# Of `freeze`: as many as there are.
ALL_EPOCHS = "all"

# Settings for a purpose, which take the place of a model's own.
SETTINGS = {
    # Minutes on a laptop: nothing is trained but a linear head.
    "frozen": settings.FROZEN | {"dense_units": ()},
}

# Who computes the flow, and the models' own word for it.
FLOWS = {"opencv": "given", "graph": "graph"}


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """All settings of a training. None: the model's default for the data."""

    model: str = "double_stack"  # a key of models.MODELS
    dataset: str = "scene_genre/sample"  # the data set that needs no input
    data_dir: str | None = None  # where data sets are; TFDS's default
    run_dir: str | None = None  # default: runs/<time>_<model>
    image_size: tuple | None = None  # (height, width) of the model's frames
    backbone: str | None = None  # the trunk, of models that have one
    weights: str | None = None  # "imagenet" or a file; None for random ones
    start: str | None = None  # the run whose model it begins with
    dense_units: tuple | None = None  # the model's fully connected layers
    trunk: str | None = None  # double_stack: shared, separate or flownet
    encoding: int | None = None  # motion_magnitude_stack: 1 in the report
    single_frame: bool | None = None  # flownet_fc: one frame, as the report
    flow: str = "auto"  # where a model sees it: graph on GPUs, else opencv
    freeze: int | str | None = None  # epochs with the pretrained part as it is
    store: bool = True  # the features of a part that is frozen throughout
    unfreeze_from: str | None = None  # the block to train from, then; all
    fine_learning_rate: float | None = None  # then; a tenth of the other
    epochs: int | None = None
    batch_size: int | None = None  # over all devices together
    optimizer: str | None = None  # adam, sgd with momentum 0.9, or lbfgs
    learning_rate: float | None = None  # at its highest
    schedule: str | None = None  # constant unless the model says otherwise
    warmup_steps: int = 0  # steps over which a cosine's rate rises from 0
    label_smoothing: float = 0.0  # share of the label spread over all genres
    balanced: bool = False  # sample genres, and films in each, equally often
    mirror: bool | None = None  # half of the pairs; genres know no left, right
    crop: float = 0.0  # largest share of each side cut away; 0, as the report
    colour: float = 0.0  # of brightness, contrast, saturation; 0, as the report
    patience: int | None = None  # epochs without a better validation loss
    precision: str = "float32"  # mixed: float16 on GPUs, bfloat16 on CPUs
    jit_compile: bool | None = None  # with XLA; None: on JAX, which needs it
    seed: int = 0  # of weights, order and augmentation
    strategy: str = "auto"  # all hosts of TF_CONFIG, else all GPUs of this one
    deterministic: bool = False  # same seed, same weights; slower on GPUs
    checkpoint_steps: int | None = None  # within an epoch too; None: no
    keep_checkpoints: int = 2  # the newest ones; each is a whole model

    def model_options(self):
        """Returns the options that are set, as the model's function has them.

        Returns:
            A dict of keyword arguments.
        """
        known = _model_options()
        options = {
            name: value
            for name, value in dataclasses.asdict(self).items()
            if name in known and value is not None
        }
        if self.flow == "auto":
            del options["flow"]
        else:
            options["flow"] = FLOWS[self.flow]
        return options

    def is_stored(self):
        """Says whether a head is trained on stored features of a trunk."""
        return self.store and bool(self.freeze) and self.freeze == self.epochs

    def augmentation(self):
        """Returns what is changed at random in training pairs.

        Returns:
            An `augmentation.Augmentation`.

        Raises:
            ValueError: If a number is out of its range.
        """
        from keras_ssc.data.augmentation import Augmentation

        return Augmentation(self.mirror, self.crop, self.colour)


def settings_of(name, model):
    """Returns the settings of a purpose, for a model.

    Args:
        name: String, a key of `SETTINGS`.
        model: String, a key of `models.MODELS`.

    Returns:
        A dict of fields of `TrainConfig`.

    Raises:
        ValueError: If there are no such settings, or they are not for it.
    """
    checks.one_of("settings", name, SETTINGS)
    checks.one_of("model", model, _models().MODELS)
    options = _options_of(model)
    if "backbone" not in options:
        raise ValueError(
            f"Expected a model with a backbone for the settings {name}. "
            f"{model} has none."
        )
    return {
        field: value
        for field, value in SETTINGS[name].items()
        if field in options or field not in _model_options()
    }


def _model_options():
    return {option for name in _models().MODELS for option in _options_of(name)}


def _options_of(name):
    return _models().options_of(name)


def _models():
    # Only now: a command's help needs no Keras.
    from keras_ssc import models

    return models


def fill_in(config):
    """Returns the config with the defaults of its model, data and machine.

    Raises:
        ValueError: If there is no such model, option or choice, or a number
            is out of its range.
    """
    # Only now: a command's help needs no Keras.
    import keras

    from keras_ssc.training import devices

    checks.one_of("model", config.model, _models().MODELS)
    is_sample = config.dataset.partition(":")[0] == "scene_genre/sample"
    own = settings.of_model(config.model)
    own = own.sample if is_sample else own.report
    defaults = {"schedule": "constant", "freeze": 0, "mirror": True, **own}
    config = dataclasses.replace(
        config,
        **{
            name: value
            for name, value in defaults.items()
            if getattr(config, name) is None
        },
    )
    if config.freeze == ALL_EPOCHS:
        config = dataclasses.replace(config, freeze=config.epochs)
    check(config)
    if config.jit_compile is None:
        is_needed = keras.backend.backend() == "jax"
        config = dataclasses.replace(config, jit_compile=is_needed)
    if config.flow == "auto" and "flow" in _options_of(config.model):
        config = dataclasses.replace(config, flow=devices.flow_of_machine())
    if (config.freeze or config.unfreeze_from) and config.weights is None:
        raise ValueError(
            "Expected --weights with --freeze and --unfreeze-from: random "
            "weights that are not trained give no useful features."
        )
    if config.unfreeze_from or 0 < config.freeze < config.epochs:
        config = _fill_in_phases(config)
    return config


def _fill_in_phases(config):
    """Returns the config with what fine-tuning needs."""
    return dataclasses.replace(
        config,
        unfreeze_from=config.unfreeze_from or _models().ALL_BLOCKS,
        fine_learning_rate=config.fine_learning_rate
        or config.learning_rate / 10,
    )


def check(config):
    """Checks a config that is filled in.

    Args:
        config: A `TrainConfig`.

    Raises:
        ValueError: If there is no such option or choice, or a number is out of
            its range.
    """
    from keras_ssc.models import backbones

    checks.one_of("strategy", config.strategy, STRATEGIES)
    checks.one_of("optimizer", config.optimizer, OPTIMIZERS)
    checks.one_of("schedule", config.schedule, SCHEDULES)
    checks.one_of("precision", config.precision, PRECISIONS)
    checks.one_of("flow", config.flow, ("auto", *FLOWS))
    if config.backbone is not None:
        backbones.find(config.backbone)
    for name in ("epochs", "batch_size", "learning_rate", "keep_checkpoints"):
        checks.above_zero(name, getattr(config, name) or 0)  # never None
    for name in ("patience", "checkpoint_steps", "fine_learning_rate"):
        checks.above_zero(name, getattr(config, name))
    if type(config.freeze) is str or not 0 <= config.freeze <= config.epochs:
        raise ValueError(
            f"Expected freeze of 0 to {config.epochs}, the epochs, or "
            f"{ALL_EPOCHS}. Received: {config.freeze}"
        )
    if config.is_stored() and (config.crop or config.colour):
        raise ValueError(
            "Expected no --crop and no --colour: features that are computed "
            "once cannot be changed. Leave them out, or add --no-store."
        )
    if config.optimizer == "lbfgs":
        _check_linear(config)
    elif _models().MODELS[config.model].film_head:
        raise ValueError(
            f"Expected --freeze all and --optimizer lbfgs with {config.model}, "
            "whose head over a film's pairs needs their stored features. Train "
            f"it so: --model {config.model} --settings frozen"
        )
    if not 0 <= config.label_smoothing < 1:
        raise ValueError(
            "Expected label_smoothing of 0 or more, below 1. "
            f"Received: {config.label_smoothing}"
        )
    config.augmentation()
    known = _options_of(config.model)
    for name in config.model_options():
        if name not in known:
            raise ValueError(
                f"{config.model} has no option {name}. It has: "
                f"{', '.join(known) or 'none'}."
            )


def _check_linear(config):
    if not config.is_stored():
        raise ValueError(
            "Expected --freeze all with --optimizer lbfgs: it fits a linear "
            "head on stored features."
        )
    given = {
        "dense_units": config.dense_units,
        "label_smoothing": config.label_smoothing,
        "patience": config.patience,
        "checkpoint_steps": config.checkpoint_steps,
    }
    wrong = [name for name, value in given.items() if value]
    if wrong:
        raise ValueError(
            f"Expected no {' and no '.join(wrong)} with --optimizer lbfgs, "
            "which fits one linear layer to its optimum. For dense layers, "
            "take --optimizer adam."
        )


def image_size(text):
    """Reads `96` or `120x68`; returns (height, width)."""
    expected = "N or WIDTHxHEIGHT, such as 96 or 120x68"
    return checks.parse_size(text, expected, (1, 2))


def _freeze(text):
    return text if text == ALL_EPOCHS else int(text)


def _units(text):
    if text == "none":
        return ()
    try:
        units = tuple(int(number) for number in text.split(","))
    except ValueError:
        units = (0,)
    if min(units) < 1:
        raise argparse.ArgumentTypeError(
            f"expected none, or numbers such as 512,256, received {text!r}"
        )
    return units


# What a flag's help says, by the config's fields.
_HELP = {
    "model": ", ".join(settings.OF_MODELS),
    "dataset": "scene_genre/CONFIG, a data set that is built",
    "data_dir": "where data sets are built",
    "run_dir": "default: runs/<time>_<model>",
    "image_size": "pixels of the model's frames, such as 96 or 120x68",
    "backbone": "the trunk, of models that have one: efficientnet_lite0, a "
    "network of keras.applications, such as resnet50, or hub:PRESET, a preset "
    "of KerasHub or its folder; default: the report's",
    "weights": "none, imagenet, or a file of the three-channel network",
    "start": "a run whose model the training begins with, such as one with "
    "--freeze all; its model, image size and options are the run's",
    "dense_units": "the fully connected layers, such as 512,256, or none",
    "trunk": "of double_stack: shared, separate or flownet",
    "encoding": "of motion_magnitude_stack: neurons for the frame",
    "single_frame": "of flownet_fc: one frame and not the pair",
    "flow": "of double_stack and motion_magnitude_stack: opencv computes it "
    "once for all trainings, graph within the model at every step; default: "
    "graph with a GPU, else opencv",
    "freeze": "epochs in which the pretrained part is frozen, or all: its "
    "features are then computed once for all trainings",
    "store": "with --freeze all: store the features beside the data set",
    "unfreeze_from": "block to train the pretrained part from afterwards, "
    "such as block5, conv5 or mixed9; default: all",
    "fine_learning_rate": "rate after the frozen epochs; default: a tenth of "
    "the learning rate",
    "batch_size": "pairs in a batch, over all devices together",
    "optimizer": f"{', '.join(OPTIMIZERS)}; lbfgs fits a linear head to "
    "features of --freeze all, its L2 chosen on the validation films",
    "learning_rate": "highest rate of the schedule",
    "schedule": f"{', '.join(SCHEDULES)}; exponential is 0.96 an epoch",
    "warmup_steps": "steps over which a cosine's rate rises from 0",
    "label_smoothing": "share of a label spread over all genres",
    "balanced": "sample all genres, and all films of each, equally often",
    "mirror": "mirror half of the pairs left to right",
    "crop": "largest share of each side cut away at random, such as 0.2",
    "colour": "random brightness, contrast and saturation, such as 0.2",
    "patience": "stop after this many epochs without a better validation loss",
    "precision": f"{', '.join(PRECISIONS)}; mixed is float16 on GPUs, "
    "bfloat16 on processors that have it",
    "jit_compile": "compile with XLA: takes minutes, then steps are faster; "
    "default: on JAX, which else computes operation by operation",
    "strategy": ", ".join(STRATEGIES),
    "deterministic": "the same seed gives the same weights",
    "checkpoint_steps": "also write a checkpoint each time after this many "
    "steps within an epoch",
    "keep_checkpoints": "how many of the newest checkpoints are kept",
}

_ALIASES = {"batch_size": "--bs", "learning_rate": "--lr"}

_PARSERS = {
    "image_size": image_size,
    "dense_units": _units,
    "freeze": _freeze,
    "weights": lambda text: None if text == "none" else text,
}


def add_flags(parser):
    """Adds a flag for each field of `TrainConfig` to an argument parser."""
    for field in dataclasses.fields(TrainConfig):
        flags = [f"--{field.name.replace('_', '-')}"]
        flags += [_ALIASES[field.name]] if field.name in _ALIASES else []
        settings = {"default": field.default, "help": _HELP.get(field.name)}
        # Of `int | None`, the first.
        kind, *_ = typing.get_args(field.type) or (field.type,)
        if kind is bool:
            settings["action"] = argparse.BooleanOptionalAction
        else:
            settings["type"] = _PARSERS.get(field.name, kind)
            settings["metavar"] = field.name.split("_")[-1].upper()
        parser.add_argument(*flags, **settings)
