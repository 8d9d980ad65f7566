import importlib.util
import json
import types

import keras
import numpy as np
import pytest

from experiments import benchmark
from keras_ssc.models import backbones
from tests.helpers import drawn_films
from tests.helpers import tiny_trunk


@pytest.fixture
def arguments(data_dir, tmp_path):
    return types.SimpleNamespace(
        dataset="scene_genre/small",
        data_dir=data_dir,
        work_dir=tmp_path,
        models=["fc"],
        settings="sample",
        films=[],
    )


def measured(comparisons, runs=1):
    """Measures comparisons, of which each has figures above 0."""
    rows = [benchmark.measure(each, runs) for each in comparisons]
    for row in rows:
        assert len(row["ours"]) == len(row["theirs"]) == runs
        assert min(row["ours"] + row["theirs"]) > 0
    return rows


def test_a_ratio_above_one_means_that_ours_is_faster():
    seconds = {"unit": "seconds", "ours": [1.0, 2.0], "theirs": [3.0, 4.0]}
    rates = {"unit": "pairs a second", "ours": [3, 4], "theirs": [1, 2]}
    assert benchmark.ratios(seconds) == benchmark.ratios(rates) == [3.0, 2.0]


def test_what_is_not_measured_anew_stays_in_the_table(tmp_path):
    one, other, anew = (
        dict(zip(benchmark.Comparison._fields, row, strict=True))
        for row in (
            ("one", "s", "2", [1.0], [3.0]),
            ("other", "s", "2", [2.0, 2.0, 4.0], [4.0] * 3),
            ("one", "s", "2", [1.0], [5.0]),
        )
    )
    path = tmp_path / "benchmark.json"
    benchmark.write([one, other], path)
    text = benchmark.text_of(benchmark.write([anew], path))
    assert "median of 1 or 3 runs" in text
    assert text.splitlines()[4:] == [
        "| one | s | 1 | 5 | 5.00 | 5.00 to 5.00 | 2 |",
        "| other | s | 2 | 4 | 2.00 | 1.00 to 2.00 | 2 |",
    ]
    # Figures of another machine do not stand beside this one's.
    written = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**written, "machine": "another"}))
    assert benchmark.write([one], path)["comparisons"] == [one]


def test_a_step_of_ours_is_a_training_s_and_the_other_is_bare(
    arguments, monkeypatch
):
    seen = []
    seconds_a_step = benchmark.seconds_a_step

    def recorded(model, dataset, num_steps, callbacks=()):
        seen.append((model, num_steps, [type(each) for each in callbacks]))
        return seconds_a_step(model, dataset, num_steps, callbacks)

    monkeypatch.setattr(benchmark, "seconds_a_step", recorded)
    compared = benchmark.compare_steps(arguments, seconds=0.01)
    (row,) = measured(compared, runs=2)
    assert "fc's training step at 120x68 pixels, batch 16" in row["name"]
    # Two to trace and to count the bare one's steps, one to trace ours.
    ours, bare = seen[3::2], seen[4::2]
    assert len(ours) == len(bare) == 2
    for (model, number, callbacks), (other, other_number, none) in zip(
        ours, bare, strict=True
    ):
        assert model is not other and number == other_number
        assert none == [] and any(
            issubclass(each, keras.callbacks.TensorBoard) for each in callbacks
        )


def test_the_flow_is_compared_on_the_device_that_is_here(
    arguments, monkeypatch, tmp_path, capsys
):
    monkeypatch.setitem(benchmark._FLOW_DEVICES, "CPU", (2, "10"))
    monkeypatch.setattr(benchmark, "gpus", list)
    film = drawn_films.write_film(
        tmp_path / "film.mp4", drawn_films.shot(1, 12)
    )
    arguments.films = [film]
    plain, compiled = measured(benchmark.compare_flow(arguments, (32, 40)))
    assert f"{film}: Parity(mean=" in capsys.readouterr().out
    assert "40x32 pixels, a plain graph on a CPU, batch 2" in plain["name"]
    assert "XLA on a CPU" in compiled["name"]
    assert plain["goal"] == "ours 10 or more"
    monkeypatch.setattr(
        benchmark.flow_parity, "opencv_flow", lambda *_: np.zeros((32, 40, 2))
    )
    with pytest.raises(RuntimeError, match="not the same flow"):
        next(benchmark.compare_flow(arguments, (32, 40)))


def test_a_served_model_is_compared_with_its_parts_and_with_openvino(
    arguments, monkeypatch
):
    monkeypatch.setattr(backbones, "Trunk", tiny_trunk.TinyTrunk)
    one, two, *openvino = measured(
        benchmark.compare_serving(
            arguments, "motion_magnitude_stack", (1, 2), (32, 40)
        )
    )
    assert "40x32, serving_default, batch 1" in one["name"]
    assert "batch 2, against the sum of decoding, flow, network" in two["name"]
    assert len(openvino) == bool(importlib.util.find_spec("openvino"))
    for row in openvino:
        assert "40x32, batch 2, frames to scores: OpenVINO in" in row["name"]


def test_a_film_is_classified_as_the_report_would(arguments, monkeypatch):
    monkeypatch.setattr(backbones, "Trunk", tiny_trunk.TinyTrunk)
    quick, whole = measured(
        benchmark.compare_verdict(arguments, 24, 6, size=(32, 32))
    )
    assert "by 6 pairs, double_stack at 32 pixels, --quick" in quick["name"]
    assert "with every shot found" in whole["name"]


def test_pairs_are_loaded_and_extracted_as_the_report_would(arguments):
    (row,) = measured(benchmark.compare_loading(arguments, 32, 4))
    assert row["name"].startswith("input pipeline at 32 pixels, frames and")
    (row,) = measured(benchmark.compare_extraction(arguments, 24, 3))
    assert row["name"].startswith("extraction, 3 pairs of a 24-frame 1280x720")


def test_a_frozen_trunk_is_compared(arguments):
    found = benchmark.compare_frozen(arguments, num_pairs=8, batch_size=4)
    frame, both = measured([next(found), next(found)])
    assert "a frame by efficientnet_lite0 at 224 pixels" in frame["name"]
    assert "a frame and its flow by" in both["name"]
    settings = {"model": "fc", "image_size": (18, 32), "epochs": 1}
    seconds = benchmark._train_anew(arguments, {**settings, "batch_size": 8})
    assert 0 < seconds < 300
    assert not list(arguments.work_dir.iterdir())
