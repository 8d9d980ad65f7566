import numpy as np
import pytest

from keras_ssc.data import simple_features


def test_a_histogram_is_of_colours_and_not_of_channels():
    primaries = np.zeros((2, 2, 3), np.uint8)
    primaries[0, 0, 0] = primaries[0, 1, 1] = primaries[1, 0, 2] = 255
    # Each channel of both has one bright pixel and three dark ones.
    grey = np.zeros((2, 2, 3), np.uint8)
    grey[0, 0] = 255
    counted = [
        simple_features.colour_histogram(each) for each in (primaries, grey)
    ]
    for histogram in counted:
        assert histogram.shape == (64,)
        assert np.sum(histogram**2) == pytest.approx(1)
    assert sorted(counted[0][counted[0] > 0]) == [0.5] * 4
    assert counted[1][0] ** 2 == pytest.approx(0.75)
    assert counted[1][63] ** 2 == pytest.approx(0.25)


def test_an_interval_is_over_films():
    interval = simple_features.balanced_accuracy_interval
    assert interval([0, 1] * 3, [0.5] * 6) == (0.5, 0.5, 0.5)
    # Three films of the first genre say no more than the one of the other.
    accuracy, low, high = interval([0, 0, 0, 1], [1, 1, 1, 0])
    assert accuracy == 0.5
    # All four draws hit the first in 32 % of the cases, never or only the
    # other in 0.4 %.
    assert (low, high) == (0.5, 1)


def test_more_films_make_the_interval_narrow():
    few, many = (
        simple_features.balanced_accuracy_interval([0] * 2 * n, [1, 0] * n)
        for n in (3, 100)
    )
    assert few[0] == many[0] == 0.5
    assert few[2] - few[1] > 0.6
    assert 0.1 < many[2] - many[1] < 0.2
