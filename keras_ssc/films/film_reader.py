"""A film file -> its shots and its pairs, read in a process of its own."""

import collections
import contextlib
import dataclasses
import functools
import itertools

import numpy as np

from keras_ssc import checks
from keras_ssc.errors import VideoError
from keras_ssc.films import black_bars
from keras_ssc.films import cleaning
from keras_ssc.films import film_process
from keras_ssc.films import frame_index
from keras_ssc.films import frame_reading
from keras_ssc.films import pairing
from keras_ssc.films import shot_detection
from keras_ssc.films.shots import Shot

# Pairs that are kept until their shots are known; fewer where their decoded
# frames would take more bytes.
_MOST_KEPT = 24
_MOST_BYTES = 2**27


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
        reason: String, why it is not used: `blank`, `cut`, `gap`,
            `transition` or `a frame could not be decoded`; empty if it is.
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
    reading = film_process.run_one(
        read_in_process, path, path, plan, max_silence=max_silence
    )
    with contextlib.closing(reading):
        for value in reading:
            if isinstance(value, (Picture, Pair, Shot)):
                yield value
            elif progress is not None:
                progress(*value)


def read_in_process(send, path, plan):
    """Sends what `read_film` yields, and in tuples how far it is."""
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
    """Makes a film's pairs."""

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

    def pair(self, number, choice, frames, reason):
        """Returns the `Pair` of two stored frames."""
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

    def _seconds(self, number):
        return float(self.index.seconds[number])


# ---- every frame, for every shot ----


