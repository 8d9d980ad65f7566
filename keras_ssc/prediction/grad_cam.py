"""What a model looked at, frame and motion apart: Grad-CAM.

Selvaraju et al. 2017, "Grad-CAM: Visual Explanations from Deep Networks via
Gradient-based Localization", arXiv:1610.02391, equations 1 and 2.
"""

import re

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_ssc.models.backbones import BACKBONES

# Convolutions outside of a backbone.
_FLOWNET_MAPS = r"flownet_conv_\d"

# With small frames, the last maps are a single cell, which says nothing of
# where: the deepest ones with these many cells on both sides are taken.
_LEAST_CELLS = 4


class GradCam:
    """Shows where in a pair the evidence for a genre is.

    Args:
        model: A `keras.Model` of `models.MODELS`. Its weights are shared, not
            copied.

    Attributes:
        branches: Tuple of strings, what the model looks at apart from each
            other: `"frame"`, `"flow"`, or `"frame and next frame"`; empty if
            the model has no convolutions, such as `fc`.
    """

    def __init__(self, model):
        self._exposed, found = _expose(model)
        names = {layer.name for layer in model.layers}
        # One trunk for two stems: frame and flow in one batch.
        self._takes_both = "flow_stem" in names and len(found) == 1
        branches = [_branch(owner, names, model.input) for owner in found]
        # The frame first, whichever the graph has first.
        order = sorted(range(len(found)), key=lambda x: branches[x] == "flow")
        *maps, logits = keras.tree.flatten(self._exposed.output)
        self._exposed = keras.Model(
            self._exposed.input, [*(maps[place] for place in order), logits]
        )
        self.branches = (
            ("frame", "flow")
            if self._takes_both
            else tuple(branches[place] for place in order)
        )

    def __call__(self, inputs, genre):
        """Computes where the model looked.

        Args:
            inputs: Dict of arrays, what the model takes, of n pairs.
            genre: Integer, the genre's place among the logits.

        Returns:
            A dict from each of `branches` to a float32 array (n, height,
            width), of the frames' size: 0 where there is no evidence for the
            genre, 1 where there is most. All 0 if there is none at all.
        """
        if not self.branches:
            return {}
        with tf.GradientTape() as tape:
            *maps, logits = self._exposed(inputs, training=False)
            logit = logits[:, genre]
        gradients = tape.gradient(logit, maps)
        size = self._exposed.inputs[0].shape[1:3]
        heats = [
            _heat(*pair, size) for pair in zip(maps, gradients, strict=True)
        ]
        if self._takes_both:
            # Pair by pair, as the model stacks them: frame, flow, frame, ...
            heats = [heats[0][place::2] for place in (0, 1)]
        return dict(zip(self.branches, heats, strict=True))


def _expose(model, is_trunk=False):
    """Returns a model that gives its maps too, and the names of their owners.

    Of every trunk inside, and of the convolutions outside of one, the deepest
    maps that are large enough.
    """
    owners, maps, own = [], [], []
    pattern, calls = _maps_of(model.name) if is_trunk else _FLOWNET_MAPS, []

    def call(layer, *args, **kwargs):
        if isinstance(layer, keras.Model) and not is_trunk:
            exposed, inner = _expose(layer, is_trunk=True)
            *inside, output = exposed(*args)
            owners.extend(inner)
            maps.extend(inside)
            return output
        output = layer(*args, **kwargs)
        calls.append((keras.tree.flatten([args, kwargs]), output))
        if pattern and re.fullmatch(pattern, layer.name):
            own.append(output)
        return output

    clone = keras.models.clone_model(
        model, clone_function=lambda layer: layer, call_function=call
    )
    if is_trunk and not own:
        own = _passed_by_all(calls)
    if own:
        large = [each for each in own if min(each.shape[1:3]) >= _LEAST_CELLS]
        owners.append(model.name)
        maps.append(large[-1] if large else own[0])
    return keras.Model(clone.input, [*maps, clone.output]), owners


def _maps_of(trunk):
    """Returns a regular expression of a backbone's maps, or None."""
    backbone = BACKBONES.get(trunk.removeprefix("flow_"))
    return backbone and backbone.maps


def _passed_by_all(calls):
    """Finds the maps that every path through a network passes.

    Args:
        calls: List of tuples in the order of the network: what a layer was
            given, and its output.

    Returns:
        A list of Keras tensors (batch, height, width, channels).
    """
    last = {
        id(given): place
        for place, (inputs, _) in enumerate(calls)
        for given in inputs
    }
    # The place up to which something is needed that came before.
    needed = last[id(next(iter(calls[0][0])))]
    found = []
    for place, (_, output) in enumerate(calls):
        if needed <= place and len(getattr(output, "shape", ())) == 4:
            found.append(output)
        for each in keras.tree.flatten(output):
            needed = max(needed, last.get(id(each), place))
    return found


def _branch(owner, names, inputs):
    """Says what the maps of a trunk, or of the model itself, are made of."""
    is_own = owner not in names  # convolutions outside of a trunk
    if owner.startswith("flow_") or (is_own and "frame_stem" in names):
        return "flow"
    if "pair_stem" in names or (is_own and "next_frame" in inputs):
        return "frame and next frame"
    return "frame"


def _heat(maps, gradients, size):
    """Weighs the maps by how much each one's mean would raise the logit."""
    maps, gradients = (ops.cast(x, "float32") for x in (maps, gradients))
    weights = ops.mean(gradients, axis=(1, 2), keepdims=True)
    heat = ops.relu(ops.sum(weights * maps, axis=-1, keepdims=True))
    heat = ops.image.resize(heat, size, interpolation="bilinear")[..., 0]
    most = ops.max(heat, axis=(1, 2), keepdims=True)
    return ops.convert_to_numpy(heat / ops.maximum(most, 1e-12)).astype(
        np.float32
    )
