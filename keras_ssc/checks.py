"""What arguments and flags must be, in one wording."""

import argparse
import contextlib


def at_least(name, value, least):
    """Checks a number that may be left out.

    Args:
        name: String, what the number is called.
        value: The number; None, which is not checked.
        least: The smallest that is allowed.

    Raises:
        ValueError: If it is smaller, or not a number.
    """
    if value is not None and not value >= least:
        raise ValueError(
            f"Expected {name} of {least} or more. Received: {value}"
        )


def above_zero(name, value):
    """Checks a number that may be left out, as `at_least` does.

    Raises:
        ValueError: If it is 0 or less, or not a number.
    """
    if value is not None and not value > 0:
        raise ValueError(f"Expected {name} above 0. Received: {value}")


def one_of(name, value, choices):
    """Checks a choice.

    Raises:
        ValueError: If it is none of the choices.
    """
    if value not in choices:
        raise ValueError(
            f"Unknown {name}. Expected one of: {', '.join(choices)}. "
            f"Received: {value!r}"
        )


@contextlib.contextmanager
def needs_extra(what, extra):
    """Says of packages that are imported within it how to install them.

    Args:
        what: String, what they are needed for.
        extra: String, the extra of this project that brings them.

    Raises:
        ValueError: If one cannot be imported.
    """
    try:
        yield
    except ImportError as error:
        raise ValueError(
            f'{what} needs the extra "{extra}" ({error}): pip install '
            f'"keras_ssc[{extra}]", or pip install -e ".[{extra}]" in a clone.'
        ) from error


def parse_size(text, expected="WIDTHxHEIGHT, such as 480x270", num_sides=(2,)):
    """Reads a size in pixels from a flag of a command.

    Args:
        text: String, `WIDTHxHEIGHT`, or the one side of a square.
        expected: String, what the message asks for.
        num_sides: Tuple, how many sides may be given.

    Returns:
        A tuple (height, width), as arrays have them and flags do not.

    Raises:
        argparse.ArgumentTypeError: If it is not such a size.
    """
    try:
        sides = [int(side) for side in text.lower().split("x")]
    except ValueError:
        sides = []
    if len(sides) not in num_sides or min(sides) < 1:
        raise argparse.ArgumentTypeError(
            f"expected {expected}, received {text!r}"
        )
    return sides[-1], sides[0]
