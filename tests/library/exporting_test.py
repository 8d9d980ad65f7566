"""A library's labels as a film list and as tables."""

import csv
import json
import os

import pytest

from keras_ssc.films import film_list
from keras_ssc.library import database
from keras_ssc.library import exporting
from tests.helpers import small_libraries


@pytest.fixture
def library(tmp_path):
    with database.Library(tmp_path / "library.sqlite", create=True) as opened:
        yield opened


def _suggest(library, **confidences):
    ids = {film.name: film.id for film in library.films()}
    library.set_suggestions(
        [
            database.Suggestion(
                ids[name], {"new genre": x}, ("new genre",), x, 0.5, place
            )
            for place, (name, x) in enumerate(confidences.items())
        ],
        {},
    )


def _rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


NAMES = (
    *("harbour", "# no comment", "한글", "שלום", 'a "quoted", name', "a\nb"),
    *("=1+1", "a|b", "x" * 200, "'"),
)


def test_a_film_list_is_read_back(library, tmp_path):
    paths = [tmp_path / "films" / f"{name}.mp4" for name in NAMES]
    for number, film in enumerate(small_libraries.add(library, *paths)):
        genres = ["science_fiction", "Film Noir"][: 1 + number % 2]
        library.set_label(film, genres, "ann")
    out = tmp_path / "films.csv"
    exported = exporting.export(library, out)
    assert (exported.num_labelled, exported.left_out) == (len(NAMES), {})
    found = film_list.read_film_list(out)
    assert found.problems == []
    assert [film.scenes[0].path for film in found.films] == paths
    assert [film.name for film in found.films] == [
        " ".join(name.split()) for name in NAMES
    ]
    assert found.films[0].genres == ("science_fiction",)
    assert found.films[1].genres == ("science_fiction", "Film Noir")
    assert found.genres == ("science_fiction", "Film Noir")
    assert (tmp_path / "genres.txt").read_text() == (
        "science_fiction\nFilm Noir\n"
    )
    assert _rows(out)[0]["path"] == os.path.join("films", "harbour.mp4")


def test_a_list_elsewhere_names_whole_paths(library, tmp_path):
    (film,) = small_libraries.add(library, tmp_path / "films" / "a.mp4")
    library.set_label(film, ["horror"], "ann")
    (tmp_path / "other").mkdir()
    out = tmp_path / "other" / "films.csv"
    exporting.export(library, out)
    (listed,) = film_list.read_film_list(out).films
    assert listed.scenes[0].path == tmp_path / "films" / "a.mp4"


def test_copies_are_one_film_and_one_name_is_one_film(library, tmp_path):
    paths = [tmp_path / x / "a.mp4" for x in ("one", "small", "other")]
    one, small, other = small_libraries.add(library, *paths)
    library.set_copies([(one, small)])
    library.set_label(one, ["horror"], "ann")
    library.set_label(small, ["romance"], "ann")
    library.set_label(other, ["horror"], "ann")
    # The larger one is listed, under the name of the first.
    library.set_read(small, (4.0, 640, 360), [], [0.0] * 16, [])
    exported = exporting.export(library, tmp_path / "films.csv")
    assert sum(exported.left_out.values()) == 1
    assert "newest label" in exported.notes[0]
    first, second = film_list.read_film_list(tmp_path / "films.csv").films
    assert first.scenes[0].path == paths[1]
    assert first.genres == ("romance",)
    assert first.name == "a" and second.name.startswith("a [")


def test_who_is_left_out_is_counted(library, tmp_path):
    names = ["fine", "sure", "unsure", "broken", "gone", "copy"]
    paths = [tmp_path / f"{name}.mp4" for name in names]
    ids = dict(zip(names, small_libraries.add(library, *paths), strict=True))
    for name in ("fine", "broken", "gone"):
        library.set_label(ids[name], ["horror"], "ann")
    library.set_error(ids["broken"], "no video")
    library.set_copies([(ids["fine"], ids["copy"])])
    paths[4].unlink()
    _suggest(library, sure=0.9, unsure=0.5, fine=0.9)
    out = tmp_path / "films.csv"
    exported = exporting.export(library, out, confidence=0.9)
    assert (exported.num_labelled, exported.num_suggested) == (1, 1)
    assert exported.left_out == {
        "no label, and no suggestion with enough confidence": 1,
        "cannot be read": 1,
        "their files are gone": 1,
        "copies of one that is listed": 1,
    }
    assert [(x["film"], x["labelled_by"]) for x in _rows(out)] == [
        ("fine", "person"),
        ("sure", "suggestion"),
    ]
    assert film_list.read_film_list(out).genres == ("horror", "new genre")
    text = "\n".join(exporting.summary(exported, out))
    assert "1 film left out: cannot be read" in text


