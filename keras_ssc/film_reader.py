"""A film file -> its shots and its pairs, read in a process of its own.

A file that hangs the decoder, crashes it or makes it take all memory ends
that process, and is one named error here.
"""

import collections
import dataclasses
import itertools
import json
import multiprocessing.connection
import pathlib
import queue
import resource
import signal
import subprocess
import sys
import threading

import cv2
import numpy as np

from keras_ssc import extract
from keras_ssc import shots
from keras_ssc import video

# Cuts are sought on frames of this long side, as `shots` looks at them.
_LONG_SIDE = 320

# A cut changes the mean grey by more than this; a fifth of the frames of a
# film does, and only they are looked at more closely.
_LEAST_CHANGE = 3.0

# Above this standard deviation in grey levels, a frame is surely not blank.
_LEAST_CONTRAST = 10.0

# What the process may take, in bytes of address space: frames of 8K that are
# decoded by several threads, with room to spare.
_MAX_MEMORY = 6 * 2**30

# What the process runs.
_PROGRAM = (
    "import sys; from keras_ssc import film_reader; "
    "film_reader.work(*sys.argv[1:])"
)

# Frames that are decoded ahead of the one that is looked at.
_NUM_AHEAD = 16

# Frames between two signs of life while cuts are sought.
_FRAMES_A_SIGN = 48

# A file without time stamps is decoded to its end for its list of frames, a
# transport stream to the first pair: minutes in which the process says nothing
# and reads its file. One that reads longer than so many silences is in a loop.
_MAX_SILENCES = 15

