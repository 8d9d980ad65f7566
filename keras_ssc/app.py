"""A page to drop a film on: python -m keras_ssc.app MODEL."""

import importlib.util

from keras_ssc import command
from keras_ssc.page.page_limits import Limits


def make_parser():
    """Makes the command's argument parser."""
    parser = command.new_parser(
        "app",
        "Serves a page that classifies a film, or two consecutive "
        "frames, by genre, and shows the evidence.",
    )
    add = parser.add_argument
    add(
        "model",
        metavar="MODEL",
        help="a run that was evaluated, an export, or the URL of a running "
        "TensorFlow Serving; what the model looked at is shown for a run",
    )
    add(
        "--host",
        default="127.0.0.1",
        help="the address to listen at (default: 127.0.0.1, this machine "
        "alone). The page has no login",
    )
    add("--port", type=int, default=7860, help="default: 7860")
    for name, metavar, text in (
        ("megabytes", "MB", "size of an upload"),
        ("minutes", "MINUTES", "length of a film"),
        ("seconds", "SECONDS", "how long a film may be worked on"),
        (
            "waiting",
            "N",
            "requests that wait for their turn; excess requests are refused "
            "as busy",
        ),
    ):
        default = getattr(Limits, name)
        add(
            f"--max-{name}",
            type=type(default),
            default=default,
            metavar=metavar,
            help=f"{text} (default: {default:g})",
        )
    return parser


def main():
    """Runs the command."""
    arguments = make_parser().parse_args()
    if importlib.util.find_spec("gradio") is None:
        raise ValueError(
            'The page needs Gradio: pip install "keras_ssc[app]", or '
            'pip install -e ".[app]" in a clone.'
        )
    # Only now: these take seconds, and the first is not always installed.
    from keras_ssc.page import page
    from keras_ssc.prediction import predictor

    limits = Limits(
        arguments.max_megabytes,
        arguments.max_minutes,
        arguments.max_seconds,
        arguments.max_waiting,
    )
    asked = predictor.load(arguments.model)
    page.serve(asked, arguments.host, arguments.port, limits)


if __name__ == "__main__":
    command.run(main)
