"""Everything that a film can be, and what a user gets for it."""

import json
import os
import pathlib
import subprocess
import sys

import av
import cv2
import numpy as np
import pytest

from keras_ssc import predict
from keras_ssc import tasks
from keras_ssc.errors import VideoError
from keras_ssc.films import film_files
from keras_ssc.films import film_process
from keras_ssc.films import film_reader
from keras_ssc.genres import REPORT_GENRES
from keras_ssc.prediction import predictor
from tests.helpers import drawn_films

# Two shots of a moving camera: no two frames are alike.
CUT, NUM_FRAMES = 12, 24
FRAMES = [
    np.ascontiguousarray(frame)
    for number in (1, 2)
    for frame in drawn_films.shot(number, CUT, speed=3)
]

UNEVEN = np.cumsum([0, *(1 + np.arange(NUM_FRAMES - 1) ** 2 % 5)])

# How each film is written.
FILMS = {
    "1 a second.mp4": {"rate": 1},
    "240 a second.mp4": {"rate": 240},
    "variable rate.mp4": {"ticks": UNEVEN},
    "10 bit HDR.mkv": {
        "codec": "libx265",
        "options": {"crf": "12", "x265-params": "log-level=none"},
        "pix_fmt": "yuv420p10le",
        "colours": (9, 18, 9),
    },
    "interlaced.mkv": {"options": {"x264-params": "interlaced=1"}},
    "interlaced.ts": {
        "codec": "mpeg2video",
        "options": {"flags": "+ildct+ilme", "b": "3000k", "bf": "2"},
    },
    "on its side.mp4": {},
    "cover.mp4": {},
    "봄날 'the' \"film\" 100%.mp4": {},
}


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """A folder of good films."""
    folder = tmp_path_factory.mktemp("films")
    for name, settings in FILMS.items():
        drawn_films.write_film(folder / name, FRAMES, **settings)
    lie_on_its_side(folder / "on its side.mp4")
    add_cover(folder / "cover.mp4")
    return folder


def lie_on_its_side(path):
    """Stores a film as a telephone does that was held upright."""
    turned = path.with_name("turned.mp4")
    stored = [np.ascontiguousarray(np.rot90(frame, -1)) for frame in FRAMES]
    drawn_films.write_film(turned, stored)
    drawn_films.copy_film(turned, path, rotation=90)
    turned.unlink()


def add_cover(path):
    """Gives a film a cover as its second video track."""
    plain = path.rename(path.with_name("plain.mp4"))
    with av.open(plain) as film, av.open(path, "w") as container:
        stream = container.add_stream_from_template(film.streams.video[0])
        picture = np.full((320, 320, 3), 200, np.uint8)
        drawn_films.add_cover(container, picture)
        for packet in film.demux(film.streams.video[0]):
            if packet.size:
                packet.stream = stream
                container.mux(packet)
    plain.unlink()


@pytest.fixture
def asked():
    """What answers; the first genre's score is how bright a frame is."""

    def ask(frame, next_frame):
        share = frame.mean(axis=(1, 2, 3)) / 255
        others = np.repeat(
            (1 - share)[:, None] / 5, len(REPORT_GENRES) - 1, axis=1
        )
        scores = np.column_stack([share, others]).astype(np.float32)
        return scores, np.zeros(len(frame), np.float32), None

    return predictor.Predictor("bright", ask, (270, 480), lambda: tasks.REPORT)


def shown(picture):
    """Says which of FRAMES a stored picture shows."""
    small = cv2.resize(picture, drawn_films.SIZE, interpolation=cv2.INTER_AREA)
    return int(np.argmin([cv2.absdiff(small, x).mean() for x in FRAMES]))


@pytest.mark.parametrize("name", FILMS)
def test_shots_and_pairs_are_found_at_their_times(films, name):
    settings = FILMS[name]
    ticks = settings.get("ticks", np.arange(NUM_FRAMES))
    times = ticks / settings.get("rate", 24)
    read = list(
        film_reader.read_film(
            films / name, film_reader.Plan(every=times[-1] / 200)
        )
    )
    shots = [item for item in read if isinstance(item, film_reader.Shot)]
    pairs = [item for item in read if isinstance(item, film_reader.Pair)]
    assert [shot.start_seconds for shot in shots] == pytest.approx(
        [0, times[CUT]], abs=0.00101
    )
    assert shots[0].end_seconds == shots[1].start_seconds
    # The next frame is the one about 1/24 s later.
    stride = max(1, settings.get("rate", 24) // 24)
    numbers = [shown(pair.frame) for pair in pairs]
    assert numbers == [
        *range(CUT - stride),
        *range(CUT, NUM_FRAMES - stride),
    ]
    assert [shown(pair.next_frame) - stride for pair in pairs] == numbers
    assert [pair.seconds for pair in pairs] == pytest.approx(
        times[numbers], abs=0.00101
    )


def test_ten_films_one_of_them_bad(films, asked, monkeypatch, capsys):
    (films / "text.mp4").write_text("no film")
    monkeypatch.setattr(predictor, "load", lambda *arguments: asked)
    arguments = ["predict", "model", str(films), "--pairs", "4", "--json"]
    monkeypatch.setattr(sys, "argv", arguments)
    assert predict.main() == 1
    out, err = capsys.readouterr()
    said = json.loads(out)
    paths = [pathlib.Path(each["path"]) for each in said["predictions"]]
    assert sorted(path.name for path in paths) == sorted(FILMS)
    assert len(FILMS) == 9
    (error,) = said["errors"]
    assert error["path"] == str(films / "text.mp4")
    assert err.count("error: ") == err.count("\n") == 1


def test_folder_names_what_is_no_file_in_it(films, tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "broken.mp4").symlink_to("nowhere.mp4")
    (tmp_path / "link.mp4").symlink_to(films / "cover.mp4")
    (tmp_path / "folder").mkdir()
    found, left_aside = film_files.list_films([tmp_path])
    assert [path.name for path in found] == [
        *("broken.mp4", "link.mp4", "pipe.mp4")
    ]
    assert left_aside == []


def test_name_that_is_no_text_is_printed(tmp_path):
    path = os.fsencode(tmp_path) + b"/\xff.mp4"
    program = (
        "import json, sys; from keras_ssc import command; command.run("
        "lambda: print(json.dumps(sys.argv[1], ensure_ascii=False)))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, path],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"},
    )
    assert ended.returncode == 0, ended.stderr
    assert os.fsencode(json.loads(ended.stdout)) == path


