"""A film file -> its shots and its pairs, read in a process of its own."""

import collections
import concurrent.futures
import contextlib
import dataclasses
import functools
import itertools

import cv2
import numpy as np

from keras_ssc import checks
from keras_ssc.errors import VideoError
from keras_ssc.films import black_bars
from keras_ssc.films import cleaning
from keras_ssc.films import cuts
from keras_ssc.films import film_process
from keras_ssc.films import frame_index
from keras_ssc.films import frame_reading
from keras_ssc.films import pairing
from keras_ssc.films.shots import Shot
from keras_ssc.films.shots import Transition

# Cuts are sought on frames of this long side, as `cuts` looks at them.
_LONG_SIDE = 320

# A cut changes the mean grey by more than this; a fifth of the frames of a
# film does, and only they are looked at more closely.
_LEAST_CHANGE = 3.0

# Above this standard deviation in grey levels, a frame is surely not blank.
_LEAST_CONTRAST = 10.0

# Frames that are decoded ahead of the one that is looked at, and pairs of a
# shot that are kept until it ends; fewer where they would take more bytes.
_NUM_AHEAD = 16
_MOST_KEPT = 24
_MOST_BYTES = 2**28

# Frames between two reports of progress while all are read.
_FRAMES_A_REPORT = 48

# Frames with a shorter side are enlarged to it: `cuts` takes no smaller ones.
_LEAST_SIDE = 16


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is read of a film.

    Attributes:
        num_pairs: Integer, pairs spread over the film at even times. A shot
            that has none of them has one of about its middle.
        every: Float, seconds from a pair to the next, instead of `num_pairs`.
        quick: Boolean, whether the search for shots is left out: each pair
            then stands for the part of the film around it.
        interval: Float, seconds from a pair's first frame to its next.
        deinterlace: String, see `frame_reading.read_frames`.
        max_seconds: Float, films that last longer are refused; None for none.
    """

    num_pairs: int = 300
    every: float | None = None
    quick: bool = False
    interval: float = pairing.INTERVAL
    deinterlace: str = "auto"
    max_seconds: float | None = None

    def __post_init__(self):
        for name in ("num_pairs", "every", "max_seconds"):
            checks.above_zero(name, getattr(self, name))
        self.extract_config()

    def extract_config(self):
        """Returns how pairs are made, as a `cleaning.ExtractConfig`."""
        return cleaning.ExtractConfig(
            interval=self.interval, deinterlace=self.deinterlace
        )


DEFAULT_PLAN = Plan()


@dataclasses.dataclass(frozen=True, eq=False)
class Pair:
    """A pair that was read.

    Attributes:
        seconds: Float, the frame's presentation time.
        reason: String, why it is not used: `blank`, `cut`, `gap` or `a frame
            could not be decoded`; empty if it is.
        frame: uint8 array (270, 480, 3), RGB, as extract stores it; None if
            the pair is not used.
        next_frame: The same.
        is_extra: Boolean. If true, the pair is not at one of the even times: it
            was read because its shot has no other.
        repeated: Boolean, whether both frames are one picture.
    """

    seconds: float
    reason: str
    frame: np.ndarray | None = None
    next_frame: np.ndarray | None = None
    is_extra: bool = False
    repeated: bool = False


@dataclasses.dataclass(frozen=True, eq=False)
class Picture:
    """What is known of a film's picture before its pairs.

    Attributes:
        aspect: Float, its width by its height as a viewer sees it, without
            bars.
        notes: Tuple of strings, see `frame_index.FrameIndex`.
        seconds: float64 array, shape `(num_frames,)`: each frame's time.
        step_seconds: Float, how long most frames are shown.
        width: Integer, pixels, as stored, upright.
        height: Integer, the same.
    """

    aspect: float
    notes: tuple
    seconds: np.ndarray
    step_seconds: float
    width: int
    height: int


def read_film(path, plan=DEFAULT_PLAN, max_silence=120.0, progress=None):
    """Reads a film.

    Args:
        path: Path of a film file on this machine.
        plan: A `Plan`.
        max_silence: Float, seconds that the reading process may neither send
            anything nor read its file before it is ended.
        progress: Function of a string and two integers, called while frames
            or pairs are read: what is read, how many of how many.

    Yields:
        Its `Picture`; then each `Pair` in the film's order; after the pairs
        of a shot, maybe none, the `Shot`.

    Raises:
        VideoError: If the film cannot be read, or its reader hangs or dies.
    """
    tasks = [(path, (path, plan))]
    reading = film_process.run(_read, tasks, max_silence=max_silence)
    with contextlib.closing(reading):
        for _, value in reading:
            if isinstance(value, StopIteration):
                return
            if isinstance(value, Exception):
                raise value
            if isinstance(value, (Picture, Pair, Shot)):
                yield value
            elif progress is not None:
                progress(*value)


def _read(send, path, plan):
    """Sends pairs and shots, and in tuples how far it is."""
    index = frame_index.index_frames(path)
    if plan.max_seconds is not None and index.end_seconds > plan.max_seconds:
        raise VideoError(
            f"{path}: expected a film of {plan.max_seconds:g} seconds or less. "
            f"Received: {index.end_seconds:.0f} seconds"
        )
    send(("film", 0, index.num_frames))
    samples = frame_reading.sample_frames(path, cleaning.NUM_BAR_FRAMES, index)
    bars = black_bars.find_bars(frame for _, _, frame in samples)
    width = (index.width - bars.left - bars.right) * index.pixel_aspect
    height = index.height - bars.top - bars.bottom
    send(
        Picture(
            *(width / height, index.notes, index.seconds, index.step_seconds),
            *(index.width, index.height),
        )
    )
    make = _PairMaker(index, bars, plan.extract_config())
    numbers = _spread(index, plan, make.pairing)
    read = _read_around if plan.quick else _read_all
    for item in read(index, numbers, make):
        send(item)


def _spread(index, plan, made):
    """Returns frames at even times: the middles of equal parts of the film.

    Holes in time are left out: a frame that stands for a minute stands for no
    more pairs than any other.
    """
    last = index.num_frames - 1 - made.stride
    if last < 0:
        return []
    steps = np.diff(index.seconds)
    is_hole = steps > made.max_gap
    clock = index.seconds - index.seconds[0]
    clock[1:] -= np.cumsum(np.where(is_hole, steps - index.step_seconds, 0))
    length = float(clock[-1]) + index.step_seconds
    every = plan.every or length / plan.num_pairs
    count = max(1, round(length / every))
    times = length * (np.arange(count) + 0.5) / count
    shown = np.searchsorted(clock, times, "right") - 1
    # The pair of a frame just before a hole would lie across it.
    first = np.arange(index.num_frames)
    for place in np.flatnonzero(is_hole):
        first[max(place - made.stride + 1, 0) : place + 1] = place + 1
    return np.unique(np.clip(first[shown], 0, last)).tolist()


@dataclasses.dataclass(frozen=True)
class _PairMaker:
    """Makes a film's pairs, and its shots."""

    index: frame_index.FrameIndex
    bars: black_bars.Bars
    config: cleaning.ExtractConfig

    @functools.cached_property
    def pairing(self):
        """The film's `pairing.Pairing`."""
        return pairing.of(self.index, self.config.interval)

    def stored(self, frame):
        """Returns a whole frame as extract stores it."""
        return cleaning.stored_frame(frame, self.bars, self.config)

    def pair(self, number, choice, frames):
        """Returns the `Pair` of two stored frames."""
        reason = cleaning.why_dropped(frames, self.config)
        if pairing.is_gap(
            self.index, number, choice.next_frame, self.pairing.max_gap
        ):
            reason = "gap"
        return Pair(
            self._seconds(number),
            reason,
            *([None, None] if reason else frames),
            repeated=choice.repeated,
        )

    def unread(self, number):
        """Returns the `Pair` of a frame that could not be decoded."""
        return Pair(self._seconds(number), "a frame could not be decoded")

    def shot(self, first, end, transition=None):
        """Returns the `Shot` from a frame up to, not with, another."""
        times = self._seconds(first), self._seconds(end)
        return Shot(*times, first, end, transition)

    def _seconds(self, number):
        if number == self.index.num_frames:
            return float(self.index.end_seconds)
        return float(self.index.seconds[number])


