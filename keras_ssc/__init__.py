"""Scene Sentiment Classifier: a film's genre from two consecutive frames."""

import os

# TensorFlow reports its start-up on standard error, page after page, unless
# told so before it is imported; a command's own lines would drown in it.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

__version__ = "0.1.0"
