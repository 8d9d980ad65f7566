"""Which sample films there are: their plan, their lists and the command.

`draw_sample_films` plans each `Film`, hands the films to worker processes
(see `filming`) and writes `cuts.csv` and `films.csv`.
"""

import concurrent.futures
import dataclasses
import itertools
import math
import multiprocessing
import os
import pathlib
from fractions import Fraction

import numpy as np
import tqdm

from keras_ssc import checks
from keras_ssc import command
from keras_ssc import files
from keras_ssc.errors import OutsideError
from keras_ssc.films import film_list
from keras_ssc.genres import REPORT_GENRES
from keras_ssc.sample_films import filming
from keras_ssc.sample_films import styles
from keras_ssc.sample_films import worlds

# Raise it when the drawing changes: films of an older version are redrawn.
VERSION = 1


@dataclasses.dataclass(frozen=True)
class Film:
    """One film to draw: plain values, so that a worker can be handed it."""

    genre: str
    number: int
    split: str
    path: pathlib.Path
    shots: tuple
    frame_rate: Fraction
    size: tuple
    seed: int

    @property
    def title(self):
        """The film's name, unique over all genres."""
        return self.path.stem

    @property
    def settings(self):
        """What the picture depends on, to be found again in the file."""
        return (
            f"keras_ssc sample film, version {VERSION}: {self.genre} "
            f"{self.number}, seed {self.seed}, shots {self.shots}, "
            f"{self.frame_rate} frames a second, {self.size}"
        )

    @property
    def cuts(self):
        """The number of each new shot's first frame, counted from 0."""
        return list(itertools.accumulate(self.shots))[:-1]


def draw_sample_films(
    out,
    films_per_genre=5,
    seconds=8.0,
    frame_rate=24,
    size=(480, 270),
    seed=0,
    workers=None,
    progress=True,
):
    """Draws the sample films and writes their lists.

    Writes `<genre>/<film>.mp4` for each film, `cuts.csv` and, last of all,
    `films.csv`. The last film of each genre is the test film and, of three or
    more, the one before it the validation film. A finished film
    of the same settings is kept as it is, so that a run that was interrupted
    resumes. The films depend on the settings and the seed, not on
    the number of workers.

    Args:
        out: The folder to write to. It is made where it is missing.
        films_per_genre: Integer, at least 2: one to train with, one to test.
        seconds: Float, the length of each film; at least one second.
        frame_rate: Integer or `fractions.Fraction`, frames a second.
        size: Tuple (width, height) in pixels, both even. The films are drawn
            at 480x270 and resized.
        seed: Integer, from 0. Another seed draws other films.
        workers: Integer, how many processes draw; `None` for one a core.
        progress: Whether to show a progress bar on standard error.

    Returns:
        `pathlib.Path` of `films.csv`. Its columns: film, genre, split, path
        (from the list's folder), start and end (`hh:mm:ss.mmm`, or empty for
        a scene that is the whole film), one row a scene. The columns of
        `cuts.csv`: film, path, frame_number (of a new shot's first frame,
        counted from 0).

    Raises:
        ValueError: If an argument is out of its range.
        OSError: If the films cannot be written.
    """
    _check(films_per_genre, seconds, frame_rate, size, seed, workers)
    out = pathlib.Path(out)
    rate = Fraction(frame_rate).limit_denominator(1001)
    frames = round(seconds * rate)
    films = [
        _plan_film(
            out, genre, number, films_per_genre, frames, rate, size, seed
        )
        for genre in REPORT_GENRES
        for number in range(films_per_genre)
    ]
    for film in films:
        film.path.parent.mkdir(parents=True, exist_ok=True)
    # A list of an earlier run must not speak of films half replaced.
    (out / "films.csv").unlink(missing_ok=True)
    _draw_films(films, workers or _cores(), progress)
    _write_cuts(films, out / "cuts.csv")
    _write_films(films, out / "films.csv")
    return out / "films.csv"


def _check(films_per_genre, seconds, frame_rate, size, seed, workers):
    if films_per_genre < 2:
        raise ValueError(
            "Expected films_per_genre of at least 2, one to train with and "
            f"one to test with. Received: {films_per_genre}"
        )
    if not 1 <= seconds < 3600:
        raise ValueError(
            f"Expected seconds from 1 to less than 3600. Received: {seconds}"
        )
    checks.above_zero("frame_rate", frame_rate)
    checks.at_least("seed", seed, 0)
    checks.at_least("workers", workers, 1)
    if any(side < 16 or side % 2 for side in size):
        raise ValueError(
            "Expected size as two even numbers of at least 16, because H.264 "
            f"halves the colour planes. Received: {size}"
        )


