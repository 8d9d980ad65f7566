"""What a frozen trunk makes of pairs, and the head that is trained on it.

A frozen trunk gives the same features of a pair at every step. In a model they
are the outputs of layers named `<kind>_features`, see `parts.features`: what
comes before is an `Encoder`, what follows the head.
"""

import hashlib

import keras
import numpy as np

_SUFFIX = "_features"

# Another number means that the same weights give other features, such as of a
# flow that is scaled otherwise.
_VERSION = 1


def names(model):
    """Returns the names of the layers that give a model's features.

    Models that were stored before there were such layers have none.
    """
    return [x.name for x in model.layers if x.name.endswith(_SUFFIX)]


class Encoder:
    """The part of a model before its head.

    Args:
        model: A `keras.Model` of `MODELS` with a backbone.

    Attributes:
        inputs: Tuple of strings, what of a pair it takes.
        sizes: Dict from the names of its features to integers, how many they
            are of a pair.
        keys: Dict from the same names to strings: with another key, features
            of the same name are others.
    """

    def __init__(self, model):
        self._model = model
        self._outputs = {x: model.get_layer(x).output for x in names(model)}
        self._networks = {}
        self.inputs = tuple(model.input)
        self.sizes = {x: y.shape[-1] for x, y in self._outputs.items()}
        self.keys = {name: self._key(name) for name in self._outputs}

    def __call__(self, inputs, wanted):
        """Computes features of pairs.

        Args:
            inputs: Dict of arrays (pairs, ...), see `inputs`.
            wanted: Iterable of names of features.

        Returns:
            A dict from these names to float arrays (pairs, features).
        """
        wanted = tuple(wanted)
        if wanted not in self._networks:
            self._networks[wanted] = self.network(wanted)
        return self._networks[wanted].predict_on_batch(inputs)

    def network(self, wanted):
        """Returns a `keras.Model` of `inputs` that gives features.

        Args:
            wanted: Iterable of names of features, the keys of its output.
        """
        outputs = {name: self._outputs[name] for name in wanted}
        return keras.Model(self._model.input, outputs)

    def _key(self, name):
        """Hashes the weights that the features depend on."""
        own_stem = f"{name.removesuffix(_SUFFIX)}_stem"
        found = [x for x in self.network([name]).layers if x.weights]
        if any(layer.name == own_stem for layer in found):
            # A trunk that is called once for all has several.
            found = [
                layer
                for layer in found
                if layer.name == own_stem or not layer.name.endswith("_stem")
            ]
        digest = hashlib.sha256(f"{_VERSION} {name}".encode())
        for layer in found:
            # Precisions round otherwise.
            policy = layer.dtype_policy.name
            digest.update(f"{policy} {self._trunk_label(layer)}".encode())
            for array in layer.get_weights():
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()[:12]

    def _trunk_label(self, layer):
        if not isinstance(layer, keras.Model):
            return ""
        # With the same weights, feature maps and their means are others.
        kind = " maps" if len(layer.output.shape) == 4 else ""
        return layer.name.removeprefix("flow_") + kind


def head(model):
    """Returns the part of a model that is trained while its trunk is frozen.

    Args:
        model: A `keras.Model` of `MODELS` that `freeze` has frozen.

    Returns:
        A `keras.Model` of features, by their layers' names, that gives
        logits. Its layers are the model's own.

    Raises:
        ValueError: If the model has no features, or trains more than a head
            on them.
    """
    features = {x: model.get_layer(x).output for x in names(model)}
    if features:
        part = keras.Model(list(features.values()), model.output)
        inputs = {
            name: keras.Input(x.shape[1:], name=name)
            for name, x in features.items()
        }
        # Called once more, so that what it takes has these names.
        clone = keras.models.clone_model(
            part,
            input_tensors=list(inputs.values()),
            clone_function=lambda layer: layer,
        )
        found = keras.Model(inputs, clone.output, name=f"{model.name}_head")
    if not features or _num_trained(found) != _num_trained(model):
        raise ValueError(
            f"Expected a model with a backbone and nothing to train but its "
            f"head. {model.name} trains more: leave --freeze all out, or add "
            "--no-store."
        )
    return found


def _num_trained(model):
    return len(model.trainable_weights)


def before(model, name):
    """Returns the part of a model, or of a head, before a layer.

    Args:
        model: A `keras.Model`.
        name: String, the layer's name.

    Returns:
        A `keras.Model` of what it takes that gives what the layer takes.
    """
    found = []

    def call(layer, *args, **kwargs):
        if layer.name == name:
            found.extend(args)
        return layer(*args, **kwargs)

    clone = keras.models.clone_model(
        model, clone_function=lambda layer: layer, call_function=call
    )
    return keras.Model(clone.input, found[0])


def copy_head(head_model, model):
    """Copies the weights of a head into the model that it is a part of."""
    for layer in head_model.layers:
        if layer.weights:
            model.get_layer(layer.name).set_weights(layer.get_weights())
