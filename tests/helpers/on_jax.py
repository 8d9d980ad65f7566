"""What Keras computes on JAX: the models, and a metric.

    python -m tests.helpers.on_jax FOLDER OPTIONS

FOLDER holds each model's weights, and inputs with the logits that TensorFlow
gives for them; this prints how far JAX's are from those.
"""

import json
import sys

import keras
import numpy as np
import sklearn.metrics

from keras_ssc import models
from tests.helpers import confusions


def check_models(folder, options):
    # JAX compiles a random draw for each shape, and here weights are loaded
    # over what was drawn. That JAX draws is seen where a run is trained.
    for initializer in (
        keras.initializers.VarianceScaling,
        keras.initializers.RandomNormal,
    ):
        initializer.__call__ = keras.initializers.Zeros.__call__
    trained = set()
    for name, small in options.items():
        inputs = dict(np.load(f"{folder}/{name}.npz"))
        expected = inputs.pop("expected")
        # Built by the same code, and then with the same weights.
        model = models.build_model(name, **small)
        model.load_weights(f"{folder}/{name}.weights.h5")
        logits = model.predict(inputs, verbose=0)
        print(name, np.abs(logits - expected).max() / np.abs(expected).max())
        # A trunk is compiled for training once, not for each model that has
        # it.
        trunks = {each.name for each in model.layers if hasattr(each, "layers")}
        is_new = not trunks <= trained
        models.freeze(model, "all" if is_new else None)
        trained |= trunks
        before = model.get_layer("logits").kernel.numpy()
        model.compile("adam", "mse")
        model.train_on_batch(inputs, np.zeros_like(expected))
        after = model.get_layer("logits").kernel.numpy()
        assert np.abs(after - before).max() > 0


def check_balanced_accuracy():
    model, reader = confusions.compiled_model(), confusions.ConfusionReader()
    labels, values = confusions.drawn(64)
    one_hot = confusions.one_hot(labels)
    model.fit(values, one_hot, epochs=1, verbose=0, callbacks=[reader])
    measured = model.evaluate(values, one_hot, verbose=0, return_dict=True)
    predicted = model.predict(values, verbose=0).argmax(axis=1)
    expected = sklearn.metrics.balanced_accuracy_score(labels, predicted)
    assert abs(measured["balanced_accuracy"] - expected) < 1e-6


def main():
    assert keras.backend.backend() == "jax"
    # Only now: Keras' own training loads it.
    assert "tensorflow" not in sys.modules
    check_models(sys.argv[1], json.loads(sys.argv[2]))
    check_balanced_accuracy()


if __name__ == "__main__":
    main()
