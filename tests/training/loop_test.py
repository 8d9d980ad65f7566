import argparse
import csv
import dataclasses
import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_ssc import flow
from keras_ssc import models
from keras_ssc import tasks
from keras_ssc.data import augmentation
from keras_ssc.data import batching
from keras_ssc.data import datasets
from keras_ssc.models import backbones
from keras_ssc.models import parts
from keras_ssc.training import evaluation
from keras_ssc.training import loop
from keras_ssc.training import runs
from keras_ssc.training import train_config
from tests.helpers import tiny_runs
from tests.helpers import tiny_trunk


@pytest.fixture(scope="module")
def run_dir(data_dir, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "fc"
    return loop.train(tiny_runs.small(data_dir, folder), verbose=False)


def test_a_run_s_folder_holds_what_was_trained(run_dir):
    for name in ("model.keras", "history.csv", "curves.png", "config.json"):
        assert (run_dir / name).stat().st_size > 0
    assert list((run_dir / "logs").rglob("events.out.tfevents.*"))
    checkpoints = sorted(
        path.name for path in run_dir.glob("checkpoints/*.keras")
    )
    assert checkpoints == ["epoch_001.keras", "epoch_002.keras"]
    with open(run_dir / "history.csv", newline="") as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["0", "1"]


def test_tensorboard_shows_numbers_and_pictures_of_each_epoch(
    run_dir, data_dir
):
    log = tiny_runs.logged(run_dir)
    history = runs.read_history(run_dir)
    for name in ("loss", "accuracy", "balanced_accuracy"):
        steps, values = zip(*log[f"epoch_{name}"], strict=True)
        assert steps == (0, 1)
        np.testing.assert_allclose(values, history[name], rtol=1e-5)
    builder = datasets.open_dataset("scene_genre/small", data_dir)
    num_steps = builder.info.splits["train"].num_examples // 8
    assert len(log["batch_loss"]) == 2 * num_steps
    for name in ("pairs", "confusion"):
        assert [step for step, _ in log[name]] == [0, 1]
        for _, (_, _, png) in log[name]:
            picture = tf.io.decode_png(png).numpy()
            assert picture.shape[0] > 300 and picture.std() > 10


def test_the_config_is_read_as_it_was_written(run_dir, data_dir):
    config = runs.read_config(run_dir)
    assert config == train_config.fill_in(tiny_runs.small(data_dir, run_dir))
    assert config.learning_rate == 1e-3
    assert config.jit_compile is False  # TensorFlow does without


def test_only_the_newest_checkpoints_are_kept(data_dir, tmp_path):
    config = tiny_runs.small(
        data_dir, tmp_path / "run", epochs=3, keep_checkpoints=1
    )
    run_dir = loop.train(config, verbose=False)
    kept = [path.name for path in run_dir.glob("checkpoints/*.keras")]
    assert kept == ["epoch_003.keras"]


def test_the_same_seed_gives_the_same_weights(data_dir, tmp_path):
    with tiny_runs.without_pictures():
        runs = [
            loop.train(
                tiny_runs.small(
                    data_dir, tmp_path / name, seed=seed, deterministic=True
                ),
                verbose=False,
            )
            for name, seed in (("one", 5), ("same", 5), ("other", 6))
        ]
    one, same, other = runs
    tiny_runs.assert_same_weights(one, same)
    one, other = (tiny_runs.weights_of(run) for run in (one, other))
    assert any(
        not np.array_equal(array, twin)
        for array, twin in zip(one, other, strict=True)
    )


def test_double_stack_trains_and_is_evaluated(data_dir, tmp_path, monkeypatch):
    monkeypatch.setattr(backbones, "Trunk", tiny_trunk.TinyTrunk)
    config = tiny_runs.small(
        data_dir,
        tmp_path / "run",
        model="double_stack",
        image_size=(75, 75),
        dense_units=(8,),
        epochs=1,
        batch_size=16,
    )
    run_dir = loop.train(config, verbose=False)
    metrics = evaluation.evaluate(run_dir, verbose=False)
    assert metrics["film"]["num"] == 6


def test_a_run_folder_that_holds_a_run_is_left_alone(data_dir, run_dir):
    before = {path: path.stat().st_mtime_ns for path in run_dir.rglob("*")}
    with pytest.raises(ValueError, match="another run"):
        loop.train(tiny_runs.small(data_dir, run_dir), verbose=False)
    after = {path: path.stat().st_mtime_ns for path in run_dir.rglob("*")}
    assert after == before


def test_the_command_says_how_to_build_a_missing_data_set(tmp_path):
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "keras_ssc.train", "--model"),
            *("double_stack", "--data-dir", tmp_path),
        ],
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].startswith(
        "error: Data set 'scene_genre/sample' is not built"
    )
    assert "tfds build tfds_builder/scene_genre" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    "changes, word",
    [
        ({"model": "duble_stack"}, "fc, vgg16, resnet50"),
        ({"strategy": "two_devices"}, "mirrored"),
        ({"epochs": 0}, "epochs above 0"),
        ({"learning_rate": -1.0}, "learning_rate above 0"),
        ({"batch_size": 1000}, "training pairs"),
        ({"dataset": "scene_genre/films"}, "tfds build"),
        ({"dense_units": (8,)}, "fc has no option dense_units"),
        ({"model": "double_stack", "encoding": 1}, "weights, |dense_units"),
        ({"optimizer": "adamw"}, "adam, sgd"),
        ({"schedule": "step"}, "constant, exponential, cosine"),
        ({"precision": "float8"}, "mixed_bfloat16"),
        ({"flow": "gpu"}, "auto, opencv, graph"),
        ({"flow": "graph"}, "fc has no option flow"),
        ({"flow": "opencv"}, "fc has no option flow"),
        ({"label_smoothing": 1.0}, "below 1"),
        ({"checkpoint_steps": 0}, "checkpoint_steps above 0"),
        ({"freeze": 3}, "freeze of 0 to 2"),
        ({"freeze": 1}, "Expected --weights with --freeze"),
        ({"unfreeze_from": "block5"}, "Expected --weights with --freeze"),
        ({"crop": 1.0}, "crop of 0 or more, below 1"),
        ({"colour": -0.1}, "colour of 0 or more, below 1"),
        ({"patience": 2}, "validation in the film list"),
    ],
)
def test_a_wrong_setting_is_told_and_leaves_no_folder(
    data_dir, tmp_path, changes, word
):
    config = tiny_runs.small(data_dir, tmp_path / "run", **changes)
    with pytest.raises(ValueError, match=word):
        loop.train(config, verbose=False)
    assert not (tmp_path / "run").exists()


