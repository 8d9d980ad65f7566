"""Measures the flow and the networks' steps on an accelerator.

    KERAS_BACKEND=jax python -m experiments.accelerator

At the report's sizes, on the device that Keras' backend takes by itself: with
JAX or TensorFlow for CUDA, a GPU. The flow is compared with OpenCV's, in its
numbers and in its speed; of every network, the training step is timed. Of
networks that are not named by --models, what was measured on this machine
before stays.
"""

import argparse
import dataclasses
import functools
import math
import pathlib
import statistics

import keras
import numpy as np
import tqdm

from experiments import benchmark
from experiments import flow_parity
from experiments import readme
from keras_ssc import command
from keras_ssc import flow
from keras_ssc import models
from keras_ssc import tables

SIZE = (299, 299)  # height, width
FLOW_BATCH_SIZES = (8, 32, 128)
_FLOW_SECONDS = 1.0  # each time that the flow is timed
FLOW_GOAL = 1000  # pairs a second on a GPU

# Of the report's training split.
_NUM_PAIRS = 14_400

# Who computes the flow within a step, where a model sees it.
_WITH_FLOW = ("double_stack", "motion_magnitude_stack")


def measure_flow(pairs, batch_sizes, runs, seconds=_FLOW_SECONDS):
    """Compares `OpticalFlow` with OpenCV on one thread.

    Args:
        pairs: List of two uint8 arrays (pairs, height, width, 3), RGB.
        batch_sizes: Iterable of integers, for the layer.
        runs: Integer, how often each is timed.
        seconds: Float, how long about.

    Returns:
        Dict: `parity`, the fields of a `flow_parity.Parity`; `opencv`, a list
        of pairs a second, one a run; `layer`, a dict from a batch size to
        such a list. What is timed begins with frames in the machine's memory
        and ends with a number a pair there: no flow is carried back.
    """
    size = pairs[0].shape[1:3]
    inputs = [keras.Input((*size, 3), dtype="uint8") for _ in pairs]
    computed = flow.OpticalFlow()(inputs)
    whole = keras.Model(inputs, computed)
    number = keras.Model(inputs, keras.ops.mean(computed, axis=(1, 2, 3)))
    measured = whole.predict(pairs, batch_size=batch_sizes[0], verbose=0)
    parity = flow_parity.compare(measured, flow_parity.opencv_flow(*pairs))

    first = [frames[:1] for frames in pairs]
    theirs = benchmark.rate_of(
        functools.partial(benchmark.opencv_flow, first), 1, seconds
    )
    ours = {}
    for batch_size in batch_sizes:
        batch = [np.resize(x, (batch_size, *x.shape[1:])) for x in pairs]
        ours[str(batch_size)] = benchmark.rate_of(
            functools.partial(number.predict_on_batch, batch),
            batch_size,
            seconds,
        )
    ways = {"opencv": theirs, **ours}
    rates = {way: [] for way in ways}
    for _ in range(runs):
        for way, rate in ways.items():
            rates[way].append(rate())
    return {
        "size": size,
        "parity": dataclasses.asdict(parity),
        "opencv": rates.pop("opencv"),
        "layer": rates,
    }


def steps_of(names, settings):
    """Lists what steps there are to time.

    Args:
        names: Iterable of keys of `models.MODELS`.
        settings: Dict from a name to a dict with `image_size`, `batch_size`
            and `epochs`.

    Returns:
        List of dicts: `model`, `flow` ("given", "graph" or None),
        `image_size`, `batch_size` and `epochs`.
    """
    return [
        {
            "model": name,
            "flow": way,
            **{
                key: settings[name][key]
                for key in ("image_size", "batch_size", "epochs")
            },
        }
        for name in names
        for way in (("given", "graph") if name in _WITH_FLOW else (None,))
    ]


def measure_steps(names, runs, settings=None):
    """Times the training steps of networks, each in a process of its own.

    Args:
        names: Iterable of keys of `models.MODELS`.
        runs: Integer, how often each is timed.
        settings: Those of `steps_of`; the report's if None.

    Returns:
        What `steps_of` returns, each with `seconds`, of a step, a list of
        one a run.
    """
    steps = steps_of(
        names,
        settings or {name: each.report for name, each in models.MODELS.items()},
    )
    for step in tqdm.tqdm(steps, unit="network"):
        # One after the other: each may need the device's whole memory.
        with benchmark.stepper(
            keras.backend.backend(),
            step["model"],
            *step["image_size"],
            step["batch_size"],
            *([f"flow={step['flow']}"] if step["flow"] else []),
        ) as stepper:
            step["seconds"] = [stepper() for _ in range(runs)]
    return steps


def joined(old, new):
    """Joins steps of one machine, in the models' order; new ones prevail.

    Args:
        old: List of dicts, see `measure_steps`.
        new: The same.

    Returns:
        The same.
    """
    steps = {(step["model"], step["flow"]): step for step in [*old, *new]}
    order = list(models.MODELS)
    return sorted(
        steps.values(),
        key=lambda step: (order.index(step["model"]), step["flow"] == "graph"),
    )


