"""Scene Sentiment Classifier: a film's genre from two consecutive frames."""

import os

# TensorFlow reports its start-up on standard error, page after page, unless
# this is set before it is imported; a command's own lines would be lost in it.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

__version__ = "0.1.0"


def load(model):
    """Loads a run, an export or a running TF Serving, to ask it.

    Example:
    >>> model = keras_ssc.load("runs/20260101-120000_double_stack")
    >>> model.predict_film("film.mp4").genre

    Args:
        model: A path or a URL, see `predictor.load`.

    Returns:
        A `predictor.Predictor`, with `predict_pair(frame, next_frame)` and
        `predict_film(path)`.

    Raises:
        ValueError: If it is none of these.
    """
    # Only now: most of the package needs no TensorFlow.
    from keras_ssc.prediction import predictor

    return predictor.load(model)


def detect_shots(path, progress=None):
    """Finds the shots of a film, and the transitions between them.

    Example:
    >>> for shot in keras_ssc.detect_shots("film.mp4"):
    ...     print(shot.start_seconds, shot.end_seconds, shot.transition)

    Args:
        path: Path of a film file.
        progress: Function of two integers, called while the film is read: how
            many frames of how many.

    Returns:
        List of `shots.Shot` in the film's order: times in seconds, frame
        numbers from 0, and the transition that leads to each.

    Raises:
        VideoError: If the film cannot be read.
    """
    from keras_ssc.films import shot_detection

    return shot_detection.list_shots(path, progress).shots
