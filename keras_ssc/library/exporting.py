"""A library -> a film list for training, and tables for other programs."""

import csv
import dataclasses
import io
import json
import os
import pathlib

from keras_ssc import checks
from keras_ssc import files
from keras_ssc import genres as genre_names

# What the column labelled_by says.
PERSON, SUGGESTION = "person", "suggestion"

# Of `records`: raised when a column changes its name or meaning.
VERSION = 1

COLUMNS = (
    *("film", "genre", "labelled_by", "person", "labelled_at"),
    *("suggested", "confidence", "familiarity", "path", "other_paths"),
    *("copy_of", "content", "seconds", "width", "height", "notes", "error"),
)

FILM_COLUMNS = ("film", "genre", "split", "path", "labelled_by")

# Of a content, enough to tell films of one name apart.
_NUM_DIGITS = 8


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a film is taken for.

    Attributes:
        genres: Tuple of strings.
        by: `PERSON` or `SUGGESTION`.
        label: The `database.Label`; None of a suggestion.
    """

    genres: tuple
    by: str
    label: object = None


@dataclasses.dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        num_labelled: Integer, films with a label of a person.
        num_suggested: Integer, films with a suggestion in its place.
        left_out: Dict from reasons to numbers of films, none of them 0.
        notes: List of strings.
    """

    num_labelled: int
    num_suggested: int
    left_out: dict
    notes: list


def answers(library, confidence=None):
    """Returns what is known of each film.

    Args:
        library: A `database.Library`.
        confidence: Float, 0 to 1: a film without a label has the suggestion
            that is at least as confident. None: labels alone.

    Returns:
        Dict from films' `id`s to their `Answer`.

    Raises:
        ValueError: If the confidence is none.
    """
    if confidence is not None and not 0 <= confidence <= 1:
        raise ValueError(
            "Expected the least confidence of suggestions, 0 to 1. Received: "
            f"{confidence}"
        )
    found = {
        film: Answer(label.genres, PERSON, label)
        for film, label in library.labels().items()
    }
    if confidence is None:
        return found
    suggested = {
        film: Answer(suggestion.genres, SUGGESTION)
        for film, suggestion in library.suggestions().items()
        if suggestion.genres and suggestion.confidence >= confidence
    }
    return suggested | found


def export(library, path, name=None, confidence=None, replace=False):
    """Writes what a library knows.

    Args:
        library: A `database.Library`.
        path: Where the file shall be; its folder exists.
        name: String, one of `FORMATS`; None: by the path's suffix, of .csv a
            film list.
        confidence: See `answers`.
        replace: Boolean, whether a file that is there is replaced.

    Returns:
        An `Exported`.

    Raises:
        ValueError: If the format is unknown or its package missing, the file
            is there already, or there is no film to list.
        OSError: If the file cannot be written; what was there before stays.
    """
    path = pathlib.Path(path)
    write = FORMATS[_format_of(path, name)]
    if path.exists() and not replace:
        raise ValueError(
            f"{path} is there already. Choose another name, or add --replace."
        )
    return write(library, path, answers(library, confidence))


def records(library, known):
    r"""Returns what is known of all films, a dict of `COLUMNS` each.

    Args:
        library: A `database.Library`.
        known: Dict, see `answers`.

    Returns:
        List of dicts of strings, numbers, lists of strings and None. Paths
        that are no text have escapes, such as `\xff`.
    """
    paths, films = _paths(library), library.films()
    contents = {film.id: film.content for film in films}
    counts = _group_sizes(films)
    suggestions = library.suggestions()
    return [
        _record(
            film,
            known.get(film.id),
            suggestions.get(film.id),
            [text_of(path) for path in paths.get(film.id, [])],
            contents[film.copies] if counts[film.copies] > 1 else None,
        )
        for film in films
    ]


def summary(exported, path):
    """Yields what was exported, as lines for people."""
    yield (
        f"{path}: {_count(exported.num_labelled, 'film')} labelled by people, "
        f"{exported.num_suggested:,} suggested"
    )
    for reason, number in exported.left_out.items():
        yield f"  {_count(number, 'film')} left out: {reason}"
    yield from (f"  {note}" for note in exported.notes)


