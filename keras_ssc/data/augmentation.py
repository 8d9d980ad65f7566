"""What is changed at random in training pairs, frames and flow alike."""

import dataclasses

import cv2
import numpy as np

from keras_ssc import flow

# Numbers drawn for a pair: its window's scale, top and left; its brightness,
# contrast and saturation.
NUM_DRAWS = 6

_MIRRORED = "_mirrored"


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """What is changed at random in training pairs: one draw for both frames.

    Attributes:
        mirror: Boolean, whether half of the pairs are mirrored left to right.
        crop: Float, 0 or more and below 1: the largest share of each side
            that is cut away. A window, as wide for its height as the frame,
            is resized back to the frame's size.
        colour: Float, 0 or more and below 1: brightness, contrast and
            saturation are multiplied by 1 - colour to 1 + colour.

    Raises:
        ValueError: If a number is out of its range.
    """

    mirror: bool = True
    crop: float = 0.0
    colour: float = 0.0

    def __post_init__(self):
        for name in ("crop", "colour"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(
                    f"Expected {name} of 0 or more, below 1. "
                    f"Received: {getattr(self, name)}"
                )

    def copy_batch(self, features, places, is_mirrored, draws):
        """Copies pairs out of prepared arrays, changed as drawn.

        Args:
            features: Dict of arrays, see `datasets.PreparedSplit`. Stored
                features cannot be cropped or coloured any more; those of
                mirrored pairs are under `mirrored(name)`.
            places: Integer array (batch,), which pairs.
            is_mirrored: Boolean array (batch,).
            draws: Float array (batch, NUM_DRAWS), from 0 to 1.

        Returns:
            A dict as `inputs_of(features)`, of the pairs at `places`.
        """
        windows = None
        if self.crop:
            size = features["frame"].shape[1:3]
            windows = _windows(draws[:, :3], self.crop, size)
        batch = {}
        for name, array in features.items():
            if array.ndim == 4:
                batch[name] = copy_pairs(
                    name, array, places, is_mirrored, windows
                )
            elif name == plain(name):
                batch[name] = np.array(array[places])
                turned = np.flatnonzero(is_mirrored)
                if len(turned):
                    others = features[mirrored(name)]
                    batch[name][turned] = others[places[turned]]
        if self.colour:
            _change_colours(batch, 1 + self.colour * (2 * draws[:, 3:] - 1))
        return batch


def mirrored(name):
    """Returns the name of a stored feature of mirrored pairs."""
    return name + _MIRRORED


def plain(name):
    """Returns the name of the feature that a mirrored one belongs to."""
    return name.removesuffix(_MIRRORED)


def inputs_of(features):
    """Leaves out of a dict the features of mirrored pairs."""
    return {x: array for x, array in features.items() if x == plain(x)}


def _windows(draws, crop, size):
    """Returns integers (batch, 4): top, left, height and width of windows."""
    scale = 1 - crop * draws[:, :1]
    sides = np.maximum(np.rint(scale * size), 1).astype(int)
    corners = (draws[:, 1:] * (np.array(size) - sides + 1)).astype(int)
    return np.concatenate([corners, sides], axis=1)


def _change_colours(batch, factors):
    """Changes the frames of a batch where they are, each pair's alike."""
    for place, pair_factors in enumerate(factors):
        # Both frames by the first one's mean: by its own each, they would
        # differ in brightness where the film does not.
        mean = flow.GREY_WEIGHTS @ cv2.mean(batch["frame"][place])[:3]
        matrix = _colour_matrix(*pair_factors, mean)
        for name in {"frame", "next_frame"} & set(batch):
            batch[name][place] = cv2.transform(batch[name][place], matrix)


def _colour_matrix(brightness, contrast, saturation, mean):
    """Returns brightness, then contrast, then saturation, as one matrix.

    The three are torchvision's and tf.image's: each a mixture of the frame
    and of black, of its mean grey, of itself in grey. As one (3, 4) matrix
    they are one pass over the pixels and are rounded and clipped once.
    """
    grey = np.tile(flow.GREY_WEIGHTS, (3, 1))
    mixed = saturation * np.eye(3) + (1 - saturation) * grey
    offset = np.full((3, 1), (1 - contrast) * brightness * mean)
    return np.hstack([brightness * contrast * mixed, offset])


def copy_pairs(name, array, places, is_mirrored, windows=None):
    """Copies pairs out of a prepared array, cropped and mirrored as drawn.

    Args:
        name: String, which of `datasets.FEATURES` the array is.
        array: Array (pairs, height, width, channels).
        places: Integer array (batch,), which pairs.
        is_mirrored: Boolean array (batch,), which to mirror left to right. A
            mirrored flow moves the other way: its x turns round.
        windows: Integer array (batch, 4): top, left, height and width, in
            pixels, of the window that is resized to the whole frame. A flow
            grows with its window. None for whole frames.

    Returns:
        Array (batch, height, width, channels).
    """
    batch = np.empty((len(places), *array.shape[1:]), array.dtype)
    for row, target in enumerate(batch):
        source = array[places[row]]
        if windows is not None:
            source = _enlarged(name, source, windows[row])
        # In one pass from the file to the batch: memory is what bounds this.
        if is_mirrored[row]:
            cv2.flip(source, 1, dst=target)
        else:
            target[:] = source
        if is_mirrored[row] and name == "flow":
            np.negative(target[..., 0], out=target[..., 0])
    return batch


def _enlarged(name, source, window):
    """Returns a window of a frame or a flow at the size of the whole."""
    top, left, height, width = window
    whole_height, whole_width = source.shape[:2]
    enlarged = cv2.resize(
        source[top : top + height, left : left + width],
        (whole_width, whole_height),
        interpolation=cv2.INTER_LINEAR,
    )
    if name == "flow":
        enlarged *= np.float32([whole_width / width, whole_height / height])
    return enlarged
