"""Labels from tables, lists by title and year, and NFO files."""

import hypothesis
import pytest
from hypothesis import strategies

from keras_ssc.library import database
from keras_ssc.library import exporting
from keras_ssc.library import importing
from keras_ssc.library import titles
from tests.helpers import small_libraries

few = hypothesis.settings(
    derandomize=True,
    max_examples=100,
    deadline=None,
    database=None,
    # Each example overwrites the one before.
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)


@pytest.fixture
def library(tmp_path):
    with database.Library(tmp_path / "library.sqlite", create=True) as opened:
        yield opened


def _table(tmp_path, text, name="labels.csv"):
    path = tmp_path / name
    path.write_text(text, "utf-8")
    return path


def _labels(library):
    names = {film.id: film.name for film in library.films()}
    return {names[x]: y.genres for x, y in library.labels().items()}


def _add(library, tmp_path, *names):
    return small_libraries.add(
        library, *(tmp_path / "films" / f"{name}.mp4" for name in names)
    )


def test_labels_by_path_and_by_name(library, tmp_path):
    _add(library, tmp_path, "a", "b 한글", "c")
    path = _table(
        tmp_path,
        "\ufeffname;path;genres\n;films/a.mp4;horror\n"
        "B 한글;;Film Noir|horror\n"
        f"x;{tmp_path / 'films' / 'c.mp4'};romance\nnone;no.mp4;horror\n"
        "a;;\na;;a||b\n",
    )
    report = importing.import_table(library, path)
    assert _labels(library) == {
        "a": ("horror",),
        "b 한글": ("Film Noir", "horror"),
        "c": ("romance",),
    }
    assert report.missing == ["line 5: none"]
    assert report.num_without_genres == 1
    assert len(report.problems) == 1 and "line 7" in report.problems[0]
    assert set(report.new_genres) == {"horror", "Film Noir", "romance"}
    (label,) = library.history(library.films()[0].id)
    assert label.person == "import labels.csv"


@pytest.mark.parametrize("name", ["films", "csv"])
def test_what_was_exported_comes_back(library, tmp_path, name):
    ids = _add(library, tmp_path, "a", "b", "# c")
    library.set_label(ids[0], ["horror", "Heist"], "ann")
    library.set_label(ids[2], ["romance"], "ann")
    out = tmp_path / "films.csv"
    exporting.export(library, out, name)
    with database.Library(tmp_path / "new.sqlite", create=True) as other:
        _add(other, tmp_path, "a", "b", "# c")
        report = importing.import_table(other, out)
        assert _labels(other) == _labels(library)
        assert report.without == ["b"]
        again = importing.import_table(other, out)
        assert (again.num_same, again.labelled) == (2, {})


def test_suggestions_come_back_as_no_labels(library, tmp_path):
    _add(library, tmp_path, "a", "b")
    path = _table(
        tmp_path, "film,genre,labelled_by\na,x,suggestion\nb,y,person\n"
    )
    report = importing.import_table(library, path)
    assert report.num_suggested == 1
    assert _labels(library) == {"b": ("y",)}


MOVIELENS = """movieId,title,genres
1,Toy Story (1995),Adventure|Animation
2,"Matrix, The (1999)",Action|Sci-Fi
3,"City of Lost Children, The (Cité des enfants perdus, La) (1995)",Drama
4,Seven (a.k.a. Se7en) (1995),Mystery
5,Titanic (1953),Drama
6,Titanic (1997),Romance
7,Untold (2000),(no genres listed)
8,"Avventura, L' (1960)",Drama
9,Blade Runner 2049 (2017),Sci-Fi
10,#Horror (2015),Horror
11,1917 (2019),War
"""


