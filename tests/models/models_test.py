import keras
import numpy as np
import pytest
from keras import ops

from keras_ssc import flow
from keras_ssc import models
from keras_ssc.models import backbones
from tests.helpers import small_models


@pytest.fixture(scope="module", params=list(models.MODELS))
def model(request):
    return small_models.small_model(request.param)


def test_a_model_gives_logits(model):
    logits = model(small_models.pairs_for(model))
    assert tuple(logits.shape) == (4, 6)
    assert keras.backend.standardize_dtype(logits.dtype) == "float32"


def test_a_model_saves_and_loads_to_the_same_outputs(model, tmp_path):
    inputs = small_models.pairs_for(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded(inputs), model(inputs))


def test_file_that_is_no_model_is_named_once(tmp_path):
    path = tmp_path / "model.keras"
    path.write_bytes(b"no model")
    with pytest.raises(ValueError, match="damaged") as raised:
        models.load(path)
    assert str(raised.value).count(str(path)) == 1
    assert "not found" not in str(raised.value)


def test_every_input_matters(model):
    inputs = small_models.pairs_for(model)
    logits = np.array(model(inputs))
    for name in inputs:
        changed = {**inputs, name: inputs[name][::-1] * 2}
        assert np.abs(np.array(model(changed)) - logits).max() > 1e-7


def test_a_step_changes_every_layer(model):
    inputs = small_models.pairs_for(model, num_pairs=8)
    before = [np.array(variable) for variable in model.trainable_variables]
    model.compile(
        "adam",
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        run_eagerly=True,  # one step: tracing would take longer
    )
    model.fit(inputs, np.arange(8) % 6, batch_size=8, verbose=0)
    unchanged = [
        variable.path
        for variable, old in zip(model.trainable_variables, before, strict=True)
        if np.array_equal(variable, old)
    ]
    assert not unchanged


def test_an_unknown_model_is_answered_with_the_names():
    with pytest.raises(ValueError, match="fc, vgg16.*'duble_stack'"):
        models.build_model("duble_stack", (96, 96))


@pytest.mark.parametrize(
    "name, size",
    [("vgg16", 31), ("resnet50", 31), ("double_stack", 74)],
)
def test_an_image_too_small_for_its_backbone_is_refused(name, size):
    with pytest.raises(ValueError, match=f"{size + 1} or more"):
        models.build_model(name, (size, 96))


def test_the_report_s_fully_connected_network():
    model = models.build_model("fc", (68, 120))
    assert model.input["frame"].shape == (None, 68, 120, 3)
    units = [
        layer.units
        for layer in model.layers
        if isinstance(layer, keras.layers.Dense)
    ]
    assert units == [50, 10, 40, 6]


# Those of `keras.applications`, whose files of weights are Keras' own.
APPLICATIONS = [name for name in backbones.BACKBONES if name in models.MODELS]


@pytest.mark.parametrize("name", APPLICATIONS)
def test_a_backbone_has_its_application_s_parameters(name):
    size = (80, 80)
    network = backbones.BACKBONES[name].application(
        include_top=False, weights=None, input_shape=(*size, 3), pooling="avg"
    )
    trunk = backbones.Trunk(name, size)
    frame = keras.Input((*size, 3))
    model = keras.Model(frame, trunk(trunk.stem(frame, "stem")))
    assert model.count_params() == network.count_params()


@pytest.fixture(scope="module", params=APPLICATIONS)
def weights_file(request, tmp_path_factory):
    """A weights file of a three-channel network, as the field has them."""
    keras.utils.set_random_seed(1)
    name, size = request.param, (80, 80)
    network = backbones.BACKBONES[name].application(
        include_top=False, weights=None, input_shape=(*size, 3), pooling="avg"
    )
    path = tmp_path_factory.mktemp("weights") / f"{name}.weights.h5"
    network.save_weights(path)
    return name, size, network, path


