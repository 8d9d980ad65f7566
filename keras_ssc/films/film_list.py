"""The film list: which scenes of which films, read from films.csv.

One row a scene, in the columns `film`, `genre`, `split`, `path`, `start` and
`end`. Rows with the same `film` belong together: a film may have many scenes,
in one file or in several. `path` is relative to the list's folder; `start`
and `end` are hh:mm:ss, m:ss or seconds, with or without decimals, empty for the
file's beginning or end. Lines that begin with # are comments.
"""

import csv
import dataclasses
import errno
import io
import itertools
import math
import os
import pathlib
import re

from keras_ssc.errors import FilmListError
from keras_ssc.genres import genre_named

SPLITS = ("train", "validation", "test")

COLUMNS = ("film", "genre", "split", "path", "start", "end")

# Without them, whole files are scenes.
_OPTIONAL = ("start", "end")

# What else validation is called.
_SPLITS = {split: split for split in SPLITS} | dict.fromkeys(
    ("val", "valid", "dev"), "validation"
)

_TIME = re.compile(
    r"(?:(?:(?P<hours>\d{1,3}):(?=\d\d:))?(?P<minutes>\d{1,3}):(?=\d\d(?!\d)))?"
    r"(?P<seconds>\d{1,6})(?:[.,](?P<fraction>\d+))?"
)

