"""Drawn films with known cuts, for the tests and benchmarks of `cuts`.

    for film in draw_corpus(seed=1, films_per_category=4):
        film.frames, film.is_cut

Every film is two dozen frames of one category: a difficulty, such as night,
a fast pan or a flash, with hard cuts inside it. Three films of four went
through H.264, down to where the blocks show. The same seed draws the same
films; different seeds share no picture.

What counts as a cut: one transition, from the last frame of a shot to the
first of the next. The steps of a fade or a dissolve are none.
"""

import dataclasses
import functools
import pathlib
import tempfile

import av
import cv2
import numpy as np

from tests.helpers import drawn_films

# 16:9, the old 4:3, and a wide screen. Small, so that hundreds of cuts are
# drawn, coded and judged within a test's patience.
_SIZES = ((320, 180), (256, 192), (336, 144))

# Of libx264, the constant rate factor: none, a good disc, a web page, ruins.
_RATE_FACTORS = (None, 23, 29, 35)

_FRAMES_PER_SHOT = 6
_SHOTS_PER_FILM = 4


@dataclasses.dataclass(frozen=True, eq=False)
class DrawnFilm:
    """A film whose cuts are known.

    Attributes:
        category: One of `CATEGORIES`.
        frames: uint8 array (frames, height, width, 3), RGB.
        is_cut: bool array (frames - 1,): whether a cut follows frame i.
    """

    category: str
    frames: np.ndarray
    is_cut: np.ndarray


def draw_corpus(seed, films_per_category, categories=None):
    """Yields drawn films, category by category.

    Args:
        seed: Integer; the same draws the same films.
        films_per_category: Integer.
        categories: Names out of `CATEGORIES`, or None for all.
    """
    for name in categories or CATEGORIES:
        for number in range(films_per_category):
            yield draw_film(name, seed, number)


def draw_film(category, seed, number):
    """Draws one film.

    Args:
        category: A key of `CATEGORIES`.
        seed: Integer, the corpus it belongs to.
        number: Integer, its place inside its category.

    Returns:
        A `DrawnFilm`.
    """
    place = list(CATEGORIES).index(category)
    rng = np.random.default_rng([seed, place, number])
    rate_factor = _RATE_FACTORS[(place + number) % len(_RATE_FACTORS)]
    takes = CATEGORIES[category](rng, _SIZES[rng.integers(len(_SIZES))])
    frames = np.concatenate(takes)
    is_cut = np.zeros(len(frames) - 1, bool)
    is_cut[np.cumsum([len(shot) for shot in takes])[:-1] - 1] = True
    if rng.random() < 0.15:
        _draw_bars(frames, rng)
    if rate_factor is not None:
        frames = through_h264(frames, rate_factor)
    return DrawnFilm(category, frames, is_cut)


def through_h264(frames, rate_factor):
    """Encodes frames with libx264 and decodes them again.

    Args:
        frames: uint8 array (frames, height, width, 3), RGB, even sides.
        rate_factor: Integer, 0 (best) to 51.

    Returns:
        uint8 array of the same shape, with the losses of the codec.
    """
    options = {"crf": str(rate_factor), "preset": "veryfast"}
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "film.mp4")
        drawn_films.write_film(path, frames, options=options)
        with av.open(path) as container:
            decoded = [
                frame.to_ndarray(format="rgb24")
                for frame in container.decode(video=0)
            ]
    return np.stack(decoded)


# ---- palettes and places ----


def _palette(rng, kind="colour"):
    """Draws eight colours that go together, dark to bright; float RGB."""
    hue = rng.uniform(0, 180)
    hues = (hue + rng.normal(0, rng.uniform(5, 50), 8)) % 180
    saturations = rng.uniform(20, 190, 8)
    values = np.linspace(25, 245, 8) + rng.normal(0, 12, 8)
    if kind == "grey":
        saturations[:] = 0
    if kind == "cartoon":
        hues, saturations = rng.uniform(0, 180, 8), rng.uniform(90, 230, 8)
        values = np.linspace(70, 250, 8)
    pixels = np.stack([hues, saturations, values], -1).clip(0, 255)
    pixels = pixels.astype(np.uint8)[None]
    return cv2.cvtColor(pixels, cv2.COLOR_HSV2RGB)[0].astype(np.float32)


