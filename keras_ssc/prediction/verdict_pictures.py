"""A film's verdict as pictures: timeline, contact sheet, annotated film."""

import bisect
import os
import pathlib
from fractions import Fraction

import av
import cv2
import numpy as np

from keras_ssc import flow
from keras_ssc.films import frame_index
from keras_ssc.films import frame_reading
from keras_ssc.films import image_files
from keras_ssc.genres import GENRES
from keras_ssc.genres import genre_words
from keras_ssc.metrics import figures
from keras_ssc.prediction import words

# The contact sheet: pictures across, their size, and what stands below each.
_COLUMNS, _WIDTH, _HEIGHT, _STRIP, _GAP = 5, 240, 135, 22, 6

# What surrounds a picture of another shape than the sheet's.
_MOUNT = 32

# The annotated film: its largest long side, and the inset's share of it.
_LONG_SIDE, _INSET = 854, 4

# Pixels of motion that have their full colour in the inset, at the size of
# the inset; one scale for the whole film, so that its parts can be compared.
_FULL_COLOUR = 4.0

# The colour wheel in the corner of a flow: its radius, of the shorter side.
_WHEEL = 1 / 5

# How bright a picture stays where the model did not look.
_DARKEST = 0.15

# More cuts than these would be a white wall on the timeline.
_MOST_CUTS = 200

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_WHITE, _RED, _BLACK = (255, 255, 255), (255, 64, 64), (0, 0, 0)


def timeline(verdict):
    """Draws a film's scores over its time, and how much moves, if known.

    Args:
        verdict: A `verdict.FilmVerdict`.

    Returns:
        Bytes, a PNG.
    """
    shots = [shot for shot in verdict.shots if shot.genre is not None]
    has_motion = shots[0].motion_magnitude is not None
    figure, rows = figures.subplots(
        f"{pathlib.Path(verdict.path).name}: {words.headline(verdict)}",
        11,
        5 if has_motion else 4,
        1 + has_motion,
        sharex=True,
        squeeze=False,
        height_ratios=(3, 1)[: 1 + has_motion],
    )
    rows = rows[:, 0]
    starts = np.array([shot.start_seconds for shot in shots])
    widths = np.array([shot.end_seconds for shot in shots]) - starts
    first, bottom = verdict.shots[0].start_seconds, np.zeros(len(shots))
    for genre, colour in figures.genre_colours(GENRES).items():
        scores = [shot.scores[genre] for shot in shots]
        rows[0].bar(starts, scores, widths, bottom, align="edge", color=colour)
        bottom += scores
    rows[0].set(ylim=(0, 1), ylabel="score", xlim=(first, verdict.seconds))
    if has_motion:
        magnitudes = [shot.motion_magnitude for shot in shots]
        rows[1].bar(starts, magnitudes, widths, align="edge", color="#999999")
        rows[1].set(ylabel="motion\nmagnitude")
    for axes in rows if len(verdict.shots) <= _MOST_CUTS else ():
        for shot in verdict.shots[1:]:
            axes.axvline(shot.start_seconds, color="white", linewidth=0.8)
    rows[-1].set(xlabel="time")
    rows[-1].xaxis.set_major_formatter(lambda seconds, _: words.clock(seconds))
    figures.add_genres(figure, GENRES, "outside lower center", len(GENRES))
    return figures.png_of(figure)


