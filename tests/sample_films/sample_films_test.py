import csv
import fractions
import os
import pathlib
import signal
import subprocess
import sys
import time

import av
import cv2
import numpy as np
import pytest

from keras_ssc import command
from keras_ssc.genres import REPORT_GENRES
from keras_ssc.sample_films import STYLES
from keras_ssc.sample_films import draw_sample_films
from keras_ssc.sample_films import filming
from keras_ssc.sample_films import films
from keras_ssc.sample_films import main

B_FRAME = int(av.video.frame.PictureType.B)
SECONDS, SIZE, FRAMES = 1.5, (96, 54), 36
TWINS = (("action", "romance"), ("science_fiction", "horror"))


@pytest.fixture(scope="module")
def films_csv(tmp_path_factory):
    return _draw(tmp_path_factory.mktemp("films"), workers=2)


@pytest.fixture(scope="module")
def rows(films_csv):
    return _rows(films_csv)


@pytest.fixture(scope="module")
def frames(films_csv, rows):
    """Returns all frames of each film, by its path in the list."""
    return {path: _decode(films_csv.parent / path) for path in _paths(rows)}


@pytest.fixture(scope="module")
def cuts(films_csv):
    found = {}
    for row in _rows(films_csv.parent / "cuts.csv"):
        found.setdefault(row["path"], []).append(int(row["frame_number"]))
    return found


def _draw(out, workers=1, seed=0):
    return draw_sample_films(
        out,
        films_per_genre=2,
        seconds=SECONDS,
        size=SIZE,
        seed=seed,
        workers=workers,
        progress=False,
    )


def _rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _paths(rows, genre=None):
    """Returns each film's path once, in the order of the list."""
    return list(
        dict.fromkeys(
            row["path"] for row in rows if genre in (None, row["genre"])
        )
    )


def _decode(path):
    with av.open(str(path)) as container:
        pictures = container.decode(video=0)
        return [picture.to_ndarray(format="rgb24") for picture in pictures]


def _magnitude(frame, next_frame):
    grey, next_grey = (
        cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        for picture in (frame, next_frame)
    )
    flow = cv2.calcOpticalFlowFarneback(
        grey, next_grey, None, 0.5, 3, 15, 3, 5, 1.2, 0
    )
    return float(np.hypot(flow[..., 0], flow[..., 1]).mean())


def _magnitudes(frames, cuts):
    """Returns the motion into each frame that no cut leads to."""
    return {
        number: _magnitude(frames[number - 1], frames[number])
        for number in range(1, len(frames))
        if number not in cuts
    }


def _bytes(folder):
    return {
        path.relative_to(folder): path.read_bytes()
        for path in sorted(pathlib.Path(folder).rglob("*"))
        if path.is_file()
    }


def _seconds(timecode):
    hours, minutes, seconds = timecode.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def test_films_are_readable_h264_of_the_asked_length(films_csv, rows):
    for path in _paths(rows):
        with av.open(str(films_csv.parent / path)) as container:
            stream = container.streams.video[0]
            assert stream.codec_context.name == "h264"
            assert stream.average_rate == 24
            assert stream.pix_fmt == "yuv420p"
            pictures = list(container.decode(video=0))
            assert any(picture.pict_type == B_FRAME for picture in pictures)
        assert len(pictures) == FRAMES
        assert {(picture.width, picture.height) for picture in pictures} == {
            SIZE
        }
        times = [picture.time for picture in pictures]
        assert np.allclose(times, np.arange(FRAMES) / 24, atol=1e-3)


def test_list_has_every_genre_in_both_splits_and_no_film_twice(rows):
    columns = ["film", "genre", "split", "path", "start", "end"]
    assert list(rows[0]) == columns
    assert {(row["genre"], row["split"]) for row in rows} == {
        (genre, split) for genre in REPORT_GENRES for split in ("train", "test")
    }
    splits_of_film = {}
    for row in rows:
        splits_of_film.setdefault(row["film"], set()).add(row["split"])
        assert row["path"] == f"{row['genre']}/{row['film']}.mp4"
    assert len(splits_of_film) == 2 * len(REPORT_GENRES)
    assert all(len(splits) == 1 for splits in splits_of_film.values())


