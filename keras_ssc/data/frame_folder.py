"""The folder that extract fills: frames, a record for each film, an index.

    FRAMES/
      extract.json                    the settings all films were read with
      genres.txt                      the genres, in order
      ani2D_train/ani2D_movie7_139.png    frames, named as in `pair_files`
      index/ani2D_movie7.json         a film's record
      index.csv                       every kept and dropped pair, for people
      .partial/                       frames of films under way

A film is done when its record is there and all frames that the record names.
A record is written before its frames are moved into place: so a killed run
leaves no frame that no record names, and a film that is not done.
"""

import collections
import csv
import dataclasses
import io
import itertools
import os
import pathlib
import shutil

from keras_ssc import files
from keras_ssc import genres
from keras_ssc.data import pair_files
from keras_ssc.films import film_list

# How frames are read. 2: times from the file's start, the next frame about
# 1/24 s on, HDR and wide colours as on a plain screen, deinterlaced.
READING = 2

INDEX_COLUMNS = (
    "status",
    "reason",
    "film",
    "genre",
    "split",
    "scene",
    "path",
    "frame_number",
    "next_frame_number",
    "time",
    "seconds",
    "repeated",
    "frame_file",
    "next_frame_file",
)

# What a record and a row of it must have; files may be malformed or malicious.
_RECORD_TYPES = {
    "film": str,
    "genre": str,
    "split": str,
    "movie": int,
    "bars": dict,
    "source": dict,
    "pairs": list,
}

_ROW_TYPES = {
    "status": str,
    "reason": str,
    "scene": int,
    "path": str,
    "frame_number": int,
    "next_frame_number": int,
    "seconds": (int, float),
    "frame_file": str,
    "next_frame_file": str,
}

# Seconds of a film, and frames of one, are fewer.
_MOST = 10**9


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a film goes in the folder.

    Attributes:
        movie: Integer, the film's number inside its genre.
        replaces: Tuple of movie names whose frames, of an earlier version of
            the film, are replaced.
    """

    movie: int
    replaces: tuple


def open_folder(out, settings):
    """Makes the folder, or checks that extract wrote it with these settings.

    Args:
        out: `pathlib.Path` of the folder.
        settings: Dict of plain values, kept in `extract.json`.

    Raises:
        ValueError: If the folder holds anything else; nothing is changed.
        OSError: If the folder cannot be made.
    """
    settings_path = out / "extract.json"
    if settings_path.exists():
        earlier = files.read_json(settings_path)
        if not isinstance(earlier, dict):
            raise ValueError(f"{settings_path}: expected extract's settings.")
        _check_links(out)
        if earlier.get("reading") != READING:
            raise ValueError(
                f"{out} was extracted by another version, which reads frames "
                "in another way (their times, the next frame, colours, "
                "fields). It stays as it is, and can be built and trained "
                "on. Choose another --out."
            )
        differing = [
            f"{name} {earlier.get(name)} (requested: {value})"
            for name, value in settings.items()
            if earlier.get(name) != value
        ]
        if differing:
            raise ValueError(
                f"{out} holds pairs of other settings: "
                f"{', '.join(differing)}. Choose another --out, or the same "
                "settings."
            )
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(
            "Expected --out as a new folder, or one that extract wrote. "
            f"{out} holds something else."
        )
    # What a killed run left of films that were under way.
    shutil.rmtree(out / ".partial", ignore_errors=True)
    (out / "index").mkdir(parents=True, exist_ok=True)
    files.write_json(settings_path, {"reading": READING, **settings})


def write_genres(out, listed, records):
    """Writes what the film list says of all films: genres and task.

    Args:
        out: `pathlib.Path` of the folder.
        listed: The `film_list.FilmList`.
        records: List of records: films that are in the folder and no longer in
            the list have genres, too.
    """
    others = [genre for record in records for genre in genres_of(record)]
    names = dict.fromkeys((*listed.genres, *genres.in_order(others)))
    files.write_text(out / genres.FILE_NAME, "\n".join(names) + "\n")
    settings = files.read_json(out / "extract.json")
    files.write_json(out / "extract.json", {**settings, "task": listed.task})


def read_task(root, found):
    """Returns the task of a folder of frames, as `tasks.of` takes it.

    Args:
        root: Path of a folder that extract wrote, or of the report's layout.
        found: Iterable of the genres of its pairs; not read where the folder
            has `genres.txt`.

    Returns:
        A tuple: the task's name, and its genres.
    """
    name, path = genres.ONE, pathlib.Path(root) / "extract.json"
    if path.exists():
        settings = files.read_json(path)
        # Earlier versions knew one task.
        if isinstance(settings, dict):
            name = settings.get("task", name)
    return name, pair_files.genres_of(root, found)


def genres_of(record):
    """Returns the genres of a film's record, a list of strings."""
    return record.get("genres") or [record["genre"]]


