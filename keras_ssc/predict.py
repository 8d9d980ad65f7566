"""Two frames, a film or a folder of films -> their genre.

    python -m keras_ssc.predict MODEL film.mp4
    python -m keras_ssc.predict MODEL frame.png next_frame.png
    python -m keras_ssc.predict --server http://localhost:8501 film.mp4

MODEL is a run that was evaluated, or an export.
"""

import argparse
import dataclasses
import json
import pathlib
import sys

import tqdm

from keras_ssc import command
from keras_ssc import files
from keras_ssc import film_list
from keras_ssc import pair_files
from keras_ssc import serving_client
from keras_ssc.genres import GENRES
from keras_ssc.genres import genre_named

# Of what --json prints; another number means other names or other meanings.
VERSION = 1

# An image of the largest size that is served takes half of it at most.
_MAX_BYTES = 2**28

_IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")


def read_image(path):
    """Reads an image file as it is; what is in it, the model judges.

    Args:
        path: The file's path.

    Returns:
        Bytes.

    Raises:
        ValueError: If there is no such file, or it is too large for an image.
        OSError: If it cannot be read.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        received = "a folder" if path.is_dir() else "no such file"
        raise ValueError(
            f"Expected the path of a JPEG or PNG file. Received: {path}, "
            f"{received}"
        )
    size = path.stat().st_size
    if size > _MAX_BYTES:
        raise ValueError(
            f"Expected a JPEG or PNG file. Received: {path}, of {size:,} bytes"
        )
    return path.read_bytes()


def predict(client, frame, next_frame):
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
    pair = (read_image(frame), read_image(next_frame))
    try:
        return client.predict([pair])[0]
    except serving_client.ImageError as error:
        message = str(error).replace("next_frame_bytes[0]", str(next_frame))
        message = message.replace("frame_bytes[0]", str(frame))
        raise ValueError(message) from error


def list_films(inputs):
    """Lists the film files that are asked for.

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


def _pair_text(answer):
    """Returns a pair's answer as lines for people."""
    return "\n".join(
        [
            f"genre: {answer.genre}",
            *_score_lines(answer.scores),
            f"motion magnitude: {answer.motion_magnitude:.4g}",
        ]
    )


def _score_lines(scores, shares=None):
    for genre, score in sorted(scores.items(), key=lambda item: -item[1]):
        line = f"  {genre:<16}{100 * score:5.1f} %"
        if shares is not None:
            line += f"  {100 * shares[genre]:5.1f} % of the film"
        yield line


def film_text(verdict):
    """Returns a film's verdict as lines for people."""
    sure = "" if verdict.is_sure else "not sure; at best "
    dropped = ", ".join(
        f"{count} {reason}" for reason, count in verdict.dropped.items()
    )
    length = ""
    if verdict.shots:
        length = (
            f"{film_list.format_time(verdict.seconds)[:8]} long, "
            f"{len(verdict.shots)} shots, "
        )
    return "\n".join(
        [
            f"{verdict.path}: {sure}{verdict.genre}, "
            f"{100 * verdict.confidence:.1f} %; then {verdict.runner_up}, "
            f"{100 * verdict.scores[verdict.runner_up]:.1f} %",
            *_score_lines(
                verdict.scores, verdict.shares if verdict.shots else None
            ),
            f"  {length}{verdict.num_pairs} pairs"
            + (f"; dropped: {dropped}" if dropped else ""),
        ]
    )


class _Bars:
    """Progress of a film on the terminal."""

    def __init__(self, name):
        self._name, self._bar, self._what = name, None, None

    def __call__(self, what, done, total):
        if what != self._what:
            self.close()
            self._what = what
            unit = "pair" if what == "pairs" else "frame"
            self._bar = tqdm.tqdm(
                total=total,
                unit=unit,
                desc=f"{self._name}: {what}",
                leave=False,
                disable=None,
            )
        self._bar.update(done - self._bar.n)

    def close(self):
        if self._bar is not None:
            self._bar.close()


