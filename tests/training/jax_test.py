"""The models on Keras' JAX backend: the same outputs, and they train."""

import json

import numpy as np
import pytest

from keras_ssc.serving import exporting
from keras_ssc.training import evaluation
from tests.helpers import drawn_pairs
from tests.helpers import programs
from tests.helpers import small_models

pytest.importorskip("jax")

# As if this one were the first of them.
TWO_HOSTS = json.dumps(
    {
        "cluster": {"worker": ["host1:12345", "host2:12345"]},
        "task": {"type": "worker", "index": 0},
    }
)

SEVERAL = "Keras on TensorFlow for several devices"

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


def test_the_models_and_the_metric_give_the_same_on_jax(tmp_path):
    for name, options in OPTIONS.items():
        model = small_models.small_model(name, **options)
        inputs = inputs_for(name, model)
        expected = np.array(model(inputs))
        np.savez(tmp_path / f"{name}.npz", expected=expected, **inputs)
        model.save_weights(tmp_path / f"{name}.weights.h5")
    printed = programs.run(
        *("-m", "tests.helpers.on_jax", tmp_path, json.dumps(OPTIONS)),
        KERAS_BACKEND="jax",
        # Each network is compiled for one step.
        XLA_FLAGS="--xla_backend_optimization_level=0",
    )
    differences = dict(line.split() for line in printed.splitlines())
    assert set(differences) == set(OPTIONS)
    for name, difference in differences.items():
        assert float(difference) < 1e-4, name


def test_a_run_of_jax_is_everyone_s(validation_dir, tmp_path):
    run_dir, out = tmp_path / "run", tmp_path / "served"
    settings = {
        "--dataset": "scene_genre/small",
        "--data-dir": validation_dir,
        "--run-dir": run_dir,
        "--model": "fc",
        "--image-size": "32x18",
        "--batch-size": 6,
        "--epochs": 2,
    }
    flags = [each for item in settings.items() for each in item]
    other_dir = tmp_path / "other"
    elsewhere = ["--data-dir", validation_dir, "--run-dir", other_dir]
    refused = ["keras_ssc.train", "--model", "fc", "--strategy"]
    trained, evaluated, exported, mirrored, *hosts = programs.run_commands(
        ["keras_ssc.train", *flags],
        ["keras_ssc.evaluate", run_dir],
        ["keras_ssc.export", run_dir, "--out", out],
        [*refused, "mirrored"],
        # Nor does it pretend to train on several hosts.
        [f"TF_CONFIG={TWO_HOSTS}", *refused, "multi_worker", *elsewhere],
        [*refused, "auto", *elsewhere],
        KERAS_BACKEND="jax",
    )
    assert trained[0] == evaluated[0] == 0, (trained, evaluated)
    config = json.loads((run_dir / "config.json").read_text())
    assert config["jit_compile"] is True
    measured = json.loads((run_dir / "metrics.json").read_text())
    on_tensorflow = evaluation.evaluate(run_dir, verbose=False)
    assert measured["confusion"] == on_tensorflow["confusion"]
    np.testing.assert_allclose(
        measured["calibration"]["temperature"],
        on_tensorflow["calibration"]["temperature"],
        rtol=1e-3,
    )

    assert exported[0] == 2
    assert "KERAS_BACKEND=jax. Unset it" in exported[1]
    for code, printed in (mirrored, *hosts):
        assert code == 2
        assert SEVERAL in printed
    assert not other_dir.exists()
    assert not out.exists()
    assert (exporting.export(run_dir, out) / "saved_model.pb").exists()
