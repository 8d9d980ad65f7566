"""Measures how far `OpticalFlow` is from OpenCV's flow, film by film.

    python -m experiments.flow_parity FILM... --out results/flow_parity

Sixteen pairs a film: some at even steps, and those with the greatest change,
which are its cuts. The layer is asked in a Keras model on TensorFlow, in a
SavedModel at three batch sizes, and on JAX, in a process of its own.

At a cut nothing matches, and rounding decides what is found: there OpenCV
differs from itself, with and without its vector code, by pixels. That is
measured too. The bar is held against all pairs, and against the steady ones,
on which OpenCV keeps it against itself.
"""

import argparse
import dataclasses
import itertools
import os
import pathlib
import subprocess
import sys
import tempfile

import cv2
import keras
import numpy as np
import tensorflow as tf
import tqdm

from experiments import benchmark
from keras_ssc import command
from keras_ssc import files
from keras_ssc import flow
from keras_ssc import frame_index
from keras_ssc import frame_reading
from keras_ssc import tables

SIZES = ((299, 299), (270, 480))  # height, width
BATCH_SIZES = (1, 3, 16)

# The bar: end-point errors in pixels, magnitudes as they are.
MAX_MEAN, MAX_PERCENTILE, MAX_SHARE = 1e-4, 1e-3, 0.005
FAR_PIXELS = 0.01
MAGNITUDE_ABSOLUTE, MAGNITUDE_RELATIVE = 2e-6, 1e-4

_NUM_CUTS = 4  # pairs of the greatest change, beside those at even steps

JAX_PROGRAM = """
import sys
import keras
import numpy as np
from keras_ssc import flow

assert keras.backend.backend() == "jax"
frame, next_frame = (np.load(path, mmap_mode="r") for path in sys.argv[1:3])
inputs = [keras.Input(frame.shape[1:], dtype="uint8") for _ in range(2)]
model = keras.Model(inputs, flow.OpticalFlow()(inputs))
np.save(sys.argv[3], model.predict([frame, next_frame], 16, verbose=0))
assert "tensorflow" not in sys.modules
"""


@dataclasses.dataclass(frozen=True)
class Parity:
    """How far flows are from those that are right.

    Attributes:
        mean: Float, the mean end-point error in pixels.
        percentile: Float, its 99th percentile, pixels.
        share: Float, the share of pixels off by more than `FAR_PIXELS`.
        largest: Float, pixels.
        magnitude: Float, the largest error of a pair's magnitude, less what
            it may be.
    """

    mean: float
    percentile: float
    share: float
    largest: float
    magnitude: float

    @property
    def holds(self):
        """Whether the bar holds."""
        return (
            self.mean <= MAX_MEAN
            and self.percentile <= MAX_PERCENTILE
            and self.share <= MAX_SHARE
            and self.magnitude <= 0
        )


def compare(measured, expected):
    """Compares flows with those that are right.

    Args:
        measured: float32 array (pairs, height, width, 2), pixels.
        expected: The same.

    Returns:
        A `Parity`.
    """
    difference = measured - expected
    error = np.hypot(difference[..., 0], difference[..., 1])
    right = flow.motion_magnitude(expected)
    allowed = MAGNITUDE_ABSOLUTE + MAGNITUDE_RELATIVE * right
    off = np.abs(flow.motion_magnitude(measured) - right)
    return Parity(
        mean=float(error.mean(dtype=np.float64)),
        percentile=float(np.percentile(error, 99)),
        share=float((error > FAR_PIXELS).mean()),
        largest=float(error.max()),
        magnitude=float((off - allowed).max()),
    )


def read_pairs(path, num_pairs):
    """Reads pairs of consecutive frames, cuts included.

    Args:
        path: Path of a film file.
        num_pairs: Integer.

    Returns:
        List of tuples (frame, next_frame), uint8 RGB, in the film's size.
    """
    index = frame_index.index_frames(path)
    change = _changes(index)
    cuts = sorted(change, key=change.get)[-_NUM_CUTS:]
    others = sorted(set(change) - set(cuts))
    places = np.linspace(0, len(others) - 1, num_pairs - len(cuts))
    numbers = {*cuts, *(others[place] for place in places.astype(int))}
    wanted = {number + step for number in numbers for step in (0, 1)}
    frames = {
        number: frame
        for number, _, frame in frame_reading.read_frames(path, wanted, index)
    }
    return [(frames[number], frames[number + 1]) for number in sorted(numbers)]


