"""Pairs with true motion: the next frame is about 1/24 s later."""

import cv2
import numpy as np
import pytest

from keras_ssc.data import sampling
from keras_ssc.films import cleaning
from keras_ssc.films import film_list
from keras_ssc.films import film_reader
from keras_ssc.films import frame_index
from keras_ssc.films import pairing
from tests.helpers import drawn_films

SECONDS = 2
ALL = cleaning.ExtractConfig(num_pairs=1000, width=96, height=64)


def shots_at(rate):
    """A camera that moves 80 pixels a second, in two shots of 1 s."""
    return [
        cv2.warpAffine(
            picture,
            np.float32([[1, 0, -80 * n / rate], [0, 1, -10]]),
            (640, 360),
        )
        for number in (3, 4)
        for picture in [cv2.resize(drawn_films.place(number), (960, 400))]
        for n in range(SECONDS * rate // 2)
    ]


def write(path, pictures_at, rate, **settings):
    """Writes a film: at each frame of `rate` what `pictures_at` shows then."""
    shown = shots_at(pictures_at)
    frames = [
        shown[number * pictures_at // rate] for number in range(SECONDS * rate)
    ]
    options = {"crf": "20", "preset": "veryfast", **settings}
    return drawn_films.write_film(path, frames, rate, options=options)


def extracted(path, config=ALL):
    scene = film_list.Scene(path, 0.0, np.inf, 2)
    film = film_list.Film("Film", "action", "train", (scene,))
    return sampling.extract_pairs(film, config)


def steps_of(extraction):
    return {
        outcome.next_frame_number - outcome.candidate.frame_number
        for outcome in extraction.kept
    }


@pytest.mark.parametrize(
    "rate, stride",
    [(12, 1), (24, 1), (25, 1), (30, 1), (48, 2), (50, 2), (60, 2), (120, 5)],
)
def test_the_next_frame_is_a_cinema_s_step_later(tmp_path, rate, stride):
    path = write(tmp_path / "film.mp4", rate, rate)
    made = pairing.of(frame_index.index_frames(path))
    assert made.stride == stride
    assert made.skips_repeats == (rate > 33)
    found = extracted(path)
    # At 120 a second the encoder takes some pictures for those before them.
    assert steps_of(found) <= {stride, *([4, 6] if rate == 120 else [])}
    assert {outcome.reason for outcome in found.dropped} <= {"cut"}
    assert not any(outcome.repeated for outcome in found.kept)


@pytest.mark.parametrize("crf", [12, 20, 23])
def test_pictures_shown_again_are_no_frames_at_high_rates(tmp_path, crf):
    path = write(tmp_path / "film.mp4", 24, 60, crf=str(crf))
    found = extracted(path)
    assert len(found.kept) > 30
    pictures = set()
    for outcome in found.kept:
        first = outcome.candidate.frame_number * 24 // 60
        # The very next picture of 24 a second, however often it is shown.
        assert outcome.next_frame_number * 24 // 60 == first + 1
        assert not outcome.repeated
        pictures.add(first)
    # Each picture once, though two odd frames may show it.
    assert len(pictures) == len(found.kept)
    reasons = {outcome.reason for outcome in found.dropped}
    assert reasons <= {"repeated", "cut"}


def test_pictures_shown_again_are_told_at_low_rates(tmp_path):
    path = write(tmp_path / "film.mp4", 24, 30)
    found = extracted(path)
    assert steps_of(found) == {1}
    for outcome in found.kept:
        numbers = outcome.candidate.frame_number, outcome.next_frame_number
        first, second = (number * 24 // 30 for number in numbers)
        assert outcome.repeated == (first == second)
    share = np.mean([outcome.repeated for outcome in found.kept])
    assert 0.1 < share < 0.3
    config = cleaning.ExtractConfig(
        num_pairs=1000, width=96, height=64, drop_repeated=True
    )
    rest = extracted(path, config)
    assert not any(outcome.repeated for outcome in rest.kept)
    assert {outcome.reason for outcome in rest.dropped} >= {"repeated"}


def test_a_stride_is_taken_to_the_letter(tmp_path):
    path = write(tmp_path / "film.mp4", 24, 60)
    config = cleaning.ExtractConfig(
        num_pairs=1000, width=96, height=64, stride=1
    )
    assert steps_of(extracted(path, config)) == {1}


def test_an_interval_may_be_longer(tmp_path):
    path = write(tmp_path / "film.mp4", 24, 24)
    config = cleaning.ExtractConfig(
        num_pairs=1000, width=96, height=64, interval=1 / 6
    )
    assert steps_of(extracted(path, config)) == {4}


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("rate", [24, 60])
def test_a_verdict_reads_the_pairs_that_extract_does(tmp_path, rate, quick):
    path = write(tmp_path / "film.mp4", 24, rate)
    read = list(
        film_reader.read_film(path, film_reader.Plan(num_pairs=24, quick=quick))
    )
    pairs = [item for item in read if isinstance(item, film_reader.Pair)]
    index = frame_index.index_frames(path)
    shown = shots_at(24)
    used = [pair for pair in pairs if not pair.reason]
    assert len(used) >= 22
    for pair in used:
        number = int(np.searchsorted(index.seconds, pair.seconds))
        first = number * 24 // rate
        small = [
            cleaning.stored_frame(frame, None, ALL)
            for frame in (pair.frame, pair.next_frame)
        ]
        for frame, picture in zip(small, (first, first + 1), strict=True):
            difference = frame.astype(int) - cleaning.stored_frame(
                shown[picture], None, ALL
            )
            assert np.abs(difference).mean() < 3
        assert not pair.repeated


@pytest.mark.parametrize("rate", [24, 60])
def test_what_stands_still_is_a_pair_of_one_picture(tmp_path, rate):
    frames = [drawn_films.shot(3, 1)[0]] * rate
    path = drawn_films.write_film(tmp_path / "still.mp4", frames, rate)
    found = extracted(path)
    assert steps_of(found) == {1 if rate == 24 else 2}
    assert all(outcome.repeated for outcome in found.kept)
    *_, last = film_reader.read_film(path, film_reader.Plan(4))
    assert isinstance(last, film_reader.Shot)
    pairs = [
        item
        for item in film_reader.read_film(path, film_reader.Plan(4))
        if isinstance(item, film_reader.Pair)
    ]
    assert all(pair.repeated and not pair.reason for pair in pairs)


# ----- holes in time


@pytest.fixture
def paused(tmp_path):
    """Two seconds, a pause of 30 s that is stored as one frame, two more."""
    ticks = [*range(48), *range(48 + 720, 96 + 720)]
    return drawn_films.write_film(
        tmp_path / "paused.mp4", drawn_films.shot(5, 96), ticks=ticks
    )


def test_no_pair_lies_across_a_hole_in_time(paused):
    found = extracted(paused)
    (gap,) = found.dropped
    assert (gap.reason, gap.candidate.frame_number) == ("gap", 47)
    assert len(found.kept) == 47 - 1


@pytest.mark.parametrize("quick", [False, True])
def test_asked_times_within_a_pause_move_on(paused, quick):
    read = list(film_reader.read_film(paused, film_reader.Plan(6, quick=quick)))
    pairs = [item for item in read if isinstance(item, film_reader.Pair)]
    times = [pair.seconds for pair in pairs]
    assert len(times) == 6
    assert not any(pair.reason for pair in pairs)
    # Three on either side, at even steps.
    assert sum(time < 2 for time in times) == 3
    np.testing.assert_allclose(np.diff(times[:3]), 4 / 6, atol=0.05)


def test_frames_that_all_stand_long_are_consecutive(tmp_path):
    path = drawn_films.write_film(
        tmp_path / "slow.mp4", drawn_films.shot(5, 20), rate=1
    )
    found = extracted(path)
    assert not found.dropped
    assert len(found.kept) == 9
