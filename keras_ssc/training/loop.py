"""A built data set -> a trained model in a run's folder."""

import dataclasses
import pathlib
import sys

import keras
import numpy as np
import tensorflow as tf

from keras_ssc import errors
from keras_ssc import files
from keras_ssc import models
from keras_ssc.data import batching
from keras_ssc.data import datasets
from keras_ssc.metrics import figures
from keras_ssc.training import checkpoints
from keras_ssc.training import devices
from keras_ssc.training import film_head
from keras_ssc.training import linear_head
from keras_ssc.training import runs
from keras_ssc.training import tensorboard_pictures
from keras_ssc.training import time_needed
from keras_ssc.training import train_config


class TrainingError(errors.OutsideError):
    """A training that cannot continue, such as one whose loss is not finite."""


def train(config, verbose=True, splits=None):
    """Trains a model.

    Args:
        config: A `TrainConfig`.
        verbose: Boolean, whether to show progress.
        splits: Where the pairs come from, see `datasets.DatasetSplits`;
            the config's data set as it was built if None.

    Returns:
        `pathlib.Path` of the run's folder.

    Raises:
        ValueError: If a setting is wrong, the data set is not built, or the
            run's folder holds something.
        TrainingError: If the loss is not finite any more.
        OSError: If a file cannot be written.
    """
    config = train_config.fill_in(runs.with_start(config))
    strategy, config = _set_up(config)
    splits = _open(config, splits)
    if config.start is not None:
        runs.check_task(config.start, splits)
    _check_genres(splits)
    with strategy.scope():
        model = _build(config, splits.task)
        trained = _trained(model, config)
    prepared = _prepare_splits(splits, config, model, strategy, verbose)
    run_dir = _make_run_dir(config, strategy, splits)
    _adapt(trained, prepared["train"], config.batch_size)
    return _fit(
        *(trained, model, config, run_dir, prepared, strategy),
        *(checkpoints.State(0), verbose),
    )


def resume(run_dir, verbose=True, splits=None, epochs=None):
    """Resumes an interrupted training from its last checkpoint.

    Weights, optimizer, learning rate, order of the pairs, and what was best
    on the validation split are as they were; with `deterministic`, the
    training ends in weights identical to those of an uninterrupted one.

    Args:
        run_dir: The run's folder.
        verbose: Boolean, whether to show progress.
        splits: What it was trained with, see `train`.
        epochs: Integer, to train on until so many in all, a run that is
            finished, too; None for those that it began with. A schedule's
            rate is then that of a training of so many, patience begins
            again, and a model that was there is kept, see
            `runs.set_aside`.

    Returns:
        `pathlib.Path` of the run's folder. Nothing is done to a run that is
        finished.

    Raises:
        ValueError: If the folder is not a run, the data set is not built, or
            it cannot be trained until so many epochs.
        TrainingError: If the loss is not finite any more.
        OSError: If a file cannot be written.
    """
    run_dir = pathlib.Path(run_dir)
    config = runs.read_config(run_dir)
    is_finished = (run_dir / "model.keras").exists()
    if epochs is not None:
        config = runs.with_epochs(config, epochs)
    elif is_finished:
        return run_dir
    strategy, config = _set_up(config)
    splits = _open(config, splits or runs.open_splits(run_dir))
    task = runs.check_task(run_dir, splits)
    with strategy.scope():
        state, stored = checkpoints.load_newest(
            run_dir / "checkpoints", devices.is_chief(strategy)
        )
        # Of a head, the checkpoints hold no trunk.
        is_whole = stored is not None and not config.is_stored()
        model = stored if is_whole else _build(config, task)
        trained = stored or _trained(model, config)
    if epochs is not None:
        state = _train_on(state, is_finished, run_dir, epochs)
        if is_finished and state.epoch == epochs:
            return run_dir
    state = state or checkpoints.State(0)
    models.check(model, run_dir / "checkpoints", len(task.genres))
    devices.check_agreement(strategy, state.name())
    if epochs is not None and devices.is_chief(strategy):
        runs.set_aside(run_dir, config, state.epoch)
    prepared = _prepare_splits(splits, config, model, strategy, verbose)
    if stored is None:
        _adapt(trained, prepared["train"], config.batch_size)
    else:
        rate = _phase_rate(config, state.epoch, prepared)
        # A constant rate is a variable, as it was stored.
        if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
            trained.optimizer.learning_rate = rate
        if verbose:
            step = f", step {state.step}" if state.step else ""
            place = f"epoch {state.epoch}{step} of {config.epochs}"
            print(f"resuming after {place}")
    if state.metrics is not None:
        devices.build_metrics(trained, strategy)
    if devices.is_chief(strategy):
        runs.cut_history(run_dir, state.epoch)
    return _fit(
        *(trained, model, config, run_dir, prepared, strategy),
        *(state, verbose),
    )


