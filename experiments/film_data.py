"""Data sets drawn from the same films in other ways: strides, bars kept."""

import pathlib
import subprocess
import sys

from keras_ssc.data import extraction
from keras_ssc.errors import OutsideError

DATASET = "scene_genre/frames"
BUILDER = pathlib.Path(__file__).parent.parent / "tfds_builder" / "scene_genre"


def draw(film_list, folder, config, progress=False):
    """Extracts pairs of films and builds a data set of them, unless done.

    Args:
        film_list: Path of the film list, see `film_list.read_film_list`.
        folder: Path of a folder for it alone.
        config: A `cleaning.ExtractConfig`.
        progress: Boolean, whether to show a progress bar.

    Returns:
        A tuple: the folder where TFDS finds the data set, a string; a list of
        records, one a film; a list of strings, the films and rows that gave no
        pairs. See `extraction.extract`.

    Raises:
        keras_ssc.errors.FilmListError: If the list cannot be read.
        ValueError: If the folder holds pairs drawn in another way.
        OutsideError: If the data set cannot be built.
    """
    folder = pathlib.Path(folder)
    frames, data_dir = folder / "frames", folder / "data"
    folder.mkdir(parents=True, exist_ok=True)
    # Films that are done are not read again.
    records, problems, _ = extraction.extract(
        film_list, frames, config, progress=progress
    )
    # TFDS moves a data set to its place when it is whole.
    if not (data_dir / DATASET).exists():
        build(frames, data_dir)
    return str(data_dir), records, problems


def build(frames, data_dir):
    """Builds the data set of extracted frames, in a process of its own.

    Raises:
        OutsideError: If it fails.
    """
    tfds = pathlib.Path(sys.executable).with_name("tfds")
    options = ("--config", "frames", "--manual_dir", frames)
    ended = subprocess.run(
        [tfds, "build", BUILDER, *options, "--data_dir", data_dir],
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )
    if ended.returncode:
        lines = ended.stderr.decode("utf-8", "replace").strip().splitlines()
        raise OutsideError(
            f"tfds build of {frames} ended with exit code {ended.returncode}: "
            f"{' '.join(lines[-1:])}"
        )
