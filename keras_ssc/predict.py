"""Two frames, a film or a folder of films -> their genre.

    python -m keras_ssc.predict MODEL film.mp4
    python -m keras_ssc.predict MODEL frame.png next_frame.png
    python -m keras_ssc.predict --server http://localhost:8501 film.mp4
    python -m keras_ssc.predict --zero-shot PRESET --genres heist,western a.mp4

MODEL is a run that was evaluated, or an export; PRESET an image-text preset of
KerasHub.
"""

import functools
import sys

from keras_ssc import command
from keras_ssc.films import file_kinds
from keras_ssc.films import film_files
from keras_ssc.prediction import predicting
from keras_ssc.prediction import words
from keras_ssc.serving import client as serving_client

_OUTPUTS = (
    *("csv", "timeline", "contact_sheet", "annotate"),
    *sorted(predicting.CUT_LISTS),
)


def _load(arguments):
    """Loads the model or the preset that is asked."""
    # Only now: two frames sent to a server need none of it.
    from keras_ssc.prediction import predictor
    from keras_ssc.prediction import zero_shot

    if arguments.zero_shot is None:
        model = arguments.server or arguments.model
        return predictor.load(model, arguments.timeout)
    return zero_shot.load(
        arguments.zero_shot, arguments.genres.split(","), arguments.prompts
    )


def _predict_films(arguments):
    """Classifies films; returns the exit code."""
    asked_for = {name: getattr(arguments, name) for name in _OUTPUTS}
    outputs = {name: path for name, path in asked_for.items() if path}
    name, found, left_aside = predicting.predict_films(
        functools.partial(_load, arguments),
        arguments.inputs,
        {
            "num_pairs": arguments.pairs,
            "every": arguments.every,
            "quick": arguments.quick,
            "interval": arguments.interval,
            "deinterlace": arguments.deinterlace,
        },
        arguments.min_confidence,
        outputs,
        arguments.genre,
        arguments.workers,
    )
    if left_aside:
        _note(film_files.left_aside_text(left_aside))
    verdicts, errors = [], []
    for film, result in found:
        if isinstance(result, Exception):
            errors.append({"path": str(film), "error": str(result)})
            command.tell(f"error: {result}", sys.stderr)
            continue
        verdicts.append(result)
        if not arguments.json:
            command.tell(words.film_text(result))
    if arguments.json:
        predictions = [verdict.as_json() for verdict in verdicts]
        print(predicting.as_json(name, predictions, errors, left_aside))
    elif verdicts:
        for path in outputs.values():
            print(f"written: {path}")
    return 1 if errors else 0


def _predict_pair(arguments):
    """Classifies two images; returns the exit code."""
    if arguments.server:
        asked = serving_client.Client(arguments.server, arguments.timeout)
    else:
        asked = _load(arguments)
    frame, next_frame = arguments.inputs
    answer = predicting.predict_pair(asked, frame, next_frame, _note)
    if arguments.json:
        paths = {"frame": frame, "next_frame": next_frame}
        print(predicting.as_json(asked.name, [{**paths, **vars(answer)}]))
    else:
        print(words.pair_text(answer))
    return 0


def _note(text):
    print(f"note: {text}", file=sys.stderr)


