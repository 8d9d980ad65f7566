"""How every command ends: one clear line, and an exit code that means it."""

import os
import re
import sys

from keras_ssc.errors import OutsideError


def run(main):
    """Runs a command and ends the process.

    A user's mistake (`ValueError`) is one line and exit code 2. A failure
    outside (a film that cannot be read, a full disk) is one line and exit
    code 1. Anything else is a bug of ours and keeps its traceback. Set
    KERAS_SSC_TRACEBACK=1 to see where a line comes from.

    Args:
        main: A function without arguments; it returns the exit code, or None
            for 0.
    """
    # A file's name need not be text; what is none of it prints as an escape,
    # in JSON as JSON's own.
    sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = main() or 0
    except KeyboardInterrupt:
        code = _tell("Interrupted. Run the same command again to resume.", 130)
    except ValueError as error:
        code = _tell(error, 2)
    except (OutsideError, OSError) as error:
        code = _tell(_reason(error), 1)
    except _outside_errors_of_tensorflow() as error:
        code = _tell(_MARKS.sub("", error.message), 1)
    sys.stdout.flush()
    sys.exit(code)


# What TensorFlow adds to a message: the operation, not the reason.
_MARKS = re.compile(r"\{\{.*?\}\}|\[Op:.*", re.DOTALL)


def _outside_errors_of_tensorflow():
    """Returns its errors of files and memory, if it is loaded at all.

    They are no `OSError`s: TensorBoard's log on a full disk ends in one.
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


def _tell(message, code):
    if os.environ.get("KERAS_SSC_TRACEBACK") == "1":
        raise
    line = " ".join(str(message).split())
    print(f"error: {line}", file=sys.stderr)
    return code
