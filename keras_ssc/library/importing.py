"""Labels from elsewhere: tables, lists by title and year, NFO files."""

import csv
import dataclasses
import itertools
import os
import pathlib
import unicodedata

from keras_ssc import genres as genre_names
from keras_ssc.films import film_list
from keras_ssc.library import exporting
from keras_ssc.library import nfo
from keras_ssc.library import titles

# What a column is also called, in IMDb's lists and others.
_COLUMNS = {
    "genres": "genre",
    "film": "name",
    "primarytitle": "title",
    "startyear": "year",
}

# Any of these says which film a row means.
_NAMING = ("content", "path", "name", "title")

# What a cell without genres says in MovieLens' and IMDb's lists.
_NO_GENRES = {"", "(no genres listed)", r"\N"}

# A film is shown in one country in the year after it is in another.
_MOST_YEARS = 1

# How far a year is from one that is not known: a known one counts more.
_UNKNOWN_YEAR = _MOST_YEARS + 1

# Of what is told one by one.
_MOST_TOLD = 10


@dataclasses.dataclass
class Imported:
    """What came of an import; names of films are the library's.

    Attributes:
        labelled: Dict from films' `id`s to tuples of genres.
        num_same: Integer, films whose label says the same already.
        kept: List of strings, films that keep another label.
        ambiguous: List of tuples of a string, the film's name, and the tuples
            of genres that are said of it.
        without: List of strings, films that nothing is said of.
        missing: List of strings, the first rows whose film is not in the
            library.
        num_missing: Integer, how many there are.
        num_without_genres: Integer, rows that name no genre.
        num_suggested: Integer, rows that no person has confirmed.
        new_genres: Tuple of strings, those that the library did not have.
        problems: List of strings, the first rows or files that cannot be read.
        num_problems: Integer, how many there are.
    """

    labelled: dict = dataclasses.field(default_factory=dict)
    num_same: int = 0
    kept: list = dataclasses.field(default_factory=list)
    ambiguous: list = dataclasses.field(default_factory=list)
    without: list = dataclasses.field(default_factory=list)
    missing: list = dataclasses.field(default_factory=list)
    num_missing: int = 0
    num_without_genres: int = 0
    num_suggested: int = 0
    new_genres: tuple = ()
    problems: list = dataclasses.field(default_factory=list)
    num_problems: int = 0

    def add_missing(self, text):
        """Notes a row whose film is not in the library."""
        self.num_missing += 1
        self.missing += [text] if len(self.missing) < _MOST_TOLD else []

    def add_problem(self, text):
        """Notes a row or file that cannot be read."""
        self.num_problems += 1
        self.problems += [text] if len(self.problems) < _MOST_TOLD else []


def import_table(library, path, replace=False, dry_run=False):
    """Labels films as a table says.

    Args:
        library: A `database.Library`.
        path: Path of a CSV or TSV file in UTF-8 with a column `genre` or
            `genres`, several with | between them, and any of: `path`, relative
            to the table's folder; `name` or `film`, a film's name in the
            library; `title`, with the year behind it in brackets or in a
            column `year`. What `exporting` writes is such a table.
        replace: Boolean, whether a film that has a label gets the new one.
        dry_run: Boolean, whether nothing is stored.

    Returns:
        An `Imported`.

    Raises:
        ValueError: If the file is no such table; nothing is stored then.
        OSError: If it cannot be read.
    """
    path = pathlib.Path(path)
    report = Imported()
    index = _Index(library, path.parent)
    said = {}
    for line, row in _rows(path):
        genres = _genres_of(row, f"{path}, line {line}", report)
        if not genres:
            continue
        films = index.films_of(row)
        for film, rank in films:
            said.setdefault(film, []).append((rank, genres))
        if not films:
            report.add_missing(f"line {line}: {_called(row)}")
    person = f"import {exporting.text_of(path.name)}"
    return _settle(library, report, said, person, replace, dry_run)


