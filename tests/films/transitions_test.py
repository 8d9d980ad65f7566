"""Gradual transitions between drawn pictures, and what must not be one."""

import types

import numpy as np
import pytest

from keras_ssc.films import shot_detection
from keras_ssc.films import transitions
from keras_ssc.films.shots import Transition
from keras_ssc.films.thumbnails import SIZE
from tests.helpers import drawn_films

WIDTH, HEIGHT = SIZE


def picture(number):
    """A textured picture in the size of a thumbnail, float (3, 18, 32)."""
    place = drawn_films.place(number).astype(float)
    rows, columns = 4 * HEIGHT, 8 * WIDTH
    place = place[:rows, :columns].reshape(HEIGHT, 4, WIDTH, 8, 3)
    small = place.mean(axis=(1, 3)).transpose(2, 0, 1)
    # As much contrast as films have.
    return np.clip(3 * (small - small.mean()) + 120, 0, 255)


def colour(level):
    return np.full((3, HEIGHT, WIDTH), float(level))


def still(shown, num_frames):
    return [shown] * num_frames


def dissolve(one, other, num_frames):
    """The frames between two pictures: none of them shows one alone."""
    shares = np.arange(1, num_frames + 1) / (num_frames + 1)
    return [(1 - share) * one + share * other for share in shares]


def wipe(one, other, num_frames, edge):
    """An edge that moves over the frame; `edge` is 0 to 1 where it passes."""
    shares = np.arange(1, num_frames + 1) / (num_frames + 1)
    return [np.where(edge < share, other, one) for share in shares]


def finds(frames, is_blank=None, is_cut=None, step_seconds=1 / 24):
    """Returns the transitions of frames, as a `Finder` tells them."""
    finder = shot_detection.Finder(step_seconds)
    noise = np.random.default_rng(0)
    found = []
    for number, frame in enumerate(frames):
        frame = frame + noise.normal(0, 0.5, frame.shape)
        colours = np.clip(np.rint(frame), 0, 255).astype(np.uint8)
        scanned = types.SimpleNamespace(number=number, colours=colours)
        found += finder.add(
            shot_detection.Seen(
                scanned,
                None,
                bool(is_blank[number]) if is_blank is not None else False,
                number in (is_cut or ()),
            )
        )
    return found + finder.close()


def is_near(found, expected, frames=1):
    """Whether a transition is another, but for some frames at its ends."""
    return (
        found.kind == expected.kind
        and abs(found.first_frame - expected.first_frame) <= frames
        and abs(found.end_frame - expected.end_frame) <= frames
    )


ONE, OTHER = picture(0), picture(1)
X, Y = np.meshgrid(np.linspace(0, 1, WIDTH), np.linspace(0, 1, HEIGHT))
EDGES = {
    "from the left": X,
    "from below": 1 - Y,
    "diagonal": (X + Y) / 2,
    "iris": np.hypot(16 * (X - 0.5), 9 * (Y - 0.5)) / 9.2,
}


