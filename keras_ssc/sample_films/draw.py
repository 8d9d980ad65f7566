# ruff: noqa: RUF005
# A tuple that is added to an array here is a shift, not a longer list.
"""Tools to draw with: canvases, the pieces of a picture, colours and shapes.

A piece is anything that is called `piece(board, clock)` and paints itself
onto the board as it is at that time of the clock. A set is a list of pieces,
from back to front. `Layer`, `Backdrop` and `Cutout` are the common pieces;
`Canvas` and `Sheet` are what they are drawn on.
"""

import functools
import math

import cv2
import numpy as np

# The board that a frame is drawn on, in pixels: the report's 480x270, and a
# margin that the moving camera may uncover. Other sizes are resized from it.
WIDTH, HEIGHT, _MARGIN = 480, 270, 12
BOARD_WIDTH, BOARD_HEIGHT = WIDTH + 2 * _MARGIN, HEIGHT + 2 * _MARGIN

# After how many pixels a layer of scenery repeats.
PERIOD = 1200
TEXTURE_HEIGHT = 640


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


def rgb(colour):
    """Returns the colour of a `#rrggbb`, float array (3,)."""
    return np.array(
        [int(colour[place : place + 2], 16) for place in (1, 3, 5)], float
    )


def mix(colour, other, share):
    """Returns a colour on the way to another, by a share of 0 to 1."""
    return colour + (other - colour) * share


def gradient(top, bottom, horizon):
    """Returns a sky, float32: one colour above, another from the horizon."""
    share = np.clip(np.arange(BOARD_HEIGHT) / horizon, 0, 1) ** 1.3
    column = top + (bottom - top) * share[:, np.newaxis]
    return np.tile(column[:, np.newaxis].astype(np.float32), (BOARD_WIDTH, 1))


@functools.lru_cache(maxsize=64)
def _glow(radius, colour, strength):
    line = np.linspace(-1, 1, 2 * radius)
    distance = np.hypot(line, line[:, np.newaxis])
    light = strength * np.clip(1 - distance, 0, 1) ** 2
    return (light[..., np.newaxis] * np.array(colour)).astype(np.uint8)


def add_glow(board, centre, radius, colour, strength=0.6):
    """Lightens the board around a point, to nothing at the radius."""
    light = _glow(int(radius), tuple(colour), strength)
    left, top = (round(float(place)) - int(radius) for place in centre)
    rows = slice(max(top, 0), max(top + len(light), 0))
    columns = slice(max(left, 0), max(left + len(light), 0))
    part = board[rows, columns]
    row, column = rows.start - top, columns.start - left
    light = light[row : row + part.shape[0], column : column + part.shape[1]]
    if part.size:
        board[rows, columns] = cv2.add(part, light)


def noise(rng, height, width):
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


def drifts(world, rng, height):
    """Returns noise in long flat drifts that end above and below."""
    noise = world.texture(rng)[: int(height * 2.2)]
    flat = cv2.resize(noise, (PERIOD, height), interpolation=cv2.INTER_AREA)
    flat = _blurred(flat, 3) * 1.7
    return (flat * np.sin(np.linspace(0, np.pi, height))[:, None])[..., None]


def spread(rng, count, jitter=0.35):
    """Returns places along a strip: irregular, but no two in one spot."""
    places = np.arange(count) + rng.uniform(-jitter, jitter, count)
    return places * (PERIOD / count)


def ridge(rng, base, height, waves=(2, 3, 5, 8)):
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


def reach(angle, length):
    """Returns the way (right, down); an angle of 0 points down."""
    return np.array((math.sin(angle), math.cos(angle))) * length
