"""Says whether there is a cut between two frames.

Judged from the two frames alone, since pairs also come as bare pictures. The
question: how much of the picture do motion and light explain?
The frame is laid over the next one, first as a whole (a pan), then pixel by
pixel (optical flow), its light is fitted to the other's (a flash, a fade),
and what then still differs is evidence for a cut. Five such measures are
weighed into one score.
"""

import dataclasses

import cv2
import numpy as np

# On drawn films that were not used to choose it (tests/films/cuts_test.py),
# 99 % of the cuts lie above it, and of what lies above it 95 % are cuts.
CUT_THRESHOLD = 0.5

# Motion is sought on pictures of this long side, in pixels: a pan of 15 % of
# the width is 24 of them, and flow takes about 1 ms.
_LONG_SIDE = 160

# Detail is compared on pictures of this long side: letters and leaves, which
# at 160 are grey patches that lie on any other grey patches.
_DETAIL_LONG_SIDE = 320

# Beyond a third of the frame, too little is left in common to be sure of.
_LARGEST_SHIFT = 1 / 3

# Grey levels that rows and columns of a letterbox stay below, with the noise
# of a coarse codec in them, but for this share of their pixels.
_BAR_LEVEL, _BAR_SHARE = 24, 0.02

# Grey levels of contrast that count as noise even in a clean frame: rounding,
# and the blocks of a codec.
_LEAST_NOISE = 2.0

# Below this standard deviation, in grey levels, a frame has no structure that
# could be followed: a fade's last frame. What is just seen at night has 2.
_FAINT = 1.0

# A picture that comes out of nothing: fades bring up to 8 grey levels of
# contrast in a frame, cuts to black mostly 20 and more.
_SUDDEN = 30.0

# Noise is averaged away on a picture of this long side, in pixels; a thing
# of a fiftieth of the width is still seen.
_BLANK_LONG_SIDE = 80

# A smooth picture whose every part stays this close, in grey levels, to a
# surface bent only by lens and lamp is blank. Noise averages to about 1, a
# coarse codec leaves steps of 2 or 3.
_BLANK_DEPARTURE = 4.0

_LAPLACE = np.float32([[1, -2, 1], [-2, 4, -2], [1, -2, 1]])

# Film colours lie around grey; all that are gaudier count as one. For each
# level its own, of L, a and b.
_LEVELS = np.arange(256, dtype=np.uint8)
_GAUDY_AS_ONE = np.stack(
    [_LEVELS, *[_LEVELS.clip(88, 167)] * 2], axis=-1
).reshape(1, 256, 3)

# The weights of detail, colour, standstill, area and palette, and the offset:
# scikit-learn's logistic regression (C=100) of the cuts on `_evidence`, over
# all pairs of seeds 1 and 2 of the drawn films (tests/helpers/cut_corpus.py)
# with both contrasts above `_FAINT`. The offset is 1.5 higher than fitted,
# since a pair too few costs a data set less than a pair over a cut.
_WEIGHTS = np.array([11.1, 1.8, 14.2, 4.6, 5.4])
_OFFSET = -26.8

# Detail that is opposed rather than other is chance, and counts as other.
_MOST_DETAIL = 1.1

# Standstill and palette are known before motion is sought; the others add up
# to this at most.
_KNOWN_WEIGHTS = _WEIGHTS[[2, 4]]
_MOST = _WEIGHTS[[0, 1, 3]] @ [_MOST_DETAIL, 1.0, 1.0]


def cut_score(frame, next_frame):
    """Computes how likely a cut lies between two frames.

    Motion of the camera and of things, a flash, a fade, noise and what a
    passing object hides are evidence for the same shot; another scene is for a
    cut, even of the same colours. A step of a dissolve is not a cut. Out of a
    blank frame (`is_blank`) and into one there is only light to judge: a
    picture that comes or goes at once is a cut, one that fades is not.

    Args:
        frame: uint8 array (height, width, 3), RGB, 16x16 or larger.
        next_frame: uint8 array of the same shape, RGB.

    Returns:
        A float from 0, the same shot, to 1, a cut.

    Raises:
        ValueError: If a frame is not uint8 (height, width, 3), is smaller
            than 16x16, or the shapes differ.
    """
    return _score(frame, next_frame)


