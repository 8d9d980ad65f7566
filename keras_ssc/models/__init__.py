"""The models, one builder function each; `MODELS` knows them by name.

A model takes a dict of what it needs of a pair, by the names that the input
pipeline gives them: `frame` and `next_frame`, uint8 RGB, and `flow`, float32
pixels, unless the model computes that. Scaling is inside the model. It returns
logits.
"""

from keras_ssc.models.backbones import WeightsError
from keras_ssc.models.frame_models import fc
from keras_ssc.models.frame_models import inception_v3
from keras_ssc.models.frame_models import resnet50
from keras_ssc.models.frame_models import vgg16
from keras_ssc.models.freezing import ALL as ALL_BLOCKS
from keras_ssc.models.freezing import all_layers
from keras_ssc.models.freezing import freeze
from keras_ssc.models.loading import ModelError
from keras_ssc.models.loading import check
from keras_ssc.models.loading import load
from keras_ssc.models.motion_models import double_stack
from keras_ssc.models.motion_models import flownet_fc
from keras_ssc.models.motion_models import inception_v3_6ch
from keras_ssc.models.motion_models import motion_magnitude_stack

__all__ = [
    "ALL_BLOCKS",
    "MODELS",
    "ModelError",
    "WeightsError",
    "all_layers",
    "build_model",
    "check",
    "freeze",
    "load",
]

# In the order of the report's table.
MODELS = {
    "fc": fc,
    "vgg16": vgg16,
    "resnet50": resnet50,
    "flownet_fc": flownet_fc,
    "inception_v3": inception_v3,
    "inception_v3_6ch": inception_v3_6ch,
    "double_stack": double_stack,
    "motion_magnitude_stack": motion_magnitude_stack,
}


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
    if name not in MODELS:
        raise ValueError(
            f"Unknown model. Expected one of: {', '.join(MODELS)}. "
            f"Received: {name!r}"
        )
    return MODELS[name](image_size, num_genres, **options)
