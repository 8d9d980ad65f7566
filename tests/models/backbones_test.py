"""Backbones by name: of `keras.applications` and of KerasHub."""

import builtins
import json

import keras
import numpy as np
import pytest
from keras import layers
from keras import ops

from keras_ssc import models
from keras_ssc.models import applications
from keras_ssc.models import backbones
from keras_ssc.models import hub
from keras_ssc.prediction import grad_cam
from keras_ssc.serving import export_formats
from keras_ssc.training import loop
from keras_ssc.training import runs
from keras_ssc.training import train_config
from tests.helpers import programs
from tests.helpers import small_models
from tests.helpers import tiny_presets
from tests.helpers import tiny_runs


def frames(size=(64, 64), seed=0):
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (2, *size, 3)).astype(np.uint8)


def features_of(trunk, pictures, times=1):
    """Returns what a trunk gives for pictures joined to themselves."""
    frame = keras.Input(pictures.shape[1:], dtype="uint8")
    scaled = [trunk.scale_frame(frame) for _ in range(times)]
    x = ops.concatenate(scaled, axis=-1) if times > 1 else scaled[0]
    model = keras.Model(frame, trunk(trunk.stem(x, "frame_stem")))
    return np.array(model(pictures))


def assert_close(found, expected):
    expected = np.array(expected)
    np.testing.assert_allclose(
        found, expected, atol=1e-4 * np.abs(expected).max(), rtol=0
    )


@pytest.mark.parametrize("module", applications.SCALES)
def test_frames_are_scaled_as_the_source_does(module):
    source = getattr(keras.applications, module, None)
    if source is None:  # with MobileNetV3's functions is no module
        source = keras.src.applications.mobilenet_v3
    pictures = frames((4, 5))
    found = applications.SCALES[module](ops.convert_to_tensor(pictures))
    expected = source.preprocess_input(pictures.astype(np.float32))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_every_network_of_keras_applications_has_a_name():
    named = {
        name.lower()
        for name, function in vars(keras.applications).items()
        if callable(function)
    }
    assert set(applications.FUNCTIONS) == named
    assert len(named) >= 38


@pytest.mark.parametrize(
    "spelt", ["mobilenet_v2", "MobileNetV2", "mobilenetv2"]
)
def test_a_network_is_found_however_it_is_spelt(spelt):
    found = backbones.find(spelt)
    assert found.application is keras.applications.MobileNetV2
    assert backbones.label_of(spelt) == "mobilenetv2"
    table = backbones.BACKBONES["inception_v3"]
    assert backbones.find("InceptionV3") is table
    assert backbones.label_of("InceptionV3") == "inception_v3"


@pytest.mark.parametrize("name", ["mobilenet_v9", "hub:", ""])
def test_an_unknown_backbone_is_answered_with_the_names(name):
    expected = "vgg16, .*efficientnet_lite0, .*mobilenetv2, .*hub:PRESET"
    with pytest.raises(ValueError, match=f"backbone.*{expected}") as raised:
        backbones.find(name)
    assert "inceptionv3" not in str(raised.value)
    config = train_config.TrainConfig(backbone=name)
    with pytest.raises(ValueError, match="Unknown backbone"):
        train_config.fill_in(config)


# Its own scaling before the stem; the stem in a sequence.
@pytest.mark.parametrize("name", ["efficientnetv2b0", "convnexttiny"])
def test_a_network_gives_what_its_source_gives(name, tmp_path):
    size, pictures = (64, 48), frames((64, 48))
    keras.utils.set_random_seed(0)
    network = backbones.find(name).application(
        include_top=False, weights=None, input_shape=(*size, 3), pooling="avg"
    )
    path = tmp_path / "own.weights.h5"
    network.save_weights(path)
    expected = network(pictures.astype(np.float32))
    trunk = backbones.Trunk(name, size, path)
    assert_close(features_of(trunk, pictures), expected)
    # Frame by frame scaled, then joined.
    assert_close(features_of(trunk, pictures, times=2), expected)


