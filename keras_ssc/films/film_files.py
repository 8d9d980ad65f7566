"""Which films the arguments of a command mean."""

import collections
import itertools
import pathlib

from keras_ssc.films import file_kinds


def list_films(inputs):
    """Lists the film files that are meant.

    Args:
        inputs: Sequence of paths: films, and folders of films.

    Returns:
        A tuple of two lists of `pathlib.Path`. The films: a folder's files
        by their names, hidden ones apart; also what turns out to be no file,
        such as a broken link. What of the folders is left aside, since it is
        obviously no film; a file that is named itself never is.

    Raises:
        ValueError: If a path is missing, or a folder holds no film.
    """
    films, left_aside = [], []
    for path in map(pathlib.Path, inputs):
        if path.is_dir():
            found = sorted(
                each
                for each in path.iterdir()
                if not each.is_dir() and not each.name.startswith(".")
            )
            aside = [each for each in found if file_kinds.is_no_film(each)]
            if len(found) == len(aside):
                received = (
                    f"holds only {counts(aside)}" if aside else "is empty"
                )
                raise ValueError(
                    f"Expected a folder of films. {path} {received}. Name a "
                    "file itself to have it tried."
                )
            films += [x for x in found if not file_kinds.is_no_film(x)]
            left_aside += aside
        elif path.exists():
            films.append(path)
        else:
            raise ValueError(
                f"Expected a film or a folder of films. Received: {path}, no "
                "such file"
            )
    return films, left_aside


def counts(paths):
    """Counts files by their suffixes, such as `2 .jpg, 1 .nfo`."""
    counted = collections.Counter(path.suffix.lower() for path in paths)
    return ", ".join(
        f"{counted[suffix]} {suffix}" for suffix in sorted(counted)
    )


def left_aside_text(paths):
    """Says in a line what of folders was left aside, see `list_films`."""
    by_folder = itertools.groupby(paths, lambda path: path.parent)
    return "left aside " + "; ".join(
        f"in {folder}: {counts(found)}" for folder, found in by_folder
    )
