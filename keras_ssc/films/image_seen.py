"""An image as people see it: upright, and without transparency.

Decoders drop both: they give the picture as it is stored, and the colours that
lie hidden behind transparency.
"""

import io
import re
import threading
import warnings

from keras_ssc.films import image_limits
from keras_ssc.films.file_kinds import PNG
from keras_ssc.films.file_kinds import PNG_END

# An entry of EXIF, of one number, that says another orientation than upright.
_LYING = re.compile(
    rb"\x12\x01\x03\0\x01\0\0\0[\x02-\x08]\0|\x01\x12\0\x03\0\0\0\x01\0[\x02-\x08]"
)
_EXIF_BYTES = 2**16

# One picture at a time: each can take hundreds of megabytes, and what hides
# warnings does so for all threads.
_LOCK = threading.Lock()


def as_seen(data):
    """Makes an image's stored picture the one that people see.

    An ordinary image, and what is no image, is looked at and not decoded.

    Args:
        data: Bytes of an image file.

    Returns:
        A tuple (data, note): the same bytes object if there is nothing to do,
        else a PNG of the picture, turned upright as EXIF says and laid over
        black where it is transparent; and what is to be told of it, a string
        such as `it is ...`, or None.
    """
    is_lying, may_show_through = _looks_lying(data), _looks_see_through(data)
    if not (is_lying or may_show_through):
        return data, None
    # Only now: hardly any frame of a film is one of these.
    from PIL import Image

    with _LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of EXIF that is cut off, of size
        try:
            file = io.BytesIO(data)
            with Image.open(file, formats=("JPEG", "PNG")) as image:
                image_limits.check_size(*image.size)
                return _as_seen(image, may_show_through) or (data, None)
        # As many kinds as images can be broken in ways. The model's decoder
        # says what is wrong.
        except Exception:
            return data, None


def _looks_lying(data):
    mark = b"eXIf" if data.startswith(PNG) else b"Exif\0\0"
    place = data.find(mark)
    return place >= 0 and bool(
        _LYING.search(data, place, place + _EXIF_BYTES) and _is_whole(data)
    )


def _looks_see_through(data):
    if not data.startswith(PNG):
        return False
    depth, colours = data[24:25], data[25:26]
    has_alpha = colours in (b"\x04", b"\x06")
    # One transparent colour of 16 bits is not found in 8.
    header = data[: data.find(b"IDAT")]
    has_colour = depth <= b"\x08" and b"tRNS" in header
    return (has_alpha or has_colour) and _is_whole(data)


def _is_whole(data):
    # Pillow does not miss the end of a PNG; the model's decoder does.
    return not data.startswith(PNG) or PNG_END in data


def _as_seen(image, may_show_through):
    """Returns what `as_seen` does; None if there is nothing to do."""
    from PIL import ExifTags
    from PIL import Image
    from PIL import ImageOps

    image.load()
    orientation = image.getexif().get(ExifTags.Base.Orientation)
    is_lying, note = orientation in range(2, 9), None
    if is_lying:
        image = ImageOps.exif_transpose(image)
    if may_show_through:
        clear = image.convert("RGBA")
        if clear.getextrema()[-1][0] < 255:
            image = Image.new("RGB", image.size)
            image.paste(clear, mask=clear)
            note = "it is partly transparent; laid over black"
    if not (is_lying or note):
        return None
    if image.mode == "CMYK":
        image = image.convert("RGB")
    # Profiles and the like: what decodes it next would stumble over them.
    image.info.clear()
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)
    return file.getvalue(), note
