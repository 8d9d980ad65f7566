"""A built data set's films, dealt anew: folds, controls, learning curves.

What is here stands in for `datasets.DatasetSplits`.
"""

import collections
import concurrent.futures
import dataclasses
import os

import numpy as np

from keras_ssc import datasets
from keras_ssc import flow
from keras_ssc.genres import GENRES

# How pairs are dealt: "pair" is the mistake of splitting by frame, made on
# purpose to measure what it hides.
BY = ("film", "pair")

# What a control takes away from every pair.
CHANGES = ("next_frame_of_another_pair", "no_frame")


@dataclasses.dataclass(frozen=True)
class Deal:
    """Which films train, validate and test.

    Attributes:
        num_folds: Integer, 2 or more: every film is tested in one of them.
        fold: Integer, from 0.
        seed: Integer, of the order in which films are dealt.
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
                f"{self.fold} of {self.num_folds}"
            )
        for name, value, known in (
            ("by", self.by, BY),
            ("change", self.change, (None, *CHANGES)),
        ):
            if value not in known:
                raise ValueError(
                    f"Unknown {name}. Expected one of: "
                    f"{', '.join(map(str, known))}. Received: {value!r}"
                )


class DealtSplits:
    """The splits of one deal.

    Each genre's films are dealt to the folds by themselves. A fold's films
    test; of each genre that has a film to spare, the next fold's first one
    validates; the others train. A genre with one film is left out, since its
    film cannot be both learnt from and asked about.

    Args:
        builder: What `datasets.open_dataset` returned.
        deal: A `Deal`.

    Attributes:
        name: String, the data set's name, its version and the deal.
        names: Tuple of the splits that have a film.
        films: Dict from a split to the sorted list of its films.
        left_out: Dict from a film that is in none to the reason.

    Raises:
        ValueError: If nothing is left to train with or to test on.
    """

    def __init__(self, builder, deal):
        self._builder = builder
        self._deal = deal
        self.name = (
            f"{builder.info.full_name}, fold {deal.fold + 1} of "
            f"{deal.num_folds} by {deal.by}, seed {deal.seed}"
        )
        self._all = _details(builder)
        chosen, self.left_out = _choose_films(self._all, deal)
        self._places = {
            name: np.flatnonzero(np.isin(self._all.film, films))
            for name, films in chosen.items()
        }
        if deal.by == "pair":
            self._places = _deal_pairs(self._all, self._places, deal)
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

        A control's pairs are changed in memory.
        """
        names = set(features)
        if self._deal.change == "next_frame_of_another_pair" and names:
            names |= {"frame", "next_frame"}
        parts = [
            datasets.prepare(self._builder, each, image_size, names, progress)
            for each in self._builder.info.splits
        ]
        prepared = datasets.select(parts, self._places[split])
        if self._deal.change == "no_frame":
            return _without_frames(prepared)
        if names and self._deal.change is not None:
            return _with_other_next_frames(prepared, features, self._deal.seed)
        return prepared


def _details(builder):
    """Returns the pairs of all splits, without their pictures."""
    parts = [
        datasets.prepare(builder, split, (16, 16), ())
        for split in builder.info.splits
    ]
    num_pairs = sum(part.num_pairs for part in parts)
    return datasets.select(parts, np.arange(num_pairs))


def _choose_films(pairs, deal):
    """Returns the films of each split, and why others are in none."""
    chosen, left_out = collections.defaultdict(list), {}
    for label, genre in enumerate(GENRES):
        films = np.unique(pairs.film[pairs.label == label])
        if len(films) == 1:
            left_out[str(films[0])] = f"the only film of {genre}"
            continue
        generator = np.random.default_rng([deal.seed, label])
        films = generator.permutation(films)
        folds = np.arange(len(films)) % deal.num_folds
        # With fewer films than folds, a genre's films take turns: otherwise
        # the last folds would have none of it to test on.
        fold = deal.fold % min(deal.num_folds, len(films) or 1)
        test, rest = films[folds == fold], films[folds != fold]
        # From the next fold on, so that another film validates each time.
        rest = rest[
            np.argsort(
                (folds[folds != fold] - fold) % deal.num_folds, kind="stable"
            )
        ]
        validation = rest[:1] if len(rest) > 1 else rest[:0]
        train = rest[len(validation) :][: deal.films_per_genre]
        for film in rest[len(validation) :][len(train) :]:
            left_out[str(film)] = (
                f"{deal.films_per_genre} films a genre are trained with"
            )
        chosen["train"].extend(train)
        chosen["validation"].extend(validation)
        chosen["test"].extend(test)
    return chosen, left_out


def _deal_pairs(pairs, places, deal):
    """Deals the same pairs anew, whatever film they are of.

    Every genre has as many in each split as it had.
    """
    generator = np.random.default_rng([deal.seed, deal.fold])
    dealt = collections.defaultdict(list)
    together = np.concatenate(list(places.values()))
    for label in np.unique(pairs.label[together]):
        own = together[pairs.label[together] == label]
        own, start = generator.permutation(own), 0
        for name, given in places.items():
            count = int(np.sum(pairs.label[given] == label))
            dealt[name].extend(own[start : start + count])
            start += count
    return {name: np.sort(each).astype(int) for name, each in dealt.items()}


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

    What moves between the two says nothing any more of how fast it moved;
    each frame by itself is as it was.
    """
    generator = np.random.default_rng(seed)
    places = np.arange(prepared.num_pairs)
    for film in np.unique(prepared.film):
        own = np.flatnonzero(prepared.film == film)
        # Round by some places, but none: no pair keeps its own.
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