def contact_sheet(verdict):
    """Draws one frame of each shot that was judged, in its genre's colour.

    Args:
        verdict: A `verdict.FilmVerdict` that has pictures.

    Returns:
        Bytes, a PNG.
    """
    shots = [shot for shot in verdict.shots if shot.picture is not None]
    colours = figures.genre_colours(GENRES)
    columns = min(_COLUMNS, len(shots))
    rows = -(-len(shots) // columns)
    tall, wide = _HEIGHT + _STRIP + _GAP, _WIDTH + _GAP
    size = (rows * tall + _GAP, columns * wide + _GAP, 3)
    sheet = np.full(size, 255, np.uint8)
    for place, shot in enumerate(shots):
        row, column = divmod(place, columns)
        top, left = _GAP + row * tall, _GAP + column * wide
        tile = sheet[top : top + _HEIGHT, left : left + _WIDTH]
        tile[:] = _MOUNT
        picture = _shaped(shot.picture, verdict.aspect)
        height, width = picture.shape[:2]
        above, beside = (_HEIGHT - height) // 2, (_WIDTH - width) // 2
        tile[above : above + height, beside : beside + width] = picture
        colour = tuple(bytes.fromhex(colours[shot.genre][1:]))
        bottom = top + _HEIGHT
        sheet[bottom : bottom + _STRIP, left : left + _WIDTH] = colour
        # Dark letters on a light colour, light ones on a dark.
        is_light = np.dot(colour, flow.GREY_WEIGHTS) > 128
        text = f"{words.clock(shot.start_seconds)}  {words.shot_text(shot)}"
        where = (left + 5, bottom + 16)
        _write(sheet, text, where, _BLACK if is_light else _WHITE, 0.43)
    return image_files.encode_frame(sheet)


def _shaped(picture, aspect):
    """Shrinks a stored picture on one side to the film's own shape."""
    height, width = picture.shape[:2]
    if aspect is None:
        return picture
    size = (
        max(min(width, round(height * aspect)), 1),
        max(min(height, round(width / aspect)), 1),
    )
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def evidence(frame, next_frame, heat_maps, genre, aspect=None):
    """Draws what a model saw of a pair, and the evidence for a genre in it.

    Args:
        frame: uint8 array (height, width, 3), RGB.
        next_frame: The same, the frame after it.
        heat_maps: Dict, see `predictor.Predictor.heat_maps`.
        genre: String.
        aspect: Float, what the width of the pictures is to be by their
            height; None to leave them.

    Returns:
        A list of tuples: a picture, uint8 array (height, width, 3), RGB; and
        the words below it.
    """
    motion = flow.farneback_flow(frame, next_frame)
    # The noise of a still picture is no motion.
    longest = max(flow.longest_motion(motion), 0.1)
    colours = _shaped(flow.flow_colours(motion, longest), aspect)
    frame, next_frame = _shaped(frame, aspect), _shaped(next_frame, aspect)
    drawn = [
        (frame, "frame"),
        (next_frame, "next frame"),
        (
            _with_wheel(colours),
            "motion: the hue is its direction, as on the wheel; full colour is "
            f"{longest:.1f} pixels or more, white is no motion",
        ),
    ]
    name = genre_words(genre)
    for branch, heat in heat_maps.items():
        seen = "motion" if branch == "flow" else branch
        if heat.max() > 0:
            text = f"bright: evidence for {name} in the {seen} (Grad-CAM)"
        else:
            text = f"no evidence for {name} in the {seen} (Grad-CAM)"
        picture = colours if branch == "flow" else frame
        drawn.append((_lit(picture, heat), text))
    return drawn


def _with_wheel(picture):
    """Adds the wheel of directions to a flow's colours."""
    height, width = picture.shape[:2]
    radius = int(min(height, width) * _WHEEL)
    places = np.arange(-radius, radius + 1) / radius
    wheel = np.stack(np.meshgrid(places, places), axis=-1)
    is_inside = np.hypot(wheel[..., 0], wheel[..., 1]) <= 1
    picture = picture.copy()
    corner = picture[-2 * radius - 5 : -4, 4 : 2 * radius + 5]  # lower left
    corner[is_inside] = flow.flow_colours(wheel, 1.0)[is_inside]
    centre = (4 + radius, height - 5 - radius)
    cv2.circle(picture, centre, radius, _BLACK, 1, cv2.LINE_AA)
    return picture


def _lit(picture, heat):
    """Darkens a picture where the model did not look."""
    height, width = picture.shape[:2]
    heat = cv2.resize(heat, (width, height))[..., np.newaxis]
    light = _DARKEST + (1 - _DARKEST) * np.clip(heat, 0, 1)
    return np.rint(picture * light).astype(np.uint8)


def annotate(verdict, out, genre=None, progress=None):
    """Writes the film with its verdict and its motion drawn on it.

    Args:
        verdict: A `verdict.FilmVerdict`.
        out: Path of the film to write, a `.webm` that browsers play.
        genre: String, the film's true genre: what is drawn is red where the
            shot's genre is another. White throughout if None.
        progress: Function of a string and two integers, as of
            `film_reader.read_film`.

    Raises:
        ValueError: If `out` does not end in .webm.
        VideoError: If the film cannot be read.
        OSError: If it cannot be written.
    """
    out = pathlib.Path(out)
    if out.suffix.lower() != ".webm":
        raise ValueError(f"Expected a path that ends in .webm. Received: {out}")
    index = frame_index.index_frames(verdict.path)
    unfinished = out.with_name(f".{out.name}.unfinished")
    try:
        _write_annotated(verdict, index, unfinished, genre, progress)
        os.replace(unfinished, out)
    except av.error.FFmpegError as error:
        raise OSError(error.errno, error.strerror, str(out)) from error
    finally:
        unfinished.unlink(missing_ok=True)


def _write_annotated(verdict, index, path, genre, progress):
    starts = [shot.start_seconds for shot in verdict.shots]
    frames = frame_reading.read_frames(
        index.path,
        range(index.num_frames),
        index,
        way="forward",
        long_side=_LONG_SIDE,
    )
    with av.open(str(path), "w", format="webm") as container:
        stream, last = None, None
        for number, seconds, frame in frames:
            # Pixels need not be square.
            size = (round(frame.shape[1] * index.pixel_aspect), len(frame))
            frame = cv2.resize(frame, size, interpolation=cv2.INTER_LINEAR)
            # The codec halves the colour planes: both sides are even.
            frame = np.ascontiguousarray(
                frame[: frame.shape[0] // 2 * 2, : frame.shape[1] // 2 * 2]
            )
            if stream is None:
                stream = _add_stream(container, frame.shape)
            shot = verdict.shots[bisect.bisect_right(starts, seconds) - 1]
            small = _shrunk(frame)
            motion = _motion(last, small)
            last = small
            _draw(frame, shot, motion, genre)
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture.pts = round(seconds * 1000)
            picture.time_base = Fraction(1, 1000)
            container.mux(stream.encode(picture))
            if progress is not None:
                progress("annotate", number + 1, index.num_frames)
        if stream is not None:
            container.mux(stream.encode())


def _add_stream(container, shape):
    stream = container.add_stream("libvpx-vp9", rate=1000)
    stream.height, stream.width = shape[:2]
    stream.pix_fmt = "yuv420p"
    # A film's rate may vary: each frame has its time, in milliseconds.
    stream.codec_context.time_base = Fraction(1, 1000)
    stream.options = {"deadline": "realtime", "cpu-used": "8", "crf": "32"}
    stream.options |= {"b": "0", "row-mt": "1"}
    return stream


def _shrunk(frame):
    height, width = frame.shape[:2]
    size = (max(width // _INSET, 32), max(height // _INSET, 32))
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA)


def _motion(last, frame):
    """Returns the motion up to a frame as a picture."""
    if last is None:
        return np.full_like(frame, 255)
    return flow.flow_colours(flow.farneback_flow(last, frame), _FULL_COLOUR)


def _draw(frame, shot, motion, genre):
    height, width = motion.shape[:2]
    frame[-height - 8 : -8, -width - 8 : -8] = motion
    cv2.rectangle(
        frame,
        (frame.shape[1] - width - 9, frame.shape[0] - height - 9),
        (frame.shape[1] - 8, frame.shape[0] - 8),
        _BLACK,
        1,
    )
    text = words.shot_text(shot)
    is_wrong = None not in (genre, shot.genre) and shot.genre != genre
    colour = _RED if is_wrong else _WHITE
    scale = max(frame.shape[0] / 480, 0.5)
    # On a strip of its own: letters on a film are read on no colour else.
    (wide, tall), below = cv2.getTextSize(text, _FONT, scale, 1)
    cv2.rectangle(frame, (8, 8), (20 + wide, 20 + tall + below), _BLACK, -1)
    _write(frame, text, (14, 14 + tall), colour, scale)


def _write(picture, text, where, colour, scale):
    cv2.putText(picture, text, where, _FONT, scale, colour, 1, cv2.LINE_AA)
