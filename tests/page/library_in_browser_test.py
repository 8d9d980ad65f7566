import urllib.parse

import pytest

from keras_ssc.library import database
from tests.helpers import browser
from tests.helpers import drawn_films
from tests.helpers import filmed_libraries
from tests.helpers import served_library

pytestmark = pytest.mark.skipif(
    browser.found() is None, reason="no Chromium here"
)


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("library")
    frames = [x for place in range(4) for x in drawn_films.shot(place, 12)]
    with database.Library(folder / "library.sqlite", create=True) as opened:
        for name in ("one", "two", "three", "four"):
            film = drawn_films.write_film(folder / f"{name}.mp4", frames)
            filmed_libraries.add_film(opened, film)
        hevc = drawn_films.write_film(
            folder / "hevc.mp4", frames, codec="libx265"
        )
        filmed_libraries.add_film(opened, hevc)
        opened.add_genres(["horror", "romance"])
        # The queue is as they came in.
        opened.set_suggestions(
            [
                database.Suggestion(film.id, {}, (), 0.0, None, place)
                for place, film in enumerate(opened.films())
            ],
            {},
        )
        yield opened


@pytest.fixture(scope="module")
def page():
    with browser.opened() as opened:
        yield opened
        assert opened.errors == []


def test_films_are_labelled_by_key(library, page):
    with served_library.served(library) as address:
        page.open(f"{address}/label")
        page.press("1")
        page.press_and_go("Enter")
        assert page.text("#status") == "Saved: horror for one."
        assert page.text("h1") == "two"
        # A new genre, by its name.
        page.press("g", *"heist", "Enter")
        page.press_and_go("Enter")
        assert page.text("#status") == "Saved: heist for two."
        # Without a genre, nothing is confirmed.
        page.press("Enter")
        page.wait_for(
            "document.querySelector('#status').textContent"
            ".includes('Choose a genre')"
        )
        page.press_and_go("n")
        assert page.text("h1") == "four"
        page.press_and_go("u")
        assert page.text("#status").startswith("Undone. Taken back")
        assert page.text("h1") == "two"
        assert library.labels().keys() == {1}
        page.press("?")
        assert page.evaluate("document.querySelector('#keys').open")
        page.press("Escape")


def test_a_film_is_played_by_key(library, page):
    with served_library.served(library) as address:
        page.open(f"{address}/film/1")
        page.wait_for("document.querySelector('video').readyState > 0")
        page.press("ArrowRight", "ArrowRight")
        page.wait_for("document.querySelector('video').currentTime > 0.99")
        assert page.text("#shot-text").startswith("Shot 3 of 4")
        page.press(">", ">", "<")
        assert page.text("#speed") == "speed 1.25"
        assert (
            page.evaluate("document.querySelector('video').playbackRate")
            == 1.25
        )
        page.evaluate(
            "document.querySelector('#timeline').dispatchEvent(new MouseEvent("
            "'click', {clientX: document.querySelector('#timeline')"
            ".getBoundingClientRect().right - 5}))"
        )
        assert page.text("#shot-text").startswith("Shot 4 of 4")


def test_what_the_browser_does_not_play_is_pictures(library, page):
    with served_library.served(library) as address:
        page.open(f"{address}/film/5")
        page.wait_for("document.querySelector('video').hidden")
        page.press("ArrowRight")
        assert page.text("#shot-text").startswith("Shot 2 of 4")
        shown = page.evaluate("document.querySelector('#picture').src")
        assert urllib.parse.urlsplit(shown).path == "/picture/5/1"


def test_a_label_waits_for_a_server_that_is_gone(library, page):
    with served_library.served(library) as address:
        page.open(f"{address}/film/3")
    page.press("2", "Enter")
    page.wait_for("!document.querySelector('#unsent').hidden")
    assert 3 not in library.labels()
    port = int(address.rpartition(":")[2])
    with served_library.served(library, port):
        page.wait_for(
            "document.querySelector('#status').textContent"
            ".includes('Saved: romance for three')"
        )
        assert library.labels()[3].genres == ("romance",)
        page.wait_for("document.querySelector('#unsent').hidden")


def test_learn_now_tells(library, page):
    library.set_label(1, ["horror"], "ann")
    library.set_label(3, ["romance"], "ann")
    with served_library.served(library) as address:
        page.open(f"{address}/?look=table")
        page.press_and_go("l")
        assert "Learnt from" in page.text("#status")
        assert "look=table" in page.evaluate("location.search")


def test_a_phone_shows_all_of_it(library):
    with (
        served_library.served(library) as address,
        browser.opened(390, 844) as phone,
    ):
        for path in ("/", "/?look=table", "/film/1", "/single"):
            phone.open(address + path)
            width = phone.evaluate("document.documentElement.scrollWidth")
            assert width == 390, path
