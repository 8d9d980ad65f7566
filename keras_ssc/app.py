"""A page to drop a film on, and the page of a library of films.

python -m keras_ssc.app MODEL
python -m keras_ssc.app --library library.sqlite [MODEL]
"""

from keras_ssc import checks
from keras_ssc import command
from keras_ssc.page.page_limits import Limits


def make_parser():
    """Makes the command's argument parser."""
    parser = command.new_parser(
        "app",
        "Serves a page that classifies a film, or two consecutive frames, by "
        "genre, and shows the evidence; or a library of films, to look at and "
        "to label.",
    )
    add = parser.add_argument
    add(
        "model",
        nargs="?",
        metavar="MODEL",
        help="a run that was evaluated, an export, or the URL of a running "
        "TensorFlow Serving; what the model looked at is shown for a run",
    )
    add(
        "--library",
        metavar="FILE",
        help="a library of python -m keras_ssc.library scan; with a MODEL, "
        "its page for a single film is a tab",
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
    if arguments.model is None and arguments.library is None:
        raise ValueError("Expected a MODEL, a --library FILE, or both.")
    limits = Limits(
        arguments.max_megabytes,
        arguments.max_minutes,
        arguments.max_seconds,
        arguments.max_waiting,
    )
    # Takes seconds: after the mistakes that are known at once.
    with checks.needs_extra("The page", "app"):
        import gradio  # noqa: F401
    _serve(arguments, limits)


def _serve(arguments, limits):
    # Only now: these take seconds, and the first is not always installed.
    if arguments.library is not None:
        from keras_ssc.page import library_page

        library_page.serve(
            arguments.library,
            arguments.model,
            arguments.host,
            arguments.port,
            limits,
        )
        return
    from keras_ssc.page import page
    from keras_ssc.prediction import predictor

    asked = predictor.load(arguments.model)
    page.serve(asked, arguments.host, arguments.port, limits)


if __name__ == "__main__":
    command.run(main)
