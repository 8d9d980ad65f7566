"""Splits: which films a model learns from, and which it is measured on.

A film is in one split, with all its scenes: frames of one film are too much
alike to be in two.
"""

import collections
import math
import random

from keras_ssc import genres as genre_names
from keras_ssc.genres import key_of

SPLITS = ("train", "validation", "test")

# Of the films, in the order of `SPLITS`.
DEFAULT_SHARES = (0.7, 0.15, 0.15)

# Of few films of a genre, which splits get one first; and who gets a film
# that two splits need equally.
_FIRST = ("train", "test", "validation")
_OF_EQUALS = ("test", "validation", "train")

_FEWEST_TEST = 3

# Of the names that a note lists.
_MOST_NAMED = 5

# What it means if no film, or none of a genre, is in a split.
_WITHOUT_FILMS = {
    "train": "there is nothing to train on",
    "validation": "training keeps its last epoch, and scores are not "
    "calibrated",
    "test": "evaluate measures on the validation films",
}
_WITHOUT_GENRE = {
    "train": "a model cannot learn what it never sees, and its output for it "
    "is never trained",
    "validation": "the best epoch is chosen and scores are calibrated without "
    "it",
    "test": "evaluate measures nothing of it",
}


def parse_shares(text):
    """Reads the shares of the splits, such as `70/15/15`.

    Args:
        text: String, three numbers in the order of `SPLITS`, in any unit.

    Returns:
        Tuple of three floats whose sum is 1.

    Raises:
        ValueError: If it is something else, or leaves no film to train on.
    """
    try:
        numbers = [float(part) for part in text.split("/")]
    except ValueError:
        numbers = []
    total = sum(number for number in numbers if math.isfinite(number))
    shares = tuple(number / total for number in numbers) if total > 0 else ()
    if (
        len(shares) != 3
        or not all(0 <= s <= 1 for s in shares)
        or not shares[0]
    ):
        raise ValueError(
            f"Expected the shares of {', '.join(SPLITS)} as three numbers, 0 "
            f"or more, the first above 0, such as 70/15/15. Received: {text!r}"
        )
    return shares


def deal(films, shares=DEFAULT_SHARES, seed=0, known=None):
    """Deals films to splits, so that each split has its share of each genre.

    Iterative stratification: the genre with the fewest undealt films is dealt
    first, each of its films to the split that lacks the most of it. A film of
    several genres counts for each. As far as a genre has films, each split
    gets one: one film trains, of two the other tests or validates. The order
    of the films does not matter.

    Args:
        films: Iterable of `Film`, of different names. Those that have a split
            keep it, and count.
        shares: Three floats whose sum is 1, in the order of `SPLITS`. A split
            whose share is 0 gets no film.
        seed: Integer; another seed deals other films to a split.
        known: Dict of film names and the splits that they were dealt to
            earlier, which they keep.

    Returns:
        Dict of each film's name and split.

    Source: Sechidis, Tsoumakas and Vlahavas, On the Stratification of
    Multi-Label Data, ECML PKDD 2011.
    """
    films, known = sorted(films, key=lambda film: film.name), known or {}
    dealt = {
        film.name: film.split or known[film.name]
        for film in films
        if film.split or film.name in known
    }
    genres_of = {
        film.name: [key_of(genre) for genre in film.genres] for film in films
    }
    needs = _Needs(genres_of, dealt, shares)
    while needs.undealt:
        key = min(needs.undealt, key=lambda each: (needs.undealt[each], each))
        for name in _shuffled(needs.members[key], seed, key):
            if name not in dealt:
                dealt[name] = needs.neediest(key)
                needs.add(name, dealt[name])
    return {film.name: dealt[film.name] for film in films}


class _Needs:
    """What the splits still lack of each genre, and of all films."""

    def __init__(self, genres_of, dealt, shares):
        self._shares = dict(zip(SPLITS, shares, strict=True))
        self._genres_of = genres_of
        self.members = collections.defaultdict(list)
        for name, keys in genres_of.items():
            for key in keys:
                self.members[key].append(name)
        self.undealt = {key: len(names) for key, names in self.members.items()}
        self._of_all = self._quotas(len(genres_of))
        if self._of_all["test"]:
            # Fewer films measure nothing.
            self._of_all["test"] = max(self._of_all["test"], _FEWEST_TEST)
        self._of_genre = {
            key: self._quotas(len(names)) for key, names in self.members.items()
        }
        self._empty = {
            key: [split for split in _FIRST if self._shares[split]]
            for key in self.members
        }
        for name, split in dealt.items():
            self.add(name, split)

    def _quotas(self, num_films):
        return {
            split: share * num_films for split, share in self._shares.items()
        }

    def neediest(self, key):
        """Returns the split that the next film of a genre goes to."""
        empty, quotas = self._empty[key], self._of_genre[key]
        if self.undealt[key] < len(empty) and empty[0] != "train":
            # Of two films the other tests or validates, as all films need it.
            split = max(empty, key=self._of_all.get)
            return split if self._of_all[split] > 0 else "train"
        if self.undealt[key] <= len(empty):
            return empty[0]
        return max(
            (split for split in _OF_EQUALS if self._shares[split]),
            key=lambda split: (quotas[split], self._of_all[split]),
        )

    def add(self, name, split):
        """Counts a film that is dealt."""
        self._of_all[split] -= 1
        for key in self._genres_of[name]:
            self._of_genre[key][split] -= 1
            if split in self._empty[key]:
                self._empty[key].remove(split)
            self.undealt[key] -= 1
            if not self.undealt[key]:
                del self.undealt[key]


def _shuffled(names, seed, key):
    # Of its own for each genre: another genre's films do not change it.
    return random.Random(f"{seed} {key}").sample(names, len(names))


def gaps(films, genres):
    """Says which splits lack films, or films of a genre, and what follows.

    Args:
        films: List of `Film`, with their splits.
        genres: Sequence of all genres.

    Returns:
        List of strings, empty if each genre is in each split.
    """
    count = collections.Counter(
        (genre, film.split) for film in films for genre in film.genres
    )
    num_films = {
        genre: sum(count[genre, split] for split in SPLITS) for genre in genres
    }
    notes = []
    if len(genres) == 1:
        notes.append(
            f"one genre only, {genres[0]!r}: there is nothing to distinguish, "
            "and train will refuse it. Add films of another."
        )
    without = [genre for genre in genres if not num_films[genre]]
    if without:
        notes.append(
            f"no film yet of {_named(without)}: the model has an output for it "
            "that is never trained."
        )
    single = [genre for genre in genres if num_films[genre] == 1]
    if single:
        notes.append(
            f"one film only of {_named(single)}: a genre needs two, one to "
            "train and one to test on."
        )
    filled = {film.split for film in films}
    for split in SPLITS:
        missing = [
            genre
            for genre in genres
            if num_films[genre] and not count[genre, split]
        ]
        if split not in filled:
            notes.append(f"no film is in {split}: {_without(split, filled)}.")
        elif missing:
            notes.append(
                f"no film in {split} of {_named(missing)}: "
                f"{_WITHOUT_GENRE[split]}."
            )
    return notes


def _without(split, filled):
    if split == "test" and "validation" not in filled:
        return "evaluate has nothing to measure on"
    return _WITHOUT_FILMS[split]


def _named(genres):
    return genre_names.listing(list(map(repr, genres)), _MOST_NAMED)
