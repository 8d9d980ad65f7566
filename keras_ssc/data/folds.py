"""Folds over a built data set's films: each film is tested on once.

`FoldSplits` takes the place of `datasets.DatasetSplits`.
"""

import numpy as np

from keras_ssc.data import datasets
from keras_ssc.data import dealing


class FoldSplits(datasets.DatasetSplits):
    """The training, validation and test split of one fold.

    Folds are stratified by genre; of films with several genres, the rarest
    genre is dealt first (Sechidis et al. 2011, "On the Stratification of
    Multi-Label Data"). The films of the fold are the test split; of each genre
    that has a film to spare, the first film of the next fold is in the
    validation split; the others train. The only film of a genre is left out,
    unless it has others: a model cannot both train and be tested on it.

    Args:
        builder: What `datasets.open_dataset` returned.
        num_folds: Integer, 2 or more: every film is tested in one of them.
        fold: Integer, from 0.
        seed: Integer, of the assignment of films to folds.
        films_per_genre: Integer, how many train; None for all that are left.

    Attributes:
        name: String, the data set's name, its version and the fold.
        names: Tuple of the splits that have a film.
        films: Dict from a split to the sorted list of its films.
        left_out: Dict from a film that is in none to the reason.
        task: The data set's task, see `tasks`.

    Raises:
        ValueError: If there is no such fold, or nothing is left to train with
            or to test on.
    """

    def __init__(self, builder, num_folds, fold, seed=0, films_per_genre=None):
        check(num_folds, fold)
        self._described = {"num_folds": num_folds, "fold": fold, "seed": seed}
        self._builder = builder
        self.name = (
            f"{builder.info.full_name}, fold {fold + 1} of {num_folds} by "
            f"film, seed {seed}"
        )
        self._all = all_pairs(builder)
        self.task = self._all.task
        chosen, self.left_out = _choose_films(
            self._all, num_folds, fold, seed, films_per_genre
        )
        self._places = self._split(
            {
                name: np.flatnonzero(np.isin(self._all.film, films))
                for name, films in chosen.items()
            }
        )
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

    def described(self):
        """Returns what a run's config says, which opens the fold again."""
        return {"fold": self._described}

    def _split(self, places):
        """Returns the places of the pairs of each split; a subclass's own."""
        return places

    def of_parts(self, split, prepare_part):
        """See `datasets.DatasetSplits.of_parts`."""
        parts = _parts(self._builder, prepare_part)
        return datasets.select(parts, self._places[split])


def check(num_folds, fold=0):
    """Raises `ValueError` if there is no such fold, or fewer than two."""
    if num_folds < 2 or not 0 <= fold < num_folds:
        raise ValueError(
            "Expected 2 folds or more, and one of them. Received: fold "
            f"{fold + 1} of {num_folds}"
        )


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
    parts = _parts(
        builder,
        lambda *part: datasets.prepare(*part, image_size, features),
    )
    num_pairs = sum(part.num_pairs for part in parts)
    return datasets.select(parts, np.arange(num_pairs))


def _parts(builder, prepare_part):
    return [prepare_part(builder, split) for split in builder.info.splits]


def _choose_films(pairs, num_folds, fold, seed, films_per_genre):
    """Returns the films of each split, and why others are in none."""
    films, first = np.unique(pairs.film, return_index=True)
    is_of = pairs.task.is_of(pairs.label[first])
    order, fold_of = dealing.deal(is_of, num_folds, seed)
    chosen = {name: {} for name in ("train", "validation", "test")}
    left_out = {}
    for genre, is_own in zip(pairs.task.genres, is_of.T, strict=True):
        own = order[is_own[order]]
        if len(own) == 1 and is_of[own[0]].sum() == 1:
            left_out[str(films[own[0]])] = f"the only film of {genre}"
        if len(own) < 2:
            continue
        # A genre with fewer films than folds tests them in turn: otherwise
        # the last folds would have none of it.
        found = np.unique(fold_of[own])
        tested = fold if fold in found else found[fold % len(found)]
        chosen["test"] |= dict.fromkeys(own[fold_of[own] == tested].tolist())
    for is_own in is_of.T:
        own = order[is_own[order]]
        rest = own[~np.isin(own, list(chosen["test"]))]
        if len(own) < 2 or not len(rest):
            continue
        tested = fold_of[own[np.isin(own, list(chosen["test"]))]]
        # From the next fold on, so that each fold validates on other films.
        start = tested[0] if len(tested) else fold
        rest = rest[
            np.argsort((fold_of[rest] - start) % num_folds, kind="stable")
        ]
        if (
            len(rest) > 1
            and not set(rest.tolist()) & chosen["validation"].keys()
        ):
            chosen["validation"][int(rest[0])] = None
        kept = [
            film for film in rest.tolist() if film not in chosen["validation"]
        ]
        chosen["train"] |= dict.fromkeys(kept[:films_per_genre])
        for film in kept[films_per_genre:] if films_per_genre else ():
            left_out[str(films[film])] = (
                f"training takes {films_per_genre} films a genre"
            )
    # A film of several genres may be chosen by a later one.
    places = {
        name: [
            x for x in found if name != "train" or x not in chosen["validation"]
        ]
        for name, found in chosen.items()
    }
    named = {name: films[own] for name, own in places.items()}
    used = {str(film) for own in named.values() for film in own}
    left_out = {x: reason for x, reason in left_out.items() if x not in used}
    return named, left_out


def _told(left_out):
    if not left_out:
        return "it has no film"
    return "; ".join(f"{film}: {reason}" for film, reason in left_out.items())