def _format_of(path, name):
    if name is None:
        suffix = path.suffix.lower().removeprefix(".")
        name = "films" if suffix == "csv" else suffix
    checks.one_of("format", name, FORMATS)
    return name


def _paths(library):
    """Returns a dict from films' `id`s to the paths of files that exist."""
    found = {}
    for file in library.files():
        if file.is_there and file.path.is_file():
            found.setdefault(file.film, []).append(file.path)
    return found


def _group_sizes(films):
    sizes = {}
    for film in films:
        sizes[film.copies] = sizes.get(film.copies, 0) + 1
    return sizes


def _record(film, answer, suggestion, paths, copy_of):
    label = answer and answer.label
    return {
        "film": film.name,
        "genre": list(answer.genres) if answer else [],
        "labelled_by": answer and answer.by,
        "person": label and label.person,
        "labelled_at": label and label.labelled_at,
        "suggested": list(suggestion.genres) if suggestion else [],
        "confidence": suggestion and suggestion.confidence,
        "familiarity": suggestion and suggestion.familiarity,
        "path": paths[0] if paths else None,
        "other_paths": paths[1:],
        "copy_of": copy_of,
        "content": film.content,
        "seconds": film.seconds,
        "width": film.width,
        "height": film.height,
        "notes": list(film.notes),
        "error": film.error,
    }


