"""Which frames a film has, and when each is shown.

A frame is known by its time stamp, never by counting reads: frame counts in
headers lie.
"""

import dataclasses
import fractions
import functools
import itertools
import pathlib

import numpy as np

from keras_ssc.errors import VideoError
from keras_ssc.films import colour
from keras_ssc.films import container

# Containers in which a seek finds a key frame by its time stamp. In others
# (MPEG-TS) a seek guesses a byte, so only reading forward is exact.
_SEEKABLE_FORMATS = {
    "mov,mp4,m4a,3gp,3g2,mj2",
    "matroska,webm",
    "avi",
    "flv",
}

# The first frames are decoded to see whether the packets' time stamps are the
# frames'. B-frames and hidden frames show within so many.
_NUM_HEAD_FRAMES = 8

# Streams' starts this close, in seconds, are one moment, rounded.
_SAME_MOMENT = 0.001

# Pixels are at most so many times as wide as high, or as high as wide; a
# header that says more is wrong.
_MAX_PIXEL_ASPECT = 4

# What a demuxer hands over once, beside a packet, and not after a seek.
_STATE = ("palette", "new_extradata", "param_change")

# H.264 and its heirs hold at most 16 pictures back to show them later.
_MAX_REORDER = 32


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
        mirrored: Boolean, whether left and right of the stored picture are
            swapped before it is turned.
        pixel_aspect: Float, the width of an upright pixel by its height.
        interlaced: Boolean, whether frames at the start of the film say that
            they are two fields.
        codec: String, the decoder's name.
        notes: Tuple of strings, what in the file is not as it should be and
            how it is read nevertheless.
        seconds: float64 array, shape `(num_frames,)`, ascending: each
            frame's presentation time as players count it: from the start of
            the file, which is where its first stream starts.
        pts: int64 array, shape `(num_frames,)`: each frame's time stamp in
            the stream's time base, its name in the file. Where the file has
            no usable time stamps (`counted`), the frame's number.
        is_key_frame: bool array, shape `(num_frames,)`.
        seekable: Boolean. If false, only reading forward is exact.
        counted: Boolean. If true, the file gives its frames no usable time
            stamps; they are known by their place in a forward decode.
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
    mirrored: bool
    pixel_aspect: float
    interlaced: bool
    codec: str
    notes: tuple
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

    @functools.cached_property
    def step_seconds(self):
        """How long most frames are shown, in seconds."""
        steps = np.diff(self.seconds)
        # Alone, for a moment.
        return float(np.median(steps)) if len(steps) else 0.04

    @property
    def end_seconds(self):
        """When the last frame has been shown: as long as most, in seconds."""
        return float(self.seconds[-1]) + self.step_seconds

    @property
    def length_seconds(self):
        """How long pictures are shown, in seconds."""
        return self.end_seconds - float(self.seconds[0])

    @functools.cached_property
    def place_of_key(self):
        """Dict from a key packet's time stamp to its place."""
        return dict(
            zip(self.key_pts.tolist(), self.key_places.tolist(), strict=True)
        )

    @functools.cached_property
    def max_shift(self):
        """By how many frames showing and decoding differ at most."""
        return _max_shift(self.places)


def index_frames(path):
    """Lists a film's frames, without decoding where the file allows it.

    Args:
        path: Path of a film file on this machine.

    Returns:
        A `FrameIndex`. Frame numbers count from 0 in the order of
        presentation.

    Raises:
        VideoError: If the file is missing, is not a film, opens other files
            (a playlist), or none of its frames can be decoded.
    """
    path = pathlib.Path(path)
    with container.opened(path) as (film, stream):
        packets = _read_packets(film, stream)
        format_name = film.format.name
        start = (film.start_time or 0) / 1_000_000
    table = _packet_table(packets)
    head = _decode_head(path)
    # An AVI has no time stamps; the demuxer's are later than the first moment
    # by what the decoder holds back.
    first = packets.first_dts if format_name == "avi" else None
    if table is None or not _agrees(table, head):
        return _index_by_decoding(path, head, first, start)
    # A recording that starts between two key frames: what the decoder cannot
    # show is not counted, as other readers do not count it.
    shown = table.pts >= head.pts[0]
    pts = table.pts[shown]
    return FrameIndex(
        path=path,
        **head.picture,
        seconds=_seconds(pts, head.time_base, start, first),
        pts=pts,
        is_key_frame=np.isin(pts, table.key_pts),
        seekable=format_name in _SEEKABLE_FORMATS and not packets.has_state,
        counted=False,
        places=table.places[shown],
        key_places=table.key_places,
        key_pts=table.key_pts,
    )


