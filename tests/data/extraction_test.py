import csv
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

import cv2
import numpy as np
import pytest

from keras_ssc import extract
from keras_ssc.data import extraction
from keras_ssc.data import frame_folder
from keras_ssc.data import pair_files
from keras_ssc.data import sampling
from keras_ssc.films import cleaning
from keras_ssc.films import film_process
from keras_ssc.films import frame_reading
from keras_ssc.films import image_files
from keras_ssc.films.film_list import parse_time
from keras_ssc.films.film_list import read_film_list
from tests.helpers import drawn_films

SMALL = cleaning.ExtractConfig(num_pairs=8, width=48, height=32)


@pytest.fixture
def films(tmp_path):
    """Two films with cuts at frames 20 and 45, and their list."""
    for number, name in enumerate(("sun", "moon")):
        frames = [
            frame
            for shot in range(3)
            for frame in drawn_films.shot(
                10 * number + shot, (20, 25, 15)[shot], speed=2
            )
        ]
        drawn_films.write_film(tmp_path / f"{name}.mp4", frames)
    return drawn_films.write_list(
        tmp_path / "films.csv",
        "Sun,ani2D,train,sun.mp4,,",
        "Moon,sf,test,moon.mp4,,",
    )


def run(film_list, out, config=SMALL, workers=1):
    return extraction.extract(film_list, out, config, workers)[:2]