def _train_on(state, is_finished, run_dir, epochs):
    """Returns the state from which a run is trained until more epochs."""
    if state is None:
        if is_finished:
            raise ValueError(
                f"Expected in {run_dir}/checkpoints what the run was trained "
                "to. There is no checkpoint that can be read: begin a new "
                f"training with its model, --start {run_dir}."
            )
        return None
    if epochs < state.epoch:
        raise ValueError(
            f"Expected --epochs of more than the {state.epoch} epochs that "
            f"{run_dir} was trained for. Received: {epochs}"
        )
    return dataclasses.replace(state, num_waited=0)


def _set_up(config):
    """Returns the strategy, and the config with what the machine decides."""
    # Before anything else of TensorFlow: several hosts join at its start.
    strategy = devices.make_strategy(config.strategy)
    devices.check_batch_size(strategy, config.batch_size)
    if config.jit_compile and strategy.num_replicas_in_sync > 1:
        raise ValueError(
            "Expected --jit-compile on one device: tf.distribute does not "
            f"work with it. Received: {strategy.num_replicas_in_sync} "
            "devices. Leave it out, or add --strategy one_device."
        )
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(config.seed)
    precision = devices.precision_of_machine(config.precision)
    return strategy, dataclasses.replace(config, precision=precision)


def _open(config, splits):
    """Returns the splits, which have what the config needs."""
    if splits is None:
        splits = datasets.DatasetSplits(config.dataset, config.data_dir)
    if warning := splits.warning:
        print(f"warning: {warning}", file=sys.stderr)
    if config.patience is not None and "validation" not in splits.names:
        raise ValueError(
            f"--patience needs a validation split; {config.dataset} has "
            f"{', '.join(splits.names)}. Name films of the split "
            "validation in the film list, and build again."
        )
    return splits


def _prepare_splits(splits, config, model, strategy, verbose):
    def prepare(split):
        if config.is_stored():
            is_mirrored = config.mirror and split == "train"
            return splits.encode(
                *(split, config.image_size, encoder, is_mirrored, verbose)
            )
        return splits.prepare(split, config.image_size, model.input, verbose)

    encoder = models.Encoder(model) if config.is_stored() else None
    with devices.chief_first(strategy):
        prepared = {
            split: prepare(split)
            for split in ("train", "validation")
            if split == "train" or split in splits.names
        }
    batching.check_batch_size(prepared["train"], config.batch_size)
    _warn_of_missing_genres(prepared["train"], config.dataset)
    return prepared


def _warn_of_missing_genres(prepared, dataset):
    present = prepared.task.is_of(prepared.label).any(axis=0)
    missing = [
        genre
        for genre, is_there in zip(prepared.task.genres, present, strict=True)
        if not is_there
    ]
    if missing:
        print(
            f"warning: {dataset} has no pair of {', '.join(missing)} to train "
            "on: no film can be classified as one.",
            file=sys.stderr,
        )


def _check_genres(splits):
    """Raises `ValueError` if there is nothing to distinguish."""
    if len(splits.task.genres) < 2:
        raise ValueError(
            f"Expected two genres or more. {splits.name} has one, "
            f"{splits.task.genres[0]}. Add films of another, or of none of "
            "yours under a name such as other."
        )


def _trained(model, config):
    """Returns what is trained: a model, or the head of one that is frozen."""
    if not config.is_stored():
        return model
    models.freeze(model)
    head = models.head(model)
    if config.optimizer == "lbfgs":
        linear_head.check(head)
    return head


def _fit(model, whole, config, run_dir, prepared, strategy, state, verbose):
    """Trains from the state to the end; returns the run's folder.

    What is trained, `model`, may be the head of what is stored, `whole`.
    """
    is_chief = devices.is_chief(strategy)
    if config.optimizer == "lbfgs":
        if is_chief:
            strength = linear_head.fit(
                *(model, prepared, config.balanced, run_dir / "history.csv")
            )
            _draw_curves(config, run_dir)
            if models.MODELS[config.model].film_head:
                film_head.fit(model, strength, prepared, config, run_dir)
            checkpoints.write_model(whole, run_dir / "model.keras")
        devices.wait_for_all(strategy)
        return run_dir
    keeper = checkpoints.Checkpoints(
        run_dir / "checkpoints" if is_chief else None,
        config.keep_checkpoints,
        config.patience,
        state,
        config.checkpoint_steps,
    )
    devices.synchronize(model, strategy)
    num_steps = (config.epochs - state.epoch) * _num_steps(prepared, config)
    is_slow = is_chief and model is whole and not devices.has_accelerator()
    # Once for all stretches: the first one has something to compile.
    timing = [_time_needed(num_steps, config)] if is_slow else []
    for first_epoch, first_step, end_epoch in _stretches(config, state):
        if keeper.state.is_over(config):
            break
        if first_step == 0 and first_epoch in (0, config.freeze):
            with strategy.scope():
                _begin_phase(model, config, first_epoch, prepared)
        _fit_stretch(
            model,
            config,
            prepared,
            strategy,
            first_epoch,
            first_step,
            epochs=end_epoch,
            callbacks=timing
            + _callbacks(
                *(run_dir, keeper, prepared, first_step),
                has_pictures=is_chief and model is whole,
                is_chief=is_chief,
            ),
            verbose=1 if verbose and is_chief else 0,
        )
    if is_chief:
        _draw_curves(config, run_dir)
        # Last of all: a run with a model is finished.
        keeper.write_final(
            run_dir / "model.keras", None if model is whole else whole
        )
    devices.wait_for_all(strategy)
    return run_dir


