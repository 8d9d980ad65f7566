"""A film's verdict as pictures: timeline, contact sheet, annotated film."""

import bisect
import dataclasses
import functools
import math
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
from keras_ssc.genres import genre_words
from keras_ssc.metrics import figures
from keras_ssc.prediction import words

# The contact sheet: pictures across, their size, and what stands below each:
# lines of text, and what is above and below them.
_COLUMNS, _WIDTH, _HEIGHT, _GAP = 5, 240, 135, 6
_LINE, _MOST_LINES, _MARGIN = 16, 2, 6

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

# Of more shots, the timeline has as many slices of time: bars thinner than a
# few pixels, and the cuts between them, would be noise.
_MOST_SHOTS = 200

# Seconds between ticks of the timeline, and how many ticks there are at most.
_TICKS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)
_MOST_TICKS = 10

# Below a picture of the sheet, and on the film by its height: letters, in
# pixels, and the space around them.
_LETTERS, _SHARE_OF_HEIGHT, _SPACE = 12, 1 / 18, 5

# Rows of a timeline of several genres: the most, and the fewest where fewer
# are named. Of no more genres than the most, all are shown.
_MOST_ROWS, _FEWEST_ROWS = 8, 4

# Of a shot that is nothing the model knows, or unlike its training films:
# lighter than the other genres.
_NO_GENRE = "#DDDDDD"

_WHITE, _RED, _BLACK = (255, 255, 255), (255, 64, 64), (0, 0, 0)


@dataclasses.dataclass(frozen=True)
class _Parts:
    """What a timeline draws, from left to right: shots, or slices of time.

    Attributes:
        start_seconds, end_seconds: Float arrays (parts,).
        scores: Dict from a genre to a float array (parts,); 0 where a part is
            unlike the training films.
        all_scores: The same with the scores of what is unlike, too.
        named: Dict from a genre to a float array (parts,), the share of a
            part that is named so.
        unlike: Float array (parts,), the share that is unlike the training
            films.
        motion: Float array (parts,), the magnitude; None if not known.
    """

    start_seconds: np.ndarray
    end_seconds: np.ndarray
    scores: dict
    all_scores: dict
    named: dict
    unlike: np.ndarray
    motion: np.ndarray | None

    @classmethod
    def of_shots(cls, shots, names):
        unlike = np.array([float(shot.is_unlike) for shot in shots])
        every = {
            name: np.array([shot.scores[name] for shot in shots])
            for name in names
        }
        motion = None
        if shots[0].motion_magnitude is not None:
            motion = np.array([shot.motion_magnitude for shot in shots])
        return cls(
            np.array([shot.start_seconds for shot in shots]),
            np.array([shot.end_seconds for shot in shots]),
            {name: scores * (1 - unlike) for name, scores in every.items()},
            every,
            {
                name: np.array([float(name in shot.genres) for shot in shots])
                for name in names
            },
            unlike,
            motion,
        )

    def sliced(self, start, end, count):
        """Returns means over slices of time, each shot by its part of it."""
        edges = np.linspace(start, end, count + 1)
        shared = np.minimum(edges[1:, None], self.end_seconds)
        shared -= np.maximum(edges[:-1, None], self.start_seconds)
        weights = np.maximum(shared, 0)
        weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-9)

        def mean(values):
            if isinstance(values, dict):
                return {name: mean(own) for name, own in values.items()}
            return None if values is None else weights @ values

        means = (self.scores, self.all_scores, self.named, self.unlike)
        return _Parts(
            edges[:-1], edges[1:], *map(mean, means), mean(self.motion)
        )

    def bars(self, axes, height, **settings):
        """Draws a bar for each part."""
        widths = self.end_seconds - self.start_seconds
        axes.bar(self.start_seconds, height, widths, align="edge", **settings)


