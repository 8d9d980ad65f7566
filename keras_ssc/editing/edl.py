"""A film's shots as an EDL, CMX 3600."""

import re

from keras_ssc.editing import timeline

_REEL_LENGTH = 8

# An EDL's words for black, and for what is on no reel.
_BLACK, _NO_REEL = "BL", "AX"


def text(found, labels=None):
    """Writes a film's shots as an edit decision list.

    Every event is a cut (C) from the film itself, and shows in the record what
    is at the same timecode in the source, so that the list tiles the film. The
    frames of a dissolve, fade or wipe are an event of their own: they are in
    the file as they are, and an editor's dissolve over them would be a second.

    Args:
        found: A `shot_detection.ShotList`.
        labels: Sequence of a string or None for each shot, which become
            locators (`* LOC`); None for none.

    Returns:
        String. Beyond 999 events, numbers have four digits.
    """
    # Not by otio-cmx3600-adapter: it writes no FCM line, without which a
    # drop-frame list is read as another, sets labels in capitals, and makes
    # reels of percent signs of names in other scripts.
    made = timeline.of_shots(found, labels)
    drop = "DROP" if made.is_drop_frame else "NON-DROP"
    lines = [
        f"TITLE: {timeline.one_line(made.path.stem)}",
        f"FCM: {drop} FRAME",
    ]
    reel = _reel(made.path.stem)
    for number, event in enumerate(made.events, start=1):
        start = made.timecode(event.start)
        span = f"{start} {made.timecode(event.end)}"
        lines += [
            "",
            f"{number:03d}  {reel:8} V     C        {span} {span}",
            f"* FROM CLIP NAME:  {made.name}",
            f"* COMMENT: {event.name}",
        ]
        if event.label:
            label = timeline.one_line(event.label)
            lines.append(f"* LOC: {start} YELLOW  {label}")
    return "\n".join(lines) + "\n"


def _reel(name):
    """Returns a reel's name: 8 capitals and digits at most."""
    reel = re.sub("[^A-Z0-9]", "", name.upper())[:_REEL_LENGTH]
    return _NO_REEL if reel in ("", _BLACK) else reel
