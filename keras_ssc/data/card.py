"""A built data set -> its card: what it holds, and what is wrong with it.

The card's folder holds card.md for people, card.json for programs and the
figures. Nothing in it depends on a model.
"""

import collections
import dataclasses
import json
import os
import shutil
import time

import numpy as np

from keras_ssc import __version__
from keras_ssc import files
from keras_ssc.data import card_measures
from keras_ssc.data import card_warnings
from keras_ssc.data import datasets
from keras_ssc.data import extraction
from keras_ssc.data.card_measures import GREY_SATURATION
from keras_ssc.data.simple_features import MAGNITUDE_FLOOR
from keras_ssc.films.film_list import SPLITS
from keras_ssc.genres import SEPARATOR
from keras_ssc.metrics import figures
from keras_ssc.metrics import tables
from keras_ssc.metrics.tables import percent

# Of a film, so many pairs show its colours; the card of hundreds of films is
# done in minutes.
MOST_PAIRS = 100

# Their names, and their headings in the table.
_QUANTILES = {
    "low": (0.05, "5 %"),
    "first_quartile": (0.25, "25 %"),
    "median": (0.5, "median"),
    "third_quartile": (0.75, "75 %"),
    "high": (0.95, "95 %"),
}

_NOT_KNOWN = (
    "is not known: the folder of frames that extract wrote was not given "
    "(`--frames DIR`)."
)


def write_card(
    dataset,
    out,
    data_dir=None,
    frames=None,
    most_pairs=MOST_PAIRS,
    seed=0,
    progress=False,
):
    """Measures a data set and writes its card.

    Args:
        dataset: String, such as `scene_genre/sample`.
        out: `pathlib.Path` of the card's folder: new, empty, or an earlier
            card, which stays until this one is whole.
        data_dir: Where data sets are; TFDS's default if None.
        frames: The folder that extract wrote and the data set was built from;
            None if it is not at hand.
        most_pairs: Integer, how many pairs of a film are looked at.
        seed: Integer, draws other pairs of films that have more.
        progress: Boolean, whether to show progress bars.

    Returns:
        The card, a dict of plain values, as `card.json` has it.

    Raises:
        ValueError: If the data set is not built, the frames are not those it
            was built from, or `out` holds something else.
        OSError: If the card cannot be written.
    """
    _check_out(out)
    builder = datasets.open_dataset(dataset, data_dir)
    genres = datasets.task_of(builder).genres
    films = card_measures.measure(builder, most_pairs, seed, progress)
    if frames is None:
        extracted = card_measures.read_drops(builder)
    else:
        extracted = card_measures.read_frames_folder(frames, films)
    card = {
        "card_version": 1,
        "dataset": builder.info.full_name,
        "keras_ssc": __version__,
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "most_pairs": most_pairs,
        "seed": seed,
        "left_out": card_measures.count_left_out(builder),
        **describe(films, genres, extracted, seed),
    }
    _write(card, _magnitudes(films, genres), out)
    return card


def describe(films, genres, extracted=None, seed=0):
    """Puts together what was measured.

    Args:
        films: List of `card_measures.FilmMeasures`.
        genres: Sequence of the data set's genres.
        extracted: What `card_measures.read_drops` or
            `card_measures.read_frames_folder` returned.
        seed: Integer.

    Returns:
        A dict of plain values: `counts`, films and pairs of each genre in
        each split; `dropped`, how many pairs by reason, None if not known;
        `bars`, how many films have some left and how many had some cropped,
        None if not known; `frame_sizes`; `motion` of each genre; `films`;
        `colours_predict`; `warnings`.
    """
    described = [_describe_film(film, extracted) for film in films]
    prediction = card_measures.predict_by_colours(films, seed)
    sizes = collections.Counter(size for x in films for size in x.frame_sizes)
    # Also of films that lost all pairs and are not in the data set.
    dropped = collections.Counter()
    for told in (extracted or {}).values():
        dropped.update(told.get("dropped"))
    cropped = [film["bars_cropped"] for film in described]
    return {
        "looked_at": sum(film["looked_at"] for film in described),
        "counts": {
            split: {genre: _count(described, split, genre) for genre in genres}
            for split in SPLITS
        },
        "dropped": None if extracted is None else dict(dropped.most_common()),
        "bars": {
            "left": sum(bool(film.bars) for film in films),
            "cropped": None if None in cropped else sum(map(bool, cropped)),
        },
        "frame_sizes": dict(sizes.most_common()),
        "motion": {
            genre: _describe_motion(magnitudes) if len(magnitudes) else None
            for genre, magnitudes in _magnitudes(films, genres).items()
        },
        "colours_predict": prediction,
        "films": described,
        "warnings": card_warnings.find_warnings(
            described, genres, prediction, card_measures.find_twins(films)
        ),
    }


