"""Film files: which frames there are, when they are shown, their pixels.

The only room that knows containers, codecs, seeking and rotation. A frame is
known by its time stamp, never by counting reads: frame counts in headers lie,
and a seek lands where the file lets it. Frames leave as RGB, upright.
"""

import collections
import contextlib
import dataclasses
import fractions
import functools
import itertools
import operator
import pathlib

import av
import av.video.reformatter
import cv2
import numpy as np

from keras_ssc.errors import VideoError

# Containers that hold their own pictures. Playlists, concat scripts and image
# sequences are left out: they open other files, also over the network.
_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,asf,ogg,mpegts,mpeg,"
    "mpegvideo,m4v,h264,hevc,obu,ivf,mxf,nut,rm,dv,gxf,wtv,vc1"
)

# Containers in which a seek finds a key frame by its time stamp. In others
# (MPEG-TS) a seek guesses a byte, so only reading forward is exact.
_SEEKABLE_FORMATS = {
    "mov,mp4,m4a,3gp,3g2,mj2",
    "matroska,webm",
    "avi",
    "flv",
}

# A seek empties the decoder's pipeline of threads, which costs about as much
# as decoding so many frames.
_SEEK_COST = 8

# The first frames are decoded to see whether the packets' time stamps are the
# frames'. B-frames and hidden frames show within so many.
_NUM_HEAD_FRAMES = 8

# A demuxer that fails may find its way behind the damage. One that fails so
# often in a row does not.
_MAX_READ_ERRORS = 16

# The transfer function of HDR10 and Dolby Vision, as H.273 numbers it.
_PQ = 16
# Its levels stand for absolute light. What lies white on a page has so much of
# it, in candelas per square metre (ITU-R BT.2408).
_WHITE_LIGHT = 203.0

# Bars, in grey levels of 255 and in shares of the picture's side. Noise of an
# old copy lifts black to 40 and lets the means of pieces of a row differ by
# 20; digital bars stay below 5.
_DARK_LEVEL = 40
_FLAT_RANGE = 20
_NUM_PIECES = 64
# A frame with less between its darkest and brightest pixel shows nothing.
_BLANK_RANGE = 32
# The picture behind a bar is brighter at some time along most of the edge.
# Half of it may stay dark in the few frames looked at.
_EDGE_STEP = 16
_EDGE_SHARE = 0.5
_TWIN_EDGE_SHARE = 0.15
_EDGE_REACH = 6  # pixels over which an edge may be smeared
_SHARP_SHARE = 0.75
# A single dark line is a scanner's rim or nothing. The widest real bars stand
# beside an upright telephone film in a 16:9 frame: 0.34 on each side.
_MIN_BAR = 2
_MAX_BAR = 0.36
_MIN_PICTURE = 0.3

# Twice the pixels of 8K. A film of a few kilobytes may claim to have more than
# there is memory, and a header may claim less than is there.
_MAX_PIXELS = 2**26

# The second: no room for the stack of one of the decoder's threads.
_NO_MEMORY = (MemoryError, BlockingIOError)

# H.264 and its heirs hold at most 16 pictures back to show them later.
_MAX_REORDER = 32

# Key frames that stand for a film, if there are no more of them.
_ENOUGH_SAMPLES = 8

_WAYS = ("auto", "forward", "seek")


class _SeekError(Exception):
    """No seek leads to a frame; reading forward still does."""


