"""From nothing to a measured model, by the commands as users give them."""

import json
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
TFDS = pathlib.Path(sys.executable).parent / "tfds"


def run(*command):
    ended = subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def module(name, *arguments):
    return run(sys.executable, "-m", f"keras_ssc.{name}", *arguments)


def test_films_become_a_measured_model(tmp_path):
    films, frames = tmp_path / "films", tmp_path / "frames"
    data, run_dir = tmp_path / "data", tmp_path / "run"
    small = ["--films-per-genre", 2, "--seconds", 1.5]
    module("sample_films", "--out", films, *small)
    said = module("extract", films / "films.csv", "--out", frames, "--pairs", 6)
    assert "72 pairs kept of 12 films" in said
    run(
        TFDS,
        "build",
        "tfds_builder/scene_genre",
        *("--config", "frames", "--manual_dir", frames, "--data_dir", data),
    )
    where = ["--dataset", "scene_genre/frames", "--data-dir", data]
    settings = ["--epochs", 1, "--bs", 12, "--image-size", "48x27"]
    said = module(
        "train", "--model", "fc", *where, *settings, "--run-dir", run_dir
    )
    assert f"next: python -m keras_ssc.evaluate {run_dir}" in said
    said = module("evaluate", run_dir)
    assert "by pair (36)" in said and "by film (6)" in said
    metrics = json.loads((run_dir / "metrics.json").read_text())
    assert {film["genre"] for film in metrics["films"]} == set(
        metrics["genres"]
    )
    assert all(film["num_pairs"] == 6 for film in metrics["films"])

    served = tmp_path / "served" / "scene_genre"
    said = module("export", run_dir, "--out", served)
    assert f"-v {served}:/models/scene_genre" in said
    stored = json.loads(module("predict", served, frames, "--json"))
    scores = {each["path"]: each["scores"] for each in stored["predictions"]}
    for film in metrics["films"]:
        # What is served answers for the very pairs as evaluate did.
        assert scores[film["film"]] == pytest.approx(film["scores"], abs=1e-5)
    film = next((films / "horror").glob("*.mp4"))
    said = module("predict", run_dir, film, "--pairs", 4)
    assert said.startswith(f"{film}: ")


def test_train_says_how_to_build_a_missing_data_set(tmp_path):
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "keras_ssc.train", "--model"),
            *("double_stack", "--data-dir", tmp_path),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].startswith(
        "error: Data set 'scene_genre/sample' is not built"
    )
    assert "tfds build tfds_builder/scene_genre" in ended.stderr
    assert "Traceback" not in ended.stderr
