import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_ssc import flow
from keras_ssc import models
from keras_ssc.data import batching
from keras_ssc.data import datasets
from keras_ssc.genres import REPORT_GENRES
from keras_ssc.genres import genre_words
from keras_ssc.metrics import balanced_accuracy
from keras_ssc.metrics import figures
from keras_ssc.metrics import tables
from keras_ssc.models import parts
from keras_ssc.training import tensorboard_pictures

SIZE = (18, 32)


def split_of(films, features=("frame",), seed=0):
    """A split of films, which are (genre's place, number of pairs)."""
    generator = np.random.default_rng(seed)
    counts = [count for _, count in films]
    num_pairs = sum(counts)
    arrays = {
        name: generator.integers(0, 256, (num_pairs, *SIZE, 3), np.uint8)
        for name in ("frame", "next_frame")
    }
    arrays["flow"] = generator.normal(size=(num_pairs, *SIZE, 2))
    return datasets.PreparedSplit(
        {
            name: arrays[name].astype(datasets.dtype_of(name))
            for name in features
        },
        label=np.repeat([genre for genre, _ in films], counts),
        film=np.repeat(
            [f"film {place}" for place in range(len(films))], counts
        ),
        scene=np.ones(num_pairs, int),
        frame_number=np.concatenate([np.arange(count) for count in counts]),
        seconds=np.zeros(num_pairs),
    )


def test_the_example_pairs_are_of_all_genres_and_of_many_films():
    split = split_of([(genre, 10) for genre in (0, 1, 2, 3, 4, 5) * 3])
    places = tensorboard_pictures.example_places(split, 8)
    assert np.bincount(split.label[places]).tolist() == [2, 2, 1, 1, 1, 1]
    assert len(set(split.film[places])) == 8
    # From within their films, not where these begin.
    assert (split.frame_number[places] == 5).all()
    np.testing.assert_array_equal(
        places, tensorboard_pictures.example_places(split, 8)
    )


def test_the_example_pairs_of_few_films_are_spread_over_their_time():
    split = split_of([(0, 40), (2, 40)])
    places = tensorboard_pictures.example_places(split, 8)
    assert split.label[places].tolist() == [0] * 4 + [2] * 4
    assert split.frame_number[places].tolist() == [5, 15, 25, 35] * 2


def test_the_example_pairs_do_not_depend_on_the_stored_order():
    split = split_of([(0, 9), (0, 7), (3, 5), (5, 30)])
    order = np.random.default_rng(1).permutation(split.num_pairs)
    mixed = datasets.dataclasses.replace(
        split,
        **{
            name: getattr(split, name)[order]
            for name in ("label", "film", "scene", "frame_number")
        },
    )

    def named(split):
        places = tensorboard_pictures.example_places(split, 8)
        return set(
            zip(split.film[places], split.frame_number[places], strict=True)
        )

    assert named(split) == named(mixed)
    assert len(named(split)) == 8


def test_a_split_smaller_than_the_example_is_shown_whole():
    split = split_of([(0, 2), (1, 1)])
    assert sorted(tensorboard_pictures.example_places(split, 8)) == [0, 1, 2]


def fitted(splits, callbacks, epochs=2):
    keras.utils.set_random_seed(0)
    model = models.build_model("fc", SIZE)
    model.compile(
        "adam",
        keras.losses.CategoricalCrossentropy(from_logits=True),
        metrics=["accuracy", balanced_accuracy.BalancedAccuracy(6)],
    )
    batches = {
        name: batching.evaluation_batches(split, 6).map(
            lambda inputs, label: (inputs, tf.one_hot(label, 6))
        )
        for name, split in splits.items()
    }
    model.fit(
        batches["train"],
        validation_data=batches.get("validation"),
        epochs=epochs,
        callbacks=callbacks,
        shuffle=False,
        verbose=0,
    )
    return model


TRAIN = split_of([(genre, 4) for genre in range(6)])
VALIDATION = split_of([(0, 9), (2, 7)], seed=1)


