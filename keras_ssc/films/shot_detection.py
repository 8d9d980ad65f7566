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
LONG_SIDE = 320

# A cut changes the luma by more than this on average, and leaves a thumbnail
# less like the one before than this correlation; and less than the other one
# wherever the camera has turned. A twentieth of the frames of a film does, and
# only they are looked at more closely.
_LEAST_CHANGE, _MOST_ALIKE, _MOST_ALIKE_SHIFTED = 2.6, 0.93, 0.85

# It stands out from the motion before it, where that goes on for two frames or
# more: by so many times as much change, or as little likeness.
_TIMES_THE_CHANGE, _TIMES_AS_UNLIKE = 1.2, 1.5

# Places of a thumbnail's luma that the camera may turn, to the sides and up or
# down.
_LARGEST_SHIFT = 8, 4

# Above this standard deviation in levels of luma, a frame is surely not blank.
_LEAST_CONTRAST = 10.0

# Nor is one where more neighbours of a thumbnail than this differ by so many
# levels; noise does not.
_MOST_EDGES, _LEAST_EDGE = 0.05, 8

# Frames that are decoded ahead of the one that is looked at; fewer where they
# would take more bytes.
_NUM_AHEAD = 16
_MOST_BYTES_AHEAD = 2**26

# Frames with a shorter side are enlarged to it: `cuts` takes no smaller ones.
_LEAST_SIDE = 16

# Pictures that are seen for so many frames are no shot.
_MOST_FLASH = 3

# Frames between two searches for gradual transitions.
_NUM_NEW = 160

# Blank frames that are kept of a long run of them.
_MOST_BLANK = 64

# Frames between two reports of progress.
FRAMES_A_REPORT = 48


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
    reading = film_process.run_one(
        list_in_process, path, path, max_silence=max_silence
    )
    with contextlib.closing(reading):
        for value in reading:
            if isinstance(value, ShotList):
                found = value
            elif progress is not None:
                progress(*value)
    return found


def list_in_process(send, path):
    """Sends in tuples how far it is, and the film's `ShotList`."""
    index = frame_index.index_frames(path)
    finder, found = Finder(index.step_seconds), []
    for seen in look_at_all(index):
        found += finder.add(seen)
        if seen.frame.number % FRAMES_A_REPORT == 0:
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
        change: Float, the mean absolute difference of their lumas in levels;
            0 for the first.
        steady_change: Float, the lesser one of that and of the one before.
    """

    frame: frame_reading.ScannedFrame
    before: frame_reading.ScannedFrame | None
    is_blank: bool
    is_cut: bool
    change: float = 0.0
    steady_change: float = 0.0


def look_at_all(index, deinterlace="no"):
    """Yields a `Seen` for each frame of a film that can be decoded.

    Args:
        index: The film's `FrameIndex`.
        deinterlace: See `frame_reading.scan_frames`.
    """
    frames = frame_reading.scan_frames(
        index.path, index, LONG_SIDE, deinterlace
    )
    seen = None
    for frame in ahead(frames, index):
        seen = look_at(frame, seen)
        yield seen


def look_at(frame, last):
    """Looks at a frame beside the one before it.

    Args:
        frame: A `frame_reading.ScannedFrame` of `LONG_SIDE`.
        last: The `Seen` of the one before it; None for the first.

    Returns:
        A `Seen`.
    """
    is_blank = _may_be_blank(frame.luma) and cuts.is_blank(
        _enlarged(frame.small())
    )
    if last is None:
        return Seen(frame, None, is_blank, False)
    before = last.frame
    change = cv2.norm(frame.luma, before.luma, cv2.NORM_L1) / before.luma.size
    is_cut = (
        not is_blank
        and _may_be_cut(frame, last, change)
        and cuts.is_cut(_enlarged(before.small()), _enlarged(frame.small()))
    )
    steady = min(change, last.change)
    return Seen(frame, before, is_blank, is_cut, change, steady)


def _may_be_cut(frame, last, change):
    """Says whether thumbnails leave it open that there is a cut.

    Args:
        frame: A `frame_reading.ScannedFrame`.
        last: The `Seen` of the one before it.
        change: Float, see `Seen`.
    """
    before = last.frame
    if (
        change <= _LEAST_CHANGE
        or transitions.likeness(before.colours, frame.colours) >= _MOST_ALIKE
    ):
        return False
    alike = _alike_shifted(before, frame)
    if alike >= _MOST_ALIKE_SHIFTED:
        return False
    # Of cuts that follow at once, all are cuts.
    if last.is_cut or change > _TIMES_THE_CHANGE * last.steady_change:
        return True
    alike_before = _alike_shifted(last.before, before)
    return 1 - alike > _TIMES_AS_UNLIKE * (1 - alike_before)


def _alike_shifted(frame, next_frame):
    """Returns the correlation of lumas, shifted as fits best; up to 1."""
    x, y = _LARGEST_SHIFT
    return cv2.matchTemplate(
        *(frame.luma, next_frame.luma[y:-y, x:-x], cv2.TM_CCOEFF_NORMED)
    ).max()


def _may_be_blank(luma):
    """Says whether a thumbnail's luma has hardly any contrast and edges."""
    _, deviation = cv2.meanStdDev(luma)
    if deviation[0, 0] >= _LEAST_CONTRAST:
        return False
    edges = cv2.absdiff(luma[:, 1:], luma[:, :-1]) > _LEAST_EDGE
    # A black bar on either side has less.
    return bool(edges.mean() < _MOST_EDGES)


