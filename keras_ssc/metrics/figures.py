"""Numbers -> figures. Arrays and names come as arguments."""

import bisect
import functools
import io
import sys
import warnings

import matplotlib
import numpy as np
from sklearn import calibration

matplotlib.use("Agg")  # no screen is needed

from matplotlib import font_manager
from matplotlib import pyplot as plt
from matplotlib.backends import backend_agg

from keras_ssc.genres import genre_words
from keras_ssc.metrics.tables import percent

# Films and genres have names in all scripts; matplotlib's own font has Latin,
# Greek, Cyrillic, Hebrew and Arabic. Of these, what the machine has is used
# where that one ends: of Linux, macOS and Windows.
_FONTS = (
    *("Noto Sans CJK KR", "Noto Sans CJK JP", "Noto Sans CJK SC"),
    *("NanumGothic", "WenQuanYi Zen Hei", "Droid Sans Fallback"),
    *("Noto Sans Devanagari", "Noto Sans Bengali", "Noto Sans Tamil"),
    *("Noto Sans Thai", "Noto Sans Georgian", "Noto Sans Armenian"),
    *("FreeSans", "Unifont", "Arial Unicode MS"),
    *("Apple SD Gothic Neo", "Hiragino Sans", "PingFang SC", "Thonburi"),
    *("Malgun Gothic", "Yu Gothic", "Microsoft YaHei", "Nirmala UI"),
    "Leelawadee UI",
)
_THERE = set(font_manager.get_font_names())
plt.rcParams["font.family"] = [
    "DejaVu Sans",
    *(name for name in _FONTS if name in _THERE),
]
# Letters that none of them has are told in one line, see `_check_letters`.
warnings.filterwarnings("ignore", "Glyph .* missing from")

# A film's name is not to be read as a formula.
plt.rcParams["text.parse_math"] = False

# Okabe and Ito's palette, distinct for colour-blind eyes.
_BLUE, _ORANGE, _GREY = "#0072B2", "#D55E00", "#999999"
_LIGHT_BLUE = "#CCE5F2"

# Of genres, in the order of their names: that palette too, with Tol's wine in
# the place of black, which is a dark scene's own. There is no ninth colour that
# all eyes tell from these, so all further genres are one grey.
_PALETTE = (
    *("#D55E00", "#882255", "#CC79A7", "#F0E442", "#009E73", "#56B4E9"),
    *("#E69F00", "#0072B2"),
)
OTHER = _GREY

# Inches in a point, in which letters are measured; and the width of a letter
# by its size, on average.
_POINT, _LETTER = 1 / 72, 0.6

# Letters of average width that a film's name, and a genre's, has at most
# beside a figure.
_MOST_LETTERS, _MOST_OF_GENRE = 40, 24

# Films, or bars of films, that are drawn one below the other; names that a
# matrix has, and those of them with counts in its cells; and genres of a
# matrix of scores from which on those that say nothing are left out.
_MOST_FILMS, _MOST_BARS = 100, 200
_MOST_NAMES, _MOST_COUNTED, _MANY = 200, 30, 40

# Genres one below the other; more are drawn in columns side by side.
_MOST_ROWS = 100

# Of a figure's title.
_TITLE_SIZE, _MOST_LINES = 12, 4


def subplots(title, width, height, *rows_columns, **settings):
    """Begins a figure; its size is in inches. See `pyplot.subplots`."""
    figure, axes = plt.subplots(
        *rows_columns,
        figsize=(width, height),
        layout="constrained",
        **settings,
    )
    lines = wrapped(title, (width - 0.4) / _POINT, _TITLE_SIZE, _MOST_LINES)
    figure.suptitle("\n".join(lines), fontsize=_TITLE_SIZE)
    return figure, axes


def name_rows(axes, names, size=None):
    """Names the rows of horizontal bars or boxes, the first one on top."""
    axes.set_yticks(range(len(names)), names, fontsize=size)
    axes.set_ylim(len(names) - 0.4, -0.6)