def test_the_augmentation_is_set_by_flags():
    parser = argparse.ArgumentParser()
    train_config.add_flags(parser)
    given = ["--no-mirror", "--crop", "0.2", "--colour", "0.1"]
    config = train_config.TrainConfig(**vars(parser.parse_args(given)))
    assert (config.mirror, config.crop, config.colour) == (False, 0.2, 0.1)
    config = train_config.TrainConfig(**vars(parser.parse_args([])))
    assert config == train_config.TrainConfig()


def test_a_training_gets_the_augmentation_of_its_config(
    data_dir, tmp_path, monkeypatch
):
    given = []
    training_batches = batching.training_batches

    def watched(*arguments, **options):
        given.extend([*arguments, *options.values()])
        return training_batches(*arguments, **options)

    monkeypatch.setattr(batching, "training_batches", watched)
    changes = {"mirror": False, "crop": 0.2, "colour": 0.1}
    config = tiny_runs.small(data_dir, tmp_path / "run", epochs=1, **changes)
    loop.train(config, verbose=False)
    assert augmentation.Augmentation(**changes) in given


def test_a_new_model_is_one_function_and_one_entry(
    data_dir, tmp_path, monkeypatch
):
    def tiny(image_size, num_genres, dense_units=()):
        frame = parts.frame_input(image_size)
        x = keras.layers.Flatten()(parts.dense(frame, dense_units))
        return keras.Model({"frame": frame}, parts.logits(x, num_genres))

    monkeypatch.setitem(models.MODELS, "tiny", models.Model(tiny))
    for dataset in ("scene_genre/films", "scene_genre/sample"):
        config = train_config.TrainConfig(model="tiny", dataset=dataset)
        assert train_config.fill_in(config).learning_rate
    config = tiny_runs.small(
        data_dir, tmp_path / "run", model="tiny", dense_units=(3,)
    )
    with pytest.raises(ValueError, match="tiny has no option trunk"):
        train_config.fill_in(dataclasses.replace(config, trunk="shared"))
    run_dir = loop.train(config, verbose=False)
    assert evaluation.evaluate(run_dir, verbose=False)["model"] == "tiny"


