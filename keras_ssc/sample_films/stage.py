# ruff: noqa: RUF005
# A tuple that is added to an array here is a shift, not a longer list.
"""The solid world of 3D animation: lit things on a floor in perspective."""

import functools
import math
from typing import NamedTuple

import cv2
import numpy as np

from keras_ssc.sample_films import draw

# The stage's camera: how many pixels one unit spans at depth 1.
_FOCAL = 330.0
# Where the stage's light comes from: to the right, up, towards the eye.
_LIGHT = np.array((-0.48, 0.72, 0.5)) / np.linalg.norm((-0.48, 0.72, 0.5))
# How far the clock goes on while the camera passes one unit at depth 5.
_UNIT = _FOCAL / 5
# How far the stage reaches before its things come round again, in units.
_STAGE = 18.0


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
    floor = Floor(
        draw.mix(world["b"], world["tile"], 0.6), world["b"] * 0.75, 1.0
    )
    kinds = (_robot_thing, _ball_thing, _box_thing)
    return _stage(world, rng, kinds, floor, eye=1.9, horizon=90)


def _paint_orchard(world, rng):
    grass = draw.mix(world["hill"], world["d"], 0.3)
    floor = Floor(grass * 1.08, grass * 0.86, 0.6)
    kinds = (_tree_thing, _robot_thing, _cone_thing)
    return _stage(world, rng, kinds, floor, eye=1.5, horizon=110)


def _paint_blocks(world, rng):
    floor = Floor(world["other"] * 0.62, world["tile"] * 0.92, 2.0)
    kinds = (_tower_thing, _box_thing, _robot_thing)
    return _stage(world, rng, kinds, floor, eye=2.7, horizon=52)


SETS = (_paint_toys, _paint_robots, _paint_orchard, _paint_blocks)


def _stage(world, rng, kinds, floor, eye, horizon):
    horizon += int(rng.integers(-10, 11))
    sky = draw.Backdrop(
        draw.gradient(world["sky_top"], world["sky_low"], horizon)
    )
    colours = [world[key] for key in "abcd"]
    things = []
    for number, place in enumerate(np.linspace(0, _STAGE, 15)[:-1]):
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
    sheet = draw.Sheet(horizon - 62, horizon + 8)
    dark = world["hill"] * 0.8
    pale = draw.mix(world["hill"], world["sky_low"], 0.4)
    for place in draw.spread(rng, 12):
        wide, high = rng.uniform(60, 110), rng.uniform(24, 56)
        for share in np.linspace(0, 1, 16):
            shift = np.array((-wide * 0.32, -high * 0.3)) * share
            radii = np.array((wide, high)) * (1 - 0.68 * share)
            spot = shift + (place, horizon + 8)
            sheet.ellipse(spot, radii, draw.mix(dark, pale, share))
    return sheet.layer(0.15, blur=1.5)


def _haze(world, horizon):
    """Returns a veil that hides where the floor ends and the hills begin."""
    rows = np.linspace(0, 1, 40)[:, np.newaxis, np.newaxis] ** 1.5
    cover = np.broadcast_to(rows, (40, draw.PERIOD, 1))
    clear = 255 * (1 - cover)
    return draw.Layer(world["sky_low"] * cover, clear, horizon - 36, 0)


