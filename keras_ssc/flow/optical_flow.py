"""Farneback's optical flow of a batch, in `keras.ops`.

What OpenCV computes, to the rounding of float32. Filters are sums of shifted
slices: convolutions and matrix products are exact on no GPU unless asked
(TF32), and sums that run along a row lose digits. Inside, images are planes,
(..., height, width), so that a shift copies whole rows.
"""

import keras
import numpy as np
from keras import ops

from keras_ssc.flow import farneback

# FARNEBACK_PARAMETERS by their names. OpenCV's poly_n is a radius, its window
# a width, and its levels come on top of the full size.
_PYRAMID_SCALE, _NUM_LEVELS, _WINDOW, _NUM_ITERATIONS = (
    farneback.FARNEBACK_PARAMETERS[:4]
)
_EXPANSION_RADIUS, _EXPANSION_SIGMA = farneback.FARNEBACK_PARAMETERS[4:6]

# OpenCV's own constants: no level has a smaller side; what the pixels at the
# border count, from the outermost; what keeps flat areas solvable.
_MIN_SIDE = 32
_BORDER_WEIGHTS = (0.14, 0.14, 0.4472, 0.4472, 0.4472)
_REGULARIZER = 1e-3


@keras.saving.register_keras_serializable(package="keras_ssc")
class OpticalFlow(keras.layers.Layer):
    """Computes the dense optical flow of pairs.

    Farneback 2003, "Two-Frame Motion Estimation Based on Polynomial
    Expansion", with `FARNEBACK_PARAMETERS`: what `farneback_flow` computes,
    to the rounding of float32, for a batch and on every backend. It has no
    weights. It always computes in float32, also in a model of mixed
    precision: with fewer digits it would be off by a quarter of a pixel.

    Example:
    >>> frame = keras.Input((299, 299, 3), dtype="uint8")
    >>> next_frame = keras.Input((299, 299, 3), dtype="uint8")
    >>> flow = OpticalFlow()([frame, next_frame])  # (batch, 299, 299, 2)

    Input shape:
        List of two uint8 tensors (batch, height, width, 3), RGB: the frames
        and the next frames. Height and width are known, 10 or more; the batch
        may be unknown, or empty.

    Output shape:
        float32 (batch, height, width, 2): how far each pixel of a frame moves
        until the next frame, in pixels, (x, y), x to the right and y
        downward.

    Raises:
        ValueError: If the inputs are something else, or the layer shall have
            another dtype.
    """

    def __init__(self, **kwargs):
        settings = {"dtype": "float32", "trainable": False, **kwargs}
        super().__init__(autocast=False, **settings)
        if self.compute_dtype != "float32":
            raise ValueError(
                "Expected OpticalFlow to have dtype float32. "
                f"Received: {self.dtype_policy.name}"
            )

    def call(self, inputs):
        """Returns the flow of a batch; see the class."""
        frame, next_frame = _check_inputs(inputs)
        if frame.shape[0] == 0:  # JAX gathers nothing out of an empty batch
            return ops.zeros((*frame.shape[:-1], 2), "float32")
        greys = ops.stack([_grey(frame), _grey(next_frame)])
        flow = None
        for scale in _pyramid_scales(greys.shape[-2:]):
            level = _shrink(greys, scale)  # (2, batch, height, width)
            if flow is None:
                flow = ops.zeros_like(level)
            else:
                grown = _resample(flow, level.shape[-2:], np.ones(1))
                flow = grown / _PYRAMID_SCALE
            flow = _refine(_expand(level), flow)
        return ops.stack([flow[0], flow[1]], axis=-1)

    def compute_output_shape(self, input_shape):
        """Returns (batch, height, width, 2)."""
        return (*input_shape[0][:-1], 2)

    def compute_output_spec(self, inputs):
        """Checks the inputs when a model is built, not when it runs."""
        frame, _ = _check_inputs(inputs)
        return keras.KerasTensor((*frame.shape[:-1], 2), dtype="float32")


