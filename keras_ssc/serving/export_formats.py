"""A model in the formats of other runtimes, compared with Keras."""

import pathlib
import sys
import warnings

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_ssc import checks
from keras_ssc import models
from keras_ssc import tasks
from keras_ssc.errors import OutsideError
from keras_ssc.serving import served_model

# By how much a probability may differ from Keras', by format and by what it is
# computed in.
SCORE_BOUNDS = {
    # The same program with the same weights; but threads may sum in another
    # order, and a low temperature makes more of it.
    "keras": {"float32": 1e-4},
    # Another program, with all sums in another order: 3e-6 at 299x299. What
    # a score is shown with, a tenth of a percent, stays.
    "onnx": {"float32": 1e-3},
    # bfloat16 keeps two to three digits of each layer. A score of a half may
    # move by a tenth of itself; more would be another model.
    "openvino": {"float32": 1e-3, "bfloat16": 0.05},
}

# By which share of itself a motion magnitude may differ, whatever the network
# is computed in: the flow is float32 everywhere. In bfloat16, it would miss.
_MAGNITUDE_BOUND = 1e-3

# What counts as still: a share of nothing says nothing.
_LEAST_MAGNITUDE = 1e-5

# How a program loads a format out of its folder: frame and next_frame are
# uint8 arrays (pairs, height, width, 3).
LOADING = {
    "keras": """\
import keras
import keras_ssc.flow  # has the layer of the optical flow

model = keras.saving.load_model("model.keras", compile=False)
scores = model({"frame": frame, "next_frame": next_frame})["scores"]
""",
    "onnx": """\
import onnxruntime

session = onnxruntime.InferenceSession(
    "model.onnx", providers=["CPUExecutionProvider"]
)
pairs = {"frame": frame, "next_frame": next_frame}
(scores,) = session.run(["scores"], pairs)
""",
    "openvino": """\
import openvino

# A CPU with bfloat16 (avx512_bf16, AMX) computes the network in it by itself,
# and the flow in float32. For all in float32, and on every device that would
# choose float16, which is too small for the flow (ARM CPUs, GPUs), add:
# {"INFERENCE_PRECISION_HINT": "f32"}
model = openvino.Core().compile_model("model.xml", "CPU")
scores = model({"frame": frame, "next_frame": next_frame})["scores"]
""",
}


def write(model, task, folder, format, frame, next_frame):
    """Writes a model in a format and compares its answers with Keras'.

    The file is `model.keras`, `model.onnx`, or `model.xml` with `model.bin`.
    What it takes and gives is what `served_model.frames_model` does, by the
    same names.

    Args:
        model: A `keras.Model` of `models.MODELS`. One of mixed precision is
            written, and compared, in float32: the converters know no other.
        task: Its task, calibrated, see `tasks`.
        folder: Path of a folder that exists.
        format: String, a key of `LOADING`.
        frame: uint8 array (pairs, height, width, 3), RGB, of the model's size:
            what both are asked, one pair or more.
        next_frame: uint8 array of the same shape, the frames after them.

    Returns:
        A dict: the largest absolute difference of a probability, by what the
        runtime computed in, `float32`, and `bfloat16` where the runtime and
        this CPU have it.

    Raises:
        ValueError: If the format's packages are missing.
        OutsideError: If the answers differ by more than the format's
            bound. The files are there nevertheless.
    """
    frames = served_model.frames_model(in_float32(model), task)
    runs = _WRITERS[format](frames, pathlib.Path(folder))
    differences = dict.fromkeys(runs, 0.0)
    # One pair alone, then all at once: the number of pairs may vary.
    for places in (slice(1), slice(None)):
        pairs = {"frame": frame[places], "next_frame": next_frame[places]}
        expected = _call(frames, pairs)
        for precision, run in runs.items():
            difference = _compare(expected, run(pairs), format, precision)
            differences[precision] = max(differences[precision], difference)
    return differences


def fastest_openvino(model, folder):
    """Writes a model for OpenVINO; returns it in what this CPU is fastest in.

    Args:
        model: A `keras.Model` of `models.MODELS`.
        folder: Path of a folder that exists.

    Returns:
        A tuple: `bfloat16` or `float32`, and a function from a dict of uint8
        arrays `frame` and `next_frame` to the dict of outputs.
    """
    frames = served_model.frames_model(in_float32(model), tasks.REPORT)
    runs = _write_openvino(frames, pathlib.Path(folder))
    precision = "bfloat16" if "bfloat16" in runs else "float32"
    return precision, runs[precision]


