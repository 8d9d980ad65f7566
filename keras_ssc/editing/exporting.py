"""Films -> files for editing programs, players and people."""

import contextlib
import functools
import pathlib

from keras_ssc import checks
from keras_ssc import command
from keras_ssc import files
from keras_ssc.editing import chapters
from keras_ssc.editing import edl
from keras_ssc.editing import fcpxml
from keras_ssc.editing import otio
from keras_ssc.editing import pictures
from keras_ssc.editing import tables
from keras_ssc.errors import VideoError
from keras_ssc.films import shot_detection
from keras_ssc.films import side_by_side

# A format's text, of a `shot_detection.ShotList` and labels, and what the
# files' names end in.
_TEXTS = {
    "csv": (tables.csv_text, ".csv"),
    "json": (tables.json_text, ".json"),
    "edl": (edl.text, ".edl"),
    "otio": (otio.text, ".otio"),
    "fcpxml": (fcpxml.text, ".fcpxml"),
    "chapters": (chapters.text, ".chapters.txt"),
}
PICTURES = "pictures"
FORMATS = (*_TEXTS, PICTURES)


def check_formats(names):
    """Checks that formats are known and can be written.

    Args:
        names: Sequence of strings.

    Raises:
        ValueError: If one is not of `FORMATS`, or its package is missing.
    """
    for name in names:
        checks.one_of("format", name, FORMATS)
    if "otio" in names:
        otio.package()


def write(found, name, path, labels=None):
    """Writes a film's shots to a file, all of it or nothing.

    Args:
        found: A `shot_detection.ShotList`.
        name: String, one of `FORMATS` but `PICTURES`.
        path: Where the file shall be; its folder exists.
        labels: Sequence of a string or None for each shot; None for none.

    Raises:
        OSError: If the file cannot be written; what was there before stays.
    """
    text, _ = _TEXTS[name]
    files.write_text(path, text(found, labels))


def place_outputs(films, names, out):
    """Says where the files of films will be.

    Args:
        films: List of `pathlib.Path`.
        names: Sequence of strings of `FORMATS`.
        out: Path of a folder.

    Returns:
        A list of dicts, one a film, from a format to a `pathlib.Path`: the
        film's name with another ending.

    Raises:
        ValueError: If two films would have the same files, or `out` is a file.
    """
    out = pathlib.Path(out)
    if out.exists() and not out.is_dir():
        raise ValueError(
            f"Expected a folder as --out. Received: the file {out}"
        )
    endings = {name: ending for name, (_, ending) in _TEXTS.items()}
    endings[PICTURES] = "_shots"
    taken = {}
    for film in films:
        # Some systems take capitals and small letters for one.
        other = taken.setdefault(film.stem.casefold(), film)
        if names and other is not film:
            raise ValueError(
                "Expected films of different names: their files are called as "
                f"they are. Received: {other} and {film}. List them one after "
                "the other, with another --out for each."
            )
    return [
        {name: out / f"{film.stem}{endings[name]}" for name in names}
        for film in films
    ]


def export_films(films, names=(), out=".", workers=None):
    """Finds the shots of films and writes them.

    Args:
        films: List of `pathlib.Path`.
        names: Sequence of strings, the formats, of `FORMATS`.
        out: Path of a folder, which is made if it is not there.
        workers: Integer, how many films are read at once; None for one a core,
            at most 8.

    Returns:
        A generator of tuples, one a film, in their order: its path; its
        `shot_detection.ShotList` or the `VideoError` that it ended in; the
        list of paths that were written; and a list of the shots, from 1, whose
        picture cannot be decoded.

    Raises:
        ValueError: If a format cannot be written, two films would have the
            same files, or `workers` is below 1.
        OSError: If a file cannot be written.
    """
    check_formats(names)
    placed = place_outputs(films, names, out)
    workers = side_by_side.num_workers(workers, len(films))
    return side_by_side.in_order(_export_films(films, placed, workers))


def _export_films(films, placed, workers):
    """Yields each film's place and what `export_films` says of it."""
    found = {}
    reading = side_by_side.list_shots(films, workers)
    with command.bars(films) as progress, contextlib.closing(reading):
        for place, value in reading:
            if isinstance(value, shot_detection.ShotList):
                found[place] = value
            elif isinstance(value, tuple):
                progress(place, "frames", *value)
            elif isinstance(value, (StopIteration, VideoError)):
                yield (
                    place,
                    _export_film(
                        films[place],
                        found.pop(place, value),
                        placed[place],
                        functools.partial(progress, place, "pictures"),
                    ),
                )
            else:
                yield place, value


def _export_film(film, found, outputs, progress):
    missing = []
    if isinstance(found, VideoError):
        return film, found, [], missing
    try:
        for name, path in outputs.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            if name == PICTURES:
                missing = pictures.write(found, path, progress)
            else:
                write(found, name, path)
    except VideoError as error:
        return film, error, [], missing
    return film, found, list(outputs.values()), missing