def _plan_film(out, genre, number, films_per_genre, frames, rate, size, seed):
    titles = styles.TITLES[genre]
    title = titles[number % len(titles)]
    if number >= len(titles):
        title += f"_{number // len(titles) + 1}"
    return Film(
        genre=genre,
        number=number,
        split=_split(number, films_per_genre),
        path=out / genre / f"{title}.mp4",
        shots=_shot_lengths(genre, number, frames, seed),
        frame_rate=rate,
        size=tuple(size),
        seed=seed,
    )


def _split(number, films_per_genre):
    if number == films_per_genre - 1:
        return "test"
    is_validation = number == films_per_genre - 2 and films_per_genre > 2
    return "validation" if is_validation else "train"


def _shot_lengths(genre, number, frames, seed):
    """Returns each shot's frames: irregular, and alike for twins."""
    rng = worlds.generator(seed, styles.STYLES[genre].world, number, "lengths")
    shots = max(1, min(int(rng.integers(4, 7)), frames // 8))
    ends = np.cumsum(rng.uniform(0.6, 1.4, shots))
    ends = np.round(ends / ends[-1] * frames).astype(int)
    return tuple(int(length) for length in np.diff(ends, prepend=0))


def _cores():
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _draw_films(films, workers, progress):
    bar = tqdm.tqdm(
        total=len(films), desc="drawing", unit="film", disable=not progress
    )
    with bar:
        if workers == 1:
            for film in films:
                filming.draw_film(film)
                bar.update()
            return
        # A fresh process each: forking a process that has loaded TensorFlow,
        # as a caller's may have, can hang.
        with concurrent.futures.ProcessPoolExecutor(
            min(workers, len(films)), multiprocessing.get_context("spawn")
        ) as pool:
            tasks = [pool.submit(filming.draw_film, film) for film in films]
            try:
                for task in concurrent.futures.as_completed(tasks):
                    task.result()
                    bar.update()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise


def _write_cuts(films, path):
    rows = [
        (film.title, _path_in_list(film), cut)
        for film in films
        for cut in film.cuts
    ]
    files.write_csv(path, ("film", "path", "frame_number"), rows)


def _write_films(films, path):
    rows = [
        (film.title, film.genre, film.split, _path_in_list(film), start, end)
        for film in films
        for start, end in _scenes(film)
    ]
    files.write_csv(path, film_list.COLUMNS, rows)


def _path_in_list(film):
    return f"{film.genre}/{film.path.name}"


def _scenes(film):
    """Returns (start, end) of each scene: one for even films, else two."""
    if film.number % 2 == 0 or not film.cuts:
        return [("", "")]
    # The second scene starts a few frames into its shot, so that the list
    # marks a range that no cut would give away.
    cut = film.cuts[len(film.cuts) // 2]
    ranges = ((0, cut), (cut + 3, sum(film.shots)))
    return [
        tuple(_timecode(frame / film.frame_rate) for frame in scene)
        for scene in ranges
    ]


def _timecode(seconds):
    # Rounded down: a scene must not end behind its film.
    return film_list.format_time(math.floor(seconds * 1000) / 1000)


def make_parser():
    """Makes the command's argument parser."""
    parser = command.new_parser(
        "sample_films",
        "Draws the small sample films that ship as the default data. Of each "
        "genre's films the last is to test with, of three or more the one "
        "before it to validate with, the others to train with.",
    )
    parser.add_argument("--out", required=True, help="folder to write to")
    parser.add_argument(
        "--films-per-genre", type=int, default=5, help="default: %(default)s"
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=8.0,
        help="length of each film, default: %(default)s",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        help="another seed draws other films, default: %(default)s",
    )
    parser.add_argument(
        "--workers", type=int, help="processes that draw, default: one a core"
    )
    return parser


def main(arguments=None):
    """Runs the command; returns its exit code."""
    options = make_parser().parse_args(arguments)
    try:
        path = draw_sample_films(**vars(options))
    except concurrent.futures.BrokenExecutor as error:
        raise OutsideError(
            "A process that draws died (killed, or out of memory). Run the "
            "same command again, or with fewer --workers."
        ) from error
    films = len(REPORT_GENRES) * options.films_per_genre
    print(
        f"{films} films of {options.seconds:g} seconds, {len(REPORT_GENRES)} "
        f"genres, in {path.parent}; their list: {path}; their cuts: "
        f"{path.with_name('cuts.csv')}"
    )
    return 0
