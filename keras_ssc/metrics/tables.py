"""Numbers -> text and Markdown tables; imports no library."""

from keras_ssc.genres import GENRES


def percent(share):
    """Writes a share as a percentage, or a dash for None."""
    return "-" if share is None else f"{100 * share:.1f} %"


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


def markdown(metrics):
    """Writes the metrics as Markdown tables."""
    films = [
        [
            entry["film"],
            entry["genre"],
            entry["verdict"],
            percent(entry["scores"][entry["verdict"]]),
            percent(entry["pair_accuracy"]),
        ]
        for entry in metrics["films"]
    ]
    return (
        f"# {metrics['model']}, {metrics['split']} split of "
        f"{metrics['dataset']}\n\n"
        + metrics_table(metrics["pair"], metrics["film"])
        + "\n"
        + markdown_table(
            ["film", "genre", "verdict", "its score", "pairs right"], films
        )
        + f"\n{calibration_text(metrics)}\n"
    )


def metrics_table(pair, film):
    """Writes the metrics by pair and by film as a Markdown table."""
    rows = [
        [label, percent(pair[key]), percent(film[key])]
        for label, key in (("accuracy", "accuracy"), ("macro F1", "macro_f1"))
    ]
    rows += [
        [
            genre,
            percent(pair["per_genre"][genre]),
            percent(film["per_genre"][genre]),
        ]
        for genre in GENRES
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
            for genre in GENRES
        ],
    )


def calibration_text(metrics):
    """Says in a sentence or two how the scores are calibrated."""
    fitted = metrics["calibration"]
    error = fitted["expected_calibration_error"]
    if fitted["split"] is None:
        return (
            "Not calibrated: the data set has no validation split. Expected "
            f"calibration error by pair: {error['before']:.3f}."
        )
    # Evaluated before it was tried on films left out: it was applied.
    tried = fitted.get("log_loss")
    found = fitted.get("fitted_temperature", fitted["temperature"])
    text = f"Temperature {found:.3f}, fitted on "
    text += f"{fitted['num_pairs']:,} pairs of the {fitted['split']} split"
    if tried is None:
        text += ". "
    elif tried["before"] is None:
        text += (
            ", one film. It cannot be tried on another, and is not applied. "
        )
    else:
        is_applied = fitted["temperature"] != 1
        text += (
            f". On its {fitted['num_films']} films, each left out in turn, it "
            f"changes the log loss from {tried['before']:.3f} to "
            f"{tried['after']:.3f}: it is {'' if is_applied else 'not '}"
            "applied. "
        )
    return (
        f"{text}Expected calibration error by pair, "
        f"{metrics['split']} split: {error['before']:.3f} before, "
        f"{error['after']:.3f} after."
    )
