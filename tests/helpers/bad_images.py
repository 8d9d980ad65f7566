"""Bytes that are no image, half of one, or a bomb."""

import io
import struct
import zlib

import numpy as np
import PIL.Image

from tests.helpers import tiny_served


def pillow(frame, mode, form, **options):
    """Encodes a frame after Pillow turned it into another mode."""
    image = PIL.Image.fromarray(frame)
    if mode == "P":
        image = image.quantize(200)
    elif mode in ("RGBA", "LA"):
        image = image.convert(mode)
        image.putalpha(PIL.Image.linear_gradient("L").resize(image.size))
    elif mode:
        image = image.convert(mode)
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def chunk(kind, data):
    """A chunk of a PNG."""
    end = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + end


def png_bomb(side, first=b""):
    """A PNG whose header tells of a side that its data does not have."""
    png = tiny_served.pairs(1)[0][0]
    header = struct.pack(">II", side, side) + png[24:29]
    return png[:8] + first + chunk(b"IHDR", header) + png[33:]


def jpeg_bomb(side):
    jpeg = tiny_served.pairs(1, ".jpg")[0][0]
    place = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:place] + struct.pack(">HH", side, side) + jpeg[place + 4 :]


def bad_images():
    frame = tiny_served.frames(1)[0][0]
    png, jpeg = tiny_served.encode(frame), tiny_served.encode(frame, ".jpg")
    svg = b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>"
    column = tiny_served.encode(np.zeros((10000, 1, 3), np.uint8))
    flat = tiny_served.encode(np.zeros((9, 200, 3), np.uint8), ".jpg")
    dot = tiny_served.encode(np.zeros((1, 1, 3), np.uint8))
    formats = {
        form: pillow(frame, None, form) for form in ("GIF", "WebP", "BMP")
    }
    big_tiff = b"MM\0*" + bytes(100)
    corrupt = "is cut off or corrupt"
    sides = "Expected images of 10 pixels or more on both sides"
    other = "Expected JPEG or PNG images. frame_bytes[1] is"
    return {
        "empty": (b"", f"{other} empty"),
        "text": (b"a film", f"{other} neither JPEG nor PNG"),
        "zeros": (bytes(1000), f"{other} neither JPEG nor PNG"),
        "gif": (formats["GIF"], f"{other} a GIF"),
        "webp": (formats["WebP"], f"{other} a WebP"),
        "bmp": (formats["BMP"], f"{other} a BMP"),
        "tiff": (pillow(frame, None, "TIFF"), f"{other} a TIFF"),
        "big-endian tiff": (big_tiff, f"{other} a TIFF"),
        "svg": (svg, f"{other} an SVG"),
        "svg after a comment": (b"\xef\xbb\xbf<!--\n-->" + svg, "an SVG"),
        "avif": (b"\0\0\0 ftypavif" + bytes(20), "an AVIF, a HEIF or a video"),
        "png half": (png[: len(png) // 2], corrupt),
        "png without end": (png[:-12], corrupt),
        "png in its header": (png[:20], corrupt),
        "png after its header": (png[:33], corrupt),
        "png with a wrong sum": (png[:29] + b"abcd" + png[33:], corrupt),
        "png, its mark alone": (png[:8], corrupt),
        "jpeg half": (jpeg[: len(jpeg) // 2], corrupt),
        "jpeg without end": (jpeg[:-2], corrupt),
        "jpeg in its header": (jpeg[:10], corrupt),
        "jpeg, its mark alone": (jpeg[:3], corrupt),
        "dot": (dot, f"{sides} and 16777216 pixels in all or fewer. "),
        "column": (column, "frame_bytes[1] is 1x10000"),
        "flat": (flat, "frame_bytes[1] is 200x9"),
        "png bomb": (png_bomb(30000), "frame_bytes[1] is 30000x30000"),
        "png bomb, negative": (png_bomb(2**32 - 1), sides),
        "jpeg bomb": (jpeg_bomb(30000), "frame_bytes[1] is 30000x30000"),
        # The decoder would skip the chunk and unpack what follows it.
        "png bomb behind another size": (
            png_bomb(20000, chunk(b"abCd", struct.pack(">II", 96, 64))),
            corrupt,
        ),
    }
