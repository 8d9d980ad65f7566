"""Trains models with several seeds on a data set and tabulates the test.

    python -m experiments.seeds --models double_stack fc --seeds 0 1 2

A training that is finished in --out is not repeated.
"""

import argparse
import dataclasses
import json
import pathlib
import shutil
import statistics
import time

from experiments import readme
from keras_ssc import command
from keras_ssc import evaluate
from keras_ssc import files
from keras_ssc import models
from keras_ssc import report
from keras_ssc import train


def run_seeds(names, seeds, config, out):
    """Trains and evaluates each model with each seed.

    Args:
        names: Sequence of keys of `models.MODELS`.
        seeds: Sequence of integers.
        config: A `train.TrainConfig` with what all have in common.
        out: `pathlib.Path` of the folder for the runs.

    Returns:
        A list of dicts: `model`, `seed`, `seconds` of the training, `pair`
        and `film`, accuracies on the test split.
    """
    return [
        _run(
            dataclasses.replace(
                config,
                model=name,
                seed=seed,
                run_dir=str(out / f"{name}_{seed}"),
            )
        )
        for name in names
        for seed in seeds
    ]


def _run(config):
    run_dir = pathlib.Path(config.run_dir)
    result = run_dir / "result.json"
    if result.exists():
        return json.loads(result.read_text("utf-8"))
    # What a killed run left; it was made by this script and is not whole.
    shutil.rmtree(run_dir, ignore_errors=True)
    start = time.perf_counter()
    train.train(config)
    seconds = time.perf_counter() - start
    metrics = evaluate.evaluate(run_dir)
    measured = {
        "model": config.model,
        "seed": config.seed,
        "seconds": seconds,
        "pair": metrics["pair"]["accuracy"],
        "film": metrics["film"]["accuracy"],
    }
    files.write_json(result, measured)
    return measured


def table(results):
    """Returns a Markdown table, one row a model."""
    rows = []
    for name in dict.fromkeys(result["model"] for result in results):
        own = [result for result in results if result["model"] == name]
        pair = [result["pair"] for result in own]
        film = [result["film"] for result in own]
        spread = statistics.stdev(pair) if len(pair) > 1 else 0.0
        rows.append(
            [
                name,
                len(own),
                f"{100 * statistics.mean(pair):.1f} ± {100 * spread:.1f} %",
                ", ".join(f"{100 * share:.1f}" for share in pair),
                report.percent(statistics.mean(film)),
                f"{statistics.median(r['seconds'] for r in own):.0f}",
            ]
        )
    header = [
        "model",
        "seeds",
        "test accuracy by pair",
        "each seed, %",
        "by film",
        "seconds of training",
    ]
    return report.markdown_table(header, rows)


def main():
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m experiments.seeds")
    add = parser.add_argument
    add("--models", nargs="+", default=sorted(models.MODELS))
    add("--seeds", nargs="+", type=int, default=[0, 1, 2])
    add("--dataset", default="scene_genre/sample")
    add("--data-dir", metavar="DIR")
    add("--out", default="results/seeds", metavar="DIR")
    add("--readme", action="store_true", help="put the table into the README")
    arguments = parser.parse_args()
    config = train.TrainConfig(
        dataset=arguments.dataset, data_dir=arguments.data_dir
    )
    results = run_seeds(
        arguments.models, arguments.seeds, config, pathlib.Path(arguments.out)
    )
    print(table(results))
    if arguments.readme:
        readme.put("seeds", table(results))


if __name__ == "__main__":
    command.run(main)
