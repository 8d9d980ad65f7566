"""The models on Keras' JAX backend: the same outputs, and they train."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from keras_ssc.serving import exporting
from keras_ssc.training import evaluation
from tests.helpers import drawn_pairs
from tests.helpers import small_models

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
trained = set()
for name, small in options.items():
    inputs = dict(np.load(f"{folder}/{name}.npz"))
    expected = inputs.pop("expected")
    # Built by the same code, and then with the same weights.
    model = models.build_model(name, **small)
    model.load_weights(f"{folder}/{name}.weights.h5")
    logits = model.predict(inputs, verbose=0)
    print(name, np.abs(logits - expected).max() / np.abs(expected).max())
    # A trunk is compiled for training once, not for each model that has it.
    trunks = {each.name for each in model.layers if hasattr(each, "layers")}
    if trunks <= trained:
        models.freeze(model)
    trained |= trunks
    before = model.get_layer("logits").kernel.numpy()
    model.compile("adam", "mse")
    model.train_on_batch(inputs, np.zeros_like(expected))
    after = model.get_layer("logits").kernel.numpy()
    assert np.abs(after - before).max() > 0
"""


# As if this one were the first of them.
TWO_HOSTS = json.dumps(
    {
        "cluster": {"worker": ["host1:12345", "host2:12345"]},
        "task": {"type": "worker", "index": 0},
    }
)

# Of the two that see flow, one computes it; the other is given it.
GRAPH = "motion_magnitude_stack"
OPTIONS = {
    **small_models.SMALL,
    GRAPH: {**small_models.SMALL[GRAPH], "flow": "graph"},
}


def inputs_for(name, model):
    if name != GRAPH:
        return small_models.pairs_for(model)
    # Not noise: of that, rounding decides what flow is found.
    drawn = drawn_pairs.drawn_inputs()
    return {name: drawn[name] for name in model.input}


def test_the_models_give_the_same_on_jax(tmp_path):
    for name, options in OPTIONS.items():
        model = small_models.small_model(name, **options)
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


def on_jax(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", *map(str, arguments)],
        env={**os.environ, "KERAS_BACKEND": "jax", **environment},
        capture_output=True,
        text=True,
    )


def test_a_run_of_jax_is_everyone_s(validation_dir, tmp_path):
    run_dir, out = tmp_path / "run", tmp_path / "served"
    settings = {
        "--dataset": "scene_genre/small",
        "--data-dir": validation_dir,
        "--run-dir": run_dir,
        "--model": "fc",
        "--image-size": "32x18",
        "--batch-size": 6,
    }
    flags = [each for item in settings.items() for each in item]
    trained = on_jax("keras_ssc.train", *flags, "--epochs", 2)
    assert trained.returncode == 0, trained.stderr[-3000:]
    config = json.loads((run_dir / "config.json").read_text())
    assert config["jit_compile"] is True

    on_tensorflow = evaluation.evaluate(run_dir, verbose=False)
    evaluated = on_jax("keras_ssc.evaluate", run_dir)
    assert evaluated.returncode == 0, evaluated.stderr[-3000:]
    measured = json.loads((run_dir / "metrics.json").read_text())
    assert measured["confusion"] == on_tensorflow["confusion"]
    np.testing.assert_allclose(
        measured["calibration"]["temperature"],
        on_tensorflow["calibration"]["temperature"],
        rtol=1e-3,
    )

    refused = on_jax("keras_ssc.export", run_dir, "--out", out)
    assert refused.returncode == 2
    assert "KERAS_BACKEND=jax. Unset it" in refused.stderr
    assert not out.exists()
    assert (exporting.export(run_dir, out) / "saved_model.pb").exists()


@pytest.mark.parametrize(
    "flags, environment",
    [
        (["--strategy", "mirrored"], {}),
        (["--strategy", "multi_worker"], {"TF_CONFIG": TWO_HOSTS}),
        ([], {"TF_CONFIG": TWO_HOSTS}),
    ],
)
def test_jax_does_not_pretend_to_train_on_several(
    data_dir, tmp_path, flags, environment
):
    flags = ["--data-dir", data_dir, "--run-dir", tmp_path / "run", *flags]
    refused = on_jax("keras_ssc.train", "--model", "fc", *flags, **environment)
    assert refused.returncode == 2
    assert "Keras on TensorFlow for several devices" in refused.stderr
    assert not (tmp_path / "run").exists()
