import numpy as np

from experiments import accelerator
from experiments import backend_step
from experiments import benchmark
from keras_ssc import models
from keras_ssc.models import backbones
from tests import tiny_trunk


def test_the_flow_is_compared_with_opencv_s_in_numbers_and_in_speed():
    pairs = benchmark.drawn_pairs(3, (32, 40))
    measured = accelerator.measure_flow(pairs, (2, 4), runs=2, seconds=0.01)
    assert measured["parity"]["mean"] < 1e-4
    assert list(measured["layer"]) == ["2", "4"]
    rates = [measured["opencv"], *measured["layer"].values()]
    assert np.shape(rates) == (3, 2)
    assert np.min(rates) > 0


def test_a_step_is_timed_in_a_process_of_its_own():
    settings = {"fc": {"image_size": (32, 40), "batch_size": 2, "epochs": 3}}
    (step,) = accelerator.measure_steps(["fc"], 2, settings)
    assert len(step.pop("seconds")) == 2
    assert step == {"model": "fc", "flow": None, **settings["fc"]}


def test_of_models_that_see_flow_both_ways_are_timed(monkeypatch):
    monkeypatch.setattr(backbones, "Trunk", tiny_trunk.TinyTrunk)
    small = {"image_size": (96, 96), "batch_size": 1, "epochs": 1}
    steps = accelerator.steps_of(
        models.MODELS, {name: small for name in models.MODELS}
    )
    with_flow = [step for step in steps if step["flow"]]
    assert len(with_flow) == 4
    assert len(steps) == len(models.MODELS) + 2
    for step in with_flow:
        seconds = backend_step.timed_steps(
            step["model"], *step["image_size"], 1, flow=step["flow"]
        )
        assert seconds() > 0


def test_what_was_measured_before_stays():
    old, new = (
        [
            {"model": "double_stack", "flow": "graph", "seconds": [number]},
            {"model": "double_stack", "flow": "given", "seconds": [number]},
        ]
        for number in (1.0, 2.0)
    )
    fc = {"model": "fc", "flow": None, "seconds": [1.0]}
    joined = accelerator.joined([*old, fc], new)
    assert joined == [fc, new[1], new[0]]


def test_the_table_says_what_a_training_of_the_report_takes():
    step = {"model": "double_stack", "image_size": (299, 299), "epochs": 50}
    step |= {"batch_size": 64, "seconds": [0.1, 0.2, 0.3]}
    flow = {
        "size": (299, 299),
        "parity": dict.fromkeys(
            ("mean", "percentile", "share", "largest", "magnitude"), 0.0
        ),
        "opencv": [64.0],
        "layer": {"8": [640.0, 1280.0, 1920.0]},
    }
    text = accelerator.text_of(
        {
            "machine": "one machine",
            "flow": flow,
            "steps": [{**step, "flow": "given"}, {**step, "flow": "graph"}],
        }
    )
    assert "| 8 | 1,280 | 640 to 1,920 | 20.0 |" in text
    # 225 steps of an epoch, 50 epochs, 0.2 seconds each; OpenCV adds one.
    row = "| 299x299 | 64 | 200.0 | 100.0 to 300.0 | 320 | 37.5 |"
    assert f"double_stack, flow given {row}" in text
    assert f"double_stack, flow within the step {row}" in text
    assert "| 299x299 | 64 | 1200.0 | - | 53 | 225.0 |" in text
    assert "holds" in text
