"""Makes films whose transitions are known to the frame, out of real pieces.

A corpus is a folder of films and `truth.json`:

    {"seed": 1, "films": [{"file": "film00.mp4", "num_frames": 700, ...,
      "transitions": [{"kind": "cut", "first_frame": 40, "end_frame": 40}],
      "distractors": [{"kind": "flash", "first_frame": 60, "end_frame": 62}],
      "pieces": [{"path": "clip.mp4", "first_frame": 7, "end_frame": 60}]}]}

Frames are numbered as in `keras_ssc.films.shots.Transition`.
"""

import dataclasses
import fractions
import pathlib

import av
import cv2
import numpy as np

from experiments import letterbox
from experiments.shots import distractors
from experiments.shots import pieces as pieces_lib
from experiments.shots import transitions
from keras_ssc import files

TRUTH = "truth.json"

# Films are put together at this long side, pixels, and then scaled.
_LONG_SIDE = 640

# Ticks of a film's clock a second; all frame rates but a film's drop are exact.
_TICKS = 90_000

# Frames that a shot shows alone: of a film, of one with a distractor, and the
# fewest where no piece is longer; of fast montage.
_BODY, _BODY_WITH_DISTRACTOR, _LEAST_BODY = (26, 80), 58, 20
_MONTAGE_BODY, _LEAST_MONTAGE_BODY = (4, 21), 4

# A subtitle that stays through a fade is there so many frames before and after.
_SUBTITLE_FRAMES = 15

_COLOURS = ((0, 0, 0), (255, 255, 255), (0, 0, 0), None)


@dataclasses.dataclass(frozen=True)
class FilmKind:
    """What a film of a corpus is like.

    Attributes:
        rate: Number, frames a second.
        size: Tuple (width, height), pixels, both even.
        codec: `"libx264"` or `"libvpx-vp9"`.
        crf: Integer, the codec's constant rate factor: more is worse.
        grain: Float, standard deviation of the film grain, grey levels.
        letterboxed: Boolean, whether it has bars above and below.
        grey: Boolean, whether it is black and white.
        dropped: Float, the share of frames that are left out: a variable frame
            rate.
        watermark: Boolean, whether a sign stands in a corner throughout.
        montage: Boolean, whether it is fast: shots of 4 to 20 frames.
    """

    rate: float
    size: tuple
    codec: str = "libx264"
    crf: int = 21
    grain: float = 0.0
    letterboxed: bool = False
    grey: bool = False
    dropped: float = 0.0
    watermark: bool = False
    montage: bool = False


FILMS = (
    FilmKind(24, (640, 360)),
    FilmKind(25, (640, 360), crf=28, watermark=True),
    FilmKind(30, (1280, 720)),
    FilmKind(23.976, (640, 360), grain=10),
    FilmKind(24, (640, 360), crf=26, letterboxed=True),
    FilmKind(25, (854, 480)),
    FilmKind(24, (640, 360), dropped=0.15),
    FilmKind(30, (480, 360), watermark=True),
    FilmKind(24, (854, 480), crf=30, grain=14),
    FilmKind(25, (640, 360), grey=True),
    FilmKind(24, (640, 360), "libvpx-vp9", crf=33),
    FilmKind(24, (320, 180), crf=32, watermark=True),
    FilmKind(30, (640, 360), dropped=0.3),
    FilmKind(50, (640, 360)),
    FilmKind(24, (1280, 720), letterboxed=True, watermark=True),
    FilmKind(12, (640, 360)),
    FilmKind(24, (640, 360), montage=True),
    FilmKind(25, (640, 360), crf=28, grain=8, montage=True),
    FilmKind(30, (854, 480), letterboxed=True, montage=True),
    FilmKind(24, (640, 360), "libvpx-vp9", crf=33, montage=True),
)

# Transitions of each kind in a corpus, all films but montage together.
COUNTS = {"cut": 66, "dissolve": 62, "fade": 32, "wipe": 16}

