"""A film's shots as a table, in CSV, JSON and for people."""

import csv
import dataclasses
import io
import json

from keras_ssc.editing import timeline
from keras_ssc.films import film_list

# Of `plain` and `json_text`: raised when a field changes its name or meaning.
VERSION = 1

_COLUMNS = (
    *("shot", "first_frame", "end_frame", "start", "end"),
    *("start_timecode", "end_timecode", "transition"),
    *("transition_first_frame", "label"),
)


def csv_text(found, labels=None):
    """Writes a film's shots as CSV, a row for each.

    The columns: shot, from 1; first_frame and end_frame, in the film, from 0,
    the latter after its last; start and end, hh:mm:ss.mmm; start_timecode and
    end_timecode, on the timeline of EDL, OTIO and FCPXML; transition, which
    leads to the shot, and transition_first_frame: its frames are from there to
    first_frame; label.

    Args:
        found: A `shot_detection.ShotList`.
        labels: Sequence of a string or None for each shot; None for none.

    Returns:
        String.
    """
    made = timeline.of_shots(found, labels)
    places = {each.first_frame: each for each in made.events}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for number, shot in enumerate(found.shots, start=1):
        event, by = places[shot.first_frame], shot.transition
        writer.writerow(
            (
                *(number, shot.first_frame, shot.end_frame),
                *map(film_list.format_time, _times(shot)),
                *map(made.timecode, (event.start, event.end)),
                *((by.kind, by.first_frame) if by else (None, None)),
                event.label,
            )
        )
    return text.getvalue()


def plain(found, labels=None):
    """Returns a film's shots as plain values, for JSON.

    Args:
        found: A `shot_detection.ShotList`.
        labels: Sequence of a string or None for each shot; None for none.

    Returns:
        A dict of `path`, `width`, `height`, `num_frames`, `timeline_rate` (a
        fraction, frames a second), `notes` and `shots`, a list of dicts of
        what a `shots.Shot` has, with `label`.
    """
    made = timeline.of_shots(found, labels)
    return {
        "path": str(found.path),
        "width": found.width,
        "height": found.height,
        "num_frames": len(found.seconds),
        "timeline_rate": str(made.rate),
        "notes": list(found.notes),
        "shots": [
            {**dataclasses.asdict(shot), "label": label}
            for shot, label in timeline.with_labels(found, labels)
        ],
    }


def json_text(found, labels=None):
    """Writes `plain` as JSON, with `version`."""
    value = {"version": VERSION, **plain(found, labels)}
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    # A file's name may have bytes that are no text: they are JSON's escapes.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def lines(found, with_shots=True):
    """Yields what was found of a film as lines for people.

    Args:
        found: A `shot_detection.ShotList`.
        with_shots: Boolean, whether there is a line for each shot.
    """
    first, last = found.shots[0], found.shots[-1]
    length = film_list.format_time(last.end_seconds - first.start_seconds)
    shots = _count(len(found.shots), "shot")
    frames = _count(len(found.seconds), "frame")
    yield f"{found.path}: {shots}, {length}, {frames}"
    yield from (f"  {note}" for note in found.notes)
    if not with_shots:
        return
    row = "  {:>5}  {:<12}  {:<12}  {:>15}  {:>9}  {}".format
    yield row("shot", "start", "end", "frames", "length", "transition").rstrip()
    for number, shot in enumerate(found.shots, start=1):
        start, end = _times(shot)
        yield row(
            number,
            film_list.format_time(start),
            film_list.format_time(end),
            f"{shot.first_frame}-{shot.end_frame - 1}",
            f"{end - start:.3f} s",
            _transition(shot.transition),
        ).rstrip()


def _times(shot):
    return shot.start_seconds, shot.end_seconds


def _transition(transition):
    if transition is None:
        return ""
    if not transition.num_frames:
        return transition.kind
    return f"{transition.kind}, {_count(transition.num_frames, 'frame')}"


def _count(number, name):
    return f"{number} {name}" if number == 1 else f"{number} {name}s"
