"""Writes a run's model as TF Serving serves it, or in another format."""

import dataclasses
import itertools
import os
import pathlib
import shutil

import cv2
import keras
import numpy as np
import psutil
import tensorflow as tf

from keras_ssc import __version__
from keras_ssc import checks
from keras_ssc import files
from keras_ssc import models
from keras_ssc import tasks
from keras_ssc.data import resizing
from keras_ssc.errors import OutsideError
from keras_ssc.films import black_bars
from keras_ssc.films import image_files
from keras_ssc.serving import export_formats
from keras_ssc.serving import model_card
from keras_ssc.serving import served_model
from keras_ssc.serving import tf_serving
from keras_ssc.serving.exported import CARD
from keras_ssc.serving.exported import FORMATS
from keras_ssc.serving.exported import read_card
from keras_ssc.training import evaluation
from keras_ssc.training import run_familiarity
from keras_ssc.training import runs

# How far a stored model's scores may be from the run's. Both compute in
# float32, in other orders of summation.
LARGEST_DIFFERENCE = 1e-5

# The same of their familiarity; and of the distances that it is computed of,
# by which share of themselves. Past a training pair, familiarity is another.
_FAMILIARITY_DIFFERENCE, _DISTANCE_DIFFERENCE = 1e-3, 1e-3

# Of a pair that the stored model is asked for; 2.39:1 within 16:9.
_BAR = 35


class ExportError(OutsideError):
    """A stored model that does not answer as the run's does."""


