# ruff: noqa: RUF005
# A tuple that is added to an array here is a shift, not a longer list.
"""The world by night, of horror and science fiction.

A ridge, a corridor, a cave, a hall, and the void between the stars.
"""

import itertools
import math

import cv2
import numpy as np

from keras_ssc.sample_films import draw
from keras_ssc.sample_films import people
from keras_ssc.sample_films import worlds


def _paint_ridge(world, rng):
    horizon = int(rng.integers(165, 190))
    return [
        _sky(world, rng, horizon, moon=True),
        _mist(world, rng, 20, horizon, 0.15, 0.5),
        _towers(world, rng, horizon + 12, 0.35),
        _hills(world, rng, horizon + 8, 0.55, 0.35, 36),
        _bare_trees(world, rng, horizon + 44, 0.8, 62, 8),
        _hills(world, rng, horizon + 46, 0.85, 0.1, 26),
        _mist(world, rng, horizon - 20, draw.BOARD_HEIGHT, 1.1, 0.55),
        Wanderer(world, rng, draw.BOARD_HEIGHT - 22, 84),
        _bare_trees(world, rng, draw.BOARD_HEIGHT + 10, 1.3, 150, 3),
    ]


def _paint_corridor(world, rng):
    return [Tunnel(_corridor_wall(world, rng), world, rng), Wisp(world, rng)]


def _paint_cave(world, rng):
    wall = _cave_wall(world, rng)
    return [Tunnel(wall, world, rng, round_wall=True), Wisp(world, rng)]


def _paint_hall(world, rng):
    return [
        _sky(world, rng, 200),
        _hall_wall(world, rng),
        _hall_floor(world, rng),
        _columns(world, rng, 0.95, 226, 17, world["stone"]),
        Wanderer(world, rng, draw.BOARD_HEIGHT - 24, 104),
        _mist(world, rng, 190, draw.BOARD_HEIGHT, 1.1, 0.3),
        _columns(world, rng, 1.35, draw.BOARD_HEIGHT + 30, 27, world["ridge"]),
    ]


def _paint_void(world, rng):
    return [
        _sky(world, rng, draw.BOARD_HEIGHT, moon=True),
        _mist(world, rng, 10, draw.BOARD_HEIGHT - 10, 0.25, 0.6),
        _rocks(world, rng, 0.5, 12, (6, 15)),
        _vessel(world, rng),
        _rocks(world, rng, 0.9, 9, (12, 26)),
        _rocks(world, rng, 1.35, 4, (28, 46)),
    ]


SETS = (_paint_ridge, _paint_corridor, _paint_cave, _paint_hall, _paint_void)


def _sky(world, rng, horizon, moon=False):
    image = draw.gradient(world["sky_top"], world["sky_low"], horizon)
    canvas = np.zeros(
        (2 * draw.BOARD_HEIGHT, 2 * draw.BOARD_WIDTH, 3), np.uint8
    )
    stars = draw.Canvas(canvas, scale=2)
    for _ in range(150):
        spot = rng.uniform(0, draw.BOARD_WIDTH), rng.uniform(0, horizon)
        light = draw.mix(world["glow"], np.full(3, 255.0), rng.uniform(0.2, 1))
        radius = rng.choice((0.5, 0.7, 1.1), p=(0.6, 0.3, 0.1))
        stars.ellipse(spot, (radius, radius), light * rng.uniform(0.3, 1))
    size = (draw.BOARD_WIDTH, draw.BOARD_HEIGHT)
    image += cv2.resize(canvas, size, interpolation=cv2.INTER_AREA)
    if moon:
        image = _moon(image, world, rng)
    return draw.Backdrop(image)


def _moon(image, world, rng):
    radius = rng.uniform(26, 52)
    centre = rng.uniform((0.15, 0.2), (0.85, 0.4)) * (
        draw.BOARD_WIDTH,
        draw.BOARD_HEIGHT,
    )
    columns, rows = np.meshgrid(
        np.arange(draw.BOARD_WIDTH), np.arange(draw.BOARD_HEIGHT)
    )
    across, down = (columns - centre[0]) / radius, (rows - centre[1]) / radius
    distance = np.hypot(across, down)
    front = np.sqrt(np.clip(1 - distance**2, 0, 1))
    light = np.clip(-0.45 * across - 0.4 * down + 0.8 * front, 0, 1)
    spots = world.texture(rng)[: draw.BOARD_HEIGHT, : draw.BOARD_WIDTH]
    colour = draw.mix(world["glow"], np.full(3, 235.0), 0.45) * (
        1 + 0.3 * spots
    )
    halo = np.exp(-np.clip(distance - 1, 0, None) * 1.6)[..., np.newaxis]
    image = image + halo * world["glow"] * 0.22
    cover = np.clip((1 - distance) * radius + 0.5, 0, 1)[..., np.newaxis]
    return draw.mix(image, colour * (0.1 + 0.9 * light[..., np.newaxis]), cover)


