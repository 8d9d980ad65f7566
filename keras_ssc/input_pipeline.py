"""A built data set -> batches for training and for evaluation.

Decoding, resizing and optical flow are done once for all trainings: the first
one stores what its model needs as plain arrays beside the data set, and from
then on a batch is a copy out of a memory-mapped file. Any pair can be had at
any moment, so an epoch is shuffled as a whole, and its order follows from the
seed alone.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import shutil

import cv2
import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
import tqdm

from keras_ssc import files
from keras_ssc import flow
from keras_ssc.genres import GENRES

FEATURES = ("frame", "next_frame", "flow")

_DETAILS = ("label", "film", "scene", "frame_number", "seconds")

# Pairs decoded between two writes.
_BATCH = 16

# Numbers drawn for a pair: its window's scale, top and left; its brightness,
# contrast and saturation.
_NUM_DRAWS = 6


class DatasetError(ValueError):
    """A data set that is not built, or is none of ours."""


@dataclasses.dataclass(frozen=True, eq=False)
class PreparedSplit:
    """A split whose pairs are ready for a model.

    Attributes:
        features: Dict from the names in `FEATURES` to memory-mapped arrays:
            `frame` and `next_frame`, uint8 (pairs, height, width, 3), RGB;
            `flow`, float32 (pairs, height, width, 2), pixels, (x, y).
        label: int64 array (pairs,), places in `GENRES`.
        film: Array of strings (pairs,).
        scene: Integer array (pairs,).
        frame_number: Integer array (pairs,).
        seconds: float64 array (pairs,).
    """

    features: dict
    label: np.ndarray
    film: np.ndarray
    scene: np.ndarray
    frame_number: np.ndarray
    seconds: np.ndarray

    @property
    def num_pairs(self):
        """How many pairs the split has."""
        return len(self.label)


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


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """What is changed at random in training pairs: one draw for both frames.

    Attributes:
        mirror: Boolean, whether half of the pairs are mirrored left to right.
        crop: Float, 0 or more and below 1: the largest share of each side
            that is cut away. A window, as wide for its height as the frame,
            is resized back to the frame's size.
        colour: Float, 0 or more and below 1: brightness, contrast and
            saturation are multiplied by 1 - colour to 1 + colour.

    Raises:
        ValueError: If a number is out of its range.
    """

    mirror: bool = True
    crop: float = 0.0
    colour: float = 0.0

    def __post_init__(self):
        for name in ("crop", "colour"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(
                    f"Expected {name} of 0 or more, below 1. "
                    f"Received: {getattr(self, name)}"
                )


class Rows:
    """Rows of several arrays as one array, without a copy.

    Args:
        arrays: Sequence of arrays (rows, ...) of one kind of row, such as
            mapped files.
        places: Integer array (n,), which rows, counted through all arrays.
    """

    def __init__(self, arrays, places):
        self._arrays = list(arrays)
        lengths = [len(array) for array in self._arrays]
        self._starts = np.cumsum([0, *lengths])[:-1]
        self._places = np.asarray(places, np.int64)
        self.shape = (len(self._places), *self._arrays[0].shape[1:])
        self.dtype = self._arrays[0].dtype

    def __len__(self):
        return len(self._places)

    def __getitem__(self, key):
        places = self._places[key]
        if places.ndim:
            rows = [self._row(place) for place in places]
            return (
                np.stack(rows)
                if rows
                else np.empty((0, *self.shape[1:]), self.dtype)
            )
        return self._row(places)

    def __iter__(self):
        return map(self._row, self._places)

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self[:], dtype)

    def _row(self, place):
        array = np.searchsorted(self._starts, place, side="right") - 1
        return self._arrays[array][place - self._starts[array]]


def select(splits, places):
    """Chooses pairs of several splits.

    Args:
        splits: Sequence of `PreparedSplit` with the same features.
        places: Integer array (pairs,), which pairs, counted through all.

    Returns:
        A `PreparedSplit`, of which nothing large is in memory.
    """
    details = {
        name: np.concatenate([getattr(split, name) for split in splits])[places]
        for name in _DETAILS
    }
    features = {
        name: Rows([split.features[name] for split in splits], places)
        for name in splits[0].features
    }
    return PreparedSplit(features, **details)


class DatasetSplits:
    """The splits of a built data set, as it was built.

    What trains and evaluates takes its pairs from here, or from another that
    has the same attributes and method, such as folds over the films.

    Args:
        builder: What `open_dataset` returned.

    Attributes:
        name: String, the data set's name with its version.
        names: Tuple of strings, the splits' names.
    """

    def __init__(self, builder):
        self._builder = builder
        self.name = builder.info.full_name
        self.names = tuple(builder.info.splits)

    def prepare(self, split, image_size, features, progress=False):
        """Makes a split ready for a model; see `prepare`."""
        return prepare(self._builder, split, image_size, features, progress)


def open_splits(name, data_dir=None):
    """Opens a built data set's own splits, see `open_dataset`.

    Returns:
        A `DatasetSplits`.
    """
    return DatasetSplits(open_dataset(name, data_dir))


def open_dataset(name, data_dir=None):
    """Opens a data set that is built.

    Args:
        name: String, `scene_genre/CONFIG`, with or without a version.
        data_dir: Where data sets are; TFDS's default if None.

    Returns:
        A `tfds.core.DatasetBuilder`, ready to be read.

    Raises:
        DatasetError: If it is not built, or its labels are not ours.
    """
    try:
        builder = tfds.builder(name, data_dir=data_dir)
        is_built = builder.is_prepared()
    except (tfds.core.DatasetNotFoundError, ValueError):
        is_built = False
    if not is_built:
        config = name.partition("/")[2].partition(":")[0]
        options = f" --config {config}" if config else ""
        options += f" --data_dir {data_dir}" if data_dir else ""
        raise DatasetError(
            f"Data set {name!r} is not built in "
            f"{data_dir or tfds.core.constants.DATA_DIR}. Build it with: "
            f"tfds build tfds_builder/scene_genre{options}"
        )
    features = builder.info.features
    names = features["label"].names if "label" in features else ()
    if tuple(names) != GENRES:
        raise DatasetError(
            f"Expected the labels {', '.join(GENRES)} in {name!r}. "
            f"Received: {', '.join(names) or 'no labels'}"
        )
    return builder


def prepare(builder, split, image_size, features, progress=False):
    """Makes a split ready for a model, or finds it made.

    Args:
        builder: What `open_dataset` returned.
        split: String, a split of the data set.
        image_size: Tuple of two integers, (height, width).
        features: Iterable of names in `FEATURES`, what the model needs.
        progress: Boolean, whether to show a progress bar.

    Returns:
        A `PreparedSplit`.

    Raises:
        DatasetError: If the data set has no such split.
        OSError: If the arrays cannot be stored, such as on a full disk.
    """
    if split not in builder.info.splits:
        raise DatasetError(
            f"Expected a split of {builder.info.full_name}, one of: "
            f"{', '.join(builder.info.splits)}. Received: {split!r}"
        )
    height, width = image_size
    folder = (
        pathlib.Path(builder.data_path)
        / "prepared"
        / f"{split}_{width}x{height}_{_fingerprint(builder, split)}"
    )
    names = [name for name in FEATURES if name in set(features)]
    wanted = [*names, "details"]
    missing = [
        name for name in wanted if not _array_path(folder, name).exists()
    ]
    if missing:
        _store(builder, split, image_size, folder, missing, progress)
    details = np.load(_array_path(folder, "details"))
    return PreparedSplit(
        {
            name: np.load(_array_path(folder, name), mmap_mode="r")
            for name in names
        },
        **{name: details[name] for name in _DETAILS},
    )


def _array_path(folder, name):
    return folder / f"{name}.{'npz' if name == 'details' else 'npy'}"


def _fingerprint(builder, split):
    """A data set built anew has other pairs, even under the same version."""
    info_path = pathlib.Path(builder.data_path) / "dataset_info.json"
    info = builder.info.splits[split]
    described = [
        info.num_examples,
        info.num_bytes,
        list(info.shard_lengths),
        info_path.stat().st_mtime_ns,
    ]
    return hashlib.sha256(json.dumps(described).encode()).hexdigest()[:12]


def resize(frame, image_size):
    """Resizes frames, as training, evaluation and the served model all do.

    Args:
        frame: uint8 tensor (..., height, width, 3).
        image_size: Tuple of two integers, (height, width).

    Returns:
        uint8 tensor (..., *image_size, 3). Bilinear, averaged over the
        covered pixels where it shrinks.
    """
    resized = tf.image.resize(frame, image_size, antialias=True)
    return tf.cast(tf.clip_by_value(tf.round(resized), 0, 255), tf.uint8)


def _examples(builder, split, image_size, with_flow):
    """Returns batches of a split in its stored order, with what was asked."""

    def resize_pair(example):
        for name in ("frame", "next_frame"):
            example[name] = resize(example[name], image_size)
        return example

    def add_flow(example):
        example["flow"] = tf.ensure_shape(
            tf.numpy_function(
                flow.farneback_flow,
                [example["frame"], example["next_frame"]],
                tf.float32,
                stateful=False,
            ),
            (*image_size, 2),
        )
        return example

    dataset = builder.as_dataset(split=split, shuffle_files=False)
    dataset = dataset.map(resize_pair, num_parallel_calls=tf.data.AUTOTUNE)
    if with_flow:
        # OpenCV lets go of Python's lock, so the pairs really run at once.
        dataset = dataset.map(add_flow, num_parallel_calls=tf.data.AUTOTUNE)
    return dataset.batch(_BATCH).prefetch(2).as_numpy_iterator()


def _store(builder, split, image_size, folder, missing, progress):
    """Writes the missing arrays under temporary names, then moves them."""
    num_pairs = builder.info.splits[split].num_examples
    shapes = {
        name: (num_pairs, *image_size, 2 if name == "flow" else 3)
        for name in missing
        if name in FEATURES
    }
    folder.mkdir(parents=True, exist_ok=True)
    _check_space(folder, shapes)
    temporary = {
        name: _array_path(folder, name).with_suffix(f".{os.getpid()}.tmp")
        for name in missing
    }
    try:
        with files.named(folder):
            _write_arrays(
                _examples(builder, split, image_size, "flow" in missing),
                shapes,
                temporary,
                tqdm.tqdm(
                    total=num_pairs,
                    unit="pair",
                    desc=f"prepare {split}",
                    disable=not progress,
                ),
            )
        for name in missing:
            os.replace(temporary[name], _array_path(folder, name))
    finally:
        for path in temporary.values():
            path.unlink(missing_ok=True)


def _check_space(folder, shapes):
    needed = sum(
        int(np.prod(shape, dtype=np.int64)) * _dtype(name).itemsize
        for name, shape in shapes.items()
    )
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(
            None,
            f"expected {needed / 1e9:.1f} GB of free disk for the prepared "
            f"pairs, found {free / 1e9:.1f} GB. Free some, or choose a "
            "smaller --image-size",
            str(folder),
        )


def _dtype(name):
    return np.dtype(np.float32 if name == "flow" else np.uint8)


def _write_arrays(batches, shapes, temporary, bar):
    details = {name: [] for name in _DETAILS}
    with contextlib.ExitStack() as stack:
        stack.callback(bar.close)
        handles = {
            name: stack.enter_context(open(temporary[name], "wb"))
            for name in shapes
        }
        for name, handle in handles.items():
            np.lib.format.write_array_header_1_0(
                handle,
                {
                    "descr": np.lib.format.dtype_to_descr(_dtype(name)),
                    "fortran_order": False,
                    "shape": shapes[name],
                },
            )
        for batch in batches:
            # Written, not mapped: a full disk is an error then, where a
            # mapped file would kill the process.
            for name, handle in handles.items():
                handle.write(np.ascontiguousarray(batch[name]).data)
            for name in _DETAILS:
                details[name].append(batch[name])
            bar.update(len(batch["label"]))
    if "details" in temporary:
        arrays = {name: np.concatenate(details[name]) for name in _DETAILS}
        arrays["film"] = np.array(
            [film.decode("utf-8") for film in arrays["film"]]
        )
        with open(temporary["details"], "wb") as file:
            np.savez(file, **arrays)


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
    augmentation=Augmentation(),
    first_step=0,
    share=WHOLE,
):
    """Returns batches without end for training.

    Each epoch is a new order of all pairs, cut into whole batches; what does
    not fill the last one waits for another epoch. Pairs are mirrored, cropped
    and coloured at random, frames and flow together. All of it follows from
    the seed and the epoch, so a training that goes on at an epoch sees what
    it would have seen.

    Args:
        prepared: A `PreparedSplit`.
        batch_size: Integer, pairs in a batch.
        seed: Integer.
        balanced: Boolean, whether every genre, and every film in its genre,
            is drawn as often; an epoch has as many pairs, some twice.
        first_epoch: Integer, the epoch to begin with, from 0.
        augmentation: An `Augmentation`.
        first_step: Integer, the step in that epoch to begin with, from 0.
        share: A `Share`. Each of its devices has batches of its own, one
            after the other, of `batch_size / share.num_replicas` pairs.

    Returns:
        A `tf.data.Dataset` of (inputs, label): inputs is a dict of the
        prepared features, label int64 (batch,).

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
        draws.set_shape((num_pairs, _NUM_DRAWS))
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
        # A film's share is 1 / (genres x films of its genre), a pair's that
        # of its film / its pairs.
        _, film, film_size = np.unique(
            prepared.film, return_inverse=True, return_counts=True
        )
        label_of_film = np.zeros(len(film_size), np.int64)
        label_of_film[film] = prepared.label
        films_of_label = np.bincount(label_of_film)
        weight = 1 / (film_size[film] * films_of_label[prepared.label])
        order = generator.choice(
            num_pairs, size=num_pairs, p=weight / weight.sum()
        )
    is_mirrored = generator.random(num_pairs) < 0.5
    # Drawn last, and always: order and mirroring are a seed's own, whatever
    # else is changed.
    draws = generator.random((num_pairs, _NUM_DRAWS))
    return order.astype(np.int64), is_mirrored, draws


