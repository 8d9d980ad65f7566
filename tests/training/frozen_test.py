"""Heads on the stored features of a frozen, pretrained trunk."""

import csv
import pathlib
import sys

import numpy as np
import pytest

from keras_ssc import models
from keras_ssc import train
from keras_ssc.data import augmentation
from keras_ssc.data import datasets
from keras_ssc.data import folds
from keras_ssc.data import stored_features
from keras_ssc.training import evaluation
from keras_ssc.training import loop
from keras_ssc.training import runs
from keras_ssc.training import train_config
from tests.helpers import tiny_runs

pytestmark = pytest.mark.usefixtures("no_pictures")

SIZE = (32, 32)


def frozen(data_dir, run_dir, **changes):
    """Returns the config of a tiny training with the settings `frozen`."""
    settings = {
        **train_config.settings_of("frozen", "double_stack"),
        "model": "double_stack",
        "image_size": SIZE,
    }
    return tiny_runs.small(data_dir, run_dir, **{**settings, **changes})


def build(**changes):
    options = {"dense_units": (), "backbone": "efficientnet_lite0"}
    model = models.build_model(
        "double_stack", SIZE, **{**options, "weights": "imagenet", **changes}
    )
    models.freeze(model)
    return model


@pytest.fixture(scope="module")
def run_dir(data_dir, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "frozen"
    return loop.train(frozen(data_dir, folder), verbose=False)


@pytest.fixture(scope="module")
def encoder():
    return models.Encoder(build())


@pytest.fixture
def splits(data_dir):
    return datasets.DatasetSplits("scene_genre/small", data_dir)


def unusable(*_):
    raise AssertionError("computed again")


def test_the_whole_model_says_what_the_head_says_of_the_features(
    run_dir, splits
):
    model = runs.load_model(run_dir)
    prepared = splits.prepare("test", SIZE, ("frame", "flow"))
    inputs = {name: np.array(x) for name, x in prepared.features.items()}
    encoded = splits.encode("test", SIZE, models.Encoder(model))
    features = {name: x[:] for name, x in encoded.features.items()}
    assert {x.dtype for x in features.values()} == {np.dtype(np.float16)}
    whole = model.predict(inputs, verbose=0)
    of_head = models.head(model).predict(features, verbose=0)
    scores = [splits.task.scores(logits) for logits in (whole, of_head)]
    np.testing.assert_allclose(*scores, atol=1e-3)
    assert np.ptp(scores[0], axis=0).max() > 0.1


def test_nothing_but_the_head_is_trained(run_dir):
    model, fresh = runs.load_model(run_dir), build()
    for layer in fresh.layers:
        twin = model.get_layer(layer.name) if layer.weights else layer
        is_same = all(
            np.array_equal(array, other)
            for array, other in zip(
                layer.get_weights(), twin.get_weights(), strict=True
            )
        )
        assert is_same == (layer.name != "logits"), layer.name


def test_features_are_computed_once_for_training_and_evaluation(
    run_dir, data_dir, tmp_path, monkeypatch
):
    first = evaluation.evaluate(run_dir, verbose=False)
    monkeypatch.setattr(models.Encoder, "__call__", unusable)
    assert evaluation.evaluate(run_dir, verbose=False) == first
    loop.train(frozen(data_dir, tmp_path / "again"), verbose=False)
    tiny_runs.assert_same_weights(run_dir, tmp_path / "again")


def test_a_frame_s_features_are_those_of_a_model_of_the_frame_alone(
    encoder, monkeypatch, splits
):
    alone = models.build_model(
        "resnet50", SIZE, backbone="efficientnet_lite0", weights="imagenet"
    )
    of_frame = models.Encoder(alone)
    assert of_frame.keys == {"frame_features": encoder.keys["frame_features"]}
    both = splits.encode("train", SIZE, encoder)
    monkeypatch.setattr(models.Encoder, "__call__", unusable)
    found = splits.encode("train", SIZE, of_frame)
    np.testing.assert_array_equal(
        found.features["frame_features"][:], both.features["frame_features"][:]
    )


def test_features_of_other_weights_are_not_used_and_that_is_told(
    encoder, splits, capsys
):
    splits.encode("test", SIZE, encoder)
    other = models.Encoder(build(weights=None))
    assert set(other.keys.values()).isdisjoint(encoder.keys.values())
    capsys.readouterr()
    splits.encode("test", SIZE, other)
    told = capsys.readouterr().err
    assert "with other weights are there" in told and "MB in" in told
    splits.encode("test", SIZE, other)
    assert not capsys.readouterr().err


def test_a_killed_command_goes_on_from_the_last_part(
    encoder, data_dir, monkeypatch
):
    builder = datasets.open_dataset("scene_genre/small", data_dir)
    whole = stored_features.prepare(builder, "train", SIZE, encoder)
    monkeypatch.setattr(stored_features, "_BATCH", 4)
    monkeypatch.setattr(stored_features, "_PART", 8)
    folder = datasets.folder_of(builder, "train", SIZE)
    for path in folder.glob("*_features_*.npy"):
        path.unlink()
    counted = []

    class Stopping:
        inputs, sizes, keys = encoder.inputs, encoder.sizes, encoder.keys

        def __call__(self, inputs, wanted):
            if len(counted) == 5:
                counted.append(None)
                raise KeyboardInterrupt
            counted.append(len(inputs["frame"]))
            return encoder(inputs, wanted)

    with pytest.raises(KeyboardInterrupt):
        stored_features.prepare(builder, "train", SIZE, Stopping())
    assert not list(folder.glob("*.tmp"))
    found = stored_features.prepare(builder, "train", SIZE, Stopping())
    # Two parts of two batches were whole; the fifth batch is computed again.
    assert sum(counted[:4]) + sum(counted[6:]) == whole.num_pairs
    for name, array in whole.features.items():
        np.testing.assert_allclose(
            *(
                x.astype(np.float32)
                for x in (found.features[name][:], array[:])
            ),
            atol=1e-2,
        )


def test_mirrored_pairs_have_features_of_their_own(encoder, splits):
    names = ("frame", "flow")
    prepared = splits.prepare("train", SIZE, names)
    encoded = splits.encode("train", SIZE, encoder, with_mirrored=True)
    places = np.array([3, 0, 5])
    is_mirrored = np.array([True, False, True])
    draws = np.zeros((3, augmentation.NUM_DRAWS))
    change = augmentation.Augmentation()
    found = change.copy_batch(encoded.features, places, is_mirrored, draws)
    assert set(found) == set(encoder.sizes)
    frames = change.copy_batch(prepared.features, places, is_mirrored, draws)
    for name, array in encoder(frames, encoder.sizes).items():
        np.testing.assert_allclose(found[name], array, atol=1e-2)
        plain = encoded.features[name][places]
        assert np.abs(found[name] - plain)[is_mirrored].max() > 0.1


def test_a_fold_has_the_features_of_its_pairs(encoder, data_dir, splits):
    builder = datasets.open_dataset("scene_genre/small", data_dir)
    fold = folds.FoldSplits(builder, 2, 0)
    prepared = fold.prepare("test", SIZE, ("frame", "flow"))
    encoded = fold.encode("test", SIZE, encoder)
    np.testing.assert_array_equal(encoded.film, prepared.film)
    inputs = {name: x[:] for name, x in prepared.features.items()}
    for name, array in encoder(inputs, encoder.sizes).items():
        np.testing.assert_allclose(encoded.features[name][:], array, atol=1e-2)


def test_a_disk_that_is_too_small_is_told_before_anything_is_written(
    encoder, data_dir, monkeypatch
):
    builder = datasets.open_dataset("scene_genre/small", data_dir)
    other = models.Encoder(build(weights=None))
    folder = datasets.folder_of(builder, "test", SIZE)
    usage = type("Usage", (), {"free": 10})
    stored_features.prepare(builder, "test", SIZE, encoder)
    before = sorted(folder.iterdir())
    monkeypatch.setattr(datasets.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(OSError, match="add --no-store"):
        stored_features.prepare(builder, "test", SIZE, other)
    assert sorted(folder.iterdir()) == before


def test_the_l2_penalty_is_the_best_on_the_validation_films(
    validation_dir, tmp_path
):
    run_dir = loop.train(
        frozen(validation_dir, tmp_path / "run"), verbose=False
    )
    with open(run_dir / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    losses = [float(row["val_loss"]) for row in rows]
    assert len({row["l2"] for row in rows}) == len(rows) > 3
    assert max(losses) > min(losses)
    splits = datasets.DatasetSplits("scene_genre/small", validation_dir)
    model = runs.load_model(run_dir)
    encoded = splits.encode("validation", SIZE, models.Encoder(model))
    head = models.head(model)
    head.compile(loss=splits.task.loss(encoded.label))
    loss = head.evaluate(
        {name: x[:] for name, x in encoded.features.items()},
        np.asarray(splits.task.targets(encoded.label)),
        verbose=0,
    )
    assert loss == pytest.approx(min(losses), rel=1e-3)
    assert "best on validation with L2" in runs.summary(run_dir)


def test_dense_layers_are_trained_on_the_features_and_resumed(
    data_dir, tmp_path
):
    settings = {
        "dense_units": (8,),
        "optimizer": "adam",
        "mirror": True,
        "deterministic": True,
        "epochs": 3,
    }
    whole, stopped = (
        frozen(data_dir, tmp_path / name, **settings)
        for name in ("whole", "stopped")
    )
    loop.train(whole, verbose=False)
    tiny_runs.interrupt(stopped, 2)
    stored = next((tmp_path / "stopped/checkpoints").glob("*.keras"))
    assert set(models.load(stored).input) == {"frame_features", "flow_features"}
    loop.resume(tmp_path / "stopped", verbose=False)
    tiny_runs.assert_same_weights(tmp_path / "whole", tmp_path / "stopped")
    model = runs.load_model(tmp_path / "whole")
    assert set(model.input) == {"frame", "flow"}
    assert model.get_layer("dense_1").units == 8


def test_a_magnitude_is_a_stored_feature_too(data_dir, tmp_path, splits):
    config = tiny_runs.small(
        *(data_dir, tmp_path / "run"),
        model="motion_magnitude_stack",
        image_size=SIZE,
        backbone="efficientnet_lite0",
        weights="imagenet",
        freeze="all",
        epochs=1,
    )
    model = runs.load_model(loop.train(config, verbose=False))
    encoded = splits.encode("train", SIZE, models.Encoder(model))
    magnitude = encoded.features["magnitude_features"][:]
    assert magnitude.shape == (encoded.num_pairs, 1)
    layer = model.get_layer("log_magnitude")
    np.testing.assert_allclose(
        np.ravel(layer.mean), magnitude.mean(), rtol=1e-3
    )


def test_without_a_store_the_trunk_is_run_at_every_step(data_dir, tmp_path):
    config = frozen(
        *(data_dir, tmp_path / "run"),
        store=False,
        optimizer="adam",
        epochs=1,
        crop=0.1,
    )
    run_dir = loop.train(config, verbose=False)
    checkpoint = next((run_dir / "checkpoints").glob("*.keras"))
    assert set(models.load(checkpoint).input) == {"frame", "flow"}


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"crop": 0.1}, "no --crop and no --colour"),
        ({"freeze": 0}, "Expected --freeze all with --optimizer lbfgs"),
        ({"freeze": "some"}, "or all. Received: some"),
        ({"store": False}, "Expected --freeze all with --optimizer lbfgs"),
        ({"dense_units": (8,)}, "Expected no dense_units"),
        ({"label_smoothing": 0.1}, "Expected no label_smoothing"),
        ({"weights": None}, "Expected --weights"),
        ({"trunk": "flownet", "optimizer": "adam"}, "trains more"),
    ],
)
def test_settings_that_do_not_fit_are_told(
    data_dir, tmp_path, changes, message
):
    with pytest.raises(ValueError, match=message):
        loop.train(frozen(data_dir, tmp_path / "run", **changes), verbose=False)
    assert not (tmp_path / "run").exists()


