"""Genre names: how they are read, ordered, and made into names of files.

Genres are data: they come with the films. The six of the 2019 report are known
here for its layout of folders, its order, and for what says no genres.
"""

import difflib
import hashlib
import pathlib
import re
import unicodedata

# A genre's place among a data set's is its class id; the report's order.
REPORT_GENRES = (
    "action",
    "horror",
    "romance",
    "animation_2d",
    "animation_3d",
    "science_fiction",
)

# How folders and files of frames begin, as the report's data has them.
_PREFIXES = {
    "action": "action",
    "horror": "horror",
    "romance": "romance",
    "animation_2d": "ani2D",
    "animation_3d": "ani3D",
    "science_fiction": "sf",
}

# Whether a film has one genre, or any number: a data set's task, see `tasks`.
ONE, SEVERAL = "one", "several"

FILE_NAME = "genres.txt"

# Between the genres of a film that has several.
SEPARATOR = "|"

MOST_GENRES = 1000

# A file's name has 255 bytes at most, the rest of a frame's takes some.
_MOST_PREFIX_BYTES = 120

# Of the names that an error lists.
_MOST_NAMED = 12

# Control characters, line and paragraph separators, and halves of characters,
# which no file can be written with.
_UNPRINTED = ("Cc", "Zl", "Zp", "Cs")


def genre_words(genre):
    """Writes a genre's name for people: `science fiction`."""
    return genre.replace("_", " ")


def key_of(name):
    """Returns what all spellings of a name have in common.

    Case does not matter, nor whether words are separated by spaces, hyphens or
    underscores: `Sci-Fi` and `sci fi` both have the key `sci_fi`.
    """
    text = unicodedata.normalize("NFC", name).casefold()
    return "_".join(re.split(r"[\s_-]+", text.strip()))


# From a key to the report's genre.
_OF_REPORT = {key_of(prefix): genre for genre, prefix in _PREFIXES.items()}
_OF_REPORT |= dict(zip(REPORT_GENRES, REPORT_GENRES, strict=True))


def genre_named(name):
    """Reads a genre's name as people write it.

    Args:
        name: A string. A spelling of one of `REPORT_GENRES`, or a prefix of
            the report's data (`ani2D`, `ani3D`, `sf`), is that genre.

    Returns:
        The genre's name: the report's, or the one given, without spaces around.

    Raises:
        ValueError: If it is empty or has a tab, a line end, another control
            character or `|` in it; says what to write.
    """
    text = unicodedata.normalize("NFC", name).strip()
    is_bad = any(unicodedata.category(letter) in _UNPRINTED for letter in text)
    if is_bad or SEPARATOR in text or not key_of(text).strip("_"):
        raise ValueError(
            "Expected the name of a genre, letters without a tab, a line end "
            f"or {SEPARATOR}. Received: {name!r}"
        )
    return _OF_REPORT.get(key_of(text), " ".join(text.split()))


def choose(name, known):
    """Finds a name among genres, however it is spelt.

    Args:
        name: String.
        known: Sequence of genres.

    Returns:
        One of `known`.

    Raises:
        ValueError: If it is none of them; names them, similar ones first.
    """
    genre = genre_named(name)
    found = {key_of(each): each for each in known}.get(key_of(genre))
    if found is None:
        similar = difflib.get_close_matches(genre, known, 3)
        named = [*similar, *(each for each in known if each not in similar)]
        raise ValueError(
            f"Unknown genre. Expected one of: {listing(named, _MOST_NAMED)}. "
            f"Received: {name!r}"
        )
    return found


def listing(texts, most):
    """Writes the first few of many texts, such as `a, b and 3 more`.

    Args:
        texts: Sequence of strings.
        most: Integer, how many are written.

    Returns:
        String.
    """
    more = len(texts) - most
    rest = f" and {more:,} more" if more > 0 else ""
    return ", ".join(texts[:most]) + rest


def in_order(genres):
    """Orders genres: the report's as it does, then the others as they come.

    Args:
        genres: Iterable of names, perhaps with repetitions.

    Returns:
        Tuple of names, each once.
    """
    found = dict.fromkeys(genres)
    own = [genre for genre in found if genre not in REPORT_GENRES]
    return (*(genre for genre in REPORT_GENRES if genre in found), *own)


def prefix_of(genre):
    """Returns how a genre's folders and frames begin, such as `ani2D`.

    Of a genre that is not the report's: its key, with `%` and two digits for
    each byte of what is no letter or digit, as in an address; a long one is
    cut, and ends in a checksum.
    """
    if genre in _PREFIXES:
        return _PREFIXES[genre]
    prefix = "".join(
        letter
        if re.match(r"\w", letter)
        else "".join(f"%{byte:02X}" for byte in letter.encode("utf-8"))
        for letter in key_of(genre)
    )
    encoded = prefix.encode("utf-8")
    if len(encoded) > _MOST_PREFIX_BYTES:
        checksum = hashlib.sha256(encoded).hexdigest()[:12]
        cut = encoded[:_MOST_PREFIX_BYTES].decode("utf-8", "ignore")
        prefix = f"{cut}%{checksum}"
    return prefix


def read_names(path):
    """Reads genres.txt: one genre a line; lines that begin with # are comments.

    Args:
        path: Path of the file.

    Returns:
        Tuple of genres, in the file's order; None if there is no such file.

    Raises:
        ValueError: If it cannot be read, or a genre is malformed or there
            twice; names the line.
    """
    path = pathlib.Path(path)
    try:
        lines = path.read_text("utf-8-sig").split("\n")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(
            f"{path}: expected a text file in UTF-8 with a genre a line. It "
            f"cannot be read: {error}"
        ) from error
    found = {}
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        try:
            genre = genre_named(text)
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: {error}") from error
        first = found.setdefault(key_of(genre), (number, genre))
        if first[0] != number:
            raise ValueError(
                f"{path}, line {number}: {text!r} is in line {first[0]} "
                "already. Name each genre once."
            )
    genres = tuple(genre for _, genre in found.values())
    try:
        check(genres)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return genres


def check(genres):
    """Raises `ValueError` if there are fewer than 1 or more than 1,000."""
    if not 1 <= len(genres) <= MOST_GENRES:
        raise ValueError(
            f"Expected 1 to {MOST_GENRES:,} genres. Received: {len(genres):,}"
        )
