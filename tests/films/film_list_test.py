import math
import sys

import pytest

from keras_ssc.errors import FilmListError
from keras_ssc.films import film_list

HEADER = "film,genre,split,path,start,end\n"


def write(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "films.csv"
    path.write_bytes(text.encode(encoding))
    return path


def problems_of(tmp_path, rows):
    films, problems = film_list.read_film_list(write(tmp_path, HEADER + rows))
    return films, problems


@pytest.mark.parametrize(
    "text, seconds",
    [
        ("00:00:00", 0.0),
        ("01:02:03", 3723.0),
        ("00:00:01.5", 1.5),
        ("00:00:00,1234567", 0.1234567),
        # A sum of its parts would be another float.
        ("01:02:03.1234567", 3723.1234567),
        ("00:00:00." + 400 * "3", 1 / 3),
        ("1:30", 90.0),
        ("90:05.5", 5405.5),
        ("5405", 5405.0),
        ("12,25", 12.25),
    ],
)
def test_times_are_read(text, seconds):
    assert film_list.parse_time(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        *("99:99:99", "1:2:3", "1:2", "1:60", "0:1:00", "1:060", ":30"),
        *("", "-1:00:00", "00:00:00.", "-5", "1e3", "1:00:00:00", "9999999"),
    ],
)
def test_what_is_no_time_is_refused(text):
    with pytest.raises(ValueError, match="hh:mm:ss"):
        film_list.parse_time(text)


def test_times_are_written_as_they_are_read():
    assert film_list.format_time(3723.25) == "01:02:03.250"
    assert film_list.format_time(59.9996) == "00:01:00.000"
    assert film_list.parse_time(film_list.format_time(86399.999)) == 86399.999


def test_rows_of_a_film_are_its_scenes(tmp_path):
    films, problems = problems_of(
        tmp_path,
        "Sun,ani2D,train,sun.mp4,00:00:01,00:00:02.500\n"
        "Moon,sf,test,moon.mp4,,\n"
        "Sun,animation_2d,train,sun.mp4,00:00:03,\n",
    )
    assert not problems
    assert [film.name for film in films] == ["Sun", "Moon"]
    sun, moon = films
    assert (sun.genre, sun.split) == ("animation_2d", "train")
    assert [(s.start_seconds, s.end_seconds) for s in sun.scenes] == [
        (1.0, 2.5),
        (3.0, math.inf),
    ]
    assert moon.genre == "science_fiction"
    assert moon.scenes[0].path == tmp_path / "moon.mp4"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_spreadsheets_of_all_kinds_are_read(tmp_path, encoding, separator):
    text = HEADER + "봄날은 간다,romance,train,영화 폴더/봄날.mp4,00:00:00,\n"
    text = text.replace(",", separator).replace("\n", "\r\n")
    films, problems = film_list.read_film_list(write(tmp_path, text, encoding))
    assert not problems
    assert films[0].name == "봄날은 간다"
    assert films[0].scenes[0].path == tmp_path / "영화 폴더" / "봄날.mp4"


def test_rows_of_separators_alone_are_no_scenes(tmp_path):
    films, problems = problems_of(
        tmp_path,
        ",,,,,\nA,action,train,a.mp4,,\n , ,,,,\n,,\n,,,,,,,\n"
        "B,horror,test,,,\n,,,,,\n",
    )
    assert [film.name for film in films] == ["A"]
    assert films[0].scenes[0].line == 3
    assert len(problems) == 1 and "line 7, column path" in problems[0]
    with pytest.raises(FilmListError, match="at least one row"):
        problems_of(tmp_path, ",,,,,\n,,,,,\n")


@pytest.mark.parametrize("first", ["sep=;", "SEP=;", '"sep=;"'])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_first_line_that_names_the_separator_is_understood(
    tmp_path, first, encoding
):
    rows = "A, the film,action,train,a.mp4,,\nB,western,test,b.mp4,,\n"
    text = f"{first}\r\n" + (HEADER + rows).replace(",", ";")
    text = text.replace("A; the", "A, the")
    films, problems = film_list.read_film_list(write(tmp_path, text, encoding))
    assert [film.name for film in films] == ["A, the film"]
    assert films[0].scenes[0].line == 3
    assert len(problems) == 1 and "line 4, column genre" in problems[0]


@pytest.mark.parametrize("separator", [",", "\t"])
def test_other_separators_are_named_the_same_way(tmp_path, separator):
    text = HEADER + "A,action,train,a.mp4,,\n"
    text = f"sep={separator}\n" + text.replace(",", separator)
    films, problems = film_list.read_film_list(write(tmp_path, text))
    assert not problems and films[0].scenes[0].line == 3


def test_messages_count_the_line_that_names_the_separator(tmp_path):
    with pytest.raises(FilmListError, match="line 2: expected the columns"):
        film_list.read_film_list(write(tmp_path, "sep=;\nfilm;genre\n"))


@pytest.mark.skipif(
    sys.version_info < (3, 11), reason="its csv module refuses the whole file"
)
@pytest.mark.parametrize("place", range(7))
def test_zero_byte_in_any_cell_is_named(tmp_path, place):
    columns = [*film_list.COLUMNS, "year"]
    cells = ["A", "action", "train", "a.mp4", "", "", "1999"]
    cells[place] += "\0"
    rows = [columns, cells, ["B", "horror", "test", "b.mp4", "", "", ""]]
    text = "".join(",".join(row) + "\n" for row in rows)
    films, problems = film_list.read_film_list(write(tmp_path, text))
    assert [film.name for film in films] == ["B"]
    assert len(problems) == 1 and "\0" not in problems[0]
    assert f"line 2, column {columns[place]}: it has a zero" in problems[0]


