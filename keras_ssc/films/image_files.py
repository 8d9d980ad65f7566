"""Frames as PNG files."""

import struct

import cv2
import numpy as np

from keras_ssc.films import file_kinds
from keras_ssc.films import image_limits


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
        ValueError: If the bytes are not a PNG, or a damaged one.
    """
    # OpenCV fills what a cut file lacks with grey, without an error, so the
    # chunk that ends every PNG is looked for first.
    is_whole = data.rstrip(b"\0").endswith(file_kinds.PNG_END)
    if data.startswith(file_kinds.PNG) and is_whole:
        image_limits.check_size(*struct.unpack(">II", data[16:24]))
        array = np.frombuffer(data, np.uint8)
        frame = cv2.imdecode(array, cv2.IMREAD_COLOR)
        if frame is not None:
            return cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
    raise ValueError(f"expected a whole PNG, received {len(data)} other bytes")


def read_frame(path):
    """Reads a stored frame, see `decode_frame`.

    Raises:
        ValueError: If the file is not a whole PNG; names the file.
        OSError: If the file cannot be read.
    """
    data = image_limits.read_image(path)
    try:
        return decode_frame(data)
    except ValueError as error:
        raise ValueError(f"{path}: {error}. Extract the film again.") from error