# What Excel reads and writes as the first line.
_SEPARATOR = re.compile(r'"?sep=([,;\t])"? *\n?', re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Scene:
    """A marked range of a film.

    Attributes:
        path: `pathlib.Path` of the film's file.
        start_seconds: Float, presentation time of the scene's start.
        end_seconds: Float, presentation time of its end, itself outside;
            infinity for the end of the file.
        line: Integer, the row's line in the film list.
    """

    path: pathlib.Path
    start_seconds: float
    end_seconds: float
    line: int


@dataclasses.dataclass(frozen=True)
class Film:
    """A film and its scenes.

    Attributes:
        name: String, the film's name in the list.
        genre: One of `GENRES`.
        split: One of `SPLITS`.
        scenes: Tuple of `Scene`, in the list's order.
    """

    name: str
    genre: str
    split: str
    scenes: tuple


def parse_time(text):
    """Reads hh:mm:ss, m:ss or seconds, with any number of decimals behind it.

    Args:
        text: A string, such as `"01:02:03.250"`, `"90:05"` or `"5405"`.

    Returns:
        Float, seconds.

    Raises:
        ValueError: If the text is not a time.
    """
    match = _TIME.fullmatch(text.strip())
    parts = match and {
        name: int(match[name] or 0) for name in ("hours", "minutes", "seconds")
    }
    # Behind a larger unit, 60 of a smaller one are a slip.
    if (
        parts is None
        or (match["hours"] and parts["minutes"] > 59)
        or (match["minutes"] and parts["seconds"] > 59)
    ):
        raise ValueError(
            "Expected a time as hh:mm:ss, m:ss or seconds, with minutes and "
            "seconds below 60 behind a colon and decimals if need be. "
            f"Received: {text!r}"
        )
    whole = parts["hours"] * 3600 + parts["minutes"] * 60 + parts["seconds"]
    # Rounded once: the nearest float to what is written.
    return float(f"{whole}.{match['fraction'] or 0}")


def format_time(seconds):
    """Writes seconds as hh:mm:ss.mmm."""
    milliseconds = round(seconds * 1000)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return (
        f"{hours:02d}:{minutes:02d}:"
        f"{milliseconds // 1000:02d}.{milliseconds % 1000:03d}"
    )


def read_film_list(path):
    """Reads a film list.

    Args:
        path: The CSV file: UTF-8 with or without a byte order mark, its
            columns separated by commas, semicolons or tabs. A first line such
            as `sep=;` and rows without any text are skipped.

    Returns:
        A tuple (films, problems). `films` is a list of `Film` in the order of
        their first row. `problems` is a list of strings, each naming file,
        line, column and remedy; the films concerned are not in `films`, so
        that one typing error does not stop the other films, and no film
        is used with half of its scenes.

    Raises:
        FilmListError: If no film can be read from the file: it is missing,
            not text, or lacks a column.
    """
    path = pathlib.Path(path)
    rows, problems, spoilt = [], [], set()
    for line, row in _rows(path):
        try:
            rows.append((line, row, _parse_row(row, path.parent, line)))
        except _CellError as error:
            problems.append(f"{path}, line {line}, {error}")
            spoilt.add((row["film"] or "").strip())
    for line, film, column, reason in _contradictions(rows):
        problems.append(f"{path}, line {line}, column {column}: {reason}")
        spoilt.add(film)
    films = {}
    for _, _, film in rows:
        if film.name not in spoilt:
            films.setdefault(film.name, []).append(film)
    return [_join(parts) for parts in films.values()], problems


class _CellError(ValueError):
    def __init__(self, column, reason):
        super().__init__(f"column {column}: {reason}")


def _rows(path):
    try:
        text = _read(path)
    except UnicodeDecodeError as error:
        raise FilmListError(
            f"{path}: expected a CSV file in UTF-8, received other bytes at "
            f"position {error.start}. Save it as 'CSV UTF-8'."
        ) from error
    except OSError as error:
        raise FilmListError(
            f"{path}: expected a film list, a CSV file with the columns "
            f"{', '.join(COLUMNS)}. It cannot be read: {error.strerror}."
        ) from error
    # Not text.splitlines(): it also ends lines within a cell.
    lines = io.StringIO(text)
    line, num_skipped, delimiter = lines.readline(), 0, None
    while line and (_is_comment(line) or _SEPARATOR.fullmatch(line)):
        if named := _SEPARATOR.fullmatch(line):
            delimiter = named[1]
        line, num_skipped = lines.readline(), num_skipped + 1
    reader = csv.DictReader(
        itertools.chain([line], _without_comments(lines)),
        delimiter=delimiter or max(",;\t", key=line.count),
    )
    try:
        header = [name.strip().lower() for name in reader.fieldnames or ()]
        where = f"{path}, line {num_skipped + 1}"
        _check_header(header, where)
        reader.fieldnames = header
        rows = [
            (reader.line_num + num_skipped, row)
            for row in reader
            # Spreadsheets write empty rows as separators. Cells that are too
            # many are a list of their own.
            if any("".join(cell or "").strip() for cell in row.values())
        ]
    except csv.Error as error:
        raise FilmListError(
            f"{path}, line {reader.line_num + num_skipped + 1}: expected CSV, "
            f"received something else ({error}). Save it as 'CSV UTF-8'."
        ) from error
    if not rows:
        raise FilmListError(f"{path}: expected at least one row, a scene.")
    return rows


def _read(path):
    # A device or a pipe may have no end, or no beginning.
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is not a file")
    return path.read_text(encoding="utf-8-sig")


def _is_comment(line):
    return line.lstrip().startswith("#")


def _without_comments(lines):
    """Yields lines, empty ones for comments: line numbers stay."""
    is_within = False  # a cell in double quotes may have several lines
    for line in lines:
        if not is_within and _is_comment(line):
            yield "\n"
            continue
        is_within ^= line.count('"') % 2 == 1
        yield line


def _check_header(header, where):
    """Raises `FilmListError` if a column is missing, or is there twice."""
    missing = [
        name for name in COLUMNS if name not in header and name not in _OPTIONAL
    ]
    if missing:
        raise FilmListError(
            f"{where}: expected the columns {', '.join(COLUMNS)}. Missing: "
            f"{', '.join(missing)}. Received: "
            f"{', '.join(header)[:200] or 'an empty file'}"
        )
    twice = [name for name in COLUMNS if header.count(name) > 1]
    if twice:
        raise FilmListError(
            f"{where}: expected each column once. Twice there: "
            f"{', '.join(twice)}. Rename or remove one."
        )


def _parse_row(row, folder, line):
    if None in row or None in row.values():
        raise _CellError(
            "end",
            f"expected {len(row) - (None in row)} cells, as the header has. "
            "Put a cell that holds the separator itself into double quotes.",
        )
    for column, cell in row.items():
        if "\0" in cell:
            raise _CellError(column, "it has a zero byte in it. Correct it.")
    cells = {name: row.get(name, "").strip() for name in COLUMNS}
    for column in ("film", "genre", "split", "path"):
        if not cells[column]:
            raise _CellError(column, "it is empty. Fill it in.")
    try:
        genre = genre_named(cells["genre"])
    except ValueError as error:
        raise _CellError("genre", str(error)) from error
    split = _SPLITS.get(cells["split"].lower())
    if split is None:
        raise _CellError(
            "split",
            f"Expected one of: {', '.join(SPLITS)}. "
            f"Received: {cells['split']!r}",
        )
    scene = Scene(
        folder / cells["path"],
        _cell_time(cells, "start", 0.0),
        _cell_time(cells, "end", math.inf),
        line,
    )
    if scene.end_seconds <= scene.start_seconds:
        raise _CellError(
            "end",
            f"the end {cells['end']} is not after the start "
            f"{cells['start'] or '00:00:00'}. Swap or correct them.",
        )
    return Film(cells["film"], genre, split, (scene,))


def _cell_time(cells, column, default):
    if not cells[column]:
        return default
    try:
        return parse_time(cells[column])
    except ValueError as error:
        raise _CellError(column, str(error)) from error


def _contradictions(rows):
    """Yields (line, film, column, reason) of contradicting rows."""
    first_row = {}
    for line, _, film in rows:
        first_line, first = first_row.setdefault(film.name, (line, film))
        for column in ("genre", "split"):
            is_now, was = getattr(film, column), getattr(first, column)
            if is_now != was:
                yield (
                    line,
                    film.name,
                    column,
                    f"film {film.name!r} is in {was} (line {first_line}) and "
                    f"in {is_now}. A film has one {column}: choose one.",
                )
    by_path = {}
    for line, _, film in rows:
        by_path.setdefault(_resolved(film.scenes[0].path), []).append(
            (film.scenes[0].start_seconds, line, film)
        )
    for scenes in by_path.values():
        yield from _overlaps(sorted(scenes, key=lambda item: item[:2]))


def _resolved(path):
    # Not path.resolve(): links in a circle are an error there, and not here.
    return os.path.realpath(path)


def _overlaps(scenes):
    """Yields what is wrong among one file's scenes, sorted by start."""
    for _, line, film in scenes:
        _, owner_line, owner = min(scenes, key=lambda item: item[1])
        if film.name != owner.name:
            yield (
                line,
                film.name,
                "path",
                f"the file is film {owner.name!r}'s already (line "
                f"{owner_line}). A file belongs to one film: give both rows "
                "one film name.",
            )
    reach, reach_line = -math.inf, None
    for start, line, film in scenes:
        if start < reach:
            yield (
                line,
                film.name,
                "start",
                f"the scene begins before the scene of line {reach_line} "
                "ends. Scenes of a film must not overlap: correct a time or "
                "join them.",
            )
        end = film.scenes[0].end_seconds
        if end > reach:
            reach, reach_line = end, line


def _join(parts):
    """Makes one film of its rows."""
    scenes = tuple(scene for film in parts for scene in film.scenes)
    return dataclasses.replace(parts[0], scenes=scenes)
