# ruff: noqa: RUF005
# A tuple that is added to an array here is a shift, not a longer list.
"""The world by day, of action and romance: city, seaside, country, portrait."""

import math

import numpy as np

from keras_ssc.sample_films import draw
from keras_ssc.sample_films import people
from keras_ssc.sample_films import worlds


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
        people.Walkers(world, rng, draw.BOARD_HEIGHT - 18, 108),
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
        people.Walkers(world, rng, draw.BOARD_HEIGHT - 20, 112),
    ]


def _paint_country(world, rng):
    horizon = int(rng.integers(140, 160))
    meadow = draw.mix(world["leaf"], world["ground"], 0.35)
    return [
        _sky(world, rng, horizon),
        _clouds(world, rng, horizon),
        _mountains(world, rng, horizon),
        _hills(
            world,
            rng,
            horizon + 4,
            0.35,
            draw.mix(world["leaf"], world["far"], 0.6),
            34,
        ),
        _hills(
            world,
            rng,
            horizon + 26,
            0.6,
            draw.mix(world["leaf"], world["far"], 0.25),
            24,
        ),
        _trees(world, rng, horizon + 40, 0.7, 44, 13),
        _ground(world, rng, horizon + 34, 0.9, meadow),
        people.Walkers(world, rng, draw.BOARD_HEIGHT - 26, 100),
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
        *people.two_heads(world, rng),
    ]


SETS = (_paint_city, _paint_seaside, _paint_country, _paint_portrait)


def _sky(world, rng, horizon, low=False):
    image = draw.gradient(world["sky_top"], world["sky_low"], horizon)
    column = rng.uniform(0.15, 0.85) * draw.BOARD_WIDTH
    row = horizon - (rng.uniform(22, 40) if low else rng.uniform(60, 110))
    columns, rows = np.meshgrid(
        np.arange(draw.BOARD_WIDTH), np.arange(draw.BOARD_HEIGHT)
    )
    distance = np.hypot(columns - column, rows - row)[..., np.newaxis]
    halo = 0.75 * np.exp(-distance / 60) + 0.25 * np.exp(-distance / 16)
    disc = np.clip(19 - distance, 0, 1)
    image = draw.mix(image, world["sun"], np.clip(np.maximum(halo, disc), 0, 1))
    return draw.Backdrop(image)


def _clouds(world, rng, horizon):
    cover = np.clip(draw.drifts(world, rng, horizon) * 1.3 - 0.15, 0, 0.8)
    colour = draw.mix(world["sky_low"], np.full(3, 255.0), 0.6)
    return draw.Layer(colour * cover, 255 * (1 - cover), 0, 0.15)


def _buildings(world, rng, base, speed, haze, heights, blur=0.0):
    sheet = draw.Sheet(
        base - heights[1] - 24, min(base + 30, draw.BOARD_HEIGHT)
    )
    left = 0.0
    while left < draw.PERIOD - 40:
        width = rng.uniform(42, 90)
        if draw.PERIOD - left - width < 40:
            width = draw.PERIOD - left
        top = base - rng.uniform(*heights)
        wall = draw.mix(world["near"], world["ground"], rng.uniform(0, 0.7))
        wall = draw.mix(wall * rng.uniform(0.75, 1.15), world["far"], haze)
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
    lit = draw.mix(world["sun"], wall, 0.2)
    dark = draw.mix(wall * 0.55, world["sky_top"], 0.25)
    for column in np.arange(left + 7, right - 8 - wide, wide + 6):
        for row in np.arange(top + 9, bottom - high, high + 8):
            glass = lit if rng.random() < 0.25 else dark
            sheet.rectangle(column, row, column + wide, row + high, glass)


