import fractions

import numpy as np
import opentimelineio
import pytest

from keras_ssc.editing import timeline
from tests.helpers import shot_lists

DAY = 24 * 3600


def of_rate(rate):
    """A timeline of a film of one rate."""
    seconds = shot_lists.constant(rate, 50)
    return timeline.of_shots(shot_lists.make(seconds, [(0, 50, None)]))


@pytest.mark.parametrize("rate", timeline.RATES, ids=str)
def test_a_film_of_a_standard_rate_has_it(rate):
    made = of_rate(rate)
    assert made.rate == rate
    assert made.seconds(rate.numerator) == rate.denominator


@pytest.mark.parametrize("rate", timeline.RATES, ids=str)
def test_timecode_is_that_of_opentimelineio(rate):
    made = of_rate(rate)
    numbers = np.random.default_rng(0).integers(0, int(DAY * rate), 2000)
    for frame in (*range(40_000), *numbers.tolist()):
        time = opentimelineio.opentime.RationalTime(frame, float(rate))
        assert made.timecode(frame) == time.to_timecode()


@pytest.mark.parametrize(
    ("rate", "frame", "written"),
    [
        ("30000/1001", 1799, "00:00:59;29"),
        ("30000/1001", 1800, "00:01:00;02"),
        ("30000/1001", 17_981, "00:09:59;29"),
        ("30000/1001", 17_982, "00:10:00;00"),
        ("60000/1001", 3600, "00:01:00;04"),
        ("24000/1001", 1440, "00:01:00:00"),
    ],
)
def test_drop_frame_leaves_out_numbers(rate, frame, written):
    assert of_rate(rate).timecode(frame) == written


@pytest.mark.parametrize(
    ("seconds", "rate"),
    [
        (shot_lists.constant(10, 100), "30"),
        (shot_lists.constant("12.5", 100), "25"),
        (shot_lists.constant(120, 100), "60"),
        (shot_lists.constant("59.5", 100), "60"),
        ([0.0], "25"),
        (shot_lists.FILMS["variable"], "60"),
        (shot_lists.FILMS["23.976 in milliseconds"], "24000/1001"),
        (shot_lists.FILMS["24, frames missing"], "24"),
        (shot_lists.in_milliseconds(shot_lists.constant(60)), "60"),
        (np.floor(shot_lists.constant("30000/1001") * 1000) / 1000, "29.97"),
    ],
)
def test_the_rate_is_the_one_in_whose_steps_the_frames_lie(seconds, rate):
    parts = [(0, len(seconds), None)]
    made = timeline.of_shots(shot_lists.make(seconds, parts))
    expected = "30000/1001" if rate == "29.97" else rate
    assert made.rate == fractions.Fraction(expected)


@pytest.mark.parametrize("name", shot_lists.FILMS)
def test_events_hold_every_frame_of_the_film_once(name):
    seconds = shot_lists.FILMS[name]
    made = timeline.of_shots(
        shot_lists.make(
            seconds, [part for part in shot_lists.PARTS if part[1] < 19_000]
        )
    )
    firsts = [each.first_frame for each in made.events]
    assert firsts == [*(0, 1, 1798, 1801, 3597, 3598, 3640, 17_981)]
    assert [each.end_frame for each in made.events] == [
        *firsts[1:],
        len(seconds),
    ]
    assert [each.name for each in made.events] == [
        *("Shot 1", "Shot 2", "dissolve 3", "Shot 3", "Shot 4", "fade 5"),
        *("Shot 5", "end"),
    ]
    starts = [each.start for each in made.events]
    assert [each.end for each in made.events[:-1]] == starts[1:]
    # What is on the screen at each event's first and last frame.
    shown = shot_lists.frames_shown(
        seconds, [float(made.seconds(frame)) for frame in starts]
    )
    assert shown.tolist() == firsts
    last = [float(made.seconds(each.end - 1)) for each in made.events]
    shown = shot_lists.frames_shown(seconds, last)
    assert shown.tolist() == [each.end_frame - 1 for each in made.events]


def test_a_film_that_begins_late_begins_late_on_its_timeline():
    seconds = shot_lists.constant(25, 100, start=3.0)
    made = timeline.of_shots(shot_lists.make(seconds, [(0, 100, None)]))
    assert (made.events[0].start, made.events[0].end) == (75, 175)


def test_no_event_is_shorter_than_a_frame_of_the_timeline():
    seconds = shot_lists.constant(240, 12)
    parts = [(0, 5, None), (5, 6, "cut"), (6, 7, "cut"), (7, 12, "cut")]
    made = timeline.of_shots(shot_lists.make(seconds, parts))
    places = [(each.start, each.end) for each in made.events]
    assert places == [(0, 2), (2, 3), (3, 4), (4, 5)]


def test_frames_before_the_first_shot_are_an_event():
    parts = [(5, 40, None)]
    made = timeline.of_shots(
        shot_lists.make(shot_lists.constant(24, 50), parts)
    )
    assert [each.name for each in made.events] == ["before 1", "Shot 1", "end"]


def test_labels_are_as_many_as_shots():
    found = shot_lists.make(shot_lists.constant(24))
    with pytest.raises(ValueError, match="each of 6 shots. Received: 1 labels"):
        timeline.of_shots(found, ["horror"])
