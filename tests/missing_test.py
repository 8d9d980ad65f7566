"""Packages and libraries that are not installed: a line that says which."""

import configparser
import importlib
import os
import pathlib
import re
import subprocess
import sys

import pytest

import experiments
import keras_ssc
from keras_ssc import checks
from keras_ssc import command
from keras_ssc.editing import exporting as shots_exporting
from keras_ssc.library import exporting as library_exporting
from keras_ssc.models import hub
from keras_ssc.serving import client
from keras_ssc.serving import export_formats
from keras_ssc.serving import tf_serving
from tests.helpers import programs


def extras():
    """Returns the extras that setup.cfg names."""
    parser = configparser.ConfigParser()
    parser.read(pathlib.Path(__file__).parents[1] / "setup.cfg")
    return set(parser["options.extras_require"])


# A package that is not there, the extra that brings it, and who needs it.
MISSING = {
    "opentimelineio": (
        "editing",
        lambda: shots_exporting.check_formats(["otio"]),
    ),
    "keras_hub": ("hub", hub.keras_hub),
    "pyarrow": ("library", library_exporting._parquet),
    "tensorflow_serving.apis": ("serving", tf_serving.protos),
    "grpc": ("serving", lambda: client.Client("grpc://localhost:1")),
    "tf2onnx": ("onnx", lambda: export_formats._write_onnx(*[None] * 2)),
    "openvino": (
        "openvino",
        lambda: export_formats._write_openvino(*[None] * 2),
    ),
    "dask": ("beam", lambda: pipeline()._pipeline("DaskRunner", [], 1)),
}


def pipeline():
    return importlib.import_module("keras_ssc.library.pipeline")


@pytest.mark.parametrize("package", MISSING)
def test_a_missing_package_is_said_with_its_extra(package, monkeypatch):
    extra, need = MISSING[package]
    assert extra in extras()
    if package == "dask":
        pipeline()
    for name in list(sys.modules):
        if name.startswith((f"{package}.", "apache_beam.runners.dask")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ValueError, match=rf'needs the extra "{extra}"') as told:
        need()
    assert f"keras_ssc[{extra}]" in str(told.value)


def test_the_page_without_gradio_is_a_line(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "gradio", None)
    code, printed = programs.run_here("keras_ssc.app", tmp_path)
    assert code == 2
    assert 'needs the extra "app"' in printed and printed.count("\n") == 1


def test_what_is_imported_in_vain_keeps_its_reason():
    with (
        pytest.raises(ValueError, match="No module named .nothing."),
        checks.needs_extra("X", "y"),
    ):
        importlib.import_module("nothing")


@pytest.mark.parametrize("job", ["extract", "evaluate"])
def test_a_missing_library_of_the_system_is_a_line(job, tmp_path):
    """Imported by the command's module, or by what it calls."""
    (tmp_path / "cv2.py").write_text(
        "raise ImportError('libGL.so.1: cannot open shared object file: '"
        "'No such file or directory')"
    )
    more = ["--out", "x"] if job == "extract" else []
    ended = subprocess.run(
        [sys.executable, "-m", f"keras_ssc.{job}", str(tmp_path), *more],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{os.getcwd()}"},
        timeout=300,
    )
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith(
        "error: A library of the system is missing: libGL.so.1"
    )
    assert "Traceback" not in ended.stderr


def test_other_import_errors_keep_their_traceback(monkeypatch):
    def fail():
        raise ImportError("cannot import name")

    with pytest.raises(ImportError, match="cannot import name"):
        command.run(fail)


def test_no_window_is_opened():
    """So OpenCV without its windows, opencv-python-headless, is enough."""
    windows = r"cv2\.(imshow|namedWindow|waitKey|destroy|createTrackbar|select)"
    for folder in (keras_ssc, experiments):
        for path in pathlib.Path(folder.__file__).parent.rglob("*.py"):
            assert not re.search(windows, path.read_text("utf-8")), path
