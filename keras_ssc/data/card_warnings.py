"""Shortcuts in a data set: what a model could learn instead of the genre.

Each warning says what was found, with its numbers, and what to do.
"""

import numpy as np
from sklearn.utils import class_weight

from keras_ssc.data import simple_features
from keras_ssc.films.film_list import SPLITS
from keras_ssc.genres import GENRES
from keras_ssc.metrics.scoring import percent

# Mean saturation of a black-and-white film. Rounding in the film's colour
# space leaves its pixels within 3 of 255 levels of grey, heavy compression
# within 5. Real black-and-white clips have 0.001 or less, the palest real and
# drawn colour films 0.06 and more. A tinted copy counts as colour.
GREY_SATURATION = 0.02

# With fewer films, most draws of a bootstrap hold the same ones: no interval,
# and an accuracy by film that moves in steps of 20 points and more.
FEWEST_TEST_FILMS = 5

# A film's share of its genre's pairs is too large above half of them, if it
# is also this many times as large as if all films had as many: of two films,
# one has a little more than half.
_LARGEST_SHARE = 0.5
_TIMES_EQUAL_SHARE = 1.5

# What follows where a split lacks some genres, and where there is none.
_LACKING = {
    "train": "a model is tested on what it could not learn",
    "validation": "the best epoch is chosen without them",
    "test": "nothing is measured of them",
}
_WITHOUT = {
    "train": "there is nothing to learn from",
    "validation": "a training's last epoch is taken for its best, and scores "
    "are not calibrated",
    "test": "nothing can be measured",
}


def find_warnings(films, records, prediction, twins):
    """Finds what is wrong with a data set.

    Args:
        films: List of `card_measures.FilmMeasures`.
        records: Dict from film names to extract's records; None if they are
            not at hand.
        prediction: What `predict_by_colours` returned.
        twins: What `card_measures.find_twins` returned.

    Returns:
        A list of dicts: `code`, which kind it is; `text`; `evidence`, a dict
        of plain values; `what_to_do`.
    """
    return [
        *_missing_genres(films),
        *_missing_in_splits(films),
        *_single_films(films),
        *_few_test_films(films),
        *_unequal_films(films),
        *_grey_genres(films),
        *_bars_left(films),
        *_bars_cropped(films, records),
        *_colours_predict(prediction),
        *_twins_across_splits(twins),
    ]


def _warning(code, text, what_to_do, **evidence):
    return {
        "code": code,
        "text": text,
        "evidence": evidence,
        "what_to_do": what_to_do,
    }


def _by_genre(films):
    """Returns a dict from each genre that has films to these."""
    found = {
        genre: [film for film in films if film.genre == genre]
        for genre in GENRES
    }
    return {genre: own for genre, own in found.items() if own}


def _of_split(films, split):
    return [film for film in films if film.split == split]


def _missing_genres(films):
    missing = [genre for genre in GENRES if genre not in _by_genre(films)]
    if missing:
        yield _warning(
            "missing_genre",
            f"No film of {', '.join(missing)}: a model trained here never "
            f"names {len(missing)} of {len(GENRES)} genres, and its scores "
            "are not comparable with those over all of them.",
            "Add films of each, one for every split at least.",
            genres=missing,
        )


def _missing_in_splits(films):
    for split in SPLITS:
        own = _by_genre(_of_split(films, split))
        missing = [genre for genre in _by_genre(films) if genre not in own]
        if not own:
            yield _warning(
                "missing_split",
                f"There is no split {split}: {_WITHOUT[split]}.",
                f"Put a film of each genre into {split}.",
                split=split,
            )
        elif missing:
            yield _warning(
                "no_film_in_split",
                f"No film of {', '.join(missing)} in the split {split}: "
                f"{_LACKING[split]}.",
                f"Put a film of each of them into {split}.",
                split=split,
                genres=missing,
            )


def _single_films(films):
    for genre, own in _by_genre(films).items():
        if len(own) == 1:
            yield _warning(
                "single_film",
                f"{genre} is one film, {own[0].film} ({own[0].split}): "
                "whatever is special about this film is a shortcut to the "
                "genre, and no other film can test it.",
                "Add films of the genre, from other makers and years.",
                genre=genre,
                film=own[0].film,
                split=own[0].split,
            )


def _few_test_films(films):
    num_films = len(_of_split(films, "test"))
    if 0 < num_films < FEWEST_TEST_FILMS:
        yield _warning(
            "few_test_films",
            f"{num_films} films in the test split: the accuracy by film moves "
            f"in steps of {100 / num_films:.0f} points, and pairs of a film "
            "are not independent, however many.",
            "Add test films, or test in turn on every film "
            "(python -m experiments.reproduce).",
            num_films=num_films,
        )


def _unequal_films(films):
    for genre, own in _by_genre(films).items():
        counts = np.array([len(film.magnitudes) for film in own])
        largest = int(counts.argmax())
        share = float(counts[largest] / counts.sum())
        limit = max(_LARGEST_SHARE, _TIMES_EQUAL_SHARE / len(own))
        if len(own) > 1 and share > limit:
            yield _warning(
                "unequal_films",
                f"{own[largest].film} has {percent(share)} of the pairs of "
                f"{genre} ({counts[largest]:,} of {counts.sum():,}): the "
                "genre is learnt and measured mostly on one film.",
                "Extract fewer pairs of it, or train with --balanced and "
                "measure by film.",
                genre=genre,
                film=own[largest].film,
                share=share,
            )