# Frames that a gradual one takes, from and to: drawn at even ratios.
_LENGTHS = {"dissolve": (3, 60), "fade": (12, 60), "wipe": (8, 40)}

# Of each distractor in a corpus; transitions of a montage.
NUM_DISTRACTORS, NUM_MONTAGE = 6, 45


@dataclasses.dataclass(frozen=True)
class _Shot:
    """A shot of a film that is planned: frames of a piece.

    Attributes:
        piece: A `pieces.Piece`.
        start: Integer, the first frame of the piece that is taken.
        num_frames: Integer, with those that transitions mix.
        earlier: `Blend` that leads to it, None for the first shot.
        later: `Blend` that leads away from it, None for the last.
        distractor: String, or None.
    """

    piece: pieces_lib.Piece
    start: int
    num_frames: int
    earlier: transitions.Blend | None
    later: transitions.Blend | None
    distractor: str | None


def make_corpus(
    pieces,
    out,
    seed,
    kinds=FILMS,
    counts=None,
    num_distractors=NUM_DISTRACTORS,
    num_montage=NUM_MONTAGE,
    progress=None,
):
    """Writes a corpus; the same arguments write the same.

    Args:
        pieces: List of `pieces.Piece`.
        out: Path of its folder; what a corpus before left there is replaced.
        seed: Integer.
        kinds: Sequence of `FilmKind`, one a film.
        counts: Dict from kinds of transitions to how many; `COUNTS` if None.
        num_distractors: Integer, how many of each.
        num_montage: Integer, transitions of each film of fast montage.
        progress: Function of a string, called after each film.

    Returns:
        `pathlib.Path` of the corpus' truth.

    Raises:
        ValueError: If no piece is long enough.
        VideoError: If a piece cannot be read.
        OSError: If a film cannot be written.
    """
    out = pathlib.Path(out)
    rng = np.random.default_rng([seed, 0])
    blends = _shuffled(rng, _blends(rng, COUNTS if counts is None else counts))
    puts = _shuffled(rng, [*distractors.DISTRACTORS] * num_distractors)
    plain = [number for number, kind in enumerate(kinds) if not kind.montage]
    plans = []
    for number, kind in enumerate(kinds):
        rng = np.random.default_rng([seed, 1, number])
        if kind.montage:
            own = _montage_blends(rng, num_montage)
            plans.append(_planned(rng, pieces, own, [], kind))
        else:
            place, step = plain.index(number), len(plain)
            own, own_puts = blends[place::step], puts[place::step]
            plans.append(_planned(rng, pieces, own, own_puts, kind))
    out.mkdir(parents=True, exist_ok=True)
    # The truth of an earlier run must not stay while films are replaced.
    (out / TRUTH).unlink(missing_ok=True)
    written = []
    for number, (kind, plan) in enumerate(zip(kinds, plans, strict=True)):
        rng = np.random.default_rng([seed, 2, number])
        suffix = ".mp4" if kind.codec == "libx264" else ".webm"
        path = out / f"film{number:02d}{suffix}"
        truth = _write(rng, path, plan, kind, pieces)
        written.append({"file": path.name, **truth})
        if progress is not None:
            progress(f"{path}: {truth['num_frames']} frames")
    files.write_json(out / TRUTH, {"seed": seed, "films": written})
    return out / TRUTH


def _shuffled(rng, items):
    return [items[place] for place in rng.permutation(len(items))]


def _blends(rng, counts):
    """Draws the transitions of all films but montage."""
    drawn = []
    for kind, count in counts.items():
        if kind == "cut":
            drawn += [transitions.Blend("cut", 0)] * count
            continue
        lengths = np.geomspace(*_LENGTHS[kind], count).round()
        for number, length in enumerate(lengths.astype(int).tolist()):
            colour = hold = style = None
            if kind == "fade":
                colour = _COLOURS[number % len(_COLOURS)]
                colour = colour or tuple(rng.integers(0, 256, 3).tolist())
                # One frame of the colour alone, at least.
                hold = max(float(rng.uniform(0.05, 0.4)), 1.5 / (length + 1))
            if kind == "wipe":
                style = transitions.STYLES[number % len(transitions.STYLES)]
            drawn.append(transitions.Blend(kind, length, colour, hold, style))
    return drawn


