"""Genres in NFO files, beside films, for Kodi, Jellyfin and Emby.

A film's NFO file is called as the film is, or movie.nfo if it has its folder to
itself. It holds XML with the root <movie> and a <genre> for each; behind it may
be an address, of a page that the program fetches the rest from; or it holds the
address alone. See https://kodi.wiki/view/NFO_files/Movies, and
https://jellyfin.org/docs/general/server/metadata/nfo.
"""

import codecs
import dataclasses
import difflib
import os
import pathlib
import re
from xml.parsers import expat
from xml.sax import saxutils

from keras_ssc import files
from keras_ssc import genres as genre_names
from keras_ssc.library import exporting
from keras_ssc.library import titles

SUFFIX = ".nfo"
FOLDERS_OWN = "movie.nfo"

# The attribute of a genre that no person has confirmed: it is never read back
# as a label. The programs do not know it and leave it.
_MARK = "suggested"

# No NFO file has as many bytes.
_MOST_BYTES = 1 << 22

# Kodi writes and reads several genres in one element like this.
_BETWEEN = " / "

# What XML cannot hold.
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# What a terminal would take for more than text.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class NfoError(ValueError):
    """An NFO file that is left as it is: what is wrong with it."""


@dataclasses.dataclass(frozen=True)
class Change:
    """What would be written into an NFO file.

    Attributes:
        path: `pathlib.Path` of the file.
        before: Bytes, what is in it; None if it is not there.
        after: Bytes, what shall be in it.
    """

    path: pathlib.Path
    before: bytes | None
    after: bytes


@dataclasses.dataclass
class _Element:
    """An element, by the bytes where it starts and ends.

    Those of its content are equal to `end` if it is <empty/>.
    """

    start: int
    attributes: dict
    inner_start: int = None
    inner_end: int = None
    end: int = None
    texts: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class _Parsed:
    encoding: str
    root: _Element = None
    last: _Element = None  # of the root's children
    genres: list = dataclasses.field(default_factory=list)


# ---- bytes ----


def read_genres(data):
    """Reads the genres of an NFO file.

    Args:
        data: Bytes, what is in the file.

    Returns:
        Tuple of strings, as the file spells them; without those that
        `with_genres` wrote as suggested.

    Raises:
        NfoError: If it is not an NFO file of a film.
    """
    if _is_address(data):
        return ()
    elements = _parse(data).genres
    return _named(x for x in elements if _MARK not in x.attributes)


def with_genres(data, genres, is_suggested=False):
    """Puts genres in the place of those that an NFO file has.

    All else stays as it is, byte for byte. Suggested ones replace none that
    are not suggested.

    Args:
        data: Bytes, what is in the file.
        genres: Sequence of strings.
        is_suggested: Boolean, whether no person has confirmed them.

    Returns:
        Bytes; the same if the genres are right already.

    Raises:
        NfoError: If it is not an NFO file of a film.
    """
    texts = _texts(genres)
    if _is_address(data):
        return _before_address(data, texts, is_suggested)
    found = _parse(data)
    marks = {_MARK in element.attributes for element in found.genres}
    is_right = marks == {is_suggested} and _keys(found) == _keys_of(texts)
    if is_right or (is_suggested and False in marks):
        return data
    done, place = [], 0
    for start, end, written in sorted(
        _edits(data, found, texts, is_suggested), key=lambda edit: edit[:2]
    ):
        done += [data[place:start], written]
        place = end
    edited = b"".join([*done, data[place:]])
    if _keys(_parse(edited)) != _keys_of(texts):
        raise NfoError(f"its encoding, {found.encoding}, is not known here")
    return edited


def new(title, genres, is_suggested=False):
    """Returns the bytes of an NFO file that there is none of yet."""
    title = saxutils.escape(_NOT_XML.sub("", title))
    lines = [
        f"<title>{title}</title>",
        *_elements(_texts(genres), is_suggested),
    ]
    return (
        '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<movie>\n'
        + "".join(f"    {line}\n" for line in lines)
        + "</movie>\n"
    ).encode("utf-8")