def _check_inputs(inputs):
    if not isinstance(inputs, (list, tuple)) or len(inputs) != 2:
        raise ValueError(
            "Expected a list of two tensors, frame and next_frame. Received: "
            f"{type(inputs).__name__} of {len(inputs)}"
        )
    frame, next_frame = inputs
    farneback.check_pair(frame, next_frame, "batch, height, width, 3")
    if None in frame.shape[1:3]:
        raise ValueError(
            "Expected frames of a known height and width, for the number of "
            f"pyramid levels follows from them. Received: {frame.shape}"
        )
    return frame, next_frame


def _grey(frame):
    """The 8-bit grey of cvtColor, which computes in integers, to the bit.

    Exact in float32, for no term reaches 2**24; and TensorFlow has no int32
    arithmetic on GPUs.
    """
    frame = ops.cast(frame, "float32")
    red, green, blue = (frame[..., channel] for channel in range(3))
    return ops.floor(
        (9798.0 * red + 19235.0 * green + 3735.0 * blue + 16384.0) / 32768.0
    )


def _pyramid_scales(size):
    """The scales of a pyramid's levels, the coarsest first."""
    scales = [1.0]
    while len(scales) <= _NUM_LEVELS:
        scale = scales[-1] * _PYRAMID_SCALE
        if min(size) * scale < _MIN_SIDE:
            break
        scales.append(scale)
    return scales[::-1]


def _shrink(greys, scale):
    """Blurs and resizes, always from the full size."""
    # Python rounds half to even, as OpenCV does.
    size = [round(side * scale) for side in greys.shape[-2:]]
    return _resample(greys, size, _blur_kernel(scale))


def _blur_kernel(scale):
    if scale == 1:
        return np.array([0.25, 0.5, 0.25])  # OpenCV's, for a sigma of 0
    sigma = (1 / scale - 1) / 2
    radius = max(round(5 * sigma) | 1, 3) // 2
    return _gaussian(radius, sigma)


def _gaussian(radius, sigma):
    place = np.arange(-radius, radius + 1)
    weights = np.exp(-(place**2) / (2 * sigma**2))
    return weights / weights.sum()


def _resample(x, size, kernel):
    """Blurs with a kernel, mirroring the border, and resizes linearly."""
    x = _resample_rows(x, size[0], kernel)
    x = _resample_rows(ops.swapaxes(x, -2, -1), size[1], kernel)
    return ops.swapaxes(x, -2, -1)


def _resample_rows(x, num_rows, kernel):
    # Blur and resize are one sum of rows: only what is kept is computed.
    taps, weights = _row_taps(x.shape[-2], num_rows, kernel)
    shape = (*ops.shape(x)[:-2], *taps.shape, x.shape[-1])
    rows = ops.reshape(ops.take(x, taps.ravel(), axis=-2), shape)
    weights = ops.convert_to_tensor(weights[:, :, None], dtype=x.dtype)
    return ops.sum(weights * rows, axis=-3)


def _row_taps(num_given, num_rows, kernel):
    """Returns which rows each new row is made of, and how much of each.

    Returns:
        int32 and float64 array (taps, num_rows).
    """
    # Half-pixel centres, as cv2.resize; beyond the outermost rows, those.
    place = (np.arange(num_rows) + 0.5) * num_given / num_rows - 0.5
    place = np.clip(place, 0, num_given - 1)
    upper = np.floor(place).astype("int32")
    share = place - upper
    # A new row is a blurred row and the one below it, linearly mixed.
    weights = np.outer(np.append(kernel, 0), 1 - share)
    weights += np.outer(np.append(0, kernel), share)
    kept = weights.any(axis=1)  # without resizing, the last tap is empty
    radius = len(kernel) // 2
    taps = np.arange(len(weights))[kept, None] - radius + upper
    mirrored = _mirrored_places(num_given, len(kernel))
    return mirrored[taps + len(kernel)], weights[kept]


def _mirrored_places(size, margin):
    """Places 0 to size - 1, and before and after those that stand for more."""
    return np.pad(np.arange(size, dtype="int32"), margin, mode="reflect")


