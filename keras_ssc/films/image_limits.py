"""How large an image may be: one rule for files, the page and servers."""

import pathlib

# An image with a smaller side is not a frame of a film.
MIN_SIDE = 10

# An image above is refused by its header, before memory is taken for it: a
# PNG of a few bytes may claim to have more pixels than memory holds.
MAX_PIXELS = 4096 * 4096

# No image of so many pixels takes half as many bytes.
MAX_BYTES = 16 * MAX_PIXELS

RULE = (
    f"{MIN_SIDE} pixels or more on both sides and {MAX_PIXELS} pixels in all "
    "or fewer"
)


def check_size(width, height):
    """Raises `ValueError` if an image's size breaks the rule."""
    if min(width, height) < MIN_SIDE or width * height > MAX_PIXELS:
        raise ValueError(
            f"expected an image of {RULE}, received one of {width}x{height}"
        )


def read_image(path):
    """Reads an image file without decoding or checking what is in it.

    Args:
        path: The file's path.

    Returns:
        Bytes.

    Raises:
        ValueError: If there is no such file, or it is too large for an image.
        OSError: If it cannot be read.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        received = "a folder" if path.is_dir() else "no such file"
        raise ValueError(
            f"Expected the path of a JPEG or PNG file. Received: {path}, "
            f"{received}"
        )
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ValueError(
            f"Expected a JPEG or PNG file. Received: {path}, of {size:,} bytes"
        )
    return path.read_bytes()
