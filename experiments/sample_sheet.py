"""Draws the README's picture: the sample films, a row a genre.

python -m experiments.sample_sheet FILMS/films.csv
"""

import pathlib
import sys

from keras_ssc import command
from keras_ssc.films import frame_index
from keras_ssc.films import frame_reading
from keras_ssc.films.film_list import read_film_list
from keras_ssc.metrics import figures
from keras_ssc.sample_films import GENRES

FIGURE = pathlib.Path(__file__).parent / "figures" / "sample_films.jpg"


def main(out=FIGURE):
    """Runs the command."""
    films = read_film_list(sys.argv[1]).films
    rows = [[x for x in films if x.genre == genre] for genre in GENRES]
    columns = max(map(len, rows))
    height = 1.125 * len(GENRES)
    figure, grid = figures.subplots(
        None, 2 * columns, height, len(GENRES), columns, squeeze=False
    )
    for genre, row, axes in zip(GENRES, rows, grid, strict=True):
        axes[0].set_ylabel(genre.replace("_", "\n"))
        for each in axes:
            each.set(xticks=[], yticks=[], frame_on=False)
        for film, each in zip(row, axes, strict=False):
            index = frame_index.index_frames(film.scenes[0].path)
            # A third into the film: behind the first cut, for all differ.
            wanted = [index.num_frames // 3]
            read = frame_reading.read_frames(index.path, wanted, index)
            for _, _, frame in read:
                each.imshow(frame, aspect="auto")
    figure.savefig(out, dpi=120, pil_kwargs={"quality": 85})
    print(f"written: {out}")


if __name__ == "__main__":
    command.run(main)
