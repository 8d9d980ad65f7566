import keras
import numpy as np
import pytest

from keras_ssc import models
from keras_ssc import tasks

TASKS = [tasks.OneGenre(("a", "b", "c")), tasks.SeveralGenres(("a", "b", "c"))]


def head_of(task, has_learned=True):
    keras.utils.set_random_seed(0)
    head = models.film_head(5, len(task.genres), task.activation)
    if has_learned:
        for layer in head.layers:
            if layer.name in ("pair_scores", "learned"):
                weights = [np.shape(each) for each in layer.get_weights()]
                layer.set_weights([np.random.normal(size=x) for x in weights])
    return head


def film(num_pairs=7, seed=1):
    generator = np.random.default_rng(seed)
    return {
        "features": generator.normal(size=(1, num_pairs, 5)),
        "position": np.linspace(0, 1, num_pairs)[None],
        "mask": np.ones((1, num_pairs), bool),
    }


@pytest.mark.parametrize("task", TASKS)
def test_the_head_begins_at_the_mean_of_the_scores(task):
    head, inputs = head_of(task), film()
    layer = head.get_layer("learned")
    layer.set_weights([np.zeros(np.shape(x)) for x in layer.get_weights()])
    kernel, bias = head.get_layer("pair_scores").get_weights()
    pairs = task.scores(np.float32(inputs["features"][0] @ kernel + bias))
    np.testing.assert_allclose(
        task.scores(np.array(head(inputs)))[0], pairs.mean(axis=0), atol=1e-5
    )


@pytest.mark.parametrize("task", TASKS)
def test_masked_pairs_and_the_order_of_pairs_do_not_matter(task):
    head, inputs = head_of(task), film()
    logits = np.array(head(inputs))
    shuffled = {name: x[:, ::-1] for name, x in inputs.items()}
    np.testing.assert_allclose(head(shuffled), logits, atol=1e-5)
    padding = film(4, seed=2)
    padding["mask"][:] = False
    padded = {
        name: np.concatenate([x, padding[name]], axis=1)
        for name, x in inputs.items()
    }
    np.testing.assert_allclose(head(padded), logits, atol=1e-5)
    # What is learned depends on where in the film a pair is.
    turned = {**inputs, "position": inputs["position"][:, ::-1]}
    assert np.abs(np.array(head(turned)) - logits).max() > 1e-3


def test_a_stored_head_is_loaded_and_another_model_is_refused(tmp_path):
    head, inputs = head_of(TASKS[0]), film()
    path = tmp_path / "film.keras"
    head.save(path)
    loaded = models.load(path)
    models.check_film_head(loaded, path, 3)
    np.testing.assert_array_equal(loaded(inputs), head(inputs))
    with pytest.raises(models.ModelError, match=r"4 logits.*film\.keras"):
        models.check_film_head(loaded, path, 4)
    for other in (models.build_model("fc", (9, 16), 3), keras.Sequential()):
        with pytest.raises(models.ModelError, match="over a film's pairs"):
            models.check_film_head(other, path, 3)
