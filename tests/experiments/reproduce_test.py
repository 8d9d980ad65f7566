import json
import types

import numpy as np
import pytest

from experiments import film_data
from experiments import film_splits
from experiments import letterbox
from experiments import reproduce
from experiments import trainings
from keras_ssc import models
from keras_ssc.data import datasets
from keras_ssc.errors import OutsideError
from keras_ssc.films import cleaning
from keras_ssc.genres import REPORT_GENRES
from keras_ssc.training import loop
from tests.helpers import drawn_films
from tests.helpers import programs

SMALL = {"image_size": (18, 32), "epochs": 2, "batch_size": 8}
TWO = ("fc", "fc, split by frame")

pytestmark = pytest.mark.usefixtures("no_pictures")


@pytest.fixture
def reproduction(data_dir, tmp_path):
    def make(names=TWO, **options):
        (tmp_path / "out").mkdir(exist_ok=True)
        return reproduce.Reproduction(
            datasets.open_dataset("scene_genre/small", data_dir),
            tmp_path / "out",
            [reproduce.VARIANTS[name] for name in names],
            "small",
            2,
            {
                "dataset": "scene_genre/small",
                "data_dir": str(data_dir),
                **SMALL,
            },
            **{"train_and_evaluate": trainings.train_and_evaluate, **options},
        )

    return make


def result_of(fold, seed=0, **accuracies):
    return {"fold": fold, "seed": seed, "films": accuracies}


def test_an_accuracy_is_the_mean_over_films_which_the_interval_draws():
    results = [
        result_of(0, a=0.4, b=0.3),
        result_of(0, seed=1, a=0.2, b=0.3),
        result_of(1, c=0.1),
    ]
    # By film: 30, 30, 10.
    mean, low, high, num_films = reproduce.accuracy(results)
    assert mean == pytest.approx(70 / 3) and num_films == 3
    assert (low, high) == pytest.approx((10, 30))
    assert reproduce.accuracy(results[:1])[1:] == (None, None, 2)


def test_films_are_compared_pairwise_and_are_what_the_interval_draws():
    one = [
        result_of(0, a=0.9, b=0.8),
        result_of(0, seed=1, a=0.7, b=0.8),
        result_of(1, c=0.6),
    ]
    other = [
        result_of(0, a=0.4, b=0.5),
        result_of(0, seed=1, a=0.6, b=0.5),
        result_of(1, c=0.5),
        result_of(2, d=1.0),
    ]
    points, low, high, films, trainings = reproduce.compare(one, other)
    # By film: 30, 30, 10.
    assert (films, trainings) == (3, 3)
    assert points == pytest.approx(70 / 3)
    assert (low, high) == pytest.approx((10, 30))
    assert reproduce.compare(one[:1], other[:1])[1:] == (None, None, 2, 1)
    assert reproduce.compare(one[:1], other[2:]) is None


@pytest.mark.parametrize(
    ("interval", "answer"),
    [
        ((1.0, 9.0), "**yes**"),
        ((-9.0, -1.0), "**no**: worse"),
        ((-1.0, 9.0), "no significant difference"),
        ((None, None), "too few films"),
    ],
)
def test_an_interval_answers(interval, answer):
    assert reproduce.answer(*interval) == answer


def test_a_head_over_pairs_is_compared_with_their_mean():
    results = [
        {**result_of(0, a=0.9, b=0.8), "gains": {"a": 1, "b": 0}},
        {**result_of(1, c=0.6), "gains": {"c": -1}},
    ]
    assert reproduce._gain_text("model", results) == (
        "model, its head over a film's pairs beats their mean: +0.0 points "
        "(-100.0 to +100.0) of 3 films right, in 2 trainings: "
        "no significant difference."
    )


def test_hours_are_of_trainings_that_were_not_interrupted():
    results = [{"seconds": 1800.0}, {"seconds": None}, {"macro_f1": 0.5}]
    told = "0.5 hours in all (1 of 2 were interrupted and are not counted)."
    assert told in reproduce._hours(results)


