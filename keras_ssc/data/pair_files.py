"""Pairs of frames: how their files are named, and how they are drawn.

The naming scheme is the report's: the frames of a genre and split lie in a
folder `<prefix>_<split>/`, named `<prefix>_movie<M>_<NNN>.png`. An odd number
is a first frame, the even number after it is its next frame:
`ani2D_train/ani2D_movie7_139.png` and `ani2D_movie7_140.png` are one pair.
"""

import dataclasses
import pathlib
import re

from keras_ssc.films.film_list import SPLITS
from keras_ssc.genres import PREFIXES
from keras_ssc.genres import genre_named

_FOLDER = re.compile(rf"(?P<prefix>\w+)_(?P<split>{'|'.join(SPLITS)})")
_FRAME = re.compile(
    r"(?P<prefix>\w+)_movie(?P<movie>[0-9]+)_(?P<number>[0-9]+)\.png"
)


@dataclasses.dataclass(frozen=True, order=True)
class StoredPair:
    """Two frames of a folder in the report's layout.

    Attributes:
        genre: One of `GENRES`.
        split: One of `SPLITS`.
        movie: Integer, the film's number inside its genre.
        number: Integer, the first frame's number as its file has it: odd.
        frame_path: `pathlib.Path` of the first frame.
        next_frame_path: `pathlib.Path` of the next frame.
    """

    genre: str
    split: str
    movie: int
    number: int
    frame_path: pathlib.Path
    next_frame_path: pathlib.Path


def movie_name(genre, movie):
    """Returns how a film's frames begin, such as `ani2D_movie7`."""
    return f"{PREFIXES[genre]}_movie{movie}"


def folder_name(genre, split):
    """Returns the folder of a genre and split, such as `ani2D_train`."""
    return f"{PREFIXES[genre]}_{split}"


def frame_name(genre, movie, number):
    """Returns a frame's file name, such as `ani2D_movie7_139.png`."""
    return f"{movie_name(genre, movie)}_{number:03d}.png"


def parse_frame_name(name):
    """Reads a frame's file name.

    Args:
        name: A string such as `"ani2D_movie7_139.png"`.

    Returns:
        A tuple (genre, movie, number).

    Raises:
        ValueError: If the name does not follow the scheme.
    """
    match = _FRAME.fullmatch(name)
    if match is None:
        raise ValueError(
            "Expected a frame named <prefix>_movie<M>_<NNN>.png, such as "
            f"ani2D_movie7_139.png. Received: {name!r}"
        )
    genre = genre_named(match["prefix"])
    return genre, int(match["movie"]), int(match["number"])


def list_pairs(root):
    """Lists the pairs of a folder in the report's layout.

    Args:
        root: The folder that holds `<prefix>_<split>/` folders.

    Returns:
        A tuple (pairs, problems): a sorted list of `StoredPair`, and a list
        of (path, reason) for every file that is not part of a pair: an odd
        frame without its even one, an even one without its odd one, a name
        that does not follow the scheme, a folder of an unknown genre.
    """
    pairs, problems = [], []
    for folder in sorted(pathlib.Path(root).iterdir()):
        match = _FOLDER.fullmatch(folder.name)
        if match is None or not folder.is_dir():
            continue
        try:
            genre = genre_named(match["prefix"])
        except ValueError as error:
            problems.append((folder, str(error)))
            continue
        frames, unnamed = _frames_of(folder, genre)
        found, unpaired = _pair_up(frames, genre, match["split"])
        pairs += found
        problems += unnamed + unpaired
    return sorted(pairs), sorted(problems)


def _frames_of(folder, genre):
    frames, problems = {}, []
    for path in sorted(folder.iterdir()):
        try:
            found, movie, number = parse_frame_name(path.name)
        except ValueError as error:
            problems.append((path, str(error)))
            continue
        if found != genre:
            problems.append((path, f"a frame of {found} in {genre}'s folder"))
        elif (movie, number) in frames:
            twin = frames[movie, number].name
            problems.append((path, f"the same frame as {twin}"))
        else:
            frames[movie, number] = path
    return frames, problems


def _pair_up(frames, genre, split):
    pairs, problems = [], []
    for (movie, number), path in frames.items():
        is_first = number % 2 == 1
        partner = frames.get((movie, number + 1 if is_first else number - 1))
        if partner is None:
            missing = frame_name(
                genre, movie, number + 1 if is_first else number - 1
            )
            problems.append((path, f"its other frame {missing} is missing"))
        elif is_first:
            pairs.append(StoredPair(genre, split, movie, number, path, partner))
    return pairs, problems


def key_frames(first, last, stride=1):
    """Returns the key frames of a range of frames.

    A key frame has an odd number, and the frame `stride` after it lies in
    the same range.

    Args:
        first: Integer, the number of the range's first frame, from 0.
        last: Integer, the number of the range's last frame, inclusive.
        stride: Integer, how many frames on the next frame is.

    Returns:
        A `range` of odd frame numbers, perhaps empty.
    """
    return range(first + (first + 1) % 2, last - stride + 1, 2)
