"""Each format is read back, by a reader of its own, frame by frame."""

import csv
import fractions
import io
import json
import pathlib
from xml.etree import ElementTree

import av
import numpy as np
import opentimelineio
import pytest

from keras_ssc.editing import chapters
from keras_ssc.editing import edl
from keras_ssc.editing import exporting
from keras_ssc.editing import fcpxml
from keras_ssc.editing import otio
from keras_ssc.editing import tables
from keras_ssc.editing import timeline
from tests.helpers import shot_lists

LABELS = (
    "horror 75 %",
    None,
    'a "b" & <c>',
    "봄날",
    None,
    "two\nlines; a=b#c\\d",
)

NAMES = (
    *('a film\'s "cut" & <more>.mp4', "봄날 2019.mp4", "two\nlines.mov"),
    *("no\x01text\udcff.mkv", "BL.mp4", "%41.mp4", "a long name indeed.mp4"),
)


def read_edl(text, rate):
    """Returns its events' source and record frames, as pairs (first, end)."""
    read = opentimelineio.adapters.read_from_string(
        text, "cmx_3600", rate=float(rate)
    )
    (track,) = read.tracks
    begin = opentimelineio.opentime.from_timecode(
        first_record(text), float(rate)
    )
    return [
        (span(clip.source_range), span(clip.range_in_parent(), begin))
        for clip in track
    ]


def first_record(text):
    """Returns the timecode at which an EDL's record begins."""
    return next(row for row in text.splitlines() if row[:3] == "001").split()[6]


def span(range_, begin=None):
    start, end = range_.start_time, range_.end_time_exclusive()
    if begin is not None:
        start, end = start + begin, end + begin
    return start.to_frames(), end.to_frames()


def read_otio(text, rate):
    read = opentimelineio.adapters.read_from_string(text, "otio_json")
    begin = read.global_start_time
    assert begin.rate == float(rate)
    return [
        (span(clip.source_range), span(clip.range_in_parent(), begin))
        for clip in read.find_clips()
    ]


def read_fcpxml(text, rate):
    """Not through an adapter: it has no other rates than whole ones."""
    root = ElementTree.fromstring(text)
    step = seconds(root.find("resources/format").get("frameDuration"))
    assert step == 1 / rate
    sequence = root.find("library/event/project/sequence")
    asset = root.find("resources/asset")
    clips = sequence.findall("spine/asset-clip")
    found = [
        tuple(
            (frames(clip, name, step), frames(clip, name, step, "duration"))
            for name in ("start", "offset")
        )
        for clip in clips
    ]
    assert {clip.get("ref") for clip in clips} == {asset.get("id")}
    (_, (begin, _)), (_, (_, end)) = found[0], found[-1]
    assert frames(sequence, "tcStart", step) == begin
    assert frames(sequence, "duration", step) == end - begin
    assert frames(asset, "duration", step) == end
    return found


def seconds(text):
    assert text.endswith("s")
    return fractions.Fraction(text[:-1])


def frames(element, *names):
    """Sums times of an element, in frames, which are whole."""
    (step,) = (name for name in names if not isinstance(name, str))
    total = sum(
        seconds(element.get(name)) for name in names if isinstance(name, str)
    )
    assert (total / step).denominator == 1
    return int(total / step)


READERS = {
    "edl": (edl.text, read_edl),
    "otio": (otio.text, read_otio),
    "fcpxml": (fcpxml.text, read_fcpxml),
}


@pytest.mark.parametrize("format", READERS)
@pytest.mark.parametrize("film", shot_lists.FILMS)
def test_cuts_are_read_back_at_their_frames(format, film):
    write, read = READERS[format]
    times = shot_lists.FILMS[film]
    found = shot_lists.make(times)
    made = timeline.of_shots(found)
    sources, records = zip(*read(write(found), made.rate), strict=True)
    # One to one, without a gap.
    assert sources == records
    ends = [end for _, end in sources]
    assert [start for start, _ in sources[1:]] == ends[:-1]
    shown = [
        shot_lists.frames_shown(
            times, [float(place / made.rate) for place in at]
        )
        for at in ([start for start, _ in sources], [end - 1 for end in ends])
    ]
    spans = list(zip(shown[0].tolist(), (shown[1] + 1).tolist(), strict=True))
    shots = [(shot.first_frame, shot.end_frame) for shot in found.shots]
    assert [each for each in spans if each in shots] == shots
    # What is left are the transitions, and the film's end.
    assert [each for each in spans if each not in shots] == [
        *((1798, 1801), (3598, 3640), (17_981, 17_982)),
        (19_500, len(times)),
    ]