@pytest.mark.parametrize("name", [b"a .mp4 ", b"\xff.mp4", b"a\rb.mp4"])
def test_paths_that_no_list_can_hold_are_left_out(library, tmp_path, name):
    path = tmp_path / os.fsdecode(name)
    ids = small_libraries.add(library, tmp_path / "a.mp4", path)
    for film in ids:
        library.set_label(film, ["horror"], "ann")
    exported = exporting.export(library, tmp_path / "films.csv")
    ((reason, number),) = exported.left_out.items()
    assert number == 1 and "cannot be written" in reason
    for suffix in ("json", "parquet"):
        exporting.export(library, tmp_path / f"x.{suffix}")


def test_genres_txt_keeps_what_is_in_it(library, tmp_path):
    (film,) = small_libraries.add(library, tmp_path / "a.mp4")
    library.set_label(film, ["Heist"], "ann")
    genres = tmp_path / "genres.txt"
    genres.write_text("# ours\nhorror")
    exported = exporting.export(library, tmp_path / "films.csv")
    assert genres.read_text() == "# ours\nhorror\nHeist\n"
    assert "Heist" in exported.notes[0]
    found = film_list.read_film_list(tmp_path / "films.csv")
    assert found.genres == ("horror", "Heist")


def test_a_genre_that_looks_like_a_comment(library, tmp_path):
    (film,) = small_libraries.add(library, tmp_path / "a.mp4")
    library.set_label(film, ["#noir"], "ann")
    exporting.export(library, tmp_path / "films.csv")
    found = film_list.read_film_list(tmp_path / "films.csv")
    assert found.genres == ("#noir",)


def test_tables_hold_every_film(library, tmp_path):
    paths = [tmp_path / f"{name}.mp4" for name in ("a", "b", "c")]
    one, _, three = small_libraries.add(library, *paths)
    library.add_file(tmp_path / "a2.mp4", library.film(one).content, 1, 1)
    (tmp_path / "a2.mp4").touch()
    library.set_label(one, ["horror", "Heist"], "ann")
    library.set_error(three, "no video")
    library.set_copies([(one, three)])
    _suggest(library, b=0.75)
    found = {}
    for suffix in ("csv", "json", "parquet"):
        out = tmp_path / f"table.{suffix}"
        exported = exporting.export(library, out, suffix)
        assert exported.num_labelled == 2
        found[suffix] = out
    read = json.loads(found["json"].read_text("utf-8"))
    first, second, third = read["films"]
    assert first["genre"] == ["horror", "Heist"]
    assert (first["labelled_by"], first["person"]) == ("person", "ann")
    assert first["other_paths"] == [str(tmp_path / "a2.mp4")]
    assert second["genre"] == [] and second["suggested"] == ["new genre"]
    assert (second["confidence"], second["familiarity"]) == (0.75, 0.5)
    assert third["error"] == "no video"
    assert third["copy_of"] == first["copy_of"] == first["content"]
    assert second["copy_of"] is None
    from pyarrow import parquet

    assert parquet.read_table(found["parquet"]).to_pylist() == read["films"]
    rows = _rows(found["csv"])
    assert rows[0]["genre"] == "horror|Heist"
    assert tuple(rows[0]) == exporting.COLUMNS


def test_mistakes_are_told(library, tmp_path):
    out = tmp_path / "films.csv"
    with pytest.raises(ValueError, match="Received: none"):
        exporting.export(library, out)
    assert not out.exists()
    out.write_text("splits filled in by hand")
    with pytest.raises(ValueError, match="--replace"):
        exporting.export(library, out)
    with pytest.raises(ValueError, match="Unknown format"):
        exporting.export(library, tmp_path / "films.xlsx")
    with pytest.raises(ValueError, match="0 to 1"):
        exporting.export(library, out, "csv", 80, replace=True)
    exporting.export(library, out, "csv", replace=True)
    assert out.read_text().startswith("film,genre")
