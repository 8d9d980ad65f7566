"""A film -> its shots, every frame looked at."""

import contextlib
import dataclasses
import pathlib

import numpy as np

from keras_ssc.films import film_process
from keras_ssc.films.shots import Shot


@dataclasses.dataclass(frozen=True, eq=False)
class ShotList:
    """The shots of a film.

    Attributes:
        path: `pathlib.Path` of the film.
        shots: List of `shots.Shot`, in the film's order.
        seconds: float64 array, shape `(num_frames,)`, ascending: each frame's
            presentation time.
        step_seconds: Float, how long most frames are shown.
        width: Integer, pixels, as stored, upright.
        height: Integer, the same.
        notes: Tuple of strings, what in the file is not as it should be.
    """

    path: pathlib.Path
    shots: list
    seconds: np.ndarray
    step_seconds: float
    width: int
    height: int
    notes: tuple


def list_shots(path, progress=None, max_silence=120.0):
    """Finds a film's shots.

    Args:
        path: Path of a film file on this machine.
        progress: Function of two integers, called while the film is read: how
            many frames of how many.
        max_silence: Float, as of `film_reader.read_film`.

    Returns:
        A `ShotList`.

    Raises:
        VideoError: If the film cannot be read, or its reader hangs or dies.
    """
    path = pathlib.Path(path)
    running = film_process.run(
        _list, [(path, (path,))], max_silence=max_silence
    )
    with contextlib.closing(running):
        for _, value in running:
            if isinstance(value, ShotList):
                found = value
            elif isinstance(value, StopIteration):
                return found
            elif isinstance(value, Exception):
                raise value
            elif progress is not None:
                progress(*value)


def _list(send, path):
    from keras_ssc.films import film_reader
    from keras_ssc.films import frame_index
    from keras_ssc.films.shots import Transition

    index = frame_index.index_frames(path)
    make = film_reader._PairMaker(
        index, None, film_reader.DEFAULT_PLAN.extract_config()
    )
    firsts = [0]
    for number, is_first, _, _ in film_reader._with_cuts(index, make):
        if is_first:
            firsts.append(number)
        send((number, index.num_frames))
    times = [*index.seconds.tolist(), index.end_seconds]
    ends = [*firsts[1:], index.num_frames]
    shots = [
        Shot(
            times[first],
            times[end],
            first,
            end,
            Transition("cut", first, first) if first else None,
        )
        for first, end in zip(firsts, ends, strict=True)
    ]
    send(
        ShotList(
            path,
            shots,
            index.seconds,
            index.step_seconds,
            index.width,
            index.height,
            index.notes,
        )
    )
