"""A run and a split -> metrics.json, a table and figures."""

import pathlib
import sys

import numpy as np

from keras_ssc import files
from keras_ssc import models
from keras_ssc import tasks
from keras_ssc.data import batching
from keras_ssc.metrics import calibration
from keras_ssc.metrics import figures
from keras_ssc.metrics import tables
from keras_ssc.training import film_head
from keras_ssc.training import run_familiarity
from keras_ssc.training import runs


def evaluate(run_dir, split=None, data_dir=None, verbose=True, splits=None):
    """Measures a run's model on a split, by pair and by film.

    Args:
        run_dir: The run's folder, see `train`.
        split: String, a split of the run's data set; None: test, or, where
            the data set has none, validation.
        data_dir: Where data sets are, if not where the run had them.
        verbose: Boolean, whether to show progress.
        splits: Where the pairs come from, see `datasets.DatasetSplits`;
            the run's data set as it was built if None.

    Returns:
        The metrics, as `metrics.json` in the run's folder has them: `task` and
        `genres`; `pair`, `film`, and `scene`, of each scene of the film list,
        with the task's measures and `per_genre`; `films` with each film's
        verdict and scores. Of one genre a film: `confusion`, by pair, true
        genres down and predicted ones across, in the order of `genres`; of
        several: `thresholds`. `calibration`: the `split` and `num_pairs` that
        it was fitted on (None and 0 if the data set has no validation split),
        what the task's `calibrated` says, and the expected calibration error
        of the split's pairs before and after; `data`, the films and pairs of
        each genre in each split; `familiarity`, and that of each film, see
        `run_familiarity.measure`. Of a model with a head over a film's pairs,
        `film` and `films` are the head's; `film_mean` and `films_mean` are the
        same of the mean, and `comparison` is what `film_head.compare` returned.
        If a split is given that is not test, the files are named after it.

    Raises:
        ValueError: If the folder is not a run with a model, or the data set or
            the split is missing, or has other genres.
        OSError: If a file cannot be written.
    """
    run_dir = pathlib.Path(run_dir)
    config = runs.read_config(run_dir)
    if splits is None:
        splits = runs.open_splits(run_dir, data_dir)
    task = runs.check_task(run_dir, splits)
    model = runs.load_model(run_dir)
    over_films = runs.load_film_head(run_dir)
    _check_size(model, config, run_dir)
    suffix = "" if split in (None, "test") else f"_{split}"
    split = split or _split_to_measure(splits)
    predicted = {
        name: _predict(splits, name, config, model, verbose)
        for name in dict.fromkeys((split, "validation"))
        if name == split or name in splits.names
    }
    prepared, logits = predicted[split]
    fitted = _calibrate(task, *predicted.get("validation", (None, None)))
    calibrated = task.with_calibration(fitted)
    judged = {
        name: each.judgements(prepared.label, each.scores(logits))
        for name, each in (("before", task), ("after", calibrated))
    }
    metrics = {
        "run": run_dir.name,
        "model": config.model,
        "dataset": splits.name,
        "split": split,
        **task.described(),
        **calibrated.measure(
            prepared.label,
            prepared.film,
            calibrated.scores(logits),
            prepared.scene,
        ),
        "calibration": {
            **fitted,
            "expected_calibration_error": {
                name: calibration.expected_calibration_error(*each)
                for name, each in judged.items()
            },
        },
        "data": _count_films(splits, config, verbose),
    }
    if over_films is not None:
        films = film_head.of_split(models.head(model), prepared)
        found = films.scores(over_films, task)
        metrics |= _with_head(calibrated, metrics, found)
    metrics |= run_familiarity.measure(
        run_dir, splits, split, metrics["films"], verbose
    )
    title = (
        f"{config.model}: {task.headline(metrics['pair'])}, by pair\n"
        f"{split} split of {splits.name}"
    )
    drawn = calibrated.draw(metrics, title) | {
        "reliability": figures.reliability_figure(
            {"uncalibrated": judged["before"], "calibrated": judged["after"]},
            title,
        )
    }
    for name, png in drawn.items():
        files.write_bytes(run_dir / f"{name}{suffix}.png", png)
    files.write_text(run_dir / f"metrics{suffix}.md", markdown(metrics))
    files.write_json(run_dir / f"metrics{suffix}.json", metrics)
    return metrics


