"""The settings that models are trained with, where nothing else is given.

Each is a dict of fields of `train_config.TrainConfig`. Nothing here needs
Keras: a command's help is there at once.
"""

import typing

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


class ModelSettings(typing.NamedTuple):
    """What a model is trained with.

    Attributes:
        report: Dict, the settings of a training on films, the 2019 report's
            where it has the model.
        sample: Dict, the same for the sample films.
        report_accuracy: Float, the report's accuracy on the test films of its
            own, in percent; None if it does not have the model.
    """

    report: dict = FILMS
    sample: dict = SAMPLE
    report_accuracy: float | None = None


# What the settings of several models have in common.
_FC = {"image_size": (68, 120), "learning_rate": 1e-3}
_INCEPTION = FILMS | {"image_size": (299, 299)}
_SGD = {"batch_size": 128, "optimizer": "sgd", "learning_rate": 1e-3}

# By the names of `models.MODELS`, in the order of the report's table; a model
# that is not here has the settings of all. Where the report does not give a
# setting, Keras' own default stands, with the reason.
OF_MODELS = {
    "fc": ModelSettings(
        # The rate is not given.
        FILMS | _FC | {"epochs": 50, "batch_size": 128},
        SAMPLE | _FC | {"epochs": 30},
        report_accuracy=36.7,
    ),
    "vgg16": ModelSettings(
        FILMS | _SGD | {"epochs": 100, "dense_units": (4096, 4096)},
        # At 96 pixels its step takes four times as long as ResNet50's.
        SAMPLE
        | {"image_size": (64, 64), "learning_rate": 1e-4}
        | {"dense_units": (256,)},
        report_accuracy=44.1,
    ),
    "resnet50": ModelSettings(FILMS | _SGD, report_accuracy=48.4),
    "flownet_fc": ModelSettings(
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
    "inception_v3": ModelSettings(
        _INCEPTION | {"epochs": 20, "batch_size": 128},
        # As long as the next one's, so that the two can be compared.
        SAMPLE | {"epochs": 16},
        report_accuracy=59.2,
    ),
    "inception_v3_6ch": ModelSettings(
        _INCEPTION | {"epochs": 20},
        # Stacked channels take longer to show motion than flow, which is
        # given.
        SAMPLE | {"epochs": 16},
        report_accuracy=53.8,
    ),
    "double_stack": ModelSettings(
        _INCEPTION | {"epochs": 50, "dense_units": (4096, 2048)},
        # Given flow, two epochs distinguish genres that differ in motion
        # only; the first command is to be a short one.
        SAMPLE | {"epochs": 4, "dense_units": (512, 256)},
        report_accuracy=52.7,
    ),
    "motion_magnitude_stack": ModelSettings(
        _INCEPTION | {"epochs": 50},
        report_accuracy=55.2,
    ),
    "film_attention": ModelSettings(FILMS | FROZEN, SAMPLE | FROZEN),
}


def of_model(name):
    """Returns the `ModelSettings` of a model, by its name."""
    return OF_MODELS.get(name, ModelSettings())
