"""The wheel, installed outside the checkout."""

import os
import pathlib
import subprocess
import sys
import zipfile

import pytest

from tests.helpers import make_dummy_data

ROOT = pathlib.Path(__file__).parents[1]

_PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")
_SOURCES = (
    *("keras_ssc", "tfds_builder", "setup.cfg", "pyproject.toml"),
    *("README.md", "LICENSE"),
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    # Not in the checkout, where a build would leave its folders.
    source = folder / "source"
    source.mkdir()
    listed = subprocess.run(
        ["git", "ls-files", "-z", *_SOURCES],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((ROOT / name).read_bytes())
    subprocess.run(
        [
            *(*_PIP, "wheel", "--no-deps", "--no-build-isolation"),
            *("--wheel-dir", str(folder), str(source)),
        ],
        check=True,
        capture_output=True,
        timeout=300,
    )
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A folder with nothing but what the wheel holds."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run(
        [*_PIP, "install", "--no-deps", "--target", str(folder), str(wheel)],
        check=True,
        capture_output=True,
        timeout=300,
    )
    return folder


def test_the_wheel_holds_what_runs_and_nothing_else(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {
        "keras_ssc/__main__.py",
        "tfds_builder/scene_genre/scene_genre_dataset_builder.py",
        "tfds_builder/scene_genre/README.md",
        "tfds_builder/scene_genre/CITATIONS.bib",
    } <= names
    folders = {name.partition("/")[0] for name in names}
    (information,) = folders - {"keras_ssc", "tfds_builder"}
    assert information.endswith(".dist-info")
    assert not [name for name in names if "test" in name or "dummy" in name]


def test_the_main_job_runs_from_the_wheel_alone(installed, tmp_path):
    def run(*arguments):
        # Before what this environment has: the checkout, perhaps.
        environment = {**os.environ, "PYTHONPATH": str(installed)}
        ended = subprocess.run(
            [sys.executable, "-m", "keras_ssc", *map(str, arguments)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    run("build", make_dummy_data.FOLDER / "frames", "--data-dir", "data")
    data = ("--dataset", "scene_genre/frames", "--data-dir", "data")
    size = ("--image-size", "16", "--epochs", "1", "--bs", "2")
    told = run("train", "--model", "fc", *data, *size, "--run-dir", "run")
    assert "next: " in told
    run("evaluate", "run")
    film = make_dummy_data.FOLDER / "films" / "Fog.mp4"
    assert "Fog.mp4" in run("predict", "run", film, "--quick", "--pairs", "2")