def evaluation_batches(prepared, batch_size, share=WHOLE):
    """Returns all pairs once, in their stored order.

    Args:
        prepared: A `PreparedSplit`.
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
            prepared, _unchanged(tf.range(start, end)), Augmentation(), None
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
    draws = tf.zeros((tf.size(places), _NUM_DRAWS), tf.float64)
    return places, tf.zeros_like(places, tf.bool), draws


def _gather(prepared, drawn, augmentation, batch_size):
    """Copies the drawn pairs out of the mapped arrays."""
    names = list(prepared.features)
    arrays = [*prepared.features.values(), prepared.label]

    def copied(places, is_mirrored, draws):
        batch = _copy_batch(
            prepared.features, places, is_mirrored, draws, augmentation
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
    return dict(zip(names, features, strict=True)), label


def _copy_batch(features, places, is_mirrored, draws, augmentation):
    """Returns a dict as `features`, of the pairs at `places`, changed."""
    windows = None
    if augmentation.crop:
        size = features["frame"].shape[1:3]
        windows = _windows(draws[:, :3], augmentation.crop, size)
    batch = {
        name: copy_pairs(name, array, places, is_mirrored, windows)
        for name, array in features.items()
    }
    if augmentation.colour:
        factors = 1 + augmentation.colour * (2 * draws[:, 3:] - 1)
        _change_colours(batch, factors)
    return batch


def _windows(draws, crop, size):
    """Returns integers (batch, 4): top, left, height and width of windows."""
    scale = 1 - crop * draws[:, :1]
    sides = np.maximum(np.rint(scale * size), 1).astype(int)
    corners = (draws[:, 1:] * (np.array(size) - sides + 1)).astype(int)
    return np.concatenate([corners, sides], axis=1)


def _change_colours(batch, factors):
    """Changes the frames of a batch where they are, each pair's alike."""
    for place, pair_factors in enumerate(factors):
        # Both frames by the first one's mean: by its own each, they would
        # differ in brightness where the film does not.
        mean = flow.GREY_WEIGHTS @ cv2.mean(batch["frame"][place])[:3]
        matrix = _colour_matrix(*pair_factors, mean)
        for name in {"frame", "next_frame"} & set(batch):
            batch[name][place] = cv2.transform(batch[name][place], matrix)


