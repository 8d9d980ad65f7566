"""A library of films: what is in it, what is known, what is suggested.

python -m keras_ssc.library scan FOLDER
python -m keras_ssc.library suggest
python -m keras_ssc.app --library library.sqlite
"""

import argparse
import dataclasses
import sys

from keras_ssc import command

_DATABASE = "library.sqlite"


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m keras_ssc.library",
        description="A library of films that are labelled together with you.",
    )
    jobs = parser.add_subparsers(metavar="JOB", required=True)
    for add in (_add_scan, _add_suggest):
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


def _add_scan(jobs):
    parser = add_job(
        jobs, "scan", _scan, "Reads the films in folders that are not known."
    )
    add = parser.add_argument
    add("folders", nargs="+", metavar="FOLDER", help="folders of films")
    add(
        "--pairs",
        type=int,
        default=32,
        metavar="N",
        help="at even times, of a film that is read (default: 32)",
    )
    add(
        "--shots",
        action="store_true",
        help="read every frame and search for shots: takes about ten times as "
        "long",
    )
    add(
        "--deinterlace",
        choices=("auto", "no", "yes"),
        default="auto",
        help="auto: frames of two fields that differ (default: %(default)s)",
    )
    command.add_workers(parser)


def _scan(arguments):
    """Scans folders; returns the exit code."""
    from keras_ssc.library import database
    from keras_ssc.library import scanning

    plan = dataclasses.replace(
        scanning.DEFAULT_PLAN,
        num_pairs=arguments.pairs,
        quick=not arguments.shots,
        deinterlace=arguments.deinterlace,
    )
    with database.Library(arguments.db, create=True) as library:
        report = scanning.scan(
            library,
            arguments.folders,
            plan,
            arguments.workers,
            lambda text: command.tell(text, sys.stderr),
        )
        print(report.text())
        print(f"library: {arguments.db}, {len(library.films()):,} films")
    print(
        f"next: python -m keras_ssc.library suggest --db {arguments.db}\n"
        f"      python -m keras_ssc.app --library {arguments.db}"
    )
    return 0 if report.is_complete else 1


def _add_suggest(jobs):
    parser = add_job(
        jobs,
        "suggest",
        _suggest,
        "Learns from the labels, suggests genres, and says what to label next.",
    )
    add = parser.add_argument
    add(
        "--model",
        metavar="RUN|EXPORT",
        help="suggestions of a model that was trained elsewhere; the films are "
        "read again",
    )
    add("--json", action="store_true", help="print all suggestions as JSON")


def _suggest(arguments):
    """Suggests genres; returns the exit code."""
    from keras_ssc.library import database
    from keras_ssc.library import learning
    from keras_ssc.library import telling

    with database.Library(arguments.db) as library:
        learnt = learning.learn(library, arguments.model)
        for reason in learnt.unread.values():
            command.tell(f"error: {reason}", sys.stderr)
        if arguments.json:
            print(telling.as_json(library, learnt))
        else:
            print(telling.as_text(library, learnt))
    return 1 if learnt.unread else 0


def main():
    """Runs the command."""
    arguments = _parser().parse_args()
    return arguments.run(arguments)


if __name__ == "__main__":
    command.run(main)