@pytest.mark.parametrize(
    ("film", "expected"),
    [("29.97", "DROP FRAME"), ("59.94", "DROP FRAME")]
    + [(film, "NON-DROP FRAME") for film in ("23.976", "24", "variable")],
)
def test_a_list_says_how_its_timecode_counts(film, expected):
    found = shot_lists.make(shot_lists.FILMS[film])
    assert edl.text(found).splitlines()[1] == f"FCM: {expected}"
    root = ElementTree.fromstring(fcpxml.text(found))
    counting = {each.get("tcFormat") for each in root.iter() if each.attrib}
    assert counting - {None} == {"DF" if expected[0] == "D" else "NDF"}


def test_an_edl_is_as_editors_know_it():
    found = shot_lists.make(
        shot_lists.constant("30000/1001", 2000),
        [(0, 1800, None), (1810, 1990, "dissolve")],
        "films/봄날 the film.mp4",
    )
    assert edl.text(found, [None, "horror 75 %"]) == (
        "TITLE: 봄날 the film\n"
        "FCM: DROP FRAME\n\n"
        "001  THEFILM  V     C        "
        "00:00:00;00 00:01:00;02 00:00:00;00 00:01:00;02\n"
        "* FROM CLIP NAME:  봄날 the film.mp4\n"
        "* COMMENT: Shot 1\n\n"
        "002  THEFILM  V     C        "
        "00:01:00;02 00:01:00;12 00:01:00;02 00:01:00;12\n"
        "* FROM CLIP NAME:  봄날 the film.mp4\n"
        "* COMMENT: dissolve 2\n\n"
        "003  THEFILM  V     C        "
        "00:01:00;12 00:01:06;12 00:01:00;12 00:01:06;12\n"
        "* FROM CLIP NAME:  봄날 the film.mp4\n"
        "* COMMENT: Shot 2\n"
        "* LOC: 00:01:00;12 YELLOW  horror 75 %\n\n"
        "004  THEFILM  V     C        "
        "00:01:06;12 00:01:06;22 00:01:06;12 00:01:06;22\n"
        "* FROM CLIP NAME:  봄날 the film.mp4\n"
        "* COMMENT: end\n"
    )


@pytest.mark.parametrize("number", [999, 1500])
def test_an_edl_may_have_more_events_than_three_digits(number):
    parts = [(n, n + 1, "cut" if n else None) for n in range(number)]
    found = shot_lists.make(shot_lists.constant(25, number), parts)
    read = read_edl(edl.text(found), 25)
    assert [source for source, _ in read] == [(a, b) for a, b, _ in parts]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_of_a_film_is_read_back(name):
    found = shot_lists.make(shot_lists.constant(24), path=f"films/{name}")
    printed = timeline.one_line(name)
    assert printed.isprintable() and len(printed) == len(name)
    url = (pathlib.Path.cwd() / "films" / name).as_uri()
    written = edl.text(found)
    written.encode("utf-8")
    for event in opentimelineio.adapters.read_from_string(
        written, "cmx_3600"
    ).find_clips():
        assert event.name == printed.strip()
    reels = {line.split()[1] for line in written.splitlines() if " C  " in line}
    (reel,) = reels
    assert reel.isalnum() and reel.isascii() and len(reel) <= 8
    assert reel != "BL"
    read = opentimelineio.adapters.read_from_string(
        otio.text(found), "otio_json"
    )
    assert read.name == printed
    assert {c.media_reference.target_url for c in read.find_clips()} == {url}
    root = ElementTree.fromstring(fcpxml.text(found).encode("utf-8"))
    asset = root.find("resources/asset")
    assert asset.get("src") == url and asset.get("name") == printed
    json.loads(tables.json_text(found).encode("utf-8"))


def test_labels_are_markers_at_their_shots_first_frames():
    found = shot_lists.make(shot_lists.FILMS["29.97"])
    firsts = [(0, LABELS[0]), (1801, LABELS[2]), (3597, LABELS[3])]
    firsts.append((17_982, LABELS[5]))
    in_a_line = [(at, timeline.one_line(label)) for at, label in firsts]
    # The reader takes no semicolons here.
    text = edl.text(shot_lists.make(shot_lists.FILMS["24"]), LABELS)
    read = opentimelineio.adapters.read_from_string(text, "cmx_3600")
    assert markers(read) == in_a_line
    assert "* LOC: 00:01:00;03 YELLOW  " in edl.text(found, LABELS)
    read = opentimelineio.adapters.read_from_string(
        otio.text(found, LABELS), "otio_json"
    )
    assert markers(read) == firsts
    root = ElementTree.fromstring(fcpxml.text(found, LABELS))
    step = fractions.Fraction(1001, 30_000)
    assert [
        (frames(each, "start", step), each.get("value"))
        for each in root.iter("marker")
    ] == in_a_line


