"""A built data set -> what a frozen trunk makes of its pairs, computed once.

The features are stored beside the prepared arrays, for all trainings whose
trunk has the same weights, and are removed with them. They are written in
parts: a killed command is repeated and goes on from the last one.
"""

import dataclasses
import os
import sys

import numpy as np
import tqdm

from keras_ssc import files
from keras_ssc.data import augmentation
from keras_ssc.data import datasets

# Pairs computed at once: more are no faster on processors, and four times as
# many take 700 MB more.
_BATCH = 8

# Pairs in a file, a minute's work on processors.
_PART = 256 * _BATCH


def prepare(
    builder, split, image_size, encoder, with_mirrored=False, progress=False
):
    """Computes a split's features, or finds them stored.

    Args:
        builder: What `datasets.open_dataset` returned.
        split: String, a split of the data set.
        image_size: Tuple of two integers, (height, width).
        encoder: A `models.Encoder`.
        with_mirrored: Boolean, whether the features of mirrored pairs are
            wanted too.
        progress: Boolean, whether to show a progress bar.

    Returns:
        A `datasets.PreparedSplit` whose features are those of the encoder,
        float16 or float32 (pairs, n), and the same under
        `augmentation.mirrored(name)`.

    Raises:
        DatasetError: If the data set has no such split.
        OSError: If they cannot be stored, such as on a full disk.
    """
    prepared = datasets.prepare(builder, split, image_size, (), progress)
    num_pairs = prepared.num_pairs
    folder = datasets.folder_of(builder, split, image_size)
    names = list(encoder.sizes)
    if with_mirrored:
        names += map(augmentation.mirrored, encoder.sizes)
    paths = {name: _paths(folder, name, encoder, num_pairs) for name in names}
    missing = [
        name for name in names if not all(path.exists() for path in paths[name])
    ]
    if missing:
        _tell(folder, num_pairs, encoder, missing, paths, builder)
        _store(builder, split, image_size, encoder, paths, num_pairs, progress)
    every = np.arange(num_pairs)
    return dataclasses.replace(
        prepared,
        features={
            name: datasets.Rows(
                [np.load(path, mmap_mode="r") for path in paths[name]], every
            )
            for name in names
        },
    )


def _paths(folder, name, encoder, num_pairs):
    """Returns the paths of the parts, named after their first and last pair."""
    key = encoder.keys[augmentation.plain(name)]
    return [
        folder / f"{name}_{key}_{start}-{min(start + _PART, num_pairs)}.npy"
        for start in range(0, num_pairs, _PART)
    ]


def _sizes(encoder, names):
    """Returns how many features of a pair there are under each name."""
    return {name: encoder.sizes[augmentation.plain(name)] for name in names}


def _dtype(size):
    """float16 is enough for a trunk's many features; a single one is exact."""
    return np.dtype(np.float16 if size > 8 else np.float32)


def _tell(folder, num_pairs, encoder, missing, paths, builder):
    """Says what will be written; raises `OSError` if there is no room."""
    sizes = _sizes(encoder, missing).values()
    num_bytes = num_pairs * sum(n * _dtype(n).itemsize for n in sizes)
    datasets.make_room(builder, folder, num_bytes, "add --no-store")
    print(
        f"computing features of {num_pairs:,} pairs once, "
        f"{num_bytes / 1e6:,.1f} MB in {folder}",
        file=sys.stderr,
    )
    others = {
        path
        for name in missing
        for path in folder.glob(f"{name}_????????????_*-*.npy")
    } - {path for each in paths.values() for path in each}
    if others:
        size = sum(path.stat().st_size for path in others)
        print(
            f"note: features of a trunk with other weights are there, "
            f"{size / 1e6:,.1f} MB; they are not used for this one.",
            file=sys.stderr,
        )


def _store(builder, split, image_size, encoder, paths, num_pairs, progress):
    """Writes the parts that are missing."""
    num_parts = len(next(iter(paths.values())))
    wanted = [
        [name for name in paths if not paths[name][part].exists()]
        for part in range(num_parts)
    ]
    first = next(part for part, names in enumerate(wanted) if names)
    batches = datasets.examples(
        builder,
        split,
        image_size,
        encoder.inputs,
        _BATCH,
        first * _PART,
    )
    with tqdm.tqdm(
        total=num_pairs,
        initial=first * _PART,
        unit="pair",
        desc=f"features of {split}",
        disable=not progress,
    ) as bar:
        for part in range(first, num_parts):
            rows = min(_PART, num_pairs - part * _PART)
            computed = {
                name: np.empty((rows, n), _dtype(n))
                for name, n in _sizes(encoder, wanted[part]).items()
            }
            for start in range(0, rows, _BATCH):
                batch = next(batches)
                for name, array in _compute(encoder, batch, wanted[part]):
                    computed[name][start : start + len(array)] = array
                bar.update(len(batch["label"]))
            for name, array in computed.items():
                _write(paths[name][part], array)


def _compute(encoder, batch, wanted):
    """Yields the names of features and arrays (pairs, n)."""
    inputs = {name: batch[name] for name in encoder.inputs}
    plain = [name for name in wanted if name == augmentation.plain(name)]
    if plain:
        yield from encoder(inputs, plain).items()
    turned = [augmentation.plain(name) for name in wanted if name not in plain]
    if turned:
        num_pairs = len(batch["label"])
        everything = np.arange(num_pairs), np.ones(num_pairs, bool)
        inputs = {
            name: augmentation.copy_pairs(name, array, *everything)
            for name, array in inputs.items()
        }
        for name, array in encoder(inputs, turned).items():
            yield augmentation.mirrored(name), array


def _write(path, array):
    # Another process may compute the same.
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    with files.replacing(path, temporary), open(temporary, "wb") as file:
        np.save(file, array)
