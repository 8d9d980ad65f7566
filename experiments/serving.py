"""Measures exported models: answers, size, and how long the export takes.

    python -m experiments.serving RUN... --films FILM... --out results/serving

Pairs of the films are asked of the run's Keras model, of its export in Python
and of its export through TensorFlow's C API. Cuts are among them.
"""

import argparse
import dataclasses
import pathlib
import shutil
import tempfile
import time

import cv2
import keras
import numpy as np
import tensorflow as tf

from experiments import benchmark
from experiments import c_api
from experiments import flow_parity
from experiments import readme
from keras_ssc import command
from keras_ssc import exported
from keras_ssc import exporting
from keras_ssc import image_files
from keras_ssc import resizing
from keras_ssc import runs
from keras_ssc import served_model
from keras_ssc import serving_client
from keras_ssc import tables

# Pairs of a request.
_BATCH = 20

HEADER = [
    "model",
    "pixels",
    "export, seconds",
    "stored, MiB",
    "times the weights",
    "Keras against Python, largest difference of a score",
    "Keras against C",
]


@dataclasses.dataclass(frozen=True)
class Row:
    """What was measured of a run's export.

    Attributes:
        model: String, a key of `models.MODELS`.
        image_size: Tuple of two integers, (height, width).
        seconds: Float, how long the export took, all of it.
        num_bytes: Integer, the size of the graph and its variables.
        num_weight_bytes: Integer, the size of the weights.
        in_python: Float, the largest difference of a score to Keras'.
        in_c: The same, through the C API.
    """

    model: str
    image_size: tuple
    seconds: float
    num_bytes: int
    num_weight_bytes: int
    in_python: float
    in_c: float

    def cells(self):
        """Returns the table's cells, strings."""
        height, width = self.image_size
        return [
            self.model,
            f"{width}x{height}",
            f"{self.seconds:.1f}",
            f"{self.num_bytes / 2**20:.1f}",
            f"{self.num_bytes / self.num_weight_bytes:.3f}",
            f"{self.in_python:.1e}",
            f"{self.in_c:.1e}",
        ]


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
        tuple(
            cv2.resize(frame, (480, 270), interpolation=cv2.INTER_AREA)
            for frame in pair
        )
        for film, share in zip(films, shares, strict=True)
        # Four are cuts; of films that give fewer, those at even steps.
        for pair in flow_parity.read_pairs(film, max(share, 5))[-share:]
    ]
    return [np.stack(frames) for frames in zip(*pairs, strict=True)]


def measure(run_dir, frames, program, folder):
    """Exports a run and compares its answers.

    Args:
        run_dir: `pathlib.Path` of the run's folder.
        frames: What `read_pairs` returned.
        program: What `c_api.build` returned.
        folder: `pathlib.Path` of a folder for the export.

    Returns:
        A `Row`.
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
    encoded = [[image_files.encode_frame(x) for x in part] for part in frames]
    expected = _in_batches(_keras_answers(model, temperature), *frames)
    in_python = _in_batches(_python_answers(version), *encoded)
    in_c = _in_batches(_c_answers(program, version, folder), *encoded)
    stored = [version / "saved_model.pb", *(version / "variables").iterdir()]
    return Row(
        config.model,
        config.image_size,
        seconds,
        sum(path.stat().st_size for path in stored),
        sum(4 * int(np.prod(weight.shape)) for weight in model.weights),
        float(np.abs(in_python - expected).max()),
        float(np.abs(in_c - expected).max()),
    )


def _in_batches(function, frames, next_frames):
    return np.concatenate(
        [
            function(
                frames[start : start + _BATCH],
                next_frames[start : start + _BATCH],
            )
            for start in range(0, len(frames), _BATCH)
        ]
    )


def _keras_answers(model, temperature):
    frames_model = served_model.frames_model(model, temperature)
    size = frames_model.input["frame"].shape[1:3]

    def answer(*frames):
        resized = [resizing.resize(part, size) for part in frames]
        inputs = dict(zip(("frame", "next_frame"), resized, strict=True))
        return frames_model.predict(inputs, verbose=0)["scores"]

    return answer


def _python_answers(version):
    signature = tf.saved_model.load(str(version)).signatures["serving_default"]
    return lambda frame_bytes, next_frame_bytes: signature(
        frame_bytes=tf.constant(frame_bytes),
        next_frame_bytes=tf.constant(next_frame_bytes),
    )["scores"].numpy()


def _c_answers(program, version, folder):
    def answer(*images):
        paths = []
        for number, pair in enumerate(zip(*images, strict=True)):
            for name, image in zip(("frame", "next_frame"), pair, strict=True):
                paths.append(folder / f"{number}_{name}.png")
                paths[-1].write_bytes(image)
        body = c_api.ask(program, version, paths)
        answers = serving_client.read_response(body, len(images[0]))
        return np.array([list(each.scores.values()) for each in answers])

    return answer


def text_of(results):
    """Writes what was measured as Markdown.

    Args:
        results: Dict of `machine`, `num_pairs`, `num_films` and `rows`, dicts
            of `Row`s.

    Returns:
        String.
    """
    rows = [Row(**row).cells() for row in results["rows"]]
    return (
        f"{results['machine']}; {results['num_pairs']} pairs of "
        f"{results['num_films']} films, cuts among them.\n\n"
        + tables.markdown_table(HEADER, rows)
    )


def main():
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m experiments.serving")
    parser.add_argument("runs", nargs="+", metavar="RUN", type=pathlib.Path)
    parser.add_argument("--films", nargs="+", metavar="FILM", required=True)
    parser.add_argument("--pairs", type=int, default=100, metavar="N")
    parser.add_argument(
        "--out", type=pathlib.Path, default=pathlib.Path("results/serving")
    )
    parser.add_argument(
        "--readme", action="store_true", help="put the table into the README"
    )
    arguments = parser.parse_args()
    frames = read_pairs(arguments.films, arguments.pairs)
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        program = c_api.build(pathlib.Path(temporary))
        for run_dir in arguments.runs:
            folder = pathlib.Path(temporary) / run_dir.name
            folder.mkdir()
            rows.append(measure(run_dir, frames, program, folder))
            shutil.rmtree(folder)
            results = {
                "machine": benchmark.machine(),
                "num_pairs": len(frames[0]),
                "num_films": len(arguments.films),
                "rows": [dataclasses.asdict(row) for row in rows],
            }
            text = text_of(results)
            readme.write("serving", results, text, arguments.out)
    print(text)
    print(f"written: {arguments.out}/serving.md, {arguments.out}/serving.json")
    if arguments.readme:
        readme.put_results("serving", results, text)


if __name__ == "__main__":
    command.run(main)