def _texts(genres):
    words = [_NOT_XML.sub("", genre_names.genre_words(x)) for x in genres]
    texts = [" ".join(text.split()) for text in words]
    if not all(texts):
        raise NfoError("XML cannot hold the name of a genre")
    return texts


def _named(elements):
    parts = [
        part.strip()
        for element in elements
        for part in " ".join("".join(element.texts).split()).split(_BETWEEN)
    ]
    return tuple(dict.fromkeys(filter(None, parts)))


def _keys(found):
    return {genre_names.key_of(text) for text in _named(found.genres)}


def _keys_of(texts):
    parts = [part for text in texts for part in text.split(_BETWEEN)]
    return {genre_names.key_of(part) for part in parts}


def _elements(texts, is_suggested, attributes=None):
    """Returns the elements of genres; the attributes are the first one's."""
    mark = {_MARK: "true"} if is_suggested else {}
    return [
        f"{_tag({**(attributes or {} if place == 0 else {}), **mark})}"
        f"{saxutils.escape(text)}</genre>"
        for place, text in enumerate(texts)
    ]


def _tag(attributes):
    written = "".join(
        f" {name}={saxutils.quoteattr(value)}"
        for name, value in attributes.items()
    )
    return f"<genre{written}>"


def _is_address(data):
    """Says whether there is nothing but addresses."""
    lines = data.removeprefix(codecs.BOM_UTF8).split()
    return bool(lines) and all(
        re.fullmatch(rb"https?://[!-~]+", line) for line in lines
    )


def _before_address(data, texts, is_suggested):
    # Else the programs add the genres of the page to these.
    elements = _elements(texts, is_suggested, {"clear": "true"})
    line_end = "\r\n" if b"\r\n" in data else "\n"
    lines = ["<movie>", *(f"    {x}" for x in elements), "</movie>", ""]
    mark = codecs.BOM_UTF8 if data.startswith(codecs.BOM_UTF8) else b""
    written = line_end.join(lines).encode("utf-8")
    return mark + written + data.removeprefix(mark)


def _edits(data, found, texts, is_suggested):
    """Yields tuples of two places in the bytes and what goes between them."""

    def code(text):
        return text.encode(found.encoding, "xmlcharrefreplace")

    for element, text in zip(found.genres, texts, strict=False):
        yield _edit(element, text, is_suggested, code)
    for element in found.genres[len(texts) :]:
        yield _gap_start(data, element.start, code), element.end, b""
    more = _elements(texts[len(found.genres) :], is_suggested)
    if more:
        yield _insertion(data, found, more, code)


def _edit(element, text, is_suggested, code):
    is_as_before = is_suggested == (_MARK in element.attributes)
    if is_as_before and element.inner_start < element.end:
        inner = code(saxutils.escape(text))
        return element.inner_start, element.inner_end, inner
    attributes = {k: v for k, v in element.attributes.items() if k != _MARK}
    (whole,) = _elements([text], is_suggested, attributes)
    return element.start, element.end, code(whole)


def _insertion(data, found, more, code):
    anchor = found.genres[-1] if found.genres else found.last
    if anchor is not None:
        gap = data[_gap_start(data, anchor.start, code) : anchor.start]
        place, before = anchor.end, b"".join(gap + code(x) for x in more)
        return place, place, before
    line_end = "\r\n" if code("\r\n") in data else "\n"
    lines = code(line_end.join(["", *(f"    {x}" for x in more), ""]))
    root = found.root
    if root.inner_start < root.end:
        start = _gap_start(data, root.inner_end, code)
        return max(start, root.inner_start), root.inner_end, lines
    slash = root.end - len(code("/>"))
    return slash, root.end, code(">") + lines + code("</movie>")


def _gap_start(data, end, code):
    """Returns where the spaces and line ends before a place start."""
    spaces = {code(x) for x in " \t\r\n"}
    width = len(code(" "))
    while data[end - width : end] in spaces:
        end -= width
    return end


# ---- parsing ----