def _time_needed(num_steps, config):
    return time_needed.TimeNeeded(
        num_steps,
        "A frozen, pretrained network takes minutes, and is the better choice "
        "for fewer than a few hundred films: python -m keras_ssc.train "
        f"--settings frozen --dataset {config.dataset}",
    )


def _stretches(config, state):
    """Yields (first epoch, first step, end epoch), for one `fit` each.

    An epoch that was begun is one of them, and an end is where the trunk is
    no longer frozen.
    """
    epoch = state.epoch
    if state.step:
        yield epoch, state.step, epoch + 1
        epoch += 1
    if epoch < config.freeze:
        yield epoch, 0, config.freeze
        epoch = config.freeze
    if epoch < config.epochs:
        yield epoch, 0, config.epochs


def _begin_phase(model, config, epoch, prepared):
    """Freezes what this phase leaves as it is; compiles with a new optimizer.

    The old one's averages of gradients know nothing of the layers that are
    trained from now on.
    """
    is_frozen = epoch < config.freeze
    if config.freeze or config.unfreeze_from:
        models.freeze(model, None if is_frozen else config.unfreeze_from)
    rate = _phase_rate(config, epoch, prepared)
    compile_model(model, config, rate, prepared["train"])


def _phase_rate(config, epoch, prepared):
    """Returns the learning rate of the phase that an epoch is in."""
    is_frozen = epoch < config.freeze
    is_fine = (config.freeze or config.start) and not is_frozen
    rate = config.learning_rate
    if is_fine:
        rate = config.fine_learning_rate or rate
    first, end = config.freeze, config.epochs
    if is_frozen:
        first, end = 0, config.freeze
    steps = _num_steps(prepared, config)
    return _schedule(config, rate, (end - first) * steps, steps)


def _num_steps(prepared, config):
    return prepared["train"].num_pairs // config.batch_size


def _fit_stretch(
    model, config, prepared, strategy, first_epoch, first_step, **settings
):
    """Calls Keras' `fit`, or on several hosts what stands in for it."""
    batches = devices.distribute(
        strategy,
        lambda *share: with_targets(
            prepared["train"].task,
            batching.training_batches(
                prepared["train"],
                config.batch_size,
                config.seed,
                config.balanced,
                first_epoch,
                config.augmentation(),
                first_step,
                batching.Share(*share),
            ),
        ),
    )
    settings |= {
        "initial_epoch": first_epoch,
        "steps_per_epoch": _num_steps(prepared, config) - first_step,
        "validation_data": _validation_batches(prepared, config, strategy),
    }
    if devices.has_several_hosts(strategy):
        devices.fit_on_hosts(model, strategy, batches, **settings)
    else:
        # The batches are shuffled already.
        model.fit(batches, shuffle=False, **settings)


def _draw_curves(config, run_dir):
    title = f"{config.model} on {config.dataset}, seed {config.seed}"
    history = runs.read_history(run_dir)
    files.write_bytes(
        run_dir / "curves.png",
        figures.curves_figure(history, title, runs.read_task(run_dir).metric),
    )


def _build(config, task):
    keras.config.set_dtype_policy(config.precision)
    try:
        model = (
            models.build_model(
                config.model,
                config.image_size,
                len(task.genres),
                **config.model_options(),
            )
            if config.start is None
            else runs.load_model(config.start)
        )
    finally:
        keras.config.set_dtype_policy("float32")
    if config.unfreeze_from:
        # An unknown block is an error now, not after the first phase.
        models.freeze(model, config.unfreeze_from)
    return model


