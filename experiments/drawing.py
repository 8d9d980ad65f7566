"""Figures that only experiments draw."""

import textwrap

import numpy as np

from keras_ssc.metrics import figures
from keras_ssc.metrics.figures import png_of

# Okabe and Ito's palette, as in keras_ssc.metrics.figures.
_BLUE, _ORANGE = "#0072B2", "#D55E00"

# Of curves: colour and line, distinct in grey, too.
_LINES = ((_BLUE, "-"), (_ORANGE, "--"), ("dimgrey", ":"))

# Letters of a line of text beside a figure.
_LINE = 48


def intervals_figure(rows, label, title):
    """Draws numbers with their intervals, one a row, beside zero.

    Args:
        rows: List of tuples: a string before the number; the number and the
            ends of its interval, floats; a string behind it.
        label: String, what the numbers are.
        title: String.

    Returns:
        Bytes, a PNG.
    """
    height = 1.3 + 0.42 * len(rows)
    figure, (axes, words) = figures.subplots(
        title, 10.5, height, 1, 2, sharey=True, width_ratios=(3, 1)
    )
    for row, (_, point, low, high, text) in enumerate(rows):
        # An interval that holds zero is drawn hollow: not by colour alone.
        is_clear = low > 0 or high < 0
        colour = _BLUE if low > 0 else _ORANGE if high < 0 else "dimgrey"
        axes.plot(
            (low, high),
            (row, row),
            color=colour,
            lw=2,
            solid_capstyle="butt",
        )
        axes.plot(
            point, row, "o", color=colour, mfc=colour if is_clear else "white"
        )
        words.text(0, row, text, va="center")
    axes.axvline(0, color="black", lw=0.8)
    figures.name_rows(axes, [textwrap.fill(row[0], _LINE) for row in rows])
    axes.grid(axis="x", alpha=0.3)
    axes.set_xlabel(label)
    words.axis("off")
    return png_of(figure)


def labels_figure(sets, orders):
    """Draws how right a library is by how many labels it has.

    Args:
        sets: Dict from titles to dicts, see `labelling.measure`.
        orders: Sequence of strings, the keys of their `right`.

    Returns:
        Bytes, a PNG.
    """
    figure, every = figures.subplots(
        "Films whose genres are right, as labelled or as suggested",
        *(3.2 * len(sets) + 1, 4.2, 1, len(sets)),
        sharey=True,
        squeeze=False,
    )
    for axes, (title, found) in zip(every[0], sets.items(), strict=True):
        for order, (colour, line) in zip(orders, _LINES, strict=True):
            shares = 100 * np.array(found["right"][order])
            axes.plot(
                found["labels"],
                shares.mean(axis=0),
                line,
                color=colour,
                label=order,
            )
            # From the least to the most of the libraries.
            axes.fill_between(
                found["labels"],
                *(shares.min(axis=0), shares.max(axis=0)),
                color=colour,
                alpha=0.15,
                lw=0,
            )
        axes.set_title(f"{title}\n{found['num_films']} films", fontsize=10)
        axes.set_xlabel("labels")
        axes.grid(alpha=0.3)
    every[0][0].set_ylabel("films right, %")
    every[0][-1].legend(loc="lower right")
    return png_of(figure)
