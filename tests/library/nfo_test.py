"""Genres in NFO files: only they change, and nothing is written unasked."""

import os
import re

import hypothesis
import pytest
from hypothesis import strategies

from keras_ssc.library import database
from keras_ssc.library import nfo
from tests.helpers import small_libraries

# As the documentation of Kodi has it: a combination of metadata and address.
KODI = b"""<?xml version="1.0" encoding="UTF-8" standalone="yes" ?>
<movie>
    <title>Harbour (99 second cut)</title>
    <ratings>
        <rating name="imdb" max="10" default="true">
            <value>8.100000</value>
        </rating>
    </ratings>
    <!-- <genre>a comment</genre> -->
    <plot>Boats &amp; fog, \xc3\xa9tude <![CDATA[<genre>x</genre>]]></plot>
    <genre clear="true">SciFi</genre>
    <genre>Romance</genre>
    <genre>Action</genre>
    <set><genre>of a set</genre></set>
    <unknown a='1'/>
</movie>
https://www.themoviedb.org/movie/11-harbour
"""

few = hypothesis.settings(
    derandomize=True, max_examples=100, deadline=None, database=None
)

GENRES = strategies.lists(
    strategies.text(
        strategies.characters(codec="utf-8", exclude_categories=["C", "Z"]),
        min_size=1,
        max_size=12,
    ).filter(lambda text: not set(text) & set("|/_-")),
    min_size=1,
    max_size=4,
    unique_by=lambda text: text.casefold(),
)


def _without_genres(data):
    return re.sub(rb"\s*<genre( clear=\"true\")?>[^<]*</genre>", b"", data)


def test_only_the_genres_of_the_film_are_read():
    assert nfo.read_genres(KODI) == ("SciFi", "Romance", "Action")
    assert nfo.read_genres(b"<movie><genre>A / B</genre></movie>") == ("A", "B")


def test_all_else_stays_byte_for_byte():
    edited = nfo.with_genres(KODI, ["horror", "science_fiction"])
    before, after = KODI.splitlines(True), edited.splitlines(True)
    assert [x for x in before if x not in after] == [
        b'    <genre clear="true">SciFi</genre>\n',
        b"    <genre>Romance</genre>\n",
        b"    <genre>Action</genre>\n",
    ]
    assert [x for x in after if x not in before] == [
        b'    <genre clear="true">horror</genre>\n',
        b"    <genre>science fiction</genre>\n",
    ]
    assert [x for x in before if x in after] == [
        x for x in after if x in before
    ]


def test_what_is_right_is_not_touched():
    spelt = KODI.replace(b"SciFi", b"science-fiction")
    wanted = ["romance", "Action", "science_fiction"]
    assert nfo.with_genres(spelt, wanted) == spelt


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"<movie/>", b"<movie>\n    <genre>b</genre>\n</movie>"),
        (b"<movie></movie>", b"<movie>\n    <genre>b</genre>\n</movie>"),
        (b"<movie>x</movie>", b"<movie>x\n    <genre>b</genre>\n</movie>"),
        (b"<movie><a/></movie>", b"<movie><a/><genre>b</genre></movie>"),
        (b"<movie><genre/></movie>", b"<movie><genre>b</genre></movie>"),
        (
            b'<movie a="/>"\t><genre\n>x<!--y--></genre ></movie>',
            b'<movie a="/>"\t><genre\n>b</genre ></movie>',
        ),
        (
            b"\xef\xbb\xbf<movie>\r\n\t<a>x</a>\r\n</movie>\r\n",
            b"\xef\xbb\xbf<movie>\r\n\t<a>x</a>\r\n\t<genre>b</genre>\r\n"
            b"</movie>\r\n",
        ),
        (
            b"https://example.org/1\r\n",
            b'<movie>\r\n    <genre clear="true">b</genre>\r\n</movie>\r\n'
            b"https://example.org/1\r\n",
        ),
    ],
)
def test_genres_find_their_place(before, after):
    assert nfo.with_genres(before, ["b"]) == after
    assert nfo.with_genres(after, ["b"]) == after


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-16", "iso-8859-1", "windows-1251"]
)
def test_encodings_stay(encoding):
    text = f'<?xml version="1.0" encoding="{encoding}"?>\n<movie>\n <x a=">">'
    text += "y</x>\n <genre>a</genre>\n</movie>\nhttps://example.org"
    edited = nfo.with_genres(text.encode(encoding), ["драма", "안녕"])
    assert nfo.read_genres(edited) == ("драма", "안녕")
    decoded = edited.decode(encoding)
    assert re.sub(r"\n <genre>[^<]*</genre>", "", decoded) == text.replace(
        "\n <genre>a</genre>", ""
    )


