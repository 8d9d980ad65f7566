"""Images whose stored picture is not what people see of it."""

import io

import numpy as np
import PIL.Image

from tests.helpers import bad_images

# How a picture lies in its file under each EXIF orientation.
LYING = {
    1: lambda frame: frame,
    2: lambda frame: frame[:, ::-1],
    3: lambda frame: frame[::-1, ::-1],
    4: lambda frame: frame[::-1],
    5: lambda frame: frame.swapaxes(0, 1),
    6: lambda frame: np.rot90(frame),
    7: lambda frame: frame[::-1, ::-1].swapaxes(0, 1),
    8: lambda frame: np.rot90(frame, -1),
}


def exif(orientation, endian="<"):
    """Returns EXIF that says an orientation, as the bytes of a file."""
    said = PIL.Image.Exif()
    said.endian = endian
    said[0x112] = orientation
    return said.tobytes()


def lying(frame, orientation, form="PNG", mode="RGB", **options):
    """Encodes a frame so that it is upright under an orientation."""
    stored = np.ascontiguousarray(LYING[orientation](frame))
    options = {"exif": exif(orientation), **options}
    return bad_images.pillow(stored, mode, form, **options)


def see_through(frame, alpha=128, mode="RGBA", form="PNG"):
    """Encodes a frame whose left half is transparent."""
    image = PIL.Image.fromarray(frame).convert(mode)
    mask = np.full(frame.shape[:2], 255, np.uint8)
    mask[:, : frame.shape[1] // 2] = alpha
    image.putalpha(PIL.Image.fromarray(mask))
    file = io.BytesIO()
    image.save(file, form)
    return file.getvalue()
