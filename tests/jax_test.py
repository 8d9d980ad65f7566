"""The models on Keras' JAX backend: the same outputs, and they train."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from tests import graph_flow_test
from tests import models_test

pytest.importorskip("jax")

# Runs where keras has taken JAX; TensorFlow's process can no longer change.
PROGRAM = """
import json, sys
import keras
import numpy as np
from keras_ssc import models

assert keras.backend.backend() == "jax"
assert "tensorflow" not in sys.modules
folder, options = sys.argv[1], json.loads(sys.argv[2])
for name, small in options.items():
    inputs = dict(np.load(f"{folder}/{name}.npz"))
    expected = inputs.pop("expected")
    # Built by the same code, and then with the same weights.
    model = models.build_model(name, **small)
    model.load_weights(f"{folder}/{name}.weights.h5")
    logits = model.predict(inputs, verbose=0)
    print(name, np.abs(logits - expected).max() / np.abs(expected).max())
    before = model.get_layer("logits").kernel.numpy()
    model.compile("adam", "mse")
    model.train_on_batch(inputs, np.zeros_like(expected))
    after = model.get_layer("logits").kernel.numpy()
    assert np.abs(after - before).max() > 0
"""


# Of the two that see flow, one computes it; the other is given it.
GRAPH = "motion_magnitude_stack"
OPTIONS = {
    **models_test.SMALL,
    GRAPH: {**models_test.SMALL[GRAPH], "flow": "graph"},
}


def inputs_for(name, model):
    if name != GRAPH:
        return models_test.pairs_for(model)
    # Not noise: of that, rounding decides what flow is found.
    drawn = graph_flow_test.drawn_inputs()
    return {name: drawn[name] for name in model.input}


def test_the_models_give_the_same_on_jax(tmp_path):
    for name, options in OPTIONS.items():
        model = models_test.small_model(name, **options)
        inputs = inputs_for(name, model)
        expected = np.array(model(inputs))
        np.savez(tmp_path / f"{name}.npz", expected=expected, **inputs)
        model.save_weights(tmp_path / f"{name}.weights.h5")
    ended = subprocess.run(
        [
            *(sys.executable, "-c", PROGRAM),
            *(tmp_path, json.dumps(OPTIONS)),
        ],
        env={
            **os.environ,
            "KERAS_BACKEND": "jax",
            # Each network is compiled for one step.
            "XLA_FLAGS": "--xla_backend_optimization_level=0",
        },
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    differences = dict(line.split() for line in ended.stdout.splitlines())
    assert set(differences) == set(OPTIONS)
    for name, difference in differences.items():
        assert float(difference) < 1e-4, name
