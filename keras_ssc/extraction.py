"""A film list -> a folder of frames, films side by side."""

import collections
import concurrent.futures
import contextlib
import dataclasses
import multiprocessing
import os
import pathlib

import cv2
import tqdm

from keras_ssc import files
from keras_ssc import frame_folder
from keras_ssc.cleaning import ExtractConfig
from keras_ssc.errors import FilmListError
from keras_ssc.errors import VideoError
from keras_ssc.film_list import read_film_list
from keras_ssc.sampling import extract_pairs


def extract(film_list, out, config=None, workers=None, progress=False):
    """Extracts the pairs of all films of a list into a folder.

    Films that are done already are not read again, so a run that was killed
    goes on where it stopped. See `frame_folder` for the folder.

    Args:
        film_list: Path of the film list, see `read_film_list`.
        out: The folder; made if it is missing. It is empty, or an earlier
            run's with the same config.
        config: An `ExtractConfig`; the defaults if None.
        workers: Integer, how many films are read at once; one for each
            processor if None. The pairs do not depend on it.
        progress: Boolean, whether to show a progress bar.

    Returns:
        A tuple (records, problems): the list of the films' records, as
        dicts, and a list of strings, one for each row or film of the list
        that could not be used.

    Raises:
        keras_ssc.errors.FilmListError: If the list cannot be read.
        ValueError: If the folder holds something else.
        OSError: If the folder cannot be written.
    """
    config = config or ExtractConfig()
    out = pathlib.Path(out)
    films, problems = read_film_list(film_list)
    frame_folder.open_folder(out, dataclasses.asdict(config))
    films, duplicates = without_duplicates(films)
    problems += duplicates
    records = frame_folder.read_records(out)
    places = frame_folder.assign_places(films, records, out)
    todo = frame_folder.undone(films, records, out)
    names = {film.name for film in films}
    frame_folder.sweep(names - {film.name for film in todo}, out)
    results = _run_all(
        [(film, places[film.name], out, config) for film in todo],
        workers or os.cpu_count() or 1,
        progress,
    )
    problems += [result for result in results if isinstance(result, str)]
    frame_folder.write_index(out)
    records = frame_folder.read_records(out)
    problems += [
        f"film {record['film']!r} was extracted earlier but is not in the "
        f"list now; its frames are still in {out}"
        for record in records
        if record["film"] not in names
    ]
    return [r for r in records if r["film"] in names], problems


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
            # What cannot be looked at is told when the film is read.
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


def _run_all(tasks, workers, progress):
    """Extracts films in processes; returns records or error lines in order."""
    results = {}
    bar = tqdm.tqdm(
        total=len(tasks), unit="film", desc="extract", disable=not progress
    )
    with bar:
        waiting = list(range(len(tasks)))
        while waiting:
            waiting = _run_pool(tasks, waiting, workers, results, bar)
            # A process died and took its pool along. What was not done is
            # tried one at a time, to find the film that kills.
            workers = 1
    return [results[place] for place in range(len(tasks))]


def _run_pool(tasks, waiting, workers, results, bar):
    """Runs a pool until it is done or broken; returns what is left to do."""
    with concurrent.futures.ProcessPoolExecutor(
        max_workers=min(workers, len(waiting)),
        # A forked copy of a process with OpenCV's threads can hang.
        mp_context=multiprocessing.get_context("spawn"),
        initializer=cv2.setNumThreads,
        initargs=(1,),
    ) as pool:
        futures = {pool.submit(_extract_film, *tasks[i]): i for i in waiting}
        try:
            for future in concurrent.futures.as_completed(futures):
                results[futures[future]] = future.result()
                bar.update()
        except concurrent.futures.BrokenExecutor:
            return _after_death(tasks, waiting, workers, results, bar)
        except BaseException:
            # Waits for the films under way only. Without the wait, leaving
            # the block would take the cancelling back.
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return []


def _after_death(tasks, waiting, workers, results, bar):
    left = [place for place in waiting if place not in results]
    if workers > 1:
        return left
    film = tasks[left[0]][0]
    results[left[0]] = (
        f"film {film.name!r} (line {film.scenes[0].line}): the process that "
        "read it died (killed, or out of memory)"
    )
    bar.update()
    return left[1:]


def _extract_film(film, place, out, config):
    """Extracts one film into the folder; returns its record or an error."""
    where = f"film {film.name!r} (line {film.scenes[0].line})"
    try:
        extraction = extract_pairs(film, config)
    except (VideoError, FilmListError) as error:
        return f"{where}: {error}"
    if not extraction.kept:
        reasons = [outcome.reason for outcome in extraction.dropped]
        return (
            f"{where}: no pair is left, all {len(reasons)} were dropped "
            f"({count_reasons(reasons)})"
        )
    return frame_folder.store(film, place, extraction, out)


def count_reasons(reasons):
    """Returns a line such as `31 cut, 6 blank`, the most frequent first."""
    counted = collections.Counter(reasons).most_common()
    return ", ".join(f"{number} {reason}" for reason, number in counted)
