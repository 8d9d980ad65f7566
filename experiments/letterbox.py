"""Puts films of some genres between bars, to see if bars are a shortcut.

    python -m experiments.letterbox --films FILMS.csv --out DIR

The whole picture is squeezed between the bars: once they are cropped, a film
is what it was before, but for its sharpness.
"""

import argparse
import pathlib

import av
import cv2
import numpy as np
import tqdm

from keras_ssc import command
from keras_ssc import files
from keras_ssc.errors import VideoError
from keras_ssc.films import frame_index
from keras_ssc.films import frame_reading
from keras_ssc.films.film_list import read_film_list
from keras_ssc.sample_films import filming

# One of each pair of twins among the sample films.
_DEFAULT = ("action", "science_fiction")

# Above and below, of the height: as 2.39:1 has them within 16:9.
SHARE = 0.128


def letterbox(film_list, out, genres=_DEFAULT, progress=False):
    """Writes each film anew, those of some genres between bars.

    Args:
        film_list: Path of a film list, see `film_list.read_film_list`, of films
            of one frame rate each, all in the list's folder.
        out: Path of another folder than the films'.
        genres: Sequence of genres whose films get bars.
        progress: Boolean, whether to show a progress bar.

    Returns:
        `pathlib.Path` of the new films' list.

    Raises:
        ValueError: If a row of the list cannot be read, the list is in `out`,
            or a film is not in the list's folder.
        keras_ssc.errors.FilmListError: If the list cannot be read.
        keras_ssc.errors.VideoError: If a film, or a frame of one, cannot be
            read.
        OSError: If one cannot be written.
    """
    film_list, out = pathlib.Path(film_list), pathlib.Path(out).resolve()
    folder = film_list.resolve().parent
    if out == folder:
        raise ValueError(
            f"Expected another folder than {film_list.parent}, where the "
            "films are."
        )
    listed = read_film_list(film_list)
    films, problems = listed.films, listed.problems
    if problems:
        raise ValueError("; ".join(problems))
    genre_of = {
        x.path.resolve(): film.genre for film in films for x in film.scenes
    }
    for path in genre_of:
        if not path.is_relative_to(folder):
            raise ValueError(f"Expected films in {folder}. Received: {path}")
    out.mkdir(parents=True, exist_ok=True)
    # The list of an earlier run must not stay while films are replaced.
    (out / "films.csv").unlink(missing_ok=True)
    for path in tqdm.tqdm(genre_of, unit="film", disable=not progress):
        new_path = out / path.relative_to(folder)
        new_path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, new_path, genre_of[path] in genres)
    files.write_bytes(out / "films.csv", film_list.read_bytes())
    return out / "films.csv"


def _write(path, new_path, has_bars):
    index = frame_index.index_frames(path)
    with av.open(str(path)) as container:
        rate = container.streams.video[0].average_rate
    # H.264 halves the colour planes.
    size = (index.width // 2 * 2, index.height // 2 * 2)
    above = SHARE if has_bars else 0
    frames = (barred(frame, size, above) for frame in _all_frames(index))
    filming.write_video(new_path, frames, size, rate)


def _all_frames(index):
    numbers = range(index.num_frames)
    read = 0
    for _, _, frame in frame_reading.read_frames(
        index.path, numbers, index, "forward"
    ):
        read += 1
        yield frame
    # A scene of a film that is shorter would be another one.
    if read < index.num_frames:
        raise VideoError(
            f"{index.path}: {index.num_frames - read} of {index.num_frames} "
            "frames cannot be decoded. Leave the film out of the list."
        )


def barred(frame, size, above=SHARE, beside=0.0, level=0):
    """Squeezes a frame between bars.

    Args:
        frame: uint8 array (height, width, 3), RGB.
        size: Tuple of two integers, (width, height) of what is made.
        above: Float, the share of the height of each bar above and below.
        beside: Float, the share of the width of each bar left and right.
        level: Integer, how bright the bars are.

    Returns:
        uint8 array of the size.
    """
    width, height = size
    y, x = round(above * height), round(beside * width)
    whole = np.full((height, width, 3), level, np.uint8)
    whole[y : height - y, x : width - x] = cv2.resize(
        frame, (width - 2 * x, height - 2 * y), interpolation=cv2.INTER_AREA
    )
    return whole


def main():
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m experiments.letterbox")
    add = parser.add_argument
    add("--films", required=True, metavar="FILMS.csv")
    add("--out", required=True, metavar="DIR")
    add(
        "--genres",
        nargs="+",
        default=_DEFAULT,
        metavar="GENRE",
        help=f"whose films get bars (default: {' '.join(_DEFAULT)})",
    )
    arguments = parser.parse_args()
    path = letterbox(
        arguments.films, arguments.out, arguments.genres, progress=True
    )
    print(f"written: {path}")


if __name__ == "__main__":
    command.run(main)
