import keras
import numpy as np
import pytest
from keras import layers

from keras_ssc import models
from keras_ssc.models import backbones
from keras_ssc.models import motion_models
from keras_ssc.prediction import grad_cam

SIZE = (96, 96)


class SmallTrunk(backbones.Trunk):
    """Maps and their mean, in a model of their own, as a backbone's."""

    def __init__(self, name, image_size, weights, label=None):
        self.backbone = backbones.BACKBONES[name]
        self._label = label or name

    def stem(self, x, name):
        return layers.Conv2D(3, 3, padding="same", strides=8, name=name)(x)

    def __call__(self, x):
        maps = keras.Input(x.shape[1:])
        mixed = layers.Conv2D(5, 1, activation="relu", name="mixed10")(maps)
        pooled = layers.GlobalAveragePooling2D()(mixed)
        return keras.Model(maps, pooled, name=self._label)(x)


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(backbones, "Trunk", SmallTrunk)
    keras.utils.set_random_seed(3)


def frames(num_pairs=2, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (num_pairs, *SIZE, 3)).astype(np.uint8)


def test_mean_and_one_layer_behind_the_maps_is_their_weighted_sum(small):
    # Selvaraju et al., section 3.1: then it is what CAM is.
    model = models.build_model("inception_v3", SIZE)
    given = {"frame": frames()}
    heat = grad_cam.GradCam(model)(given, 4)["frame"]
    trunk = model.get_layer("inception_v3")
    before = keras.Model(model.input, model.get_layer("frame_stem").output)
    maps = trunk.get_layer("mixed10")(before(given)).numpy()
    expected = maps @ model.get_layer("logits").kernel.numpy()[:, 4]
    expected = np.maximum(expected, 0)
    assert expected.max(axis=(1, 2)).min() > 0
    expected /= expected.max(axis=(1, 2), keepdims=True)
    # Where a cell has its middle, nothing is interpolated.
    assert heat.shape == (2, *SIZE)
    middles = heat[:, 3::8, 3::8] + heat[:, 4::8, 4::8]
    assert np.corrcoef(middles.ravel(), expected.ravel())[0, 1] > 0.99


@pytest.mark.parametrize("trunk", ["shared", "separate", "flownet"])
@pytest.mark.parametrize("flow", ["given", "graph"])
def test_frame_and_flow_have_maps_of_their_own(small, trunk, flow):
    model = motion_models.double_stack(
        SIZE, trunk=trunk, dense_units=(8,), flow=flow
    )
    look = grad_cam.GradCam(model)
    assert look.branches == ("frame", "flow")
    # What is bright, and what moves, in opposite corners.
    frame = np.zeros((1, *SIZE, 3), np.uint8)
    frame[:, :40, :40] = 255
    motion = np.zeros((1, *SIZE, 2), np.float32)
    motion[:, 56:, 56:] = 15.0
    rng = np.random.default_rng(1)
    texture = rng.integers(0, 60, (*SIZE, 3)).astype(np.uint8)
    next_frame = frame.copy()
    if flow == "graph":
        frame[0, 48:, 48:] = texture[48:, 48:]
        next_frame[0, 48:, 48:] = np.roll(texture, 3, axis=1)[48:, 48:]
        given = {"frame": frame, "next_frame": next_frame}
    else:
        given = {"frame": frame, "flow": motion}
    # Kernels that answer to what is bright, and to what moves to the right.
    for weights in model.weights:
        if weights.path.endswith("kernel"):
            weights.assign(np.full(weights.shape, 0.01))
        else:
            weights.assign(np.zeros(weights.shape))
    heats = look(given, 2)
    corner = {
        name: (heat[0, :40, :40].mean(), heat[0, 56:, 56:].mean())
        for name, heat in heats.items()
    }
    assert corner["frame"][0] > 2 * corner["frame"][1]
    assert corner["flow"][1] > 2 * corner["flow"][0]


def test_every_backbone_has_maps_with_cells():
    cells = {
        ("vgg16", (96, 96)): (6, 6),
        ("resnet50", (96, 96)): (6, 6),
        ("flownet_fc", (96, 96)): (6, 6),
        ("inception_v3", (96, 96)): (4, 4),
    }
    for (name, size), expected in cells.items():
        options = (
            {}
            if "inception" in name or name == "resnet50"
            else {"dense_units": (8,)}
        )
        model = models.build_model(name, size, **options)
        exposed, owners = grad_cam._expose(model)
        assert len(owners) == 1
        assert exposed.outputs[0].shape[1:3] == expected


def test_what_has_no_convolutions_has_no_maps():
    look = grad_cam.GradCam(models.build_model("fc", (16, 16)))
    assert look.branches == ()
    assert look({"frame": frames()[:, :16, :16]}, 0) == {}


def test_without_evidence_for_a_genre_all_is_dark(small):
    model = models.build_model("inception_v3", SIZE)
    kernel = model.get_layer("logits").kernel
    kernel.assign(-np.abs(kernel.numpy()))
    heat = grad_cam.GradCam(model)({"frame": frames()}, 0)["frame"]
    assert heat.max() == 0


def test_model_itself_stays_as_it_is(small):
    model = models.build_model("inception_v3", SIZE)
    before = model(frames_of(model)).numpy()
    grad_cam.GradCam(model)(frames_of(model), 1)
    assert np.array_equal(model(frames_of(model)).numpy(), before)


def frames_of(model):
    return {name: frames() for name in model.input}
