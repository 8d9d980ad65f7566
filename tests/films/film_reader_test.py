import collections
import contextlib
import itertools
import os
import pathlib
import re
import subprocess
import sys
import time

import numpy as np
import pytest

from keras_ssc.errors import VideoError
from keras_ssc.films import black_bars
from keras_ssc.films import cleaning
from keras_ssc.films import film_process
from keras_ssc.films import film_reader
from keras_ssc.films import frame_index
from keras_ssc.films import frame_reading
from keras_ssc.films import shot_detection
from keras_ssc.films.shots import Shot
from keras_ssc.films.shots import Transition
from tests.helpers import drawn_films


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """A film of three shots: a cut at frame 30, a fade to black at 70."""
    first, second, third = (
        drawn_films.shot(number, 40, speed=1) for number in range(3)
    )
    frames = [*first[:30], *second, *drawn_films.black(6), *third[:30]]
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    return drawn_films.write_film(path, frames)


def read(path, **settings):
    """Returns a film's shots, its pairs, and the pairs of each shot."""
    shots, pairs, of_shots = [], [], [[]]
    picture, *items = film_reader.read_film(path, film_reader.Plan(**settings))
    assert isinstance(picture, film_reader.Picture)
    for item in items:
        if isinstance(item, Shot):
            shots.append(item)
            of_shots.append([])
        else:
            pairs.append(item)
            of_shots[-1].append(item)
    assert of_shots.pop() == []
    return shots, pairs, of_shots


def test_shots_begin_behind_cuts_and_fades(film):
    shots, _, of_shots = read(film, num_pairs=10)
    starts = [round(24 * shot.start_seconds) for shot in shots]
    assert starts == [0, 30, 76]
    ends = [round(24 * shot.end_seconds) for shot in shots]
    assert ends == [30, 70, 106]
    assert shots[2].transition == Transition("fade", 70, 76)
    # Each shot has its share of pairs, and each pair lies in its shot.
    for shot, own in zip(shots, of_shots, strict=True):
        assert 2 <= len(own) <= 6
        for pair in own:
            assert shot.start_seconds <= pair.seconds < shot.end_seconds


def test_a_shot_without_a_pair_has_that_of_its_middle(film):
    # One pair at the film's middle, frame 53; the other shots have none.
    _, pairs, of_shots = read(film, num_pairs=1)
    assert [len(own) for own in of_shots] == [1, 1, 1]
    frames = [round(24 * pair.seconds) for pair in pairs]
    # Not all pairs of a shot are kept until its end is known.
    assert np.abs(np.subtract(frames, [14, 53, 90])).max() <= 2
    assert frames[1] == 53
    assert [pair.is_extra for pair in pairs] == [True, False, True]
    decoded = {
        number: frame
        for number, _, frame in frame_reading.read_frames(film, frames)
    }
    for number, pair in zip(frames, pairs, strict=True):
        stored = cleaning.stored_frame(
            decoded[number], black_bars.Bars(), cleaning.ExtractConfig()
        )
        np.testing.assert_array_equal(pair.frame, stored)


def scanned(film):
    """Returns a film's index, and what is seen of each of its frames."""
    index = frame_index.index_frames(film)
    return index, list(shot_detection.look_at_all(index))


def shots_of(index, most_kept, wanted=()):
    """Returns a `film_reader._Shots`."""
    make = film_reader._PairMaker(
        index, black_bars.Bars(), cleaning.ExtractConfig()
    )
    return film_reader._Shots(make, collections.deque(wanted), most_kept)


def test_middle_of_a_shot_is_near_where_few_pairs_are_kept(film):
    index, frames = scanned(film)
    for most_kept, nearest in ((2, 8), (8, 2), (64, 1)):
        shots = shots_of(index, most_kept)
        for seen in frames[:30]:
            shots.add(seen)
            assert sum(len(part.pairs) for part in shots._kept) <= most_kept
        shots.cut(30)
        pair, ended = shots.end_shot(Transition("cut", 30, 30))
        assert abs(24 * pair.seconds - 14) <= nearest
        assert ended == Shot(0.0, float(index.seconds[30]), 0, 30)
        assert [part.pairs for part in shots._kept] == [[]]