def _seconds(pts, time_base, start, first=None):
    """Returns the times of frames, from the start of the file.

    Args:
        pts: int64 array, their time stamps.
        time_base: The stream's.
        start: Float, seconds: when the file's first stream starts.
        first: Integer, when this stream starts; `pts[0]` if None.
    """
    first = pts[0] if first is None else first
    delay = float(first * time_base) - start
    delay = delay if delay > _SAME_MOMENT else 0.0
    return (pts - pts[0]) * float(time_base) + delay


@dataclasses.dataclass(frozen=True, eq=False)
class _Packets:
    shown: list  # (pts, place), also those without a time stamp
    keys: list  # the same, of key packets
    first_dts: int | None
    has_state: bool  # whether what is needed is handed over but once


@dataclasses.dataclass(frozen=True, eq=False)
class _PacketTable:
    pts: np.ndarray  # shown packets, ascending
    places: np.ndarray  # their places in the file
    key_pts: np.ndarray  # key packets, also those not shown, in file order
    key_places: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class _Head:
    picture: dict  # what `FrameIndex` says of the picture
    time_base: fractions.Fraction
    pts: list  # the first frames' time stamps, as the decoder gave them
    damaged: bool


def _read_packets(film, stream):
    """Returns the `_Packets` of a film."""
    is_shown = _IS_SHOWN.get(stream.codec_context.name, lambda packet: True)
    shown, keys, first_dts, has_state = [], [], None, False
    for place, packet in enumerate(container.packets(film, stream)):
        if place == 0:
            first_dts = packet.dts
        if packet.is_keyframe:
            keys.append((packet.pts, place))
        if not packet.is_discard and is_shown(packet):
            shown.append((packet.pts, place))
        has_state = has_state or any(map(packet.has_sidedata, _STATE))
    return _Packets(shown, keys, first_dts, has_state)


