import concurrent.futures
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import threading

import pytest
from starlette import testclient

from keras_ssc import app as app_command
from keras_ssc.library import database
from keras_ssc.library import learning
from keras_ssc.page import library_page
from keras_ssc.page import library_view
from tests.helpers import drawn_films
from tests.helpers import filmed_libraries

ADDRESS = "http://127.0.0.1:7860"

# A name that would be part of the page if it were not escaped.
EVIL = "<img src=x onerror=alert(1)> & 'film' {{ 7919*7919 }}"


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    names = ("harbour", "night", "morning", "street")
    frames = [
        [frame for place in range(4) for frame in drawn_films.shot(place, 12)]
        for place in (0, 10, 20, 30)
    ]
    return [
        drawn_films.write_film(folder / f"{name}.mp4", shown)
        for name, shown in zip(names, frames, strict=True)
    ]


@pytest.fixture(scope="module")
def scanned(films, tmp_path_factory):
    path = tmp_path_factory.mktemp("scanned") / "library.sqlite"
    with database.Library(path, create=True) as opened:
        for film in films:
            filmed_libraries.add_film(opened, film)
        opened.add_genres(["horror", "romance", "heist"])
    return path


@pytest.fixture
def library(scanned, tmp_path):
    shutil.copytree(scanned.parent, tmp_path, dirs_exist_ok=True)
    with database.Library(tmp_path / scanned.name) as opened:
        yield opened


def client_of(library, host="127.0.0.1"):
    return testclient.TestClient(
        library_page.make_app(library, host), base_url=ADDRESS
    )


@pytest.fixture
def client(library):
    return client_of(library)


def said(library, film, genres, last_seen=0, person="ann", **more):
    return {
        "film": film,
        "content": library.film(film).content,
        "genres": genres,
        "person": person,
        "last_seen": last_seen,
        **more,
    }


def names_in(page):
    return re.findall(r'class="name">([^<]*)<', page.text)


# ---- lists ----


@pytest.mark.parametrize("look", ["wall", "table"])
def test_all_films_are_listed(client, look):
    page = client.get("/", params={"look": look})
    assert page.status_code == 200
    for name in ("harbour", "night", "morning", "street"):
        assert name in page.text
    assert "0 of 4 labelled, 0 suggested with confidence" in page.text


def test_films_are_found_by_name(client, library):
    library.add_file(pathlib.Path("/films/Übergang 2.mp4"), "other", 1, 1)
    for text, found in (
        ("harb", ["harbour"]),
        ("HARB our", ["harbour"]),
        ("\u0055\u0308bergang", ["Übergang 2"]),
        ("nothing like it", []),
    ):
        assert names_in(client.get("/", params={"text": text})) == found


def test_films_are_filtered_and_sorted(client, library):
    library.set_label(1, ["horror"], "ann")
    library.set_label(3, ["romance"], "ann")
    library.set_error(4, "no video")
    library.set_copies([(1, 2)])

    def listed(**query):
        return names_in(client.get("/", params=query))

    assert listed(order="name") == ["harbour", "morning", "night", "street"]
    assert listed(shown="labelled", order="newest") == [
        "morning",
        # A copy of what is labelled is labelled.
        *("harbour", "night"),
    ]
    assert listed(shown="unlabelled") == []
    assert listed(genre="romance") == ["morning"]
    assert listed(shown="unreadable") == ["street"]
    assert listed(shown="copies") == ["harbour", "night"]


def test_suggestions_are_sorted_by_doubt_and_place(client, library):
    def suggestion(film, confidence, familiarity, place, doubt=None):
        scores = {"horror": confidence, "romance": 1 - confidence}
        return database.Suggestion(
            *(film, scores, ("horror",), confidence, familiarity, place, doubt)
        )

    library.set_label(4, ["romance"], "ann")
    library.set_suggestions(
        [
            suggestion(1, 0.9, 0.5, 2),
            suggestion(2, 0.6, 0.01, 0),
            suggestion(3, 0.7, 0.9, 1),
            suggestion(4, 0.7, 0.8, None, ("horror",)),
        ],
        {},
    )

    def listed(**query):
        return names_in(client.get("/", params=query))

    assert listed(shown="unlabelled") == ["night", "morning", "harbour"]
    assert listed(order="doubt")[0] == "night"
    assert listed(order="sure")[0] == "harbour"
    assert listed(order="familiarity")[0] == "night"
    assert listed(shown="confident") == ["harbour"]
    assert listed(shown="unlike") == ["night"]
    assert listed(shown="doubted") == ["street"]
    page = client.get("/")
    assert "1 of 4 labelled, 1 suggested with confidence" in page.text
    assert "looks like horror" in page.text
    first = client.get("/label", follow_redirects=False)
    assert first.headers["location"] == "/film/2"


