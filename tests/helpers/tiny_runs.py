"""Trainings of seconds, on small frames: their settings, ends and results."""

import contextlib
import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing import event_accumulator

from keras_ssc.films import image_files
from keras_ssc.metrics import figures
from keras_ssc.training import checkpoints
from keras_ssc.training import loop
from keras_ssc.training import train_config


def small(data_dir, run_dir, **changes):
    """Returns the config of a training of the data set `small`."""
    settings = {
        "model": "fc",
        "dataset": "scene_genre/small",
        "data_dir": str(data_dir),
        "run_dir": str(run_dir),
        "image_size": (18, 32),
        "epochs": 2,
        "batch_size": 8,
    }
    return train_config.TrainConfig(**{**settings, **changes})


def repeatable(data_dir, run_dir, **changes):
    """Returns the config of a training that gives the same weights again."""
    settings = {"epochs": 5, "schedule": "cosine", "deterministic": True}
    return small(data_dir, run_dir, **{**settings, **changes})


@contextlib.contextmanager
def without_pictures():
    """Trains and evaluates with a pixel in the place of each picture.

    Drawing takes most of an epoch of a small model.
    """
    pixel = image_files.encode_frame(np.zeros((1, 1, 3), np.uint8))
    with pytest.MonkeyPatch.context() as patched:
        for name in vars(figures):
            if name.endswith("_figure"):
                patched.setattr(figures, name, lambda *_, **__: pixel)
        yield


class StoppedError(Exception):
    """Stands for whatever ends a training."""


def interrupt(config, num_epochs, num_steps=0, train=None):
    """Trains until an epoch's checkpoint is written, or some steps more.

    Whether the last of the steps has a checkpoint is up to the config.
    """
    train = train or functools.partial(loop.train, verbose=False)
    callback = checkpoints.Checkpoints
    name = "on_train_batch_end" if num_steps else "on_epoch_end"
    end = getattr(callback, name)

    def ends(self, place, logs=None):
        end(self, place, logs)
        epochs = self.state.epoch if num_steps else place + 1
        if epochs == num_epochs and num_steps in (0, place + 1):
            raise StoppedError

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(callback, name, ends)
        with pytest.raises(StoppedError):
            train(config)


def weights_of(run_dir):
    """Returns the weights of a run's final model."""
    return keras.saving.load_model(run_dir / "model.keras").get_weights()


def assert_same_weights(run_dir, other_dir):
    """Asserts that two runs' final models have identical weights."""
    for array, twin in zip(
        weights_of(run_dir), weights_of(other_dir), strict=True
    ):
        np.testing.assert_array_equal(array, twin)


def logged(run_dir):
    """What TensorBoard reads: a dict from tags to a list of (step, array)."""
    events = event_accumulator.EventAccumulator(
        str(run_dir / "logs" / "train"),
        size_guidance={event_accumulator.TENSORS: 0},
    )
    events.Reload()
    return {
        tag: [
            (event.step, tf.make_ndarray(event.tensor_proto))
            for event in events.Tensors(tag)
        ]
        for tag in events.Tags()["tensors"]
    }