def is_of_extract(root):
    """Says whether extract wrote a folder: its films have records then."""
    return (pathlib.Path(root) / "extract.json").exists()


def _check_links(out):
    """Raises `ValueError` if what is written would be written elsewhere."""
    links = sorted(path for path in out.iterdir() if path.is_symlink())
    if links:
        raise ValueError(
            f"Expected --out without links in it. {links[0]} is a link: "
            "put the files themselves there."
        )


def read_records(root):
    """Reads the records of all films of a folder that are done.

    Args:
        root: A folder that extract wrote; any other has no records.

    Returns:
        A list of dicts with `film`, `genre`, `split`, `movie`, `pairs` (the
        index's rows), `bars`, and what the film was when it was read.

    Raises:
        ValueError: If a record is malformed.
    """
    records = []
    for path in sorted((pathlib.Path(root) / "index").glob("*.json")):
        try:
            record = files.read_json(path)
            _check_record(record)
        except ValueError as error:
            raise ValueError(
                f"{path}: expected a film's record, received something else "
                f"({str(error).removeprefix(f'{path}: ')}). Delete it and "
                "extract again."
            ) from error
        records.append(record)
    return records


def _check_record(record):
    """Raises `ValueError` if a record is not as `store` writes them."""
    _check_types(record, _RECORD_TYPES)
    own = genres_of(record)
    is_list = isinstance(own, list) and all(isinstance(x, str) for x in own)
    # Files are called by the first, and by the film's number in it.
    if not is_list or own[0] != record["genre"]:
        raise ValueError(f"genres is {own!r}")
    for genre in own:
        if genres.genre_named(genre) != genre:
            raise ValueError(f"genre is {genre!r}")
    if not 0 < record["movie"] <= _MOST:
        raise ValueError(f"movie is {record['movie']}")
    if record["split"] not in film_list.SPLITS:
        raise ValueError(f"split is {record['split']!r}")
    for row in record["pairs"]:
        _check_types(row, _ROW_TYPES)
        if row["status"] not in ("kept", "dropped"):
            raise ValueError(f"status is {row['status']!r}")
        for name in ("frame_number", "next_frame_number", "seconds"):
            if not 0 <= row[name] <= _MOST:
                raise ValueError(f"{name} is {row[name]}")


def _check_types(value, types):
    if not isinstance(value, dict):
        raise ValueError(f"{type(value).__name__}, not fields")
    for name, allowed in types.items():
        found = value.get(name)
        if isinstance(found, bool) or not isinstance(found, allowed):
            raise ValueError(f"{name} is missing, or of another type")
        if isinstance(found, str):
            found.encode("utf-8")  # JSON can hold what is not valid text


def undone(films, records, out):
    """Returns which films are to be read.

    Args:
        films: List of `film_list.Film`.
        records: List of records, see `read_records`.
        out: `pathlib.Path` of the folder.

    Returns:
        The films without a record, those that changed since (their scenes,
        or their files by size and time), and those of which a frame is gone.
    """
    stored = {
        f"{folder.name}/{entry.name}"
        for folder in out.iterdir()
        if folder.is_dir() and folder.name.endswith(film_list.SPLITS)
        for entry in os.scandir(folder)
    }
    by_film = {record["film"]: record for record in records}
    return [
        film
        for film in films
        if not _is_done(film, by_film.get(film.name), stored)
    ]


def _is_done(film, record, stored):
    if record is None or record["source"] != _source(film):
        return False
    return all(
        row[column] in stored
        for row in record["pairs"]
        if row["status"] == "kept"
        for column in ("frame_file", "next_frame_file")
    )


def _source(film):
    """Describes a film such that a change of it or of its files shows."""
    described = {"genre": film.genre, "split": film.split, "scenes": []}
    if len(film.genres) > 1:
        described["genres"] = list(film.genres)
    for scene in film.scenes:
        try:
            status = scene.path.stat()
        except OSError:
            status = None
        described["scenes"].append(
            {
                "path": str(scene.path),
                "start": scene.start_seconds,
                "end": min(scene.end_seconds, 1e9),  # JSON has no infinity
                "bytes": status and status.st_size,
                "modified_ns": status and status.st_mtime_ns,
            }
        )
    return described


