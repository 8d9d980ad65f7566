"""Colours of films -> levels of a plain screen: BT.709 primaries, no HDR.

Sources: SMPTE ST 2084 (PQ), ITU-R BT.2100 (HLG and its system gamma),
BT.2408 (how bright diffuse white is), BT.1886 (the plain screen), H.273 (the
numbers), SMPTE RP 431-2 and EG 432-1 (P3).
"""

import contextlib
import functools

import cv2
import numpy as np
from av.video.reformatter import ColorPrimaries
from av.video.reformatter import ColorTrc

# HDR's levels stand for absolute light. Diffuse white, as paper has it, has so
# much of it, in candelas per square metre.
_WHITE_LIGHT = 203.0

# The screen that HLG is seen on, and the system gamma that belongs to it. It is
# applied to each colour by itself, as FFmpeg's zscale does.
_HLG_LIGHT = 1000.0
_HLG_GAMMA = 1.2

_SCREEN_GAMMA = 2.4

# A stream that does not say its matrix is taken as BT.709 from these sizes on.
_HD_WIDTH, _HD_HEIGHT = 1280, 720

# Matrices as H.273 numbers them: those that the converter knows, with RGB's 0
# among them, and those of plain films and HDR.
_MATRICES = {0, 1, 4, 5, 6, 7, 8, 9, 10}
_BT709_MATRIX, _BT601_MATRIX, _BT2020_MATRIX = 1, 6, 9

# Transfer functions that a plain screen shows well enough as they are.
_PLAIN = {1, 2, 4, 5, 6, 7, 11, 12, 13, 14, 15}

_HDR = {ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67}

# x and y of red, green, blue and white.
_BT709 = ((0.64, 0.33), (0.3, 0.6), (0.15, 0.06), (0.3127, 0.329))
_WIDE = {
    ColorPrimaries.BT2020: (
        *((0.708, 0.292), (0.17, 0.797), (0.131, 0.046)),
        (0.3127, 0.329),
    ),
    ColorPrimaries.SMPTE431: (
        *((0.68, 0.32), (0.265, 0.69), (0.15, 0.06)),
        (0.314, 0.351),
    ),
    ColorPrimaries.SMPTE432: (
        *((0.68, 0.32), (0.265, 0.69), (0.15, 0.06)),
        (0.3127, 0.329),
    ),
}

# Bradford's: how the eye takes another white for white.
_BRADFORD = np.array(
    [
        [0.8951, 0.2664, -0.1614],
        [-0.7502, 1.7135, 0.0367],
        [0.0389, -0.0685, 1.0296],
    ]
)


def _matrix(frame):
    """Says how a frame's luma and chroma were made of its colours.

    Where the stream does not say it, or says nonsense, HDR has BT.2020's
    matrix, and plain films have that of their size.
    """
    known = frame.colorspace
    if known in _MATRICES and not (known == 0 and not frame.format.is_rgb):
        return known
    if frame.color_trc in _HDR:
        return _BT2020_MATRIX
    is_hd = frame.width >= _HD_WIDTH or frame.height >= _HD_HEIGHT
    return _BT709_MATRIX if is_hd else _BT601_MATRIX


@contextlib.contextmanager
def tagged_for_pyav(frame):
    """Tags a frame so that PyAV converts its matrix and range, and no more.

    By the transfer function and the primaries, some of PyAV's versions convert
    in a way of their own, and refuse those that they do not know.
    """
    tags = frame.colorspace, frame.color_trc, frame.color_primaries
    frame.colorspace = _matrix(frame)
    frame.color_trc = ColorTrc.UNSPECIFIED
    frame.color_primaries = ColorPrimaries.UNSPECIFIED
    try:
        yield
    finally:
        frame.colorspace, frame.color_trc, frame.color_primaries = tags


def needs_conversion(frame):
    """Says whether a frame's levels are not those of a plain screen."""
    return frame.color_trc in _HDR or frame.color_primaries in _WIDE


def note(frame):
    """Says what is not known of a frame's colours; empty if all is."""
    if frame.color_trc in _PLAIN or frame.color_trc in _HDR:
        return ""
    return (
        f"its transfer function, number {frame.color_trc} of H.273, is not "
        "known here: its levels are shown as those of a plain film"
    )


def on_plain_screen(levels, frame):
    """Converts a frame's levels to those that look alike on a plain screen.

    What is brighter than diffuse white, or more colourful than the screen, is
    clipped.

    Args:
        levels: uint16 array (height, width, 3), RGB, full range.
        frame: The `av.VideoFrame` they are of.

    Returns:
        uint8 array of the same shape, RGB.
    """
    transfer = ColorTrc(frame.color_trc) if frame.color_trc in _HDR else None
    primaries = frame.color_primaries
    if primaries not in _WIDE and transfer is not None:
        primaries = ColorPrimaries.BT2020  # HDR that does not say its own
    light = cv2.LUT(levels, _light(transfer))
    light = cv2.transform(light, _to_bt709(primaries))
    # A table of roots: as fine in the dark as the screen's own curve.
    roots = cv2.sqrt(np.clip(light, 0, 1, out=light))
    return cv2.LUT((roots * 65535).astype(np.uint16), _screen_levels())


@functools.cache
def _light(transfer):
    """Returns each 16-bit level's light; 1 is diffuse white."""
    level = np.arange(65536) / 65535
    if transfer == ColorTrc.SMPTE2084:
        root = level ** (32 / 2523)
        light = (
            np.maximum(root - 107 / 128, 0) / (2413 / 128 - 2392 / 128 * root)
        ) ** (8192 / 1305)
        light *= 10_000 / _WHITE_LIGHT
    elif transfer == ColorTrc.ARIB_STD_B67:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        light = np.where(
            level <= 0.5, level**2 / 3, (np.exp((level - c) / a) + b) / 12
        )
        light = _HLG_LIGHT / _WHITE_LIGHT * light**_HLG_GAMMA
    else:
        light = level**_SCREEN_GAMMA
    return light.astype(np.float32)


@functools.cache
def _screen_levels():
    root = np.arange(65536) / 65535
    return np.round(255 * root ** (2 / _SCREEN_GAMMA)).astype(np.uint8)


@functools.cache
def _to_bt709(primaries):
    """Returns the matrix from light of these primaries to BT.709's."""
    white = _xyz(_WIDE[primaries][3])
    adapt = np.diag((_BRADFORD @ _xyz(_BT709[3])) / (_BRADFORD @ white))
    adapt = np.linalg.inv(_BRADFORD) @ adapt @ _BRADFORD
    wide = adapt @ _to_xyz(_WIDE[primaries])
    return (np.linalg.inv(_to_xyz(_BT709)) @ wide).astype(np.float32)


def _to_xyz(chromaticities):
    colours = np.stack([_xyz(xy) for xy in chromaticities[:3]], axis=1)
    return colours * np.linalg.solve(colours, _xyz(chromaticities[3]))


def _xyz(chromaticity):
    x, y = chromaticity
    return np.array([x / y, 1, (1 - x - y) / y])
