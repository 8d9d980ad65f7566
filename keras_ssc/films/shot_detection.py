"""A film -> its shots, every frame looked at once."""

import collections
import concurrent.futures
import contextlib
import dataclasses
import pathlib

import cv2
import numpy as np

from keras_ssc.films import cuts
from keras_ssc.films import film_process
from keras_ssc.films import frame_index
from keras_ssc.films import frame_reading
from keras_ssc.films import transitions
from keras_ssc.films.shots import Shot
from keras_ssc.films.shots import Transition

# Cuts are sought on frames of this long side, as `cuts` looks at them.
_LONG_SIDE = 320

# A cut changes the mean luma by more than this; a fifth of the frames of a
# film does, and only they are looked at more closely.
_LEAST_CHANGE = 2.6

# Above this standard deviation in levels of luma, a frame is surely not blank.
_LEAST_CONTRAST = 10.0

# Frames that are decoded ahead of the one that is looked at; fewer where they
# would take more bytes.
_NUM_AHEAD = 16
_MOST_BYTES_AHEAD = 2**26

# Frames with a shorter side are enlarged to it: `cuts` takes no smaller ones.
_LEAST_SIDE = 16

# Frames between two searches for gradual transitions.
_NUM_NEW = 96

# Blank frames that are kept of a long run of them.
_MOST_BLANK = 64

