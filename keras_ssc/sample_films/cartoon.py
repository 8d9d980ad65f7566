# ruff: noqa: RUF005
# A tuple that is added to an array here is a shift, not a longer list.
"""The flat world of 2D animation: meadow, town, shore, garden."""

import math

import numpy as np

from keras_ssc.sample_films import draw


def _paint_meadow(world, rng):
    horizon = int(rng.integers(140, 165))
    return [
        _sky(world, rng),
        _clouds(world, rng),
        _hills(world, rng, horizon, 0.35, world["far"], 50),
        _houses(world, rng, horizon + 34, 0.6, 5, (30, 46)),
        _hills(world, rng, horizon + 36, 0.7, world["near"], 24),
        _lollipops(world, rng, horizon + 60, 0.8, 8),
        _ground(world, rng, horizon + 58),
        Critters(world, rng),
        _flowers(world, rng),
    ]


def _paint_town(world, rng):
    base = int(rng.integers(195, 210))
    return [
        _sky(world, rng),
        _clouds(world, rng),
        _houses(world, rng, base - 20, 0.45, 15, (70, 120), distant=True),
        _houses(world, rng, base, 0.75, 9, (60, 96)),
        _ground(world, rng, base),
        _cars(world, rng, base + 32),
        Critters(world, rng),
    ]


def _paint_shore(world, rng):
    horizon = int(rng.integers(130, 150))
    sea = draw.mix(np.array((58.0, 122.0, 176.0)), world["sky"], 0.4)
    return [
        _sky(world, rng),
        _clouds(world, rng),
        _hills(world, rng, horizon + 8, 0.25, world["far"], 40),
        _waves(horizon, 0.4, draw.mix(sea, world["light"], 0.25)),
        _boats(world, rng, horizon + 28),
        _waves(horizon + 26, 0.6, sea),
        _waves(horizon + 54, 0.8, sea * 0.88),
        _ground(world, rng, horizon + 84),
        Critters(world, rng),
    ]


def _paint_garden(world, rng):
    return [
        _sky(world, rng),
        _hills(world, rng, 150, 0.3, world["far"], 90),
        _lollipops(world, rng, 190, 0.5, 11),
        _hills(world, rng, 186, 0.6, world["near"], 20),
        _picket_fence(world, 0.8, 222),
        _ground(world, rng, 212),
        Critters(world, rng, size=1.25),
        _flowers(world, rng),
    ]


SETS = (_paint_meadow, _paint_town, _paint_shore, _paint_garden)


def _sky(world, rng):
    image = np.tile(world["sky"], (draw.BOARD_HEIGHT, draw.BOARD_WIDTH, 1))
    image = image.astype(np.uint8)
    canvas = draw.Canvas(image, ink=world["ink"])
    centre = rng.uniform((70, 45), (draw.BOARD_WIDTH - 70, 75))
    sun = draw.mix(world["light"], np.array((255.0, 214.0, 90.0)), 0.7)
    for angle in np.linspace(0, 2 * np.pi, 12, endpoint=False):
        rays = centre + draw.reach(angle, 34), centre + draw.reach(angle, 43)
        canvas.line(rays, sun, 3)
    canvas.ellipse(centre, (26, 26), sun)
    return draw.Backdrop(image)


def _clouds(world, rng):
    sheet = draw.Sheet(0, 130, world["ink"])
    for place in draw.spread(rng, 6):
        row, size = rng.uniform(36, 92), rng.uniform(0.7, 1.2)
        puffs = ((-24, 3, 16), (-4, -8, 21), (20, 0, 17))
        # First all outlines, then all fills: no ink inside the cloud.
        for outline in (2.4, 0):
            for column, rise, radius in puffs:
                spot = (place + column * size, row + rise * size)
                radii = np.array((radius, radius * 0.8)) * size
                sheet.ellipse(spot, radii, world["light"], outline=outline)
    return sheet.layer(0.2)