def make_parser():
    """Makes the command's argument parser."""
    parser = command.new_parser(
        "predict",
        "Classifies films, or two consecutive frames, by genre.",
    )
    add = parser.add_argument
    add(
        "inputs",
        nargs="+",
        metavar="MODEL INPUT",
        help="MODEL: a run that was evaluated, or an export; left out with "
        "--server and --zero-shot. INPUT: films, folders of films, two "
        "images, or a folder of pairs that extract wrote",
    )
    add(
        "--server",
        metavar="URL",
        help="TensorFlow Serving: http://HOST:8501, its REST API, or "
        "grpc://HOST:8500; a model that is not called scene_genre, or one "
        "version: http://HOST:8501/v1/models/NAME/versions/N",
    )
    add(
        "--zero-shot",
        metavar="PRESET",
        help="a CLIP or SigLIP preset of KerasHub, by its name or its folder; "
        "it was trained on no genre, and how often it is right was not "
        "measured",
    )
    add(
        "--genres",
        metavar="GENRE,GENRE",
        help="for --zero-shot: two or more, in any words",
    )
    add(
        "--prompts",
        action="append",
        metavar="TEXT",
        help="for --zero-shot: what is said of a frame, with {} in the "
        "genre's place; more than once for several",
    )
    add("--pairs", type=int, default=300, metavar="N", help="default: 300")
    add("--every", type=float, metavar="SECONDS", help="instead of --pairs")
    add(
        "--quick",
        action="store_true",
        help="do not search for shots; read only around the pairs",
    )
    add(
        "--interval",
        type=float,
        default=1 / 24,
        metavar="SECONDS",
        help="from a pair's first frame to its next, as the model's training "
        "films were extracted (default: 1/24)",
    )
    add(
        "--deinterlace",
        choices=("auto", "no", "yes"),
        default="auto",
        help="auto: frames of two fields that differ (default: %(default)s)",
    )
    add(
        "--min-confidence",
        type=float,
        default=0.5,
        metavar="SCORE",
        help="below, a verdict of one genre is uncertain (default: 0.5); of "
        "several, each has a threshold of its own",
    )
    command.add_workers(parser)
    add("--json", action="store_true", help="print JSON, for programs")
    add("--csv", metavar="OUT.csv", help="a row for each shot")
    add("--timeline", metavar="OUT.png", help="scores and motion over time")
    add("--contact-sheet", metavar="OUT.png", help="a frame of each shot")
    add("--annotate", metavar="OUT.webm", help="the film with its verdicts")
    add("--edl", metavar="OUT.edl", help="shots with genres, CMX 3600")
    add("--otio", metavar="OUT.otio", help="the same, OpenTimelineIO")
    add("--fcpxml", metavar="OUT.fcpxml", help="the same, Final Cut Pro")
    add("--chapters", metavar="OUT.txt", help="the same, for FFmpeg")
    add(
        "--genre",
        metavar="GENRE",
        help="the film's own, for --annotate: one that the model knows",
    )
    add(
        "--timeout",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="how long to wait for a server's answer (default: 60)",
    )
    return parser


def _check_zero_shot(arguments):
    """Raises `ValueError` if --zero-shot lacks something, or others have it."""
    if arguments.zero_shot is None:
        for name in ("genres", "prompts"):
            if getattr(arguments, name) is not None:
                raise ValueError(
                    f"Expected --{name} with --zero-shot PRESET. A model has "
                    "the genres that it was trained on."
                )
    elif arguments.server:
        raise ValueError("Expected --server or --zero-shot. Received: both")
    elif arguments.genres is None:
        raise ValueError(
            "Expected --genres with --zero-shot, such as --genres heist,western"
        )


def main():
    """Runs the command."""
    parser = make_parser()
    arguments = parser.parse_args()
    _check_zero_shot(arguments)
    if not arguments.server and arguments.zero_shot is None:
        arguments.model, *arguments.inputs = arguments.inputs
        if not arguments.inputs:
            parser.error(
                "expected MODEL and INPUT, --server URL and INPUT, or "
                "--zero-shot PRESET and INPUT"
            )
    pictures = list(filter(file_kinds.is_picture, arguments.inputs))
    if not pictures:
        return _predict_films(arguments)
    num_inputs = len(arguments.inputs)
    if not num_inputs == len(pictures) == 2:
        # That one can be no frame at all is said before their number.
        for path in pictures:
            predicting.read_image(path)
    if num_inputs != 2:
        raise ValueError(
            f"Expected two images, or films. Received: {num_inputs}, with the "
            f"image {pictures[0]}. Name it and the frame after it alone."
        )
    return _predict_pair(arguments)


if __name__ == "__main__":
    command.run(main)