def _montage_blends(rng, count):
    """Draws cuts, and a short dissolve for three of ten."""
    return [
        transitions.Blend("dissolve", int(rng.integers(3, 7)))
        if rng.random() < 0.3
        else transitions.Blend("cut", 0)
        for _ in range(count)
    ]


def _planned(rng, pieces, blends, puts, kind):
    """Draws a film's shots."""
    num_shots = len(blends) + 1
    put_at = dict(zip(rng.permutation(num_shots).tolist(), puts, strict=False))
    bodies, least = _BODY, _LEAST_BODY
    if kind.montage:
        bodies, least = _MONTAGE_BODY, _LEAST_MONTAGE_BODY
    plan = []
    for number in range(num_shots):
        earlier = blends[number - 1] if number else None
        later = blends[number] if number < len(blends) else None
        mixed = sum(x.num_frames for x in (earlier, later) if x)
        body, put = int(rng.integers(*bodies)), put_at.get(number)
        if put is not None:
            body = max(body, _BODY_WITH_DISTRACTOR)
        last = plan[-1].piece if plan else None
        piece = _chosen(rng, pieces, last, mixed + body)
        if piece is None:
            put, body = None, least
            piece = _chosen(rng, pieces, last, mixed + body)
        if piece is None:
            raise ValueError(
                f"Expected a piece of {mixed + body} frames or more, of "
                "another group than the one before. Received: "
                f"{max(x.num_frames for x in pieces)} in the longest. Add "
                "longer pieces, or take more sources."
            )
        start = int(rng.integers(piece.num_frames - mixed - body + 1))
        plan.append(_Shot(piece, start, mixed + body, earlier, later, put))
    return plan


def _chosen(rng, pieces, last, num_frames):
    """Draws a piece; every other time of the same film as the last, if it can.

    Returns:
        A `Piece`, None if none is long enough.
    """
    fit = [x for x in pieces if x.num_frames >= num_frames]
    if last is not None:
        fit = [x for x in fit if x.group != last.group]
        is_near = rng.random() < 0.5
        fit = [x for x in fit if (x.source == last.source) == is_near] or fit
    return fit[rng.integers(len(fit))] if fit else None


def _write(rng, path, plan, kind, pieces):
    """Writes a planned film; returns its truth."""
    truth = {"transitions": [], "distractors": []}
    kept = []
    composed = _finished(
        rng, _composed(rng, plan, kind, pieces, truth), plan, kind
    )

    def timed():
        for number, frame in enumerate(composed):
            kept.append(number == 0 or rng.random() >= kind.dropped)
            if kept[-1]:
                yield round(number * _TICKS / kind.rate), frame

    _encode(path, timed(), kind)
    # What a frame's number is once others are dropped.
    numbers = np.concatenate([[0], np.cumsum(kept)]).tolist()
    for each in truth["transitions"] + truth["distractors"]:
        for key in ("first_frame", "end_frame"):
            each[key] = numbers[each[key]]
    taken = [
        {
            "path": shot.piece.path,
            "first_frame": shot.piece.first_frame + shot.start,
            "end_frame": shot.piece.first_frame + shot.start + shot.num_frames,
        }
        for shot in plan
    ]
    return {
        "num_frames": numbers[-1],
        **dataclasses.asdict(kind),
        **truth,
        "pieces": taken,
    }


