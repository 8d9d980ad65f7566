import collections
import math

import pytest

from keras_ssc.errors import FilmListError
from keras_ssc.films import film_list
from keras_ssc.films import splitting

HEADER = "film,genre,split,path,start,end\n"


def write(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "films.csv"
    path.write_bytes(text.encode(encoding))
    return path


def read(tmp_path, text, **arguments):
    return film_list.read_film_list(write(tmp_path, text), **arguments)


def problems_of(tmp_path, rows):
    listed = read(tmp_path, HEADER + rows)
    return listed.films, listed.problems


def list_of(*genres, split="train"):
    """Writes a list of a film a genre cell, named f2, f3... by its line."""
    return HEADER + "".join(
        f"f{line},{genre},{split},{line}.mp4,,\n"
        for line, genre in enumerate(genres, start=2)
    )


def notes_of(tmp_path, *genres, **arguments):
    return read(tmp_path, list_of(*genres), **arguments).notes


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
    listed = film_list.read_film_list(write(tmp_path, text, encoding))
    films, problems = listed.films, listed.problems
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
    rows = "A, the film,action,train,a.mp4,,\nB,action|,test,b.mp4,,\n"
    text = f"{first}\r\n" + (HEADER + rows).replace(",", ";")
    text = text.replace("A; the", "A, the")
    listed = film_list.read_film_list(write(tmp_path, text, encoding))
    films, problems = listed.films, listed.problems
    assert [film.name for film in films] == ["A, the film"]
    assert films[0].scenes[0].line == 3
    assert len(problems) == 1 and "line 4, column genre" in problems[0]


@pytest.mark.parametrize("separator", [",", "\t"])
def test_other_separators_are_named_the_same_way(tmp_path, separator):
    text = HEADER + "A,action,train,a.mp4,,\n"
    text = f"sep={separator}\n" + text.replace(",", separator)
    listed = film_list.read_film_list(write(tmp_path, text))
    films, problems = listed.films, listed.problems
    assert not problems and films[0].scenes[0].line == 3


def test_messages_count_the_line_that_names_the_separator(tmp_path):
    with pytest.raises(FilmListError, match="line 2: expected the columns"):
        film_list.read_film_list(write(tmp_path, "sep=;\nfilm;genre\n"))


@pytest.mark.parametrize("place", range(7))
def test_zero_byte_in_any_cell_is_named(tmp_path, place):
    columns = [*film_list.COLUMNS, "year"]
    cells = ["A", "action", "train", "a.mp4", "", "", "1999"]
    cells[place] += "\0"
    rows = [columns, cells, ["B", "horror", "test", "b.mp4", "", "", ""]]
    text = "".join(",".join(row) + "\n" for row in rows)
    listed = film_list.read_film_list(write(tmp_path, text))
    films, problems = listed.films, listed.problems
    assert [film.name for film in films] == ["B"]
    assert len(problems) == 1 and "\0" not in problems[0]
    assert f"line 2, column {columns[place]}: it has a zero" in problems[0]


@pytest.mark.parametrize(
    "row, line, column, word",
    [
        ("A,action|,train,a.mp4,,", 2, "genre", "Received: 'action|'"),
        ("A,a||b,train,a.mp4,,", 2, "genre", "with | between them"),
        ("A,,train,a.mp4,,", 2, "genre", "empty"),
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
            "is in action (line 2) and in horror",
        ),
        (
            "A,action|drama,train,a.mp4,,\nA,action,train,b.mp4,,",
            3,
            "genre",
            "is in action|drama (line 2) and in action. Write the same",
        ),
        (
            "A,action,,a.mp4,,\nA,action,train,b.mp4,,\n"
            "A,action,,c.mp4,,\nA,action,dev,d.mp4,,",
            5,
            "split",
            "in train (line 3) and in validation",
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
        (b"film,genre\nA,action\n", "Missing: path. Received: film"),
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
    listed = read(tmp_path, text)
    (film,) = listed.films
    assert not listed.problems
    (scene,) = film.scenes
    assert (scene.start_seconds, scene.end_seconds) == (0.0, math.inf)
    text += "B,horror,test,b.mp4,x\n"
    (problem,) = read(tmp_path, text).problems
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
        "C;action|;test;c.mp4;;\n"
    )
    listed = film_list.read_film_list(write(tmp_path, text))
    films, problems = listed.films, listed.problems
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


def test_genres_of_a_film_are_its_cell_in_order_and_each_once(tmp_path):
    listed = read(tmp_path, list_of("Western | sf|western", "horror"))
    assert not listed.problems
    first, second = listed.films
    assert first.genres == ("Western", "science_fiction")
    assert (first.genre, second.genre) == ("Western", "horror")
    assert listed.task == "several"
    # The report's first, as it has them.
    assert listed.genres == ("horror", "science_fiction", "Western")


def test_rows_agree_on_genres_in_any_order_and_spelling(tmp_path):
    films, problems = problems_of(
        tmp_path,
        "A,Film Noir|drama,train,a.mp4,,\nA,Drama|film-noir,train,b.mp4,,\n",
    )
    assert not problems
    assert films[0].genres == ("Film Noir", "drama")


def test_one_genre_a_film_is_one_task_and_several_can_be_asked_for(tmp_path):
    text = list_of("western", "drama")
    assert read(tmp_path, text).task == "one"
    assert read(tmp_path, text, task="several").task == "several"
    with pytest.raises(ValueError, match="one, several. Received: 'two'"):
        read(tmp_path, text, task="two")


def test_the_first_genre_counts_if_asked_for(tmp_path):
    text = list_of("western|noir", "drama", "drama|western")
    listed = read(tmp_path, text, task="one")
    assert [film.genres for film in listed.films] == [
        ("western",),
        ("drama",),
        ("drama",),
    ]
    # Another's second genre is none: no film would have it.
    assert listed.genres == ("western", "drama")
    assert listed.task == "one"
    assert listed.notes[0].startswith("2 films with several genres: the first")


def test_spellings_of_a_genre_are_told_in_one_line(tmp_path):
    listed = read(tmp_path, list_of("Sci-Fi", "sci fi", "SCI_FI", "Sci-Fi"))
    assert listed.genres == ("Sci-Fi",)
    assert listed.notes[0] == (
        "genre 'Sci-Fi' is also written 'sci fi' (line 3), 'SCI_FI' (line 4): "
        "taken as one."
    )


def test_report_genres_are_told_unless_case_alone_differs(tmp_path):
    notes = notes_of(tmp_path, "Action", "HORROR", "sf", "Animation_2D")
    assert [note for note in notes if "also written" in note] == [
        "genre 'science_fiction' is also written 'sf' (line 4): taken as one."
    ]


def test_genres_txt_fixes_genres_and_their_order(tmp_path):
    (tmp_path / "genres.txt").write_text("# mine\nWestern\naction\nnoir\n")
    listed = read(tmp_path, list_of("action|WESTERN", "westen", "noir|dance"))
    assert listed.genres == ("Western", "action", "noir")
    assert [film.genres for film in listed.films] == [("action", "Western")]
    typo, unknown = listed.problems
    assert "line 3, column genre: Unknown genre" in typo
    assert "one of: Western, action, noir. Received: 'westen'" in typo
    assert f"add it to {tmp_path / 'genres.txt'}." in typo
    assert "line 4" in unknown and "'dance'" in unknown
    assert any("no film yet of 'noir'" in note for note in listed.notes)


def test_a_bad_genres_txt_is_named(tmp_path):
    (tmp_path / "genres.txt").write_text("noir\nNoir\n")
    with pytest.raises(FilmListError, match="genres.txt, line 2"):
        read(tmp_path, list_of("noir"))


def test_a_thousand_genres_are_read_and_no_more(tmp_path):
    genres = [f"genre {number}" for number in range(1000)]
    listed = read(tmp_path, list_of(*genres))
    assert listed.genres == tuple(genres)
    # Names that differ in their number are not taken for slips.
    assert not any("probably" in note for note in listed.notes)
    with pytest.raises(FilmListError, match="1 to 1,000 genres. Received: 1,0"):
        read(tmp_path, list_of(*genres, "one more"))


def test_a_probable_slip_is_told_with_its_line(tmp_path):
    notes = notes_of(tmp_path, *10 * ["Horror"], "horor", *20 * ["drama"])
    assert (
        "genre 'horor' (1 film, line 12) is probably 'horror' (10 films): "
        "correct the cell, or add genres.txt to say that both are meant."
    ) in notes


@pytest.mark.parametrize(
    "genres",
    [
        # Nine times as many films are not enough.
        [*9 * ["horror"], "horor"],
        # Three films are no slip.
        [*60 * ["horror"], *3 * ["horor"]],
        # Alike, and both are meant.
        [*30 * ["actions"], "action"],
        [*30 * ["part 1"], "part 2"],
        [*30 * ["drama"], "western"],
    ],
)
def test_what_is_no_slip_is_not_told(tmp_path, genres):
    notes = notes_of(tmp_path, *genres)
    assert not any("probably" in note for note in notes)


def test_no_slip_where_genres_txt_says_what_is_meant(tmp_path):
    (tmp_path / "genres.txt").write_text("horror\nhoror\n")
    listed = read(tmp_path, list_of(*20 * ["horror"], "horor"))
    assert not listed.problems
    assert not any("probably" in note for note in listed.notes)


def test_films_without_a_split_are_dealt_one_and_it_is_told(tmp_path):
    rows = [f"f{n},{'ab'[n % 2]},f{n}.mp4\n" for n in range(20)]
    listed = read(tmp_path, "film,genre,path\n" + "".join(rows))
    count = collections.Counter(film.split for film in listed.films)
    assert count == {"train": 14, "validation": 3, "test": 3}
    assert listed.notes == [
        "split dealt by film, stratified by genre, seed 0: 14 train, 3 "
        "validation, 3 test. Fill in the column split to choose yourself."
    ]
    # Whatever the order of the rows.
    again = read(tmp_path, "film,genre,path\n" + "".join(reversed(rows)))
    assert splits_of(again) == splits_of(listed)
    other = read(tmp_path, "film,genre,path\n" + "".join(rows), seed=1)
    assert splits_of(other) != splits_of(listed)


def splits_of(listed):
    return {film.name: film.split for film in listed.films}


def test_shares_are_of_all_films(tmp_path):
    text = list_of(*10 * ["noir"], split="")
    shares = splitting.parse_shares("50/0/50")
    listed = read(tmp_path, text, shares=shares)
    count = collections.Counter(splits_of(listed).values())
    assert count == {"train": 5, "test": 5}


def test_a_filled_cell_counts_for_all_rows_of_its_film(tmp_path):
    films, problems = problems_of(
        tmp_path,
        "A,noir,,a.mp4,,\nB,noir,,b.mp4,,\nA,noir,test,c.mp4,,\n",
    )
    assert not problems
    assert [film.split for film in films] == ["test", "train"]


def test_known_films_stay_unless_the_list_says_another_split(tmp_path):
    text = list_of(*8 * ["noir"], split="") + "mine,noir,train,mine.mp4,,\n"
    known = {"f2": "test", "f3": "test", "f4": "validation", "mine": "test"}
    listed = read(tmp_path, text, known=known)
    assert splits_of(listed).items() >= {**known, "mine": "train"}.items()
    assert listed.notes[0] == (
        "split dealt by film, stratified by genre, seed 0: 5 train, 1 "
        "validation, 2 test; 3 films of these stay as dealt earlier. Fill in "
        "the column split to choose yourself."
    )
    # With another seed, too.
    again = read(tmp_path, text, known=splits_of(listed), seed=1)
    assert splits_of(again) == splits_of(listed)


def test_a_list_whose_films_all_have_problems_has_no_notes(tmp_path):
    listed = read(tmp_path, list_of("|", "a|"))
    assert (listed.films, listed.genres, listed.notes) == ([], (), [])
    assert len(listed.problems) == 2
