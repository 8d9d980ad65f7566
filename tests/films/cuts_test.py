import collections

import cv2
import numpy as np
import pytest

from keras_ssc.films import cuts
from tests.helpers import cut_corpus

# The weights in `cuts` were fitted on seeds 1 and 2.
_HELD_OUT_SEED = 7


@pytest.fixture(scope="module")
def judged():
    """The held-out films' transitions: category -> (is cut, score) arrays."""
    transitions = collections.defaultdict(list)
    for film in cut_corpus.draw_corpus(_HELD_OUT_SEED, films_per_category=3):
        pairs = zip(film.frames, film.frames[1:], strict=False)
        for is_cut, pair in zip(film.is_cut, pairs, strict=True):
            transitions[film.category].append((is_cut, cuts.cut_score(*pair)))
    return {
        category: np.array(rows).T for category, rows in transitions.items()
    }


def test_finds_cuts_of_held_out_films(judged):
    is_cut, score = np.concatenate(list(judged.values()), axis=1)
    is_cut, found = is_cut == 1, score > cuts.CUT_THRESHOLD
    assert is_cut.sum() > 150
    assert found[is_cut].mean() >= 0.99
    assert is_cut[found].mean() >= 0.95


@pytest.mark.parametrize("category", cut_corpus.CATEGORIES)
def test_no_kind_of_film_is_a_disaster(judged, category):
    is_cut, score = judged[category]
    is_cut, found = is_cut == 1, score > cuts.CUT_THRESHOLD
    missed = (is_cut & ~found).sum()
    false = (~is_cut & found).sum()
    assert missed <= 0.2 * is_cut.sum()
    assert false <= 0.1 * (~is_cut).sum()


def test_scores_are_from_0_to_1(judged):
    _, score = np.concatenate(list(judged.values()), axis=1)
    assert score.min() >= 0
    assert score.max() <= 1


def _scene(number=0, size=(270, 480)):
    """A frame of a drawn scene; another number is another scene."""
    film = cut_corpus.draw_film("hard", 11, number)
    return cv2.resize(film.frames[0], size[::-1])


def test_same_frame_is_no_cut():
    scene = _scene()
    assert cuts.cut_score(scene, scene) < 0.01
    assert not cuts.is_cut(scene, scene)


def test_other_scene_is_a_cut():
    assert cuts.cut_score(_scene(0), _scene(1)) > 0.95
    assert cuts.is_cut(_scene(0), _scene(1))


def test_threshold_decides():
    pair = _scene(0), _scene(1)
    score = cuts.cut_score(*pair)
    assert cuts.is_cut(*pair, threshold=score - 0.001)
    assert not cuts.is_cut(*pair, threshold=score)


