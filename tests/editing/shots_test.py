"""The command, on films that were drawn and written."""

import csv
import fractions
import json
import sys

import cv2
import numpy as np
import opentimelineio
import pytest

from keras_ssc.editing import exporting
from keras_ssc.editing import pictures
from keras_ssc.films import frame_index
from keras_ssc.films import shot_detection
from tests.helpers import drawn_films
from tests.helpers import programs
from tests.helpers import shot_lists

CUT, NUM_FRAMES = 13, 40
FRAMES = [
    *drawn_films.shot(1, CUT, speed=2),
    *drawn_films.shot(2, NUM_FRAMES - CUT, speed=2),
]
UNEVEN = np.cumsum([0, *(1 + np.arange(NUM_FRAMES - 1) ** 2 % 5)])

# How each film is written.
FILMS = {
    "23.976.mkv": {"rate": fractions.Fraction(24_000, 1001)},
    "29.97.mp4": {"rate": fractions.Fraction(30_000, 1001)},
    "variable rate.mp4": {"rate": 60, "ticks": UNEVEN},
    "봄날 'the' \"film\".mp4": {"rate": 25},
}
BY_FILM = list(FILMS)


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    for name, settings in FILMS.items():
        drawn_films.write_film(folder / name, FRAMES, **settings)
    return folder


def run(*arguments):
    return programs.run_here("keras_ssc.shots", *arguments)


def test_a_table_is_printed(films):
    code, printed = run(films / BY_FILM[3])
    assert code == 0
    assert printed.splitlines()[-4:] == [
        f"{films / BY_FILM[3]}: 2 shots, 00:00:01.600, 40 frames",
        "   shot  start         end                    frames     length  "
        "transition",
        "      1  00:00:00.000  00:00:00.520             0-12    0.520 s",
        "      2  00:00:00.520  00:00:01.600            13-39    1.080 s  cut",
    ]


