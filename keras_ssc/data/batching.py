"""Prepared pairs -> batches for training and for evaluation.

Any pair can be had at any moment, so an epoch is shuffled as a whole, and its
order follows from the seed alone.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from keras_ssc.data import augmentation as augmentations
from keras_ssc.data.augmentation import NUM_DRAWS
from keras_ssc.data.augmentation import Augmentation


@dataclasses.dataclass(frozen=True)
class Share:
    """Which part of every batch the devices of one host take.

    Attributes:
        num_replicas: Integer, how many devices there are, on all hosts.
        first: Integer, the place of this host's first device among them.
        count: Integer, how many devices this host has.
    """

    num_replicas: int = 1
    first: int = 0
    count: int = 1

    def take(self, dataset):
        """Takes this host's elements, where each device has one in turn."""
        if self.count == self.num_replicas:
            return dataset
        return (
            dataset.enumerate()
            .filter(lambda place, _: self._is_own(place % self.num_replicas))
            .map(lambda _, element: element)
        )

    def _is_own(self, replica):
        return (replica >= self.first) & (replica < self.first + self.count)


WHOLE = Share()

DEFAULT = Augmentation()


def check_batch_size(prepared, batch_size):
    """Raises `ValueError` if there are fewer pairs than fill a batch."""
    if not 1 <= batch_size <= prepared.num_pairs:
        raise ValueError(
            f"Expected a batch size of 1 to {prepared.num_pairs}, the number "
            f"of training pairs. Received: {batch_size}"
        )


def training_batches(
    prepared,
    batch_size,
    seed,
    balanced=False,
    first_epoch=0,
    augmentation=DEFAULT,
    first_step=0,
    share=WHOLE,
):
    """Returns batches without end for training.

    Each epoch is a new order of all pairs, cut into whole batches; what does
    not fill the last one waits for another epoch. Pairs are mirrored, cropped
    and coloured at random, frames and flow together. All of it follows from
    the seed and the epoch, so a resumed training sees what it would
    have seen.

    Args:
        prepared: A `datasets.PreparedSplit`.
        batch_size: Integer, pairs in a batch.
        seed: Integer.
        balanced: Boolean, whether every genre, and every film in its genre,
            is sampled equally often; an epoch has as many pairs, some twice.
        first_epoch: Integer, the epoch to begin with, from 0.
        augmentation: An `Augmentation`.
        first_step: Integer, the step in that epoch to begin with, from 0.
        share: A `Share`. Each of its devices has batches of its own, one
            after the other, of `batch_size / share.num_replicas` pairs.

    Returns:
        A `tf.data.Dataset` of (inputs, label): inputs is a dict of the
        prepared features, label one of the task for each pair.

    Raises:
        ValueError: If there are fewer pairs than fill a batch.
    """
    check_batch_size(prepared, batch_size)
    num_pairs = prepared.num_pairs
    num_steps = num_pairs // batch_size
    size = batch_size // share.num_replicas

    def batches_of_epoch(epoch):
        order, is_mirrored, draws = tf.numpy_function(
            lambda number: _draw_epoch(prepared, seed, number, balanced),
            [epoch],
            [tf.int64, tf.bool, tf.float64],
            stateful=False,
        )
        order.set_shape((num_pairs,))
        is_mirrored.set_shape((num_pairs,))
        draws.set_shape((num_pairs, NUM_DRAWS))
        dataset = tf.data.Dataset.from_tensor_slices(
            (order, is_mirrored & augmentation.mirror, draws)
        )
        dataset = dataset.batch(size, drop_remainder=True)
        dataset = share.take(dataset.take(num_steps * share.num_replicas))
        is_first = tf.cast(epoch == first_epoch, tf.int64)
        return dataset.skip(is_first * first_step * share.count)

    epochs = tf.data.Dataset.range(first_epoch, tf.int32.max)
    dataset = epochs.flat_map(batches_of_epoch)
    dataset = dataset.map(
        lambda *drawn: _gather(prepared, drawn, augmentation, size),
        num_parallel_calls=tf.data.AUTOTUNE,
    )
    return dataset.prefetch(tf.data.AUTOTUNE)