# ---- every frame, for every shot ----


def _read_all(index, numbers, make):
    """Finds the shots and reads their pairs, in one pass over the film."""
    wanted = collections.deque(numbers)
    most_kept = min(max(_num_frames(index, _MOST_BYTES) // 2, 2), _MOST_KEPT)
    shot = _OpenShot(0, most_kept, wanted, make)
    for number, is_first, whole, change in _with_cuts(index, make):
        if is_first:
            yield from shot.close(number)
            shot = _OpenShot(number, most_kept, wanted, make)
        yield from shot.add(number, whole, change)
        if number % _FRAMES_A_REPORT == 0:
            yield "frames", number, index.num_frames
    yield from shot.close(index.num_frames)
    yield "frames", index.num_frames, index.num_frames


def _num_frames(index, num_bytes):
    """Returns how many decoded frames of 10 bits a colour the bytes hold."""
    return num_bytes // (3 * index.width * index.height)


class _OpenShot:
    """A shot whose end has not been seen yet.

    Args:
        first: Integer, its first frame.
        most_kept: Integer, how many of its pairs are kept until it ends, for
            that the one of its middle is among them, or nearly.
        wanted: `collections.deque` of the frames whose pairs are to be read;
            those of this shot are taken out.
        make: A `_PairMaker`.
    """

    def __init__(self, first, most_kept, wanted, make):
        self._first, self._most_kept = first, most_kept
        self._wanted, self._make = wanted, make
        self._kept, self._step = [], 1
        self._recent = {}  # from a frame to (whole, change)
        self._newest = self._done = first - 1
        self._latest = (None, None, None)
        self._last_read = None
        self._num_lost = 0

    def add(self, number, whole, change=None):
        """Takes the shot's next frame; yields a `Pair` if one is due."""
        if number != self._newest + 1:
            # No pair lies across a frame that is missing.
            yield from self._choose_to(self._newest)
            self._recent.clear()
            self._done = number - 1
        self._newest = number
        self._recent[number] = whole, change
        made = self._make.pairing
        yield from self._choose_to(number - made.after)
        # Of frames that are paired already, only how they changed matters.
        paired = number - made.after
        if paired in self._recent:
            self._recent[paired] = None, self._recent[paired][1]
        self._recent.pop(paired - made.before, None)

    def _choose_to(self, last):
        """Chooses what is paired with the frames up to one."""
        for number in range(self._done + 1, last + 1):
            self._done = number
            yield from self._choose(number)

    def _choose(self, number):
        choice = self._choice(number)
        if choice is None:
            return
        self._latest = (
            number,
            choice,
            [self._recent[n][0] for n in (number, choice.next_frame)],
        )
        while self._wanted and self._wanted[0] < number:
            yield self._lose(self._wanted.popleft())
        if self._wanted and self._wanted[0] == number:
            self._wanted.popleft()
            yield self._read(*self._latest)
        if self._last_read is None:
            self._keep(number)

    def _choice(self, number):
        made = self._make.pairing
        if not made.skips_repeats:
            # Whether both are one picture is seen when they are read.
            if number + made.stride not in self._recent:
                return None
            return pairing.Choice(number + made.stride, False, number)
        changes = {
            frame: change
            for frame, (_, change) in self._recent.items()
            if frame > self._first
        }
        return pairing.choose(made, number, changes)

    def close(self, end):
        """Yields what is left of the pairs up to a frame, and the `Shot`."""
        yield from self._choose_to(self._newest)
        # A pair's next frame is in its shot, too.
        last = end - 1 - self._make.pairing.stride
        while self._wanted and self._wanted[0] < end:
            number = min(self._wanted.popleft(), last)
            if number < self._first or number == self._last_read:
                continue
            if number == self._latest[0]:
                yield self._read(*self._latest)
            else:
                yield self._lose(number)
        if self._last_read is None:
            middle = (self._first + last + 1) // 2
            pair = None
            if self._kept:
                pair = self._read(
                    *min(self._kept, key=lambda kept: abs(kept[0] - middle))
                )
            elif last >= self._first and not self._num_lost:
                pair = self._lose(middle)
            if pair is not None:
                yield dataclasses.replace(pair, is_extra=True)
        first = self._first
        by = Transition("cut", first, first) if first else None
        yield self._make.shot(first, end, by)

    def _read(self, number, choice, wholes):
        self._last_read = number
        self._kept.clear()
        frames = [self._make.stored(whole()) for whole in wholes]
        if not self._make.pairing.skips_repeats:
            repeated = pairing.is_repeat(pairing.change(*frames))
            choice = dataclasses.replace(choice, repeated=repeated)
        return self._make.pair(number, choice, frames)

    def _lose(self, number):
        self._num_lost += 1
        return self._make.unread(number)

    def _keep(self, number):
        """Keeps a pair, at steps that double when there are too many."""
        if (number - self._first) % self._step:
            return
        self._kept.append(self._latest)
        if len(self._kept) > self._most_kept:
            self._step *= 2
            self._kept = [
                kept
                for kept in self._kept
                if (kept[0] - self._first) % self._step == 0
            ]


def _with_cuts(index, make):
    """Yields (number, whether a shot begins with it, whole, change).

    All frames of a film. Shots begin after a cut and after a fade. `change`
    is how a frame differs from the one before, see `pairing.change`; None
    where pictures that are shown again are no matter.
    """
    num_ahead = min(max(_num_frames(index, _MOST_BYTES // 4), 1), _NUM_AHEAD)
    frames = frame_reading.scan_frames(
        index.path, index, _LONG_SIDE, make.config.deinterlace
    )
    last, last_grey, was_blank = None, None, False
    for number, _, frame, whole in _ahead(frames, num_ahead):
        frame = _enlarged(frame)
        grey = cv2.resize(
            cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY),
            (64, 36),
            interpolation=cv2.INTER_AREA,
        )
        is_blank = grey.std() < _LEAST_CONTRAST and cuts.is_blank(frame)
        is_first, found = False, None
        if last is not None and make.pairing.skips_repeats:
            found = pairing.change(last, frame)
        if last is not None and not is_blank:
            change = float(cv2.absdiff(grey, last_grey).mean())
            # What follows black is another shot, even after a slow fade.
            is_first = was_blank or (
                change > _LEAST_CHANGE and cuts.is_cut(last, frame)
            )
        last, last_grey, was_blank = frame, grey, is_blank
        yield number, is_first, whole, found


def _enlarged(frame):
    height, width = frame.shape[:2]
    if min(height, width) >= _LEAST_SIDE:
        return frame
    return cv2.resize(
        frame, (max(width, _LEAST_SIDE), max(height, _LEAST_SIDE))
    )


def _ahead(items, num_ahead):
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


# ---- only what lies around the pairs ----


def _read_around(index, numbers, make):
    """Reads pairs, each of which stands for the part of the film around it."""
    if not numbers:
        yield make.shot(0, index.num_frames)
        return
    # Up to the middles between neighbours.
    ends = [
        (one + other + 1) // 2 for one, other in itertools.pairwise(numbers)
    ]
    parts = itertools.pairwise([0, *ends, index.num_frames])
    made = make.pairing
    lasts = [
        pairing.last_frame(index, made, number, index.num_frames - 1)
        for number in numbers
    ]
    frames = (
        (number, make.stored(frame))
        for number, _, frame in frame_reading.read_frames(
            index.path,
            pairing.wanted(made, numbers, lasts),
            index,
            deinterlace=make.config.deinterlace,
        )
    )
    runs = pairing.read_runs(frames, made, numbers, lasts)
    for place, (number, run, part) in enumerate(
        zip(numbers, runs, parts, strict=True)
    ):
        choice = run and pairing.choose(
            made, number, pairing.changes_of(run, made, number)
        )
        if choice:
            pair = [run[number], run[choice.next_frame]]
            yield make.pair(number, choice, pair)
        else:
            yield make.unread(number)
        yield make.shot(*part)
        yield "pairs", place + 1, len(numbers)