@pytest.mark.parametrize("length", [3, 4, 6, 9, 14, 24, 40, 60])
def test_dissolves_of_any_length(length):
    frames = [
        *still(ONE, 40),
        *dissolve(ONE, OTHER, length),
        *still(OTHER, 40),
    ]
    (found,) = finds(frames)
    expected = Transition("dissolve", 40, 40 + length)
    assert is_near(found, expected, 1 + length // 12)


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("length", [8, 24])
def test_wipes(edge, length):
    frames = [
        *still(ONE, 30),
        *wipe(ONE, OTHER, length, EDGES[edge]),
        *still(OTHER, 30),
    ]
    (found,) = finds(frames)
    assert is_near(found, Transition("wipe", 30, 30 + length), 3)


@pytest.mark.parametrize("level", [0, 90, 250])
@pytest.mark.parametrize("mark", [False, True])
def test_fades_through_a_colour(level, mark):
    """Also with a watermark that stays, so that no frame is blank."""
    through = colour(level)
    half = 12
    frames = [
        *still(ONE, 30),
        *dissolve(ONE, through, half),
        *still(through, 5),
        *dissolve(through, OTHER, half),
        *still(OTHER, 30),
    ]
    is_blank = np.zeros(len(frames), bool)
    if mark:
        for place, frame in enumerate(frames):
            frames[place] = frame = frame.copy()
            frame[0, 14:16, 26:30] += 50 if level < 200 else -50
    else:
        is_blank[30 + half : 30 + half + 5] = True
    (found,) = finds(frames, is_blank)
    assert is_near(found, Transition("fade", 30, 59), 2)


def flash(frames):
    for place in (50, 51):
        frames[place] = 0.2 * frames[place] + 0.8 * 255


def strobe(frames):
    for place in range(40, 64):
        if place % 4 < 2:
            frames[place] = 0.25 * frames[place] + 185


def darker(frames):
    for place in range(40, 100):
        frames[place] = frames[place] * (1 - 0.6 * min((place - 40) / 14, 1))


def explosion(frames):
    glow = 255 * np.exp(-12 * ((X - 0.4) ** 2 + (Y - 0.5) ** 2))
    for place, share in enumerate((0.4, 0.9, 1, 0.8, 0.6, 0.4, 0.2, 0.1)):
        frames[50 + place] = (1 - share) * frames[50 + place] + share * glow


def passer_by(frames):
    for place in range(16):
        left = int((WIDTH + 20) * place / 16) - 20
        frame = frames[50 + place].copy()
        frame[:, :, max(left, 0) : max(left + 20, 0)] = 60
        frames[50 + place] = frame


def subtitle(frames):
    for place in range(50, 80):
        frames[place] = frames[place].copy()
        frames[place][0, 15:17, 6:26:2] = 235


@pytest.mark.parametrize(
    "change", [flash, strobe, darker, explosion, passer_by, subtitle]
)
def test_what_is_no_transition(change):
    frames = still(ONE, 120)
    change(frames)
    assert finds(frames) == []


@pytest.mark.parametrize("speed", [1, 3, 9])
def test_a_camera_that_pans_makes_no_transition(speed):
    wide = np.concatenate([picture(number) for number in range(40)], axis=2)
    steps = np.clip(np.arange(120) - 40, 0, 40 * 24 // speed // 4) * speed
    assert finds([wide[..., s : s + WIDTH] for s in steps]) == []


def test_a_camera_that_zooms_makes_no_transition():
    place = drawn_films.place(3).astype(np.uint8)
    frames = []
    for step in range(100):
        share = np.clip((step - 40) / 12, 0, 1)
        margin = int(20 * share)
        part = place[margin : 64 - margin, 2 * margin : 128 - 2 * margin]
        rows = np.linspace(0, len(part) - 1, HEIGHT).astype(int)
        columns = np.linspace(0, part.shape[1] - 1, WIDTH).astype(int)
        frames.append(part[rows][:, columns].transpose(2, 0, 1).astype(float))
    assert finds(frames) == []


def many():
    """A film of all kinds, 900 frames long, and what is true of it."""
    frames, truth = still(picture(0), 50), []
    is_cut = []
    for number in range(1, 13):
        one, other = picture(number - 1), picture(number)
        start = len(frames)
        if number % 3 == 0:
            is_cut.append(start)
            truth.append(Transition("cut", start, start))
        elif number % 3 == 1:
            frames += dissolve(one, other, 2 * number + 4)
            truth.append(Transition("dissolve", start, len(frames)))
        else:
            frames += wipe(one, other, 16, EDGES["from the left"])
            truth.append(Transition("wipe", start, len(frames)))
        frames += still(other, 55)
    return frames, is_cut, truth


@pytest.mark.parametrize("num_new", [20, 160, 2000])
def test_found_alike_however_far_it_is_read(num_new, monkeypatch):
    monkeypatch.setattr(shot_detection, "_NUM_NEW", num_new)
    frames, is_cut, truth = many()
    found = finds(frames, is_cut=is_cut)
    assert len(found) == len(truth)
    for each, expected in zip(found, truth, strict=True):
        assert is_near(each, expected, 3)


def test_frames_are_forgotten_when_they_are_decided():
    finder = shot_detection.Finder(1 / 24)
    colours = picture(0).astype(np.uint8)
    for number in range(3000):
        scanned = types.SimpleNamespace(number=number, colours=colours)
        # Minutes of black, too.
        is_blank = 1000 < number < 2900
        finder.add(shot_detection.Seen(scanned, None, is_blank, False))
        assert len(finder._numbers) < 600


def test_flashes_of_three_frames_are_no_shots():
    # Cuts to another picture for 3 frames, and back; then for 4.
    frames = still(ONE, 100)
    frames[40:43] = still(OTHER, 3)
    assert finds(frames, is_cut=[40, 43]) == []
    frames[43] = OTHER
    cuts = [Transition("cut", 40, 40), Transition("cut", 44, 44)]
    assert finds(frames, is_cut=[40, 44]) == cuts
    # From one shot to another, over a frame of both: one cut.
    frames = [*still(ONE, 40), (ONE + OTHER) / 2, *still(OTHER, 40)]
    assert finds(frames, is_cut=[40, 41]) == cuts[:1]


def test_twice_the_frames_a_second():
    frames = [
        *still(ONE, 80),
        *dissolve(ONE, OTHER, 100),
        *still(OTHER, 80),
    ]
    (found,) = finds(frames, step_seconds=1 / 60)
    assert is_near(found, Transition("dissolve", 80, 180), 8)


def test_films_without_shots():
    assert finds([]) == []
    assert finds([ONE]) == []
    assert finds([colour(16)] * 30, np.ones(30, bool)) == []
    # All of it a transition: of the first and the last frame, a shot each.
    for found in finds([ONE, *dissolve(ONE, OTHER, 12), OTHER]):
        assert is_near(found, Transition("dissolve", 1, 13))


def test_what_fades_in_first_and_out_last_is_no_transition():
    frames = [
        *still(colour(16), 10),
        *dissolve(colour(16), ONE, 10),
        *still(ONE, 60),
        *dissolve(ONE, colour(16), 10),
        *still(colour(16), 10),
    ]
    is_blank = np.zeros(100, bool)
    is_blank[:10] = is_blank[-10:] = True
    assert finds(frames, is_blank) == []


def test_likeness():
    one, other = (x.astype(np.uint8) for x in (ONE, OTHER))
    assert transitions.likeness(one, one) == pytest.approx(1)
    assert transitions.likeness(one, one // 2) > 0.95
    assert transitions.likeness(one, other) < 0.5
    assert transitions.likeness(*[colour(16).astype(np.uint8)] * 2) == 0
