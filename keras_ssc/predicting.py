"""Classifies images, films and folders, and writes what was found of them."""

import dataclasses
import pathlib

from keras_ssc import files
from keras_ssc import image_limits
from keras_ssc import pairs
from keras_ssc import serving_client
from keras_ssc.errors import VideoError


@dataclasses.dataclass(frozen=True)
class Outputs:
    """What is written of a film beside its verdict; paths, or None.

    Attributes:
        csv: A row for each shot.
        timeline: A PNG, scores and motion over time.
        contact_sheet: A PNG, a frame of each shot.
        annotate: A WebM, the film with its verdicts.
        genre: String, the film's own, for `annotate`.
    """

    csv: str | None = None
    timeline: str | None = None
    contact_sheet: str | None = None
    annotate: str | None = None
    genre: str | None = None

    def paths(self):
        """Returns the paths that were asked for."""
        asked = (self.csv, self.timeline, self.contact_sheet, self.annotate)
        return [path for path in asked if path]


def predict_pair(client, frame, next_frame):
    """Classifies a pair of image files.

    Args:
        client: A `serving_client.Client`, or anything that answers as it.
        frame: Path of a JPEG or PNG file.
        next_frame: Path of the frame after it.

    Returns:
        A `serving_client.Answer`.

    Raises:
        ValueError: If a file is missing or is no image; names the file.
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
    return path.is_dir() and bool(pairs.list_pairs(path)[0])


def check_outputs(films, outputs):
    """Raises `ValueError` if several films are to be written to one path."""
    if len(films) > 1 and outputs.paths():
        raise ValueError(
            "Expected one film with --csv, --timeline, --contact-sheet and "
            f"--annotate. Received: {len(films)} films"
        )


def predict_films(asked, films, plan, min_confidence, outputs, progress_of):
    """Classifies films and writes what is asked for of each.

    Args:
        asked: A `predictor.Predictor`.
        films: List of paths.
        plan: A `film_reader.Plan`.
        min_confidence: Float, the score below which a verdict is uncertain.
        outputs: An `Outputs`.
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
                    pictures=bool(outputs.contact_sheet),
                )
                if outputs.annotate:
                    _pictures().annotate(
                        verdict, outputs.annotate, outputs.genre, progress
                    )
        except VideoError as error:
            yield film, error
        else:
            yield film, verdict
            _write(verdict, outputs)


def _pictures():
    # Only now: Matplotlib takes a second.
    from keras_ssc import verdict_pictures

    return verdict_pictures


def _write(verdict, outputs):
    if outputs.csv:
        files.write_text(outputs.csv, verdict.as_csv())
    if outputs.timeline:
        picture = _pictures().timeline(verdict)
        files.write_bytes(outputs.timeline, picture)
    if outputs.contact_sheet:
        picture = _pictures().contact_sheet(verdict)
        files.write_bytes(outputs.contact_sheet, picture)
