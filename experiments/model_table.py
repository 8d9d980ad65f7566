"""Trains every model on the sample films and tabulates them side by side.

    python -m experiments.model_table --readme

Each model is trained with the sample's settings, once a seed, saved, loaded
again and evaluated. A training that is finished in --out is not repeated, and
one that was stopped goes on. The seconds of a step are measured anew at every
call, after the trainings: call it again when the machine is quiet.
"""

import argparse
import math
import pathlib
import statistics

import keras
import numpy as np
import tensorflow as tf

from experiments import benchmark
from experiments import readme
from experiments import trainings
from experiments.multiply_adds import multiply_adds
from keras_ssc import command
from keras_ssc import loop
from keras_ssc import models
from keras_ssc import tables
from keras_ssc import train_config
from keras_ssc.train_config import TrainConfig

# The report's question: do these, which see motion, pass the one that has the
# same trunk and sees a single frame?
SINGLE_FRAME = "inception_v3"
WITH_MOTION = (
    "flownet_fc",
    "inception_v3_6ch",
    "double_stack",
    "motion_magnitude_stack",
)

# They take as long as the others and are not what the question is about.
SINGLE_SEED = ("vgg16", "resnet50", "flownet_fc")

HEADER = [
    "model",
    "parameters, trained + not",
    "pixels",
    "million multiply-adds a pair",
    "seconds a training step",
    "test accuracy by pair, %",
    "by film, %",
    "each seed by pair, %",
    "the report's, % on the report's own films: not comparable",
]


def configs_of(names, seeds, single_seed_names, out, **settings):
    """Returns a `TrainConfig` with the sample's settings for each training.

    Args:
        names: Iterable of keys of `models.MODELS`.
        seeds: Sequence of integers.
        single_seed_names: Names of models to be trained with the first seed
            alone.
        out: `pathlib.Path` of the folder for the runs.
        **settings: Fields of the config that all have in common.
    """
    return [
        train_config.fill_in(
            TrainConfig(
                model=name,
                seed=seed,
                run_dir=str(out / f"{name}_{seed}"),
                **{**models.MODELS[name].sample, **settings},
            )
        )
        for name in names
        for seed in (seeds[:1] if name in single_seed_names else seeds)
    ]


def measure_network(config, runs=5, num_steps=4):
    """Measures a model apart from what it learns.

    Args:
        config: A `TrainConfig` that is filled in.
        runs: Integer, how often the steps are timed.
        num_steps: Integer, how many steps are timed at once.

    Returns:
        A dict: `model`; `image_size` (height, width) in pixels and
        `batch_size`; `trained` and `not_trained`, parameters;
        `multiply_adds` of one pair; `seconds_a_step`, the median over the
        runs, compiled as `train` does, on one batch in memory.
    """
    keras.backend.clear_session()
    model = models.build_model(
        config.model, config.image_size, **config.model_options()
    )
    loop.compile_model(model, config, config.learning_rate, 100, 100)
    batch = _one_batch(model, config)
    benchmark.seconds_a_step(model, batch, 1)  # traced
    seconds = [
        benchmark.seconds_a_step(model, batch, num_steps) for _ in range(runs)
    ]
    return {
        "model": config.model,
        "image_size": list(config.image_size),
        "batch_size": config.batch_size,
        "trained": _num_parameters(model.trainable_weights),
        "not_trained": _num_parameters(model.non_trainable_weights),
        "multiply_adds": multiply_adds(model),
        "seconds_a_step": statistics.median(seconds),
    }


def _num_parameters(weights):
    return sum(math.prod(weight.shape) for weight in weights)


def _one_batch(model, config):
    """Returns a data set that gives one batch without end, of noise."""
    generator = np.random.default_rng(0)
    inputs = {
        name: generator.uniform(
            0, 255, (config.batch_size, *tensor.shape[1:])
        ).astype(tensor.dtype)
        for name, tensor in model.input.items()
    }
    labels = np.arange(config.batch_size) % model.output.shape[-1]
    batches = tf.data.Dataset.from_tensors((inputs, labels))
    return loop.one_hot(batches).cache().repeat()


def table(results, networks):
    """Returns a Markdown table, one row a model.

    Args:
        results: List of dicts of `trainings.train_and_evaluate`.
        networks: List of dicts of `measure_network`, one a model.
    """
    rows = []
    for network in networks:
        name = network["model"]
        pair, film = (_accuracies(results, name, by) for by in ("pair", "film"))
        height, width = network["image_size"]
        rows.append(
            [
                name,
                f"{network['trained']:,} + {network['not_trained']:,}",
                f"{width}x{height}",
                f"{network['multiply_adds'] / 1e6:,.1f}",
                f"{network['seconds_a_step']:.3g}",
                mean_and_spread(pair),
                mean_and_spread(film),
                ", ".join(f"{share:.1f}" for share in pair),
                models.MODELS[name].report_accuracy,
            ]
        )
    return tables.markdown_table(HEADER, rows)


def _accuracies(results, name, by):
    """Returns a model's accuracies in percent, one a seed."""
    return [100 * result[by] for result in results if result["model"] == name]


