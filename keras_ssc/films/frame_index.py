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
        codec: String, the decoder's name.
        seconds: float64 array, shape `(num_frames,)`, ascending: each
            frame's presentation time, counted from the first frame's.
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
        table = _read_packets(film, stream)
        format_name = film.format.name
    head = _decode_head(path)
    if table is None or not _agrees(table, head):
        return _index_by_decoding(path, head)
    # A recording that starts between two key frames: what the decoder cannot
    # show is not counted, as other readers do not count it.
    shown = table.pts >= head.pts[0]
    pts = table.pts[shown]
    return FrameIndex(
        path=path,
        **head.picture,
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
    picture: dict  # width, height, rotation and codec of `FrameIndex`
    time_base: fractions.Fraction
    pts: list  # the first frames' time stamps, as the decoder gave them
    damaged: bool


def _read_packets(film, stream):
    """Returns a `_PacketTable`, or None without usable time stamps."""
    is_shown = _IS_SHOWN.get(stream.codec_context.name, lambda packet: True)
    shown, keys = [], []
    for place, packet in enumerate(container.packets(film, stream)):
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
        rotation = round(frames[0].rotation / 90) % 4 * 90
        width, height = frames[0].width, frames[0].height
        if rotation in (90, 270):
            width, height = height, width
        picture = {"width": width, "height": height, "rotation": rotation}
        return _Head(
            {**picture, "codec": stream.codec_context.name},
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
    with container.opened(path) as (film, stream):
        rate = stream.guessed_rate or stream.average_rate or 25
        frames = [
            (frame.pts, frame.key_frame)
            for frame in container.decode(
                stream, container.packets(film, stream), lambda packet: None
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
    starts[0] = True  # what was decoded first refers to nothing before
    return FrameIndex(
        path=path,
        **head.picture,
        seconds=(pts - pts[0]) * float(time_base),
        pts=pts,
        is_key_frame=is_key_frame,
        seekable=False,
        counted=counted,
        places=np.arange(len(pts)),
        key_places=np.flatnonzero(starts),
        key_pts=pts[starts],
    )
