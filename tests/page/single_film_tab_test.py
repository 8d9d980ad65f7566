import numpy as np
import pytest
from starlette import testclient

from keras_ssc import tasks
from keras_ssc.genres import REPORT_GENRES
from keras_ssc.library import database
from keras_ssc.page import library_page
from keras_ssc.page import page
from keras_ssc.prediction import predictor


def answer(frame, next_frame):
    """Says all genres of every pair alike, as `Predictor` is to be asked."""
    scores = np.full((len(frame), len(REPORT_GENRES)), 1 / 6, np.float32)
    return scores, np.full(len(frame), 0.01, np.float32), None


@pytest.fixture
def client(tmp_path):
    asked = predictor.Predictor(
        "a model", answer, (68, 120), lambda: tasks.REPORT
    )
    single = page.Page(asked, tmp_path / "page")
    with database.Library(tmp_path / "library.sqlite", create=True) as library:
        app = library_page.make_app(library, single=single)
        with testclient.TestClient(app, base_url="http://127.0.0.1") as opened:
            yield opened
    single.close()


def test_the_page_for_a_single_film_is_a_tab(client):
    tab = client.get("/single").text
    assert '<iframe class="single" src="/single-film/"' in tab
    inside = client.get("/single-film/")
    assert inside.status_code == 200
    assert "What genre is this film?" in inside.text
    # It has scripts within its text.
    assert "content-security-policy" not in inside.headers


def test_other_websites_cannot_use_it(client):
    foreign = {"Host": "evil.example"}
    assert client.get("/single-film/", headers=foreign).status_code == 403
    answer = client.post(
        "/single-film/gradio_api/upload",
        files={"files": b"x"},
        headers={"Origin": "https://evil.example"},
    )
    assert answer.status_code == 403