def test_every_format_of_every_film_is_written(films, tmp_path):
    out = tmp_path / "new" / "folder"
    formats = ",".join(exporting.FORMATS)
    code, printed = run(films, "--format", formats, "--out", out)
    assert code == 0
    stems = [name.rpartition(".")[0] for name in BY_FILM]
    endings = (
        *(".chapters.txt", ".csv", ".edl", ".fcpxml", ".json", ".otio"),
        "_shots",
    )
    expected = {out / f"{stem}{ending}" for stem in stems for ending in endings}
    assert set(out.iterdir()) == expected
    for path in expected:
        assert f"written: {path}\n" in printed
    for stem, name in zip(stems, BY_FILM, strict=True):
        index = frame_index.index_frames(films / name)
        text = (out / f"{stem}.json").read_text("utf-8")
        read = json.loads(text)
        rate = fractions.Fraction(read["timeline_rate"])
        edl = opentimelineio.adapters.read_from_file(
            str(out / f"{stem}.edl"), rate=float(rate)
        )
        cuts = [
            float(clip.source_range.start_time.to_frames() / rate)
            for clip in edl.find_clips()
        ]
        shown = shot_lists.frames_shown(index.seconds, cuts)
        assert shown.tolist() == [0, CUT]
        with open(out / f"{stem}.csv", encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert [row["first_frame"] for row in rows] == ["0", str(CUT)]
        shots = [
            path.name for path in sorted((out / f"{stem}_shots").iterdir())
        ]
        assert shots == ["shot_0001.jpg", "shot_0002.jpg"]


def test_a_picture_is_the_frame_in_the_middle_of_its_shot(films, tmp_path):
    found = shot_detection.list_shots(films / BY_FILM[3])
    assert pictures.write(found, tmp_path) == []
    for number, middle in ((1, 6), (2, 26)):
        picture = cv2.imread(str(tmp_path / f"shot_000{number}.jpg"))
        differences = [
            np.abs(np.float32(picture[:, :, ::-1]) - frame).mean()
            for frame in FRAMES
        ]
        assert np.argmin(differences) == middle


def test_a_picture_has_the_shape_that_a_viewer_sees(tmp_path):
    path = drawn_films.write_film(
        tmp_path / "narrow.mp4",
        FRAMES[:5],
        pixel_aspect=fractions.Fraction(1, 2),
    )
    pictures.write(shot_detection.list_shots(path), tmp_path / "out")
    picture = cv2.imread(str(tmp_path / "out" / "shot_0001.jpg"))
    assert picture.shape == (64, 48, 3)


def test_shots_without_a_picture_are_named(tmp_path, monkeypatch):
    def run(function, tasks, max_silence):
        ((_, (_, frame_numbers)),) = tasks
        yield 0, (frame_numbers[1], b"JPEG")
        yield 0, StopIteration()

    monkeypatch.setattr(pictures.film_process, "run", run)
    parts = [(0, 5, None), (5, 9, "cut"), (9, 20, "cut")]
    found = shot_lists.make(shot_lists.constant(24, 20), parts)
    assert pictures.write(found, tmp_path) == [1, 3]
    assert [path.name for path in tmp_path.iterdir()] == ["shot_0002.jpg"]


def test_json_is_for_programs_and_names_what_failed(films, tmp_path):
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no film")
    code, printed = run(bad, films / BY_FILM[1], "--json")
    assert code == 1
    error, _, rest = printed.partition("\n")
    assert error.startswith(f"error: {bad}")
    read = json.loads(rest)
    assert read["version"] == 1
    assert [each["path"] for each in read["errors"]] == [str(bad)]
    (film,) = read["films"]
    assert film["path"] == str(films / BY_FILM[1])
    assert film["timeline_rate"] == "30000/1001"
    assert [shot["first_frame"] for shot in film["shots"]] == [0, CUT]
    assert film["shots"][1]["transition"] == {
        "kind": "cut",
        "first_frame": CUT,
        "end_frame": CUT,
    }


def test_a_film_that_fails_does_not_stop_the_others(films, tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"no film")
    (tmp_path / "b.mp4").symlink_to(films / BY_FILM[0])
    (tmp_path / "poster.jpg").write_bytes(b"no film")
    code, printed = run(tmp_path, "--format", "csv", "--out", tmp_path)
    assert code == 1
    lines = printed.splitlines()
    assert lines[0] == f"note: left aside in {tmp_path}: 1 .jpg"
    assert lines[1].startswith(f"error: {tmp_path / 'a.mp4'}")
    assert lines[-1] == f"  written: {tmp_path / 'b.csv'}"
    assert not (tmp_path / "a.csv").exists()


def test_a_film_of_one_frame_is_one_shot(tmp_path):
    path = drawn_films.write_film(tmp_path / "one.mp4", FRAMES[:1])
    formats = ",".join(exporting.FORMATS)
    code, printed = run(path, "--format", formats, "--out", tmp_path)
    assert code == 0 and "1 shot, " in printed
    assert (tmp_path / "one_shots" / "shot_0001.jpg").exists()


def test_mistakes_are_one_line_and_code_2(films, tmp_path, monkeypatch):
    film = films / BY_FILM[0]
    (tmp_path / "23.976.mp4").symlink_to(film)
    (tmp_path / "file").write_text("")
    monkeypatch.setitem(sys.modules, "opentimelineio", None)
    for arguments, message in (
        ((film, "--format", "aaf"), "Unknown format. Expected one of: csv, js"),
        ((film, "--format", "otio"), 'pip install "keras_ssc[editing]"'),
        ((film, "--out", tmp_path), "Expected --format with --out"),
        ((film, "--format", "csv", "--out", tmp_path / "file"), "a folder as"),
        ((tmp_path / "none.mp4",), "no such file"),
        (
            (film, tmp_path / "23.976.mp4", "--format", "csv"),
            "Expected films of different names",
        ),
    ):
        code, printed = run(*arguments)
        assert code == 2
        assert printed.startswith("error: ") and printed.count("\n") == 1
        assert message in printed


def test_what_was_there_stays_if_writing_fails(films, tmp_path, monkeypatch):
    (tmp_path / "23.976.csv").write_text("old")

    def fail(path, text):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(exporting.files, "write_text", fail)
    out = ("--format", "csv", "--out", tmp_path)
    code, printed = run(films / BY_FILM[0], *out)
    assert code == 1 and "No space left on device" in printed
    assert (tmp_path / "23.976.csv").read_text() == "old"
