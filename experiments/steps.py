"""Times training steps, on whatever backend and device Keras uses.

    KERAS_BACKEND=jax python -m experiments.steps inception_v3

For each line that it reads it prints how many seconds a step of the bare
network takes, on a batch in memory: so two backends can be timed in turn.
"""

import math
import sys
import time

import keras
import numpy as np
import tensorflow as tf

from keras_ssc import models
from keras_ssc.genres import GENRES
from keras_ssc.training import train_config

# How long a step is timed. fit takes some hundredths of a second to begin,
# which must not count.
SECONDS = 2.0


def config_of(name, settings="sample"):
    """Returns a training's config, filled in.

    Args:
        name: String, a key of `models.MODELS`.
        settings: String, `sample` or `report`.
    """
    return train_config.fill_in(
        train_config.TrainConfig(
            model=name,
            **getattr(models.MODELS[name], settings),
        )
    )


def build(config):
    """Builds a config's network."""
    return models.build_model(
        config.model, config.image_size, **config.model_options()
    )


def bare_step(config, seconds=SECONDS):
    """Returns a function that times the bare network's step.

    Args:
        config: A `TrainConfig` that is filled in.
        seconds: Float, how long about it is timed.

    Returns:
        A tuple: the number of steps that are timed, and a function without
        arguments that returns the seconds of one: of `fit` of the network on
        one batch in memory, with nothing else.
    """
    model = build(config)
    model.compile(
        config.optimizer,
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=config.jit_compile,
    )
    generator = np.random.default_rng(0)
    size = config.batch_size
    inputs = {
        name: generator.integers(0, 256, (size, *tensor.shape[1:])).astype(
            tensor.dtype
        )
        for name, tensor in model.input.items()
    }
    labels = generator.integers(0, len(GENRES), size)
    batch = tf.data.Dataset.from_tensors((inputs, labels)).repeat()
    seconds_a_step(model, batch, 1)  # traced and compiled
    num_steps = max(4, math.ceil(seconds / seconds_a_step(model, batch, 4)))
    return num_steps, lambda: seconds_a_step(model, batch, num_steps)


def seconds_a_step(model, dataset, num_steps, callbacks=()):
    """Trains a compiled model some steps; returns the seconds of one."""
    start = time.perf_counter()
    model.fit(
        dataset,
        steps_per_epoch=num_steps,
        shuffle=False,
        callbacks=list(callbacks),
        verbose=0,
    )
    return (time.perf_counter() - start) / num_steps


def main():
    """Runs the command."""
    _, step = bare_step(config_of(sys.argv[1]))
    for _ in sys.stdin:
        print(step(), flush=True)


if __name__ == "__main__":
    main()
