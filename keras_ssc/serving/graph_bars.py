"""Dark bars around a pair's picture, cropped in a served model's graph.

What `black_bars.find_bars` does with two frames, step by step.
"""

import tensorflow as tf

from keras_ssc.films import black_bars

# OpenCV's weights of red, green and blue, in 2**15ths. All sums are whole
# numbers below 2**24, which float32 has exactly.
_GREY_WEIGHTS = (9798, 19235, 3735)
_GREY_UNIT = 2**15


def crop_pair(frame, next_frame):
    """Crops the bars that both frames of a pair have.

    Args:
        frame: uint8 tensor (height, width, 3), RGB.
        next_frame: The same, the frame after it.

    Returns:
        A tuple of the two, of one size.
    """
    top, bottom, left, right = tf.unstack(find_bars(frame, next_frame))
    height, width = tf.unstack(tf.shape(frame)[:2])
    return tuple(
        each[top : height - bottom, left : width - right]
        for each in (frame, next_frame)
    )


# One function, so that it is stored once, whichever signatures call it.
@tf.function(
    input_signature=[tf.TensorSpec((None, None, 3), tf.uint8)] * 2,
    autograph=False,
)
def find_bars(frame, next_frame):
    """Finds the bars that both frames of a pair have.

    Args:
        frame: uint8 tensor (height, width, 3), RGB.
        next_frame: The same, the frame after it.

    Returns:
        int32 tensor (4,), pixels: top, bottom, left, right.
    """
    grays = tf.stack([_grey(frame), _grey(next_frame)])
    ranges = tf.reduce_max(grays, (1, 2)) - tf.reduce_min(grays, (1, 2))
    seen = ranges > black_bars.BLANK_RANGE
    # In the place of a blank frame, the other one.
    grays = tf.gather(grays, tf.where(seen, [0, 1], [1, 0]))
    bars = tf.zeros(4, tf.int32)
    is_left = tf.reduce_any(seen)
    for _ in range(black_bars.NUM_LAYERS):
        found = tf.cond(
            is_left,
            lambda bars=bars: _find_layer(grays, bars),
            lambda: tf.zeros(4, tf.int32),
        )
        bars, is_left = bars + found, tf.reduce_any(found > 0)
    return bars


def _grey(frame):
    """Returns a frame in grey as OpenCV does, float32 (height, width)."""
    colours = tf.unstack(tf.cast(frame, tf.float32), axis=-1)
    weighted = zip(_GREY_WEIGHTS, colours, strict=True)
    total = tf.add_n([weight * colour for weight, colour in weighted])
    return tf.floor((total + _GREY_UNIT / 2) / _GREY_UNIT)


def _find_layer(grays, outer):
    """Returns the bars within those that are known."""
    top, bottom, left, right = tf.unstack(outer)
    height, width = tf.unstack(tf.shape(grays)[1:])
    grays = grays[:, top : height - bottom, left : width - right]
    top, bottom = _find_borders(grays)
    grays = grays[:, top : tf.shape(grays)[1] - bottom]
    return tf.stack(
        [top, bottom, *_find_borders(tf.transpose(grays, (0, 2, 1)))]
    )


@tf.function(
    input_signature=[tf.TensorSpec((2, None, None), tf.float32)],
    autograph=False,
)
def _find_borders(grays):
    """Returns how many rows are bars: (from the top, from the bottom)."""
    # Of most pictures the outermost rows say enough.
    outermost = tf.reduce_mean(grays[:, :: tf.shape(grays)[1] - 1], 2)
    is_dark = tf.reduce_all(outermost <= black_bars.DARK_LEVEL + 1, 0)
    return tf.cond(
        tf.reduce_any(is_dark),
        lambda: _search_borders(grays),
        lambda: (0, 0),
    )


def _search_borders(grays):
    rows = _row_means(grays)
    height = tf.shape(rows)[1]
    (top, top_twin), (bottom, bottom_twin) = map(
        _find_border, (rows, rows[:, ::-1])
    )
    top, bottom = (
        _or_twin(top, top_twin, bottom),
        _or_twin(bottom, bottom_twin, top),
    )
    picture = tf.cast(height - top - bottom, tf.float64)
    is_left = picture >= black_bars.MIN_PICTURE * tf.cast(height, tf.float64)
    return tf.where(is_left, top, 0), tf.where(is_left, bottom, 0)


def _or_twin(bar, twin, across):
    """Returns the bar; if there is none, the one that fits that across."""
    is_fit = tf.abs(twin - across) <= black_bars.EDGE_REACH
    return tf.where((bar == 0) & (across > 0) & is_fit, twin, bar)


def _row_means(grays):
    """Returns each row as the means of up to 64 pieces."""
    height, width = tf.unstack(tf.shape(grays)[1:])
    size = (height, tf.minimum(black_bars.NUM_PIECES, width))
    return tf.image.resize(grays[..., tf.newaxis], size, "area")[..., 0]


def _find_border(rows):
    """Returns how many rows, from the first on, are a bar.

    Returns:
        A tuple of two: by its own edge, and by what a twin's has to be.
    """
    height = tf.shape(rows)[1]
    is_dark = tf.reduce_mean(rows, 2) <= black_bars.DARK_LEVEL
    ranges = tf.reduce_max(rows, 2) - tf.reduce_min(rows, 2)
    is_bar = tf.reduce_all(is_dark & (ranges <= black_bars.FLAT_RANGE), 0)
    num_rows = _num_leading(is_bar)
    most = black_bars.MAX_BAR * tf.cast(height, tf.float64)
    is_bar = num_rows >= black_bars.MIN_BAR
    is_bar &= tf.cast(num_rows, tf.float64) <= most
    # Of none, something that can be computed with.
    num_rows = tf.where(is_bar, num_rows, 1)
    brightest = tf.reduce_max(rows, 0)
    bar = _median(brightest[:num_rows])
    behind = brightest[num_rows : num_rows + black_bars.EDGE_REACH]
    is_edge = tf.reduce_max(behind, 0) - bar >= black_bars.EDGE_STEP
    edge_share = tf.reduce_mean(tf.cast(is_edge, tf.float64))
    profile, level = tf.reduce_mean(behind, 1), tf.reduce_mean(bar)
    sharp = tf.reduce_max(profile) - level
    sharp = level + black_bars.SHARP_SHARE * sharp
    num_rows += _num_leading(profile < sharp)
    return tuple(
        tf.where(is_bar & (edge_share >= least), num_rows, 0)
        for least in (black_bars.EDGE_SHARE, black_bars.TWIN_EDGE_SHARE)
    )


def _num_leading(flags):
    """Returns how many are true before the first that is not."""
    return tf.reduce_sum(tf.math.cumprod(tf.cast(flags, tf.int32)))


def _median(rows):
    """Returns the median of each column."""
    ordered = tf.sort(rows, axis=0)
    num_rows = tf.shape(rows)[0]
    return (ordered[(num_rows - 1) // 2] + ordered[num_rows // 2]) / 2
