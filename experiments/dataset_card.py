"""A built data set -> its card: what it holds, and what is wrong with it.

    python -m experiments.dataset_card --dataset scene_genre/sample

The card's folder holds card.md for people, card.json for programs and the
figures. Nothing in it depends on a model.
"""

import argparse
import collections
import dataclasses
import json
import os
import pathlib
import shutil
import time

import numpy as np

from experiments import baselines
from experiments import dataset_measures
from experiments import dataset_warnings
from keras_ssc import __version__
from keras_ssc import command
from keras_ssc import datasets
from keras_ssc import extraction
from keras_ssc import figures
from keras_ssc import files
from keras_ssc import model_card
from keras_ssc import scoring
from keras_ssc import tables
from keras_ssc.film_list import SPLITS
from keras_ssc.genres import GENRES

# Of a film, so many pairs say what its colours are; the card of hundreds of
# films is done in minutes.
MOST_PAIRS = 100

_QUANTILES = {
    "low": 0.05,
    "first_quartile": 0.25,
    "median": 0.5,
    "third_quartile": 0.75,
    "high": 0.95,
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
    films = dataset_measures.measure(builder, most_pairs, seed, progress)
    records = None
    if frames is not None:
        records = dataset_measures.read_frames_folder(frames, films)
    card = {
        "card_version": 1,
        "dataset": builder.info.full_name,
        "keras_ssc": __version__,
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "most_pairs": most_pairs,
        "seed": seed,
        "left_out": dataset_measures.count_left_out(builder),
        **describe(films, records, dataset_measures.read_drops(builder), seed),
    }
    magnitudes = {
        genre: _magnitudes(film for film in films if film.genre == genre)
        for genre in GENRES
    }
    _write(card, magnitudes, out)
    return card


def _magnitudes(films):
    none = np.zeros(0, np.float32)
    return np.concatenate([none, *(film.magnitudes for film in films)])


def describe(films, records, dropped, seed=0):
    """Puts together what was measured.

    Args:
        films: List of `dataset_measures.FilmMeasures`.
        records: Dict from film names to extract's records, or None.
        dropped: What `dataset_measures.read_drops` returned; not looked at
            where there are records.
        seed: Integer.

    Returns:
        A dict of plain values: `counts`, films and pairs of each genre in
        each split; `dropped`, how many pairs by reason, None if not known;
        `bars`, how many films have some left and how many had some cropped,
        None if not known; `frame_sizes`; `motion` of each genre; `films`;
        `colours_predict`; `warnings`.
    """
    if records is not None:
        dropped = {
            name: collections.Counter(
                row["reason"] for row in record["pairs"] if row["reason"]
            )
            for name, record in records.items()
        }
    described = [_describe_film(film, records, dropped) for film in films]
    prediction = dataset_warnings.predict_by_colours(films, seed)
    twins = dataset_measures.find_twins(films)
    sizes = sum((film.frame_sizes for film in films), collections.Counter())
    return {
        "looked_at": sum(len(film.saturation) for film in films),
        "counts": _count(films),
        "dropped": _total(dropped),
        "bars": {
            "left": sum(bool(film.bars) for film in films),
            "cropped": records
            and sum(bool(record["bars"]) for record in records.values()),
        },
        "frame_sizes": {
            f"{width}x{height}": count
            for (width, height), count in sizes.most_common()
        },
        "motion": _describe_motion(films),
        "colours_predict": prediction,
        "films": described,
        "warnings": dataset_warnings.find_warnings(
            films, records, prediction, twins
        ),
    }


def _total(dropped):
    if dropped is None:
        return None
    total = sum(dropped.values(), collections.Counter())
    return dict(total.most_common())


def _count(films):
    """Counts films and pairs of each genre, in each split."""
    counts = {}
    for split in SPLITS:
        counts[split] = {
            genre: {
                "films": len(own),
                "pairs": sum(len(film.magnitudes) for film in own),
            }
            for genre in GENRES
            for own in [
                [x for x in films if (x.split, x.genre) == (split, genre)]
            ]
        }
    return counts


def _describe_motion(films):
    """Returns quantiles of the magnitude, by genre; None where no film is."""
    motion = dict.fromkeys(GENRES)
    for genre in {film.genre for film in films}:
        magnitudes = _magnitudes(x for x in films if x.genre == genre)
        motion[genre] = {
            "pairs": len(magnitudes),
            "still": _share_still(magnitudes),
            **{
                name: float(np.quantile(magnitudes, share))
                for name, share in _QUANTILES.items()
            },
        }
    return motion


def _share_still(magnitudes):
    return float(np.mean(magnitudes < baselines.MAGNITUDE_FLOOR))


def _describe_film(film, records, dropped):
    record = (records or {}).get(film.film)
    return {
        "film": film.film,
        "split": film.split,
        "genre": film.genre,
        "pairs": len(film.magnitudes),
        "looked_at": len(film.saturation),
        "dropped": None
        if dropped is None
        else dict(dropped.get(film.film, {})),
        "candidates": record and record.get("num_candidates"),
        "saturation": float(film.saturation.mean()),
        "black_and_white": dataset_warnings.is_grey(film),
        "bars_left": dataclasses.asdict(film.bars),
        # By the file's name: its folder is the business of one machine.
        "bars_cropped": record
        and {
            pathlib.Path(path).name: bars
            for path, bars in record["bars"].items()
        },
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
        f"Written by keras_ssc {card['keras_ssc']} on {card['created']}.\n",
        f"## Warnings: {len(card['warnings'])}\n",
        _warnings_text(card["warnings"]),
        "## Genres and splits\n",
        "Films (pairs) of each genre; no film is in two splits.\n",
        model_card.films_table(card["counts"]),
        "![Pairs by genre and split](figures/splits.png)\n",
        "## Dropped pairs\n",
        _dropped_text(card),
        f"Files of the frames' folder that are no part of a pair and were "
        f"left out when the data set was built: {card['left_out']:,}.\n",
        "## Motion\n",
        "The motion magnitude of all pairs: mean motion over sqrt(height x "
        "width). Still: below "
        f"{baselines.MAGNITUDE_FLOOR:g}, where flow is noise.\n",
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


def _warnings_text(found):
    if not found:
        return "None of those that are looked for.\n"
    return "".join(
        f"{number}. **{each['code'].replace('_', ' ')}**: {each['text']} "
        f"*{each['what_to_do']}*\n"
        for number, each in enumerate(found, start=1)
    )


def _dropped_text(card):
    if card["dropped"] is None:
        return f"Which pairs were dropped, and why, {_NOT_KNOWN}\n"
    if not card["dropped"]:
        return "None.\n"
    return tables.markdown_table(
        ["reason", "pairs"], [[*item] for item in card["dropped"].items()]
    )


def _motion_table(motion):
    header = [
        "genre",
        "pairs",
        "still",
        "5 %",
        "25 %",
        "median",
        "75 %",
        "95 %",
    ]
    rows = []
    for genre, own in motion.items():
        cells = ["-"] * (len(header) - 1)
        if own:
            cells = [f"{own['pairs']:,}", scoring.percent(own["still"])]
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
    num_films = prediction["num_films"]
    if prediction["balanced_accuracy"] is None:
        return (
            "Whether colours alone tell the genre cannot be measured: that "
            "takes two genres in train and two in test.\n"
        )
    accuracy, chance, low, high = (
        scoring.percent(prediction[name])
        for name in ("balanced_accuracy", "chance", "low", "high")
    )
    text = (
        "A colour histogram of the first frame and a linear classifier, "
        "trained on train (`experiments.baselines`), get a balanced accuracy "
        f"of {accuracy} on the {num_films} test films; one answer for all "
        f"gets {chance}. "
    )
    if prediction["low"] is None:
        return f"{text}So few films tell nothing of others.\n"
    return (
        f"{text}As the films are drawn anew, 95 % of the results lie "
        f"within {low} to {high}.\n"
    )


def _films_table(films):
    header = [
        "film",
        "split",
        "genre",
        "pairs",
        "dropped",
        "saturation",
        "bars left",
        "bars cropped",
        "mean motion",
        "still",
    ]
    rows = [
        [
            *(film[name] for name in ("film", "split", "genre")),
            f"{film['pairs']:,}",
            _dropped_cell(film["dropped"]),
            f"{film['saturation']:.3f}"
            + (", black-and-white" if film["black_and_white"] else ""),
            _bars_cell(film["bars_left"]),
            _cropped_cell(film["bars_cropped"]),
            f"{film['motion']:.2g}",
            scoring.percent(film["still"]),
        ]
        for film in films
    ]
    return tables.markdown_table(header, rows)


def _dropped_cell(dropped):
    if dropped is None:
        return "not known"
    return (
        extraction.count_reasons(collections.Counter(dropped).elements()) or 0
    )


def _bars_cell(bars):
    return ", ".join(map(str, bars.values())) if any(bars.values()) else "none"


def _cropped_cell(cropped):
    if cropped is None:
        return "not known"
    return "; ".join(map(_bars_cell, cropped.values())) or "none"


def _check_out(out):
    """Raises `ValueError` if a folder holds something that is no card."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        try:
            json.loads((out / "card.json").read_text("utf-8"))["card_version"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(
                "Expected --out as a new folder, or one that holds an earlier "
                f"card. {out} holds something else."
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
    return {
        "motion": figures.motion_figure(
            magnitudes,
            baselines.MAGNITUDE_FLOOR,
            f"Motion of the pairs of {card['dataset']}",
        ),
        "splits": figures.splits_figure(
            {
                split: {genre: own[genre]["pairs"] for genre in GENRES}
                for split, own in card["counts"].items()
            },
            f"Pairs by genre and split of {card['dataset']}",
        ),
        "saturation": figures.saturation_figure(
            sorted(card["films"], key=lambda x: GENRES.index(x["genre"])),
            GENRES,
            dataset_warnings.GREY_SATURATION,
            f"Colour saturation by film of {card['dataset']}",
        ),
    }


def main():
    """Runs the command."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.dataset_card",
        description="Writes what a built data set holds, with warnings.",
    )
    add = parser.add_argument
    add("--dataset", default="scene_genre/sample", help="default: %(default)s")
    add("--data-dir", metavar="DIR", help="where data sets are")
    add(
        "--frames",
        type=pathlib.Path,
        metavar="DIR",
        help="folder that extract wrote and the data set was built from: adds "
        "dropped pairs and cropped bars",
    )
    add(
        "--out",
        type=pathlib.Path,
        metavar="FOLDER",
        help="default: results/dataset_card/ and the config's name",
    )
    add(
        "--pairs",
        type=int,
        default=MOST_PAIRS,
        metavar="N",
        help="pairs of a film that are looked at (default: %(default)s)",
    )
    add("--seed", type=int, default=0, metavar="N", help="draws other pairs")
    arguments = parser.parse_args()
    config = arguments.dataset.partition("/")[2].replace("/", "_") or "default"
    out = arguments.out or pathlib.Path("results/dataset_card") / config
    card = write_card(
        arguments.dataset,
        out,
        arguments.data_dir,
        arguments.frames,
        arguments.pairs,
        arguments.seed,
        True,
    )
    print(f"\nwarnings: {len(card['warnings'])}")
    print(_warnings_text(card["warnings"]))
    print(f"written: {out}/card.md, {out}/card.json and figures")


if __name__ == "__main__":
    command.run(main)
