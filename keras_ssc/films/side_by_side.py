"""Several films read at once, each in a process of its own.

What they send comes to one thread, so that a model is asked by one alone.
"""

import contextlib
import os

from keras_ssc import checks
from keras_ssc.errors import VideoError
from keras_ssc.films import film_process
from keras_ssc.films import film_reader
from keras_ssc.films import shot_detection

# A film's process takes up to a few hundred megabytes: this many, some
# gigabytes. Who has more memory asks for more.
_MOST_WORKERS = 8


def num_workers(workers, num_films):
    """Says how many films are read at once.

    Args:
        workers: Integer; None for one a core, at most 8.
        num_films: Integer, how many films there are: never more are read.

    Raises:
        ValueError: If `workers` is below 1.
    """
    checks.at_least("workers", workers, 1)
    workers = workers or min(os.cpu_count() or 1, _MOST_WORKERS)
    return min(workers, num_films)


def read_films(films, plan, workers):
    """Reads films as `film_reader.read_film` does.

    Args:
        films: List of paths.
        plan: A `film_reader.Plan`.
        workers: Integer, how many films are read at once.

    Returns:
        An iterator of tuples (place, value): a film's place in the list, and
        what is read of it, or a tuple for its progress. The last value of each
        film is an exception, see `film_process.run`.
    """
    tasks = [(film, (film, plan)) for film in films]
    return film_process.run(film_reader.read_in_process, tasks, workers)


def list_shots(films, workers):
    """Finds the shots of films as `shot_detection.list_shots` does.

    Returns:
        An iterator as that of `read_films`, of a `ShotList` a film.
    """
    tasks = [(film, (film,)) for film in films]
    return film_process.run(shot_detection.list_in_process, tasks, workers)


def in_order(found):
    """Puts films' results in order; each comes as soon as it can.

    Args:
        found: Generator of tuples (place, result), each place from 0 on once.

    Yields:
        The results; a `VideoError` is one.

    Raises:
        Exception: A result that is another exception, when it is its turn.
    """
    waiting, place = {}, 0
    with contextlib.closing(found):
        for other, result in found:
            waiting[other] = result
            while place in waiting:
                result = waiting.pop(place)
                place += 1
                if isinstance(result, Exception) and not isinstance(
                    result, VideoError
                ):
                    raise result
                yield result
