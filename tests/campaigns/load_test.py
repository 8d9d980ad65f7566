import concurrent.futures
import functools
import itertools
import os
import shutil
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from keras_ssc import files
from keras_ssc.errors import OutsideError
from keras_ssc.genres import GENRES
from keras_ssc.page import page
from keras_ssc.prediction import predictor
from keras_ssc.serving import client as serving_client
from keras_ssc.serving import exporting
from tests.campaigns import load
from tests.campaigns import process as processes
from tests.helpers import serving_stand_in
from tests.helpers import tiny_served


def made_up(*kinds, **changes):
    values = {
        "name": "page, a film",
        "num_clients": 8,
        "seconds": 4.0,
        "outcomes": [
            (kind, seconds, None if kind == load.ANSWERED else OSError("x"))
            for seconds, kind in enumerate(kinds, start=1)
        ],
        "start_bytes": 100 * 2**20,
        "end_bytes": 110 * 2**20,
    }
    return load.Load(**{**values, **changes})


def test_table_tells_answers_from_busy_and_errors():
    one = made_up(
        *(load.ANSWERED, load.ANSWERED, load.BUSY, load.SILENT, load.FAILED),
    )
    assert one.cells() == [
        *("page, a film", 8, 2, "0.50", "1", "2", "2"),
        *(1, "3", 1, 1, "100", "110"),
    ]
    assert len(one.cells()) == len(load.HEADER)
    assert one.errors() == {"OSError('x')"}
    nobody = made_up(load.BUSY)
    assert nobody.cells()[2:7] == [0, "0.00", "", "", ""]


@pytest.mark.parametrize(
    "kinds, is_right",
    [
        ([load.ANSWERED], True),
        ([load.ANSWERED, load.BUSY], True),
        ([load.ANSWERED, load.SILENT], False),
        ([load.ANSWERED, load.FAILED], False),
        ([load.BUSY], False),
        ([], False),
    ],
)
def test_who_is_not_answered_must_be_told(kinds, is_right):
    assert made_up(*kinds).is_right() == is_right


def test_every_request_is_counted():
    turn, lock = itertools.count(), threading.Lock()
    raised = [
        None,
        serving_client.BusyError("full"),
        serving_client.ServingError("no answer within 1 second"),
        OSError("x"),
    ]

    def ask():
        with lock:
            error = raised[next(turn) % len(raised)]
        time.sleep(0.01)
        if error:
            raise error

    start = time.monotonic()
    one = load.put_load("made up", [ask] * 3, 0.5, os.getpid(), pause=0.01)
    assert 0.5 <= one.seconds <= time.monotonic() - start
    num_asked = next(turn)
    kinds = (load.ANSWERED, load.BUSY, load.SILENT, load.FAILED)
    counts = [len(one.seconds_of(kind)) for kind in kinds]
    assert sum(counts) == len(one.outcomes) == num_asked
    assert min(counts) >= num_asked // 4
    assert len(one.errors()) == 2
    assert min(one.seconds_of(load.ANSWERED)) >= 0.01


def test_a_client_that_was_refused_waits_before_asking_again():
    def refuse():
        raise serving_client.BusyError

    one = load.put_load("made up", [refuse], 0.5, os.getpid(), pause=0.2)
    assert 1 <= len(one.seconds_of(load.BUSY)) <= 3


