import json
import sys

import pytest

from experiments import growth
from keras_ssc.errors import OutsideError

COST = {"seconds": 6.0, "core_seconds": 9.0, "megabytes": 120.0}


def test_a_command_is_measured_with_all_its_processes():
    program = "import subprocess, sys\n" + (
        "subprocess.run([sys.executable, '-c', 'x = bytes([1]) * (80 << 20); "
        "[i for i in range(10**6)]'])"
    )
    cost = growth.cost_of(sys.executable, "-c", program)
    assert cost.seconds > 0 and cost.core_seconds > 0
    assert 80 < cost.megabytes < 200


def test_a_command_that_fails_is_told():
    with pytest.raises(OutsideError, match="exit code 3: no luck"):
        growth.cost_of(
            sys.executable,
            "-c",
            "import sys; sys.stderr.write('no luck'); sys.exit(3)",
        )


def test_costs_are_a_film_s_and_the_reckoning_is_shown():
    results = {
        "machine": "a machine",
        "sizes": [
            {
                "films": 1200,
                **dict.fromkeys(("extract", "extract_again", "build"), COST),
                "read_list": 0.6,
                "list_pairs": 1.2,
                "megabytes_stored": 5.0,
            }
        ],
        "runners": {
            "films": 100,
            "one process": COST,
            "several processes": {**COST, "seconds": 4.0},
        },
        "film": {
            "seconds": 2700.0,
            "pairs": 300,
            "megabytes_stored": 60.0,
            "extract": {**COST, "core_seconds": 72.0},
            "verdict": {**COST, "core_seconds": 360.0},
        },
        "training": {
            "model": "double_stack",
            "image_size": [299, 299],
            "epochs": 50,
            "batch_size": 8,
            "cores": 2,
            "multiply_adds": 10_000_000_000,
            "seconds_a_step": 8.0,
        },
        "accelerator": {"machine": "one GPU", "pairs_a_second": 1000.0},
    }
    text = growth.text_of(json.loads(json.dumps(results)))
    row = next(line for line in text.splitlines() if "1,200" in line)
    assert row.strip("| ").split(" | ") == [
        *("1,200", "5", "5.0", "5", "0.50", "1.00", "120", "120"),
    ]
    assert "6 seconds in one process, 4 seconds in several processes" in text
    assert "72 core-seconds x 2.00 x 100,000 / 3,600 = 4,000 core-hours" in text
    assert "60 MB x 100,000 = 5.7 TB" in text
    assert "a day's extract: 4,000 / 24 = 167." in text
    assert "100,000 x 300 x 50 = 1,500,000,000, and / 86,400 = 17,361 " in text
    assert "10.0 billion multiply-adds a pair x 2 x 3 passes x 17,361" in text
    assert "= 1,042 TFLOP/s" in text
    assert "(one GPU): 1,000 pairs a second, so 17,361 / 1,000 = 17.4" in text
    assert "17,361 / 0.50 = 34,722 cores" in text
    del results["film"], results["training"]
    assert "core-hours" not in growth.text_of(results)


def test_a_training_s_step_is_measured(monkeypatch):
    monkeypatch.setattr(growth, "_MODEL", "fc")
    measured = growth.measure_training(runs=1)
    assert measured["epochs"] == 50 and measured["cores"] >= 1
    assert measured["multiply_adds"] == 68 * 120 * 3 * 50 + 500 + 400 + 240
    assert measured["batch_size"] == 8 and measured["seconds_a_step"] > 0


def test_an_accelerator_s_step_is_that_which_was_measured(tmp_path):
    path = tmp_path / "accelerator.json"
    assert growth.measured_on_accelerator(path) is None
    steps = [
        {"model": model, "flow": flow, "batch_size": 64, "seconds": [1, 4, 2]}
        for model, flow in (("fc", None), ("double_stack", "graph"))
    ]
    path.write_text(json.dumps({"machine": "one GPU", "steps": steps[:1]}))
    assert growth.measured_on_accelerator(path) is None
    path.write_text(json.dumps({"machine": "one GPU", "steps": steps}))
    assert growth.measured_on_accelerator(path) == {
        "machine": "one GPU",
        "pairs_a_second": 32.0,
    }


def test_films_are_drawn_once_and_are_of_every_genre(tmp_path):
    film_list = growth.draw_films(tmp_path, 14)
    films, problems = growth.read_film_list(film_list)
    assert not problems and len(films) == 14
    assert {film.genre for film in films} == set(growth.GENRES)
    assert [film.split for film in films].count("test") == 6
    assert growth.extraction.without_duplicates(films) == (films, [])
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.mp4")}
    growth.draw_films(tmp_path, 14)
    assert before == {
        path: path.stat().st_mtime_ns for path in tmp_path.glob("*.mp4")
    }
