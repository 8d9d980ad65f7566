"""How well films that are unlike the training films are noticed.

    python -m experiments.familiarity RUN --films a.mp4 b.mkv

The run's test films are known, the films that are given are not. Familiarity
and the model's own confidence are compared by the area under the ROC curve
(AUROC): how often a pair, or a film, of the one has more than one of the other.
Then each genre is left out of the training films in turn, and its test films
are the ones that are not known, to familiarity and to a linear layer on the
same features.
"""

import argparse
import itertools
import pathlib

import numpy as np
from sklearn import metrics

from keras_ssc import command
from keras_ssc import files
from keras_ssc import models
from keras_ssc import tasks
from keras_ssc.data import datasets
from keras_ssc.films import film_reader
from keras_ssc.metrics import familiarity
from keras_ssc.metrics import scoring
from keras_ssc.metrics import tables
from keras_ssc.prediction import predictor
from keras_ssc.training import linear_head
from keras_ssc.training import runs

_BATCH = 32

_L2 = 1e-4

_COLUMNS = ("familiarity", "confidence")


def auroc(known, foreign):
    """Returns how often a known value is above a foreign one, 0 to 1."""
    values = np.concatenate([known, foreign])
    is_known = np.arange(len(values)) < len(known)
    return float(metrics.roc_auc_score(is_known, values))


def measure(run_dir, films, num_pairs=100):
    """Measures a run on films that it does not know.

    Args:
        run_dir: Path of a run of one genre a film that was evaluated.
        films: Sequence of paths of films.
        num_pairs: Integer, pairs of each film.

    Returns:
        A dict of plain values: `foreign`, a dict from `familiarity` and
        `confidence` to their AUROC `pair` and `film`; `unlike`, the number
        of `known` and of `foreign` films below the threshold, and
        `num_films`, of how many; `genres`, a dict from each genre that was
        left out to the AUROC by pair of both.
    """
    asked = predictor.load(run_dir)
    config = runs.read_config(run_dir)
    builder = datasets.open_dataset(config.dataset, config.data_dir)
    known = _judge(asked, _stored_pairs(builder))
    foreign = _judge(asked, _film_pairs(films, num_pairs))
    compared = {
        name: {
            "pair": auroc(known[name], foreign[name]),
            "film": auroc(*(_by_film(x, name) for x in (known, foreign))),
        }
        for name in _COLUMNS
    }
    by_film = {
        name: _by_film(each, "familiarity")
        for name, each in (("known", known), ("foreign", foreign))
    }
    return {
        "foreign": compared,
        "unlike": {
            name: int(np.sum(x < familiarity.UNLIKE))
            for name, x in by_film.items()
        },
        "num_films": {name: len(x) for name, x in by_film.items()},
        "genres": _leave_genres_out(run_dir),
    }


def _stored_pairs(builder):
    """Yields the pairs of the test split: film, frame and next frame."""
    for example in builder.as_dataset(split="test").as_numpy_iterator():
        yield tuple(example[name] for name in ("film", "frame", "next_frame"))


def _film_pairs(films, num_pairs):
    plan = film_reader.Plan(num_pairs, quick=True)
    for film in films:
        for item in film_reader.read_film(film, plan):
            if isinstance(item, film_reader.Pair) and not item.reason:
                yield str(film), item.frame, item.next_frame


def _judge(asked, pairs):
    """Returns of pairs their films, familiarity and confidence, as arrays."""
    found = []
    pairs = iter(pairs)
    while batch := list(itertools.islice(pairs, _BATCH)):
        film, *frames = zip(*batch, strict=True)
        scores, _, judged = asked.scores(*map(np.stack, frames))
        found.append((film, judged, scores.max(axis=1)))
    names = ("film", *_COLUMNS)
    return {
        name: np.concatenate(each)
        for name, each in zip(names, zip(*found, strict=True), strict=True)
    }


def _by_film(judged, name):
    places = scoring.places_of(judged["film"])
    return np.array([np.median(judged[name][own]) for own in places])


def _leave_genres_out(run_dir):
    splits = runs.open_splits(run_dir)
    encoder = models.embedded_encoder()
    train, test = (
        splits.encode(split, models.EMBEDDED_SIZE, encoder)
        for split in ("train", "test")
    )
    return {
        genre: _leave_out(train, test, place)
        for place, genre in enumerate(splits.task.genres)
    }


def _leave_out(train, test, place):
    """Measures on the test pairs of a genre that was left out."""
    name = models.EMBEDDED_FEATURES
    is_kept = train.label != place
    features, film = train.features[name][:][is_kept], train.film[is_kept]
    names = np.delete(train.task.genres, place)
    task = tasks.of(train.task.name, names.tolist())
    label = train.label[is_kept] - (train.label[is_kept] > place)
    arrays = np.float32(features), label, film
    ((kernel, bias),) = linear_head.fits(task, arrays, False, [_L2])
    of_test = np.float32(test.features[name][:])
    measured = {
        "familiarity": familiarity.Familiarity.fit(features, film).judge(
            of_test
        ),
        "confidence": task.scores(np.float32(of_test @ kernel + bias)).max(1),
    }
    is_known = test.label != place
    return {
        name: auroc(values[is_known], values[~is_known])
        for name, values in measured.items()
    }


def text_of(found):
    """Writes what `measure` returned as Markdown."""
    rows = [
        [f"films that were given, by {by}"]
        + [f"{found['foreign'][name][by]:.4f}" for name in _COLUMNS]
        for by in ("pair", "film")
    ] + [
        [f"{genre} left out, by pair"]
        + [f"{each[name]:.2f}" for name in _COLUMNS]
        for genre, each in found["genres"].items()
    ]
    counted = "; ".join(
        f"{found['unlike'][name]} of {number} {name} films"
        for name, number in found["num_films"].items()
    )
    header = ["AUROC", *_COLUMNS]
    return (
        f"{tables.markdown_table(header, rows)}\nUnlike the training films: "
        f"{counted}.\n"
    )


def main():
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m experiments.familiarity")
    add = parser.add_argument
    add("run", help="a run of one genre a film, evaluated")
    add("--films", nargs="+", required=True, metavar="FILM")
    add("--pairs", type=int, default=100, metavar="N", help="default: 100")
    add("--out", default="results/familiarity.json", metavar="FILE")
    arguments = parser.parse_args()
    found = measure(arguments.run, arguments.films, arguments.pairs)
    path = pathlib.Path(arguments.out)
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_json(path, found)
    print(text_of(found))
    print(f"written: {path}")


if __name__ == "__main__":
    command.run(main)