def mean_and_spread(values, digits=1):
    """Writes a mean and, of several values, the standard deviation.

    Args:
        values: Sequence of floats, at least one.
        digits: Integer, how many behind the point.

    Returns:
        String.
    """
    mean = f"{statistics.mean(values):.{digits}f}"
    if len(values) < 2:
        return mean
    return f"{mean} ± {statistics.stdev(values):.{digits}f}"


def gains(results):
    """Compares the models that see motion with the one that does not.

    Args:
        results: List of dicts of `trainings.train_and_evaluate`.

    Returns:
        A list of dicts, one a model that has several seeds: `model`;
        `points` by which its mean accuracy by pair is above the single
        frame's; `spread`, the root of the sum of both variances, in points.
    """
    single = _accuracies(results, SINGLE_FRAME, "pair")
    compared = []
    for name in WITH_MOTION:
        own = _accuracies(results, name, "pair")
        if min(len(own), len(single)) < 2:
            continue
        compared.append(
            {
                "model": name,
                "points": statistics.mean(own) - statistics.mean(single),
                "spread": math.hypot(
                    statistics.stdev(own), statistics.stdev(single)
                ),
            }
        )
    return compared


def gains_text(compared):
    """Writes what `gains` returns as sentences."""
    left_out = [
        name
        for name in WITH_MOTION
        if name not in [each["model"] for each in compared]
    ]
    text = ""
    if compared:
        text = (
            f"By pair, against {SINGLE_FRAME}, which sees a single frame: "
            f"{'; '.join(_gain(**each) for each in compared)}. The spread is "
            "the root of the sum of both variances over the seeds. "
        )
    if left_out:
        text += (
            f"Not compared, for that needs two seeds of both: "
            f"{', '.join(left_out)}."
        )
    return text.strip()


def _gain(model, points, spread):
    times = "with no spread over the seeds"
    if spread:
        times = f"{abs(points) / spread:.1f} times the spread of {spread:.1f}"
    if points <= 0:
        return (
            f"{model} does **not** beat it, {-points:.1f} points less, {times}"
        )
    if points < spread:
        return (
            f"{model} does **not** clearly beat it, {points:.1f} points more, "
            f"{times}"
        )
    return f"{model} beats it by {points:.1f} points, {times}"


def differences_text(results):
    """Says how far the loaded models' outputs are from the trained ones'."""
    largest = max(result["largest_difference"] for result in results)
    return (
        f"Of {len(results)} trained models, each saved and loaded again, the "
        "outputs on the test pairs differ from those of the model as it was "
        f"trained by {largest:g} at most."
    )


def text_of(measured):
    """Writes what was measured as Markdown.

    Args:
        measured: Dict of `machine`, `dataset`, `models` and `results`, see
            `main`.

    Returns:
        String.
    """
    results, networks = measured["results"], measured["models"]
    batch_sizes = sorted({network["batch_size"] for network in networks})
    return "\n\n".join(
        [
            f"{measured['machine']}; {measured['dataset']}; a training step is "
            f"of {' or '.join(map(str, batch_sizes))} pairs, on a batch in "
            "memory; ± is the standard deviation over the seeds.",
            table(results, networks).strip(),
            gains_text(gains(results)),
            differences_text(results),
        ]
    )


def main():
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m experiments.model_table")
    add = parser.add_argument
    add("--models", nargs="+", choices=models.MODELS, default=models.MODELS)
    add("--seeds", nargs="+", type=int, default=[0, 1, 2], metavar="N")
    add(
        "--single-seed-models",
        nargs="*",
        choices=models.MODELS,
        default=SINGLE_SEED,
        help="trained with the first seed alone",
    )
    add("--dataset", default="scene_genre/sample")
    add("--data-dir", metavar="DIR")
    add("--out", default="results/models", metavar="DIR")
    add("--epochs", type=int, metavar="N", help="default: the sample's")
    add("--readme", action="store_true", help="put the table into the README")
    arguments = parser.parse_args()
    trainings.share_devices()
    out = pathlib.Path(arguments.out)
    shrunk = {} if arguments.epochs is None else {"epochs": arguments.epochs}
    configs = configs_of(
        arguments.models,
        arguments.seeds,
        arguments.single_seed_models,
        out,
        dataset=arguments.dataset,
        data_dir=arguments.data_dir,
        **shrunk,
    )
    results = [trainings.in_a_process(config) for config in configs]
    first = {config.model: config for config in reversed(configs)}
    networks = [measure_network(first[name]) for name in arguments.models]
    measured = {
        "machine": benchmark.machine(),
        "dataset": arguments.dataset,
        "models": networks,
        "results": results,
    }
    text = text_of(measured)
    readme.write("models", measured, text, out)
    print(text)
    print(f"\nwritten: {out}/models.md, {out}/models.json")
    if arguments.readme:
        readme.put_results("models", measured, text)
    return int(any(result["largest_difference"] for result in results))


if __name__ == "__main__":
    command.run(main)
