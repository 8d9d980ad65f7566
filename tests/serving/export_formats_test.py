"""The formats of other runtimes: written, loaded and compared with Keras."""

import sys

import keras
import numpy as np
import onnxruntime
import openvino
import pytest

from keras_ssc import models
from keras_ssc import tasks
from keras_ssc.errors import OutsideError
from keras_ssc.genres import REPORT_GENRES
from keras_ssc.models import backbones
from keras_ssc.serving import export_formats
from keras_ssc.serving import served_model
from tests.helpers import drawn_pairs
from tests.helpers import tiny_trunk

SIZE = (75, 96)
TASK = tasks.OneGenre(REPORT_GENRES, temperature=0.5)
MOTIONS = ("translation", "zoom", "fast pan", "cut")

# Operations that OpenVINO computes in bfloat16 wherever they stand. All others
# it leaves in float32 up to an output, unless one of these is between.
BFLOAT16_TYPES = {
    "Convolution",
    "GroupConvolution",
    "Interpolate",
    "MatMul",
    "ROIPooling",
}


@pytest.fixture(scope="module")
def pairs():
    frame, next_frame = drawn_pairs.batch_of(
        [
            drawn_pairs.drawn_pair(motion, SIZE, seed)
            for seed, motion in enumerate(MOTIONS)
        ]
    )
    return {"frame": frame, "next_frame": next_frame}


@pytest.fixture(scope="module", autouse=True)
def tiny():
    """Converting Inception takes minutes, and shows nothing more."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backbones, "Trunk", tiny_trunk.TinyTrunk)
        yield


@pytest.fixture(scope="module")
def model():
    """A small double_stack whose scores depend on what it sees."""
    keras.utils.set_random_seed(0)
    model = models.build_model("double_stack", SIZE, dense_units=(16,))
    kernel = model.get_layer("logits").kernel
    kernel.assign(20.0 * kernel)
    return model


@pytest.fixture
def fc():
    keras.utils.set_random_seed(0)
    return models.build_model("fc", SIZE)


@pytest.fixture(scope="module")
def written(model, pairs, tmp_path_factory):
    """Each format's folder and what was measured, written when asked for."""
    found = {}

    def write(format):
        if format not in found:
            folder = tmp_path_factory.mktemp(format)
            differences = export_formats.write(
                model, TASK, folder, format, **pairs
            )
            found[format] = folder, differences
        return found[format]

    return write


@pytest.fixture(scope="module")
def expected(model, pairs):
    frames = served_model.frames_model(model, TASK)
    return {k: np.asarray(v) for k, v in frames(pairs).items()}


def test_scores_depend_on_the_pair(expected):
    assert np.ptp(expected["scores"], axis=0).max() > 0.05
    assert np.ptp(expected["motion_magnitude"]) > 0.01


def test_files_take_pairs_of_frames_by_their_names(written):
    folders = {format: written(format)[0] for format in export_formats.LOADING}
    loaded = keras.saving.load_model(
        folders["keras"] / "model.keras", safe_mode=True, compile=False
    )
    names = ("frame", "next_frame")
    assert [(x.name, x.dtype, x.shape) for x in loaded.inputs] == [
        (name, "uint8", (None, *SIZE, 3)) for name in names
    ]
    session = onnxruntime.InferenceSession(
        folders["onnx"] / "model.onnx", providers=["CPUExecutionProvider"]
    )
    assert [(x.name, x.type, x.shape) for x in session.get_inputs()] == [
        (name, "tensor(uint8)", ["batch", *SIZE, 3]) for name in names
    ]
    graph = openvino.Core().read_model(folders["openvino"] / "model.xml")
    assert {
        (x.any_name, x.element_type.to_string(), x.partial_shape.to_string())
        for x in graph.inputs
    } == {(name, "u8", "[?,75,96,3]") for name in names}


@pytest.mark.parametrize("format", export_formats.LOADING)
def test_difference_is_measured(written, format):
    _, differences = written(format)
    assert 0 <= differences["float32"] < 1e-5