def test_half_the_light_is_no_cut():
    scene = _scene()
    assert not cuts.is_cut(scene, scene // 2)
    assert not cuts.is_cut(scene // 2, scene)


@pytest.mark.parametrize("pixels", [20, 72, -72])
def test_pan_is_no_cut(pixels):
    wide = _scene(size=(270, 560))
    start = max(-pixels, 0)
    frame = wide[:, start : start + 480]
    next_frame = wide[:, start + pixels : start + pixels + 480]
    assert not cuts.is_cut(frame, next_frame)


def test_letterbox_does_not_hide_a_cut():
    frame, next_frame = _scene(0), _scene(1)
    for picture in (frame, next_frame):
        picture[:40] = picture[-40:] = 0
    assert cuts.is_cut(frame, next_frame)


def test_film_played_backwards_has_the_same_cuts():
    film = cut_corpus.draw_film("hard", 11, 0)
    forward = [cuts.is_cut(*film.frames[i : i + 2]) for i in range(23)]
    frames = film.frames[::-1]
    backward = [cuts.is_cut(*frames[i : i + 2]) for i in range(23)]
    assert forward == list(film.is_cut)
    assert backward == forward[::-1]


def test_out_of_black_at_once_is_a_cut_and_slowly_is_none():
    scene, black = _scene(), np.zeros((270, 480, 3), np.uint8)
    assert cuts.is_cut(black, scene)
    assert cuts.is_cut(scene, black)
    assert not cuts.is_cut(black, scene // 12)
    assert not cuts.is_cut(black, black)


# 27x160 once ended the process inside OpenCV's flow.
@pytest.mark.parametrize(
    "size", [(16, 16), (16, 1250), (1250, 16), (27, 160), (540, 960)]
)
def test_any_size_is_judged(size):
    assert cuts.cut_score(_scene(0, size), _scene(0, size)) < 0.1
    assert 0 <= cuts.cut_score(_scene(0, size), _scene(1, size)) <= 1


def test_frames_are_left_as_they_are():
    frame, next_frame = _scene(0), _scene(1)
    cuts.is_cut(frame, next_frame)
    cuts.is_blank(frame)
    np.testing.assert_array_equal(frame, _scene(0))
    np.testing.assert_array_equal(next_frame, _scene(1))


def _plain(colour, noise=0.0, vignette=0.0):
    y, x = np.mgrid[-1:1:270j, -1:1:480j]
    light = 1 - vignette * (x**2 + y**2) / 2
    frame = light[..., None] * np.array(colour, float)
    frame += np.random.default_rng(0).normal(0, noise, (270, 480, 1))
    return frame.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    "frame",
    [
        _plain((0, 0, 0)),
        _plain((255, 255, 255)),
        _plain((90, 20, 160)),
        _plain((0, 0, 0), noise=4),
        _plain((128, 128, 128), noise=8),
        _plain((200, 190, 180), noise=3, vignette=0.2),
    ],
    ids=["black", "white", "violet", "noise", "grain", "vignette"],
)
def test_nothing_to_see_is_blank(frame):
    assert cuts.is_blank(frame)
    coarse = cut_corpus.through_h264(np.stack([frame] * 3), rate_factor=29)
    assert all(cuts.is_blank(seen) for seen in coarse)


def test_colour_between_bars_is_blank():
    frame = _plain((180, 180, 180))
    frame[:35] = frame[-35:] = 0
    assert cuts.is_blank(frame)


def test_night_is_not_blank():
    for film in cut_corpus.draw_corpus(7, 4, ["grainy_night", "lightning"]):
        assert not any(cuts.is_blank(frame) for frame in film.frames)


def test_something_small_in_fog_is_not_blank():
    frame = _plain((170, 172, 175), noise=2)
    cv2.ellipse(frame, (300, 150), (6, 14), 0, 0, 360, (140, 140, 145), -1)
    assert not cuts.is_blank(frame)


def test_letters_on_black_are_not_blank():
    frame = _plain((0, 0, 0))
    cv2.putText(frame, "The End", (200, 140), 0, 0.5, (200, 200, 200), 1)
    assert not cuts.is_blank(frame)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (np.zeros((32, 32, 3)), "uint8 RGB.*float64"),
        (np.zeros((32, 32), np.uint8), r"uint8 RGB.*\(32, 32\)"),
        (np.zeros((32, 32, 4), np.uint8), r"uint8 RGB.*\(32, 32, 4\)"),
        (np.zeros((32, 15, 3), np.uint8), r"16x16.*\(32, 15, 3\)"),
    ],
)
def test_names_what_is_wrong_with_a_frame(frame, message):
    with pytest.raises(ValueError, match=message):
        cuts.cut_score(frame, frame)
    with pytest.raises(ValueError, match=message):
        cuts.is_cut(frame, frame)
    with pytest.raises(ValueError, match=message):
        cuts.is_blank(frame)


def test_frames_of_two_shapes_are_refused():
    frame = np.zeros((32, 32, 3), np.uint8)
    next_frame = np.zeros((32, 34, 3), np.uint8)
    with pytest.raises(ValueError, match="one shape"):
        cuts.cut_score(frame, next_frame)
