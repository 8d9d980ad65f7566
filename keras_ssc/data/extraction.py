"""A film list -> a folder of frames, films side by side."""

import collections
import contextlib
import dataclasses
import os
import pathlib

import tqdm

from keras_ssc import checks
from keras_ssc import files
from keras_ssc.data import frame_folder
from keras_ssc.data.sampling import extract_pairs
from keras_ssc.errors import FilmListError
from keras_ssc.films import film_process
from keras_ssc.films import splitting
from keras_ssc.films.cleaning import ExtractConfig
from keras_ssc.films.film_list import read_film_list
from keras_ssc.films.film_process import ReaderDiedError

# Seconds without anything sent: side by side, films of 4K that cannot be
# sought take minutes from a pair to the next.
_MAX_SILENCE = 600.0


def extract(
    film_list,
    out,
    config=None,
    workers=None,
    progress=False,
    shares=splitting.DEFAULT_SHARES,
    task=None,
):
    """Extracts the pairs of all films of a list into a folder.

    Films that are done already are not read again, so a run that was
    interrupted resumes where it stopped. See `frame_folder` for the folder.

    Args:
        film_list: Path of the film list, see `read_film_list`.
        out: The folder; made if it is missing. It is empty, or an earlier
            run's with the same config.
        config: An `ExtractConfig`; the defaults if None.
        workers: Integer, how many films are read at once; one for each
            processor if None. The pairs do not depend on it.
        progress: Boolean, whether to show a progress bar.
        shares: Tuple of three floats, how many of the films whose list says no
            split train, validate and test. They are drawn with the config's
            seed; a film that was extracted keeps its split.
        task: String, a key of `tasks.TASKS`; None: the list's.

    Returns:
        A tuple (records, problems, notes): the list of the films' records, as
        dicts; a list of strings, one for each row or film of the list that
        could not be used; and a list of strings, what else the list says.

    Raises:
        keras_ssc.errors.FilmListError: If the list cannot be read.
        ValueError: If the folder holds something else.
        OSError: If the folder cannot be written.
    """
    checks.at_least("workers", workers, 0)
    config = config or ExtractConfig()
    out = pathlib.Path(out)
    records = frame_folder.read_records(out)
    listed = read_film_list(
        film_list,
        shares,
        config.seed,
        {record["film"]: record["split"] for record in records},
        task,
    )
    frame_folder.open_folder(out, dataclasses.asdict(config))
    films, duplicates = without_duplicates(listed.films)
    problems = listed.problems + duplicates
    frame_folder.write_genres(out, listed, records)
    places = frame_folder.assign_places(films, records)
    todo = frame_folder.undone(films, records, out)
    workers = workers or os.cpu_count() or 1
    problems += _extract_all(todo, places, out, config, workers, progress)
    frame_folder.write_index(out)
    records = frame_folder.read_records(out)
    names = {film.name for film in films}
    problems += [
        f"film {record['film']!r} was extracted earlier but is not in the "
        f"list now; its frames are still in {out}"
        for record in records
        if record["film"] not in names
    ]
    records = [r for r in records if r["film"] in names]
    return records, problems, listed.notes


def without_duplicates(films):
    """Leaves out films whose files are another film's, byte for byte.

    Args:
        films: List of `film_list.Film`.

    Returns:
        A tuple (films, problems): the films that are left, and a list of
        strings, one for each film that is not.
    """
    by_size = collections.defaultdict(list)
    for film in films:
        for path in dict.fromkeys(scene.path for scene in film.scenes):
            # What cannot be looked at is an error when the film is read.
            with contextlib.suppress(OSError):
                if path.is_file():
                    by_size[path.stat().st_size].append((film, path))
    problems, spoilt = [], set()
    for group in by_size.values():
        owners = {}
        # Only files of one size can be the same: most films are not hashed.
        for film, path in group if len(group) > 1 else ():
            try:
                checksum = files.sha256(path)
            except OSError:
                continue
            owner, owner_path = owners.setdefault(checksum, (film, path))
            if owner.name != film.name:
                problems.append(
                    f"line {film.scenes[0].line}: {path} is the same file as "
                    f"{owner_path} (film {owner.name!r}, {owner.split}), so "
                    f"film {film.name!r} ({film.split}) is left out. Give "
                    "both rows one film name, or remove one."
                )
                spoilt.add(film.name)
    return [film for film in films if film.name not in spoilt], problems


def _extract_all(films, places, out, config, workers, progress):
    """Extracts films in processes; returns problems, in the list's order."""
    problems, todo = {}, films
    # Of each film, the frames that are kept are written at its end.
    room = 6 * config.num_pairs * config.width * config.height
    bar = tqdm.tqdm(
        total=len(films), unit="film", desc="extract", disable=not progress
    )
    with bar:
        while todo:
            tasks = [
                (_name(film), (film, places[film.name], out, config))
                for film in todo
            ]
            endings = film_process.run(
                _extract_film, tasks, workers, _MAX_SILENCE, room
            )
            died = []
            with contextlib.closing(endings):
                for place, ending in endings:
                    film = todo[place]
                    if ending is None:
                        continue  # the process is alive
                    if isinstance(ending, OSError):
                        raise ending
                    if isinstance(ending, ReaderDiedError) and workers > 1:
                        died.append(film)
                        continue
                    bar.update()
                    if not isinstance(ending, StopIteration):
                        problems[film.name] = _problem(film, str(ending))
            # Once more alone, with the memory that the others took.
            todo, workers = died, 1
    return [problems[film.name] for film in films if film.name in problems]


def _problem(film, said):
    """Names the film, and its line unless what is said names a scene's."""
    name = f"film {film.name!r}"
    if said.startswith(name):
        return said
    if said.startswith("line "):
        return f"{name}: {said}"
    return f"{name} (line {film.scenes[0].line}): {said}"


def _name(film):
    paths = {scene.path for scene in film.scenes}
    return ", ".join(sorted(map(str, paths)))


def _extract_film(send, film, place, out, config):
    """Extracts one film into the folder."""
    extraction = extract_pairs(film, config, lambda: send(None))
    if not extraction.kept:
        reasons = [outcome.reason for outcome in extraction.dropped]
        raise FilmListError(
            f"no pair is left, all {len(reasons)} were dropped "
            f"({count_reasons(reasons)})"
        )
    frame_folder.store(film, place, extraction, out)


def count_reasons(reasons):
    """Returns a line such as `31 cut, 6 blank`, the most frequent first."""
    counted = collections.Counter(reasons).most_common()
    return ", ".join(f"{number} {reason}" for reason, number in counted)