@few
@hypothesis.given(GENRES, strategies.booleans())
def test_any_genres_are_written_and_read(genres, is_suggested):
    edited = nfo.with_genres(KODI, genres)
    assert _without_genres(edited) == _without_genres(KODI)
    assert set(nfo.read_genres(edited)) == set(genres)
    assert nfo.read_genres(nfo.new("x", genres, is_suggested)) == (
        () if is_suggested else tuple(genres)
    )


@few
@hypothesis.given(strategies.binary(max_size=200))
def test_any_bytes_are_edited_or_refused(data):
    for each in (data, KODI[:300] + data + KODI[300:], KODI + data):
        try:
            edited = nfo.with_genres(each, ["horror"])
        except nfo.NfoError:
            continue
        assert nfo.with_genres(edited, ["horror"]) == edited


def test_suggestions_are_marked_and_replace_no_genres():
    assert nfo.with_genres(KODI, ["horror"], is_suggested=True) == KODI
    suggested = nfo.with_genres(b"<movie/>", ["horror"], is_suggested=True)
    assert b'<genre suggested="true">horror' in suggested
    assert nfo.read_genres(suggested) == ()
    assert nfo.with_genres(suggested, ["horror"]) == (
        b"<movie>\n    <genre>horror</genre>\n</movie>"
    )


BOMB = b"""<?xml version="1.0"?>
<!DOCTYPE movie [<!ENTITY a "aaaaaaaaaa">
<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>
<movie><genre>&b;</genre></movie>"""
FOREIGN = b"""<!DOCTYPE movie [<!ENTITY x SYSTEM "file:///etc/passwd">]>
<movie><genre>&x;</genre></movie>"""


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (BOMB, "document type"),
        (FOREIGN, "document type"),
        (b"<movie><genre>a</movie>", "mismatched"),
        (b"<movie><genre>&nbsp;</genre></movie>", "entity"),
        (b"<tvshow><genre>a</genre></tvshow>", "<movie>"),
        (b"\xb0\xb1\xb2 A RELEASE \xdb http://example.org", "no XML"),
        (b'<?xml version="1.0" encoding="rot13"?><movie/>', "encoding"),
        (b'<?xml version="1.0" encoding="gbk"?><movie/>', "encoding"),
        (b'<?xml version="1.0" encoding="nonesuch"?><movie/>', "encoding"),
    ],
)
def test_what_is_no_nfo_file_is_refused_in_a_line(data, reason):
    with pytest.raises(nfo.NfoError, match=reason) as caught:
        nfo.with_genres(data, ["horror"])
    assert "\n" not in str(caught.value)


def test_large_files_take_no_longer_than_they_are():
    many = b"<movie>" + b"<genre>a&amp;</genre>  " * 20_000 + b"</movie>"
    assert nfo.read_genres(nfo.with_genres(many, ["b"])) == ("b",)
    spaces = b"<movie><genre>a" + b" " * 1_000_000 + b"b</genre></movie>"
    assert nfo.read_genres(spaces) == ("a b",)


# ---- beside films ----


@pytest.fixture
def library(tmp_path):
    with database.Library(tmp_path / "library.sqlite", create=True) as opened:
        yield opened


def _suggest(library, film, genres, confidence):
    scores = dict.fromkeys(genres, confidence)
    suggestion = database.Suggestion(film, scores, genres, confidence, 0.5, 0)
    library.set_suggestions([suggestion], {})


