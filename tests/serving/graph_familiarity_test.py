"""How familiar a served model says that pairs are, and what that costs."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_ssc import models
from keras_ssc.serving import served_model
from keras_ssc.training import run_familiarity
from tests.helpers import drawn_films
from tests.helpers import light_encoder
from tests.helpers import tiny_served


@pytest.fixture(scope="module")
def fitted():
    return tiny_served.familiarity()


@pytest.fixture(scope="module")
def signatures(familiar_dir):
    return tf.saved_model.load(str(familiar_dir)).signatures


def asked(num_pairs):
    """Returns frames: of places, known or not, a dark one, half a white one."""
    places = range(12, 12 + num_pairs - 2)
    drawn = [drawn_films.shot(place, 1, speed=3)[0] for place in places]
    half = np.zeros_like(drawn[0])
    half[:, : half.shape[1] // 2] = 255
    return np.stack([*drawn, drawn[0] // 2, half])


def answer(signature, frame):
    frame = tf.constant(frame)
    return signature(frame=frame, next_frame=frame)["familiarity"].numpy()


def own_model():
    """Returns a model whose own features are the embedded encoder's."""
    network = light_encoder.encoder().network([models.EMBEDDED_FEATURES])
    features = network.output[models.EMBEDDED_FEATURES]
    logits = keras.layers.Dense(6, name="logits")(features)
    return keras.Model(network.input, logits)


def test_both_signatures_say_what_the_run_does(signatures, fitted):
    frame = asked(20)
    expected = fitted.judge(run_familiarity.encode(frame))
    assert expected.max() > 0.9 and expected[-1] < 0.1
    assert len(set(expected.tolist())) > 5
    found = signatures["frames"](
        frame=tf.constant(frame), next_frame=tf.constant(frame)
    )
    assert found["familiarity"].dtype == tf.float32
    np.testing.assert_allclose(found["familiarity"], expected, atol=1e-3)
    encoded = [tiny_served.encode(each) for each in frame]
    found = tiny_served.ask(
        signatures["serving_default"], list(zip(encoded, encoded, strict=True))
    )
    np.testing.assert_allclose(found["familiarity"], expected, atol=1e-3)


def test_images_are_judged_in_their_own_size(signatures, fitted):
    small = asked(4)
    large = small.repeat(3, axis=1).repeat(4, axis=2)
    expected = [
        fitted.judge(run_familiarity.encode(each))[place]
        for place, each in enumerate((small, large, small, large))
    ]
    encoded = [
        tiny_served.encode(each[place])
        for place, each in enumerate((small, large, small, large))
    ]
    found = tiny_served.ask(
        signatures["serving_default"], list(zip(encoded, encoded, strict=True))
    )
    np.testing.assert_allclose(found["familiarity"], expected, atol=1e-3)


def test_no_pairs_have_no_familiarity(signatures):
    found = tiny_served.ask(signatures["serving_default"], [])
    assert found["familiarity"].shape == (0,)


def test_what_is_stored_is_as_small_as_the_run_s_file(fitted, familiar_dir):
    served = served_model.ServedModel(
        tiny_served.build(), tiny_served.TASK, fitted
    )
    # The light encoder has no weights.
    assert served.familiarity.num_bytes == 2 * fitted.rows.size
    path = str(familiar_dir / "variables" / "variables")
    stored = dict(tf.train.list_variables(path))
    [name] = [name for name in stored if "rows" in name]
    assert tf.train.load_variable(path, name).dtype == np.float16


@pytest.mark.parametrize("is_own", [True, False])
def test_a_model_s_own_features_need_no_second_network(fitted, is_own):
    model, frame = own_model(), asked(8)
    if not is_own:
        model = models.build_model("fc", models.EMBEDDED_SIZE)
    expected = fitted.judge(run_familiarity.encode(frame))
    served = served_model.ServedModel(model, tiny_served.TASK, fitted)
    found = answer(served.from_frames, frame)
    np.testing.assert_allclose(found, expected, atol=1e-3)
    [judged] = served.familiarity.distances.input_signature
    assert judged.dtype == (tf.float32 if is_own else tf.uint8)


def test_the_embedded_encoder_is_in_the_graph(real_encoder):
    fitted, frame = tiny_served.familiarity(), asked(6)
    served = served_model.ServedModel(
        tiny_served.build(), tiny_served.TASK, fitted
    )
    expected = fitted.judge(run_familiarity.encode(frame))
    assert 0 < np.mean(expected) < 1
    found = answer(served.from_frames, frame)
    np.testing.assert_allclose(found, expected, atol=1e-3)
    # 3.4 million weights of 4 bytes beside the rows.
    added = served.familiarity.num_bytes - 2 * fitted.rows.size
    assert 13e6 < added < 14e6