@pytest.mark.parametrize("num_pairs", [1, 3])
@pytest.mark.parametrize("format", export_formats.LOADING)
def test_loading_example_answers_as_the_model(
    written, pairs, expected, format, num_pairs, monkeypatch
):
    monkeypatch.chdir(written(format)[0])
    code = export_formats.LOADING[format]
    wanted = expected["scores"][:num_pairs]
    # Without the hint that the example tells of, it may be bfloat16.
    hinted = code.replace(
        '"CPU")', '"CPU", {"INFERENCE_PRECISION_HINT": "f32"})'
    )
    for program, bounds in ((code, (0, 0.05)), (hinted, (1e-3, 1e-5))):
        names = {name: x[:num_pairs] for name, x in pairs.items()}
        exec(program, names)
        scores = np.asarray(names["scores"])
        assert scores.dtype == np.float32
        np.testing.assert_allclose(scores, wanted, *bounds)


def test_openvino_keeps_the_flow_float32_under_bfloat16(written):
    """What comes before motion_magnitude has no reason to be bfloat16."""
    folder, _ = written("openvino")
    graph = openvino.Core().read_model(folder / "model.xml")
    (output,) = [
        x.get_node() for x in graph.outputs if "motion_magnitude" in x.names
    ]
    types, seen = [], set()
    nodes = [output]
    while nodes:
        node = nodes.pop()
        if node.get_friendly_name() in seen:
            continue
        seen.add(node.get_friendly_name())
        types.append(node.get_type_name())
        nodes += [x.get_source_output().get_node() for x in node.inputs()]
        if node.get_type_name() == "Loop":
            body = node.get_function().get_ops()
            types += [x.get_type_name() for x in body]
    assert "Loop" in types and types.count("Parameter") >= 2
    assert not BFLOAT16_TYPES & set(types)


def test_models_without_flow_have_scores_alone(fc, pairs, tmp_path):
    for format in export_formats.LOADING:
        difference = export_formats.write(
            fc, tasks.REPORT, tmp_path, format, **pairs
        )
        assert difference["float32"] < 1e-6
    assert {path.name for path in tmp_path.iterdir()} == {
        "model.bin",
        "model.keras",
        "model.onnx",
        "model.xml",
    }


def test_mixed_precision_becomes_float32(pairs):
    options = {"image_size": SIZE, "encoding": 4}
    model = models.build_model("motion_magnitude_stack", **options)
    model.get_layer("log_magnitude").adapt(np.array([[-3.0], [-5.0]]))
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        mixed = models.build_model("motion_magnitude_stack", **options)
    finally:
        keras.config.set_dtype_policy("float32")
    for own, other in zip(mixed.layers, model.layers, strict=True):
        own.set_weights(other.get_weights())
    mixed.get_layer("log_magnitude").adapt(np.array([[-3.0], [-5.0]]))
    again = export_formats.in_float32(mixed)
    assert "bfloat16" not in {x.compute_dtype for x in models.all_layers(again)}
    given = {
        "frame": keras.ops.convert_to_tensor(pairs["frame"][:1]),
        "flow": keras.ops.ones((1, *SIZE, 2)),
    }
    np.testing.assert_allclose(again(given), model(given), rtol=1e-4)
    assert export_formats.in_float32(model) is model


def test_mixed_precision_is_written_as_float32(pairs, tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = models.build_model("fc", SIZE)
    finally:
        keras.config.set_dtype_policy("float32")
    for format in ("onnx", "openvino"):
        difference = export_formats.write(
            model, tasks.REPORT, tmp_path, format, **pairs
        )
        assert difference["float32"] < 1e-6


@pytest.mark.parametrize("format", export_formats.LOADING)
def test_other_answers_are_refused(fc, pairs, tmp_path, format, monkeypatch):
    bounds = {format: {"float32": -1.0, "bfloat16": -1.0}}
    monkeypatch.setattr(export_formats, "SCORE_BOUNDS", bounds)
    with pytest.raises(OutsideError, match=f"{format} model, computed"):
        export_formats.write(fc, tasks.REPORT, tmp_path, format, **pairs)


def test_answers_that_are_no_numbers_are_refused(fc, pairs, tmp_path):
    fc.layers[-1].bias.assign(np.full(6, np.nan, np.float32))
    with pytest.raises(OutsideError, match="Received: nan off"):
        export_formats.write(fc, tasks.REPORT, tmp_path, "keras", **pairs)


@pytest.mark.parametrize(
    ("format", "package"),
    [("onnx", "tf2onnx"), ("onnx", "onnxruntime"), ("openvino", "openvino")],
)
def test_missing_package_is_told_with_what_to_install(
    fc, pairs, tmp_path, format, package, monkeypatch
):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ValueError, match=rf'install "keras_ssc\[{format}\]"'):
        export_formats.write(fc, tasks.REPORT, tmp_path, format, **pairs)
    assert not list(tmp_path.iterdir())