# Frames with a shorter side are enlarged to it: `shots` takes no smaller ones.
_LEAST_SIDE = 16


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is read of a film.

    Attributes:
        num_pairs: Integer, pairs spread over the film; each shot has at least
            one.
        every: Float, seconds from a pair to the next, instead of `num_pairs`.
        quick: Boolean, whether the search for shots is left out: each pair
            then stands for the part of the film around it.
        max_seconds: Float, films that last longer are refused; None for none.
    """

    num_pairs: int = 300
    every: float | None = None
    quick: bool = False
    max_seconds: float | None = None

    def __post_init__(self):
        for name in ("num_pairs", "every", "max_seconds"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"Expected {name} above 0. Received: {value}")


DEFAULT_PLAN = Plan()


@dataclasses.dataclass(frozen=True)
class Shot:
    """A part of a film without a cut.

    Attributes:
        start_seconds: Float, presentation time of its first frame.
        end_seconds: Float, when the frame after its last one is shown.
    """

    start_seconds: float
    end_seconds: float


@dataclasses.dataclass(frozen=True, eq=False)
class Pair:
    """A pair that was read.

    Attributes:
        shot: Integer, the shot's place in the film.
        seconds: Float, the frame's presentation time.
        reason: String, why it is not used: `blank`, `cut` or `a frame could
            not be decoded`; empty if it is.
        frame: uint8 array (270, 480, 3), RGB, as extract stores it; None if
            the pair is not used.
        next_frame: The same.
    """

    shot: int
    seconds: float
    reason: str
    frame: np.ndarray | None = None
    next_frame: np.ndarray | None = None


def read_film(path, plan=DEFAULT_PLAN, max_silence=120.0, progress=None):
    """Reads a film.

    Args:
        path: Path of a film file on this machine.
        plan: A `Plan`.
        max_silence: Float, seconds that the reading process may neither give
            a sign of life nor read its file before it is ended.
        progress: Function of a string and two integers, called while cuts are
            sought and pairs are read: what is done, how many of how many.

    Yields:
        First a list of `Shot`; then each `Pair`, in the film's order.

    Raises:
        VideoError: If the film cannot be read, or its reader hangs or dies.
    """
    receiving, sending = multiprocessing.Pipe(duplex=False)
    number = sending.fileno()
    settings = json.dumps(dataclasses.asdict(plan))
    # Not one of multiprocessing's own: those begin by running the caller's
    # script once more, which is to be written for that.
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(number), str(path), settings],
        pass_fds=[number],
        stdin=subprocess.DEVNULL,
    )
    sending.close()
    try:
        while True:
            _await(receiving, process, path, max_silence)
            kind, value = receiving.recv()
            if kind == "error":
                raise video.VideoError(value)
            if kind == "done":
                return
            if kind == "progress":
                if progress is not None:
                    progress(*value)
            else:
                yield value
    except EOFError:
        raise video.VideoError(
            f"{path}: its reader died ({_ending(process.wait())}). The file "
            "is damaged, or needs more memory than it may take. Convert it, "
            "as with ffmpeg -i, or leave it out."
        ) from None
    finally:
        process.kill()
        process.wait()
        receiving.close()


def _await(receiving, process, path, max_silence):
    """Waits for what the process sends, as long as it reads its file."""
    last, seconds = _num_read(process), 0.0
    for _ in range(_MAX_SILENCES):
        if receiving.poll(max_silence):
            return
        seconds += max_silence
        num_read = _num_read(process)
        if num_read == last:
            break
        last = num_read
    raise video.VideoError(
        f"{path}: its reader gave no sign of life for {seconds:g} seconds. "
        "Convert the film, as with ffmpeg -i, or leave it out."
    )


def _num_read(process):
    """Returns how many bytes a process has read; 0 if the system hides it."""
    try:
        text = pathlib.Path(f"/proc/{process.pid}/io").read_text("ascii")
    except OSError:
        return 0
    return int(text.split()[1])  # rchar: 4723


def _ending(code):
    if code < 0:
        return signal.Signals(-code).name
    return f"exit code {code}"


def work(number, path, settings):
    """Reads a film in a process of its own; sends what it finds.

    Args:
        number: String, the number of the pipe to write to.
        path: String, the film's path.
        settings: String, a `Plan` as JSON.
    """
    connection = multiprocessing.connection.Connection(
        int(number), readable=False
    )
    plan = Plan(**json.loads(settings))
    # Ctrl-C is for the parent, which ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = _MAX_MEMORY if hard == resource.RLIM_INFINITY else hard
    resource.setrlimit(resource.RLIMIT_AS, (min(limit, _MAX_MEMORY), hard))

    def tell(*done):
        connection.send(("progress", done))

    try:
        for value in _read(path, plan, tell):
            connection.send(("value", value))
        connection.send(("done", None))
    except video.VideoError as error:
        connection.send(("error", str(error)))
    except (MemoryError, cv2.error) as error:
        if isinstance(error, cv2.error) and error.code != cv2.Error.StsNoMem:
            raise
        connection.send(("error", str(video.out_of_memory(path))))
    except BrokenPipeError:
        pass  # nobody listens any more


def _read(path, plan, tell):
    index = video.index_frames(path)
    if plan.max_seconds is not None and index.end_seconds > plan.max_seconds:
        raise video.VideoError(
            f"{path}: expected a film of {plan.max_seconds:g} seconds or less. "
            f"Received: {index.end_seconds:.0f} seconds"
        )
    tell("film", 0, index.num_frames)
    firsts = [0] if plan.quick else _first_frames(index, tell)
    ends = [*firsts[1:], index.num_frames]
    chosen = _choose(index, firsts, ends, plan)
    if plan.quick:
        # Each pair stands for what lies between the middles to its
        # neighbours.
        numbers = [number for _, number in chosen]
        middles = [
            (one + other + 1) // 2 for one, other in itertools.pairwise(numbers)
        ]
        firsts, ends = [0, *middles], [*middles, index.num_frames]
        chosen = list(enumerate(numbers))
    seconds = np.append(index.seconds, index.end_seconds)
    yield [
        Shot(float(seconds[first]), float(seconds[end]))
        for first, end in zip(firsts, ends, strict=True)
    ]
    config = extract.ExtractConfig()
    samples = video.sample_frames(path, extract.NUM_BAR_FRAMES, index)
    bars = video.find_bars(frame for _, _, frame in samples)
    for place, pair in enumerate(_pairs(index, chosen, bars, config), start=1):
        yield pair
        tell("pairs", place, len(chosen))


def _first_frames(index, tell):
    """Finds the first frame of every shot: behind a cut, behind a fade."""
    firsts, last, last_grey, was_blank = [0], None, None, False
    frames = video.read_frames(
        index.path,
        range(index.num_frames),
        index,
        way="forward",
        long_side=_LONG_SIDE,
    )
    for number, _, frame in _ahead(frames):
        frame = _enlarged(frame)
        grey = cv2.resize(
            cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY),
            (64, 36),
            interpolation=cv2.INTER_AREA,
        )
        is_blank = grey.std() < _LEAST_CONTRAST and shots.is_blank(frame)
        if last is not None and not is_blank:
            change = float(cv2.absdiff(grey, last_grey).mean())
            is_cut = change > _LEAST_CHANGE and shots.is_cut(last, frame)
            # What comes out of black is another shot, however slowly. A film
            # that begins in black begins with its first shot all the same.
            if is_cut or (was_blank and number > firsts[-1]):
                firsts.append(number)
        last, last_grey, was_blank = frame, grey, is_blank
        if number % _FRAMES_A_SIGN == 0:
            tell("cuts", number, index.num_frames)
    return firsts


def _enlarged(frame):
    height, width = frame.shape[:2]
    if min(height, width) >= _LEAST_SIDE:
        return frame
    return cv2.resize(
        frame, (max(width, _LEAST_SIDE), max(height, _LEAST_SIDE))
    )


def _ahead(items):
    """Yields the items of an iterator that runs ahead in a thread of its own.

    Decoders and OpenCV let go of Python's lock: the next frames are decoded
    while one is looked at.
    """
    made = queue.Queue(_NUM_AHEAD)

    def make():
        try:
            for item in items:
                made.put((item, None))
            made.put((None, StopIteration()))
        except BaseException as error:  # told where the items are used
            made.put((None, error))

    try:
        threading.Thread(target=make, daemon=True).start()
    except RuntimeError as error:  # no room for its stack
        raise MemoryError(str(error)) from error
    while True:
        item, error = made.get()
        if isinstance(error, StopIteration):
            return
        if error is not None:
            raise error
        yield item


def _choose(index, firsts, ends, plan):
    """Chooses frames whose pairs are read: (shot, frame number)."""
    every = plan.every or index.end_seconds / plan.num_pairs
    chosen = []
    for shot, (first, end) in enumerate(zip(firsts, ends, strict=True)):
        last = end - 2  # a pair's next frame is in its shot
        if last < first:
            continue
        length = float(index.seconds[end - 1] - index.seconds[first])
        count = max(1, round(length / every))
        # Middles of equal parts: a shot of one pair gives its middle.
        times = index.seconds[first] + length * (np.arange(count) + 0.5) / count
        numbers = np.searchsorted(index.seconds, times)
        numbers = np.unique(np.clip(numbers, first, last))
        chosen += [(shot, int(number)) for number in numbers]
    return chosen


def _pairs(index, chosen, bars, config):
    """Yields a `Pair` for each frame that was chosen."""
    waiting = collections.deque(chosen)
    wanted = {number + step for _, number in chosen for step in (0, 1)}
    before = (None, None)
    for number, _, frame in video.read_frames(index.path, wanted, index):
        frame = extract.stored_frame(frame, bars, config)
        while waiting and waiting[0][1] < number - 1:
            yield _unread(index, *waiting.popleft())
        if waiting and waiting[0][1] == number - 1:
            shot, first = waiting.popleft()
            if before[0] == first:
                yield _judged(index, shot, first, [before[1], frame], config)
            else:
                yield _unread(index, shot, first)
        before = (number, frame)
    for shot, number in waiting:
        yield _unread(index, shot, number)


def _unread(index, shot, number):
    return Pair(
        shot, float(index.seconds[number]), "a frame could not be decoded"
    )


def _judged(index, shot, number, frames, config):
    reason = extract.why_dropped(frames, config)
    seconds = float(index.seconds[number])
    return Pair(shot, seconds, reason, *([] if reason else frames))