def test_nothing_is_written_unasked(library, tmp_path):
    path = tmp_path / "films" / "한글 & <b>.mkv"
    (film,) = small_libraries.add(library, path)
    library.set_label(film, ["horror"], "ann")
    (change,), num_right, left = nfo.plan(library)
    assert (num_right, left) == (0, [])
    assert sorted(os.listdir(path.parent)) == [path.name]
    assert nfo.write_all([change]) == ([change], [])
    written = path.with_suffix(".nfo")
    assert nfo.read_genres(written.read_bytes()) == ("horror",)
    assert "<title>한글 &amp; &lt;b&gt;</title>" in written.read_text("utf-8")
    assert nfo.plan(library) == ([], 1, [])


def test_the_file_that_is_there_is_taken(library, tmp_path):
    alone, together = tmp_path / "alone", tmp_path / "together"
    films = [alone / "a.mp4", together / "b.mp4", together / "c.mp4"]
    ids = small_libraries.add(library, *films)
    for film in ids:
        library.set_label(film, ["horror"], "ann")
    for folder in (alone, together):
        (folder / "movie.nfo").write_bytes(KODI)
    (together / "b.nfo").write_bytes(KODI)
    changes, _, _ = nfo.plan(library)
    assert {change.path: change.before for change in changes} == {
        alone / "movie.nfo": KODI,
        together / "b.nfo": KODI,
        together / "c.nfo": None,
    }


def test_a_file_of_two_films_is_left(library, tmp_path):
    one, other = small_libraries.add(
        library, tmp_path / "x" / "a.mp4", tmp_path / "x" / "a.mkv"
    )
    library.set_label(one, ["horror"], "ann")
    library.set_label(other, ["romance"], "ann")
    changes, _, ((path, reason),) = nfo.plan(library)
    assert not changes and path.name == "a.nfo" and "several" in reason
    library.set_label(other, ["horror"], "ann")
    assert len(nfo.plan(library)[0]) == 1


def test_suggestions_only_if_asked(library, tmp_path):
    (film,) = small_libraries.add(library, tmp_path / "a.mp4")
    _suggest(library, film, ("horror",), 0.8)
    assert nfo.plan(library) == ([], 0, [])
    assert nfo.plan(library, 0.9) == ([], 0, [])
    ((change,), _, _) = nfo.plan(library, 0.8)
    assert b'suggested="true"' in change.after


def test_links_and_what_is_no_file_are_left(library, tmp_path):
    ids = small_libraries.add(
        library, *(tmp_path / f"{name}.mp4" for name in "abc")
    )
    for film in ids:
        library.set_label(film, ["horror"], "ann")
    (tmp_path / "secret").write_bytes(KODI)
    (tmp_path / "a.nfo").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "b.nfo")
    (tmp_path / "c.nfo").write_bytes(b"<movie>" + b" " * (1 << 22))
    changes, _, left = nfo.plan(library)
    assert not changes and len(left) == 3
    assert (tmp_path / "secret").read_bytes() == KODI


def test_what_changed_meanwhile_is_not_overwritten(library, tmp_path):
    (film,) = small_libraries.add(library, tmp_path / "a.mp4")
    library.set_label(film, ["horror"], "ann")
    path = tmp_path / "a.nfo"
    path.write_bytes(KODI)
    path.chmod(0o640)
    ((change,), _, _) = nfo.plan(library)
    path.write_bytes(KODI + b" ")
    written, ((_, reason),) = nfo.write_all([change])
    assert not written and "meanwhile" in reason
    assert path.read_bytes() == KODI + b" "
    nfo.write_all(nfo.plan(library)[0])
    assert path.stat().st_mode & 0o777 == 0o640


def test_the_diff_shows_what_changes(library, tmp_path):
    (film,) = small_libraries.add(library, tmp_path / "a.mp4")
    library.set_label(film, ["horror"], "ann")
    (tmp_path / "a.nfo").write_bytes(KODI + b"\x1b[2Jx")
    ((change,), _, _) = nfo.plan(library)
    text = nfo.diff(change)
    assert '-    <genre clear="true">SciFi</genre>\n' in text
    assert '+    <genre clear="true">horror</genre>\n' in text
    assert "-    <plot>" not in text
    assert "\x1b" not in nfo.diff(nfo.Change(change.path, b"", change.after))
    lines = list(nfo.lines([change], 0, [], is_written=False))
    assert "1 changed" in lines[0] and "--write" in lines[-1]
