import numpy as np
import pytest

from keras_ssc import genres
from keras_ssc import tasks
from keras_ssc.tasks import linear

STRENGTHS = (1e-1, 1e-3, 1e-5)


@pytest.fixture
def features():
    generator = np.random.default_rng(0)
    return generator.normal(size=(60, 5)).astype(np.float32)


def fitted(names, features, label, name=genres.ONE, shares=None):
    task = tasks.of(name, names)
    if shares is None:
        shares = np.full(len(label), 1 / len(label))
    return task, list(task.linear_fits(features, label, shares, STRENGTHS))


def test_a_weaker_penalty_fits_closer(features):
    label = (features[:, :2] > 0).sum(axis=1)
    task, found = fitted("abc", features, label)
    losses = [
        float(
            task.loss(label)(
                task.targets(label), np.float32(features @ kernel + bias)
            )
        )
        for kernel, bias in found
    ]
    assert losses == sorted(losses, reverse=True) and losses[-1] < 0.2


def test_a_genre_without_a_pair_is_never_named(features):
    label = np.where(features[:, 0] > 0, 0, 2)
    task, found = fitted("abc", features, label)
    kernel, bias = found[-1]
    scores = task.scores(np.float32(features @ kernel + bias))
    assert scores[:, 1].max() < 1e-6
    np.testing.assert_array_equal(scores.argmax(axis=1), label)


def test_a_single_genre_is_always_named(features):
    _, found = fitted("ab", features, np.ones(60, np.int64))
    for kernel, bias in found:
        assert not kernel.any() and bias[1] > bias[0]


def test_pairs_count_as_their_shares_say(features):
    label = (features[:, 0] > 0).astype(np.int64)
    noisy = label.copy()
    noisy[:20] = 1 - noisy[:20]
    # The others alone say which feature it is.
    shares = np.where(np.arange(60) < 20, 1e-9, 1.0)
    _, found = fitted("ab", features, noisy, shares=shares / shares.sum())
    kernel, bias = found[-1]
    assert np.mean((features @ kernel + bias).argmax(1) == label) > 0.9


def test_several_genres_are_fitted_each_by_itself(features):
    label = np.stack(
        [features[:, 0] > 0, features[:, 1] > 0, np.ones(60), np.zeros(60)],
        axis=1,
    ).astype(np.uint8)
    _, found = fitted("abcd", features, label, name=genres.SEVERAL)
    kernel, bias = found[-1]
    logits = features @ kernel + bias
    np.testing.assert_array_equal(logits > 0, label.astype(bool))
    assert logits[:, 3].max() == linear.NEVER
