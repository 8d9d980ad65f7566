"""The film list: which scenes of which films, read from films.csv.

One row a scene, in the columns `film`, `genre`, `split`, `path`, `start` and
`end`. Rows with the same `film` belong together: a film may have many scenes,
in one file or in several. `genre` is one genre, or several with | between
them; a file genres.txt beside the list fixes which there are. A film without a
`split` is dealt one. `path` is relative to the list's folder; `start` and `end`
are hh:mm:ss, m:ss or seconds, with or without decimals, empty for the file's
beginning or end. Lines that begin with # are comments.
"""

import collections
import csv
import dataclasses
import difflib
import errno
import functools
import io
import itertools
import math
import os
import pathlib
import re
import unicodedata

from keras_ssc import checks
from keras_ssc import genres as genre_names
from keras_ssc.errors import FilmListError
from keras_ssc.films import splitting
from keras_ssc.films.splitting import SPLITS
from keras_ssc.genres import key_of

COLUMNS = ("film", "genre", "split", "path", "start", "end")

# Without a split, films are dealt; without times, whole files are scenes.
_REQUIRED = ("film", "genre", "path")

# What else validation is called.
_SPLITS = {split: split for split in SPLITS} | dict.fromkeys(
    ("val", "valid", "dev"), "validation"
)

# A genre is probably a slip of another if it has few films, the other this many
# times as many, and their names are alike.
_FEW_FILMS = 2
_TIMES_AS_MANY = 10
_ALIKE = 0.8

# Of the spellings of a genre that a note lists.
_MOST_SPELLINGS = 5