def test_a_list_has_pages(client, library, monkeypatch):
    monkeypatch.setattr(library_view, "PAGE_FILMS", 3)
    assert len(names_in(client.get("/"))) == 3
    assert len(names_in(client.get("/", params={"page": 2}))) == 1
    # The last one, where there are fewer.
    assert "page 2 of 2" in client.get("/", params={"page": 99}).text


def test_what_another_program_changed_is_shown(client, library):
    client.get("/")
    with database.Library(library.path) as other:
        other.set_label(2, ["heist"], "ben")
        assert "1 of 4 labelled" in client.get("/").text
        other.set_error(3, "no video")
        other.add_file(pathlib.Path("/films/new.mp4"), "new", 1, 1)
    page = client.get("/")
    assert "1 of 4 labelled" in page.text
    assert "1 not read yet, 1 cannot be read" in page.text


def test_a_film_that_cannot_be_read_says_why(client, library):
    library.set_error(2, "no video in it")
    assert "no video in it" in client.get("/?look=table").text
    assert "no video in it" in client.get("/film/2").text


def test_an_empty_library_says_what_to_do(tmp_path):
    with database.Library(tmp_path / "empty.sqlite", create=True) as empty:
        assert "library scan FOLDER" in client_of(empty).get("/").text


# ---- labels ----


def test_a_label_is_stored_at_once_and_the_next_film_is_told(client, library):
    answer = client.post("/label", json=said(library, 1, ["horror"])).json()
    with database.Library(library.path) as other:
        assert other.labels()[1].genres == ("horror",)
    assert answer["said"] == "Saved: horror for harbour."
    assert answer["next"] == 2
    assert answer["progress"].startswith("1 of 4 labelled")


def test_the_last_film_has_no_next_one(client, library):
    for film in (1, 2, 3):
        library.set_label(film, ["horror"], "ann")
    answer = client.post("/label", json=said(library, 4, ["horror"])).json()
    assert answer["next"] is None
    first = client.get("/label", follow_redirects=False)
    assert first.headers["location"].startswith("/?shown=labelled")


def test_the_next_film_is_the_next_of_its_list(client, library):
    query = {"shown": "all", "order": "name"}
    answer = client.post(
        "/label", json=said(library, 1, ["horror"], query=query)
    ).json()
    assert answer["next"] == 3  # harbour, morning


def test_undo_brings_the_label_before_back(client, library):
    first = client.post("/label", json=said(library, 1, ["horror"])).json()
    second = client.post(
        "/label", json=said(library, 1, ["heist"], first["label"])
    ).json()
    client.post("/label", json=said(library, 1, ["horror"], second["label"]))
    assert library.labels()[1].genres == ("horror",)
    answer = client.post("/label", json=said(library, 1, None)).json()
    assert answer["said"] == "Taken back: the label of harbour."
    assert library.labels() == {}
    assert len(library.history(1)) == 4


def test_two_persons_are_told_of_each_other(client, library):
    page = client.get("/film/1").text
    assert '"last_seen": 0' in page
    client.post("/label", json=said(library, 1, ["romance"], person="Ben"))
    answer = client.post("/label", json=said(library, 1, ["horror"])).json()
    assert answer["said"] == (
        "Saved: horror for harbour. Ben had said romance just now; yours "
        "holds, and the history keeps both."
    )
    page = client.get("/film/1").text
    assert "Ben: romance" in page
    assert "ann: horror" in page


def test_many_persons_at_once_lose_nothing(client, library):
    def label(number):
        body = said(library, 1, ["horror"], person=f"person {number}")
        return client.post("/label", json=body).status_code

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert set(pool.map(label, range(24))) == {200}
    assert len(library.history(1)) == 24


def test_a_new_genre_is_a_genre(client, library):
    client.post("/label", json=said(library, 1, ["Film Noir"]))
    assert 'data-genre="Film Noir"' in client.get("/film/2").text


