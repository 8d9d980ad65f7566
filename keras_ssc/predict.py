"""Two frames, a film or a folder of films -> their genre.

    python -m keras_ssc.predict MODEL film.mp4
    python -m keras_ssc.predict MODEL frame.png next_frame.png
    python -m keras_ssc.predict --server http://localhost:8501 film.mp4

MODEL is a run that was evaluated, or an export.
"""

import argparse
import contextlib
import dataclasses
import json
import pathlib
import sys

import tqdm

from keras_ssc import command
from keras_ssc.genres import GENRES
from keras_ssc.genres import genre_named
from keras_ssc.prediction import predicting
from keras_ssc.prediction import words
from keras_ssc.serving import client as serving_client

# Of what --json prints; another number means other names or other meanings.
VERSION = 1

_OUTPUTS = ("csv", "timeline", "contact_sheet", "annotate")

_IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")


@contextlib.contextmanager
def _bars(name):
    """Shows a film's progress on the terminal, a bar for each thing done."""
    with contextlib.ExitStack() as stack:
        bars = {}

        def progress(what, done, total):
            if what not in bars:
                stack.close()
                bars[what] = stack.enter_context(
                    tqdm.tqdm(
                        total=total,
                        unit="pair" if what == "pairs" else "frame",
                        desc=f"{name}: {what}",
                        leave=False,
                        disable=None,
                    )
                )
            bars[what].update(done - bars[what].n)

        yield progress


def _predict_films(arguments):
    """Classifies films; returns the exit code."""
    # Only now: two frames sent to a server need none of it.
    from keras_ssc.films import film_reader
    from keras_ssc.prediction import predictor

    plan = film_reader.Plan(arguments.pairs, arguments.every, arguments.quick)
    has_pairs = len(arguments.inputs) == 1 and predicting.holds_pairs(
        arguments.inputs[0]
    )
    wanted = {name: getattr(arguments, name) for name in _OUTPUTS}
    outputs = {name: path for name, path in wanted.items() if path}
    if not has_pairs:
        films = predicting.list_films(arguments.inputs)
        if len(films) > 1 and outputs:
            raise ValueError(
                "Expected one film with --csv, --timeline, --contact-sheet and "
                f"--annotate. Received: {len(films)} films"
            )
    asked = predictor.load(
        arguments.server or arguments.model, arguments.timeout
    )
    if has_pairs:
        verdicts = asked.predict_frames(
            arguments.inputs[0], arguments.min_confidence
        )
        found = ((verdict.path, verdict) for verdict in verdicts)
    else:
        found = predicting.predict_films(
            asked,
            films,
            plan,
            arguments.min_confidence,
            outputs,
            arguments.genre,
            _bars,
        )
    verdicts, errors = [], []
    for film, result in found:
        if isinstance(result, Exception):
            errors.append({"path": str(film), "error": str(result)})
            print(f"error: {result}", file=sys.stderr)
            continue
        verdicts.append(result)
        if not arguments.json:
            print(words.film_text(result), flush=True)
    if arguments.json:
        _print_json(asked.name, [each.as_json() for each in verdicts], errors)
    elif verdicts and not has_pairs:
        for path in outputs.values():
            print(f"written: {path}")
    return 1 if errors else 0


def _predict_pair(arguments):
    """Classifies two images; returns the exit code."""
    if arguments.server:
        asked = serving_client.Client(arguments.server, arguments.timeout)
        name = asked.url
    else:
        from keras_ssc.prediction import predictor

        asked = predictor.load(arguments.model)
        name = asked.name
    frame, next_frame = arguments.inputs
    answer = predicting.predict_pair(asked, frame, next_frame)
    if arguments.json:
        paths = {"frame": frame, "next_frame": next_frame}
        _print_json(name, [{**paths, **dataclasses.asdict(answer)}], [])
    else:
        print(words.pair_text(answer))
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
        description="Classifies films, or two consecutive frames, by genre.",
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
        help="below, the verdict is uncertain (default: 0.5)",
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