def assign_places(films, records):
    """Numbers the films inside their genres; a number once given stays.

    Args:
        films: List of `film_list.Film`.
        records: List of records, see `read_records`.

    Returns:
        A dict from each film's name to its `Place`.
    """
    numbers, taken = {}, collections.defaultdict(set)
    replaces = collections.defaultdict(set)
    for known in records:
        film, genre, movie = known["film"], known["genre"], known["movie"]
        numbers[film, genre] = movie
        taken[genre].add(movie)
        replaces[film].add(pair_files.movie_name(genre, movie))
    places = {}
    for film in films:
        movie = numbers.get((film.name, film.genre))
        if movie is None:
            # The first free one, in the list's order: a resumed run numbers
            # its films as an uninterrupted one does.
            free = (n for n in itertools.count(1) if n not in taken[film.genre])
            movie = next(free)
            taken[film.genre].add(movie)
        places[film.name] = Place(movie, tuple(sorted(replaces[film.name])))
    return places


def store(film, place, extraction, out):
    """Writes a film's record and its frames into the folder.

    Args:
        film: A `film_list.Film`.
        place: Its `Place`.
        extraction: Its `sampling.Extraction`.
        out: `pathlib.Path` of the folder.

    Returns:
        The film's record.

    Raises:
        OSError: If the frames cannot be written; the film's earlier frames
            are still there then, unless moving itself failed.
    """
    name = pair_files.movie_name(film.genre, place.movie)
    partial = out / ".partial" / name
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    record = _record(film, place, extraction)
    try:
        moves = _write_frames(record, extraction, partial)
    except OSError:
        shutil.rmtree(partial, ignore_errors=True)  # give the space back
        raise
    for movie in {name, *place.replaces}:
        _remove_frames(movie, out)
    files.write_json(out / "index" / f"{name}.json", record)
    for movie in {*place.replaces} - {name}:
        (out / "index" / f"{movie}.json").unlink(missing_ok=True)
    folder = out / pair_files.folder_name(film.genre, film.split)
    folder.mkdir(exist_ok=True)
    for path in moves:
        os.replace(path, folder / path.name)
    partial.rmdir()
    return record


def _write_frames(record, extraction, partial):
    written = []
    for row, outcome in zip(record["pairs"], extraction.outcomes, strict=True):
        for column, data in (
            ("frame_file", outcome.frame_png),
            ("next_frame_file", outcome.next_frame_png),
        ):
            if data is not None:
                path = partial / pathlib.Path(row[column]).name
                with files.named(path):
                    path.write_bytes(data)
                written.append(path)
    return written


def _remove_frames(movie, out):
    prefix = movie.rsplit("_", 1)[0]
    for split in film_list.SPLITS:
        for path in (out / f"{prefix}_{split}").glob(f"{movie}_*.png"):
            path.unlink()


def _record(film, place, extraction):
    rows, number = [], 1
    folder = pair_files.folder_name(film.genre, film.split)
    for outcome in extraction.outcomes:
        names = ["", ""]
        if not outcome.reason:
            names = [
                pair_files.frame_name(film.genre, place.movie, odd)
                for odd in (number, number + 1)
            ]
            names = [f"{folder}/{name}" for name in names]
            number += 2
        rows.append(
            {
                "status": "dropped" if outcome.reason else "kept",
                "reason": outcome.reason,
                "scene": outcome.candidate.scene,
                "path": str(outcome.candidate.path),
                "frame_number": outcome.candidate.frame_number,
                "next_frame_number": outcome.next_frame_number,
                "seconds": outcome.candidate.seconds,
                "repeated": outcome.repeated,
                "frame_file": names[0],
                "next_frame_file": names[1],
            }
        )
    bars = {str(path): bars for path, bars in extraction.bars.items() if bars}
    return {
        "film": film.name,
        "genre": film.genre,
        "genres": list(film.genres),
        "split": film.split,
        "movie": place.movie,
        "num_candidates": extraction.num_candidates,
        "bars": {
            path: dataclasses.asdict(found) for path, found in bars.items()
        },
        "rates": {
            str(path): round(rate, 3) for path, rate in extraction.rates.items()
        },
        "notes": {
            str(path): list(notes)
            for path, notes in extraction.notes.items()
            if notes
        },
        "source": _source(film),
        "pairs": rows,
    }


def write_index(out):
    """Writes `index.csv` from the records of all films that are done."""
    text = io.StringIO()
    writer = csv.DictWriter(text, INDEX_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for record in read_records(out):
        film = {name: record[name] for name in ("film", "split")}
        film["genre"] = genres.SEPARATOR.join(genres_of(record))
        for row in record["pairs"]:
            cells = {name: row[name] for name in _ROW_TYPES}
            cells["time"] = film_list.format_time(row["seconds"])
            # Records of earlier versions do not say it.
            cells["repeated"] = "yes" if row.get("repeated") else ""
            writer.writerow({**film, **cells})
    files.write_text(out / "index.csv", text.getvalue())