def test_a_list_by_title_and_year(library, tmp_path):
    _add(
        library,
        tmp_path,
        *("Toy.Story.1995.1080p.BluRay.x264", "The Matrix", "Matrix 1999"),
        *("La cite des enfants perdus (1995)", "SE7EN.1996.720p", "Titanic"),
        *("Titanic.1997", "Untold", "L'Avventura", "Blade.Runner.2049"),
        *("#Horror", "1917.2019.2160p", "holiday 2019", "Toy Story (1999)"),
    )
    report = importing.import_table(library, _table(tmp_path, MOVIELENS))
    assert _labels(library) == {
        "Toy.Story.1995.1080p.BluRay.x264": ("Adventure", "Animation"),
        "The Matrix": ("action", "Sci-Fi"),
        "La cite des enfants perdus (1995)": ("Drama",),
        "SE7EN.1996.720p": ("Mystery",),
        "Titanic.1997": ("romance",),
        "L'Avventura": ("Drama",),
        "Blade.Runner.2049": ("Sci-Fi",),
        "#Horror": ("horror",),
        "1917.2019.2160p": ("War",),
    }
    assert report.ambiguous == [("Titanic", (("Drama",), ("romance",)))]
    assert report.without == [
        *("Matrix 1999", "Untold", "holiday 2019", "Toy Story (1999)")
    ]
    text = "\n".join(importing.lines(report, dry_run=True))
    assert "Titanic: Drama or romance" in text and "dry run" in text


def test_a_list_with_a_year_column(library, tmp_path):
    _add(library, tmp_path, "Alien (1979)", "Aliens", "Solaris.1972")
    path = _table(
        tmp_path,
        "title,year,genres\nAlien,1979,horror\nAliens,1986,action\n"
        "Solaris,2002,Drama\nSolaris,1972,Mystery\n",
    )
    importing.import_table(library, path)
    assert _labels(library) == {
        "Alien (1979)": ("horror",),
        "Aliens": ("action",),
        "Solaris.1972": ("Mystery",),
    }


def test_the_list_of_imdb(library, tmp_path):
    _add(library, tmp_path, "Carmencita (1894)", "Other")
    path = _table(
        tmp_path,
        "tconst\ttitleType\tprimaryTitle\toriginalTitle\tstartYear\tgenres\n"
        'tt1\tshort\t"Carmencita\tCarmencita\t1894\tDocumentary,Short\n'
        "tt2\tshort\tOther\tOther\t\\N\t\\N\n",
        "title.basics.tsv",
    )
    report = importing.import_table(library, path)
    assert _labels(library) == {"Carmencita (1894)": ("Documentary", "Short")}
    assert report.num_without_genres == 1


def test_labels_of_people_are_kept(library, tmp_path):
    one, copy = _add(library, tmp_path, "a", "b")
    library.set_copies([(one, copy)])
    library.set_label(one, ["horror"], "ann")
    path = _table(tmp_path, "name,genre\na,romance\nb,romance\n")
    assert importing.import_table(library, path).kept == ["a", "b"]
    assert _labels(library) == {"a": ("horror",), "b": ("horror",)}
    report = importing.import_table(library, path, replace=True, dry_run=True)
    assert len(report.labelled) == 2
    assert _labels(library)["a"] == ("horror",)
    importing.import_table(library, path, replace=True)
    assert _labels(library) == {"a": ("romance",), "b": ("romance",)}
    assert [x.person for x in library.history(one)] == [
        *("ann", "import labels.csv")
    ]


def test_contradictions_are_ambiguous(library, tmp_path):
    _add(library, tmp_path, "a")
    path = _table(tmp_path, "name,genre\na,romance\na,ROMANCE\n")
    assert not importing.import_table(library, path, dry_run=True).ambiguous
    path = _table(tmp_path, "name,genre\na,romance\na,horror\n")
    report = importing.import_table(library, path)
    assert len(report.ambiguous) == 1 and not _labels(library)


def test_commented_rows_of_a_film_list_are_none(library, tmp_path):
    _add(library, tmp_path, "a")
    path = _table(tmp_path, "film,genre,split,path\n# a,horror,,films/a.mp4\n")
    assert importing.import_table(library, path).without == ["a"]