def _hills(world, rng, base, speed, colour, height):
    sheet = draw.Sheet(base - height - 4, draw.BOARD_HEIGHT, world["ink"])
    sheet.polygon(draw.ridge(rng, base, height, (2, 3, 5)), colour)
    sheet.ink = None
    for _ in range(26):
        spot = np.array(
            (rng.uniform(0, draw.PERIOD), rng.uniform(base, base + 90))
        )
        tuft = np.array(((-5, 0), (-2, -5), (0, 0), (3, -6), (5, 0))) + spot
        sheet.line(tuft, colour * 0.75, 1.4)
    return sheet.layer(speed)


def _houses(world, rng, base, speed, count, heights, distant=False):
    sheet = draw.Sheet(base - heights[1] - 40, base + 34, world["ink"])
    colours = (
        world["accent"],
        world["second"],
        world["light"],
        world["ground"],
    )
    half = min(draw.PERIOD / count / 2.1, 48)
    for place in draw.spread(rng, count, 0.05 if count > 8 else 0.3):
        wall = colours[rng.integers(0, 4)]
        roof = colours[rng.integers(0, 2)] * 0.82
        if distant:
            wall, roof = (
                draw.mix(tone, world["sky"], 0.55) for tone in (wall, roof)
            )
        top, wide = base - rng.uniform(*heights), half * rng.uniform(0.8, 1)
        sheet.rectangle(place - wide, top, place + wide, base + 34, wall)
        eaves = ((place - wide - 5, top), (place, top - wide * 0.7))
        sheet.polygon((*eaves, (place + wide + 5, top)), roof)
        for row in np.arange(top + 10, base - 16, 26):
            for column in (place - wide * 0.5, place + wide * 0.5):
                box = (column - 6, row, column + 6, row + 14)
                sheet.rectangle(*box, draw.mix(world["sky"], wall, 0.2))
        door = (place - 6, base - 14, place + 6, base + 34)
        sheet.rectangle(*door, roof * 0.8)
    return sheet.layer(speed)


def _lollipops(world, rng, base, speed, count):
    sheet = draw.Sheet(base - 100, base + 6, world["ink"])
    for place in draw.spread(rng, count):
        high, wide = rng.uniform(46, 72), rng.uniform(17, 27)
        bark = draw.mix(world["ink"], world["ground"], 0.45)
        sheet.rectangle(place - 4, base - high, place + 4, base + 4, bark)
        leaf = draw.mix(world["near"], world["accent"], rng.choice((0.0, 0.25)))
        leaf = leaf * rng.choice((0.85, 1.05))
        crown = (place, base - high)
        sheet.ellipse(crown, (wide, wide * 1.15), leaf)
        shine = (place - wide * 0.35, base - high - wide * 0.4)
        light = draw.mix(leaf, world["light"], 0.35)
        sheet.ellipse(shine, (wide * 0.28, wide * 0.2), light, outline=0)
    return sheet.layer(speed)


def _ground(world, rng, top):
    sheet = draw.Sheet(top - 2, draw.BOARD_HEIGHT, world["ink"])
    box = (-50, top, draw.PERIOD + 50, draw.BOARD_HEIGHT + 20)
    sheet.rectangle(*box, world["ground"])
    for _ in range(40):
        spot = (
            rng.uniform(0, draw.PERIOD),
            rng.uniform(top + 8, draw.BOARD_HEIGHT),
        )
        radii = (rng.uniform(6, 18), 2.5)
        sheet.ellipse(spot, radii, world["ground"] * 0.88, outline=0)
    return sheet.layer(1.0)


def _cars(world, rng, row):
    sheet = draw.Sheet(row - 50, row + 8, world["ink"])
    for place in draw.spread(rng, 4):
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


