import base64
import concurrent.futures
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
import types
import urllib.parse

import gradio
import gradio_client
import httpx
import numpy as np
import pytest

from keras_ssc import tasks
from keras_ssc.films import image_files
from keras_ssc.genres import REPORT_GENRES
from keras_ssc.page import page
from keras_ssc.page import page_limits
from keras_ssc.prediction import predictor
from tests.helpers import drawn_films
from tests.helpers import lying_images
from tests.helpers import tiny_served

# In this order of `Page.judge_film`'s answers.
HEADING, SCORES, TIMELINE, SHEET, FIGURES = range(5)

LIMITS = page.Limits(megabytes=1, minutes=0.5, seconds=60.0, waiting=20)


def answer(frame, next_frame, genre="romance", familiarity=None):
    """Says one genre of every pair, as `Predictor` is to be asked."""
    scores = np.full((len(frame), len(REPORT_GENRES)), 0.05, np.float32)
    scores[:, REPORT_GENRES.index(genre)] = 0.75
    return scores, np.full(len(frame), 0.01, np.float32), familiarity


def unlike(frame, next_frame):
    """The same of a model to which no pair looks familiar."""
    familiarity = np.full(len(frame), 0.01, np.float32)
    return answer(frame, next_frame, familiarity=familiarity)


def half_unlike(frame, next_frame):
    """The same of a model that knows the second of two places alone."""
    means = [drawn_films.shot(place, 1)[0].mean((0, 1)) for place in (1, 2)]
    far = np.abs(frame.mean((1, 2))[:, np.newaxis] - means).sum(axis=2)
    familiarity = np.float32(np.where(far[:, 0] < far[:, 1], 0.01, 0.5))
    return answer(frame, next_frame, familiarity=familiarity)


def look(frame, next_frame, genre):
    heat = np.zeros((len(frame), 68, 120), np.float32)
    heat[:, 20:40, 30:60] = 1.0
    return {"frame": heat, "flow": 0 * heat}


def make_page(folder, limits=LIMITS, ask=answer):
    asked = predictor.Predictor(
        "a model", ask, (68, 120), lambda: tasks.REPORT, look
    )
    return page.Page(asked, folder, limits)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="module")
def served(folder):
    one = make_page(folder)
    yield one.launch(port=None).rstrip("/")
    one.close()


