"""All commands under one name: keras-ssc JOB, or python -m keras_ssc JOB."""

import argparse
import importlib
import sys

from keras_ssc import __version__
from keras_ssc import command

# The modules that are commands, in the order of their use.
JOBS = {
    "extract": "films and their list -> clean pairs of frames",
    "build": "films or frames -> a data set; the sample films without either",
    "dataset_card": "what a data set holds, and shortcuts in it",
    "train": "a data set -> a run with a trained model",
    "evaluate": "how good a run's model is",
    "predict": "the genre of films, or of two frames",
    "export": "a run -> a model for TensorFlow Serving and others",
    "app": "a page to drop films on, and the page of a library",
    "library": "a folder of films, labelled together with you",
    "shots": "the shots of films, for people and editing programs",
    "sample_films": "draws the sample films",
}
_COMPLETION = "completion"
_SHELLS = ("bash", "zsh", "tcsh")


def _module(job):
    found = importlib.import_module(f"keras_ssc.{job}")
    if hasattr(found, "main"):
        return found
    # A folder that is a command.
    return importlib.import_module(f"{found.__name__}.__main__")


def _parser(parents_of=lambda job: []):
    """Makes the parser of all commands, with their flags if asked for."""
    parser = argparse.ArgumentParser(
        prog=command.CONSOLE,
        description="Scene Sentiment Classifier: a film's genre from two "
        "consecutive frames.",
    )
    parser.add_argument(
        "--version", action="version", version=f"%(prog)s {__version__}"
    )
    jobs = parser.add_subparsers(metavar="JOB", required=True)
    for job, text in JOBS.items():
        jobs.add_parser(
            job.replace("_", "-"),
            help=text,
            parents=parents_of(job),
            add_help=False,
        )
    completion = jobs.add_parser(
        _COMPLETION,
        help="a script with which a shell completes these commands",
        description="Prints a script with which a shell completes these "
        "commands. For bash: keras-ssc completion bash > "
        "~/.local/share/bash-completion/completions/keras-ssc",
    )
    completion.add_argument("shell", choices=_SHELLS)
    return parser


def _completion(shell):
    """Returns the script with which a shell completes all commands."""
    import shtab

    parser = _parser(lambda job: [_module(job).make_parser()])
    return shtab.complete(parser, shell)


def main():
    """Runs the command."""
    job = sys.argv[1].replace("-", "_") if sys.argv[1:] else ""
    if job in JOBS:
        sys.argv[:2] = [f"{command.CONSOLE} {sys.argv[1]}"]
        return _module(job).main()
    print(_completion(_parser().parse_args().shell))
    return 0


def run():
    """Runs the command and ends the process, as an installation calls it."""
    command.run(main)


if __name__ == "__main__":
    run()