def _mist(world, rng, top, bottom, speed, strength):
    drifts = draw.drifts(world, rng, int(bottom) - int(top))
    rows = np.linspace(0, np.pi, len(drifts))[:, None, None]
    cover = strength * np.clip(drifts * 1.3 + 0.25 * np.sin(rows), 0, 1)
    colour = draw.mix(world["sky_low"], world["glow"], 0.22)
    return draw.Layer(colour * cover, 255 * (1 - cover), int(top), speed)


def _towers(world, rng, base, speed):
    sheet = draw.Sheet(base - 120, base + 30)
    wall = draw.mix(world["stone"], world["sky_low"], 0.4) * 0.75
    for place in draw.spread(rng, 15):
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


def _hills(world, rng, base, speed, haze, height):
    colour = draw.mix(world["ridge"] * 1.5, world["sky_low"], haze)
    sheet = draw.Sheet(base - height, draw.BOARD_HEIGHT)
    sheet.polygon(draw.ridge(rng, base, height, (2, 5, 9, 17)), colour)
    for _ in range(60):
        spot = rng.uniform(0, draw.PERIOD), rng.uniform(base, draw.BOARD_HEIGHT)
        shade = colour * rng.choice((0.65, 1.35))
        sheet.ellipse(spot, (rng.uniform(6, 22), 2), shade)
    return sheet.layer(speed, world.texture(rng), 0.45)


def _bare_trees(world, rng, base, speed, height, count):
    sheet = draw.Sheet(
        max(base - height * 1.25, 0), min(base + 6, draw.BOARD_HEIGHT)
    )
    colour = draw.mix(world["ink"], world["ridge"], 0.6 if speed < 1 else 0.25)
    for place in draw.spread(rng, count):
        root = np.array((place, base + 4.0))
        tall = height * rng.uniform(0.75, 1.05)
        _branch(sheet, rng, root, np.pi, tall * 0.4, height / 13, colour)
    return sheet.layer(speed)


def _branch(sheet, rng, root, angle, length, width, colour):
    tip = root + draw.reach(angle, length)
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
        self.look = worlds.Look(rng, face=0)
        self.look.top = self.look.bottom = world["ink"] * 1.8
        self.look.hair = world["ink"]
        self.look.skin = draw.mix(world["ink"], world["glow"], 0.35)
        self.look.dress = False
        self.glow = world["glow"]
        self.foot, self.height = foot, height
        self.column = rng.uniform(0.3, 0.7) * draw.BOARD_WIDTH
        self.phases = rng.uniform(0, 2 * np.pi, 2)

    def __call__(self, board, clock):
        """Paints the figure and its light onto the board."""
        sway = 46 * math.sin(2 * math.pi * clock / 620 + self.phases[0])
        spot = np.array((self.column + sway, self.foot))
        lamp = spot + np.array((0.27, -0.42)) * self.height
        draw.add_glow(board, lamp, self.height * 1.3, self.glow, 0.5)
        phase = 2 * math.pi * clock / 104 + self.phases[1]
        canvas = draw.Canvas(board)
        people.draw_person(canvas, self.look, spot, self.height, phase)
        hand = lamp - (0, 0.09 * self.height)
        canvas.line(
            (hand - (0.1 * self.height, 0), hand, lamp), (20, 20, 24), 2
        )
        canvas.ellipse(lamp, np.full(2, 0.05 * self.height), self.glow)
        white = draw.mix(self.glow, np.full(3, 255.0), 0.7)
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
        centre = self.centre * (draw.BOARD_WIDTH, draw.BOARD_HEIGHT)
        centre = centre + (34, 18) * np.sin(angles)
        radius = self.radius
        draw.add_glow(board, centre, radius * 5, self.glow, 0.7)
        canvas = draw.Canvas(board)
        canvas.ellipse(centre, np.full(2, radius), self.ink * 2)
        for share in np.linspace(0, 1, 6):
            tone = draw.mix(self.glow * 0.5, np.full(3, 255.0), share * 0.8)
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
            (np.arange(draw.BOARD_WIDTH) / draw.BOARD_WIDTH - centre[0]) * 2,
            (np.arange(draw.BOARD_HEIGHT) / draw.BOARD_HEIGHT - centre[1]) * 2,
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
        self.columns = (self.DEPTH / nearness % draw.PERIOD).astype(np.float32)
        self.rows = (around * draw.TEXTURE_HEIGHT).astype(np.float32)
        share = np.clip((nearness - 0.25) / 0.25, 0, 1)
        self.near = share.astype(np.float32)
        self.far = 1 - self.near
        light = np.clip(nearness, 0, 1) ** 0.9 * 1.25
        light = np.repeat(light[..., np.newaxis], 3, axis=2)
        self.light = np.clip(light * 255, 0, 255).astype(np.uint8)
        end = np.exp(-((nearness / 0.2) ** 2))[..., np.newaxis]
        colour = draw.mix(world["glow"], world["sky_low"], 0.45)
        self.end = (end * colour * 0.75).astype(np.uint8)

    def __call__(self, board, clock):
        """Paints the tunnel over the whole board."""
        passed = clock * self.STRIDE % draw.PERIOD
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
    sheet = draw.Sheet(0, draw.TEXTURE_HEIGHT)
    side = draw.TEXTURE_HEIGHT // 4
    # In the order of `_four_sides`: right wall, floor, left wall, ceiling.
    shades = (1.0, 0.72, 0.9, 0.55)
    for place, shade in enumerate(shades):
        box = (-50, place * side, draw.PERIOD + 50, (place + 1) * side)
        sheet.rectangle(*box, world["stone"] * shade)
        _panels(sheet, rng, place * side, side, world["stone"] * shade)
    for column in np.arange(0, draw.PERIOD, 100):
        rib = world["stone"] * 0.45
        sheet.rectangle(column - 6, 0, column + 6, draw.TEXTURE_HEIGHT, rib)
        edge = world["stone"] * 1.4
        sheet.rectangle(column + 6, 0, column + 8, draw.TEXTURE_HEIGHT, edge)
    for column in np.arange(50, draw.PERIOD, 100):
        for row in (0.4 * side, 2.6 * side):
            spot, light = (column, row), world["glow"]
            sheet.ellipse(spot, (24, 17), draw.mix(world["stone"], light, 0.4))
            sheet.ellipse(spot, (15, 9), light)
    layer = sheet.layer(0, world.texture(rng), 0.4)
    return np.ascontiguousarray(layer.image[:, : draw.PERIOD])


