"""Numbers -> text and Markdown tables; imports no library."""

import datetime


def percent(share):
    """Writes a share as a percentage, or a dash for None."""
    return "-" if share is None else f"{100 * share:.1f} %"


def day(moment):
    """Writes the day of a card's time, such as 2026-01-31T20:00:00Z."""
    found = datetime.date.fromisoformat(moment[:10])
    return f"{found.day} {found:%B %Y}"


def markdown_table(header, rows):
    """Returns a Markdown table.

    Args:
        header: Sequence of strings.
        rows: Sequence of sequences of the same length.
    """
    lines = [header, ["---"] * len(header), *rows]
    return "".join(
        "| "
        + " | ".join(str(cell).replace("|", r"\|") for cell in line)
        + " |\n"
        for line in lines
    )


def metrics_table(pair, film, measures):
    """Writes the metrics by pair and by film as a Markdown table.

    Args:
        pair: Dict with `num`, `per_genre` and the keys of `measures`.
        film: The same, by film.
        measures: Dict from what is shown of them to its words.
    """
    rows = [
        [words, percent(pair[key]), percent(film[key])]
        for key, words in measures.items()
    ]
    rows += [
        [genre, percent(share), percent(film["per_genre"][genre])]
        for genre, share in pair["per_genre"].items()
    ]
    return markdown_table(
        ["", f"by pair ({pair['num']:,})", f"by film ({film['num']:,})"], rows
    )


def films_table(data):
    """Writes the films and pairs of each genre in each split as Markdown.

    Args:
        data: Dict from splits to dicts from genres to dicts of `films` and
            `pairs`, as `evaluate`'s metrics have under `data`.

    Returns:
        String.
    """
    return markdown_table(
        ["genre", *data],
        [
            [
                genre,
                *(
                    f"{counts[genre]['films']} ({counts[genre]['pairs']:,})"
                    for counts in data.values()
                ),
            ]
            for genre in next(iter(data.values()))
        ],
    )
