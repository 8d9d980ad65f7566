"""A training on each of several folds over the films, and what they say.

With few films of a genre, one split says little: in turn, each film is tested
on by a model that did not see it.
"""

import dataclasses
import pathlib
import statistics

from keras_ssc import files
from keras_ssc.data import datasets
from keras_ssc.data import folds
from keras_ssc.metrics import intervals
from keras_ssc.metrics import tables
from keras_ssc.training import evaluation
from keras_ssc.training import film_head
from keras_ssc.training import runs
from keras_ssc.training import train_config
from keras_ssc.training import trainings

SUMMARY = "folds.json"


def cross_validate(config, num_folds):
    """Trains and evaluates a model on each fold.

    The folder `config.run_dir` gets a run for each fold, `fold_1` and so on,
    and `folds.json` and `folds.md`. Folds that are done in it are not
    repeated, an interrupted one is resumed.

    Args:
        config: A `TrainConfig`; its seed also deals the films to folds.
        num_folds: Integer, 2 or more.

    Returns:
        A dict of plain values, as `folds.json` has it: `task`, `genres`;
        `folds`, a list of dicts with `run`, `pair` and `film`, the measures of
        each; `films`, each film's answer; `together`, the measures of all
        films' answers; `by_film`, a dict from what is measured of a film to
        its `mean` over the films and the ends `low` and `high` of its 95 %
        interval; `comparison` of a model with a head over a film's pairs, see
        `film_head.compare`; `left_out`, a dict from films in no fold to the
        reason.

    Raises:
        ValueError: If a setting is wrong, the data set is not built, has too
            few films, or the folder holds something else.
        TrainingError: If a training cannot continue.
        OSError: If a file cannot be written.
    """
    folds.check(num_folds)
    trainings.share_devices()
    config = train_config.fill_in(config)
    default = runs.folder_of(config)
    out = pathlib.Path(config.run_dir or f"{default}_{num_folds}_folds")
    builder = datasets.open_dataset(config.dataset, config.data_dir)
    # All before the first training: too few films are an error now.
    splits = [
        folds.FoldSplits(builder, num_folds, fold, config.seed)
        for fold in range(num_folds)
    ]
    measured = []
    for number, own in enumerate(splits, start=1):
        run_dir = out / f"fold_{number}"
        print(f"{own.name}: {run_dir}", flush=True)
        of_fold = dataclasses.replace(config, run_dir=str(run_dir))
        measured.append(
            trainings.in_a_process(_train_and_evaluate, of_fold, own)
        )
    summary = {
        "dataset": builder.info.full_name,
        "model": config.model,
        "num_folds": num_folds,
        **_summarise(splits[0].task, measured),
        "left_out": splits[0].left_out,
    }
    files.write_text(out / "folds.md", markdown(summary, splits[0].task))
    files.write_json(out / SUMMARY, summary)
    return {**summary, "out": str(out)}


def _train_and_evaluate(config, splits):
    """Trains and evaluates one fold, unless that is done."""
    trainings.train_once(config, splits)
    run_dir = pathlib.Path(config.run_dir)
    return evaluation.read(run_dir) or evaluation.evaluate(
        run_dir, splits=splits
    )


def _summarise(task, measured):
    films = [film for metrics in measured for film in metrics["films"]]
    values = [task.film_values(film) for film in films]
    by_film = {}
    for words in values[0]:
        mean, low, high = intervals.mean_of_films([x[words] for x in values])
        by_film[words] = {"mean": mean, "low": low, "high": high}
    compared = {}
    if "films_mean" in measured[0]:
        by_mean = [film for x in measured for film in x["films_mean"]]
        compared["comparison"] = film_head.compare(task, films, by_mean)
    return {
        **task.described(),
        "folds": [
            {name: metrics[name] for name in ("run", "pair", "film")}
            for metrics in measured
        ],
        "films": films,
        "together": task.measure_films(films),
        "by_film": by_film,
        **compared,
    }


def markdown(summary, task):
    """Writes a summary as Markdown, for people.

    Args:
        summary: What `cross_validate` returned.
        task: The data set's task, see `tasks`.
    """
    rows = [
        [
            words,
            *(
                _mean_and_spread([each[by][key] for each in summary["folds"]])
                for by in ("pair", "film")
            ),
            tables.percent(summary["together"][key]),
        ]
        for key, words in task.measures.items()
    ]
    lines = [
        f"- {words}: {tables.percent(each['mean'])}, the mean over "
        f"{len(summary['films'])} films"
        + (
            ""
            if each["low"] is None
            else f"; 95 % interval {tables.percent(each['low'])} to "
            f"{tables.percent(each['high'])} (bootstrap over films)"
        )
        for words, each in summary["by_film"].items()
    ]
    if "comparison" in summary:
        lines.append(f"- {film_head.comparison_text(summary['comparison'])}")
    lines += [
        f"- in no fold: {film}, {reason}"
        for film, reason in summary["left_out"].items()
    ]
    header = ["", "by pair", "by film", "all films together"]
    return (
        f"# {summary['model']}, {summary['num_folds']} folds of "
        f"{summary['dataset']}\n\n"
        "Mean ± standard deviation over the folds; each film is tested on by a "
        "model that did not see it.\n\n"
        + tables.markdown_table(header, rows)
        + "\n"
        + "\n".join(lines)
        + "\n\n"
        + tables.markdown_table(*task.film_rows(summary["films"]))
    )


def _mean_and_spread(values):
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    mean = tables.percent(statistics.mean(known))
    if len(known) < 2:
        return mean
    return f"{mean} ± {100 * statistics.stdev(known):.1f}"
