"""A library of films: what is in it, what is known, what is suggested.

python -m keras_ssc.library scan FOLDER
python -m keras_ssc.library suggest
python -m keras_ssc.app --library library.sqlite
"""

import dataclasses
import shlex
import sys

from keras_ssc import command

_DATABASE = "library.sqlite"


def make_parser():
    """Makes the command's argument parser."""
    parser = command.new_parser(
        "library", "A library of films that are labelled together with you."
    )
    jobs = parser.add_subparsers(metavar="JOB", required=True)
    for add in (
        *(_add_scan, _add_load, _add_suggest),
        *(_add_export, _add_nfo, _add_import),
    ):
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
    _add_runner(parser)


def _add_runner(parser):
    """Adds what a pipeline of Apache Beam needs; see `_is_by_beam`."""
    add = parser.add_argument
    add(
        "--runner",
        metavar="RUNNER",
        help="read the films with Apache Beam, such as with DirectRunner, "
        "DaskRunner or FlinkRunner; the results go to --out",
    )
    add(
        "--runner-options",
        default="",
        metavar="TEXT",
        help='Beam\'s, such as "--dask_client_address=HOST:8786"',
    )
    add("--out", metavar="RESULTS", help="the folder for --runner")


def _is_by_beam(arguments):
    """Says whether there is a runner; checks what belongs to it."""
    if (arguments.runner is None) != (arguments.out is None):
        raise ValueError("Expected --runner and --out, or none of them")
    return arguments.runner is not None


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
    if _is_by_beam(arguments):
        return _scan_by_beam(arguments, plan)
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


def _scan_by_beam(arguments, plan):
    from keras_ssc.library import pipeline

    num_files = pipeline.scan(
        arguments.folders,
        arguments.out,
        arguments.runner,
        shlex.split(arguments.runner_options),
        plan,
        arguments.workers,
    )
    print(
        f"files that may be films: {num_files:,}\nresults: {arguments.out}\n"
        f"next: python -m keras_ssc.library load {arguments.out} --db "
        f"{arguments.db}"
    )


def _add_load(jobs):
    parser = add_job(
        jobs,
        "load",
        _load,
        "Takes what scan --runner wrote into the library.",
    )
    parser.add_argument(
        "results", metavar="RESULTS", help="the folder that --out named"
    )


def _load(arguments):
    """Loads results; returns the exit code."""
    from keras_ssc.library import database
    from keras_ssc.library import pipeline

    with database.Library(arguments.db, create=True) as library:
        loaded = pipeline.load(library, arguments.results)
    for line in pipeline.lines(loaded):
        print(line)
    return 0 if loaded.is_complete else 1


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
    _add_runner(parser)


def _suggest(arguments):
    """Suggests genres; returns the exit code."""
    from keras_ssc.library import database
    from keras_ssc.library import learning
    from keras_ssc.library import telling

    with database.Library(arguments.db) as library:
        learnt = learning.learn(library, _model(arguments))
        for reason in learnt.unread.values():
            command.tell(f"error: {reason}", sys.stderr)
        if arguments.json:
            print(telling.as_json(library, learnt))
        else:
            print(telling.as_text(library, learnt))
    return 1 if learnt.unread else 0


def _model(arguments):
    """Returns what suggestions are made with, see `learning.learn`."""
    if not _is_by_beam(arguments):
        return arguments.model
    if arguments.model is None:
        raise ValueError(
            "Expected --model with --runner: what is learnt from the labels "
            "takes seconds on one machine"
        )
    from keras_ssc.library import pipeline

    return pipeline.BeamPredictor(
        arguments.model,
        arguments.out,
        arguments.runner,
        shlex.split(arguments.runner_options),
    )


def _add_export(jobs):
    parser = add_job(
        jobs,
        "export",
        _export,
        "Writes labels as a film list for extract and train, or as a table.",
    )
    parser.add_argument("out", metavar="OUT", help="the file to write")
    parser.add_argument(
        "--format",
        metavar="FORMAT",
        help="films (a film list), csv, json or parquet (default: by OUT's "
        "suffix; of .csv, films)",
    )
    _add_suggestions(parser)
    parser.add_argument(
        "--replace", action="store_true", help="replace OUT if it is there"
    )


def _export(arguments):
    from keras_ssc.library import database
    from keras_ssc.library import exporting

    with database.Library(arguments.db) as library:
        exported = exporting.export(
            library,
            arguments.out,
            arguments.format,
            arguments.suggestions,
            arguments.replace,
        )
    for line in exporting.summary(exported, arguments.out):
        print(line)


def _add_nfo(jobs):
    parser = add_job(
        jobs,
        "nfo",
        _nfo,
        "Writes genres into NFO files beside the films, for Kodi, Jellyfin "
        "and Emby; without --write, only shows what would change.",
    )
    _add_suggestions(parser)
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--write", action="store_true", help="write the files")
    choice.add_argument(
        "--dry-run",
        action="store_true",
        help="only show what would change, as without --write",
    )


def _nfo(arguments):
    from keras_ssc.library import database
    from keras_ssc.library import nfo

    with database.Library(arguments.db) as library:
        changes, num_right, left = nfo.plan(library, arguments.suggestions)
    for change in changes if not arguments.write else ():
        print(nfo.diff(change), end="")
    if arguments.write:
        written, failed = nfo.write_all(changes)
        changes, left = written, left + failed
    for line in nfo.lines(changes, num_right, left, arguments.write):
        print(line)
    return 1 if left else 0


def _add_import(jobs):
    parser = add_job(
        jobs,
        "import",
        _import,
        "Labels films as a table, a list by title and year, or NFO files say.",
    )
    choice = parser.add_mutually_exclusive_group(required=True)
    choice.add_argument(
        "file",
        nargs="?",
        metavar="FILE",
        help="CSV with genre (several with | between them) and path, name, or "
        "title and year",
    )
    choice.add_argument(
        "--nfo", action="store_true", help="read the NFO files beside the films"
    )
    parser.add_argument(
        "--replace",
        action="store_true",
        help="replace labels that films have (default: they are kept)",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="store nothing, only tell"
    )


def _import(arguments):
    from keras_ssc.library import database
    from keras_ssc.library import importing

    settings = {"replace": arguments.replace, "dry_run": arguments.dry_run}
    with database.Library(arguments.db) as library:
        if arguments.nfo:
            report = importing.import_nfo(library, **settings)
        else:
            report = importing.import_table(library, arguments.file, **settings)
    for line in importing.lines(report, arguments.dry_run):
        print(line)
    return 1 if report.num_problems else 0


def _add_suggestions(parser):
    parser.add_argument(
        "--suggestions",
        type=float,
        metavar="CONFIDENCE",
        help="also films without a label, with suggestions of at least this "
        "confidence, 0 to 1",
    )


def main():
    """Runs the command."""
    arguments = make_parser().parse_args()
    return arguments.run(arguments)


if __name__ == "__main__":
    command.run(main)