def test_many_rows_are_counted_not_listed(library, tmp_path):
    _add(library, tmp_path, "a")
    rows = "".join(f"film {number} (1990),Drama\n" for number in range(500))
    report = importing.import_table(
        library, _table(tmp_path, f"title,genres\n{rows}")
    )
    assert report.num_missing == 500 and len(report.missing) == 10
    assert "  and 490 more" in importing.lines(report)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "an empty file"),
        (b"a,b\n1,2\n", "Received: a, b"),
        (b"title,genres\n\xff,x\n", "UTF-8"),
        (b"title,genres\n" + b"x" * 200_000 + b",y\n", "something else"),
    ],
)
def test_what_is_no_table_is_told(library, tmp_path, data, reason):
    _add(library, tmp_path, "a")
    path = tmp_path / "labels.csv"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=reason):
        importing.import_table(library, path)
    with pytest.raises(ValueError, match="no file"):
        importing.import_table(library, tmp_path)
    with pytest.raises(FileNotFoundError):
        importing.import_table(library, tmp_path / "nonesuch.csv")


def test_too_many_genres_store_nothing(library, tmp_path):
    names = [f"film {number}" for number in range(2)]
    _add(library, tmp_path, *names)
    many = "|".join(f"genre {number}" for number in range(1001))
    path = _table(tmp_path, f"name,genre\nfilm 0,x\nfilm 1,{many}\n")
    with pytest.raises(ValueError, match="1,000"):
        importing.import_table(library, path)
    assert not _labels(library)


@few
@hypothesis.given(strategies.text(max_size=80))
def test_any_text_is_a_table_or_refused(library, tmp_path, text):
    if not library.films():
        _add(library, tmp_path, "a")
    for header in ("", "title,year,genres\n", "path\tname\tgenre\n"):
        path = tmp_path / "labels.csv"
        path.write_bytes((header + text).encode("utf-8"))
        try:
            report = importing.import_table(library, path, dry_run=True)
        except ValueError as error:
            assert "\n" not in str(error)
            continue
        assert list(importing.lines(report))


@few
@hypothesis.given(strategies.text(min_size=1, max_size=40))
def test_any_name_has_a_reading_and_finds_itself(name):
    keys = titles.keys(name)
    assert len(keys) == bool(name.strip()) or len(keys) > 1
    key, year = titles.readings(f"a {name} (1995)")[0]
    assert key and year == 1995
    assert titles.title_of(name)


def test_titles_are_long_or_hostile():
    for text in (
        "(" * 100_000,
        "a (" * 50_000,
        " " * 100_000 + "b",
        "a, the" * 9,
    ):
        titles.keys(text)
        titles.readings(text)
        titles.split_year(text)


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("Toy.Story.1995.1080p.BluRay.x264", "Toy Story"),
        ("Blade Runner 2049 (2017)", "Blade Runner 2049"),
        ("Blade Runner 2049", "Blade Runner 2049"),
        ("holiday_2019", "holiday_2019"),
        ("(1995)", "(1995)"),
    ],
)
def test_titles_for_people(name, title):
    assert titles.title_of(name) == title


def test_labels_from_nfo_files(library, tmp_path):
    _add(library, tmp_path, "a", "b", "c", "d")
    folder = tmp_path / "films"
    for name, text in {
        "a": "<movie><genre>Sci Fi</genre><genre>Horror</genre></movie>",
        "b": '<movie><genre suggested="true">horror</genre></movie>',
        "c": "<movie><genre>",
    }.items():
        (folder / f"{name}.nfo").write_text(text)
    report = importing.import_nfo(library)
    assert _labels(library) == {"a": ("Sci Fi", "horror")}
    assert report.num_problems == 1 and "c.nfo" in report.problems[0]
    assert report.without == ["b", "c", "d"]
