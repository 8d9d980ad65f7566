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

# Settings of a training on films, for a model that has none of its own.
FILMS = {
    "image_size": (224, 224),
    "epochs": 30,
    "batch_size": 64,
    "optimizer": "adam",
    "learning_rate": 1e-4,
}

# The same on the sample films: what two processor cores can do in minutes.
SAMPLE = {
    "image_size": (96, 96),
    "epochs": 6,
    "batch_size": 16,
    "optimizer": "adam",
    "learning_rate": 3e-4,
    "schedule": "cosine",
}

# Settings of minutes on a laptop, beside a model's own: nothing is trained
# but a head on a pretrained network.
FROZEN = {
    "backbone": "efficientnet_lite0",
    "weights": "imagenet",
    "image_size": (224, 224),
    "freeze": "all",
    "optimizer": "lbfgs",
    "mirror": False,
}


class Model(typing.NamedTuple):
    """A model as the commands know it.

    Attributes:
        build: The function that builds it. What it takes beside the image
            size and the number of genres are the model's options, fields of
            `train_config.TrainConfig` by the same names.
        report: Dict of fields of `TrainConfig`: the settings of a training on
            films, the 2019 report's where it has the model.
        sample: The same for the sample films.
        report_accuracy: Float, the report's accuracy on the test films of its
            own, in percent; None if it does not have the model.
        film_head: The function that builds a head over all of a film's pairs,
            see `film_head`; None: a film's scores are the mean of its pairs'.
    """

    build: typing.Callable
    report: dict = FILMS
    sample: dict = SAMPLE
    report_accuracy: float | None = None
    film_head: typing.Callable | None = None


# What the settings of several models have in common.
_FC = {"image_size": (68, 120), "learning_rate": 1e-3}
_INCEPTION = FILMS | {"image_size": (299, 299)}
_SGD = {"batch_size": 128, "optimizer": "sgd", "learning_rate": 1e-3}

# In the order of the report's table. Where the report does not give a
# setting, Keras' own default stands, with the reason.
MODELS = {
    "fc": Model(
        fc,
        # The rate is not given.
        FILMS | _FC | {"epochs": 50, "batch_size": 128},
        SAMPLE | _FC | {"epochs": 30},
        report_accuracy=36.7,
    ),
    "vgg16": Model(
        vgg16,
        FILMS | _SGD | {"epochs": 100, "dense_units": (4096, 4096)},
        # At 96 pixels its step takes four times as long as ResNet50's.
        SAMPLE
        | {"image_size": (64, 64), "learning_rate": 1e-4}
        | {"dense_units": (256,)},
        report_accuracy=44.1,
    ),
    "resnet50": Model(resnet50, FILMS | _SGD, report_accuracy=48.4),
    "flownet_fc": Model(
        flownet_fc,
        # Image size, batch size and optimizer are not given; Adam at 0.01
        # does not learn.
        {
            **FILMS,
            "epochs": 60,
            "optimizer": "sgd",
            "learning_rate": 1e-2,
            "schedule": "exponential",
            "dense_units": (4096, 4096),
        },
        SAMPLE | {"dense_units": (256, 256)},
        report_accuracy=51.8,
    ),
    "inception_v3": Model(
        inception_v3,
        _INCEPTION | {"epochs": 20, "batch_size": 128},
        # As long as the next one's, so that the two can be compared.
        SAMPLE | {"epochs": 16},
        report_accuracy=59.2,
    ),
    "inception_v3_6ch": Model(
        inception_v3_6ch,
        _INCEPTION | {"epochs": 20},
        # Stacked channels take longer to show motion than flow, which is
        # given.
        SAMPLE | {"epochs": 16},
        report_accuracy=53.8,
    ),
    "double_stack": Model(
        double_stack,
        _INCEPTION | {"epochs": 50, "dense_units": (4096, 2048)},
        # Given flow, two epochs distinguish genres that differ in motion
        # only; the first command is to be a short one.
        SAMPLE | {"epochs": 4, "dense_units": (512, 256)},
        report_accuracy=52.7,
    ),
    "motion_magnitude_stack": Model(
        motion_magnitude_stack,
        _INCEPTION | {"epochs": 50},
        report_accuracy=55.2,
    ),
    "film_attention": Model(
        film_attention,
        FILMS | FROZEN,
        SAMPLE | FROZEN,
        film_head=film_head,
    ),
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
