"""Pairs of frames: how their files are named, and how they are drawn.

The naming scheme is the report's: the frames of a genre and split lie in a
folder `<prefix>_<split>/`, named `<prefix>_movie<M>_<NNN>.png`. An odd number
is a first frame, the even number after it is its next frame:
`ani2D_train/ani2D_movie7_139.png` and `ani2D_movie7_140.png` are one pair.
A genre that the report does not have has a prefix made from its name; its
folder says the genre, or `genres.txt` beside the folders does.
"""

import dataclasses
import functools
import pathlib
import re

from keras_ssc import genres
from keras_ssc.films.film_list import SPLITS

_FOLDER = re.compile(rf"(?P<prefix>[^/]+)_(?P<split>{'|'.join(SPLITS)})")
_FRAME = re.compile(
    r"(?P<prefix>[^/]+)_movie(?P<movie>[0-9]+)_(?P<number>[0-9]+)\.png"
)


@dataclasses.dataclass(frozen=True, order=True)
class StoredPair:
    """Two frames of a folder in the report's layout.

    Attributes:
        genre: String, of a film with several the first one.
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
    return f"{genres.prefix_of(genre)}_movie{movie}"


def folder_name(genre, split):
    """Returns the folder of a genre and split, such as `ani2D_train`."""
    return f"{genres.prefix_of(genre)}_{split}"


def frame_name(genre, movie, number):
    """Returns a frame's file name, such as `ani2D_movie7_139.png`."""
    return f"{movie_name(genre, movie)}_{number:03d}.png"


def _genre_reader(known):
    """Returns a function that reads what a folder or a frame begins with.

    Args:
        known: Sequence of the genres that there are; None for any.

    Returns:
        Function from a prefix to a genre. It raises a `ValueError` if the
        prefix is malformed, or none of those that are known.
    """
    by_prefix = {genres.prefix_of(genre): genre for genre in known or ()}

    # A folder has thousands of frames with one prefix.
    @functools.cache
    def read(prefix):
        if known is None:
            return genres.genre_named(prefix)
        return by_prefix.get(prefix) or genres.choose(prefix, known)

    return read


def parse_frame_name(name, known=None):
    """Reads a frame's file name.

    Args:
        name: A string such as `"ani2D_movie7_139.png"`.
        known: Sequence of the genres that there are; None for any.

    Returns:
        A tuple (genre, movie, number).

    Raises:
        ValueError: If the name does not follow the scheme.
    """
    return _parse_frame_name(name, _genre_reader(known))


def _parse_frame_name(name, genre_of):
    match = _FRAME.fullmatch(name)
    if match is None:
        raise ValueError(
            "Expected a frame named <prefix>_movie<M>_<NNN>.png, such as "
            f"ani2D_movie7_139.png. Received: {name!r}"
        )
    genre = genre_of(match["prefix"])
    return genre, int(match["movie"]), int(match["number"])


def list_pairs(root):
    """Lists the pairs of a folder in the report's layout.

    Args:
        root: The folder that holds `<prefix>_<split>/` folders. Where it has
            `genres.txt`, a folder of another genre is told.

    Returns:
        A tuple (pairs, problems): a sorted list of `StoredPair`, and a list
        of (path, reason) for every file that is not part of a pair: an odd
        frame without its even one, an even one without its odd one, a name
        that does not follow the scheme, a folder of an unknown genre.

    Raises:
        ValueError: If `genres.txt` is malformed.
    """
    pairs, problems = [], []
    genre_of = _genre_reader(
        genres.read_names(pathlib.Path(root) / genres.FILE_NAME)
    )
    for folder in sorted(pathlib.Path(root).iterdir()):
        match = _FOLDER.fullmatch(folder.name)
        if match is None or not folder.is_dir():
            continue
        try:
            genre = genre_of(match["prefix"])
        except ValueError as error:
            problems.append((folder, str(error)))
            continue
        frames, unnamed = _frames_of(folder, genre, genre_of)
        found, unpaired = _pair_up(frames, genre, match["split"])
        pairs += found
        problems += unnamed + unpaired
    return sorted(pairs), sorted(problems)


def _frames_of(folder, genre, genre_of):
    frames, problems = {}, []
    for path in sorted(folder.iterdir()):
        try:
            found, movie, number = _parse_frame_name(path.name, genre_of)
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


def genres_of(root, found):
    """Returns the genres of a folder, in order.

    Args:
        root: The folder.
        found: Iterable of the genres of its pairs; not read where the folder
            has `genres.txt`.

    Returns:
        Tuple of strings: what its `genres.txt` says; else, where the pairs are
        of the report's genres alone, all of these, as folders had them before
        there were others; else those of the pairs.
    """
    known = genres.read_names(pathlib.Path(root) / genres.FILE_NAME)
    if known is not None:
        return known
    found = genres.in_order(found)
    is_report = set(found) <= set(genres.REPORT_GENRES)
    return genres.REPORT_GENRES if is_report else found


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
