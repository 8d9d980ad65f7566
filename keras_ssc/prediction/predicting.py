"""Classifies images, films and folders, and writes what was found of them."""

import contextlib
import functools
import json
import pathlib
import warnings

from keras_ssc import checks
from keras_ssc import command
from keras_ssc import files
from keras_ssc.data import pair_files
from keras_ssc.errors import VideoError
from keras_ssc.films import file_kinds
from keras_ssc.films import film_files
from keras_ssc.films import image_limits
from keras_ssc.films import image_seen
from keras_ssc.genres import choose
from keras_ssc.prediction import words
from keras_ssc.serving import client as serving_client

# Of what `as_json` writes; another number means other names or meanings.
VERSION = 1

# Formats of `exporting` that a verdict is written in, too.
CUT_LISTS = {"edl", "otio", "fcpxml", "chapters"}


def read_image(path):
    """Reads a JPEG or PNG file without decoding it.

    Raises:
        ValueError: If it is something else; says what, and what to do.
        OSError: If it cannot be read.
    """
    data = image_limits.read_image(path)
    kind = file_kinds.image_kind(data)
    if kind not in ("JPEG", "PNG"):
        raise ValueError(
            f"Expected JPEG or PNG images. {path} is {kind}. Name a JPEG or "
            "PNG file: convert a picture to PNG, one that moves to mp4."
        )
    return data


def predict_pair(client, frame, next_frame, note=warnings.warn):
    """Classifies a pair of image files, as people see them.

    Args:
        client: A `serving_client.Client`, or anything that answers as it.
        frame: Path of a JPEG or PNG file.
        next_frame: Path of the frame after it.
        note: Function of a string, which tells what was changed of a file.

    Returns:
        A `serving_client.Answer`.

    Raises:
        ValueError: If a file is missing or is not an image; names the file.
        OSError: If a file cannot be read.
        ServingError: If the server cannot be reached, or fails.
    """
    pair = []
    for path in (frame, next_frame):
        image, changed = image_seen.as_seen(read_image(path))
        if changed:
            note(f"{path}: {changed}")
        pair.append(image)
    try:
        return client.predict([tuple(pair)])[0]
    except serving_client.ImageError as error:
        raise ValueError(error.named(str(frame), str(next_frame))) from error


def as_json(model, predictions, errors=(), left_aside=()):
    """Writes what was found for programs, as JSON.

    Args:
        model: String, the model's name.
        predictions: List of dicts of plain values.
        errors: List of dicts of `path` and `error`.
        left_aside: List of paths; only if there are any, they are listed.
    """
    result = {"version": VERSION, "model": model}
    result |= {"predictions": predictions, "errors": list(errors)}
    if left_aside:
        result["left_aside"] = list(map(str, left_aside))
    return json.dumps(result, indent=2, ensure_ascii=False)


def holds_pairs(path):
    """Says whether a path is a folder of pairs, as extract writes it."""
    path = pathlib.Path(path)
    return path.is_dir() and bool(pair_files.list_pairs(path)[0])


def predict_films(
    load,
    inputs,
    plan,
    min_confidence,
    outputs,
    genre=None,
    workers=None,
):
    """Classifies films and writes what is asked for of each.

    Args:
        load: Function without arguments that returns a `predictor.Predictor`;
            called when nothing is wrong with the rest.
        inputs: List of paths: films, folders of films, or a folder of pairs.
        plan: Dict, attributes of a `film_reader.Plan`.
        min_confidence: Float, the score below which a verdict is uncertain.
        outputs: Dict of paths, each one there or not: `csv`, `timeline`,
            `contact_sheet`, `annotate` for the film with its verdicts, and
            `edl`, `otio`, `fcpxml` and `chapters`, see `exporting.FORMATS`:
            its shots, with what is said of them.
        genre: String, the film's own, for `annotate`; None if not known.
        workers: Integer, how many films are read at once; None for one a core,
            at most 8.

    Returns:
        A tuple: the model's name; an iterator that gives for each film its
        path, and its `verdict.FilmVerdict` or the `VideoError` that it ended
        in, in the order of the inputs; and a list of the files that were left
        aside.

    Raises:
        ValueError: If an input is missing, there are outputs of more than one
            film, or of shots that are not searched for, `workers` is below
            1, the model is none, or does not know the genre.
    """
    # Only now: two frames sent to a server need none of it.
    from keras_ssc.editing import exporting
    from keras_ssc.films import film_reader

    checks.at_least("workers", workers, 1)
    plan = film_reader.Plan(**plan)
    has_pairs = len(inputs) == 1 and holds_pairs(inputs[0])
    films, left_aside = ([], []) if has_pairs else film_files.list_films(inputs)
    if outputs and len(films) != 1:
        received = "a folder of pairs" if has_pairs else f"{len(films)} films"
        raise ValueError(
            f"Expected one film with {_flags(outputs)}. Received: {received}"
        )
    lists = outputs.keys() & CUT_LISTS
    exporting.check_formats(lists)
    if lists and plan.quick:
        raise ValueError(
            f"Expected {_flags(lists)} without --quick, which does not search "
            "for shots."
        )
    asked = load()
    if genre is not None:
        genre = choose(genre, asked.task.genres)
    if has_pairs:
        verdicts = asked.predict_frames(inputs[0], min_confidence)
        return asked.name, ((each.path, each) for each in verdicts), []
    found = _predict_films(
        asked, films, plan, min_confidence, outputs, genre, workers
    )
    return asked.name, found, left_aside


def _flags(outputs):
    names = [f"--{name.replace('_', '-')}" for name in sorted(outputs)]
    return ", ".join(names)


def _predict_films(asked, films, plan, min_confidence, outputs, genre, workers):
    """Yields films and what they ended in; then writes the one's outputs."""
    with command.bars(films) as progress:
        found = asked.predict_films(
            films,
            plan,
            min_confidence,
            progress,
            pictures="contact_sheet" in outputs,
            workers=workers,
        )
        with contextlib.closing(found):
            for film, result in zip(films, found, strict=True):
                if "annotate" in outputs:
                    result = _annotate(
                        result,
                        outputs["annotate"],
                        genre,
                        functools.partial(progress, 0),
                    )
                yield film, result
    if outputs and not isinstance(result, VideoError):
        _write(result, outputs)


def _annotate(verdict, path, genre, progress):
    """Writes the film with its verdict; returns it, or the film's error."""
    if not isinstance(verdict, VideoError):
        try:
            _pictures().annotate(verdict, path, genre, progress)
        except VideoError as error:
            return error
    return verdict


def _write(verdict, outputs):
    if "csv" in outputs:
        files.write_text(outputs["csv"], verdict.as_csv())
    for name in outputs.keys() & CUT_LISTS:
        _write_shots(verdict, name, outputs[name])
    for name in outputs.keys() & {"timeline", "contact_sheet"}:
        files.write_bytes(outputs[name], getattr(_pictures(), name)(verdict))


def _write_shots(verdict, name, path):
    from keras_ssc.editing import exporting

    labels = [
        None if shot.genres is None else words.shot_text(shot)
        for shot in verdict.shots
    ]
    exporting.write(verdict.shot_list(), name, path, labels)


def _pictures():
    # Only now: Matplotlib takes a second.
    from keras_ssc.prediction import verdict_pictures

    return verdict_pictures