def test_the_settings_are_defaults_that_flags_change(monkeypatch, tmp_path):
    given = []

    def trained(config):
        given.append(train_config.fill_in(config))
        raise ValueError("enough")

    monkeypatch.setattr(loop, "train", trained)
    for more in ([], ["--mirror", "--image-size", "96"], ["--model=resnet50"]):
        monkeypatch.setattr(
            sys, "argv", ["train", "--settings", "frozen", *more]
        )
        with pytest.raises(ValueError, match="enough"):
            train.main()
    plain, changed, alone = given
    assert plain.backbone == "efficientnet_lite0" and plain.is_stored()
    assert (plain.image_size, plain.mirror) == ((224, 224), False)
    assert (changed.image_size, changed.mirror) == ((96, 96), True)
    assert (alone.model, alone.dense_units) == ("resnet50", None)
    with pytest.raises(ValueError, match="fc has none"):
        train_config.settings_of("frozen", "fc")


def test_a_run_from_before_there_was_a_store_is_read(run_dir, tmp_path):
    config = (run_dir / "config.json").read_text("utf-8")
    assert '"store": true' in config
    path = pathlib.Path(tmp_path) / "config.json"
    path.write_text(
        config.replace('  "store": true,\n', "").replace('"lbfgs"', '"adam"')
    )
    assert not runs.read_config(tmp_path).is_stored()