@pytest.mark.parametrize("name", list(models.MODELS))
def test_every_model_has_settings_for_films_and_for_the_sample(name):
    for dataset in ("scene_genre/films", "scene_genre/sample"):
        config = train_config.TrainConfig(model=name, dataset=dataset)
        filled = train_config.fill_in(config)
        assert None not in (
            filled.image_size,
            filled.epochs,
            filled.batch_size,
            filled.optimizer,
            filled.learning_rate,
            filled.schedule,
        )


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "sgd", "schedule": "exponential"},
        {"schedule": "cosine", "warmup_steps": 3, "label_smoothing": 0.1},
        {"schedule": "cosine", "balanced": True},
        {"mirror": False, "crop": 0.2, "colour": 0.2},
        {"precision": "mixed_bfloat16"},
        {"precision": "mixed_float16"},
        {"strategy": "mirrored"},
    ],
)
def test_the_ways_of_training_train(data_dir, tmp_path, changes):
    config = tiny_runs.small(data_dir, tmp_path / "run", epochs=3, **changes)
    with tiny_runs.without_pictures():
        history = runs.read_history(loop.train(config, verbose=False))
    assert history["loss"][-1] < history["loss"][0]


def test_xla_is_refused_on_several_devices(data_dir, tmp_path, monkeypatch):
    class Two:
        num_replicas_in_sync = 2

    monkeypatch.setattr(loop.devices, "make_strategy", lambda _: Two())
    config = tiny_runs.small(data_dir, tmp_path / "run", jit_compile=True)
    with pytest.raises(ValueError, match="one device.*2 devices"):
        loop.train(config, verbose=False)
    assert not (tmp_path / "run").exists()


def test_the_summary_says_how_a_run_ended(run_dir):
    history = runs.read_history(run_dir)
    said = runs.summary(run_dir)
    assert said.startswith(f"fc, 2 epochs; loss {history['loss'][-1]:.4f}")
    assert "validation" not in said


def test_the_learning_rate_follows_its_schedule():
    def rates(schedule, warmup_steps=0):
        config = train_config.TrainConfig(
            schedule=schedule,
            warmup_steps=warmup_steps,
        )
        rate = loop._schedule(config, 0.1, num_steps=40, steps_per_epoch=10)
        return [
            float(rate(step)) if callable(rate) else rate
            for step in (0, 9, 10, 20, 40)
        ]

    assert rates("constant") == [0.1] * 5
    np.testing.assert_allclose(
        rates("exponential"),
        [0.1, 0.1, 0.096, 0.096 * 0.96, 0.1 * 0.96**4],
        rtol=1e-5,
    )
    np.testing.assert_allclose(rates("cosine")[::4], [0.1, 0.0], atol=1e-7)
    warm = rates("cosine", warmup_steps=10)
    np.testing.assert_allclose(
        [warm[0], warm[2], warm[4]], [0.0, 0.1, 0.0], atol=1e-7
    )