@dataclasses.dataclass(frozen=True, eq=False)
class FrameIndex:
    """Every frame of a film, in the order of presentation.

    Attributes:
        path: `pathlib.Path` of the file.
        width: Integer, pixels, after rotation. Pixels are as stored: those
            of anamorphic films are not stretched.
        height: Integer, pixels, after rotation.
        rotation: Integer, degrees counterclockwise that make the stored
            picture upright: 0, 90, 180 or 270.
        codec: String, the decoder's name.
        seconds: float64 array, shape `(num_frames,)`, ascending: each
            frame's presentation time, counted from the first frame's.
        pts: int64 array, shape `(num_frames,)`: each frame's time stamp in
            the stream's time base, its name in the file. Where the file has
            no usable time stamps (`counted`), the frame's number.
        is_key_frame: bool array, shape `(num_frames,)`.
        seekable: Boolean. If false, only reading forward is exact.
        counted: Boolean. If true, the file gives its frames no usable time
            stamps; they are told apart by their place in a forward decode.
        places: int64 array, shape `(num_frames,)`: each frame's place in the
            file, which is the order of decoding.
        key_places: int64 array, ascending: the key packets' places. More
            than the key frames: a film cut by an edit list starts with one
            that is not shown.
        key_pts: int64 array, the key packets' time stamps.
    """

    path: pathlib.Path
    width: int
    height: int
    rotation: int
    codec: str
    seconds: np.ndarray
    pts: np.ndarray
    is_key_frame: np.ndarray
    seekable: bool
    counted: bool
    places: np.ndarray
    key_places: np.ndarray
    key_pts: np.ndarray

    @property
    def num_frames(self):
        """How many frames the film shows."""
        return len(self.pts)

    @property
    def end_seconds(self):
        """When the last frame has been shown: as long as most, in seconds."""
        steps = np.diff(self.seconds)
        # Alone, for a moment.
        step = float(np.median(steps)) if len(steps) else 0.04
        return float(self.seconds[-1]) + step

    @functools.cached_property
    def _place_of_key(self):
        """Dict from a key packet's time stamp to its place."""
        return dict(
            zip(self.key_pts.tolist(), self.key_places.tolist(), strict=True)
        )

    @functools.cached_property
    def _max_shift(self):
        return _max_shift(self.places)


def index_frames(path):
    """Lists a film's frames, without decoding where the file allows it.

    Args:
        path: Path of a film file on this machine.

    Returns:
        A `FrameIndex`. Frame numbers count from 0 in the order of
        presentation.

    Raises:
        VideoError: If the file is missing, is no film, opens other files
            (a playlist), or none of its frames can be decoded.
    """
    path = pathlib.Path(path)
    with _opened(path) as (container, stream):
        table = _read_packets(container, stream)
        format_name = container.format.name
    head = _decode_head(path)
    if table is None or not _agrees(table, head):
        return _index_by_decoding(path, head)
    # A recording that starts between two key frames: what the decoder cannot
    # show is not counted, as other readers do not count it.
    shown = table.pts >= head.pts[0]
    pts = table.pts[shown]
    return FrameIndex(
        path=path,
        width=head.width,
        height=head.height,
        rotation=head.rotation,
        codec=head.codec,
        seconds=(pts - pts[0]) * float(head.time_base),
        pts=pts,
        is_key_frame=np.isin(pts, table.key_pts),
        seekable=format_name in _SEEKABLE_FORMATS,
        counted=False,
        places=table.places[shown],
        key_places=table.key_places,
        key_pts=table.key_pts,
    )


@dataclasses.dataclass(frozen=True, eq=False)
class _PacketTable:
    pts: np.ndarray  # shown packets, ascending
    places: np.ndarray  # their places in the file
    key_pts: np.ndarray  # key packets, also those not shown, in file order
    key_places: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class _Head:
    width: int
    height: int
    rotation: int
    codec: str
    time_base: fractions.Fraction
    pts: list  # the first frames' time stamps, as the decoder gave them
    damaged: bool


@contextlib.contextmanager
def _opened(path):
    """Opens a film; gives (container, stream); errors become VideoError."""
    _check_is_file(path)
    try:
        container = av.open(
            # Absolute: a name such as "concat:a" must stay a file's name.
            str(path.absolute()),
            container_options={
                "protocol_whitelist": "file",
                "format_whitelist": _FORMATS,
            },
            # Titles in old encodings are no reason not to read a film.
            metadata_errors="replace",
        )
    except (av.FFmpegError, OSError) as error:
        raise VideoError(
            f"{path}: not a film that can be opened: {_reason(error)}. "
            "Expected a video file such as mp4, mkv, webm, mov or avi. "
            "Convert it, or fetch it again."
        ) from error
    with container:
        try:
            yield container, _film_stream(path, container)
        except _NO_MEMORY as error:
            raise out_of_memory(path) from error
        except (av.FFmpegError, OSError) as error:
            raise VideoError(
                f"{path}: reading failed ({_reason(error)}). Fetch or convert "
                "the file again."
            ) from error


