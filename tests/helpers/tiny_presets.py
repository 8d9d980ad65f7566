"""Presets of KerasHub in folders, as small as its backbones can be."""

# What `ImageConverter` of KerasHub's ResNets has.
SCALE = [1 / (255 * deviation) for deviation in (0.229, 0.224, 0.225)]
OFFSET = [-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225]


def _save(folder, backbone, converter):
    backbone.save_to_preset(folder)
    if converter is not None:
        converter.save_to_preset(folder)
    return folder


def convolutions(folder, has_converter=True):
    """Writes a residual network's; returns the folder's path."""
    import keras_hub

    backbone = keras_hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64],
        stackwise_num_blocks=[1],
        stackwise_num_strides=[1],
        block_type="basic_block",
        use_pre_activation=False,
    )
    converter = keras_hub.layers.ResNetImageConverter(
        image_size=(64, 64), scale=SCALE, offset=OFFSET
    )
    return _save(folder, backbone, converter if has_converter else None)


def transformer(folder):
    """Writes a vision transformer's; returns the folder's path."""
    import keras_hub

    backbone = keras_hub.models.ViTBackbone(
        image_shape=(64, 64, 3),
        patch_size=16,
        num_layers=1,
        num_heads=2,
        hidden_dim=8,
        mlp_dim=16,
    )
    converter = keras_hub.layers.ViTImageConverter(
        image_size=(64, 64), scale=1 / 127.5, offset=-1.0
    )
    return _save(folder, backbone, converter)


def text(folder):
    """Writes one that reads text; returns the folder's path."""
    import keras_hub

    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=9,
        num_layers=1,
        num_heads=1,
        hidden_dim=2,
        intermediate_dim=2,
    )
    return _save(folder, backbone, None)
