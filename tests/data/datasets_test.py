import os
import pathlib
import shutil

import numpy as np
import pytest

from keras_ssc import flow
from keras_ssc.data import augmentation
from keras_ssc.data import batching
from keras_ssc.data import datasets
from keras_ssc.data import resizing
from tests.helpers import drawn_pairs

SIZE = (30, 48)
ALL = datasets.FEATURES


@pytest.fixture(scope="module")
def builder(data_dir):
    return datasets.open_dataset("scene_genre/small", data_dir)


@pytest.fixture(scope="module")
def prepared(builder):
    return datasets.prepare(builder, "train", SIZE, ALL)


def test_a_split_is_prepared_as_it_is_stored(builder, prepared):
    examples = list(builder.as_dataset(split="train"))
    assert prepared.num_pairs == len(examples) > 0
    for place, example in enumerate(examples):
        frame, next_frame = (
            resizing.resize(example[name], SIZE).numpy()
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
    datasets.prepare(builder, "test", SIZE, ALL)

    def never(*_):
        raise AssertionError("computed again")

    monkeypatch.setattr(datasets, "examples", never)
    datasets.prepare(builder, "test", SIZE, ["frame"])
    again = datasets.prepare(builder, "test", SIZE, ALL)
    assert set(again.features) == set(ALL)


def test_only_what_a_model_needs_is_prepared(builder):
    prepared = datasets.prepare(builder, "test", (20, 20), ["frame"])
    assert list(prepared.features) == ["frame"]
    both = datasets.prepare(builder, "test", (20, 20), ["frame", "flow"])
    assert list(both.features) == ["frame", "flow"]


@pytest.mark.parametrize(
    "wanted, decoded",
    [((), set()), (["frame"], {"frame"}), (["flow"], {*ALL}), (ALL, {*ALL})],
)
def test_frames_that_nothing_needs_are_not_decoded(builder, wanted, decoded):
    batch = next(datasets.examples(builder, "test", SIZE, wanted))
    assert set(batch) & {*ALL} == decoded
    for name in decoded:
        whole = next(datasets.examples(builder, "test", SIZE, ALL))
        np.testing.assert_array_equal(batch[name], whole[name])
    assert {"label", "film", "seconds"} <= set(batch)


def test_a_killed_preparation_is_not_trusted(builder, monkeypatch):
    def dies(*arguments):
        yield from ()
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(datasets, "examples", dies)
        with pytest.raises(KeyboardInterrupt):
            datasets.prepare(builder, "test", (16, 24), ALL)
    prepared = datasets.prepare(builder, "test", (16, 24), ALL)
    assert prepared.features["frame"].shape == (prepared.num_pairs, 16, 24, 3)


def test_what_was_prepared_before_a_data_set_was_built_anew_is_removed(
    data_dir, tmp_path, capfd
):
    shutil.copytree(
        data_dir,
        tmp_path,
        dirs_exist_ok=True,
        ignore=shutil.ignore_patterns("prepared"),
    )
    builder = datasets.open_dataset("scene_genre/small", tmp_path)
    old = datasets.prepare(builder, "test", (16, 24), ["frame"])
    datasets.prepare(builder, "train", (16, 24), ["frame"])
    folder = pathlib.Path(builder.data_path) / "prepared"
    (folder / "notes").mkdir()
    before = set(folder.iterdir())
    size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
    frames = np.array(old.features["frame"])
    assert capfd.readouterr().err == ""
    info = pathlib.Path(builder.data_path) / "dataset_info.json"
    os.utime(info, (0, 0))
    new = datasets.prepare(builder, "test", (16, 24), ["frame"])
    assert f"{size / 1e6:.1f} MB" in capfd.readouterr().err
    assert set(folder.iterdir()) & before == {folder / "notes"}
    # A training that reads the old arrays can still read them.
    np.testing.assert_array_equal(old.features["frame"], frames)
    np.testing.assert_array_equal(new.features["frame"], frames)
    datasets.prepare(builder, "train", (16, 24), ["frame"])
    datasets.prepare(builder, "test", (16, 20), ["frame"])
    assert len(set(folder.iterdir())) == 4
    assert capfd.readouterr().err == ""


def flat(batches, steps):
    return [
        (batch["frame"].numpy(), batch["flow"].numpy(), label.numpy())
        for batch, label in batches.take(steps)
    ]


@pytest.mark.parametrize("changes", [{}, {"crop": 0.3, "colour": 0.3}])
def test_what_is_drawn_follows_from_the_seed_and_the_epoch(prepared, changes):
    steps = prepared.num_pairs // 8

    def batches(seed, num_steps, **options):
        changed = augmentation.Augmentation(**changes)
        return flat(
            batching.training_batches(
                prepared, 8, seed, augmentation=changed, **options
            ),
            num_steps,
        )

    first = batches(1, 2 * steps)
    again = batches(1, 2 * steps)
    later = batches(1, steps, first_epoch=1)
    for one, two in zip(first + first[steps:], again + later, strict=True):
        for array, same in zip(one, two, strict=True):
            np.testing.assert_array_equal(array, same)
    assert not np.array_equal(first[0][0], batches(2, steps)[0][0])


def test_a_training_begins_within_an_epoch(prepared):
    steps = prepared.num_pairs // 8
    whole = flat(batching.training_batches(prepared, 8, 1), 2 * steps)
    later = flat(
        batching.training_batches(prepared, 8, 1, first_epoch=0, first_step=3),
        2 * steps - 3,
    )
    for one, two in zip(whole[3:], later, strict=True):
        for array, same in zip(one, two, strict=True):
            np.testing.assert_array_equal(array, same)


def joined(parts):
    """Joins what devices had of a batch."""
    return [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]


@pytest.mark.parametrize("counts", [[2], [1, 1], [2, 2], [1, 3]])
def test_devices_share_the_batches_of_one(prepared, counts):
    num_replicas, size, num_steps = sum(counts), 8, 6
    whole = flat(batching.training_batches(prepared, size, 1), num_steps)
    shares = [
        batching.Share(num_replicas, sum(counts[:host]), count)
        for host, count in enumerate(counts)
    ]
    hosts = [
        flat(
            batching.training_batches(prepared, size, 1, share=share),
            num_steps * share.count,
        )
        for share in shares
    ]
    for step in range(num_steps):
        parts = [
            part
            for host, share in zip(hosts, shares, strict=True)
            for part in host[step * share.count : (step + 1) * share.count]
        ]
        for array, same in zip(joined(parts), whole[step], strict=True):
            np.testing.assert_array_equal(array, same)


@pytest.mark.parametrize("num_pairs", [4, 8, 9, 16, 35, 36])
@pytest.mark.parametrize("num_replicas", [1, 2, 4])
def test_every_device_has_a_part_of_every_batch(num_pairs, num_replicas):
    bounds = batching._bounds_of_parts(num_pairs, 8, num_replicas)
    assert bounds[0] == 0 and bounds[-1] == num_pairs
    parts = np.diff(bounds).reshape(-1, num_replicas)
    assert parts.min() >= 1
    assert parts.sum(axis=1).max() <= 8
    assert (parts[:-1] == parts[:-1, :1]).all()
    assert len(set(parts[0])) == 1


def test_one_device_has_whole_batches():
    bounds = batching._bounds_of_parts(20, 8, 1)
    np.testing.assert_array_equal(bounds, [0, 8, 16, 20])


@pytest.mark.parametrize("num_pairs", [3, 5])
def test_too_few_pairs_for_the_devices_are_refused(num_pairs):
    with pytest.raises(ValueError, match=f"{num_pairs} pairs, 4 devices"):
        batching._bounds_of_parts(num_pairs, 8, 4)


def test_evaluation_on_two_devices_sees_every_pair_once(prepared):
    labels = []
    for first in range(2):
        share = batching.Share(2, first, 1)
        batches = batching.evaluation_batches(prepared, 8, share)
        labels.extend(np.concatenate([label for _, label in batches]))
    assert sorted(labels) == sorted(prepared.label)


def test_balanced_epochs_draw_every_genre_as_often(prepared):
    # All of one genre's films but one are left out, and half of another's.
    films = np.unique(prepared.film[prepared.label == 0])
    kept = (prepared.label != 1) | (np.arange(prepared.num_pairs) % 3 == 0)
    kept &= prepared.film != films[0] if len(films) > 1 else True
    uneven = datasets.dataclasses.replace(
        prepared,
        features={
            name: array[kept] for name, array in prepared.features.items()
        },
        **{
            name: getattr(prepared, name)[kept]
            for name in ("label", "film", "scene", "frame_number", "seconds")
        },
    )
    batches = batching.training_batches(
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
    turned = augmentation.copy_pairs("frame", frames, places, is_mirrored)
    np.testing.assert_array_equal(turned[0], frames[1, :, ::-1])
    np.testing.assert_array_equal(turned[1], frames[0])
    turned = augmentation.copy_pairs("flow", motion, places, is_mirrored)
    np.testing.assert_array_equal(
        turned[0], motion[1, :, ::-1] * np.float32([-1, 1])
    )
    np.testing.assert_array_equal(turned[1], motion[0])


def test_the_flow_of_a_mirrored_pair_is_the_mirrored_flow(prepared):
    stored = prepared.features
    frame, next_frame, motion = (
        augmentation.copy_pairs(
            name, stored[name], np.array([0]), np.array([True])
        )[0]
        for name in ALL
    )
    computed = flow.farneback_flow(frame, next_frame)
    # The method looks to the right of a pixel as to the left, to rounding.
    assert np.median(np.abs(computed - motion)) < 0.05


def test_without_crop_and_colour_a_seed_gives_the_pairs_it_always_gave(
    prepared,
):
    size = prepared.num_pairs // 2
    batches = iter(batching.training_batches(prepared, size, seed=7))
    for epoch in range(2):
        generator = np.random.default_rng([7, epoch])
        order = generator.permutation(prepared.num_pairs)
        is_mirrored = generator.random(prepared.num_pairs) < 0.5
        for start in (0, size):
            inputs, label = next(batches)
            places = order[start : start + size]
            np.testing.assert_array_equal(label, prepared.label[places])
            for name in ALL:
                expected = prepared.features[name][places]
                turned = is_mirrored[start : start + size]
                expected[turned] = expected[turned, :, ::-1]
                if name == "flow":
                    expected[turned, ..., 0] *= -1
                np.testing.assert_array_equal(inputs[name], expected)


def split_of(**features):
    """A split of pairs made by hand."""
    num_pairs = len(features["frame"])
    return datasets.PreparedSplit(
        features,
        label=np.arange(num_pairs) % 6,
        film=np.full(num_pairs, "film"),
        scene=np.ones(num_pairs, int),
        frame_number=np.arange(num_pairs),
        seconds=np.zeros(num_pairs),
    )


def changed(split, seed=0, **settings):
    """One epoch as one batch, in numpy."""
    batches = batching.training_batches(
        split,
        split.num_pairs,
        seed,
        augmentation=augmentation.Augmentation(**settings),
    )
    inputs, _ = next(iter(batches))
    return {name: tensor.numpy() for name, tensor in inputs.items()}


def places_as_colours(num_pairs, height, width):
    """Frames whose red is a pixel's column and whose green is its row."""
    rows, columns = np.mgrid[:height, :width]
    frame = np.stack([columns, rows, 0 * rows], axis=-1).astype(np.uint8)
    return np.repeat(frame[np.newaxis], num_pairs, axis=0)


def test_crop_cuts_one_window_out_of_both_frames_and_their_flow():
    frames = places_as_colours(200, 100, 200)
    motion = np.zeros((200, 100, 200, 2), np.float32)
    motion[:] = (8.0, -6.0)
    split = split_of(frame=frames, next_frame=frames.copy(), flow=motion)
    batch = changed(split, mirror=False, crop=0.4)
    np.testing.assert_array_equal(batch["frame"], batch["next_frame"])
    red, green = batch["frame"][..., 0], batch["frame"][..., 1]
    left, right = red[:, 0, 0].astype(int), red[:, 0, -1] + 1
    top, bottom = green[:, 0, 0].astype(int), green[:, -1, 0] + 1
    share = (right - left) / 200
    # As wide for its height, to the whole pixel.
    np.testing.assert_allclose((bottom - top) / 100, share, atol=0.006)
    assert 0.6 <= share.min() < 0.63 and 0.97 < share.max() <= 1
    np.testing.assert_allclose(share.mean(), 0.8, atol=0.03)
    # Uniform between the two ends that the window leaves.
    free = share < 0.9
    where = (left / np.maximum(200 - (right - left), 1))[free]
    assert where.min() < 0.05 and where.max() > 0.95
    np.testing.assert_allclose(where.mean(), 0.5, atol=0.08)
    # What moves evenly still does, by as much more as it is enlarged.
    factor = np.stack([200 / (right - left), 100 / (bottom - top)], axis=-1)
    np.testing.assert_allclose(
        batch["flow"],
        np.broadcast_to(
            (factor * (8.0, -6.0))[:, np.newaxis, np.newaxis], motion.shape
        ),
        rtol=1e-5,
    )


def test_a_cropped_pair_is_mirrored_within_its_window():
    frames = places_as_colours(40, 60, 120)
    motion = np.ones((40, 60, 120, 2), np.float32)
    split = split_of(frame=frames, flow=motion)
    straight = changed(split, mirror=False, crop=0.5)
    batch = changed(split, mirror=True, crop=0.5)
    is_mirrored = batch["flow"][:, 0, 0, 0] < 0
    assert 8 < is_mirrored.sum() < 32
    for name in ("frame", "flow"):
        straight[name][is_mirrored] = straight[name][is_mirrored, :, ::-1]
    straight["flow"][is_mirrored, ..., 0] *= -1
    for name in ("frame", "flow"):
        np.testing.assert_array_equal(batch[name], straight[name])


@pytest.mark.parametrize("window", [(6, 10, 72, 96), (0, 0, 80, 107)])
def test_the_flow_of_a_cropped_pair_is_the_cropped_flow(window):
    picture = drawn_pairs.textured(140, 180)
    frame, next_frame = picture[20:116, 20:148], picture[18:114, 17:145]
    arrays = (frame, next_frame, flow.farneback_flow(frame, next_frame))
    frame, next_frame, motion = (
        augmentation.copy_pairs(
            name,
            array[np.newaxis],
            np.array([0]),
            np.array([False]),
            np.array([window]),
        )[0]
        for name, array in zip(ALL, arrays, strict=True)
    )
    computed = flow.farneback_flow(frame, next_frame)[16:-16, 16:-16]
    motion = motion[16:-16, 16:-16]
    np.testing.assert_allclose(
        np.median(motion, axis=(0, 1)),
        (3 * 128 / window[3], 2 * 96 / window[2]),
        atol=0.1,
    )
    assert np.median(np.abs(computed - motion)) < 0.05


def pair_of_colours(num_pairs):
    generator = np.random.default_rng(2)
    return generator.integers(40, 200, (2, num_pairs, 8, 10, 3)).astype(
        np.uint8
    )


def test_colour_changes_both_frames_by_one_draw_and_leaves_the_flow():
    frames, next_frames = pair_of_colours(100)
    # The upper half stays, as where a film stands still.
    next_frames[:, :4] = frames[:, :4]
    motion = np.ones((100, 8, 10, 2), np.float32)
    split = split_of(frame=frames, next_frame=next_frames, flow=motion)
    batch = changed(split, mirror=False, colour=0.3)
    same = batch["frame"][:, :4] == batch["next_frame"][:, :4]
    assert same.all()
    assert (batch["frame"][:, 4:] != batch["next_frame"][:, 4:]).any()
    np.testing.assert_array_equal(batch["flow"], motion)


@pytest.mark.parametrize("colour", [0.3, 0.99])
def test_colours_are_those_of_the_textbook_s_three_steps(colour):
    frames, next_frames = pair_of_colours(30)
    split = split_of(frame=frames, next_frame=next_frames)
    order, _, draws = batching._draw_epoch(split, 0, 0, False)
    batch = changed(split, mirror=False, colour=colour)
    weights = np.array([0.299, 0.587, 0.114])
    for place, pair in enumerate(order):
        factors = 1 + colour * (2 * draws[place, 3:] - 1)
        assert (np.abs(factors - 1) <= colour).all()
        mean = None
        for name in ("frame", "next_frame"):
            picture = split.features[name][pair] * factors[0]
            mean = (picture @ weights).mean() if mean is None else mean
            picture = factors[1] * picture + (1 - factors[1]) * mean
            grey = (picture @ weights)[..., np.newaxis]
            picture = factors[2] * picture + (1 - factors[2]) * grey
            # OpenCV counts in fixed point: half a step, and its rounding.
            np.testing.assert_allclose(
                batch[name][place], np.clip(picture, 0, 255), atol=1.01
            )


def test_without_mirroring_an_epoch_has_the_pairs_as_they_are(prepared):
    batch = changed(prepared, seed=3, mirror=False)
    stored = {array.tobytes() for array in prepared.features["frame"]}
    assert {frame.tobytes() for frame in batch["frame"]} == stored


@pytest.mark.parametrize("name", ["crop", "colour"])
@pytest.mark.parametrize("value", [-0.1, 1.0, float("nan")])
def test_an_augmentation_out_of_its_range_is_refused(name, value):
    with pytest.raises(ValueError, match=f"Expected {name} of 0 or more"):
        augmentation.Augmentation(**{name: value})


def test_evaluation_sees_every_pair_once_in_order(prepared):
    batches = list(batching.evaluation_batches(prepared, 5))
    labels = np.concatenate([label for _, label in batches])
    np.testing.assert_array_equal(labels, prepared.label)
    frames = np.concatenate([inputs["frame"] for inputs, _ in batches])
    np.testing.assert_array_equal(frames, prepared.features["frame"])


def test_no_film_is_in_two_splits(builder, prepared):
    test = datasets.prepare(builder, "test", SIZE, ["frame"])
    assert not set(prepared.film) & set(test.film)
    assert set(test.label) == set(prepared.label) == set(range(6))


def test_a_batch_larger_than_the_data_is_refused(prepared):
    with pytest.raises(ValueError, match=f"1 to {prepared.num_pairs}"):
        batching.training_batches(prepared, prepared.num_pairs + 1, 0)


def test_a_missing_split_is_answered_with_the_names(builder):
    with pytest.raises(datasets.DatasetError, match="'dev'"):
        datasets.prepare(builder, "dev", SIZE, ["frame"])


def test_a_data_set_that_is_not_built_is_answered_with_the_command(tmp_path):
    with pytest.raises(
        datasets.DatasetError,
        match="tfds build tfds_builder/scene_genre --config films --data_dir",
    ):
        datasets.open_dataset("scene_genre/films", tmp_path)


def test_a_disk_too_full_is_told_before_anything_is_written(
    builder, monkeypatch
):
    monkeypatch.setattr(
        datasets.shutil,
        "disk_usage",
        lambda _: type("usage", (), {"free": 1000}),
    )
    with pytest.raises(OSError, match="smaller --image-size"):
        datasets.prepare(builder, "test", (18, 18), ["frame"])
