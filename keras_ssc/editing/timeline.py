"""A film's shots on the timeline of an editing program.

Such a program knows whole frames of a constant rate alone, and files have
frames at any times. Here each shot gets its place on a timeline, so that the
program cuts the film between the very frames between which it changes.
"""

import dataclasses
import fractions
import pathlib

import numpy as np

# The rates that editing programs know, frames a second.
RATES = tuple(
    fractions.Fraction(*rate)
    for rate in (
        *((24000, 1001), (24, 1), (25, 1), (30000, 1001), (30, 1)),
        *((48, 1), (50, 1), (60000, 1001), (60, 1)),
    )
)

# Films of another rate, or of a variable one, have the finest.
_FINEST = RATES[-1]

# Matroska and FLV store times in milliseconds, rounded or cut off.
_ROUNDING = 0.0015

# Of what is computed, in seconds.
_EPSILON = 1e-6


@dataclasses.dataclass(frozen=True)
class Event:
    """A part of the film between two cuts: a shot, or a transition's frames.

    Attributes:
        name: String: `Shot 3`; `dissolve 3`, which leads to that shot.
        first_frame: Integer, its first frame's number in the film, from 0.
        end_frame: Integer, the number of the frame after its last one.
        start: Integer, the timeline's frame at which it begins.
        end: Integer, the timeline's frame after its last one.
        label: String, what is said of the shot; None for nothing.
    """

    name: str
    first_frame: int
    end_frame: int
    start: int
    end: int
    label: str | None


@dataclasses.dataclass(frozen=True, eq=False)
class Timeline:
    """A film, cut into events that follow each other without a gap.

    Source and record are one: a timeline's frame shows the film at the same
    time, counted from the start of the file as players count it.

    Attributes:
        path: `pathlib.Path` of the film.
        width: Integer, pixels.
        height: Integer, pixels.
        rate: `fractions.Fraction`, frames a second, one of `RATES`.
        events: List of `Event`, in the film's order.
    """

    path: pathlib.Path
    width: int
    height: int
    rate: fractions.Fraction
    events: list

    @property
    def name(self):
        """The file's name, printable and in one line."""
        return one_line(self.path.name)

    @property
    def is_drop_frame(self):
        """Whether its timecode leaves out numbers to keep up with the clock."""
        return self.rate.denominator == 1001 and round(self.rate) % 30 == 0

    def seconds(self, frame):
        """Returns when a frame of the timeline is shown, a `Fraction`."""
        return frame / self.rate

    def timecode(self, frame):
        """Writes a frame of the timeline as SMPTE timecode (ST 12-1).

        Args:
            frame: Integer, from 0.

        Returns:
            String, hh:mm:ss:ff; of drop-frame timecode hh:mm:ss;ff.
        """
        # Not through opentimelineio, which has it: a table and an EDL would
        # need the package for this alone. A test compares the two.
        base = round(self.rate)
        if self.is_drop_frame:
            # Of each minute but the tenth, the first 2 (or 4) numbers.
            left_out = base // 15
            tens, rest = divmod(frame, 600 * base - 9 * left_out)
            minutes = max(rest - left_out, 0) // (60 * base - left_out)
            frame += left_out * (9 * tens + minutes)
        seconds, frame = divmod(frame, base)
        minutes, seconds = divmod(seconds, 60)
        hours, minutes = divmod(minutes, 60)
        mark = ";" if self.is_drop_frame else ":"
        return f"{hours:02d}:{minutes:02d}:{seconds:02d}{mark}{frame:02d}"


def of_shots(found, labels=None):
    """Puts a film's shots on a timeline.

    The rate is the one of `RATES` in whose steps all of the film's frames lie,
    to 1.5 ms; of several the nearest, then the lowest. Frames may be missing
    between them. Where there is none (a variable rate, more than 60 frames a
    second), it is 60. A frame's place is the first frame of the timeline at
    which it is on the screen.

    Args:
        found: A `shot_detection.ShotList`.
        labels: Sequence of a string or None for each shot; None for none.

    Returns:
        A `Timeline`.

    Raises:
        ValueError: If there are not as many labels as shots.
    """
    parts = list(_parts(found, labels))
    times = np.append(found.seconds, found.seconds[-1] + found.step_seconds)
    rate, places = _places(times)
    events, end = [], int(places[parts[0][1]])
    for name, first_frame, end_frame, label in parts:
        # Above 60 frames a second, two may have one place: nothing is shorter
        # than a frame of the timeline.
        start, end = end, max(int(places[end_frame]), end + 1)
        events.append(Event(name, first_frame, end_frame, start, end, label))
    return Timeline(
        pathlib.Path(found.path), found.width, found.height, rate, events
    )


def with_labels(found, labels):
    """Returns a list of (shot, label or None).

    Args:
        found: A `shot_detection.ShotList`.
        labels: Sequence of a string or None for each shot; None for none.

    Raises:
        ValueError: If there are not as many labels as shots.
    """
    if labels is None:
        labels = [None] * len(found.shots)
    if len(labels) != len(found.shots):
        raise ValueError(
            f"Expected a label or None for each of {len(found.shots)} shots. "
            f"Received: {len(labels)} labels"
        )
    return list(zip(found.shots, labels, strict=True))


def _parts(found, labels):
    """Yields (name, first frame, end frame, label), all frames of the film."""
    end = 0
    for number, (shot, label) in enumerate(with_labels(found, labels), start=1):
        if shot.first_frame > end:
            kind = shot.transition.kind if shot.transition else "before"
            yield f"{kind} {number}", end, shot.first_frame, None
        yield f"Shot {number}", shot.first_frame, shot.end_frame, label
        end = shot.end_frame
    if end < len(found.seconds):
        # Such as black after the last shot.
        yield "end", end, len(found.seconds), None


def _places(times):
    """Returns the timeline's rate, and each time's frame on it, int64."""
    fits = []
    for rate in RATES:
        steps = np.rint((times - times[0]) * float(rate))
        error = np.abs(steps / float(rate) - (times - times[0])).max()
        if error < _ROUNDING and (np.diff(steps) > 0).all():
            fits.append((round(error, 6), rate, steps))
    if not fits:
        places = np.ceil((times - _EPSILON) * float(_FINEST))
        return _FINEST, places.astype(np.int64)
    _, rate, steps = min(fits, key=lambda fit: fit[:2])
    first = np.ceil((times[0] - _ROUNDING) * float(rate))
    return rate, (max(first, 0) + steps).astype(np.int64)


def one_line(text):
    """Returns a text with a space for each character that is not printed.

    Line feeds would end a line of an EDL, and XML has no control characters;
    nor are bytes of a file's name that are no text.
    """
    return "".join(each if each.isprintable() else " " for each in text)
