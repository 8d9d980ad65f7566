"""Shortcuts in a data set: what a model could learn instead of the genre.

Each warning says what was found, with its numbers, and what to do.
"""

import statistics

from keras_ssc.data.card_measures import FEWEST_TEST_FILMS
from keras_ssc.data.card_measures import GREY_SATURATION
from keras_ssc.films.film_list import SPLITS
from keras_ssc.metrics.tables import percent

# A film's share of its genre's pairs is too large above half of them, if it
# is also this many times as large as if all films had as many: of two films,
# one has a little more than half.
_LARGEST_SHARE = 0.5
_TIMES_EQUAL_SHARE = 1.5

# Frame rates apart by more than this share, and shares of repeated pictures by
# more than this, are seen in the motion of a pair.
_UNEQUAL_RATE = 0.1
_UNEQUAL_REPEATS = 0.2

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


def find_warnings(films, names, prediction, twins):
    """Finds what is wrong with a data set.

    Args:
        films: List of dicts, see `card.describe`.
        names: Sequence of the data set's genres.
        prediction: What `card_measures.predict_by_colours` returned.
        twins: What `card_measures.find_twins` returned.

    Returns:
        A list of dicts: `code`, which kind it is; `text`; `evidence`, a dict
        of plain values; `what_to_do`.
    """
    genres = _by_genre(films, names)
    return [
        *_missing_genres(genres, names),
        *_missing_in_splits(films, genres),
        *_single_films(genres),
        *_few_test_films(films),
        *_unequal_films(genres),
        *_grey_genres(films, genres),
        *_bars_left(films, genres),
        *_bars_cropped(films, genres),
        *_unequal_motion(films, genres),
        *_colours_predict(prediction),
        *_twins_across_splits(twins),
    ]


def _by_genre(films, names):
    """Returns a dict from each genre that has films to these, in order."""
    found = {
        genre: [film for film in films if genre in film["genres"]]
        for genre in names
    }
    return {genre: own for genre, own in found.items() if own}


def _warning(code, text, what_to_do, **evidence):
    return {
        "code": code,
        "text": text,
        "evidence": evidence,
        "what_to_do": what_to_do,
    }


def _missing_genres(genres, names):
    missing = [genre for genre in names if genre not in genres]
    if missing:
        yield _warning(
            "missing_genre",
            f"No film of {', '.join(missing)}: a model trained here never "
            f"names {len(missing)} of {len(names)} genres, and its scores "
            "are not comparable with those over all of them.",
            "Add films of each, one for every split at least.",
            genres=missing,
        )


def _missing_in_splits(films, genres):
    for split in SPLITS:
        own = {
            genre
            for film in films
            if film["split"] == split
            for genre in film["genres"]
        }
        missing = [genre for genre in genres if genre not in own]
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


def _single_films(genres):
    for genre, (film, *others) in genres.items():
        if not others:
            yield _warning(
                "single_film",
                f"{genre} is one film, {film['film']} ({film['split']}): "
                "whatever is special about this film is a shortcut to the "
                "genre, and no other film can test it.",
                "Add films of the genre, from other makers and years.",
                genre=genre,
                film=film["film"],
                split=film["split"],
            )


def _few_test_films(films):
    num_films = sum(film["split"] == "test" for film in films)
    if 0 < num_films < FEWEST_TEST_FILMS:
        yield _warning(
            "few_test_films",
            f"{num_films} films in the test split: the accuracy by film moves "
            f"in steps of {100 / num_films:.0f} points, and pairs of a film "
            "are not independent, however many.",
            "Add test films, or test in turn on every film "
            "(python -m keras_ssc.train --folds 5).",
            num_films=num_films,
        )