def is_cut(frame, next_frame, threshold=CUT_THRESHOLD):
    """Says whether two frames belong to different shots.

    Args:
        frame: uint8 array (height, width, 3), RGB, 16x16 or larger.
        next_frame: uint8 array of the same shape, RGB.
        threshold: Float, the `cut_score` above which it is a cut.

    Returns:
        A bool.

    Raises:
        ValueError: As `cut_score` does.
    """
    return _score(frame, next_frame, threshold) > threshold


def _score(frame, next_frame, threshold=0.0):
    """Computes the `cut_score`; 0 where it is surely not above a threshold.

    Most frames of a film hardly differ from the one before, and what could
    make a cut of them is known without following every pixel.
    """
    _check(frame, next_frame)
    frame, next_frame = _without_bars(
        _at_most(frame, _DETAIL_LONG_SIDE),
        _at_most(next_frame, _DETAIL_LONG_SIDE),
    )
    contrast, next_contrast = _contrast(frame), _contrast(next_frame)
    if min(contrast, next_contrast) < _FAINT:
        return min(abs(contrast - next_contrast) / _SUDDEN, 1.0)
    pictures = _prepare(frame, next_frame)
    known = _known(pictures)
    if _as_score(_MOST + _KNOWN_WEIGHTS @ known) <= threshold:
        return 0.0
    return _as_score(_evidence(frame, next_frame, pictures, *known) @ _WEIGHTS)


def _as_score(sum_of_evidence):
    return float(1 / (1 + np.exp(-(sum_of_evidence + _OFFSET))))


def is_blank(frame):
    """Says whether there is nothing to see: black, white, or one colour.

    Noise, the codec's blocks, a mild vignette and letterbox bars around the
    colour make no picture; a small thing in the fog does.

    Args:
        frame: uint8 array (height, width, 3), RGB, 16x16 or larger.

    Returns:
        A bool.

    Raises:
        ValueError: If the frame is not uint8 (height, width, 3), or smaller.
    """
    _check(frame, frame)
    small = _at_most(frame, _BLANK_LONG_SIDE)
    small, _ = _without_bars(small, small)
    smooth = _smooth(small.astype(np.float32), 1.0)
    departure = np.abs(smooth - _bent_surface(smooth))
    return bool(departure.max() < _BLANK_DEPARTURE)


def _check(frame, next_frame):
    for name, array in (("frame", frame), ("next_frame", next_frame)):
        if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3:
            raise ValueError(
                f"Expected {name} as uint8 RGB of shape (height, width, 3). "
                f"Received: {array.dtype} of shape {array.shape}"
            )
    if frame.shape != next_frame.shape or min(frame.shape[:2]) < 16:
        raise ValueError(
            "Expected frame and next_frame of one shape, 16x16 or larger. "
            f"Received: {frame.shape} and {next_frame.shape}"
        )


# ---- preparing ----


def _at_most(frame, long_side):
    """Makes a frame smaller, never larger; 16 pixels remain on each side."""
    height, width = frame.shape[:2]
    scale = long_side / max(height, width)
    if scale >= 1:
        return frame
    size = max(round(width * scale), 16), max(round(height * scale), 16)
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA)


def _without_bars(frame, next_frame):
    """Cuts off the dark bars that both frames share.

    The bars of any two scenes lie on each other, and so would be evidence for
    the same shot.
    """
    brighter = cv2.max(*(_grey(x) for x in (frame, next_frame)))
    _, is_bright = cv2.threshold(brighter, _BAR_LEVEL, 1, cv2.THRESH_BINARY)
    rows, columns = (
        _bright_range(
            cv2.reduce(is_bright, axis, cv2.REDUCE_AVG, dtype=cv2.CV_32F)
        )
        for axis in (1, 0)
    )
    if rows is None or columns is None:
        return frame, next_frame
    return frame[rows, columns], next_frame[rows, columns]


def _bright_range(shares):
    bright = np.flatnonzero(shares > _BAR_SHARE)
    # What leaves less than this is not a bar: night, or letters on black.
    if len(bright) == 0 or bright[-1] + 1 - bright[0] < 0.4 * shares.size:
        return None
    first, last = bright[0], bright[-1] + 1
    # A codec smears the bar's edge over about one pixel.
    return slice(
        first + (2 if first > 0 else 0),
        last - (2 if last < shares.size else 0),
    )


