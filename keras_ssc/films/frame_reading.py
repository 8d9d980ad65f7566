"""A film's frames, by their numbers: sought, and as a viewer sees them.

A seek lands where the file lets it, so a frame is known by its time stamp.
Frames leave as RGB, upright, in the colours of a plain screen, and without
the combs of interlaced films.
"""

import collections
import contextlib
import dataclasses
import functools
import itertools
import operator
from collections.abc import Callable

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from keras_ssc import checks
from keras_ssc.films import colour
from keras_ssc.films import container
from keras_ssc.films import deinterlacing
from keras_ssc.films import thumbnails
from keras_ssc.films.frame_index import index_frames

# A seek empties the decoder's pipeline of threads, which costs about as much
# as decoding so many frames.
_SEEK_COST = 8

# Key frames that stand for a film, if there are no more of them.
_ENOUGH_SAMPLES = 8
_WAYS = ("auto", "forward", "seek")


class _SeekError(Exception):
    """No seek leads to a frame; reading forward still does."""


def read_frames(
    path,
    frame_numbers,
    index=None,
    way="auto",
    long_side=None,
    deinterlace="auto",
):
    """Reads some of a film's frames.

    Args:
        path: Path of a film file on this machine.
        frame_numbers: Integers, the frames wanted, in any order; one named
            twice is read once.
        index: The film's `FrameIndex`, if there is one already.
        way: `"auto"` seeks where that decodes less; `"forward"` decodes
            everything up to the last frame wanted; `"seek"` seeks for every
            group of pictures. The frames of an intact film are the same; of a
            damaged one, the way that decodes more notices more damage. A
            film that is not seekable is read forward in any case.
        long_side: Integer, pixels: larger frames are scaled down to it as
            they are converted, which costs less than scaling them after.
        deinterlace: `"auto"` draws the second field of a frame anew where the
            frame says that it has two and they show different moments;
            `"yes"` always; `"no"` never.

    Returns:
        An iterator of tuples (frame_number, seconds, frame), ascending;
        frame is an RGB array, uint8, shape `(height, width, 3)`, upright, in
        the colours of a plain screen (BT.709, no HDR). A frame that cannot
        be decoded is left out, and so are those that follow it up to the next
        key frame: they are built on it.

    Raises:
        ValueError: If a frame number is not in the film, or a way is
            unknown.
        VideoError: If the file cannot be read.
    """
    checks.one_of("way", way, _WAYS)
    checks.one_of("deinterlace", deinterlace, deinterlacing.WAYS)
    index = index or index_frames(path)
    numbers = _ascending(index, frame_numbers)
    return _read(index, numbers, way, long_side, deinterlace)


def _ascending(index, frame_numbers):
    """Returns frame numbers sorted, each once; they are in the film."""
    numbers = sorted({operator.index(number) for number in frame_numbers})
    if numbers and not 0 <= numbers[0] <= numbers[-1] < index.num_frames:
        raise ValueError(
            f"Expected frame numbers from 0 to {index.num_frames - 1}, the "
            f"frames of {index.path}. Received: {numbers[0]} to {numbers[-1]}"
        )
    return numbers


@dataclasses.dataclass(frozen=True, eq=False)
class ScannedFrame:
    """A frame of a film, as a thumbnail; it holds the decoded picture.

    Attributes:
        number: Integer, the frame's number.
        luma: uint8 array (36, 64), see `thumbnails.of`.
        colours: uint8 array (3, 18, 32), the same.
        small: Function without arguments that returns it as `read_frames`
            does, scaled down; made once.
        whole: The same in its own size, also when later ones have been read.
    """

    number: int
    luma: np.ndarray
    colours: np.ndarray
    small: Callable
    whole: Callable


def scan_frames(
    path, index=None, long_side=None, deinterlace="auto", frame_numbers=None
):
    """Reads a film, or some of its frames: thumbnails; more only on request.

    Args:
        path: Path of a film file on this machine.
        index: The film's `FrameIndex`, if there is one already.
        long_side: Integer, pixels: small frames are scaled down to it.
        deinterlace: As of `read_frames`, for whole frames; in small ones the
            fields are mixed anyway.
        frame_numbers: Integers, the frames wanted, as of `read_frames`; all if
            None.

    Returns:
        An iterator of `ScannedFrame`, ascending. Its functions may be called
        in one other thread than the one that reads on.

    Raises:
        ValueError: If a frame number is not in the film.
        VideoError: If the file cannot be read.
    """
    index = index or index_frames(path)
    checks.one_of("deinterlace", deinterlace, deinterlacing.WAYS)
    if frame_numbers is None:
        return _scan(
            index, range(index.num_frames), "forward", long_side, deinterlace
        )
    numbers = _ascending(index, frame_numbers)
    return _scan(index, numbers, "auto", long_side, deinterlace)


