"""A stored Keras model -> the model, or one named error."""

import pathlib
import zipfile

import keras

# What a model may take of a pair, and the channels of each.
_CHANNELS = {"frame": 3, "next_frame": 3, "flow": 2}

# What a head over a film's pairs takes.
_OF_FILMS = ["features", "mask", "position"]


class ModelError(ValueError):
    """A file that is not a model of this project."""


def load(path, compile=False):
    """Loads a stored model; no code that is stored in it is run.

    Args:
        path: Path of a `.keras` file.
        compile: Boolean, whether its optimizer and loss are wanted too.

    Returns:
        Any `keras.Model`; `check` says whether it is one of this project.

    Raises:
        ModelError: If the file is missing, damaged, or asks for what Keras
            does not load.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise ModelError(f"Expected a Keras model. {path} is not a file.")
    # Keras says of one that it is not there.
    if not zipfile.is_zipfile(path):
        raise ModelError(
            f"Expected a Keras model. {path} is damaged: it is cut off, or no "
            ".keras file."
        )
    try:
        return keras.saving.load_model(path, compile=compile, safe_mode=True)
    # Keras, zipfile, h5py and TensorFlow raise errors of as many kinds as a
    # file can be damaged in ways.
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ModelError(
            f"Expected a Keras model. {path} is damaged, or not to be "
            f"trusted: {reason}"
        ) from error


def check(model, path, num_genres):
    """Raises `ModelError` if a model cannot be one of `MODELS`.

    Args:
        model: A `keras.Model`.
        path: Where it came from, for the error.
        num_genres: Integer, how many logits it is to give.
    """
    try:
        inputs = {name: each.shape for name, each in model.input.items()}
        outputs = tuple(model.output.shape)
    except (AttributeError, ValueError) as error:
        raise _error(path, num_genres, error) from error
    sizes = {tuple(shape[1:3]) for shape in inputs.values()}
    is_ours = (
        "frame" in inputs
        and set(inputs) <= set(_CHANNELS)
        and len(sizes) == 1
        and None not in sizes.pop()
        and all(
            len(shape) == 4 and shape[3] == _CHANNELS[name]
            for name, shape in inputs.items()
        )
        and outputs == (None, num_genres)
    )
    if not is_ours:
        reason = f"it takes {inputs} and gives {outputs}"
        raise _error(path, num_genres, reason)


def check_film_head(model, path, num_genres):
    """Raises `ModelError` if a model cannot be a head over a film's pairs.

    Args:
        model: A `keras.Model`.
        path: Where it came from, for the error.
        num_genres: Integer, how many logits it is to give.
    """
    try:
        shape = tuple(model.output.shape)
        is_ours = sorted(model.input) == _OF_FILMS
    except (AttributeError, TypeError, ValueError):
        is_ours = False
    if not is_ours or shape != (None, num_genres):
        raise ModelError(
            "Expected a head over a film's pairs, which takes "
            f"{', '.join(_OF_FILMS)} and gives {num_genres} logits. {path} is "
            "another model: train the run again."
        )


def _error(path, num_genres, reason):
    return ModelError(
        "Expected a model of this project, which takes frame, next_frame or "
        f"flow and gives {num_genres} logits. {path} is another: {reason}"
    )
