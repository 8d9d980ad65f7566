"""Numbers -> figures. Arrays and names come as arguments."""

import io

import matplotlib
import numpy as np
from sklearn import calibration

matplotlib.use("Agg")  # no screen is needed

from matplotlib import font_manager
from matplotlib import pyplot as plt

from keras_ssc.genres import genre_words
from keras_ssc.metrics.tables import percent

# Films have names in all scripts; matplotlib's own font has Latin, Greek and
# Cyrillic. Of these, what the machine has is used where that one ends.
_FONTS = (
    "Noto Sans CJK KR",
    "NanumGothic",
    "Malgun Gothic",
    "Noto Sans CJK JP",
)
plt.rcParams["font.family"] = [
    "DejaVu Sans",
    *sorted(set(_FONTS) & set(font_manager.get_font_names())),
]

# A film's name is not to be read as a formula.
plt.rcParams["text.parse_math"] = False

# Okabe and Ito's palette, distinct for colour-blind eyes.
_BLUE, _ORANGE, _GREY = "#0072B2", "#D55E00", "#999999"
_LIGHT_BLUE = "#CCE5F2"

# Of a film's name beside a figure.
_MOST_LETTERS = 40


def subplots(title, width, height, *rows_columns, **settings):
    """Begins a figure; its size is in inches. See `pyplot.subplots`."""
    figure, axes = plt.subplots(
        *rows_columns,
        figsize=(width, height),
        layout="constrained",
        **settings,
    )
    figure.suptitle(title)
    return figure, axes