@pytest.fixture
def downloaded(monkeypatch, tmp_path):
    """Weights that Keras would have downloaded."""
    keras.utils.set_random_seed(0)
    network = keras.applications.EfficientNetB0(
        include_top=False, weights=None, input_shape=(64, 64, 3)
    )
    # Mean and variance of a layer that `weights=None` leaves at 0 and 1.
    normalization = next(
        each
        for each in network.layers
        if isinstance(each, layers.Normalization)
    )
    values = [np.array([0.5, 0.4, 0.3]), np.array([0.04, 0.05, 0.06])]
    normalization.set_weights([*values, np.array(0)])
    path = tmp_path / "efficientnetb0_notop.h5"
    network.save(path)
    monkeypatch.setattr(
        keras.src.utils.file_utils, "get_file", lambda *_, **__: str(path)
    )
    return path


def test_imagenet_s_weights_are_scaled_for_as_keras_does(downloaded):
    network = keras.applications.EfficientNetB0(
        include_top=False, input_shape=(64, 64, 3), pooling="avg"
    )
    trunk = backbones.Trunk("EfficientNetB0", (64, 64), "imagenet")
    assert len(trunk._scaling) == 3
    pictures = frames()
    expected = network(pictures.astype(np.float32))
    assert_close(features_of(trunk, pictures), expected)


def test_weights_that_keras_scales_for_by_name_are_no_file(downloaded):
    with pytest.raises(models.WeightsError, match="give --weights imagenet"):
        backbones.Trunk("efficientnetb0", (64, 64), downloaded)


def test_without_a_network_the_file_that_keras_names_is_named(monkeypatch):
    def get_file(name, address, **_):
        raise Exception(f"URL fetch failure on {address}: None -- not known")

    monkeypatch.setattr(keras.src.utils.file_utils, "get_file", get_file)
    with pytest.raises(
        models.WeightsError, match=r"Fetch mobilenet_v2_\S*no_top\.h5 of keras"
    ):
        backbones.Trunk("mobilenet_v2", (96, 96), "imagenet")


@pytest.mark.parametrize(
    "name, backbone, block, frozen",
    [
        ("double_stack", "mobilenet_v2", "block_16", "block_15_"),
        ("inception_v3_6ch", "efficientnetv2b0", "block6h", "block6g_"),
        ("vgg16", "mobilenet", "conv_pw_13", "conv_dw_13"),
    ],
)
def test_a_network_takes_the_place_of_a_trunk(
    name, backbone, block, frozen, tmp_path
):
    options = {"image_size": (80, 80), "backbone": backbone}
    model = small_models.small_model(name, **options)
    inputs = small_models.pairs_for(model)
    model.save(tmp_path / "model.keras")
    loaded = models.load(tmp_path / "model.keras")
    models.check(loaded, "model.keras", 6)
    np.testing.assert_allclose(loaded(inputs), model(inputs), atol=1e-5)
    momenta = {
        each.momentum
        for each in models.all_layers(model)
        if isinstance(each, layers.BatchNormalization)
    }
    assert momenta == {0.9}
    heats = grad_cam.GradCam(loaded)(inputs, 2)
    assert all(heat.shape == (4, 80, 80) for heat in heats.values())
    assert list(heats) == {
        "double_stack": ["frame", "flow"],
        "inception_v3_6ch": ["frame and next frame"],
        "vgg16": ["frame"],
    }.get(name)
    models.freeze(model, block)
    trained = [each.path for each in model.trainable_variables]
    assert any(block in path for path in trained)
    assert not any(frozen in path for path in trained)
    with pytest.raises(ValueError, match=r"Expected one of: all, .*a layer\."):
        models.freeze(model, "block99")


