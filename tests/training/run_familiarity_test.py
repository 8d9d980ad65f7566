"""What evaluate says of the training films, and of films unlike them."""

import json

import numpy as np
import pytest

from keras_ssc import models
from keras_ssc.data import folds
from keras_ssc.metrics import familiarity
from keras_ssc.training import evaluation
from keras_ssc.training import loop
from keras_ssc.training import run_familiarity
from keras_ssc.training import runs
from tests.helpers import tiny_runs

pytestmark = pytest.mark.usefixtures("no_pictures")


@pytest.fixture(scope="module")
def run_dir(data_dir, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "fc"
    config = tiny_runs.small(data_dir, folder, epochs=1)
    return loop.train(config, verbose=False)


def test_evaluate_says_what_the_training_films_look_like(run_dir):
    metrics = evaluation.evaluate(run_dir, verbose=False)
    written = json.loads((run_dir / "metrics.json").read_text())
    assert written == metrics
    told = metrics["familiarity"]
    splits = runs.open_splits(run_dir)
    train = splits.prepare("train", (18, 32), ())
    assert told["num_films"] == len(set(train.film))
    assert told["num_rows"] == train.num_pairs
    assert list(told["strength"]) == metrics["genres"]
    for share in told["strength"].values():
        assert 0 <= share <= 1
    medians = [film["familiarity"] for film in metrics["films"]]
    assert told["num_unlike"] == sum(median < 0.05 for median in medians)
    text = (run_dir / "metrics.md").read_text()
    assert f"{told['num_unlike']} of 6 films are unlike the" in text
    assert "If a genre is left out" in text


def test_what_is_written_judges_as_evaluate_did(run_dir):
    metrics = evaluation.evaluate(run_dir, "train", verbose=False)
    fitted = run_familiarity.read(run_dir)
    prepared, features = run_familiarity._encode_split(
        runs.open_splits(run_dir), "train", False
    )
    judged = fitted.judge(features)
    for film in metrics["films"]:
        own = judged[prepared.film == film["film"]]
        assert film["familiarity"] == pytest.approx(float(np.median(own)))
    # All rows are themselves training pairs.
    assert min(film["familiarity"] for film in metrics["films"]) > 0.05


def test_a_fold_is_compared_with_its_own_training_films(run_dir, tmp_path):
    splits = runs.open_splits(run_dir)
    fold = folds.FoldSplits(splits._builder, 3, 0)
    config = tiny_runs.small(splits._builder.data_dir, tmp_path, epochs=1)
    own = loop.train(config, verbose=False, splits=fold)
    metrics = evaluation.evaluate(own, splits=fold, verbose=False)
    assert metrics["familiarity"]["num_films"] == len(fold.films["train"])
    assert {film["film"] for film in metrics["films"]} == set(
        fold.films["test"]
    )


def test_without_the_weights_it_is_told_and_left_out(
    run_dir, monkeypatch, capsys
):
    evaluation.evaluate(run_dir, verbose=False)
    assert run_familiarity.read(run_dir) is not None

    def missing():
        raise models.WeightsError("pip install some-weights")

    monkeypatch.setattr(models, "embedded_encoder", missing)
    capsys.readouterr()
    metrics = evaluation.evaluate(run_dir, verbose=False)
    note = capsys.readouterr().err
    assert note.startswith("note: which films are unlike the training films")
    assert note.count("\n") == 1 and "pip install some-weights" in note
    assert metrics["familiarity"] is None
    assert {film["familiarity"] for film in metrics["films"]} == {None}
    # What an earlier evaluation wrote is not taken for this one's.
    assert not (run_dir / run_familiarity.FILE).exists()
    assert run_familiarity.read(run_dir) is None
    assert "is not known" in (run_dir / "metrics.md").read_text()


def test_what_is_of_another_encoder_is_not_read(run_dir):
    evaluation.evaluate(run_dir, verbose=False)
    path = run_dir / run_familiarity.FILE
    fitted = familiarity.Familiarity.load(path)
    fitted.encoder = "another"
    fitted.save(path)
    assert run_familiarity.read(run_dir) is None


def test_the_embedded_encoder_is_that_of_a_frozen_run(real_encoder):
    encoder = models.embedded_encoder()
    assert encoder.inputs == ("frame",)
    assert encoder.sizes == {models.EMBEDDED_FEATURES: 1280}
    options = {"backbone": "efficientnet_lite0", "weights": "imagenet"}
    keys = {}
    for name in ("resnet50", "double_stack", "vgg16"):
        if name != "resnet50":
            options["dense_units"] = (8,)
        model = models.build_model(name, models.EMBEDDED_SIZE, 2, **options)
        keys[name] = models.Encoder(model).keys["frame_features"]
    assert keys["resnet50"] == encoder.keys["frame_features"]
    assert keys["double_stack"] == encoder.keys["frame_features"]
    # It keeps the places: other features of the same weights.
    assert keys["vgg16"] != encoder.keys["frame_features"]
