import dataclasses
import importlib.util
import json

import keras
import pytest

from experiments import benchmark
from keras_ssc import datasets
from keras_ssc.errors import OutsideError
from keras_ssc.models import backbones
from tests import tiny_trunk


def test_openvino_is_compared_with_the_saved_model():
    pytest.importorskip("openvino")
    one, three = benchmark.compare_openvino(
        "fc", runs=2, batch_sizes=(1, 3), image_size=(16, 24)
    )
    assert one.name.startswith("fc at 24x16, batch 1, frames to scores: ")
    assert "batch 3" in three.name
    assert min(one.ours + one.theirs + three.ours + three.theirs) > 0


@pytest.mark.skipif(
    importlib.util.find_spec("jax") is None, reason="jax is not installed"
)
def test_backends_take_steps_of_the_same_network():
    comparisons = list(benchmark.compare_backends(2, "fc"))
    assert "fc's step in Keras at 120x68 pixels, batch 16, on TensorFlow, " in (
        comparisons[0].name
    )
    assert comparisons[0].name.endswith("on jax")
    for compared in comparisons:
        assert min(compared.ours + compared.theirs) > 0
        assert len(compared.ours) == len(compared.theirs) == 2


def test_a_backend_that_ends_is_named():
    with benchmark.stepper("no_backend", "fc", 16, 16, 2) as step:
        # Asked while it starts, and when it is long gone.
        for _ in range(2):
            with pytest.raises(OutsideError, match="no_backend ended"):
                step()


def test_a_ratio_above_one_means_that_ours_is_faster():
    seconds = benchmark.Comparison("a", "s", [1.0, 2.0], [3.0, 4.0], "", False)
    rates = benchmark.Comparison("a", "1/s", [3.0, 4.0], [1.0, 2.0], "", True)
    assert seconds.ratios() == rates.ratios() == [3.0, 2.0]
    assert seconds.row()[4:6] == ["2.50", "2.00 to 3.00"]


def test_a_step_of_ours_is_a_training_s_and_the_other_is_bare(
    data_dir, monkeypatch
):
    seen = []
    seconds_a_step = benchmark.seconds_a_step

    def recorded(model, dataset, num_steps, callbacks=()):
        seen.append((model, num_steps, [type(each) for each in callbacks]))
        return seconds_a_step(model, dataset, num_steps, callbacks)

    monkeypatch.setattr(benchmark, "seconds_a_step", recorded)
    builder = datasets.open_dataset("scene_genre/small", data_dir)
    compared = benchmark.compare_step(builder, "fc", runs=2, seconds=0.01)
    assert min(compared.ours + compared.theirs) > 0
    assert "fc's training step at 120x68 pixels, batch 16" in compared.name
    # Two to trace and to count the bare one's steps, one to trace ours.
    ours, bare = seen[3::2], seen[4::2]
    assert len(ours) == len(bare) == 2
    for (model, steps, callbacks), (other, other_steps, none) in zip(
        ours, bare, strict=True
    ):
        assert model is not other and steps == other_steps
        watching = [
            issubclass(each, keras.callbacks.TensorBoard) for each in callbacks
        ]
        assert any(watching) and none == []


def test_the_flow_is_compared_on_every_device_that_is_here(monkeypatch):
    monkeypatch.setattr(
        benchmark, "_FLOW_DEVICES", (("CPU", 2, "10"), ("TPU", 4, "20"))
    )
    compared = list(benchmark.compare_flow(runs=2, seconds=0.01, size=(32, 40)))
    assert [each.goal for each in compared] == ["ours 10 or more"] * 2
    plain, compiled = (each.name for each in compared)
    assert "40x32 pixels, a plain graph on a CPU, batch 2" in plain
    assert "XLA on a CPU" in compiled
    for each in compared:
        assert len(each.ours) == 2 and min(each.ours + each.theirs) > 0


def test_what_is_not_measured_anew_stays_in_the_table(tmp_path):
    one = benchmark.Comparison("one", "s", [1.0], [3.0], "2", False)
    other = dataclasses.replace(
        one, name="other", ours=[2.0] * 3, theirs=[4.0] * 3
    )
    benchmark.write([one, other], tmp_path)
    anew = dataclasses.replace(one, theirs=[5.0])
    text = benchmark.text_of(benchmark.write([anew], tmp_path))
    assert "median of 1 or 3 runs" in text
    rows = [line.split(" | ")[:4] for line in text.splitlines()[4:]]
    assert rows == [["| one", "s", "1", "5"], ["| other", "s", "2", "4"]]
    assert text == (tmp_path / "benchmark.md").read_text("utf-8")
    # Figures of another machine do not stand beside this one's.
    path = tmp_path / "benchmark.json"
    written = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**written, "machine": "another"}))
    (left,) = benchmark.write([one], tmp_path)["comparisons"]
    assert left == dataclasses.asdict(one)


def test_a_served_model_is_compared_with_its_parts():
    (compared,) = benchmark.compare_serving(
        "motion_magnitude_stack", runs=2, batch_sizes=(2,), image_size=(75, 75)
    )
    assert "75x75, serving_default, batch 2" in compared.name
    assert "decoding, flow, network alone" in compared.name
    assert len(compared.ours) == len(compared.theirs) == 2


def test_a_film_is_judged_as_the_report_would(tmp_path, monkeypatch):
    monkeypatch.setattr(backbones, "Trunk", tiny_trunk.TinyTrunk)
    quick, whole = benchmark.compare_verdict(
        tmp_path, runs=1, num_frames=24, num_pairs=6, image_size=(32, 32)
    )
    assert "by 6 pairs, double_stack at 32 pixels, --quick" in quick.name
    assert "with every shot found" in whole.name
    for compared in (quick, whole):
        assert min(compared.ours + compared.theirs) > 0