def import_nfo(library, replace=False, dry_run=False):
    """Labels films as the NFO files beside them say.

    Args:
        library: A `database.Library`.
        replace: Boolean, whether a film that has a label gets the new one.
        dry_run: Boolean, whether nothing is stored.

    Returns:
        An `Imported`.
    """
    report, said = Imported(), {}
    for film, paths in nfo.targets(library).items():
        for path in filter(os.path.lexists, paths):
            try:
                texts = nfo.read_genres(nfo.load(path))
                genres = tuple(map(genre_names.genre_named, texts))
            except (OSError, ValueError) as error:
                report.add_problem(f"{exporting.text_of(path)}: {error}")
                continue
            if genres:
                said.setdefault(film, []).append((0, genres))
            report.num_without_genres += not genres
    return _settle(library, report, said, "import of NFO", replace, dry_run)


def lines(report, dry_run=False):
    """Yields what came of an import, as lines for people."""
    note = " (dry run: nothing is stored)" if dry_run else ""
    yield f"labelled: {len(report.labelled):,}{note}"
    for number, what in (
        (report.num_same, "had the same label"),
        (report.num_without_genres, "left out, without a genre"),
        (report.num_suggested, "left out, suggestions and no labels"),
    ):
        if number:
            yield f"{what}: {number:,}"
    if report.new_genres:
        named = genre_names.listing(report.new_genres, _MOST_TOLD)
        yield f"new genres: {named}"
    ambiguous = [f"{name}: {_either(x)}" for name, x in report.ambiguous]
    yield from _told("kept another label, see --replace", report.kept)
    yield from _told("ambiguous, not labelled", ambiguous)
    yield from _told("films without an entry", report.without)
    yield from _told("not in the library", report.missing, report.num_missing)
    yield from _told("cannot be read", report.problems, report.num_problems)


def _told(what, texts, number=None):
    number = len(texts) if number is None else number
    if number:
        yield f"{what}: {number:,}"
    yield from (f"  {text}" for text in texts[:_MOST_TOLD])
    if number > _MOST_TOLD:
        yield f"  and {number - _MOST_TOLD:,} more"


def _either(said):
    named = [genre_names.SEPARATOR.join(genres) for genres in said]
    return " or ".join(named[:3]) + (" or others" if len(named) > 3 else "")


# ---- what is said becomes labels ----


def _settle(library, report, said, person, replace, dry_run):
    """Labels films of which one thing is said.

    Args:
        library: A `database.Library`.
        report: An `Imported`, which is filled in.
        said: Dict from films' `id`s to lists of tuples of a rank and genres;
            only those of the least rank count.
        person: String, who says so.
        replace: Boolean, see `import_table`.
        dry_run: The same.
    """
    known = library.labels()
    for film in library.films():
        if film.id not in said:
            report.without.append(film.name)
            continue
        genres, *others = _best(said[film.id])
        label = known.get(film.id)
        if others:
            report.ambiguous.append((film.name, (genres, *others)))
        elif label and _keys(label.genres) == _keys(genres):
            report.num_same += 1
        elif label and not replace:
            report.kept.append(film.name)
        else:
            report.labelled[film.id] = genres
    report.new_genres = _new_genres(library, report.labelled)
    if not dry_run:
        library.set_labels(report.labelled, person)
    return report


def _best(said):
    """Returns what differs among the genres of the least rank."""
    least = min(rank for rank, _ in said)
    found = {}
    for rank, genres in said:
        if rank == least:
            found.setdefault(frozenset(_keys(genres)), genres)
    return list(found.values())


def _keys(genres):
    return {genre_names.key_of(genre) for genre in genres}


def _new_genres(library, labelled):
    known = _keys(library.genres)
    named = itertools.chain.from_iterable(labelled.values())
    found = {genre_names.key_of(genre): genre for genre in named}
    return tuple(genre for key, genre in found.items() if key not in known)


# ---- which film a row means ----


