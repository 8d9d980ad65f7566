import dataclasses
import os
import pathlib
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_ssc import files
from keras_ssc.data import datasets
from keras_ssc.models import backbones
from keras_ssc.training import checkpoints
from keras_ssc.training import loop
from keras_ssc.training import runs
from keras_ssc.training import train_config
from tests.helpers import programs
from tests.helpers import tiny_runs

pytestmark = pytest.mark.usefixtures("no_pictures")


@pytest.fixture(scope="module")
def whole(data_dir, tmp_path_factory):
    """A run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    return loop.train(tiny_runs.repeatable(data_dir, folder), verbose=False)


@pytest.mark.parametrize("num_epochs", [1, 3, 5])
def test_a_resumed_training_ends_in_the_same_weights(
    data_dir, whole, tmp_path, num_epochs
):
    run_dir = tmp_path / "run"
    tiny_runs.interrupt(tiny_runs.repeatable(data_dir, run_dir), num_epochs)
    assert not (run_dir / "model.keras").exists()
    loop.resume(run_dir, verbose=False)
    tiny_runs.assert_same_weights(run_dir, whole)
    for path in (run_dir, whole):
        assert len(runs.read_history(path)["loss"]) == 5
    assert runs.read_history(run_dir) == runs.read_history(whole)


@pytest.mark.parametrize("steps_between, going_on", [(1, 3), (2, 2), (3, 3)])
def test_a_training_goes_on_within_an_epoch(
    data_dir, whole, tmp_path, capsys, steps_between, going_on
):
    run_dir = tmp_path / "run"
    config = tiny_runs.repeatable(
        data_dir, run_dir, checkpoint_steps=steps_between
    )
    tiny_runs.interrupt(config, 2, 3)
    loop.resume(run_dir)
    assert f"after epoch 2, step {going_on} of 5" in capsys.readouterr().out
    tiny_runs.assert_same_weights(run_dir, whole)
    # Of the whole epoch, not of the steps since the training went on.
    assert runs.read_history(run_dir) == runs.read_history(whole)
    kept = sorted(path.name for path in run_dir.glob("checkpoints/*.keras"))
    assert kept[-1] == "epoch_005.keras" and len(kept) == 2


def test_dropout_goes_on_as_it_would_have(data_dir, tmp_path, monkeypatch):
    # Of few filters: a checkpoint is written at every step.
    narrow = [(kernel, stride, 4) for kernel, stride, _ in backbones.FLOWNET_S]
    monkeypatch.setattr(backbones, "FLOWNET_S", narrow)

    def config(run_dir):
        return tiny_runs.repeatable(
            data_dir,
            run_dir,
            model="flownet_fc",
            image_size=(32, 32),
            dense_units=(8,),
            epochs=2,
            batch_size=12,
            checkpoint_steps=1,
            crop=0.2,
            colour=0.2,
        )

    loop.train(config(tmp_path / "whole"), verbose=False)
    tiny_runs.interrupt(config(tmp_path / "run"), 1, 2)
    loop.resume(tmp_path / "run", verbose=False)
    tiny_runs.assert_same_weights(tmp_path / "run", tmp_path / "whole")


def test_the_steps_of_a_resumed_training_are_counted_on(data_dir, tmp_path):
    run_dir = tmp_path / "run"
    tiny_runs.interrupt(
        tiny_runs.repeatable(data_dir, run_dir, checkpoint_steps=2), 2, 2
    )
    loop.resume(run_dir, verbose=False)
    log = tiny_runs.logged(run_dir)
    steps = [step for step, _ in log["batch_loss"]]
    # Two epochs of four steps and two more were done before.
    assert steps[-10:] == list(range(11, 21))


def test_a_checkpoint_cut_short_falls_back_to_the_one_before(
    data_dir, whole, tmp_path, capsys
):
    run_dir = tmp_path / "run"
    tiny_runs.interrupt(tiny_runs.repeatable(data_dir, run_dir), 3)
    newest = run_dir / "checkpoints" / "epoch_003.keras"
    newest.write_bytes(newest.read_bytes()[:5000])
    loop.resume(run_dir)
    said = capsys.readouterr().out
    assert "epoch_003.keras cannot be read" in said
    assert said.count("epoch_003.keras") == 1
    assert "resuming after epoch 2 of 5" in said
    tiny_runs.assert_same_weights(run_dir, whole)


def test_a_finished_run_is_left_alone(whole):
    before = {path: path.stat().st_mtime_ns for path in whole.rglob("*")}
    assert loop.resume(whole, verbose=False) == whole
    after = {path: path.stat().st_mtime_ns for path in whole.rglob("*")}
    assert after == before


def test_a_full_disk_leaves_the_checkpoints_before(
    data_dir, whole, tmp_path, monkeypatch
):
    run_dir = tmp_path / "run"
    flush = files._flush

    def full(path):
        num_kept = len(list(path.parent.glob("epoch_*.keras")))
        if path.suffix == ".keras" and num_kept == 2:
            raise OSError(28, "No space left on device")
        flush(path)

    with monkeypatch.context() as patched:
        patched.setattr(files, "_flush", full)
        with pytest.raises(OSError, match=r"No space left.*epoch_003\.keras"):
            loop.train(tiny_runs.repeatable(data_dir, run_dir), verbose=False)
    assert not (run_dir / "checkpoints" / ".writing.keras").exists()
    loop.resume(run_dir, verbose=False)
    tiny_runs.assert_same_weights(run_dir, whole)


def test_a_loss_that_is_not_finite_stops_the_training(data_dir, tmp_path):
    config = tiny_runs.repeatable(
        data_dir,
        tmp_path / "run",
        optimizer="sgd",
        learning_rate=1e30,
        schedule="constant",
    )
    with pytest.raises(
        loop.TrainingError, match=r"epoch 1, step \d+.*--learning-rate"
    ):
        loop.train(config, verbose=False)
    assert not (tmp_path / "run" / "model.keras").exists()


class TinyModel:
    """A model and a folder for the callback alone."""

    def __init__(self, folder, patience=None):
        self.folder = folder
        self.model = keras.Sequential(
            [keras.Input((1,)), keras.layers.Dense(1)]
        )
        self.model.compile("adam", "mse")
        self.start(patience, None)

    def start(self, patience, state):
        self.callback = checkpoints.Checkpoints(self.folder, 2, patience, state)
        self.callback.set_model(self.model)

    def end_epoch(self, epoch, loss):
        self.model.layers[-1].bias.assign([float(epoch)])
        self.callback.on_epoch_end(epoch, {"val_loss": loss})


def bias_of(path):
    return float(keras.saving.load_model(path).layers[-1].bias[0])


def test_the_best_model_on_validation_becomes_the_run_s(tmp_path):
    tiny = TinyModel(tmp_path)
    for epoch, loss in enumerate((3.0, 1.0, 2.0, 1.5)):
        tiny.end_epoch(epoch, loss)
    tiny.callback.write_final(tmp_path / "model.keras")
    assert bias_of(tmp_path / "model.keras") == 1.0
    kept = sorted(path.name for path in tmp_path.glob("epoch_*.keras"))
    assert kept == ["epoch_003.keras", "epoch_004.keras"]


def test_without_validation_the_last_model_becomes_the_run_s(tmp_path):
    tiny = TinyModel(tmp_path)
    for epoch in range(3):
        tiny.end_epoch(epoch, None)
    tiny.callback.write_final(tmp_path / "model.keras")
    assert bias_of(tmp_path / "model.keras") == 2.0


def test_the_final_model_is_without_its_training(whole):
    newest = whole / "checkpoints" / "epoch_005.keras"
    checkpoint = keras.saving.load_model(newest)
    model = keras.saving.load_model(whole / "model.keras")
    assert checkpoint.compiled and not model.compiled
    for array, twin in zip(
        model.get_weights(), checkpoint.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(array, twin)
    size = (whole / "model.keras").stat().st_size
    # Adam holds two numbers more for each weight.
    assert size < 0.5 * newest.stat().st_size


def test_plain_keras_loads_the_final_model(whole, tmp_path):
    frame = np.random.default_rng(0).integers(0, 256, (2, 18, 32, 3))
    np.save(tmp_path / "frame.npy", frame.astype(np.uint8))
    program = (
        "import sys, warnings\n"
        "import keras, numpy as np\n"
        "warnings.simplefilter('error')\n"
        "model = keras.saving.load_model(sys.argv[1], safe_mode=True)\n"
        "frame = np.load('frame.npy')\n"
        "np.save('logits.npy', model({'frame': frame}, training=False))\n"
        "assert 'keras_ssc' not in sys.modules\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, whole / "model.keras"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    model = keras.saving.load_model(whole / "model.keras")
    expected = model({"frame": frame.astype(np.uint8)}, training=False)
    np.testing.assert_allclose(
        np.load(tmp_path / "logits.npy"), expected, rtol=1e-5, atol=1e-6
    )


def test_patience_outlasts_a_restart(tmp_path):
    tiny = TinyModel(tmp_path, patience=3)
    for epoch, loss in enumerate((1.0, 2.0, 2.0)):
        tiny.end_epoch(epoch, loss)
    assert not tiny.model.stop_training
    state, model = checkpoints.load_newest(tmp_path)
    assert state == checkpoints.State(3, best_loss=1.0, num_waited=2, seeds=[])
    tiny.model = model
    tiny.start(3, state)
    tiny.end_epoch(3, 1.5)
    assert tiny.model.stop_training
    config = train_config.TrainConfig(epochs=10, patience=3)
    assert tiny.callback.state.is_over(config)


def test_a_best_model_whose_copy_a_kill_prevented_is_copied(tmp_path):
    tiny = TinyModel(tmp_path)
    tiny.end_epoch(0, 1.0)
    (tmp_path / "best.keras").unlink()
    checkpoints.load_newest(tmp_path)
    assert bias_of(tmp_path / "best.keras") == 0.0


def test_the_newest_checkpoint_is_the_one_that_went_furthest(tmp_path):
    tiny = TinyModel(tmp_path)
    tiny.callback.state = checkpoints.State(998)
    tiny.end_epoch(998, 1.0)
    tiny.end_epoch(999, 1.0)
    state, model = checkpoints.load_newest(tmp_path)
    assert state.epoch == 1000
    assert float(model.layers[-1].bias[0]) == 999.0
    tiny.end_epoch(1000, 1.0)
    kept = {path.name for path in tmp_path.glob("epoch_*.keras")}
    assert kept == {"epoch_1000.keras", "epoch_1001.keras"}


def test_a_state_without_its_model_is_no_checkpoint(tmp_path):
    files.write_json(tmp_path / "epoch_001.json", {"epoch": 1})
    assert checkpoints.load_newest(tmp_path) == (None, None)
    (tmp_path / "epoch_002.keras").write_bytes(b"PK nothing")
    assert checkpoints.load_newest(tmp_path) == (None, None)


def test_resume_takes_epochs_and_nothing_else(tmp_path):
    code, printed = programs.run_here(
        *("keras_ssc.train", "--resume", tmp_path, "--epochs", "3", "--bs", "4")
    )
    assert code == 2
    assert "--resume RUN alone, or with --epochs" in printed


@pytest.fixture
def finished(data_dir, tmp_path):
    config = tiny_runs.repeatable(data_dir, tmp_path / "run", epochs=3)
    return loop.train(config, verbose=False)


def test_a_finished_run_is_trained_on(data_dir, finished, tmp_path):
    files.write_json(finished / "metrics.json", {})
    weights = tiny_runs.weights_of(finished)
    loop.resume(finished, verbose=False, epochs=5)
    config = runs.read_config(finished)
    assert config.epochs == 5
    assert len(runs.read_history(finished)["loss"]) == 5
    # What was measured is of the model before, which is a run of its own.
    assert not (finished / "metrics.json").exists()
    before = finished / "epochs_003"
    assert (before / "metrics.json").exists()
    assert runs.read_config(before).epochs == 3
    assert len(runs.read_history(before)["loss"]) == 3
    for array, twin in zip(weights, tiny_runs.weights_of(before), strict=True):
        np.testing.assert_array_equal(array, twin)
    # It is done: the same command again does nothing.
    path = finished / "model.keras"
    written = path.stat().st_mtime_ns
    loop.resume(finished, verbose=False, epochs=5)
    assert path.stat().st_mtime_ns == written


def test_the_rate_is_that_of_the_epochs_in_all(data_dir, tmp_path):
    """Of a constant rate, the weights are those of one long training."""
    for schedule in ("constant", "cosine"):
        config = tiny_runs.repeatable(
            data_dir, tmp_path / schedule, schedule=schedule, epochs=2
        )
        run_dir = loop.train(config, verbose=False)
        loop.resume(run_dir, verbose=False, epochs=4)
    long = tiny_runs.repeatable(
        data_dir, tmp_path / "long", schedule="constant", epochs=4
    )
    loop.train(long, verbose=False)
    tiny_runs.assert_same_weights(tmp_path / "constant", tmp_path / "long")
    log = tiny_runs.logged(tmp_path / "cosine")
    rates = [value for _, value in log["epoch_learning_rate"]]
    first = runs.read_config(run_dir).learning_rate
    # At the end of each epoch: of two, then of four.
    shares = [0.5, 0.0, (1 + np.cos(0.75 * np.pi)) / 2, 0.0]
    assert rates == pytest.approx([first * share for share in shares], abs=1e-9)


def test_a_frozen_trunk_stays_frozen(data_dir, tmp_path):
    config = train_config.fill_in(
        tiny_runs.small(
            *(data_dir, tmp_path / "run"),
            **{"model": "resnet50", "weights": "imagenet", "freeze": "all"},
            **{"store": True, "optimizer": "adam"},
        )
    )
    assert config.epochs == 2 and config.is_stored()
    extended = runs.with_epochs(config, 4)
    assert extended.freeze == 4 and extended.is_stored()
    fine = dataclasses.replace(config, freeze=1)
    assert runs.with_epochs(fine, 4).freeze == 1


def test_a_killed_training_on_is_repeated(finished, monkeypatch):
    whole = finished.with_name("whole")
    shutil.copytree(finished, whole)
    loop.resume(whole, verbose=False, epochs=5)
    replace = os.replace

    def stop_before_the_model(source, target):
        if pathlib.Path(source) == finished / "model.keras":
            raise tiny_runs.StoppedError
        replace(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", stop_before_the_model)
        with pytest.raises(tiny_runs.StoppedError):
            loop.resume(finished, verbose=False, epochs=5)
    tiny_runs.interrupt(
        finished, 4, train=lambda run: loop.resume(run, False, epochs=5)
    )
    # Either command does it.
    loop.resume(finished, verbose=False)
    tiny_runs.assert_same_weights(finished, whole)
    assert runs.read_config(finished / "epochs_003").epochs == 3


def test_what_cannot_be_trained_on(finished):
    with pytest.raises(ValueError, match="more than the 3 epochs"):
        loop.resume(finished, verbose=False, epochs=2)
    with pytest.raises(ValueError, match="epochs.*0"):
        loop.resume(finished, verbose=False, epochs=0)
    shutil.rmtree(finished / "checkpoints")
    with pytest.raises(ValueError, match=f"--start {finished}"):
        loop.resume(finished, verbose=False, epochs=4)
    values = files.read_json(finished / "config.json")
    files.write_json(
        finished / "config.json",
        values | {"optimizer": "lbfgs", "freeze": 3, "store": True},
    )
    with pytest.raises(ValueError, match="lbfgs"):
        loop.resume(finished, verbose=False, epochs=4)
    assert (finished / "model.keras").exists()


def test_patience_begins_again(validation_dir, tmp_path):
    config = tiny_runs.repeatable(
        *(validation_dir, tmp_path / "run"),
        **{"patience": 1, "epochs": 30, "learning_rate": 0.05},
    )
    run_dir = loop.train(config, verbose=False)
    num_epochs = len(runs.read_history(run_dir)["loss"])
    assert num_epochs < 30
    loop.resume(run_dir, verbose=False, epochs=30)
    assert num_epochs < len(runs.read_history(run_dir)["loss"]) <= 30


def test_training_with_validation_measures_and_keeps_the_best(
    validation_dir, tmp_path, capsys
):
    config = tiny_runs.repeatable(
        validation_dir, tmp_path / "run", patience=2, epochs=30
    )
    run_dir = loop.train(config, verbose=False)
    # Genres that are not there are told.
    assert (
        "has no pair of horror, animation_2d, animation_3d, science_fiction"
        in capsys.readouterr().err
    )
    history = runs.read_history(run_dir)
    losses = history["val_loss"]
    best = int(np.argmin(losses))
    assert len(losses) == min(best + 3, 30)
    best_path = run_dir / "checkpoints" / "best.keras"
    best_model = keras.saving.load_model(best_path, compile=False)
    model = keras.saving.load_model(run_dir / "model.keras")
    for array, twin in zip(
        model.get_weights(), best_model.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(array, twin)
    model.compile(loss=keras.losses.CategoricalCrossentropy(from_logits=True))
    builder = datasets.open_dataset("scene_genre/small", validation_dir)
    prepared = datasets.prepare(builder, "validation", (18, 32), ["frame"])
    measured = model.evaluate(
        {"frame": prepared.features["frame"]},
        keras.utils.to_categorical(prepared.label, 6),
        verbose=0,
    )
    assert measured == pytest.approx(losses[best], rel=1e-4)
