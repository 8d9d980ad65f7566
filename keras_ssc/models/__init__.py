"""The models, one builder function each; `MODELS` knows them by name.

A model takes a dict of what it needs of a pair, by the names that the input
pipeline gives them: `frame` and `next_frame`, uint8 RGB, and `flow`, float32
pixels, unless the model computes that. Scaling is inside the model. It returns
logits.
"""

import inspect
import typing

from keras_ssc import checks
from keras_ssc.models.backbones import WeightsError
from keras_ssc.models.embedded import FEATURES as EMBEDDED_FEATURES
from keras_ssc.models.embedded import IMAGE_SIZE as EMBEDDED_SIZE
from keras_ssc.models.embedded import encoder as embedded_encoder
from keras_ssc.models.embedded import pair_encoder as embedded_pair_encoder
from keras_ssc.models.features import Encoder
from keras_ssc.models.features import before
from keras_ssc.models.features import copy_head
from keras_ssc.models.features import head
from keras_ssc.models.features import names as feature_names
from keras_ssc.models.film_attention import film_attention
from keras_ssc.models.film_attention import film_head
from keras_ssc.models.frame_models import fc
from keras_ssc.models.frame_models import inception_v3
from keras_ssc.models.frame_models import resnet50
from keras_ssc.models.frame_models import vgg16
from keras_ssc.models.freezing import ALL as ALL_BLOCKS
from keras_ssc.models.freezing import all_layers
from keras_ssc.models.freezing import freeze
from keras_ssc.models.loading import ModelError
from keras_ssc.models.loading import check
from keras_ssc.models.loading import check_film_head
from keras_ssc.models.loading import load
from keras_ssc.models.motion_models import double_stack
from keras_ssc.models.motion_models import flownet_fc
from keras_ssc.models.motion_models import inception_v3_6ch
from keras_ssc.models.motion_models import motion_magnitude_stack

__all__ = [
    "ALL_BLOCKS",
    "EMBEDDED_FEATURES",
    "EMBEDDED_SIZE",
    "MODELS",
    "Encoder",
    "Model",
    "ModelError",
    "WeightsError",
    "all_layers",
    "before",
    "build_model",
    "check",
    "check_film_head",
    "copy_head",
    "embedded_encoder",
    "embedded_pair_encoder",
    "feature_names",
    "freeze",
    "head",
    "load",
    "options_of",
]


class Model(typing.NamedTuple):
    """A model as the commands know it.

    Attributes:
        build: The function that builds it. What it takes beside the image
            size and the number of genres are the model's options, fields of
            `train_config.TrainConfig` by the same names.
        film_head: The function that builds a head over all of a film's pairs,
            see `film_head`; None: a film's scores are the mean of its pairs'.
    """

    build: typing.Callable
    film_head: typing.Callable | None = None


# In the order of the report's table; its settings are in `training.settings`.
MODELS = {
    "fc": Model(fc),
    "vgg16": Model(vgg16),
    "resnet50": Model(resnet50),
    "flownet_fc": Model(flownet_fc),
    "inception_v3": Model(inception_v3),
    "inception_v3_6ch": Model(inception_v3_6ch),
    "double_stack": Model(double_stack),
    "motion_magnitude_stack": Model(motion_magnitude_stack),
    "film_attention": Model(film_attention, film_head),
}


def options_of(name):
    """Returns the names of a model's options, see its function."""
    given = inspect.signature(MODELS[name].build).parameters
    return [each for each in given if each not in ("image_size", "num_genres")]


def build_model(name, image_size, num_genres=6, **options):
    """Builds a model by its name.

    Args:
        name: String, a key of `MODELS`.
        image_size: Tuple of two integers, (height, width) of the frames.
        num_genres: Integer, how many classes there are.
        **options: The model's own options, see its function.

    Returns:
        A `keras.Model`. Its inputs are a dict, see each function; its output
        is float32 logits of shape (batch, num_genres).

    Raises:
        ValueError: If there is no such model, or the image is too small.
        WeightsError: If pretrained weights cannot be had.
    """
    checks.one_of("model", name, MODELS)
    return MODELS[name].build(image_size, num_genres, **options)