def _composed(rng, plan, kind, pieces, truth):
    """Yields a planned film's frames, and notes what is in them."""
    scale = min(_LONG_SIDE / max(kind.size), 1)
    size = tuple(round(side * scale) for side in kind.size)
    number, tail = 0, []
    for shot in plan:
        frames = pieces_lib.read_frames(
            shot.piece, shot.start, shot.num_frames, size
        )
        before = shot.earlier.num_frames if shot.earlier else 0
        after = shot.num_frames - (shot.later.num_frames if shot.later else 0)
        if shot.distractor is not None:
            other = pieces[rng.integers(len(pieces))]
            start, length = _distract(
                rng,
                shot.distractor,
                frames,
                (before, after),
                pieces_lib.read_frames(other, 0, 1, size)[0],
            )
            truth["distractors"].append(
                _range(shot.distractor, number + start, length)
            )
        if shot.earlier:
            blend = shot.earlier
            truth["transitions"].append(_range(blend.kind, number, before))
            for place in range(before):
                yield transitions.frame_of(
                    blend, place, tail[place], frames[place]
                )
        yield from frames[before:after]
        number += after
        tail = frames[after:].copy()


def _distract(rng, kind, frames, own, other):
    """Puts a distractor among a shot's own frames.

    Returns:
        A tuple (start, num_frames).
    """
    first, end = own
    start = first
    if kind != "hand_held":
        last = max(end - 8 - distractors.MOST_FRAMES, first + 9)
        start = int(rng.integers(first + 8, last))
    length = distractors.put(kind, frames, start, rng, other)
    return start, min(length, end - start)


def _range(kind, first, num_frames):
    return {
        "kind": kind,
        "first_frame": first,
        "end_frame": first + num_frames,
    }


def _finished(rng, frames, plan, kind):
    """Yields frames as the film shows them."""
    subtitled = _subtitled(plan)
    for number, frame in enumerate(frames):
        frame = frame.copy()
        if kind.grey:
            frame[:] = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)[..., None]
        if kind.letterboxed:
            bar = round(letterbox.SHARE * len(frame))
            frame[:bar] = frame[-bar:] = 0
        if kind.watermark:
            distractors.write(frame, "CHANNEL 5", 0.1, 1, 0.75)
        if number in subtitled:
            distractors.write(frame, "We never came back to that house.", 0.92)
        frame = cv2.resize(frame, kind.size, interpolation=cv2.INTER_CUBIC)
        if kind.grain:
            height, width = frame.shape[:2]
            noise = rng.normal(0, kind.grain, (height // 2, width // 2))
            noise = cv2.resize(np.float32(noise), (width, height))
            frame = np.uint8(np.clip(frame + noise[..., None], 0, 255))
        yield frame


def _subtitled(plan):
    """Returns the frames of a film's subtitles: over one fade of two."""
    numbers, number, fades = set(), 0, 0
    for shot in plan:
        if shot.earlier and shot.earlier.kind == "fade":
            fades += 1
            if fades % 2:
                end = number + shot.earlier.num_frames + _SUBTITLE_FRAMES
                numbers.update(range(number - _SUBTITLE_FRAMES, end))
        number += shot.num_frames
        number -= shot.later.num_frames if shot.later else 0
    return numbers


_OPTIONS = {
    # Without the two that look ahead, whose guesses differ from run to run.
    "libx264": {"preset": "veryfast", "x264-params": "b-adapt=0:mbtree=0"},
    "libvpx-vp9": {"b:v": "0", "deadline": "realtime", "cpu-used": "8"},
}


def _encode(path, timed, kind):
    # One thread, and no random mark of the file: the same bytes each time.
    options = {**_OPTIONS[kind.codec], "crf": str(kind.crf), "threads": "1"}
    with av.open(str(path), "w", options={"fflags": "bitexact"}) as container:
        rate = fractions.Fraction(kind.rate).limit_denominator(1001)
        stream = container.add_stream(kind.codec, rate=rate, options=options)
        stream.width, stream.height = kind.size
        stream.pix_fmt = "yuv420p"
        time_base = fractions.Fraction(1, _TICKS)
        stream.codec_context.time_base = time_base
        for ticks, picture in timed:
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = ticks, time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
