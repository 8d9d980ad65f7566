"""How every command ends, and shows how far it is."""

import argparse
import contextlib
import os
import pathlib
import re
import sys

from keras_ssc.errors import OutsideError

# What the command is called that an installation gives: all in one.
CONSOLE = "keras-ssc"


def run(main):
    """Runs a command and ends the process.

    A user's mistake (`ValueError`) is one line and exit code 2. A failure
    outside (a film that cannot be read, a full disk) is one line and exit
    code 1. Anything else is a bug and keeps its traceback. Set
    KERAS_SSC_TRACEBACK=1 to see where a line comes from.

    Args:
        main: A function without arguments; it returns the exit code, or None
            for 0.
    """
    # A file's name may have bytes that are not text; they are printed as
    # escapes, in JSON as JSON's own.
    sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = main() or 0
    except KeyboardInterrupt:
        code = _report(
            "Interrupted. Run the same command again to resume.", 130
        )
    except ValueError as error:
        code = _report(error, 2)
    except (OutsideError, OSError) as error:
        code = _report(_reason(error), 1)
    except _outside_errors_of_tensorflow() as error:
        code = _report(_MARKS.sub("", error.message), 1)
    except ImportError as error:
        if not _is_of_system(error):
            raise
        code = _report(_without_library(error), 1)
    sys.stdout.flush()
    sys.exit(code)


def new_parser(name, description):
    """Makes a command's argument parser, called as the command was called.

    Args:
        name: String, the command's module in `keras_ssc`.
        description: String, what its help says first.

    Returns:
        An `argparse.ArgumentParser`.
    """
    called = pathlib.Path(sys.argv[0]).name
    if not called.startswith(f"{CONSOLE} "):
        called = f"python -m keras_ssc.{name}"
    return argparse.ArgumentParser(prog=called, description=description)


def add_workers(parser):
    """Adds --workers, as commands that read films side by side have it."""
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="films read at once (default: one per processor, at most 8)",
    )


# What a bar counts, where it is no frames.
_UNITS = {"pairs": "pair", "pictures": "picture"}

# Of several films, each counts by how much of it is done.
_FILMS_FORMAT = "{l_bar}{bar}| {n:.1f}/{total} films [{elapsed}<{remaining}]"


@contextlib.contextmanager
def bars(films):
    """Shows on the terminal how far films are.

    One film has a bar for each thing that is done, several have one for all.

    Args:
        films: List of `pathlib.Path`.

    Yields:
        Function of a film's place in the list, a string and two integers: what
        is done, how many of how many.
    """
    # Only now: a command's mistakes are told without it.
    import tqdm

    with contextlib.ExitStack() as stack:
        shown, shares = {}, {}

        def show(what, **settings):
            stack.close()
            shown[what] = stack.enter_context(
                tqdm.tqdm(leave=False, disable=None, **settings)
            )

        def of_one(place, what, done, total):
            if what not in shown:
                name = f"{films[place].name}: {what}"
                show(
                    what,
                    total=total,
                    unit=_UNITS.get(what, "frame"),
                    desc=name,
                )
            shown[what].update(done - shown[what].n)

        def of_all(place, what, done, total):
            # What comes after the film's frames is not told.
            shares[place] = max(done / total, shares.get(place, 0))
            shown["films"].update(sum(shares.values()) - shown["films"].n)

        if len(films) > 1:
            show("films", total=len(films), bar_format=_FILMS_FORMAT)
        yield of_one if len(films) == 1 else of_all


def tell(text, file=None):
    """Prints a text, at once and above the bars that there are.

    Args:
        text: String, one line or several.
        file: Where to; None for standard output.
    """
    import tqdm

    tqdm.tqdm.write(text, file=file)
    (file or sys.stdout).flush()


# What the system's loader says.
_NO_LIBRARY = "cannot open shared object file"

# What TensorFlow adds to a message: the operation, not the reason.
_MARKS = re.compile(r"\{\{.*?\}\}|\[Op:.*", re.DOTALL)


def _outside_errors_of_tensorflow():
    """Returns its errors of files and memory, if it is loaded at all.

    They are not `OSError`s: TensorBoard's log on a full disk ends in one.
    """
    errors = getattr(sys.modules.get("tensorflow"), "errors", None)
    if errors is None:
        return ()
    return (
        errors.DataLossError,
        errors.NotFoundError,
        errors.PermissionDeniedError,
        errors.ResourceExhaustedError,
        errors.UnavailableError,
    )


def _is_of_system(error):
    """Says whether a package is there, but not a library that it loads."""
    return isinstance(error, ImportError) and _NO_LIBRARY in str(error)


def _without_library(error):
    return (
        f"A library of the system is missing: {error}. OpenCV needs libGL and "
        "GLib: run 'apt-get update && apt-get install -y libgl1 "
        "libglib2.0-0' as root, or replace opencv-python by "
        "opencv-python-headless of the same version, which needs neither."
    )


def _hook(kind, error, trace):
    """Tells of a library that a command's own imports lack, before `run`."""
    if _is_of_system(error) and not os.environ.get("KERAS_SSC_TRACEBACK"):
        _report(_without_library(error), 1)
    else:
        sys.__excepthook__(kind, error, trace)


sys.excepthook = _hook


def _reason(error):
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror}"
    return error


def _report(message, code):
    if os.environ.get("KERAS_SSC_TRACEBACK") == "1":
        raise
    line = " ".join(str(message).split())
    print(f"error: {line}", file=sys.stderr)
    return code
