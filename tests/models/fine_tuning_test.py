"""Fine-tuning: the head first, then more, and nothing else changes."""

import dataclasses

import keras
import numpy as np
import pytest

from keras_ssc import models
from keras_ssc.models import backbones
from keras_ssc.training import checkpoints
from keras_ssc.training import loop
from keras_ssc.training import runs
from tests.helpers import small_models
from tests.helpers import tiny_runs

pytestmark = pytest.mark.usefixtures("no_pictures")


def names_of(variables):
    return {variable.path.rsplit("/", 1)[0] for variable in variables}


@pytest.mark.parametrize(
    "name, block, first, last_frozen",
    [
        ("vgg16", "block5", "block5_conv1", "block4_conv3"),
        ("resnet50", "conv5", "conv5_block1_1_conv", "conv4_block6_3_bn"),
        (
            "resnet50",
            "conv5_block3",
            "conv5_block3_1_conv",
            "conv5_block2_3_bn",
        ),
    ],
)
def test_a_trunk_is_trained_from_a_block_on(name, block, first, last_frozen):
    model = small_models.small_model(name)
    models.freeze(model, block)
    trained = names_of(model.trainable_variables)
    assert any(path.endswith(first) for path in trained)
    assert not any(path.endswith(last_frozen) for path in trained)
    assert not model.get_layer("frame_stem").trainable
    assert "logits" in trained


@pytest.mark.parametrize(
    "block, num_convolutions", [("mixed10", 9), ("mixed9", 18)]
)
def test_a_block_of_inception_is_the_one_that_ends_in_its_name(
    block, num_convolutions
):
    # Szegedy et al. 2016, figure 7: nine convolutions in each of the last two.
    model = small_models.small_model("inception_v3")
    models.freeze(model, block)
    kernels = [
        variable
        for variable in model.trainable_variables
        if len(variable.shape) == 4
    ]
    assert len(kernels) == num_convolutions


def test_all_of_a_model_is_frozen_but_its_head_and_thawed_again():
    model = small_models.small_model("double_stack", trunk="separate")
    whole = names_of(model.trainable_variables)
    models.freeze(model)
    assert names_of(model.trainable_variables) == {
        "dense_1",
        "dense_2",
        "logits",
    }
    models.freeze(model, "all")
    assert names_of(model.trainable_variables) == whole


def test_an_unknown_block_is_answered_with_the_names():
    model = small_models.small_model("vgg16")
    with pytest.raises(ValueError, match="all, block1, .*block5.*'mixed9'"):
        models.freeze(model, "mixed9")
    model = small_models.small_model("inception_v3")
    with pytest.raises(ValueError, match="mixed1, .*mixed10.*'mixed11'"):
        models.freeze(model, "mixed11")


def test_frozen_batch_normalization_works_as_in_inference():
    model = small_models.small_model("resnet50")
    models.freeze(model, "conv5")
    frozen, trained = (
        model.get_layer("resnet50").get_layer(f"conv{stage}_block1_1_bn")
        for stage in (4, 5)
    )
    before = [np.array(layer.moving_mean) for layer in (frozen, trained)]
    model.compile("sgd", "mse", run_eagerly=True)
    inputs = small_models.pairs_for(model)
    model.fit(inputs, np.zeros((4, 6)), verbose=0)
    np.testing.assert_array_equal(frozen.moving_mean, before[0])
    assert np.abs(np.array(trained.moving_mean) - before[1]).max() > 0


def narrow_vgg16(weights, input_shape, include_top=False, pooling=None):
    """VGG16 by its layers' names, of four filters: a checkpoint is small."""
    whole = keras.applications.VGG16(
        include_top=include_top,
        weights=None,
        input_shape=input_shape,
        pooling=pooling,
    )

    def narrow(layer):
        config = layer.get_config()
        if isinstance(layer, keras.layers.Conv2D):
            config["filters"] = 4
        return type(layer).from_config(config)

    network = keras.models.clone_model(whole, clone_function=narrow)
    if weights:
        network.load_weights(weights)
    return network


@pytest.fixture(scope="module", autouse=True)
def narrow():
    """What is trained in phases, and resumed, need not be wide."""
    vgg16 = dataclasses.replace(
        backbones.BACKBONES["vgg16"], application=narrow_vgg16
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(backbones.BACKBONES, "vgg16", vgg16)
        yield


@pytest.fixture(scope="module")
def weights_path(tmp_path_factory):
    keras.utils.set_random_seed(1)
    network = narrow_vgg16(None, (32, 32, 3))
    path = tmp_path_factory.mktemp("weights") / "vgg16.weights.h5"
    network.save_weights(path)
    return path


def config_of(data_dir, run_dir, weights_path):
    return tiny_runs.repeatable(
        data_dir,
        run_dir,
        model="vgg16",
        image_size=(32, 32),
        dense_units=(8,),
        weights=str(weights_path),
        freeze=1,
        unfreeze_from="block5",
        epochs=3,
        batch_size=18,
        optimizer="adam",
        learning_rate=1e-3,
        checkpoint_steps=1,
        keep_checkpoints=9,
    )


@pytest.fixture(scope="module")
def whole(data_dir, weights_path, tmp_path_factory):
    run_dir = tmp_path_factory.mktemp("whole") / "run"
    config = config_of(data_dir, run_dir, weights_path)
    return loop.train(config, verbose=False)


def test_an_unknown_block_is_told_before_anything_is_trained(
    data_dir, weights_path, tmp_path
):
    config = dataclasses.replace(
        config_of(data_dir, tmp_path / "run", weights_path),
        unfreeze_from="mixed9",
    )
    with pytest.raises(ValueError, match="Unknown block of vgg16"):
        loop.train(config, verbose=False)
    assert not (tmp_path / "run").exists()


def weights_of(path, block):
    trunk = keras.saving.load_model(path).get_layer("vgg16")
    return trunk.get_layer(f"{block}_conv2").get_weights()[0]


def test_the_head_is_trained_first_and_then_the_block(whole, weights_path):
    network = narrow_vgg16(weights_path, (32, 32, 3))
    given = {
        block: network.get_layer(f"{block}_conv2").get_weights()[0]
        for block in ("block4", "block5")
    }
    folder = whole / "checkpoints"
    first, last = folder / "epoch_001.keras", folder / "epoch_003.keras"
    for path, block in ((first, "block4"), (first, "block5"), (last, "block4")):
        np.testing.assert_array_equal(weights_of(path, block), given[block])
    assert np.abs(weights_of(last, "block5") - given["block5"]).max() > 0


def test_the_second_phase_has_a_tenth_of_the_rate_by_its_own_schedule(whole):
    _, model = checkpoints.load_newest(whole / "checkpoints")
    rate = model.optimizer._learning_rate
    assert float(rate(0)) == pytest.approx(1e-4)
    assert float(rate(4)) == pytest.approx(0, abs=1e-9)
    assert int(model.optimizer.iterations) == 2 * 2


@pytest.mark.parametrize("epoch, step", [(0, 1), (1, 0), (1, 1), (2, 0)])
def test_fine_tuning_goes_on_as_it_would_have(
    data_dir, whole, weights_path, tmp_path, epoch, step
):
    run_dir = tmp_path / "run"
    config = config_of(data_dir, run_dir, weights_path)
    tiny_runs.interrupt(config, epoch, step)
    loop.resume(run_dir, verbose=False)
    tiny_runs.assert_same_weights(run_dir, whole)
    assert runs.read_history(run_dir) == runs.read_history(whole)