def in_float32(model):
    """Returns a model that computes in float32 throughout.

    Args:
        model: A `keras.Model` of `models.MODELS`.

    Returns:
        The model itself, or, if it is of mixed precision, another one with
        its weights, which were float32 all along.
    """
    types = {layer.compute_dtype for layer in models.all_layers(model)}
    if not types & {"float16", "bfloat16"}:
        return model

    def clone(layer):
        if isinstance(layer, keras.Model):
            return keras.models.clone_model(layer, clone_function=clone)
        config = layer.get_config()
        is_input = isinstance(layer, keras.layers.InputLayer)
        if "dtype" in config and not is_input:
            config["dtype"] = "float32"
        return type(layer).from_config(config)

    copy = keras.models.clone_model(model, clone_function=clone)
    # Of all layers, those inside others too.
    for own, other in zip(
        copy._flatten_layers(include_self=False),
        model._flatten_layers(include_self=False),
        strict=True,
    ):
        if not isinstance(own, keras.Model):
            # As files do it: Normalization would miss what it was adapted to.
            variables = {}
            other.save_own_variables(variables)
            own.load_own_variables(variables)
    return copy


def _write_keras(frames, folder):
    path = folder / "model.keras"
    frames.save(path)
    loaded = keras.saving.load_model(path, safe_mode=True, compile=False)
    return {"float32": lambda pairs: _call(loaded, pairs)}


def _write_onnx(frames, folder):
    with checks.needs_extra("--format onnx", "onnx"):
        import onnx
        import onnxruntime as runtime
        import tf2onnx  # noqa: F401
    path = str(folder / "model.onnx")
    signature = {
        name: keras.InputSpec(dtype="uint8", shape=given.shape, name=name)
        for name, given in frames.input.items()
    }
    with warnings.catch_warnings():
        # Keras asks NumPy for a name that it will have again one day.
        warnings.simplefilter("ignore", FutureWarning)
        frames.export(
            path, format="onnx", input_signature=[signature], verbose=False
        )
    # The converter gives each input a batch of its own.
    graph = onnx.load(path)
    for value in (*graph.graph.input, *graph.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.save(graph, path)
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return {
        "float32": lambda pairs: dict(
            zip(names, session.run(names, pairs), strict=True)
        )
    }


def _write_openvino(frames, folder):
    # It reports its use to its makers without asking, from the import on;
    # where this package is missing, it does not.
    sys.modules.setdefault("openvino_telemetry", None)
    with checks.needs_extra("--format openvino", "openvino"):
        import openvino
        from openvino.frontend.tensorflow import utils
    # It looks for the version in a way that Python 3.13 ended.
    versions = {"tensorflow": tf.__version__}
    utils.get_environment_setup = lambda framework: versions
    path = str(folder / "model.xml")
    # Weights stay float32. As float16 they would halve the file; but the
    # flow's are among them, and a runtime computes in what it likes anyway.
    frames.export(path, format="openvino", verbose=False)
    core = openvino.Core()
    hints = {"float32": "f32"}
    if "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        hints["bfloat16"] = "bf16"
    return {
        precision: _openvino_run(core, path, hint)
        for precision, hint in hints.items()
    }


def _openvino_run(core, path, hint):
    compiled = core.compile_model(
        path, "CPU", {"INFERENCE_PRECISION_HINT": hint}
    )
    names = [output.any_name for output in compiled.outputs]

    def run(pairs):
        answers = compiled(pairs)
        return {name: answers[name] for name in names}

    return run


_WRITERS = {
    "keras": _write_keras,
    "onnx": _write_onnx,
    "openvino": _write_openvino,
}


def _call(model, pairs):
    outputs = model(pairs, training=False)
    return {name: ops.convert_to_numpy(x) for name, x in outputs.items()}


def _compare(expected, received, format, precision):
    """Returns the largest difference of a score; refuses large ones."""
    if received.keys() != expected.keys():
        raise OutsideError(
            f"Expected the {format} model to have the outputs "
            f"{', '.join(expected)}. Received: {', '.join(received)}"
        )
    bounds = {
        "scores": SCORE_BOUNDS[format][precision],
        "motion_magnitude": _MAGNITUDE_BOUND,
    }
    differences = {
        name: np.abs(received[name] - expected[name]) for name in expected
    }
    if "motion_magnitude" in differences:
        differences["motion_magnitude"] /= np.maximum(
            expected["motion_magnitude"], _LEAST_MAGNITUDE
        )
    for name, difference in differences.items():
        # Not the other way round: one that is no number is refused too.
        if not difference.max() <= bounds[name]:
            raise OutsideError(
                f"Expected the {format} model, computed in {precision}, to "
                f"give Keras' {name} up to {bounds[name]}. Received: "
                f"{difference.max():.2g} off. Its converter or its runtime "
                "does something else with this model"
            )
    return float(differences["scores"].max())