def text_of(path):
    r"""Returns a path as text; what is no text is escaped, such as `\xff`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


# ---- tables ----


def _write_csv(library, path, known):
    found = records(library, known)
    rows = [[_cell(name, row[name]) for name in COLUMNS] for row in found]
    files.write_csv(path, COLUMNS, rows)
    return _exported_all(found)


def _cell(name, value):
    if name in ("genre", "suggested"):
        return genre_names.SEPARATOR.join(value)
    if isinstance(value, list):
        return json.dumps(value, ensure_ascii=False) if value else ""
    return value


def _write_json(library, path, known):
    found = records(library, known)
    files.write_json(path, {"version": VERSION, "films": found})
    return _exported_all(found)


def _write_parquet(library, path, known):
    parquet, schema = _parquet()
    import pyarrow

    found = records(library, known)
    table = pyarrow.Table.from_pylist(found, schema)
    data = io.BytesIO()
    parquet.write_table(table, data)
    files.write_bytes(path, data.getvalue())
    return _exported_all(found)


def _parquet():
    with checks.needs_extra("Parquet", "library"):
        import pyarrow
        from pyarrow import parquet
    text, number = pyarrow.string(), pyarrow.float64()
    types = dict.fromkeys(COLUMNS, text)
    types |= dict.fromkeys(("confidence", "familiarity", "seconds"), number)
    types |= dict.fromkeys(("width", "height"), pyarrow.int32())
    types |= dict.fromkeys(
        ("genre", "suggested", "other_paths", "notes"), pyarrow.list_(text)
    )
    return parquet, pyarrow.schema(types.items())


def _exported_all(found):
    by = [row["labelled_by"] for row in found]
    notes = [f"{_count(by.count(None), 'film')} listed without a label"]
    return Exported(by.count(PERSON), by.count(SUGGESTION), {}, notes)


# ---- the film list ----


def _write_films(library, path, known):
    rows, left_out, notes = _film_rows(library, path.parent, known)
    if not rows:
        reasons = "; ".join(f"{n:,} {why}" for why, n in left_out.items())
        raise ValueError(
            "Expected films with a label to list. Received: none "
            f"({reasons or 'the library is empty'}). Label some, or add "
            "--suggestions CONFIDENCE."
        )
    used = dict.fromkeys(genre for row in rows for genre in row[1])
    # A model may suggest genres that no person has named.
    known = dict.fromkeys(genre for genre in library.genres if genre in used)
    notes += _write_genres(
        path.with_name(genre_names.FILE_NAME), list(known | used)
    )
    _write_rows(path, rows)
    by = [row[-1] for row in rows]
    return Exported(by.count(PERSON), by.count(SUGGESTION), left_out, notes)


def _write_rows(path, rows):
    text = io.StringIO()
    # A name that begins with # is no comment if it is in quotes.
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(FILM_COLUMNS)
    for film, genres, cell, by in rows:
        writer.writerow(
            (film, genre_names.SEPARATOR.join(genres), "", cell, by)
        )
    files.write_text(path, text.getvalue())


def _film_rows(library, folder, known):
    """Returns rows, why films are left out, and notes.

    Films that are copies of one another are one row: none may be trained on
    while another is tested on.
    """
    paths, groups = _paths(library), {}
    for film in library.films():
        groups.setdefault(film.copies, []).append(film)
    names = _names([films[0] for films in groups.values()])
    rows, left_out, num_contradicting = [], {}, 0
    for group, films in groups.items():
        answer, is_contradicted = _of_group([known.get(x.id) for x in films])
        cell, reason = _path_cell(films, paths, folder, answer)
        if reason:
            left_out[reason] = left_out.get(reason, 0) + len(films)
            continue
        num_contradicting += is_contradicted
        rows.append((names[group], answer.genres, cell, answer.by))
        if len(films) > 1:
            reason = "copies of one that is listed"
            left_out[reason] = left_out.get(reason, 0) + len(films) - 1
    notes = []
    if num_contradicting:
        notes.append(
            f"{_count(num_contradicting, 'film')} whose copies have other "
            "labels: the newest label counts."
        )
    return rows, left_out, notes


def _names(films):
    """Returns a dict from `copies` to names, none of them twice."""
    taken, names = set(), {}
    for film in films:
        digits = film.content[:_NUM_DIGITS]
        name = " ".join(film.name.replace("\0", " ").split()) or digits
        # Frames lie in files of the films' names, and some systems take
        # capitals and small letters for one.
        if name.casefold() in taken:
            name = f"{name} [{digits}]"
        taken.add(name.casefold())
        names[film.copies] = name
    return names


def _of_group(found):
    """Returns the answer for films that are copies, and if they contradict."""
    found = [answer for answer in found if answer]
    labelled = [answer for answer in found if answer.by == PERSON]
    if not labelled:
        return (found[0] if found else None), False
    newest = max(labelled, key=lambda answer: answer.label.id)
    return newest, any(
        set(answer.genres) != set(newest.genres) for answer in labelled
    )


def _path_cell(films, paths, folder, answer):
    """Returns the path to list, or None and why there is none."""
    if not answer:
        return None, "no label, and no suggestion with enough confidence"
    readable = [film for film in films if film.error is None]
    if not readable:
        return None, "cannot be read"
    there = [film for film in readable if film.id in paths]
    if not there:
        return None, "their files are gone"
    largest = max(
        there, key=lambda film: (film.width or 0) * (film.height or 0)
    )
    for path in paths[largest.id]:
        for cell in _cells(path, folder.absolute()):
            if _survives(cell):
                return cell, None
    return None, (
        "their paths cannot be written into a film list: not text, a line end, "
        "or spaces at the end"
    )


def _cells(path, folder):
    if path.is_relative_to(folder):
        yield str(path.relative_to(folder))
    yield str(path)


def _survives(cell):
    """Says whether a film list gives a path back as it was written."""
    try:
        cell.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return cell == cell.strip() and "\r" not in cell


def _write_genres(path, genres):
    """Writes genres.txt; of one that is there, adds what is missing."""
    named = genre_names.read_names(path)
    known = {genre_names.key_of(genre) for genre in named or ()}
    missing = [x for x in genres if genre_names.key_of(x) not in known]
    if any(genre.startswith("#") for genre in missing):
        return [f"{path.name} is not written: # begins a comment there."]
    if not missing:
        return []
    before = "" if named is None else path.read_text("utf-8-sig")
    if before and not before.endswith("\n"):
        before += "\n"
    files.write_text(path, before + "".join(f"{x}\n" for x in missing))
    if named is None:
        return []
    return [f"added to {path}: {', '.join(missing)}"]


FORMATS = {
    "films": _write_films,
    "csv": _write_csv,
    "json": _write_json,
    "parquet": _write_parquet,
}


def _count(number, name):
    return f"{number:,} {name}" if number == 1 else f"{number:,} {name}s"
