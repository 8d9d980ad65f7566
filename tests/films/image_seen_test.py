import io
import pathlib
import struct
import subprocess
import sys
import warnings

import cv2
import numpy as np
import PIL.Image
import pytest

from keras_ssc.films import image_seen
from tests.helpers import bad_images
from tests.helpers import drawn_films
from tests.helpers import lying_images
from tests.helpers import tiny_served

FRAME = drawn_films.shot(1, 1)[0]
OVER_BLACK = "it is partly transparent; laid over black"


@pytest.fixture(autouse=True)
def without_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def decoded(data):
    """Returns the picture as it is stored, RGB or grey."""
    return np.array(PIL.Image.open(io.BytesIO(data)))


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("endian", "<>")
def test_picture_is_turned_as_it_says(orientation, endian):
    exif = lying_images.exif(orientation, endian)
    lying = lying_images.lying(FRAME, orientation, exif=exif)
    seen, note = image_seen.as_seen(lying)
    np.testing.assert_array_equal(decoded(seen), FRAME)
    assert note is None and seen.startswith(b"\x89PNG")
    assert image_seen.as_seen(seen)[0] is seen
    # OpenCV reads the tag, too.
    other = cv2.imdecode(np.frombuffer(lying, np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(other[..., ::-1], FRAME)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_jpeg_is_turned_without_another_loss(mode):
    lying = lying_images.lying(FRAME, 6, "JPEG", mode)
    stored = np.array(PIL.Image.open(io.BytesIO(lying)).convert("RGB"))
    seen = decoded(image_seen.as_seen(lying)[0])
    if mode == "L":
        seen = np.stack([seen] * 3, axis=-1)
    np.testing.assert_array_equal(seen, np.rot90(stored, -1))


def test_what_is_after_the_pixels_of_a_png_is_read():
    chunk = bad_images.chunk(b"eXIf", lying_images.exif(3)[6:])
    png = tiny_served.encode(np.ascontiguousarray(FRAME[::-1, ::-1]))
    seen, _ = image_seen.as_seen(png[:-12] + chunk + png[-12:])
    np.testing.assert_array_equal(decoded(seen), FRAME)


def test_deep_and_palette_pictures_are_turned():
    deep = np.arange(96 * 64, dtype=np.uint16).reshape(64, 96) * 10
    file = io.BytesIO()
    PIL.Image.fromarray(np.rot90(deep).copy()).save(
        file, "PNG", exif=lying_images.exif(6)
    )
    seen, _ = image_seen.as_seen(file.getvalue())
    np.testing.assert_array_equal(decoded(seen), deep)
    lying = lying_images.lying(FRAME, 6, mode="P")
    seen, _ = image_seen.as_seen(lying)
    np.testing.assert_array_equal(decoded(seen), np.rot90(decoded(lying), -1))


def unchanged():
    frame = np.ascontiguousarray(FRAME)
    pictures = {
        "png": tiny_served.encode(frame),
        "jpeg": tiny_served.encode(frame, ".jpg"),
        "grey": bad_images.pillow(frame, "L", "PNG"),
        "palette": bad_images.pillow(frame, "P", "PNG"),
        "opaque": lying_images.see_through(frame, 255),
        "opaque grey": lying_images.see_through(frame, 255, "LA"),
        "webp": lying_images.lying(frame, 6, "WebP"),
        "nothing": b"",
        **{name: data for name, (data, _) in bad_images.bad_images().items()},
    }
    whole = lying_images.exif(6)
    text, two = (
        whole.replace(b"\3\0\1\0\0\0", entry)
        for entry in (b"\2\0\1\0\0\0", b"\3\0\2\0\0\0")
    )
    said = {number: lying_images.exif(number) for number in (1, 0, 9, 700)}
    for name, exif in {**said, "text": text, "two": two}.items():
        for form in ("PNG", "JPEG"):
            pictures[f"{form} of orientation {name}"] = bad_images.pillow(
                frame, None, form, exif=exif
            )
    for length in range(6, len(whole) - 6):
        pictures[f"exif of {length} bytes"] = bad_images.pillow(
            frame, None, "JPEG", exif=whole[:length]
        )
    lying = lying_images.lying(frame, 6)
    header = struct.pack(">II", 30000, 30000) + lying[24:29]
    header = bad_images.chunk(b"IHDR", header)
    pictures["lying bomb"] = lying[:8] + header + lying[33:]
    lying = lying_images.lying(frame, 6, "JPEG")
    place = lying.index(b"\xff\xc0") + 5
    large = struct.pack(">HH", 30000, 30000)
    pictures["lying jpeg bomb"] = lying[:place] + large + lying[place + 4 :]
    for cut in (2, 20, len(lying) // 2):
        pictures[f"lying jpeg without {cut} bytes"] = lying[:-cut]
    see_through = lying_images.see_through(frame)
    for cut in (12, 200, len(see_through) // 2):
        pictures[f"see-through without {cut} bytes"] = see_through[:-cut]
    return pictures


@pytest.mark.parametrize(
    "data", [pytest.param(data, id=name) for name, data in unchanged().items()]
)
def test_other_pictures_are_the_same_bytes(data):
    seen, note = image_seen.as_seen(data)
    assert seen is data and note is None


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
@pytest.mark.parametrize("alpha", [0, 128, 254])
def test_transparent_picture_is_laid_over_black(mode, alpha):
    data = lying_images.see_through(FRAME, alpha, mode)
    seen, note = image_seen.as_seen(data)
    assert note == OVER_BLACK
    grey = np.array(PIL.Image.fromarray(FRAME).convert("L"))
    expected = FRAME if mode == "RGBA" else np.stack([grey] * 3, axis=-1)
    expected = expected.astype(float)
    expected[:, :48] *= alpha / 255
    np.testing.assert_allclose(decoded(seen), expected, atol=1)
    assert image_seen.as_seen(seen) == (seen, None)


@pytest.mark.parametrize("mode", ["P", "L", "RGB"])
def test_transparent_colour_is_laid_over_black(mode):
    image = PIL.Image.new("L", (20, 20), 200)
    image.paste(90, (0, 0, 10, 20))
    image = image.convert(mode)
    colour = image.getpixel((0, 0))
    for transparent, expected in ((colour, 0), (None, 90)):
        file = io.BytesIO()
        image.save(file, "PNG", transparency=transparent)
        seen, note = image_seen.as_seen(file.getvalue())
        assert note == (OVER_BLACK if transparent is not None else None)
        rgb = np.array(PIL.Image.open(io.BytesIO(seen)).convert("RGB"))
        assert (rgb[:, :10] == expected).all() and (rgb[:, 10:] == 200).all()


def test_lying_transparent_picture_is_both():
    stored = np.ascontiguousarray(np.rot90(FRAME))
    image = PIL.Image.open(io.BytesIO(lying_images.see_through(stored, 0)))
    file = io.BytesIO()
    image.save(file, "PNG", exif=lying_images.exif(6))
    seen, note = image_seen.as_seen(file.getvalue())
    assert note == OVER_BLACK and decoded(seen).shape == FRAME.shape
    assert not decoded(seen)[:32].any() and decoded(seen)[32:].any()


def test_ordinary_pictures_need_no_pillow(tmp_path):
    for name in ("frame.png", "frame.jpg"):
        data = tiny_served.encode(FRAME, pathlib.Path(name).suffix)
        (tmp_path / name).write_bytes(data)
    code = (
        "import pathlib, sys; from keras_ssc.films import image_seen; "
        "[image_seen.as_seen(x.read_bytes()) for x in "
        "pathlib.Path(sys.argv[1]).iterdir()]; "
        "print({'PIL', 'numpy', 'cv2', 'av', 'tensorflow'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ended.stdout == "set()\n"