def text_of(results):
    """Writes results as Markdown.

    Args:
        results: Dict of `machine`, `flow` and `steps`, of what the functions
            that measure return.

    Returns:
        String.
    """
    flows, steps = results["flow"], results["steps"]
    parity = flow_parity.Parity(**flows["parity"])
    opencv = statistics.median(flows["opencv"])
    height, width = flows["size"]
    rows = [
        [
            batch_size,
            f"{statistics.median(rates):,.0f}",
            f"{min(rates):,.0f} to {max(rates):,.0f}",
            f"{statistics.median(rates) / opencv:.1f}",
        ]
        for batch_size, rates in flows["layer"].items()
    ]
    return "\n\n".join(
        [
            f"{results['machine']}.",
            f"`OpticalFlow` at {width}x{height} pixels, from frames in the "
            "machine's memory to a number a pair; OpenCV on one thread of "
            f"the same machine: {opencv:.1f} pairs a second. The goal on a "
            f"GPU: {FLOW_GOAL:,} or more.",
            tables.markdown_table(
                ["batch", "pairs a second", "from to", "times OpenCV's"], rows
            ).strip(),
            f"Its flow against OpenCV's: a mean end-point error of "
            f"{parity.mean:.1e} pixels, 99 of 100 below "
            f"{parity.percentile:.1e}, {100 * parity.share:.3f} % of the "
            f"pixels off by more than {flow_parity.FAR_PIXELS}; the bar of "
            "`experiments.flow_parity` "
            f"{'holds' if parity.holds else 'DOES NOT HOLD'}.",
            "A training step at the report's sizes, random frames from the "
            "machine's memory; the report's training is "
            f"{_NUM_PAIRS:,} pairs times its epochs, steps alone:",
            _table_of_steps(steps, opencv),
        ]
    )


# What a row of the table is called, by who computes the flow.
_WORDS = {
    None: "",
    "given": ", flow given",
    "graph": ", flow within the step",
}


def _table_of_steps(steps, opencv):
    rows = []
    for step in steps:
        seconds, name = step["seconds"], step["model"]
        rows.append(
            _row_of_step(
                name + _WORDS[step["flow"]],
                step,
                statistics.median(seconds),
                f"{1000 * min(seconds):.1f} to {1000 * max(seconds):.1f}",
            )
        )
        if step["flow"] == "given":
            # The report's way, which computed it in every step.
            rows.append(
                _row_of_step(
                    f"*{name}, and OpenCV's flow pair by pair before each "
                    "step: the sum*",
                    step,
                    statistics.median(seconds) + step["batch_size"] / opencv,
                    "-",
                )
            )
    return tables.markdown_table(
        [
            "",
            "frames",
            "batch",
            "milliseconds a step",
            "from to",
            "pairs a second",
            "the report's training, minutes",
        ],
        rows,
    )


def _row_of_step(name, step, seconds, spread):
    height, width = step["image_size"]
    num_steps = math.ceil(_NUM_PAIRS / step["batch_size"]) * step["epochs"]
    return [
        name,
        f"{width}x{height}",
        step["batch_size"],
        f"{1000 * seconds:.1f}",
        spread,
        f"{step['batch_size'] / seconds:,.0f}",
        f"{num_steps * seconds / 60:.1f}",
    ]


def main():
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m experiments.accelerator")
    add = parser.add_argument
    add("--models", nargs="*", choices=models.MODELS, default=models.MODELS)
    add("--runs", type=int, default=5, metavar="N")
    add("--pairs", type=int, default=32, metavar="N", help="to compare flow of")
    add("--out", default="results/accelerator", metavar="DIR")
    add("--readme", action="store_true", help="put the tables into the README")
    arguments = parser.parse_args()
    for name in ("runs", "pairs"):
        if getattr(arguments, name) < 1:
            raise ValueError(
                f"Expected --{name} above 0. Received: "
                f"{getattr(arguments, name)}"
            )
    out = pathlib.Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    # First, while this process has taken none of the device's memory.
    steps = measure_steps(arguments.models, arguments.runs)
    machine = benchmark.machine()
    old = readme.earlier(out / "accelerator.json", machine=machine)
    results = {
        "machine": machine,
        "flow": measure_flow(
            benchmark.drawn_pairs(arguments.pairs, SIZE),
            FLOW_BATCH_SIZES,
            arguments.runs,
        ),
        "steps": joined(old.get("steps", []), steps),
    }
    text = text_of(results)
    readme.write("accelerator", results, text, out)
    print(text)
    print(f"written: {out}/accelerator.md, {out}/accelerator.json")
    if arguments.readme:
        readme.put_results("accelerator", results, text)


if __name__ == "__main__":
    command.run(main)