@pytest.mark.parametrize(
    "wrong",
    [
        {"film": 99},
        {"content": "another library's film"},
        {"genres": []},
        {"genres": ["a|b"]},
        {"genres": "horror"},
        {"person": " "},
        {"query": {"shown": "nonsense"}},
        {"last_seen": "x"},
    ],
)
def test_what_is_no_label_is_refused_in_a_sentence(client, library, wrong):
    body = said(library, 1, ["horror"]) | wrong
    answer = client.post("/label", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert library.labels() == {}


def test_a_locked_library_is_told_and_keeps_the_page(
    client, library, monkeypatch
):
    monkeypatch.setattr(database, "_PATIENCE", 0.1)
    with database.Library(library.path) as other:
        other._connection.execute("BEGIN IMMEDIATE")
        answer = client.post("/label", json=said(library, 1, ["horror"]))
        assert client.get("/").status_code == 200
        other._connection.execute("ROLLBACK")
    # The browser keeps the label of an answer from 500 on.
    assert answer.status_code == 503
    assert "another program writes" in answer.json()["error"]


def test_a_damaged_library_is_told(client, library):
    def fail(*_):
        raise database.LibraryError("The file is damaged.")

    library.version = fail
    page = client.get("/")
    assert page.status_code == 503
    assert "The file is damaged." in page.text
    assert "Traceback" not in page.text


# ---- learning ----


def test_the_first_films_to_label_are_chosen_before_anything_is(
    client, library
):
    assert library.suggestions() == {}
    assert client.get("/label", follow_redirects=False).status_code == 303
    places = sorted(x.place for x in library.suggestions().values())
    assert places == [0, 1, 2, 3]


def test_learn_now_says_what_changed(client, library):
    for film, genre in ((1, "horror"), (2, "romance"), (3, "horror")):
        library.set_label(film, [genre], "ann")
    answer = client.post("/learn", json={}).json()
    assert "Learnt from 3 films" in answer["said"][0]
    assert answer["said"][1] == learning.quality_text(library)
    assert "suggested" in client.get("/").text
    page = client.get("/film/4").text
    # Its shots by what they are evidence for.
    assert re.search(r'"genre": "(horror|romance)"', page)


def test_it_learns_once_at_a_time(client, monkeypatch):
    begun, end = threading.Event(), threading.Event()

    def learn(library):
        begun.set()
        end.wait(30)
        raise ValueError("Label more films.")

    monkeypatch.setattr(learning, "learn", learn)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        first = pool.submit(client.post, "/learn", json={})
        begun.wait(30)
        assert "already" in client.post("/learn", json={}).json()["error"]
        end.set()
        assert first.result().json()["error"] == "Label more films."


# ---- films ----


def test_similar_films_are_shown(client):
    names = names_in(client.get("/film/1/similar"))
    assert sorted(names) == ["morning", "night", "street"]


def test_pictures_are_sent_and_kept(client):
    for address in ("/picture/1/0", "/poster/1"):
        picture = client.get(address)
        assert picture.headers["content-type"] == "image/jpeg"
        assert picture.content[:3] == b"\xff\xd8\xff"
        assert "max-age" in picture.headers["cache-control"]
    for address in ("/picture/1/99", "/picture/99/0", "/poster/99"):
        assert client.get(address).status_code == 404


def test_a_film_is_sent_in_parts(client, films):
    whole = films[0].read_bytes()
    page = client.get("/film/1").text
    assert "<video" in page
    video = client.get("/video/1")
    assert video.headers["content-type"] == "video/mp4"
    assert video.content == whole
    part = client.get("/video/1", headers={"Range": "bytes=10-19"})
    assert part.status_code == 206
    assert part.content == whole[10:20]
    assert part.headers["content-range"] == f"bytes 10-19/{len(whole)}"
    past = client.get("/video/1", headers={"Range": "bytes=99999999-"})
    assert past.status_code == 416


def test_a_film_that_no_browser_plays_is_pictures(client, library, tmp_path):
    frames = [x for place in range(4) for x in drawn_films.shot(place, 12)]
    film = drawn_films.write_film(
        tmp_path / "hevc.mkv", frames, codec="libx265"
    )
    number = filmed_libraries.add_film(library, film)
    page = client.get(f"/film/{number}").text
    assert "Browsers do not play" in page
    assert "<video" not in page
    assert client.get(f"/video/{number}").status_code == 404


def test_a_film_whose_file_changed_is_not_sent(client, library, tmp_path):
    frames = [x for place in range(4) for x in drawn_films.shot(place, 12)]
    film = drawn_films.write_film(tmp_path / "film.mp4", frames)
    number = filmed_libraries.add_film(library, film)
    assert client.get(f"/video/{number}").status_code == 200
    secret = tmp_path / "secret.txt"
    secret.write_text("x" * film.stat().st_size)
    film.unlink()
    film.symlink_to(secret)
    assert client.get(f"/video/{number}").status_code == 404
    film.unlink()
    film.write_text("another size")
    assert "file was changed" in client.get(f"/film/{number}").text
    film.unlink()
    assert "no longer there" in client.get(f"/film/{number}").text
    assert client.get(f"/video/{number}").status_code == 404


def test_a_film_that_is_damaged_meanwhile_is_pictures(
    client, library, tmp_path
):
    frames = [x for place in range(4) for x in drawn_films.shot(place, 12)]
    film = drawn_films.write_film(tmp_path / "film.mp4", frames)
    number = filmed_libraries.add_film(library, film)
    film.write_bytes(b"\0" * film.stat().st_size)
    page = client.get(f"/film/{number}")
    assert page.status_code == 200
    assert "<video" not in page.text
    assert "Here is a picture of each shot" in page.text


def test_a_name_is_never_part_of_the_page(client, library):
    film = library.add_file(pathlib.Path("/films") / f"{EVIL}.mp4", "x", 1, 1)
    library.set_error(film, f"{EVIL}: damaged")
    library.set_label(film, ["<b>bold</b>"], "<i>ann</i>")
    for address in ("/", "/?look=table", f"/film/{film}", f"/?text={EVIL}"):
        page = client.get(address).text
        for part in ("<img src=x", "<b>bold", "<i>ann", str(7919 * 7919)):
            assert part not in page


# ---- who may ask ----


@pytest.mark.parametrize(
    "address",
    [
        "/video/../../etc/passwd",
        "/video/%2e%2e%2fetc%2fpasswd",
        "/video/1%00",
        "/static/..%2flibrary_page.py",
        "/static/%2e%2e/page.py",
        "/static//etc/passwd",
        "/picture/1/..%2f..%2fetc",
        "/film/abc",
        "/nothing",
        "/docs",
        "/openapi.json",
    ],
)
def test_only_what_is_in_the_library_can_be_read(client, address):
    answer = client.get(address)
    assert answer.status_code in (400, 404)
    assert "root:" not in answer.text
    assert "import" not in answer.text


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:7860", 200),
        ("localhost:7860", 200),
        ("[::1]:7860", 200),
        ("192.168.1.5:7860", 200),
        ("evil.example:7860", 403),
        ("127.0.0.1.evil.example", 403),
        ("[", 403),
        ("", 403),
    ],
)
def test_another_name_for_this_machine_is_refused(client, host, status):
    assert client.get("/", headers={"Host": host}).status_code == status