def test_a_training_of_the_trunk_goes_on_from_a_frozen_one(
    run_dir, data_dir, tmp_path
):
    config = tiny_runs.small(
        *(data_dir, tmp_path / "run"),
        model="double_stack",
        image_size=None,
        start=str(run_dir),
        unfreeze_from="block15",
        epochs=1,
    )
    model = runs.load_model(loop.train(config, verbose=False))
    config = runs.read_config(tmp_path / "run")
    assert (config.image_size, config.dense_units) == (SIZE, ())
    assert config.fine_learning_rate == config.learning_rate / 10
    before = runs.load_model(run_dir)
    trunk, old = (x.get_layer("efficientnet_lite0") for x in (model, before))
    for name, is_trained in (
        ("block14_expand", False),
        ("block15_expand", True),
    ):
        changes = trunk.get_layer(name).kernel - old.get_layer(name).kernel
        assert bool(np.abs(changes).max() > 0) == is_trained, name
    # It begins where the other ended, and goes on with a low rate.
    kernels = [x.get_layer("logits").kernel for x in (model, before)]
    assert np.corrcoef(*(np.ravel(x) for x in kernels))[0, 1] > 0.9


def test_a_start_from_another_model_or_other_genres_is_refused(
    run_dir, data_dir, tmp_path
):
    config = tiny_runs.small(
        *(data_dir, tmp_path / "run"), model="resnet50", start=str(run_dir)
    )
    with pytest.raises(ValueError, match="which has model double_stack"):
        loop.train(config, verbose=False)
    config = tiny_runs.small(
        *(data_dir, tmp_path / "run"), start=str(tmp_path / "none")
    )
    with pytest.raises(ValueError, match="Expected a run's folder"):
        loop.train(config, verbose=False)
    assert not (tmp_path / "run").exists()
