# ruff: noqa: RUF005
# A tuple that is added to an array here is a shift, not a longer list.
"""Draws the small sample films that ship as the default data.

    python -m keras_ssc.sample_films --out films

The films put the report's question: does the motion between two frames tell
a genre that one frame cannot? So they come as twins. Film 3 of action and
film 3 of romance show the same world, the same people and the same shots of
the same length; only how much moves differs. Horror and science fiction are
twins in the same way, by night. The two animations differ by their shading,
which one frame shows, and move alike.

How twins stay alike in one frame: everything a shot shows is a function of
one clock, and repeats itself as the clock goes on (a street has no end, a
star that leaves comes back). A twin's shot starts at any time of that clock,
so that each picture is as likely in the slow film as in the fast one. Only
the clock's speed is the genre.
"""

import argparse
import concurrent.futures
import csv
import dataclasses
import functools
import itertools
import math
import multiprocessing
import os
import pathlib
import sys
from fractions import Fraction
from typing import NamedTuple

import av
import cv2
import numpy as np
import tqdm

from keras_ssc.genres import GENRES

# Raise it when the drawing changes: films of an older version are redrawn.
VERSION = 1

# The board that a frame is drawn on, in pixels: the report's 480x270, and a
# margin that the moving camera may uncover. Other sizes are resized from it.
WIDTH, HEIGHT, MARGIN = 480, 270, 12
BOARD_WIDTH, BOARD_HEIGHT = WIDTH + 2 * MARGIN, HEIGHT + 2 * MARGIN
# After how many pixels a layer of scenery repeats.
PERIOD = 1200
TEXTURE_HEIGHT = 640


class Style(NamedTuple):
    """What makes a film one of its genre.

    Attributes:
        world: Which scenery it plays in. Genres of one world are twins.
        slowest: How far a shot's foreground moves at least, pixels a frame.
        fastest: How far it moves at most.
        on_twos: Whether each drawing is held for two frames.
    """

    world: str
    slowest: float
    fastest: float
    on_twos: bool = False


STYLES = {
    "action": Style("day", 7.0, 11.0),
    "romance": Style("day", 0.3, 0.8),
    "science_fiction": Style("night", 7.0, 11.0),
    "horror": Style("night", 0.3, 0.8),
    "animation_2d": Style("cartoon", 2.5, 4.5, on_twos=True),
    "animation_3d": Style("stage", 2.5, 4.5),
}

TITLES = {
    "action": (
        "the_last_tram",
        "harbour_run",
        "nine_bridges",
        "faster_than_rain",
        "the_orange_getaway",
        "no_brakes",
    ),
    "horror": (
        "the_ninth_door",
        "what_the_lantern_saw",
        "nobody_left_the_tower",
        "a_knock_at_low_tide",
        "the_long_cellar",
        "hush",
    ),
    "romance": (
        "letters_from_the_pier",
        "two_cups_of_tea",
        "slow_train_home",
        "the_summer_we_stayed",
        "a_bench_for_two",
        "until_the_lindens_bloom",
    ),
    "animation_2d": (
        "mister_fig_goes_to_town",
        "the_cloud_baker",
        "pip_and_the_paper_boat",
        "three_hats_for_a_hare",
        "the_moon_is_a_biscuit",
        "olga_the_brave_snail",
    ),
    "animation_3d": (
        "marble_run",
        "the_clockwork_orchard",
        "bobo_rolls_away",
        "castle_of_cubes",
        "the_polite_robot",
        "button_mountain",
    ),
    "science_fiction": (
        "beyond_the_ninth_moon",
        "the_quiet_engine",
        "colony_of_glass",
        "signal_from_vesper",
        "the_orbit_keepers",
        "last_light_station",
    ),
}

# Colours are red, green, blue, written as the web writes them.
PALETTES = {
    "day": (
        "sky_top=#3f6291 sky_low=#f8bd7d sun=#fff3c9 far=#97849e near=#6b5a73"
        " leaf=#5f6b38 ground=#9a7b57 road=#57505a",
        "sky_top=#3485c6 sky_low=#d3eaf6 sun=#fffbe4 far=#93b2c6 near=#8a7f7b"
        " leaf=#4d8a3d ground=#bfad8b road=#6b6d72",
        "sky_top=#6478ae sky_low=#f9cdc8 sun=#ffeedd far=#ab98b8 near=#86708a"
        " leaf=#5c7f5c ground=#b09789 road=#6a6270",
        "sky_top=#86a9b2 sky_low=#e6eee7 sun=#ffffff far=#9fb6b3 near=#77857c"
        " leaf=#3f6f58 ground=#98967f road=#5f6666",
        "sky_top=#6d9cb9 sky_low=#fbe7bd sun=#fff6d8 far=#b59f86 near=#8b5f4c"
        " leaf=#b7742c ground=#a5814f road=#675c55",
        "sky_top=#2a7f93 sky_low=#f4dfb0 sun=#fff4cc far=#6f9d9c near=#a2654f"
        " leaf=#5c8a4a ground=#cdae7f road=#716a62",
    ),
    "night": (
        "sky_top=#060a14 sky_low=#15404a glow=#8ceadb stone=#3a5058"
        " ridge=#122029 ink=#04080c",
        "sky_top=#0a0718 sky_low=#38205c glow=#dcabff stone=#4b3f63"
        " ridge=#1c1430 ink=#07040e",
        "sky_top=#0d0708 sky_low=#4a1c18 glow=#ffbe73 stone=#56423c"
        " ridge=#241312 ink=#0a0404",
        "sky_top=#050914 sky_low=#22376a glow=#c6daff stone=#414b63"
        " ridge=#131c33 ink=#04060c",
        "sky_top=#050b08 sky_low=#1f4a30 glow=#b9ffae stone=#3f5445"
        " ridge=#12241a ink=#030806",
        "sky_top=#0b0a10 sky_low=#47324a glow=#ff9fb4 stone=#544a57"
        " ridge=#221824 ink=#080509",
    ),
    "cartoon": (
        "sky=#9fd8ef far=#b9d99b near=#86c06c ground=#f0d58c accent=#e8604c"
        " second=#4a7fb5 light=#fff6dc ink=#2b2633",
        "sky=#ffd9a8 far=#e9a77c near=#c9776a ground=#f5e3b3 accent=#3f8f8a"
        " second=#d9534f light=#fff4e0 ink=#3a2430",
        "sky=#c9c3ee far=#a3b5e0 near=#7a93c9 ground=#d9e6c3 accent=#f29e4c"
        " second=#8a5a9e light=#fffaf0 ink=#272745",
        "sky=#bfe8d4 far=#8ccfae near=#58a989 ground=#f7efc6 accent=#ef7d8d"
        " second=#f2b544 light=#ffffff ink=#1f3634",
        "sky=#fbe38e far=#f3b95f near=#7fae62 ground=#e9d8b4 accent=#5067a8"
        " second=#d1495b light=#fffbea ink=#35281f",
        "sky=#f6c1c7 far=#c6d8a8 near=#7fb5a2 ground=#fbead0 accent=#f0a202"
        " second=#5b6fa8 light=#fffdf5 ink=#33263a",
    ),
    "stage": (
        "sky_top=#4f8fd0 sky_low=#dcecf7 hill=#7fae8f tile=#f3ead8"
        " other=#c98f6b a=#e5533d b=#3c79c4 c=#f2b632 d=#58a866",
        "sky_top=#5b4a8f sky_low=#f6c6b0 hill=#8b7fb5 tile=#efe3ee"
        " other=#8f78a8 a=#f08a4b b=#4bb3a7 c=#e8d26a d=#d1567a",
        "sky_top=#2f9a9f sky_low=#f4f1d9 hill=#79b8a4 tile=#f6f2e4"
        " other=#6fae9f a=#f2676b b=#f5c344 c=#4d6fb3 d=#9a6fc0",
        "sky_top=#e08b5f sky_low=#fdecc8 hill=#c9a06f tile=#fbf1da"
        " other=#b5735a a=#3f8fb0 b=#d84f4f c=#7fb24f d=#f3c04a",
        "sky_top=#7fb2c9 sky_low=#f2f0e8 hill=#a9bfb5 tile=#ececec"
        " other=#7c8896 a=#d9483b b=#f29f3a c=#3b8f7a d=#5a6fc4",
        "sky_top=#8f9fe0 sky_low=#f9dfe8 hill=#b59fd0 tile=#fff2f5"
        " other=#d091a8 a=#4a9fd0 b=#f2c14e c=#e0606f d=#62b58f",
    ),
}

# Skin and hair.
FACES = (
    ("#f3cdb0", "#5b3a22"),
    ("#edbd97", "#d8b46a"),
    ("#f0c8a8", "#a5552f"),
    ("#d9a37c", "#2a1f1c"),
    ("#c08a60", "#3b2a22"),
    ("#9a6644", "#1f1716"),
    ("#74482f", "#15100f"),
    ("#e8c0a0", "#8f8d92"),
)
CLOTHES = ("#b8433a", "#2f5d8a", "#d9a441", "#3f7a5a", "#e8e0d0", "#6a4a7a")


# ---- The films and their lists.


@dataclasses.dataclass(frozen=True)
class Film:
    """One film to draw: plain values, so that a worker can be handed it."""

    genre: str
    number: int
    split: str
    path: pathlib.Path
    shots: tuple
    frame_rate: Fraction
    size: tuple
    seed: int

    @property
    def title(self):
        """The film's name, unique over all genres."""
        return self.path.stem

    @property
    def settings(self):
        """What the picture depends on, to be found again in the file."""
        return (
            f"keras_ssc sample film, version {VERSION}: {self.genre} "
            f"{self.number}, seed {self.seed}, shots {self.shots}, "
            f"{self.frame_rate} frames a second, {self.size}"
        )

    @property
    def cuts(self):
        """The number of each new shot's first frame, counted from 0."""
        return list(itertools.accumulate(self.shots))[:-1]


def draw_sample_films(
    out,
    films_per_genre=4,
    seconds=8.0,
    frame_rate=24,
    size=(480, 270),
    seed=0,
    workers=None,
    progress=True,
):
    """Draws the sample films and writes their lists.

    Writes `<genre>/<film>.mp4` for each film, `cuts.csv` and, last of all,
    `films.csv`. The last film of each genre is the test film. A finished film
    of the same settings is kept as it is, so that a run that was stopped goes
    on where it stopped. The films depend on the settings and the seed, not on
    the number of workers.

    Args:
        out: The folder to write to. It is made where it is missing.
        films_per_genre: Integer, at least 2: one to train with, one to test.
        seconds: Float, the length of each film; at least one second.
        frame_rate: Integer or `fractions.Fraction`, frames a second.
        size: Tuple (width, height) in pixels, both even. The films are drawn
            at 480x270 and resized.
        seed: Integer, from 0. Another seed draws other films.
        workers: Integer, how many processes draw; `None` for one a core.
        progress: Whether to show a progress bar on standard error.

    Returns:
        `pathlib.Path` of `films.csv`. Its columns: film, genre, split, path
        (from the list's folder), start and end (`hh:mm:ss.mmm`, or empty for
        a scene that is the whole film), one row a scene. The columns of
        `cuts.csv`: film, path, frame_number (of a new shot's first frame,
        counted from 0).

    Raises:
        ValueError: If an argument is out of its range.
        OSError: If the films cannot be written.
    """
    _check(films_per_genre, seconds, frame_rate, size, seed, workers)
    out = pathlib.Path(out)
    rate = Fraction(frame_rate).limit_denominator(1001)
    frames = round(seconds * rate)
    films = [
        _plan_film(
            out, genre, number, films_per_genre, frames, rate, size, seed
        )
        for genre in GENRES
        for number in range(films_per_genre)
    ]
    for film in films:
        film.path.parent.mkdir(parents=True, exist_ok=True)
    # A list of an earlier run must not speak of films half replaced.
    (out / "films.csv").unlink(missing_ok=True)
    _draw_films(films, workers or _cores(), progress)
    _write_cuts(films, out / "cuts.csv")
    _write_films(films, out / "films.csv")
    return out / "films.csv"


def _check(films_per_genre, seconds, frame_rate, size, seed, workers):
    if films_per_genre < 2:
        raise ValueError(
            "Expected films_per_genre of at least 2, one to train with and "
            f"one to test with. Received: {films_per_genre}"
        )
    if not 1 <= seconds < 3600:
        raise ValueError(
            f"Expected seconds from 1 to less than 3600. Received: {seconds}"
        )
    if frame_rate <= 0 or seed < 0:
        raise ValueError(
            "Expected frame_rate above 0 and seed of at least 0. "
            f"Received: {frame_rate} and {seed}"
        )
    if any(side < 16 or side % 2 for side in size):
        raise ValueError(
            "Expected size as two even numbers of at least 16, because H.264 "
            f"halves the colour planes. Received: {size}"
        )
    if workers is not None and workers < 1:
        raise ValueError(f"Expected workers of at least 1. Received: {workers}")


def _plan_film(out, genre, number, films_per_genre, frames, rate, size, seed):
    titles = TITLES[genre]
    title = titles[number % len(titles)]
    if number >= len(titles):
        title += f"_{number // len(titles) + 1}"
    return Film(
        genre=genre,
        number=number,
        split="test" if number == films_per_genre - 1 else "train",
        path=out / genre / f"{title}.mp4",
        shots=_shot_lengths(genre, number, frames, seed),
        frame_rate=rate,
        size=tuple(size),
        seed=seed,
    )


