import pytest

from keras_ssc.films import file_kinds
from tests.helpers import bad_images
from tests.helpers import tiny_served

REFUSED = "Expected JPEG or PNG images. frame_bytes[1] is "


@pytest.mark.parametrize("name", bad_images.bad_images())
def test_image_is_what_a_served_model_says(name):
    data, said = bad_images.bad_images()[name]
    kind = file_kinds.image_kind(data)
    if said.startswith(REFUSED):
        assert kind == said.removeprefix(REFUSED)
    else:
        assert kind in ("JPEG", "PNG") or kind == said


def test_frames_are_known():
    frame = tiny_served.frames(1)[0][0]
    for suffix, kind in ((".png", "PNG"), (".jpg", "JPEG")):
        data = tiny_served.encode(frame, suffix)
        assert file_kinds.image_kind(data) == kind


@pytest.mark.parametrize(
    "suffix",
    [
        *("mp4", "mkv", "webm", "mov", "avi", "flv", "wmv", "asf", "ogv"),
        *("ogg", "ts", "m2ts", "mts", "mpg", "mpeg", "vob", "m4v", "mxf"),
        *("nut", "rm", "rmvb", "dv", "gxf", "wtv", "3gp", "divx", "f4v"),
        *("h264", "hevc", "ivf", "vc1", "iso", "unknown"),
    ],
)
def test_films_and_what_may_be_one_are_not_left_aside(suffix):
    for name in (f"film.{suffix}", f"FILM.{suffix.upper()}", "film"):
        assert not file_kinds.is_no_film(name)
        assert not file_kinds.is_picture(name)


@pytest.mark.parametrize(
    "name",
    [
        *("film.srt", "film.en.SRT", "film.nfo", "Thumbs.db", "poster.JPG"),
        *("film.mp4.part", "film.mkv.crdownload", "sound.mp3", "films.zip"),
    ],
)
def test_what_is_no_film_by_its_name(name):
    assert file_kinds.is_no_film(name)


def test_pictures_are_no_films():
    for name in ("a.png", "a.jpg", "a.JPEG", "a.webp", "a.gif", "a.heic"):
        assert file_kinds.is_picture(name) and file_kinds.is_no_film(name)
