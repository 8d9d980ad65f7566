"""Verdicts on several films that are read at once."""

import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import pytest

import keras_ssc
from keras_ssc.errors import VideoError
from keras_ssc.films import film_reader
from keras_ssc.films import side_by_side
from keras_ssc.prediction import predicting
from keras_ssc.training import evaluation
from tests.helpers import drawn_films
from tests.helpers import programs

NAMES = ["a.mp4", "b.mp4", "c.mp4"]


@pytest.fixture(scope="module")
def asked(small_run):
    evaluation.evaluate(small_run, verbose=False)
    return keras_ssc.load(small_run)


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Three films; the first is the longest, and the last one to be done."""
    folder = tmp_path_factory.mktemp("films")
    for place, name in enumerate(NAMES):
        frames = [
            *drawn_films.shot(place, 100 if place == 0 else 30),
            *drawn_films.shot(place + 5, 30, speed=2),
        ]
        drawn_films.write_film(folder / name, frames)
    return folder


def predict(asked, inputs, workers):
    """Returns the iterator of films and their results."""
    plan = {"num_pairs": 40}  # two batches and a half
    _, found, _ = predicting.predict_films(
        lambda: asked, inputs, plan, 0.5, {}, workers=workers
    )
    return found


def as_text(result):
    """Says all of a result, to the last digit."""
    if isinstance(result, VideoError):
        return str(result)
    return json.dumps(result.as_json())


def test_verdicts_are_the_same_with_any_number_of_workers(asked, films):
    one, two = (
        [(film, as_text(found)) for film, found in predict(asked, [films], n)]
        for n in (1, 2)
    )
    assert [film.name for film, _ in one] == NAMES
    assert one == two
    alone = asked.predict_film(films / "b.mp4", film_reader.Plan(40))
    assert one[1] == (films / "b.mp4", as_text(alone))


def test_films_that_fail_do_not_disturb_the_others(asked, films, tmp_path):
    damaged, black = tmp_path / "damaged.mp4", tmp_path / "black.mp4"
    damaged.write_bytes((films / "b.mp4").read_bytes()[:2000])
    drawn_films.write_film(black, drawn_films.black(20))
    inputs = [films / "a.mp4", damaged, films / "b.mp4", black]
    found = list(predict(asked, inputs, 2))
    assert [film for film, _ in found] == inputs
    errors = [str(x) for _, x in found if isinstance(x, VideoError)]
    assert errors[0].startswith(str(damaged))
    assert "black.mp4: no pair of frames can be judged" in errors[1]
    good = predict(asked, [films / "a.mp4", films / "b.mp4"], 1)
    assert [as_text(found[place][1]) for place in (0, 2)] == [
        as_text(result) for _, result in good
    ]


def test_results_come_in_order_and_as_soon_as_they_can():
    taken = []

    def found():
        for place in (1, 0, 3, 2):
            taken.append(place)
            yield place, f"film {place}"

    ordered = side_by_side.in_order(found())
    assert next(ordered) == "film 0" and taken == [1, 0]
    assert list(ordered) == ["film 1", "film 2", "film 3"]


def test_error_that_is_no_films_comes_in_its_films_place():
    error = PermissionError(13, "Permission denied", "b.mp4")
    found = [(1, error), (0, "film 0")]
    ordered = side_by_side.in_order(each for each in found)
    assert next(ordered) == "film 0"
    with pytest.raises(PermissionError, match=r"b\.mp4"):
        next(ordered)


def test_default_is_one_a_core_no_more_than_films_and_bounded(monkeypatch):
    monkeypatch.setattr(side_by_side.os, "cpu_count", lambda: 64)
    assert side_by_side.num_workers(None, 3) == 3
    assert side_by_side.num_workers(None, 100) == 8
    assert side_by_side.num_workers(12, 100) == 12
    monkeypatch.setattr(side_by_side.os, "cpu_count", lambda: 2)
    assert side_by_side.num_workers(None, 100) == 2


@pytest.mark.parametrize("module", ["predict", "shots"])
@pytest.mark.parametrize("workers", [0, -1])
def test_fewer_than_one_worker_is_refused(small_run, films, module, workers):
    model = [small_run] if module == "predict" else []
    code, printed = programs.run_here(
        f"keras_ssc.{module}", *model, films, "--workers", workers
    )
    assert code == 2
    assert printed == (
        f"error: Expected workers of 1 or more. Received: {workers}\n"
    )


def readers(pid):
    """Returns the processes that a process has started, and not ended."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            (parent,) = re.findall(r"PPid:\t(\d+)", path.read_text())
            if int(parent) == pid:
                found.append(int(path.parent.name))
    return found


def test_iterator_that_is_closed_early_leaves_no_process(asked, films):
    before = readers(os.getpid())
    inputs = [films / "b.mp4", films / "a.mp4", films / "a.mp4"]
    found = predict(asked, inputs, 2)
    assert readers(os.getpid()) == before
    next(found)
    assert len(readers(os.getpid())) > len(before)
    found.close()
    assert readers(os.getpid()) == before


def has_open(pid, folder):
    """Says whether a process reads a file of a folder."""
    opened = []
    for path in pathlib.Path(f"/proc/{pid}/fd").glob("*"):
        with contextlib.suppress(OSError):  # it was closed meanwhile
            opened.append(path.resolve().parent)
    return folder in opened


def test_ctrl_c_ends_all_readers(tmp_path):
    paths = [tmp_path / name for name in NAMES]
    drawn_films.write_film(paths[0], drawn_films.shot(1, 200) * 50)
    for path in paths[1:]:
        path.symlink_to(paths[0])
    command = subprocess.Popen(
        [sys.executable, "-m", "keras_ssc.shots", *paths, "--workers", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    limit = time.monotonic() + 60
    while (
        not 2
        == len(started := readers(command.pid))
        == sum(has_open(pid, tmp_path) for pid in started)
    ):
        assert time.monotonic() < limit and command.poll() is None
        time.sleep(0.02)
    command.send_signal(signal.SIGINT)
    out, err = command.communicate(timeout=60)
    assert command.returncode == 130 and out == ""
    assert err.startswith("error: Interrupted.") and err.count("\n") == 1
    assert not any(pathlib.Path(f"/proc/{pid}").exists() for pid in started)


def test_shots_are_the_same_with_any_number_of_workers(films, tmp_path):
    (tmp_path / "damaged.mp4").write_bytes(b"no film")
    inputs = [films / "a.mp4", tmp_path / "damaged.mp4", films / "b.mp4"]
    one, two = (
        programs.run_here("keras_ssc.shots", *inputs, "--workers", n)
        for n in (1, 2)
    )
    assert one == two and one[0] == 1
    lines = [line for line in one[1].splitlines() if not line.startswith(" ")]
    assert [line.partition(": ")[0] for line in lines] == [
        str(inputs[0]),
        "error",
        str(inputs[2]),
    ]