def _read_all(index, numbers, make):
    """Finds the shots and reads their pairs, in one pass over the film."""
    finder = shot_detection.Finder(index.step_seconds)
    num_frames = _MOST_BYTES // (3 * index.width * index.height // 2)
    most_kept = min(max(num_frames // 2, 2), _MOST_KEPT)
    shots = _Shots(make, collections.deque(numbers), most_kept)
    for seen in shot_detection.look_at_all(index, make.config.deinterlace):
        number = seen.frame.number
        if seen.is_cut:
            shots.cut(number)
        shots.add(seen)
        for transition in finder.add(seen):
            yield from shots.end_shot(transition)
        if number % shot_detection.FRAMES_A_REPORT == 0:
            yield "frames", number, index.num_frames
    shots.cut(index.num_frames)
    for transition in finder.close():
        yield from shots.end_shot(transition)
    yield from shots.end_film()
    yield "frames", index.num_frames, index.num_frames


@dataclasses.dataclass(frozen=True, eq=False)
class _Kept:
    """A pair that may be read.

    Attributes:
        number: Integer, its first frame.
        choice: Its `pairing.Choice`.
        wholes: Tuple of two functions that return its frames.
        is_blank: Boolean, whether one of them is.
    """

    number: int
    choice: pairing.Choice
    wholes: tuple
    is_blank: bool


class _KeptPairs:
    """Pairs of a part without a cut, at steps that double when it is thinned.

    Args:
        first: Integer, the part's first frame.
    """

    def __init__(self, first):
        self._first, self._step, self.pairs = first, 1, []

    def add(self, pair):
        """Takes the next one, or not."""
        self.pairs.append(pair)
        self._select()

    def thin(self):
        """Keeps every second one."""
        self._step *= 2
        self._select()

    def _select(self):
        self.pairs = [
            pair
            for pair in self.pairs
            if (pair.number - self._first) % self._step == 0
        ]


class _Shots:
    """Pairs of a film whose shots become known only later.

    Where a cut is, is known at once; where a shot dissolves into the next one,
    when that has been seen.

    Args:
        make: A `_PairMaker`.
        wanted: `collections.deque` of the frames whose pairs are to be read,
            ascending.
        most_kept: Integer, how many other pairs are kept until it is known in
            which shot they are: so each shot has one of about its middle.
    """

    def __init__(self, make, wanted, most_kept):
        self._make, self._wanted, self._most_kept = make, wanted, most_kept
        self._begin_part(0)
        self._kept = [_KeptPairs(0)]  # of each part between cuts
        self._pairs = []  # (first frame, next frame, `Pair`), read
        self._first, self._transition = 0, None

    def _begin_part(self, first):
        """Begins a part without a cut."""
        self._part_first = first
        self._recent = {}  # from a frame to (whole, change, whether blank)
        self._newest = self._done = first - 1
        self._latest = None

    def add(self, seen):
        """Takes the film's next frame, a `shot_detection.Seen`."""
        number = seen.frame.number
        if number != self._newest + 1:
            # No pair lies across a frame that is missing.
            self._choose_to(self._newest)
            self._recent.clear()
            self._done = number - 1
        self._newest = number
        made, change = self._make.pairing, None
        if made.skips_repeats and seen.before is not None:
            change = pairing.change(seen.before.small(), seen.frame.small())
        self._recent[number] = seen.frame.whole, change, seen.is_blank
        self._choose_to(number - made.after)
        # Of frames that are paired already, only how they changed matters.
        paired = number - made.after
        if paired in self._recent:
            self._recent[paired] = None, *self._recent[paired][1:]
        self._recent.pop(paired - made.before, None)

    def _choose_to(self, last):
        """Chooses what is paired with the frames up to one."""
        for number in range(self._done + 1, last + 1):
            self._done = number
            choice = self._choice(number)
            if choice is not None:
                self._take(number, choice)

    def _take(self, number, choice):
        frames = [self._recent[n] for n in (number, choice.next_frame)]
        wholes, _, blanks = zip(*frames, strict=True)
        self._latest = _Kept(number, choice, wholes, any(blanks))
        while self._wanted and self._wanted[0] < number:
            self._lose(self._wanted.popleft())
        if self._wanted and self._wanted[0] == number:
            self._wanted.popleft()
            self._read(self._latest)
        else:
            self._keep(self._latest)

    def _choice(self, number):
        made = self._make.pairing
        if not made.skips_repeats:
            # Whether both are one picture is seen when they are read.
            if number + made.stride not in self._recent:
                return None
            return pairing.Choice(number + made.stride, False, number)
        changes = {
            frame: change
            for frame, (_, change, _) in self._recent.items()
            if frame > self._part_first and change is not None
        }
        return pairing.choose(made, number, changes)

    def cut(self, end):
        """Ends a part: no pair lies across the cut before a frame."""
        self._choose_to(self._newest)
        # A pair's next frame is in its shot, too.
        last = end - 1 - self._make.pairing.stride
        while self._wanted and self._wanted[0] < end:
            number = min(self._wanted.popleft(), last)
            latest = self._latest
            is_read = self._pairs and self._pairs[-1][0] >= number
            if number < self._part_first or is_read:
                continue
            if latest is not None and number == latest.number:
                self._read(latest)
            else:
                self._lose(number)
        self._begin_part(end)
        self._kept.append(_KeptPairs(end))

    def _keep(self, pair):
        """Keeps a pair until it is known in which shot it is."""
        self._kept[-1].add(pair)
        if sum(len(part.pairs) for part in self._kept) > self._most_kept:
            max(self._kept, key=lambda part: len(part.pairs)).thin()

    def _read(self, kept):
        choice = kept.choice
        if kept.is_blank:
            frames = [None, None]
        else:
            frames = [self._make.stored(whole()) for whole in kept.wholes]
            if not self._make.pairing.skips_repeats:
                repeated = pairing.is_repeat(pairing.change(*frames))
                choice = dataclasses.replace(choice, repeated=repeated)
        reason = "blank" if kept.is_blank else ""
        pair = self._make.pair(kept.number, choice, frames, reason)
        self._pairs.append((kept.number, choice.next_frame, pair))

    def _lose(self, number):
        pair = self._make.unread(number)
        self._pairs.append((number, number, pair))

    def end_shot(self, transition):
        """Yields the pairs up to a transition, and the `Shot` before it."""
        yield from self._end(transition.first_frame)
        self._first, self._transition = transition.end_frame, transition

    def end_film(self):
        """Yields the last shot's pairs, and the `Shot`."""
        yield from self._end(self._make.index.num_frames)

    def _end(self, end):
        first = self._first
        pairs = [pair for pair in self._pairs if pair[0] < end]
        self._pairs = [pair for pair in self._pairs if pair[0] >= end]
        is_inside = [
            first <= number and next_frame < end
            for number, next_frame, _ in pairs
        ]
        if not any(is_inside):
            pairs += self._extra(first, end)
            is_inside += [True] * (len(pairs) - len(is_inside))
        for (_, _, pair), inside in sorted(
            zip(pairs, is_inside, strict=True), key=lambda item: item[0][0]
        ):
            if not inside and not pair.reason:
                pair = dataclasses.replace(
                    pair, reason="transition", frame=None, next_frame=None
                )
            yield pair
        yield shot_detection.shot_of(
            self._make.index, first, end, self._transition
        )
        for part in self._kept:
            part.pairs = [kept for kept in part.pairs if kept.number >= end]
        *earlier, newest = self._kept
        self._kept = [*(part for part in earlier if part.pairs), newest]

    def _extra(self, first, end):
        """Returns the pair of about a shot's middle, in a list of `_pairs`."""
        last = end - 1 - self._make.pairing.stride
        middle = (first + last + 1) // 2
        kept = [
            kept
            for part in self._kept
            for kept in part.pairs
            if first <= kept.number and kept.choice.next_frame < end
        ]
        waiting, self._pairs = self._pairs, []
        if kept:
            self._read(min(kept, key=lambda kept: abs(kept.number - middle)))
        elif last >= first:
            self._lose(middle)
        extra, self._pairs = self._pairs, waiting
        return [
            (*numbers, dataclasses.replace(pair, is_extra=True))
            for *numbers, pair in extra
        ]


# ---- only what lies around the pairs ----


def _read_around(index, numbers, make):
    """Reads pairs, each of which stands for the part of the film around it."""
    if not numbers:
        yield shot_detection.shot_of(index, 0, index.num_frames)
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
            reason = cleaning.why_dropped(pair, make.config)
            yield make.pair(number, choice, pair, reason)
        else:
            yield make.unread(number)
        yield shot_detection.shot_of(index, *part)
        yield "pairs", place + 1, len(numbers)