@pytest.fixture(autouse=True)
def folder_of_gradio(served, folder, monkeypatch):
    """Another page in this process takes Gradio's folder for itself."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(folder / "gradio"))
    # Its client leaves empty folders behind.
    monkeypatch.setattr(tempfile, "tempdir", str(folder.parent))


@pytest.fixture(scope="module")
def client(served):
    return gradio_client.Client(served, verbose=False)


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    frames = [*drawn_films.shot(1, 12), *drawn_films.shot(2, 12, speed=3)]
    path = tmp_path_factory.mktemp("films") / "a film.mp4"
    return drawn_films.write_film(path, frames)


def judge(client, film):
    take(client, film)
    return client.predict(20, False, api_name="/judge_film")


def take(client, film):
    upload = gradio_client.handle_file(str(film))
    client.predict(upload, api_name="/take_film")


def files_of(folder, *suffixes):
    return [
        path
        for path in pathlib.Path(folder).rglob("*")
        if path.is_file() and path.suffix in suffixes
    ]


def test_film_is_judged_with_its_evidence_and_deleted(client, folder, film):
    answers = judge(client, film)
    assert "<h2>romance, 75.0 %</h2>" in answers[HEADING]
    assert "a film.mp4, 00:00:01" in answers[HEADING]
    assert "pairs of 2 shots" in answers[HEADING]
    assert answers[SCORES]["value"]["label"] == "romance"
    for picture in (TIMELINE, SHEET):
        assert pathlib.Path(answers[picture]["value"]).stat().st_size > 1000
    # The pair, its motion, and where the model looked, in each.
    assert answers[FIGURES].count("<img") == 5
    assert "evidence for romance in the frame" in answers[FIGURES]
    assert "no evidence for romance in the motion" in answers[FIGURES]
    assert not files_of(folder, ".film")


def test_a_film_s_limits_are_said_as_people_do():
    told = page_limits.Limits().of_film()
    assert told == "at most 4 GB and 4 hours"
    told = page_limits.Limits(megabytes=500, minutes=90.5).of_film()
    assert told == "at most 500 MB and 90.5 minutes"


def test_two_frames_are_judged(client, tmp_path):
    paths = []
    for number, frame in enumerate(drawn_films.shot(1, 2)):
        paths.append(tmp_path / f"{number}.png")
        paths[-1].write_bytes(tiny_served.encode(frame))
    given = [gradio_client.handle_file(str(path)) for path in paths]
    answers = client.predict(*given, api_name="/judge_pair")
    assert "<h2>romance, 75.0 %</h2>" in answers[HEADING]
    assert "motion magnitude: 0.01" in answers[HEADING]
    assert answers[FIGURES].count("<img") == 5
    webp = tmp_path / "2.webp"
    webp.write_bytes(tiny_served.encode(frame, ".webp"))
    text = tmp_path / "3.png"
    text.write_text("no image")
    for pair, told in (
        ((paths[0], webp), "The frame after it is a WebP"),
        ((text, paths[1]), "Frame is"),
    ):
        with pytest.raises(Exception, match=f"{told}(?!.*(bytes|/tmp))"):
            client.predict(
                *(gradio_client.handle_file(str(path)) for path in pair),
                api_name="/judge_pair",
            )


def test_two_frames_are_shown_and_judged_as_people_see_them(tmp_path):
    seen = []

    def ask(frame, next_frame):
        seen.append((frame[0], next_frame[0]))
        return answer(frame, next_frame)

    asked = predictor.Predictor(
        "a model", ask, (64, 96), lambda: tasks.REPORT, look
    )
    one = page.Page(asked, tmp_path, LIMITS)
    frame, next_frame = drawn_films.shot(1, 2)
    dark = next_frame.copy()
    dark[:, :48] = 0
    paths = [tmp_path / "lying.png", tmp_path / "clear.png"]
    paths[0].write_bytes(lying_images.lying(frame, 6))
    paths[1].write_bytes(lying_images.see_through(next_frame, 0))
    answers = one.judge_pair(*paths)
    np.testing.assert_array_equal(seen[0], (frame, dark))
    for expected in (frame, dark):
        png = base64.b64encode(image_files.encode_frame(expected)).decode()
        assert png in answers[FIGURES]
    assert (
        "<p>The frame after it: it is partly transparent; laid over black</p>"
        in answers[HEADING]
    )


def test_what_is_no_film_is_named_as_its_visitor_did(client, folder, tmp_path):
    text = tmp_path / "notes.mp4"
    text.write_text("no film at all\n" * 100)
    with pytest.raises(Exception, match=r"notes\.mp4: .*") as raised:
        judge(client, text)
    assert str(folder) not in str(raised.value)
    assert not files_of(folder, ".film")


def test_film_that_is_too_long_is_refused(client, tmp_path):
    film = drawn_films.write_film(
        tmp_path / "long.mp4", drawn_films.shot(1, 40), rate=1
    )
    with pytest.raises(Exception, match="30 seconds or less. Received: 40"):
        judge(client, film)


def test_only_uploads_can_be_asked_for(served, film, folder):
    file = {"path": str(film), "meta": {"_type": "gradio.FileData"}}
    url = f"{served}/gradio_api/call/take_film"
    event = httpx.post(url, json={"data": [file]}).json()["event_id"]
    assert "event: error" in httpx.get(f"{url}/{event}", timeout=30).text
    assert not files_of(folder, ".film")


def upload(served, filename, data):
    files = {"files": (filename, data)}
    return httpx.post(f"{served}/gradio_api/upload", files=files)


def test_upload_stays_in_its_folder(served, folder):
    before = set(folder.parent.rglob("*"))
    assert upload(served, "../../../x", b"x").status_code == 200
    new = set(folder.parent.rglob("*")) - before
    assert new and all(folder / "gradio" in path.parents for path in new)


def test_upload_above_the_limit_is_refused(served, folder):
    before = set(folder.rglob("*"))
    assert upload(served, "large.mp4", bytes(3 * 2**20)).status_code == 413
    assert set(folder.rglob("*")) == before


def test_upload_that_is_cut_off_costs_nothing(served, client, folder, film):
    before = set(folder.rglob("*"))
    url = urllib.parse.urlsplit(served)
    head = (
        "POST /gradio_api/upload HTTP/1.1\r\nHost: x\r\nContent-Type: "
        "multipart/form-data; boundary=x\r\nContent-Length: 1048576\r\n\r\n"
        "--x\r\nContent-Disposition: form-data; name=files; "
        'filename="cut.mp4"\r\n\r\n'
    )
    with socket.create_connection((url.hostname, url.port)) as sent:
        sent.sendall(head.encode() + bytes(2**19))
    assert "romance" in judge(client, film)[HEADING]
    new = set(folder.rglob("*")) - before
    place = folder / "gradio"
    assert all(place in (path, *path.parents) for path in new), new


def test_what_is_left_over_is_deleted_in_time(tmp_path):
    one = make_page(tmp_path)
    left = tmp_path / "gradio" / "abc" / "film.mp4"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"x")
    one.visitors.sweep()
    assert left.exists()
    for path in (left, left.parent):
        os.utime(path, (0, 0))
    one.visitors.sweep()
    assert not left.exists()
    os.utime(left.parent, (0, 0))
    one.visitors.sweep()
    assert not left.parent.exists()


def test_film_that_nobody_comes_back_for_is_deleted_in_time(visit, tmp_path):
    one, visitor = visit(page.Limits(waiting=1, seconds=60.0))
    [film] = files_of(tmp_path, ".film")
    # One may wait for another film, and then be judged.
    now = time.time()
    os.utime(film, (now - 700, now - 700))
    one.visitors.sweep()
    assert film.exists()
    os.utime(film, (now - 730, now - 730))
    one.visitors.sweep()
    assert not film.exists()
    with pytest.raises(gradio.Error, match="Drop a film first"):
        one.judge_film(20, False, visitor, no_progress)


def test_what_visitors_were_shown_is_not_kept_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(page, "_KEPT_SESSIONS", 1)
    one = make_page(tmp_path)
    url = one.launch(port=None)
    given = []
    for number, frame in enumerate(drawn_films.shot(1, 2)):
        path = tmp_path / f"{number}.png"
        path.write_bytes(tiny_served.encode(frame))
        given.append(gradio_client.handle_file(str(path)))
    tracemalloc.start()
    try:
        for _ in range(4):
            visitor = gradio_client.Client(url, verbose=False)
            answers = visitor.predict(*given, api_name="/judge_pair")
            visitor.close()
        kept = tracemalloc.take_snapshot().filter_traces(
            [tracemalloc.Filter(True, page.__file__)]
        )
    finally:
        tracemalloc.stop()
        one.close()
    assert len(answers[FIGURES]) > 10_000
    num_kept = sum(trace.size > 10_000 for trace in kept.traces)
    assert num_kept <= 2


def test_ten_visitors_at_once_get_ten_answers(served, film):
    def visit(_):
        visitor = gradio_client.Client(served, verbose=False)
        return judge(visitor, film)[HEADING]

    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        headings = list(pool.map(visit, range(10)))
    assert len(headings) == 10
    assert all("romance, 75.0 %" in heading for heading in headings)


def test_one_who_would_wait_too_long_is_told(tmp_path, film):
    may_go_on = threading.Event()

    def ask(frame, next_frame):
        may_go_on.wait(60)
        return answer(frame, next_frame)

    one = make_page(tmp_path, page.Limits(waiting=1), ask)
    url = one.launch(port=None)
    try:
        visitors = [gradio_client.Client(url, verbose=False) for _ in range(4)]
        for visitor in visitors:
            take(visitor, film)
        jobs = [
            visitor.submit(20, True, api_name="/judge_film")
            for visitor in visitors
        ]
        # One is judged and one waits, or two are told, before one can end.
        done, _ = concurrent.futures.wait(
            jobs, 60, concurrent.futures.FIRST_COMPLETED
        )
        assert all("is full" in str(job.exception()) for job in done)
        may_go_on.set()
        ended = [job.exception(60) for job in jobs]
        assert any(ended) and not all(ended)
    finally:
        may_go_on.set()
        one.close()


@pytest.fixture
def visit(tmp_path, film):
    """A page without a server, one visitor, and the film taken."""

    def make(limits=LIMITS, ask=answer):
        one = make_page(tmp_path, limits, ask)
        visitor = types.SimpleNamespace(session_hash="a")
        upload = tmp_path / "film.mp4"
        upload.write_bytes(film.read_bytes())
        one.take_film(str(upload), visitor)
        return one, visitor

    return make


def no_progress(*_, **__):
    pass


def test_one_who_cancels_or_leaves_stops_the_work(visit, tmp_path):
    one, visitor = visit()
    seen = []

    def progress(done, desc, unit):
        seen.append(desc)
        one._stop(visitor)

    answers = one.judge_film(20, False, visitor, progress)
    assert "<h2>Stopped.</h2>" in answers[HEADING]
    assert len(seen) == 1
    assert not files_of(tmp_path, ".film")


def test_one_who_leaves_while_waiting_leaves_nothing(visit, tmp_path):
    one, visitor = visit()
    assert files_of(tmp_path, ".film")
    one._stop(visitor)
    assert not files_of(tmp_path, ".film")
    with pytest.raises(gradio.Error, match="Drop a film first"):
        one.judge_film(20, False, visitor, no_progress)


def test_film_that_takes_too_long_is_stopped(visit):
    one, visitor = visit(page.Limits(seconds=1e-9))
    with pytest.raises(gradio.Error, match=r"film\.mp4: stopped after 1e-09"):
        one.judge_film(20, False, visitor, no_progress)


def test_same_film_of_two_visitors_is_judged_twice(visit, tmp_path):
    one, visitor = visit()
    other = types.SimpleNamespace(session_hash="b")
    one.take_film(str(tmp_path / "film.mp4"), other)
    for each in (visitor, other):
        answers = one.judge_film(20, True, each, no_progress)
        assert "romance" in answers[HEADING]


def test_name_of_a_film_never_becomes_part_of_the_page(visit, film, tmp_path):
    one, visitor = visit()
    path = tmp_path / "<img src=x onerror=alert(1)> $\\frac$ &amp;.mp4"
    path.write_bytes(film.read_bytes())
    one.take_film(str(path), visitor)
    answers = one.judge_film(20, True, visitor, no_progress)
    assert "<img src=x" not in answers[HEADING]
    assert "&lt;img src=x" in answers[HEADING]
    assert "&amp;amp;" in answers[HEADING]


def test_film_that_is_unlike_is_shown_so_with_its_scores(visit):
    one, visitor = visit(ask=unlike)
    answers = one.judge_film(20, True, visitor, no_progress)
    assert (
        "<h2>unlike the films it was trained on (familiarity 0.01); best "
        "guess: romance, 75.0 %</h2>" in answers[HEADING]
    )
    assert "Evidence for none of its genres.</p>" in answers[HEADING]
    assert "uncertain" not in answers[HEADING]
    assert answers[SCORES].value["confidences"][0] == {
        "label": "romance",
        "confidence": pytest.approx(0.75),
    }
    assert "evidence for romance" in answers[FIGURES]


def test_pairs_that_do_not_vote_are_counted(visit):
    one, visitor = visit(ask=half_unlike)
    answers = one.judge_film(20, False, visitor, no_progress)
    assert "<h2>romance, 75.0 %</h2>" in answers[HEADING]
    found = re.search(r"(\d+) of (\d+) pairs are unlike", answers[HEADING])
    assert 0 < int(found[1]) < int(found[2])
    assert "and do not vote" in answers[HEADING]
    share = re.search("romance in ([0-9.]+) % of the film", answers[HEADING])
    assert 40 < float(share[1]) < 60


def test_two_frames_that_are_unlike_are_shown_so(tmp_path):
    one = make_page(tmp_path, ask=unlike)
    paths = [tmp_path / "1.png", tmp_path / "2.png"]
    for path, frame in zip(paths, drawn_films.shot(1, 2), strict=True):
        path.write_bytes(tiny_served.encode(frame))
    answers = one.judge_pair(*paths)
    assert "<h2>unlike the films it was trained on" in answers[HEADING]
    assert "<p>familiarity: 0.01</p>" in answers[HEADING]
    assert answers[SCORES].value["label"] == "romance"


def test_drawn_example_is_judged(visit):
    one, visitor = visit()
    answers = one._judge_example("animation_2d")(20, True, visitor, no_progress)
    assert "drawn film, animation 2d" in answers[HEADING]
    frame, next_frame = one._example_pair("animation_2d")
    assert frame.shape == (270, 480, 3)
    assert np.any(frame != next_frame)


def test_page_asks_nothing_of_anyone_else(served):
    text = httpx.get(served).text
    assert "fonts.googleapis" not in text
    assert 'src="http' not in text
    assert served.startswith("http://127.0.0.1:")


@pytest.mark.parametrize("name", ["megabytes", "minutes", "seconds", "waiting"])
def test_limit_is_above_nothing(name):
    with pytest.raises(ValueError, match=f"{name} above 0. Received: 0"):
        page.Limits(**{name: 0})


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "keras_ssc.app", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_mistakes_on_the_command_line_are_one_line(tmp_path):
    ended = run(tmp_path / "nothing")
    assert ended.returncode == 2
    assert "Expected a run's folder" in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr
