"""Dark bars around a film's picture: letterbox and pillarbox."""

import dataclasses

import cv2
import numpy as np

# Bars, in grey levels of 255 and in shares of the picture's side. Noise of an
# old copy lifts black to 40 and lets the means of pieces of a row differ by
# 20; digital bars stay below 5. No mean of levels is just at a limit, so that
# here and in a served graph, which rounds otherwise, the same bars are found.
DARK_LEVEL = 40.003
FLAT_RANGE = 20.003
NUM_PIECES = 64

# A frame with less between its darkest and brightest pixel shows nothing.
BLANK_RANGE = 32

# The picture behind a bar is brighter at some time along most of the edge.
# Half of it may stay dark in the few frames looked at.
EDGE_STEP = 15.997
EDGE_SHARE = 0.5
TWIN_EDGE_SHARE = 0.149
EDGE_REACH = 6  # pixels over which an edge may be smeared
SHARP_SHARE = 0.7499

# A single dark line is a scanner's rim or nothing. The widest real bars stand
# beside an upright telephone film in a 16:9 frame: 0.34 on each side.
MIN_BAR = 2
MAX_BAR = 0.36
MIN_PICTURE = 0.3

# Bars of a film may lie within those of its copy (a letterboxed film in a
# pillarboxed broadcast), each with a black of its own.
NUM_LAYERS = 2


@dataclasses.dataclass(frozen=True)
class Bars:
    """Dark bars around a film's picture, in pixels; false if there are none.

    Attributes:
        top: Integer.
        bottom: Integer.
        left: Integer.
        right: Integer.
    """

    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0

    def __bool__(self):
        return any(dataclasses.astuple(self))

    def crop(self, frame):
        """Returns the frame without its bars.

        Args:
            frame: Array, shape `(height, width, channels)`.

        Returns:
            A view of the frame.
        """
        height, width = frame.shape[:2]
        return frame[
            self.top : height - self.bottom, self.left : width - self.right
        ]


def grey(frame):
    """Returns a frame in grey, uint8 (height, width); a grey one as it is."""
    if frame.ndim == 2:
        return frame
    return cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)


def find_bars(frames):
    """Finds dark bars at the picture's borders that are in all frames.

    A line (row or column) belongs to a bar when it is dark and flat in every
    frame, and the bar ends along a straight edge. A night scene is dark but
    not flat, or fades into the dark without an edge; so it stays whole, and
    where in doubt nothing is cropped.

    Args:
        frames: Iterable of RGB arrays, uint8, shape `(height, width, 3)`, or
            grey ones, `(height, width)`: one film's, best from moments far
            apart. Blank ones are left out.

    Returns:
        `Bars`, the soft pixels at their edges included.

    Raises:
        ValueError: If the frames differ in shape.
    """
    # One at a time: of 8K, each takes 100 MB.
    grays = [grey(frame) for frame in frames]
    shapes = {gray.shape for gray in grays}
    if len(shapes) > 1:
        raise ValueError(
            f"Expected frames of one shape. Received: {sorted(shapes)}"
        )
    grays = [gray for gray in grays if np.ptp(gray) > BLANK_RANGE]
    bars = Bars()
    if not grays:
        return bars
    for _ in range(NUM_LAYERS):
        outer = bars
        inner = [bars.crop(gray) for gray in grays]
        top, bottom = _find_borders(inner)
        bars = dataclasses.replace(
            bars, top=bars.top + top, bottom=bars.bottom + bottom
        )
        left, right = _find_borders([bars.crop(gray).T for gray in grays])
        bars = dataclasses.replace(
            bars, left=bars.left + left, right=bars.right + right
        )
        if bars == outer:
            break
    return bars


def crop_pair(frame, next_frame):
    """Crops the bars that both frames of a pair have.

    Args:
        frame: uint8 array (height, width, 3), RGB.
        next_frame: The same, the frame after it.

    Returns:
        A tuple of views of the two, of one size.
    """
    bars = find_bars((frame, next_frame))
    return bars.crop(frame), bars.crop(next_frame)


def _find_borders(grays):
    """Returns how many rows are bars: (from the top, from the bottom)."""
    # Of most pictures the outermost rows say enough.
    if not any(
        all(gray[row].mean() <= DARK_LEVEL + 1 for gray in grays)
        for row in (0, -1)
    ):
        return 0, 0
    rows = np.stack([_row_means(gray) for gray in grays])
    height = rows.shape[1]  # (frames, height, pieces)
    upward = rows[:, ::-1]
    top = _find_border(rows, EDGE_SHARE)
    bottom = _find_border(upward, EDGE_SHARE)
    # Bars come in pairs of about one size. So where the picture stays dark
    # along one edge (a desk, a street), the bar across is evidence for
    # this one.
    if bool(top) != bool(bottom):
        twin = _find_border(upward if top else rows, TWIN_EDGE_SHARE)
        if abs(twin - max(top, bottom)) <= EDGE_REACH:
            top, bottom = top or twin, bottom or twin
    if height - top - bottom < MIN_PICTURE * height:
        return 0, 0
    return top, bottom


def _row_means(gray):
    """Returns each row as the means of up to 64 pieces."""
    height, width = gray.shape
    # Noise goes, pictures stay.
    return cv2.resize(
        np.ascontiguousarray(gray, dtype=np.float32),
        (min(NUM_PIECES, width), height),
        interpolation=cv2.INTER_AREA,
    )


def _find_border(rows, edge_share):
    """Returns how many rows, from the first on, are a bar."""
    height = rows.shape[1]
    is_dark = rows.mean(axis=2) <= DARK_LEVEL
    is_flat = np.ptp(rows, axis=2) <= FLAT_RANGE
    is_bar = (is_dark & is_flat).all(axis=0)
    num_rows = int(np.argmin(is_bar)) if not is_bar.all() else height
    if not MIN_BAR <= num_rows <= MAX_BAR * height:
        return 0
    brightest = rows.max(axis=0)  # over time: where a picture ever was
    bar = np.median(brightest[:num_rows], axis=0)
    behind = brightest[num_rows : num_rows + EDGE_REACH]
    is_edge = behind.max(axis=0) - bar >= EDGE_STEP
    if is_edge.mean() < edge_share:
        return 0
    # Scaling and compression smear the edge over a few pixels. What is darker
    # there than the picture behind it is the bar shining through.
    profile = behind.mean(axis=1)
    sharp = bar.mean() + SHARP_SHARE * (profile.max() - bar.mean())
    return num_rows + int(np.argmax(profile >= sharp))