def timeline(verdict):
    """Draws a film's scores over its time, and how much moves, if known.

    Of many shots it shows means over equal slices of time, and says so.

    Args:
        verdict: A `verdict.FilmVerdict`.

    Returns:
        Bytes, a PNG.
    """
    judged = [shot for shot in verdict.shots if shot.scores is not None]
    names, ranks = list(verdict.scores), _ranks(verdict)
    parts = _Parts.of_shots(judged, names)
    start, end = verdict.shots[0].start_seconds, verdict.seconds
    remarks = []
    if len(verdict.shots) > _MOST_SHOTS:
        parts = parts.sliced(start, end, _MOST_SHOTS)
        length = (end - start) / _MOST_SHOTS
        remarks.append(
            f"{len(verdict.shots):,} shots; each bar is the mean over "
            f"{length:.3g} seconds"
        )
    if verdict.thresholds is None:
        shown, heights = names, [3.2]
    else:
        shown = _worth_a_row(verdict, ranks)
        heights = [0.75] * len(shown)
    heights += [1.0] * (parts.motion is not None)
    figure, rows = figures.subplots(
        f"{pathlib.Path(verdict.path).name}: {words.headline(verdict)}",
        *(11, 0.9 + sum(heights), len(heights)),
        sharex=True,
        squeeze=False,
        height_ratios=heights,
    )
    rows = rows[:, 0]
    colours = figures.genre_colours(names, ranks)
    if verdict.thresholds is None:
        _draw_stacked(rows[0], parts, colours)
        figures.add_genres(
            figure, names, "outside lower center", len(names), ranks
        )
    else:
        for axes, genre in zip(rows, shown, strict=False):
            _draw_row(axes, verdict, parts, genre, colours[genre])
    if parts.motion is not None:
        parts.bars(rows[-1], parts.motion, color="#999999")
        rows[-1].set(ylabel="motion\nmagnitude")
    for axes in rows if len(verdict.shots) <= _MOST_SHOTS else ():
        for shot in verdict.shots[1:]:
            axes.axvline(shot.start_seconds, color="white", linewidth=0.8)
    if len(shown) < len(names):
        more = f"{len(names) - len(shown):,} more genres are not shown"
        remarks.append(more)
    if parts.unlike.any():
        remarks.append(f"light grey: {words.UNLIKE_SHOT}")
    label = f"time ({'; '.join(remarks)})" if remarks else "time"
    ticks = _ticks(start, end)
    labels = [words.clock(seconds) for seconds in ticks]
    rows[-1].set(xlabel=label, xlim=(start, end))
    rows[-1].set_xticks(ticks, labels)
    return figures.png_of(figure)


def _ticks(start, end):
    """Returns times in seconds at which people look at a clock."""
    step = next(
        (step for step in _TICKS if (end - start) / step <= _MOST_TICKS),
        # Of days.
        3600 * math.ceil((end - start) / 3600 / _MOST_TICKS),
    )
    return [
        step * n for n in range(math.ceil(start / step), int(end / step) + 1)
    ]


def _ranks(verdict):
    """Returns a dict from each genre to a number, the highest of the first.

    First are the genres of the film, then those of its shots, the longest
    time first, then those of the highest scores.
    """
    times = _named_seconds(verdict)
    ranked = sorted(
        verdict.scores,
        key=lambda genre: (
            genre not in verdict.genres,
            -times[genre],
            -verdict.scores[genre],
        ),
    )
    return {genre: -place for place, genre in enumerate(ranked)}


def _named_seconds(verdict):
    """Returns a dict from each genre to how long shots are named so."""
    times = dict.fromkeys(verdict.scores, 0.0)
    for shot in verdict.shots:
        for genre in shot.genres or ():
            times[genre] += shot.end_seconds - shot.start_seconds
    return times


def _worth_a_row(verdict, ranks):
    """Returns the genres that a timeline shows, the first ones first."""
    if len(ranks) <= _MOST_ROWS:
        count = len(ranks)
    else:
        times = _named_seconds(verdict)
        named = [g for g in ranks if g in verdict.genres or times[g]]
        count = min(max(len(named), _FEWEST_ROWS), _MOST_ROWS)
    return list(ranks)[:count]


def _draw_stacked(axes, parts, colours):
    """Draws scores that sum to one as bars, genre on genre."""
    bottom, others = np.zeros_like(parts.unlike), np.zeros_like(parts.unlike)
    for genre, colour in colours.items():
        scores = parts.scores[genre]
        if colour == figures.OTHER:
            others += scores
            continue
        parts.bars(axes, scores, bottom=bottom, color=colour)
        bottom += scores
    parts.bars(axes, others, bottom=bottom, color=figures.OTHER)
    if parts.unlike.any():
        top = bottom + others
        parts.bars(axes, parts.unlike, bottom=top, color=_NO_GENRE)
    axes.set(ylim=(0, 1), ylabel="score")


