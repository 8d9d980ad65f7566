"""A library's database."""

import pathlib
import sqlite3
import threading
import time

import numpy as np
import pytest

from keras_ssc.library import database

FOLDER = pathlib.Path("/films").absolute()


@pytest.fixture
def library(tmp_path):
    with database.Library(tmp_path / "library.sqlite", create=True) as opened:
        yield opened


def _add(library, *names):
    return [
        library.add_file(FOLDER / f"{name}.mp4", f"content of {name}", 10, 20)
        for name in names
    ]


def test_a_film_keeps_what_was_read_of_it(library):
    (film,) = _add(library, "harbour")
    assert not library.film(film).is_read
    shots = [(0.0, 1.5, b"jpeg"), (1.5, 4.0, None)]
    library.set_read(film, (4.0, 64, 36), shots, np.arange(3.0), ["a note"])
    found = library.film(film)
    assert found.is_read and found.error is None
    assert (found.name, found.notes) == ("harbour", ("a note",))
    assert (found.seconds, found.width, found.height) == (4.0, 64, 36)
    assert [x.end_seconds for x in library.shots(film)] == [1.5, 4.0]
    assert library.picture(film, 0) == b"jpeg"
    assert library.picture(film, 1) is library.picture(film, 2) is None
    ids, means = library.means()
    assert ids.tolist() == [film]
    np.testing.assert_array_equal(means, [[0, 1, 2]])


def test_what_cannot_be_read_is_a_row_with_its_reason(library):
    (film,) = _add(library, "broken")
    library.set_error(film, "no video")
    assert library.film(film).error == "no video"
    assert library.means()[0].size == 0
    library.set_read(film, (1.0, 2, 2), [], np.zeros(3), [])
    assert library.film(film).error is None


def test_a_renamed_film_keeps_its_label(library):
    (film,) = _add(library, "draft")
    library.set_label(film, ["horror"], "ann")
    library.lose_files([FOLDER / "draft.mp4"])
    renamed = library.add_file(FOLDER / "final.mkv", "content of draft", 10, 30)
    assert renamed == film
    assert [x.is_there for x in library.files(film)] == [False, True]
    assert library.labels()[film].genres == ("horror",)


def test_any_file_name_is_kept(library, tmp_path):
    path = tmp_path / b"\xff \xed\x95\x9c.mp4".decode(
        "utf-8", "surrogateescape"
    )
    path.touch()
    film = library.add_file(path, "content", 0, 0)
    assert library.path_of(film) == path
    assert "한" in library.film(film).name


def test_labels_are_never_lost(library):
    (film,) = _add(library, "harbour")
    first, replaced = library.set_label(film, ["horror"], "ann", last_seen=0)
    assert replaced is None
    # Ben did not see what Ann said.
    second, replaced = library.set_label(film, ["romance"], "ben", last_seen=0)
    assert replaced == first
    third, replaced = library.set_label(film, None, "ben", second.id)
    assert replaced is None
    assert library.labels() == {}
    assert library.history(film) == [first, second, third]


def test_a_copy_has_its_originals_label_unless_it_has_its_own(library):
    one, copy, other = _add(library, "one", "copy", "other")
    library.set_copies([(one, copy)])
    library.set_label(copy, ["horror"], "ann")
    assert {x: y.genres for x, y in library.labels().items()} == {
        one: ("horror",),
        copy: ("horror",),
    }
    library.set_label(one, ["romance"], "ann")
    labels = library.labels()
    assert labels[one].genres == ("romance",)
    assert labels[copy].genres == ("horror",)
    assert library.film(copy).copies == one
    assert library.film(other).copies == other


def test_genres_are_spelt_one_way(library):
    one, other = _add(library, "one", "other")
    library.add_genres(["Film Noir"])
    library.set_label(one, ["film-noir", "Heist"], "ann")
    library.set_label(other, ["HEIST"], "ann")
    assert set(library.genres) == {"Film Noir", "Heist"}
    assert library.labels()[other].genres == ("Heist",)


@pytest.mark.parametrize("genres", [(), ["a|b"], [" "]])
def test_what_is_no_genre_is_no_label(library, genres):
    (film,) = _add(library, "one")
    with pytest.raises(ValueError, match="Expected"):
        library.set_label(film, genres, "ann")
    assert library.history(film) == []
    with pytest.raises(ValueError, match="film of the library"):
        library.set_label(99, ["horror"], "ann")


def test_suggestions_are_replaced_as_a_whole(library):
    one, other = _add(library, "one", "other")
    doubted = database.Suggestion(
        one, {"a": 0.9, "b": 0.1}, ("a",), 0.9, None, None, ("b",)
    )
    queued = database.Suggestion(other, {"a": 0.5}, ("a",), 0.5, 0.2, 0)
    library.set_suggestions([doubted], {"quality": "good"})
    library.set_suggestions([doubted, queued], {"quality": "better"})
    assert library.suggestions() == {one: doubted, other: queued}
    assert library.setting("quality") == "better"
    assert library.setting("no such", "default") == "default"


