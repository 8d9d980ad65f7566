import keras
import numpy as np
import pytest

from keras_ssc import models

# The smallest sizes that the models take; few and small layers.
SMALL = {
    "fc": {"image_size": (9, 16)},
    "double_stack": {"image_size": (75, 80), "dense_units": (8, 4)},
}


def pairs_for(model, num_pairs=4, seed=0):
    generator = np.random.default_rng(seed)
    made = {}
    for name, tensor in model.input.items():
        shape = (num_pairs, *tensor.shape[1:])
        if name == "flow":
            made[name] = generator.normal(0, 3, shape).astype(np.float32)
        else:
            made[name] = generator.integers(0, 256, shape).astype(np.uint8)
    return made


@pytest.fixture(scope="module", params=sorted(models.MODELS))
def model(request):
    keras.utils.set_random_seed(0)
    return models.build_model(request.param, **SMALL[request.param])


def test_every_model_has_a_small_form():
    assert set(SMALL) == set(models.MODELS)


def test_a_model_gives_logits(model):
    logits = model(pairs_for(model))
    assert tuple(logits.shape) == (4, 6)
    assert keras.backend.standardize_dtype(logits.dtype) == "float32"


def test_a_model_saves_and_loads_to_the_same_outputs(model, tmp_path):
    inputs = pairs_for(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded(inputs), model(inputs))


def test_a_step_changes_every_layer(model):
    inputs = pairs_for(model, num_pairs=8)
    before = [variable.numpy() for variable in model.trainable_variables]
    model.compile(
        "adam",
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    model.fit(inputs, np.arange(8) % 6, batch_size=8, verbose=0)
    unchanged = [
        variable.path
        for variable, old in zip(model.trainable_variables, before, strict=True)
        if np.array_equal(variable.numpy(), old)
    ]
    assert not unchanged


def test_an_unknown_model_is_answered_with_the_names():
    with pytest.raises(ValueError, match="double_stack, fc.*'duble_stack'"):
        models.build_model("duble_stack", (96, 96))


def test_the_report_s_fully_connected_network():
    model = models.fc()
    assert model.input["frame"].shape == (None, 68, 120, 3)
    units = [
        layer.units
        for layer in model.layers
        if isinstance(layer, keras.layers.Dense)
    ]
    assert units == [50, 10, 40, 6]


def test_the_branches_of_the_double_stack_share_their_trunk():
    model = models.double_stack((75, 75), dense_units=(8,))
    assert model.get_layer("frame_stem").kernel.shape == (3, 3, 3, 32)
    assert model.get_layer("flow_stem").kernel.shape == (3, 3, 2, 32)
    network = keras.applications.InceptionV3(
        include_top=False, weights=None, input_shape=(75, 75, 3)
    )
    trunks = [layer for layer in model.layers if layer.name == "inception_v3"]
    assert len(trunks) == 1
    stem = 3 * 3 * 3 * 32
    assert trunks[0].count_params() == network.count_params() - stem
    dense = (4096 + 1) * 8 + (8 + 1) * 6
    assert (
        model.count_params() == network.count_params() + 3 * 3 * 2 * 32 + dense
    )


def test_both_branches_of_the_double_stack_matter():
    model = models.double_stack((75, 75), dense_units=(8,))
    inputs = pairs_for(model)
    logits = np.array(model(inputs))
    for name in ("frame", "flow"):
        changed = {**inputs, name: inputs[name][::-1]}
        assert np.abs(np.array(model(changed)) - logits).max() > 1e-6


def test_outliers_of_the_flow_are_clipped():
    model = models.double_stack((75, 75), dense_units=(8,))
    inputs = pairs_for(model)
    inputs["flow"][:, :10] = 20
    clipped = np.array(model(inputs))
    inputs["flow"][:, :10] = 700
    np.testing.assert_array_equal(model(inputs), clipped)


def test_an_image_too_small_for_inception_is_refused():
    with pytest.raises(ValueError, match="75 or more"):
        models.double_stack((64, 96))