def _panels(sheet, rng, top, side, colour):
    rows = (0, 0.3, 0.7, 1)
    for upper, lower in itertools.pairwise(rows):
        left = rng.uniform(-60, 0)
        while left < draw.PERIOD - 40:
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
    sheet = draw.Sheet(0, 214)
    stone = world["stone"] * 0.75
    sheet.rectangle(-50, 0, draw.PERIOD + 50, 214, stone)
    for row in range(0, 214, 18):
        for place in draw.spread(rng, 34, 0.2):
            box = (place, row + 1, place + 32, row + 17)
            sheet.rectangle(*box, stone * rng.uniform(0.78, 1.18))
    glass = draw.mix(world["glow"], world["sky_low"], 0.35)
    for place in draw.spread(rng, 7, 0.1):
        for grow, colour in ((7, stone * 0.5), (0, glass)):
            box = (place - 26 - grow, 76, place + 26 + grow, 158 + grow)
            sheet.rectangle(*box, colour)
            if world.rounded:
                radii = (26 + grow, 26 + grow)
                sheet.ellipse((place, 76), radii, colour)
            else:
                tip = (place, 34 - grow)
                feet = (place - 26 - grow, 76), (place + 26 + grow, 76)
                sheet.polygon((feet[0], tip, feet[1]), colour)
        sheet.line(((place, 44), (place, 158)), stone * 0.4, 3)
        for row in (84, 112, 138):
            bar = ((place - 26, row), (place + 26, row))
            sheet.line(bar, stone * 0.4, 2.4)
    return sheet.layer(0.55, world.texture(rng), 0.3)


def _hall_floor(world, rng):
    sheet = draw.Sheet(208, draw.BOARD_HEIGHT)
    stone = world["stone"] * 0.55
    sheet.rectangle(-50, 208, draw.PERIOD + 50, draw.BOARD_HEIGHT, stone)
    for top, bottom in ((208, 222), (222, 246), (246, draw.BOARD_HEIGHT)):
        for place in draw.spread(rng, 20, 0.0):
            wide = 57 - (place % 2)
            box = (place, top + 1, place + wide, bottom - 1)
            sheet.rectangle(*box, stone * rng.uniform(0.7, 1.3))
    for place in draw.spread(rng, 7, 0.1):
        pool = draw.mix(stone, world["glow"], 0.3)
        sheet.ellipse((place, 234), (34, 8), pool)
    return sheet.layer(0.85, world.texture(rng), 0.35)


def _columns(world, rng, speed, foot, wide, colour):
    sheet = draw.Sheet(0, min(foot + 8, draw.BOARD_HEIGHT))
    for place in draw.spread(rng, 5 if speed < 1 else 3, 0.2):
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
    sheet = draw.Sheet(0, draw.BOARD_HEIGHT)
    for place in draw.spread(rng, count):
        size = rng.uniform(*sizes)
        centre = np.array((place, rng.uniform(size, draw.BOARD_HEIGHT - size)))
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
    sheet = draw.Sheet(0, 320)
    hull, glow = draw.mix(world["stone"], np.full(3, 150.0), 0.2), world["glow"]
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
    flame = draw.mix(glow, np.full(3, 255.0), 0.4)
    for row in (156, 170):
        sheet.ellipse((82, row), (13, 4.5), glow)
        sheet.ellipse((84, row), (8, 3), flame)
    layer = sheet.layer(0, world.texture(rng), 0.25)
    centre = rng.uniform((0.35, 0.4), (0.65, 0.65)) * (
        draw.BOARD_WIDTH,
        draw.BOARD_HEIGHT,
    )
    return draw.Cutout(layer, centre, rng, rng.uniform(0.65, 0.95))