class Stage:
    """A tiled floor in perspective, and things on it with their shadows."""

    def __init__(self, world, things, floor, eye, horizon):
        self.world, self.floor = world, floor
        self.eye, self.horizon = eye, horizon
        self.things = sorted(things, key=lambda thing: -thing.depth)
        rows = np.arange(horizon + 4, draw.BOARD_HEIGHT)
        self.depth = (_FOCAL * eye / (rows - horizon))[:, np.newaxis]
        self.depth = self.depth.astype(np.float32)
        columns = np.arange(draw.BOARD_WIDTH) - draw.BOARD_WIDTH / 2
        self.across = (columns * self.depth / _FOCAL).astype(np.float32)
        self.top = horizon + 4
        # How much of a tile a pixel spans: edges are as soft as that.
        self.soft_across = self.depth / _FOCAL / floor.side
        self.soft_depth = self.depth**2 / (_FOCAL * eye) / floor.side
        self.haze = np.clip((self.depth - 6) / 40, 0, 1)[..., np.newaxis]
        light = np.hypot(self.across + 0.6, self.depth - 5.5)
        self.light = (1.1 - 0.035 * light)[..., np.newaxis]

    def __call__(self, board, clock):
        """Paints floor, shadows and things onto the board."""
        passed = clock / _UNIT
        spots = [
            ((thing.column - passed) % _STAGE - _STAGE / 2, thing.depth)
            for thing in self.things
        ]
        board[self.top :] = self._floor(passed, spots)
        strip = board[self.horizon - 1 : self.top + 1]
        strip[:] = np.clip(self.world["sky_low"], 0, 255)
        for thing, spot in zip(self.things, spots, strict=True):
            half = draw.BOARD_WIDTH / 2 / _FOCAL * spot[1] + thing.radius
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
        scale = _FOCAL / spot[1]
        column = draw.BOARD_WIDTH / 2 + spot[0] * scale
        return column, self.horizon + (self.eye - height) * scale, scale


def _soft_square(place, softness):
    """Returns a wave of -1 and 1 with period 2, as soft as a pixel is wide."""
    wave = np.abs((place + 0.5) % 2 - 1) - 0.5
    return np.clip(wave / np.maximum(softness, 1e-3), -1, 1)


def _ball_thing(rng, colour, world):
    radius, turn = rng.uniform(0.42, 0.7), rng.uniform(0, 2 * np.pi)
    second = world["tile"]

    def paint(board, stage, spot, clock):
        spin = turn + clock / _UNIT / radius * 0.4
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
    lit = across * _LIGHT[0] + up * _LIGHT[1] + front * _LIGHT[2]
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
    shine = np.clip(2 * lit * front - _LIGHT[2], 0, 1) ** 24
    return paint * diffuse[..., np.newaxis] + 150 * shine[..., np.newaxis]


def _window(board, left, top, right, bottom):
    """Returns a part of the board with its columns and rows, or `None`."""
    first, last = max(int(left) - 1, 0), min(int(right) + 2, draw.BOARD_WIDTH)
    upper, lower = max(int(top) - 1, 0), min(int(bottom) + 2, draw.BOARD_HEIGHT)
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
    lit = 0.9 * (across * _LIGHT[0] + front * _LIGHT[2]) + 0.25
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
        pale = draw.mix(colour, np.full(3, 255.0), 0.6)
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
    face = _box_face(rng, colour)

    def paint(board, stage, spot, clock):
        _paint_box(board, stage, spot, 0.0, size, turn, face)

    return paint, 0.62 * size


def _tower_thing(rng, colour, world):
    turns = rng.uniform(0, np.pi / 2, 3)
    keys = rng.permutation(list("abcd"))[:3]
    faces = [_box_face(rng, world[key]) for key in keys]
    sizes = (0.85, 0.66, 0.5)

    def paint(board, stage, spot, clock):
        base = 0.0
        for size, turn, face in zip(sizes, turns, faces, strict=True):
            _paint_box(board, stage, spot, base, size, turn, face)
            base += size

    return paint, 0.55


def _box_face(rng, colour):
    """Returns a face of a toy block, 96x96: a border and a sign."""
    image = np.tile(colour, (96, 96, 1)).astype(np.uint8)
    canvas = draw.Canvas(image)
    light, dark = draw.mix(colour, np.full(3, 255.0), 0.45), colour * 0.78
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
        lit = math.cos(normal) * _LIGHT[0] - math.sin(normal) * _LIGHT[2]
        side = (high[place], high[after], low[after], low[place])
        _paint_face(board, side, face, 0.5 + 0.5 * max(lit, 0.0), 0.72)
    if base + size < stage.eye:
        _paint_face(board, high, face, 1.08, 1.0)


def _paint_face(board, corners, face, light, foot_light):
    corners = np.array(corners, np.float32)
    low, high = np.floor(corners.min(0)) - 1, np.ceil(corners.max(0)) + 2
    low = np.maximum(low, 0).astype(int)
    high = np.minimum(high, (draw.BOARD_WIDTH, draw.BOARD_HEIGHT)).astype(int)
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
