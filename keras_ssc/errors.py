"""What can go wrong outside the program; `command.run` ends on each."""


class OutsideError(Exception):
    """A failure outside the program, in one line; exit code 1."""


class VideoError(OutsideError):
    """A film file that cannot be read: its path, what is wrong, the remedy."""


class FilmListError(ValueError):
    """A film list that cannot be read; the message names line and remedy."""