def _with_head(task, metrics, scores):
    """Returns what changes in metrics by a head's scores (films, genres)."""
    films = [
        film | task.answered(own)
        for film, own in zip(metrics["films"], scores, strict=True)
    ]
    return {
        "film": task.measure_films(films),
        "films": films,
        "film_mean": metrics["film"],
        "films_mean": metrics["films"],
        "comparison": film_head.compare(task, films, metrics["films"]),
    }


def read(run_dir):
    """Reads a run's metrics; None if it was not evaluated since it was trained.

    Args:
        run_dir: `pathlib.Path` of a finished run's folder.

    Raises:
        ValueError: If they are malformed.
    """
    path = run_dir / "metrics.json"
    is_new = path.exists() and (
        path.stat().st_mtime >= (run_dir / "model.keras").stat().st_mtime
    )
    if not is_new:
        return None
    metrics = files.read_json(path)
    if not isinstance(metrics, dict):
        raise malformed(run_dir)
    is_whole = "calibration" in metrics and "data" in metrics
    return metrics if is_whole else None


def malformed(run_dir):
    """Returns the `ValueError` for a run whose metrics cannot be used."""
    return ValueError(
        f"Expected in {run_dir}/metrics.json what evaluate writes. Measure the "
        f"run again: python -m keras_ssc.evaluate {run_dir}"
    )


def _split_to_measure(splits):
    """Returns test, or validation where there is no test film; tells that."""
    if "test" in splits.names or "validation" not in splits.names:
        return "test"
    print(
        f"note: {splits.name} has no test films. The model is measured on the "
        "validation films, which chose its epoch and its calibration: other "
        "films may do worse.",
        file=sys.stderr,
    )
    return "validation"


def markdown(metrics):
    """Writes metrics as Markdown, for people.

    Args:
        metrics: What `evaluate` returned.
    """
    task = tasks.read(metrics)
    films = task.film_rows(metrics["films"])
    compared = ""
    if "comparison" in metrics:
        compared = (
            f"\n{film_head.comparison_text(metrics['comparison'])} It began at "
            "the mean of calibrated scores, and its own are not calibrated.\n"
        )
    unlike = run_familiarity.text(metrics["familiarity"], len(metrics["films"]))
    return (
        f"# {metrics['model']}, {metrics['split']} split of "
        f"{metrics['dataset']}\n\n"
        + tables.metrics_table(metrics["pair"], metrics["film"], task.measures)
        + f"{compared}\nThe row of a genre has the {task.per_genre}.\n\n"
        + tables.markdown_table(*films)
        + f"\n{task.calibration_text(metrics)}\n"
        + f"\n{unlike}\n"
    )


def _check_size(model, config, run_dir):
    """Raises `ValueError` if a config is another model's."""
    size = tuple(model.input["frame"].shape[1:3])
    if size != config.image_size:
        raise ValueError(
            f"Expected model and config of one run. {run_dir}/model.keras "
            f"sees frames of {size} (height, width), config.json has "
            f"{config.image_size}."
        )


def _calibrate(task, prepared, logits):
    """Says how the scores are calibrated, and on what that was found."""
    if prepared is None:
        return {**task.not_calibrated(), "split": None, "num_pairs": 0}
    return {
        **task.calibrated(logits, prepared.label, prepared.film),
        "split": "validation",
        "num_pairs": prepared.num_pairs,
    }


def _predict(splits, split, config, model, verbose):
    """Returns a split and the model's logits, float32 (pairs, genres)."""
    if config.is_stored() and models.feature_names(model):
        encoder, model = models.Encoder(model), models.head(model)
        prepared = splits.encode(
            split, config.image_size, encoder, progress=verbose
        )
    else:
        prepared = splits.prepare(
            split, config.image_size, model.input, verbose
        )
    batches = batching.evaluation_batches(prepared, config.batch_size)
    return prepared, model.predict(batches, verbose=1 if verbose else 0)


def _count_films(splits, config, verbose):
    """Counts the films and pairs of each genre in each split."""
    counts = {}
    for split in splits.names:
        prepared = splits.prepare(split, config.image_size, (), verbose)
        is_of = splits.task.is_of(prepared.label)
        counts[split] = {
            genre: {
                "films": len(np.unique(prepared.film[own])),
                "pairs": int(np.sum(own)),
            }
            for genre, own in zip(splits.task.genres, is_of.T, strict=True)
        }
    return counts
