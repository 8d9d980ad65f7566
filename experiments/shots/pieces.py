"""Pieces of real films, each out of a single shot, that corpora are made of."""

import collections
import csv
import dataclasses
import functools
import io
import pathlib

import cv2
import numpy as np

import keras_ssc
from keras_ssc import files
from keras_ssc.errors import VideoError
from keras_ssc.films import file_kinds
from keras_ssc.films import frame_index
from keras_ssc.films import frame_reading

COLUMNS = ("path", "first_frame", "end_frame", "group", "source", "crop")

# In the column `note` of pieces that nobody has looked at.
PROPOSED = "proposed: look at it, then delete this note"

# Frames of a detected shot that are left out at both ends, where it may still
# be mixed with the next; and the fewest that are worth a piece.
_TRIMMED = 4
_LEAST_FRAMES = 24

# Frames are read at this long side, pixels: films are put together from what
# is left of them after cropping.
_LONG_SIDE = 960


@dataclasses.dataclass(frozen=True)
class Piece:
    """Frames of a clip that belong to one shot.

    Attributes:
        path: String, path of the clip.
        first_frame: Integer, its first frame's number in the clip, from 0.
        end_frame: Integer, the number of the frame after its last one.
        group: String; pieces of one group show the same set-up, and no cut is
            made from one to the other.
        source: String, the film that the clip is of.
        crop: Tuple of two floats, how much of the frame's width and height is
            kept, about the middle.
    """

    path: str
    first_frame: int
    end_frame: int
    group: str
    source: str
    crop: tuple = (1.0, 1.0)

    @property
    def num_frames(self):
        """How many frames it has."""
        return self.end_frame - self.first_frame