class _Index:
    """Finds the films of a library that a row means."""

    def __init__(self, library, folder):
        self._folder = folder
        self._contents, self._names, self._paths = {}, {}, {}
        self._readings = {}
        for film in library.films():
            self._contents[film.content] = [film.id]
            self._names.setdefault(_plain(film.name), []).append(film.id)
            for place, (key, year) in enumerate(titles.readings(film.name)):
                found = self._readings.setdefault(key, [])
                found.append((film.id, place, year))
        for file in library.files():
            for path in (file.path, os.path.realpath(file.path)):
                self._paths[exporting.text_of(path)] = [file.film]

    def films_of(self, row):
        """Returns a list of tuples of a film's `id` and a rank.

        The rank is less, the surer it is that the film is meant.
        """
        for rank, films in enumerate(self._named(row)):
            if films:
                return [(film, (rank,)) for film in films]
        return self._of_title(row)

    def _named(self, row):
        yield self._contents.get(row["content"], ())
        for path in self._spellings(row["path"]):
            yield self._paths.get(path, ())
        yield self._names.get(_plain(row["name"] or row["title"]), ())

    def _spellings(self, cell):
        if not cell or "\0" in cell:
            return ()
        path = self._folder / cell
        spellings = (cell, path.absolute(), os.path.realpath(path))
        return map(exporting.text_of, spellings)

    def _of_title(self, row):
        title, year = titles.split_year(row["title"] or row["name"])
        if row["year"]:
            _, year = titles.split_year(f"a ({row['year']})")
        found = {}
        for key in titles.keys(title):
            for film, place, film_year in self._readings.get(key, ()):
                distance = _distance(year, film_year)
                if distance is not None:
                    rank = (_RANK_OF_TITLES, place, distance)
                    found[film] = min(rank, found.get(film, rank))
        return list(found.items())


# Above all of `_Index._named`.
_RANK_OF_TITLES = 9


def _distance(year, other):
    """Returns how far years are apart, or None for too far."""
    if year is None or other is None:
        return _UNKNOWN_YEAR
    distance = abs(year - other)
    return distance if distance <= _MOST_YEARS else None


def _plain(name):
    return " ".join(unicodedata.normalize("NFC", name).casefold().split())


# ---- rows ----


def _rows(path):
    """Yields lines' numbers and rows: dicts of all columns that count."""
    if path.exists() and not path.is_file():
        raise ValueError(f"Expected a table, a CSV file. {path} is no file")
    with open(path, encoding="utf-8-sig", newline="") as file:
        try:
            yield from _parsed_rows(file, path)
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{path}: expected a CSV file in UTF-8, received other bytes. "
                "Save it as 'CSV UTF-8'."
            ) from error
        except csv.Error as error:
            raise ValueError(
                f"{path}: expected CSV, received something else ({error})."
            ) from error


def _parsed_rows(file, path):
    header, num_skipped = file.readline(), 0
    while header and (header.isspace() or header.startswith("#")):
        header, num_skipped = file.readline(), num_skipped + 1
    delimiter = max(",;\t", key=header.count)
    # IMDb's lists have quotes that close none.
    is_quoted = not header.startswith("tconst\t")
    quoting = csv.QUOTE_MINIMAL if is_quoted else csv.QUOTE_NONE
    columns = [
        _COLUMNS.get(name, name)
        for name in header.strip().lower().replace('"', "").split(delimiter)
    ]
    _check_columns(columns, path)
    if {"path", "split"} <= set(columns):
        file = film_list.without_comments(file)
    reader = csv.reader(file, delimiter=delimiter, quoting=quoting)
    for cells in reader:
        if not any(cells):
            continue
        row = dict.fromkeys((*_NAMING, "genre", "year", "labelled_by"), "")
        row |= zip(columns, map(str.strip, cells), strict=False)
        if not is_quoted:
            row["genre"] = row["genre"].replace(",", genre_names.SEPARATOR)
        yield reader.line_num + num_skipped + 1, row


def _check_columns(columns, path):
    if "genre" not in columns or not set(_NAMING) & set(columns):
        raise ValueError(
            f"{path}: expected a column genre or genres, and one of path, "
            "name, film, title. Received: "
            f"{', '.join(columns)[:200] or 'an empty file'}"
        )


def _genres_of(row, where, report):
    """Returns a row's genres; without any, notes in a report why."""
    if row["labelled_by"] == exporting.SUGGESTION:
        report.num_suggested += 1
        return ()
    if row["genre"] in _NO_GENRES:
        report.num_without_genres += 1
        return ()
    parts = row["genre"].split(genre_names.SEPARATOR)
    try:
        return tuple(dict.fromkeys(map(genre_names.genre_named, parts)))
    except ValueError as error:
        report.add_problem(f"{where}: {error}")
        return ()


def _called(row):
    year = f" ({row['year']})" if row["year"] else ""
    text = row["title"] or row["name"] or row["path"] or row["content"]
    return f"{text[:80]}{year}"
