"""A picture of each of a film's shots."""

import contextlib
import pathlib

import cv2

from keras_ssc import files
from keras_ssc.films import film_process
from keras_ssc.films import frame_index
from keras_ssc.films import frame_reading

_QUALITY = 95


def write(found, folder, progress=None, max_silence=120.0):
    """Writes the frame in the middle of each shot as a JPEG file.

    They are called `shot_0001.jpg` and so on, with as many digits as sort, and
    have the film's own size, pixels that are not square apart: those are
    stretched to what a viewer sees. Other files in the folder stay.

    Args:
        found: A `shot_detection.ShotList`.
        folder: Path of a folder; it is made if it is not there.
        progress: Function of two integers: how many pictures of how many.
        max_silence: Float, as of `film_reader.read_film`.

    Returns:
        List of integers, the shots, from 1, whose frame cannot be decoded and
        which have no picture.

    Raises:
        VideoError: If the film cannot be read, or its reader hangs or dies.
        OSError: If a file cannot be written.
    """
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    middles = {
        (shot.first_frame + shot.end_frame) // 2: number
        for number, shot in enumerate(found.shots, start=1)
    }
    num_digits = max(4, len(str(len(middles))))
    reading = film_process.run_one(
        _read, found.path, found.path, list(middles), max_silence=max_silence
    )
    missing = set(middles.values())
    with contextlib.closing(reading):
        for frame_number, data in reading:
            number = middles[frame_number]
            name = f"shot_{number:0{num_digits}d}.jpg"
            files.write_bytes(folder / name, data)
            missing.remove(number)
            if progress is not None:
                progress(number, len(middles))
    return sorted(missing)


def _read(send, path, frame_numbers):
    """Sends tuples (frame number, JPEG file)."""
    index = frame_index.index_frames(path)
    for number, _, frame in frame_reading.read_frames(
        path, frame_numbers, index
    ):
        width = round(index.width * index.pixel_aspect)
        if width != index.width:
            frame = cv2.resize(frame, (width, index.height))
        _, data = cv2.imencode(
            ".jpg",
            cv2.cvtColor(frame, cv2.COLOR_RGB2BGR),
            [cv2.IMWRITE_JPEG_QUALITY, _QUALITY],
        )
        send((number, data.tobytes()))
