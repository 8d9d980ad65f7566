"""Classifies images, films and folders, and writes what was found of them."""

import pathlib

from keras_ssc import files
from keras_ssc.data import pair_files
from keras_ssc.errors import VideoError
from keras_ssc.films import image_limits
from keras_ssc.serving import client as serving_client


def predict_pair(client, frame, next_frame):
    """Classifies a pair of image files.

    Args:
        client: A `serving_client.Client`, or anything that answers as it.
        frame: Path of a JPEG or PNG file.
        next_frame: Path of the frame after it.

    Returns:
        A `serving_client.Answer`.

    Raises:
        ValueError: If a file is missing or is not an image; names the file.
        OSError: If a file cannot be read.
        ServingError: If the server cannot be reached, or fails.
    """
    pair = tuple(map(image_limits.read_image, (frame, next_frame)))
    try:
        return client.predict([pair])[0]
    except serving_client.ImageError as error:
        message = str(error).replace("next_frame_bytes[0]", str(next_frame))
        message = message.replace("frame_bytes[0]", str(frame))
        raise ValueError(message) from error


def list_films(inputs):
    """Lists the film files that are to be classified.

    Args:
        inputs: Sequence of paths: films, and folders of films.

    Returns:
        A list of `pathlib.Path`: a folder's files by their names, hidden
        ones apart; also what turns out to be no file, such as a broken link.

    Raises:
        ValueError: If a path is missing, or a folder holds no file.
    """
    films = []
    for path in map(pathlib.Path, inputs):
        if path.is_dir():
            found = sorted(
                each
                for each in path.iterdir()
                if not each.is_dir() and not each.name.startswith(".")
            )
            if not found:
                raise ValueError(
                    f"Expected a folder of films. {path} is empty."
                )
            films += found
        elif path.exists():
            films.append(path)
        else:
            raise ValueError(
                f"Expected a film or a folder of films. Received: {path}, no "
                "such file"
            )
    return films


def holds_pairs(path):
    """Says whether a path is a folder of pairs, as extract writes it."""
    path = pathlib.Path(path)
    return path.is_dir() and bool(pair_files.list_pairs(path)[0])


def predict_films(
    asked, films, plan, min_confidence, outputs, genre, progress_of
):
    """Classifies films and writes what is asked for of each.

    Args:
        asked: A `predictor.Predictor`.
        films: List of paths.
        plan: A `film_reader.Plan`.
        min_confidence: Float, the score below which a verdict is uncertain.
        outputs: Dict of paths, each one there or not: `csv`, `timeline`,
            `contact_sheet`, and `annotate` for the film with its verdicts.
        genre: String, the film's own, for `annotate`; None if not known.
        progress_of: Function of a film's name that returns a context manager
            of a progress function, see `film_reader.read_film`.

    Yields:
        For each film its path, and its `verdict.FilmVerdict` or the
        `VideoError` that it ended in.
    """
    for film in films:
        try:
            with progress_of(film.name) as progress:
                verdict = asked.predict_film(
                    film,
                    plan,
                    min_confidence,
                    progress,
                    pictures="contact_sheet" in outputs,
                )
                if "annotate" in outputs:
                    _pictures().annotate(
                        verdict, outputs["annotate"], genre, progress
                    )
        except VideoError as error:
            yield film, error
        else:
            yield film, verdict
            if "csv" in outputs:
                files.write_text(outputs["csv"], verdict.as_csv())
            if "timeline" in outputs:
                picture = _pictures().timeline(verdict)
                files.write_bytes(outputs["timeline"], picture)
            if "contact_sheet" in outputs:
                picture = _pictures().contact_sheet(verdict)
                files.write_bytes(outputs["contact_sheet"], picture)


def _pictures():
    # Only now: Matplotlib takes a second.
    from keras_ssc.prediction import verdict_pictures

    return verdict_pictures
