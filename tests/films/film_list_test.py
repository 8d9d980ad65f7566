import math

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
    [("00:00:00", 0.0), ("01:02:03", 3723.0), ("00:00:01.5", 1.5)],
)
def test_times_are_read(text, seconds):
    assert film_list.parse_time(text) == seconds


@pytest.mark.parametrize(
    "text", ["99:99:99", "1:2:3", "12:00", "", "-1:00:00", "00:00:00.1234"]
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


@pytest.mark.parametrize(
    "row, line, column, word",
    [
        ("A,western,train,a.mp4,,", 2, "genre", "action, horror"),
        ("A,action,dev,a.mp4,,", 2, "split", "train, validation, test"),
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
        (b"film,genre\nA,action\n", "Missing: split, path, start, end"),
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
