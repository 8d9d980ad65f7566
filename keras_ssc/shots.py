"""Films -> their shots, as tables and for editing programs.

    python -m keras_ssc.shots film.mp4
    python -m keras_ssc.shots folder_of_films --format edl,pictures --out out

No model is needed.
"""

import json
import sys

from keras_ssc import command
from keras_ssc.editing import exporting
from keras_ssc.editing import tables
from keras_ssc.films import film_files


def _list(arguments):
    """Lists the shots of films; returns the exit code."""
    names = arguments.format.split(",") if arguments.format else []
    exporting.check_formats(names)
    if arguments.out is not None and not names:
        raise ValueError(
            "Expected --format with --out: "
            f"{', '.join(exporting.FORMATS)}, with commas between them"
        )
    films, left_aside = film_files.list_films(arguments.inputs)
    if left_aside:
        _note(film_files.left_aside_text(left_aside))
    plain, errors = [], []
    exported = exporting.export_films(
        films, names, arguments.out or ".", arguments.workers
    )
    for film, found, paths, missing in exported:
        if isinstance(found, Exception):
            errors.append({"path": str(film), "error": str(found)})
            command.tell(f"error: {found}", sys.stderr)
            continue
        if missing:
            numbers = ", ".join(map(str, missing))
            _note(f"{film}: no picture of shots that are damaged: {numbers}")
        if arguments.json:
            plain.append(tables.plain(found))
            continue
        lines = list(tables.lines(found, with_shots=not names))
        lines += [f"  written: {path}" for path in paths]
        command.tell("\n".join(lines))
    if arguments.json:
        told = {"version": tables.VERSION, "films": plain, "errors": errors}
        if left_aside:
            told["left_aside"] = list(map(str, left_aside))
        print(json.dumps(told, indent=2, ensure_ascii=False))
    return 1 if errors else 0


def _note(text):
    command.tell(f"note: {text}", sys.stderr)


def make_parser():
    """Makes the command's argument parser."""
    parser = command.new_parser(
        "shots",
        "Lists the shots of films and the transitions between them.",
    )
    add = parser.add_argument
    add("inputs", nargs="+", metavar="FILM", help="films, or folders of films")
    add(
        "--format",
        metavar="FORMAT,FORMAT",
        help="write files instead of printing a table: "
        f"{', '.join(exporting.FORMATS)}. They are called as the film is",
    )
    add(
        "--out",
        metavar="FOLDER",
        help="where --format writes (default: the current folder)",
    )
    command.add_workers(parser)
    add("--json", action="store_true", help="print JSON, for programs")
    return parser


def main():
    """Runs the command."""
    return _list(make_parser().parse_args())


if __name__ == "__main__":
    command.run(main)
