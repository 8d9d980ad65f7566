"""The notebook for Colab: the whole way, and each of its steps.

From nothing to a measured and served model, by the commands as users give
them: the other tests of commands do not walk from one to the next.
"""

import argparse
import base64
import dataclasses
import importlib.util
import itertools
import json
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import types

import cv2
import nbclient
import nbformat
import numpy as np
import pytest

from keras_ssc.training import train_config
from tests.helpers import programs

ROOT = pathlib.Path(__file__).parents[2]
NOTEBOOK = ROOT / "experiments" / "colab.ipynb"

# As little as goes the whole way.
SMALL = {
    "PAIRS": 6,
    "MODEL": "fc",
    "IMAGE_SIZE": "48x27",
    "EPOCHS": 1,
    "BATCH_SIZE": "",
    "MORE": "--bs 12",
    "DRAWN": "--films-per-genre 2 --seconds 1.5",
}


def read():
    return nbformat.read(NOTEBOOK, as_version=4)


def source(name):
    [cell] = [cell for cell in read().cells if cell.id == name]
    return cell.source


def parameters():
    values = {}
    exec(source("parameters"), values)
    return {name: values[name] for name in values if name.isupper()}


def with_parameters(notebook, changes):
    """Adds a cell behind the one of the parameters, as papermill does."""
    [place] = [
        place
        for place, cell in enumerate(notebook.cells)
        if "parameters" in cell.metadata.get("tags", [])
    ]
    lines = [f"{name} = {value!r}" for name, value in changes.items()]
    cell = nbformat.v4.new_code_cell("\n".join(lines))
    notebook.cells.insert(place + 1, cell)
    return notebook


def kill_tensorboards(folder):
    for path in folder.glob(".tensorboard-info/pid-*.info"):
        os.kill(json.loads(path.read_text())["pid"], signal.SIGTERM)


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """The notebook with its outputs, and the folder where it ran."""
    folder = tmp_path_factory.mktemp("colab")
    assert set(SMALL) <= set(parameters())
    notebook = with_parameters(read(), SMALL)
    client = nbclient.NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": str(folder)}}
    )
    # As in an environment that was activated.
    programs = f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {
        "PATH": programs,
        "PYTHONPATH": str(ROOT),
        "TMPDIR": str(folder),
    }
    try:
        client.execute(env={**os.environ, **environment})
    finally:
        kill_tensorboards(folder)
    return notebook, folder


def outputs(notebook, name, kind):
    """The data of a kind that a cell has displayed."""
    [cell] = [cell for cell in notebook.cells if cell.id == name]
    return [
        output.data[kind]
        for output in cell.outputs
        if kind in output.get("data", {})
    ]


@pytest.mark.parametrize(
    "name, num_figures",
    [("extract", 2), ("train", 1), ("evaluate", 4), ("predict", 2)],
)
def test_figures_are_shown(executed, name, num_figures):
    shown = outputs(executed[0], name, "image/png")
    assert len(shown) == num_figures
    for png in shown:
        data = np.frombuffer(base64.b64decode(png), np.uint8)
        picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
        assert picture.shape[1] > 200 and picture.std() > 10


def test_each_command_says_what_it_made_and_what_is_next(executed):
    notebook, folder = executed
    said = {
        name: "".join(
            output.text
            for cell in notebook.cells
            if cell.id == name
            for output in cell.outputs
            if output.output_type == "stream"
        )
        for name in ("extract", "train", "evaluate", "export", "predict")
    }
    work = folder / "keras_ssc_work"
    [run_dir] = (work / "runs").iterdir()
    assert "72 pairs kept of 12 films" in said["extract"]
    assert f"next: python -m keras_ssc.evaluate {run_dir}" in said["train"]
    assert "by pair (36)" in said["evaluate"]
    assert "by film (6)" in said["evaluate"]
    served = work / "served" / "scene_genre"
    assert f"-v {served}:/models/scene_genre" in said["export"]
    # What TensorFlow and a progress bar say stands before.
    film = re.search(r" (\S+\.mp4) ", said["predict"])[1]
    lines = re.split(r"[\r\n]+", said["predict"])
    assert any(line.startswith(f"{film}: ") for line in lines), lines


def test_what_is_served_answers_for_the_pairs_as_evaluate_did(executed):
    work = executed[1] / "keras_ssc_work"
    [path] = (work / "runs").glob("*/metrics.json")
    metrics = json.loads(path.read_text())
    assert {film["genre"] for film in metrics["films"]} == set(
        metrics["genres"]
    )
    code, printed = programs.run_here(
        "keras_ssc.predict",
        *(work / "served" / "scene_genre", work / "frames", "--json"),
    )
    assert code == 0
    predictions = json.loads(printed)["predictions"]
    scores = {each["path"]: each["scores"] for each in predictions}
    for film in metrics["films"]:
        assert film["num_pairs"] == SMALL["PAIRS"]
        assert scores[film["film"]] == pytest.approx(film["scores"], abs=1e-5)