def test_an_inflated_network_gives_for_a_pair_what_it_gave_for_one(
    weights_file,
):
    name, size, network, path = weights_file
    generator = np.random.default_rng(0)
    frame = generator.normal(size=(2, *size, 3)).astype(np.float32)
    trunk = backbones.Trunk(name, size, path)
    pair = keras.Input((*size, 6))
    six_channels = keras.Model(pair, trunk(trunk.stem(pair, "stem")))
    expected = np.array(network(frame))
    np.testing.assert_allclose(
        six_channels(np.concatenate([frame, frame], axis=-1)),
        expected,
        atol=1e-4 * np.abs(expected).max(),
    )


def test_a_kernel_is_tiled_and_scaled():
    kernel = np.random.default_rng(0).normal(size=(3, 3, 3, 4))
    six = backbones.inflate(kernel, 6)
    np.testing.assert_allclose(six[:, :, :3], kernel / 2)
    np.testing.assert_allclose(six[:, :, 3:], kernel / 2)
    two = backbones.inflate(kernel, 2)
    np.testing.assert_allclose(two, kernel[:, :, :2] * 1.5)


def test_a_model_takes_pretrained_weights(weights_file):
    name, size, network, path = weights_file
    if name == "inception_v3":
        model = models.build_model(
            "double_stack", size, weights=path, dense_units=(8,)
        )
        flow_kernel = model.get_layer("flow_stem").get_weights()[0]
        assert flow_kernel.shape == (3, 3, 2, 32)
    else:
        model = models.build_model(name, size, weights=path)
    stem = next(
        layer
        for layer in network.layers
        if isinstance(layer, keras.layers.Conv2D)
    )
    np.testing.assert_array_equal(
        model.get_layer("frame_stem").get_weights()[0], stem.get_weights()[0]
    )
    trunk = model.get_layer(name)
    own = [variable for variable in network.weights if "conv" in variable.path]
    for variable in trunk.weights:
        twin = [v for v in network.weights if v.path == variable.path]
        if twin:
            np.testing.assert_array_equal(variable, twin[0])
    assert own


@pytest.mark.parametrize(
    "make, word",
    [
        (lambda path: None, "There is no file"),
        (lambda path: path.write_bytes(b"no weights"), "not HDF5"),
        (
            lambda path: backbones.keras.applications.VGG16(
                include_top=False, weights=None, input_shape=(32, 32, 3)
            ).save_weights(path),
            "is not a weights file",
        ),
    ],
)
def test_weights_that_do_not_fit_are_refused(tmp_path, make, word):
    path = tmp_path / "some.weights.h5"
    make(path)
    with pytest.raises(models.WeightsError, match=word):
        models.build_model("resnet50", (32, 32), weights=path)


