"""Frames made so small that looking at all of a film costs next to nothing.

They are made of the planes as they were decoded, without a conversion to RGB:
light and colours are told apart as well in them, and shots by both.
"""

import cv2
import numpy as np

# Width and height of a thumbnail, and of its finer luma.
SIZE = (32, 18)
LUMA_SIZE = (64, 36)

# Rows of a block that are averaged; of higher ones, rows between these say the
# same.
_ROWS = 4


def of(frame, reformatter):
    """Makes a thumbnail of a decoded frame.

    Args:
        frame: An `av.VideoFrame`.
        reformatter: A `VideoReformatter` of the thread that this runs in.

    Returns:
        A tuple: uint8 array (36, 64), luma; and uint8 array (3, 18, 32), luma,
        Cb and Cr. Levels are those of the file: black is 16 or 0.
    """
    described = frame.format
    bits = described.components[0].bits
    if (
        described.is_rgb
        or described.is_big_endian
        or not 8 <= bits <= 16
        # Chroma beside luma, or beside each other, is not read here.
        or len(frame.planes) != len(described.components)
    ):
        frame = reformatter.reformat(
            frame, *LUMA_SIZE, format="yuv420p", interpolation="AREA"
        )
        bits = 8
    luma, *chroma = (_levels(plane, bits) for plane in frame.planes[:3])
    luma = shrunk(luma, LUMA_SIZE, bits)
    if chroma:
        chroma = [shrunk(plane, SIZE, bits) for plane in chroma]
    else:
        chroma = [np.full(SIZE[::-1], 128, np.uint8)] * 2
    return luma, np.stack([shrunk(luma, SIZE), *chroma])


def _levels(plane, bits):
    kind = np.uint8 if bits == 8 else np.dtype("<u2")
    rows = np.frombuffer(plane, kind).reshape(plane.height, -1)
    return rows[:, : plane.width]


def shrunk(plane, size, bits=8):
    """Returns the means over equal blocks of a plane; its rim is left out.

    Args:
        plane: uint8 or uint16 array (height, width).
        size: Tuple of integers, (width, height) of the result.
        bits: Integer, how many bits of a level are in use.

    Returns:
        uint8 array (height, width).
    """
    height, width = plane.shape
    rows, columns = height // size[1], width // size[0]
    if rows and columns:
        # Whole blocks: the mean over parts of pixels costs ten times as much.
        step = max(rows // _ROWS, 1)
        rows -= rows % step
        top = (height - rows * size[1]) // 2
        left = (width - columns * size[0]) // 2
        plane = plane[
            top : top + rows * size[1] : step, left : left + columns * size[0]
        ]
    small = cv2.resize(plane, size, interpolation=cv2.INTER_AREA)
    return (small >> (bits - 8)).astype(np.uint8)