def _changes(index):
    """How much changes from each frame to the next, in mean grey levels."""
    frames = frame_reading.read_frames(
        index.path, range(index.num_frames), index
    )
    small = (
        (number, cv2.resize(frame, (64, 36), interpolation=cv2.INTER_AREA))
        for number, _, frame in frames
    )
    return {
        number: np.abs(after.astype(int) - before).mean()
        for (number, before), (next_number, after) in itertools.pairwise(small)
        if next_number == number + 1
    }


def resized(pairs, size):
    """Returns the pairs' frames and next frames at (height, width)."""
    return [
        np.stack(
            [
                cv2.resize(frame, size[::-1], interpolation=cv2.INTER_AREA)
                for frame in frames
            ]
        )
        for frames in zip(*pairs, strict=True)
    ]


def flow_model(size):
    """Builds a model that is the layer alone, for any batch."""
    inputs = [keras.Input((*size, 3), dtype="uint8") for _ in range(2)]
    return keras.Model(inputs, flow.OpticalFlow()(inputs))


def saved_flow(size, folder):
    """Saves the layer as a SavedModel and loads it.

    Args:
        size: Tuple of two integers, (height, width).
        folder: Where it is saved.

    Returns:
        Function of frames and next frames, for any batch; a flow.
    """
    frames = tf.TensorSpec((None, *size, 3), tf.uint8)
    module = tf.Module()
    module.layer = flow.OpticalFlow()
    module.flow = tf.function(
        lambda frame, next_frame: module.layer([frame, next_frame]),
        input_signature=[frames, frames],
    )
    tf.saved_model.save(module, str(folder))
    loaded = tf.saved_model.load(str(folder))
    return lambda frame, next_frame: loaded.flow(frame, next_frame).numpy()


def in_batches(function, batch_size, frame, next_frame):
    """Calls a function of frames batch by batch."""
    starts = range(0, len(frame), batch_size)
    return np.concatenate(
        [
            function(
                frame[start : start + batch_size],
                next_frame[start : start + batch_size],
            )
            for start in starts
        ]
    )


def jax_flow(frame, next_frame, folder):
    """Computes flows with the layer on Keras' JAX backend.

    Args:
        frame: uint8 array (pairs, height, width, 3).
        next_frame: The same.
        folder: `pathlib.Path` for the arrays that go to and fro.

    Returns:
        float32 array (pairs, height, width, 2).
    """
    paths = [folder / name for name in ("frame.npy", "next.npy", "flow.npy")]
    np.save(paths[0], frame)
    np.save(paths[1], next_frame)
    subprocess.run(
        [sys.executable, "-c", JAX_PROGRAM, *paths],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        check=True,
    )
    return np.load(paths[2])


def measure(paths, num_pairs, with_jax=True):
    """Measures every way at every size.

    Args:
        paths: Paths of film files.
        num_pairs: Integer, pairs a film.
        with_jax: Boolean, whether JAX is asked as well.

    Yields:
        Tuples (film, size, way, `Parity` of all pairs, number of steady
        pairs, their `Parity`).
    """
    films = {
        pathlib.Path(path).stem: read_pairs(path, num_pairs)
        for path in tqdm.tqdm(paths, desc="read", unit="film")
    }
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            yield from _measure_size(films, size, with_jax, folder)


def _measure_size(films, size, with_jax, folder):
    folder = pathlib.Path(folder)
    frames = {name: resized(pairs, size) for name, pairs in films.items()}
    flows_on_jax = {}
    if with_jax:
        joined = [np.concatenate(part) for part in zip(*frames.values())]  # noqa: B905
        ends = np.cumsum([len(pairs) for pairs in films.values()])[:-1]
        flows = np.split(jax_flow(*joined, folder), ends)
        flows_on_jax = dict(zip(films, flows, strict=True))
    model = flow_model(size)
    saved = saved_flow(size, folder / "saved_model")
    label = f"{size[1]}x{size[0]}"
    for name in tqdm.tqdm(films, desc=label, unit="film"):
        pair = frames[name]
        expected = opencv_flow(*pair)
        unlike = opencv_flow(*pair, is_optimized=False)
        flows = {
            "OpenCV, no vector code": unlike,
            "TensorFlow": model.predict(pair, batch_size=16, verbose=0),
            **{
                f"SavedModel, batch {number}": in_batches(saved, number, *pair)
                for number in BATCH_SIZES
            },
        }
        if with_jax:
            flows["JAX"] = flows_on_jax[name]
        steady = steady_pairs(unlike, expected)
        for way, measured in flows.items():
            everywhere = compare(measured, expected)
            steadily = (
                compare(measured[steady], expected[steady])
                if steady
                else Parity(0.0, 0.0, 0.0, 0.0, 0.0)
            )
            yield name, label, way, everywhere, len(steady), steadily


