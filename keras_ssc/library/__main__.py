"""A library of films: what is in it, what is known, what is suggested.

python -m keras_ssc.library scan FOLDER
python -m keras_ssc.library suggest
python -m keras_ssc.app --library library.sqlite
"""

from keras_ssc import command

_DATABASE = "library.sqlite"


def make_parser():
    """Makes the command's argument parser."""
    parser = command.new_parser(
        "library", "A library of films that are labelled together with you."
    )
    jobs = parser.add_subparsers(metavar="JOB", required=True)
    for add in ():
        add(jobs)
    return parser


def add_job(jobs, name, run, text):
    """Adds a job with --db; returns its parser."""
    parser = jobs.add_parser(name, help=text, description=text)
    parser.add_argument(
        "--db",
        default=_DATABASE,
        metavar="FILE",
        help=f"the library (default: {_DATABASE})",
    )
    parser.set_defaults(run=run)
    return parser


def main():
    """Runs the command."""
    arguments = make_parser().parse_args()
    return arguments.run(arguments)


if __name__ == "__main__":
    command.run(main)