def test_pairs_that_cannot_be_read_are_told(film):
    """Frames 10 to 19 are damaged; 12 and 25 are wanted, and so is 29."""
    index, frames = scanned(film)
    shots = shots_of(index, 8, [12, 25, 29, 60])
    for seen in [*frames[:10], *frames[20:30]]:
        shots.add(seen)
    shots.cut(30)
    *pairs, _ = shots.end_shot(Transition("cut", 30, 30))
    told = [(round(24 * pair.seconds), pair.reason) for pair in pairs]
    # The next frame of 29 is in another shot: 28 stands for it.
    assert told == [(12, "a frame could not be decoded"), (25, ""), (28, "")]
    assert not any(pair.is_extra for pair in pairs)
    assert list(shots._wanted) == [60]
    # A shot of which nothing can be read says so once, a single frame nothing.
    shots.cut(40)
    unread, _ = shots.end_shot(Transition("cut", 40, 40))
    assert unread.reason == "a frame could not be decoded"
    assert unread.is_extra
    assert round(24 * unread.seconds) == 34
    shots.cut(41)
    (single,) = shots.end_shot(Transition("cut", 41, 41))
    assert isinstance(single, Shot)


def test_pairs_of_a_dissolve_are_dropped(tmp_path):
    first, second = (drawn_films.shot(n, 60, speed=0) for n in range(2))
    shares = np.arange(1, 13) / 13
    mixed = [
        np.uint8((1 - share) * one + share * other + 0.5)
        for share, one, other in zip(
            shares, first[40:52], second[:12], strict=True
        )
    ]
    path = drawn_films.write_film(
        tmp_path / "film.mp4", [*first[:40], *mixed, *second[12:]]
    )
    shots, pairs, _ = read(path, every=0.08)
    (transition,) = [shot.transition for shot in shots if shot.transition]
    assert transition.kind == "dissolve"
    assert abs(transition.first_frame - 40) <= 1
    assert abs(transition.end_frame - 52) <= 1
    first, end = transition.first_frame, transition.end_frame
    assert (shots[0].end_frame, shots[1].first_frame) == (first, end)
    for pair in pairs:
        number = round(24 * pair.seconds)
        inside = first - 1 <= number < end
        assert (pair.reason == "transition") == inside
        assert (pair.frame is None) == inside
    assert sum(pair.reason == "transition" for pair in pairs) >= 6


def test_pairs_are_what_extract_would_store(film):
    _, pairs, _ = read(film, num_pairs=6)
    used = [pair for pair in pairs if not pair.reason]
    assert used
    for pair in used:
        assert pair.frame.shape == pair.next_frame.shape == (270, 480, 3)
        assert pair.frame.dtype == np.uint8
        assert (pair.frame != pair.next_frame).any()


def test_quick_leaves_the_search_for_shots_out(film):
    shots, pairs, _ = read(film, num_pairs=20, quick=True)
    assert len(shots) == len(pairs) == 20
    # Together, the parts are the film.
    assert shots[0].start_seconds == 0
    assert shots[-1].end_seconds == pytest.approx(106 / 24, abs=0.01)
    for shot, after in itertools.pairwise(shots):
        assert shot.end_seconds == after.start_seconds
    reasons = {pair.reason for pair in pairs}
    assert "blank" in reasons and "" in reasons


def test_a_pair_every_so_many_seconds(film):
    _, pairs, _ = read(film, every=0.5, quick=True)
    assert len(pairs) == 9
    steps = np.diff([pair.seconds for pair in pairs])
    assert steps == pytest.approx(np.full(8, 0.49), abs=0.05)


