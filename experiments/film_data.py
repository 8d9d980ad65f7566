"""Data sets drawn from the same films in other ways: strides, bars kept."""

import dataclasses
import pathlib
import subprocess
import sys

from keras_ssc import command
from keras_ssc import extract
from keras_ssc import input_pipeline

DATASET = "scene_genre/frames"

_BUILDER = pathlib.Path(__file__).parent.parent / "tfds_builder" / "scene_genre"


@dataclasses.dataclass(frozen=True, eq=False)
class FilmData:
    """A data set that was drawn.

    Attributes:
        builder: What `input_pipeline.open_dataset` returns.
        data_dir: String, where TFDS finds it.
        problems: List of strings, the films and rows that gave no pairs.
        num_with_bars: Integer, of how many films bars were cropped.
    """

    builder: object
    data_dir: str
    problems: list
    num_with_bars: int


def draw(film_list, folder, progress=False, **changes):
    """Extracts pairs of films and builds a data set of them, unless done.

    Args:
        film_list: Path of the film list, see `scenes.read_film_list`.
        folder: Path of a folder for it alone.
        progress: Boolean, whether to show a progress bar.
        **changes: Fields of `extract.ExtractConfig` that are not its defaults.

    Returns:
        A `FilmData`.

    Raises:
        keras_ssc.scenes.FilmListError: If the list cannot be read.
        ValueError: If the folder holds pairs drawn in another way.
        OutsideError: If the data set cannot be built.
    """
    folder = pathlib.Path(folder)
    frames, data_dir = folder / "frames", folder / "data"
    folder.mkdir(parents=True, exist_ok=True)
    # Films that are done are not read again.
    records, problems = extract.extract(
        film_list,
        frames,
        extract.ExtractConfig(**changes),
        progress=progress,
    )
    # TFDS moves a data set to its place when it is whole.
    if not (data_dir / DATASET).exists():
        _build(build_command(frames, data_dir))
    return FilmData(
        input_pipeline.open_dataset(DATASET, str(data_dir)),
        str(data_dir),
        problems,
        sum(bool(record["bars"]) for record in records),
    )


def build_command(frames, data_dir):
    """Returns the arguments of `tfds build` of a folder of frames."""
    tfds = pathlib.Path(sys.executable).with_name("tfds")
    return [
        *(tfds, "build", _BUILDER, "--config", "frames"),
        *("--manual_dir", frames, "--data_dir", data_dir),
    ]


def _build(arguments):
    ended = subprocess.run(
        arguments,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
    )
    if ended.returncode:
        lines = ended.stderr.strip().splitlines()
        raise command.OutsideError(
            f"{' '.join(map(str, arguments))} ended with exit code "
            f"{ended.returncode}: {' '.join(lines[-1:])}"
        )
