import itertools
import os
import shutil
import sys
import threading
import time

import pytest

from keras_ssc import files
from keras_ssc.errors import OutsideError
from keras_ssc.serving import client as serving_client
from keras_ssc.serving import exporting
from tests.campaigns import load
from tests.helpers import tiny_served


def put_load(monkeypatch, *raised):
    """Puts load on what takes turns in answering (None) and raising."""
    monkeypatch.setattr(load, "_PAUSE", 0.01)
    turn, lock = itertools.count(), threading.Lock()

    def ask():
        with lock:
            error = raised[next(turn) % len(raised)]
        time.sleep(0.01)
        if error:
            raise error

    return load.put_load("made up", [ask] * 3, 0.3, os.getpid()), next(turn)


def test_every_request_is_counted(monkeypatch):
    busy, error = serving_client.BusyError("full"), OSError("x")
    one, num_asked = put_load(monkeypatch, None, busy, error)
    kinds = (load.ANSWERED, load.BUSY, load.FAILED)
    counts = [len(one.seconds_of(kind)) for kind in kinds]
    assert sum(counts) == num_asked and min(counts) >= num_asked // 3
    assert one.seconds >= 0.3 and min(one.seconds_of(load.ANSWERED)) >= 0.01
    assert one.errors() == {"OSError('x')"} and not one.is_right()
    assert [one.cells()[i] for i in (2, 7, 9)] == counts
    assert len(one.cells()) == len(load.HEADER)


def test_who_is_not_answered_must_be_refused_as_busy(monkeypatch):
    busy = serving_client.BusyError("full")
    assert put_load(monkeypatch, None, busy)[0].is_right()
    assert not put_load(monkeypatch, busy)[0].is_right()
    assert not put_load(monkeypatch, None, TimeoutError())[0].is_right()


def test_what_does_not_start_is_told():
    with (
        pytest.raises(OutsideError, match="of http.server.* with code 2"),
        load.running("http.server", "no port"),
    ):
        pass


def test_page_and_server_bear_their_load(served_dir, tmp_path):
    # An export of a tiny model, as far as it is looked at.
    version = tmp_path / "scene_genre" / "1"
    shutil.copytree(served_dir, version)
    card = {"card_version": 1, "format": "savedmodel", "model": "fc"}
    size = list(tiny_served.SIZE)
    files.write_json(version / "model_card.json", {**card, "image_size": size})
    exporting.write_sums(version)
    loads = list(load.measure(version.parent, [2], 0.5))
    assert [each.name for each in loads] == [
        "page, a film",
        "page, two frames",
        "serving client, two frames",
    ]
    assert all(each.num_clients == 2 for each in loads)
    assert all(each.is_right() for each in loads), loads
    assert all(each.start_bytes > 2**25 for each in loads)


@pytest.mark.parametrize(
    "flags, words",
    [
        (("--seconds", "0"), r"Received: \[1, 8, 32\] and 0"),
        ((), "Expected a run's folder"),
    ],
)
def test_wrong_arguments_are_refused(monkeypatch, tmp_path, flags, words):
    monkeypatch.setattr(sys, "argv", ["load", str(tmp_path), *flags])
    with pytest.raises(ValueError, match=words):
        load.main()