@pytest.mark.parametrize("quick, what", [(False, "frames"), (True, "pairs")])
def test_progress_is_told(film, quick, what):
    told = []
    reading = film_reader.read_film(
        film,
        film_reader.Plan(3, quick=quick),
        progress=lambda *done: told.append(done),
    )
    list(reading)
    assert {what for what, _, _ in told} == {"film", what}
    assert told[-1][1] == told[-1][2]


def test_what_is_no_film_is_named(tmp_path):
    path = tmp_path / "text.mp4"
    path.write_text("no film")
    with pytest.raises(VideoError, match=r"text\.mp4"):
        read(path)
    with pytest.raises(VideoError, match=r"missing\.mp4"):
        read(tmp_path / "missing.mp4")


def test_reader_that_hangs_or_dies_is_named(film, monkeypatch):
    hangs = "import time; time.sleep(60)"
    monkeypatch.setattr(film_process, "_PROGRAM", hangs)
    start = time.monotonic()
    with pytest.raises(VideoError, match="did not respond"):
        list(film_reader.read_film(film, max_silence=0.5))
    assert time.monotonic() - start < 30
    for name in ("SIGSEGV", "SIGKILL"):
        dies = f"import os, signal; os.kill(os.getpid(), signal.{name})"
        monkeypatch.setattr(film_process, "_PROGRAM", dies)
        with pytest.raises(VideoError, match=rf"died \({name}\)"):
            list(film_reader.read_film(film))


# Reads a film's file for so many seconds, and sends nothing meanwhile.
READS = """
import sys, time
from multiprocessing.connection import Connection
connection = Connection(int(sys.argv[1]))
_, path, _, _ = connection.recv()
start = time.monotonic()
while time.monotonic() - start < {seconds}:
    open(path, "rb").read()
    time.sleep(0.01)
connection.send(StopIteration())
"""


def test_reader_that_reads_its_file_is_alive(film, monkeypatch):
    monkeypatch.setattr(film_process, "_PROGRAM", READS.format(seconds=3.5))
    assert list(film_reader.read_film(film, max_silence=1.0)) == []


def test_reader_that_reads_in_circles_is_named(film, monkeypatch):
    monkeypatch.setattr(film_process, "_PROGRAM", READS.format(seconds=60))
    monkeypatch.setattr(film_process, "_MAX_SILENCES", 3)
    with pytest.raises(VideoError, match="did not respond"):
        list(film_reader.read_film(film, max_silence=0.5))


def test_script_without_a_main_guard_reads_films(film, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        "from keras_ssc.films import film_reader\n"
        "plan = film_reader.Plan(5)\n"
        "print(len(list(film_reader.read_film(sys.argv[1], plan))))\n"
    )
    ended = subprocess.run(
        [sys.executable, script, film], capture_output=True, text=True
    )
    assert ended.stdout.split() == ["9"], ended.stderr


def num_children():
    """Returns how many processes this one has started, and not ended."""
    parents = []
    for path in pathlib.Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            parents += re.findall(r"PPid:\t(\d+)", path.read_text())
    return parents.count(str(os.getpid()))


def test_film_left_in_the_middle_leaves_no_process_behind(film):
    before = num_children()
    reading = film_reader.read_film(film, film_reader.Plan(10))
    next(reading)
    assert num_children() == before + 1
    reading.close()
    assert num_children() == before


@pytest.mark.parametrize("settings", [{"num_pairs": 0}, {"every": 0.0}])
def test_plan_out_of_range(settings):
    with pytest.raises(ValueError, match="above 0"):
        film_reader.Plan(**settings)


def test_what_runs_ahead_gives_all_and_its_error(film):
    index = frame_index.index_frames(film)
    numbers = list(range(100))
    assert list(shot_detection.ahead(iter(numbers), index)) == numbers

    def failing():
        yield 1
        raise VideoError("damaged")

    ahead = shot_detection.ahead(failing(), index)
    assert next(ahead) == 1
    with pytest.raises(VideoError, match="damaged"):
        next(ahead)