def _predict_films(arguments):
    """Classifies films; returns the exit code."""
    # Only now: two frames sent to a server need none of it.
    from keras_ssc import film_reader
    from keras_ssc import predictor
    from keras_ssc import verdict_pictures
    from keras_ssc.errors import VideoError

    plan = film_reader.Plan(arguments.pairs, arguments.every, arguments.quick)
    if len(arguments.inputs) == 1 and holds_pairs(arguments.inputs[0]):
        return _predict_frames(arguments)
    films = list_films(arguments.inputs)
    outputs = ("csv", "timeline", "contact_sheet", "annotate")
    wanted = {name: getattr(arguments, name) for name in outputs}
    if len(films) > 1 and any(wanted.values()):
        raise ValueError(
            "Expected one film with --csv, --timeline, --contact-sheet and "
            f"--annotate. Received: {len(films)} films"
        )
    asked = predictor.load(
        arguments.server or arguments.model, arguments.timeout
    )
    verdicts, errors = [], []
    for film in films:
        bars = _Bars(film.name)
        try:
            verdict = asked.predict_film(
                film,
                plan,
                arguments.min_confidence,
                bars,
                pictures=bool(wanted["contact_sheet"]),
            )
            if wanted["annotate"]:
                verdict_pictures.annotate(
                    verdict, wanted["annotate"], arguments.genre, bars
                )
        except VideoError as error:
            errors.append({"path": str(film), "error": str(error)})
            print(f"error: {error}", file=sys.stderr)
            continue
        finally:
            bars.close()
        verdicts.append(verdict)
        if not arguments.json:
            print(film_text(verdict), flush=True)
        if wanted["csv"]:
            files.write_text(wanted["csv"], verdict.as_csv())
        if wanted["timeline"]:
            picture = verdict_pictures.timeline(verdict)
            files.write_bytes(wanted["timeline"], picture)
        if wanted["contact_sheet"]:
            picture = verdict_pictures.contact_sheet(verdict)
            files.write_bytes(wanted["contact_sheet"], picture)
    if arguments.json:
        _print_json(
            asked.name, [verdict.as_json() for verdict in verdicts], errors
        )
    elif verdicts:
        for path in filter(None, wanted.values()):
            print(f"written: {path}")
    return 1 if errors else 0


def holds_pairs(path):
    """Says whether a path is a folder of pairs, as extract writes it."""
    path = pathlib.Path(path)
    return path.is_dir() and bool(pair_files.list_pairs(path)[0])


def _predict_frames(arguments):
    """Classifies the films of a folder of pairs; returns the exit code."""
    from keras_ssc import predictor

    asked = predictor.load(
        arguments.server or arguments.model, arguments.timeout
    )
    verdicts = asked.predict_frames(
        arguments.inputs[0], arguments.min_confidence
    )
    if arguments.json:
        _print_json(asked.name, [each.as_json() for each in verdicts], [])
    else:
        print("\n".join(film_text(each) for each in verdicts))
    return 0


def _predict_pair(arguments):
    """Classifies two images; returns the exit code."""
    if arguments.server:
        asked = serving_client.Client(arguments.server, arguments.timeout)
        name = asked.url
    else:
        from keras_ssc import predictor

        asked = predictor.load(arguments.model)
        name = asked.name
    frame, next_frame = arguments.inputs
    answer = predict(asked, frame, next_frame)
    if arguments.json:
        paths = {"frame": frame, "next_frame": next_frame}
        _print_json(name, [{**paths, **dataclasses.asdict(answer)}], [])
    else:
        print(_pair_text(answer))
    return 0


def _print_json(model, predictions, errors):
    result = {
        "version": VERSION,
        "model": model,
        "predictions": predictions,
        "errors": errors,
    }
    print(json.dumps(result, indent=2, ensure_ascii=False))


def _genre(text):
    try:
        return genre_named(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m keras_ssc.predict",
        description="Tells the genre of films, or of two consecutive frames.",
    )
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="MODEL INPUT",
        help="MODEL: a run that was evaluated, or an export; left out with "
        "--server. INPUT: films, folders of films, two images, or a folder of "
        "pairs that extract wrote",
    )
    parser.add_argument(
        "--server",
        metavar="URL",
        help="TensorFlow Serving: http://HOST:8501, its REST API, or "
        "grpc://HOST:8500; a model that is not called scene_genre, or one "
        "version: http://HOST:8501/v1/models/NAME/versions/N",
    )
    add = parser.add_argument
    add("--pairs", type=int, default=300, metavar="N", help="default: 300")
    add("--every", type=float, metavar="SECONDS", help="instead of --pairs")
    add(
        "--quick",
        action="store_true",
        help="do not search for shots; read only around the pairs",
    )
    add(
        "--min-confidence",
        type=float,
        default=0.5,
        metavar="SCORE",
        help="below, the verdict is not sure (default: 0.5)",
    )
    add("--json", action="store_true", help="print JSON, for programs")
    add("--csv", metavar="OUT.csv", help="a row for each shot")
    add("--timeline", metavar="OUT.png", help="scores and motion over time")
    add("--contact-sheet", metavar="OUT.png", help="a frame of each shot")
    add("--annotate", metavar="OUT.webm", help="the film with its verdicts")
    add(
        "--genre",
        type=_genre,
        metavar="GENRE",
        help=f"the film's own, for --annotate: {', '.join(GENRES)}",
    )
    add(
        "--timeout",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="how long to wait for a server's answer (default: 60)",
    )
    return parser


def main():
    """Runs the command."""
    parser = _parser()
    arguments = parser.parse_args()
    arguments.model = None
    if not arguments.server:
        arguments.model, *arguments.inputs = arguments.inputs
        if not arguments.inputs:
            parser.error("expected MODEL and INPUT, or --server URL and INPUT")
    has_image = any(
        pathlib.Path(path).suffix.lower() in _IMAGE_SUFFIXES
        for path in arguments.inputs
    )
    if has_image:
        if len(arguments.inputs) != 2:
            parser.error(
                "expected two images, or films, received "
                f"{len(arguments.inputs)} inputs"
            )
        return _predict_pair(arguments)
    return _predict_films(arguments)


if __name__ == "__main__":
    command.run(main)