def out_of_memory(path):
    """Returns the `VideoError` of a film that takes too much memory."""
    return VideoError(
        f"{path}: needs more memory than it may take. Convert it to smaller "
        "pictures, as with ffmpeg -i and -vf scale=1920:-2."
    )


def _check_is_file(path):
    try:
        if not path.exists():
            problem = "no such file. Correct the path, or fetch the film."
        elif not path.is_file():
            problem = "not a file. Expected the path of one film file."
        elif path.stat().st_size == 0:
            problem = "the file is empty. Fetch it again."
        else:
            return
    except (OSError, ValueError) as error:
        problem = f"cannot be looked at ({_reason(error)}). Correct the path."
    raise VideoError(f"{path}: {problem}")


def _reason(error):
    if isinstance(error, av.ArgumentError):
        # What the demuxer answers for a format that is not in _FORMATS.
        return "a playlist, a picture or another format that holds no film"
    if isinstance(error, (av.InvalidDataError, EOFError)):
        return "damaged, incomplete, or no video file at all"
    return getattr(error, "strerror", None) or str(error)


def _film_stream(path, container):
    streams = [
        stream
        for stream in container.streams.video
        if not stream.disposition & av.stream.Disposition.attached_pic
    ]
    if not streams:
        raise VideoError(
            f"{path}: no moving pictures in it: sound or a cover only, or "
            "the file is incomplete. Fetch the whole film."
        )
    stream = max(
        streams,
        key=lambda stream: bool(
            stream.disposition & av.stream.Disposition.default
        ),
    )
    if stream.codec_context is None:
        raise VideoError(
            f"{path}: its pictures are in a format that no decoder here "
            "knows. Convert it to H.264."
        )
    if stream.width * stream.height > _MAX_PIXELS:
        raise VideoError(
            f"{path}: expected pictures of {_MAX_PIXELS:,} pixels or fewer. "
            f"Received: {stream.width}x{stream.height}. Convert it to smaller "
            "ones, as with ffmpeg -i and -vf scale=1920:-2."
        )
    stream.codec_context.options = {"max_pixels": str(_MAX_PIXELS)}
    for other in container.streams:
        if other.index != stream.index:
            other.discard = av.stream.Discard.all  # sound is not even read
    stream.thread_type = "AUTO"
    return stream


def _packets(container, stream):
    """Yields the stream's packets, also those behind damage."""
    num_errors = 0
    while num_errors < _MAX_READ_ERRORS:
        try:
            for packet in container.demux(stream):
                if packet.size:  # the last one is a mark, without data
                    num_errors = 0
                    yield packet
            return
        except av.FFmpegError:
            num_errors += 1


def _read_packets(container, stream):
    """Returns a `_PacketTable`, or None without usable time stamps."""
    is_shown = _IS_SHOWN.get(stream.codec_context.name, lambda packet: True)
    shown, keys = [], []
    for place, packet in enumerate(_packets(container, stream)):
        if packet.pts is None:
            return None
        if packet.is_keyframe:
            keys.append((packet.pts, place))
        if not packet.is_discard and is_shown(packet):
            shown.append((packet.pts, place))
    if not shown or not keys:
        return None
    shown = np.array(shown, np.int64)
    shown = shown[np.argsort(shown[:, 0], kind="stable")]
    keys = np.array(keys, np.int64)
    # Two packets of one time, or a clock that was set back (recordings put
    # together): time stamps name no frame in this file.
    is_twice = not np.diff(shown[:, 0]).all()
    is_set_back = _max_shift(shown[:, 1]) > _MAX_REORDER
    if is_twice or is_set_back or len(set(keys[:, 0])) < len(keys):
        return None
    return _PacketTable(shown[:, 0], shown[:, 1], keys[:, 0], keys[:, 1])