def _scan(index, numbers, way, long_side, deinterlace):
    shrink, convert = VideoReformatter(), VideoReformatter()
    small = functools.partial(_to_rgb, index, convert, long_side, "no")
    whole = functools.partial(_to_rgb, index, convert, None, deinterlace)
    decoded = _with_neighbours(index, numbers, way, deinterlace)
    for number, frames in decoded:
        luma, colours = thumbnails.of(frames[1], shrink)
        yield ScannedFrame(
            number,
            luma,
            colours,
            functools.cache(functools.partial(small, frames)),
            functools.partial(whole, frames),
        )


def _read(index, numbers, way, long_side=None, deinterlace="no"):
    convert = functools.partial(
        _to_rgb, index, VideoReformatter(), long_side, deinterlace
    )
    decoded = _with_neighbours(index, numbers, way, deinterlace)
    for number, frames in decoded:
        yield number, float(index.seconds[number]), convert(frames)


def _with_neighbours(index, numbers, way, deinterlace):
    """Yields (number, (the frame before, the frame, the one after)).

    The neighbours are None where they cannot be decoded, and where the film
    is not interlaced: then nobody needs them.
    """
    if deinterlace == "no" or (deinterlace == "auto" and not index.interlaced):
        for number, frame in _select_any(index, numbers, way):
            yield number, (None, frame, None)
        return
    wanted = set(numbers)
    near = {number + step for number in wanted for step in (-1, 0, 1)}
    near &= set(range(index.num_frames))
    frames = collections.deque(maxlen=3)
    for item in itertools.chain(
        _select_any(index, sorted(near), way), [(None, None)]
    ):
        frames.append(item)
        number = frames[-2][0] if len(frames) > 1 else None
        if number in wanted:
            found = dict(frames)
            yield number, tuple(map(found.get, range(number - 1, number + 2)))


def _select_any(index, numbers, way):
    """Yields (number, decoded frame); where a seek fails, reading forward."""
    if way in ("auto", "seek") and not index.seekable:
        way = "forward"
    last = -1
    with container.opened(index.path) as (film, stream):
        try:
            for item in _select(index, film, stream, numbers, way):
                yield item
                last = item[0]
            return
        except _SeekError:
            rest = [number for number in numbers if number > last]
    yield from _select_any(index, rest, "forward")


