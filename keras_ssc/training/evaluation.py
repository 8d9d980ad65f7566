"""A run and a split -> metrics.json, a table and figures."""

import pathlib

import numpy as np

from keras_ssc import files
from keras_ssc.data import batching
from keras_ssc.data import datasets
from keras_ssc.genres import GENRES
from keras_ssc.metrics import calibration
from keras_ssc.metrics import figures
from keras_ssc.metrics import scoring
from keras_ssc.metrics import tables
from keras_ssc.training import runs


def evaluate(run_dir, split="test", data_dir=None, verbose=True, splits=None):
    """Measures a run's model on a split, by pair and by film.

    Args:
        run_dir: The run's folder, see `train`.
        split: String, a split of the run's data set.
        data_dir: Where data sets are, if not where the run had them.
        verbose: Boolean, whether to show progress.
        splits: Where the pairs come from, see `datasets.DatasetSplits`;
            the run's data set as it was built if None.

    Returns:
        The metrics, as `metrics.json` in the run's folder has them: `pair`
        and `film` with `accuracy`, `macro_f1` and `per_genre`, and `scene`
        the same of each scene of the film list; `films` with each film's
        verdict and scores; `confusion`, by pair, true genres
        down and predicted ones across, in the order of `genres`;
        `calibration`: the `temperature`, the `split` and `num_pairs` that it
        was fitted on (1, None and 0 if the data set has no validation split),
        what `calibration.choose_temperature` says of it, and the expected
        calibration error of the split's pairs before and after; `data`, the
        films and pairs of each genre in each split. For another split than
        test, the files are named after it.

    Raises:
        ValueError: If the folder is not a run with a model, or the data set or
            the split is missing.
        OSError: If a file cannot be written.
    """
    run_dir = pathlib.Path(run_dir)
    config = runs.read_config(run_dir)
    model = runs.load_model(run_dir)
    _check_size(model, config, run_dir)
    if splits is None:
        splits = datasets.DatasetSplits(
            config.dataset, data_dir or config.data_dir
        )
    predicted = {
        name: _predict(splits, name, config, model, verbose)
        for name in dict.fromkeys((split, "validation"))
        if name == split or name in splits.names
    }
    prepared, logits = predicted[split]
    fitted = _fit_temperature(*predicted.get("validation", (None, None)))
    before, after = (
        calibration.probabilities(logits, temperature)
        for temperature in (1.0, fitted["temperature"])
    )
    metrics = {
        "run": run_dir.name,
        "model": config.model,
        "dataset": splits.name,
        "split": split,
        **measure(prepared.label, prepared.film, after),
        "scene": _measure_groups(
            np.char.add(
                np.char.add(prepared.film, "\n"), prepared.scene.astype(str)
            ),
            prepared.label,
            after,
        ),
        "calibration": {
            **fitted,
            "expected_calibration_error": {
                name: calibration.expected_calibration_error(
                    prepared.label, scores
                )
                for name, scores in (("before", before), ("after", after))
            },
        },
        "data": _count_films(splits, config, verbose),
    }
    suffix = "" if split == "test" else f"_{split}"
    title = (
        f"{config.model}: {tables.percent(metrics['pair']['accuracy'])} by "
        f"pair\n{split} split of {splits.name}"
    )
    drawn = {
        "confusion": figures.confusion_figure(
            metrics["confusion"], GENRES, title
        ),
        "genres": figures.genre_figure(metrics["pair"]["per_genre"], title),
        "films": figures.films_figure(metrics["films"], GENRES, title),
        "reliability": figures.reliability_figure(
            prepared.label, {"softmax": before, "calibrated": after}, title
        ),
    }
    for name, png in drawn.items():
        files.write_bytes(run_dir / f"{name}{suffix}.png", png)
    files.write_text(run_dir / f"metrics{suffix}.md", tables.markdown(metrics))
    files.write_json(run_dir / f"metrics{suffix}.json", metrics)
    return metrics


def _check_size(model, config, run_dir):
    """Raises `ValueError` if a config is another model's."""
    size = tuple(model.input["frame"].shape[1:3])
    if size != config.image_size:
        raise ValueError(
            f"Expected model and config of one run. {run_dir}/model.keras "
            f"sees frames of {size} (height, width), config.json has "
            f"{config.image_size}."
        )


def _fit_temperature(prepared, logits):
    """Says which temperature calibrates the scores, and how it was found."""
    if prepared is None:
        return {"temperature": 1.0, "split": None, "num_pairs": 0}
    return {
        **calibration.choose_temperature(logits, prepared.label, prepared.film),
        "split": "validation",
        "num_pairs": prepared.num_pairs,
    }


def _predict(splits, split, config, model, verbose):
    """Returns a split and the model's logits, float32 (pairs, genres)."""
    prepared = splits.prepare(split, config.image_size, model.input, verbose)
    batches = batching.evaluation_batches(prepared, config.batch_size)
    return prepared, model.predict(batches, verbose=1 if verbose else 0)


def _count_films(splits, config, verbose):
    """Counts the films and pairs of each genre in each split."""
    counts = {}
    for split in splits.names:
        prepared = splits.prepare(split, config.image_size, (), verbose)
        counts[split] = {
            genre: {
                "films": len(np.unique(prepared.film[prepared.label == label])),
                "pairs": int(np.sum(prepared.label == label)),
            }
            for label, genre in enumerate(GENRES)
        }
    return counts


def measure(labels, films, probabilities):
    """Computes the metrics of predictions, by pair and by film.

    A film's scores are those of `scoring.film_scores`.

    Args:
        labels: Integer array (pairs,), places in `GENRES`.
        films: Array of strings (pairs,).
        probabilities: float array (pairs, genres).

    Returns:
        A dict, see `evaluate`.
    """
    by_film = []
    for places in _places_of(films):
        label = int(labels[places[0]])
        scores = scoring.film_scores(probabilities[places])
        is_right = probabilities[places].argmax(axis=1) == label
        by_film.append(
            {
                "film": str(films[places[0]]),
                "genre": GENRES[label],
                "verdict": GENRES[int(scores.argmax())],
                "num_pairs": len(places),
                "pair_accuracy": float(np.mean(is_right)),
                "scores": dict(zip(GENRES, scores.tolist(), strict=True)),
            }
        )
    pair = scoring.scores_of(labels, probabilities.argmax(axis=1), GENRES)
    confusion = pair.pop("confusion")
    return {
        "genres": list(GENRES),
        "pair": pair,
        "film": _measure_groups(films, labels, probabilities),
        "films": by_film,
        "confusion": confusion,
    }


def _places_of(keys):
    """Returns the places of each key, the keys in order."""
    _, place, counts = np.unique(keys, return_inverse=True, return_counts=True)
    return np.split(np.argsort(place, kind="stable"), np.cumsum(counts)[:-1])


def _measure_groups(keys, labels, probabilities):
    """Computes the metrics of films or scenes, by their pairs' mean."""
    groups = _places_of(keys)
    predicted = [
        scoring.film_scores(probabilities[places]).argmax() for places in groups
    ]
    scores = scoring.scores_of(
        labels[[places[0] for places in groups]], predicted, GENRES
    )
    del scores["confusion"]  # the list of films says more
    return scores