def test_a_truncated_weights_file_is_refused(weights_file, tmp_path):
    name, size, _, path = weights_file
    cut = tmp_path / "cut.weights.h5"
    data = path.read_bytes()
    cut.write_bytes(data[: len(data) // 2])
    with pytest.raises(models.WeightsError):
        models.build_model(name, size, weights=cut)


def test_without_a_network_the_file_to_fetch_is_named(monkeypatch, tmp_path):
    def no_network(*_, **__):
        raise Exception("URL fetch failure: Name or service not known")

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(
        backbones,
        "BACKBONES",
        {
            "resnet50": backbones.dataclasses.replace(
                backbones.BACKBONES["resnet50"], application=no_network
            )
        },
    )
    with pytest.raises(
        models.WeightsError,
        match=rf"resnet50_weights.*notop\.h5.*{tmp_path}/models",
    ):
        models.build_model("resnet50", (32, 32), weights="imagenet")


@pytest.mark.parametrize(
    "name, preprocess",
    [
        ("vgg16", keras.applications.vgg16.preprocess_input),
        ("resnet50", keras.applications.resnet50.preprocess_input),
        ("inception_v3", keras.applications.inception_v3.preprocess_input),
    ],
)
def test_frames_are_scaled_as_the_weights_expect(name, preprocess):
    frame = np.random.default_rng(0).integers(0, 256, (2, 4, 5, 3))
    frame = frame.astype(np.uint8)
    scaled = backbones.BACKBONES[name].scale_frame(ops.convert_to_tensor(frame))
    np.testing.assert_allclose(
        scaled, preprocess(frame.astype(np.float32)), atol=1e-4
    )


def test_flownet_s_is_the_paper_s_contracting_part():
    pair = keras.Input((384, 512, 6))
    model = keras.Model(pair, backbones.flownet_s(pair))
    # 512x384 in the paper: 8x6 after six halvings, 1024 maps.
    assert model.output.shape == (None, 6, 8, 1024)
    channels, expected = 6, 0
    for kernel, _, filters in (
        *((7, 2, 64), (5, 2, 128), (5, 2, 256), (3, 1, 256)),
        *((3, 2, 512), (3, 1, 512), (3, 2, 512), (3, 1, 512), (3, 2, 1024)),
    ):
        expected += kernel * kernel * channels * filters + filters
        channels = filters
    assert model.count_params() == expected


def test_flownet_takes_one_frame_on_request():
    model = small_models.small_model("flownet_fc", single_frame=True)
    assert list(model.input) == ["frame"]
    assert model.get_layer("flownet_conv_1").kernel.shape == (7, 7, 3, 64)


def test_the_branches_of_the_double_stack_share_their_trunk():
    model = small_models.small_model("double_stack", dense_units=(8,))
    assert model.get_layer("frame_stem").kernel.shape == (3, 3, 3, 32)
    assert model.get_layer("flow_stem").kernel.shape == (3, 3, 2, 32)
    trunks = [layer for layer in model.layers if "inception" in layer.name]
    assert len(trunks) == 1
    dense = (4096 + 1) * 8 + (8 + 1) * 6
    inception = 21_802_784
    assert model.count_params() == inception + 3 * 3 * 2 * 32 + dense


@pytest.mark.parametrize("trunk", ["separate", "flownet"])
def test_the_motion_branch_can_have_a_trunk_of_its_own(
    trunk, tmp_path, monkeypatch
):
    narrow = [(kernel, stride, 4) for kernel, stride, _ in backbones.FLOWNET_S]
    monkeypatch.setattr(backbones, "FLOWNET_S", narrow)
    model = small_models.small_model("double_stack", trunk=trunk)
    inputs = small_models.pairs_for(model)
    logits = np.array(model(inputs))
    changed = {**inputs, "flow": inputs["flow"][::-1]}
    assert np.abs(np.array(model(changed)) - logits).max() > 1e-7
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(inputs), logits)


def test_an_unknown_trunk_is_answered_with_the_names():
    with pytest.raises(ValueError, match="shared, separate, flownet"):
        models.build_model("double_stack", (75, 75), trunk="own")


def test_outliers_of_the_flow_are_clipped():
    model = small_models.small_model("double_stack")
    inputs = small_models.pairs_for(model)
    inputs["flow"][:, :10] = 20
    clipped = np.array(model(inputs))
    inputs["flow"][:, :10] = 700
    np.testing.assert_array_equal(model(inputs), clipped)


def test_the_magnitude_in_the_model_is_the_report_s():
    model = small_models.small_model("motion_magnitude_stack")
    layer = model.get_layer("log_magnitude")
    inside = keras.Model(model.input, layer.input)
    inputs = small_models.pairs_for(model)
    expected = np.log(flow.motion_magnitude(inputs["flow"]) + 1e-5)
    np.testing.assert_allclose(
        np.array(inside(inputs))[:, 0], expected, rtol=1e-4
    )


def test_the_report_s_encoding_of_the_frame_is_one_neuron():
    model = small_models.small_model("motion_magnitude_stack", encoding=1)
    assert model.get_layer("encoding").kernel.shape == (2048, 1)
    assert model.get_layer("dense_1").kernel.shape == (2, 256)
    whole = small_models.small_model("motion_magnitude_stack")
    assert whole.get_layer("dense_1").kernel.shape == (2049, 256)