@pytest.fixture
def drawn(monkeypatch):
    """What the figures are asked to draw, by their names."""
    calls = {"pairs_figure": [], "confusion_figure": []}

    def watched(name):
        draw = getattr(figures, name)

        def draws(*arguments):
            calls[name].append(arguments)
            return draw(*arguments)

        return draws

    for name in calls:
        monkeypatch.setattr(figures, name, watched(name))
    return calls


@pytest.mark.parametrize(
    "splits",
    [{"train": TRAIN}, {"train": TRAIN, "validation": VALIDATION}],
)
def test_the_pictures_are_of_validation_where_there_is_one(
    tmp_path, drawn, splits
):
    fitted(splits, [tensorboard_pictures.Pictures(tmp_path, splits)])
    *_, (name, split) = splits.items()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    for epoch, (confusion, _, title) in enumerate(drawn["confusion_figure"]):
        np.testing.assert_array_equal(
            confusion.sum(axis=1), np.bincount(split.label, minlength=6)
        )
        assert f"{name} split, epoch {epoch + 1}" in title
    for epoch, (*_, title) in enumerate(drawn["pairs_figure"]):
        assert f"8 pairs of the {name} split, epoch {epoch + 1}" in title


def test_the_same_pairs_are_shown_with_what_the_model_then_says(
    tmp_path, drawn
):
    splits = {"train": TRAIN, "validation": VALIDATION}
    model = fitted(splits, [tensorboard_pictures.Pictures(tmp_path, splits)])
    first, last = drawn["pairs_figure"]
    np.testing.assert_array_equal(first[0]["frame"], last[0]["frame"])
    logits = model.predict({"frame": last[0]["frame"]}, verbose=0)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    true, said, is_right = zip(*last[1], strict=True)
    assert said != tuple(each for _, each, _ in first[1])
    for row, text in zip(expected, said, strict=True):
        genre = genre_words(REPORT_GENRES[row.argmax()])
        assert text == f"{genre}, {tables.percent(float(row.max()))}"
    names = [text.partition(",")[0] for text in said]
    right = [
        own.startswith(f"{x},") for own, x in zip(true, names, strict=True)
    ]
    assert list(is_right) == right


def test_pictures_change_nothing_in_the_training(tmp_path):
    splits = {"train": TRAIN, "validation": VALIDATION}
    with_pictures = fitted(
        splits, [tensorboard_pictures.Pictures(tmp_path, splits)]
    )
    without = fitted(splits, [])
    for array, twin in zip(
        with_pictures.get_weights(), without.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(array, twin)


def test_a_row_shows_what_the_model_sees():
    split = split_of([(0, 8)], ("frame", "flow"))
    columns = tensorboard_pictures._pictures_of(split.features)
    frame, motion = columns
    assert frame == "frame" and motion.startswith("flow\n(full: ")
    assert columns[motion].shape == (8, *SIZE, 3)
    assert columns[motion].dtype == np.uint8
    both = split_of([(0, 8)], ("frame", "next_frame"))
    assert list(tensorboard_pictures._pictures_of(both.features)) == [
        "frame",
        "next frame",
    ]


def test_a_flow_that_the_model_computes_is_shown_too(tmp_path):
    split = split_of([(0, 8)], ("frame", "next_frame"))
    inputs, motion = parts.frame_and_flow_inputs(SIZE, "graph")
    shown = tensorboard_pictures.Pictures(tmp_path, {"train": split})
    shown.set_model(keras.Model(inputs, motion))
    shown.on_train_begin()
    shown.on_train_end()
    assert list(shown.pictures)[:2] == ["frame", "next frame"]
    pairs = zip(*split.features.values(), strict=True)
    given = {"flow": np.stack([flow.farneback_flow(*pair) for pair in pairs])}
    ((name, colours),) = tensorboard_pictures._pictures_of(given).items()
    np.testing.assert_array_equal(shown.pictures[name], colours)