@pytest.mark.parametrize(
    "row, line, column, word",
    [
        ("A,western,train,a.mp4,,", 2, "genre", "action, horror"),
        ("A,action,eval,a.mp4,,", 2, "split", "train, validation, test"),
        ("A,action,train,,,", 2, "path", "empty"),
        ("A,action,train,a.mp4,99:99:99,", 2, "start", "hh:mm:ss"),
        ("A,action,train,a.mp4,,1:2", 2, "end", "hh:mm:ss"),
        ("A,action,train,a.mp4,00:00:02,00:00:01", 2, "end", "Swap"),
        ("A,action,train,a.mp4,00:00:00", 2, "end", "6 cells"),
        ("A,action,train,a,b.mp4,,", 2, "end", "double quotes"),
        (
            "A,action,train,a.mp4,,\nA,action,test,b.mp4,,",
            3,
            "split",
            "in train (line 2) and in test",
        ),
        (
            "A,action,train,a.mp4,,\nA,horror,train,b.mp4,,",
            3,
            "genre",
            "choose one",
        ),
        (
            "A,action,train,a.mp4,,00:00:09\nA,action,train,a.mp4,00:00:08,",
            3,
            "start",
            "line 2",
        ),
        (
            "A,action,train,a.mp4,,00:00:01\n"
            "A,action,train,./x/../a.mp4,00:00:00.500,",
            3,
            "start",
            "overlap",
        ),
    ],
)
def test_a_bad_row_is_named_and_the_other_films_stay(
    tmp_path, row, line, column, word
):
    films, problems = problems_of(tmp_path, row + "\nB,horror,test,z.mp4,,\n")
    assert [film.name for film in films] == ["B"]
    assert len(problems) == 1
    assert f"films.csv, line {line}, column {column}" in problems[0]
    assert word in problems[0]


def test_a_file_belongs_to_one_film(tmp_path):
    _, problems = problems_of(
        tmp_path, "A,action,train,a.mp4,,\nB,action,test,a.mp4,,\n"
    )
    assert any("line 3, column path" in problem for problem in problems)


def test_scenes_that_touch_do_not_overlap(tmp_path):
    films, problems = problems_of(
        tmp_path,
        "A,action,train,a.mp4,00:00:05,00:00:09\n"
        "A,action,train,a.mp4,00:00:00,00:00:05\n",
    )
    assert not problems
    assert len(films[0].scenes) == 2


@pytest.mark.parametrize(
    "data, word",
    [
        (b"", "Missing: film"),
        (b"film,genre\nA,action\n", "Missing: split, path. Received: film"),
        (
            b"film,genre,split,path,Path\nA,action,test,a,b\n",
            "Twice there: path",
        ),
        (HEADER.encode(), "at least one row"),
        (HEADER.encode() + "영화".encode("cp949"), "CSV UTF-8"),
        (b"\x00\x01\x02", "line 1"),
        (None, "No such file"),
    ],
)
def test_what_is_no_film_list_is_refused(tmp_path, data, word):
    path = tmp_path / "films.csv"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(FilmListError, match=word):
        film_list.read_film_list(path)


def test_a_list_without_times_is_of_whole_films(tmp_path):
    text = "film,genre,split,path\nA,action,train,a.mp4\n"
    (film,), problems = film_list.read_film_list(write(tmp_path, text))
    assert not problems
    (scene,) = film.scenes
    assert (scene.start_seconds, scene.end_seconds) == (0.0, math.inf)
    text += "B,horror,test,b.mp4,x\n"
    _, (problem,) = film_list.read_film_list(write(tmp_path, text))
    assert "line 3, column end: expected 4 cells" in problem


@pytest.mark.parametrize("name", ["val", "Valid", "DEV", "validation"])
def test_validation_has_other_names(tmp_path, name):
    (film,), problems = problems_of(tmp_path, f"A,action,{name},a.mp4,,\n")
    assert not problems
    assert film.split == "validation"


def test_comments_are_left_out_and_lines_stay_counted(tmp_path):
    text = (
        '# My films, "the shelf\n'
        "film;genre;split;path;start;end\n"
        "  # the next, too\n"
        '"#Alive";horror;train;alive.mp4;;\n'
        '"two\n#lines";action;train;two.mp4;;\n'
        "#B;horror;test;b.mp4;;\n"
        "C;western;test;c.mp4;;\n"
    )
    films, problems = film_list.read_film_list(write(tmp_path, text))
    assert [film.name for film in films] == ["#Alive", "two\n#lines"]
    (problem,) = problems
    assert "line 8, column genre" in problem


@pytest.mark.parametrize(
    "name", ["Science Fiction", "science-fiction", " SCIENCE__fiction", "SF"]
)
def test_spellings_of_a_genre_are_one_genre(tmp_path, name):
    (film,), problems = problems_of(tmp_path, f"A,{name},train,a.mp4,,\n")
    assert not problems
    assert film.genre == "science_fiction"
