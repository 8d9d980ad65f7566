"""The jobs export, import and nfo, as they are called."""

import sys

import pytest

from keras_ssc.library import __main__ as library_command
from keras_ssc.library import database
from tests.helpers import drawn_films
from tests.helpers import small_libraries


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    with database.Library(tmp_path / "library.sqlite", create=True) as library:
        small_libraries.add(
            library, tmp_path / "a.mp4", tmp_path / "Film.1999.mp4"
        )
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["library", *arguments])
        code = library_command.main()
        return code or 0, capsys.readouterr().out

    return run


def test_labels_go_in_and_out(run, tmp_path):
    (tmp_path / "list.csv").write_text("title,genres\nFilm (1999),horror|War\n")
    code, out = run("import", "list.csv", "--dry-run")
    assert code == 0 and "labelled: 1 (dry run" in out
    code, out = run("import", "list.csv")
    assert "new genres: horror, War" in out
    code, out = run("export", "films.csv")
    assert "1 film labelled by people" in out and "1 film left out" in out
    assert "horror|War" in (tmp_path / "films.csv").read_text()
    with pytest.raises(ValueError, match="--replace"):
        run("export", "films.csv")
    run("export", "films.csv", "--replace", "--format", "csv")


def test_nfo_files_are_shown_then_written(run, tmp_path):
    (tmp_path / "Film.1999.nfo").write_text("<movie><genre>x</genre></movie>")
    code, out = run("import", "--nfo")
    assert (code, "labelled: 1" in out) == (0, True)
    (tmp_path / "labels.csv").write_text("name,genre\nFilm.1999,War\n")
    run("import", "labels.csv", "--replace")
    code, out = run("nfo", "--dry-run")
    assert "+<movie><genre>War</genre></movie>" in out and "--write" in out
    assert "x" in (tmp_path / "Film.1999.nfo").read_text()
    code, out = run("nfo", "--write")
    assert code == 0 and "1 changed" in out
    assert "War" in (tmp_path / "Film.1999.nfo").read_text()
    (tmp_path / "Film.1999.nfo").write_text("<!DOCTYPE x><movie/>")
    code, out = run("nfo")
    assert code == 1 and "document type" in out


def test_an_import_needs_a_source(run):
    with pytest.raises(SystemExit):
        run("import")


def test_films_go_through_a_pipeline(run, tmp_path):
    here = "--direct_running_mode=in_memory --direct_num_workers=1"
    beam = ("--runner", "DirectRunner", "--runner-options", here)
    (tmp_path / "films").mkdir()
    drawn_films.write_film(
        tmp_path / "films" / "a.mp4", drawn_films.shot(0, 24)
    )
    code, out = run("scan", "films", *beam, "--out", "results", "--pairs", "2")
    assert code == 0 and "load results" in out
    code, out = run("load", "results", "--db", "new.sqlite")
    assert code == 0 and "loaded: 1 films" in out
    with pytest.raises(ValueError, match="--out"):
        run("scan", "films", *beam)
    with pytest.raises(ValueError, match="--model"):
        run("suggest", *beam, "--out", "scores")
