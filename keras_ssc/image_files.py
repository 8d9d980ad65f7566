"""Frames as PNG files."""

import pathlib
import struct

import cv2
import numpy as np

# A frame of 8K has half as many pixels. A PNG of a few bytes may claim to
# have more than there is memory.
_MAX_PIXELS = 2**26

# No PNG of so many pixels has more bytes.
_MAX_BYTES = 8 * _MAX_PIXELS
_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"IEND\xaeB`\x82"


def encode_frame(frame):
    """Encodes a frame as PNG.

    Args:
        frame: uint8 array (height, width, 3), RGB.

    Returns:
        Bytes.
    """
    _, data = cv2.imencode(".png", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    return data.tobytes()


def decode_frame(data):
    """Decodes a PNG.

    Args:
        data: Bytes of a whole PNG file.

    Returns:
        uint8 array (height, width, 3), RGB.

    Raises:
        ValueError: If the bytes are no PNG, or a damaged one.
    """
    # OpenCV fills what a cut file lacks with grey and says nothing, so the
    # chunk that ends every PNG is looked for first.
    is_whole = data.rstrip(b"\0").endswith(_PNG_END)
    if data.startswith(_PNG_START) and is_whole:
        _check_size(data)
        array = np.frombuffer(data, np.uint8)
        frame = cv2.imdecode(array, cv2.IMREAD_COLOR)
        if frame is not None:
            return cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
    raise ValueError(
        f"expected a whole PNG, received {len(data)} bytes that are none"
    )


def _check_size(data):
    """Refuses a picture by its header, before memory is taken for it."""
    width, height = struct.unpack(">II", data[16:24])
    if width * height > _MAX_PIXELS:
        raise ValueError(
            f"expected a PNG of {_MAX_PIXELS:,} pixels or fewer, received one "
            f"of {width}x{height}"
        )


def read_frame(path):
    """Reads a stored frame, see `decode_frame`.

    Raises:
        ValueError: If the file is no whole PNG; names the file.
        OSError: If the file cannot be read.
    """
    path = pathlib.Path(path)
    try:
        if not path.is_file() or path.stat().st_size > _MAX_BYTES:
            raise ValueError("expected a PNG, received no file or a huge one")
        return decode_frame(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path}: {error}. Extract the film again.") from error