def _grey(frame):
    return cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32)


def _contrast(frame):
    return float(_smooth(_grey(frame), 1.0).std())


def _smooth(image, sigma):
    return cv2.GaussianBlur(image, (0, 0), sigma)


def _quantile(values, share):
    """Returns one of the values; quicker than what lies between two."""
    place = round(share * (values.size - 1))
    return np.partition(values, place, axis=None)[place]


def _noise(grey):
    """Estimates the noise's standard deviation, in grey levels.

    Immerkaer 1996, "Fast Noise Variance Estimation", with the median in the
    mean's place, which edges do not move.
    """
    edges = np.abs(cv2.filter2D(grey, -1, _LAPLACE))
    return 1.4826 * _quantile(edges, 0.5) / 6


def _even_contrast(grey, sigma, noise):
    """Takes out light and contrast, so that night and day look alike."""
    departure = grey - _smooth(grey, sigma)
    deviation = np.sqrt(_smooth(departure**2, sigma))
    return departure / (deviation + noise)


def _bent_surface(image):
    """Fits a second-order surface to each channel of a picture."""
    height, width, channels = image.shape
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    terms = np.stack([x * 0 + 1, x, y, x * y, x * x, y * y], -1)
    terms = terms.reshape(-1, 6)
    values = image.reshape(-1, channels)
    factors = np.linalg.solve(terms.T @ terms, terms.T @ values)
    return (terms @ factors).reshape(image.shape)


# ---- explaining one frame by the other ----


@dataclasses.dataclass(frozen=True, eq=False)
class _Pictures:
    """What is compared of two frames, each a tuple of both's.

    Attributes:
        small: uint8 arrays (rows, columns, 3), RGB.
        even: float32 arrays (rows, columns), of even contrast.
        halves: float32 arrays, of half as many rows and columns.
        noise: Float, differences in grey levels that count as noise.
    """

    small: tuple
    even: tuple
    halves: tuple
    noise: float


def _prepare(frame, next_frame):
    small = (
        _at_most(frame, _LONG_SIDE),
        _at_most(next_frame, _LONG_SIDE),
    )
    greys = [_grey(picture) for picture in small]
    noise = _LEAST_NOISE + 1.5 * max(_noise(grey) for grey in greys)
    even = tuple(
        _even_contrast(_smooth(grey, 0.7), 6.0, noise) for grey in greys
    )
    halves = tuple(
        cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        for picture in even
    )
    return _Pictures(small, even, halves, noise)


def _known(pictures):
    """Returns standstill and palette, which need no motion."""
    return (
        _standstill(*pictures.halves),
        _palette_difference(*pictures.small),
    )


def _standstill(half, next_half):
    """Says how badly the pictures fit unshifted: 1 less their correlation."""
    energy = float((half**2).sum()) * float((next_half**2).sum())
    return 1 - float((half * next_half).sum()) / _scale(energy, half.size)


def _scale(energy, size):
    # Faint pictures correlate by chance: 2 % of full contrast is added.
    return np.sqrt(np.maximum(energy, 0) + (0.02 * size) ** 2)


def _evidence(frame, next_frame, pictures, standstill, palette):
    """Measures what motion and light leave unexplained.

    Args:
        frame: uint8 array (height, width, 3), RGB, without bars.
        next_frame: uint8 array of the same shape, RGB.
        pictures: Their `_Pictures`.
        standstill: Float, see `_standstill`.
        palette: Float, see `_palette_difference`.

    Returns:
        float64 array (5,), in the order of `_WEIGHTS`, each about 0 to 1:
        detail, of the fine structure; colour, of the places with structure;
        standstill, of the coarse structure if nothing had moved; area, of
        the picture; palette, of the colours wherever they are.
    """
    shift = _best_shift(*pictures.halves)
    flow, trusted, energy = _follow(*pictures.even, shift)
    differing = _colour_difference(*pictures.small, shift, flow)
    detail = _detail_difference(frame, next_frame, shift, flow, pictures.noise)
    return np.array(
        [
            min(detail, _MOST_DETAIL),
            (differing * energy).sum() / (energy.sum() + 0.02 * energy.size),
            standstill,
            np.mean((differing > 0.6) | (trusted < 0.5)),
            palette,
        ]
    )