def _adapt(model, prepared, batch_size):
    """Lets the magnitude's layer see the training pairs' magnitudes."""
    for layer in model.layers:
        if layer.name == "log_magnitude":
            # What the model itself makes of them, whoever computes the flow.
            before = models.before(model, layer.name)
            batches = batching.evaluation_batches(prepared, batch_size)
            layer.adapt(before.predict(batches, verbose=0))


def compile_model(model, config, rate, prepared):
    """Compiles a model as a training does.

    Args:
        model: A `keras.Model` of `models.MODELS`.
        config: A `TrainConfig` that is filled in.
        rate: Float or a schedule of Keras, the learning rate.
        prepared: The `datasets.PreparedSplit` to train on.
    """
    optimizers = {
        "adam": lambda: keras.optimizers.Adam(rate),
        "sgd": lambda: keras.optimizers.SGD(rate, momentum=0.9),
    }
    model.compile(
        optimizer=optimizers[config.optimizer](),
        loss=prepared.task.loss(
            prepared.label, config.label_smoothing, config.balanced
        ),
        metrics=prepared.task.metrics(),
        jit_compile=config.jit_compile,
    )
    # Before the first step: on several hosts it cannot be done within one.
    model.optimizer.build(model.trainable_variables)


def _schedule(config, learning_rate, num_steps, steps_per_epoch):
    """Returns a float or a schedule that begins at a phase's first step."""
    schedules = keras.optimizers.schedules
    if config.schedule == "exponential":
        return schedules.ExponentialDecay(
            learning_rate, steps_per_epoch, decay_rate=0.96, staircase=True
        )
    if config.schedule == "cosine" and config.warmup_steps:
        return schedules.CosineDecay(
            0.0,
            max(num_steps - config.warmup_steps, 1),
            warmup_target=learning_rate,
            warmup_steps=config.warmup_steps,
        )
    if config.schedule == "cosine":
        return schedules.CosineDecay(learning_rate, num_steps)
    return learning_rate


def with_targets(task, batches):
    """Makes the labels of batches what the task's loss takes."""
    return batches.map(lambda inputs, label: (inputs, task.targets(label)))


def _validation_batches(splits, config, strategy):
    if "validation" not in splits:
        return None
    return devices.distribute(
        strategy,
        lambda *share: with_targets(
            splits["validation"].task,
            batching.evaluation_batches(
                splits["validation"], config.batch_size, batching.Share(*share)
            ),
        ),
    )


def _make_run_dir(config, strategy, splits):
    """Makes the run's folder and writes its config, the first thing in it."""
    if config.run_dir is None and devices.has_several_hosts(strategy):
        raise ValueError(
            "Expected --run-dir: several hosts need one folder, on a disk "
            "that all of them see."
        )
    run_dir = runs.folder_of(config)
    if devices.is_chief(strategy):
        runs.make_folder(config, run_dir, splits)
    devices.wait_for_all(strategy)
    return run_dir


def _callbacks(run_dir, keeper, prepared, first_step, has_pictures, is_chief):
    """Returns what watches a training; one host alone writes files.

    A head on stored features has no frames to show.
    """
    watching = (
        watching_callbacks(run_dir, first_step)
        if is_chief
        else [_StopAtNaN(first_step)]
    )
    folder = run_dir / "logs" if has_pictures else None
    return [
        *watching,
        keeper,
        tensorboard_pictures.Pictures(folder, prepared),
    ]


def watching_callbacks(run_dir, first_step=0):
    """Returns the callbacks that act at every step."""
    return [
        _StopAtNaN(first_step),
        keras.callbacks.CSVLogger(run_dir / "history.csv", append=True),
        _TensorBoard(run_dir / "logs", write_graph=False, update_freq=1),
    ]


class _TensorBoard(keras.callbacks.TensorBoard):
    """Continues the step count of a resumed training.

    Keras' begins at step 0 and would draw the curve over itself.
    """

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        self._global_train_batch = int(
            keras.ops.convert_to_numpy(self.model.optimizer.iterations)
        )

    def on_train_batch_end(self, batch, logs=None):
        # Of a step, the loss alone: writing takes as long as a small model's
        # step, and accuracies are an epoch's.
        loss = {"loss": logs["loss"]} if logs else {}
        super().on_train_batch_end(batch, loss)


class _StopAtNaN(keras.callbacks.Callback):
    """Ends a training whose loss is not finite, before it is stored.

    Keras' TerminateOnNaN ends it too, but as if all were well.
    """

    def __init__(self, first_step):
        super().__init__()
        self.first_step = first_step
        self.epoch = 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        loss = (logs or {}).get("loss", 0.0)
        if not np.isfinite(loss):
            raise TrainingError(
                f"The loss is {loss} in epoch {self.epoch + 1}, step "
                f"{self.first_step + batch + 1}. The last good checkpoint is "
                "kept. Try a lower --learning-rate."
            )