def _expand(level):
    """Fits a quadratic polynomial to the surroundings of each pixel.

    The paper's section 3, f(x) = x' A x + b' x + c, weighted by a Gaussian.

    Returns:
        Tensor (5, 2, batch, height, width): half of b's x and y, and of A's
        xx, yy and xy. Halved, for only means of two are wanted.
    """
    ones, ys, yys = _moments(level, -2, (0, 1, 2))
    one, x, xx = _moments(ones, -1, (0, 1, 2))
    y, xy = _moments(ys, -1, (0, 1))
    (yy,) = _moments(yys, -1, (0,))
    inverse = _inverse_metric()
    linear, mixed = inverse[1, 1] / 2, inverse[5, 5] / 4
    square, offset = inverse[3, 3] / 2, inverse[0, 3] / 2
    return ops.stack(
        [
            linear * x,
            linear * y,
            square * xx + offset * one,
            square * yy + offset * one,
            mixed * xy,
        ]
    )


def _inverse_metric():
    """The inverse of the paper's G: what 1, x, y, xx, yy, xy share."""
    weights = _gaussian(_EXPANSION_RADIUS, _EXPANSION_SIGMA)
    place = np.arange(-_EXPANSION_RADIUS, _EXPANSION_RADIUS + 1.0)
    y, x = (axis.ravel() for axis in np.meshgrid(place, place, indexing="ij"))
    basis = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y])
    weighted = basis * np.outer(weights, weights).ravel()
    return np.linalg.inv(weighted @ basis.T)


def _moments(x, axis, orders):
    """Sums over the window: x times the Gaussian times place**order."""
    radius, size = _EXPANSION_RADIUS, x.shape[axis]
    padded = _repeat_edge(x, radius, axis)
    gaussian = _gaussian(radius, _EXPANSION_SIGMA)[radius:]
    moments = [gaussian[0] * x if order == 0 else 0.0 for order in orders]
    for place in range(1, radius + 1):
        after = _slice(padded, radius + place, size, axis)
        before = _slice(padded, radius - place, size, axis)
        even, odd = after + before, after - before
        for i, order in enumerate(orders):
            weight = gaussian[place] * place**order
            moments[i] += weight * (odd if order % 2 else even)
    return moments


def _refine(expansions, flow):
    """Improves a flow, by the paper's section 6, some times over."""
    own, others = expansions[:, 0], expansions[:, 1]
    # A row for each pixel of the batch, for there is no batched gather.
    rows = ops.reshape(ops.moveaxis(others, 0, -1), (-1, 5))

    def improve(_, flow):
        equations = _equations(own, rows, flow)
        return _solve(_box_sum(_box_sum(equations, -2), -1))

    # A loop of the graph: it is compiled once for all iterations.
    return ops.fori_loop(0, _NUM_ITERATIONS, improve, flow)


def _equations(own, rows, flow):
    """Each pixel's share of G and h; flow = G^-1 h.

    Returns:
        Tensor (5, batch, height, width): G's xx, yy and xy, h's x and y.
    """
    moved = _warp(own, rows, flow)
    flow_x, flow_y = flow[0], flow[1]
    _, _, a_xx, a_yy, a_xy = _unstack(own + moved)
    b_x, b_y = _unstack(own[:2] - moved[:2])
    # The paper's equation 33: what is left of b, and the flow so far.
    b_x = b_x + a_xx * flow_x + a_xy * flow_y
    b_y = b_y + a_xy * flow_x + a_yy * flow_y
    a_xy_squared = a_xy * a_xy
    equations = ops.stack(
        [
            a_xx * a_xx + a_xy_squared,
            a_yy * a_yy + a_xy_squared,
            (a_xx + a_yy) * a_xy,
            a_xx * b_x + a_xy * b_y,
            a_xy * b_x + a_yy * b_y,
        ]
    )
    weights = _border_weights(flow.shape[-2:]) ** 2
    return equations * ops.convert_to_tensor(weights, dtype=flow.dtype)


