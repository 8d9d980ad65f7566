"""Small libraries of films that are there and have pictures."""

import cv2
import numpy as np

from keras_ssc.films import frame_reading
from keras_ssc.library import features

_SHOTS = 4


def add_film(library, path, frames_of_shot=12, rate=24.0):
    """Adds a film, with shots of one length.

    Args:
        library: A `Library`.
        path: `pathlib.Path` of the film.
        frames_of_shot: Integer.
        rate: Float, frames a second.

    Returns:
        Integer, the film's `id`.
    """
    size = path.stat().st_size
    content = f"{path.name}, {size}"
    film = library.add_file(path, content, size, path.stat().st_mtime_ns)
    numbers = range(
        frames_of_shot // 2, _SHOTS * frames_of_shot, frames_of_shot
    )
    length = frames_of_shot / rate
    shots, pairs = [], []
    for number, (_, _, frame) in enumerate(
        frame_reading.read_frames(path, numbers)
    ):
        shots.append((number * length, (number + 1) * length, _jpeg(frame)))
        pairs.append(np.tile(cv2.resize(frame, (4, 4)).ravel() / 255, 2))
    pairs = np.array(pairs)
    features.save(
        library.path,
        content,
        features.Features(
            pairs, length * np.arange(len(pairs)), np.arange(len(pairs))
        ),
    )
    picture = (length * len(shots), *frame.shape[1::-1])
    library.set_read(film, picture, shots, pairs.mean(axis=0), [])
    return film


def _jpeg(frame):
    _, data = cv2.imencode(".jpg", frame[..., ::-1])
    return data.tobytes()
