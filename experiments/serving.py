"""Measures exported models: answers, size, and how long the export takes.

    python -m experiments.serving RUN... --films FILM... --out results/serving

Pairs of the films are given to the run's Keras model, to its export in Python
and to its export through TensorFlow's C API. Cuts are among them.
"""

import argparse
import pathlib
import tempfile
import time

import keras
import numpy as np
import tensorflow as tf

from experiments import c_api
from experiments import flow_parity
from experiments import readme
from experiments.machine import machine
from keras_ssc import command
from keras_ssc.data import resizing
from keras_ssc.films import image_files
from keras_ssc.metrics import tables
from keras_ssc.serving import client as serving_client
from keras_ssc.serving import exported
from keras_ssc.serving import exporting
from keras_ssc.serving import served_model
from keras_ssc.training import runs

_BATCH = 20  # pairs of a request


def read_pairs(films, num_pairs):
    """Reads pairs of films as extract stores them, bars apart.

    Args:
        films: Sequence of paths.
        num_pairs: Integer, how many in all.

    Returns:
        A list of two arrays, uint8 (pairs, 270, 480, 3), RGB.
    """
    shares = np.diff(np.linspace(0, num_pairs, len(films) + 1).astype(int))
    pairs = [
        pair
        for film, share in zip(films, shares, strict=True)
        # Four are cuts; of films that give fewer, those at even steps.
        for pair in flow_parity.read_pairs(film, max(share, 5))[-share:]
    ]
    return flow_parity.resized(pairs, (270, 480))


def measure(run_dir, frames, program, folder):
    """Exports a run and compares its answers.

    Args:
        run_dir: `pathlib.Path` of the run's folder.
        frames: What `read_pairs` returned.
        program: What `c_api.build` returned.
        folder: `pathlib.Path` of a folder for the export.

    Returns:
        Dict: `model`; `image_size`; `seconds` of the export, all of it;
        `num_bytes` of the graph and its variables; `num_weight_bytes`; the
        largest differences of a score to Keras', `in_python` and `in_c`.
    """
    keras.backend.clear_session()
    config = runs.read_config(run_dir)
    # That is no part of an export.
    exporting.read_or_measure(run_dir, verbose=False)
    start = time.perf_counter()
    version = exporting.export(run_dir, folder / "scene_genre", verbose=False)
    seconds = time.perf_counter() - start
    model = runs.load_model(run_dir)
    temperature = exported.read_card(version)["calibration"]["temperature"]
    keras_model = served_model.frames_model(model, temperature)
    loaded = tf.saved_model.load(str(version))
    encoded = [[image_files.encode_frame(x) for x in part] for part in frames]

    def in_keras(*pair):
        pair = [resizing.resize(x, config.image_size) for x in pair]
        inputs = dict(zip(("frame", "next_frame"), pair, strict=True))
        return keras_model.predict(inputs, verbose=0)["scores"]

    def in_python(*images):
        images = map(tf.constant, images)
        keys = ("frame_bytes", "next_frame_bytes")
        inputs = dict(zip(keys, images, strict=True))
        return loaded.signatures["serving_default"](**inputs)["scores"].numpy()

    def in_c(*images):
        paths = []
        for image in (image for pair in zip(*images) for image in pair):  # noqa: B905
            paths.append(folder / f"{len(paths)}.png")
            paths[-1].write_bytes(image)
        body = c_api.ask(program, version, paths)
        answers = serving_client.read_response(body, len(images[0]))
        return np.array([list(each.scores.values()) for each in answers])

    expected, *others = (
        flow_parity.in_batches(function, _BATCH, *pairs)
        for function, pairs in (
            (in_keras, frames),
            (in_python, encoded),
            (in_c, encoded),
        )
    )
    stored = [version / "saved_model.pb", *(version / "variables").iterdir()]
    return {
        "model": config.model,
        "image_size": config.image_size,
        "seconds": seconds,
        "num_bytes": sum(path.stat().st_size for path in stored),
        "num_weight_bytes": sum(
            4 * int(np.prod(weight.shape)) for weight in model.weights
        ),
        "in_python": float(np.abs(others[0] - expected).max()),
        "in_c": float(np.abs(others[1] - expected).max()),
    }


def text_of(results):
    """Writes what was measured as Markdown.

    Args:
        results: Dict of `machine`, `num_pairs`, `num_films` and `rows`, what
            `measure` returned.

    Returns:
        String.
    """
    header = [
        "model",
        "pixels",
        "export, seconds",
        "stored, MiB",
        "times the weights",
        "Keras against Python, largest difference of a score",
        "Keras against C",
    ]
    rows = [
        [
            row["model"],
            "{1}x{0}".format(*row["image_size"]),
            f"{row['seconds']:.1f}",
            f"{row['num_bytes'] / 2**20:.1f}",
            f"{row['num_bytes'] / row['num_weight_bytes']:.3f}",
            f"{row['in_python']:.1e}",
            f"{row['in_c']:.1e}",
        ]
        for row in results["rows"]
    ]
    return (
        f"{results['machine']}; {results['num_pairs']} pairs of "
        f"{results['num_films']} films, cuts among them.\n\n"
        + tables.markdown_table(header, rows)
    )


def main():
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m experiments.serving")
    add = parser.add_argument
    add("runs", nargs="+", metavar="RUN", type=pathlib.Path)
    add("--films", nargs="+", metavar="FILM", required=True)
    add("--pairs", type=int, default=100, metavar="N")
    add("--out", type=pathlib.Path, default="results/serving")
    add("--readme", action="store_true", help="put the table into the README")
    arguments = parser.parse_args()
    frames = read_pairs(arguments.films, arguments.pairs)
    arguments.out.mkdir(parents=True, exist_ok=True)
    results = {
        "machine": machine(),
        "num_pairs": len(frames[0]),
        "num_films": len(arguments.films),
        "rows": [],
    }
    with tempfile.TemporaryDirectory() as temporary:
        program = c_api.build(pathlib.Path(temporary))
        for run_dir in arguments.runs:
            with tempfile.TemporaryDirectory(dir=temporary) as folder:
                row = measure(run_dir, frames, program, pathlib.Path(folder))
            results["rows"].append(row)
            text = text_of(results)
            readme.write("serving", results, text, arguments.out)
    print(text)
    print(f"written: {arguments.out}/serving.md, {arguments.out}/serving.json")
    if arguments.readme:
        readme.put_results("serving", results, text)


if __name__ == "__main__":
    command.run(main)