def test_the_magnitude_s_layer_is_adapted_to_the_training_pairs(
    data_dir, tmp_path, monkeypatch
):
    monkeypatch.setattr(backbones, "Trunk", tiny_trunk.TinyTrunk)
    config = tiny_runs.small(
        data_dir,
        tmp_path / "run",
        model="motion_magnitude_stack",
        image_size=(75, 75),
        epochs=1,
        batch_size=24,
    )
    run_dir = loop.train(config, verbose=False)
    model = keras.saving.load_model(run_dir / "model.keras")
    builder = datasets.open_dataset("scene_genre/small", data_dir)
    prepared = datasets.prepare(builder, "train", (75, 75), ["flow"])
    magnitude = flow.motion_magnitude(np.array(prepared.features["flow"]))
    values = np.log(magnitude + 1e-5)
    layer = model.get_layer("log_magnitude")
    np.testing.assert_allclose(np.ravel(layer.mean), values.mean(), rtol=1e-3)
    np.testing.assert_allclose(
        np.ravel(layer.variance), values.var(), rtol=1e-3
    )


def test_the_report_s_settings_are_the_defaults_on_films():
    config = train_config.fill_in(
        train_config.TrainConfig(dataset="scene_genre/films")
    )
    assert config.image_size == (299, 299)
    assert (config.epochs, config.batch_size) == (50, 64)
    assert config.learning_rate == 1e-4
    assert config.dense_units == (4096, 2048)


def test_evaluation_writes_the_metrics(run_dir, data_dir):
    metrics = evaluation.evaluate(run_dir, verbose=False)
    written = json.loads((run_dir / "metrics.json").read_text())
    assert written == metrics
    builder = datasets.open_dataset("scene_genre/small", data_dir)
    assert metrics["pair"]["num"] == builder.info.splits["test"].num_examples
    assert len(metrics["films"]) == metrics["film"]["num"] == 6
    assert np.sum(metrics["confusion"]) == metrics["pair"]["num"]
    for name in ("confusion.png", "genres.png", "films.png", "metrics.md"):
        assert (run_dir / name).stat().st_size > 0


def test_evaluation_equals_the_model_s_own_accuracy(run_dir, data_dir):
    metrics = evaluation.evaluate(run_dir, verbose=False)
    model = keras.saving.load_model(run_dir / "model.keras")
    builder = datasets.open_dataset("scene_genre/small", data_dir)
    test = datasets.prepare(builder, "test", (18, 32), ["frame"])
    model.compile(loss="mse", metrics=["accuracy"])
    _, accuracy = model.evaluate(
        {"frame": test.features["frame"]},
        keras.utils.to_categorical(test.label, 6),
        verbose=0,
    )
    assert metrics["pair"]["accuracy"] == pytest.approx(accuracy)


def test_another_split_is_measured_beside_the_first(run_dir):
    metrics = evaluation.evaluate(run_dir, split="train", verbose=False)
    assert metrics["split"] == "train"
    assert (run_dir / "metrics_train.json").exists()


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(ValueError, match="Expected a run's folder"):
        evaluation.evaluate(tmp_path, verbose=False)


def test_a_run_without_a_model_is_refused(run_dir, tmp_path):
    config = (run_dir / "config.json").read_text()
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(ValueError, match="still running"):
        evaluation.evaluate(tmp_path, verbose=False)


def test_a_film_s_verdict_is_the_mean_of_its_pairs():
    probabilities = np.full((4, 6), 0.02)
    # Two of film a's pairs lean to horror, one surely to action.
    probabilities[0, 0], probabilities[1:3, 1] = 0.9, 0.4
    probabilities[3, 5] = 0.9
    metrics = tasks.REPORT.measure(
        np.array([0, 0, 0, 1]),
        np.array(["a", "a", "a", "b"]),
        probabilities,
    )
    first, second = metrics["films"]
    assert first["verdict"] == "action"
    assert first["scores"]["action"] == pytest.approx(0.94 / 3)
    assert second["verdict"] == "science_fiction"
    assert metrics["film"]["accuracy"] == 0.5
    assert metrics["pair"]["accuracy"] == 0.25
    assert metrics["pair"]["per_genre"]["action"] == pytest.approx(1 / 3)
    # Genres without an example have no accuracy, and do not count as 0.
    assert metrics["pair"]["per_genre"]["romance"] is None
    assert metrics["confusion"][1][5] == 1
