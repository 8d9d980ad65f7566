"""Measures how the cost of a data set grows with its number of films.

    python -m tests.campaigns.growth --sizes 10 100 1000

Each number of short drawn films goes through the commands that a user gives:
extract, extract again with nothing to do, and tfds build. It fails if a film
costs more among many than among few.
"""

import argparse
import pathlib
import shutil
import sys
import tempfile

from keras_ssc import command
from keras_ssc.genres import REPORT_GENRES
from keras_ssc.metrics import tables
from tests.campaigns import process
from tests.helpers import drawn_films
from tests.helpers import scene_genre

_NUM_PAIRS = 4

# Two measurements of the same work differ by less.
_NOISE = 1.2


def measure(num_films, work_dir):
    """Measures one number of films.

    Returns:
        Dict from `extract`, `extract again` and `tfds build` to their
        `process.Cost`.
    """
    film_list = drawn_films.write_films(work_dir / "films", num_films)
    frames, data = work_dir / "frames", work_dir / "data"
    for folder in (frames, data):
        shutil.rmtree(folder, ignore_errors=True)
    width, height = drawn_films.SIZE
    call = [sys.executable, "-m", "keras_ssc.extract", film_list]
    call += ["--out", frames, "--pairs", _NUM_PAIRS]
    call += ["--size", f"{width}x{height}"]
    return {
        "extract": process.cost_of(*call),
        "extract again": process.cost_of(*call),
        "tfds build": process.cost_of(
            *(sys.executable, "-m", "tensorflow_datasets.scripts.cli.main"),
            *("build", scene_genre.BUILDER, "--config", "frames"),
            *("--manual_dir", frames, "--data_dir", data),
        ),
    }


def is_right(sizes):
    """Says whether a film costs no more among many than among few."""
    few, *_, many = sorted([*sizes, max(sizes)])
    return all(
        sizes[many][name].seconds / many <= _NOISE * cost.seconds / few
        for name, cost in sizes[few].items()
    )


def main():
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns.growth")
    add = parser.add_argument
    add("--sizes", nargs="+", type=int, default=[10, 100, 1000], metavar="N")
    arguments = parser.parse_args()
    if min(arguments.sizes) < len(REPORT_GENRES):
        raise ValueError(
            f"Expected {len(REPORT_GENRES)} films or more, one of each genre. "
            f"Received: {min(arguments.sizes)}"
        )
    with tempfile.TemporaryDirectory(prefix="keras_ssc_growth_") as folder:
        work_dir = pathlib.Path(folder)
        sizes = {
            number: measure(number, work_dir) for number in arguments.sizes
        }
    table = tables.markdown_table(
        [
            "films",
            *("extract, ms a film", "extract again", "tfds build"),
            *("extract's largest process, MB", "build's largest process, MB"),
        ],
        [
            [
                f"{number:,}",
                *(
                    f"{1000 * cost.seconds / number:.1f}"
                    for cost in costs.values()
                ),
                f"{costs['extract'].megabytes:.0f}",
                f"{costs['tfds build'].megabytes:.0f}",
            ]
            for number, costs in sizes.items()
        ],
    )
    print(
        f"{process.machine()}; drawn films of a second, {_NUM_PAIRS} pairs "
        f"each.\n\n{table}"
    )
    return int(not is_right(sizes))


if __name__ == "__main__":
    command.run(main)