def _waves(top, speed, colour):
    sheet = draw.Sheet(top - 8, draw.BOARD_HEIGHT, colour * 0.45)
    columns = np.arange(-40, draw.PERIOD + 41, 4)
    rows = top - 5 * np.abs(np.sin(np.pi * columns / 40))
    foot = (
        (draw.PERIOD + 40, draw.BOARD_HEIGHT + 20),
        (-40, draw.BOARD_HEIGHT + 20),
    )
    outline = np.concatenate([np.stack([columns, rows], 1), foot])
    sheet.polygon(outline, colour)
    return sheet.layer(speed)


def _boats(world, rng, row):
    sheet = draw.Sheet(row - 76, row + 14, world["ink"])
    for place in draw.spread(rng, 4):
        hull = ((-30, -12), (32, -12), (20, 8), (-20, 8))
        sheet.line(((place, row - 10), (place, row - 66)), world["ground"], 2)
        sail = ((3, -16), (3, -64), (30, -20))
        sheet.polygon(np.array(sail) + (place, row), world["light"])
        jib = ((-3, -16), (-3, -54), (-22, -20))
        sheet.polygon(np.array(jib) + (place, row), world["accent"])
        sheet.polygon(np.array(hull) + (place, row), world["second"] * 0.8)
    return sheet.layer(0.55)


def _picket_fence(world, speed, foot):
    sheet = draw.Sheet(foot - 60, foot + 4, world["ink"])
    for row in (foot - 40, foot - 16):
        sheet.rectangle(
            -50, row, draw.PERIOD + 50, row + 6, world["light"] * 0.92
        )
    for place in range(0, draw.PERIOD, 30):
        top, right = foot - 46, place + 14
        picket = ((place, foot), (place, top), (place + 7, top - 9))
        sheet.polygon((*picket, (right, top), (right, foot)), world["light"])
    return sheet.layer(speed)


def _flowers(world, rng):
    sheet = draw.Sheet(draw.BOARD_HEIGHT - 50, draw.BOARD_HEIGHT, world["ink"])
    for place in draw.spread(rng, 9):
        top = draw.BOARD_HEIGHT - rng.uniform(24, 38)
        stem = world["near"] * 0.75
        sheet.line(((place, draw.BOARD_HEIGHT + 9), (place, top)), stem, 2)
        petal = (world["accent"], world["second"])[rng.integers(0, 2)]
        for angle in np.linspace(0, 2 * np.pi, 6)[:-1]:
            spot = np.array((place, top)) + draw.reach(angle, 6)
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
        canvas = draw.Canvas(board, ink=self.ink)
        for place in (0, 1):
            phase = 2 * math.pi * clock / 110 + self.phases[place]
            sway = 30 * math.sin(2 * math.pi * clock / 700 + self.phases[place])
            foot = np.array(
                (
                    self.columns[place] * draw.BOARD_WIDTH + sway,
                    draw.BOARD_HEIGHT - 30.0,
                )
            )
            self._paint(canvas, foot, phase, place)

    def _paint(self, canvas, foot, phase, place):
        size, coat = self.size, self.coats[place]
        hop = 7 * size * (1 + math.sin(2 * phase))
        middle = foot - (0, 38 * size + hop)
        shadow = draw.mix(self.ink, self.light, 0.35)
        canvas.ellipse(foot, (24 * size, 4 * size), shadow, outline=0)
        for step in (0, np.pi):
            swing = 0.6 * math.sin(phase + step)
            shoe = middle + (0, 16 * size) + draw.reach(swing, 20 * size)
            canvas.line((middle + (0, 16 * size), shoe), coat * 0.85, 5 * size)
            canvas.ellipse(
                shoe + (3, 0), (8 * size, 4.5 * size), self.ink * 1.5
            )
        canvas.ellipse(middle, (19 * size, 23 * size), coat)
        belly = middle + (5 * size, 4 * size)
        canvas.ellipse(belly, (11 * size, 15 * size), self.light, outline=0)
        hand = middle + draw.reach(0.9 + 0.5 * math.sin(phase), 27 * size)
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
