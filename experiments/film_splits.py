"""Folds over a built data set's films, controls and learning curves.

`FoldSplits` takes the place of `datasets.DatasetSplits`.
"""

import collections
import concurrent.futures
import dataclasses
import os

import numpy as np

from keras_ssc import flow
from keras_ssc.data import datasets
from keras_ssc.genres import GENRES

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
        if self.num_folds < 2 or not 0 <= self.fold < self.num_folds:
            raise ValueError(
                "Expected 2 folds or more, and one of them. Received: fold "
                f"{self.fold + 1} of {self.num_folds}"
            )
        if self.by not in BY or self.change not in (None, *CHANGES):
            raise ValueError(
                f"Expected by in {BY} and change in {CHANGES} or None. "
                f"Received: by {self.by!r}, change {self.change!r}"
            )


class FoldSplits:
    """The training, validation and test split of one fold.

    Folds are stratified by genre. The films of the fold are the test split; of
    each genre that has a film to spare, the first film of the next fold is in
    the validation split; the others train. A genre with one film is left out:
    a model cannot both train and be tested on it.

    Args:
        builder: What `datasets.open_dataset` returned.
        config: A `FoldConfig`.

    Attributes:
        name: String, the data set's name, its version and the fold.
        names: Tuple of the splits that have a film.
        films: Dict from a split to the sorted list of its films.
        left_out: Dict from a film that is in none to the reason.

    Raises:
        ValueError: If nothing is left to train with or to test on.
    """

    def __init__(self, builder, config):
        self._builder = builder
        self._config = config
        self.name = (
            f"{builder.info.full_name}, fold {config.fold + 1} of "
            f"{config.num_folds} by {config.by}, seed {config.seed}"
        )
        self._all = all_pairs(builder)
        chosen, self.left_out = _choose_films(self._all, config)
        self._places = {
            name: np.flatnonzero(np.isin(self._all.film, films))
            for name, films in chosen.items()
        }
        if config.by == "pair":
            self._places = _split_by_pair(self._all, self._places, config)
        self.films = {
            name: sorted(set(self._all.film[places].tolist()))
            for name, places in self._places.items()
            if len(places)
        }
        self.names = tuple(self.films)
        for name in ("train", "test"):
            if name not in self.films:
                raise ValueError(
                    "Expected genres with two films or more, one to train "
                    f"with and one to test on. {builder.info.full_name} "
                    f"leaves none to {name}: {_told(self.left_out)}"
                )

    def prepare(self, split, image_size, features, progress=False):
        """Makes a split ready, as `datasets.prepare`.

        The pairs of a control are changed in memory.
        """
        names = set(features)
        if self._config.change == "next_frame_of_another_pair" and names:
            names |= {"frame", "next_frame"}
        parts = [
            datasets.prepare(self._builder, each, image_size, names, progress)
            for each in self._builder.info.splits
        ]
        prepared = datasets.select(parts, self._places[split])
        if self._config.change == "no_frame":
            return _without_frames(prepared)
        if names and self._config.change is not None:
            return _with_other_next_frames(
                prepared, features, self._config.seed
            )
        return prepared


def all_pairs(builder, image_size=(16, 16), features=()):
    """Returns the pairs of all splits together.

    Args:
        builder: What `datasets.open_dataset` returned.
        image_size: Tuple (height, width), pixels.
        features: Iterable of names of `datasets.FEATURES`; without any,
            the pairs have no images.

    Returns:
        A `datasets.PreparedSplit`.
    """
    parts = [
        datasets.prepare(builder, split, image_size, features)
        for split in builder.info.splits
    ]
    num_pairs = sum(part.num_pairs for part in parts)
    return datasets.select(parts, np.arange(num_pairs))


def _choose_films(pairs, config):
    """Returns the films of each split, and why others are in none."""
    chosen, left_out = collections.defaultdict(list), {}
    for label, genre in enumerate(GENRES):
        films = np.unique(pairs.film[pairs.label == label])
        if len(films) == 1:
            left_out[str(films[0])] = f"the only film of {genre}"
            continue
        generator = np.random.default_rng([config.seed, label])
        films = generator.permutation(films)
        folds = np.arange(len(films)) % config.num_folds
        # A genre with fewer films than folds tests them in turn: otherwise
        # the last folds would have none of it.
        fold = config.fold % min(config.num_folds, len(films) or 1)
        test, rest = films[folds == fold], films[folds != fold]
        # From the next fold on, so that each fold validates on other films.
        rest = rest[
            np.argsort(
                (folds[folds != fold] - fold) % config.num_folds, kind="stable"
            )
        ]
        validation = rest[:1] if len(rest) > 1 else rest[:0]
        train = rest[len(validation) :][: config.films_per_genre]
        for film in rest[len(validation) :][len(train) :]:
            left_out[str(film)] = (
                f"training takes {config.films_per_genre} films a genre"
            )
        chosen["train"].extend(train)
        chosen["validation"].extend(validation)
        chosen["test"].extend(test)
    return chosen, left_out


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


def _told(left_out):
    if not left_out:
        return "it has no film"
    return "; ".join(f"{film}: {reason}" for film, reason in left_out.items())


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
