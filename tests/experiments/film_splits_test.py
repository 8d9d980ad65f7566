import collections

import numpy as np
import pytest

from experiments import film_splits
from keras_ssc import flow
from keras_ssc.data import batching
from keras_ssc.data import datasets
from keras_ssc.data import folds
from keras_ssc.genres import REPORT_GENRES

SIZE = (18, 32)


@pytest.fixture(scope="module")
def builder(data_dir):
    """Two films of six pairs of each genre."""
    return datasets.open_dataset("scene_genre/small", data_dir)


@pytest.fixture(scope="module")
def three_films(validation_dir):
    """Three films of each of two genres."""
    return datasets.open_dataset("scene_genre/small", validation_dir)


def split(builder, fold=0, num_folds=3, **settings):
    return film_splits.FoldSplits(
        builder, film_splits.FoldConfig(num_folds, fold, **settings)
    )


def test_every_film_is_tested_once_and_never_beside_itself(three_films):
    tested, validated = [], []
    for fold in range(3):
        splits = split(three_films, fold)
        assert splits.names == ("train", "validation", "test")
        films = [film for each in splits.films.values() for film in each]
        assert len(films) == len(set(films)) == 6
        tested += splits.films["test"]
        validated += splits.films["validation"]
    assert sorted(tested) == sorted(set(tested)) == sorted(films)
    assert sorted(validated) == sorted(films)


def test_the_pairs_are_the_films_own(three_films):
    splits = split(three_films, 1)
    features = ("frame", "flow")
    own = [
        datasets.prepare(three_films, split, SIZE, features)
        for split in three_films.info.splits
    ]
    by_film = collections.defaultdict(set)
    for part in own:
        for place, film in enumerate(part.film):
            by_film[film].add(part.features["flow"][place].tobytes())
    prepared = splits.prepare("test", SIZE, features)
    assert prepared.features["frame"].shape == (prepared.num_pairs, *SIZE, 3)
    assert set(prepared.film) == set(splits.films["test"])
    seen = collections.defaultdict(set)
    for motion, film in zip(
        prepared.features["flow"], prepared.film, strict=True
    ):
        seen[film].add(motion.tobytes())
    assert seen == {film: by_film[film] for film in splits.films["test"]}
    batches = batching.evaluation_batches(prepared, 4)
    labels = np.concatenate([label for _, label in batches])
    assert labels.tolist() == prepared.label.tolist()


def test_another_seed_gives_other_folds(three_films):
    films = {
        tuple(split(three_films, 0, seed=seed).films["test"])
        for seed in range(8)
    }
    assert len(films) > 1
    assert split(three_films, 0).films == split(three_films, 0).films


def test_with_two_films_a_genre_none_validates(builder):
    splits = split(builder, 2, 5)
    assert splits.names == ("train", "test")
    assert len(splits.films["train"]) == len(splits.films["test"]) == 6


def test_a_genre_of_one_film_is_left_out_and_named(builder, monkeypatch):
    details = folds.all_pairs(builder)
    horror = np.unique(
        details.film[details.label == REPORT_GENRES.index("horror")]
    )
    kept = np.flatnonzero(details.film != horror[0])
    monkeypatch.setattr(
        folds,
        "all_pairs",
        lambda builder: datasets.select([details], kept),
    )
    splits = split(builder)
    assert splits.left_out == {horror[1]: "the only film of horror"}
    assert len(splits.films["test"]) == 5
    first = [np.flatnonzero(details.label == label)[0] for label in (0, 1)]
    monkeypatch.setattr(
        folds,
        "all_pairs",
        lambda builder: datasets.select([details], np.array(first)),
    )
    with pytest.raises(ValueError, match="the only film of action; "):
        split(builder)


def test_films_to_train_with_can_be_few(builder, three_films):
    splits = split(three_films, films_per_genre=1, num_folds=3)
    assert len(splits.films["train"]) == 2
    # Tested on the same films: only the training differs.
    assert splits.films["test"] == split(three_films).films["test"]
    assert not splits.left_out