def _packet_table(packets):
    """Returns a `_PacketTable`, or None without usable time stamps."""
    if not packets.shown or not packets.keys:
        return None
    if any(pts is None for pts, _ in packets.shown + packets.keys):
        return None
    shown = np.array(packets.shown, np.int64)
    shown = shown[np.argsort(shown[:, 0], kind="stable")]
    keys = np.array(packets.keys, np.int64)
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
    with container.opened(path) as (film, stream):
        errors = []
        frames = list(
            itertools.islice(
                container.decode(
                    stream, container.packets(film, stream), errors.append
                ),
                _NUM_HEAD_FRAMES,
            )
        )
        if not frames:
            raise VideoError(
                f"{path}: none of its pictures can be decoded. Fetch or "
                "convert the file again."
            )
        return _Head(
            {
                **_shape(stream, frames[0]),
                "interlaced": any(frame.interlaced_frame for frame in frames),
                "codec": stream.codec_context.name,
            },
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


def _shape(stream, frame):
    """Returns what `FrameIndex` says of a picture's shape and colours."""
    rotation, mirrored, is_odd = _orientation(frame)
    width, height = frame.width, frame.height
    aspect = float(stream.sample_aspect_ratio or 1)
    notes = [colour.note(frame)]
    if is_odd:
        notes.append(
            "its display matrix is no turn by right angles: the nearest is "
            "applied"
        )
    if not 1 / _MAX_PIXEL_ASPECT <= aspect <= _MAX_PIXEL_ASPECT:
        notes.append(
            f"its pixels are said to be {aspect:.3g} times as wide as high: "
            "they are taken as square"
        )
        aspect = 1.0
    if rotation in (90, 270):
        width, height, aspect = height, width, 1 / aspect
    return {
        "width": width,
        "height": height,
        "rotation": rotation,
        "mirrored": mirrored,
        "pixel_aspect": aspect,
        "notes": tuple(note for note in notes if note),
    }


def _orientation(frame):
    """Reads a frame's display matrix.

    Returns:
        A tuple: `rotation` and `mirrored` of `FrameIndex`, and whether the
        matrix is something else than these say.
    """
    for data in frame.side_data:
        if data.type.name == "DISPLAYMATRIX":
            # (x, y) of a pixel becomes (a x + c y, b x + d y), in units of
            # 1/65536; y points down.
            a, b, _, c, d = np.frombuffer(data, np.int32)[:5] / 65536
            break
    else:
        return 0, False, False
    straight, across = max(abs(a), abs(d)), max(abs(b), abs(c))
    largest, least = max(straight, across), min(straight, across)
    is_odd = not least < 0.1 * largest
    if straight >= across:
        # `mirrored` swaps left and right, a half turn swaps both.
        return (180 if d < 0 else 0), bool((a < 0) != (d < 0)), is_odd
    return (90 if c > 0 else 270), bool((b < 0) == (c < 0)), is_odd


def _index_by_decoding(path, head, first, start):
    with container.opened(path) as (film, stream):
        rate = stream.guessed_rate or stream.average_rate or 25
        frames = [
            (frame.pts, frame.dts, frame.key_frame)
            for frame in container.decode(
                stream, container.packets(film, stream), lambda packet: None
            )
        ]
    pts, dts, is_key_frame = zip(*frames, strict=True)
    counted = None in pts or not (np.diff(pts) > 0).all()
    picture = head.picture
    if counted:
        pts = np.arange(len(frames))
        seconds, note = _counted_seconds(dts, head.time_base, rate)
        if first is not None:
            seconds += _seconds(np.array([first]), head.time_base, start)
        picture = {**picture, "notes": (*picture["notes"], *note)}
    else:
        pts = np.array(pts, np.int64)
        seconds = _seconds(pts, head.time_base, start, first)
    is_key_frame = np.array(is_key_frame, bool)
    starts = is_key_frame.copy()
    starts[0] = True  # what was decoded first refers to nothing before
    return FrameIndex(
        path=path,
        **picture,
        seconds=seconds,
        pts=pts,
        is_key_frame=is_key_frame,
        seekable=False,
        counted=counted,
        places=np.arange(len(pts)),
        key_places=np.flatnonzero(starts),
        key_pts=pts[starts],
    )


def _counted_seconds(dts, time_base, rate):
    """Returns the times of frames whose time stamps cannot be used.

    Args:
        dts: Tuple, for each frame in the order of presentation the decoding
            time of the packet that brought it out of the decoder. They count
            the empty packets that an AVI stores for frames that stand longer.
            None for the last frames, which come when no packet is left.
        time_base: The stream's.
        rate: The stream's frames a second, if there are no decoding times.

    Returns:
        A tuple: float64 array, from 0, and a tuple of notes.
    """
    times = [time for time in dts if time is not None]
    steps = np.diff(times)
    note = ()
    if None in dts[: len(times)] or not (steps > 0).any():
        steps, usual, time_base = np.zeros(0), 1, 1 / rate
        note = ("it has no usable time stamps: its frames are counted",)
    else:
        usual = int(np.median(steps[steps > 0]))
        if (steps <= 0).any():
            note = ("its time stamps jump back: its frames are counted on",)
    steps = np.where(steps > 0, steps, usual)
    steps = np.append(steps, np.full(len(dts) - 1 - len(steps), usual))
    return np.cumsum(np.append(0, steps)) * float(time_base), note