def test_link_to_a_film_is_that_film(films, tmp_path, asked):
    path = tmp_path / "link.mp4"
    path.symlink_to(films / "1 a second.mp4")
    found = asked.predict_film(path, film_reader.Plan(4))
    assert found.seconds == NUM_FRAMES and len(found.shots) == 2


def test_still_image_has_a_verdict(asked, tmp_path):
    path = drawn_films.write_film(tmp_path / "still.mp4", FRAMES[:1] * 48)
    found = asked.predict_film(path, film_reader.Plan(6))
    assert len(found.shots) == 1 and found.num_pairs == 6
    assert found.scores[REPORT_GENRES[0]] == pytest.approx(
        FRAMES[0].mean() / 255, abs=0.02
    )


def test_film_cut_short_has_a_verdict_of_what_is_there(asked, tmp_path):
    path = drawn_films.write_film(
        tmp_path / "short.mkv", FRAMES, options={"g": "1", "crf": "12"}
    )
    os.truncate(path, path.stat().st_size * 2 // 3)
    found = asked.predict_film(path, film_reader.Plan(12))
    assert [shot.start_seconds for shot in found.shots] == [0, 0.5]
    assert 0.5 < found.seconds < 0.9


@pytest.mark.parametrize("size", [(2, 2), (8, 8), (640, 10)])
def test_tiny_and_narrow_films_have_a_verdict(asked, tmp_path, size):
    frames = [cv2.resize(frame, size) for frame in FRAMES[:CUT]]
    path = drawn_films.write_film(tmp_path / "tiny.mp4", frames)
    assert asked.predict_film(path, film_reader.Plan(2)).num_pairs >= 1


def one_frame(path):
    drawn_films.write_film(path, FRAMES[:1])


def all_black(path):
    drawn_films.write_film(path, [np.zeros_like(FRAMES[0])] * NUM_FRAMES)


# Of files that are no film, `frame_reading_test` has more.
BAD = {
    "one frame": (one_frame, "a single frame"),
    "black": (all_black, "4 blank"),
    "zero": (lambda path: path.symlink_to("/dev/zero"), "not a file"),
    "pipe": (os.mkfifo, "not a file"),
}


@pytest.mark.parametrize("make, words", [*BAD.values()], ids=[*BAD])
def test_what_cannot_be_judged_is_one_named_error(
    asked, tmp_path, capfd, make, words
):
    path = tmp_path / "film.mp4"
    make(path)
    with pytest.raises(VideoError, match=words) as caught:
        asked.predict_film(path, film_reader.Plan(4))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


@pytest.fixture(scope="module")
def huge(tmp_path_factory):
    """A film of 8K."""
    picture = cv2.resize(drawn_films.place(1), (7700, 4320))
    frames = [
        np.ascontiguousarray(picture[:, start : start + 7680])
        for start in (0, 8, 16)
    ]
    return drawn_films.write_film(
        tmp_path_factory.mktemp("huge") / "8K.mp4",
        frames,
        options={"preset": "ultrafast"},
    )


def test_8k_has_a_verdict(asked, huge):
    found = asked.predict_film(huge, film_reader.Plan(2))
    assert len(found.shots) == 1 and found.num_pairs == 2


# What goes wrong first differs; FFmpeg's H.264 may take it for damage.
TOO_MUCH = {
    "decoder": (
        "size = open('/proc/self/statm').read().split()[0]; "
        "film_process._MAX_MEMORY = 4096 * int(size) + 2**26; ",
        "needs more memory|none of its pictures",
    ),
    "array": (
        "film_reader.read_in_process = lambda *_: np.zeros(2**34, np.uint8); ",
        "needs more memory",
    ),
    "OpenCV": (
        "picture = np.zeros((8, 8), np.uint8); "
        "film_reader.read_in_process = "
        "lambda *_: cv2.resize(picture, (2**17, 2**17)); ",
        "needs more memory",
    ),
}


@pytest.mark.parametrize("change, words", TOO_MUCH.values(), ids=TOO_MUCH)
def test_film_that_takes_all_memory_is_named(
    huge, monkeypatch, capfd, change, words
):
    program = "import sys, cv2, numpy as np; "
    program += "from keras_ssc.films import film_process, film_reader"
    monkeypatch.setattr(
        film_process,
        "_PROGRAM",
        f"{program}; {change}film_process.work(*sys.argv[1:])",
    )
    with pytest.raises(VideoError, match=rf"8K\.mp4: ({words})"):
        list(film_reader.read_film(huge))
    assert capfd.readouterr() == ("", "")
