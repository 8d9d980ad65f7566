"""What models are trained with: the report's settings and the sample's."""

# What the report trained each model with, on films. Where it gives nothing,
# Keras' own default stands, with the reason.
REPORT_SETTINGS = {
    "fc": {
        "image_size": (68, 120),
        "epochs": 50,
        "batch_size": 128,
        "optimizer": "adam",
        "learning_rate": 1e-3,  # not given
    },
    "vgg16": {
        "image_size": (224, 224),
        "epochs": 100,
        "batch_size": 128,
        "optimizer": "sgd",
        "learning_rate": 1e-3,
        "dense_units": (4096, 4096),
    },
    "resnet50": {
        "image_size": (224, 224),
        "epochs": 30,
        "batch_size": 128,
        "optimizer": "sgd",
        "learning_rate": 1e-3,
    },
    "flownet_fc": {
        "image_size": (224, 224),  # not given
        "epochs": 60,
        "batch_size": 64,  # not given
        "optimizer": "sgd",  # not given; Adam at 0.01 does not learn
        "learning_rate": 1e-2,
        "schedule": "exponential",
        "dense_units": (4096, 4096),
    },
    "inception_v3": {
        "image_size": (299, 299),
        "epochs": 20,
        "batch_size": 128,
        "optimizer": "adam",
        "learning_rate": 1e-4,
    },
    "inception_v3_6ch": {
        "image_size": (299, 299),
        "epochs": 20,
        "batch_size": 64,
        "optimizer": "adam",
        "learning_rate": 1e-4,
    },
    "double_stack": {
        "image_size": (299, 299),
        "epochs": 50,
        "batch_size": 64,
        "optimizer": "adam",
        "learning_rate": 1e-4,
        "dense_units": (4096, 2048),
    },
    "motion_magnitude_stack": {
        "image_size": (299, 299),
        "epochs": 50,
        "batch_size": 64,
        "optimizer": "adam",
        "learning_rate": 1e-4,
    },
}

# The report's accuracy on the test films of its own, in percent.
REPORT_ACCURACY = {
    "fc": 36.7,
    "vgg16": 44.1,
    "resnet50": 48.4,
    "flownet_fc": 51.8,
    "inception_v3": 59.2,
    "inception_v3_6ch": 53.8,
    "double_stack": 52.7,
    "motion_magnitude_stack": 55.2,
}

_SMALL = {
    "image_size": (96, 96),
    "epochs": 6,
    "batch_size": 16,
    "optimizer": "adam",
    "learning_rate": 3e-4,
    "schedule": "cosine",
}

# What two processor cores can do in minutes on the sample films.
SAMPLE_SETTINGS = {
    "fc": {
        **_SMALL,
        "image_size": (68, 120),
        "epochs": 30,
        "learning_rate": 1e-3,
    },
    # At 96 pixels its step takes four times as long as ResNet50's.
    "vgg16": {
        **_SMALL,
        "image_size": (64, 64),
        "dense_units": (256,),
        "learning_rate": 1e-4,
    },
    "resnet50": _SMALL,
    "flownet_fc": {**_SMALL, "dense_units": (256, 256)},
    # Stacked channels take longer to show motion than flow, which is given;
    # the single frame has as long, so that the two can be compared.
    "inception_v3": {**_SMALL, "epochs": 16},
    "inception_v3_6ch": {**_SMALL, "epochs": 16},
    # Given flow, two epochs tell the twins apart; the first command is to be
    # a short one.
    "double_stack": {**_SMALL, "epochs": 4, "dense_units": (512, 256)},
    "motion_magnitude_stack": _SMALL,
}
