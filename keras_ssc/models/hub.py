"""Image backbones of KerasHub, by a preset's name or its folder.

KerasHub is imported when one of them is built: it takes seconds, and is
installed with the extra `hub` alone.
"""

import keras
from keras import layers

from keras_ssc import checks
from keras_ssc.models import parts

PREFIX = "hub:"


def keras_hub():
    """Imports KerasHub; a `ValueError` says how to install it."""
    with checks.needs_extra("KerasHub", "hub"):
        import keras_hub
    return keras_hub


def network(preset, include_top, weights, input_shape, pooling):
    """Builds a backbone, as the functions of `keras.applications` do.

    Args:
        preset: String, a preset's name, such as `resnet_50_imagenet`, or the
            path of a preset's folder.
        include_top: False: a backbone has no classes.
        weights: None for random ones, `"imagenet"` for the preset's, or the
            path of a weights file of the backbone.
        input_shape: Tuple (height, width, 3).
        pooling: `"avg"` for the mean over places, None for the feature maps.

    Returns:
        A `keras.Model` of float32 images (batch, height, width, 3): of the
        backbone's layers if they are all Keras' own, else of the backbone.

    Raises:
        ValueError: If KerasHub is not installed, or the preset is not that of
            an image backbone.
    """
    assert not include_top, "a backbone has no classes"
    backbone = keras_hub().models.Backbone.from_preset(
        preset, load_weights=weights == "imagenet", image_shape=input_shape
    )
    if weights not in (None, "imagenet"):
        backbone.load_weights(weights)
    image, features = backbone.input, backbone.output
    if not (_rank(image) == 4 and _rank(features) in (3, 4)):
        raise ValueError(
            f"Expected a backbone from an image to features. "
            f"{type(backbone).__name__} of {preset} is another."
        )
    if not all(
        type(x).__module__.startswith("keras.") for x in backbone.layers
    ):
        image = keras.Input(image.shape[1:])
        features = Whole(backbone, name="backbone")(image)
    if pooling == "avg":
        # Maps (batch, height, width, channels), or tokens (batch, places,
        # channels).
        pool = (
            layers.GlobalAveragePooling2D
            if _rank(features) == 4
            else layers.GlobalAveragePooling1D
        )
        features = pool(name="avg_pool")(features)
    return keras.Model(image, features, name=backbone.name)


@keras.saving.register_keras_serializable(package="keras_ssc")
class Whole(layers.Layer):
    """A backbone with layers of KerasHub's own, as one layer.

    Some of them are not restored by their own config, such as the vision
    transformer's. A backbone is, but then trains what was frozen.

    Args:
        backbone: A `keras_hub.models.Backbone`.
        trainable: Boolean, whether it is trained.
        **kwargs: As `keras.layers.Layer`'s.
    """

    def __init__(self, backbone, trainable=True, **kwargs):
        super().__init__(**kwargs)
        self.backbone = backbone
        # Its config does not have what was set of its layers.
        parts.set_momentum(backbone)
        if not trainable:
            self.trainable = False
            # A backbone that says so of itself does not tell its layers.
            for layer in backbone.layers:
                layer.trainable = False

    def build(self, input_shape):
        """Has nothing to build: the backbone is built."""

    def call(self, image, training=None):
        """Returns the backbone's features of (batch, height, width, 3)."""
        return self.backbone(image, training=training)

    def get_config(self):
        """Returns the layer's config, with the backbone's."""
        backbone = keras.saving.serialize_keras_object(self.backbone)
        return {**super().get_config(), "backbone": backbone}

    @classmethod
    def from_config(cls, config):
        """Restores the layer from its config; its weights come later."""
        described = config["backbone"]
        inner = described["config"]
        if "dtype" in inner:
            # One precision for both, whoever changed this layer's.
            inner = {**inner, "dtype": config["dtype"]}
        backbone = keras.saving.deserialize_keras_object(
            {**described, "config": inner}
        )
        return cls(**{**config, "backbone": backbone})


def _rank(tensor):
    """Returns how many dimensions a tensor has; 0 for several tensors."""
    return len(getattr(tensor, "shape", ()))


def scale_frame(preset, frame):
    """Scales a frame as a preset's image converter does.

    Args:
        preset: As `network`'s.
        frame: Keras tensor, uint8 (batch, height, width, 3).

    Returns:
        Keras tensor, of the same shape. It is not resized.

    Raises:
        ValueError: If KerasHub is not installed, or the preset does not say
            how images are scaled.
    """
    of_images = keras_hub().layers.ImageConverter
    try:
        converter = of_images.from_preset(preset)
    # KerasHub, Kaggle and Hugging Face raise errors of their own.
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(
            "Expected a preset that says how it scales images, in "
            f"image_converter.json. {preset} does not: {reason}"
        ) from error
    scale = 1.0 if converter.scale is None else converter.scale
    offset = 0.0 if converter.offset is None else converter.offset
    return layers.Rescaling(scale, offset=offset)(frame)
