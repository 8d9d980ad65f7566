import numpy as np
import pytest

from keras_ssc import flow
from keras_ssc import input_pipeline

SIZE = (30, 48)
ALL = input_pipeline.FEATURES


@pytest.fixture(scope="module")
def builder(data_dir):
    return input_pipeline.open_dataset("scene_genre/small", data_dir)


@pytest.fixture(scope="module")
def prepared(builder):
    return input_pipeline.prepare(builder, "train", SIZE, ALL)


def test_a_split_is_prepared_as_it_is_stored(builder, prepared):
    examples = list(builder.as_dataset(split="train"))
    assert prepared.num_pairs == len(examples) > 0
    for place, example in enumerate(examples):
        frame, next_frame = (
            input_pipeline.resize(example[name], SIZE).numpy()
            for name in ("frame", "next_frame")
        )
        np.testing.assert_array_equal(prepared.features["frame"][place], frame)
        np.testing.assert_array_equal(
            prepared.features["next_frame"][place], next_frame
        )
        np.testing.assert_allclose(
            prepared.features["flow"][place],
            flow.farneback_flow(frame, next_frame),
            atol=1e-4,
        )
        assert prepared.label[place] == example["label"].numpy()
        assert prepared.film[place] == example["film"].numpy().decode()
        assert prepared.seconds[place] == example["seconds"].numpy()


def test_flow_is_computed_once_for_all_trainings(builder, monkeypatch):
    input_pipeline.prepare(builder, "test", SIZE, ALL)

    def never(*_):
        raise AssertionError("computed again")

    monkeypatch.setattr(input_pipeline, "_examples", never)
    input_pipeline.prepare(builder, "test", SIZE, ["frame"])
    again = input_pipeline.prepare(builder, "test", SIZE, ALL)
    assert set(again.features) == set(ALL)


def test_only_what_a_model_needs_is_prepared(builder):
    prepared = input_pipeline.prepare(builder, "test", (20, 20), ["frame"])
    assert list(prepared.features) == ["frame"]
    both = input_pipeline.prepare(builder, "test", (20, 20), ["frame", "flow"])
    assert list(both.features) == ["frame", "flow"]


def test_a_killed_preparation_is_not_trusted(builder, monkeypatch):
    def dies(*arguments):
        yield from ()
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(input_pipeline, "_examples", dies)
        with pytest.raises(KeyboardInterrupt):
            input_pipeline.prepare(builder, "test", (16, 24), ALL)
    prepared = input_pipeline.prepare(builder, "test", (16, 24), ALL)
    assert prepared.features["frame"].shape == (prepared.num_pairs, 16, 24, 3)


def test_an_epoch_is_every_pair_once(prepared):
    size = prepared.num_pairs // 3
    batches = input_pipeline.training_batches(prepared, size, seed=0)
    inputs, labels = zip(*batches.take(3), strict=True)
    assert inputs[0]["flow"].shape == (size, *SIZE, 2)
    counts = np.bincount(np.concatenate(labels), minlength=6)
    np.testing.assert_array_equal(
        counts, np.bincount(prepared.label, minlength=6)
    )


def flat(batches, steps):
    return [
        (batch["frame"].numpy(), batch["flow"].numpy(), label.numpy())
        for batch, label in batches.take(steps)
    ]


def test_the_order_follows_from_the_seed_and_the_epoch(prepared):
    steps = prepared.num_pairs // 8
    first = flat(input_pipeline.training_batches(prepared, 8, 1), 2 * steps)
    again = flat(input_pipeline.training_batches(prepared, 8, 1), 2 * steps)
    later = flat(
        input_pipeline.training_batches(prepared, 8, 1, first_epoch=1), steps
    )
    other = flat(input_pipeline.training_batches(prepared, 8, 2), steps)
    for one, two in zip(first + first[steps:], again + later, strict=True):
        for array, same in zip(one, two, strict=True):
            np.testing.assert_array_equal(array, same)
    assert any(
        not np.array_equal(one[0], two[0])
        for one, two in zip(first, other, strict=False)
    )


def test_about_half_of_the_pairs_are_mirrored(prepared):
    batches = input_pipeline.training_batches(
        prepared, prepared.num_pairs, seed=3
    )
    stored = {array.tobytes() for array in prepared.features["frame"]}
    num_unchanged = sum(
        frame.tobytes() in stored
        for batch, _ in batches.take(4)
        for frame in batch["frame"].numpy()
    )
    share = num_unchanged / (4 * prepared.num_pairs)
    assert 0.3 < share < 0.7