def text_width(text, size):
    """Returns how wide a line of text of a size is, both in points."""
    ruler, font = _pen(1, 1), font_manager.FontProperties(size=size)
    return ruler.get_text_width_height_descent(text, font, False)[0]


def fitted(text, width, size):
    """Returns a text as a line, shortened if it is wider than a width.

    Args:
        text: String.
        width: Float, in points.
        size: Float, the letters', in points.

    Returns:
        String, with an ellipsis at its end if it was shortened.
    """
    text = " ".join(text.split())  # a name may have line ends
    _check_letters(text)
    if text_width(text, size) <= width:
        return text
    most = bisect.bisect(
        range(1, len(text)),
        width,
        key=lambda end: text_width(f"{text[:end]}…", size),
    )
    text = text[:most]
    # Half a number would be another one.
    return f"{text.rstrip('0123456789.,').rstrip(' ,') or text}…"


def wrapped(text, width, size, most_lines):
    """Returns a text as lines of at most a width.

    Args:
        text: String; its own lines stay apart.
        width: Float, in points.
        size: Float, the letters', in points.
        most_lines: Integer; the last of them is shortened if there are more.

    Returns:
        List of strings.
    """
    lines = []
    for own in text.split("\n"):
        # A number stays with its sign.
        words = " ".join(own.split()).replace(" %", "\N{NO-BREAK SPACE}%")
        words = [word for word in words.split(" ") if word]
        while words and len(lines) < most_lines:
            is_last = len(lines) == most_lines - 1
            count = len(words) if is_last else _count(words, width, size)
            # A single word may be too wide, too.
            lines.append(fitted(" ".join(words[:count]), width, size))
            words = words[count:]
    return lines


def _count(words, width, size):
    """Returns how many words fit into a line; one at least."""
    return max(
        bisect.bisect(
            range(1, len(words) + 1),
            width,
            key=lambda count: text_width(" ".join(words[:count]), size),
        ),
        1,
    )


def text_picture(text, size, colour, ground):
    """Draws a line of text in all scripts that figures have.

    Args:
        text: String.
        size: Float, the letters', in pixels.
        colour: Tuple of three integers, RGB.
        ground: The same, of what surrounds the letters.

    Returns:
        uint8 array (height, width, 3), as large as the text.
    """
    font = font_manager.FontProperties(size=size)
    # Names of one size are drawn on strips of one height.
    _, height, below = _pen(1, 1).get_text_width_height_descent(
        "Ágj", font, False
    )
    pen = _pen(int(text_width(text, size)) + 2, int(height) + 2)
    pen.draw_text(pen.new_gc(), 1, height - below + 1, text, font, 0)
    cover = np.asarray(pen.buffer_rgba())[..., 3:] / 255
    mixed = cover * np.array(colour) + (1 - cover) * np.array(ground)
    return np.rint(mixed).astype(np.uint8)


@functools.cache
def _letters():
    """Returns the code points of all letters that figures can have."""
    paths = {
        font_manager.findfont(name, fallback_to_default=False)
        for name in plt.rcParams["font.family"]
    }
    return {
        code
        for path in paths
        for code in font_manager.get_font(path).get_charmap()
    }


_told = set()


def _check_letters(text):
    """Tells which letters of a text are empty boxes, each once."""
    missing = {x for x in text if ord(x) not in _letters()} - _told
    _told.update(missing)
    if missing:
        print(
            f"note: no font on this machine has {' '.join(sorted(missing))}: "
            "such letters are empty boxes in figures. Install a font that has "
            "them, such as the package fonts-noto-cjk.",
            file=sys.stderr,
        )


def _pen(width, height):
    # At 72 dots an inch a point is a pixel.
    return backend_agg.RendererAgg(width, height, 72)


def _shortened(name, letters=_MOST_LETTERS):
    """Shortens a name to the width of so many letters, of any size."""
    return fitted(name, letters * _LETTER * 10, 10)


def _labels(names):
    return [_shortened(genre_words(name), _MOST_OF_GENRE) for name in names]


def _letter_size(count):
    """Returns how large the letters of so many rows are."""
    return 10 if count <= 12 else 8.5 if count <= 40 else 7


