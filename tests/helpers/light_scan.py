"""The library's command with a light encoder, in a process of its own."""

import keras_ssc.models
from keras_ssc import command
from keras_ssc.library import __main__ as library
from tests.helpers import light_encoder

if __name__ == "__main__":
    keras_ssc.models.embedded_pair_encoder = light_encoder.pair_encoder
    command.run(library.main)