def _to_rgb(index, reformatter, long_side, deinterlace, frames):
    """Makes of a decoded frame what a viewer sees.

    Args:
        index: The film's `FrameIndex`.
        reformatter: A `VideoReformatter` of the thread that this runs in.
        long_side: As of `read_frames`.
        deinterlace: The same.
        frames: As of `_with_neighbours`.
    """
    frame = frames[1]
    if deinterlace == "yes" or (
        deinterlace == "auto"
        and frame.interlaced_frame
        and deinterlacing.is_combed(frame)
    ):
        frame = deinterlacing.first_field(*frames)
    width, height = index.width, index.height
    if long_side is not None and max(width, height) > long_side:
        scale = long_side / max(width, height)
        width, height = (
            max(round(side * scale), 1) for side in (width, height)
        )
    if index.rotation in (90, 270):
        width, height = height, width
    is_plain = not colour.needs_conversion(frame)
    with colour.tagged_for_pyav(frame):
        rgb = reformatter.reformat(
            frame,
            width=width,
            height=height,
            format="rgb24" if is_plain else "rgb48le",
        ).to_ndarray()
    if not is_plain:
        rgb = colour.on_plain_screen(rgb, frame)
    if index.mirrored:
        rgb = rgb[:, ::-1]
    return np.ascontiguousarray(np.rot90(rgb, index.rotation // 90))


def _select(index, film, stream, numbers, way):
    """Yields (number, decoded frame) of the wanted frames, ascending."""
    if not numbers:
        return
    if way in ("forward", "key frames"):
        packets = container.packets(film, stream)
        if way == "key frames":
            packets = (packet for packet in packets if packet.is_keyframe)
        yield from _decode_run(index, stream, packets, numbers)
        return
    seek = functools.partial(_seek, index, film, stream)
    for key, run in _plan(index, numbers, way):
        packets = _hurry(stream, seek(key), index.pts[run].tolist())
        num_done = 0
        for number, frame in _decode_run(index, stream, packets, run):
            if number != run[num_done]:
                break
            num_done += 1
            yield number, frame
        # What did not come may come with one more group of pictures before
        # it and nothing skipped. If not, it is damaged.
        if rest := run[num_done:]:
            stream.codec_context.skip_frame = "DEFAULT"
            packets = seek(max(_key_for(index, rest[0]) - 1, 0))
            yield from _decode_run(index, stream, packets, rest)


def _key_for(index, number):
    """Returns which key packet decoding must start from to show a frame."""
    key = np.searchsorted(index.key_places, index.places[number], "right") - 1
    # Frames stored after a key frame but shown before it refer to the group
    # of pictures before.
    while key > 0 and index.key_pts[key] > index.pts[number]:
        key -= 1
    return max(int(key), 0)


def _plan(index, numbers, way):
    """Returns runs, decoded without a seek: (key packet, frame numbers)."""
    runs, place = [], 0
    seek_cost = _SEEK_COST if way == "auto" else 0
    for number in numbers:
        key = _key_for(index, number)
        if not runs or index.key_places[key] > place + seek_cost:
            runs.append((key, []))
        runs[-1][1].append(number)
        place = max(place, int(index.places[number]))
    return runs


def _seek(index, film, stream, key):
    """Returns an iterator of the packets from a key packet on."""
    aim, back, step = int(index.key_places[key]), key, 1
    while True:
        with contextlib.suppress(av.FFmpegError):
            film.seek(int(index.key_pts[back]), stream=stream)
            packets = container.packets(film, stream)
            for packet in packets:
                if not packet.is_keyframe:
                    continue
                # Where a seek lands depends on the container. Only a key
                # packet that the index knows says where we are.
                place = index.place_of_key.get(packet.pts)
                if place == aim:
                    return itertools.chain([packet], packets)
                if place is not None and place > aim:
                    break
        if back == 0:
            raise _SeekError
        back, step = max(back - step, 0), 2 * step


def _hurry(stream, packets, wanted):
    """Passes packets on up to the last one wanted, skipping what it can."""
    context = stream.codec_context
    # No other frame is built on one that H.264 marks so: the decoder may
    # leave it out, and what is left is the same to the last bit.
    skip = "NONREF" if context.name == "h264" else "DEFAULT"
    unsent = set(wanted)
    for packet in packets:
        context.skip_frame = "DEFAULT" if packet.pts in unsent else skip
        yield packet
        unsent.discard(packet.pts)
        if not unsent:
            return


def _decode_run(index, stream, packets, numbers):
    """Yields (number, frame) of the wanted frames that are intact."""
    wanted = set(numbers)
    damage, held, last = [], collections.deque(), -1

    def on_error(packet):
        # The decoder's threads report an error some packets later.
        place = 0 if packet is None else _place_of(index, packet.pts)
        damage.append((place - stream.codec_context.thread_count, place))

    for count, frame in enumerate(container.decode(stream, packets, on_error)):
        number = count if index.counted else _number_of(index, frame.pts)
        if number is None or number <= last:
            continue  # damage also garbles time stamps
        last = number
        if frame.is_corrupt:
            place = int(index.places[number])
            damage.append((place, place))
        if number in wanted:
            held.append((number, frame))
        # A frame shown earlier than a damaged one may be built on it. So
        # each waits for all that were decoded before it.
        while held and held[0][0] + index.max_shift <= number:
            if not _is_tainted(index, held[0][0], damage):
                yield held[0]
            held.popleft()
        if not held and number >= numbers[-1]:
            return
    for number, frame in held:
        if not _is_tainted(index, number, damage):
            yield number, frame


def _number_of(index, pts):
    """Returns the frame of a time stamp, None if there is none."""
    if pts is None:
        return None
    number = int(np.searchsorted(index.pts, pts))
    is_there = number < index.num_frames and index.pts[number] == pts
    return number if is_there else None


def _place_of(index, pts):
    number = _number_of(index, pts)
    return int(index.places[number]) if number is not None else 0


def _is_tainted(index, number, damage):
    """Whether a frame is damaged, or built on one that is."""
    key_place = index.key_places[_key_for(index, number)]
    place = index.places[number]
    # Decoding starts afresh at the frame's key frame.
    return any(first <= place and key_place <= last for first, last in damage)


def sample_frames(path, num_frames, index=None):
    """Reads frames spread over a film at the least cost.

    Args:
        path: Path of a film file on this machine.
        num_frames: Integer, how many frames.
        index: The film's `FrameIndex`, if there is one already.

    Returns:
        An iterator of tuples (frame_number, seconds, frame) as of
        `read_frames`; at most `num_frames`, fewer if the film has fewer or
        some cannot be decoded. The same film gives the same frames.

    Raises:
        ValueError: If `num_frames` is less than 1.
        VideoError: If the file cannot be read.
    """
    checks.at_least("num_frames", num_frames, 1)
    return _sample(index or index_frames(path), num_frames)


def _sample(index, num_frames):
    # A key frame is decoded alone. With too few of them the film is short;
    # fewer frames than requested are better than reading all of a long one.
    key_frames = np.flatnonzero(index.is_key_frame)
    num_keys = min(num_frames, len(key_frames))
    if num_keys >= min(num_frames, _ENOUGH_SAMPLES) and not index.counted:
        way = "auto" if index.seekable else "key frames"
        numbers = _spread(key_frames, num_keys)
        samples = _read(index, numbers, way)
        if first := next(samples, None):
            yield first
            yield from samples
            return
    numbers = _spread(np.arange(index.num_frames), num_frames)
    yield from _read(index, numbers, "auto")


def _spread(numbers, num_wanted):
    """Returns some of the numbers at even steps, the ends included."""
    places = np.linspace(0, len(numbers) - 1, num_wanted).round().astype(int)
    return sorted(set(numbers[places].tolist()))