def _begin_rows(title, names, width, height):
    """Begins a figure that has a row for each name, in columns if many.

    Args:
        title: String.
        names: List of strings.
        width: Float, a column's, in inches.
        height: Function of how many rows a column has to inches.

    Returns:
        The figure; and a list of tuples: a column's axes and its names.
    """
    columns = max(-(-len(names) // _MOST_ROWS), 1)
    rows = -(-len(names) // columns)
    figure, axes = subplots(
        *(title, columns * width, height(rows), 1, columns),
        sharex=True,
        squeeze=False,
    )
    parts = [
        names[column * rows : (column + 1) * rows] for column in range(columns)
    ]
    return figure, list(zip(axes[0], parts, strict=True))


def _lowest(films, most, score_of, which):
    """Keeps the films of the lowest scores, in their order.

    Returns:
        The films, and a line for the title: empty if all are kept.
    """
    if len(films) <= most:
        return films, ""
    places = sorted(range(len(films)), key=lambda each: score_of(films[each]))
    kept = [films[place] for place in sorted(places[:most])]
    return kept, f"\n{most} of {len(films):,} films, {which}"


def confusion_figure(confusion, names, title):
    """Draws a confusion matrix.

    Of more than 200 classes, those that are most often taken for another, or
    another for them, are drawn.

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
    if len(names) > _MOST_NAMES:
        wrong = confusion.sum(0) + confusion.sum(1) - 2 * confusion.diagonal()
        kept = np.sort(np.argsort(-wrong, kind="stable")[:_MOST_NAMES])
        title += (
            f"\n{_MOST_NAMES} of {len(names):,} genres, those with the most "
            "mistakes"
        )
        names = [names[place] for place in kept]
        confusion, shares = (
            each[np.ix_(kept, kept)] for each in (confusion, shares)
        )
    count = len(names)
    # Inches: of a cell, and of the names and the scale around the matrix.
    cell, around = max(min(0.45, 14 / count), 0.14), 2.6
    width = max(6.4, around + count * cell)
    figure, axes = subplots(title, width, width - 0.8)
    image = axes.imshow(
        shares, cmap="cividis", vmin=0, vmax=1, interpolation="nearest"
    )
    labels = _labels(names)
    size = 10 if count <= 12 else min(9, 0.7 * cell / _POINT)
    leaning = {"rotation": 30, "ha": "right"}
    if count > 12:
        leaning = {"rotation": 90}
    axes.set_xticks(range(count), labels, fontsize=size, **leaning)
    axes.set_yticks(range(count), labels, fontsize=size)
    if count <= _MOST_COUNTED:
        _write_counts(axes, confusion, shares, (width - around) / count)
    axes.set(xlabel="predicted", ylabel="true")
    figure.colorbar(image, label="share of the true genre", shrink=0.8)
    return png_of(figure)


def _write_counts(axes, confusion, shares, cell):
    """Writes the counts into the cells, as large as the longest one fits."""
    longest = len(f"{confusion.max():,}") * _LETTER * _POINT
    for row, column in np.ndindex(confusion.shape):
        axes.text(
            column,
            row,
            f"{confusion[row, column]:,}",
            ha="center",
            va="center",
            fontsize=min(10, 0.9 * cell / longest),
            color="black" if shares[row, column] > 0.5 else "white",
        )


def genre_figure(per_genre, title, label="accuracy", chance=None):
    """Draws a share of each genre, such as its accuracy, as bars.

    Args:
        per_genre: Dict from names to shares, or None where there is none.
        title: String.
        label: String, what the shares are.
        chance: Float, the share that guesses reach; None not to draw it.

    Returns:
        Bytes, a PNG.
    """
    size = _letter_size(len(per_genre))
    figure, columns = _begin_rows(
        title,
        list(per_genre),
        6.4,
        lambda rows: max(3.6, 1.2 + rows * 2.2 * size * _POINT),
    )
    words = f"{label}, %"
    if chance is not None:
        share = 100 * chance
        digits = f"{share:.0f}" if share >= 10 else f"{share:.2g}"
        words += f" (dashed: chance, {digits} %)"
    for axes, names in columns:
        shares = [per_genre[name] for name in names]
        bars = axes.barh(
            range(len(names)),
            [100 * (share or 0) for share in shares],
            color=_BLUE,
        )
        axes.bar_label(bars, list(map(percent, shares)), padding=3, size=size)
        if chance is not None:
            axes.axvline(100 * chance, color=_GREY, linestyle="--")
        name_rows(axes, _labels(names), size)
        axes.set(xlim=(0, 115), xlabel=words)
    return png_of(figure)


def reliability_figure(judged, title, num_bins=10):
    """Draws how often verdicts are right against how sure they are.

    Args:
        judged: Dict from what is drawn, two of them, to a tuple: the scores,
            float array (n,), and whether each is right, bool array (n,).
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
    for colour, (name, own) in zip(colours, judged.items(), strict=True):
        scores, is_right = np.clip(own[0], 0, 1), own[1]
        if len(scores):
            right, sure = calibration.calibration_curve(
                is_right, scores, n_bins=num_bins
            )
            axes.plot(sure, right, marker="o", color=colour, label=name)
        counts.hist(scores, edges, histtype="step", lw=1.5, color=colour)
    axes.set(ylabel="share that is right", ylim=(0, 1.02))
    axes.legend(loc="upper left")
    counts.set(xlabel="score", ylabel="how many", xlim=(0, 1))
    return png_of(figure)


def curves_figure(history, title, metric="accuracy"):
    """Draws the loss and a metric over the epochs.

    Args:
        history: Dict from `loss`, the metric's name, and perhaps those of the
            validation (`val_loss`), to a list of floats, one an epoch. With
            `l2`, strengths of a penalty take the place of epochs.
        title: String.
        metric: String, the name of a share, such as `average_precision`.

    Returns:
        Bytes, a PNG.
    """
    figure, panels = subplots(title, 9, 3.6, 1, 2)
    for axes, name in zip(panels, ("loss", metric), strict=True):
        for key, label, colour in (
            (name, "training", _BLUE),
            (f"val_{name}", "validation", _ORANGE),
        ):
            values = history.get(key, ())
            if len(values):
                x = history.get("l2", range(1, len(values) + 1))
                axes.plot(x, values, "o-", color=colour, label=label)
        if "l2" in history:
            axes.set(xlabel="L2 penalty", xscale="log")
            strengths = history["l2"]
            axes.set_xticks(strengths, [f"{x:g}" for x in strengths])
            axes.minorticks_off()
            axes.invert_xaxis()  # as fitted, from strong to weak
        else:
            axes.set(xlabel="epoch")
            axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_ylabel(name.replace("_", " "))
        axes.set_ylim(bottom=0, top=1.02 if name == metric else None)
        axes.grid(alpha=0.3)
        axes.legend()
    return png_of(figure)


def films_figure(films, names, title):
    """Draws each film's scores as a stacked bar, its own genre outlined.

    Of more than 100 films, those whose own genres have the lowest scores are
    drawn.

    Args:
        films: List of dicts with `film`, `genre`, `verdict`, and `scores`, a
            dict from names to probabilities.
        names: Sequence of the classes' names.
        title: String.

    Returns:
        Bytes, a PNG.
    """
    films, note = _lowest(
        films,
        _MOST_FILMS,
        lambda film: film["scores"][film["genre"]],
        "those that score lowest",
    )
    figure, axes = subplots(title + note, 9, 1.4 + 0.32 * max(len(films), 3))
    # The films' own genres have colours first, then those that score highest.
    weights = {
        name: sum(
            film["scores"][name] + (film["genre"] == name) for film in films
        )
        for name in names
    }
    colours = genre_colours(names, weights)
    left = np.zeros(len(films))
    for name in [name for name in names if colours[name] != OTHER]:
        shares = [film["scores"][name] for film in films]
        bars = axes.barh(
            range(len(films)), shares, left=left, color=colours[name]
        )
        left += shares
        for film, bar in zip(films, bars, strict=True):
            if film["genre"] == name:
                _outline(bar)
    others = [name for name in names if colours[name] == OTHER]
    for row, film in enumerate(films if others else ()):
        own = 0.0
        if film["genre"] in others:
            own = film["scores"][film["genre"]]
            (bar,) = axes.barh(
                row, own, left=left[row], color=OTHER, hatch="////"
            )
            _outline(bar)
        rest = sum(film["scores"][name] for name in others) - own
        axes.barh(row, rest, left=left[row] + own, color=OTHER)
    labels = [
        f"{'✓' if film['verdict'] == film['genre'] else '✗'} "
        + _shortened(film["film"])
        for film in films
    ]
    name_rows(axes, labels)
    axes.set(xlim=(0, 1), xlabel="mean probability (outlined: true genre)")
    add_genres(figure, names, scores=weights)
    return png_of(figure)


def _outline(bar):
    """Outlines a bar; it is higher, too, as its colour may be black."""
    bar.set(y=bar.get_y() - 0.05, height=bar.get_height() + 0.1)
    bar.set(edgecolor="black", linewidth=1.5, zorder=2)


def scores_figure(films, names, thresholds, title):
    """Draws the scores of films that may have several genres, as a matrix.

    Of more than 100 films, those whose own genres have the lowest scores are
    drawn; of more than 40 genres, those that are true or named in them.

    Args:
        films: List of dicts with `film`; `genres` and `verdict`, the lists of
            the true and of the named ones, perhaps empty; and `scores`, a
            dict from names to floats from 0 to 1.
        names: Sequence of the genres' names.
        thresholds: Dict from names to floats, the scores from which on a
            genre is named.
        title: String.

    Returns:
        Bytes, a PNG.
    """
    films, note = _lowest(
        films, _MOST_FILMS, _own_score, "those whose own genres score lowest"
    )
    shown = _worth_showing(films, names)
    if len(shown) < len(names):
        note += (
            f"\n{len(shown):,} of {len(names):,} genres, those that are most "
            "often true or named"
        )
    size = _letter_size(len(films))
    # Inches: of a cell across and down, and of what is around the matrix.
    wide = max(min(0.6, 8 / len(shown)), 0.16)
    tall = 2.2 * size * _POINT
    figure, axes = subplots(
        title + note,
        max(5 + len(shown) * wide, 7),
        max(2.6 + len(films) * tall, 4.2),
    )
    image = axes.imshow(
        [[film["scores"][name] for name in shown] for film in films],
        cmap="cividis",
        vmin=0,
        vmax=1,
        aspect="auto",
        interpolation="nearest",
    )
    side = 0.7 * min(wide, tall) / _POINT
    for key, label, style in (
        (
            *("genres", "true"),
            {"marker": "s", "s": side**2, "fc": "none", "ec": _ORANGE, "lw": 2},
        ),
        (
            *("verdict", "named"),
            {"s": (0.4 * side) ** 2, "fc": "white", "ec": "black", "lw": 0.7},
        ),
    ):
        places = [
            (shown.index(name), row)
            for row, film in enumerate(films)
            for name in film[key]
            if name in shown
        ]
        across, down = np.reshape(places, (-1, 2)).T
        axes.scatter(across, down, label=label, **style)
    axes.xaxis.tick_top()
    axes.set_xticks(
        range(len(shown)),
        [
            f"{label}  ≥ {thresholds[name]:.2f}"
            for name, label in zip(shown, _labels(shown), strict=True)
        ],
        rotation=90,
        fontsize=_letter_size(len(shown)),
    )
    name_rows(axes, [_shortened(film["film"]) for film in films], size)
    axes.set_ylim(len(films) - 0.5, -0.5)
    figure.colorbar(image, label="score", shrink=0.8)
    _add_legend(figure)
    return png_of(figure)


def _own_score(film):
    """Returns the lowest score of a film's genres; if none, how few score."""
    scores = film["scores"]
    if not film["genres"]:
        return 1 - max(scores.values())
    return min(scores[name] for name in film["genres"])


def _worth_showing(films, names):
    """Returns the names that a matrix of scores shows, in their order."""
    if len(names) <= _MANY:
        return list(names)
    counts = dict.fromkeys(names, 0)
    for film in films:
        for name in {*film["genres"], *film["verdict"]}:
            counts[name] += 1
    often = sorted(names, key=lambda name: -counts[name])
    kept = {name for name in often[:_MOST_NAMES] if counts[name]}
    # There may be none at all.
    return [name for name in names if name in kept] or often[:_MANY]


def pairs_figure(pictures, answers, title):
    """Draws example pairs, one a row, with what a model says of them.

    Args:
        pictures: Dict from headings, such as `frame`, `next frame` and
            `flow`, to uint8 arrays (n, height, width, 3), RGB: the columns.
        answers: List of n tuples: what is true, what is predicted, both
            strings, and whether it is right.
        title: String.

    Returns:
        Bytes, a PNG.
    """
    num_pairs, height, width = next(iter(pictures.values())).shape[:3]
    # Inches: of a row, of a picture, of the words beside, of the head above.
    tall, gap, words, head = 1.1, 0.08, 2.4, 0.9
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
    for row, answer in enumerate(answers):
        where = (size[0] - words + gap, head + row * (tall + gap))
        _write_answer(axes, where, (words - 3 * gap) / _POINT, *answer)
    axes.set(xlim=(0, size[0]), ylim=(size[1], 0))
    axes.axis("off")
    lines = wrapped(title, (size[0] - 4 * gap) / _POINT, 11, 2)
    axes.text(
        *(size[0] / 2, 2 * gap, "\n".join(lines)),
        fontsize=11,
        ha="center",
        va="top",
    )
    return png_of(figure)


def _write_answer(axes, where, width, true, predicted, is_right):
    """Writes what is true and what is predicted, as large as it fits."""
    mark, colour = ("✓", _BLUE) if is_right else ("✗", _ORANGE)
    left, top = where
    for down, head, text, style in (
        (0.02, "true", true, {}),
        (0.56, "predicted", f"{mark} {predicted}", {"color": colour}),
    ):
        axes.text(left, top + down, head, fontsize=7, va="top")
        size = 10 if text_width(text, 10) <= width else 8
        axes.text(
            *(
                left,
                top + down + 0.13,
                "\n".join(wrapped(text, width, size, 3)),
            ),
            fontsize=size,
            linespacing=1.0,
            va="top",
            **style,
        )


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
    is_many = len(magnitudes) > 12
    size = _letter_size(len(magnitudes))
    figure, columns = _begin_rows(
        title,
        list(magnitudes),
        8,
        lambda rows: max(
            4.2, 1.4 + rows * (2.2 if is_many else 3.6) * size * _POINT
        ),
    )
    words = "{}  ({:,})" if is_many else "{}\n{:,} pairs"
    meant = "; behind the names: how many pairs" if is_many else ""
    for axes, names in columns:
        own = [magnitudes[name] for name in names]
        axes.boxplot(
            [np.maximum(each, floor) for each in own],
            positions=range(len(own)),
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
            words.format(label, len(each))
            for label, each in zip(_labels(names), own, strict=True)
        ]
        name_rows(axes, labels, size)
        axes.set_xscale("log")
        # Not as powers: that is mathematics, which names may not be read as.
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.set_xlim(left=0.8 * floor)
        axes.grid(axis="x", alpha=0.3)
        axes.set_xlabel(
            f"motion magnitude (below {floor:g} drawn there)\n"
            f"box: half of the pairs, whiskers: 90 %{meant}"
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
    is_many = len(names) > 12
    # Inches of a genre's row: its bars have their counts beside them.
    row = 0.36 if is_many else 0.75
    figure, columns = _begin_rows(
        title, names, 8, lambda rows: 1.4 + rows * row
    )
    height = 0.8 / len(counts)
    colours = (_BLUE, _ORANGE, _GREY)
    for axes, own in columns:
        for place, (split, pairs) in enumerate(counts.items()):
            bars = axes.barh(
                np.arange(len(own)) + (place - (len(counts) - 1) / 2) * height,
                [pairs[name] for name in own],
                height,
                color=colours[place],
                label=split,
            )
            axes.bar_label(
                bars, fmt="{:,.0f}", padding=3, size=6 if is_many else 8
            )
        name_rows(axes, _labels(own), min(_letter_size(len(names)), 8.5))
        axes.margins(x=0.15)
        axes.set(xlabel="pairs")
        axes.locator_params("x", nbins=5)
        axes.xaxis.set_major_formatter("{x:,.0f}")
    _add_legend(figure, *columns[0][0].get_legend_handles_labels())
    return png_of(figure)


def saturation_figure(films, names, limit, title):
    """Draws how colourful each film is, as bars in its first genre's colour.

    Of more than 200 films, the least colourful are drawn.

    Args:
        films: List of dicts with `film`; `genres`, a list, perhaps empty; and
            `saturation`, from 0 to 1.
        names: Sequence of the classes' names.
        limit: Float, below which a film is black-and-white.
        title: String.

    Returns:
        Bytes, a PNG.
    """
    films, note = _lowest(
        films,
        _MOST_BARS,
        lambda film: film["saturation"],
        "those least colourful",
    )
    firsts = [next(iter(film["genres"]), None) for film in films]
    often = {name: firsts.count(name) for name in names}
    colours = genre_colours(names, often)
    figure, axes = subplots(title + note, 9, 1.6 + 0.26 * max(len(films), 3))
    saturations = [film["saturation"] for film in films]
    axes.barh(
        range(len(films)),
        saturations,
        color=[colours.get(first, OTHER) for first in firsts],
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
    axes.margins(x=0.18)
    axes.set_xlabel(f"mean saturation (dashed: black-and-white below {limit})")
    add_genres(figure, names, scores=often)
    return png_of(figure)


def genre_colours(names, scores=None):
    """Returns a dict from names to colours distinct for colour-blind eyes.

    Args:
        names: Sequence of the genres' names.
        scores: Dict from names to floats. Of more than 8 genres, those of the
            highest ones have a colour of their own, the others are `OTHER`.
            The first 8 have one if None.
    """
    own = list(names)
    if scores is not None:
        own.sort(key=lambda name: -scores.get(name, 0))
    own = set(own[: len(_PALETTE)])
    palette = iter(_PALETTE)
    return {name: next(palette) if name in own else OTHER for name in names}


def add_genres(figure, names, loc="outside right upper", ncols=1, scores=None):
    """Adds a legend of the genres' colours.

    Args:
        figure: A figure of `subplots`.
        names: Sequence of the genres' names.
        loc: String, see `Figure.legend`.
        ncols: Integer, how many columns it has if so many fit.
        scores: Dict or None, see `genre_colours`.
    """
    colours = genre_colours(names, scores)
    own = [name for name in names if colours[name] != OTHER]
    labels, drawn = _labels(own), [colours[name] for name in own]
    if len(own) < len(names):
        labels.append("other genres")
        drawn.append(OTHER)
    # Points: of the widest entry, with its colour and the gap beside it.
    wide = max(text_width(label, 10) for label in labels) + 50
    fitting = int(figure.get_figwidth() / _POINT // wide)
    _add_legend(
        figure,
        [plt.Rectangle((0, 0), 1, 1, color=colour) for colour in drawn],
        labels,
        loc=loc,
        ncols=max(min(ncols, fitting), 1),
    )


def _add_legend(figure, *entries, loc="outside right upper", **settings):
    """Adds a legend; one on the right is below the figure's title."""
    if "right" in loc:
        # Constrained layout leaves room for a legend only if nothing else says
        # where it is: so it has as many empty lines itself.
        lines = figure.get_suptitle().count("\n") + 1
        settings |= {"title": "\n".join([" "] * lines), "frameon": False}
        settings |= {"title_fontsize": _TITLE_SIZE}
    figure.legend(*entries, loc=loc, **settings)


def png_of(figure):
    """Returns a figure as a PNG, bytes, and closes it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    plt.close(figure)
    return buffer.getvalue()
