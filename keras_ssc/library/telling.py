"""Suggestions -> a text for people, or JSON for programs."""

import dataclasses
import json

from keras_ssc.genres import genre_words
from keras_ssc.library import learning
from keras_ssc.metrics.tables import percent

# Of `as_json`: raised when a field changes its name or meaning.
VERSION = 1

# Films that a text lists of those to label next, and of doubted ones.
_MOST_TOLD = 10


def as_text(library, learnt):
    """Says in some lines what was learnt, and what to label next.

    Args:
        library: A `database.Library`.
        learnt: The `learning.Learnt` of it.
    """
    found = library.suggestions()
    names = {film.id: film.name for film in library.films()}
    labels = library.labels()
    queue = sorted(
        (x for x in found.values() if x.place is not None),
        key=lambda x: x.place,
    )
    lines = [learnt.text, learning.quality_text(library)]
    if queue:
        lines.append("to label next:")
        lines += [f"- {names[x.film]}{_guess(x)}" for x in queue[:_MOST_TOLD]]
    doubted = [x for x in found.values() if x.doubt is not None]
    if doubted:
        lines.append("labels that look wrong:")
    for each in doubted[:_MOST_TOLD]:
        own = _listed(labels[each.film].genres)
        lines.append(
            f"- {names[each.film]}: {own}; like films that are "
            f"{_listed(each.doubt)}"
        )
    if len(doubted) > _MOST_TOLD:
        lines.append(f"  and {len(doubted) - _MOST_TOLD:,} more: --json")
    return "\n".join(lines)


def _guess(suggestion):
    if not suggestion.genres:
        return ""
    genres = _listed(suggestion.genres)
    return f" ({genres}? {percent(suggestion.confidence)})"


def _listed(genres):
    return ", ".join(map(genre_words, genres))


def as_json(library, learnt):
    """Returns a JSON text of all suggestions.

    Args:
        library: A `database.Library`.
        learnt: The `learning.Learnt` of it.
    """
    names = {film.id: film.name for film in library.films()}
    paths = {
        file.film: str(file.path) for file in library.files() if file.is_there
    }
    films = [
        {
            "name": names[film],
            "path": paths.get(film),
            **dataclasses.asdict(suggestion),
        }
        for film, suggestion in library.suggestions().items()
    ]
    found = {
        "version": VERSION,
        "quality": learning.quality_text(library),
        "learnt": dataclasses.asdict(learnt),
        "films": films,
    }
    # A path may have bytes that are no text.
    return json.dumps(found, indent=2)
