"""All models at small sizes, and inputs for them."""

import keras
import numpy as np

from keras_ssc import models

# The smallest sizes that the models take; few and small layers.
SMALL = {
    **{name: {"image_size": (75, 80)} for name in models.MODELS},
    "fc": {"image_size": (9, 16)},
    "vgg16": {"image_size": (32, 40), "dense_units": (8,)},
    "resnet50": {"image_size": (32, 40)},
    "flownet_fc": {"image_size": (64, 65), "dense_units": (8,)},
    "double_stack": {"image_size": (75, 80), "dense_units": (8, 4)},
    "film_attention": {"image_size": (32, 40), "backbone": "vgg16"},
}


def pairs_for(model, num_pairs=4, seed=0):
    generator = np.random.default_rng(seed)
    made = {}
    for name, tensor in model.input.items():
        shape = (num_pairs, *tensor.shape[1:])
        if name == "flow":
            made[name] = generator.normal(0, 3, shape).astype(np.float32)
        else:
            made[name] = generator.integers(0, 256, shape).astype(np.uint8)
    return made


def small_model(name, **options):
    keras.utils.set_random_seed(0)
    return models.build_model(name, **{**SMALL[name], **options})
