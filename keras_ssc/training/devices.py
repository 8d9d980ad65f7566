"""Training on several devices and several hosts, with tf.distribute.

On one host, Keras' own `fit` trains under any strategy. Keras 3's `fit` fails
under `MultiWorkerMirroredStrategy`; `fit_on_hosts` stands in for it there.
"""

import contextlib
import json
import os
import pathlib
import zlib

import keras
import numpy as np
import tensorflow as tf

from keras_ssc import models
from keras_ssc.errors import OutsideError


class WorkerError(OutsideError):
    """Another host of a training has ended."""


def make_strategy(name):
    """Makes a `tf.distribute` strategy; the first thing that a training does.

    Args:
        name: String, one of `train_config.STRATEGIES`. `"auto"` takes all
            hosts that TF_CONFIG names, else all GPUs of this one.

    Returns:
        A `tf.distribute.Strategy`.

    Raises:
        ValueError: If TF_CONFIG is needed and does not say what it should, or
            several devices are wanted and Keras does not work on TensorFlow.
    """
    workers = _workers_of_environment()
    backend = keras.backend.backend()
    if backend != "tensorflow":
        # It would silently train on one device.
        if name in ("mirrored", "multi_worker") or len(workers) > 1:
            raise ValueError(
                "Expected Keras on TensorFlow for several devices or hosts. "
                f"Received: KERAS_BACKEND={backend}, which trains on one "
                "device: unset it, or give --strategy one_device without "
                "TF_CONFIG."
            )
        return tf.distribute.get_strategy()
    if name == "multi_worker" and len(workers) < 2:
        raise ValueError(
            "Expected TF_CONFIG with two workers or more for multi_worker, "
            f"such as {_EXAMPLE}. Received: {os.environ.get('TF_CONFIG')!r}"
        )
    if name == "multi_worker" or (name == "auto" and len(workers) > 1):
        return tf.distribute.MultiWorkerMirroredStrategy()
    gpus = tf.config.list_logical_devices("GPU")
    if name == "auto" and len(gpus) > 1:
        return tf.distribute.MirroredStrategy()
    if name == "mirrored":
        devices = gpus or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy([d.name for d in devices])
    return tf.distribute.get_strategy()


_EXAMPLE = (
    '{"cluster": {"worker": ["host1:12345", "host2:12345"]}, '
    '"task": {"type": "worker", "index": 0}}'
)


def _workers_of_environment():
    """Returns the hosts of a training, as TF_CONFIG has them."""
    text = os.environ.get("TF_CONFIG")
    if not text:
        return []
    try:
        config = json.loads(text)
        cluster, task = config["cluster"], config["task"]
        hosts = [*cluster.get("chief", []), *cluster.get("worker", [])]
        place = int(task["index"])
        known = all(isinstance(host, str) and ":" in host for host in hosts)
        known &= set(cluster) <= {"chief", "worker"}
        known &= 0 <= place < len(cluster[task["type"]])
    except (ValueError, KeyError, TypeError, AttributeError):
        known = False
    if not known:
        raise ValueError(
            f"Expected TF_CONFIG as JSON, such as {_EXAMPLE}. "
            f"Received: {text!r}"
        )
    return hosts


def has_several_hosts(strategy):
    """Returns whether a strategy trains on several hosts."""
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def is_chief(strategy):
    """Returns whether this process is the one that writes the run's files."""
    if not has_several_hosts(strategy):
        return True
    resolver = strategy.cluster_resolver
    if "chief" in resolver.cluster_spec().jobs:
        return resolver.task_type == "chief"
    return resolver.task_id == 0


def wait_for_all(strategy):
    """Waits until every host has come here."""
    if has_several_hosts(strategy):
        _sum(strategy, 1.0)


@contextlib.contextmanager
def chief_first(strategy):
    """Lets the chief work first; on a shared disk, others find its results."""
    if not is_chief(strategy):
        wait_for_all(strategy)
    yield
    if is_chief(strategy):
        wait_for_all(strategy)


def check_agreement(strategy, text):
    """Raises `ValueError` if not all hosts came with the same text."""
    if not has_several_hosts(strategy):
        return
    number = float(zlib.crc32(text.encode()) % 10_000)
    # The sum alone could hide a difference: (1, 3) adds up as (2, 2).
    count = strategy.num_replicas_in_sync
    total, squares = _sum(strategy, number), _sum(strategy, number**2)
    if total**2 != count * squares:
        raise ValueError(
            "Expected all hosts to see one run folder with the same "
            f"checkpoints. This host has {text}, another one has not."
        )


def _sum(strategy, number):
    """Returns a number's sum over all devices of all hosts."""
    with naming_lost_workers():
        return float(
            strategy.reduce(
                "SUM",
                strategy.run(
                    tf.function(lambda: tf.constant(number, tf.float64))
                ),
                axis=None,
            )
        )


def precision_of_machine(name):
    """Returns the mixed precision that this machine computes fast.

    Args:
        name: String; all but `"mixed"` is returned as it is.

    Returns:
        String, the name of a `keras.DTypePolicy`.

    Raises:
        ValueError: If this machine has none.
    """
    if name != "mixed":
        return name
    if has_accelerator():
        return "mixed_float16"
    cpu = pathlib.Path("/proc/cpuinfo")
    flags = set(cpu.read_text().split()) if cpu.exists() else set()
    if {"avx512_bf16", "amx_bf16"} & flags:
        return "mixed_bfloat16"
    raise ValueError(
        "Expected a GPU, or a processor with avx512_bf16 or amx_bf16, for "
        "--precision mixed. This machine has neither: use float32."
    )