def test_threads_write_side_by_side(library):
    (film,) = _add(library, "one")
    threads = [
        threading.Thread(
            target=lambda: [
                library.set_label(film, ["horror"], "ann") for _ in range(10)
            ]
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(library.history(film)) == 40


def test_what_changed_since_is_known(library):
    one, _ = _add(library, "one", "other")
    changes, newest = library.version()
    assert newest == 0
    first, _ = library.set_label(one, ["horror"], "ann")
    second, _ = library.set_label(one, None, "ben")
    assert library.version() == (changes, second.id)
    assert library.labels_after(first.id) == [second]
    library.set_error(one, "broken")
    assert library.version() == (changes + 1, second.id)


def test_the_poster_is_the_picture_with_most_in_it(library):
    (film,) = _add(library, "one")
    assert library.poster(film) is None
    shots = [(0.0, 1.0, b"black"), (1.0, 2.0, b"a harbour"), (2.0, 3.0, None)]
    library.set_read(film, (3.0, 64, 36), shots, np.zeros(3), [])
    assert library.poster(film) == b"a harbour"


def test_two_threads_never_close_a_connection_at_once():
    """One whose thread ends while the library is closed."""
    at_once, inside = [], []

    class Connection:
        def close(self):
            inside.append(1)
            time.sleep(0.05)
            at_once.append(len(inside))
            inside.pop()

    held = database._Held(Connection())
    threads = [threading.Thread(target=held.close) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert at_once == [1, 1, 1]


def test_a_connection_ends_with_its_thread(library):
    _add(library, "one")
    held = len(library._held)
    for _ in range(5):
        thread = threading.Thread(target=library.films)
        thread.start()
        thread.join()
    assert len(library._held) == held


# ---- the file ----


def test_a_missing_library_is_a_mistake(tmp_path):
    with pytest.raises(ValueError, match="library scan FOLDER"):
        database.Library(tmp_path / "none.sqlite")
    assert not list(tmp_path.iterdir())


def test_an_older_library_is_backed_up_and_brought_up(library, monkeypatch):
    (film,) = _add(library, "one")
    library.set_label(film, ["horror"], "ann")
    library.close()
    newer = (*database._MIGRATIONS, "CREATE TABLE tag (name TEXT);")
    monkeypatch.setattr(database, "_MIGRATIONS", newer)
    with database.Library(library.path) as opened:
        assert opened.labels()[film].genres == ("horror",)
        assert opened._rows("SELECT * FROM tag") == []
    monkeypatch.undo()
    backup = library.path.with_name("library.sqlite.version-1.backup")
    with database.Library(backup) as opened:
        assert opened.labels()[film].genres == ("horror",)
    # The program of before says so of the newer one.
    with pytest.raises(database.LibraryError, match="Update keras_ssc"):
        database.Library(library.path)


def test_a_migration_that_fails_changes_nothing(library, monkeypatch):
    library.close()
    broken = (*database._MIGRATIONS, "CREATE TABLE tag (name TEXT);\nNONSENSE")
    monkeypatch.setattr(database, "_MIGRATIONS", broken)
    with pytest.raises(database.LibraryError, match="syntax error"):
        database.Library(library.path)
    monkeypatch.undo()
    database.Library(library.path).close()


def test_what_is_no_library_is_left_alone(tmp_path):
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE mine (x)")
    other.close()
    with pytest.raises(database.LibraryError, match="another program's"):
        database.Library(path)
    path.write_bytes(b"no database at all, " * 100)
    with pytest.raises(database.LibraryError, match="damaged"):
        database.Library(path)
    assert path.read_bytes() == b"no database at all, " * 100


def test_a_locked_library_says_so(library, monkeypatch):
    monkeypatch.setattr(database, "_PATIENCE", 0.1)
    (film,) = _add(library, "one")
    with database.Library(library.path) as other:
        other._connection.execute("BEGIN IMMEDIATE")
        with (
            database.Library(library.path) as third,
            pytest.raises(database.LibraryError, match="another program"),
        ):
            third.set_label(film, ["horror"], "ann")
        other._connection.execute("ROLLBACK")
    library.set_label(film, ["horror"], "ann")


def test_a_library_that_lost_a_page_says_so(library):
    _add(library, *(f"film {number}" for number in range(500)))
    library.close()
    data = bytearray(library.path.read_bytes())
    data[4096:] = b"\0" * len(data[4096:])
    library.path.write_bytes(bytes(data))
    with (
        pytest.raises(database.LibraryError, match="damaged"),
        database.Library(library.path) as opened,
    ):
        opened.films()


def test_many_labels_at_once_or_none(library):
    one, other = _add(library, "one", "other")
    library.set_labels({one: ["Heist"], other: ["HEIST", "horror"]}, "a list")
    assert library.labels()[other].genres == ("Heist", "horror")
    with pytest.raises(ValueError, match="Expected"):
        library.set_labels({one: ["romance"], other: [" "]}, "a list")
    with pytest.raises(database.LibraryError):
        library.set_labels({one: ["romance"], 99: ["romance"]}, "a list")
    assert library.labels()[one].genres == ("Heist",)
