"""Measures how far `OpticalFlow` is from OpenCV's flow, film by film.

    python -m experiments.flow_parity FILM...

Of each film, pairs at even steps. At a cut nothing matches, and rounding
decides what is found: there OpenCV differs from itself, with and without its
vector code, by pixels.
"""

import argparse
import dataclasses
import itertools

import cv2
import keras
import numpy as np

from experiments.machine import machine
from keras_ssc import checks
from keras_ssc import command
from keras_ssc import flow
from keras_ssc.films import frame_index
from keras_ssc.films import frame_reading
from keras_ssc.metrics import tables

SIZES = ((299, 299), (270, 480))  # height, width

# The bar: end-point errors in pixels, magnitudes as they are.
MAX_MEAN, MAX_PERCENTILE, MAX_SHARE = 1e-4, 1e-3, 0.005
FAR_PIXELS = 0.01
MAGNITUDE_ABSOLUTE, MAGNITUDE_RELATIVE = 2e-6, 1e-4


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


def opencv_flow(frame, next_frame):
    """Computes flows with OpenCV, pair by pair."""
    pairs = zip(frame, next_frame, strict=True)
    return np.stack([flow.farneback_flow(*pair) for pair in pairs])


def flow_model(size):
    """Builds a model that is the layer alone, for any batch."""
    inputs = [keras.Input((*size, 3), dtype="uint8") for _ in range(2)]
    return keras.Model(inputs, flow.OpticalFlow()(inputs))


def read_pairs(path, num_pairs):
    """Reads pairs of consecutive frames at even steps over a film.

    Args:
        path: Path of a film file.
        num_pairs: Integer.

    Returns:
        List of tuples (frame, next_frame), uint8 RGB, in the film's size.
    """
    index = frame_index.index_frames(path)
    numbers = {*np.linspace(0, index.num_frames - 2, num_pairs).astype(int)}
    wanted = {number + step for number in numbers for step in (0, 1)}
    frames = frame_reading.read_frames(path, wanted, index)
    return [
        (frame, next_frame)
        for (number, _, frame), (_, _, next_frame) in itertools.pairwise(frames)
        if number in numbers
    ]


def main():
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m experiments.flow_parity")
    parser.add_argument("films", nargs="+", metavar="FILM")
    parser.add_argument("--pairs", type=int, default=16, metavar="N")
    arguments = parser.parse_args()
    checks.at_least("--pairs", arguments.pairs, 1)
    rows = []
    for film in arguments.films:
        pairs = read_pairs(film, arguments.pairs)
        for size in SIZES:
            frames = [
                np.stack([cv2.resize(frame, size[::-1]) for frame in part])
                for part in zip(*pairs, strict=True)
            ]
            computed = flow_model(size).predict(frames, 16, verbose=0)
            parity = compare(computed, opencv_flow(*frames))
            cells = [f"{x:.1e}" for x in dataclasses.astuple(parity)]
            size_text = f"{size[1]}x{size[0]}"
            rows.append([film, size_text, *cells, parity.holds])
    names = [field.name for field in dataclasses.fields(Parity)]
    print(f"{machine()}; {arguments.pairs} pairs a film.\n")
    print(tables.markdown_table(["film", "size", *names, "holds"], rows))
    return 0 if all(row[-1] for row in rows) else 1


if __name__ == "__main__":
    command.run(main)
