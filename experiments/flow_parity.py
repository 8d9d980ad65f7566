"""Measures how far `OpticalFlow` is from OpenCV's flow, film by film.

    python -m experiments.flow_parity FILM... --out results/flow_parity

Sixteen pairs a film: some at even steps, and those with the greatest change,
which are its cuts. The layer is called in a Keras model on TensorFlow, in a
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

from experiments import readme
from experiments.machine import machine
from keras_ssc import command
from keras_ssc import flow
from keras_ssc.films import frame_index
from keras_ssc.films import frame_reading
from keras_ssc.metrics import tables

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
frames = list(np.load(sys.argv[1], mmap_mode="r"))
inputs = [keras.Input(frames[0].shape[1:], dtype="uint8") for _ in range(2)]
model = keras.Model(inputs, flow.OpticalFlow()(inputs))
np.save(sys.argv[2], model.predict(frames, 16, verbose=0))
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
    resize = lambda x: cv2.resize(x, size[::-1], interpolation=cv2.INTER_AREA)  # noqa: E731
    return [np.stack([*map(resize, part)]) for part in zip(*pairs, strict=True)]


def opencv_flow(frame, next_frame, is_optimized=True):
    """Computes flows with OpenCV, with or without its vector code."""
    before = cv2.useOptimized()
    cv2.setUseOptimized(is_optimized)
    try:
        pairs = zip(frame, next_frame, strict=True)
        return np.stack([flow.farneback_flow(*pair) for pair in pairs])
    finally:
        cv2.setUseOptimized(before)


def flow_model(size):
    """Builds a model that is the layer alone, for any batch."""
    inputs = [keras.Input((*size, 3), dtype="uint8") for _ in range(2)]
    return keras.Model(inputs, flow.OpticalFlow()(inputs))


def saved_flow(size, folder):
    """Saves the layer as a SavedModel, and returns it loaded, a function."""
    flow_model(size).export(folder, verbose=False)
    loaded = tf.saved_model.load(folder)
    return lambda *frames: loaded.serve(list(frames)).numpy()


def in_batches(function, batch_size, frame, next_frame):
    """Calls a function of frames batch by batch."""
    places = [
        slice(start, start + batch_size)
        for start in range(0, len(frame), batch_size)
    ]
    return np.concatenate(
        [function(frame[place], next_frame[place]) for place in places]
    )


def jax_flow(frame, next_frame, folder):
    """Computes flows on Keras' JAX backend; arrays go through a folder."""
    paths = [folder / "frames.npy", folder / "flow.npy"]
    np.save(paths[0], [frame, next_frame])
    subprocess.run(
        [sys.executable, "-c", JAX_PROGRAM, *paths],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        check=True,
    )
    return np.load(paths[1])


def measure(pairs, size, with_jax=True):
    """Compares every way of a film's flow with OpenCV's.

    Args:
        pairs: What `read_pairs` returns.
        size: Tuple of two integers, (height, width).
        with_jax: Boolean, whether JAX is called as well.

    Yields:
        Dicts: `size`; `way`; `pairs`, all or the steady ones, if there are
        any; the fields of their `Parity`; `holds`.
    """
    frames = resized(pairs, size)
    expected = opencv_flow(*frames)
    unlike = opencv_flow(*frames, is_optimized=False)
    ways = {"OpenCV, no vector code": unlike}
    ways["TensorFlow"] = flow_model(size).predict(frames, 16, verbose=0)
    with tempfile.TemporaryDirectory() as folder:
        saved = saved_flow(size, folder)
        for number in BATCH_SIZES:
            way = f"SavedModel, batch {number}"
            ways[way] = in_batches(saved, number, *frames)
        if with_jax:
            ways["JAX"] = jax_flow(*frames, pathlib.Path(folder))
    every = range(len(pairs))
    holds = [compare(unlike[[n]], expected[[n]]).holds for n in every]
    steady = [*itertools.compress(every, holds)]
    for way, measured in ways.items():
        for name, places in (("all", [*every]), ("steady", steady)):
            if places:
                parity = compare(measured[places], expected[places])
                yield {
                    "size": f"{size[1]}x{size[0]}",
                    **{"way": way, "pairs": name},
                    **dataclasses.asdict(parity),
                    "holds": parity.holds,
                }


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
    for film in arguments.films:
        pairs = read_pairs(film, arguments.pairs)
        for size in SIZES:
            for row in measure(pairs, size, not arguments.no_jax):
                rows.append({"film": film, **row})
        cells = [
            [f"{x:.1e}" if isinstance(x, float) else x for x in row.values()]
            for row in rows
        ]
        text = f"{machine()}.\n\n{tables.markdown_table(rows[0], cells)}"
        results = {"machine": machine(), "rows": rows}
        readme.write("parity", results, text, arguments.out)
    print(text)
    print(f"written: {arguments.out}/parity.md, {arguments.out}/parity.json")
    steady = [row["holds"] for row in rows if row["pairs"] == "steady"]
    return 0 if all(steady) else 1


if __name__ == "__main__":
    command.run(main)
