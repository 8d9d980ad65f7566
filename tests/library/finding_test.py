"""Which files of a folder may be films."""

import os

import pytest

from keras_ssc.library import finding


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "films"
    (folder / "deep" / "deeper").mkdir(parents=True)
    return folder


def _find(folder):
    return finding.find(folder, folder / "library.sqlite")


def _touch(*paths):
    for path in paths:
        path.write_bytes(b"")


def test_any_depth_and_no_hidden_file(folder):
    (folder / ".trash").mkdir()
    wanted = [folder / "a.mp4", folder / "deep" / "deeper" / "b.mkv"]
    _touch(*wanted, folder / ".c.mp4", folder / ".trash" / "d.mp4")
    assert list(_find(folder).films) == wanted


def test_what_is_no_film_is_left_aside(folder):
    _touch(folder / "a.mp4", folder / "a.NFO", folder / "deep" / "a.srt")
    os.mkfifo(folder / "pipe.mp4")
    found = _find(folder)
    assert list(found.films) == [folder / "a.mp4"]
    names = sorted(path.name for path in found.left_aside)
    assert names == ["a.NFO", "a.srt", "pipe.mp4"]


def test_no_link_is_followed(folder, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    _touch(folder / "a.mp4", outside / "b.mp4")
    (folder / "same.mp4").symlink_to("a.mp4")
    (folder / "out.mp4").symlink_to(outside / "b.mp4")
    (folder / "out").symlink_to(outside)
    (folder / "deep" / "circle").symlink_to(folder)
    (folder / "itself.mp4").symlink_to("itself.mp4")
    found = _find(folder)
    assert list(found.films) == [folder / "a.mp4"]
    assert found.links_out == [folder / "out", folder / "out.mp4"]


def test_the_library_itself_is_left_out(folder):
    _touch(folder / "library.sqlite", folder / "library.sqlite-wal")
    (folder / "library.sqlite.features").mkdir()
    _touch(folder / "library.sqlite.features" / "x.npz", folder / "a.mp4")
    found = _find(folder)
    assert list(found.films) == [folder / "a.mp4"]
    assert not found.left_aside


def test_a_folder_that_cannot_be_listed_is_named(folder, monkeypatch):
    list_folder = os.scandir

    def scandir(path):
        if os.fspath(path) == str(folder / "deep"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return list_folder(path)

    monkeypatch.setattr(os, "scandir", scandir)
    _touch(folder / "a.mp4")
    found = _find(folder)
    assert list(found.films) == [folder / "a.mp4"]
    assert list(found.unlisted) == [folder / "deep"]


def test_an_empty_folder_is_as_one_that_is_missing(folder):
    assert finding.is_there(folder)
    assert not finding.is_there(folder / "deep" / "deeper")
    assert not finding.is_there(folder / "missing")