def _colour(rng, palette, low=0, high=8):
    colour = palette[rng.integers(low, high)] + rng.normal(0, 8, 3)
    return tuple(float(value) for value in colour.clip(0, 255))


def _clouds(rng, height, width, coarsest=4, octaves=5):
    """Draws fractal noise, float32 (height, width), 0 to 1."""
    noise = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        cells = coarsest * 2**octave
        grid = rng.random((cells, cells * 2), np.float32)
        noise += cv2.resize(
            grid, (width, height), interpolation=cv2.INTER_CUBIC
        ) * (0.55**octave)
    return cv2.normalize(noise, None, 0, 1, cv2.NORM_MINMAX)


def _textured(rng, canvas, amount):
    height, width = canvas.shape[:2]
    clouds = _clouds(rng, height, width, rng.integers(6, 24), 4)
    return canvas * (1 + amount * (clouds[..., None] - 0.5))


def _gradient(rng, palette, height, width):
    top, bottom = np.array(_colour(rng, palette, 3)), palette[2]
    ramp = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    return np.broadcast_to(
        (1 - ramp) * top + ramp * bottom, (height, width, 3)
    ).astype(np.float32)


def _landscape(rng, palette, height, width):
    canvas = np.ascontiguousarray(_gradient(rng, palette, height, width))
    x = np.linspace(0, width, 40)
    for layer in range(rng.integers(2, 5)):
        level = height * (0.35 + 0.15 * layer + rng.uniform(-0.1, 0.1))
        ridge = level + np.cumsum(rng.normal(0, height * 0.02, 40))
        hill = np.stack([x, ridge], -1)
        hill = np.concatenate([hill, [[width, height], [0, height]]])
        cv2.fillPoly(canvas, [hill.astype(np.int32)], _colour(rng, palette))
    for _ in range(rng.integers(5, 60)):
        centre = rng.uniform(0, width), rng.uniform(height * 0.4, height)
        _blob(rng, canvas, centre, height * rng.uniform(0.02, 0.12), palette)
    return _textured(rng, canvas, rng.uniform(0.2, 1.0))


