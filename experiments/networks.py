"""Measures the work of a network apart from any data set."""

import statistics

import keras
import numpy as np
import tensorflow as tf

from experiments import benchmark
from experiments.multiply_adds import multiply_adds
from keras_ssc import loop
from keras_ssc import models


def measure_network(config, runs=5, num_steps=4):
    """Measures the work of a model's training step.

    Args:
        config: A `TrainConfig` that is filled in.
        runs: Integer, how often the steps are timed.
        num_steps: Integer, how many steps are timed at once.

    Returns:
        A dict: `model`; `image_size` (height, width) in pixels and
        `batch_size`; `multiply_adds` of one pair; `seconds_a_step`, the
        median over the runs, compiled as `train` does, on one batch in memory.
    """
    keras.backend.clear_session()
    model = models.build_model(
        config.model, config.image_size, **config.model_options()
    )
    loop.compile_model(model, config, config.learning_rate, 100, 100)
    batch = _one_batch(model, config)
    benchmark.seconds_a_step(model, batch, 1)  # traced
    seconds = [
        benchmark.seconds_a_step(model, batch, num_steps) for _ in range(runs)
    ]
    return {
        "model": config.model,
        "image_size": list(config.image_size),
        "batch_size": config.batch_size,
        "multiply_adds": multiply_adds(model),
        "seconds_a_step": statistics.median(seconds),
    }


def _one_batch(model, config):
    """Returns a data set that repeats one batch of noise."""
    generator = np.random.default_rng(0)
    inputs = {
        name: generator.uniform(
            0, 255, (config.batch_size, *tensor.shape[1:])
        ).astype(tensor.dtype)
        for name, tensor in model.input.items()
    }
    labels = np.arange(config.batch_size) % model.output.shape[-1]
    batches = tf.data.Dataset.from_tensors((inputs, labels))
    return loop.one_hot(batches).cache().repeat()