def markers(read):
    return [
        (each.marked_range.start_time.to_frames(), each.name)
        for clip in read.find_clips()
        for each in clip.markers
    ]


def test_an_otio_clip_has_the_film_s_frames():
    found = shot_lists.make(shot_lists.FILMS["variable"])
    read = opentimelineio.adapters.read_from_string(
        otio.text(found), "otio_json"
    )
    spans = [dict(clip.metadata["keras_ssc"]) for clip in read.find_clips()]
    assert spans[2] == {"first_frame": 1798, "end_frame": 1801}
    assert [clip.name for clip in read.find_clips()][:4] == [
        *("Shot 1", "Shot 2", "dissolve 3", "Shot 3")
    ]


@pytest.mark.parametrize("film", shot_lists.FILMS)
def test_chapters_begin_where_their_shot_is_shown(film, tmp_path):
    times = shot_lists.FILMS[film]
    found = shot_lists.make(times)
    path = tmp_path / "chapters.txt"
    exporting.write(found, "chapters", path, LABELS)
    with av.open(path, format="ffmetadata") as read:
        read_back = read.chapters()
    starts = [float(each["start"] * each["time_base"]) for each in read_back]
    shown = np.searchsorted(times, np.array(starts) + 1e-9, "right") - 1
    assert shown.tolist() == [shot.first_frame for shot in found.shots]
    ends = [float(each["end"] * each["time_base"]) for each in read_back]
    assert ends[:-1] == starts[1:]
    assert ends[-1] == pytest.approx(found.shots[-1].end_seconds, abs=0.001)
    titles = [each["metadata"]["title"] for each in read_back]
    assert titles == [
        f"Shot {number}" + (f": {label}" if label else "")
        for number, label in enumerate(LABELS, start=1)
    ]


def test_a_csv_has_every_shot_and_what_leads_to_it():
    found = shot_lists.make(shot_lists.FILMS["29.97"])
    rows = list(csv.DictReader(io.StringIO(tables.csv_text(found, LABELS))))
    assert [int(row["shot"]) for row in rows] == [1, 2, 3, 4, 5, 6]
    for row, shot in zip(rows, found.shots, strict=True):
        assert int(row["first_frame"]) == shot.first_frame
        assert int(row["end_frame"]) == shot.end_frame
    assert rows[2] == {
        "shot": "3",
        "first_frame": "1801",
        "end_frame": "3597",
        "start": "00:01:00.093",
        "end": "00:02:00.020",
        "start_timecode": "00:01:00;03",
        "end_timecode": "00:01:59;29",
        "transition": "dissolve",
        "transition_first_frame": "1798",
        "label": LABELS[2],
    }
    assert rows[0]["transition"] == rows[0]["transition_first_frame"] == ""
    assert rows[5]["label"] == LABELS[5]


def test_json_has_plain_values_and_a_version():
    found = shot_lists.make(
        shot_lists.FILMS["23.976"], path="봄날.mp4", notes=("odd",)
    )
    read = json.loads(tables.json_text(found, LABELS))
    assert read["version"] == 1 and read["path"] == "봄날.mp4"
    assert read["timeline_rate"] == "24000/1001"
    assert read["num_frames"] == shot_lists.NUM_FRAMES
    assert (read["width"], read["height"], read["notes"]) == (96, 64, ["odd"])
    assert read["shots"][2] == {
        "start_seconds": found.shots[2].start_seconds,
        "end_seconds": found.shots[2].end_seconds,
        "first_frame": 1801,
        "end_frame": 3597,
        "transition": {
            "kind": "dissolve",
            "first_frame": 1798,
            "end_frame": 1801,
        },
        "label": LABELS[2],
    }
    assert read["shots"][0]["transition"] is None


def test_a_film_of_one_frame_has_one_event_in_every_format():
    found = shot_lists.make([0.0], [(0, 1, None)])
    for write, read in READERS.values():
        assert read(write(found), fractions.Fraction(25)) == [((0, 1), (0, 1))]
    assert "START=0\nEND=40\n" in chapters.text(found)
    assert len(tables.csv_text(found).splitlines()) == 2
    assert "1 shot, 00:00:00.040, 1 frame\n" in "\n".join(tables.lines(found))
