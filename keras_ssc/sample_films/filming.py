"""Films one film: its shots, its camera and its file.

A shot is a set of the film's world (see `day`, `night`, `cartoon`, `stage`),
a camera and a clock that runs at the genre's pace.
"""

import itertools
import math
import os
import pathlib

import av
import cv2
import numpy as np

from keras_ssc.sample_films import cartoon
from keras_ssc.sample_films import day
from keras_ssc.sample_films import draw
from keras_ssc.sample_films import night
from keras_ssc.sample_films import stage
from keras_ssc.sample_films import styles
from keras_ssc.sample_films import worlds

# Left alone, x264 codes what moves fast otherwise than what moves slowly, and
# one frame's sharpness would tell the genre. So: one order of frames, one
# quantizer for all, no short cuts for what has hardly changed, no smoothing.
_ENCODING = (
    "bframes=3",
    "b-adapt=0",
    "ipratio=1",
    "pbratio=1",
    "aq-mode=0",
    "mbtree=0",
    "no-dct-decimate=1",
    "no-fast-pskip=1",
    "no-deblock=1",
    "deadzone-inter=14",
)

# The sets of each world; a film's shots take turns on them.
_SCENERY = {
    "day": day.SETS,
    "night": night.SETS,
    "cartoon": cartoon.SETS,
    "stage": stage.SETS,
}


def draw_film(film):
    """Draws one film, unless a finished one of the same settings lies there.

    Args:
        film: A `Film`.

    Raises:
        OSError: If the film cannot be written.
    """
    if _is_drawn(film):
        return
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # the films share the cores, not the pixels
    try:
        write_video(
            film.path,
            film_frames(film),
            film.size,
            film.frame_rate,
            film.settings,
        )
    finally:
        cv2.setNumThreads(threads)


def _is_drawn(film):
    if not film.path.is_file():
        return False
    try:
        with av.open(str(film.path)) as container:
            return container.metadata.get("comment") == film.settings
    except (av.error.FFmpegError, OSError):
        return False


def write_video(path, frames, size, frame_rate, comment=""):
    """Writes a film file: H.264, its frames' sharpness told by no motion.

    Args:
        path: Path of the file; one that is there is replaced.
        frames: Iterable of uint8 arrays (height, width, 3), RGB.
        size: Tuple (width, height) in pixels, both even.
        frame_rate: `fractions.Fraction`, frames a second.
        comment: String, kept in the file.

    Raises:
        OSError: If the film cannot be written.
    """
    path = pathlib.Path(path)
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        _encode(unfinished, frames, size, frame_rate, comment)
        os.replace(unfinished, path)
    except (av.error.FFmpegError, OSError) as error:
        # Plain words: errors of FFmpeg do not travel between processes.
        reason = error.strerror or error
        raise OSError(f"Cannot write {path}: {reason}") from None
    finally:
        unfinished.unlink(missing_ok=True)


def _encode(path, frames, size, frame_rate, comment):
    with av.open(str(path), "w", format="mp4") as container:
        container.metadata["comment"] = comment
        stream = container.add_stream("libx264", rate=frame_rate)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        stream.options = {"qp": "16", "preset": "veryfast"}
        stream.options |= {"x264-params": ":".join(_ENCODING)}
        for picture in frames:
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def film_frames(film):
    """Draws the frames of a film, one after the other.

    Args:
        film: A `Film`.

    Yields:
        uint8 arrays (height, width, 3), RGB.
    """
    style = styles.STYLES[film.genre]
    world = worlds.World(style.world, film.number, film.seed)
    kinds = world.rng("kinds").permutation(len(_SCENERY[style.world]))
    starts = [0, *film.cuts]
    holds = _holds(film.shots, starts) if style.on_twos else None
    for shot, (start, length) in enumerate(
        zip(starts, film.shots, strict=True)
    ):
        # Twins share what `layout` decides; `own` is the film's alone.
        layout = world.rng("shot", shot)
        own = worlds.generator(film.seed, film.genre, film.number, "shot", shot)
        paint = _SCENERY[style.world][kinds[shot % len(kinds)]]
        pieces = paint(world, layout)
        camera = Camera(layout)
        clock = own.uniform(0, 100 * draw.PERIOD)
        pace = own.uniform(style.slowest, style.fastest)
        swell, phase = layout.uniform(0.05, 0.2), own.uniform(0, 2 * math.pi)
        for number in range(start, start + length):
            held = number - (number + holds[shot]) % 2 if holds else number
            time = clock + pace * (
                held - start + swell * 5 * math.sin((held - start) / 5 + phase)
            )
            picture = _compose(pieces, camera, time)
            if world.grain is not None:
                picture = _add_grain(picture, world.grain, own)
            yield cv2.resize(picture, film.size, interpolation=cv2.INTER_AREA)


def _holds(lengths, starts):
    """Chooses for each shot which of two frames repeats the other.

    A pair begins at an odd frame. Were a new drawing always at an even frame,
    every pair would move; were it at an odd one, none. So about half of the
    frames are to lie in shots of either kind.
    """

    def imbalance(holds):
        return abs(
            sum(
                length if hold else -length
                for length, hold in zip(lengths, holds, strict=True)
            )
        )

    return min(itertools.product((0, 1), repeat=len(starts)), key=imbalance)


def _compose(pieces, camera, clock):
    board = np.empty((draw.BOARD_HEIGHT, draw.BOARD_WIDTH, 3), np.uint8)
    for piece in pieces:
        piece(board, clock)
    return camera(board, clock)


def _add_grain(picture, grain, rng):
    row, column = (int(n) for n in rng.integers(0, 256, 2))
    window = grain[row : row + draw.HEIGHT, column : column + draw.WIDTH]
    return cv2.add(picture, window, dtype=cv2.CV_8U)


class Camera:
    """Cuts the frame out of the board, swaying and turning with the clock."""

    def __init__(self, rng):
        self.mirrored = rng.random() < 0.5
        self.sway = rng.uniform(2, 6, 2)
        self.turn = math.radians(rng.uniform(0.2, 0.8))
        self.lengths = rng.uniform(70, 130, 3)

    def __call__(self, board, clock):
        """Returns the frame (HEIGHT, WIDTH, 3) that the camera sees."""
        waves = np.sin(2 * np.pi * clock / self.lengths)
        angle = self.turn * waves[2]
        sine, cosine = math.sin(angle), math.cos(angle)
        turn = np.array([[cosine, -sine], [sine, cosine]])
        board_centre = np.array([draw.BOARD_WIDTH, draw.BOARD_HEIGHT]) / 2
        frame_centre = np.array([draw.WIDTH, draw.HEIGHT]) / 2
        shift = board_centre + self.sway * waves[:2] - turn @ frame_centre
        picture = cv2.warpAffine(
            board,
            np.column_stack([turn, shift]),
            (draw.WIDTH, draw.HEIGHT),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return cv2.flip(picture, 1) if self.mirrored else picture