def _best_shift(half, next_half):
    """Finds the shift of the whole picture that fits best.

    Args:
        half: float32 array (height, width), of even contrast.
        next_half: float32 array of the same shape.

    Returns:
        The shift (x, y) in integers, pixels of pictures twice the size.
    """
    height, width = half.shape
    largest_y = int(height * _LARGEST_SHIFT)
    largest_x = int(width * _LARGEST_SHIFT)
    shape = height + largest_y, width + largest_x
    one = np.ones_like(half)
    energy = _correlate(half**2, one, shape)
    next_energy = _correlate(one, next_half**2, shape)
    fit = _correlate(half, next_half, shape) / _scale(
        energy * next_energy, half.size
    )
    ys = np.r_[0 : largest_y + 1, -largest_y:0]
    xs = np.r_[0 : largest_x + 1, -largest_x:0]
    fit = fit[np.ix_(ys, xs)]
    row, column = np.unravel_index(np.argmax(fit), fit.shape)
    # Between equals, standing still is likelier.
    if fit[row, column] < fit[0, 0] + 0.03:
        return 0, 0
    return 2 * int(xs[column]), 2 * int(ys[row])


def _correlate(first, second, shape):
    """Sums first(p) second(p + shift) for every shift, through Fourier."""
    size = [cv2.getOptimalDFTSize(int(side)) for side in shape]
    spectra = []
    for image in (second, first):
        padded = np.zeros(size, np.float32)
        padded[: image.shape[0], : image.shape[1]] = image
        spectra.append(cv2.dft(padded))
    product = cv2.mulSpectrums(*spectra, 0, conjB=True)
    return cv2.dft(product, flags=cv2.DFT_INVERSE | cv2.DFT_SCALE)


def _follow(even, next_even, shift):
    """Follows every pixel, and says where that can be trusted.

    Args:
        even: float32 array (height, width), of even contrast.
        next_even: float32 array of the same shape.
        shift: (x, y) in pixels, taken off before.

    Returns:
        The flow in pixels, float32 (rows, columns, 2), of the part that the
        shifted pictures have in common; whether the flow back returns there,
        float32 (rows, columns), 0 to 1; how much structure there is, float32
        (rows, columns).
    """
    part, next_part = _common_part(even, next_even, shift)
    flow = _dense_flow(part, next_part)
    back = _warped(_dense_flow(next_part, part), flow)
    # Within a pixel of the start is trusted, three pixels off is not.
    error = np.hypot(*np.moveaxis(flow + back, -1, 0))
    trusted = np.clip(1.5 - error / 2, 0, 1)
    _, variance, next_variance = _moments(part, _warped(next_part, flow))
    return flow, trusted, np.maximum(variance, next_variance)


def _common_part(first, second, shift):
    x, y = shift
    height, width = first.shape[:2]
    return (
        np.ascontiguousarray(
            first[
                max(-y, 0) : height - max(y, 0), max(-x, 0) : width - max(x, 0)
            ]
        ),
        np.ascontiguousarray(
            second[
                max(y, 0) : height + min(y, 0), max(x, 0) : width + min(x, 0)
            ]
        ),
    )


def _dense_flow(even, next_even):
    """Computes optical flow, Kroeger 2016, "Fast Optical Flow using DIS"."""
    height, width = even.shape
    # OpenCV 5.0 ends the process where a picture is much longer than high
    # (27x160): its pyramid has more steps than the short side allows. Below
    # 12 pixels it refuses.
    least = max(round(0.4 * max(height, width)), 16)
    border = 0, max(least - height, 0), 0, max(least - width, 0)
    images = [
        cv2.copyMakeBorder(
            np.clip(128 + 50 * image, 0, 255).astype(np.uint8),
            *border,
            cv2.BORDER_REPLICATE,
        )
        for image in (even, next_even)
    ]
    # Made anew: it keeps buffers, which two threads must not share.
    method = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    return np.ascontiguousarray(method.calc(*images, None)[:height, :width])


