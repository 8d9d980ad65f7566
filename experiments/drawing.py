"""Figures that only experiments draw."""

import textwrap

from keras_ssc.figures import plt
from keras_ssc.figures import png_of

# Okabe and Ito's palette, as in keras_ssc.figures.
_BLUE, _ORANGE, _GREY = "#0072B2", "#D55E00", "#999999"

# Letters of a line of a claim beside a figure.
_LINE = 48


def models_figure(rows, baselines, title):
    """Draws accuracies as bars, each training's as a point.

    The report's figure 5.1, beside what the report itself measured.

    Args:
        rows: Dict from the name of a model or a baseline to a tuple: the
            accuracy, a float, percent; those of the trainings, a list of
            floats; the report's figure, or None.
        baselines: Collection of those names that are baselines.
        title: String.

    Returns:
        Bytes, a PNG.
    """
    figure, axes = plt.subplots(
        figsize=(8, 1.8 + 0.42 * len(rows)), layout="constrained"
    )
    for row, (name, (mean, values, reported)) in enumerate(rows.items()):
        colour = _GREY if name in baselines else _BLUE
        axes.barh(row, mean, color=colour, height=0.6, zorder=1)
        axes.plot(
            values, [row] * len(values), "o", color="black", ms=3, zorder=3
        )
        # In a column of their own: beside the report's mark they would be
        # taken for its numbers.
        axes.text(103, row, f"{mean:.1f}", va="center", zorder=4)
        if reported is not None:
            axes.plot(
                reported, row, "D", mfc="white", mec=_ORANGE, mew=1.5, zorder=2
            )
    axes.set_yticks(range(len(rows)), list(rows))
    axes.invert_yaxis()
    axes.axvline(100, color="black", lw=0.8)
    axes.text(103, -0.7, "mean", va="center", weight="bold")
    axes.set(
        xlim=(0, 114),
        ylim=(len(rows) - 0.4, -1.1),
        xticks=range(0, 101, 20),
        xlabel="accuracy, %",
    )
    axes.set_title(title)
    marks = {
        "a model, mean": ("s", _BLUE, _BLUE),
        "a baseline, mean": ("s", _GREY, _GREY),
        "a training": ("o", "black", "black"),
        "the report's, on films of its own: not comparable": (
            "D",
            "white",
            _ORANGE,
        ),
    }
    handles = [
        plt.Line2D([], [], ls="", marker=shape, mfc=face, mec=edge)
        for shape, face, edge in marks.values()
    ]
    figure.legend(handles, list(marks), loc="outside lower center", ncols=2)
    return png_of(figure)


def intervals_figure(rows, label, title):
    """Draws differences with their intervals, one a row, beside zero.

    Args:
        rows: List of tuples: what is claimed, a string; the difference and
            the ends of its interval, floats; the answer, a string.
        label: String, what the differences are.
        title: String.

    Returns:
        Bytes, a PNG.
    """
    figure, (axes, words) = plt.subplots(
        1,
        2,
        figsize=(10.5, 1.3 + 0.42 * len(rows)),
        width_ratios=(3, 1),
        layout="constrained",
    )
    for row, (_, point, low, high, answer) in enumerate(rows):
        # An interval that holds zero is drawn hollow: not by colour alone.
        is_told = low > 0 or high < 0
        colour = _BLUE if low > 0 else _ORANGE if high < 0 else "dimgrey"
        axes.plot(
            (low, high),
            (row, row),
            color=colour,
            lw=2,
            solid_capstyle="butt",
        )
        axes.plot(
            point, row, "o", color=colour, mfc=colour if is_told else "white"
        )
        words.text(0, row, answer, va="center")
    axes.axvline(0, color="black", lw=0.8)
    axes.set_yticks(
        range(len(rows)), [textwrap.fill(row[0], _LINE) for row in rows]
    )
    axes.grid(axis="x", alpha=0.3)
    axes.set_xlabel(label)
    words.axis("off")
    for each in (axes, words):
        each.set_ylim(len(rows) - 0.4, -0.6)
    figure.suptitle(title)
    return png_of(figure)