def _max_shift(places):
    """By how many frames showing and decoding differ at most."""
    shifts = range(1, min(_MAX_REORDER + 2, len(places)))
    return max(
        (s for s in shifts if (places[s:] < places[:-s]).any()), default=0
    )


def _is_shown_vp8(packet):
    return bool(bytes(packet)[0] & 0x10)  # RFC 6386, 9.1: show_frame


def _is_shown_vp9(packet):
    data = bytes(packet)
    if data[-1] & 0xE0 == 0xC0:
        return True  # a superframe: hidden frames together with a shown one
    # VP9 bitstream, 6.2: marker 2 bits, profile 2 bits (and a reserved one
    # for profile 3), show_existing_frame, frame_type, show_frame.
    bit = 4 if data[0] & 0x30 == 0x30 else 3
    show_existing_frame = data[0] >> bit & 1
    return bool(show_existing_frame or data[0] >> (bit - 2) & 1)


# Codecs that keep pictures for reference only in packets of their own.
_IS_SHOWN = {
    "vp8": _is_shown_vp8,
    "libvpx": _is_shown_vp8,
    "vp9": _is_shown_vp9,
    "libvpx-vp9": _is_shown_vp9,
}


def _decode_head(path):
    with _opened(path) as (container, stream):
        errors = []
        frames = list(
            itertools.islice(
                _decode(stream, _packets(container, stream), errors.append),
                _NUM_HEAD_FRAMES,
            )
        )
        if not frames:
            raise VideoError(
                f"{path}: none of its pictures can be decoded. Fetch or "
                "convert the file again."
            )
        rotation = round(frames[0].rotation / 90) % 4 * 90
        width, height = frames[0].width, frames[0].height
        if rotation in (90, 270):
            width, height = height, width
        return _Head(
            width,
            height,
            rotation,
            stream.codec_context.name,
            stream.time_base,
            [frame.pts for frame in frames],
            bool(errors) or any(frame.is_corrupt for frame in frames),
        )


def _agrees(table, head):
    """Whether the packets' time stamps are those of the decoded frames."""
    if None in head.pts or not np.isin(head.pts, table.pts).all():
        return False
    first = np.searchsorted(table.pts, head.pts[0])
    expected = table.pts[first : first + len(head.pts)]
    if head.damaged:
        return bool((np.diff(head.pts) > 0).all())
    return np.array_equal(head.pts, expected)


def _index_by_decoding(path, head):
    with _opened(path) as (container, stream):
        rate = stream.guessed_rate or stream.average_rate or 25
        frames = [
            (frame.pts, frame.key_frame)
            for frame in _decode(
                stream, _packets(container, stream), lambda packet: None
            )
        ]
    pts = [pts for pts, _ in frames]
    counted = None in pts or not (np.diff(pts) > 0).all()
    if counted:
        pts = range(len(frames))
        time_base = 1 / rate
    else:
        time_base = head.time_base
    pts = np.array(pts, np.int64)
    is_key_frame = np.array([is_key for _, is_key in frames], bool)
    starts = is_key_frame.copy()
    starts[0] = True  # what was decoded first leans on nothing
    return FrameIndex(
        path=path,
        width=head.width,
        height=head.height,
        rotation=head.rotation,
        codec=head.codec,
        seconds=(pts - pts[0]) * float(time_base),
        pts=pts,
        is_key_frame=is_key_frame,
        seekable=False,
        counted=counted,
        places=np.arange(len(pts)),
        key_places=np.flatnonzero(starts),
        key_pts=pts[starts],
    )