def _parse(data):
    if not data.strip():
        raise NfoError("it is empty")
    try:
        return _Parser(data).parsed
    except NfoError:
        raise
    # The latter two are of encodings.
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise NfoError(f"it is no XML that can be read ({error})") from error


class _Parser:
    """Finds where the genres of an NFO file are."""

    def __init__(self, data):
        self.parsed = _Parsed(_encoding_of_mark(data))
        self._data = data
        self._open = []  # elements that are not closed
        self._started = None  # the element that the last event started
        self._expat = parser = expat.ParserCreate()
        parser.XmlDeclHandler = self._declare
        # Of a document type come entities, which may be large or foreign.
        parser.StartDoctypeDeclHandler = self._refuse
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.DefaultHandler = lambda _: self._next()
        try:
            parser.Parse(data, True)
        except expat.ExpatError:
            # What is behind the root, an address, is no XML.
            if self._open or self.parsed.root is None:
                raise

    def _declare(self, _, encoding, __):
        self._next()
        if encoding and self.parsed.encoding == "utf-8":
            self.parsed.encoding = codecs.lookup(encoding).name

    def _refuse(self, *_):
        raise NfoError("it has a document type, which is not read for safety")

    def _next(self):
        """Notes that a start tag ends where the next event is."""
        if self._started is not None:
            self._started.inner_start = self._expat.CurrentByteIndex
        self._started = None

    def _start(self, name, attributes):
        self._next()
        element = _Element(self._expat.CurrentByteIndex, attributes)
        if not self._open:
            if name != "movie":
                raise NfoError(f"expected the root <movie>, received <{name}>")
            self.parsed.root = element
        self._open.append(element)
        if len(self._open) == 2:
            self.parsed.last = element
            if name == "genre":
                self.parsed.genres.append(element)
        self._started = element

    def _end(self, _):
        self._next()
        element, place = self._open.pop(), self._expat.CurrentByteIndex
        element.inner_end = place
        if self._is_empty(element, place):
            element.inner_start = element.end = place
            return
        close = ">".encode(self.parsed.encoding)
        element.end = self._data.index(close, place) + len(close)

    def _is_empty(self, element, place):
        # Of <empty/>, expat says that it ends where its tag does.
        tag = "/>".encode(self.parsed.encoding)
        return element.inner_start == place and self._data[
            element.start : place
        ].endswith(tag)

    def _text(self, text):
        self._next()
        self._open[-1].texts.append(text)


def _encoding_of_mark(data):
    """Returns the encoding that the first bytes say, UTF-8 if none."""
    if data.startswith((codecs.BOM_UTF16_LE, b"<\0")):
        return "utf-16-le"
    if data.startswith((codecs.BOM_UTF16_BE, b"\0<")):
        return "utf-16-be"
    return "utf-8"


# ---- files ----


def load(path):
    """Reads an NFO file's bytes.

    Raises:
        NfoError: If it is no file, a link, or too large.
        OSError: If it cannot be read.
    """
    if path.is_symlink() or not path.is_file():
        raise NfoError("it is no file, or a link to one")
    with open(path, "rb") as file:
        data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise NfoError(f"expected at most {_MOST_BYTES >> 20} MiB")
    return data


def targets(library):
    """Says which NFO files are those of a library's films.

    Args:
        library: A `database.Library`.

    Returns:
        A dict from films' `id`s to lists of `pathlib.Path`: the files that
        there are, else the one that there should be.
    """
    groups = {film.id: film.copies for film in library.films()}
    there = [x for x in library.files() if x.is_there and x.path.is_file()]
    in_folder = {}
    for file in there:
        in_folder.setdefault(file.path.parent, set()).add(groups[file.film])
    found = {}
    for file in there:
        own = file.path.with_suffix(SUFFIX)
        paths = [own]
        if len(in_folder[file.path.parent]) == 1:
            paths.append(own.with_name(FOLDERS_OWN))
        exist = [path for path in paths if os.path.lexists(path)]
        found.setdefault(file.film, []).extend(exist or [own])
    return {film: list(dict.fromkeys(paths)) for film, paths in found.items()}


