"""A folder, at any depth -> the files that may be films."""

import dataclasses
import os
import pathlib
import stat

from keras_ssc.films import file_kinds


@dataclasses.dataclass(frozen=True)
class Found:
    """What is in a folder.

    Attributes:
        folder: `pathlib.Path`, absolute and without links.
        films: Dict from the paths of what may be films, in order, to tuples
            of integers: size in bytes, and when it was changed, nanoseconds
            since 1970.
        left_aside: List of paths, what is obviously no film.
        links_out: List of paths, links that lead out of the folder.
        unlisted: Dict from the paths of folders in it that cannot be listed
            to the `OSError`.
    """

    folder: pathlib.Path
    films: dict
    left_aside: list
    links_out: list
    unlisted: dict


def state_of(path):
    """Returns a file's size and time of change, see `Found`.

    Raises:
        OSError: If there is no such file.
    """
    found = os.lstat(path)
    return found.st_size, found.st_mtime_ns


def is_there(folder):
    """Says whether a folder can be listed and holds anything.

    One that a drive is mounted at is empty while it is not.
    """
    try:
        with os.scandir(folder) as entries:
            return any(True for _ in entries)
    except OSError:
        return False


def find(folder, library):
    """Lists what is in a folder and the folders in it.

    Hidden files and folders are left out. A link is not followed: what it
    leads to is found itself, or lies outside.

    Args:
        folder: Path of a folder.
        library: Path of the library's database; it and what lies beside it
            under its name are left out.

    Returns:
        A `Found`.
    """
    root = pathlib.Path(folder).resolve()
    found = Found(root, {}, [], [], {})
    own = str(pathlib.Path(library).resolve())

    def note(error):
        found.unlisted[pathlib.Path(error.filename)] = error

    for parent, folders, names in os.walk(root, onerror=note):
        parent = pathlib.Path(parent)
        links = [name for name in folders if (parent / name).is_symlink()]
        folders[:] = sorted(
            name
            for name in folders
            if name not in links
            and not name.startswith(".")
            and not str(parent / name).startswith(own)
        )
        for name in sorted([*names, *links]):
            path = parent / name
            if not name.startswith(".") and not str(path).startswith(own):
                _sort(found, path)
    return found


def _sort(found, path):
    """Puts a file or a link where it belongs."""
    try:
        status = os.lstat(path)
    except OSError:
        return  # it was removed meanwhile
    if stat.S_ISLNK(status.st_mode):
        target = pathlib.Path(os.path.realpath(path))
        if not target.is_relative_to(found.folder):
            found.links_out.append(path)
    elif file_kinds.is_no_film(path) or not stat.S_ISREG(status.st_mode):
        found.left_aside.append(path)
    else:
        found.films[path] = status.st_size, status.st_mtime_ns