def _decode(stream, packets, on_error):
    """Yields the frames of packets; goes on behind those that fail."""
    sent = None
    for packet in itertools.chain(packets, [None]):
        sent = packet or sent
        if packet is not None and packet.is_corrupt:
            on_error(packet)
        try:
            frames = stream.decode(packet)
        except _NO_MEMORY:
            raise  # no damage: the next frame would need as much
        except av.FFmpegError as error:
            if packet is None and isinstance(error, EOFError):
                return
            on_error(sent)
            frames = []
        yield from frames


def read_frames(path, frame_numbers, index=None, way="auto", long_side=None):
    """Reads some of a film's frames.

    Args:
        path: Path of a film file on this machine.
        frame_numbers: Integers, the frames wanted, in any order; one named
            twice is read once.
        index: The film's `FrameIndex`, if there is one already.
        way: `"auto"` seeks where that decodes less; `"forward"` decodes
            everything up to the last frame wanted; `"seek"` seeks for every
            group of pictures. The frames of a sound film are the same; of a
            damaged one, the way that decodes more notices more damage. A
            film that is not seekable is read forward in any case.
        long_side: Integer, pixels: larger frames are scaled down to it as
            they are converted, which costs less than scaling them after.

    Returns:
        An iterator of tuples (frame_number, seconds, frame), ascending;
        frame is an RGB array, uint8, shape `(height, width, 3)`, upright.
        A frame that cannot be decoded is left out, and so are those that
        follow it up to the next key frame: they are built on it.

    Raises:
        ValueError: If a frame number is not in the film, or the way is
            unknown.
        VideoError: If the file cannot be read.
    """
    if way not in _WAYS:
        raise ValueError(
            f"Unknown way. Expected one of: {', '.join(_WAYS)}. "
            f"Received: {way!r}"
        )
    numbers = sorted({operator.index(number) for number in frame_numbers})
    index = index or index_frames(path)
    if numbers and not 0 <= numbers[0] <= numbers[-1] < index.num_frames:
        raise ValueError(
            f"Expected frame numbers from 0 to {index.num_frames - 1}, the "
            f"frames of {path}. Received: {numbers[0]} to {numbers[-1]}"
        )
    return _read(index, numbers, way, long_side)


def scan_frames(path, index=None, long_side=None):
    """Reads all of a film, each frame small; whole only where it is asked for.

    Args:
        path: Path of a film file on this machine.
        index: The film's `FrameIndex`, if there is one already.
        long_side: Integer, pixels: larger frames are scaled down to it.

    Returns:
        An iterator of tuples (frame_number, seconds, small, whole): the first
        three as of `read_frames`; whole is a function without arguments that
        returns the frame in its own size, also when later ones have been
        read. Until it is let go, it holds the decoded picture.

    Raises:
        VideoError: If the file cannot be read.
    """
    index = index or index_frames(path)
    return _scan(index, long_side)


def _scan(index, long_side):
    small = functools.partial(_to_rgb, index, _reformatter(), long_side)
    # Another one: small pictures may be made in another thread.
    whole = functools.partial(_to_rgb, index, _reformatter(), None)
    numbers = range(index.num_frames)
    for number, decoded in _select_any(index, numbers, "forward"):
        yield (
            number,
            float(index.seconds[number]),
            small(*decoded),
            functools.partial(whole, *decoded),
        )


def _read(index, numbers, way, long_side=None):
    convert = functools.partial(_to_rgb, index, _reformatter(), long_side)
    for number, decoded in _select_any(index, numbers, way):
        yield number, float(index.seconds[number]), convert(*decoded)


def _reformatter():
    return av.video.reformatter.VideoReformatter()


def _select_any(index, numbers, way):
    """Yields (number, (decoded frame, is_pq)), where a seek fails forward."""
    if way in ("auto", "seek") and not index.seekable:
        way = "forward"
    last = -1
    with _opened(index.path) as (container, stream):
        try:
            for number, frame in _select(
                index, container, stream, numbers, way
            ):
                yield number, (frame, stream.codec_context.color_trc == _PQ)
                last = number
            return
        except _SeekError:
            rest = [number for number in numbers if number > last]
    yield from _select_any(index, rest, "forward")