def _magnitudes(films, genres):
    """Returns a dict from each genre to its pairs' magnitudes, float32."""
    found = {genre: [np.zeros(0, np.float32)] for genre in genres}
    for film in films:
        for genre in film.genres:
            found[genre].append(film.magnitudes)
    return {genre: np.concatenate(each) for genre, each in found.items()}


def _count(films, split, genre):
    pairs = [
        film["pairs"]
        for film in films
        if film["split"] == split and genre in film["genres"]
    ]
    return {"films": len(pairs), "pairs": sum(pairs)}


def _describe_motion(magnitudes):
    quantiles = {
        name: float(np.quantile(magnitudes, share))
        for name, (share, _) in _QUANTILES.items()
    }
    still = _share_still(magnitudes)
    return {"pairs": len(magnitudes), "still": still, **quantiles}


def _share_still(magnitudes):
    return float(np.mean(magnitudes < MAGNITUDE_FLOOR))


def _describe_film(film, extracted):
    told = dict.fromkeys(("dropped", "candidates", "bars_cropped"))
    if extracted is not None:
        told |= {"dropped": {}, **extracted.get(film.film, {})}
    return {
        "film": film.film,
        "split": film.split,
        "genre": SEPARATOR.join(film.genres),
        "genres": list(film.genres),
        "pairs": len(film.magnitudes),
        "looked_at": len(film.frame_numbers),
        **told,
        "frames_a_second": film.rate,
        "repeated": film.repeated,
        "saturation": film.saturation,
        "black_and_white": film.saturation < GREY_SATURATION,
        "bars_left": dataclasses.asdict(film.bars),
        "motion": float(film.magnitudes.mean()),
        "still": _share_still(film.magnitudes),
    }


def markdown(card):
    """Writes a card for people.

    Args:
        card: What `write_card` returns.

    Returns:
        String, Markdown. The figures are linked in the folder `figures`.
    """
    num_pairs = sum(film["pairs"] for film in card["films"])
    parts = [
        f"# What {card['dataset']} holds\n",
        f"{len(card['films'])} films, {num_pairs:,} pairs. {_looked_at(card)} "
        f"Written by keras_ssc {card['keras_ssc']} on "
        f"{tables.day(card['created'])}.\n",
        f"## Warnings: {len(card['warnings'])}\n",
        warnings_text(card),
        "## Genres and splits\n",
        "Films (pairs) of each genre; no film is in two splits.\n",
        tables.films_table(card["counts"]),
        "![Pairs by genre and split](figures/splits.png)\n",
        "## Dropped pairs\n",
        _dropped_text(card["dropped"]),
        "Files of the frames' folder that are no part of a pair and were "
        f"left out when the data set was built: {card['left_out']:,}.\n",
        "## Motion\n",
        "The motion magnitude of all pairs: mean motion over sqrt(height x "
        f"width). Still: below {MAGNITUDE_FLOOR:g}, where flow is noise.\n",
        _motion_table(card["motion"]),
        "![Motion magnitude by genre](figures/motion.png)\n",
        "## Frames and bars\n",
        _frames_text(card),
        "## Colours\n",
        _colours_text(card["colours_predict"]),
        "![Saturation by film](figures/saturation.png)\n",
        "## Films\n",
        "Saturation: largest less smallest of red, green and blue, mean of "
        "the pixels, 0 to 1. Bars in pixels: top, bottom, left, right; left: "
        "in the stored frames; cropped: in the film's file.\n",
        _films_table(card["films"]),
    ]
    return "\n".join(parts)


def _looked_at(card):
    drawn = [x for x in card["films"] if x["looked_at"] < x["pairs"]]
    if not drawn:
        return "The first frames of all pairs were looked at."
    return (
        f"Of {len(drawn)} films with more than {card['most_pairs']} pairs, "
        f"{card['most_pairs']} each were looked at, drawn by seed "
        f"{card['seed']}: {card['looked_at']:,} first frames in all; motion is "
        "that of all pairs."
    )


def warnings_text(card):
    """Returns a card's warnings as a numbered list in Markdown."""
    lines = [
        f"{number}. **{each['code'].replace('_', ' ')}**: {each['text']} "
        f"*{each['what_to_do']}*\n"
        for number, each in enumerate(card["warnings"], start=1)
    ]
    return "".join(lines) or "None of those that are looked for.\n"


def _dropped_text(dropped):
    if dropped is None:
        return f"Which pairs were dropped, and why, {_NOT_KNOWN}\n"
    if not dropped:
        return "None.\n"
    return tables.markdown_table(["reason", "pairs"], dropped.items())


