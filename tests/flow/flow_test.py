import numpy as np
import pytest

from keras_ssc import flow
from tests.helpers import drawn_pairs


@pytest.mark.parametrize("x, y", [(3, 0), (-2, 0), (0, 4), (2, -3)])
def test_the_flow_of_a_shifted_image_is_the_shift(x, y):
    picture = drawn_pairs.textured(160, 192)
    frame = picture[20:116, 20:148]
    next_frame = picture[20 - y : 116 - y, 20 - x : 148 - x]
    inside = flow.farneback_flow(frame, next_frame)[16:-16, 16:-16]
    np.testing.assert_allclose(np.median(inside, axis=(0, 1)), (x, y), atol=0.1)


def test_a_still_pair_does_not_move():
    frame = drawn_pairs.textured()
    still = flow.farneback_flow(frame, frame)
    assert still.dtype == np.float32
    # OpenCV sees a little motion near the border even then.
    assert np.median(np.abs(still)) < 1e-4
    assert flow.motion_magnitude(still) < 1e-4


def test_the_magnitude_is_the_reports_formula():
    generator = np.random.default_rng(1)
    motion = generator.normal(0, 3, (4, 6, 2)).astype(np.float32)
    lengths = [np.hypot(*vector) for vector in motion.reshape(-1, 2)]
    # sqrt((|M| / H) (|M| / W)) for each pixel, then the mean.
    expected = np.mean([np.sqrt(m / 4 * (m / 6)) for m in lengths])
    np.testing.assert_allclose(
        flow.motion_magnitude(motion), expected, rtol=1e-6
    )


def test_the_magnitude_does_not_cancel_or_depend_on_size():
    motion = np.zeros((10, 10, 2), np.float32)
    motion[:5, :, 0], motion[5:, :, 0] = 2, -2
    np.testing.assert_allclose(flow.motion_magnitude(motion), 0.2)
    double = 2 * np.kron(motion, np.ones((2, 2, 1), np.float32))
    np.testing.assert_allclose(flow.motion_magnitude(double), 0.2)


def test_the_magnitude_of_a_batch_is_each_pairs():
    batch = np.random.default_rng(2).normal(size=(3, 5, 7, 2))
    batch = batch.astype(np.float32)
    np.testing.assert_array_equal(
        flow.motion_magnitude(batch),
        [flow.motion_magnitude(single) for single in batch],
    )


@pytest.mark.parametrize(
    "frame, next_frame, word",
    [
        (np.zeros((8, 8, 3), np.float32), None, "float32"),
        (np.zeros((8, 8), np.uint8), None, r"\(8, 8\)"),
        (np.zeros((9, 16, 3), np.uint8), None, "10 pixels"),
        (
            np.zeros((16, 16, 3), np.uint8),
            np.zeros((16, 17, 3), np.uint8),
            "one shape",
        ),
    ],
)
def test_other_arrays_are_refused(frame, next_frame, word):
    next_frame = frame if next_frame is None else next_frame
    with pytest.raises(ValueError, match=word):
        flow.farneback_flow(frame, next_frame)


def colour_of(x, y, max_pixels=10.0):
    motion = np.full((2, 3, 2), (x, y), np.float32)
    colours = flow.flow_colours(motion, max_pixels)
    assert colours.shape == (2, 3, 3) and colours.dtype == np.uint8
    assert (colours == colours[0, 0]).all()
    return tuple(int(value) for value in colours[0, 0])


def test_a_flow_s_direction_is_its_hue():
    assert colour_of(10, 0) == (255, 0, 0)
    red, green, blue = colour_of(0, 10)  # downward: yellow
    assert red == 255 and green > 200 and blue == 0
    red, green, blue = colour_of(-10, 0)  # to the left: light blue
    assert red == 0 and green > 150 and blue == 255
    red, green, blue = colour_of(0, -10)  # upward: violet
    assert red < 150 and green == 0 and blue == 255
    # The wheel closes: a little above and below the right are both red.
    np.testing.assert_allclose(colour_of(10, 0.01), (255, 0, 0), atol=1)
    np.testing.assert_allclose(colour_of(10, -0.01), (255, 0, 0), atol=1)


def test_a_flow_s_length_is_its_saturation():
    assert colour_of(0, 0) == (255, 255, 255)
    assert colour_of(5, 0) == (255, 128, 128)
    assert colour_of(1000, 0) == colour_of(10, 0)
    assert colour_of(5, 0, max_pixels=5.0) == (255, 0, 0)


def test_a_flow_s_own_longest_is_the_scale_unless_one_is_given():
    motion = np.zeros((1, 3, 2), np.float32)
    assert (flow.flow_colours(motion) == 255).all()
    motion[0, :, 0] = (0, 2, 4)
    colours = flow.flow_colours(motion)
    assert colours[0, :, 1].tolist() == [255, 128, 0]


def test_a_flow_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"\(height, width, 2\)"):
        flow.flow_colours(np.zeros((4, 5, 3)))