def test_split_by_frame_has_films_on_both_sides(builder):
    by_film, by_pair = split(builder), split(builder, by="pair")
    counts = [
        [
            np.bincount(splits.prepare(name, SIZE, ()).label).tolist()
            for name in splits.names
        ]
        for splits in (by_film, by_pair)
    ]
    assert counts[0] == counts[1]
    assert set(by_pair.films["train"]) & set(by_pair.films["test"])
    together = np.concatenate(list(by_pair._places.values()))
    assert len(together) == len(set(together.tolist()))


def test_without_frames_the_flow_is_left(builder):
    with_frames = split(builder).prepare("train", SIZE, ("frame", "flow"))
    without = split(builder, change="no_frame").prepare(
        "train", SIZE, ("frame", "flow")
    )
    assert (
        without.features["frame"].shape == with_frames.features["frame"].shape
    )
    assert not np.any(without.features["frame"][3])
    assert np.array_equal(
        without.features["flow"][3], with_frames.features["flow"][3]
    )


def test_shuffled_next_frames_are_of_the_same_film_and_their_flow(builder):
    features = ("frame", "next_frame", "flow")
    plain = split(builder).prepare("train", SIZE, features)
    changed = split(builder, change="next_frame_of_another_pair").prepare(
        "train", SIZE, features
    )
    assert list(changed.features) == list(features)
    assert np.array_equal(changed.features["frame"], plain.features["frame"])
    for film in np.unique(plain.film):
        own = np.flatnonzero(plain.film == film)
        before, after = (
            [each.features["next_frame"][place].tobytes() for place in own]
            for each in (plain, changed)
        )
        assert sorted(before) == sorted(after)
        assert all(x != y for x, y in zip(before, after, strict=True))
    expected = flow.farneback_flow(
        changed.features["frame"][5], changed.features["next_frame"][5]
    )
    assert np.array_equal(changed.features["flow"][5], expected)
    only_flow = split(builder, change="next_frame_of_another_pair").prepare(
        "train", SIZE, ("flow",)
    )
    assert np.array_equal(only_flow.features["flow"], changed.features["flow"])


class FakeEncoder:
    """Has the mean of a frame and the length of its flow as features."""

    inputs = ("frame", "flow")

    def __init__(self):
        self.sizes = {"frame_features": 1, "flow_features": 1}

    def __call__(self, inputs, wanted):
        assert list(wanted) == list(self.sizes)
        return {
            "frame_features": inputs["frame"].mean(axis=(1, 2, 3))[:, None],
            "flow_features": np.abs(inputs["flow"]).mean(axis=(1, 2, 3))[
                :, None
            ],
        }


@pytest.mark.parametrize("change", film_splits.CHANGES)
def test_a_control_s_features_are_of_its_own_pairs(
    builder, change, monkeypatch
):
    monkeypatch.setattr(film_splits, "_BATCH", 5)
    encoder = FakeEncoder()
    control = split(builder, change=change)
    encoded = control.encode("train", SIZE, encoder)
    pairs = control.prepare("train", SIZE, encoder.inputs)
    inputs = {name: np.asarray(x) for name, x in pairs.features.items()}
    for name, array in encoder(inputs, encoder.sizes).items():
        np.testing.assert_allclose(encoded.features[name], array, rtol=1e-5)
    with pytest.raises(ValueError, match="--no-mirror"):
        control.encode("train", SIZE, encoder, with_mirrored=True)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_folds": 1, "fold": 0}, "Expected 2 folds or more"),
        ({"num_folds": 3, "fold": 3}, "fold 4 of 3"),
        ({"num_folds": 3, "fold": 0, "by": "frame"}, "by 'frame'"),
        ({"num_folds": 3, "fold": 0, "change": "x"}, "change 'x'"),
    ],
)
def test_mistakes_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        film_splits.FoldConfig(**settings)
