"""Scans: each film is read once, and nothing is lost."""

import os
import shutil

import numpy as np
import pytest

from keras_ssc.errors import OutsideError
from keras_ssc.films import film_reader
from keras_ssc.library import database
from keras_ssc.library import features
from keras_ssc.library import finding
from keras_ssc.library import reading
from keras_ssc.library import scanning
from tests.helpers import drawn_films

PLAN = film_reader.Plan(num_pairs=3, quick=True)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Two films, and a file that is none."""
    folder = tmp_path_factory.mktemp("drawn")
    drawn_films.write_library(folder)
    return folder


@pytest.fixture
def films(drawn, tmp_path):
    """A folder with the two films."""
    folder = tmp_path / "films"
    folder.mkdir()
    for name in ("harbour.mp4", "wood.mp4"):
        shutil.copy2(drawn / name, folder)
    return folder


@pytest.fixture
def library(tmp_path):
    path = tmp_path / "library.sqlite"
    with database.Library(path, create=True) as opened:
        yield opened


@pytest.fixture
def nothing_decoded(monkeypatch):
    """Films are read without a process each: their numbers are drawn."""

    def read_films(paths, plan, workers, progress):
        for place, path in enumerate(paths):
            pairs = np.random.default_rng(list(path.name.encode())).normal(
                size=(3, 8)
            )
            known = features.Features(pairs, np.arange(3.0), np.arange(3))
            yield place, reading.FilmRead(3.0, 4, 4, (), [], known)

    monkeypatch.setattr(reading, "read_films", read_films)


def scan(library, *folders, plan=PLAN, tell=lambda text: None):
    return scanning.scan(library, folders, plan, 1, tell)


def named(library):
    return {film.name: film for film in library.films()}


def test_a_film_is_read_once(library, films):
    report = scan(library, films)
    assert report.read == [films / "harbour.mp4", films / "wood.mp4"]
    assert report.is_complete
    film = named(library)["harbour"]
    assert film.seconds == pytest.approx(1)
    assert (film.width, film.height) == (96, 64)
    stored = features.load(library.path, film.content)
    assert stored.pairs.shape == (3, 96) and stored.shot.tolist() == [0, 1, 2]
    assert (np.diff(stored.seconds) > 0).all()
    ids, means = library.means()
    assert ids.tolist() == [1, 2]
    np.testing.assert_allclose(
        means[film.id - 1], stored.pairs.mean(axis=0), atol=2e-3
    )
    assert library.picture(film.id, 2).startswith(b"\xff\xd8\xff")
    again = scan(library, films)
    assert (again.read, again.num_known) == ([], 2)


def test_a_pictures_shape_is_the_films(library, films):
    import cv2

    scan(library, films)
    picture = cv2.imdecode(
        np.frombuffer(library.picture(1, 0), np.uint8), cv2.IMREAD_COLOR
    )
    assert picture.shape == (160, 240, 3)  # of 96 x 64


def test_shots_are_searched_for_when_asked(library, tmp_path):
    frames = [*drawn_films.shot(1, 24), *drawn_films.shot(2, 24)]
    path = drawn_films.write_film(tmp_path / "films" / "a.mp4", frames)
    os.utime(path, (drawn_films.LONG_AGO, drawn_films.LONG_AGO))
    scan(library, path.parent, plan=film_reader.Plan(num_pairs=6))
    shots = library.shots(1)
    assert [(x.start_seconds, x.end_seconds) for x in shots] == [(0, 1), (1, 2)]
    content = library.film(1).content
    found = features.load(library.path, content).shot
    assert found.tolist() == [0, 0, 0, 1, 1, 1]


def test_moved_and_renamed_films_keep_their_labels(
    library, films, nothing_decoded
):
    scan(library, films)
    film = named(library)["wood"].id
    library.set_label(film, ["horror"], "ann")
    (films / "deep").mkdir()
    (films / "wood.mp4").rename(films / "deep" / "forest.mkv")
    report = scan(library, films)
    assert (report.read, report.num_known, report.num_lost) == ([], 2, 1)
    assert library.path_of(film) == films / "deep" / "forest.mkv"
    assert library.labels()[film].genres == ("horror",)


def test_exact_duplicates_are_one_film(library, films, nothing_decoded):
    shutil.copy2(films / "wood.mp4", films / "wood copy.mp4")
    report = scan(library, films)
    assert (len(report.read), report.num_same) == (2, 1)
    assert len(library.films()) == 2
    assert "exactly as another of them: 1" in report.text()


def test_a_film_coded_anew_is_a_copy(library, films):
    frames = [frame[::2, ::2] for frame in drawn_films.shot(0, 24)]
    path = drawn_films.write_film(films / "small.mkv", frames)
    os.utime(path, (drawn_films.LONG_AGO, drawn_films.LONG_AGO))
    report = scan(library, films)
    ids = named(library)
    assert report.copies == [sorted([ids["harbour"].id, ids["small"].id])]
    assert ids["small"].copies == ids["harbour"].copies
    assert ids["wood"].copies == ids["wood"].id


def test_what_cannot_be_read_is_a_row_and_tried_again(library, films, drawn):
    shutil.copy2(drawn / "broken.mp4", films)
    told = []
    for _ in range(2):
        report = scan(library, films, tell=told.append)
        assert len(report.errors) == 1 and not report.is_complete
    assert len(told) == 2 and "broken.mp4" in told[0]
    assert named(library)["broken"].error in told[0]
    assert len(library.means()[0]) == 2
    # The file is replaced by a whole one.
    shutil.copy2(drawn / "wood.mp4", films / "broken.mp4")
    os.utime(
        films / "broken.mp4",
        (drawn_films.LONG_AGO + 1, drawn_films.LONG_AGO + 1),
    )
    report = scan(library, films)
    assert report.is_complete and report.num_same == 1
    assert "broken" not in named(library)


def test_what_may_not_be_read_is_a_row_too(
    library, films, monkeypatch, nothing_decoded
):
    def content_of(path):
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patched:
        patched.setattr(scanning.identity, "content_of", content_of)
        report = scan(library, films)
    assert len(report.errors) == 2
    assert "Permission denied" in named(library)["wood"].error
    assert len(scan(library, films).read) == 2
    assert len(library.films()) == 2


def test_a_known_film_that_may_not_be_read_stays(
    library, films, monkeypatch, nothing_decoded
):
    def content_of(path):
        raise PermissionError(13, "Permission denied", str(path))

    scan(library, films)
    os.utime(
        films / "wood.mp4", (drawn_films.LONG_AGO + 1, drawn_films.LONG_AGO + 1)
    )
    monkeypatch.setattr(scanning.identity, "content_of", content_of)
    assert len(scan(library, films).errors) == 1
    assert len(library.films()) == 2
    assert named(library)["wood"].error is None


def test_a_film_that_grows_is_left_for_the_next_scan(
    library, films, monkeypatch, nothing_decoded
):
    read_films = reading.read_films

    def growing(paths, *arguments):
        for place, result in read_films(paths, *arguments):
            if paths[place].name == "wood.mp4":
                with open(paths[place], "ab") as file:
                    file.write(b"more")
            yield place, result

    with monkeypatch.context() as patched:
        patched.setattr(reading, "read_films", growing)
        report = scan(library, films)
    assert report.unsettled == [films / "wood.mp4"]
    assert str(films / "wood.mp4") in report.text()
    assert not named(library)["wood"].is_read
    os.utime(
        films / "wood.mp4", (drawn_films.LONG_AGO + 1, drawn_films.LONG_AGO + 1)
    )
    assert scan(library, films).read == [films / "wood.mp4"]
    # What was looked at too early is forgotten.
    assert len(library.films()) == 2


def test_a_film_just_written_is_looked_at_twice(
    library, films, monkeypatch, nothing_decoded
):
    os.utime(films / "wood.mp4")

    def sleep(seconds):
        with open(films / "wood.mp4", "ab") as file:
            file.write(b"more")

    monkeypatch.setattr(scanning.time, "sleep", sleep)
    report = scan(library, films)
    assert report.unsettled == [films / "wood.mp4"]
    assert report.read == [films / "harbour.mp4"]


def test_features_that_are_gone_or_cut_are_made_again(
    library, films, nothing_decoded
):
    scan(library, films)
    for film in library.films():
        path = features.path_of(library.path, film.content)
        path.write_bytes(path.read_bytes()[:100])
    assert len(scan(library, films).read) == 2


def test_another_encoder_reads_all_again(
    library, films, monkeypatch, nothing_decoded
):
    scan(library, films)
    with monkeypatch.context() as patched:
        patched.setattr(reading, "encoder_key", lambda: "another")
        assert len(scan(library, films).read) == 2
    assert library.setting("encoder") == "another"


def test_lost_files_are_noted_and_their_films_kept(
    library, films, nothing_decoded
):
    scan(library, films)
    (films / "wood.mp4").unlink()
    report = scan(library, films)
    assert report.num_lost == 1 and "gone since the last scan: 1" in (
        report.text()
    )
    assert library.path_of(named(library)["wood"].id) is None


@pytest.mark.parametrize("is_missing", [True, False])
def test_nothing_is_lost_with_a_drive(
    library, films, is_missing, nothing_decoded
):
    scan(library, films)
    shutil.rmtree(films)
    if not is_missing:
        films.mkdir()
    with pytest.raises(ValueError, match="Expected a folder of films"):
        scan(library, films)
    assert all(file.is_there for file in library.files())


def test_a_folder_that_cannot_be_listed_loses_nothing(
    library, films, monkeypatch, nothing_decoded
):
    (films / "deep").mkdir()
    (films / "wood.mp4").rename(films / "deep" / "wood.mp4")
    scan(library, films)
    find = finding.find

    def without(folder, path):
        found = find(folder, path)
        found.films.pop(films / "deep" / "wood.mp4")
        found.unlisted[films / "deep"] = PermissionError(13, "no permission")
        return found

    monkeypatch.setattr(finding, "find", without)
    report = scan(library, films)
    assert report.num_lost == 0 and not report.is_complete
    assert "no permission" in report.unlisted[0]


def test_a_folder_that_vanishes_keeps_what_was_read(
    library, films, monkeypatch, nothing_decoded
):
    read_films = reading.read_films

    def vanishing(*arguments):
        found = read_films(*arguments)
        yield next(found)
        shutil.rmtree(films)
        yield from found

    monkeypatch.setattr(reading, "read_films", vanishing)
    with pytest.raises(OutsideError, match="vanished while it was scanned"):
        scan(library, films)
    assert named(library)["harbour"].is_read
    assert not named(library)["wood"].is_read
    assert all(file.is_there for file in library.files())


def test_two_scans_of_one_library(library, films, nothing_decoded):
    with (
        scanning.alone(library.path),
        pytest.raises(database.LibraryError, match="another scan"),
    ):
        scan(library, films)
    assert len(scan(library, films).read) == 2


def test_names_of_any_kind(library, films):
    names = ["映画 🎬 фильм.mp4", "a b\n\t'\".mp4", "n" * 240 + ".mp4"]
    for name in names:
        shutil.copy2(films / "wood.mp4", films / name)
    deep = films / ("d" * 200) / ("e" * 100)
    deep.mkdir(parents=True)
    shutil.copy2(films / "wood.mp4", deep)
    no_text = os.fsencode(films) + b"/\xff\xfe.mp4"
    drawn_films.write_film(films / "new.mp4", drawn_films.shot(3, 24))
    os.rename(films / "new.mp4", no_text)
    os.utime(no_text, (drawn_films.LONG_AGO, drawn_films.LONG_AGO))
    report = scan(library, films)
    assert (len(report.read), report.num_same) == (3, 4)
    assert report.is_complete
    paths = {os.fsencode(file.path) for file in library.files()}
    assert no_text in paths and len(paths) == 7
