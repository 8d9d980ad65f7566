"""A film's shots as FCPXML, for Final Cut Pro and others that read it."""

from xml.etree import ElementTree

from keras_ssc.editing import timeline

# Read by Final Cut Pro from 10.4.1 on, and by DaVinci Resolve.
_VERSION = "1.8"


def text(found, labels=None):
    """Writes a film's shots as a project: a clip for each of its events.

    Args:
        found: A `shot_detection.ShotList`.
        labels: Sequence of a string or None for each shot, which become
            markers; None for none.

    Returns:
        String, XML. Times are fractions of a second.
    """
    # Not by otio-fcpx-xml-adapter: it writes no frame duration at 23.976,
    # 29.97 and 59.94 frames a second, which it then cannot read, and names
    # with an apostrophe are errors.
    made = timeline.of_shots(found, labels)

    def time(frames):
        return f"{made.seconds(frames)}s"

    first, end = made.events[0].start, made.events[-1].end
    counting = {"tcFormat": "DF" if made.is_drop_frame else "NDF"}
    root = ElementTree.Element("fcpxml", version=_VERSION)
    resources = _add(root, "resources")
    _add(
        resources,
        "format",
        id="r1",
        frameDuration=time(1),
        width=str(made.width),
        height=str(made.height),
    )
    _add(
        resources,
        "asset",
        id="r2",
        name=made.name,
        src=made.path.absolute().as_uri(),
        start="0s",
        duration=time(end),
        hasVideo="1",
        format="r1",
    )
    event = _add(_add(root, "library"), "event", name=made.name)
    sequence = _add(
        _add(event, "project", name=made.name),
        "sequence",
        format="r1",
        tcStart=time(first),
        duration=time(end - first),
        **counting,
    )
    spine = _add(sequence, "spine")
    for each in made.events:
        clip = _add(
            spine,
            "asset-clip",
            ref="r2",
            name=each.name,
            offset=time(each.start),
            start=time(each.start),
            duration=time(each.end - each.start),
            **counting,
        )
        if each.label:
            _add(
                clip,
                "marker",
                start=time(each.start),
                duration=time(1),
                value=timeline.one_line(each.label),
            )
    ElementTree.indent(root)
    body = ElementTree.tostring(root, "unicode")
    head = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n'
    return f"{head}{body}\n"


def _add(parent, tag, /, **attributes):
    return ElementTree.SubElement(parent, tag, attributes)