def _warp(own, rows, flow):
    """The next frame's expansion where each pixel has moved, bilinearly.

    Outside of the frame, b is 0 and A is the pixel's own.
    """
    height, width = flow.shape[-2:]
    x, from_left, is_inside_x = _split_place(flow[0], width, (1, width))
    y, from_top, is_inside_y = _split_place(flow[1], height, (height, 1))
    index = ops.cast(y * width + x, "int32")
    batch = ops.arange(ops.shape(flow)[1], dtype="int32")
    index = index + ops.reshape(batch * (height * width), (-1, 1, 1))
    corner = from_left * from_top
    moved = (
        ops.expand_dims(1 - from_left - from_top + corner, -1)
        * ops.take(rows, index, axis=0)
        + ops.expand_dims(from_left - corner, -1)
        * ops.take(rows, index + 1, axis=0)
        + ops.expand_dims(from_top - corner, -1)
        * ops.take(rows, index + width, axis=0)
        + ops.expand_dims(corner, -1)
        * ops.take(rows, index + (width + 1), axis=0)
    )
    outside = ops.concatenate([ops.zeros_like(own[:2]), own[2:]])
    return ops.where(
        ops.logical_and(is_inside_x, is_inside_y),
        ops.moveaxis(moved, -1, 0),
        outside,
    )


def _split_place(shift, size, shape):
    """Splits each pixel's new place into whole pixels and the rest.

    Returns:
        Whole pixels with a neighbour after them, the rest of 0 to 1, and
        whether the place is inside. OpenCV counts the last pixel as outside.
    """
    start = ops.reshape(ops.arange(size, dtype=shift.dtype), shape)
    place = shift + start
    floor = ops.floor(place)
    whole = ops.clip(floor, 0, size - 2)
    return whole, place - floor, ops.equal(floor, whole)


def _border_weights(size):
    """What each pixel counts: less in the outermost five rows and columns."""
    rows, columns = np.ones(size[0]), np.ones(size[1])
    for weights in (rows, columns):
        for place, weight in enumerate(_BORDER_WEIGHTS[: len(weights)]):
            weights[place] *= weight
            weights[-1 - place] *= weight
    return np.outer(rows, columns)


def _box_sum(x, axis):
    """Sums over the window along an axis, the edges repeated."""
    size = x.shape[axis]
    padded = _repeat_edge(x, _WINDOW // 2, axis)
    # Fifteen are three times five: eight sums fewer.
    fives = _sum_of_shifts(padded, range(5), size + 10, axis)
    return _sum_of_shifts(fives, range(0, 15, 5), size, axis)


def _sum_of_shifts(x, shifts, size, axis):
    first, *others = (_slice(x, shift, size, axis) for shift in shifts)
    for other in others:
        first = first + other
    return first


def _solve(sums):
    """Solves each pixel's two equations."""
    g_xx, g_yy, g_xy, h_x, h_y = _unstack(sums)
    # Never below 0 but for rounding, which must not meet the regularizer;
    # that one is for means over the window, and these are sums.
    determinant = ops.maximum(g_xx * g_yy - g_xy * g_xy, 0)
    scale = 1 / (determinant + _REGULARIZER * _WINDOW**4)
    x = (g_yy * h_x - g_xy * h_y) * scale
    y = (g_xx * h_y - g_xy * h_x) * scale
    return ops.stack([x, y])


def _repeat_edge(x, margin, axis):
    shape = list(ops.shape(x))
    last = shape[axis] - 1
    shape[axis] = margin
    before = ops.broadcast_to(_slice(x, 0, 1, axis), shape)
    after = ops.broadcast_to(_slice(x, last, 1, axis), shape)
    return ops.concatenate([before, x, after], axis)


def _slice(x, start, size, axis):
    window = slice(start, start + size)
    return x[..., window] if axis == -1 else x[..., window, :]


def _unstack(x):
    return [x[place] for place in range(x.shape[0])]