@pytest.mark.parametrize(
    ("films_per_genre", "splits"),
    [
        (2, ["train", "test"]),
        (3, ["train", "validation", "test"]),
        (5, ["train", "train", "train", "validation", "test"]),
    ],
)
def test_last_films_of_each_genre_are_held_out(
    tmp_path, monkeypatch, films_per_genre, splits
):
    # What is listed does not depend on what is drawn.
    monkeypatch.setattr(films, "_draw_films", lambda *arguments: None)
    rows = _rows(draw_sample_films(tmp_path, films_per_genre))
    for genre in REPORT_GENRES:
        split_of = {
            row["film"]: row["split"] for row in rows if row["genre"] == genre
        }
        assert list(split_of.values()) == splits


def test_scenes_lie_inside_their_film_and_do_not_overlap(rows):
    two_scenes = 0
    for path in _paths(rows):
        scenes = [row for row in rows if row["path"] == path]
        if len(scenes) == 1:
            assert scenes[0]["start"] == scenes[0]["end"] == ""
            continue
        two_scenes += 1
        times = [
            _seconds(row[column])
            for row in scenes
            for column in ("start", "end")
        ]
        assert times == sorted(set(times))
        assert times[0] == 0 and times[-1] == SECONDS
    assert two_scenes == len(REPORT_GENRES)


def test_cuts_are_where_the_list_says_and_nowhere_else(frames, cuts):
    for path, pictures in frames.items():
        grey = [
            cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(float)
            for picture in pictures
        ]
        new = set(cuts[path])
        assert len(new) == len(cuts[path]) >= 2
        flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        columns, lines = np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1]))
        changes = {}
        for number in range(1, FRAMES):
            before, after = grey[number - 1 : number + 1]
            motion = flow.calc(
                after.astype(np.uint8), before.astype(np.uint8), None
            )
            carried = cv2.remap(
                before.astype(np.float32),
                (columns + motion[..., 0]).astype(np.float32),
                (lines + motion[..., 1]).astype(np.float32),
                cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REPLICATE,
            )
            changes[number] = np.abs(after - carried).mean()
        inside = max(changes[n] for n in changes if n not in new)
        assert min(changes[n] for n in new) > inside, path


@pytest.mark.parametrize(("fast", "slow"), TWINS)
def test_twins_look_alike_and_move_differently(rows, frames, cuts, fast, slow):
    pairs = zip(_paths(rows, fast), _paths(rows, slow), strict=True)
    for fast_path, slow_path in pairs:
        assert cuts[fast_path] == cuts[slow_path]
        shots = np.split(np.arange(FRAMES), cuts[fast_path])
        for shot in shots:
            colours = [
                np.mean([frames[path][n] for n in shot], axis=(0, 1, 2))
                for path in (fast_path, slow_path)
            ]
            assert np.abs(colours[0] - colours[1]).max() < 12
        slowest, fastest = (
            _magnitudes(frames[path], cuts[path]).values()
            for path in (fast_path, slow_path)
        )
        assert min(slowest) > 2 * max(fastest)


def test_worlds_look_different(rows, frames):
    brightness = {
        genre: [np.mean(frames[path]) for path in _paths(rows, genre)]
        for genre in REPORT_GENRES
    }
    assert max(brightness["horror"]) < min(brightness["romance"]) - 30
    assert max(brightness["science_fiction"]) < min(brightness["action"]) - 30


def test_2d_is_drawn_on_twos_in_both_phases(rows, frames, cuts):
    for path in _paths(rows, "animation_2d"):
        magnitudes = _magnitudes(frames[path], cuts[path])
        still = {n for n, magnitude in magnitudes.items() if magnitude < 0.03}
        for shot in np.split(np.arange(FRAMES), cuts[path]):
            parities = {n % 2 for n in shot[1:] if n in still}
            assert len(parities) == 1, "one of two frames repeats the other"
            parity = parities.pop()
            assert all(n in still for n in shot[1:] if n % 2 == parity)
        # A pair is an odd frame and the even one behind it.
        pairs = [n for n in magnitudes if n % 2 == 0]
        share = sum(n in still for n in pairs) / len(pairs)
        assert 0.25 < share < 0.75
    for path in _paths(rows, "animation_3d"):
        assert min(_magnitudes(frames[path], cuts[path]).values()) > 0.03


