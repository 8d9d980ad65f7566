import re
import unicodedata

import hypothesis
import pytest
from hypothesis import strategies

from keras_ssc import genres

# The same examples always, and few enough for every run.
few = hypothesis.settings(
    derandomize=True, max_examples=200, deadline=None, database=None
)


def is_name(text):
    try:
        genres.genre_named(text)
    except ValueError:
        return False
    return True


NAMES = strategies.one_of(
    strategies.text(max_size=8),
    # Names that only what must be escaped tells apart, and long ones.
    strategies.text("aA%2-_ ./é", max_size=5),
    strategies.text("ab봄", min_size=1, max_size=4).map(lambda text: 99 * text),
).filter(is_name)


@pytest.mark.parametrize(
    "name, genre",
    [
        *((genre, genre) for genre in genres.REPORT_GENRES),
        ("Action", "action"),
        (" Science  Fiction ", "science_fiction"),
        ("SCIENCE-fiction", "science_fiction"),
        ("SF", "science_fiction"),
        ("ani2d", "animation_2d"),
        ("ani3D", "animation_3d"),
        # Not the report's: its own, as it is written.
        ("Sci-Fi", "Sci-Fi"),
        ("  film \u00a0 noir ", "film noir"),
        ("공포", "공포"),
        ("#1", "#1"),
        ("a,b;c/d", "a,b;c/d"),
    ],
)
def test_a_genre_is_read(name, genre):
    assert genres.genre_named(name) == genre


def test_letters_of_two_code_points_are_one():
    decomposed = unicodedata.normalize("NFD", "Comédie")
    assert decomposed != "Comédie"
    assert genres.genre_named(decomposed) == "Comédie"
    assert genres.key_of(decomposed) == genres.key_of("COMÉDIE")


@pytest.mark.parametrize(
    "name",
    [
        *("", " ", "-", "__ ", "a|b", "|", "a\tb", "a\nb", "a\rb", "a\0"),
        *("a\u2028b", "a\u2029b", "a\x85b", "a\ud800"),
    ],
)
def test_what_is_no_name_of_a_genre_is_refused(name):
    with pytest.raises(ValueError, match="Expected the name of a genre") as got:
        genres.genre_named(name)
    assert repr(name) in str(got.value)


@few
@hypothesis.given(NAMES)
def test_a_genre_that_is_read_is_read_again_as_it_is(name):
    genre = genres.genre_named(name)
    assert genres.genre_named(genre) == genre


@pytest.mark.parametrize(
    "name", ["Sci-Fi", "sci fi", "SCI_FI", " sci -_ fi", "sci\u00a0fi"]
)
def test_spellings_have_one_key(name):
    assert genres.key_of(name) == "sci_fi"


def test_other_words_have_another_key():
    names = ("sci fi", "scifi", "sci.fi", "sci fi 2", "sf")
    assert len({genres.key_of(name) for name in names}) == len(names)


def test_one_of_the_known_is_chosen_however_it_is_spelt():
    known = ("Film Noir", "science_fiction")
    assert genres.choose("film-noir", known) == "Film Noir"
    assert genres.choose("sf", known) == "science_fiction"


def test_an_unknown_genre_is_named_beside_similar_ones_first():
    known = [*(f"genre {number}" for number in range(20)), "western"]
    with pytest.raises(ValueError) as got:
        genres.choose("westen", known)
    assert str(got.value) == (
        "Unknown genre. Expected one of: western, "
        + ", ".join(f"genre {number}" for number in range(11))
        + " and 9 more. Received: 'westen'"
    )


def test_few_known_genres_are_all_named():
    with pytest.raises(
        ValueError, match="one of: noir, drama. Received: 'dance'"
    ):
        genres.choose("dance", ("noir", "drama"))


def test_the_reports_genres_are_first_then_as_they_come():
    found = ("noir", "science_fiction", "drama", "noir", "action")
    assert genres.in_order(found) == (
        "action",
        "science_fiction",
        "noir",
        "drama",
    )
    assert genres.in_order(reversed(genres.REPORT_GENRES)) == (
        genres.REPORT_GENRES
    )
    assert genres.in_order(()) == ()


@pytest.mark.parametrize(
    "genre, prefix",
    [
        ("action", "action"),
        ("animation_2d", "ani2D"),
        ("science_fiction", "sf"),
        ("Film Noir", "film_noir"),
        ("Sci-Fi", "sci_fi"),
        ("공포", "공포"),
        ("../a", "%2E%2E%2Fa"),
        ("50%", "50%25"),
        ("a:b*", "a%3Ab%2A"),
        ("¡él!", "%C2%A1él%21"),
    ],
)
def test_folders_and_frames_begin_with_a_genres_prefix(genre, prefix):
    assert genres.prefix_of(genre) == prefix


@few
@hypothesis.given(NAMES)
def test_a_prefix_is_the_beginning_of_a_files_name(name):
    prefix = genres.prefix_of(genres.genre_named(name))
    assert re.fullmatch(r"[\w%]+", prefix)
    assert len(prefix.encode("utf-8")) <= 140


@few
@hypothesis.given(NAMES, NAMES)
def test_two_genres_have_one_prefix_if_they_are_one(first, second):
    first, second = genres.genre_named(first), genres.genre_named(second)
    is_one = genres.key_of(first) == genres.key_of(second)
    assert (genres.prefix_of(first) == genres.prefix_of(second)) == is_one


def test_long_names_differ_in_what_is_cut():
    first, second = 300 * "봄" + "a", 300 * "봄" + "b"
    assert genres.prefix_of(first) != genres.prefix_of(second)
    assert genres.prefix_of(first).startswith(40 * "봄" + "%")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_genres_txt_has_a_genre_a_line(tmp_path, encoding, end):
    path = tmp_path / "genres.txt"
    lines = ["# my genres", "Film Noir", "", "  # old ones", " sf ", "공포"]
    path.write_bytes(end.join(lines).encode(encoding))
    assert genres.read_names(path) == ("Film Noir", "science_fiction", "공포")


def test_no_genres_txt_is_none(tmp_path):
    assert genres.read_names(tmp_path / "genres.txt") is None


@pytest.mark.parametrize(
    "data, word",
    [
        (b"noir\n\na|b\n", "line 3: Expected the name of a genre"),
        (b"Film Noir\n#\nfilm-noir\n", "line 3: 'film-noir' is in line 1 alre"),
        (b"sf\nscience fiction\n", "line 2: 'science fiction' is in line 1"),
        (b"", "1 to 1,000 genres. Received: 0"),
        (b"# none\n", "1 to 1,000 genres. Received: 0"),
        (
            b"".join(b"g%d\n" % number for number in range(1001)),
            "Received: 1,001",
        ),
        ("공포".encode("cp949"), "a text file in UTF-8"),
        (None, "cannot be read"),
    ],
)
def test_a_bad_genres_txt_is_named_with_its_line(tmp_path, data, word):
    path = tmp_path / "genres.txt"
    if data is None:
        path.mkdir()
    else:
        path.write_bytes(data)
    with pytest.raises(ValueError, match=word) as got:
        genres.read_names(path)
    assert str(got.value).startswith(str(path))


def test_one_to_a_thousand_genres_are_right():
    genres.check(("noir",))
    genres.check(range(1000))
    for wrong in ((), range(1001)):
        with pytest.raises(ValueError, match="1 to 1,000 genres"):
            genres.check(wrong)
