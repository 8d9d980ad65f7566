import dataclasses

import cv2
import numpy as np
import pytest
import tensorflow as tf

from experiments import letterbox
from keras_ssc.films import black_bars
from keras_ssc.serving import graph_bars
from tests.helpers import drawn_films


def both(pair):
    """The bars that Python and the graph find, as tuples."""
    graphs = tuple(graph_bars.find_bars(*pair).numpy().tolist())
    return dataclasses.astuple(black_bars.find_bars(pair)), graphs


def compressed(frame, quality):
    _, data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


SHARES = [(0, 0), (0.128, 0), (0.02, 0), (0, 0.125), (0.128, 0.125), (0, 0.34)]


@pytest.mark.parametrize("level", [0, 16, 39, 41])
@pytest.mark.parametrize("size", [(160, 90), (241, 135), (60, 64)])
def test_the_graph_finds_what_python_does_in_drawn_films(size, level):
    generator = np.random.default_rng(level)
    num_found = 0
    for place, shares in enumerate(SHARES):
        shot = drawn_films.shot(place, 2)
        pair = [letterbox.barred(x, size, *shares, level) for x in shot]
        noise = generator.normal(0, 3, pair[0].shape)
        noisy = [np.uint8(np.clip(frame + noise, 0, 255)) for frame in pair]
        jpegs = [compressed(frame, 50) for frame in pair]
        for each in (pair, noisy, jpegs):
            found, graphs = both(each)
            assert graphs == found
            num_found += any(found)
    assert num_found >= 8 if level <= 16 else True


def test_the_graph_decides_as_python_does_at_every_limit():
    # Flat pictures whose levels are at the limits of darkness and of steps.
    generator = np.random.default_rng(0)
    num_found = 0
    for _ in range(150):
        height, width = generator.integers(12, 200, 2)
        dark = generator.choice([0, 16, 39, 40, 41])
        frame = np.full((height, width, 3), dark, np.uint8)
        top, bottom, left, right = (
            generator.integers(0, side // 3)
            for side in (height, height, width, width)
        )
        if generator.random() < 0.5:
            bottom, right = top, left
        step = generator.choice([15, 16, 17, 32, 33, 100])
        inside = frame[top : height - bottom, left : width - right]
        inside[:] = dark + step
        if generator.random() < 0.5:
            inside[:, : inside.shape[1] // 2] = dark
        if generator.random() < 0.3:
            frame = cv2.GaussianBlur(frame, (0, 0), 1.5)
        found, graphs = both((frame, frame))
        assert graphs == found
        num_found += any(found)
    assert num_found > 20


def test_a_black_frame_is_no_bar():
    shot = drawn_films.shot(3, 2)
    barred = [letterbox.barred(frame, (160, 90)) for frame in shot]
    black = np.zeros_like(barred[0])
    assert both((black, black)) == ((0, 0, 0, 0),) * 2
    # Of a pair with one, the other says where the bars are.
    expected = both(barred)
    assert any(expected[0])
    assert both((black, barred[0])) == both((barred[0], barred[0])) == expected


def test_grey_is_opencv_s():
    frame = np.random.default_rng(0).integers(0, 256, (99, 77, 3), np.uint8)
    np.testing.assert_array_equal(
        graph_bars._grey(tf.constant(frame)), black_bars.grey(frame)
    )
