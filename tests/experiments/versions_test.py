import sys

import pytest

from experiments import versions
from keras_ssc import errors
from keras_ssc.serving import exporting


def test_versions_are_asked_and_compared(small_run, tmp_path, monkeypatch):
    """Of this environment's TensorFlow: others take minutes to install."""
    wanted = []

    def python_with(version, folder):
        wanted.append((version, folder.name))
        return sys.executable

    monkeypatch.setattr(versions, "_python_with", python_with)
    version = exporting.export(small_run, tmp_path / "out", verbose=False)
    found = versions.measure(
        *(small_run, version, ["2.18", "2.21"], tmp_path / "environments"),
        num_pairs=4,
        say=lambda text: None,
    )
    assert wanted == [("2.18", "2.18"), ("2.21", "2.21")]
    for each in found["versions"]:
        assert each["largest_difference"] == each["num_other_genre"] == 0
        # Of the pair whose image is broken, and of no other.
        assert each["same_errors"] and each["num_errors"] == 1
    text = versions.text_of(found)
    assert "| 0 of 4 | yes, 1 of 5 |" in text


def test_another_answer_is_seen():
    own = {
        "tensorflow": "2.21.0",
        "python": "3.11",
        "seconds": 1.0,
        "scores": [[0.0, 0.0], [0.9, 0.1], [0.4, 0.6]],
        "errors": ["frame_bytes is no image", "", ""],
    }
    other = {
        **own,
        "scores": [[0.1, 0.2], [0.3, 0.7], [0.4, 0.6]],
        "errors": ["", "", ""],
    }
    found = versions._compared(other, own)
    assert found["largest_difference"] == pytest.approx(0.6)
    assert found["num_other_genre"] == 1 and not found["same_errors"]


def test_what_fails_is_named():
    with pytest.raises(errors.OutsideError, match="failed: .*no such module"):
        versions._run(
            sys.executable, "-c", "raise SystemExit('no such module')"
        )
