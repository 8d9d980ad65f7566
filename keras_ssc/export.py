"""A run -> a folder that TF Serving serves, or a model in another format.

    python -m keras_ssc.export runs/<run> --out served/scene_genre

Each call writes the next version, `served/scene_genre/<N>/`.
"""

import argparse
import dataclasses
import itertools
import os
import pathlib
import shutil
import time
from fractions import Fraction

import keras
import numpy as np
import tensorflow as tf

from keras_ssc import __version__
from keras_ssc import calibration
from keras_ssc import command
from keras_ssc import evaluation
from keras_ssc import export_formats
from keras_ssc import files
from keras_ssc import image_files
from keras_ssc import model_card
from keras_ssc import resizing
from keras_ssc import runs
from keras_ssc import sample_films
from keras_ssc import served_model
from keras_ssc import tf_serving
from keras_ssc.errors import OutsideError
from keras_ssc.genres import GENRES

FORMATS = ("savedmodel", "openvino", "onnx", "keras")

# How far a stored model's scores may be from the run's. Both compute in
# float32, in other orders of summation.
LARGEST_DIFFERENCE = 1e-5

# What identifies a folder as one of this command's.
CARD = "model_card.json"


class ExportError(OutsideError):
    """A stored model that does not answer as the run's does."""


def export(
    run_dir, out, model_format="savedmodel", data_dir=None, verbose=True
):
    """Writes the next version of a served model.

    Args:
        run_dir: The folder of a finished run, see `train`.
        out: The folder of the versions. Its name is the served model's.
        model_format: String, one of `FORMATS`.
        data_dir: Where data sets are, if not where the run had them; asked
            only if the run has not been evaluated.
        verbose: Boolean, whether to show progress.

    Returns:
        `pathlib.Path` of the version's folder.

    Raises:
        ValueError: If the folder is no run with a model, `out` holds
            something else, or Keras does not work on TensorFlow.
        ExportError: If what was written does not answer as the run's model.
        OSError: If a file cannot be written; nothing is left behind then.
    """
    if model_format not in FORMATS:
        raise ValueError(
            f"Unknown format. Expected one of: {', '.join(FORMATS)}. "
            f"Received: {model_format!r}"
        )
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise ValueError(
            "Expected Keras on TensorFlow, whose graphs are written. Received: "
            f"KERAS_BACKEND={backend}. Unset it: TensorFlow loads the run's "
            "model, whatever trained it."
        )
    run_dir, out = pathlib.Path(run_dir), pathlib.Path(out)
    config = runs.read_config(run_dir)
    model = runs.load_model(run_dir)
    _check_out(out, model_format)
    metrics = read_or_measure(run_dir, data_dir, verbose)
    temperature = calibration.temperature_of(metrics, run_dir)
    out.mkdir(parents=True, exist_ok=True)
    _remove_unfinished(out)
    folder = out / f".{os.getpid()}.unfinished"
    folder.mkdir()
    try:
        with files.named(folder):
            parity = _write_model(model, temperature, model_format, folder)
            _write_card(folder, run_dir, config, metrics, model_format, parity)
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
                f"Expected --out as a new or empty folder, or one that this "
                f"command wrote. {path} is none of its versions."
            )
        if card["format"] != model_format:
            raise ValueError(
                f"Expected one format in all versions of {out}. {path} is "
                f"{card['format']}; give another --out for {model_format}."
            )


def read_card(folder):
    """Reads the card of a version; None if the folder is none of ours."""
    try:
        card = files.read_json(folder / CARD)
    except (OSError, ValueError):
        return None
    is_ours = (
        isinstance(card, dict)
        and card.get("card_version") == 1
        and card.get("format") in list(FORMATS)
        and isinstance(card.get("image_size"), list)
        and len(card["image_size"]) == 2
        and all(type(n) is int and n > 0 for n in card["image_size"])
    )
    return card if is_ours else None


def check_sums(version):
    """Checks an export's files against its `SHA256SUMS`.

    That finds what was damaged, not what someone has changed who changed the
    checksums too.

    Args:
        version: `pathlib.Path` of a version's folder.

    Raises:
        ValueError: If a file is missing or is another; names it.
    """
    path = version / "SHA256SUMS"
    try:
        lines = path.read_text("utf-8").splitlines()
        expected = {line[66:]: line[:64] for line in lines}
    except (OSError, ValueError) as error:
        raise ValueError(
            f"Expected an export with its checksums. {path} cannot be read. "
            "Export the model again."
        ) from error
    found = {
        str(file.relative_to(version)): file
        for file in version.rglob("*")
        if file.is_file() and not file.is_symlink()
    }
    for name in ("saved_model.pb", *expected):
        file = found.get(name)
        is_same = file is not None and files.sha256(file) == expected.get(name)
        if not is_same:
            raise ValueError(
                f"{version}/{name} is missing, or is not what was exported: "
                "its SHA256SUMS says another. Export the model again."
            )


def _is_unfinished(path):
    return path.name.startswith(".") and path.name.endswith(".unfinished")


