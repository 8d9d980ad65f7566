"""Times a network's training step in Keras, on whatever backend Keras took.

    KERAS_BACKEND=jax python -m experiments.backend_step inception_v3 96 96 16

For each line that it reads it trains some steps and prints how many seconds
one of them took. The step is Keras' own: its defaults for the backend, which
on JAX compile it with XLA. What follows the numbers are the model's options,
such as `flow=given`.
"""

import sys
import time

import keras
import numpy as np

from keras_ssc import models
from keras_ssc.genres import GENRES

# So many at once: beginning takes some hundredths of a second.
_NUM_STEPS = 8


def timed_steps(name, height, width, batch_size, **options):
    """Builds a network, and returns a function that times its step.

    Args:
        name: String, a key of `models.MODELS`.
        height: Integer, pixels.
        width: Integer, pixels.
        batch_size: Integer.
        **options: The model's own, see `models.build_model`.

    Returns:
        A function without arguments that returns the seconds of a step.
    """
    model = models.build_model(name, (height, width), **options)
    generator = np.random.default_rng(0)
    num_pairs = batch_size * _NUM_STEPS
    inputs = {
        key: generator.integers(
            0, 256, (num_pairs, *tensor.shape[1:]), np.uint8
        ).astype(tensor.dtype)
        for key, tensor in model.input.items()
    }
    labels = generator.integers(0, len(GENRES), num_pairs)
    model.compile(
        "adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )

    def seconds_a_step():
        start = time.perf_counter()
        model.fit(
            inputs, labels, batch_size=batch_size, shuffle=False, verbose=0
        )
        return (time.perf_counter() - start) / _NUM_STEPS

    seconds_a_step()  # traced and compiled before anything counts
    return seconds_a_step


def main():
    """Runs the command."""
    name, *rest = sys.argv[1:]
    sizes, options = map(int, rest[:3]), (each.split("=") for each in rest[3:])
    seconds_a_step = timed_steps(name, *sizes, **dict(options))
    for _ in sys.stdin:
        print(seconds_a_step(), flush=True)


if __name__ == "__main__":
    main()