def flow_of_machine():
    """Returns what computes flow fast here.

    Starts nothing of TensorFlow: several hosts can still join.

    Returns:
        String: `"graph"` where there is a GPU, else `"opencv"`: on a
        processor the graph computes a fifth of the pairs that OpenCV does.
    """
    return "graph" if has_accelerator() else "opencv"


def has_accelerator():
    """Says whether there is a GPU, or anything but processors."""
    if keras.backend.backend() == "tensorflow":
        # Visible, not logical: those are made when TensorFlow starts.
        return bool(tf.config.get_visible_devices("GPU"))
    devices = keras.distribution.list_devices()
    return any(not name.startswith("cpu") for name in devices)


@contextlib.contextmanager
def naming_lost_workers():
    """Turns what TensorFlow raises when a host is lost into one line."""
    try:
        yield
    except (
        tf.errors.UnavailableError,
        tf.errors.AbortedError,
        tf.errors.CancelledError,
        tf.errors.DeadlineExceededError,
        tf.errors.FailedPreconditionError,
        tf.errors.InternalError,
    ) as error:
        if "ollective" not in str(error) and "task" not in str(error):
            raise
        reason = " ".join(str(error).split())[-300:]
        raise WorkerError(
            "Another worker has ended, and this one with it. See what that "
            "one says, then start all again with --resume RUN. TensorFlow "
            f"says: {reason}"
        ) from error


def distribute(strategy, make_batches):
    """Gives each device its part of the batches.

    Args:
        strategy: A `tf.distribute.Strategy`.
        make_batches: Function from three integers, those of a
            `batching.Share`, to a `tf.data.Dataset`.

    Returns:
        What `fit` takes: a `tf.data.Dataset`, or a distributed one.
    """

    def batches_of_host(context):
        count = context.num_replicas_in_sync // context.num_input_pipelines
        first = context.input_pipeline_id * count
        return make_batches(context.num_replicas_in_sync, first, count)

    return strategy.distribute_datasets_from_function(batches_of_host)


def check_batch_size(strategy, batch_size):
    """Raises `ValueError` if devices would get unequal parts of a batch."""
    count = strategy.num_replicas_in_sync
    if batch_size % count:
        raise ValueError(
            f"Expected a batch size that {count} devices can share. "
            f"Received: {batch_size}"
        )


def synchronize(model, strategy):
    """Lets batch normalisation see the whole batch, over all devices.

    What several devices then compute is what one would.

    Args:
        model: A `keras.Model`.
        strategy: A `tf.distribute.Strategy`.
    """
    for layer in models.all_layers(model):
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = strategy.num_replicas_in_sync > 1


def build_metrics(model, strategy):
    """Makes the variables of a loaded model's metrics.

    Keras makes them at the first batch; what a checkpoint holds of them is to
    be put back before.

    Args:
        model: A compiled `keras.Model`.
        strategy: A `tf.distribute.Strategy`.
    """
    nothing = np.zeros((1, model.output.shape[-1]), "float32")

    def update():
        model.compute_metrics(None, nothing, nothing)

    with strategy.scope():
        strategy.run(update)
    model.reset_metrics()


def fit_on_hosts(
    model,
    strategy,
    batches,
    initial_epoch,
    epochs,
    steps_per_epoch,
    validation_data,
    callbacks,
    verbose,
):
    """Trains as `keras.Model.fit` does, on several hosts.

    Args:
        model: A compiled `keras.Model`, made under the strategy.
        strategy: A `tf.distribute.MultiWorkerMirroredStrategy`.
        batches: What `distribute` returned.
        initial_epoch: Integer, the first epoch, from 0.
        epochs: Integer, the epoch to stop before.
        steps_per_epoch: Integer.
        validation_data: What `distribute` returned, or None.
        callbacks: List of `keras.callbacks.Callback`.
        verbose: 0 or 1, whether to show progress.

    Raises:
        WorkerError: If another host has ended.
    """
    train_step = _step_function(model, strategy, model.train_step)
    test_step = _step_function(model, strategy, model.test_step)
    callbacks = keras.callbacks.CallbackList(
        callbacks,
        add_history=True,
        add_progbar=bool(verbose),
        model=model,
        verbose=verbose,
        epochs=epochs,
        steps=steps_per_epoch,
    )
    model.stop_training = False
    with naming_lost_workers():
        callbacks.on_train_begin()
        iterator = iter(batches)
        for epoch in range(initial_epoch, epochs):
            model.reset_metrics()
            callbacks.on_epoch_begin(epoch)
            for step in range(steps_per_epoch):
                callbacks.on_train_batch_begin(step)
                callbacks.on_train_batch_end(step, train_step(next(iterator)))
            logs = _results(model)
            if validation_data is not None:
                model.reset_metrics()
                for data in validation_data:
                    test_step(data)
                logs |= {f"val_{k}": v for k, v in _results(model).items()}
            callbacks.on_epoch_end(epoch, logs)
            if model.stop_training:
                break
        callbacks.on_train_end()


def _step_function(model, strategy, step):
    """Returns a function from a batch to the metrics so far, of all hosts."""

    @tf.function(reduce_retracing=True, jit_compile=False)
    def run(data):
        strategy.run(step, args=(data,))
        return model.get_metrics_result()

    return run


def _results(model):
    return {k: float(v) for k, v in model.get_metrics_result().items()}