def _warped(image, flow):
    """Fetches each pixel from where the flow says that it went."""
    height, width = flow.shape[:2]
    x = flow[..., 0] + np.arange(width, dtype=np.float32)
    y = flow[..., 1] + np.arange(height, dtype=np.float32)[:, None]
    return cv2.remap(
        image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def _moments(first, second):
    """Computes covariance and variances in windows of 9x9 pixels."""

    def mean(image):
        return cv2.blur(image, (9, 9))

    first_mean, second_mean = mean(first), mean(second)
    return (
        mean(first * second) - first_mean * second_mean,
        mean(first * first) - first_mean**2,
        mean(second * second) - second_mean**2,
    )


def _detail_difference(frame, next_frame, shift, flow, noise):
    """Says how much of the fine structure motion does not bring along."""
    height, width = flow.shape[:2]
    small_height, small_width = height + abs(shift[1]), width + abs(shift[0])
    scale = np.float32(
        [frame.shape[1] / small_width, frame.shape[0] / small_height]
    )
    # Half as fine, twice the noise.
    even, next_even = _common_part(
        _even_contrast(_grey(frame), 3.0, 2 * noise),
        _even_contrast(_grey(next_frame), 3.0, 2 * noise),
        [round(float(step)) for step in shift * scale],
    )
    flow = cv2.resize(flow, even.shape[::-1]) * scale
    covariance, variance, next_variance = _moments(
        even, _warped(next_even, flow)
    )
    correlation = covariance / np.sqrt(
        np.maximum(variance * next_variance, 0) + 0.02
    )
    weight = np.maximum(variance, next_variance) ** 2
    return 1 - (correlation * weight).sum() / (
        weight.sum() + 0.0005 * weight.size
    )


def _colour_difference(small, next_small, shift, flow):
    """Says where the colours differ after motion and light are taken out.

    Returns:
        float32 array (rows, columns), 0 where they agree, 1 where they
        differ by half of the picture's contrast or more.
    """
    part, next_part = _common_part(small, next_small, shift)
    # One channel after the other: NumPy is slow where three values lie
    # together.
    colours, next_colours = (
        np.stack(cv2.split(_smooth(image.astype(np.float32), 1.0)))
        for image in (part, _warped(next_part, flow))
    )
    gain, offset = _fitted_light(colours, next_colours)
    left = np.abs(next_colours - gain * colours - offset).max(axis=0)
    mean = colours.mean(axis=(1, 2), keepdims=True)
    spread = np.abs(colours - mean).max(axis=0)
    tolerance = 0.5 * _quantile(spread, 0.7) + 3
    return np.minimum(left / max(gain.max(), 1) / tolerance, 1)


def _fitted_light(colours, next_colours):
    """Fits next = gain * colour + offset, channel by channel.

    The worst 40 % of the pixels are left out and the fit repeated, so that
    what enters the picture does not pass for light.

    Args:
        colours: float32 array (3, rows, columns).
        next_colours: float32 array of the same shape.

    Returns:
        The gain and the offset, float32 (3, 1, 1).
    """
    # Every fifth pixel says the same in a fifth of the time.
    colours, next_colours = (
        np.ascontiguousarray(each.reshape(3, -1)[:, ::5])
        for each in (colours, next_colours)
    )
    gain, offset = _line(colours, next_colours)
    for _ in range(2):
        left = np.abs(next_colours - gain * colours - offset).max(axis=0)
        kept = left <= _quantile(left, 0.6)
        gain, offset = _line(colours[:, kept], next_colours[:, kept])
    return gain[..., None], offset[..., None]


def _line(values, next_values):
    """Fits next = gain * value + offset in each row: two arrays (rows, 1)."""
    mean, next_mean = (
        x.mean(axis=1, keepdims=True) for x in (values, next_values)
    )
    departure = values - mean
    covariance, variance = (
        (departure * x).mean(axis=1, keepdims=True)
        for x in (next_values - next_mean, departure)
    )
    # Where all is one colour, no gain can be measured: it stays near 1.
    gain = np.clip((covariance + 0.1) / (variance + 0.1), 0.15, 6)
    return gain, next_mean - gain * mean


def _palette_difference(small, next_small):
    """Says how much of the colours, wherever they are, is not shared."""
    histograms = []
    for image in (small, next_small):
        lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
        counts = cv2.calcHist(
            [cv2.LUT(lab, _GAUDY_AS_ONE)],
            [0, 1, 2],
            None,
            [10, 12, 12],
            [0, 256, 88, 168, 88, 168],
        )
        histograms.append(counts / counts.sum())
    return 1 - np.minimum(*histograms).sum()
