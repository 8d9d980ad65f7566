import keras
import numpy as np
import pytest
import sklearn.metrics

from keras_ssc.metrics import balanced_accuracy
from tests.helpers import confusions


def counted(labels, logits, batch_size=7):
    metric = balanced_accuracy.BalancedAccuracy(6)
    for start in range(0, len(labels), batch_size):
        part = slice(start, start + batch_size)
        metric.update_state(confusions.one_hot(labels[part]), logits[part])
    return metric


@pytest.mark.parametrize("genres", [range(6), (1, 4), (3,)])
def test_it_is_scikit_learn_s_over_the_genres_that_occur(genres):
    labels, logits = confusions.drawn(100, genres)
    predicted = logits.argmax(axis=1)
    metric = counted(labels, logits)
    present = np.unique(labels)
    expected = sklearn.metrics.recall_score(
        labels, predicted, labels=present, average="macro"
    )
    np.testing.assert_allclose(float(metric.result()), expected, rtol=1e-6)
    if len(genres) == 6:
        other = sklearn.metrics.balanced_accuracy_score(labels, predicted)
        np.testing.assert_allclose(float(metric.result()), other, rtol=1e-6)
    np.testing.assert_array_equal(
        metric.confusion.numpy(),
        sklearn.metrics.confusion_matrix(labels, predicted, labels=range(6)),
    )


def test_a_sample_weight_counts_as_scikit_learn_s():
    labels, logits = confusions.drawn(60)
    weight = np.random.default_rng(5).uniform(0, 3, 60)
    metric = balanced_accuracy.BalancedAccuracy(6)
    metric.update_state(
        confusions.one_hot(labels), logits, sample_weight=weight
    )
    expected = sklearn.metrics.balanced_accuracy_score(
        labels, logits.argmax(axis=1), sample_weight=weight
    )
    np.testing.assert_allclose(float(metric.result()), expected, rtol=1e-5)


def test_it_is_zero_before_it_has_seen_anything_and_after_a_reset():
    metric = counted(*confusions.drawn(20))
    assert metric.result() > 0
    metric.reset_state()
    assert metric.result() == 0
    assert not metric.confusion.numpy().any()


def test_it_is_made_again_from_its_config():
    metric = balanced_accuracy.BalancedAccuracy(6, name="evenly")
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(metric)
    )
    assert isinstance(again, balanced_accuracy.BalancedAccuracy)
    assert (again.num_genres, again.name) == (6, "evenly")


def test_an_epoch_ends_with_the_confusion_of_its_validation():
    labels, values = confusions.drawn(64)
    other_labels, other_values = confusions.drawn(40, seed=1)
    model, reader = confusions.compiled_model(), confusions.ConfusionReader()
    model.fit(
        values,
        confusions.one_hot(labels),
        validation_data=(other_values, confusions.one_hot(other_labels)),
        epochs=2,
        callbacks=[reader],
        verbose=0,
    )
    predicted = model.predict(other_values, verbose=0).argmax(axis=1)
    np.testing.assert_array_equal(
        reader.confusions[-1],
        sklearn.metrics.confusion_matrix(other_labels, predicted),
    )
    np.testing.assert_allclose(
        reader.logs[-1]["val_balanced_accuracy"],
        sklearn.metrics.balanced_accuracy_score(other_labels, predicted),
        rtol=1e-6,
    )


def test_without_validation_it_is_the_epoch_s_own():
    labels, values = confusions.drawn(64)
    model, reader = confusions.compiled_model(), confusions.ConfusionReader()
    model.fit(
        values,
        confusions.one_hot(labels),
        epochs=2,
        callbacks=[reader],
        verbose=0,
    )
    for confusion, logs in zip(reader.confusions, reader.logs, strict=True):
        np.testing.assert_array_equal(
            confusion.sum(axis=1), np.bincount(labels)
        )
        recalls = confusion.diagonal() / confusion.sum(axis=1)
        assert logs["balanced_accuracy"] == pytest.approx(recalls.mean())


def test_a_model_without_the_metric_has_no_confusion():
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(6)])
    model.compile("sgd", "mse", metrics=["accuracy"])
    assert balanced_accuracy.read_confusion(model) is None