def _to_rgb(index, reformatter, long_side, frame, is_pq):
    width, height = index.width, index.height
    if long_side is not None and max(width, height) > long_side:
        scale = long_side / max(width, height)
        width, height = (
            max(round(side * scale), 1) for side in (width, height)
        )
    if index.rotation in (90, 270):
        width, height = height, width
    rgb = reformatter.reformat(
        frame, width=width, height=height, format="rgb24"
    ).to_ndarray()
    rgb = np.ascontiguousarray(np.rot90(rgb, index.rotation // 90))
    return cv2.LUT(rgb, _sdr_levels()) if is_pq else rgb


@functools.cache
def _sdr_levels():
    """Returns for each level of PQ the one that looks alike on a plain screen.

    Source: SMPTE ST 2084 for PQ, ITU-R BT.1886 for the screen. What is
    brighter than white becomes white.
    """
    root = (np.arange(256) / 255) ** (32 / 2523)
    light = (
        np.maximum(root - 107 / 128, 0) / (2413 / 128 - 2392 / 128 * root)
    ) ** (8192 / 1305)
    share = np.minimum(10_000 / _WHITE_LIGHT * light, 1)
    return np.round(255 * share ** (1 / 2.4)).astype(np.uint8)


def _select(index, container, stream, numbers, way):
    """Yields (number, decoded frame) of the wanted frames, ascending."""
    if not numbers:
        return
    if way in ("forward", "key frames"):
        packets = _packets(container, stream)
        if way == "key frames":
            packets = (packet for packet in packets if packet.is_keyframe)
        yield from _decode_run(index, stream, packets, numbers)
        return
    seek = functools.partial(_seek, index, container, stream)
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
    # Frames stored behind a key frame but shown before it lean on the group
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


def _seek(index, container, stream, key):
    """Returns an iterator of the packets from a key packet on."""
    aim, back, step = int(index.key_places[key]), key, 1
    while True:
        with contextlib.suppress(av.FFmpegError):
            container.seek(int(index.key_pts[back]), stream=stream)
            packets = _packets(container, stream)
            for packet in packets:
                if not packet.is_keyframe:
                    continue
                # Where a seek lands depends on the container. Only a key
                # packet that the index knows says where we are.
                place = index._place_of_key.get(packet.pts)
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
    """Yields (number, frame) of the wanted frames that come out sound."""
    wanted = set(numbers)
    damage, held, last = [], collections.deque(), -1

    def on_error(packet):
        # The decoder's threads tell of an error some packets later.
        place = 0 if packet is None else _place_of(index, packet.pts)
        damage.append((place - stream.codec_context.thread_count, place))

    for count, frame in enumerate(_decode(stream, packets, on_error)):
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
        while held and held[0][0] + index._max_shift <= number:
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
    if num_frames < 1:
        raise ValueError(
            f"Expected num_frames of 1 or more. Received: {num_frames}"
        )
    return _sample(index or index_frames(path), num_frames)


def _sample(index, num_frames):
    # A key frame is decoded alone. With too few of them the film is short;
    # fewer than asked are better than reading all of a long one.
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


@dataclasses.dataclass(frozen=True)
class Bars:
    """Dark bars around a film's picture, in pixels; false if there are none.

    Attributes:
        top: Integer.
        bottom: Integer.
        left: Integer.
        right: Integer.
    """

    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0

    def __bool__(self):
        return any(dataclasses.astuple(self))

    def crop(self, frame):
        """Returns the frame without its bars.

        Args:
            frame: Array, shape `(height, width, channels)`.

        Returns:
            A view of the frame.
        """
        height, width = frame.shape[:2]
        return frame[
            self.top : height - self.bottom, self.left : width - self.right
        ]


def grey(frame):
    """Returns a frame in grey, uint8 (height, width); a grey one as it is."""
    if frame.ndim == 2:
        return frame
    return cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)


def find_bars(frames):
    """Finds dark bars at the picture's borders that are in all frames.

    A line (row or column) belongs to a bar when it is dark and flat in every
    frame, and the bar ends along a straight edge. A night scene is dark but
    not flat, or fades into the dark without an edge; so it stays whole, and
    where in doubt nothing is cropped.

    Args:
        frames: Iterable of RGB arrays, uint8, shape `(height, width, 3)`, or
            grey ones, `(height, width)`: one film's, best from moments far
            apart. Blank ones say nothing and are left out.

    Returns:
        `Bars`, the soft pixels at their edges included.

    Raises:
        ValueError: If the frames differ in shape.
    """
    # One at a time: of 8K, each takes 100 MB.
    grays = [grey(frame) for frame in frames]
    shapes = {gray.shape for gray in grays}
    if len(shapes) > 1:
        raise ValueError(
            f"Expected frames of one shape. Received: {sorted(shapes)}"
        )
    grays = [gray for gray in grays if np.ptp(gray) > _BLANK_RANGE]
    bars = Bars()
    if not grays:
        return bars
    # Twice: bars of a film may lie within those of its copy (a letterboxed
    # film in a pillarboxed broadcast), each with a black of its own.
    for _ in range(2):
        inner = [bars.crop(gray) for gray in grays]
        top, bottom = _find_borders(inner)
        bars = dataclasses.replace(
            bars, top=bars.top + top, bottom=bars.bottom + bottom
        )
        # Turned one at a time: all of 8K would be another 800 MB.
        left, right = _find_borders(
            cv2.transpose(bars.crop(gray)) for gray in grays
        )
        bars = dataclasses.replace(
            bars, left=bars.left + left, right=bars.right + right
        )
    return bars


def _find_borders(grays):
    """Returns how many rows are bars: (from the top, from the bottom)."""
    rows = np.stack([_row_means(gray) for gray in grays])
    height = rows.shape[1]  # (frames, height, pieces)
    upward = rows[:, ::-1]
    top = _find_border(rows, _EDGE_SHARE)
    bottom = _find_border(upward, _EDGE_SHARE)
    # Bars come in pairs of about one size. So where the picture stays dark
    # along one edge (a desk, a street), the bar across vouches for this one.
    if bool(top) != bool(bottom):
        twin = _find_border(upward if top else rows, _TWIN_EDGE_SHARE)
        if abs(twin - max(top, bottom)) <= _EDGE_REACH:
            top, bottom = top or twin, bottom or twin
    if height - top - bottom < _MIN_PICTURE * height:
        return 0, 0
    return top, bottom


def _row_means(gray):
    """Returns each row as the means of up to 64 pieces."""
    height, width = gray.shape
    # Noise goes, pictures stay.
    return cv2.resize(
        np.ascontiguousarray(gray, dtype=np.float32),
        (min(_NUM_PIECES, width), height),
        interpolation=cv2.INTER_AREA,
    )


def _find_border(rows, edge_share):
    """Returns how many rows, from the first on, are a bar."""
    height = rows.shape[1]
    is_dark = rows.mean(axis=2) <= _DARK_LEVEL
    is_flat = np.ptp(rows, axis=2) <= _FLAT_RANGE
    is_bar = (is_dark & is_flat).all(axis=0)
    num_rows = int(np.argmin(is_bar)) if not is_bar.all() else height
    if not _MIN_BAR <= num_rows <= _MAX_BAR * height:
        return 0
    brightest = rows.max(axis=0)  # over time: where a picture ever was
    bar = np.median(brightest[:num_rows], axis=0)
    behind = brightest[num_rows : num_rows + _EDGE_REACH]
    is_edge = behind.max(axis=0) - bar >= _EDGE_STEP
    if is_edge.mean() < edge_share:
        return 0
    # Scaling and compression smear the edge over a few pixels. What is darker
    # there than the picture behind it is the bar shining through.
    profile = behind.mean(axis=1)
    sharp = bar.mean() + _SHARP_SHARE * (profile.max() - bar.mean())
    return num_rows + int(np.argmax(profile >= sharp))