def _colour_matrix(brightness, contrast, saturation, mean):
    """Returns brightness, then contrast, then saturation, as one matrix.

    The three are torchvision's and tf.image's: each a mixture of the frame
    and of black, of its mean grey, of itself in grey. As one (3, 4) matrix
    they are one pass over the pixels and are rounded and clipped once.
    """
    grey = np.tile(flow.GREY_WEIGHTS, (3, 1))
    mixed = saturation * np.eye(3) + (1 - saturation) * grey
    offset = np.full((3, 1), (1 - contrast) * brightness * mean)
    return np.hstack([brightness * contrast * mixed, offset])


def copy_pairs(name, array, places, is_mirrored, windows=None):
    """Copies pairs out of a prepared array, cropped and mirrored where asked.

    Args:
        name: String, which of `FEATURES` the array is.
        array: Array (pairs, height, width, channels).
        places: Integer array (batch,), which pairs.
        is_mirrored: Boolean array (batch,), which to mirror left to right. A
            mirrored flow moves the other way: its x turns round.
        windows: Integer array (batch, 4): top, left, height and width, in
            pixels, of the window that is resized to the whole frame. A flow
            grows with its window. None for whole frames.

    Returns:
        Array (batch, height, width, channels).
    """
    batch = np.empty((len(places), *array.shape[1:]), array.dtype)
    for row, target in enumerate(batch):
        source = array[places[row]]
        if windows is not None:
            source = _enlarged(name, source, windows[row])
        # In one pass from the file to the batch: memory is what bounds this.
        if is_mirrored[row]:
            cv2.flip(source, 1, dst=target)
        else:
            target[:] = source
        if is_mirrored[row] and name == "flow":
            np.negative(target[..., 0], out=target[..., 0])
    return batch


def _enlarged(name, source, window):
    """Returns a window of a frame or a flow at the size of the whole."""
    top, left, height, width = window
    whole_height, whole_width = source.shape[:2]
    enlarged = cv2.resize(
        source[top : top + height, left : left + width],
        (whole_width, whole_height),
        interpolation=cv2.INTER_LINEAR,
    )
    if name == "flow":
        enlarged *= np.float32([whole_width / width, whole_height / height])
    return enlarged