def _draw_row(axes, verdict, parts, genre, colour):
    """Draws one genre's scores, fully coloured where shots are named so.

    Grey where a shot is unlike the training films.
    """
    scores = parts.all_scores[genre]
    is_unlike = parts.unlike > 0.5
    is_named = (parts.named[genre] > 0.5) & ~is_unlike
    for is_drawn, drawn, alpha in (
        (is_named, colour, 1.0),
        (~is_named & ~is_unlike, colour, 0.3),
        (is_unlike, _NO_GENRE, 1.0),
    ):
        parts.bars(axes, scores * is_drawn, color=drawn, alpha=alpha)
    # Also where a light colour ends is to be seen.
    ends = (parts.start_seconds, parts.end_seconds)
    axes.hlines(scores, *ends, color="black", linewidth=0.8)
    # On a white line: some genres are as dark as it is.
    for line in (
        {"color": "white", "lw": 2.5, "ls": "-"},
        {"color": "black", "lw": 1, "ls": "--"},
    ):
        axes.axhline(verdict.thresholds[genre], zorder=3, **line)
    mark = "✓ " if genre in verdict.genres else ""
    name = figures.fitted(genre_words(genre), 110, 10)
    axes.set_ylabel(f"{mark}{name}", rotation=0, ha="right", va="center")
    axes.set(ylim=(0, 1), yticks=(0, 1))


def contact_sheet(verdict):
    """Draws one frame of each shot that was judged, in its genre's colour.

    Args:
        verdict: A `verdict.FilmVerdict` that has pictures.

    Returns:
        Bytes, a PNG.
    """
    shots = [shot for shot in verdict.shots if shot.picture is not None]
    colours = figures.genre_colours(list(verdict.scores), _ranks(verdict))
    columns = min(_COLUMNS, len(shots))
    rows = -(-len(shots) // columns)
    texts = [_lines_below(shot) for shot in shots]
    strip = _LINE * max(map(len, texts)) + _MARGIN
    tall, wide = _HEIGHT + strip + _GAP, _WIDTH + _GAP
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
        colour = colours[shot.genres[0]] if shot.genres else _NO_GENRE
        colour = tuple(bytes.fromhex(colour[1:]))
        bottom = top + _HEIGHT
        sheet[bottom : bottom + strip, left : left + _WIDTH] = colour
        # Dark letters on a light colour, light ones on a dark.
        is_light = np.dot(colour, flow.GREY_WEIGHTS) > 128
        for line, text in enumerate(texts[place]):
            letters = _lettering(
                *(text, _LETTERS, _WIDTH - 2 * _SPACE),
                _BLACK if is_light else _WHITE,
                colour,
            )
            above = _MARGIN // 2 + line * _LINE
            _put(sheet, letters, bottom + above, left + _SPACE)
    return image_files.encode_frame(sheet)


def _lines_below(shot):
    """Returns what the sheet says of a shot, line by line."""
    text = f"{words.clock(shot.start_seconds)} {words.shot_text(shot)}"
    width = _WIDTH - 2 * _SPACE - 2
    return figures.wrapped(text, width, _LETTERS, _MOST_LINES)


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
            shot has other genres alone. White throughout if None.
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
    is_wrong = bool(genre and shot.genres) and genre not in shot.genres
    # On a strip of its own: letters on a film are read on no colour else.
    letters = _lettering(
        words.shot_text(shot),
        max(round(frame.shape[0] * _SHARE_OF_HEIGHT), 11),
        frame.shape[1] - 16 - 2 * _SPACE,
        _RED if is_wrong else _WHITE,
        _BLACK,
    )
    space = ((_SPACE, _SPACE), (_SPACE, _SPACE), (0, 0))
    _put(frame, np.pad(letters, space), 8, 8)


@functools.lru_cache(256)  # a shot's frames have the same text
def _lettering(text, size, width, colour, ground):
    """Draws a text of at most a width; sizes are in pixels."""
    text = figures.fitted(text, max(width - 2, 1), size)
    return figures.text_picture(text, size, colour, ground)


def _put(picture, drawn, top, left):
    """Puts a small picture into another; what is beyond its edge is lost."""
    place = picture[top : top + len(drawn), left : left + drawn.shape[1]]
    place[:] = drawn[: place.shape[0], : place.shape[1]]
