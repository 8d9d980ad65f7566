"""Genres that nothing was trained on: frames are compared with texts.

    predictor = zero_shot.load("clip_vit_base_patch32", ["heist", "western"])
    verdict = predictor.predict_film("film.mp4")

An image-text preset of KerasHub has a tower for images and one for texts. A
frame is of the genre whose texts are the most like it.
"""

import keras
import numpy as np
from keras import ops

from keras_ssc import genres as genre_names
from keras_ssc import tasks
from keras_ssc.models import hub
from keras_ssc.prediction import predictor

# What is said of a frame, with the genre in the place of {}.
PROMPTS = ("a frame of a {} film", "a still from a {} movie")

# Images are decoded to the size that frames of films are read in.
_FRAME_SIZE = (270, 480)


def load(preset, genres, prompts=None):
    """Loads an image-text preset, to be asked for genres by their names.

    A genre's texts are `prompts` with its name in them. Their embeddings are
    normalised and averaged, as in Radford et al. 2021. The logits of a frame
    are its cosines with the genres' means by the preset's own scale, and its
    scores their softmax: also of SigLIP, whose bias is the same for all.

    Args:
        preset: String, the name of a CLIP or SigLIP preset, such as
            `clip_vit_base_patch32`, or the path of a preset's folder.
        genres: Sequence of 2 to 1,000 strings, any words, none of them twice.
        prompts: Sequence of strings, each with one `{}`; None for `PROMPTS`.

    Returns:
        A `predictor.Predictor` that sees a pair's first frame and no motion.

    Raises:
        ValueError: If KerasHub is not installed, the preset is none of images
            and texts or cannot be had, or genres or prompts are malformed.
    """
    task = tasks.of(genre_names.ONE, _read_genres(genres))
    prompts = _check_prompts(prompts or PROMPTS)
    towers = _Towers(str(preset))
    text = towers.embed_genres(task.genres, prompts)

    def ask(frame, next_frame):
        del next_frame
        return task.scores(towers.logits(frame, text)), None, None

    return predictor.Predictor(
        f"zero-shot {preset}", ask, _FRAME_SIZE, lambda: task
    )


def _read_genres(genres):
    found = {}
    for genre in map(genre_names.genre_named, genres):
        first = found.setdefault(genre_names.key_of(genre), genre)
        if first is not genre:
            raise ValueError(
                f"Expected each genre once. Received: {first!r} and {genre!r}"
            )
    genre_names.check(found)
    if len(found) < 2:
        raise ValueError(
            "Expected two genres or more, such as heist,western. Received: "
            f"{', '.join(found.values())}"
        )
    return tuple(found.values())


def _check_prompts(prompts):
    for prompt in prompts:
        if prompt.count("{}") != 1:
            raise ValueError(
                "Expected prompts with one {} in the genre's place, such as "
                f"{PROMPTS[0]!r}. Received: {prompt!r}"
            )
    return prompts


class _Towers:
    """The two towers of a preset, and what it reads images and texts with."""

    def __init__(self, preset):
        models = hub.keras_hub().models
        heads = {
            models.CLIPBackbone: "clip_head",
            models.SigLIPBackbone: "siglip_head",
        }
        self._preset = preset
        try:
            # What reads texts is small: a preset of another kind is refused
            # before its weights are downloaded.
            reader = models.CausalLMPreprocessor.from_preset(preset)
            if type(reader).backbone_cls not in heads:
                raise ValueError(f"it has a {type(reader).__name__}")
            backbone = type(reader).backbone_cls.from_preset(preset)
        # KerasHub, Kaggle and Hugging Face raise errors of their own.
        except Exception as error:
            reason = " ".join(str(error).split())[:200]
            raise ValueError(
                "Expected the name of a CLIP or SigLIP preset of KerasHub, "
                "which is downloaded, or without a network the path of its "
                f"folder. {preset} cannot be had as one: {reason}"
            ) from error
        self._convert_images = reader.image_converter
        # Texts are read without images.
        reader.image_converter = None
        self._read = reader
        self._embed_texts = backbone.get_text_embeddings
        image = keras.Input(backbone.input["images"].shape[1:])
        self._images = keras.Model(image, backbone.get_vision_embeddings(image))
        self._head = getattr(backbone, heads[type(backbone)])

    def embed_genres(self, genres, prompts):
        """Returns a tensor (genres, dimensions) of embeddings."""
        embeddings, genre_of = [], {}
        for genre in genres:
            words = genre_names.genre_words(genre)
            texts = [prompt.replace("{}", words) for prompt in prompts]
            tokens = self._read({"prompts": texts, "images": None})["token_ids"]
            key = ops.convert_to_numpy(tokens).tobytes()
            other = genre_of.setdefault(key, genre)
            if other != genre:
                raise ValueError(
                    f"Expected genres that {self._preset} can distinguish. "
                    f"It reads {other!r} and {genre!r} as the same text: name "
                    "one in other words, or without its signs."
                )
            of_texts = ops.normalize(self._embed_texts(tokens), axis=-1)
            embeddings.append(ops.mean(of_texts, axis=0))
        return ops.stack(embeddings)

    def logits(self, frame, text):
        """Compares frames with embeddings of genres.

        Args:
            frame: uint8 array (frames, height, width, 3), RGB.
            text: What `embed_genres` returned.

        Returns:
            float32 array (frames, genres).
        """
        converted = ops.convert_to_numpy(self._convert_images(frame))
        image = self._images.predict_on_batch(converted)
        # The head normalises both.
        logits, _ = self._head(ops.convert_to_tensor(image), text)
        return np.asarray(ops.convert_to_numpy(logits), np.float32)
