"""The genre names and their order: the only spelling of them."""

import re

# The order is the report's: a genre's place is its class id.
GENRES = (
    "action",
    "horror",
    "romance",
    "animation_2d",
    "animation_3d",
    "science_fiction",
)

# How folders and files of frames begin, as the report's data has them.
PREFIXES = {
    "action": "action",
    "horror": "horror",
    "romance": "romance",
    "animation_2d": "ani2D",
    "animation_3d": "ani3D",
    "science_fiction": "sf",
}


def genre_words(genre):
    """Writes a genre's name for people: `science fiction`."""
    return genre.replace("_", " ")


def genre_named(name):
    """Reads a genre's name or its prefix, as people spell it.

    Case does not matter, nor whether words are separated by spaces, hyphens or
    underscores: `Science Fiction` is `science_fiction`.

    Args:
        name: A string: a name of `GENRES`, or a prefix of the report's data
            (`ani2D`, `ani3D`, `sf`).

    Returns:
        The genre's name, one of `GENRES`.

    Raises:
        ValueError: If the name is neither.
    """
    known = {prefix.lower(): genre for genre, prefix in PREFIXES.items()}
    known |= {genre: genre for genre in GENRES}
    genre = known.get("_".join(re.split(r"[\s_-]+", name.strip().lower())))
    if genre is None:
        aliases = ", ".join(
            prefix for genre, prefix in PREFIXES.items() if prefix != genre
        )
        raise ValueError(
            f"Unknown genre. Expected one of: {', '.join(GENRES)} "
            f"(or {aliases}). Received: {name!r}"
        )
    return genre
