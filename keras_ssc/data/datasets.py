"""A built data set -> arrays of the pairs, as a model takes them.

Decoding, resizing and optical flow are done once for all trainings: the first
one stores what its model needs as plain arrays beside the data set, and from
then on a batch is a copy out of a memory-mapped file.
"""

import contextlib
import dataclasses
import hashlib
import json
import math
import os
import pathlib
import re
import shutil
import sys

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
import tqdm

from keras_ssc import files
from keras_ssc import flow
from keras_ssc import tasks
from keras_ssc.data import provenance
from keras_ssc.data import resizing

FEATURES = ("frame", "next_frame", "flow")

_DETAILS = ("label", "film", "scene", "frame_number", "seconds")

# Folders of prepared pairs: split, width and height, fingerprint.
_PREPARED = re.compile(r".+_\d+x\d+_[0-9a-f]{12}")

# Pairs decoded between two writes.
_BATCH = 16


class DatasetError(ValueError):
    """A data set that is not built, or has other labels."""


@dataclasses.dataclass(frozen=True, eq=False)
class PreparedSplit:
    """A split whose pairs are ready for a model.

    Attributes:
        features: Dict from the names in `FEATURES` to memory-mapped arrays:
            `frame` and `next_frame`, uint8 (pairs, height, width, 3), RGB;
            `flow`, float32 (pairs, height, width, 2), pixels, (x, y). Or what
            a frozen trunk makes of them, see `stored_features`.
        label: Array (pairs, ...), a label of the task for each.
        film: Array of strings (pairs,).
        scene: Integer array (pairs,).
        frame_number: Integer array (pairs,).
        seconds: float64 array (pairs,).
        task: Its task, see `tasks`.
    """

    features: dict
    label: np.ndarray
    film: np.ndarray
    scene: np.ndarray
    frame_number: np.ndarray
    seconds: np.ndarray
    task: object = tasks.REPORT

    @property
    def num_pairs(self):
        """How many pairs the split has."""
        return len(self.label)


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
        self.ndim = len(self.shape)
        self.dtype = self._arrays[0].dtype

    def __len__(self):
        return len(self._places)

    def __getitem__(self, key):
        places = self._places[key]
        if not places.ndim:
            return self._row(places)
        rows = np.empty((len(places), *self.shape[1:]), self.dtype)
        for row, place in enumerate(places):
            rows[row] = self._row(place)
        return rows

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
    return PreparedSplit(features, **details, task=splits[0].task)


class DatasetSplits:
    """The splits of a built data set, as it was built.

    What trains and evaluates takes its pairs from here, or from another that
    has the same attributes and method, such as folds over the films.

    Args:
        name: String, see `open_dataset`.
        data_dir: See `open_dataset`.

    Attributes:
        name: String, the data set's name with its version.
        names: Tuple of strings, the splits' names.
        task: Its task, see `tasks`.
    """

    def __init__(self, name, data_dir=None):
        self._builder = open_dataset(name, data_dir)
        self.name = self._builder.info.full_name
        self.names = tuple(self._builder.info.splits)
        self.task = task_of(self._builder)

    def described(self):
        """Returns what a run's config says of the splits beside the name."""
        return {}

    @property
    def warning(self):
        """How it differs from what it was built from, in a line, or empty."""
        return provenance.warning(
            self._builder.data_path, self._builder.info.full_name
        )

    def prepare(self, split, image_size, features, progress=False):
        """Makes a split ready for a model; see `prepare`."""
        return self.of_parts(
            split,
            lambda builder, name: prepare(
                builder, name, image_size, features, progress
            ),
        )

    def encode(
        self, split, image_size, encoder, with_mirrored=False, progress=False
    ):
        """Computes a split's features; see `stored_features.prepare`."""
        from keras_ssc.data import stored_features  # which builds on this

        return self.of_parts(
            split,
            lambda builder, name: stored_features.prepare(
                builder, name, image_size, encoder, with_mirrored, progress
            ),
        )

    def of_parts(self, split, prepare_part):
        """Makes a split ready out of the data set's own splits.

        Args:
            split: String, one of `names`.
            prepare_part: Function of a builder and the name of one of its
                splits that returns a `PreparedSplit`.

        Returns:
            A `PreparedSplit`.
        """
        return prepare_part(self._builder, split)


def open_dataset(name, data_dir=None):
    """Opens a data set that is built.

    Args:
        name: String, `scene_genre/CONFIG`, with or without a version.
        data_dir: Where data sets are; TFDS's default if None.

    Returns:
        A `tfds.core.DatasetBuilder`, ready to be read.

    Raises:
        DatasetError: If it is not built, or has no genres as labels.
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
    if task_of(builder) is None:
        raise DatasetError(
            f"Expected genres as the feature label of {name!r}. It has the "
            f"features {', '.join(builder.info.features) or 'none'}."
        )
    return builder


def task_of(builder):
    """Returns a data set's task, see `tasks`; None if it has no genres."""
    try:
        feature = builder.info.features["label"]
    except KeyError:
        return None
    return tasks.of_feature(feature)


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
    folder = folder_of(builder, split, image_size)
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
        task=task_of(builder),
    )