def _unequal_films(genres):
    for genre, own in genres.items():
        largest = max(own, key=lambda film: film["pairs"])
        num_pairs = sum(film["pairs"] for film in own)
        share = largest["pairs"] / num_pairs
        limit = max(_LARGEST_SHARE, _TIMES_EQUAL_SHARE / len(own))
        if len(own) > 1 and share > limit:
            yield _warning(
                "unequal_films",
                f"{largest['film']} has {percent(share)} of the pairs of "
                f"{genre} ({largest['pairs']:,} of {num_pairs:,}): the genre "
                "is learnt and measured mostly on one film.",
                "Extract fewer pairs of it, or train with --balanced and "
                "measure by film.",
                genre=genre,
                film=largest["film"],
                share=share,
            )


def _grey_genres(films, genres):
    coloured = [x["saturation"] for x in films if not x["black_and_white"]]
    for genre, own in genres.items():
        # Where all films are grey, grey does not separate genres.
        if coloured and all(film["black_and_white"] for film in own):
            names = [film["film"] for film in own]
            most = max(film["saturation"] for film in own)
            least = min(coloured)
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


def _bars_left(films, genres):
    return _separating(
        films,
        genres,
        {film["film"] for film in films if any(film["bars_left"].values())},
        "bars_left",
        "dark bars in their stored frames",
        "a model sees the bars.",
        "Extract again without --keep-bars, or crop the frames.",
    )


def _bars_cropped(films, genres):
    return _separating(
        # One film is no evidence about its genre's shape.
        [
            film
            for film in films
            if all(len(genres[genre]) > 1 for genre in film["genres"])
        ],
        genres,
        {film["film"] for film in films if film["bars_cropped"]},
        "bars_cropped",
        "bars that extract cropped",
        "what is left was stretched to the stored size by other factors than "
        "the films without, and the shape of things is a shortcut.",
        "Add films of the same shape to the other genres.",
    )


def _separating(films, names, barred, code, what, therefore, what_to_do):
    """Yields a warning for each genre that bars separate from the others."""
    for genre, own in _by_genre(films, names).items():
        num_own = sum(film["film"] in barred for film in own)
        num_others = sum(film["film"] in barred for film in films) - num_own
        others = len(films) - len(own)
        is_only = num_own > 0 and not num_others and others > 0
        is_always = num_own == len(own) and num_others < others
        if is_only or is_always:
            yield _warning(
                code,
                f"{num_own} of {len(own)} films of {genre} have {what}, of "
                f"the other genres' {num_others} of {others}: {therefore}",
                what_to_do,
                genre=genre,
                with_bars=num_own,
                films=len(own),
                others_with_bars=num_others,
                others=others,
            )


def _unequal_motion(films, genres):
    """Yields a warning for each genre whose pairs are made of other motion.

    The films' medians are compared: one odd film makes no genre.
    """
    for genre, own in genres.items():
        others = [film for film in films if genre not in film["genres"]]
        rate, other_rate = (
            _median(own, "frames_a_second"),
            _median(others, "frames_a_second"),
        )
        if rate and abs(rate / (other_rate or rate) - 1) > _UNEQUAL_RATE:
            yield _warning(
                "frame_rates",
                f"Films of {genre} have {rate:.4g} frames a second, those of "
                f"other genres {other_rate:.4g} (medians): the time from a "
                "frame to the next differs, and so does all motion. The frame "
                "rate is a shortcut to the genre.",
                "Add films of the same rate to the other genres, or extract "
                "with an --interval that is whole frames at both rates.",
                genre=genre,
                frames_a_second=rate,
                others=other_rate,
            )
        share, other_share = (
            _median(own, "repeated"),
            _median(others, "repeated"),
        )
        if others and abs(share - other_share) > _UNEQUAL_REPEATS:
            yield _warning(
                "repeated",
                f"{percent(share)} of the pairs of {genre} are one picture "
                "that is shown twice or stands still, of the other genres' "
                f"{percent(other_share)} (medians of the films): a pair "
                "without motion is a shortcut to the genre.",
                "Extract with --drop-repeated, or use copies of the films at "
                "the rate they were made in.",
                genre=genre,
                share=share,
                others=other_share,
            )


def _median(films, name):
    known = [film[name] for film in films if film[name] is not None]
    return statistics.median(known) if known else None


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