def plan(library, confidence=None):
    """Says what is to be written into the NFO files of a library's films.

    Args:
        library: A `database.Library`.
        confidence: See `exporting.answers`.

    Returns:
        A tuple: a list of `Change`; the number of files that have nothing to
        change; and a list of tuples of a `pathlib.Path` and a string, why
        the file is left as it is.
    """
    known = exporting.answers(library, confidence)
    names = {film.id: film.name for film in library.films()}
    wanted = {}
    for film, paths in targets(library).items():
        for path in paths if film in known else ():
            wanted.setdefault(path, []).append(film)
    changes, num_right, left = [], 0, []
    for path, films in wanted.items():
        try:
            change = _change(path, *_agreed(films, known), names[films[0]])
        except NfoError as error:
            left.append((path, str(error)))
        except OSError as error:
            left.append((path, error.strerror or str(error)))
        else:
            num_right += change.before == change.after
            changes += [change] if change.before != change.after else []
    return changes, num_right, left


def _agreed(films, known):
    """Returns the genres of films with one NFO file, and if suggested."""
    found = {(frozenset(known[x].genres), known[x].by) for x in films}
    if len(found) > 1:
        raise NfoError("it belongs to several films, of other genres")
    answer = known[films[0]]
    return answer.genres, answer.by == exporting.SUGGESTION


def _change(path, genres, is_suggested, name):
    if not os.path.lexists(path):
        title = titles.title_of(name)
        return Change(path, None, new(title, genres, is_suggested))
    data = load(path)
    return Change(path, data, with_genres(data, genres, is_suggested))


def write(change):
    """Writes an NFO file, all of it or nothing; its mode stays.

    Raises:
        NfoError: If it has changed since it was read.
        OSError: If it cannot be written; what was there before stays.
    """
    there = load(change.path) if os.path.lexists(change.path) else None
    if there != change.before:
        raise NfoError("it has changed meanwhile. Run the same command again")
    mode = None if there is None else change.path.stat().st_mode
    files.write_bytes(change.path, change.after)
    if mode is not None:
        change.path.chmod(mode)


def write_all(changes):
    """Writes NFO files, see `write`.

    Returns:
        A tuple: the list of the changes that were written, and a list of
        tuples of a `pathlib.Path` and a string, why the file is as before.
    """
    written, failed = [], []
    for change in changes:
        try:
            write(change)
        except (NfoError, OSError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            failed.append((change.path, reason))
        else:
            written.append(change)
    return written, failed


def lines(changes, num_right, left, is_written):
    """Yields what became of NFO files, as lines for people."""
    num_new = sum(change.before is None for change in changes)
    done = "written" if is_written else "to write"
    yield (
        f"{done}: {num_new:,} new NFO files, {len(changes) - num_new:,} "
        f"changed; nothing to change in {num_right:,}"
    )
    for path, reason in left:
        yield f"left as it is: {exporting.text_of(path)}: {reason}"
    if changes and not is_written:
        yield "Nothing is written yet: add --write."


def diff(change):
    """Returns a change as a unified diff, for people.

    Control characters are escaped: a terminal would execute them.
    """
    name = exporting.text_of(change.path)
    before = "" if change.before is None else _decoded(change.before)
    lines = difflib.unified_diff(
        _lines(before),
        _lines(_decoded(change.after)),
        "/dev/null" if change.before is None else name,
        name,
    )
    return _CONTROLS.sub(
        lambda found: found[0].encode("unicode_escape").decode("ascii"),
        "".join(
            x if x.endswith("\n") else f"{x}\n\\ No newline at end of file\n"
            for x in (line.replace("\r\n", "\n") for line in lines)
        ),
    )


def _lines(text):
    # Not text.splitlines(), to which more is a line's end.
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _decoded(data):
    try:
        encoding = _parse(data).encoding
    except NfoError:
        encoding = "utf-8"
    return data.decode(encoding, "replace")