def name_rows(axes, names):
    """Names the rows of horizontal bars or boxes, the first one on top."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)


def confusion_figure(confusion, names, title):
    """Draws a confusion matrix.

    Args:
        confusion: Rows of counts, true classes down, predicted ones across.
        names: Sequence of the classes' names.
        title: String.

    Returns:
        Bytes, a PNG.
    """
    confusion = np.asarray(confusion)
    totals = np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    shares = confusion / totals
    figure, axes = subplots(title, 6.4, 5.6)
    image = axes.imshow(shares, cmap="cividis", vmin=0, vmax=1)
    labels = list(map(genre_words, names))
    axes.set_xticks(range(len(names)), labels, rotation=30, ha="right")
    axes.set_yticks(range(len(names)), labels)
    for row, column in np.ndindex(confusion.shape):
        axes.text(
            column,
            row,
            f"{confusion[row, column]:,}",
            ha="center",
            va="center",
            color="black" if shares[row, column] > 0.5 else "white",
        )
    axes.set(xlabel="predicted", ylabel="true")
    figure.colorbar(image, label="share of the true genre", shrink=0.8)
    return png_of(figure)


def genre_figure(per_genre, title):
    """Draws the accuracy of each genre as bars.

    Args:
        per_genre: Dict from names to shares, or None where there is none.
        title: String.

    Returns:
        Bytes, a PNG.
    """
    figure, axes = subplots(title, 6.4, 3.6)
    shares = [100 * (share or 0) for share in per_genre.values()]
    bars = axes.barh(range(len(shares)), shares, color=_BLUE)
    axes.bar_label(bars, [percent(s) for s in per_genre.values()], padding=3)
    chance = 100 / len(shares)
    axes.axvline(chance, color=_GREY, linestyle="--")
    name_rows(axes, list(map(genre_words, per_genre)))
    axes.set(
        xlim=(0, 115), xlabel=f"accuracy, % (dashed: chance, {chance:.0f} %)"
    )
    return png_of(figure)


def reliability_figure(labels, scores, title, num_bins=10):
    """Draws how often verdicts are right against how sure they are.

    Args:
        labels: Integer array (n,), the true classes.
        scores: Dict from what is drawn to a float array (n, classes) of
            probabilities, two of them.
        title: String.
        num_bins: Integer, how many bins scores from 0 to 1 fall into.

    Returns:
        Bytes, a PNG.
    """
    figure, (axes, counts) = subplots(
        title, 6.4, 6.4, 2, sharex=True, height_ratios=(3, 1)
    )
    axes.plot((0, 1), (0, 1), color=_GREY, linestyle="--", label="as sure")
    edges = np.linspace(0, 1, num_bins + 1)
    colours = (_ORANGE, _BLUE)
    for colour, (name, given) in zip(colours, scores.items(), strict=True):
        highest = given.max(axis=1)
        is_right = given.argmax(axis=1) == labels
        right, sure = calibration.calibration_curve(
            is_right, np.clip(highest, 0, 1), n_bins=num_bins
        )
        axes.plot(sure, right, marker="o", color=colour, label=name)
        counts.hist(highest, edges, histtype="step", lw=1.5, color=colour)
    axes.set(ylabel="share of verdicts that are right", ylim=(0, 1.02))
    axes.legend(loc="upper left")
    counts.set(xlabel="score of the verdict", ylabel="pairs", xlim=(0, 1))
    return png_of(figure)


def curves_figure(history, title):
    """Draws loss and accuracy over the epochs.

    Args:
        history: Dict from `loss`, `accuracy`, and perhaps `val_loss` and
            `val_accuracy`, to a list of floats, one an epoch.
        title: String.

    Returns:
        Bytes, a PNG.
    """
    figure, panels = subplots(title, 9, 3.6, 1, 2)
    for axes, name in zip(panels, ("loss", "accuracy"), strict=True):
        for key, label, colour in (
            (name, "training", _BLUE),
            (f"val_{name}", "validation", _ORANGE),
        ):
            values = history.get(key, ())
            if len(values):
                epochs = range(1, len(values) + 1)
                axes.plot(epochs, values, "o-", color=colour, label=label)
        axes.set(xlabel="epoch", ylabel=name)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_ylim(bottom=0, top=1.02 if name == "accuracy" else None)
        axes.grid(alpha=0.3)
        axes.legend()
    return png_of(figure)


def films_figure(films, names, title):
    """Draws each film's scores as a stacked bar, its own genre outlined.

    Args:
        films: List of dicts with `film`, `genre`, `verdict`, and `scores`, a
            dict from names to probabilities.
        names: Sequence of the classes' names.
        title: String.

    Returns:
        Bytes, a PNG.
    """
    figure, axes = subplots(title, 9, 1.4 + 0.32 * len(films))
    left = np.zeros(len(films))
    for name, colour in genre_colours(names).items():
        shares = [film["scores"][name] for film in films]
        bars = axes.barh(range(len(films)), shares, left=left, color=colour)
        left += shares
        for film, bar in zip(films, bars, strict=True):
            if film["genre"] == name:
                bar.set(edgecolor="black", linewidth=1.5, zorder=2)
    labels = [
        f"{'✓' if film['verdict'] == film['genre'] else '✗'} {film['film']}"
        for film in films
    ]
    name_rows(axes, labels)
    axes.set(xlim=(0, 1), xlabel="mean probability (outlined: true genre)")
    add_genres(figure, names)
    return png_of(figure)


def pairs_figure(pictures, labels, probabilities, names, title):
    """Draws example pairs, one a row, with what a model says of them.

    Args:
        pictures: Dict from headings, such as `frame`, `next frame` and
            `flow`, to uint8 arrays (n, height, width, 3), RGB: the columns.
        labels: Integer array (n,), the true classes.
        probabilities: Float array (n, classes).
        names: Sequence of the classes' names.
        title: String.

    Returns:
        Bytes, a PNG.
    """
    num_pairs, height, width = next(iter(pictures.values())).shape[:3]
    # Inches: of a row, of a picture, of the words beside, of the head above.
    tall, gap, words, head = 1.1, 0.08, 2.3, 0.8
    wide = tall * min(max(width / height, 0.8), 2.0)
    size = (
        gap + len(pictures) * (wide + gap) + words,
        head + num_pairs * (tall + gap),
    )
    figure = plt.figure(figsize=size)
    # One canvas measured in inches: axes for each picture take seconds.
    axes = figure.add_axes((0, 0, 1, 1))
    for column, (heading, rows) in enumerate(pictures.items()):
        left = gap + column * (wide + gap)
        axes.text(left + wide / 2, head - gap, heading, fontsize=9, ha="center")
        for row, picture in enumerate(rows):
            top = head + row * (tall + gap)
            extent = (left, left + wide, top + tall, top)
            axes.imshow(picture, extent=extent, aspect="auto")
            # A flow without motion is as white as the paper.
            edge = plt.Rectangle((left, top), wide, tall, fill=False, lw=0.5)
            axes.add_patch(edge)
    for row in range(num_pairs):
        where = (size[0] - words + gap, head + row * (tall + gap))
        _write_answer(axes, where, labels[row], probabilities[row], names)
    axes.set(xlim=(0, size[0]), ylim=(size[1], 0))
    axes.axis("off")
    axes.text(size[0] / 2, 0.3, title, fontsize=11, ha="center")
    return png_of(figure)


def _write_answer(axes, where, label, probabilities, names):
    """Writes the true and the predicted class with their probabilities."""
    predicted = int(np.argmax(probabilities))
    mark, colour = ("✓", _BLUE) if predicted == label else ("✗", _ORANGE)
    left, top = where

    def named(place):
        name = genre_words(names[place])
        return f"{name}, {percent(probabilities[place])}"

    for down, text, style in (
        (0.20, "true", {"fontsize": 7}),
        (0.38, named(label), {"fontsize": 10}),
        (0.72, "predicted", {"fontsize": 7}),
        (0.90, f"{mark} {named(predicted)}", {"color": colour}),
    ):
        axes.text(left, top + down, text, **style)


def motion_figure(magnitudes, floor, title):
    """Draws how much moves in the pairs of each genre, on a log scale.

    The report's figure 3.2.3: a box from the first quartile to the third,
    with the median, and whiskers around 90 % of the pairs.

    Args:
        magnitudes: Dict from names to float arrays, perhaps empty.
        floor: Float, what smaller magnitudes, 0 among them, are drawn at.
        title: String.

    Returns:
        Bytes, a PNG.
    """
    figure, axes = subplots(title, 8, 4.2)
    axes.boxplot(
        [np.maximum(each, floor) for each in magnitudes.values()],
        positions=range(len(magnitudes)),
        orientation="horizontal",
        whis=(5, 95),
        widths=0.6,
        patch_artist=True,
        boxprops={"facecolor": _LIGHT_BLUE, "edgecolor": _BLUE},
        medianprops={"color": _ORANGE, "linewidth": 2},
        whiskerprops={"color": _BLUE},
        capprops={"color": _BLUE},
        flierprops={"marker": ".", "markersize": 3, "alpha": 0.4},
    )
    labels = [
        f"{genre_words(name)}\n{len(each):,} pairs"
        for name, each in magnitudes.items()
    ]
    name_rows(axes, labels)
    axes.set_xscale("log")
    # Not as powers: that is mathematics, which names may not be read as.
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlim(left=0.8 * floor)
    axes.grid(axis="x", alpha=0.3)
    axes.set_xlabel(
        f"motion magnitude (below {floor:g} drawn there; box: half of the "
        "pairs, whiskers: 90 %)"
    )
    return png_of(figure)


def splits_figure(counts, title):
    """Draws how many pairs of each genre there are in each split, as bars.

    Args:
        counts: Dict from splits, up to three, to dicts from names to how many
            pairs there are, the same names in all.
        title: String.

    Returns:
        Bytes, a PNG.
    """
    names = list(next(iter(counts.values())))
    figure, axes = subplots(title, 8, 1.4 + 0.75 * len(names))
    height = 0.8 / len(counts)
    colours = (_BLUE, _ORANGE, _GREY)
    for place, (split, own) in enumerate(counts.items()):
        bars = axes.barh(
            np.arange(len(names)) + (place - (len(counts) - 1) / 2) * height,
            list(own.values()),
            height,
            color=colours[place],
            label=split,
        )
        axes.bar_label(bars, fmt="{:,.0f}", padding=3, size=8)
    name_rows(axes, list(map(genre_words, names)))
    axes.margins(x=0.1)
    axes.set(xlabel="pairs")
    figure.legend(loc="outside right upper")
    return png_of(figure)


def saturation_figure(films, names, limit, title):
    """Draws how colourful each film is, as bars in its genre's colour.

    Args:
        films: List of dicts with `film`, `genre` and `saturation`, from 0
            to 1.
        names: Sequence of the classes' names.
        limit: Float, below which a film is black-and-white.
        title: String.

    Returns:
        Bytes, a PNG.
    """
    colours = genre_colours(names)
    figure, axes = subplots(title, 9, 1.6 + 0.26 * len(films))
    saturations = [film["saturation"] for film in films]
    axes.barh(
        range(len(films)),
        saturations,
        color=[colours[film["genre"]] for film in films],
    )
    for row, each in enumerate(saturations):
        # Behind the dashed line, which would strike it out.
        axes.annotate(
            f"{each:.3f}",
            (max(each, limit), row),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
        )
    axes.axvline(limit, color="black", linestyle="--", linewidth=1)
    # A longer name would leave no room for what is drawn.
    name_rows(axes, [_shortened(film["film"]) for film in films])
    axes.margins(x=0.12)
    axes.set_xlabel(f"mean saturation (dashed: black-and-white below {limit})")
    add_genres(figure, names)
    return png_of(figure)


def genre_colours(names):
    """Returns a dict from names to colours distinct for colour-blind eyes."""
    palette = ("#D55E00", "#000000", "#CC79A7", "#F0E442", "#009E73", "#56B4E9")
    return dict(zip(names, palette, strict=False))


def _shortened(name):
    is_short = len(name) <= _MOST_LETTERS
    return name if is_short else f"{name[: _MOST_LETTERS - 1]}…"


def add_genres(figure, names, loc="outside right upper", ncols=1):
    """Adds a legend of the genres' colours."""
    figure.legend(
        [
            plt.Rectangle((0, 0), 1, 1, color=colour)
            for colour in genre_colours(names).values()
        ],
        list(map(genre_words, names)),
        loc=loc,
        ncols=ncols,
    )


def png_of(figure):
    """Returns a figure as a PNG, bytes, and closes it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    plt.close(figure)
    return buffer.getvalue()