def test_maps_that_every_path_passes_are_found():
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(2, 1, name="both")(image)
    one, other = (layers.Conv2D(2, 1, name=n)(x) for n in ("one", "other"))
    x = layers.Add(name="sum")([one, layers.ReLU(name="relu")(other)])
    weight = layers.GlobalAveragePooling2D(keepdims=True, name="mean")(x)
    x = layers.Multiply(name="product")([x, weight])
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    network = keras.Model(image, x, name="unknown")
    calls = [
        (keras.tree.flatten(each.input), each.output)
        for each in network.layers[1:]
    ]
    found = {id(each) for each in grad_cam._passed_by_all(calls)}
    names = [x.name for x in network.layers if id(x.output) in found]
    assert names == ["both", "sum", "product"]


def test_keras_hub_that_is_not_installed_is_named(monkeypatch):
    imported = builtins.__import__

    def without_hub(name, *args, **kwargs):
        if name.partition(".")[0] == "keras_hub":
            raise ImportError(f"No module named {name!r}")
        return imported(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_hub)
    with pytest.raises(models.WeightsError, match=r"pip install .*\[hub\]"):
        backbones.Trunk("hub:resnet_50_imagenet", (64, 64))


@pytest.mark.parametrize(
    "make, has_stem",
    [(tiny_presets.convolutions, True), (tiny_presets.transformer, False)],
)
def test_a_preset_gives_what_keras_hub_gives(make, has_stem, tmp_path):
    keras_hub = pytest.importorskip("keras_hub")
    preset = str(make(tmp_path / "tiny preset"))
    trunk = backbones.Trunk(f"hub:{preset}", (64, 64), "imagenet")
    assert (trunk._stem is not None) == has_stem
    assert trunk.model.name == "hub_tiny_preset"
    pictures = frames()
    converted = keras_hub.layers.ImageConverter.from_preset(preset)(pictures)
    expected = keras_hub.models.Backbone.from_preset(preset)(converted)
    expected = np.array(expected)
    places = tuple(range(1, expected.ndim - 1))
    assert_close(features_of(trunk, pictures), expected.mean(places))
    # A picture joined to itself gives the same.
    assert_close(features_of(trunk, pictures, 2), expected.mean(places))
    # Random weights on request, or a file's.
    other = features_of(backbones.Trunk(f"hub:{preset}", (64, 64)), pictures)
    assert np.abs(other - expected.mean(places)).max() > 1e-3
    file = tmp_path / "tiny preset" / "model.weights.h5"
    trunk = backbones.Trunk(f"hub:{preset}", (64, 64), file)
    assert_close(features_of(trunk, pictures), expected.mean(places))


LOAD = """
import sys
import numpy as np
from keras_ssc import models
model = models.load(sys.argv[1])
np.savez(sys.argv[2], np.array(model(dict(np.load(sys.argv[3])))))
"""


def test_a_model_with_a_preset_s_layers_is_loaded_elsewhere(tmp_path):
    pytest.importorskip("keras_hub")
    preset = tiny_presets.transformer(tmp_path / "tiny")
    model = small_models.small_model(
        "double_stack",
        image_size=(64, 64),
        backbone=f"hub:{preset}",
        trunk="separate",
        weights="imagenet",
    )
    inputs = small_models.pairs_for(model)
    path, logits = tmp_path / "model.keras", tmp_path / "logits.npz"
    model.save(path)
    np.savez(tmp_path / "inputs.npz", **inputs)
    programs.run("-c", LOAD, path, logits, tmp_path / "inputs.npz")
    np.testing.assert_allclose(
        np.load(logits)["arr_0"], model(inputs), atol=1e-5
    )
    # It has tokens and no maps.
    assert grad_cam.GradCam(model)(inputs, 0) == {}
    models.freeze(model)
    assert len(model.trainable_variables) == 6


