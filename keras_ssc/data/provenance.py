"""What a data set was built from, and how that differs from what is there now.

`source.json` in a built data set's folder names each film with its split,
genre, number of pairs or scenes, and a checksum. Data sets built before have
none.
"""

import collections
import hashlib
import json
import pathlib
import shlex

from keras_ssc import files
from keras_ssc import genres
from keras_ssc import tasks
from keras_ssc.data import frame_folder
from keras_ssc.data import pair_files
from keras_ssc.errors import FilmListError
from keras_ssc.films import film_list

FILE_NAME = "source.json"

# Of a film's file, so much of its beginning and end stands for it, beside its
# size: whole films are gigabytes.
_LOOKED_AT = 2**20

# Differences that are told one by one.
_MOST_TOLD = 3


def of_frames(folder):
    """Describes a folder of frames without decoding one.

    Args:
        folder: Path of a folder that extract wrote, or of the report's layout.

    Returns:
        A dict of plain values: `source`, `path`, `task`, `genres`, and `films`,
        a dict from each film to its `split`, `genre`, `count` of pairs and
        `checksum`.

    Raises:
        ValueError: If a record of extract is malformed.
        OSError: If the folder cannot be read.
    """
    films = {}
    for record in frame_folder.read_records(folder):
        kept = [row for row in record["pairs"] if row["status"] == "kept"]
        # With the film's file as it was read: another of the same length may
        # give the same rows.
        content = [record[name] for name in ("pairs", "bars", "source")]
        films[record["film"]] = _film(
            record["split"],
            genres.SEPARATOR.join(frame_folder.genres_of(record)),
            len(kept),
            content,
        )
    if not films:
        pairs = collections.defaultdict(list)
        for pair in pair_files.list_pairs(folder)[0]:
            name = pair_files.movie_name(pair.genre, pair.movie)
            pairs[name].append(pair)
        for name, own in pairs.items():
            looked_at = [
                (path.name, path.stat().st_size)
                for pair in own
                for path in (pair.frame_path, pair.next_frame_path)
            ]
            films[name] = _film(own[0].split, own[0].genre, len(own), looked_at)
    found = (
        genre
        for film in films.values()
        for genre in film["genre"].split(genres.SEPARATOR)
    )
    task = tasks.of(*frame_folder.read_task(folder, found))
    return _described("frames", folder, films, task)


def of_films(folder, **reading):
    """Describes a folder of films.csv and its films, without decoding one.

    Args:
        folder: Path of the folder.
        **reading: See `film_list.read_film_list`.

    Returns:
        A dict as `of_frames` returns it; `count` is of scenes, and `reading`
        is there, too.

    Raises:
        FilmListError: If the list cannot be read, or a row of it.
        OSError: If a film's file cannot be read.
    """
    path = pathlib.Path(folder) / "films.csv"
    listed = film_list.read_film_list(path, **reading)
    if listed.problems:
        raise FilmListError(told(listed.problems))
    films = {}
    for film in listed.films:
        looked_at = [
            (
                str(scene.start_seconds),
                str(scene.end_seconds),
                _look(scene.path),
            )
            for scene in film.scenes
        ]
        own = genres.SEPARATOR.join(film.genres)
        films[film.name] = _film(film.split, own, len(film.scenes), looked_at)
    task = tasks.of(listed.task, listed.genres)
    return {**_described("films", folder, films, task), "reading": reading}


_SOURCES = {"frames": of_frames, "films": of_films}


def of_folder(source, folder, reading=None):
    """Describes a folder, see `of_frames` and `of_films`."""
    settings = reading or {} if source == "films" else {}
    return _SOURCES[source](folder, **settings)


def _described(source, folder, films, task):
    path = str(pathlib.Path(folder).absolute())
    found = {"source": source, "path": path, "films": films}
    return found | task.described()


def _film(split, genre, count, content):
    text = json.dumps(content, sort_keys=True)
    checksum = hashlib.sha256(text.encode("utf-8")).hexdigest()
    found = {"split": split, "genre": genre, "count": count}
    return found | {"checksum": checksum}


def _look(path):
    """Returns a film file's size and the checksum of its ends; None if gone."""
    if not path.exists():
        return None  # an error when the film is read
    size = path.stat().st_size
    with open(path, "rb") as file:
        checksum = hashlib.sha256(file.read(_LOOKED_AT))
        file.seek(max(size - _LOOKED_AT, 0))
        checksum.update(file.read(_LOOKED_AT))
    return size, checksum.hexdigest()


def write(data_path, described):
    """Writes what a data set was built from into its folder."""
    files.write_json(pathlib.Path(data_path) / FILE_NAME, described)


def read(data_path):
    """Reads what a data set was built from; None where it is not known."""
    path = pathlib.Path(data_path) / FILE_NAME
    try:
        described = files.read_json(path)
        # A malformed one says no more than a missing one.
        is_whole = (
            described["source"] in _SOURCES
            and isinstance(described["path"], str)
            and all(isinstance(x, dict) for x in described["films"].values())
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return described if is_whole else None


def differences(built, now):
    """Says how what is there now differs from what a data set was built from.

    Args:
        built: What `read` returned.
        now: What `of_folder` returned.

    Returns:
        A list of strings, one for each film, and one if the genres are
        others; empty if nothing differs. Where the folder lies does not
        matter.
    """
    before, after = built["films"], now["films"]
    # Earlier versions did not write genres down.
    found = [
        f"the {name} changed ({built[name]} -> {now[name]})"
        for name in ("task", "genres")
        if built.get(name, now[name]) != now[name]
    ]
    found += [f"film {name!r} is new" for name in after if name not in before]
    found += [f"film {name!r} is gone" for name in before if name not in after]
    for name in before.keys() & after.keys():
        was, is_now = before[name], after[name]
        changed = [
            f"{key} {was.get(key)} -> {is_now[key]}"
            for key in ("split", "genre", "count")
            if was.get(key) != is_now[key]
        ]
        if changed or was.get("checksum") != is_now["checksum"]:
            what = ", ".join(changed) or "other content"
            found.append(f"film {name!r} has changed ({what})")
    return sorted(found)


def told(found):
    """Puts `differences` into a line."""
    more = len(found) - _MOST_TOLD
    rest = f" and {more} more" if more > 0 else ""
    return "; ".join(found[:_MOST_TOLD]) + rest


def warning(data_path, name):
    """Says in a line that a data set is older than what it was built from.

    Args:
        data_path: Path of the built data set's folder.
        name: String, the data set's name.

    Returns:
        String; empty if nothing differs, nothing is known, or the folder that
        it was built from is not there.
    """
    built = read(data_path)
    if built is None or not pathlib.Path(built["path"]).is_dir():
        return ""
    path, source = built["path"], built["source"]
    try:
        now = of_folder(source, path, built.get("reading"))
        found = differences(built, now)
    except (OSError, ValueError) as error:
        found = [f"it cannot be read ({error})"]
    if not found:
        return ""
    config = name.partition("/")[2].partition(":")[0].partition("/")[0]
    # Others were given as JSON, which only the user knows.
    config = config if config in _SOURCES else "<its config>"
    # The data set's folder is NAME/CONFIG/VERSION in the data folder.
    data_dir = pathlib.Path(data_path).absolute().parents[2]
    return (
        f"{name} was built from {path}, which has changed since: "
        f"{told(found)}. The data set is used as it was built. To renew it: "
        f"tfds build tfds_builder/scene_genre --config {config} --manual_dir "
        f"{shlex.quote(path)} --data_dir {shlex.quote(str(data_dir))} "
        "--overwrite"
    )