def _remove_unfinished(out):
    """Removes what killed exports left; not what one is at work on."""
    for path in out.iterdir():
        owner = path.name[1:].partition(".")[0]
        if _is_unfinished(path) and not os.path.exists(f"/proc/{owner}"):
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
    path = run_dir / "metrics.json"
    is_new = path.exists() and (
        path.stat().st_mtime >= (run_dir / "model.keras").stat().st_mtime
    )
    if is_new:
        metrics = files.read_json(path)
        if not isinstance(metrics, dict):
            raise _no_metrics(run_dir)
        if "calibration" in metrics and "data" in metrics:
            return metrics
    return evaluation.evaluate(run_dir, data_dir=data_dir, verbose=verbose)


def _write_model(model, temperature, model_format, folder):
    """Writes the model; returns how far its scores are from the run's."""
    frames = _drawn_pairs()
    if model_format == "savedmodel":
        differences = {
            "float32": _write_saved_model(model, temperature, folder, frames)
        }
        bounds = {"float32": LARGEST_DIFFERENCE}
    else:
        size = model.input["frame"].shape[1:3]
        resized = {
            name: resizing.resize(part, size).numpy()
            for name, part in frames.items()
        }
        differences = export_formats.write(
            model, temperature, folder, model_format, **resized
        )
        bounds = export_formats.SCORE_BOUNDS[model_format]
    return {
        "num_pairs": len(frames["frame"]),
        "computed_in": {
            precision: {
                "largest_difference": difference,
                "bound": bounds[precision],
            }
            for precision, difference in differences.items()
        },
    }


def _write_saved_model(model, temperature, folder, frames):
    """Writes a SavedModel and what TF Serving wants beside it.

    Returns:
        Float, the largest difference of a score to the Keras model's, of both
        signatures.
    """
    served = served_model.ServedModel(model, temperature)
    tf.saved_model.save(served, str(folder), signatures=served.signatures())
    stored = tf.saved_model.load(str(folder)).signatures
    encoded = {
        f"{name}_bytes": [image_files.encode_frame(frame) for frame in part]
        for name, part in frames.items()
    }
    answers = [
        stored[signature](
            **{name: tf.constant(part) for name, part in inputs.items()}
        )
        for signature, inputs in (
            ("serving_default", encoded),
            ("frames", frames),
        )
    ]
    inputs = {
        name: resizing.resize(part, served.image_size)
        for name, part in frames.items()
    }
    expected = served_model.frames_model(model, temperature)(
        inputs, training=False
    )["scores"]
    difference = float(
        max(np.abs(answer["scores"] - expected).max() for answer in answers)
    )
    # Not the other way round: one that is no number is refused too.
    if not difference <= LARGEST_DIFFERENCE:
        raise ExportError(
            "Expected the stored model's scores to be the run's to "
            f"{LARGEST_DIFFERENCE}. They differ by {difference}."
        )
    tf_serving.write_files(
        folder,
        [images[0] for images in encoded.values()],
        {name: value.numpy()[0] for name, value in answers[0].items()},
        served.image_size,
    )
    return difference


def _drawn_pairs():
    """Draws a pair of each genre: no film of the users' is given away.

    Returns:
        A dict, `frame` and `next_frame`: uint8 arrays (6, 270, 480, 3), RGB.
    """
    pairs = []
    for genre in GENRES:
        film = sample_films.Film(
            genre=genre,
            number=0,
            split="test",
            path=pathlib.Path(),
            shots=(2,),
            frame_rate=Fraction(24),
            size=(480, 270),
            seed=1,
        )
        pairs.append(list(sample_films.film_frames(film)))
    frame, next_frame = np.swapaxes(pairs, 0, 1)
    return {"frame": frame, "next_frame": next_frame}


def _no_metrics(run_dir):
    return ValueError(
        f"Expected in {run_dir}/metrics.json what evaluate writes. Measure the "
        f"run again: python -m keras_ssc.evaluate {run_dir}"
    )


def _write_card(folder, run_dir, config, metrics, model_format, parity):
    """Writes what people and programs read beside the model."""
    try:
        card = model_card.card(config, metrics, model_format, parity)
        text = model_card.markdown(card)
    # Anyone may have written the metrics.
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise _no_metrics(run_dir) from error
    files.write_text(folder / "labels.txt", "\n".join(GENRES) + "\n")
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
            lines.append(f"{files.sha256(path)}  {path.relative_to(folder)}\n")
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


def main():
    """Runs the command."""
    parser = argparse.ArgumentParser(
        prog="python -m keras_ssc.export",
        description="Writes the next version of a served model: optical flow, "
        "network and calibration in one.",
    )
    parser.add_argument("run_dir", metavar="RUN", help="folder of a run")
    parser.add_argument(
        "--out",
        required=True,
        metavar="DIR/scene_genre",
        help="folder of the versions; its name is the served model's",
    )
    parser.add_argument(
        "--format",
        dest="model_format",
        default="savedmodel",
        metavar="FORMAT",
        help=f"{', '.join(FORMATS)}; default: savedmodel",
    )
    parser.add_argument("--data-dir", metavar="DIR", help="default: the run's")
    arguments = parser.parse_args()
    start = time.monotonic()
    version = export(**vars(arguments))
    size = sum(p.stat().st_size for p in version.rglob("*") if p.is_file())
    print(
        f"exported in {time.monotonic() - start:.0f} s: {version}, "
        f"{size / 2**20:.0f} MiB"
    )
    print(f"what it is and what it can do: {version}/model_card.md")
    if arguments.model_format == "savedmodel":
        print(f"next: {tf_serving.docker_command(version)}")


if __name__ == "__main__":
    command.run(main)
