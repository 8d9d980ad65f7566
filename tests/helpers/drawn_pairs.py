"""Drawn pairs of frames whose flow is known."""

import cv2
import numpy as np

from experiments import flow_parity

SIZE = (299, 299)


# What a camera does: (zoom, degrees, pixels to the right, pixels downward).
MOTIONS = {
    "translation": (1.0, 0.0, 2.4, -1.7),
    "zoom": (1.03, 0.0, 0.0, 0.0),
    "rotation": (1.0, 1.5, 0.0, 0.0),
    "fast pan": (1.0, 0.0, 17.0, -3.0),
}


def place(size, seed, contrast=235):
    """A place, 20 pixels around the size, that has a flat wall in it."""
    height, width = size[0] + 40, size[1] + 40
    noise = np.random.default_rng(seed).uniform(0, 1, (height, width, 3))
    smooth = cv2.GaussianBlur(noise.astype(np.float32), (0, 0), 2.5)
    picture = cv2.normalize(smooth, None, 10, 10 + contrast, cv2.NORM_MINMAX)
    picture[height // 2 : 3 * height // 4, : width // 3] = (90, 120, 60)
    return picture.astype(np.uint8)


def transform(size, motion):
    zoom, degrees, x, y = MOTIONS[motion]
    middle = (size[1] / 2 + 20, size[0] / 2 + 20)
    matrix = cv2.getRotationMatrix2D(middle, degrees, zoom)
    matrix[:, 2] += (x, y)
    return matrix


def drawn_pair(motion, size=SIZE, seed=0, contrast=235):
    """A frame and the next one of a moving camera, or of a cut."""
    before = place(size, seed, contrast)
    if motion == "cut":
        after = place(size, seed + 1000, contrast)
    else:
        after = cv2.warpAffine(
            before,
            transform(size, motion),
            before.shape[1::-1],
            flags=cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REFLECT,
        )
    return before[20:-20, 20:-20], after[20:-20, 20:-20]


def true_flow(motion, size):
    """The flow that was drawn, (height, width, 2)."""
    y, x = np.mgrid[: size[0], : size[1]] + 20.0
    matrix = transform(size, motion)
    moved = np.stack([x, y, np.ones_like(x)], axis=-1) @ matrix.T
    return moved - np.stack([x, y], axis=-1)


def batch_of(pairs):
    return [np.stack(frames) for frames in zip(*pairs, strict=True)]


def drawn_batch(size=SIZE):
    """A batch of all motions and a cut, at the low contrast of films."""
    return batch_of(
        [
            drawn_pair(motion, size, seed, contrast=60)
            for seed, motion in enumerate([*MOTIONS, "cut"])
        ]
    )


def textured(height=96, width=128, seed=0):
    """Blobs of many sizes: flow needs something to hold on to everywhere."""
    generator = np.random.default_rng(seed)
    noise = generator.uniform(0, 255, (height, width, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2.5)
    low, high = smooth.min(), smooth.max()
    return ((smooth - low) / (high - low) * 255).astype(np.uint8)


def drawn_inputs(size=(75, 80)):
    """Both frames of four drawn pairs, and OpenCV's flow of them."""
    # Without the last one, a cut: there rounding decides what is found.
    frame, next_frame = (part[:4] for part in drawn_batch(size))
    return {
        "frame": frame,
        "next_frame": next_frame,
        "flow": flow_parity.opencv_flow(frame, next_frame),
    }
