"""Controls of the folds over a data set's films."""

import concurrent.futures
import dataclasses
import os

import numpy as np

from keras_ssc import flow
from keras_ssc.data import datasets
from keras_ssc.data import folds

# What is split: "pair" is the mistake of splitting by frame, made on purpose
# to measure what it hides.
BY = ("film", "pair")

# What a control takes away from every pair.
CHANGES = ("next_frame_of_another_pair", "no_frame")


@dataclasses.dataclass(frozen=True)
class FoldConfig:
    """Which films train, validate and test.

    Attributes:
        num_folds: Integer, 2 or more: every film is tested in one of them.
        fold: Integer, from 0.
        seed: Integer, of the assignment of films to folds.
        by: String, one of `BY`.
        films_per_genre: Integer, how many train; None for all that are left.
        change: String, one of `CHANGES`, or None.

    Raises:
        ValueError: If a value is none of these.
    """

    num_folds: int
    fold: int
    seed: int = 0
    by: str = "film"
    films_per_genre: int | None = None
    change: str | None = None

    def __post_init__(self):
        folds.check(self.num_folds, self.fold)
        if self.by not in BY or self.change not in (None, *CHANGES):
            raise ValueError(
                f"Expected by in {BY} and change in {CHANGES} or None. "
                f"Received: by {self.by!r}, change {self.change!r}"
            )


# Pairs whose features are computed at once.
_BATCH = 32


class FoldSplits(folds.FoldSplits):
    """One fold, see `keras_ssc.data.folds.FoldSplits`, or a control of it.

    Args:
        builder: What `datasets.open_dataset` returned.
        config: A `FoldConfig`.
    """

    def __init__(self, builder, config):
        self._config = config
        super().__init__(
            builder,
            config.num_folds,
            config.fold,
            config.seed,
            config.films_per_genre,
        )
        self.name = self.name.replace("by film", f"by {config.by}")

    def _split(self, places):
        if self._config.by == "pair":
            return _split_by_pair(self._all, places, self._config)
        return places

    def prepare(self, split, image_size, features, progress=False):
        """Makes a split ready, as `datasets.prepare`.

        The pairs of a control are changed in memory.
        """
        names = set(features)
        if self._config.change == "next_frame_of_another_pair" and names:
            names |= {"frame", "next_frame"}
        prepared = super().prepare(split, image_size, names, progress)
        if self._config.change == "no_frame":
            return _without_frames(prepared)
        if names and self._config.change is not None:
            return _with_other_next_frames(
                prepared, features, self._config.seed
            )
        return prepared

    def encode(
        self, split, image_size, encoder, with_mirrored=False, progress=False
    ):
        """Computes a split's features, see `datasets.DatasetSplits.encode`.

        Those of a control are computed in memory, and not of mirrored pairs.
        """
        change = self._config.change
        if change is None:
            return super().encode(
                split, image_size, encoder, with_mirrored, progress
            )
        if with_mirrored:
            raise ValueError(f"Expected --no-mirror with {change}.")
        prepared = self.prepare(split, image_size, encoder.inputs, progress)
        computed = [
            encoder(
                {
                    name: np.asarray(array[place : place + _BATCH])
                    for name, array in prepared.features.items()
                },
                encoder.sizes,
            )
            for place in range(0, prepared.num_pairs, _BATCH)
        ]
        features = {
            name: np.concatenate([each[name] for each in computed])
            for name in encoder.sizes
        }
        return dataclasses.replace(prepared, features=features)


def _split_by_pair(pairs, places, config):
    """Splits the same pairs whatever film they are of.

    Every split keeps its number of pairs of each genre.
    """
    generator = np.random.default_rng([config.seed, config.fold])
    together = np.concatenate(list(places.values()))
    shuffled = together.copy()
    for label in np.unique(pairs.label[together]):
        is_own = pairs.label[together] == label
        shuffled[is_own] = generator.permutation(together[is_own])
    ends = np.cumsum([len(each) for each in places.values()])[:-1]
    split = zip(places, np.split(shuffled, ends), strict=True)
    return {name: np.sort(each) for name, each in split}


def _without_frames(prepared):
    """Blackens both frames: what is left to see is the flow."""
    features = {
        name: array
        if name == "flow"
        else np.broadcast_to(array.dtype.type(0), array.shape)
        for name, array in prepared.features.items()
    }
    return dataclasses.replace(prepared, features=features)


def _with_other_next_frames(prepared, wanted, seed):
    """Gives each pair the next frame of another pair of its film.

    The motion between the two no longer says how fast anything moved; each
    frame by itself is unchanged.
    """
    generator = np.random.default_rng(seed)
    places = np.arange(prepared.num_pairs)
    for film in np.unique(prepared.film):
        own = np.flatnonzero(prepared.film == film)
        # Rotated by one place in a random order: no pair keeps its own.
        order = generator.permutation(own)
        places[order] = np.roll(order, 1)
    frame = np.asarray(prepared.features["frame"])
    next_frame = np.asarray(prepared.features["next_frame"])[places]
    features = {"frame": frame, "next_frame": next_frame}
    if "flow" in wanted:
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            motion = list(pool.map(flow.farneback_flow, frame, next_frame))
        features["flow"] = np.stack(motion)
    return dataclasses.replace(
        prepared,
        features={
            name: features[name]
            for name in datasets.FEATURES
            if name in set(wanted)
        },
    )