def read_pieces(path, sources=None, half=None):
    """Reads a list of pieces.

    Args:
        path: Path of a CSV file with the columns `path` (from the list's own
            folder), `first_frame`, `end_frame`, `group`, and perhaps `source`
            (the clip's name if empty), `crop` (`WIDTHxHEIGHT`, shares of the
            frame, such as `1x0.74`) and `note`.
        sources: Names of sources, None for all.
        half: 0 or 1: sources are dealt to two halves with about as many
            frames, which share none; None for all.

    Returns:
        A tuple (pieces, num_proposed): a list of `Piece`, and how many of them
        nobody has looked at.

    Raises:
        ValueError: If a row is not a piece of its clip, or none is left.
        VideoError: If a clip cannot be read.
        OSError: If the list cannot be read.
    """
    path = pathlib.Path(path)
    with open(path, encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        pieces = [
            (_piece(row, f"{path}, line {reader.line_num}", path.parent), row)
            for row in reader
        ]
    names = {piece.source for piece, _ in pieces}
    if unknown := sorted(set(sources or ()) - names):
        raise ValueError(
            f"Unknown source {unknown[0]}. Expected some of: "
            f"{', '.join(sorted(names))}."
        )
    kept = set(sources or names)
    if half is not None:
        kept &= _half([piece for piece, _ in pieces], half)
    pieces = [(piece, row) for piece, row in pieces if piece.source in kept]
    if len({piece.group for piece, _ in pieces}) < 2:
        raise ValueError(
            f"Expected pieces of two groups or more in {path}, which cuts can "
            f"join. Received: {len(pieces)} pieces. Add some, or take more "
            "sources."
        )
    num_proposed = sum(row.get("note") == PROPOSED for _, row in pieces)
    return [piece for piece, _ in pieces], num_proposed


def _piece(row, place, folder):
    try:
        first, end = int(row["first_frame"]), int(row["end_frame"])
        share = [float(x) for x in (row.get("crop") or "1x1").split("x")]
        clip, group = folder / row["path"], row["group"]
    except (KeyError, TypeError, ValueError):
        share = []
    if len(share) != 2 or not all(0 < x <= 1 for x in share):
        raise ValueError(
            f"{place}: expected a path, two frame numbers, a group and perhaps "
            f"a crop such as 1x0.74. Received: {row}"
        )
    if not clip.is_file():
        raise ValueError(
            f"{place}: there is no {clip}. Correct the path or delete the line."
        )
    num_frames = _index(str(clip)).num_frames
    if not 0 <= first < end <= num_frames:
        raise ValueError(
            f"{place}: expected frames within 0 to {num_frames}, which "
            f"{clip} has. Received: {first} to {end}"
        )
    source = row.get("source") or clip.stem
    return Piece(str(clip), first, end, group, source, tuple(share))


@functools.lru_cache
def _index(path):
    return frame_index.index_frames(path)


def _half(pieces, half):
    """Returns the sources of a half; both have about as many frames."""
    lengths = collections.Counter()
    for piece in pieces:
        lengths[piece.source] += piece.num_frames
    halves, sums = ([], []), [0, 0]
    for source, length in sorted(
        lengths.items(), key=lambda item: (-item[1], item[0])
    ):
        shorter = int(sums[1] < sums[0])
        halves[shorter].append(source)
        sums[shorter] += length
    return set(halves[half])


def propose(folder, path, progress=None):
    """Writes a list of pieces from the detected shots of a folder's clips.

    What is no single shot, such as one with a dissolve that was not found,
    makes a corpus whose truth is wrong: a person should look at each.

    Args:
        folder: Path of a folder of clips, searched with its folders.
        path: Path of the CSV file to write.
        progress: Function of a path, called before each clip is read.

    Returns:
        Integer, how many pieces were proposed.

    Raises:
        ValueError: If the folder has no clip with a shot that is long enough.
        VideoError: If a clip cannot be read.
        OSError: If the list cannot be written.
    """
    folder, path = pathlib.Path(folder), pathlib.Path(path)
    rows = []
    for clip in sorted(folder.rglob("*")):
        if not clip.is_file() or file_kinds.is_no_film(clip):
            continue
        if progress is not None:
            progress(clip)
        for number, shot in enumerate(keras_ssc.detect_shots(clip)):
            first, end = shot.first_frame + _TRIMMED, shot.end_frame - _TRIMMED
            if end - first >= _LEAST_FRAMES:
                group = f"{clip.stem} {number}"
                rows.append(
                    [clip.resolve(), first, end, group, "", "", PROPOSED]
                )
    if not rows:
        raise ValueError(
            f"Expected clips with shots of {_LEAST_FRAMES + 2 * _TRIMMED} "
            f"frames or more in {folder}. Received: none"
        )
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([[*COLUMNS, "note"], *rows])
    files.write_text(path, text.getvalue())
    return len(rows)


def read_frames(piece, first, num_frames, size):
    """Reads frames of a piece, cropped to fill a size.

    Args:
        piece: A `Piece`.
        first: Integer, the first frame wanted, counted from the piece's.
        num_frames: Integer.
        size: Tuple (width, height), pixels.

    Returns:
        uint8 array (num_frames, height, width, 3), RGB.

    Raises:
        VideoError: If a frame cannot be decoded.
    """
    start = piece.first_frame + first
    frames = np.empty((num_frames, size[1], size[0], 3), np.uint8)
    number = None
    for place, (number, _, frame) in enumerate(
        frame_reading.read_frames(
            piece.path,
            range(start, start + num_frames),
            _index(piece.path),
            long_side=_LONG_SIDE,
        )
    ):
        if number != start + place:
            break
        frames[place] = _filled(frame, piece.crop, size)
    else:
        if number == start + num_frames - 1:
            return frames
    raise VideoError(
        f"{piece.path}: a frame of {start} to {start + num_frames} cannot be "
        "decoded. Leave the piece out of the list."
    )


def _filled(frame, crop, size):
    """Returns the middle of a frame, of a size's shape, in this size."""
    height, width = frame.shape[:2]
    width, height = width * crop[0], height * crop[1]
    scale = min(width / size[0], height / size[1])
    across, down = round(size[0] * scale), round(size[1] * scale)
    left, top = (frame.shape[1] - across) // 2, (frame.shape[0] - down) // 2
    return cv2.resize(
        frame[top : top + down, left : left + across],
        size,
        interpolation=cv2.INTER_AREA if scale > 1 else cv2.INTER_CUBIC,
    )