# Of a name's letters: long ones take long to compare.
_MOST_COMPARED = 60

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
        genres: Tuple of the names of its genres, in the order of its first
            row.
        split: One of `SPLITS`.
        scenes: Tuple of `Scene`, in the list's order.
    """

    name: str
    genres: tuple
    split: str
    scenes: tuple

    @property
    def genre(self):
        """The genre that is named first."""
        return self.genres[0]


@dataclasses.dataclass(frozen=True)
class FilmList:
    """What a film list says.

    Attributes:
        films: List of `Film`, in the order of their first row.
        problems: List of strings, each naming file, line, column, what is
            expected and what to write. The films concerned are not in `films`,
            so that one typing error does not stop the other films, and no
            film is used with half of its scenes.
        genres: Tuple of all genres, those of genres.txt if that lies beside
            the list; else as `genres.in_order` has them.
        task: String, "several" if a film may have several genres, else "one".
        notes: List of strings: what to know, and no error.
    """

    films: list
    problems: list
    genres: tuple
    task: str
    notes: list


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


def read_film_list(
    path, shares=splitting.DEFAULT_SHARES, seed=0, known=None, task=None
):
    """Reads a film list.

    Args:
        path: The CSV file: UTF-8 with or without a byte order mark, its
            columns separated by commas, semicolons or tabs. A first line such
            as `sep=;` and rows without any text are skipped.
        shares: Three floats, how many of the films without a split go to each
            of `SPLITS`; see `splitting.deal`.
        seed: Integer, which films go where.
        known: Dict of film names and the splits that they were dealt to
            earlier. They stay there, unless the list says another.
        task: "several" if films have several genres, "one" to take the first
            of each, None to see from the list.

    Returns:
        A `FilmList`.

    Raises:
        FilmListError: If no film can be read from the file: it is missing,
            not text, or lacks a column; if genres.txt beside it is malformed;
            or if there are more than 1,000 genres.
    """
    if task is not None:
        checks.one_of("task", task, (genre_names.ONE, genre_names.SEVERAL))
    path = pathlib.Path(path)
    listed = _listed_genres(path)
    rows, problems = _good_rows(path, _cell_reader(listed, path))
    films = _joined(rows)
    films, task, notes = _for_task(films, task)
    films = _spelt_alike(films)
    genres = listed or genre_names.in_order(
        genre for film in films for genre in film.genres
    )
    if films:
        _check_genres(genres, path)
        notes += _other_spellings(rows, genres)
        notes += [] if listed else _probable_slips(films)
        films, dealing = _with_splits(films, shares, seed, known or {})
        notes += dealing + splitting.gaps(films, genres)
    return FilmList(films, problems, genres, task, notes)


def _listed_genres(path):
    """Returns what genres.txt beside a list says, None without it."""
    try:
        return genre_names.read_names(path.with_name(genre_names.FILE_NAME))
    except ValueError as error:
        raise FilmListError(str(error)) from error


def _check_genres(genres, path):
    try:
        genre_names.check(genres)
    except ValueError as error:
        raise FilmListError(
            f"{path}, column genre: {error}. Write genres into it, the same "
            "for many films."
        ) from error


def _good_rows(path, read_genres):
    """Returns (line, row, film) of films without problems, and problems."""
    rows, problems, spoilt = [], [], set()
    for line, row in _rows(path):
        try:
            film = _parse_row(row, path.parent, line, read_genres)
            rows.append((line, row, film))
        except _CellError as error:
            problems.append(f"{path}, line {line}, {error}")
            spoilt.add((row["film"] or "").strip())
    for line, film, column, reason in _contradictions(rows):
        problems.append(f"{path}, line {line}, column {column}: {reason}")
        spoilt.add(film)
    return [row for row in rows if row[2].name not in spoilt], problems


class _CellError(ValueError):
    def __init__(self, column, reason):
        super().__init__(f"column {column}: {reason}")


# Stands for one while a list is read: Python 3.10 takes none in a CSV, and
# would refuse the good rows, too. For private use, so no name has it.
_ZERO_BYTE = "\ue000"


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
    lines = io.StringIO(text.replace("\0", _ZERO_BYTE))
    line, num_skipped, delimiter = lines.readline(), 0, None
    while line and (_is_comment(line) or _SEPARATOR.fullmatch(line)):
        if named := _SEPARATOR.fullmatch(line):
            delimiter = named[1]
        line, num_skipped = lines.readline(), num_skipped + 1
    reader = csv.DictReader(
        itertools.chain([line], without_comments(lines)),
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


def without_comments(lines):
    """Yields lines, empty ones for comments: line numbers stay.

    Args:
        lines: Iterable of strings, those of a film list.
    """
    is_within = False  # a cell in double quotes may have several lines
    for line in lines:
        if not is_within and _is_comment(line):
            yield "\n"
            continue
        is_within ^= line.count('"') % 2 == 1
        yield line


def _check_header(header, where):
    """Raises `FilmListError` if a column is missing, or is there twice."""
    missing = [name for name in _REQUIRED if name not in header]
    if missing:
        optional = [name for name in COLUMNS if name not in _REQUIRED]
        raise FilmListError(
            f"{where}: expected the columns {', '.join(_REQUIRED)} and, if "
            f"need be, {', '.join(optional)}. Missing: {', '.join(missing)}. "
            f"Received: {', '.join(header)[:200] or 'an empty file'}"
        )
    twice = [name for name in COLUMNS if header.count(name) > 1]
    if twice:
        raise FilmListError(
            f"{where}: expected each column once. Twice there: "
            f"{', '.join(twice)}. Rename or remove one."
        )


def _cell_reader(listed, path):
    """Returns what reads a genre cell.

    Args:
        listed: Tuple, the genres that there are; None if the list says.
        path: Path of the list.
    """
    in_file = path.with_name(genre_names.FILE_NAME)

    # Lists repeat their cells, and a bad one's reason takes time to find.
    @functools.cache
    def read(cell):
        """Returns a tuple of genres and None, or None and what is wrong."""
        genres = {}
        for part in cell.split(genre_names.SEPARATOR):
            if not part.strip():
                return None, (
                    f"Expected a genre, or several with "
                    f"{genre_names.SEPARATOR} between them, each with its "
                    f"name. Received: {cell!r}"
                )
            try:
                genre = genre_names.genre_named(part)
            except ValueError as error:
                return None, str(error)
            try:
                genre = genre_names.choose(genre, listed) if listed else genre
            except ValueError as error:
                return None, f"{error}. Correct it, or add it to {in_file}."
            genres.setdefault(key_of(genre), genre)
        return tuple(genres.values()), None

    return read


def _parse_row(row, folder, line, read_genres):
    if None in row or None in row.values():
        raise _CellError(
            "end",
            f"expected {len(row) - (None in row)} cells, as the header has. "
            "Put a cell that holds the separator itself into double quotes.",
        )
    for column, cell in row.items():
        if _ZERO_BYTE in cell:
            raise _CellError(column, "it has a zero byte in it. Correct it.")
    cells = {name: row.get(name, "").strip() for name in COLUMNS}
    for column in _REQUIRED:
        if not cells[column]:
            raise _CellError(column, "it is empty. Fill it in.")
    genres, reason = read_genres(cells["genre"])
    if reason:
        raise _CellError("genre", reason)
    split = cells["split"] and _SPLITS.get(cells["split"].lower())
    if split is None:
        raise _CellError(
            "split",
            f"Expected one of: {', '.join(SPLITS)}; or an empty cell, for a "
            f"film that is dealt a split. Received: {cells['split']!r}",
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
    return Film(cells["film"], genres, split, (scene,))


def _cell_time(cells, column, default):
    if not cells[column]:
        return default
    try:
        return parse_time(cells[column])
    except ValueError as error:
        raise _CellError(column, str(error)) from error


def _contradictions(rows):
    """Yields (line, film, column, reason) of contradicting rows."""
    first_row, first_split = {}, {}
    for line, _, film in rows:
        first_line, first = first_row.setdefault(film.name, (line, film))
        if _genre_keys(film) != _genre_keys(first):
            yield (
                line,
                film.name,
                "genre",
                f"film {film.name!r} is in {_genre_cell(first)} (line "
                f"{first_line}) and in {_genre_cell(film)}. Write the same in "
                f"all its rows; several genres with {genre_names.SEPARATOR} "
                "between them.",
            )
        if not film.split:
            continue
        first_line, split = first_split.setdefault(
            film.name, (line, film.split)
        )
        if film.split != split:
            yield (
                line,
                film.name,
                "split",
                f"film {film.name!r} is in {split} (line {first_line}) and in "
                f"{film.split}. A film has one split: choose one.",
            )
    by_path = {}
    for line, _, film in rows:
        by_path.setdefault(_resolved(film.scenes[0].path), []).append(
            (film.scenes[0].start_seconds, line, film)
        )
    for scenes in by_path.values():
        yield from _overlaps(sorted(scenes, key=lambda item: item[:2]))


def _genre_keys(film):
    return {key_of(genre) for genre in film.genres}


def _genre_cell(film):
    return genre_names.SEPARATOR.join(film.genres)


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


def _joined(rows):
    """Makes one film of its rows."""
    parts = {}
    for _, _, film in rows:
        parts.setdefault(film.name, []).append(film)
    return [
        dataclasses.replace(
            films[0],
            split=next((film.split for film in films if film.split), ""),
            scenes=tuple(scene for film in films for scene in film.scenes),
        )
        for films in parts.values()
    ]


def _for_task(films, task):
    """Returns films with as many genres as the task has, the task, notes."""
    num_several = sum(len(film.genres) > 1 for film in films)
    task = task or (genre_names.SEVERAL if num_several else genre_names.ONE)
    if task == genre_names.SEVERAL or not num_several:
        return films, task, []
    firsts = [
        dataclasses.replace(film, genres=film.genres[:1]) for film in films
    ]
    note = (
        f"{_count_films(num_several)} with several genres: the first of each "
        "counts."
    )
    return firsts, task, [note]


def _spelt_alike(films):
    """Gives all spellings of a genre the first one."""
    names = {}
    return [
        dataclasses.replace(
            film,
            genres=tuple(
                names.setdefault(key_of(genre), genre) for genre in film.genres
            ),
        )
        for film in films
    ]


def _other_spellings(rows, genres):
    """Says which spellings are taken as one genre."""
    of_key = {key_of(genre): genre for genre in genres}
    lines = {}
    for line, row, _ in rows:
        for part in row["genre"].split(genre_names.SEPARATOR):
            spelling = " ".join(unicodedata.normalize("NFC", part).split())
            lines.setdefault(spelling, line)
    others = {genre: [] for genre in genres}
    for spelling, line in lines.items():
        genre = of_key.get(key_of(genre_names.genre_named(spelling)))
        if genre and not _is_as_usual(spelling, genre):
            others[genre].append(f"{spelling!r} (line {line})")
    return [
        f"genre {genre!r} is also written "
        f"{genre_names.listing(spellings, _MOST_SPELLINGS)}: taken as one."
        for genre, spellings in others.items()
        if spellings
    ]


def _is_as_usual(spelling, genre):
    # `Action` is how cells begin in a spreadsheet, and no second genre.
    if genre in genre_names.REPORT_GENRES:
        return spelling.casefold() == genre
    return spelling == genre


def _probable_slips(films):
    """Says which genres are probably another, with a slip in the name."""
    lines = {}
    for film in films:
        for genre in film.genres:
            lines.setdefault(genre, []).append(film.scenes[0].line)
    notes = []
    for num_films in range(1, _FEW_FILMS + 1):
        usual = {
            _compared(genre): genre
            for genre, found in lines.items()
            if len(found) >= _TIMES_AS_MANY * num_films
        }
        notes += [
            f"genre {genre!r} ({_count_films(num_films)}, line {found[0]}) is "
            f"probably {meant!r} ({_count_films(len(lines[meant]))}): correct "
            f"the cell, or add {genre_names.FILE_NAME} to say that both are "
            "meant."
            for genre, found in lines.items()
            if len(found) == num_films and (meant := _meant(genre, usual))
        ]
    return notes


def _meant(genre, usual):
    """Returns which genre of many films another is a slip of, or None."""
    if genre in genre_names.REPORT_GENRES:
        return None
    compared = _compared(genre)
    similar = difflib.get_close_matches(compared, usual, cutoff=_ALIKE)
    # Parts 1 and 2 of something are no slips.
    slips = (key for key in similar if _letters(key) != _letters(compared))
    return usual.get(next(slips, None))


def _compared(genre):
    return key_of(genre)[:_MOST_COMPARED]


def _letters(key):
    return re.sub(r"\d", "", key)


def _count_films(number):
    return f"{number:,} film{'' if number == 1 else 's'}"


def _with_splits(films, shares, seed, known):
    """Returns films that have a split each, and notes on what was dealt."""
    splits = splitting.deal(films, shares, seed, known)
    dealt = [film.name for film in films if not film.split]
    if not dealt:
        return films, []
    films = [
        dataclasses.replace(film, split=splits[film.name]) for film in films
    ]
    count = collections.Counter(splits[name] for name in dealt)
    counted = ", ".join(f"{count[split]:,} {split}" for split in SPLITS)
    num_known = sum(name in known for name in dealt)
    kept = (
        f"; {_count_films(num_known)} of these stay as dealt earlier"
        if num_known
        else ""
    )
    note = (
        f"split dealt by film, stratified by genre, seed {seed}: {counted}"
        f"{kept}. Fill in the column split to choose yourself."
    )
    return films, [note]