def _enlarged(frame):
    height, width = frame.shape[:2]
    if min(height, width) >= _LEAST_SIDE:
        return frame
    return cv2.resize(
        frame, (max(width, _LEAST_SIDE), max(height, _LEAST_SIDE))
    )


def ahead(frames, index):
    """Yields a film's frames from an iterator that runs ahead in a thread.

    Decoders and OpenCV release Python's lock: the next frames are decoded
    while one is looked at.

    Args:
        frames: An iterator.
        index: The film's `FrameIndex`.
    """
    size = 3 * index.width * index.height // 2
    num_ahead = min(max(_MOST_BYTES_AHEAD // size, 1), _NUM_AHEAD)
    end = object()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        try:
            made = [pool.submit(next, frames, end) for _ in range(num_ahead)]
        except RuntimeError as error:  # no room for the thread's stack
            raise MemoryError(str(error)) from error
        made = collections.deque(made)
        while (frame := made.popleft().result()) is not end:
            made.append(pool.submit(next, frames, end))
            yield frame


# ---- transitions, as soon as they are certain ----


class Finder:
    """Finds the transitions of a film, frame by frame.

    Args:
        step_seconds: Float, how long most frames are shown.
    """

    def __init__(self, step_seconds):
        self._every = transitions.every(step_seconds)
        # Of the frames that may still matter, and which of them is undecided.
        self._numbers, self._colours = [], []
        self._blank, self._cut = [], []
        self._num_decided = 0
        self._last_cut = 0
        self._told = -1  # the frame up to which cuts were told

    def add(self, seen):
        """Takes the next frame.

        Args:
            seen: Its `Seen`.

        Returns:
            List of `Transition`, ascending: those that have become certain.
        """
        if not seen.is_cut and self._blank[-1:] == [seen.is_blank]:
            if seen.frame.number % self._every:
                return []
            recent = self._blank[-_MOST_BLANK:]
            if len(recent) == _MOST_BLANK and all(recent):
                # Of a long run of blank frames, the middle says nothing more.
                for kept in self._kept:
                    del kept[-1]
        if seen.is_cut:
            self._last_cut = len(self._numbers)
        self._numbers.append(seen.frame.number)
        self._colours.append(seen.frame.colours)
        self._blank.append(seen.is_blank)
        self._cut.append(seen.is_cut)
        certain = len(self._numbers) - transitions.MARGIN
        if 0 < self._last_cut <= len(self._numbers) - transitions.CONTEXT:
            # Nothing that began before a cut goes on behind it.
            certain, self._last_cut = max(certain, self._last_cut), 0
            return self._decide(certain)
        if certain >= self._num_decided + _NUM_NEW:
            return self._decide(certain)
        return []

    @property
    def _kept(self):
        return self._numbers, self._colours, self._blank, self._cut

    def close(self):
        """Returns the last transitions, at the film's end."""
        if not self._numbers:
            return []
        last = self._numbers[-1]
        found = self._decide(len(self._numbers))
        # After what fades out at the end there is no shot.
        return [each for each in found if each.end_frame <= last]

    def _decide(self, certain):
        """Returns the transitions that end before a frame, given by its place.

        What was looked at for them is forgotten.
        """
        found = [
            dataclasses.replace(
                each, first_frame=max(each.first_frame, self._num_decided)
            )
            for each in transitions.find(
                *map(np.array, (self._colours, self._blank, self._cut))
            )
            # Those that were told are found again.
            if each.first_frame + each.end_frame > 2 * self._num_decided
        ]
        for each in found:
            if each.first_frame < certain < each.end_frame:
                certain = each.first_frame
        while certain < len(self._blank) and all(
            self._blank[max(certain - 1, 0) : certain + 1]
        ):
            certain -= 1  # where a run of blank frames ends is not known
        certain = max(certain, self._num_decided)
        found = [each for each in found if each.end_frame <= certain]
        found += self._cuts_beside(found, certain)
        found.sort(key=lambda each: each.end_frame)
        numbers = [*self._numbers, self._numbers[-1] + 1]
        found = [
            Transition(
                *(each.kind, numbers[each.first_frame]), numbers[each.end_frame]
            )
            for each in found
            # Before what the film begins with, there is no shot.
            if numbers[each.first_frame] > 0
        ]
        self._forget(certain)
        return found

    def _cuts_beside(self, found, certain):
        """Returns the cuts up to a place, without those in a transition."""
        return [
            Transition("cut", place, place)
            for place in self._true_cuts()
            if self._num_decided <= place <= certain
            and self._numbers[place] > self._told
            and not any(x.first_frame <= place <= x.end_frame for x in found)
        ]

    def _true_cuts(self):
        """Yields the places of cuts; of some that follow at once, the first.

        What is seen for up to three frames is a flash, and no shot: between
        two pictures of one shot it is no cut at all.
        """
        places = np.flatnonzero(self._cut)
        ends = np.flatnonzero(np.diff(places, append=np.inf) > _MOST_FLASH)
        first = 0
        for end in ends:
            place, last = int(places[first]), int(places[end])
            first = end + 1
            before = self._colours[max(place - 1, 0)]
            if (
                place == last
                or transitions.likeness(before, self._colours[last])
                < transitions.ALIKE
            ):
                yield place

    def _forget(self, certain):
        if certain < len(self._numbers):
            self._told = self._numbers[certain]
        num_left = max(certain - transitions.CONTEXT, 0)
        for kept in self._kept:
            del kept[:num_left]
        self._num_decided = certain - num_left
        self._last_cut = max(self._last_cut - num_left, 0)