def test_questions_are_of_variants_and_baselines_that_are_there():
    known = {*reproduce.VARIANTS} | {
        f"baseline: {name}" for name in reproduce.baselines.BASELINES
    }
    for asked in reproduce.QUESTIONS.values():
        assert set(asked) <= known
    assert set(models.MODELS) < set(reproduce.VARIANTS)
    slugs = [variant.slug for variant in reproduce.VARIANTS.values()]
    assert len(slugs) == len(set(slugs))


@pytest.mark.parametrize("budget", reproduce.BUDGETS)
def test_every_variant_has_a_config(budget, tmp_path):
    for variant in reproduce.VARIANTS.values():
        config = reproduce.config_of(variant, budget, 1, tmp_path)
        assert config.model == variant.model
        film_splits.FoldConfig(3, 0, **variant.split)
    plain, twice = (
        reproduce.config_of(reproduce.VARIANTS[name], budget, 0, tmp_path)
        for name in ("double_stack", "double_stack, batch x 2")
    )
    assert twice.batch_size == 2 * plain.batch_size


def test_tables_and_figures_are_of_every_fold_and_seed(reproduction, tmp_path):
    done = reproduction()
    for fold in (0, 1):
        done.run(fold, seed=4)
    text = done.write()
    assert text == (tmp_path / "out" / "tables.md").read_text("utf-8")
    assert "Trainings (fold, seed): (1, 4), (2, 4)." in text
    rows = {
        line.split(" | ")[0].strip("| "): line.split(" | ")
        for line in text.splitlines()
        if line.startswith("| ")
    }
    shares = [100 * each["macro_f1"] for each in done.results["fc"]]
    assert f"{np.mean(shares):.1f} ± {np.std(shares, ddof=1):.1f}" in text
    assert "| 36.7 |" in text
    assert "*baseline: colour_histogram*" in rows
    claim = rows["a split by frame overestimates the accuracy of fc"]
    assert claim[1:3] == ["fc, split by frame", "fc"]
    for genre in REPORT_GENRES:
        assert f" {genre.replace('_', ' ')} |" in text
    # All twelve films were tested once.
    assert claim[5] == "12"
    stored = json.loads((tmp_path / "out" / "results.json").read_text())
    assert reproduce.text_of(stored) == text
    figures = {path.name for path in (tmp_path / "out" / "figures").iterdir()}
    assert figures == {"models.png", "questions.png"}


def test_a_round_has_every_fold_and_several_seeds():
    rounds = reproduce.in_rounds(3, 6)
    assert rounds[:3] == [(0, 0), (1, 1), (2, 2)]
    assert len(rounds) == len(set(rounds)) == 18
    assert set(rounds[:9]) == {(x, y) for x in range(3) for y in range(3)}
    assert reproduce.in_rounds(3, 1) == rounds[:3]


def test_tables_are_of_the_finished_trainings(reproduction, monkeypatch):
    reproduction(["fc"]).run(0, 0)
    monkeypatch.setattr(loop, "train", None)
    done = reproduction(is_training=False)
    for fold in (0, 1):
        done.run(fold, 0)
    text = done.write()
    assert "Trainings (fold, seed): (1, 0)." in text
    assert len(done.results["baseline: majority"]) == 1
    assert "none of its trainings is finished: fc, split by frame." in text


def test_without_variants_the_baselines_are_tabulated(reproduction):
    done = reproduction([])
    done.run(0, 0)
    text = done.write()
    assert "Trainings (fold, seed): (1, 0)." in text
    assert "| *baseline: magnitude* | 1 |" in text
    assert "Questions" not in text


def test_results_of_another_data_set_are_refused(
    reproduction, tmp_path, monkeypatch
):
    reproduction(["fc"]).run(0, 0)
    path = tmp_path / "out" / "fc" / "fold0_seed0" / "result.json"
    stored = json.loads(path.read_text())
    stored["dataset"] = stored["dataset"].replace("1.1.0", "1.0.0")
    path.write_text(json.dumps(stored))
    with pytest.raises(ValueError, match=r"1\.0\.0.*Give another --out"):
        reproduction(["fc"]).run(0, 0)


def test_a_failed_training_is_reported_and_the_others_go_on(
    reproduction,
):
    def failing(config, splits):
        if "by pair" in splits.name:
            raise loop.TrainingError("the loss is nan")
        return trainings.train_and_evaluate(config, splits)

    done = reproduction(
        ["fc, split by frame", "fc"], train_and_evaluate=failing
    )
    done.run(0, 0)
    text = done.write()
    assert len(done.results["fc"]) == 1
    assert (
        "**Failed**: fc, split by frame, fold 1, seed 0: the loss is nan"
        in text
    )


