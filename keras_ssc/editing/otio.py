"""A film's shots as an OpenTimelineIO timeline.

It needs the package opentimelineio, the extra `editing`.
"""

from keras_ssc import checks
from keras_ssc.editing import timeline


def package():
    """Imports opentimelineio; a `ValueError` says how to install it."""
    with checks.needs_extra("OTIO", "editing"):
        import opentimelineio
    return opentimelineio


def text(found, labels=None):
    """Writes a film's shots as OTIO: a clip for each event of the timeline.

    Args:
        found: A `shot_detection.ShotList`.
        labels: Sequence of a string or None for each shot, which become
            markers; None for none.

    Returns:
        String, JSON. Each clip's metadata has, under `keras_ssc`, its
        `first_frame` and `end_frame` in the film.

    Raises:
        ValueError: If opentimelineio is not installed.
    """
    otio = package()
    made = timeline.of_shots(found, labels)

    def time(frame):
        return otio.opentime.RationalTime(frame, float(made.rate))

    def span(start, end):
        return otio.opentime.TimeRange(time(start), time(end - start))

    track = otio.schema.Track("V1", kind=otio.schema.TrackKind.Video)
    for event in made.events:
        source = otio.schema.ExternalReference(
            made.path.absolute().as_uri(), span(0, made.events[-1].end)
        )
        source.name = made.name
        frames = {name: getattr(event, name) for name in _IN_METADATA}
        clip = otio.schema.Clip(
            event.name,
            source,
            span(event.start, event.end),
            metadata={"keras_ssc": frames},
        )
        if event.label:
            clip.markers.append(
                otio.schema.Marker(
                    event.label,
                    span(event.start, event.start + 1),
                    otio.schema.MarkerColor.YELLOW,
                )
            )
        track.append(clip)
    whole = otio.schema.Timeline(
        made.name, global_start_time=time(made.events[0].start)
    )
    whole.tracks.append(track)
    return otio.adapters.write_to_string(whole, "otio_json") + "\n"


_IN_METADATA = ("first_frame", "end_frame")