def test_balanced_epochs_draw_every_genre_as_often(prepared):
    # All of one genre's films but one are left out, and half of another's.
    films = np.unique(prepared.film[prepared.label == 0])
    kept = (prepared.label != 1) | (np.arange(prepared.num_pairs) % 3 == 0)
    kept &= prepared.film != films[0] if len(films) > 1 else True
    uneven = input_pipeline.dataclasses.replace(
        prepared,
        features={
            name: array[kept] for name, array in prepared.features.items()
        },
        **{
            name: getattr(prepared, name)[kept]
            for name in ("label", "film", "scene", "frame_number", "seconds")
        },
    )
    batches = input_pipeline.training_batches(
        uneven, uneven.num_pairs, 0, balanced=True
    )
    labels = np.concatenate([label for _, label in batches.take(200)])
    shares = np.bincount(labels, minlength=6) / len(labels)
    np.testing.assert_allclose(shares, 1 / 6, atol=0.02)


def test_a_mirrored_pair_moves_the_other_way():
    generator = np.random.default_rng(0)
    frames = generator.integers(0, 256, (2, 5, 7, 3)).astype(np.uint8)
    motion = generator.normal(size=(2, 5, 7, 2)).astype(np.float32)
    places, is_mirrored = np.array([1, 0]), np.array([True, False])
    turned = input_pipeline.copy_pairs("frame", frames, places, is_mirrored)
    np.testing.assert_array_equal(turned[0], frames[1, :, ::-1])
    np.testing.assert_array_equal(turned[1], frames[0])
    turned = input_pipeline.copy_pairs("flow", motion, places, is_mirrored)
    np.testing.assert_array_equal(
        turned[0], motion[1, :, ::-1] * np.float32([-1, 1])
    )
    np.testing.assert_array_equal(turned[1], motion[0])


def test_the_flow_of_a_mirrored_pair_is_the_mirrored_flow(prepared):
    stored = prepared.features
    frame, next_frame, motion = (
        input_pipeline.copy_pairs(
            name, stored[name], np.array([0]), np.array([True])
        )[0]
        for name in ALL
    )
    computed = flow.farneback_flow(frame, next_frame)
    # The method looks to the right of a pixel as to the left, to rounding.
    assert np.median(np.abs(computed - motion)) < 0.05


def test_evaluation_sees_every_pair_once_in_order(prepared):
    batches = list(input_pipeline.evaluation_batches(prepared, 5))
    labels = np.concatenate([label for _, label in batches])
    np.testing.assert_array_equal(labels, prepared.label)
    frames = np.concatenate([inputs["frame"] for inputs, _ in batches])
    np.testing.assert_array_equal(frames, prepared.features["frame"])


def test_no_film_is_in_two_splits(builder, prepared):
    test = input_pipeline.prepare(builder, "test", SIZE, ["frame"])
    assert not set(prepared.film) & set(test.film)
    assert set(test.label) == set(prepared.label) == set(range(6))


def test_a_batch_larger_than_the_data_is_refused(prepared):
    with pytest.raises(ValueError, match=f"1 to {prepared.num_pairs}"):
        input_pipeline.training_batches(prepared, prepared.num_pairs + 1, 0)


def test_a_missing_split_is_answered_with_the_names(builder):
    with pytest.raises(input_pipeline.DatasetError, match="'dev'"):
        input_pipeline.prepare(builder, "dev", SIZE, ["frame"])


def test_a_data_set_that_is_not_built_is_answered_with_the_command(tmp_path):
    with pytest.raises(
        input_pipeline.DatasetError,
        match="tfds build tfds_builder/scene_genre --config films --data_dir",
    ):
        input_pipeline.open_dataset("scene_genre/films", tmp_path)


def test_a_disk_too_full_is_told_before_anything_is_written(
    builder, monkeypatch
):
    monkeypatch.setattr(
        input_pipeline.shutil,
        "disk_usage",
        lambda _: type("usage", (), {"free": 1000}),
    )
    with pytest.raises(OSError, match="smaller --image-size"):
        input_pipeline.prepare(builder, "test", (18, 18), ["frame"])