def _shot_lengths(genre, number, frames, seed):
    """Returns each shot's frames: irregular, and alike for twins."""
    rng = _generator(seed, STYLES[genre].world, number, "lengths")
    shots = max(1, min(int(rng.integers(4, 7)), frames // 8))
    ends = np.cumsum(rng.uniform(0.6, 1.4, shots))
    ends = np.round(ends / ends[-1] * frames).astype(int)
    return tuple(int(length) for length in np.diff(ends, prepend=0))


def _generator(seed, *words):
    """Returns a random generator of its own for each thing to be decided."""
    key = [byte for word in words for byte in f"{word}/".encode()]
    return np.random.default_rng([seed, *key])


def _cores():
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _draw_films(films, workers, progress):
    bar = tqdm.tqdm(
        total=len(films), desc="drawing", unit="film", disable=not progress
    )
    with bar:
        if workers == 1:
            threads = cv2.getNumThreads()
            try:
                for film in films:
                    draw_film(film)
                    bar.update()
            finally:
                cv2.setNumThreads(threads)
            return
        # A fresh process each: forking a process that has loaded TensorFlow,
        # as a caller's may have, can hang.
        with concurrent.futures.ProcessPoolExecutor(
            min(workers, len(films)), multiprocessing.get_context("spawn")
        ) as pool:
            tasks = [pool.submit(draw_film, film) for film in films]
            try:
                for task in concurrent.futures.as_completed(tasks):
                    task.result()
                    bar.update()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise


def _write_cuts(films, path):
    rows = [
        (film.title, _path_in_list(film), cut)
        for film in films
        for cut in film.cuts
    ]
    _write_csv(path, ("film", "path", "frame_number"), rows)


def _write_films(films, path):
    columns = ("film", "genre", "split", "path", "start", "end")
    rows = [
        (film.title, film.genre, film.split, _path_in_list(film), start, end)
        for film in films
        for start, end in _scenes(film)
    ]
    _write_csv(path, columns, rows)


def _path_in_list(film):
    return f"{film.genre}/{film.path.name}"


def _scenes(film):
    """Returns (start, end) of each scene: one for even films, else two."""
    if film.number % 2 == 0 or not film.cuts:
        return [("", "")]
    # The second scene starts a few frames into its shot, so that the list
    # marks a range that no cut would give away.
    cut = film.cuts[len(film.cuts) // 2]
    scenes = ((0, cut), (cut + 3, sum(film.shots)))
    return [
        tuple(_timecode(frame / film.frame_rate) for frame in scene)
        for scene in scenes
    ]


def _timecode(seconds):
    # Rounded down: a scene must not end behind its film.
    milliseconds = math.floor(seconds * 1000)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    whole, milliseconds = divmod(milliseconds, 1000)
    return f"{hours:02d}:{minutes:02d}:{whole:02d}.{milliseconds:03d}"


def _write_csv(path, columns, rows):
    unfinished = path.with_name(f".{path.name}.unfinished")
    with open(unfinished, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)
    os.replace(unfinished, path)


# ---- One film.

# Left alone, x264 codes what moves fast otherwise than what moves slowly, and
# one frame's sharpness would tell the genre. So: one order of frames, one
# quantizer for all, no short cuts for what has hardly changed, no smoothing.
ENCODING = (
    "bframes=3",
    "b-adapt=0",
    "ipratio=1",
    "pbratio=1",
    "aq-mode=0",
    "mbtree=0",
    "no-dct-decimate=1",
    "no-fast-pskip=1",
    "no-deblock=1",
    "deadzone-inter=14",
)


def draw_film(film):
    """Draws one film, unless a finished one of the same settings lies there.

    Args:
        film: A `Film`.

    Raises:
        OSError: If the film cannot be written.
    """
    cv2.setNumThreads(1)  # the films share the cores, not the pixels
    if _is_drawn(film):
        return
    unfinished = film.path.with_name(f".{film.path.name}.unfinished")
    try:
        _write_video(unfinished, film)
        os.replace(unfinished, film.path)
    except (av.error.FFmpegError, OSError) as error:
        unfinished.unlink(missing_ok=True)
        # Plain words: errors of FFmpeg do not travel between processes.
        raise OSError(f"Cannot write {film.path}: {error}") from None


def _is_drawn(film):
    if not film.path.is_file():
        return False
    try:
        with av.open(str(film.path)) as container:
            return container.metadata.get("comment") == film.settings
    except (av.error.FFmpegError, OSError):
        return False


def _write_video(path, film):
    with av.open(str(path), "w", format="mp4") as container:
        container.metadata["comment"] = film.settings
        stream = container.add_stream("libx264", rate=film.frame_rate)
        stream.width, stream.height = film.size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        stream.options = {"qp": "16", "preset": "veryfast"}
        stream.options |= {"x264-params": ":".join(ENCODING)}
        for picture in film_frames(film):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def film_frames(film):
    """Draws the frames of a film, one after the other.

    Args:
        film: A `Film`.

    Yields:
        uint8 arrays (height, width, 3), RGB.
    """
    style = STYLES[film.genre]
    world = World(style.world, film.number, film.seed)
    kinds = world.rng("kinds").permutation(len(SCENERY[style.world]))
    starts = [0, *film.cuts]
    holds = _holds(film.shots, starts) if style.on_twos else None
    for shot, (start, length) in enumerate(
        zip(starts, film.shots, strict=True)
    ):
        # Twins share what `layout` decides; `own` is the film's alone.
        layout = world.rng("shot", shot)
        own = _generator(film.seed, film.genre, film.number, "shot", shot)
        paint = SCENERY[style.world][kinds[shot % len(kinds)]]
        pieces = paint(world, layout)
        camera = Camera(layout)
        clock = own.uniform(0, 100 * PERIOD)
        pace = own.uniform(style.slowest, style.fastest)
        swell, phase = layout.uniform(0.05, 0.2), own.uniform(0, 2 * math.pi)
        for number in range(start, start + length):
            held = number - (number + holds[shot]) % 2 if holds else number
            time = clock + pace * (
                held - start + swell * 5 * math.sin((held - start) / 5 + phase)
            )
            picture = _compose(pieces, camera, time)
            if world.grain is not None:
                picture = _add_grain(picture, world.grain, own)
            yield cv2.resize(picture, film.size, interpolation=cv2.INTER_AREA)


def _holds(lengths, starts):
    """Chooses for each shot which of two frames repeats the other.

    A pair begins at an odd frame. Were a new drawing always at an even frame,
    every pair would move; were it at an odd one, none. So about half of the
    frames are to lie in shots of either kind.
    """

    def imbalance(holds):
        return abs(
            sum(
                length if hold else -length
                for length, hold in zip(lengths, holds, strict=True)
            )
        )

    return min(itertools.product((0, 1), repeat=len(starts)), key=imbalance)


def _compose(pieces, camera, clock):
    board = np.empty((BOARD_HEIGHT, BOARD_WIDTH, 3), np.uint8)
    for piece in pieces:
        piece(board, clock)
    return camera(board, clock)


def _add_grain(picture, grain, rng):
    row, column = (int(n) for n in rng.integers(0, 256, 2))
    window = grain[row : row + HEIGHT, column : column + WIDTH]
    return cv2.add(picture, window, dtype=cv2.CV_8U)


class Camera:
    """Cuts the frame out of the board, swaying and turning with the clock."""

    def __init__(self, rng):
        self.mirrored = rng.random() < 0.5
        self.sway = rng.uniform(2, 6, 2)
        self.turn = math.radians(rng.uniform(0.2, 0.8))
        self.lengths = rng.uniform(70, 130, 3)

    def __call__(self, board, clock):
        """Returns the frame (HEIGHT, WIDTH, 3) that the camera sees."""
        waves = np.sin(2 * np.pi * clock / self.lengths)
        angle = self.turn * waves[2]
        sine, cosine = math.sin(angle), math.cos(angle)
        turn = np.array([[cosine, -sine], [sine, cosine]])
        board_centre = np.array([BOARD_WIDTH, BOARD_HEIGHT]) / 2
        frame_centre = np.array([WIDTH, HEIGHT]) / 2
        shift = board_centre + self.sway * waves[:2] - turn @ frame_centre
        picture = cv2.warpAffine(
            board,
            np.column_stack([turn, shift]),
            (WIDTH, HEIGHT),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return cv2.flip(picture, 1) if self.mirrored else picture


class World:
    """What the shots of a film share: its palette, cast and textures."""

    def __init__(self, name, number, seed):
        self.name, self.number, self.seed = name, number, seed
        palettes = PALETTES[name]
        # Every seed meets the palettes in another order.
        order = _generator(seed, name, "palettes").permutation(len(palettes))
        rng = self.rng("world")
        tint = rng.uniform(0.94, 1.06, 3)
        self.palette = {
            key: np.clip(_rgb(colour) * tint, 0, 255)
            for key, colour in (
                item.split("=")
                for item in palettes[order[number % len(order)]].split()
            )
        }
        self.noise = _noise(rng, TEXTURE_HEIGHT, PERIOD)
        self.grain = None
        if name in ("day", "night"):
            grain = rng.normal(0, 1.6, (HEIGHT + 256, WIDTH + 256, 1))
            grain = np.repeat(np.round(grain), 3, axis=2)
            self.grain = grain.astype(np.int16)
        faces = rng.choice(len(FACES), 2, replace=False)
        self.cast = [Look(rng, face) for face in faces]
        self.rounded = rng.random() < 0.5
        self.window = rng.uniform(7, 12, 2)

    def rng(self, *words):
        """Returns a generator that twins share."""
        return _generator(self.seed, self.name, self.number, *words)

    def __getitem__(self, key):
        """Returns a colour of the palette, float array (3,)."""
        return self.palette[key]

    def texture(self, rng):
        """Returns noise of -1 to 1, float32 (TEXTURE_HEIGHT, PERIOD, 1)."""
        shift = rng.integers(0, (TEXTURE_HEIGHT, PERIOD))
        return np.roll(self.noise, shift, axis=(0, 1))[..., np.newaxis]


class Look:
    """How a person looks."""

    def __init__(self, rng, face):
        self.skin, self.hair = map(_rgb, FACES[face])
        top, bottom = rng.choice(CLOTHES, 2, replace=False)
        self.top, self.bottom = _rgb(top), _rgb(bottom) * 0.8
        self.long_hair = rng.random() < 0.5
        self.dress = rng.random() < 0.4
        self.height = rng.uniform(0.92, 1.06)


# ---- Tools to draw with.


def _rgb(colour):
    return np.array(
        [int(colour[place : place + 2], 16) for place in (1, 3, 5)], float
    )


def _mix(colour, other, share):
    return colour + (other - colour) * share


def _noise(rng, height, width):
    """Returns cloudy noise of -1 to 1 that repeats both ways."""
    total = np.zeros((height, width), np.float32)
    for cell, weight in ((64, 0.7), (32, 0.7), (16, 0.8), (8, 0.8), (4, 0.7)):
        rows, columns = -(-height // cell), -(-width // cell)
        grid = rng.normal(0, weight, (rows, columns)).astype(np.float32)
        grid = np.pad(grid, 2, mode="wrap")
        size = ((columns + 4) * cell, (rows + 4) * cell)
        fine = cv2.resize(grid, size, interpolation=cv2.INTER_CUBIC)
        total += fine[2 * cell : 2 * cell + height, 2 * cell : 2 * cell + width]
    return np.clip(total / 2.5, -1, 1)


class Canvas:
    """Draws shapes onto a picture, or onto a sheet that repeats sideways.

    Args:
        image: uint8 array (height, width, 3) to draw on.
        cover: uint8 array (height, width), drawn 255 where a shape is.
        scale: Integer, how many pixels of `image` a unit of length is.
        period: After how many units the sheet repeats; `None` for never.
        ink: Colour of an outline around each shape, or `None`.
    """

    def __init__(self, image, cover=None, scale=1, period=None, ink=None):
        self.planes = [image] if cover is None else [image, cover]
        self.scale, self.period, self.ink = scale, period, ink

    def polygon(self, points, colour, outline=2.4):
        """Fills a polygon, points (n, 2)."""
        for copy in self._copies(np.asarray(points, float)):
            self._fill(copy, colour)
            if self.ink is not None and outline:
                self._stroke(copy, self.ink, outline, True)

    def ellipse(self, centre, radii, colour, turn=0.0, outline=2.4):
        """Fills an ellipse, turned by an angle in radians."""
        angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        points = np.stack([np.cos(angles), np.sin(angles)], 1) * radii
        if turn:
            sine, cosine = math.sin(turn), math.cos(turn)
            points = points @ np.array([[cosine, sine], [-sine, cosine]])
        self.polygon(points + centre, colour, outline)

    def rectangle(self, left, top, right, bottom, colour, outline=2.4):
        """Fills an upright rectangle."""
        corners = ((left, top), (right, top), (right, bottom), (left, bottom))
        self.polygon(corners, colour, outline)

    def line(self, points, colour, width):
        """Draws a line through points (n, 2), with round ends."""
        for copy in self._copies(np.asarray(points, float)):
            if self.ink is not None:
                self._stroke(copy, self.ink, width + 4, False)
            self._stroke(copy, colour, width, False)

    def _copies(self, points):
        if self.period is None:
            return [points]
        left, right = points[:, 0].min() - 20, points[:, 0].max() + 20
        if right - left > self.period:
            return [points]
        # A shape that crosses the sheet's edge comes in again on the other.
        first = math.ceil(-right / self.period)
        last = math.floor((self.period - left) / self.period)
        return [
            points + (turn * self.period, 0) for turn in range(first, last + 1)
        ]

    def _fill(self, points, colour):
        points = np.round(points * (self.scale * 16)).astype(np.int32)
        for plane, value in zip(self.planes, _values(colour), strict=False):
            cv2.fillPoly(plane, [points], value, cv2.LINE_AA, 4)

    def _stroke(self, points, colour, width, closed):
        points = np.round(points * (self.scale * 16)).astype(np.int32)
        width = max(1, round(width * self.scale))
        for plane, value in zip(self.planes, _values(colour), strict=False):
            cv2.polylines(plane, [points], closed, value, width, cv2.LINE_AA, 4)


def _values(colour):
    return tuple(float(value) for value in colour), 255.0


class Sheet(Canvas):
    """A transparent strip of scenery, drawn twice as large and then reduced.

    Args:
        top: The board's row that the strip's first row lies on.
        bottom: The board's row behind its last.
        ink: Colour of an outline around each shape, or `None`.
    """

    def __init__(self, top, bottom, ink=None):
        self.top = int(top)
        rows = int(bottom) - self.top
        image = np.zeros((2 * rows, 2 * PERIOD, 3), np.uint8)
        cover = np.zeros((2 * rows, 2 * PERIOD), np.uint8)
        super().__init__(image, cover, 2, PERIOD, ink)

    def _copies(self, points):
        return super()._copies(points - (0, self.top))

    def layer(self, speed, texture=None, amount=0.2, blur=0.0, cover=1.0):
        """Returns the strip as a `Layer`.

        Args:
            speed: Pixels it moves while the clock goes on by 1.
            texture: Noise from `World.texture`, or `None`.
            amount: How much the noise lightens and darkens the strip.
            blur: Standard deviation of a blur, in pixels.
            cover: How much of what lies behind the strip hides, 0 to 1.
        """
        rows = self.planes[0].shape[0] // 2
        image, alpha = (
            cv2.resize(plane, (PERIOD, rows), interpolation=cv2.INTER_AREA)
            for plane in self.planes
        )
        if blur:
            image, alpha = (_blurred(plane, blur) for plane in (image, alpha))
        image = image.astype(np.float32) * cover
        if texture is not None:
            image *= 1 + amount * texture[:rows]
        clear = 255 - alpha.astype(np.float32)[..., np.newaxis] * cover
        image = np.clip(image, 0, 255 - clear)
        return Layer(image, clear, self.top, speed)


def _blurred(plane, sigma):
    wrapped = cv2.copyMakeBorder(plane, 0, 0, 60, 60, cv2.BORDER_WRAP)
    return cv2.GaussianBlur(wrapped, (0, 0), sigma)[:, 60:-60]


class Layer:
    """A strip of scenery that moves sideways with the clock, for ever.

    Args:
        image: Array (rows, PERIOD, 3), colour where the strip covers.
        clear: Array (rows, PERIOD, 1), 255 where what lies behind shows.
        top: The board's row of the strip's first row.
        speed: Pixels it moves while the clock goes on by 1.
    """

    def __init__(self, image, clear, top, speed):
        def wrapped(plane):
            plane = np.broadcast_to(plane, image.shape)
            plane = np.round(plane).astype(np.uint8)
            return np.concatenate([plane, plane[:, : BOARD_WIDTH + 1]], 1)

        self.image, self.clear = wrapped(image), wrapped(clear)
        self.top, self.speed = top, speed

    def __call__(self, board, clock):
        """Paints the strip onto the board."""
        column, part = divmod((clock * self.speed) % PERIOD, 1)
        rows = board[self.top : self.top + len(self.image)]
        image, clear = (
            cv2.addWeighted(
                plane[:, int(column) : int(column) + BOARD_WIDTH],
                1 - part,
                plane[:, int(column) + 1 : int(column) + 1 + BOARD_WIDTH],
                part,
                0,
            )[: len(rows)]
            for plane in (self.image, self.clear)
        )
        cv2.multiply(rows, clear, rows, scale=1 / 255)
        cv2.add(rows, image, rows)


class Backdrop:
    """A picture behind everything, which does not move."""

    def __init__(self, image):
        self.image = np.clip(np.round(image), 0, 255).astype(np.uint8)

    def __call__(self, board, clock):
        """Paints the picture onto the board."""
        board[:] = self.image


def _gradient(top, bottom, horizon):
    share = np.clip(np.arange(BOARD_HEIGHT) / horizon, 0, 1) ** 1.3
    column = top + (bottom - top) * share[:, np.newaxis]
    return np.tile(column[:, np.newaxis].astype(np.float32), (BOARD_WIDTH, 1))


@functools.lru_cache(maxsize=64)
def _glow(radius, colour, strength):
    line = np.linspace(-1, 1, 2 * radius)
    distance = np.hypot(line, line[:, np.newaxis])
    light = strength * np.clip(1 - distance, 0, 1) ** 2
    return (light[..., np.newaxis] * np.array(colour)).astype(np.uint8)


def _add_glow(board, centre, radius, colour, strength=0.6):
    light = _glow(int(radius), tuple(colour), strength)
    left, top = (round(float(place)) - int(radius) for place in centre)
    rows = slice(max(top, 0), max(top + len(light), 0))
    columns = slice(max(left, 0), max(left + len(light), 0))
    part = board[rows, columns]
    row, column = rows.start - top, columns.start - left
    light = light[row : row + part.shape[0], column : column + part.shape[1]]
    if part.size:
        board[rows, columns] = cv2.add(part, light)


def _spread(rng, count, jitter=0.35):
    """Returns places along a strip: irregular, but no two in one spot."""
    places = np.arange(count) + rng.uniform(-jitter, jitter, count)
    return places * (PERIOD / count)


# ---- By day: action and romance.


def _paint_city(world, rng):
    horizon = int(rng.integers(165, 185))
    return [
        _sky(world, rng, horizon),
        _clouds(world, rng, horizon),
        _buildings(world, rng, horizon, 0.3, 0.65, (60, 130)),
        _buildings(world, rng, horizon + 20, 0.6, 0.1, (50, 150)),
        _street(world, rng, horizon + 18),
        _trees(world, rng, horizon + 34, 0.8, 60, 9),
        _traffic(world, rng, horizon + 56),
        Walkers(world, rng, BOARD_HEIGHT - 18, 108),
        _lamps(world, rng),
    ]


def _paint_seaside(world, rng):
    horizon = int(rng.integers(120, 140))
    return [
        _sky(world, rng, horizon, low=True),
        _clouds(world, rng, horizon),
        _hills(world, rng, horizon + 2, 0.2, world["far"], 22),
        *_sea(world, rng, horizon),
        _sailing_boats(world, rng, horizon + 22),
        _ground(world, rng, horizon + 82, 0.9, world["ground"]),
        _palms(world, rng),
        Walkers(world, rng, BOARD_HEIGHT - 20, 112),
    ]


def _paint_country(world, rng):
    horizon = int(rng.integers(140, 160))
    meadow = _mix(world["leaf"], world["ground"], 0.35)
    return [
        _sky(world, rng, horizon),
        _clouds(world, rng, horizon),
        _mountains(world, rng, horizon),
        _hills(
            world,
            rng,
            horizon + 4,
            0.35,
            _mix(world["leaf"], world["far"], 0.6),
            34,
        ),
        _hills(
            world,
            rng,
            horizon + 26,
            0.6,
            _mix(world["leaf"], world["far"], 0.25),
            24,
        ),
        _trees(world, rng, horizon + 40, 0.7, 44, 13),
        _ground(world, rng, horizon + 34, 0.9, meadow),
        Walkers(world, rng, BOARD_HEIGHT - 26, 100),
        _fence(world, rng),
    ]


def _paint_portrait(world, rng):
    horizon = int(rng.integers(180, 210))
    return [
        _sky(world, rng, horizon),
        _clouds(world, rng, horizon),
        _buildings(world, rng, horizon + 30, 0.45, 0.5, (70, 150), blur=2.5),
        _trees(world, rng, horizon + 40, 0.75, 80, 8, blur=2.5),
        _ground(world, rng, horizon + 30, 1.0, world["ground"]),
        *_two_heads(world, rng),
    ]


def _sky(world, rng, horizon, low=False):
    image = _gradient(world["sky_top"], world["sky_low"], horizon)
    column = rng.uniform(0.15, 0.85) * BOARD_WIDTH
    row = horizon - (rng.uniform(22, 40) if low else rng.uniform(60, 110))
    columns, rows = np.meshgrid(np.arange(BOARD_WIDTH), np.arange(BOARD_HEIGHT))
    distance = np.hypot(columns - column, rows - row)[..., np.newaxis]
    halo = 0.75 * np.exp(-distance / 60) + 0.25 * np.exp(-distance / 16)
    disc = np.clip(19 - distance, 0, 1)
    image = _mix(image, world["sun"], np.clip(np.maximum(halo, disc), 0, 1))
    return Backdrop(image)


def _clouds(world, rng, horizon):
    cover = np.clip(_drifts(world, rng, horizon) * 1.3 - 0.15, 0, 0.8)
    colour = _mix(world["sky_low"], np.full(3, 255.0), 0.6)
    return Layer(colour * cover, 255 * (1 - cover), 0, 0.15)


def _drifts(world, rng, height):
    """Returns noise in long flat drifts that end above and below."""
    noise = world.texture(rng)[: int(height * 2.2)]
    flat = cv2.resize(noise, (PERIOD, height), interpolation=cv2.INTER_AREA)
    flat = _blurred(flat, 3) * 1.7
    return (flat * np.sin(np.linspace(0, np.pi, height))[:, None])[..., None]


def _buildings(world, rng, base, speed, haze, heights, blur=0.0):
    sheet = Sheet(base - heights[1] - 24, min(base + 30, BOARD_HEIGHT))
    left = 0.0
    while left < PERIOD - 40:
        width = rng.uniform(42, 90)
        if PERIOD - left - width < 40:
            width = PERIOD - left
        top = base - rng.uniform(*heights)
        wall = _mix(world["near"], world["ground"], rng.uniform(0, 0.7))
        wall = _mix(wall * rng.uniform(0.75, 1.15), world["far"], haze)
        _building(sheet, world, rng, (left, top, left + width, base + 30), wall)
        left += width
    return sheet.layer(speed, world.texture(rng), 0.16, blur)


def _building(sheet, world, rng, box, wall):
    left, top, right, bottom = box
    sheet.rectangle(left, top, right, bottom, wall)
    sheet.rectangle(right - 7, top, right, bottom, wall * 0.8)
    roof = rng.integers(0, 3)
    if roof == 0:
        peak = (
            (left - 2, top),
            ((left + right) / 2, top - 18),
            (right + 2, top),
        )
        sheet.polygon(peak, wall * 0.7)
    elif roof == 1:
        middle = rng.uniform(left + 10, right - 10)
        sheet.line(((middle, top), (middle, top - 20)), wall * 0.6, 1.5)
    else:
        sheet.rectangle(left - 2, top - 4, right + 2, top + 3, wall * 0.7)
    wide, high = world.window
    lit = _mix(world["sun"], wall, 0.2)
    dark = _mix(wall * 0.55, world["sky_top"], 0.25)
    for column in np.arange(left + 7, right - 8 - wide, wide + 6):
        for row in np.arange(top + 9, bottom - high, high + 8):
            glass = lit if rng.random() < 0.25 else dark
            sheet.rectangle(column, row, column + wide, row + high, glass)


def _street(world, rng, top):
    sheet = Sheet(top, BOARD_HEIGHT)
    road, kerb = world["road"], _mix(world["ground"], world["far"], 0.4)
    sheet.rectangle(-50, top, PERIOD + 50, BOARD_HEIGHT, kerb)
    sheet.rectangle(-50, top + 18, PERIOD + 50, top + 52, road)
    for place in _spread(rng, 16, 0.0):
        line = ((place, top + 34), (place + 34, top + 34))
        sheet.line(line, _mix(road, np.full(3, 255.0), 0.7), 2)
    for place in _spread(rng, 24, 0.1):
        slab = ((place, top + 56), (place - 26, BOARD_HEIGHT))
        sheet.line(slab, kerb * 0.82, 1.2)
    for row in (top + 53, top + 66, top + 86):
        sheet.line(((-50, row), (PERIOD + 50, row)), kerb * 0.8, 1.2)
    return sheet.layer(0.95, world.texture(rng), 0.2)


def _trees(world, rng, base, speed, height, count, blur=0.0):
    sheet = Sheet(base - height * 1.6, min(base + 4, BOARD_HEIGHT))
    for place in _spread(rng, count):
        tall = height * rng.uniform(0.75, 1.1)
        bark = _mix(world["near"], np.zeros(3), 0.45)
        trunk = ((place, base + 2), (place + 1, base - tall * 0.6))
        sheet.line(trunk, bark, max(2.5, tall / 14))
        leaf = world["leaf"] * rng.uniform(0.8, 1.1)
        if world.rounded:
            _round_crown(sheet, rng, place, base - tall, tall * 0.36, leaf)
        else:
            _pointed_crown(sheet, place, base - tall * 0.25, tall, leaf)
    texture = world.texture(rng)
    return sheet.layer(speed, texture, 0.35, blur)


def _round_crown(sheet, rng, column, row, radius, leaf):
    for shade, shift in ((0.75, 3), (1.0, 0), (1.18, -4)):
        for _ in range(7):
            spot = rng.uniform(-0.75, 0.75, 2) * radius + (column, row + shift)
            radii = np.full(2, radius * rng.uniform(0.3, 0.55))
            sheet.ellipse(spot + (shift / 2, 0), radii, leaf * shade)


def _pointed_crown(sheet, column, base, height, leaf):
    for step in range(4):
        wide = height * (0.3 - 0.06 * step)
        low = base - step * height * 0.22
        tip = (column, low - height * 0.42)
        sheet.polygon(((column - wide, low), tip, (column + wide, low)), leaf)
        shadow = ((column, low), tip, (column + wide, low))
        sheet.polygon(shadow, leaf * 0.78)


def _traffic(world, rng, row):
    sheet = Sheet(row - 50, row + 6)
    for place in _spread(rng, 5):
        paint = _rgb(rng.choice(CLOTHES))
        (_van if rng.random() < 0.35 else _car)(sheet, world, place, row, paint)
    return sheet.layer(0.45, world.texture(rng), 0.08)


def _car(sheet, world, left, row, paint):
    body = ((0, -4), (1, -16), (14, -19), (27, -32), (56, -32), (68, -19))
    body = np.array((*body, (84, -16), (86, -4))) + (left, row)
    sheet.polygon(body, paint)
    glass = np.array(((20, -19), (29, -29), (41, -29), (41, -19)))
    for window in (glass, glass * (-1, 1) + (85, 0)):
        tint = _mix(world["sky_low"], paint, 0.25)
        sheet.polygon(window + (left, row), tint)
    sheet.rectangle(left, row - 9, left + 86, row - 5, paint * 0.75)
    sheet.ellipse((left + 83, row - 12), (2.5, 2.5), np.array((255, 244, 200)))
    _wheels(sheet, (left + 18, left + 68), row, 8)


def _van(sheet, world, left, row, paint):
    body = ((0, -4), (0, -42), (4, -45), (72, -45), (86, -26), (94, -22))
    sheet.polygon(np.array((*body, (95, -4))) + (left, row), paint)
    for start in (8, 26, 44):
        box = (left + start, row - 38, left + start + 13, row - 26)
        sheet.rectangle(*box, _mix(world["sky_low"], paint, 0.2))
    front = np.array(((63, -38), (71, -38), (81, -26), (63, -26)))
    sheet.polygon(front + (left, row), _mix(world["sky_low"], paint, 0.2))
    sheet.rectangle(left, row - 18, left + 94, row - 14, paint * 0.7)
    _wheels(sheet, (left + 20, left + 74), row, 9)


def _wheels(sheet, columns, row, radius):
    for column in columns:
        centre = (column, row - radius / 2)
        sheet.ellipse(centre, (radius, radius), np.array((34, 33, 38)))
        hub = (radius * 0.45, radius * 0.45)
        sheet.ellipse(centre, hub, np.array((170, 170, 175)))


def _lamps(world, rng):
    sheet = Sheet(40, BOARD_HEIGHT)
    iron = world["road"] * 0.45
    for place in _spread(rng, 3):
        post = ((place, BOARD_HEIGHT), (place, 70), (place + 26, 62))
        sheet.line(post, iron, 4.5)
        sheet.ellipse((place + 32, 66), (11, 6), iron)
        sheet.ellipse((place + 32, 69), (8, 4), world["sun"])
        sheet.rectangle(place - 5, 240, place + 5, BOARD_HEIGHT, iron)
    return sheet.layer(1.35)


def _hills(world, rng, base, speed, colour, height):
    sheet = Sheet(base - height, BOARD_HEIGHT)
    sheet.polygon(_ridge(rng, base, height), colour)
    return sheet.layer(speed, world.texture(rng), 0.22)


def _ridge(rng, base, height, waves=(2, 3, 5, 8)):
    """Returns the outline of hills that repeats, down to the board's foot."""
    columns = np.arange(-40, PERIOD + 41, 4)
    angles = 2 * np.pi * columns / PERIOD
    rise = sum(
        np.sin(wave * angles + rng.uniform(0, 2 * np.pi)) / wave**0.7
        for wave in waves
    )
    rows = base - height * 0.5 * (1 + rise / np.abs(rise).max())
    foot = (PERIOD + 40, BOARD_HEIGHT + 20), (-40, BOARD_HEIGHT + 20)
    return np.concatenate([np.stack([columns, rows], 1), foot])


def _mountains(world, rng, horizon):
    sheet = Sheet(horizon - 105, horizon + 30)
    rock = _mix(world["far"], world["sky_low"], 0.25)
    snow = _mix(world["sky_low"], np.full(3, 255.0), 0.6)
    for place in rng.permutation(_spread(rng, 9)):
        high, wide = rng.uniform(50, 100), rng.uniform(80, 120)
        tip = np.array((place, horizon - high))
        foot = horizon + 20
        left, right = (place - wide, foot), (place + wide, foot)
        sheet.polygon((left, tip, right), rock)
        bend = (place + wide * 0.15, foot)
        sheet.polygon((tip, right, bend), rock * 0.82)
        cap = np.array(((0, 0), (0.3, 1), (0.1, 0.8), (-0.08, 1.1), (-0.3, 1)))
        slope = np.array((wide * 0.85 / (high + 20) * high, high)) * 0.3
        sheet.polygon(tip + cap * slope * (1.15, 1), snow)
    return sheet.layer(0.18, world.texture(rng), 0.2)


def _ground(world, rng, top, speed, colour):
    sheet = Sheet(top, BOARD_HEIGHT)
    sheet.rectangle(-50, top, PERIOD + 50, BOARD_HEIGHT, colour)
    for _ in range(90):
        row = top + (BOARD_HEIGHT - top) * rng.uniform(0.05, 1) ** 1.5
        size = 0.3 + (row - top) / (BOARD_HEIGHT - top)
        spot = (rng.uniform(0, PERIOD), row)
        shade = colour * rng.choice((0.84, 0.9, 1.1))
        sheet.ellipse(spot, (rng.uniform(8, 26) * size, 2.4 * size), shade)
    return sheet.layer(speed, world.texture(rng), 0.22)


def _sea(world, rng, horizon):
    """Returns strips of water, each nearer one faster."""
    water = _mix(world["sky_top"], world["sky_low"], 0.25) * 0.85
    layers = []
    for top, bottom, speed in ((0, 26, 0.3), (22, 58, 0.5), (52, 96, 0.75)):
        sheet = Sheet(horizon + top, horizon + bottom)
        share = speed - 0.3
        colour = _mix(water, water * 0.8, share)
        crest = _ridge(rng, horizon + top + 3, 3 if top else 0, (9, 14, 23))
        sheet.polygon(crest, colour)
        for _ in range(70):
            column = rng.uniform(0, PERIOD)
            row = horizon + rng.uniform(top + 5, bottom)
            wave = (
                (column, row),
                (column + rng.uniform(8, 30) * speed * 2, row),
            )
            light = _mix(colour, world["sun"], rng.uniform(0.1, 0.6))
            sheet.line(wave, light, 1 + speed)
        texture = world.texture(rng)
        layers.append(sheet.layer(speed, texture, 0.22))
    return layers


def _sailing_boats(world, rng, row):
    sheet = Sheet(row - 62, row + 10)
    for place in _spread(rng, 5):
        size = rng.uniform(0.7, 1.1)
        hull = np.array(((-22, -6), (24, -6), (15, 5), (-15, 5))) * size
        sail = np.array(((1, -9), (1, -56), (24, -11))) * size
        jib = np.array(((-2, -10), (-2, -46), (-18, -10))) * size
        spot = (place, row)
        cloth = _mix(_rgb(rng.choice(CLOTHES)), np.full(3, 250.0), 0.6)
        sheet.polygon(sail + spot, cloth)
        sheet.polygon(jib + spot, cloth * 0.85)
        sheet.polygon(hull + spot, world["near"] * 0.7)
        mast = ((place, row - 6 * size), (place, row - 58 * size))
        sheet.line(mast, world["near"] * 0.5, 1.5)
    return sheet.layer(0.42)


def _palms(world, rng):
    sheet = Sheet(40, BOARD_HEIGHT)
    for place in _spread(rng, 4):
        lean = rng.uniform(-26, 26)
        foot, top = rng.uniform(226, 250), rng.uniform(80, 110)
        steps = np.linspace(0, 1, 9)
        columns = place + lean * steps**2
        trunk = np.stack([columns, foot + (top - foot) * steps], 1)
        sheet.line(trunk, world["near"] * 0.6, 5)
        for angle in np.linspace(-0.4, np.pi + 0.4, 8):
            _frond(sheet, trunk[-1], angle, rng.uniform(38, 52), world["leaf"])
    return sheet.layer(1.1, world.texture(rng), 0.25)


def _frond(sheet, root, angle, length, leaf):
    steps = np.linspace(0, 1, 8)[:, np.newaxis]
    spread = np.array((math.cos(angle), -math.sin(angle) * 0.7))
    spine = root + steps * length * spread + steps**2 * (0, length * 0.55)
    thick = 6 * np.sin(np.pi * np.clip(steps + 0.08, 0, 1)) * (0, 1)
    outline = np.concatenate([spine - thick * 0.4, (spine + thick)[::-1]])
    sheet.polygon(outline, leaf * (0.75 + 0.3 * math.sin(angle)))


def _fence(world, rng):
    sheet = Sheet(BOARD_HEIGHT - 54, BOARD_HEIGHT)
    wood = _mix(world["near"], world["ground"], 0.4) * 0.8
    for row in (BOARD_HEIGHT - 38, BOARD_HEIGHT - 18):
        sheet.line(((-50, row), (PERIOD + 50, row)), wood, 4)
    for place in _spread(rng, 16, 0.05):
        top = BOARD_HEIGHT - 48
        sheet.rectangle(place - 4, top, place + 4, BOARD_HEIGHT, wood * 0.88)
        sheet.rectangle(place - 4, top, place - 1, BOARD_HEIGHT, wood * 1.1)
    return sheet.layer(1.4, world.texture(rng), 0.25)


class Walkers:
    """Two people whom the camera goes along with, their feet on the ground.

    They stride as far as the ground moves: fast, they run; slow, they stroll.
    """

    def __init__(self, world, rng, foot, height):
        self.cast, self.foot, self.height = world.cast, foot, height
        self.column = rng.uniform(0.3, 0.7) * BOARD_WIDTH
        self.gap = rng.uniform(42, 62)
        self.phases = rng.uniform(0, 2 * np.pi, 3)

    def __call__(self, board, clock):
        """Paints both onto the board."""
        canvas = Canvas(board)
        sway = 46 * math.sin(2 * math.pi * clock / 620 + self.phases[2])
        for place, look in enumerate(self.cast):
            phase = 2 * math.pi * clock / 104 + self.phases[place]
            column = self.column + sway + (place - 0.5) * self.gap
            height = self.height * look.height
            spot = np.array((column, self.foot + 4 * place))
            _draw_person(canvas, look, spot, height, phase)


def _draw_person(canvas, look, foot, height, phase):
    """Draws a person who walks to the right."""
    hip = foot - (0, height * (0.49 + 0.012 * math.cos(2 * phase)))
    neck = hip - (-0.03 * height, 0.33 * height)
    shadow = foot + (0, 1)
    canvas.ellipse(shadow, (height * 0.24, height * 0.03), (58, 52, 56))
    _arm(canvas, look, neck, height, phase + np.pi, 0.7)
    _leg(canvas, look, hip, height, phase + np.pi, 0.72)
    _leg(canvas, look, hip, height, phase, 1.0)
    _torso(canvas, look, hip, neck, height)
    _arm(canvas, look, neck, height, phase, 1.12)
    _head(canvas, look, neck, height)


def _leg(canvas, look, hip, height, phase, shade):
    swing = 0.62 * math.sin(phase)
    bend = 0.12 + 0.85 * max(0.0, math.cos(phase)) ** 1.5
    knee = hip + _reach(swing, 0.25 * height)
    ankle = knee + _reach(swing - bend, 0.23 * height)
    colour = (look.skin if look.dress else look.bottom) * shade
    canvas.line((hip, knee), colour, height * 0.085)
    canvas.line((knee, ankle), colour, height * 0.065)
    toe = ankle + _reach(swing - bend + np.pi / 2 - 0.1, 0.055 * height)
    canvas.line((ankle, toe), np.array((52, 44, 46)), height * 0.05)


def _arm(canvas, look, neck, height, phase, shade):
    swing = -0.75 * math.sin(phase)
    shoulder = neck + (0, 0.035 * height)
    elbow = shoulder + _reach(swing, 0.16 * height)
    hand = elbow + _reach(swing + 0.7, 0.15 * height)
    canvas.line((shoulder, elbow), look.top * shade, height * 0.062)
    canvas.line((elbow, hand), look.top * shade, height * 0.052)
    canvas.ellipse(hand, np.full(2, height * 0.028), look.skin)


def _reach(angle, length):
    return np.array((math.sin(angle), math.cos(angle))) * length


def _torso(canvas, look, hip, neck, height):
    corners = ((-0.075, 0.02), (-0.085, -0.02), (0.085, -0.02), (0.075, 0.02))
    corners = np.array(corners) * height
    body = np.array([hip + corners[0], neck + corners[1], neck + corners[2]])
    body = np.vstack([body, hip + corners[3]])
    canvas.polygon(body, look.top)
    side = np.array([body[0], body[1], (body[1] + body[2]) / 2])
    side = np.vstack([side, (body[0] * 2 + body[3]) / 3])
    canvas.polygon(side, look.top * 0.82)
    if look.dress:
        hem = hip + np.array(((0.16, 0.2), (-0.16, 0.2))) * height
        canvas.polygon(np.vstack([body[0], body[3], hem]), look.top)
    else:
        canvas.line((body[0], body[3]), look.bottom, height * 0.04)


def _head(canvas, look, neck, height):
    radius = 0.075 * height
    centre = neck - (-0.012 * height, 0.105 * height)
    canvas.line((neck, centre), look.skin * 0.85, height * 0.05)
    hair = centre - (0.2 * radius, 0.12 * radius)
    if look.long_hair:
        tail = ((-1, -0.3), (-1.25, 1.6), (-0.2, 1.7), (0.2, 0))
        canvas.polygon(centre + np.array(tail) * radius, look.hair * 0.85)
    canvas.ellipse(hair, (1.12 * radius, 1.18 * radius), look.hair)
    face = centre + (0.2 * radius, 0.16 * radius)
    canvas.ellipse(face, (0.82 * radius, 0.95 * radius), look.skin)
    eye = centre + (0.62 * radius, 0.02 * radius)
    canvas.ellipse(eye, np.full(2, 0.13 * radius), (45, 32, 32))


def _two_heads(world, rng):
    heads = []
    for place, look in enumerate(world.cast):
        column = BOARD_WIDTH * (0.31 if place == 0 else 0.69)
        row = 140 + rng.uniform(-14, 14)
        picture = _bust(look, world, rng)
        heads.append(Cutout(picture, (column, row), rng, flipped=place == 1))
    return heads


def _bust(look, world, rng):
    """Returns a sheet with head and shoulders that look to the right."""
    sheet = Sheet(0, 320)
    skin, hair = look.skin, look.hair
    if look.long_hair:
        back = ((-58, -20), (-70, 60), (-56, 130), (40, 130), (20, 0))
        sheet.polygon(np.array(back) + (200, 110), hair * 0.8)
    sheet.polygon(_shoulders() + (200, 110), look.top)
    sheet.polygon(_shoulders()[:4] + (200, 110), look.top * 0.85)
    neck = np.array(((-24, 20), (24, 20), (30, 92), (0, 108), (-30, 92)))
    sheet.polygon(neck + (200, 110), skin * 0.82)
    sheet.ellipse((196, 96), (58, 66), hair)
    for share in np.linspace(0, 1, 6):
        tone = skin * (0.86 + 0.16 * share)
        spot = (204 + 5 * share, 112 - 4 * share)
        sheet.ellipse(spot, (49 - 7 * share, 57 - 7 * share), tone)
    fringe = ((-54, -8), (-46, -52), (4, -70), (52, -44), (50, -26), (10, -40))
    fringe = np.array((*fringe, (-30, -24), (-40, 12)))
    sheet.polygon(fringe + (202, 110), hair)
    sheet.ellipse((157, 120), (9, 14), skin * 0.85)
    _face(sheet, skin, hair)
    return sheet.layer(0, world.texture(rng), 0.06)


def _shoulders():
    return np.array(
        ((-120, 215), (-112, 130), (-84, 100), (-26, 84), (26, 84), (76, 100))
        + ((104, 130), (112, 215))
    )


def _face(sheet, skin, hair):
    for column, wide in ((200, 9), (234, 8)):
        sheet.ellipse((column, 108), (wide, 6.5), (250, 247, 242))
        sheet.ellipse((column + 3, 108), (4.6, 5.4), (72, 52, 44))
        sheet.ellipse((column + 3, 108), (2.2, 2.6), (18, 14, 14))
        sheet.ellipse((column + 4.5, 106), (1.2, 1.2), (255, 255, 255))
        lid = ((column - 9, 105), (column, 101), (column + 9, 105))
        sheet.line(lid, hair * 0.6, 2)
        brow = ((column - 11, 95), (column, 91), (column + 10, 94))
        sheet.line(brow, hair * 0.8, 3.2)
    nose = ((222, 108), (229, 126), (219, 129))
    sheet.line(nose, skin * 0.72, 2.4)
    sheet.polygon(((206, 143), (219, 140), (232, 143), (219, 151)), skin * 0.62)
    sheet.line(((204, 143), (219, 145), (233, 142)), skin * 0.45, 1.6)
    sheet.ellipse((190, 130), (9, 6), _mix(skin, np.array((220, 90, 80)), 0.2))


class Cutout:
    """A small picture that hovers, sways and leans as the clock goes on."""

    def __init__(self, layer, centre, rng, size=1.0, flipped=False):
        columns = slice(0, 400)
        self.image = np.ascontiguousarray(layer.image[:, columns])
        self.clear = np.ascontiguousarray(layer.clear[:, columns])
        if flipped:
            self.image, self.clear = (
                cv2.flip(plane, 1) for plane in (self.image, self.clear)
            )
        self.pivot = np.array((200, 160))
        self.centre, self.size = np.array(centre), size
        self.phases = rng.uniform(0, 2 * np.pi, 3)

    def __call__(self, board, clock):
        """Paints the picture onto the board."""
        lengths = np.array((150.0, 97.0, 190.0))
        waves = np.sin(2 * np.pi * clock / lengths + self.phases)
        angle = 0.05 * waves[2]
        sine, cosine = math.sin(angle), math.cos(angle)
        turn = self.size * np.array([[cosine, -sine], [sine, cosine]])
        shift = self.centre + (9, 5) * waves[:2] - turn @ self.pivot
        matrix = np.column_stack([turn, shift])
        size = (BOARD_WIDTH, BOARD_HEIGHT)
        image = cv2.warpAffine(self.image, matrix, size)
        clear = cv2.warpAffine(
            self.clear, matrix, size, borderValue=(255, 255, 255)
        )
        cv2.multiply(board, clear, board, scale=1 / 255)
        cv2.add(board, image, board)


# ---- By night: horror and science fiction.


def _paint_ridge(world, rng):
    horizon = int(rng.integers(165, 190))
    return [
        _night_sky(world, rng, horizon, moon=True),
        _mist(world, rng, 20, horizon, 0.15, 0.5),
        _towers(world, rng, horizon + 12, 0.35),
        _night_hills(world, rng, horizon + 8, 0.55, 0.35, 36),
        _bare_trees(world, rng, horizon + 44, 0.8, 62, 8),
        _night_hills(world, rng, horizon + 46, 0.85, 0.1, 26),
        _mist(world, rng, horizon - 20, BOARD_HEIGHT, 1.1, 0.55),
        Wanderer(world, rng, BOARD_HEIGHT - 22, 84),
        _bare_trees(world, rng, BOARD_HEIGHT + 10, 1.3, 150, 3),
    ]


def _paint_corridor(world, rng):
    return [Tunnel(_corridor_wall(world, rng), world, rng), Wisp(world, rng)]


def _paint_cave(world, rng):
    wall = _cave_wall(world, rng)
    return [Tunnel(wall, world, rng, round_wall=True), Wisp(world, rng)]


def _paint_hall(world, rng):
    return [
        _night_sky(world, rng, 200),
        _hall_wall(world, rng),
        _hall_floor(world, rng),
        _columns(world, rng, 0.95, 226, 17, world["stone"]),
        Wanderer(world, rng, BOARD_HEIGHT - 24, 104),
        _mist(world, rng, 190, BOARD_HEIGHT, 1.1, 0.3),
        _columns(world, rng, 1.35, BOARD_HEIGHT + 30, 27, world["ridge"]),
    ]


def _paint_void(world, rng):
    return [
        _night_sky(world, rng, BOARD_HEIGHT, moon=True),
        _mist(world, rng, 10, BOARD_HEIGHT - 10, 0.25, 0.6),
        _rocks(world, rng, 0.5, 12, (6, 15)),
        _vessel(world, rng),
        _rocks(world, rng, 0.9, 9, (12, 26)),
        _rocks(world, rng, 1.35, 4, (28, 46)),
    ]


def _night_sky(world, rng, horizon, moon=False):
    image = _gradient(world["sky_top"], world["sky_low"], horizon)
    canvas = np.zeros((2 * BOARD_HEIGHT, 2 * BOARD_WIDTH, 3), np.uint8)
    stars = Canvas(canvas, scale=2)
    for _ in range(150):
        spot = rng.uniform(0, BOARD_WIDTH), rng.uniform(0, horizon)
        light = _mix(world["glow"], np.full(3, 255.0), rng.uniform(0.2, 1))
        radius = rng.choice((0.5, 0.7, 1.1), p=(0.6, 0.3, 0.1))
        stars.ellipse(spot, (radius, radius), light * rng.uniform(0.3, 1))
    size = (BOARD_WIDTH, BOARD_HEIGHT)
    image += cv2.resize(canvas, size, interpolation=cv2.INTER_AREA)
    if moon:
        image = _moon(image, world, rng)
    return Backdrop(image)


def _moon(image, world, rng):
    radius = rng.uniform(26, 52)
    centre = rng.uniform((0.15, 0.2), (0.85, 0.4)) * (BOARD_WIDTH, BOARD_HEIGHT)
    columns, rows = np.meshgrid(np.arange(BOARD_WIDTH), np.arange(BOARD_HEIGHT))
    across, down = (columns - centre[0]) / radius, (rows - centre[1]) / radius
    distance = np.hypot(across, down)
    front = np.sqrt(np.clip(1 - distance**2, 0, 1))
    light = np.clip(-0.45 * across - 0.4 * down + 0.8 * front, 0, 1)
    spots = world.texture(rng)[:BOARD_HEIGHT, :BOARD_WIDTH]
    colour = _mix(world["glow"], np.full(3, 235.0), 0.45) * (1 + 0.3 * spots)
    halo = np.exp(-np.clip(distance - 1, 0, None) * 1.6)[..., np.newaxis]
    image = image + halo * world["glow"] * 0.22
    cover = np.clip((1 - distance) * radius + 0.5, 0, 1)[..., np.newaxis]
    return _mix(image, colour * (0.1 + 0.9 * light[..., np.newaxis]), cover)


def _mist(world, rng, top, bottom, speed, strength):
    drifts = _drifts(world, rng, int(bottom) - int(top))
    rows = np.linspace(0, np.pi, len(drifts))[:, None, None]
    cover = strength * np.clip(drifts * 1.3 + 0.25 * np.sin(rows), 0, 1)
    colour = _mix(world["sky_low"], world["glow"], 0.22)
    return Layer(colour * cover, 255 * (1 - cover), int(top), speed)


def _towers(world, rng, base, speed):
    sheet = Sheet(base - 120, base + 30)
    wall = _mix(world["stone"], world["sky_low"], 0.4) * 0.75
    for place in _spread(rng, 15):
        wide, high = rng.uniform(9, 24), rng.uniform(25, 85)
        left, right, top = place - wide, place + wide, base - high
        shade = wall * rng.uniform(0.8, 1.15)
        sheet.rectangle(left, top, right, base + 30, shade)
        sheet.rectangle(place + wide * 0.4, top, right, base + 30, shade * 0.7)
        if world.rounded:
            sheet.ellipse((place, top), (wide + 2, wide * 0.9), shade * 0.85)
        else:
            tip = (place, top - wide * 1.6)
            sheet.polygon(((left - 3, top), tip, (right + 3, top)), shade * 0.6)
        for row in np.arange(top + 8, base, 13):
            for column in np.arange(left + 4, right - 4, 8):
                if rng.random() < 0.35:
                    box = (column, row, column + 3, row + 6)
                    sheet.rectangle(*box, world["glow"])
    return sheet.layer(speed, world.texture(rng), 0.25)


def _night_hills(world, rng, base, speed, haze, height):
    colour = _mix(world["ridge"] * 1.5, world["sky_low"], haze)
    sheet = Sheet(base - height, BOARD_HEIGHT)
    sheet.polygon(_ridge(rng, base, height, (2, 5, 9, 17)), colour)
    for _ in range(60):
        spot = rng.uniform(0, PERIOD), rng.uniform(base, BOARD_HEIGHT)
        shade = colour * rng.choice((0.65, 1.35))
        sheet.ellipse(spot, (rng.uniform(6, 22), 2), shade)
    return sheet.layer(speed, world.texture(rng), 0.45)


def _bare_trees(world, rng, base, speed, height, count):
    sheet = Sheet(max(base - height * 1.25, 0), min(base + 6, BOARD_HEIGHT))
    colour = _mix(world["ink"], world["ridge"], 0.6 if speed < 1 else 0.25)
    for place in _spread(rng, count):
        root = np.array((place, base + 4.0))
        tall = height * rng.uniform(0.75, 1.05)
        _branch(sheet, rng, root, np.pi, tall * 0.4, height / 13, colour)
    return sheet.layer(speed)


def _branch(sheet, rng, root, angle, length, width, colour):
    tip = root + _reach(angle, length)
    sheet.line((root, tip), colour, width)
    if width < 1.2:
        return
    for turn in (-0.5, 0.45):
        bend = angle + turn * rng.uniform(0.5, 1.4)
        share = rng.uniform(0.6, 0.8)
        _branch(sheet, rng, tip, bend, length * share, width * 0.62, colour)


class Wanderer:
    """A dark figure with a lamp, walking where the camera goes."""

    def __init__(self, world, rng, foot, height):
        self.look = Look(rng, face=0)
        self.look.top = self.look.bottom = world["ink"] * 1.8
        self.look.hair = world["ink"]
        self.look.skin = _mix(world["ink"], world["glow"], 0.35)
        self.look.dress = False
        self.glow = world["glow"]
        self.foot, self.height = foot, height
        self.column = rng.uniform(0.3, 0.7) * BOARD_WIDTH
        self.phases = rng.uniform(0, 2 * np.pi, 2)

    def __call__(self, board, clock):
        """Paints the figure and its light onto the board."""
        sway = 46 * math.sin(2 * math.pi * clock / 620 + self.phases[0])
        spot = np.array((self.column + sway, self.foot))
        lamp = spot + np.array((0.27, -0.42)) * self.height
        _add_glow(board, lamp, self.height * 1.3, self.glow, 0.5)
        phase = 2 * math.pi * clock / 104 + self.phases[1]
        canvas = Canvas(board)
        _draw_person(canvas, self.look, spot, self.height, phase)
        hand = lamp - (0, 0.09 * self.height)
        canvas.line(
            (hand - (0.1 * self.height, 0), hand, lamp), (20, 20, 24), 2
        )
        canvas.ellipse(lamp, np.full(2, 0.05 * self.height), self.glow)
        white = _mix(self.glow, np.full(3, 255.0), 0.7)
        canvas.ellipse(lamp, np.full(2, 0.028 * self.height), white)


class Wisp:
    """A glowing ball, perhaps a ghost and perhaps a probe, that leads on."""

    def __init__(self, world, rng):
        self.glow, self.ink = world["glow"], world["ink"]
        self.radius = rng.uniform(11, 19)
        self.rings = rng.random() < 0.5
        self.centre = rng.uniform((0.3, 0.3), (0.7, 0.6))
        self.phases = rng.uniform(0, 2 * np.pi, 2)

    def __call__(self, board, clock):
        """Paints the ball and its light onto the board."""
        angles = 2 * np.pi * clock / np.array((170.0, 121.0)) + self.phases
        centre = self.centre * (BOARD_WIDTH, BOARD_HEIGHT)
        centre = centre + (34, 18) * np.sin(angles)
        radius = self.radius
        _add_glow(board, centre, radius * 5, self.glow, 0.7)
        canvas = Canvas(board)
        canvas.ellipse(centre, np.full(2, radius), self.ink * 2)
        for share in np.linspace(0, 1, 6):
            tone = _mix(self.glow * 0.5, np.full(3, 255.0), share * 0.8)
            spot = centre - (0.25 * radius * share, 0.3 * radius * share)
            canvas.ellipse(
                spot, np.full(2, radius * (0.92 - 0.7 * share)), tone
            )
        if self.rings:
            tilt = 0.4 * math.sin(angles[0])
            ends = np.array((math.cos(tilt), math.sin(tilt))) * radius * 1.9
            canvas.line((centre - ends, centre + ends), self.ink * 3, 2.5)


class Tunnel:
    """A way into the depth, along which the camera glides.

    Args:
        wall: uint8 array (TEXTURE_HEIGHT, PERIOD, 3): the unrolled wall, its
            columns along the way and its rows around it.
        world: The film's `World`.
        rng: Random generator.
        round_wall: Whether the wall is round; else it has four sides.
    """

    # Columns of the wall that one unit of depth is, and that the clock passes.
    DEPTH, STRIDE = 110.0, 0.6

    def __init__(self, wall, world, rng, round_wall=False):
        centre = rng.uniform((0.4, 0.42), (0.6, 0.55))
        across, down = np.meshgrid(
            (np.arange(BOARD_WIDTH) / BOARD_WIDTH - centre[0]) * 2,
            (np.arange(BOARD_HEIGHT) / BOARD_HEIGHT - centre[1]) * 2,
        )
        if round_wall:
            nearness = np.hypot(across, down * 0.8)
            around = np.arctan2(down, across) / (2 * np.pi) % 1
        else:
            nearness, around = _four_sides(across, down)
        self.wall = wall
        # Far away, a column of the wall is smaller than a pixel: without this
        # softer copy it would flicker.
        self.far_wall = cv2.blur(wall, (41, 1), borderType=cv2.BORDER_REFLECT)
        nearness = np.maximum(nearness, 0.02)
        self.columns = (self.DEPTH / nearness % PERIOD).astype(np.float32)
        self.rows = (around * TEXTURE_HEIGHT).astype(np.float32)
        share = np.clip((nearness - 0.25) / 0.25, 0, 1)
        self.near = share.astype(np.float32)
        self.far = 1 - self.near
        light = np.clip(nearness, 0, 1) ** 0.9 * 1.25
        light = np.repeat(light[..., np.newaxis], 3, axis=2)
        self.light = np.clip(light * 255, 0, 255).astype(np.uint8)
        end = np.exp(-((nearness / 0.2) ** 2))[..., np.newaxis]
        colour = _mix(world["glow"], world["sky_low"], 0.45)
        self.end = (end * colour * 0.75).astype(np.uint8)

    def __call__(self, board, clock):
        """Paints the tunnel over the whole board."""
        passed = clock * self.STRIDE % PERIOD
        columns = self.columns + np.float32(passed % 1)
        walls = [
            cv2.remap(
                np.roll(wall, -int(passed), axis=1),
                columns,
                self.rows,
                cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_WRAP,
            )
            for wall in (self.wall, self.far_wall)
        ]
        picture = cv2.blendLinear(*walls, self.near, self.far)
        cv2.multiply(picture, self.light, picture, scale=1 / 255)
        cv2.add(picture, self.end, board)


def _four_sides(across, down):
    """Returns nearness and place around a corridor, 0 to 1, of each pixel."""
    width, height = np.abs(across), np.abs(down)
    on_side = width > height
    nearness = np.maximum(width, height)
    safe = np.maximum(nearness, 1e-6)
    along = np.where(on_side, down * np.sign(across), -across * np.sign(down))
    side = np.where(
        on_side, np.where(across > 0, 0, 2), np.where(down > 0, 1, 3)
    )
    return nearness, (side + np.clip(along / safe, -0.999, 0.999) / 2 + 0.5) / 4


def _corridor_wall(world, rng):
    sheet = Sheet(0, TEXTURE_HEIGHT)
    side = TEXTURE_HEIGHT // 4
    # In the order of `_four_sides`: right wall, floor, left wall, ceiling.
    shades = (1.0, 0.72, 0.9, 0.55)
    for place, shade in enumerate(shades):
        box = (-50, place * side, PERIOD + 50, (place + 1) * side)
        sheet.rectangle(*box, world["stone"] * shade)
        _panels(sheet, rng, place * side, side, world["stone"] * shade)
    for column in np.arange(0, PERIOD, 100):
        rib = world["stone"] * 0.45
        sheet.rectangle(column - 6, 0, column + 6, TEXTURE_HEIGHT, rib)
        edge = world["stone"] * 1.4
        sheet.rectangle(column + 6, 0, column + 8, TEXTURE_HEIGHT, edge)
    for column in np.arange(50, PERIOD, 100):
        for row in (0.4 * side, 2.6 * side):
            spot, light = (column, row), world["glow"]
            sheet.ellipse(spot, (24, 17), _mix(world["stone"], light, 0.4))
            sheet.ellipse(spot, (15, 9), light)
    layer = sheet.layer(0, world.texture(rng), 0.4)
    return np.ascontiguousarray(layer.image[:, :PERIOD])


def _panels(sheet, rng, top, side, colour):
    rows = (0, 0.3, 0.7, 1)
    for upper, lower in itertools.pairwise(rows):
        left = rng.uniform(-60, 0)
        while left < PERIOD - 40:
            wide = rng.uniform(30, 70)
            box = (left, top + upper * side, left + wide, top + lower * side)
            sheet.rectangle(*box, colour * rng.uniform(0.75, 1.2))
            joint = ((box[0], box[1]), (box[0], box[3]), (box[2], box[3]))
            sheet.line(joint, colour * 0.5, 2)
            left += wide


def _cave_wall(world, rng):
    noise = world.texture(rng)
    fine = world.texture(rng)
    light = np.clip(1 + 0.75 * noise + 0.35 * fine, 0.15, 2)
    veins = np.exp(-((fine / 0.06) ** 2)) * np.clip(noise + 0.1, 0, 1)
    image = world["stone"] * light + world["glow"] * veins * 0.9
    return np.clip(image, 0, 255).astype(np.uint8)


def _hall_wall(world, rng):
    sheet = Sheet(0, 214)
    stone = world["stone"] * 0.75
    sheet.rectangle(-50, 0, PERIOD + 50, 214, stone)
    for row in range(0, 214, 18):
        for place in _spread(rng, 34, 0.2):
            box = (place, row + 1, place + 32, row + 17)
            sheet.rectangle(*box, stone * rng.uniform(0.78, 1.18))
    glass = _mix(world["glow"], world["sky_low"], 0.35)
    for place in _spread(rng, 7, 0.1):
        top = 62 if world.rounded else 44
        for grow, colour in ((7, stone * 0.5), (0, glass)):
            box = (place - 26 - grow, 76, place + 26 + grow, 158 + grow)
            sheet.rectangle(*box, colour)
            if world.rounded:
                radii = (26 + grow, 26 + grow)
                sheet.ellipse((place, 76), radii, colour)
            else:
                tip = (place, top - 10 - grow)
                feet = (place - 26 - grow, 76), (place + 26 + grow, 76)
                sheet.polygon((feet[0], tip, feet[1]), colour)
        sheet.line(((place, 44), (place, 158)), stone * 0.4, 3)
        for row in (84, 112, 138):
            bar = ((place - 26, row), (place + 26, row))
            sheet.line(bar, stone * 0.4, 2.4)
    return sheet.layer(0.55, world.texture(rng), 0.3)


def _hall_floor(world, rng):
    sheet = Sheet(208, BOARD_HEIGHT)
    stone = world["stone"] * 0.55
    sheet.rectangle(-50, 208, PERIOD + 50, BOARD_HEIGHT, stone)
    for top, bottom in ((208, 222), (222, 246), (246, BOARD_HEIGHT)):
        for place in _spread(rng, 20, 0.0):
            wide = 57 - (place % 2)
            box = (place, top + 1, place + wide, bottom - 1)
            sheet.rectangle(*box, stone * rng.uniform(0.7, 1.3))
    for place in _spread(rng, 7, 0.1):
        pool = _mix(stone, world["glow"], 0.3)
        sheet.ellipse((place, 234), (34, 8), pool)
    return sheet.layer(0.85, world.texture(rng), 0.35)


def _columns(world, rng, speed, foot, wide, colour):
    sheet = Sheet(0, min(foot + 8, BOARD_HEIGHT))
    for place in _spread(rng, 5 if speed < 1 else 3, 0.2):
        for share in np.linspace(-1, 1, 9):
            shade = colour * (0.45 + 0.75 * math.cos(1.2 * (share + 0.35)))
            left = place + share * wide * 0.9 - wide * 0.13
            sheet.rectangle(left, 0, left + wide * 0.26, foot, shade)
        sheet.rectangle(
            place - wide * 1.3,
            foot - 12,
            place + wide * 1.3,
            foot + 8,
            colour * 0.7,
        )
        sheet.rectangle(
            place - wide * 1.3, 0, place + wide * 1.3, 26, colour * 0.6
        )
    return sheet.layer(speed, world.texture(rng), 0.3)


def _rocks(world, rng, speed, count, sizes):
    sheet = Sheet(0, BOARD_HEIGHT)
    for place in _spread(rng, count):
        size = rng.uniform(*sizes)
        centre = np.array((place, rng.uniform(size, BOARD_HEIGHT - size)))
        angles = np.linspace(0, 2 * np.pi, 13)[:-1]
        lengths = size * rng.uniform(0.7, 1.05, 12)
        outline = np.stack([np.cos(angles), np.sin(angles)], 1)
        outline *= lengths[:, np.newaxis] * (1.25, 0.85)
        for step in range(5):
            shade = world["stone"] * (0.35 + 0.26 * step)
            shift = np.array((-0.09, -0.11)) * size * step
            sheet.polygon(outline * (1 - 0.17 * step) + centre + shift, shade)
        for _ in range(4):
            spot = centre + rng.uniform(-0.5, 0.5, 2) * size
            radii = np.array((0.16, 0.11)) * size * rng.uniform(0.5, 1.2)
            sheet.ellipse(spot, radii, world["stone"] * 0.42)
    return sheet.layer(speed, world.texture(rng), 0.4)


def _vessel(world, rng):
    """Returns a ship that hovers, its windows lit."""
    sheet = Sheet(0, 320)
    hull, glow = _mix(world["stone"], np.full(3, 150.0), 0.2), world["glow"]
    body = ((-120, 6), (-96, -22), (-20, -34), (70, -24), (132, 4), (60, 26))
    body = np.array((*body, (-70, 30)))
    for step in range(6):
        shade = hull * (0.5 + 0.13 * step)
        part = body * (1 - 0.03 * step, 1 - 0.15 * step) - (0, 2.2 * step)
        sheet.polygon(part + (200, 160), shade)
    tower = np.array(((-64, -26), (-52, -66), (-18, -70), (2, -30)))
    sheet.polygon(tower + (200, 160), hull * 0.8)
    sheet.polygon(tower * (0.6, 1) + (188, 160), hull * 1.05)
    sheet.line(((158, 92), (152, 62)), hull * 0.6, 2)
    fin = np.array(((-110, 0), (-146, -40), (-124, -40), (-70, -16)))
    sheet.polygon(fin + (200, 160), hull * 0.6)
    for column in range(-84, 96, 15):
        if rng.random() < 0.75:
            row = 160 - 6 + 0.02 * abs(column)
            sheet.ellipse((200 + column, row), (3.4, 2.8), glow)
    flame = _mix(glow, np.full(3, 255.0), 0.4)
    for row in (156, 170):
        sheet.ellipse((82, row), (13, 4.5), glow)
        sheet.ellipse((84, row), (8, 3), flame)
    layer = sheet.layer(0, world.texture(rng), 0.25)
    centre = rng.uniform((0.35, 0.4), (0.65, 0.65)) * (
        BOARD_WIDTH,
        BOARD_HEIGHT,
    )
    return Cutout(layer, centre, rng, rng.uniform(0.65, 0.95))


# ---- Flat: 2D animation.


def _paint_meadow(world, rng):
    horizon = int(rng.integers(140, 165))
    return [
        _flat_sky(world, rng),
        _flat_clouds(world, rng),
        _flat_hills(world, rng, horizon, 0.35, world["far"], 50),
        _flat_houses(world, rng, horizon + 34, 0.6, 5, (30, 46)),
        _flat_hills(world, rng, horizon + 36, 0.7, world["near"], 24),
        _lollipops(world, rng, horizon + 60, 0.8, 8),
        _flat_ground(world, rng, horizon + 58),
        Critters(world, rng),
        _flowers(world, rng),
    ]


def _paint_town(world, rng):
    base = int(rng.integers(195, 210))
    return [
        _flat_sky(world, rng),
        _flat_clouds(world, rng),
        _flat_houses(world, rng, base - 20, 0.45, 15, (70, 120), distant=True),
        _flat_houses(world, rng, base, 0.75, 9, (60, 96)),
        _flat_ground(world, rng, base),
        _flat_cars(world, rng, base + 32),
        Critters(world, rng),
    ]


def _paint_shore(world, rng):
    horizon = int(rng.integers(130, 150))
    sea = _mix(np.array((58.0, 122.0, 176.0)), world["sky"], 0.4)
    return [
        _flat_sky(world, rng),
        _flat_clouds(world, rng),
        _flat_hills(world, rng, horizon + 8, 0.25, world["far"], 40),
        _flat_waves(horizon, 0.4, _mix(sea, world["light"], 0.25)),
        _flat_boats(world, rng, horizon + 28),
        _flat_waves(horizon + 26, 0.6, sea),
        _flat_waves(horizon + 54, 0.8, sea * 0.88),
        _flat_ground(world, rng, horizon + 84),
        Critters(world, rng),
    ]


def _paint_garden(world, rng):
    return [
        _flat_sky(world, rng),
        _flat_hills(world, rng, 150, 0.3, world["far"], 90),
        _lollipops(world, rng, 190, 0.5, 11),
        _flat_hills(world, rng, 186, 0.6, world["near"], 20),
        _picket_fence(world, 0.8, 222),
        _flat_ground(world, rng, 212),
        Critters(world, rng, size=1.25),
        _flowers(world, rng),
    ]


def _flat_sky(world, rng):
    image = np.tile(world["sky"], (BOARD_HEIGHT, BOARD_WIDTH, 1))
    image = image.astype(np.uint8)
    canvas = Canvas(image, ink=world["ink"])
    centre = rng.uniform((70, 45), (BOARD_WIDTH - 70, 75))
    sun = _mix(world["light"], np.array((255.0, 214.0, 90.0)), 0.7)
    for angle in np.linspace(0, 2 * np.pi, 12, endpoint=False):
        rays = centre + _reach(angle, 34), centre + _reach(angle, 43)
        canvas.line(rays, sun, 3)
    canvas.ellipse(centre, (26, 26), sun)
    return Backdrop(image)


def _flat_clouds(world, rng):
    sheet = Sheet(0, 130, world["ink"])
    for place in _spread(rng, 6):
        row, size = rng.uniform(36, 92), rng.uniform(0.7, 1.2)
        puffs = ((-24, 3, 16), (-4, -8, 21), (20, 0, 17))
        # First all outlines, then all fills: no ink inside the cloud.
        for outline in (2.4, 0):
            for column, rise, radius in puffs:
                spot = (place + column * size, row + rise * size)
                radii = np.array((radius, radius * 0.8)) * size
                sheet.ellipse(spot, radii, world["light"], outline=outline)
    return sheet.layer(0.2)


def _flat_hills(world, rng, base, speed, colour, height):
    sheet = Sheet(base - height - 4, BOARD_HEIGHT, world["ink"])
    sheet.polygon(_ridge(rng, base, height, (2, 3, 5)), colour)
    for _ in range(26):
        spot = np.array((rng.uniform(0, PERIOD), rng.uniform(base, base + 90)))
        tuft = np.array(((-5, 0), (-2, -5), (0, 0), (3, -6), (5, 0))) + spot
        sheet.ink = None
        sheet.line(tuft, colour * 0.75, 1.4)
    return sheet.layer(speed)


def _flat_houses(world, rng, base, speed, count, heights, distant=False):
    sheet = Sheet(base - heights[1] - 40, base + 34, world["ink"])
    colours = (
        world["accent"],
        world["second"],
        world["light"],
        world["ground"],
    )
    half = min(PERIOD / count / 2.1, 48)
    for place in _spread(rng, count, 0.05 if count > 8 else 0.3):
        wall = colours[rng.integers(0, 4)]
        roof = colours[rng.integers(0, 2)] * 0.82
        if distant:
            wall, roof = (
                _mix(tone, world["sky"], 0.55) for tone in (wall, roof)
            )
        top, wide = base - rng.uniform(*heights), half * rng.uniform(0.8, 1)
        sheet.rectangle(place - wide, top, place + wide, base + 34, wall)
        eaves = ((place - wide - 5, top), (place, top - wide * 0.7))
        sheet.polygon((*eaves, (place + wide + 5, top)), roof)
        for row in np.arange(top + 10, base - 16, 26):
            for column in (place - wide * 0.5, place + wide * 0.5):
                box = (column - 6, row, column + 6, row + 14)
                sheet.rectangle(*box, _mix(world["sky"], wall, 0.2))
        door = (place - 6, base - 14, place + 6, base + 34)
        sheet.rectangle(*door, roof * 0.8)
    return sheet.layer(speed)


def _lollipops(world, rng, base, speed, count):
    sheet = Sheet(base - 100, base + 6, world["ink"])
    for place in _spread(rng, count):
        high, wide = rng.uniform(46, 72), rng.uniform(17, 27)
        bark = _mix(world["ink"], world["ground"], 0.45)
        sheet.rectangle(place - 4, base - high, place + 4, base + 4, bark)
        leaf = _mix(world["near"], world["accent"], rng.choice((0.0, 0.25)))
        leaf = leaf * rng.choice((0.85, 1.05))
        crown = (place, base - high)
        sheet.ellipse(crown, (wide, wide * 1.15), leaf)
        shine = (place - wide * 0.35, base - high - wide * 0.4)
        light = _mix(leaf, world["light"], 0.35)
        sheet.ellipse(shine, (wide * 0.28, wide * 0.2), light, outline=0)
    return sheet.layer(speed)


def _flat_ground(world, rng, top):
    sheet = Sheet(top - 2, BOARD_HEIGHT, world["ink"])
    box = (-50, top, PERIOD + 50, BOARD_HEIGHT + 20)
    sheet.rectangle(*box, world["ground"])
    for _ in range(40):
        spot = rng.uniform(0, PERIOD), rng.uniform(top + 8, BOARD_HEIGHT)
        radii = (rng.uniform(6, 18), 2.5)
        sheet.ellipse(spot, radii, world["ground"] * 0.88, outline=0)
    return sheet.layer(1.0)


def _flat_cars(world, rng, row):
    sheet = Sheet(row - 50, row + 8, world["ink"])
    for place in _spread(rng, 4):
        paint = (world["accent"], world["second"])[rng.integers(0, 2)]
        cabin = ((14, -18), (22, -38), (50, -38), (62, -18))
        sheet.polygon(np.array(cabin) + (place, row), world["light"])
        body = ((0, -3), (0, -16), (6, -20), (70, -20), (80, -12), (80, -3))
        sheet.polygon(np.array(body) + (place, row), paint)
        for column in (18, 62):
            sheet.ellipse((place + column, row - 3), (9, 9), world["ink"])
            hub = (place + column, row - 3)
            sheet.ellipse(hub, (4, 4), world["light"], outline=0)
    return sheet.layer(0.5)


def _flat_waves(top, speed, colour):
    sheet = Sheet(top - 8, BOARD_HEIGHT, colour * 0.45)
    columns = np.arange(-40, PERIOD + 41, 4)
    rows = top - 5 * np.abs(np.sin(np.pi * columns / 40))
    foot = (PERIOD + 40, BOARD_HEIGHT + 20), (-40, BOARD_HEIGHT + 20)
    outline = np.concatenate([np.stack([columns, rows], 1), foot])
    sheet.polygon(outline, colour)
    return sheet.layer(speed)


def _flat_boats(world, rng, row):
    sheet = Sheet(row - 76, row + 14, world["ink"])
    for place in _spread(rng, 4):
        hull = ((-30, -12), (32, -12), (20, 8), (-20, 8))
        sheet.line(((place, row - 10), (place, row - 66)), world["ground"], 2)
        sail = ((3, -16), (3, -64), (30, -20))
        sheet.polygon(np.array(sail) + (place, row), world["light"])
        jib = ((-3, -16), (-3, -54), (-22, -20))
        sheet.polygon(np.array(jib) + (place, row), world["accent"])
        sheet.polygon(np.array(hull) + (place, row), world["second"] * 0.8)
    return sheet.layer(0.55)


def _picket_fence(world, speed, foot):
    sheet = Sheet(foot - 60, foot + 4, world["ink"])
    for row in (foot - 40, foot - 16):
        sheet.rectangle(-50, row, PERIOD + 50, row + 6, world["light"] * 0.92)
    for place in range(0, PERIOD, 30):
        top, right = foot - 46, place + 14
        picket = ((place, foot), (place, top), (place + 7, top - 9))
        sheet.polygon((*picket, (right, top), (right, foot)), world["light"])
    return sheet.layer(speed)


def _flowers(world, rng):
    sheet = Sheet(BOARD_HEIGHT - 50, BOARD_HEIGHT, world["ink"])
    for place in _spread(rng, 9):
        top = BOARD_HEIGHT - rng.uniform(24, 38)
        stem = world["near"] * 0.75
        sheet.line(((place, BOARD_HEIGHT + 9), (place, top)), stem, 2)
        petal = (world["accent"], world["second"])[rng.integers(0, 2)]
        for angle in np.linspace(0, 2 * np.pi, 6)[:-1]:
            spot = np.array((place, top)) + _reach(angle, 6)
            sheet.ellipse(spot, (4.5, 4.5), petal, outline=1.6)
        sheet.ellipse((place, top), (4, 4), world["light"], outline=1.6)
    return sheet.layer(1.25)


class Critters:
    """Two cartoon animals that hop along, drawn flat and outlined."""

    def __init__(self, world, rng, size=1.0):
        self.ink, self.light = world["ink"], world["light"]
        self.coats = [world["accent"], world["second"]]
        self.long_ears = rng.permutation([True, False])
        self.size = size * rng.uniform(0.9, 1.1)
        self.columns = np.array((0.36, 0.64)) + rng.uniform(-0.06, 0.06, 2)
        self.phases = rng.uniform(0, 2 * np.pi, 2)

    def __call__(self, board, clock):
        """Paints both onto the board."""
        canvas = Canvas(board, ink=self.ink)
        for place in (0, 1):
            phase = 2 * math.pi * clock / 110 + self.phases[place]
            sway = 30 * math.sin(2 * math.pi * clock / 700 + self.phases[place])
            foot = np.array(
                (self.columns[place] * BOARD_WIDTH + sway, BOARD_HEIGHT - 30.0)
            )
            self._paint(canvas, foot, phase, place)

    def _paint(self, canvas, foot, phase, place):
        size, coat = self.size, self.coats[place]
        hop = 7 * size * (1 + math.sin(2 * phase))
        middle = foot - (0, 38 * size + hop)
        shadow = _mix(self.ink, self.light, 0.35)
        canvas.ellipse(foot, (24 * size, 4 * size), shadow, outline=0)
        for step in (0, np.pi):
            swing = 0.6 * math.sin(phase + step)
            shoe = middle + (0, 16 * size) + _reach(swing, 20 * size)
            canvas.line((middle + (0, 16 * size), shoe), coat * 0.85, 5 * size)
            canvas.ellipse(
                shoe + (3, 0), (8 * size, 4.5 * size), self.ink * 1.5
            )
        canvas.ellipse(middle, (19 * size, 23 * size), coat)
        belly = middle + (5 * size, 4 * size)
        canvas.ellipse(belly, (11 * size, 15 * size), self.light, outline=0)
        hand = middle + _reach(0.9 + 0.5 * math.sin(phase), 27 * size)
        canvas.line((middle + (4 * size, -6 * size), hand), coat, 5 * size)
        self._paint_head(canvas, middle - (-4 * size, 38 * size), coat, place)

    def _paint_head(self, canvas, centre, coat, place):
        size = self.size
        for side in (-1, 1):
            if self.long_ears[place]:
                ear = centre + (side * 10 * size - 3, -30 * size)
                canvas.ellipse(ear, (6 * size, 17 * size), coat, side * 0.25)
                inner = (2.6 * size, 11 * size)
                canvas.ellipse(ear, inner, self.light, side * 0.25, outline=0)
            else:
                ear = centre + (side * 16 * size - 2, -17 * size)
                canvas.ellipse(ear, (8 * size, 8 * size), coat)
        canvas.ellipse(centre, (24 * size, 21 * size), coat)
        muzzle = centre + (11 * size, 8 * size)
        canvas.ellipse(muzzle, (11 * size, 8 * size), self.light)
        canvas.ellipse(muzzle + (6, -5), (4 * size, 3 * size), self.ink)
        for column in (0, 14):
            eye = centre + (column * size, -6 * size)
            radii = (5.5 * size, 7 * size)
            canvas.ellipse(eye, radii, (255, 255, 255), outline=1.4)
            pupil = eye + (1.6 * size, 1)
            radii = (2.6 * size, 3.6 * size)
            canvas.ellipse(pupil, radii, self.ink, outline=0)


# ---- Solid: 3D animation.


# The stage's camera: how many pixels one unit spans at depth 1.
FOCAL = 330.0
# Where the stage's light comes from: to the right, up, towards the eye.
LIGHT = np.array((-0.48, 0.72, 0.5)) / np.linalg.norm((-0.48, 0.72, 0.5))
# How far the clock goes on while the camera passes one unit at depth 5.
UNIT = FOCAL / 5
# How far the stage reaches before its things come round again, in units.
STAGE = 18.0


class Floor(NamedTuple):
    """A tiled floor: its two colours, and a tile's side in units."""

    tile: np.ndarray
    other: np.ndarray
    side: float


class Solid(NamedTuple):
    """A thing on the stage: `paint(board, stage, spot, clock)` draws it.

    `spot` is where it stands: (to the right, depth), in units.
    """

    paint: object
    column: float
    depth: float
    radius: float


# Each set is seen from another height, on another floor: a cut shows clearly.


def _paint_toys(world, rng):
    floor = Floor(world["tile"], world["other"], 1.5)
    kinds = (_ball_thing, _box_thing, _cone_thing)
    return _stage(world, rng, kinds, floor, eye=1.2, horizon=125)


def _paint_robots(world, rng):
    floor = Floor(_mix(world["b"], world["tile"], 0.6), world["b"] * 0.75, 1.0)
    kinds = (_robot_thing, _ball_thing, _box_thing)
    return _stage(world, rng, kinds, floor, eye=1.9, horizon=90)


def _paint_orchard(world, rng):
    grass = _mix(world["hill"], world["d"], 0.3)
    floor = Floor(grass * 1.08, grass * 0.86, 0.6)
    kinds = (_tree_thing, _robot_thing, _cone_thing)
    return _stage(world, rng, kinds, floor, eye=1.5, horizon=110)


def _paint_blocks(world, rng):
    floor = Floor(world["other"] * 0.62, world["tile"] * 0.92, 2.0)
    kinds = (_tower_thing, _box_thing, _robot_thing)
    return _stage(world, rng, kinds, floor, eye=2.7, horizon=52)


def _stage(world, rng, kinds, floor, eye, horizon):
    horizon += int(rng.integers(-10, 11))
    sky = Backdrop(_gradient(world["sky_top"], world["sky_low"], horizon))
    colours = [world[key] for key in "abcd"]
    things = []
    for number, place in enumerate(np.linspace(0, STAGE, 15)[:-1]):
        kind = kinds[number % len(kinds)]
        depth = (4.2, 6.4, 5.2, 8.2)[number % 4] + rng.uniform(-0.4, 0.4)
        colour = colours[rng.integers(0, 4)]
        paint, radius = kind(rng, colour, world)
        column = place + rng.uniform(-0.25, 0.25)
        things.append(Solid(paint, column, depth, radius))
    return [
        sky,
        _shaded_hills(world, rng, horizon),
        _haze(world, horizon),
        Stage(world, things, floor, eye, horizon),
    ]


def _shaded_hills(world, rng, horizon):
    sheet = Sheet(horizon - 62, horizon + 8)
    dark, pale = world["hill"] * 0.8, _mix(world["hill"], world["sky_low"], 0.4)
    for place in _spread(rng, 12):
        wide, high = rng.uniform(60, 110), rng.uniform(24, 56)
        for share in np.linspace(0, 1, 16):
            shift = np.array((-wide * 0.32, -high * 0.3)) * share
            radii = np.array((wide, high)) * (1 - 0.68 * share)
            spot = shift + (place, horizon + 8)
            sheet.ellipse(spot, radii, _mix(dark, pale, share))
    return sheet.layer(0.15, blur=1.5)


def _haze(world, horizon):
    """Returns a veil that hides where the floor ends and the hills begin."""
    rows = np.linspace(0, 1, 40)[:, np.newaxis, np.newaxis] ** 1.5
    cover = np.broadcast_to(rows, (40, PERIOD, 1))
    clear = 255 * (1 - cover)
    return Layer(world["sky_low"] * cover, clear, horizon - 36, 0)


class Stage:
    """A tiled floor in perspective, and things on it with their shadows."""

    def __init__(self, world, things, floor, eye, horizon):
        self.world, self.floor = world, floor
        self.eye, self.horizon = eye, horizon
        self.things = sorted(things, key=lambda thing: -thing.depth)
        rows = np.arange(horizon + 4, BOARD_HEIGHT)
        self.depth = (FOCAL * eye / (rows - horizon))[:, np.newaxis]
        self.depth = self.depth.astype(np.float32)
        columns = np.arange(BOARD_WIDTH) - BOARD_WIDTH / 2
        self.across = (columns * self.depth / FOCAL).astype(np.float32)
        self.top = horizon + 4
        # How much of a tile a pixel spans: edges are as soft as that.
        self.soft_across = self.depth / FOCAL / floor.side
        self.soft_depth = self.depth**2 / (FOCAL * eye) / floor.side
        self.haze = np.clip((self.depth - 6) / 40, 0, 1)[..., np.newaxis]
        light = np.hypot(self.across + 0.6, self.depth - 5.5)
        self.light = (1.1 - 0.035 * light)[..., np.newaxis]

    def __call__(self, board, clock):
        """Paints floor, shadows and things onto the board."""
        passed = clock / UNIT
        spots = [
            ((thing.column - passed) % STAGE - STAGE / 2, thing.depth)
            for thing in self.things
        ]
        board[self.top :] = self._floor(passed, spots)
        strip = board[self.horizon - 1 : self.top + 1]
        strip[:] = np.clip(self.world["sky_low"], 0, 255)
        for thing, spot in zip(self.things, spots, strict=True):
            half = BOARD_WIDTH / 2 / FOCAL * spot[1] + thing.radius
            if abs(spot[0]) < half:
                thing.paint(board, self, spot, clock)

    def _floor(self, passed, spots):
        side = self.floor.side
        passed = passed / side % 2
        across = _soft_square(self.across / side + passed, self.soft_across)
        along = _soft_square(self.depth / side, self.soft_depth)
        odd = (0.5 - 0.5 * across * along)[..., np.newaxis]
        tile, other = (colour.astype(np.float32) for colour in self.floor[:2])
        floor = (tile + (other - tile) * odd) * self.light
        floor *= (1 - self._shadow(spots))[..., np.newaxis]
        sky = self.world["sky_low"].astype(np.float32)
        floor += (sky - floor) * self.haze
        return np.clip(floor, 0, 255).astype(np.uint8)

    def _shadow(self, spots):
        shadow = np.zeros(self.across.shape, np.float32)
        for thing, (column, depth) in zip(self.things, spots, strict=True):
            size = thing.radius
            rows = np.flatnonzero(np.abs(self.depth[:, 0] - depth) < 2.2 * size)
            if abs(column) > depth + 2 or not rows.size:
                continue
            rows = slice(rows[0], rows[-1] + 1)
            away = (self.across[rows] - column - 0.45 * size) / (1.35 * size)
            back = (self.depth[rows] - depth - 0.1 * size) / (0.95 * size)
            blot = 0.62 * np.exp(-((away**2 + back**2) ** 1.5))
            np.maximum(shadow[rows], blot, shadow[rows])
        return shadow

    def on_board(self, spot, height):
        """Returns (column, row, pixels a unit) of a point above a spot."""
        scale = FOCAL / spot[1]
        column = BOARD_WIDTH / 2 + spot[0] * scale
        return column, self.horizon + (self.eye - height) * scale, scale


def _soft_square(place, softness):
    """Returns a wave of -1 and 1 with period 2, as soft as a pixel is wide."""
    wave = np.abs((place + 0.5) % 2 - 1) - 0.5
    return np.clip(wave / np.maximum(softness, 1e-3), -1, 1)


def _ball_thing(rng, colour, world):
    radius, turn = rng.uniform(0.42, 0.7), rng.uniform(0, 2 * np.pi)
    second = world["tile"]

    def paint(board, stage, spot, clock):
        spin = turn + clock / UNIT / radius * 0.4
        _paint_ball(board, stage, spot, radius, radius, colour, second, spin)

    return paint, radius


def _paint_ball(
    board, stage, spot, height, radius, colour, second=None, spin=0.0
):
    """Paints a lit ball; with a second colour, striped and spinning."""
    column, row, scale = stage.on_board(spot, height)
    size = radius * scale
    window = _window(
        board, column - size, row - size, column + size, row + size
    )
    if window is None:
        return
    part, columns, rows = window
    across = (columns - column) / size
    up = (row - rows) / size
    distance = np.sqrt(across**2 + up**2)
    front = np.sqrt(np.clip(1 - distance**2, 0, 1))
    lit = across * LIGHT[0] + up * LIGHT[1] + front * LIGHT[2]
    paint = colour.astype(np.float32)
    if second is not None:
        sine, cosine = math.sin(spin), math.cos(spin)
        angle = np.arctan2(up * cosine + across * sine, front)
        stripes = np.clip(np.sin(angle * 4) * 6, 0, 1)[..., np.newaxis]
        paint = paint + (second.astype(np.float32) - paint) * stripes
    _blend(part, _lit(paint, lit, up, front), (1 - distance) * size + 0.5)


def _lit(paint, lit, up, front):
    """Returns the colour of a lit surface: diffuse, from below, highlight."""
    diffuse = 0.34 + 0.72 * np.clip(lit, 0, 1) + 0.08 * np.clip(-up, 0, 1)
    diffuse *= 0.8 + 0.2 * front
    shine = np.clip(2 * lit * front - LIGHT[2], 0, 1) ** 24
    return paint * diffuse[..., np.newaxis] + 150 * shine[..., np.newaxis]


def _window(board, left, top, right, bottom):
    """Returns a part of the board with its columns and rows, or `None`."""
    first, last = max(int(left) - 1, 0), min(int(right) + 2, BOARD_WIDTH)
    upper, lower = max(int(top) - 1, 0), min(int(bottom) + 2, BOARD_HEIGHT)
    if first >= last or upper >= lower:
        return None
    columns = np.arange(first, last, dtype=np.float32)
    rows = np.arange(upper, lower, dtype=np.float32)[:, np.newaxis]
    return board[upper:lower, first:last], columns, rows


def _blend(part, colour, cover):
    cover = np.clip(cover, 0, 1)[..., np.newaxis]
    part[:] = np.clip(part + (colour - part) * cover, 0, 255)


def _cone_thing(rng, colour, world):
    radius, height = rng.uniform(0.4, 0.6), rng.uniform(1.0, 1.5)

    def paint(board, stage, spot, clock):
        _paint_cone(board, stage, spot, 0.0, radius, height, 0.0, colour)

    return paint, radius


def _paint_cone(board, stage, spot, base, radius, height, taper, colour):
    """Paints a lit cone, or with a taper above 0 a pillar."""
    column, foot, scale = stage.on_board(spot, base)
    wide, tall = radius * scale, height * scale
    # A circle on the floor is seen as an ellipse this much flatter.
    flat = wide * (stage.eye - base) / spot[1] * 0.9
    box = (column - wide, foot - tall, column + wide, foot + flat)
    window = _window(board, *box)
    if window is None:
        return
    part, columns, rows = window
    up = np.clip((foot - rows) / tall, 0, 1)
    half = np.maximum(wide * (1 - (1 - taper) * up), 0.5)
    across = np.clip((columns - column) / half, -1, 1)
    front = np.sqrt(1 - across**2)
    lit = 0.9 * (across * LIGHT[0] + front * LIGHT[2]) + 0.25
    shade = _lit(colour.astype(np.float32), lit, 0.3 * front, front)
    inside = half - np.abs(columns - column) + 0.5
    below = foot + flat * front - rows + 0.5
    above = rows - (foot - tall) + 0.5
    _blend(part, shade, np.minimum(np.minimum(inside, below), above))


def _tree_thing(rng, colour, world):
    size, bark = rng.uniform(0.8, 1.15), np.array((122.0, 84.0, 58.0))
    pointed = rng.random() < 0.5

    def paint(board, stage, spot, clock):
        _paint_cone(board, stage, spot, 0, 0.11 * size, 0.7 * size, 0.8, bark)
        if not pointed:
            _paint_ball(board, stage, spot, 1.1 * size, 0.55 * size, colour)
            return
        for base, radius in ((0.4, 0.55), (0.8, 0.44), (1.2, 0.32)):
            _paint_cone(
                board,
                stage,
                spot,
                base * size,
                radius * size,
                0.7 * size,
                0,
                colour,
            )

    return paint, 0.5 * size


def _robot_thing(rng, colour, world):
    size, phase = rng.uniform(0.85, 1.1), rng.uniform(0, 2 * np.pi)

    def paint(board, stage, spot, clock):
        beat = 2 * math.pi * clock / 90 + phase
        hop = 0.12 * (1 + math.sin(beat))
        ball = functools.partial(_paint_ball, board, stage)
        for side in (-1, 1):
            foot = (spot[0] + 0.2 * side * size, spot[1] - 0.05)
            ball(foot, 0.12 * size + 0.6 * hop, 0.14 * size, colour * 0.6)
        ball(spot, 0.52 * size + hop, 0.4 * size, colour)
        for side in (-1, 1):
            hand = (spot[0] + 0.46 * side * size, spot[1])
            lift = 0.5 + 0.1 * side * math.sin(beat)
            ball(hand, lift * size + hop, 0.12 * size, colour * 0.8)
        pale = _mix(colour, np.full(3, 255.0), 0.6)
        ball(spot, 1.12 * size + hop, 0.33 * size, pale)
        for side in (-1, 1):
            eye = (spot[0] + (0.12 * side + 0.04) * size, spot[1] - 0.3)
            white, black = np.full(3, 250.0), np.full(3, 25.0)
            ball(eye, 1.19 * size + hop, 0.1 * size, white)
            pupil = (eye[0] + 0.02, eye[1] - 0.08)
            ball(pupil, 1.2 * size + hop, 0.05 * size, black)

    return paint, 0.45 * size


def _box_thing(rng, colour, world):
    size, turn = rng.uniform(0.7, 1.0), rng.uniform(0, np.pi / 2)
    face = _box_face(rng, colour, world)

    def paint(board, stage, spot, clock):
        _paint_box(board, stage, spot, 0.0, size, turn, face)

    return paint, 0.62 * size


def _tower_thing(rng, colour, world):
    turns = rng.uniform(0, np.pi / 2, 3)
    keys = rng.permutation(list("abcd"))[:3]
    faces = [_box_face(rng, world[key], world) for key in keys]
    sizes = (0.85, 0.66, 0.5)

    def paint(board, stage, spot, clock):
        base = 0.0
        for size, turn, face in zip(sizes, turns, faces, strict=True):
            _paint_box(board, stage, spot, base, size, turn, face)
            base += size

    return paint, 0.55


def _box_face(rng, colour, world):
    """Returns a face of a toy block, 96x96: a border and a sign."""
    image = np.tile(colour, (96, 96, 1)).astype(np.uint8)
    canvas = Canvas(image)
    light, dark = _mix(colour, np.full(3, 255.0), 0.45), colour * 0.78
    canvas.rectangle(0, 0, 96, 96, dark)
    canvas.rectangle(8, 8, 88, 88, colour)
    sign = rng.integers(0, 3)
    if sign == 0:
        canvas.ellipse((48, 48), (25, 25), light)
    elif sign == 1:
        canvas.polygon(((48, 20), (76, 70), (20, 70)), light)
    else:
        canvas.rectangle(26, 26, 70, 70, light)
    return image


def _paint_box(board, stage, spot, base, size, turn, face):
    angles = turn + np.pi / 4 + np.arange(4) * np.pi / 2
    reach = size / math.sqrt(2)
    corners = [
        (spot[0] + reach * math.cos(angle), spot[1] + reach * math.sin(angle))
        for angle in angles
    ]
    low = [stage.on_board(corner, base)[:2] for corner in corners]
    high = [stage.on_board(corner, base + size)[:2] for corner in corners]
    for place in range(4):
        after = (place + 1) % 4
        # From outside, the corners of a side that faces the eye run rightward.
        if low[place][0] >= low[after][0]:
            continue
        normal = angles[place] + np.pi / 4
        lit = math.cos(normal) * LIGHT[0] - math.sin(normal) * LIGHT[2]
        side = (high[place], high[after], low[after], low[place])
        _paint_face(board, side, face, 0.5 + 0.5 * max(lit, 0.0), 0.72)
    if base + size < stage.eye:
        _paint_face(board, high, face, 1.08, 1.0)


def _paint_face(board, corners, face, light, foot_light):
    corners = np.array(corners, np.float32)
    low, high = np.floor(corners.min(0)) - 1, np.ceil(corners.max(0)) + 2
    low = np.maximum(low, 0).astype(int)
    high = np.minimum(high, (BOARD_WIDTH, BOARD_HEIGHT)).astype(int)
    if (low >= high).any():
        return
    corners = corners - low.astype(np.float32)
    size = tuple(int(side) for side in high - low)
    source = np.array(((0, 0), (96, 0), (96, 96), (0, 96)), np.float32)
    fade = np.linspace(light, light * foot_light, 96)[:, np.newaxis, np.newaxis]
    shaded = np.clip(face * fade, 0, 255).astype(np.uint8)
    matrix = cv2.getPerspectiveTransform(source, corners)
    picture = cv2.warpPerspective(
        shaded, matrix, size, borderMode=cv2.BORDER_REPLICATE
    )
    cover = np.zeros(size[::-1], np.uint8)
    outline = np.round(corners * 16).astype(np.int32)
    cv2.fillConvexPoly(cover, outline, 255, cv2.LINE_AA, 4)
    part = board[low[1] : high[1], low[0] : high[0]]
    _blend(part, picture.astype(np.float32), cover / np.float32(255))


SCENERY = {
    "day": (_paint_city, _paint_seaside, _paint_country, _paint_portrait),
    "night": (
        _paint_ridge,
        _paint_corridor,
        _paint_cave,
        _paint_hall,
        _paint_void,
    ),
    "cartoon": (_paint_meadow, _paint_town, _paint_shore, _paint_garden),
    "stage": (_paint_toys, _paint_robots, _paint_orchard, _paint_blocks),
}


# ---- The command.


def main(arguments=None):
    """Runs the command; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m keras_ssc.sample_films",
        description="Draws the small sample films that ship as the default "
        "data. Of each genre's films the last is to test with, the others are "
        "to train with.",
    )
    parser.add_argument("--out", required=True, help="folder to write to")
    parser.add_argument(
        "--films-per-genre", type=int, default=4, help="default: %(default)s"
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=8.0,
        help="length of each film, default: %(default)s",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        help="another seed draws other films, default: %(default)s",
    )
    parser.add_argument(
        "--workers", type=int, help="processes that draw, default: one a core"
    )
    options = parser.parse_args(arguments)
    try:
        path = draw_sample_films(**vars(options))
    except ValueError as error:
        parser.error(str(error))
    except (OSError, concurrent.futures.BrokenExecutor) as error:
        print(f"{parser.prog}: error: {error}", file=sys.stderr)
        return 1
    films = len(GENRES) * options.films_per_genre
    print(
        f"{films} films of {options.seconds:g} seconds, {len(GENRES)} genres, "
        f"in {path.parent}; their list: {path}; their cuts: "
        f"{path.with_name('cuts.csv')}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
