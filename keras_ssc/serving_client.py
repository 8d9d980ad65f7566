"""The client of a served model; it lives in `keras_ssc.serving.client`."""

from keras_ssc.serving.client import Answer
from keras_ssc.serving.client import BusyError
from keras_ssc.serving.client import Client
from keras_ssc.serving.client import ImageError
from keras_ssc.serving.client import ResponseError
from keras_ssc.serving.client import ServingError

__all__ = [
    "Answer",
    "BusyError",
    "Client",
    "ImageError",
    "ResponseError",
    "ServingError",
]
