"""Models that compute the flow themselves, of both frames."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_ssc import flow
from keras_ssc import models
from keras_ssc import tasks
from keras_ssc.data import datasets
from keras_ssc.genres import REPORT_GENRES
from keras_ssc.models import backbones
from keras_ssc.serving import served_model
from keras_ssc.training import checkpoints
from keras_ssc.training import evaluation
from keras_ssc.training import loop
from keras_ssc.training import runs
from keras_ssc.training import train_config
from tests.helpers import drawn_pairs
from tests.helpers import on_two_devices
from tests.helpers import small_models
from tests.helpers import tiny_runs
from tests.helpers import tiny_trunk as tiny_trunk_module

NAMES = ("double_stack", "motion_magnitude_stack")

pytestmark = pytest.mark.usefixtures("no_pictures")


def both_of(name):
    """A model to which the flow is given, and one that computes it."""
    given = small_models.small_model(name)
    graph = small_models.small_model(name, flow="graph")
    graph.set_weights(given.get_weights())
    return given, graph


@pytest.fixture(scope="module", params=NAMES)
def both(request):
    # The flow is the same whatever stands behind it.
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(backbones, "Trunk", tiny_trunk_module.TinyTrunk)
        return both_of(request.param)


def test_the_flow_in_the_model_gives_what_opencv_s_gives(both):
    given, graph = both
    assert list(given.input) == ["frame", "flow"]
    assert list(graph.input) == ["frame", "next_frame"]
    inputs = drawn_pairs.drawn_inputs()
    still = {**inputs, "flow": np.zeros_like(inputs["flow"])}
    expected, computed, without = (
        np.array(model({name: inputs[name] for name in model.input}))
        for model, inputs in ((given, inputs), (graph, inputs), (given, still))
    )
    effect = np.abs(expected - without).max()
    assert np.abs(computed - expected).max() < 1e-3 * effect


def test_it_saves_and_loads_to_the_same_outputs(both, tmp_path):
    _, graph = both
    inputs = small_models.pairs_for(graph)
    graph.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded(inputs), graph(inputs))


def test_both_are_served_with_the_same_answers(both):
    inputs = drawn_pairs.drawn_inputs()
    pairs = {name: inputs[name] for name in ("frame", "next_frame")}
    given, graph = (
        served_model.frames_model(
            model, tasks.OneGenre(REPORT_GENRES, temperature=0.01)
        ).predict(pairs, verbose=0)
        for model in both
    )
    np.testing.assert_allclose(graph["scores"], given["scores"], atol=1e-5)
    np.testing.assert_allclose(
        graph["motion_magnitude"],
        flow.motion_magnitude(inputs["flow"]),
        rtol=1e-4,
    )
    np.testing.assert_allclose(
        given["motion_magnitude"], graph["motion_magnitude"], rtol=1e-6
    )


@pytest.mark.parametrize("name", NAMES)
def test_both_freeze_and_train_the_same(name):
    both = both_of(name)
    for block in (None, "mixed9", "all"):
        shapes = []
        for model in both:
            models.freeze(model, block)
            shapes.append([each.shape for each in model.trainable_variables])
        assert shapes[0] == shapes[1]


def test_an_unknown_flow_is_answered_with_the_names():
    with pytest.raises(ValueError, match="given, graph.*'opencv'"):
        small_models.small_model("double_stack", flow="opencv")


@pytest.fixture
def tiny_trunk(monkeypatch):
    monkeypatch.setattr(backbones, "Trunk", tiny_trunk_module.TinyTrunk)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_sees_the_same_magnitude(tiny_trunk, policy):
    config = train_config.TrainConfig(
        model="motion_magnitude_stack",
        image_size=(75, 80),
        flow="graph",
        precision=policy,
    )
    model = loop._build(config, tasks.REPORT)
    assert model.get_layer("frame_stem").compute_dtype == policy[6:]
    layer = model.get_layer("log_magnitude")
    before = keras.Model(model.input, layer.input)
    inputs = drawn_pairs.drawn_inputs()
    expected = np.log(flow.motion_magnitude(inputs.pop("flow")) + 1e-5)
    measured = before.predict(inputs, verbose=0)[:, 0]
    np.testing.assert_allclose(measured, expected, rtol=1e-4)


def test_xla_trains_it_to_the_same_weights():
    inputs = drawn_pairs.drawn_inputs((32, 40))
    del inputs["flow"]
    trained = []
    for jit_compile in (False, True):
        keras.utils.set_random_seed(0)
        model = on_two_devices.flow_model(compiled=False)
        config = train_config.TrainConfig(
            optimizer="sgd", jit_compile=jit_compile
        )
        on_pairs = datasets.PreparedSplit(inputs, np.arange(4), *[None] * 4)
        loop.compile_model(model, config, 0.1, on_pairs)
        before = model.get_weights()
        model.fit(inputs, np.eye(6)[:4], batch_size=4, epochs=2, verbose=0)
        trained.append(model.get_weights())
        assert np.abs(trained[-1][0] - before[0]).max() > 1e-3
    for plain, compiled in zip(*trained, strict=True):
        np.testing.assert_allclose(compiled, plain, atol=1e-5)


def config_of(data_dir, run_dir):
    return tiny_runs.repeatable(
        data_dir,
        run_dir,
        model="motion_magnitude_stack",
        image_size=(34, 46),  # no other test's: what is stored is its own
        flow="graph",
        epochs=2,
        batch_size=18,
    )


@pytest.fixture(scope="module")
def whole(data_dir, tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("graph") / "run"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(backbones, "Trunk", tiny_trunk_module.TinyTrunk)
        return loop.train(config_of(data_dir, run_dir), verbose=False)


@pytest.fixture
def frames(data_dir):
    """All training pairs, as the model sees them."""
    builder = datasets.open_dataset("scene_genre/small", data_dir)
    prepared = datasets.prepare(
        builder, "train", (34, 46), ["frame", "next_frame"]
    )
    return {name: np.array(x) for name, x in prepared.features.items()}


def test_a_training_reads_both_frames_and_stores_no_flow(whole, data_dir):
    (folder,) = data_dir.glob("scene_genre/small/*/prepared/train_46x34_*")
    stored = sorted(path.name for path in folder.iterdir())
    assert stored == ["details.npz", "frame.npy", "next_frame.npy"]
    assert runs.read_config(whole).flow == "graph"


def test_a_trained_model_is_the_one_that_is_loaded(whole, frames):
    inputs = {name: x[:4] for name, x in frames.items()}
    _, trained = checkpoints.load_newest(whole / "checkpoints")
    loaded = keras.saving.load_model(whole / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded(inputs), trained(inputs))
    assert evaluation.evaluate(whole, verbose=False)["film"]["num"] == 6


def test_a_training_goes_on_as_it_would_have(
    whole, data_dir, tmp_path, tiny_trunk
):
    run_dir = tmp_path / "run"
    tiny_runs.interrupt(config_of(data_dir, run_dir), 1)
    loop.resume(run_dir, verbose=False)
    tiny_runs.assert_same_weights(run_dir, whole)


def test_the_magnitude_s_layer_has_opencv_s_statistics(whole, frames):
    model = keras.saving.load_model(whole / "model.keras")
    layer = model.get_layer("log_magnitude")
    motion = np.stack([*map(flow.farneback_flow, *frames.values())])
    values = np.log(flow.motion_magnitude(motion) + 1e-5)
    np.testing.assert_allclose(np.ravel(layer.mean), values.mean(), rtol=1e-3)
    np.testing.assert_allclose(
        np.ravel(layer.variance), values.var(), rtol=1e-3
    )


@pytest.mark.parametrize(
    "backend, devices, chosen",
    [
        ("tensorflow", [], "opencv"),
        ("tensorflow", ["GPU:0"], "graph"),
        ("jax", ["cpu:0"], "opencv"),
        ("jax", ["gpu:0"], "graph"),
    ],
)
def test_the_machine_chooses_where_nothing_is_said(
    monkeypatch, backend, devices, chosen
):
    monkeypatch.setattr(keras.backend, "backend", lambda: backend)
    if backend == "tensorflow":
        monkeypatch.setattr(
            tf.config, "get_visible_devices", lambda kind: devices
        )
    else:
        monkeypatch.setattr(keras.distribution, "list_devices", lambda: devices)
    for name in models.MODELS:
        config = train_config.TrainConfig(model=name)
        filled = train_config.fill_in(config)
        has_flow = "flow" in models.options_of(name)
        assert filled.flow == (chosen if has_flow else "auto")
        assert train_config.fill_in(filled) == filled
    for said in ("opencv", "graph"):
        config = train_config.TrainConfig(model="double_stack", flow=said)
        assert train_config.fill_in(config).flow == said