def _street(world, rng, top):
    sheet = draw.Sheet(top, draw.BOARD_HEIGHT)
    road, kerb = world["road"], draw.mix(world["ground"], world["far"], 0.4)
    sheet.rectangle(-50, top, draw.PERIOD + 50, draw.BOARD_HEIGHT, kerb)
    sheet.rectangle(-50, top + 18, draw.PERIOD + 50, top + 52, road)
    for place in draw.spread(rng, 16, 0.0):
        line = ((place, top + 34), (place + 34, top + 34))
        sheet.line(line, draw.mix(road, np.full(3, 255.0), 0.7), 2)
    for place in draw.spread(rng, 24, 0.1):
        slab = ((place, top + 56), (place - 26, draw.BOARD_HEIGHT))
        sheet.line(slab, kerb * 0.82, 1.2)
    for row in (top + 53, top + 66, top + 86):
        sheet.line(((-50, row), (draw.PERIOD + 50, row)), kerb * 0.8, 1.2)
    return sheet.layer(0.95, world.texture(rng), 0.2)


def _trees(world, rng, base, speed, height, count, blur=0.0):
    sheet = draw.Sheet(base - height * 1.6, min(base + 4, draw.BOARD_HEIGHT))
    for place in draw.spread(rng, count):
        tall = height * rng.uniform(0.75, 1.1)
        bark = draw.mix(world["near"], np.zeros(3), 0.45)
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
    sheet = draw.Sheet(row - 50, row + 6)
    for place in draw.spread(rng, 5):
        paint = draw.rgb(rng.choice(worlds.CLOTHES))
        (_van if rng.random() < 0.35 else _car)(sheet, world, place, row, paint)
    return sheet.layer(0.45, world.texture(rng), 0.08)


def _car(sheet, world, left, row, paint):
    body = ((0, -4), (1, -16), (14, -19), (27, -32), (56, -32), (68, -19))
    body = np.array((*body, (84, -16), (86, -4))) + (left, row)
    sheet.polygon(body, paint)
    glass = np.array(((20, -19), (29, -29), (41, -29), (41, -19)))
    for window in (glass, glass * (-1, 1) + (85, 0)):
        tint = draw.mix(world["sky_low"], paint, 0.25)
        sheet.polygon(window + (left, row), tint)
    sheet.rectangle(left, row - 9, left + 86, row - 5, paint * 0.75)
    sheet.ellipse((left + 83, row - 12), (2.5, 2.5), np.array((255, 244, 200)))
    _wheels(sheet, (left + 18, left + 68), row, 8)


def _van(sheet, world, left, row, paint):
    body = ((0, -4), (0, -42), (4, -45), (72, -45), (86, -26), (94, -22))
    sheet.polygon(np.array((*body, (95, -4))) + (left, row), paint)
    for start in (8, 26, 44):
        box = (left + start, row - 38, left + start + 13, row - 26)
        sheet.rectangle(*box, draw.mix(world["sky_low"], paint, 0.2))
    front = np.array(((63, -38), (71, -38), (81, -26), (63, -26)))
    sheet.polygon(front + (left, row), draw.mix(world["sky_low"], paint, 0.2))
    sheet.rectangle(left, row - 18, left + 94, row - 14, paint * 0.7)
    _wheels(sheet, (left + 20, left + 74), row, 9)


def _wheels(sheet, columns, row, radius):
    for column in columns:
        centre = (column, row - radius / 2)
        sheet.ellipse(centre, (radius, radius), np.array((34, 33, 38)))
        hub = (radius * 0.45, radius * 0.45)
        sheet.ellipse(centre, hub, np.array((170, 170, 175)))


def _lamps(world, rng):
    sheet = draw.Sheet(40, draw.BOARD_HEIGHT)
    iron = world["road"] * 0.45
    for place in draw.spread(rng, 3):
        post = ((place, draw.BOARD_HEIGHT), (place, 70), (place + 26, 62))
        sheet.line(post, iron, 4.5)
        sheet.ellipse((place + 32, 66), (11, 6), iron)
        sheet.ellipse((place + 32, 69), (8, 4), world["sun"])
        sheet.rectangle(place - 5, 240, place + 5, draw.BOARD_HEIGHT, iron)
    return sheet.layer(1.35)


def _hills(world, rng, base, speed, colour, height):
    sheet = draw.Sheet(base - height, draw.BOARD_HEIGHT)
    sheet.polygon(draw.ridge(rng, base, height), colour)
    return sheet.layer(speed, world.texture(rng), 0.22)


