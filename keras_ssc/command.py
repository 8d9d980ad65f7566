"""How every command ends, and shows how far it is."""

import contextlib
import os
import re
import sys

from keras_ssc.errors import OutsideError


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
    sys.stdout.flush()
    sys.exit(code)


# What a bar counts, where it is no frames.
_UNITS = {"pairs": "pair", "pictures": "picture"}


@contextlib.contextmanager
def bars(name):
    """Shows a film's progress on the terminal, a bar for each thing done.

    Args:
        name: String, what the film is called.

    Yields:
        Function of a string and two integers: what is done, how many of how
        many.
    """
    # Only now: a command's mistakes are told without it.
    import tqdm

    with contextlib.ExitStack() as stack:
        bars = {}

        def progress(what, done, total):
            if what not in bars:
                stack.close()
                bars[what] = stack.enter_context(
                    tqdm.tqdm(
                        total=total,
                        unit=_UNITS.get(what, "frame"),
                        desc=f"{name}: {what}",
                        leave=False,
                        disable=None,
                    )
                )
            bars[what].update(done - bars[what].n)

        yield progress


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