def opencv_flow(frame, next_frame, is_optimized=True):
    """Computes flows with OpenCV, with or without its vector code."""
    before = cv2.useOptimized()
    cv2.setUseOptimized(is_optimized)
    try:
        pairs = zip(frame, next_frame, strict=True)
        return np.stack([flow.farneback_flow(*pair) for pair in pairs])
    finally:
        cv2.setUseOptimized(before)


def steady_pairs(one, other):
    """Returns the places of the pairs on which two flows keep the bar."""
    return [
        place
        for place in range(len(one))
        if compare(one[place, None], other[place, None]).holds
    ]


def _cells(parity):
    return [
        f"{parity.mean:.1e}",
        f"{parity.percentile:.1e}",
        f"{100 * parity.share:.3f} %",
        f"{parity.largest:.1e}",
        f"{parity.magnitude:.1e}",
        "yes" if parity.holds else "NO",
    ]


_COLUMNS = [
    "mean, px",
    "99th percentile, px",
    f"off by more than {FAR_PIXELS} px",
    "largest, px",
    "magnitude's error less its bound",
    "holds",
]


def _worst(parities):
    """The worst of each number, as if one film had them all."""
    rows = [dataclasses.astuple(parity) for parity in parities]
    return Parity(*map(max, zip(*rows, strict=True)))


def _worst_table(rows, place):
    groups = {}
    for row in rows:
        groups.setdefault(row[1:3], []).append(row[place])
    cells = [[*key, *_cells(_worst(group))] for key, group in groups.items()]
    return tables.markdown_table(["size", "way", *_COLUMNS], cells)


def parity_tables(rows):
    """Returns Markdown: the worst film of each way, and every film."""
    every = [
        [*labels, *_cells(parity), num_steady, *_cells(steady)]
        for *labels, parity, num_steady, steady in rows
    ]
    return (
        f"End-point errors against OpenCV {cv2.__version__}. The worst film "
        "of each way, all pairs:\n\n"
        + _worst_table(rows, 3)
        + "\nThe worst film of each way, pairs on which OpenCV keeps the bar "
        "against itself:\n\n"
        + _worst_table(rows, 5)
        + "\nEvery film, all pairs and then the steady ones:\n\n"
        + tables.markdown_table(
            ["film", "size", "way", *_COLUMNS, "steady pairs", *_COLUMNS],
            every,
        )
    )


def write_parity(rows, out):
    """Writes `parity.md` and `parity.json`."""
    text = f"{benchmark.machine()}.\n\n{parity_tables(rows)}"
    files.write_text(out / "parity.md", text)
    files.write_json(
        out / "parity.json",
        {
            "machine": benchmark.machine(),
            "rows": [
                {
                    **{"film": film, "size": size, "way": way},
                    "all_pairs": _as_json(parity),
                    "num_steady_pairs": num_steady,
                    "steady_pairs": _as_json(steady),
                }
                for film, size, way, parity, num_steady, steady in rows
            ],
        },
    )
    return text


def _as_json(parity):
    return {**dataclasses.asdict(parity), "holds": parity.holds}


def main():
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m experiments.flow_parity")
    add = parser.add_argument
    add("films", nargs="+", metavar="FILM")
    add("--pairs", type=int, default=16, metavar="N")
    add("--out", default="results/flow_parity", type=pathlib.Path)
    add("--no-jax", action="store_true", help="leave out the JAX backend")
    arguments = parser.parse_args()
    if arguments.pairs <= _NUM_CUTS:
        raise ValueError(
            f"Expected --pairs above {_NUM_CUTS}. Received: {arguments.pairs}"
        )
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for row in measure(arguments.films, arguments.pairs, not arguments.no_jax):
        rows.append(row)
        text = write_parity(rows, arguments.out)
    print(text)
    print(f"written: {arguments.out}/parity.md, {arguments.out}/parity.json")
    return 0 if all(steady.holds for *_, steady in rows) else 1


if __name__ == "__main__":
    command.run(main)