def _draw_epoch(prepared, seed, epoch, balanced):
    """Draws an epoch.

    Returns its order of pairs, which of them are mirrored, and for each the
    numbers from 0 to 1 that its window and its colours are made of.
    """
    generator = np.random.default_rng([seed, int(epoch)])
    num_pairs = prepared.num_pairs
    order = generator.permutation(num_pairs)
    if balanced:
        shares = prepared.task.balanced_shares(prepared.label, prepared.film)
        order = generator.choice(num_pairs, size=num_pairs, p=shares)
    is_mirrored = generator.random(num_pairs) < 0.5
    # Drawn last, and always: order and mirroring follow from the seed,
    # whether or not anything else is changed.
    draws = generator.random((num_pairs, NUM_DRAWS))
    return order.astype(np.int64), is_mirrored, draws


def evaluation_batches(prepared, batch_size, share=WHOLE):
    """Returns all pairs once, in their stored order.

    Args:
        prepared: A `datasets.PreparedSplit`.
        batch_size: Integer, pairs in a batch; some may have fewer.
        share: A `Share`. Each of its devices has a part of every batch.

    Returns:
        A `tf.data.Dataset` of (inputs, label), as `training_batches`.

    Raises:
        ValueError: If there are too few pairs for the devices.
    """
    bounds = _bounds_of_parts(
        prepared.num_pairs, batch_size, share.num_replicas
    )
    dataset = tf.data.Dataset.from_tensor_slices((bounds[:-1], bounds[1:]))
    dataset = share.take(dataset).map(
        lambda start, end: _gather(
            prepared, _unchanged(tf.range(start, end)), DEFAULT, None
        ),
        num_parallel_calls=tf.data.AUTOTUNE,
    )
    return dataset.prefetch(tf.data.AUTOTUNE)


def _bounds_of_parts(num_pairs, batch_size, num_replicas):
    """Returns where each device's part of each batch begins and ends.

    No part is empty: a device without a pair has no mean loss, and that of
    all would be no number. In all batches but the last, the parts are of one
    size, as Keras needs them in the first one.
    """
    num_even, num_rest = divmod(num_pairs, num_replicas)
    if num_rest:
        # What cannot be shared goes with a pair for each device.
        num_even, num_rest = num_even - 1, num_rest + num_replicas
    if num_even < 1:
        raise ValueError(
            "Expected as many pairs as devices, or twice as many and more. "
            f"Received: {num_pairs} pairs, {num_replicas} devices"
        )
    largest = batch_size // num_replicas
    sizes = [
        min(largest, num_even - start)
        for start in range(0, num_even, largest)
        for _ in range(num_replicas)
    ]
    if num_rest:
        last = np.arange(num_replicas + 1) * num_rest // num_replicas
        sizes += np.diff(last).tolist()
    return np.cumsum([0, *sizes], dtype=np.int64)


def _unchanged(places):
    """Returns what `_draw_epoch` draws, for pairs left as they are."""
    draws = tf.zeros((tf.size(places), NUM_DRAWS), tf.float64)
    return places, tf.zeros_like(places, tf.bool), draws


def _gather(prepared, drawn, augmentation, batch_size):
    """Copies the drawn pairs out of the mapped arrays."""
    inputs = augmentations.inputs_of(prepared.features)
    arrays = [*inputs.values(), prepared.label]

    def copied(places, is_mirrored, draws):
        batch = augmentation.copy_batch(
            prepared.features, places, is_mirrored, draws
        )
        return [*batch.values(), prepared.label[places]]

    gathered = tf.numpy_function(
        copied,
        list(drawn),
        [array.dtype for array in arrays],
        stateful=False,
    )
    for tensor, array in zip(gathered, arrays, strict=True):
        tensor.set_shape((batch_size, *array.shape[1:]))
    *features, label = gathered
    return dict(zip(inputs, features, strict=True)), label
