"""Public corpora of films whose shots people marked; their films are not ours.

Each function reads a folder as it is published, and numbers frames as in
`keras_ssc.films.shots.Transition`. None of them says what kind a gradual
transition is.
"""

import itertools
import pathlib

from experiments.shots import corpus
from experiments.shots.scoring import Film
from keras_ssc import files
from keras_ssc.films import frame_index
from keras_ssc.films.shots import Transition


def made_here(folder):
    """Reads a corpus of `corpus.make_corpus`.

    Args:
        folder: Path of the folder, with `truth.json` and the films.

    Returns:
        List of `scoring.Film`.
    """
    folder = pathlib.Path(folder)
    return [
        Film(
            folder / film["file"],
            film["num_frames"],
            [Transition(**each) for each in film["transitions"]],
            [Transition(**each) for each in film["distractors"]],
            film["montage"],
        )
        for film in files.read_json(folder / corpus.TRUTH)["films"]
    ]


def bbc(folder):
    """Reads BBC Planet Earth (Baraldi et al. 2015; Zenodo, record 14873790).

    Args:
        folder: Path of the folder, with `videos/bbc_01.mp4` and
            `fixed/01-scenes.txt`. A line of the latter is a shot: the numbers
            of its first and last frame, from 0, with a tab between them.

    Returns:
        List of `scoring.Film`.
    """
    return _marked(
        sorted(pathlib.Path(folder, "videos").glob("bbc_*.mp4")),
        lambda film: pathlib.Path(
            folder, "fixed", f"{film.stem.removeprefix('bbc_')}-scenes.txt"
        ),
    )


def autoshot(folder):
    """Reads the test films of AutoShot's SHOT (Zhu et al. 2023).

    Args:
        folder: Path of the folder, with `videos/ID.mp4` and
            `annotations/ID.txt`; a line of the latter is a shot, as of `bbc`.
            Films that are missing are left out: 36 of 200 cannot be had.

    Returns:
        List of `scoring.Film`.
    """
    return _marked(
        sorted(pathlib.Path(folder, "videos").glob("*.mp4")),
        lambda film: pathlib.Path(folder, "annotations", f"{film.stem}.txt"),
    )


def _marked(films, marks_of):
    return [
        Film(
            film,
            frame_index.index_frames(film).num_frames,
            _between(_shots(marks_of(film))),
        )
        for film in films
    ]


def _shots(path):
    """Reads the first and the last frame of each shot."""
    try:
        rows = [line.split() for line in path.read_text().splitlines()]
        return [(int(row[0]), int(row[1])) for row in rows if row]
    except (ValueError, IndexError) as error:
        raise ValueError(
            f"{path}: expected two frame numbers a line, a shot's first and "
            f"last. Received: {error}"
        ) from error


def _between(marked):
    """Makes transitions of shots; frames that are in none are gradual."""
    return [
        _transition(last + 1, first)
        for (_, last), (first, _) in itertools.pairwise(marked)
    ]


def _transition(first, end):
    # Shots that overlap by a frame are a slip of the marks.
    end = max(first, end)
    return Transition("gradual" if end > first else "cut", first, end)


def clipshots(folder):
    """Reads the test films of ClipShots (Tang et al. 2018).

    Args:
        folder: Path of the folder, with `annotations/test.json` and
            `videos/NAME.mp4`, or `videos/test/NAME.mp4`. The former has of each
            film `transitions`, pairs of the last frame of a shot and the first
            of the next, from 0, and `frame_num`. Films that are missing are
            left out.

    Returns:
        List of `scoring.Film`.
    """
    films = []
    marked = files.read_json(pathlib.Path(folder, "annotations", "test.json"))
    for name, truth in sorted(marked.items()):
        for path in sorted(pathlib.Path(folder, "videos").rglob(name)):
            num_frames = frame_index.index_frames(path).num_frames
            # Where a decoder finds one frame more, it is the first: so
            # TransNetV2's authors, who compared the marks with the pictures.
            more = int(num_frames == truth["frame_num"] + 1)
            transitions = [
                _transition(last + 1 + more, first + more)
                for last, first in truth["transitions"]
            ]
            films.append(Film(path, num_frames, transitions))
    return films


CORPORA = {
    "made": made_here,
    "bbc": bbc,
    "autoshot": autoshot,
    "clipshots": clipshots,
}


def read(name, folder):
    """Reads a corpus.

    Args:
        name: String, a key of `CORPORA`.
        folder: Path.

    Returns:
        List of `scoring.Film`, ascending.

    Raises:
        ValueError: If the folder has no film, or marks that cannot be read.
        VideoError: If a film cannot be read.
        OSError: If a film's marks cannot be read.
    """
    films = CORPORA[name](folder)
    if not films:
        raise ValueError(
            f"Expected films of {name} in {folder}, which lie as "
            "experiments/README.md says. Received: none"
        )
    return films