def _mountains(world, rng, horizon):
    sheet = draw.Sheet(horizon - 105, horizon + 30)
    rock = draw.mix(world["far"], world["sky_low"], 0.25)
    snow = draw.mix(world["sky_low"], np.full(3, 255.0), 0.6)
    for place in rng.permutation(draw.spread(rng, 9)):
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
    sheet = draw.Sheet(top, draw.BOARD_HEIGHT)
    sheet.rectangle(-50, top, draw.PERIOD + 50, draw.BOARD_HEIGHT, colour)
    for _ in range(90):
        row = top + (draw.BOARD_HEIGHT - top) * rng.uniform(0.05, 1) ** 1.5
        size = 0.3 + (row - top) / (draw.BOARD_HEIGHT - top)
        spot = (rng.uniform(0, draw.PERIOD), row)
        shade = colour * rng.choice((0.84, 0.9, 1.1))
        sheet.ellipse(spot, (rng.uniform(8, 26) * size, 2.4 * size), shade)
    return sheet.layer(speed, world.texture(rng), 0.22)


def _sea(world, rng, horizon):
    """Returns strips of water, each nearer one faster."""
    water = draw.mix(world["sky_top"], world["sky_low"], 0.25) * 0.85
    layers = []
    for top, bottom, speed in ((0, 26, 0.3), (22, 58, 0.5), (52, 96, 0.75)):
        sheet = draw.Sheet(horizon + top, horizon + bottom)
        share = speed - 0.3
        colour = draw.mix(water, water * 0.8, share)
        crest = draw.ridge(rng, horizon + top + 3, 3 if top else 0, (9, 14, 23))
        sheet.polygon(crest, colour)
        for _ in range(70):
            column = rng.uniform(0, draw.PERIOD)
            row = horizon + rng.uniform(top + 5, bottom)
            wave = (
                (column, row),
                (column + rng.uniform(8, 30) * speed * 2, row),
            )
            light = draw.mix(colour, world["sun"], rng.uniform(0.1, 0.6))
            sheet.line(wave, light, 1 + speed)
        texture = world.texture(rng)
        layers.append(sheet.layer(speed, texture, 0.22))
    return layers


def _sailing_boats(world, rng, row):
    sheet = draw.Sheet(row - 62, row + 10)
    for place in draw.spread(rng, 5):
        size = rng.uniform(0.7, 1.1)
        hull = np.array(((-22, -6), (24, -6), (15, 5), (-15, 5))) * size
        sail = np.array(((1, -9), (1, -56), (24, -11))) * size
        jib = np.array(((-2, -10), (-2, -46), (-18, -10))) * size
        spot = (place, row)
        cloth = draw.mix(
            draw.rgb(rng.choice(worlds.CLOTHES)), np.full(3, 250.0), 0.6
        )
        sheet.polygon(sail + spot, cloth)
        sheet.polygon(jib + spot, cloth * 0.85)
        sheet.polygon(hull + spot, world["near"] * 0.7)
        mast = ((place, row - 6 * size), (place, row - 58 * size))
        sheet.line(mast, world["near"] * 0.5, 1.5)
    return sheet.layer(0.42)


def _palms(world, rng):
    sheet = draw.Sheet(40, draw.BOARD_HEIGHT)
    for place in draw.spread(rng, 4):
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
    sheet = draw.Sheet(draw.BOARD_HEIGHT - 54, draw.BOARD_HEIGHT)
    wood = draw.mix(world["near"], world["ground"], 0.4) * 0.8
    for row in (draw.BOARD_HEIGHT - 38, draw.BOARD_HEIGHT - 18):
        sheet.line(((-50, row), (draw.PERIOD + 50, row)), wood, 4)
    for place in draw.spread(rng, 16, 0.05):
        top = draw.BOARD_HEIGHT - 48
        sheet.rectangle(
            place - 4, top, place + 4, draw.BOARD_HEIGHT, wood * 0.88
        )
        sheet.rectangle(
            place - 4, top, place - 1, draw.BOARD_HEIGHT, wood * 1.1
        )
    return sheet.layer(1.4, world.texture(rng), 0.25)
