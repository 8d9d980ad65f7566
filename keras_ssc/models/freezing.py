"""Fine-tuning: which layers a training leaves as they are."""

import re

import keras

from keras_ssc.models.backbones import BACKBONES

ALL = "all"

# Blocks of networks that are not in the table: of EfficientNet, MobileNet,
# ConvNeXt and KerasHub's.
_MORE_BLOCKS = (
    r"(block\d+[a-z]+|block_\d+|expanded_conv_\d+|conv_[dp]w_\d+|"
    r"\w+_stage_\d+_block_\d+|stack\d+_block\d+)(?:_|$)"
)


def all_layers(model):
    """Yields every layer of a model, those of models inside it too."""
    for layer in model.layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from all_layers(layer)


def freeze(model, unfreeze_from=None):
    """Leaves a model's pretrained part as it is, as a whole or up to a block.

    The pretrained part is the trunk, or both trunks, with their stems; what
    follows is the head. Batch normalisation of frozen layers works as in
    inference: with the averages that the weights came with.

    Args:
        model: A `keras.Model` of `MODELS` with a backbone.
        unfreeze_from: String, the block from which on the trunk is trained
            nevertheless: `block5` of VGG16, `conv5` or `conv5_block3` of
            ResNet50, `mixed9` of Inception v3, or any layer's name; `"all"`
            for all of it with its stems; None to freeze all of it.

    Raises:
        ValueError: If there is no such block.
    """
    for layer in model.layers:
        if layer.name.endswith("_stem"):
            layer.trainable = unfreeze_from == ALL
        elif isinstance(layer, keras.Model):
            _freeze_trunk(layer, unfreeze_from)


def _freeze_trunk(trunk, unfreeze_from):
    trunk.trainable = unfreeze_from is not None
    if unfreeze_from not in (None, ALL):
        for layer in trunk.layers[: _place(trunk, unfreeze_from)]:
            layer.trainable = False


def _place(trunk, block):
    """Returns the place of a block's first layer in its trunk."""
    names = [layer.name for layer in trunk.layers]
    inception = re.fullmatch(r"mixed(\d+)", block)
    if inception:
        # Named after its last layer: it begins after the block before.
        before = f"mixed{int(inception[1]) - 1}"
        if before in names and block in names:
            return names.index(before) + 1
    for place, name in enumerate(names):
        is_it = name == block or name.startswith(f"{block}_")
        if is_it and not name.startswith("mixed"):
            return place
    raise ValueError(
        f"Unknown block of {trunk.name}. Expected one of: {ALL}, "
        f"{', '.join([*_blocks(names), 'a layer'])}. Received: {block!r}"
    )


def _blocks(names):
    known = [each.block for each in BACKBONES.values()]
    pattern = re.compile("|".join([*known, _MORE_BLOCKS]))
    found = [pattern.match(name) for name in names]
    return dict.fromkeys(match[match.lastindex] for match in found if match)