def test_numbers_are_shown_as_they_were_measured(executed):
    notebook, folder = executed
    [run_dir] = (folder / "keras_ssc_work" / "runs").iterdir()
    [text] = outputs(notebook, "evaluate", "text/markdown")
    assert text == (run_dir / "metrics.md").read_text()
    assert "by film (6)" in text
    metrics = json.loads((run_dir / "metrics.json").read_text())
    assert metrics["pair"]["num"] == 6 * SMALL["PAIRS"]


def test_what_is_exported_is_shown(executed):
    notebook, folder = executed
    [card] = outputs(notebook, "export", "text/markdown")
    version = folder / "keras_ssc_work" / "served" / "scene_genre" / "1"
    assert card == (version / "model_card.md").read_text()
    assert (version / "saved_model.pb").exists()


def test_tensorboard_is_shown(executed):
    [page] = outputs(executed[0], "tensorboard", "text/html")
    assert "<iframe" in page


def test_what_is_there_is_not_installed(executed):
    notebook, folder = executed
    [cell] = [cell for cell in notebook.cells if cell.id == "install"]
    assert cell.execution_count and not cell.outputs
    assert not (folder / "keras_ssc_code").exists()


def test_notebook_is_kept_without_outputs():
    notebook = read()
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert not cell.outputs and cell.execution_count is None


def test_each_step_is_explained_before_it_is_taken():
    cells = read().cells
    for before, cell in itertools.pairwise(cells):
        if cell.cell_type == "code" and cell.id != "tools":
            assert before.cell_type == "markdown", cell.id


def test_settings_are_the_samples(builder_module):
    form = parameters()
    assert form["PAIRS"] == builder_module.SAMPLE.num_pairs
    assert form["DRAWN"] == ""
    parser = argparse.ArgumentParser()
    train_config.add_flags(parser)
    flags = [
        *("--model", form["MODEL"], "--image-size", form["IMAGE_SIZE"]),
        *("--epochs", str(form["EPOCHS"])),
        *("--batch-size", str(form["BATCH_SIZE"])),
        *("--learning-rate", form["LEARNING_RATE"]),
        *shlex.split(form["MORE"]),
    ]
    given = train_config.TrainConfig(**vars(parser.parse_args(flags)))
    sample = train_config.TrainConfig(
        model=form["MODEL"], dataset="scene_genre/sample"
    )
    given = dataclasses.replace(given, dataset="scene_genre/frames")
    for name, value in vars(train_config.fill_in(sample)).items():
        if name != "dataset":
            assert getattr(train_config.fill_in(given), name) == value, name


@pytest.mark.parametrize(
    "films, mounted",
    [("", []), ("/home/films", []), ("/content/drive/a", ["/content/drive"])],
)
def test_drive_is_mounted_where_it_is_used(monkeypatch, films, mounted):
    asked = []
    drive = types.SimpleNamespace(mount=asked.append)
    colab = types.ModuleType("google.colab")
    colab.drive = drive
    monkeypatch.setitem(sys.modules, "google.colab", colab)
    exec(source("drive"), {**parameters(), "FILMS": films})
    assert asked == mounted


def install(monkeypatch, tmp_path, repository):
    """Installs where nothing is; returns the commands."""
    commands = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(
        subprocess,
        "run",
        lambda command, check: commands.append([str(part) for part in command]),
    )
    exec(source("install"), {**parameters(), "REPOSITORY": repository})
    return commands


def test_what_is_not_there_is_installed(monkeypatch, tmp_path):
    clone, pip = install(monkeypatch, tmp_path, "https://host/keras_ssc")
    code = str(tmp_path / "keras_ssc_code")
    assert clone == ["git", "clone", "https://host/keras_ssc", code]
    assert pip[:4] == [sys.executable, "-m", "pip", "install"]
    assert pip[pip.index("--constraint") + 1] == f"{code}/constraints.txt"
    assert pip[pip.index("--editable") + 1].startswith(code)


def test_repository_must_be_named(monkeypatch, tmp_path):
    with pytest.raises(ValueError, match="Expected REPOSITORY in the form"):
        install(monkeypatch, tmp_path, "")


@pytest.fixture
def tools(monkeypatch, tmp_path):
    """The names that cells behind the tools' one find."""
    monkeypatch.chdir(tmp_path)
    names = parameters()
    exec(source("install"), names)
    exec(source("tools"), names)
    return names


def test_step_that_fails_stops_the_notebook(tools, capsys):
    with pytest.raises(RuntimeError, match=r"extract ended with code 2"):
        tools["run"]("keras_ssc.extract", "a list.csv", "--out", "frames")
    assert "a list.csv" in capsys.readouterr().out


def test_films_of_ones_own_are_taken_as_they_are(tools, tmp_path):
    folder = tmp_path / "my films"
    folder.mkdir()
    lines = ["film,genre,split,path", "봄날,romance, test ,films/봄날.mp4"]
    (folder / "films.csv").write_text("\n".join(lines), encoding="utf-8")
    tools["FILMS"] = str(folder)
    tools["run_dir"] = "run"
    asked = []
    tools["run"] = lambda *command: asked.append(command)
    tools["show"] = lambda *paths: None
    exec(source("films"), tools)
    assert not asked
    exec(source("predict"), tools)
    assert asked[0][:3] == (
        "keras_ssc.predict",
        "run",
        folder / "films/봄날.mp4",
    )