def folder_of(builder, split, image_size):
    """Returns the path of the folder with what is prepared of a split."""
    height, width = image_size
    return (
        pathlib.Path(builder.data_path)
        / "prepared"
        / f"{split}_{width}x{height}_{_fingerprint(builder, split)}"
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


def examples(builder, split, image_size, features, batch_size=_BATCH, start=0):
    """Returns batches of a split in its stored order.

    Args:
        builder: What `open_dataset` returned.
        split: String, a split of the data set.
        image_size: Tuple of two integers, (height, width).
        features: Iterable of names; those in `FEATURES` are wanted, the flow
            by OpenCV. Frames that nothing needs are not decoded.
        batch_size: Integer, pairs in a batch.
        start: Integer, how many pairs are left out at the beginning.

    Returns:
        An iterator of dicts of arrays: what is wanted, and the details.
    """
    task = task_of(builder)
    frames = {"frame", "next_frame"}
    with_flow = "flow" in features
    needed = frames if with_flow else frames & set(features)
    skipped = dict.fromkeys(frames - needed, tfds.decode.SkipDecoding())

    def prepare_pair(example):
        for name in needed:
            example[name] = resizing.resize(example[name], image_size)
        for name in skipped:
            del example[name]
        example["label"] = task.prepared_label(example["label"])
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

    dataset = builder.as_dataset(
        split=split, shuffle_files=False, decoders=skipped
    )
    dataset = dataset.skip(start)
    dataset = dataset.map(prepare_pair, num_parallel_calls=tf.data.AUTOTUNE)
    if with_flow:
        # OpenCV releases Python's lock, so the pairs really run in parallel.
        dataset = dataset.map(add_flow, num_parallel_calls=tf.data.AUTOTUNE)
    return dataset.batch(batch_size).prefetch(2).as_numpy_iterator()


def _store(builder, split, image_size, folder, missing, progress):
    """Writes the missing arrays under temporary names, then moves them."""
    num_pairs = builder.info.splits[split].num_examples
    shapes = {
        name: (num_pairs, *image_size, 2 if name == "flow" else 3)
        for name in missing
        if name in FEATURES
    }
    make_room(
        builder,
        folder,
        sum(
            math.prod(shape) * dtype_of(name).itemsize
            for name, shape in shapes.items()
        ),
        "choose a smaller --image-size",
    )
    temporary = {
        name: _array_path(folder, name).with_suffix(f".{os.getpid()}.tmp")
        for name in missing
    }
    try:
        with files.named(folder):
            _write_arrays(
                examples(builder, split, image_size, missing),
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


def _remove_stale(builder, parent):
    """Removes what was prepared before the data set was built anew.

    Where a training still reads it, it stays on the disk until that ends.
    """
    current = tuple(
        f"_{_fingerprint(builder, split)}" for split in builder.info.splits
    )
    stale = [
        path
        for folder in parent.iterdir()
        if _PREPARED.fullmatch(folder.name)
        and not folder.name.endswith(current)
        for path in (*folder.iterdir(), folder)
    ]
    size = 0
    for path in stale:
        # Another process may remove it, or not allow that.
        with contextlib.suppress(OSError):
            if path.is_dir():
                path.rmdir()
            else:
                num_bytes = path.stat().st_size
                path.unlink()
                size += num_bytes
    if size:
        print(
            f"removed {size / 1e6:,.1f} MB of pairs that were prepared before "
            f"{builder.info.full_name} was built anew",
            file=sys.stderr,
        )


def make_room(builder, folder, num_bytes, remedy):
    """Makes a folder of `folder_of`, without what is stale beside it.

    Args:
        builder: What `open_dataset` returned.
        folder: `pathlib.Path`.
        num_bytes: Integer, what will be written there.
        remedy: String, what to do if there is less room.

    Raises:
        OSError: If there is less room on the disk.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _remove_stale(builder, folder.parent)
    free = shutil.disk_usage(folder).free
    if num_bytes > free:
        raise OSError(
            None,
            f"expected {num_bytes / 1e9:.1f} GB of free disk for the prepared "
            f"pairs, found {free / 1e9:.1f} GB. Free some, or {remedy}",
            str(folder),
        )


def dtype_of(name):
    """Returns the dtype of a prepared feature, a name in `FEATURES`."""
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
                    "descr": np.lib.format.dtype_to_descr(dtype_of(name)),
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
