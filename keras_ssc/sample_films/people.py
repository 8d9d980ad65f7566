# ruff: noqa: RUF005
# A tuple that is added to an array here is a shift, not a longer list.
"""People: two who walk along, and their heads close by."""

import math

import numpy as np

from keras_ssc.sample_films import draw


class Walkers:
    """Two people whom the camera goes along with, their feet on the ground.

    They stride as far as the ground moves: fast, they run; slow, they stroll.
    """

    def __init__(self, world, rng, foot, height):
        self.cast, self.foot, self.height = world.cast, foot, height
        self.column = rng.uniform(0.3, 0.7) * draw.BOARD_WIDTH
        self.gap = rng.uniform(42, 62)
        self.phases = rng.uniform(0, 2 * np.pi, 3)

    def __call__(self, board, clock):
        """Paints both onto the board."""
        canvas = draw.Canvas(board)
        sway = 46 * math.sin(2 * math.pi * clock / 620 + self.phases[2])
        for place, look in enumerate(self.cast):
            phase = 2 * math.pi * clock / 104 + self.phases[place]
            column = self.column + sway + (place - 0.5) * self.gap
            height = self.height * look.height
            spot = np.array((column, self.foot + 4 * place))
            draw_person(canvas, look, spot, height, phase)


def draw_person(canvas, look, foot, height, phase):
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
    knee = hip + draw.reach(swing, 0.25 * height)
    ankle = knee + draw.reach(swing - bend, 0.23 * height)
    colour = (look.skin if look.dress else look.bottom) * shade
    canvas.line((hip, knee), colour, height * 0.085)
    canvas.line((knee, ankle), colour, height * 0.065)
    toe = ankle + draw.reach(swing - bend + np.pi / 2 - 0.1, 0.055 * height)
    canvas.line((ankle, toe), np.array((52, 44, 46)), height * 0.05)


def _arm(canvas, look, neck, height, phase, shade):
    swing = -0.75 * math.sin(phase)
    shoulder = neck + (0, 0.035 * height)
    elbow = shoulder + draw.reach(swing, 0.16 * height)
    hand = elbow + draw.reach(swing + 0.7, 0.15 * height)
    canvas.line((shoulder, elbow), look.top * shade, height * 0.062)
    canvas.line((elbow, hand), look.top * shade, height * 0.052)
    canvas.ellipse(hand, np.full(2, height * 0.028), look.skin)


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


def two_heads(world, rng):
    """Returns the heads of the cast, as cutouts that face each other."""
    heads = []
    for place, look in enumerate(world.cast):
        column = draw.BOARD_WIDTH * (0.31 if place == 0 else 0.69)
        row = 140 + rng.uniform(-14, 14)
        picture = _bust(look, world, rng)
        heads.append(
            draw.Cutout(picture, (column, row), rng, flipped=place == 1)
        )
    return heads


def _bust(look, world, rng):
    """Returns a sheet with head and shoulders that look to the right."""
    sheet = draw.Sheet(0, 320)
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
    sheet.ellipse(
        (190, 130), (9, 6), draw.mix(skin, np.array((220, 90, 80)), 0.2)
    )
