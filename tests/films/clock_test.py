"""Times of frames: as players count them, from the start of the file."""

import fractions

import av
import numpy as np
import pytest

from keras_ssc.films import frame_index
from tests.helpers import drawn_films

RATE, DELAY = 24, 3


def with_sound(path, ticks, options=None, muxer=None):
    """Writes a film whose sound starts at 0; pictures at 24ths of a second."""
    with av.open(path, "w", options=muxer or {}) as film:
        video = film.add_stream(
            "libx264", rate=RATE, options={"bf": "2", **(options or {})}
        )
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sound = film.add_stream("aac", rate=8000, layout="mono")
        for place in range(ticks[-1] * 8000 // RATE // 1024 + 1):
            samples = np.zeros((1, 1024), np.float32)
            frame = av.AudioFrame.from_ndarray(samples, "fltp", "mono")
            frame.sample_rate, frame.pts = 8000, 1024 * place
            film.mux(sound.encode(frame))
        for number, tick in enumerate(ticks):
            picture = np.full((48, 64, 3), 3 * number % 250, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts, frame.time_base = tick, fractions.Fraction(1, RATE)
            film.mux(video.encode(frame))
        film.mux(video.encode(None))
        film.mux(sound.encode(None))
    return path


def shown_from(path, seconds):
    """What FFmpeg shows first from a time on: ffmpeg -ss counts so, too."""
    with av.open(path) as film:
        start = film.start_time / 1_000_000
        times = [frame.time - start for frame in film.decode(video=0)]
    return min(time for time in times if time >= seconds - 1e-6)


@pytest.mark.parametrize("name", ["film.mkv", "film.mp4", "film.ts"])
@pytest.mark.parametrize("delay", [0, DELAY])
def test_times_count_from_the_file_s_start(tmp_path, name, delay):
    ticks = [RATE * delay + number for number in range(72)]
    path = with_sound(tmp_path / name, ticks)
    index = frame_index.index_frames(path)
    # Sound may start with up to two frames of its own.
    np.testing.assert_allclose(
        index.seconds, np.array(ticks) / RATE, rtol=0, atol=0.3
    )
    later = delay + 1.0
    first = np.searchsorted(index.seconds, later)
    shown = shown_from(path, later)
    assert index.seconds[first] == pytest.approx(shown, abs=2e-3)
    assert index.length_seconds == pytest.approx(72 / RATE, abs=2e-3)


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_empty_chunks_of_an_avi_take_their_time(tmp_path, codec):
    # Two seconds, a hole of five, two seconds of which every fourth frame is
    # left out: an AVI holds nothing but the frames' order, and empty chunks.
    ticks = [*range(48), *(n for n in range(168, 216) if n % 4)]
    pictures = drawn_films.shot(1, len(ticks))
    path = drawn_films.write_film(
        tmp_path / "film.avi",
        pictures,
        codec=codec,
        options={"bf": "2", "g": "30"},
        ticks=ticks,
    )
    index = frame_index.index_frames(path)
    assert index.num_frames == len(ticks)
    np.testing.assert_allclose(index.seconds, np.array(ticks) / RATE, atol=1e-6)
    assert index.end_seconds == pytest.approx(9)
    assert index.notes == ()


def test_time_stamps_that_jump_back_are_told(tmp_path):
    one = drawn_films.write_film(tmp_path / "one.ts", drawn_films.shot(1, 48))
    path = tmp_path / "film.ts"
    path.write_bytes(2 * one.read_bytes())
    index = frame_index.index_frames(path)
    assert index.notes == (
        "its time stamps jump back: its frames are counted on",
    )
    np.testing.assert_allclose(index.seconds, np.arange(96) / RATE, atol=0.05)


def test_frames_without_time_stamps_are_counted_and_told(tmp_path):
    path = drawn_films.write_film(
        tmp_path / "film.h264", drawn_films.shot(1, 48)
    )
    index = frame_index.index_frames(path)
    assert index.notes == (
        "it has no usable time stamps: its frames are counted",
    )
    np.testing.assert_allclose(index.seconds, np.arange(48) / RATE, atol=1e-6)
