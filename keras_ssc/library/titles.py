"""Titles and years: what a film's name and a list of films have in common."""

import re
import unicodedata

# The first film is of 1888; a number above the other is no year.
_YEARS = range(1888, 2100)

_ARTICLES = (
    *("the", "a", "an", "le", "la", "les", "l'", "un", "une", "der", "die"),
    *("das", "ein", "eine", "el", "los", "las", "il", "lo", "gli", "i", "o"),
    *("os", "as", "het", "de", "den", "det", "en", "ett"),
)

_LAST_ARTICLE = re.compile(
    rf"(.+), ({'|'.join(map(re.escape, _ARTICLES))})", re.IGNORECASE
)

# Of a title's letters: what has more is none, and takes long to read.
_MOST_LETTERS = 300

_LAST_BRACKETS = re.compile(r"(.+?)\s*\(([^()]*)\)\s*")

_BRACKETED_YEAR = re.compile(r"[(\[](\d{4})[)\]]")

# Who released a film, or its number in a database.
_IN_BRACKETS = re.compile(r"\[[^\]]*\]|\{[^}]*\}")

# Of a release's name: what comes behind its title.
_RELEASE = re.compile(
    r"(?<!\w)(?:\d{3,4}[pi]|4k|uhd|hdr\d*|blu-?ray|b[rd]rip|web(?:-?dl|-?rip)?"
    r"|hdtv|dvd(?:rip|scr)?|[xh][ .]?26[45]|hevc|avc|av1|xvid|divx|remux"
    r"|repack|proper)(?!\w)",
    re.IGNORECASE,
)

# What people leave out.
_APOSTROPHES = dict.fromkeys(map(ord, "'’‘ʼ`´"))

# U+0300 to U+036F; the vowel signs of other scripts are letters of a kind.
_ACCENTS = dict.fromkeys(range(0x300, 0x370))


def split_year(title):
    """Splits `Toy Story (1995)` into the title and its year.

    Returns:
        A tuple of a string and an integer, or None without a year.
    """
    title = title.strip()[:_MOST_LETTERS]
    found = _LAST_BRACKETS.fullmatch(title)
    year = found and _year(found[2])
    return (found[1], year) if year else (title, None)


def keys(title):
    """Returns what the spellings of a title have in common.

    Args:
        title: String, without a year. `Matrix, The` and `the matrix` are one
            title; brackets at the end hold another one of the film.

    Returns:
        Tuple of strings, the first for the whole title; empty for none.
    """
    title = title[:_MOST_LETTERS]
    found, parts = [_key(title)], []
    while match := _LAST_BRACKETS.fullmatch(title):
        title = match[1]
        parts = [title, *parts[1:], re.sub(r"^a\.?k\.?a\.? ", "", match[2])]
    found += map(_key, parts)
    return tuple(dict.fromkeys(filter(None, found)))


def readings(name):
    """Reads a film's name, such as `Toy.Story.1995.1080p.BluRay.x264`.

    Args:
        name: String, as files are called, without the suffix.

    Returns:
        List of tuples (key, year or None), likelier ones first: a number of
        four digits may be the year or belong to the title.
    """
    text = re.sub(r"[._\s]+", " ", name)[:_MOST_LETTERS]
    found = []
    for match in [*_BRACKETED_YEAR.finditer(text)][::-1]:
        found += _reading(text[: match.start()], match[1])
    if found:
        return list(dict.fromkeys(found))
    text = _IN_BRACKETS.sub(" ", text).strip()
    for match in [*re.finditer(r"(?<= )\d{4}(?!\w)", text)][::-1]:
        found += _reading(text[: match.start()], match[0])
    if release := _RELEASE.search(text, 1):
        found += [(key, None) for key in keys(text[: release.start()])]
    found += [(key, None) for key in keys(text)]
    return list(dict.fromkeys(found))


def title_of(name):
    """Returns the title in a film's name, for people.

    The name itself where neither a year in brackets nor what else a release's
    name has says where the title ends.
    """
    text = re.sub(r"[._\s]+", " ", name).strip()
    if years := [*_BRACKETED_YEAR.finditer(text, 1)]:
        return text[: years[-1].start()].strip() or name
    release = _RELEASE.search(text, 1)
    if release is None:
        return name
    title = text[: release.start()].strip(" ([")
    return re.sub(r"(?<=\S) \d{4}$", "", title) or name


def _reading(title, year):
    year = _year(year)
    title = _IN_BRACKETS.sub(" ", title).strip()
    return [(key, year) for key in keys(title)] if year else []


def _year(text):
    # Not int(): it reads the digits of any script, and these are no years.
    if not re.fullmatch(r"[0-9]{4}", text):
        return None
    return int(text) if int(text) in _YEARS else None


def _key(title):
    title = title.strip()
    if found := _LAST_ARTICLE.fullmatch(title):
        space = "" if found[2].endswith("'") else " "
        title = f"{found[2]}{space}{found[1]}"
    text = unicodedata.normalize("NFKD", title).casefold()
    text = unicodedata.normalize("NFKD", text).translate(_ACCENTS)
    text = text.translate(_APOSTROPHES).replace("&", " and ")
    words = "".join(
        letter if unicodedata.category(letter)[0] in "LNM" else " "
        for letter in text
    ).split()
    # A title of signs alone is these.
    return unicodedata.normalize("NFC", " ".join(words) or title)