def _motion_table(motion):
    headings = [heading for _, heading in _QUANTILES.values()]
    header = ["genre", "pairs", "still", *headings]
    rows = []
    for genre, own in motion.items():
        cells = ["-"] * (len(header) - 1)
        if own:
            cells = [f"{own['pairs']:,}", percent(own["still"])]
            cells += [f"{own[name]:.2g}" for name in _QUANTILES]
        rows.append([genre, *cells])
    return tables.markdown_table(header, rows)


def _frames_text(card):
    sizes = ", ".join(
        f"{size} ({count:,})" for size, count in card["frame_sizes"].items()
    )
    bars = card["bars"]
    cropped = f"Which bars extract cropped {_NOT_KNOWN}"
    if bars["cropped"] is not None:
        cropped = (
            f"Extract cropped bars of {bars['cropped']} films; what was left "
            "is stretched to the stored size."
        )
    return (
        f"Stored frames that were looked at: {sizes} pixels. Bars are left in "
        f"those of {bars['left']} of {len(card['films'])} films. {cropped}\n"
    )


def _colours_text(prediction):
    if prediction["balanced_accuracy"] is None:
        return (
            "Whether colours alone classify the films cannot be measured: "
            "that takes two genres in train and two in test, and one genre a "
            "film.\n"
        )
    text = (
        "A colour histogram of the first frame and a linear classifier, "
        "trained on train, get a balanced accuracy "
        f"of {percent(prediction['balanced_accuracy'])} on the "
        f"{prediction['num_films']} test films; one answer for all gets "
        f"{percent(prediction['chance'])}. "
    )
    if prediction["low"] is None:
        return f"{text}So few films say nothing about others.\n"
    return (
        f"{text}Over draws of the films, 95 % of the results lie within "
        f"{percent(prediction['low'])} to {percent(prediction['high'])}.\n"
    )


def _films_table(films):
    header = "film, split, genre, pairs, dropped, saturation, bars left, "
    header += "bars cropped, frames a second, repeated, mean motion, still"
    rows = [
        [
            *(film[name] for name in ("film", "split", "genre")),
            f"{film['pairs']:,}",
            _or_not_known(film["dropped"], _dropped_cell),
            f"{film['saturation']:.3f}"
            + (", black-and-white" if film["black_and_white"] else ""),
            _bars_cell(film["bars_left"]),
            _or_not_known(film["bars_cropped"], _cropped_cell),
            _or_not_known(film["frames_a_second"], "{:.4g}".format),
            percent(film["repeated"]),
            f"{film['motion']:.2g}",
            percent(film["still"]),
        ]
        for film in films
    ]
    return tables.markdown_table(header.split(", "), rows)


def _or_not_known(value, write):
    return "not known" if value is None else write(value)


def _dropped_cell(dropped):
    reasons = collections.Counter(dropped).elements()
    return extraction.count_reasons(reasons) or 0


def _bars_cell(bars):
    return ", ".join(map(str, bars.values())) if any(bars.values()) else "none"


def _cropped_cell(cropped):
    return "; ".join(map(_bars_cell, cropped.values())) or "none"


def _check_out(out):
    """Raises `ValueError` if a folder holds something that is no card."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        try:
            json.loads((out / "card.json").read_text("utf-8"))["card_version"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(
                "Expected --out as a new folder, or one that holds an earlier "
                f"card. Received: {out}, which holds something else. Name "
                "another folder."
            ) from error


def _write(card, magnitudes, out):
    """Writes the folder under a temporary name and moves it into place."""
    folder, earlier = (
        out.with_name(f".{out.name}.{what}") for what in ("tmp", "earlier")
    )
    # What a killed process left.
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "figures").mkdir(parents=True)
    try:
        files.write_json(folder / "card.json", card)
        files.write_text(folder / "card.md", markdown(card))
        for name, figure in _figures(card, magnitudes).items():
            files.write_bytes(folder / "figures" / f"{name}.png", figure)
        shutil.rmtree(earlier, ignore_errors=True)
        if out.exists():
            os.replace(out, earlier)
        os.replace(folder, out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(earlier, ignore_errors=True)


def _figures(card, magnitudes):
    """Returns a dict from names to PNGs."""
    pairs = {
        split: {genre: count["pairs"] for genre, count in counts.items()}
        for split, counts in card["counts"].items()
    }
    name, genres = card["dataset"], list(magnitudes)
    return {
        "motion": figures.motion_figure(
            magnitudes, MAGNITUDE_FLOOR, f"Motion of the pairs of {name}"
        ),
        "splits": figures.splits_figure(
            pairs, f"Pairs by genre and split of {name}"
        ),
        "saturation": figures.saturation_figure(
            sorted(
                card["films"],
                key=lambda x: [genres.index(genre) for genre in x["genres"]],
            ),
            genres,
            GREY_SATURATION,
            f"Colour saturation by film of {name}",
        ),
    }