def export(
    run_dir,
    out,
    model_format="savedmodel",
    data_dir=None,
    familiarity=True,
    verbose=True,
):
    """Writes the next version of a served model.

    Args:
        run_dir: The folder of a finished run, see `train`.
        out: The folder of the versions. Its name is the served model's.
        model_format: String, one of `FORMATS`.
        data_dir: Where data sets are, if not where the run had them; asked
            only if the run has not been evaluated.
        familiarity: Boolean, whether a SavedModel says how much pairs look
            like the training films, where the run knows them.
        verbose: Boolean, whether to show progress.

    Returns:
        `pathlib.Path` of the version's folder.

    Raises:
        ValueError: If the folder is not a run with a model, `out` holds
            something else, a package is missing, or Keras does not work on
            TensorFlow.
        ExportError: If what was written does not answer as the run's model.
        OSError: If a file cannot be written; nothing is left behind then.
    """
    checks.one_of("format", model_format, FORMATS)
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise ValueError(
            "Expected Keras on TensorFlow, whose graphs are written. Received: "
            f"KERAS_BACKEND={backend}. Unset it: TensorFlow loads the run's "
            "model, whatever trained it."
        )
    if model_format == "savedmodel":
        tf_serving.protos()  # known before the minutes that follow
    run_dir, out = pathlib.Path(run_dir), pathlib.Path(out)
    config = runs.read_config(run_dir)
    model = runs.load_model(run_dir)
    _check_out(out, model_format)
    metrics = read_or_measure(run_dir, data_dir, verbose)
    task = tasks.of_metrics(metrics, run_dir)
    if task.described() != runs.read_task(run_dir).described():
        raise evaluation.malformed(run_dir)
    fitted = None
    if familiarity and model_format == "savedmodel":
        fitted = run_familiarity.find(run_dir, metrics)
    out.mkdir(parents=True, exist_ok=True)
    _remove_unfinished(out)
    folder = out / f".{os.getpid()}.unfinished"
    folder.mkdir()
    try:
        with files.named(folder):
            measured = _write_model(model, task, model_format, fitted, folder)
            _write_card(
                *(folder, run_dir, config, metrics, model_format), *measured
            )
            write_sums(folder)
            return _move(folder, out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _check_out(out, model_format):
    """Raises `ValueError` if the folder holds what is not ours."""
    if not out.exists():
        return
    if not out.is_dir():
        raise ValueError(f"Expected --out as a folder. {out} is a file.")
    for path in sorted(out.iterdir()):
        if _is_unfinished(path):
            continue
        card = read_card(path) if path.name.isdigit() else None
        if card is None:
            raise ValueError(
                "Expected --out as a new or empty folder, or one that this "
                f"command wrote. {path} is none of its versions."
            )
        if card["format"] != model_format:
            raise ValueError(
                f"Expected one format in all versions of {out}. {path} is "
                f"{card['format']}; give another --out for {model_format}."
            )


def _is_unfinished(path):
    return path.name.startswith(".") and path.name.endswith(".unfinished")


def _remove_unfinished(out):
    """Removes what killed exports left; not what one is at work on."""
    for path in out.iterdir():
        owner = path.name[1:].partition(".")[0]
        if _is_unfinished(path) and not (
            owner.isdecimal() and psutil.pid_exists(int(owner))
        ):
            shutil.rmtree(path, ignore_errors=True)


def read_or_measure(run_dir, data_dir=None, verbose=True):
    """Reads a run's metrics; measures them if that has not been done.

    Args:
        run_dir: `pathlib.Path` of a finished run's folder.
        data_dir: See `evaluation.evaluate`.
        verbose: See `evaluation.evaluate`.

    Returns:
        The metrics, as `evaluation.evaluate` returns them.
    """
    metrics = evaluation.read(run_dir)
    if metrics is not None:
        return metrics
    return evaluation.evaluate(run_dir, data_dir=data_dir, verbose=verbose)


def _write_model(model, task, model_format, fitted, folder):
    """Writes the model.

    Returns:
        A tuple: a dict, how far its scores are from the run's; and an integer,
        the bytes that familiarity takes of it, None where it has none.
    """
    familiarity_bytes = None
    frames = _textured_pairs()
    size = model.input["frame"].shape[1:3]
    cropped = _cropped(frames)
    resized = {name: _resized(part, size) for name, part in cropped.items()}
    if model_format == "savedmodel":
        bounds = {"float32": LARGEST_DIFFERENCE}
        served = served_model.ServedModel(model, task, fitted)
        stored, answers = _write_saved_model(served, folder, frames)
        keras_model = served_model.frames_model(model, task)
        expected = keras_model(resized, training=False)["scores"]
        differences = {"float32": _compare_scores(expected, answers)}
        if fitted is not None:
            _compare_familiarity(
                *(fitted, served, stored),
                _resized(cropped["frame"], models.EMBEDDED_SIZE),
                answers,
            )
            familiarity_bytes = served.familiarity.num_bytes
    else:
        bounds = export_formats.SCORE_BOUNDS[model_format]
        differences = export_formats.write(
            model, task, folder, model_format, **resized
        )
    parity = {
        "num_pairs": len(frames["frame"]),
        "computed_in": {
            precision: {
                "largest_difference": difference,
                "bound": bounds[precision],
            }
            for precision, difference in differences.items()
        },
    }
    return parity, familiarity_bytes


def _write_saved_model(served, folder, frames):
    """Writes a SavedModel and what TF Serving wants beside it.

    Returns:
        A tuple: the stored model, and a list: what each of its signatures
        answers to the frames.
    """
    tf.saved_model.save(served, str(folder), signatures=served.signatures())
    stored = tf.saved_model.load(str(folder))
    encoded = {
        f"{name}_bytes": [image_files.encode_frame(frame) for frame in part]
        for name, part in frames.items()
    }
    answers = [
        stored.signatures["serving_default"](
            **{name: tf.constant(part) for name, part in encoded.items()}
        ),
        stored.signatures["frames"](
            **{name: tf.constant(part) for name, part in frames.items()}
        ),
    ]
    tf_serving.write_files(
        folder,
        [images[0] for images in encoded.values()],
        {name: value.numpy()[0] for name, value in answers[0].items()},
        served.image_size,
    )
    return stored, answers


def _compare_scores(expected, answers):
    """Returns the largest difference of a score; refuses large ones."""
    difference = float(
        max(np.abs(answer["scores"] - expected).max() for answer in answers)
    )
    _refuse("scores", difference, LARGEST_DIFFERENCE)
    return difference


def _compare_familiarity(fitted, served, stored, frame, answers):
    """Raises `ExportError` if familiarity is not what it is of the run."""
    features = run_familiarity.encode(frame)
    expected = fitted.distances_of(features)
    # What is unlike all films is 0 whatever its distance, so that is compared.
    given = frame if served.familiarity.encodes else features
    found = stored.familiarity.distances(given).numpy()
    _refuse(
        "distances", np.abs(found / expected - 1).max(), _DISTANCE_DIFFERENCE
    )
    least, most = (
        fitted.shares(expected * np.float32(1 + way * _DISTANCE_DIFFERENCE))
        for way in (1, -1)
    )
    for answer in answers:
        found = answer["familiarity"].numpy()
        difference = np.maximum(least - found, found - most).max()
        _refuse("familiarity", difference, _FAMILIARITY_DIFFERENCE)


def _refuse(what, difference, bound):
    """Raises `ExportError` if a difference is above a bound."""
    # Not the other way round: one that is no number is refused too.
    if not difference <= bound:
        raise ExportError(
            f"Expected the stored model's {what} to be the run's to {bound}. "
            f"They differ by {difference}."
        )


def _textured_pairs():
    """Makes pairs of blurred noise that moves, each in another direction.

    Where a picture has no texture, or one that repeats, no flow is right: the
    smallest rounding gives another, and says nothing of what is exported. The
    last pair is between bars.

    Returns:
        A dict, `frame` and `next_frame`: uint8 arrays (6, 270, 480, 3), RGB.
    """
    generator, pairs = np.random.default_rng(0), []
    for place in range(1, 7):
        noise = generator.normal(size=(270 + 64, 480 + 64, 3))
        picture = cv2.GaussianBlur(noise, (0, 0), 8 + 3 * place)
        picture = cv2.normalize(picture, None, 0, 255, cv2.NORM_MINMAX)
        x, y = (
            32 + round(2 * place * turn(place * np.pi / 3))
            for turn in (np.cos, np.sin)
        )
        picture = np.uint8(np.rint(picture))
        pairs.append(
            (picture[32:302, 32:512], picture[y : y + 270, x : x + 480])
        )
    frame, next_frame = map(np.stack, zip(*pairs, strict=True))
    for part in (frame, next_frame):
        part[-1, :_BAR] = part[-1, -_BAR:] = 0
    return {"frame": frame, "next_frame": next_frame}


def _cropped(frames):
    """Returns what predict makes of pairs: a dict of lists of frames."""
    pairs = map(black_bars.crop_pair, *frames.values())
    return dict(zip(frames, zip(*pairs, strict=True), strict=True))


def _resized(frames, size):
    return np.stack([resizing.resize(frame, size) for frame in frames])


def _write_card(folder, run_dir, config, metrics, model_format, *measured):
    """Writes what people and programs read beside the model."""
    try:
        card = model_card.card(config, metrics, model_format, *measured)
        text = model_card.markdown(card)
    # Anyone may have written the metrics.
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise evaluation.malformed(run_dir) from error
    labels = "".join(f"{genre}\n" for genre in card["genres"])
    files.write_text(folder / "labels.txt", labels)
    files.write_json(
        folder / "training_config.json",
        {
            # Without the folders of the machine that it was trained on.
            **dataclasses.asdict(
                dataclasses.replace(config, data_dir=None, run_dir=None)
            ),
            "keras_ssc": __version__,
        },
    )
    files.write_json(folder / CARD, card)
    files.write_text(folder / "model_card.md", text)


def write_sums(folder):
    """Writes SHA256SUMS, as `sha256sum --check` reads it.

    Args:
        folder: `pathlib.Path` of a version's folder.
    """
    lines = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != "SHA256SUMS":
            name = path.relative_to(folder).as_posix()
            lines.append(f"{files.sha256(path)}  {name}\n")
    files.write_text(folder / "SHA256SUMS", "".join(lines))


def _move(folder, out):
    """Gives a folder the next number; never one that is taken."""
    numbers = [int(path.name) for path in out.iterdir() if path.name.isdigit()]
    for number in itertools.count(max(numbers, default=0) + 1):
        version = out / str(number)
        try:
            os.rename(folder, version)
        except OSError:
            # Another export was faster.
            if not version.exists():
                raise
        else:
            return version
