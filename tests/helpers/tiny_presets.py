"""Presets of KerasHub in folders, as small as its backbones can be."""

import io
import string

import numpy as np

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


# Of an image-text preset's vision tower, and of its text tower.
_VISION = {
    "patch_size": 16,
    "hidden_dim": 8,
    "num_layers": 1,
    "num_heads": 2,
    "intermediate_dim": 16,
    "image_shape": (32, 32, 3),
}
_TEXT = {
    "embedding_dim": 8,
    "hidden_dim": 8,
    "num_layers": 1,
    "num_heads": 2,
    "intermediate_dim": 16,
    "max_sequence_length": 40,
}


def _save_image_text(folder, backbone, preprocessor):
    """Writes a backbone with weights that tell any two texts apart."""
    generator = np.random.default_rng(0)
    for weight in backbone.trainable_variables:
        weight.assign(generator.normal(size=weight.shape))
    backbone.save_to_preset(folder)
    preprocessor.save_to_preset(folder)
    return folder


def clip(folder):
    """Writes a CLIP, which reads texts by their letters."""
    import keras_hub

    letters = string.ascii_lowercase
    tokens = [*letters, *(f"{x}</w>" for x in letters)]
    # The end's token has to be the last.
    tokens += ["at", "<|startoftext|>", "<|endoftext|>"]
    models = keras_hub.models
    backbone = models.CLIPBackbone(
        vision_encoder=models.CLIPVisionEncoder(**_VISION),
        text_encoder=models.CLIPTextEncoder(
            vocabulary_size=len(tokens), **_TEXT
        ),
        projection_dim=4,
    )
    preprocessor = models.CLIPPreprocessor(
        models.CLIPTokenizer(
            vocabulary={token: place for place, token in enumerate(tokens)},
            merges=["a t"],
        ),
        keras_hub.layers.CLIPImageConverter(
            image_size=(32, 32), scale=SCALE, offset=OFFSET
        ),
        sequence_length=40,
    )
    return _save_image_text(folder, backbone, preprocessor)


def siglip(folder):
    """Writes a SigLIP, which reads texts by their letters."""
    import keras_hub
    import sentencepiece

    proto = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([" ".join(string.ascii_lowercase)]),
        model_writer=proto,
        model_type="char",
        vocab_size=30,
        pad_id=0,
        bos_id=-1,
        eos_id=1,
        unk_id=2,
        minloglevel=2,
    )
    models = keras_hub.models
    backbone = models.SigLIPBackbone(
        vision_encoder=models.SigLIPVisionEncoder(**_VISION),
        text_encoder=models.SigLIPTextEncoder(vocabulary_size=30, **_TEXT),
    )
    preprocessor = models.SigLIPPreprocessor(
        models.SigLIPTokenizer(proto=proto.getvalue()),
        keras_hub.layers.SigLIPImageConverter(
            image_size=(32, 32),
            scale=1 / 127.5,
            offset=-1.0,
            crop_to_aspect_ratio=False,
        ),
        sequence_length=40,
    )
    return _save_image_text(folder, backbone, preprocessor)