def is_grey(film):
    """Returns whether a film is black-and-white."""
    return bool(film.saturation.mean() < GREY_SATURATION)


def _grey_genres(films):
    coloured = [film for film in films if not is_grey(film)]
    for genre, own in _by_genre(films).items():
        # Where all films are grey, grey does not separate genres.
        if coloured and all(map(is_grey, own)):
            names = [film.film for film in own]
            most = max(float(film.saturation.mean()) for film in own)
            least = min(float(film.saturation.mean()) for film in coloured)
            yield _warning(
                "grey_genre",
                f"All of {genre} is black-and-white ({', '.join(names)}): "
                f"mean saturation at most {most:.4f}, below "
                f"{GREY_SATURATION}; the palest colour film has {least:.4f}. "
                "Grey is a shortcut to the genre.",
                "Add colour films to it and black-and-white ones to others, "
                "or make all frames grey.",
                genre=genre,
                films=names,
                saturation=most,
                palest_colour_film=least,
            )


def _bars_left(films):
    return _separating(
        films,
        {film.film for film in films if film.bars},
        "bars_left",
        "dark bars in their stored frames",
        "a model sees the bars.",
        "Extract again without --keep-bars, or crop the frames.",
    )


def _bars_cropped(films, records):
    genres = _by_genre(films)
    return _separating(
        # One film says nothing of its genre's shape.
        [film for film in films if len(genres[film.genre]) > 1],
        {name for name, record in (records or {}).items() if record["bars"]},
        "bars_cropped",
        "bars that extract cropped",
        "what is left was stretched to the stored size by other factors than "
        "the films without, and the shape of things is a shortcut.",
        "Add films of the same shape to the other genres.",
    )


def _separating(films, barred, code, what, therefore, what_to_do):
    """Yields a warning for each genre that bars separate from the others."""
    for genre, own in _by_genre(films).items():
        others = [film for film in films if film.genre != genre]
        num_own = sum(film.film in barred for film in own)
        num_others = sum(film.film in barred for film in others)
        is_only = num_own > 0 and not num_others and len(others) > 0
        is_always = num_own == len(own) and num_others < len(others)
        if is_only or is_always:
            yield _warning(
                code,
                f"{num_own} of {len(own)} films of {genre} have {what}, of "
                f"the other genres' {num_others} of {len(others)}: "
                f"{therefore}",
                what_to_do,
                genre=genre,
                with_bars=num_own,
                films=len(own),
                others_with_bars=num_others,
                others=len(others),
            )


def predict_by_colours(films, seed=0):
    """Classifies the test films by colours alone.

    Args:
        films: List of `card_measures.FilmMeasures`.
        seed: Integer.

    Returns:
        A dict: `num_films` that are tested on; `balanced_accuracy`, every
        film counting as much, with `low` and `high`, see
        `simple_features.balanced_accuracy_interval`; `chance`, what one
        answer for all films gets. Of fewer films than `FEWEST_TEST_FILMS`,
        `low` and `high` are None; where there is nothing to learn or to test
        on, all but `num_films` are.
    """
    train, test = (_of_split(films, name) for name in ("train", "test"))
    num_genres = len(_by_genre(test))
    prediction = {
        "num_films": len(test),
        **dict.fromkeys(("balanced_accuracy", "low", "high", "chance")),
    }
    if min(len(_by_genre(train)), num_genres) < 2:
        return prediction
    labels = np.concatenate(
        [[GENRES.index(film.genre)] * len(film.colours) for film in train]
    )
    classifier = simple_features.colour_classifier(seed).fit(
        np.concatenate([film.colours for film in train]),
        labels,
        # Every genre counts as much, however many pairs it has.
        class_weight.compute_sample_weight("balanced", labels),
    )
    test_labels = [GENRES.index(film.genre) for film in test]
    accuracies = [
        np.mean(classifier.predict(film.colours) == label)
        for film, label in zip(test, test_labels, strict=True)
    ]
    accuracy, low, high = simple_features.balanced_accuracy_interval(
        test_labels, accuracies, seed
    )
    prediction |= {"balanced_accuracy": accuracy, "chance": 1 / num_genres}
    if len(test) >= FEWEST_TEST_FILMS:
        prediction |= {"low": low, "high": high}
    return prediction


def _colours_predict(prediction):
    if prediction["low"] is None or prediction["low"] <= prediction["chance"]:
        return
    accuracy, low, high, chance = (
        percent(prediction[name])
        for name in ("balanced_accuracy", "low", "high", "chance")
    )
    yield _warning(
        "colours_predict",
        "Colour histograms alone classify the test films: balanced accuracy "
        f"{accuracy} (95 % interval over the {prediction['num_films']} films: "
        f"{low} to {high}), chance {chance}.",
        "Compare every model with the baselines of experiments.reproduce; add "
        "films so that each genre has many palettes; train with --colour.",
        **prediction,
    )


def _twins_across_splits(twins):
    for splits in dict.fromkeys(tuple(twin["splits"]) for twin in twins):
        own = [twin for twin in twins if tuple(twin["splits"]) == splits]
        named = "; ".join(
            f"{' and '.join(twin['films'])} ({twin['num_frames']} frames, "
            f"such as {' and '.join(map(str, twin['frame_numbers']))})"
            for twin in own
        )
        yield _warning(
            "twins_across_splits",
            f"Films of {' and '.join(splits)} have nearly the same frames: "
            f"{named}. A model is tested on what it has seen.",
            "If they are one film, give both rows of films.csv one name; if "
            "they share scenes, put both into one split.",
            twins=own,
        )