def contents(root):
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def index_of(out):
    with open(out / "index.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_pairs_are_stored_in_the_report_s_layout(films, tmp_path):
    records, problems = run(films, tmp_path / "out")
    assert not problems
    stored, unpaired = pair_files.list_pairs(tmp_path / "out")
    assert not unpaired
    assert len(stored) == 16
    assert {(p.genre, p.split, p.movie) for p in stored} == {
        ("animation_2d", "train", 1),
        ("science_fiction", "test", 1),
    }
    assert stored[0].frame_path.name == "ani2D_movie1_001.png"
    assert [record["film"] for record in records] == ["Sun", "Moon"]


def test_a_stored_pair_is_the_frames_that_the_index_names(films, tmp_path):
    run(films, tmp_path / "out")
    kept = [row for row in index_of(tmp_path / "out") if row["frame_file"]]
    assert len(kept) == 16
    for row in kept:
        numbers = [int(row["frame_number"]), int(row["next_frame_number"])]
        assert numbers[0] % 2 == 1 and numbers[1] == numbers[0] + 1
        read = list(
            frame_reading.read_frames(pathlib.Path(row["path"]), numbers)
        )
        for (_, _, frame), name in zip(
            read, (row["frame_file"], row["next_frame_file"]), strict=True
        ):
            stored = image_files.read_frame(tmp_path / "out" / name)
            expected = cv2.resize(frame, (48, 32), interpolation=cv2.INTER_AREA)
            np.testing.assert_array_equal(stored, expected)
        assert float(row["seconds"]) == pytest.approx(read[0][1])
        assert parse_time(row["time"]) == pytest.approx(read[0][1], abs=1e-3)


def test_a_pair_over_a_cut_is_dropped_and_told(films, tmp_path):
    config = cleaning.ExtractConfig(num_pairs=100, width=48, height=32)
    run(films, tmp_path / "out", config)
    dropped = [
        (row["film"], int(row["frame_number"]), row["reason"])
        for row in index_of(tmp_path / "out")
        if row["status"] == "dropped"
    ]
    # Frame 20 begins a shot: pair (19, 20) lies over the cut. Frame 45 does
    # too, but 45 is a key frame, and (45, 46) is in one shot.
    assert sorted(dropped) == [("Moon", 19, "cut"), ("Sun", 19, "cut")]


def test_fewer_pairs_than_asked_are_kept_and_told(films, tmp_path):
    config = cleaning.ExtractConfig(num_pairs=100, width=48, height=32)
    records, problems = run(films, tmp_path / "out", config)
    assert not problems
    lines = extract.summary(records, problems, 100)
    assert lines[0].startswith("56 pairs kept of 2 films, 2 dropped (2 cut)")
    assert "film 'Sun': 28 pairs instead of 100" in lines[1]


def test_the_pairs_do_not_depend_on_the_workers(films, tmp_path):
    run(films, tmp_path / "one", workers=1)
    run(films, tmp_path / "two", workers=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_another_seed_draws_other_pairs(films, tmp_path):
    film, _ = read_film_list(films).films
    drawn = [
        [outcome.candidate.frame_number for outcome in extraction.kept]
        for extraction in (
            sampling.extract_pairs(
                film,
                cleaning.ExtractConfig(num_pairs=8, seed=seed),
            )
            for seed in (0, 0, 1)
        )
    ]
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(set(drawn[0])) == 8


def test_pairs_stay_inside_their_scenes(films, tmp_path):
    drawn_films.write_list(
        films,
        "Sun,ani2D,train,sun.mp4,00:00:00.250,00:00:00.500",
        "Sun,ani2D,train,sun.mp4,00:00:01,00:00:01.250",
    )
    film = read_film_list(films).films[0]
    extraction = sampling.extract_pairs(film, SMALL)
    numbers = [o.candidate.frame_number for o in extraction.outcomes]
    # 24 frames a second: frames 6 to 11, and 24 to 29.
    assert numbers == [7, 9, 25, 27]
    assert [o.candidate.scene for o in extraction.outcomes] == [1, 1, 2, 2]


def test_a_stride_takes_a_later_frame_and_sees_cuts_between(films):
    config = cleaning.ExtractConfig(num_pairs=100, stride=4)
    film = read_film_list(films).films[0]
    extraction = sampling.extract_pairs(film, config)
    cut = [o.candidate.frame_number for o in extraction.dropped]
    # Cuts lie before frames 20 and 45.
    assert cut == [17, 19, 41, 43]
    kept = extraction.kept[0]
    assert kept.next_frame_number == kept.candidate.frame_number + 4


def test_blank_frames_are_dropped_unless_kept(tmp_path):
    frames = drawn_films.black(10) + drawn_films.shot(1, 20)
    drawn_films.write_film(tmp_path / "a.mp4", frames)
    film_list = drawn_films.write_list(
        tmp_path / "films.csv", "A,action,train,a.mp4,,"
    )
    film = read_film_list(film_list).films[0]
    many = {"num_pairs": 100, "drop_cuts": False}
    dropped = sampling.extract_pairs(
        film, cleaning.ExtractConfig(**many)
    ).dropped
    assert [(o.candidate.frame_number, o.reason) for o in dropped] == [
        (number, "blank") for number in (1, 3, 5, 7, 9)
    ]
    config = cleaning.ExtractConfig(**many, drop_blank=False)
    assert not sampling.extract_pairs(film, config).dropped


def test_bars_are_cropped_unless_kept(tmp_path):
    frames = []
    for frame in drawn_films.shot(3, 40, speed=2):
        barred = frame.copy()
        barred[:8], barred[-8:] = 0, 0
        frames.append(barred)
    drawn_films.write_film(tmp_path / "a.mp4", frames)
    film_list = drawn_films.write_list(
        tmp_path / "films.csv", "A,action,train,a.mp4,,"
    )
    records, _ = run(film_list, tmp_path / "cropped")
    (bars,) = records[0]["bars"].values()
    assert 8 <= bars["top"] <= 10 and 8 <= bars["bottom"] <= 10
    assert (bars["left"], bars["right"]) == (0, 0)
    assert "bars cropped in 1 films" in extract.summary(records, [], 8)[0]
    config = cleaning.ExtractConfig(
        num_pairs=8, width=48, height=32, crop_bars=False
    )
    run(film_list, tmp_path / "kept", config)
    name = "action_train/action_movie1_001.png"
    assert image_files.read_frame(tmp_path / "cropped" / name)[0].mean() > 30
    assert image_files.read_frame(tmp_path / "kept" / name)[0].mean() < 10


def test_what_is_done_is_not_read_again(films, tmp_path, monkeypatch):
    run(films, tmp_path / "out")
    before = contents(tmp_path / "out")
    monkeypatch.setattr(
        film_process, "_Reader", lambda *_: pytest.fail("read again")
    )
    run(films, tmp_path / "out")
    assert contents(tmp_path / "out") == before


# Reads "Sun" as a film that does harm, and the others as they are.
HARM = """
import os, pathlib, signal, sys, time
import numpy as np
from keras_ssc.data import extraction
from keras_ssc.films import film_process

def read(film, *rest):
    if film.name == "Sun":
        {harm}
    return extract_pairs(film, *rest)

extract_pairs, extraction.extract_pairs = extraction.extract_pairs, read
film_process.work(*sys.argv[1:])
"""


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    "harm, words",
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", r"its reader died \(SIGSEGV"),
        ("time.sleep(60)", "did not respond for"),
        ("np.zeros(2**34)", "needs more memory"),
    ],
    ids=["crash", "hang", "memory"],
)
def test_a_film_that_ends_its_reader_is_named_and_the_others_go_on(
    films, tmp_path, monkeypatch, harm, words, workers
):
    monkeypatch.setattr(film_process, "_PROGRAM", HARM.format(harm=harm))
    monkeypatch.setattr(extraction, "_MAX_SILENCE", 3.0)
    records, (problem,) = run(films, tmp_path / "out", workers=workers)
    assert re.search(rf"film 'Sun' \(line 2\): .*sun\.mp4: .*{words}", problem)
    assert [record["film"] for record in records] == ["Moon"]


def test_a_film_whose_reader_died_beside_others_is_read_again_alone(
    films, tmp_path, monkeypatch
):
    flag = str(tmp_path / "died")
    harm = (
        f"if not os.path.exists({flag!r}): "
        f"pathlib.Path({flag!r}).touch(); os.kill(os.getpid(), 9)"
    )
    run(films, tmp_path / "whole")
    monkeypatch.setattr(film_process, "_PROGRAM", HARM.format(harm=harm))
    _, problems = run(films, tmp_path / "out", workers=2)
    assert not problems and pathlib.Path(flag).exists()
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_ctrl_c_ends_the_run_at_once(films, tmp_path, monkeypatch):
    monkeypatch.setattr(
        film_process, "_PROGRAM", HARM.format(harm="time.sleep(60)")
    )
    # A shell's background jobs, and what they start, ignore it.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    start = time.monotonic()
    timer = threading.Timer(
        3, signal.pthread_kill, (threading.get_ident(), signal.SIGINT)
    )
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        run(films, tmp_path / "out", workers=2)
    assert time.monotonic() - start < 30
    signal.signal(signal.SIGINT, handler)
    monkeypatch.undo()
    records, problems = run(films, tmp_path / "out")
    assert len(records) == 2 and not problems


def test_a_killed_run_resumes(films, tmp_path):
    run(films, tmp_path / "whole")
    out = tmp_path / "killed"
    command = [sys.executable, "-m", "keras_ssc.extract", str(films)]
    command += ["--out", str(out), "--pairs", "8", "--size", "48x32"]
    command += ["--workers", "1"]
    process = subprocess.Popen(
        command,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    limit = time.monotonic() + 60
    while not list(out.glob("ani2D_train/*.png")):
        assert process.poll() is None and time.monotonic() < limit
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    # A film whose frames were being moved into place is not done.
    done = {
        path: path.stat().st_mtime_ns
        for path in out.glob("index/*.json")
        for rows in [json.loads(path.read_text())["pairs"]]
        if all((out / row["next_frame_file"]).exists() for row in rows)
    }
    finished = subprocess.run(command, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    assert contents(out) == contents(tmp_path / "whole")
    assert all(path.stat().st_mtime_ns == done[path] for path in done)


def test_a_half_written_film_is_never_taken_for_done(films, tmp_path):
    run(films, tmp_path / "whole")
    for number_left, has_record in (
        (0, False),
        (16, False),
        (0, True),
        (11, True),
    ):
        out = tmp_path / f"{number_left}_{has_record}"
        shutil.copytree(tmp_path / "whole", out)
        # As a kill leaves it: before the record, or behind it.
        (out / ".partial" / "ani2D_movie1").mkdir(parents=True)
        if not has_record:
            (out / "index" / "ani2D_movie1.json").unlink()
        for path in sorted(out.glob("ani2D_train/*.png"))[number_left:]:
            path.unlink()
        stale = out / "ani2D_train" / "ani2D_movie1_999.png"
        stale.write_bytes(b"of an earlier, longer version")
        run(films, out)
        assert contents(out) == contents(tmp_path / "whole")


def test_a_kill_after_the_frames_leaves_nothing_behind(films, tmp_path):
    run(films, tmp_path / "whole")
    out = tmp_path / "killed"
    shutil.copytree(tmp_path / "whole", out)
    (out / ".partial" / "ani2D_movie1").mkdir(parents=True)
    run(films, out)
    assert contents(out) == contents(tmp_path / "whole")
    assert not (out / ".partial").exists()


def test_a_film_that_changed_is_read_anew(films, tmp_path):
    run(films, tmp_path / "out")
    drawn_films.write_list(
        films,
        "Sun,action,test,sun.mp4,,00:00:01",
        "Moon,sf,test,moon.mp4,,",
    )
    records, problems = run(films, tmp_path / "out")
    assert not problems
    assert not list(tmp_path.glob("out/ani2D_train/*"))
    assert len(list(tmp_path.glob("out/action_test/*.png"))) == 16
    assert {record["genre"] for record in records} == {
        "action",
        "science_fiction",
    }


def test_a_new_film_gets_the_next_number(films, tmp_path):
    run(films, tmp_path / "out")
    drawn_films.write_film(tmp_path / "star.mp4", drawn_films.shot(30, 30))
    drawn_films.write_list(
        films,
        "Star,ani2D,train,star.mp4,,",
        "Sun,ani2D,train,sun.mp4,,",
        "Moon,sf,test,moon.mp4,,",
    )
    records, _ = run(films, tmp_path / "out")
    movies = {record["film"]: record["movie"] for record in records}
    assert movies == {"Sun": 1, "Star": 2, "Moon": 1}


def test_a_film_that_left_the_list_is_told(films, tmp_path):
    run(films, tmp_path / "out")
    drawn_films.write_list(films, "Sun,ani2D,train,sun.mp4,,")
    records, problems = run(films, tmp_path / "out")
    assert [record["film"] for record in records] == ["Sun"]
    assert "'Moon'" in problems[0] and "not in the list" in problems[0]


def test_a_folder_of_other_settings_is_left_alone(films, tmp_path):
    run(films, tmp_path / "out")
    before = contents(tmp_path / "out")
    other = cleaning.ExtractConfig(num_pairs=9, width=48, height=32)
    with pytest.raises(ValueError, match=r"num_pairs 8 \(requested: 9\)"):
        run(films, tmp_path / "out", other)
    assert contents(tmp_path / "out") == before


def test_a_folder_of_an_earlier_version_stays_as_it_is(films, tmp_path):
    out = tmp_path / "out"
    run(films, out)
    settings = json.loads((out / "extract.json").read_text())
    del settings["reading"], settings["interval"]
    (out / "extract.json").write_text(json.dumps(settings | {"stride": 1}))
    # Its records say neither what is repeated, nor rates and notes.
    for path in (out / "index").glob("*.json"):
        record = json.loads(path.read_text())
        del record["rates"], record["notes"]
        for row in record["pairs"]:
            del row["repeated"]
        path.write_text(json.dumps(record))
    before = contents(out)
    with pytest.raises(ValueError, match="another version.*can be built"):
        run(films, out)
    assert contents(out) == before
    frame_folder.write_index(out)
    assert {row["repeated"] for row in index_of(out)} == {""}


def test_what_is_odd_about_a_film_is_told(films, tmp_path):
    # Two recordings put together: the clock is set back.
    one = drawn_films.write_film(tmp_path / "one.ts", drawn_films.shot(1, 40))
    twice = tmp_path / "twice.ts"
    twice.write_bytes(2 * one.read_bytes())
    still = [drawn_films.shot(1, 1)[0]] * 40
    drawn_films.write_film(tmp_path / "still.mp4", still)
    listed = drawn_films.write_list(
        tmp_path / "odd.csv",
        "Twice,sf,train,twice.ts,,",
        "Still,sf,train,still.mp4,,",
    )
    records, problems = run(listed, tmp_path / "out")
    assert not problems
    assert records[0]["rates"] == {str(twice): 24.0}
    lines = extract.summary(records, problems, 8)[1:]
    assert f"  {twice}: its time stamps jump back" in lines[0]
    assert lines[1].startswith("  film 'Still': 8 of 8 pairs (100.0 %) are one")
    assert "--drop-repeated" in lines[1]
    kept = [row for row in index_of(tmp_path / "out") if row["frame_file"]]
    assert {row["film"] for row in kept if row["repeated"]} == {"Still"}


def test_a_folder_of_something_else_is_left_alone(films, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "diary.txt").write_text("mine")
    with pytest.raises(ValueError, match="holds something else"):
        run(films, tmp_path / "out")
    assert contents(tmp_path / "out") == {"diary.txt": b"mine"}


@pytest.mark.parametrize("width, height", [(9, 270), (4097, 4096)])
def test_frames_of_a_size_that_nothing_reads_are_not_stored(width, height):
    with pytest.raises(ValueError, match=f"received one of {width}x{height}"):
        cleaning.ExtractConfig(width=width, height=height)


def make_fault(folder, name):
    """Makes a film file with a fault; returns its scene's start and end."""
    path = folder / "bad.mp4"
    whole = drawn_films.write_film(folder / "w.mp4", drawn_films.shot(5, 30))
    if name == "empty":
        path.write_bytes(b"")
    elif name == "one frame":
        drawn_films.write_film(path, drawn_films.shot(5, 1))
    elif name == "black":
        drawn_films.write_film(path, drawn_films.black(30))
    elif name in ("past", "too long"):
        path.write_bytes(whole.read_bytes())
    times = {"past": ("00:00:09", ""), "too long": ("", "00:00:09")}
    return times.get(name, ("", ""))


@pytest.mark.parametrize(
    "name, word",
    [
        ("missing", "bad.mp4"),
        ("empty", "bad.mp4"),
        ("one frame", "no pair"),
        ("black", "blank"),
        ("past", "line 2, column start: 00:00:09.000 is past the end"),
        ("too long", "line 2, column end: 00:00:09.000 is past the end"),
    ],
)
def test_a_bad_film_is_one_line_and_the_others_are_done(
    films, tmp_path, name, word
):
    start, end = make_fault(tmp_path, name)
    drawn_films.write_list(
        films,
        f"Bad,horror,train,bad.mp4,{start},{end}",
        "Sun,ani2D,train,sun.mp4,,",
    )
    records, problems = run(films, tmp_path / "out")
    assert [record["film"] for record in records] == ["Sun"]
    assert len(problems) == 1 and "\n" not in problems[0]
    assert "'Bad'" in problems[0] and word in problems[0]
    assert not list(tmp_path.glob("out/horror_train/*"))


def test_a_film_cut_off_in_the_middle_gives_what_is_there(films, tmp_path):
    whole = tmp_path / "whole.mkv"
    drawn_films.write_film(whole, drawn_films.shot(6, 120, speed=2))
    data = whole.read_bytes()
    (tmp_path / "half.mkv").write_bytes(data[: len(data) // 2])
    drawn_films.write_list(films, "Half,horror,train,half.mkv,,")
    config = cleaning.ExtractConfig(num_pairs=1000, width=48, height=32)
    records, problems = run(films, tmp_path / "out", config)
    assert not problems
    kept = [r for r in records[0]["pairs"] if r["status"] == "kept"]
    assert 12 < len(kept) < 48
    reasons = {r["reason"] for r in records[0]["pairs"]} - {""}
    assert reasons <= {"a frame could not be decoded"}


def test_one_film_under_two_names_is_refused(films, tmp_path):
    shutil.copy(tmp_path / "sun.mp4", tmp_path / "copy.mp4")
    drawn_films.write_list(
        films,
        "Sun,ani2D,train,sun.mp4,,",
        "Dawn,ani2D,test,copy.mp4,,",
        "Moon,sf,test,moon.mp4,,",
    )
    records, problems = run(films, tmp_path / "out")
    assert [record["film"] for record in records] == ["Sun", "Moon"]
    assert "same file as" in problems[0]
    assert "'Dawn' (test)" in problems[0]


def test_a_scene_past_its_film_is_named_with_its_line_alone(films, tmp_path):
    drawn_films.write_list(
        films,
        "Sun,ani2D,train,sun.mp4,,00:00:01",
        "Sun,ani2D,train,sun.mp4,00:00:09,",
    )
    _, (problem,) = run(films, tmp_path / "out")
    assert problem.startswith("film 'Sun': line 3, column start: 00:00:09.000")


def test_a_film_without_a_pair_is_named_once(films, tmp_path):
    drawn_films.write_list(films, "Sun,ani2D,train,sun.mp4,,00:00:00.01")
    _, (problem,) = run(films, tmp_path / "out")
    assert problem.startswith("film 'Sun' (line 2): its scenes hold no pair")


def test_a_bad_row_does_not_hold_up_the_other_films(films, tmp_path):
    drawn_films.write_list(
        films,
        "Bad,western|,train,bad.mp4,,",
        "Sun,ani2D,train,sun.mp4,,",
    )
    records, problems = run(films, tmp_path / "out")
    assert [record["film"] for record in records] == ["Sun"]
    assert "line 2, column genre" in problems[0]


def test_a_full_disk_ends_the_run_and_a_second_run_resumes(
    films, tmp_path, monkeypatch
):
    out = tmp_path / "out"
    run(films, tmp_path / "whole")
    film = read_film_list(films).films[0]
    (out / "index").mkdir(parents=True)
    write = pathlib.Path.write_bytes

    def full(path, data):
        if path.name.endswith("_005.png"):
            raise OSError(28, "No space left on device")
        return write(path, data)

    extraction = sampling.extract_pairs(film, SMALL)
    with monkeypatch.context() as patched:
        patched.setattr(pathlib.Path, "write_bytes", full)
        with pytest.raises(OSError, match=r"No space left.*_005\.png"):
            frame_folder.store(film, frame_folder.Place(1, ()), extraction, out)
    assert not list(out.rglob("*.png"))
    settings = (tmp_path / "whole" / "extract.json").read_bytes()
    (out / "extract.json").write_bytes(settings)
    run(films, out)
    assert contents(out) == contents(tmp_path / "whole")


def test_a_folder_that_cannot_be_written_ends_the_run_named(tmp_path):
    frames = drawn_films.shot(1, 30)
    rows = []
    for number in range(6):
        drawn_films.write_film(tmp_path / f"{number}.mp4", frames[number:])
        rows.append(f"Film {number},action,train,{number}.mp4,,")
    film_list = drawn_films.write_list(tmp_path / "films.csv", *rows)
    out = tmp_path / "out"
    out.mkdir()
    # A file where frames are prepared: nothing can be written there.
    (tmp_path / "settings").mkdir()
    frame_folder.open_folder(tmp_path / "settings", vars(SMALL))
    shutil.copytree(tmp_path / "settings", out, dirs_exist_ok=True)
    (out / ".partial").write_text("in the way")
    with pytest.raises(OSError, match="partial"):
        run(film_list, out)
    assert not list(out.rglob("*.png"))
    (out / ".partial").unlink()
    records, problems = run(film_list, out)
    assert len(records) == 6 and not problems


@pytest.mark.parametrize("damage", ["{", "[]", '{"film": "Sun"}'])
def test_a_damaged_record_is_named(films, tmp_path, damage):
    run(films, tmp_path / "out")
    path = tmp_path / "out" / "index" / "ani2D_movie1.json"
    path.write_text(damage)
    with pytest.raises(ValueError, match=r"ani2D_movie1\.json.*Delete it"):
        run(films, tmp_path / "out")


def test_frames_are_stored_without_loss():
    frame = drawn_films.shot(7, 1)[0]
    data = image_files.encode_frame(frame)
    np.testing.assert_array_equal(image_files.decode_frame(data), frame)


def test_a_damaged_png_is_never_taken_for_a_frame():
    data = image_files.encode_frame(drawn_films.shot(7, 1)[0])
    for length in range(0, len(data), len(data) // 20):
        with pytest.raises(ValueError, match="whole PNG"):
            image_files.decode_frame(data[:length])
    middle = len(data) // 2
    damaged = data[:middle] + b"\0" * 50 + data[middle + 50 :]
    with pytest.raises(ValueError, match="whole PNG"):
        image_files.decode_frame(damaged)


def cli(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "keras_ssc.extract", *map(str, arguments)],
        capture_output=True,
        text=True,
    )


def test_the_command_says_what_it_did(films, tmp_path):
    out = tmp_path / "out"
    ended = cli(films, "--out", out, "--pairs", 4, "--size", "48x32")
    assert ended.returncode == 0, ended.stderr
    assert "8 pairs kept of 2 films" in ended.stdout
    assert f"{out}/index.csv" in ended.stdout
    assert json.loads((out / "extract.json").read_text())["num_pairs"] == 4


@pytest.mark.parametrize(
    "arguments, code, word",
    [
        (["--pairs", "0"], 2, "num_pairs of 1 or more"),
        (["--size", "big"], 2, "WIDTHxHEIGHT"),
        (["--out", "/proc/nowhere"], 1, "/proc/nowhere"),
    ],
)
def test_the_command_s_errors_are_one_line(
    films, tmp_path, arguments, code, word
):
    ended = cli(films, "--out", tmp_path / "out", *arguments)
    assert ended.returncode == code
    assert word in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr


def test_a_missing_film_list_is_one_line(tmp_path):
    ended = cli(tmp_path / "no.csv", "--out", tmp_path / "out")
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()