def _city(rng, palette, height, width):
    canvas = np.ascontiguousarray(_gradient(rng, palette, height, width))
    for _ in range(rng.integers(8, 26)):
        x, wide = rng.integers(0, width), rng.integers(width // 30, width // 7)
        top = rng.integers(height // 8, height * 3 // 4)
        cv2.rectangle(
            canvas, (x, top), (x + wide, height), _colour(rng, palette), -1
        )
        step, light = int(rng.integers(8, 20)), _colour(rng, palette, 5)
        for left in range(x + 3, x + wide - 6, step):
            for up in range(top + 4, height - 8, step):
                if rng.random() < 0.6:
                    end = (left + step // 2, up + step // 2)
                    cv2.rectangle(canvas, (left, up), end, light, -1)
    return _textured(rng, canvas, rng.uniform(0, 0.4))


def _room(rng, palette, height, width):
    canvas = np.empty((height, width, 3), np.float32)
    canvas[:] = _colour(rng, palette, 3, 7)
    floor = int(height * rng.uniform(0.55, 0.8))
    canvas[floor:] = _colour(rng, palette, 1, 5)
    if rng.random() < 0.5:
        for x in range(0, width, int(rng.integers(14, 50))):
            cv2.line(canvas, (x, 0), (x, floor), _colour(rng, palette), 2)
    for _ in range(rng.integers(10, 40)):
        x, y = rng.integers(0, width), rng.integers(0, height)
        size = rng.uniform(0.03, 0.25, 2) * height
        end = int(x + size[0]), int(y + size[1])
        cv2.rectangle(canvas, (x, y), end, _colour(rng, palette), -1)
        cv2.rectangle(canvas, (x, y), end, _colour(rng, palette, 0, 3), 2)
    return _textured(rng, canvas, rng.uniform(0.05, 0.4))


def _foliage(rng, palette, height, width):
    clouds = _clouds(rng, height, width, int(rng.integers(3, 16)), 6)
    place = clouds * (len(palette) - 1.001)
    low = place.astype(np.int32)
    part = (place - low)[..., None]
    canvas = palette[low] * (1 - part) + palette[low + 1] * part
    canvas = np.ascontiguousarray(canvas.astype(np.float32))
    for _ in range(rng.integers(0, 9)):
        x, wide = int(rng.integers(0, width)), int(rng.integers(4, 24))
        colour = _colour(rng, palette, 0, 3)
        cv2.line(canvas, (x, 0), (x + wide, height), colour, wide)
    return canvas


def _faces(rng, palette, height, width):
    clouds = _clouds(rng, height, width, 3, 2)[..., None]
    canvas = clouds * palette[2] + (1 - clouds) * palette[rng.integers(3, 6)]
    canvas = np.ascontiguousarray(canvas.astype(np.float32))
    for x in np.arange(0.15, 1, 0.2) * width:
        centre = x + rng.normal(0, 12), height * rng.uniform(0.35, 0.65)
        size, skin = height * rng.uniform(0.1, 0.28), _colour(rng, palette, 4)
        _ellipse(canvas, centre, (size * 0.9, size * 1.3), palette[0])
        _ellipse(canvas, centre, (size * 0.7, size), skin)
        shoulders = centre[0], centre[1] + size * 2
        _ellipse(canvas, shoulders, (size * 1.6, size), _colour(rng, palette))
        for side in (-0.3, 0.3):
            eye = centre[0] + side * size, centre[1] - 0.2 * size
            _ellipse(canvas, eye, (size * 0.13, size * 0.07), palette[0])
        mouth = centre[0], centre[1] + 0.5 * size
        _ellipse(canvas, mouth, (size * 0.25, size * 0.06), palette[1])
    return _textured(rng, canvas, rng.uniform(0.05, 0.25))


def _cartoon(rng, palette, height, width):
    canvas = np.empty((height, width, 3), np.float32)
    canvas[:] = _colour(rng, palette, 4)
    canvas[int(height * rng.uniform(0.5, 0.75)) :] = _colour(rng, palette)
    for _ in range(rng.integers(8, 24)):
        centre = rng.uniform(0, width), rng.uniform(0, height)
        size = rng.uniform(0.03, 0.22, 2) * height
        colour = _colour(rng, palette)
        if rng.random() < 0.5:
            _ellipse(canvas, centre, size + 2, (20.0, 15.0, 25.0))
            _ellipse(canvas, centre, size, colour)
        else:
            corners = rng.normal(0, 1, (5, 2)) * size + centre
            hull = cv2.convexHull(corners.astype(np.int32))
            cv2.fillPoly(canvas, [hull], colour)
            cv2.polylines(canvas, [hull], True, (20.0, 15.0, 25.0), 2)
    return canvas


def _plain(rng, palette, height, width):
    canvas = np.ascontiguousarray(_gradient(rng, palette, height, width))
    for _ in range(rng.integers(5, 12)):
        centre = rng.uniform(0, width), rng.uniform(0, height)
        size = rng.uniform(0.05, 0.3, 2) * height
        _ellipse(canvas, centre, size, _colour(rng, palette))
    return cv2.GaussianBlur(canvas, (0, 0), rng.uniform(0.5, 4))


def _ellipse(canvas, centre, radii, colour):
    centre = tuple(round(float(value)) for value in centre)
    radii = tuple(max(round(float(value)), 1) for value in radii)
    colour = tuple(float(value) for value in colour)
    cv2.ellipse(canvas, centre, radii, 0, 0, 360, colour, -1, cv2.LINE_AA)


def _blob(rng, canvas, centre, size, palette):
    for _ in range(4):
        offset = rng.normal(0, size * 0.5, 2)
        radii = size * rng.uniform(0.4, 1, 2)
        _ellipse(canvas, centre + offset, radii, _colour(rng, palette, 0, 5))


_PLACES = (_landscape, _city, _room, _foliage, _faces)


def _place(rng, size, palette, places=_PLACES):
    """Draws a place three frames wide and two high; float32 RGB."""
    width, height = size
    draw = places[rng.integers(len(places))]
    return draw(rng, palette, 2 * height, 3 * width).clip(0, 255)


# ---- cameras and what moves before them ----


def _shoot(place, size, positions, zooms, blur=0.0):
    """Films a place.

    Args:
        place: float32 array, see `_place`.
        size: (width, height) of the frames.
        positions: Array (frames, 2), the middle of the view, in the place.
        zooms: Array (frames,): 2 shows half of the width.
        blur: Float, the part of a frame's time that the shutter is open.

    Returns:
        float32 array (frames, height, width, 3), RGB.
    """
    middle = np.array(size) / 2
    velocities = np.gradient(positions, axis=0)
    frames = []
    for position, zoom, velocity in zip(
        positions, zooms, velocities, strict=True
    ):
        moments = np.linspace(-0.5, 0.5, 5 if blur else 1) * blur
        exposed = 0
        for moment in moments if blur else (0.0,):
            x, y = position + moment * velocity - middle / zoom
            matrix = np.array([[1 / zoom, 0, x], [0, 1 / zoom, y]])
            exposed = exposed + cv2.warpAffine(
                place,
                matrix,
                size,
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_REFLECT_101,
            )
        frames.append(exposed / len(moments))
    return np.stack(frames)


def _still(rng, size, num_frames=_FRAMES_PER_SHOT, speed=0.01, start=None):
    """Returns the positions of a camera that drifts; speed in widths."""
    width, height = size
    if start is None:
        start = rng.uniform(0.9, 2.1) * width, rng.uniform(0.8, 1.2) * height
    angle = rng.uniform(0, 2 * np.pi)
    velocity = np.array([np.cos(angle), 0.3 * np.sin(angle)]) * speed * width
    return np.array(start) + np.arange(num_frames)[:, None] * velocity


def _add_figures(rng, frames, palette, number=None, speed=0.03, size=0.18):
    """Moves figures of a body and a head over the frames, in place."""
    height, width = frames.shape[1:3]
    for _ in range(rng.integers(0, 4) if number is None else number):
        start = rng.uniform(0.1, 0.9) * width, rng.uniform(0.3, 0.9) * height
        step = rng.normal(0, speed, 2) * width
        tall = height * size * rng.uniform(0.6, 1.6)
        body, head = _colour(rng, palette), _colour(rng, palette, 3)
        for number, frame in enumerate(frames):
            x, y = start + number * step
            _ellipse(frame, (x, y), (tall * 0.5, tall), (15.0, 12.0, 18.0))
            _ellipse(frame, (x, y), (tall * 0.45, tall * 0.95), body)
            _ellipse(frame, (x, y - tall), (tall * 0.3, tall * 0.35), head)
            sway = tall * 0.5 * np.sin(number * 0.9)
            arm = (x + tall * 0.5, y + sway), (x + tall, y + sway)
            for hand in arm:
                _ellipse(frame, hand, (tall * 0.14, tall * 0.14), head)
    return frames


def _shot(rng, size, palette, places=_PLACES, **options):
    place = _place(rng, size, palette, places)
    positions = _still(rng, size, **options)
    frames = _shoot(place, size, positions, np.ones(len(positions)))
    return _add_figures(rng, frames, palette)


def _develop(rng, frames, grain=None):
    """Adds the camera's noise and rounds to uint8."""
    grain = rng.uniform(0, 3) if grain is None else grain
    noise = rng.normal(0, 1, frames.shape[:3]).astype(np.float32)
    return (frames + grain * noise[..., None]).clip(0, 255).astype(np.uint8)


def _draw_bars(frames, rng):
    height, width = frames.shape[1:3]
    if rng.random() < 0.5:
        bar = int(height * rng.uniform(0.06, 0.13))
        frames[:, :bar], frames[:, height - bar :] = 0, 0
    else:
        bar = int(width * rng.uniform(0.06, 0.13))
        frames[:, :, :bar], frames[:, :, width - bar :] = 0, 0


# ---- categories: each returns a film's shots ----


def _film_of(draw_shot):
    """Makes a film out of a function that draws one shot."""

    def draw(rng, size):
        return [draw_shot(rng, size) for _ in range(_SHOTS_PER_FILM)]

    return draw


def _hard(rng, size, kind="colour"):
    return _develop(rng, _shot(rng, size, _palette(rng, kind)))


def _one_palette(kind, places, grain=None):
    """Makes a film whose shots share their colours and kind of place."""

    def draw(rng, size):
        palette = _palette(rng, kind)
        place = places[rng.integers(len(places))]
        return [
            _develop(rng, _shot(rng, size, palette, (place,)), grain)
            for _ in range(_SHOTS_PER_FILM)
        ]

    return draw


def _same_place(rng, size):
    """Cuts to another corner of the place: no two views overlap."""
    palette = _palette(rng)
    place = _place(rng, size, palette)
    corners = np.array([[0.5, 0.5], [1.6, 0.5], [2.5, 1.5], [1.1, 1.5]])
    takes = []
    for corner in rng.permutation(corners):
        positions = _still(rng, size, start=corner * size)
        frames = _shoot(place, size, positions, np.ones(len(positions)))
        takes.append(_develop(rng, _add_figures(rng, frames, palette, 1)))
    return takes


def _cut_in(rng, size):
    """Cuts from the whole to a part of it and back: the axis stays."""
    palette = _palette(rng)
    place = _place(rng, size, palette)
    start = rng.uniform(0.8, 2.2) * size[0], rng.uniform(0.7, 1.3) * size[1]
    takes, zooms = [], np.ones(_FRAMES_PER_SHOT)
    for zoom in (1.0, rng.uniform(1.9, 2.6), 1.0, rng.uniform(1.9, 2.6)):
        aim = start + rng.normal(0, 0.08, 2) * size
        positions = _still(rng, size, speed=0.005, start=aim)
        frames = _shoot(place, size, positions, zooms * zoom)
        takes.append(_develop(rng, frames))
    return takes


def _cartoon_shot(rng, size):
    palette = _palette(rng, "cartoon")
    frames = _shot(rng, size, palette, (_cartoon,))
    return _develop(rng, _add_figures(rng, frames, palette, 1), grain=0)


def _dark(rng, size):
    frames = _shot(rng, size, _palette(rng), (*_PLACES, _plain))
    brightest = rng.uniform(18, 60)
    frames *= brightest / np.percentile(frames, 99)
    return _develop(rng, frames, rng.uniform(0.5, 2.5))


def _fast_pan(rng, size):
    """Pans by 4 to 15 % of the width from frame to frame."""
    place = _place(rng, size, _palette(rng), (*_PLACES, _plain, _cartoon))
    speed = rng.uniform(0.04, 0.15) * rng.choice([-1, 1])
    steps = np.arange(_FRAMES_PER_SHOT)[:, None] - 2.5
    velocity = np.array([speed * size[0], rng.normal(0, 0.01) * size[1]])
    positions = np.array([1.5 * size[0], 1.0 * size[1]]) + steps * velocity
    blur = rng.choice([0.0, 0.5])
    frames = _shoot(place, size, positions, np.ones(_FRAMES_PER_SHOT), blur)
    return _develop(rng, frames)


def _zoom(rng, size):
    """Zooms by 2 to 8 % from frame to frame, in or out."""
    palette = _palette(rng)
    place = _place(rng, size, palette, (*_PLACES, _cartoon))
    rate = 1 + rng.uniform(0.02, 0.08)
    zooms = rate ** np.arange(_FRAMES_PER_SHOT)[:: rng.choice([-1, 1])]
    frames = _shoot(place, size, _still(rng, size), zooms)
    return _develop(rng, _add_figures(rng, frames, palette))


def _shaky(rng, size):
    palette = _palette(rng)
    place = _place(rng, size, palette)
    positions = _still(rng, size)
    positions += rng.normal(0, 0.025, positions.shape) * size[0]
    zooms = 1 + rng.normal(0, 0.01, len(positions))
    frames = _shoot(place, size, positions, zooms, blur=0.5)
    return _develop(rng, _add_figures(rng, frames, palette))


def _crossing(rng, size):
    """Something large, 25 to 50 % of the width, crosses within the shot."""
    palette = _palette(rng)
    frames = _shot(rng, size, palette)
    width, height = size
    wide = rng.uniform(0.25, 0.5) * width
    step = rng.uniform(0.1, 0.25) * width
    colour, spots = _colour(rng, palette), rng.normal(0, 0.4, (12, 2))
    for number, frame in enumerate(frames):
        x = -wide / 2 + number * step
        _ellipse(frame, (x, height / 2), (wide / 2, height * 0.6), colour)
        for spot in spots:
            centre = (x, height / 2) + spot * (wide / 2, height * 0.5)
            _ellipse(frame, centre, (5, 5), palette[1])
    return _develop(rng, frames[:, :, :: rng.choice([-1, 1])])


def _busy(rng, size):
    """Many figures, each its own quick way: a fight, a crowd."""
    palette = _palette(rng)
    frames = _shot(rng, size, palette)
    return _develop(rng, _add_figures(rng, frames, palette, 6, 0.05, 0.25))


def _flash(rng, size):
    """One or two frames much brighter, with parts of them white."""
    frames = _shot(rng, size, _palette(rng), speed=0.004)
    first = rng.integers(1, 4)
    lit = frames[first : first + rng.integers(1, 3)]
    lit[:] = lit * rng.uniform(1.4, 2.0) + rng.uniform(10, 40)
    return _develop(rng, frames)


def _lightning(rng, size):
    """A night scene that one frame shows as by day."""
    frames = _shot(rng, size, _palette(rng), speed=0.004)
    light = np.full(len(frames), rng.uniform(0.12, 0.25), np.float32)
    light[rng.integers(1, 4)] = rng.uniform(0.6, 1.1)
    return _develop(rng, frames * light[:, None, None, None])


def _strobe(rng, size):
    """An explosion: fire that grows, and light that jumps."""
    frames = _shot(rng, size, _palette(rng))
    width, height = size
    y, x = np.mgrid[:height, :width].astype(np.float32)
    centre = rng.uniform(0.2, 0.8) * width, rng.uniform(0.3, 0.9) * height
    distance = np.hypot(x - centre[0], y - centre[1]) / width
    for number, frame in enumerate(frames):
        reach = 0.04 + 0.05 * number * rng.uniform(0.7, 1.3)
        fire = 1.4 * np.exp(-((distance / reach) ** 2))
        fire *= 0.6 + 0.8 * _clouds(rng, height, width, 6, 3)
        frame *= rng.uniform(0.7, 1.3)
        frame += fire[..., None] * np.float32([255, 190, 90])
    return _develop(rng, frames)


def _fade(rng, size):
    """Fades to black or white and in again: the place changes unseen."""
    colour, takes = rng.choice([0.0, 255.0]), []
    for _ in range(2):
        frames = _shot(rng, size, _palette(rng), num_frames=18)
        num_steps = rng.integers(7, 10)
        light = np.ones(18, np.float32)
        light[:num_steps] = np.linspace(0, 1, num_steps)
        light[-num_steps:] = np.linspace(1, 0, num_steps)
        light = light[:, None, None, None]
        takes.append(_develop(rng, frames * light + colour * (1 - light), 1))
    return [np.concatenate(takes)]


def _dissolve(rng, size):
    """One shot becomes another over eight to twelve frames, then a cut."""
    num_steps = rng.integers(8, 13)
    takes = [
        _shot(rng, size, _palette(rng), num_frames=num_steps + 4, speed=0.004)
        for _ in range(2)
    ]
    mix = np.clip((np.arange(num_steps + 4) - 2) / num_steps, 0, 1)
    mix = mix[:, None, None, None].astype(np.float32)
    dissolved = takes[0] * (1 - mix) + takes[1] * mix
    return [_develop(rng, dissolved), _hard(rng, size)]


def _old_film(rng, size):
    """Grain, flicker, scratches, and a picture that jumps in the gate."""
    palette = _palette(rng, "grey")
    place = _place(rng, size, palette)
    positions = _still(rng, size)
    positions[:, 1] += rng.normal(0, 0.008, len(positions)) * size[1]
    frames = _shoot(place, size, positions, np.ones(len(positions)))
    _add_figures(rng, frames, palette, 1)
    for frame in frames:
        frame *= rng.uniform(0.8, 1.15)
        for x in rng.integers(0, size[0], rng.integers(0, 4)):
            frame[:, x] = 230
        for _ in range(rng.integers(0, 5)):
            _ellipse(frame, rng.uniform(0, 1, 2) * size, (3, 2), (240,) * 3)
    return _develop(rng, frames, rng.uniform(5, 14))


def _grainy_night(rng, size):
    frames = _shot(rng, size, _palette(rng), speed=0.004)
    return _develop(rng, frames * 0.2, rng.uniform(4, 7))


def _letters(rng, size):
    """Letter cards, white on black, cut to each other and to a scene."""
    takes, black = [], int(rng.integers(0, 25))
    for number in range(_SHOTS_PER_FILM):
        if number == 2:
            takes.append(_hard(rng, size))
            continue
        card = np.full((size[1], size[0], 3), black, np.uint8)
        num_lines = rng.integers(2, 6)
        top = (size[1] - 24 * num_lines) // 2 + rng.integers(8, 20)
        for line in range(num_lines):
            letters = rng.integers(97, 123, rng.integers(8, 18)).tolist()
            words = "".join(map(chr, letters)).replace("e", " ")
            start = int(rng.uniform(0.03, 0.25) * size[0]), int(top) + 24 * line
            font = rng.choice([cv2.FONT_HERSHEY_SIMPLEX, 3, 4])
            cv2.putText(card, words, start, int(font), 0.6, (235.0,) * 3, 1)
        frames = np.repeat(card[None], _FRAMES_PER_SHOT, 0).astype(np.float32)
        takes.append(_develop(rng, frames, rng.uniform(0, 3)))
    return takes


def _on_twos(rng, size):
    """Each drawing is held for two frames and then jumps twice as far."""
    palette = _palette(rng, "cartoon")
    place = _place(rng, size, palette, (_cartoon, _landscape))
    positions = _still(rng, size, 3, speed=rng.choice([0.0, 0.03]))
    frames = _shoot(place, size, positions, np.ones(3))
    _add_figures(rng, frames, palette, 2, speed=0.08, size=0.25)
    return np.repeat(_develop(rng, frames, 0), 2, axis=0)


CATEGORIES = {
    "hard": _film_of(_hard),
    "grey": _film_of(functools.partial(_hard, kind="grey")),
    "similar_palette": _one_palette("colour", _PLACES),
    "same_place": _same_place,
    "cut_in": _cut_in,
    "cartoon": _film_of(_cartoon_shot),
    "cartoon_one_palette": _one_palette("cartoon", (_cartoon,), grain=0),
    "dark": _film_of(_dark),
    "grainy_night": _film_of(_grainy_night),
    "fast_pan": _film_of(_fast_pan),
    "zoom": _film_of(_zoom),
    "shaky": _film_of(_shaky),
    "crossing": _film_of(_crossing),
    "busy": _film_of(_busy),
    "flash": _film_of(_flash),
    "lightning": _film_of(_lightning),
    "strobe": _film_of(_strobe),
    "fade": _fade,
    "dissolve": _dissolve,
    "old_film": _film_of(_old_film),
    "letters": _letters,
    "on_twos": _film_of(_on_twos),
}
