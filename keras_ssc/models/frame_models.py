"""The models that see one frame."""

import keras
from keras import layers

from keras_ssc.models import backbones
from keras_ssc.models import parts


def fc(image_size=(68, 120), num_genres=6):
    """Builds the fully connected network of the report, 50 - 10 - 40.

    Args:
        image_size: Tuple of two integers, (height, width).
        num_genres: Integer, how many classes there are.

    Returns:
        A `keras.Model` of `frame`, uint8 (batch, height, width, 3).
    """
    frame = parts.frame_input(image_size)
    # Centred: with inputs of 0..1 the ten ReLUs of the second layer can all
    # die in the first steps (one seed in four did), and nothing is learnt.
    x = layers.Flatten()(parts.scale_frame(frame))
    x = parts.dense(x, (50, 10, 40))
    return keras.Model({"frame": frame}, parts.logits(x, num_genres), name="fc")


def vgg16(
    image_size=(224, 224),
    num_genres=6,
    weights=None,
    dense_units=(4096, 4096),
    backbone="vgg16",
):
    """Builds VGG16 with its own fully connected layers and six classes.

    Simonyan and Zisserman 2015, arXiv:1409.1556.

    Args:
        image_size: Tuple of two integers, (height, width), 32 or more.
        num_genres: Integer, how many classes there are.
        weights: None, `"imagenet"`, or a path; see `backbones.Trunk`.
        dense_units: Tuple of integers, the fully connected layers.
        backbone: String, another in its place; see `backbones.find`.

    Returns:
        A `keras.Model` of `frame`, uint8 (batch, height, width, 3).
    """
    frame = parts.frame_input(image_size)
    trunk = backbones.Trunk(backbone, image_size, weights, pooling=None)
    x = trunk.stem(trunk.scale_frame(frame), "frame_stem")
    # (batch, height / 32 * width / 32 * 512)
    x = parts.features(trunk(x), "frame")
    x = parts.dense(x, dense_units)
    return keras.Model(
        {"frame": frame}, parts.logits(x, num_genres), name="vgg16"
    )


def resnet50(
    image_size=(224, 224), num_genres=6, weights=None, backbone="resnet50"
):
    """Builds ResNet50 with six classes.

    He et al. 2016, arXiv:1512.03385.

    Args:
        image_size: Tuple of two integers, (height, width), 32 or more.
        num_genres: Integer, how many classes there are.
        weights: None, `"imagenet"`, or a path; see `backbones.Trunk`.
        backbone: String, another in its place; see `backbones.find`.

    Returns:
        A `keras.Model` of `frame`, uint8 (batch, height, width, 3).
    """
    return _pooled("resnet50", image_size, num_genres, weights, backbone)


def inception_v3(
    image_size=(299, 299), num_genres=6, weights=None, backbone="inception_v3"
):
    """Builds Inception v3 with six classes.

    Szegedy et al. 2016, arXiv:1512.00567.

    Args:
        image_size: Tuple of two integers, (height, width), 75 or more.
        num_genres: Integer, how many classes there are.
        weights: None, `"imagenet"`, or a path; see `backbones.Trunk`.
        backbone: String, another in its place; see `backbones.find`.

    Returns:
        A `keras.Model` of `frame`, uint8 (batch, height, width, 3).
    """
    return _pooled("inception_v3", image_size, num_genres, weights, backbone)


def _pooled(name, image_size, num_genres, weights, backbone):
    frame = parts.frame_input(image_size)
    trunk = backbones.Trunk(backbone, image_size, weights)
    x = trunk(trunk.stem(trunk.scale_frame(frame), "frame_stem"))
    x = parts.features(x, "frame")
    return keras.Model({"frame": frame}, parts.logits(x, num_genres), name=name)