def test_the_name_that_it_listens_at_is_its_own(library):
    client = client_of(library, "films.example")
    for name in ("films.example", socket.gethostname()):
        assert client.get("/", headers={"Host": name}).status_code == 200
    assert "has no login" in client.get("/").text


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:8000"]
)
def test_other_websites_change_nothing(client, library, origin):
    for address in ("/label", "/learn"):
        answer = client.post(
            address,
            json=said(library, 1, ["horror"]),
            headers={"Origin": origin},
        )
        assert answer.status_code == 403
    assert library.labels() == {}
    answer = client.post(
        "/label",
        json=said(library, 1, ["horror"]),
        headers={"Origin": ADDRESS},
    )
    assert answer.status_code == 200


def test_a_huge_request_is_refused(client, library):
    answer = client.post("/label", content=b"x" * 100_000)
    assert answer.status_code == 403
    answer = client.post("/label", content=iter([b"x"] * 10))
    assert answer.status_code == 403


def test_pages_load_nothing_from_elsewhere(client):
    for address in ("/", "/film/1", "/single"):
        page = client.get(address)
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "http:" not in policy and "unsafe" not in policy
        assert not re.search(r'(src|href)="(https?:)?//', page.text)
        # The policy would stop these.
        assert not re.search(r'\s(style|on\w+)="', page.text)


# ---- the command ----


def test_without_a_model_the_tab_says_how_to_have_one(client):
    assert "MODEL is a run" in client.get("/single").text


def test_a_missing_library_is_a_mistake(tmp_path, monkeypatch):
    path = tmp_path / "none.sqlite"
    monkeypatch.setattr("sys.argv", ["app", "--library", str(path)])
    with pytest.raises(ValueError, match="library scan FOLDER"):
        app_command.main()
    monkeypatch.setattr("sys.argv", ["app"])
    with pytest.raises(ValueError, match="MODEL, a --library"):
        app_command.main()


def test_without_a_model_it_is_light(library):
    # TensorFlow alone takes 600 MB and seconds.
    script = (
        "import sys; import keras_ssc.page.library_page; "
        "print([x for x in ('tensorflow', 'gradio') if x in sys.modules])"
    )
    told = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout == "[]\n"


def test_a_port_that_is_taken_is_one_line(library):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(OSError, match=f"127.0.0.1:{port}"):
            library_page.serve(library.path, None, "127.0.0.1", port)
