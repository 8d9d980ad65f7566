import keras
import pytest
from keras import layers

from experiments.multiply_adds import multiply_adds
from keras_ssc import models
from tests import models_test


def test_a_small_network_is_counted_by_hand():
    image = keras.Input((8, 10, 3))
    x = layers.Conv2D(4, 3, strides=2, padding="same")(image)  # (4, 5, 4)
    x = layers.BatchNormalization()(x)
    x = layers.DepthwiseConv2D(3, padding="valid")(x)  # (2, 3, 4)
    x = layers.Dense(7)(layers.Flatten()(x))
    expected = 4 * 5 * 4 * (3 * 3 * 3) + 2 * 3 * 4 * (3 * 3) + 2 * 3 * 4 * 7
    assert multiply_adds(keras.Model(image, x)) == expected


def test_fc_is_its_matrices():
    model = models.build_model("fc", (68, 120))
    expected = 68 * 120 * 3 * 50 + 50 * 10 + 10 * 40 + 40 * 6
    assert multiply_adds(model) == expected


@pytest.mark.parametrize(
    "application, size, published",
    [
        (keras.applications.InceptionV3, 299, 5.7e9),
        (keras.applications.VGG16, 224, 15.5e9),
        (keras.applications.ResNet50, 224, 3.86e9),
    ],
)
def test_known_networks_have_their_published_count(
    application, size, published
):
    model = application(weights=None, input_shape=(size, size, 3))
    assert multiply_adds(model) == pytest.approx(published, rel=0.005)


def test_a_trunk_that_two_branches_share_counts_twice():
    single = models_test.small_model("inception_v3")
    double = models_test.small_model("double_stack")
    height, width = (75 - 3) // 2 + 1, (80 - 3) // 2 + 1
    stem = height * width * 32 * (3 * 3)  # for each channel
    trunk = multiply_adds(single) - 3 * stem - 2048 * 6
    dense = 4096 * 8 + 8 * 4 + 4 * 6
    assert multiply_adds(double) == 2 * trunk + (3 + 2) * stem + dense


def test_a_size_that_is_not_known_is_told():
    image = keras.Input((None, None, 3))
    model = keras.Model(image, layers.Conv2D(4, 3)(image))
    with pytest.raises(ValueError, match="a height and a width"):
        multiply_adds(model)