def test_same_seed_draws_the_same_bytes_with_any_number_of_workers(
    films_csv, tmp_path
):
    _draw(tmp_path / "again", workers=1)
    assert _bytes(tmp_path / "again") == _bytes(films_csv.parent)


def test_another_seed_draws_other_films(films_csv, tmp_path, rows):
    path = _paths(rows)[0]
    draw_sample_films(
        tmp_path,
        films_per_genre=2,
        seconds=1,
        size=(32, 18),
        seed=1,
        progress=False,
    )
    other = cv2.resize(_decode(tmp_path / path)[0], SIZE)
    first = _decode(films_csv.parent / path)[0]
    assert np.abs(other.astype(float) - first).mean() > 10


def test_finished_films_are_kept_and_others_are_drawn_again(
    films_csv, rows, tmp_path
):
    before = _bytes(films_csv.parent)
    for path, content in before.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(content)
    kept, missing, broken, foreign = _paths(rows)[:4]
    (tmp_path / missing).unlink()
    (tmp_path / broken).write_bytes(before[pathlib.Path(broken)][:2000])
    (tmp_path / foreign).write_bytes(before[pathlib.Path(kept)])
    time_of_kept = (tmp_path / kept).stat().st_mtime_ns
    _draw(tmp_path)
    assert _bytes(tmp_path) == before
    assert (tmp_path / kept).stat().st_mtime_ns == time_of_kept


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_killed_run_leaves_no_half_film_and_no_list(tmp_path):
    command = [sys.executable, "-m", "keras_ssc.sample_films", "--workers", "1"]
    command += ["--out", str(tmp_path), "--films-per-genre", "2"]
    root = pathlib.Path(__file__).resolve().parents[2]
    process = subprocess.Popen(
        [*command, "--seconds", "3"], cwd=root, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while not list(tmp_path.rglob("*.unfinished")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert list(tmp_path.rglob("*.unfinished"))
    assert not (tmp_path / "films.csv").exists()
    for path in tmp_path.rglob("*.mp4"):
        assert len(_decode(path)) == 72


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--films-per-genre", "1"], "films_per_genre of at least 2"),
        (["--seconds", "0.2"], "seconds from 1"),
        (["--seed", "-1"], "seed of 0 or more"),
        (["--workers", "0"], "workers of 1 or more"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(
    arguments, words, tmp_path, capsys
):
    with pytest.raises(SystemExit) as stopped:
        command.run(
            lambda: main(["--out", str(tmp_path / "films"), *arguments])
        )
    assert stopped.value.code == 2
    last_line = capsys.readouterr().err.strip().splitlines()[-1]
    assert words in last_line and "Received" in last_line
    assert not (tmp_path / "films").exists()


def test_odd_size_is_refused(tmp_path):
    with pytest.raises(ValueError, match="two even numbers"):
        draw_sample_films(tmp_path, size=(97, 54))


def test_folder_that_cannot_be_written_is_one_line_and_exit_code_1(
    tmp_path, capsys
):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SystemExit) as stopped:
        command.run(lambda: main(["--out", str(tmp_path / "file" / "films")]))
    assert stopped.value.code == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and "error" in lines[0] and "file" in lines[0]


def test_film_that_cannot_be_written_is_named_once(tmp_path):
    path = tmp_path / "none" / "film.mp4"
    with pytest.raises(OSError, match="No such file") as raised:
        filming.write_video(path, [], (96, 54), fractions.Fraction(24))
    assert str(raised.value).count("film.mp4") == 1


def test_every_genre_has_a_style():
    assert set(STYLES) == set(REPORT_GENRES)