def test_memory_is_what_a_process_holds():
    # Its own pages, of a process that does nothing beside: what an
    # allocator keeps back, or another thread asks for, is not counted.
    code = (
        "import mmap, sys\n"
        "sys.stdin.readline()\n"
        "held = mmap.mmap(-1, 2**26)\n"
        "for page in range(0, 2**26, mmap.PAGESIZE):\n"
        "    held[page] = 1\n"
        "print('held', flush=True)\n"
        "sys.stdin.readline()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", "print('up', flush=True)\n" + code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "up\n"
        before = processes.memory_of(process.pid, "VmRSS")
        print(file=process.stdin, flush=True)
        assert process.stdout.readline() == "held\n"
        grown = processes.memory_of(process.pid, "VmRSS") - before
        process.stdin.close()
    assert 62 * 2**20 < grown < 72 * 2**20


@pytest.fixture
def drawn(tmp_path):
    return load.draw_film(tmp_path)


@pytest.fixture
def slow_page(tmp_path):
    """A page where one waits, and that takes its time."""

    def ask(frame, next_frame):
        time.sleep(0.3)
        scores = np.full((len(frame), len(GENRES)), 1 / len(GENRES), np.float32)
        return scores, np.zeros(len(frame), np.float32)

    folder = tmp_path / "page"
    folder.mkdir()
    asked = predictor.Predictor("a model", ask, (68, 120))
    one = page.Page(asked, folder, page.Limits(waiting=1))
    yield one.launch(port=None).rstrip("/")
    one.close()


def test_full_page_says_that_it_is_busy(slow_page, drawn):
    clients = [load.PageClient(slow_page) for _ in range(5)]
    film, *frames = drawn
    asks = [functools.partial(client.judge_pair, *frames) for client in clients]
    asks[-1] = functools.partial(clients[-1].judge_film, film)
    one = load.put_load("page", asks, 3.0, os.getpid(), pause=0.2)
    for client in clients:
        client.close()
    assert one.is_right(), one.errors()
    assert len(one.seconds_of(load.BUSY)) >= 2
    busy = [error for kind, _, error in one.outcomes if kind == load.BUSY]
    assert all("full" in str(error) for error in busy)


def test_page_without_an_answer_is_a_time_out(slow_page, drawn):
    client = load.PageClient(slow_page, timeout=0.2)
    with pytest.raises(concurrent.futures.TimeoutError) as told:
        client.judge_pair(*drawn[1:])
    assert load.kind_of(told.value) == load.SILENT
    client.close()


def test_full_server_says_that_it_is_busy(served_dir, drawn):
    pair = tuple(path.read_bytes() for path in drawn[1:])
    with serving_stand_in.StandIn(served_dir, most=1).running() as stand_in:
        client = serving_client.Client(stand_in.rest)
        ask = functools.partial(client.predict, [pair])
        ask()
        stand_in.delay = 0.1
        asks = [ask] * 4
        one = load.put_load("server", asks, 1.0, os.getpid(), pause=0.05)
        assert one.is_right(), one.errors()
        assert len(one.seconds_of(load.BUSY)) >= 3
        stand_in.delay = 1.0
        client = serving_client.Client(stand_in.rest, timeout=0.1)
        with pytest.raises(
            serving_client.ServingError, match="within 0.1 seconds"
        ) as told:
            client.predict([pair])
        assert load.kind_of(told.value) == load.SILENT


def test_what_does_not_start_is_told():
    with (
        pytest.raises(OutsideError, match="of http.server.*'no port'"),
        load.running("http.server", "no port"),
    ):
        pass


@pytest.fixture
def exported(served_dir, tmp_path):
    """An export of a tiny model, as far as it is looked at."""
    version = tmp_path / "scene_genre" / "1"
    shutil.copytree(served_dir, version)
    card = {"card_version": 1, "format": "savedmodel", "model": "fc"}
    size = list(tiny_served.SIZE)
    files.write_json(version / "model_card.json", {**card, "image_size": size})
    exporting.write_sums(version)
    return version.parent


def test_page_and_server_bear_their_load(exported):
    loads = list(load.measure(exported, [2], 0.5))
    assert [each.name for each in loads] == [
        "page, a film",
        "page, two frames",
        "serving client, two frames",
    ]
    assert all(each.num_clients == 2 for each in loads)
    assert all(each.is_right() for each in loads), loads
    assert all(each.start_bytes > 2**25 for each in loads)


def test_numbers_above_zero_are_wanted(monkeypatch, tmp_path):
    given = ["load", str(tmp_path), "--seconds", "0"]
    monkeypatch.setattr(sys, "argv", given)
    with pytest.raises(ValueError, match=r"Received: \[1, 8, 32\] and 0"):
        load.main()


def test_what_is_no_run_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", ["load", str(tmp_path)])
    with pytest.raises(ValueError, match="Expected a run's folder"):
        load.main()