def test_a_preset_of_mixed_precision_is_exported_in_float32(tmp_path):
    pytest.importorskip("keras_hub")
    preset = tiny_presets.transformer(tmp_path / "tiny")
    options = {
        "image_size": (64, 64),
        "backbone": f"hub:{preset}",
        "weights": "imagenet",
    }
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = small_models.small_model("resnet50", **options)
    finally:
        keras.config.set_dtype_policy("float32")
    plain = small_models.small_model("resnet50", **options)
    plain.set_weights(model.get_weights())
    inputs = small_models.pairs_for(model)
    found = export_formats.in_float32(model)(inputs)
    np.testing.assert_allclose(found, plain(inputs), atol=1e-5)


def test_a_whole_backbone_is_restored_as_it_was():
    image = keras.Input((4, 4, 3))
    x = layers.BatchNormalization(name="normalized")(image)
    whole = hub.Whole(keras.Model(image, x), name="backbone")
    assert len(whole.trainable_variables) == 2
    whole.trainable = False
    twin = hub.Whole.from_config(whole.get_config())
    assert twin.backbone.get_layer("normalized").momentum == 0.9
    assert not any(each.trainable for each in twin.variables)


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize(
    "make", [tiny_presets.convolutions, tiny_presets.transformer]
)
def test_a_training_with_a_preset_goes_on_where_it_ended(
    make, data_dir, tmp_path
):
    pytest.importorskip("keras_hub")
    preset = make(tmp_path / "tiny")
    settings = {
        "model": "resnet50",
        "image_size": (64, 64),
        "backbone": f"hub:{preset}",
        "weights": "imagenet",
        "freeze": 2,
    }
    whole, stopped = (
        tiny_runs.repeatable(
            data_dir, tmp_path / name, **{"epochs": 3, **settings}
        )
        for name in ("whole", "stopped")
    )
    loop.train(whole, verbose=False)
    # While the trunk is frozen.
    tiny_runs.interrupt(stopped, 1)
    loop.resume(tmp_path / "stopped", verbose=False)
    tiny_runs.assert_same_weights(tmp_path / "stopped", tmp_path / "whole")
    read = runs.read_config(tmp_path / "stopped")
    assert read.backbone == f"hub:{preset}"


def test_a_preset_that_means_harm_is_refused(tmp_path, monkeypatch):
    pytest.importorskip("keras_hub")
    monkeypatch.chdir(tmp_path)
    preset = tiny_presets.convolutions(tmp_path / "tiny")
    (preset / "config.json").write_text(
        json.dumps(
            {
                "module": "os",
                "class_name": "system",
                "registered_name": "os>system",
                "config": {"command": "touch harmed"},
            }
        )
    )
    with pytest.raises(models.WeightsError, match="no class registered"):
        backbones.Trunk(f"hub:{preset}", (64, 64))
    assert not (tmp_path / "harmed").exists()


def test_presets_that_cannot_be_a_backbone_are_refused(tmp_path):
    pytest.importorskip("keras_hub")
    none = tmp_path / "none"
    with pytest.raises(models.WeightsError, match="image preset of KerasHub"):
        backbones.Trunk(f"hub:{none}", (64, 64))
    text = tiny_presets.text(tmp_path / "text")
    with pytest.raises(models.WeightsError, match="image preset of KerasHub"):
        backbones.Trunk(f"hub:{text}", (64, 64))
    preset = tiny_presets.convolutions(tmp_path / "tiny", has_converter=False)
    trunk = backbones.Trunk(f"hub:{preset}", (64, 64))
    with pytest.raises(ValueError, match="says how it scales images"):
        trunk.scale_frame(frames())
    data = (tmp_path / "tiny" / "model.weights.h5").read_bytes()
    cut = tmp_path / "cut.weights.h5"
    cut.write_bytes(data[: len(data) // 2])
    with pytest.raises(models.WeightsError, match="is not a weights file"):
        backbones.Trunk(f"hub:{preset}", (64, 64), cut)
    (tmp_path / "tiny" / "model.weights.h5").write_bytes(data[:999])
    with pytest.raises(models.WeightsError, match="weights cannot be had"):
        backbones.Trunk(f"hub:{preset}", (64, 64), "imagenet")
