"""Is there a cut between two frames?"""

import cv2
import numpy as np

CUT_THRESHOLD = 0.84

_LONG_SIDE = 160
_NOISE = 2.0


def cut_score(frame, next_frame):
    """Says how badly motion explains the next frame (first version)."""
    _check(frame, next_frame)
    grey, _ = _normalised(_small_grey(frame))
    next_grey, _ = _normalised(_small_grey(next_frame))
    x, y = _global_shift(grey, next_grey)
    grey, next_grey = _overlap(grey, next_grey, x, y)
    flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_FAST).calc(
        _to_uint8(grey), _to_uint8(next_grey), None
    )
    warped = _warp(next_grey, flow)
    covariance, variance, next_variance = _local_moments(grey, warped)
    energy = np.maximum(variance, next_variance).sum() + 1.0
    return float(np.clip(1 - covariance.sum() / energy, 0, 1))


def is_cut(frame, next_frame, threshold=CUT_THRESHOLD):
    """Says whether the two frames belong to different shots."""
    return cut_score(frame, next_frame) > threshold


def is_blank(frame):
    """Says whether there is nothing to see: black, white or one colour."""
    _check(frame, frame)
    grey = _small_grey(frame)
    smooth = cv2.GaussianBlur(grey, (0, 0), 1.5)
    return bool((smooth - cv2.GaussianBlur(smooth, (0, 0), 12)).std() < 0.6)


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


def _small_grey(frame):
    height, width = frame.shape[:2]
    scale = _LONG_SIDE / max(height, width)
    size = (max(round(width * scale), 16), max(round(height * scale), 16))
    small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)


def _normalised(grey):
    mean = cv2.GaussianBlur(grey, (0, 0), 6)
    deviation = np.sqrt(cv2.GaussianBlur((grey - mean) ** 2, (0, 0), 6))
    return (grey - mean) / (deviation + _NOISE), deviation


def _to_uint8(normalised):
    return np.clip(128 + 50 * normalised, 0, 255).astype(np.uint8)


def _global_shift(grey, next_grey):
    height, width = grey.shape
    window = cv2.createHanningWindow((width, height), cv2.CV_32F)
    (x, y), _ = cv2.phaseCorrelate(grey, next_grey, window)
    x, y = round(x), round(y)
    if abs(x) > 0.3 * width or abs(y) > 0.3 * height:
        return 0, 0
    if _shifted_likeness(grey, next_grey, x, y) <= _shifted_likeness(
        grey, next_grey, 0, 0
    ):
        return 0, 0
    return x, y


def _shifted_likeness(grey, next_grey, x, y):
    first, second = _overlap(grey, next_grey, x, y)
    return np.corrcoef(first.ravel(), second.ravel())[0, 1]


def _overlap(first, second, x, y):
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


def _warp(image, flow):
    height, width = image.shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return cv2.remap(
        image,
        x + flow[..., 0],
        y + flow[..., 1],
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )


def _local_moments(first, second):
    def blur(image):
        return cv2.GaussianBlur(image, (0, 0), 2.5)

    first_mean, second_mean = blur(first), blur(second)
    covariance = blur(first * second) - first_mean * second_mean
    first_variance = blur(first * first) - first_mean**2
    second_variance = blur(second * second) - second_mean**2
    return covariance, first_variance, second_variance
