"""Trainings of seconds: their settings, their ends and what they left."""

import keras
import numpy as np
import tensorflow as tf
from tensorboard.backend.event_processing import event_accumulator

from keras_ssc.training import checkpoints
from keras_ssc.training import train_config


def small(data_dir, run_dir, **changes):
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
    settings = {"epochs": 5, "schedule": "cosine", "deterministic": True}
    return small(data_dir, run_dir, **{**settings, **changes})


def logged(folder):
    """What TensorBoard reads: a dict from tags to a list of (step, array)."""
    events = event_accumulator.EventAccumulator(
        str(folder), size_guidance={"tensors": 0}
    )
    events.Reload()
    return {
        tag: [
            (event.step, tf.make_ndarray(event.tensor_proto))
            for event in events.Tensors(tag)
        ]
        for tag in events.Tags()["tensors"]
    }


def weights_of(run_dir):
    model = keras.saving.load_model(run_dir / "model.keras")
    return model.get_weights()


def assert_same_weights(run_dir, other_dir):
    for array, twin in zip(
        weights_of(run_dir), weights_of(other_dir), strict=True
    ):
        np.testing.assert_array_equal(array, twin)


class StoppedError(Exception):
    """Stands for whatever ends a training."""


def stop_after(monkeypatch, num_epochs):
    """Lets a training end right behind an epoch's checkpoint."""
    on_epoch_end = checkpoints.Checkpoints.on_epoch_end

    def stops(self, epoch, logs=None):
        on_epoch_end(self, epoch, logs)
        if epoch + 1 == num_epochs:
            raise StoppedError

    monkeypatch.setattr(checkpoints.Checkpoints, "on_epoch_end", stops)


def stop_within(monkeypatch, epoch, step):
    """Lets a training end behind a step, its checkpoint written or not."""
    on_train_batch_end = checkpoints.Checkpoints.on_train_batch_end

    def stops(self, batch, logs=None):
        on_train_batch_end(self, batch, logs)
        if (self.state.epoch, batch + 1) == (epoch, step):
            raise StoppedError

    monkeypatch.setattr(checkpoints.Checkpoints, "on_train_batch_end", stops)
