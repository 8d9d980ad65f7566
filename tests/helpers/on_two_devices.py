"""What two devices compute against what one does.

    python -m tests.helpers.on_two_devices CONFIG

A process starts in seconds: one checks all, and prints what held.
"""

import functools
import sys
import traceback

import keras
import numpy as np
import sklearn.metrics
import tensorflow as tf

from keras_ssc.models import parts
from keras_ssc.training import devices
from keras_ssc.training import loop
from keras_ssc.training import train_config
from tests.helpers import confusions
from tests.helpers import drawn_pairs


def trained(build, inputs, targets, epochs):
    """Returns the weights of a model trained on one device and on two."""
    weights = []
    for name in ("one_device", "mirrored"):
        strategy = devices.make_strategy(name)
        keras.utils.set_random_seed(0)
        with strategy.scope():
            model = build()
        devices.synchronize(model, strategy)
        batches = tf.data.Dataset.from_tensors((inputs, targets)).repeat()
        model.fit(
            batches, epochs=epochs, steps_per_epoch=1, shuffle=False, verbose=0
        )
        weights.append(model.get_weights())
    assert strategy.num_replicas_in_sync == 2
    return zip(*weights, strict=True)


def flow_model(compiled=True):
    """Builds a model of nothing but the flow."""
    inputs, motion = parts.frame_and_flow_inputs((32, 40), "graph")
    x = keras.layers.GlobalAveragePooling2D()(parts.scale_flow(motion))
    model = keras.Model(inputs, parts.logits(x, 6))
    if compiled:
        model.compile(keras.optimizers.SGD(0.1), "mse")
    return model


def flow():
    inputs = drawn_pairs.drawn_inputs((32, 40))
    del inputs["flow"]
    for one, two in trained(flow_model, inputs, np.eye(6)[:4], epochs=2):
        np.testing.assert_allclose(two, one, atol=1e-5)


def normalized_model():
    """Builds a network that rounding does not drive apart.

    The backbones are driven apart: there, a batch in another order gives other
    losses from the second step on.
    """
    inner = keras.Sequential(
        [keras.Input((6, 6, 3)), keras.layers.BatchNormalization()]
    )
    model = keras.Sequential(
        [inner, keras.layers.Flatten(), keras.layers.Dense(6)]
    )
    model.compile(
        keras.optimizers.SGD(0.1),
        keras.losses.CategoricalCrossentropy(from_logits=True),
    )
    return model


def batch_normalization():
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(8, 6, 6, 3)).astype("float32")
    # Two devices whose halves of the batch are not alike.
    inputs[4:] += 3
    targets = keras.utils.to_categorical(np.arange(8) % 6, 6)
    for one, two in trained(normalized_model, inputs, targets, epochs=3):
        np.testing.assert_allclose(two, one, rtol=1e-4, atol=1e-6)


def balanced_accuracy():
    strategy = devices.make_strategy("mirrored")
    assert strategy.num_replicas_in_sync == 2
    with strategy.scope():
        model = confusions.compiled_model()
    reader = confusions.ConfusionReader()
    labels, values = confusions.drawn(64)
    other_labels, other_values = confusions.drawn(32, seed=1)
    model.fit(
        values,
        confusions.one_hot(labels),
        batch_size=16,
        verbose=0,
        validation_data=(other_values, confusions.one_hot(other_labels)),
        validation_batch_size=16,
        callbacks=[reader],
    )
    predicted = np.argmax(model(other_values, training=False), axis=1)
    np.testing.assert_array_equal(
        reader.confusions[0],
        sklearn.metrics.confusion_matrix(other_labels, predicted),
    )
    np.testing.assert_allclose(
        reader.logs[0]["val_balanced_accuracy"],
        sklearn.metrics.balanced_accuracy_score(other_labels, predicted),
        atol=1e-6,
    )


def training():
    """Trains; the test reads the run."""
    config = eval(sys.argv[1], vars(train_config))
    loop.train(config, verbose=False)


CHECKS = (flow, batch_normalization, balanced_accuracy, training)


def main():
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * 2,
    )
    # A second strategy of the same devices counts its operations anew, and
    # TensorFlow takes them for those of the first.
    devices.make_strategy = functools.cache(devices.make_strategy)
    for check in CHECKS:
        try:
            check()
            print("holds:", check.__name__)
        except Exception:
            traceback.print_exc(file=sys.stdout)


if __name__ == "__main__":
    main()