# Frames between two reports of progress.
_FRAMES_A_REPORT = 48


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
    """Finds a film's shots, in a process of its own.

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
    reading = film_process.run(
        _list, [(path, (path,))], max_silence=max_silence
    )
    found = None
    with contextlib.closing(reading):
        for _, value in reading:
            if isinstance(value, ShotList):
                found = value
            elif isinstance(value, StopIteration):
                break
            elif isinstance(value, Exception):
                raise value
            elif progress is not None:
                progress(*value)
    return found


def _list(send, path):
    index = frame_index.index_frames(path)
    finder, found = Finder(), []
    for seen in look_at_all(index):
        found += finder.add(seen)
        if seen.frame.number % _FRAMES_A_REPORT == 0:
            send((seen.frame.number, index.num_frames))
    found += finder.close()
    send((index.num_frames, index.num_frames))
    send(
        ShotList(
            path,
            shots_between(index, found),
            index.seconds,
            index.step_seconds,
            index.width,
            index.height,
            index.notes,
        )
    )


def shots_between(index, found):
    """Returns the shots that transitions leave of a film.

    Args:
        index: The film's `FrameIndex`.
        found: List of `Transition`, ascending.

    Returns:
        List of `Shot`.
    """
    firsts = [0, *(each.end_frame for each in found)]
    ends = [*(each.first_frame for each in found), index.num_frames]
    return [
        shot_of(index, *part)
        for part in zip(firsts, ends, [None, *found], strict=True)
    ]


def shot_of(index, first, end, transition=None):
    """Returns the `Shot` of the frames from `first` up to, not with, `end`."""
    times = [
        float(index.end_seconds if n == index.num_frames else index.seconds[n])
        for n in (first, end)
    ]
    return Shot(*times, first, end, transition)


# ---- each frame and the one before it ----


@dataclasses.dataclass(frozen=True, eq=False)
class Seen:
    """What is found of a frame beside the one before it.

    Attributes:
        frame: The `frame_reading.ScannedFrame`.
        before: The one before it; None for the first.
        is_blank: Boolean, see `cuts.is_blank`.
        is_cut: Boolean, whether a cut lies between them.
    """

    frame: frame_reading.ScannedFrame
    before: frame_reading.ScannedFrame | None
    is_blank: bool
    is_cut: bool


def look_at_all(index, deinterlace="no"):
    """Yields a `Seen` for each frame of a film that can be decoded.

    Args:
        index: The film's `FrameIndex`.
        deinterlace: See `frame_reading.scan_frames`.
    """
    size = 3 * index.width * index.height // 2
    num_ahead = min(max(_MOST_BYTES_AHEAD // size, 1), _NUM_AHEAD)
    frames = frame_reading.scan_frames(
        index.path, index, _LONG_SIDE, deinterlace
    )
    last = None
    for frame in ahead(frames, num_ahead):
        is_blank = bool(
            frame.luma.std() < _LEAST_CONTRAST
            and cuts.is_blank(_enlarged(frame.small()))
        )
        is_cut = bool(
            last is not None
            and not is_blank
            and cv2.absdiff(frame.luma, last.luma).mean() > _LEAST_CHANGE
            and cuts.is_cut(_enlarged(last.small()), _enlarged(frame.small()))
        )
        yield Seen(frame, last, is_blank, is_cut)
        last = frame


def _enlarged(frame):
    height, width = frame.shape[:2]
    if min(height, width) >= _LEAST_SIDE:
        return frame
    return cv2.resize(
        frame, (max(width, _LEAST_SIDE), max(height, _LEAST_SIDE))
    )


def ahead(items, num_ahead):
    """Yields the items of an iterator that runs ahead in a thread of its own.

    Decoders and OpenCV release Python's lock: the next frames are decoded
    while one is looked at.
    """
    end = object()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        try:
            made = [pool.submit(next, items, end) for _ in range(num_ahead)]
        except RuntimeError as error:  # no room for the thread's stack
            raise MemoryError(str(error)) from error
        made = collections.deque(made)
        while (item := made.popleft().result()) is not end:
            made.append(pool.submit(next, items, end))
            yield item


# ---- transitions, as soon as they are certain ----


class Finder:
    """Finds the transitions of a film, frame by frame.

    Attributes:
        settled: Integer: all transitions are known that begin before this
            frame.
    """

    def __init__(self):
        self.settled = 0
        self._begin()
        self._ended = 0

    def _begin(self):
        self._numbers, self._colours, self._blank = [], [], []
        self._num_new = 0

    def add(self, seen):
        """Takes the next frame.

        Args:
            seen: Its `Seen`.

        Returns:
            List of `Transition`, ascending: those that have become certain.
        """
        found = []
        if seen.is_cut:
            found = self._settle(None)
            number = seen.frame.number
            if not found or found[-1].end_frame < number:
                found.append(Transition("cut", number, number))
            self._begin()
            self.settled = self._ended = number
        # Of a long run of blank frames, the middle says nothing more.
        if len(self._blank) > _MOST_BLANK and all(
            [*self._blank[-_MOST_BLANK:], seen.is_blank]
        ):
            self._numbers[-1] = seen.frame.number
            return found
        self._numbers.append(seen.frame.number)
        self._colours.append(seen.frame.colours)
        self._blank.append(seen.is_blank)
        self._num_new += 1
        if self._num_new >= _NUM_NEW + transitions.MARGIN:
            found += self._settle(len(self._numbers) - transitions.MARGIN)
        return found

    def close(self):
        """Returns the last transitions, at the film's end."""
        found = self._settle(None)
        # After what fades out at the end there is no shot.
        last = self._numbers[-1] if self._numbers else -1
        return [each for each in found if each.end_frame <= last]

    def _settle(self, certain):
        """Returns the transitions that are certain, and forgets their frames.

        Args:
            certain: Integer, the place of the first frame that what follows
                may still change; None if nothing follows.
        """
        if len(self._numbers) < 2:
            return []
        found = transitions.find(np.stack(self._colours), np.array(self._blank))
        numbers = [*self._numbers, self._numbers[-1] + 1]
        places = []
        for each in found:
            first = max(each.first_frame, 0)
            if numbers[first] < self._ended or numbers[first] == 0:
                continue
            if certain is not None and each.end_frame >= certain:
                certain = min(certain, first)
                break
            places.append(dataclasses.replace(each, first_frame=first))
        found = [
            Transition(
                each.kind, numbers[each.first_frame], numbers[each.end_frame]
            )
            for each in places
        ]
        if found:
            self._ended = found[-1].end_frame
        if certain is not None:
            if self._blank[certain]:
                # Where a blank run ends is not known yet.
                while certain > 0 and self._blank[certain - 1]:
                    certain -= 1
            self.settled = self._numbers[certain]
            self._ended = max(self._ended, self.settled)
            kept = slice(max(certain - transitions.CONTEXT, 0), None)
            self._numbers = self._numbers[kept]
            self._colours = self._colours[kept]
            self._blank = self._blank[kept]
            self._num_new = len(self._numbers)
        return found
