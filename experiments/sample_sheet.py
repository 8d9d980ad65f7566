"""Draws the README's picture: the sample films, a row a genre.

python -m experiments.sample_sheet FILMS/films.csv
"""

import argparse
import pathlib

import cv2
import numpy as np

from keras_ssc import command
from keras_ssc import files
from keras_ssc.films import frame_index
from keras_ssc.films import frame_reading
from keras_ssc.films.film_list import read_film_list
from keras_ssc.genres import GENRES

FIGURE = pathlib.Path(__file__).parent / "figures" / "sample_films.jpg"

# The size of a picture on the sheet, and the space between, in pixels.
_WIDTH, _HEIGHT, _GAP, _LABEL = 240, 135, 4, 96


def sheet(film_list):
    """Draws one frame of each film, genres down and films across.

    Args:
        film_list: Path of a film list.

    Returns:
        uint8 array (height, width, 3), RGB.
    """
    films, _ = read_film_list(film_list)
    rows = [
        [_picture(film) for film in films if film.genre == genre]
        for genre in GENRES
    ]
    columns = max(len(row) for row in rows)
    width = _LABEL + columns * (_WIDTH + _GAP)
    canvas = np.full((len(rows) * (_HEIGHT + _GAP), width, 3), 255, np.uint8)
    for place, (genre, row) in enumerate(zip(GENRES, rows, strict=True)):
        top = place * (_HEIGHT + _GAP)
        _label(canvas, genre, top + _HEIGHT // 2)
        for column, picture in enumerate(row):
            left = _LABEL + column * (_WIDTH + _GAP)
            canvas[top : top + _HEIGHT, left : left + _WIDTH] = picture
    return canvas


def _picture(film):
    index = frame_index.index_frames(film.scenes[0].path)
    # A third into the film: behind the first cut, for all of them differ.
    number = index.num_frames // 3
    ((_, _, frame),) = frame_reading.read_frames(index.path, [number], index)
    return cv2.resize(frame, (_WIDTH, _HEIGHT), interpolation=cv2.INTER_AREA)


def _label(canvas, genre, middle):
    lines = genre.split("_")
    for place, line in enumerate(lines):
        y = middle + 5 + 18 * place - 9 * (len(lines) - 1)
        cv2.putText(
            canvas,
            line,
            (2, y),
            cv2.FONT_HERSHEY_SIMPLEX,
            0.5,
            (40, 40, 40),
            1,
            cv2.LINE_AA,
        )


def main():
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m experiments.sample_sheet")
    parser.add_argument("film_list", metavar="films.csv")
    parser.add_argument("--out", default=FIGURE, type=pathlib.Path)
    arguments = parser.parse_args()
    picture = cv2.cvtColor(sheet(arguments.film_list), cv2.COLOR_RGB2BGR)
    quality = [cv2.IMWRITE_JPEG_QUALITY, 85]
    _, data = cv2.imencode(".jpg", picture, quality)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    files.write_bytes(arguments.out, data.tobytes())
    print(f"written: {arguments.out}")


if __name__ == "__main__":
    command.run(main)