@pytest.fixture(scope="module")
def film_list(tmp_path_factory):
    return drawn_films.write_films(tmp_path_factory.mktemp("films"), 12)


@pytest.fixture(scope="module")
def two_films(film_list):
    """One to train with and one to test with: each is read by a process."""
    head, *rows = film_list.read_text("utf-8").splitlines()
    path = film_list.with_name("two.csv")
    path.write_text("\n".join([head, rows[0], rows[-1]]), "utf-8")
    return path


def test_pairs_are_extracted_anew_from_the_films(
    reproduction, film_list, tmp_path, monkeypatch
):
    barred = letterbox.letterbox(film_list, tmp_path / "barred", ["horror"])
    variants = {
        f"fc, {name}": reproduce.Variant("fc", name, drawn=drawn)
        for name, drawn in (
            ("stride 1", {"stride": 1}),
            ("stride 4", {"stride": 4}),
            ("bars cropped", {"crop_bars": True}),
        )
    }
    monkeypatch.setattr(reproduce, "VARIANTS", variants)
    claim = {"a larger stride is better": list(variants)[1::-1]}
    monkeypatch.setattr(reproduce, "QUESTIONS", claim)
    done = reproduction(list(variants), films=barred, drawn={"num_pairs": 3})
    done.run(0, 0)
    text = done.write()
    assert "a larger stride is better" in text
    for variant in variants.values():
        path = tmp_path / "out" / variant.slug / "fold0_seed0" / "result.json"
        stored = json.loads(path.read_text())
        assert stored["dataset"].startswith("scene_genre/frames")
    # Two ways of extracting, the defaults' among them, each done once.
    folders = list((tmp_path / "out" / "data").iterdir())
    assert len(folders) == 2
    strides = {
        json.loads((folder / "frames" / "extract.json").read_text())["stride"]
        for folder in folders
    }
    assert strides == {1, 4}
    assert not done.notes


def test_variants_about_bars_are_left_out_where_there_are_none(
    reproduction, two_films
):
    names = ["inception_v3, bars cropped", "inception_v3, bars kept"]
    done = reproduction(names, films=two_films, drawn={"num_pairs": 1})
    done.run(0, 0)
    assert done.notes == {"Not trained, no film has bars": names}
    assert all(name.startswith("baseline: ") for name in done.results)


def test_without_the_films_nothing_is_extracted_anew(reproduction):
    done = reproduction(["fc", "double_stack, stride 4"])
    ((reason, names),) = done.notes.items()
    assert names == ["double_stack, stride 4"] and "--films" in reason


def test_a_data_set_that_cannot_be_built_is_an_error(
    two_films, tmp_path, monkeypatch
):
    (tmp_path / "tfds").write_text("#!/bin/sh\necho no room >&2\nexit 1\n")
    (tmp_path / "tfds").chmod(0o755)
    python = types.SimpleNamespace(executable=tmp_path / "python")
    monkeypatch.setattr(film_data, "sys", python)
    with pytest.raises(OutsideError, match="exit code 1: no room"):
        config = cleaning.ExtractConfig(num_pairs=1)
        film_data.draw(two_films, tmp_path / "drawn", config)


def test_imagenet_s_weights_are_used_where_they_are(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    variant = reproduce.VARIANTS["inception_v3, ImageNet's weights"]
    assert "is not in" in reproduce.why_left_out(variant)
    file = reproduce.backbones.BACKBONES["inception_v3"].file_name
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / file).write_bytes(b"")
    assert reproduce.why_left_out(variant) is None


def test_a_fold_that_does_not_exist_is_one_line(data_dir, tmp_path):
    code, printed = programs.run_here(
        *("experiments.reproduce", "--dataset", "scene_genre/small"),
        *("--data-dir", data_dir, "--out", tmp_path, "--variants", "fc"),
        *("--num-folds", "1"),
    )
    assert code == 2
    assert printed == (
        "error: Expected 2 folds or more, and one of them. Received: fold 1 "
        "of 1\n"
    )
