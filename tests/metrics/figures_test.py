import io

import matplotlib.image
import numpy as np
import pytest

from keras_ssc.metrics import figures
from keras_ssc.metrics import scoring
from keras_ssc.metrics import tables

NAMES = ("action", "animation_2d", "romance")


def test_scores_are_those_counted_by_hand():
    scores = scoring.scores_of(
        np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]), NAMES
    )
    assert scores["accuracy"] == 0.75
    assert scores["per_genre"] == {
        "action": pytest.approx(2 / 3),
        "animation_2d": 1.0,
        "romance": None,
    }
    assert scores["confusion"] == [[2, 1, 0], [0, 1, 0], [0, 0, 0]]
    # F1: action 0.8, animation_2d 2/3; romance has no example.
    assert scores["macro_f1"] == pytest.approx((0.8 + 2 / 3) / 2)


def test_a_table_is_markdown():
    table = tables.markdown_table(["a", "b"], [[1, "x"]])
    assert table == "| a | b |\n| --- | --- |\n| 1 | x |\n"


def test_a_bar_in_a_cell_does_not_end_it():
    row = tables.markdown_table(["a"], [["x | y"]]).splitlines()[2]
    assert row == r"| x \| y |"


def picture_of(png):
    return matplotlib.image.imread(io.BytesIO(png))


def names_of(count):
    odd = ["W" * 100, "한국 영화 " * 20, "comédie_dramatique"]
    return [*odd, *(f"genre_{place}" for place in range(count - 3))]


def pairs_figure(headings, size=(30, 48), is_right=False, words="romance"):
    """Two pairs, purple and grey."""
    colours = np.array([[[[120, 0, 120]]], [[[90, 90, 90]]]], np.uint8)
    pictures = np.broadcast_to(colours, (2, *size, 3))
    return figures.pairs_figure(
        dict.fromkeys(headings, pictures),
        [(words, f"{words}, 95.0 %", is_right)] * 2,
        "8 pairs of the validation split, epoch 100",
    )


def films_of(names, count):
    """Films of one genre, in turns, that score higher from film to film."""
    films = []
    for place in range(count):
        own = names[place % len(names)]
        score = (place + 1) / (count + 1)
        scores = dict.fromkeys(names, (1 - score) / (len(names) - 1))
        films.append(
            {
                "film": f"film {place}",
                "genre": own,
                "genres": [own] * (place % 3 > 0),
                "saturation": score,
                "verdict": own,
                "scores": scores | {own: score},
            }
        )
    return films


def films_figure(names, count=5):
    return figures.films_figure(films_of(names, count), names, "t")


def scores_figure(names, count=5):
    films = [
        film | {"verdict": [film["verdict"]]} for film in films_of(names, count)
    ]
    thresholds = dict.fromkeys(names, 0.5)
    return figures.scores_figure(films, names, thresholds, "t")


def saturation_figure(names, count=5):
    return figures.saturation_figure(films_of(names, count), names, 0.02, "t")


DRAWN = {
    "confusion": lambda names: figures.confusion_figure(
        np.eye(len(names), dtype=int) * 1234, names, "t"
    ),
    "genre": lambda names: figures.genre_figure(
        {name: None if name == names[1] else 0.5 for name in names},
        *("t", "average precision", 0.1),
    ),
    "films": films_figure,
    "scores": scores_figure,
    "motion": lambda names: figures.motion_figure(
        {name: np.array([0.1, 1.0]) for name in names}, 1e-3, "t"
    ),
    "splits": lambda names: figures.splits_figure(
        {split: dict.fromkeys(names, 123456) for split in ("train", "test")},
        "t",
    ),
    "saturation": saturation_figure,
    "reliability": lambda names: figures.reliability_figure(
        {
            name: (np.linspace(0, 1, 9), np.arange(9) % 2 > 0)
            for name in ("as trained", "calibrated")
        },
        "t",
    ),
    "curves": lambda names: figures.curves_figure(
        {"loss": [2.0, 1.0], "accuracy": [0.2, 0.6]}, "t"
    ),
    "pairs": lambda names: pairs_figure(("frame",), words=", ".join(names)),
}


@pytest.mark.parametrize("count", [3, 21])
@pytest.mark.parametrize("drawn", DRAWN)
def test_a_figure_has_something_on_it_and_nothing_is_cut_off(drawn, count):
    picture = picture_of(DRAWN[drawn](names_of(count)))[..., :3]
    assert picture.shape[0] > 100 and picture.shape[1] > 100
    assert picture.std() > 0.05
    for edge in (picture[:2], picture[-2:], picture[:, :2], picture[:, -2:]):
        assert (edge == 1).all()


def test_pairs_are_drawn_in_the_columns_given():
    one, three = (
        picture_of(pairs_figure(headings))[..., :3]
        for headings in (("frame",), ("frame", "next frame", "flow"))
    )
    purple = np.array([120, 0, 120]) / 255
    counts = [
        np.all(np.abs(picture - purple) < 0.01, axis=-1).sum()
        for picture in (one, three)
    ]
    # At 120 dots an inch, a picture is more than a hundred points high.
    assert counts[0] > 100 * 160
    np.testing.assert_allclose(counts[1], 3 * counts[0], rtol=0.05)
    assert three.shape[1] > one.shape[1] + 2 * 160


@pytest.mark.parametrize(
    "words", ["W" * 100, "science fiction, " * 9, "한" * 99]
)
@pytest.mark.parametrize("size", [(96, 96), (68, 120)])
def test_the_longest_words_of_a_pair_are_not_cut_off(size, words):
    picture = picture_of(pairs_figure(("frame",), size, words=words))[..., :3]
    assert (picture[:, -8:] == 1).all() and (picture[:, :8] == 1).all()


def test_a_long_name_leaves_room_for_what_is_drawn():
    films = [
        {"film": "a" * length, "genres": ["action"], "saturation": 0.2}
        for length in (3, 300)
    ]
    orange = np.array([0xD5, 0x5E, 0x00]) / 255
    picture = picture_of(figures.saturation_figure(films, NAMES, 0.02, "t"))
    is_bar = np.all(np.abs(picture[..., :3] - orange) < 0.01, axis=-1)
    assert is_bar.any(axis=0).sum() > 300
    edges = np.concatenate([picture[:, :4, :3], picture[:, -4:, :3]])
    assert (edges == 1).all()


def test_right_and_wrong_are_told_by_colours_of_the_palette():
    def has(picture, colour):
        return np.all(np.abs(picture - colour) < 0.02, axis=-1).any()

    blue = np.array([0x00, 0x72, 0xB2]) / 255
    orange = np.array([0xD5, 0x5E, 0x00]) / 255
    wrong = picture_of(pairs_figure(("frame",)))[..., :3]
    right = picture_of(pairs_figure(("frame",), is_right=True))[..., :3]
    assert has(wrong, orange) and not has(wrong, blue)
    assert has(right, blue) and not has(right, orange)


@pytest.fixture
def drawn(monkeypatch):
    """Keeps figures as they are, not as PNGs."""
    monkeypatch.setattr(figures, "png_of", lambda figure: figure)
    yield
    figures.plt.close("all")


def test_powers_of_ten_are_numbers_and_no_mathematics(drawn):
    magnitudes = {"action": np.array([1e-4, 1e-2])}
    figure = figures.motion_figure(magnitudes, 1e-4, "t")
    figure.canvas.draw()
    (axes,) = figure.axes
    labels = [each.get_text() for each in axes.get_xticklabels()]
    assert {"0.0001", "0.001", "0.01"} <= set(labels)
    assert not any("$" in label for label in labels)


SIX = ("#D55E00", "#882255", "#CC79A7", "#F0E442", "#009E73", "#56B4E9")


def test_first_eight_genres_have_a_colour_each_and_the_ninth_is_grey():
    names = names_of(9)
    assert tuple(figures.genre_colours(names[:6]).values()) == SIX
    assert len({*figures.genre_colours(names[:8]).values()}) == 8
    colours = figures.genre_colours(names)
    assert list(colours) == names
    assert tuple(colours.values())[:6] == SIX
    assert [name for name in names if colours[name] == figures.OTHER] == [
        names[8]
    ]


def test_of_many_genres_those_of_the_highest_scores_have_colours():
    names = names_of(12)
    colours = figures.genre_colours(names, dict.fromkeys(names[4:], 1.0))
    assert [colours[name] for name in names[:4]] == [figures.OTHER] * 4
    # In the order of the names.
    assert colours[names[4]] == SIX[0]
    assert len({colours[name] for name in names[4:]}) == 8


def legend_of(figure):
    (legend,) = figure.legends
    return [each.get_text() for each in legend.get_texts()]


def test_legend_names_the_coloured_genres_and_the_others_once(drawn):
    figure = films_figure(names_of(21), 3)
    labels = legend_of(figure)
    assert len(labels) == 9 and labels[-1] == "other genres"
    assert legend_of(films_figure(NAMES))[1:] == ["animation 2d", "romance"]
    assert all(len(label) < 40 for label in labels)


def test_own_genre_is_outlined_also_among_the_others(drawn):
    names = [f"genre_{place}" for place in range(30)]
    films = films_of(names, 20)
    figure = figures.films_figure(films, names, "t")
    (axes,) = figure.axes
    outlined = [bar for bar in axes.patches if bar.get_linewidth() == 1.5]
    assert len(outlined) == 20
    assert sum(bar.get_hatch() is not None for bar in outlined) == 12
    widths = sorted(bar.get_width() for bar in outlined)
    assert widths == pytest.approx(
        [film["scores"][film["genre"]] for film in films]
    )
    ends = [bar.get_x() + bar.get_width() for bar in axes.patches]
    assert max(ends) == pytest.approx(1)


def film_names(figure):
    return [each.get_text() for each in figure.axes[0].get_yticklabels()]


@pytest.mark.parametrize(
    ("draw", "most", "which"),
    [
        (films_figure, 100, "those that score lowest"),
        (saturation_figure, 200, "those least colourful"),
    ],
)
def test_of_many_films_the_lowest_are_drawn_as_the_title_says(
    drawn, draw, most, which
):
    figure = draw(NAMES, 1234)
    labels = film_names(figure)
    assert [label.split()[-1] for label in labels] == [
        str(place) for place in range(most)
    ]
    assert figure.get_suptitle() == f"t\n{most} of 1,234 films, {which}"
    assert "1,234" not in draw(NAMES, most).get_suptitle()


def test_scores_are_marked_where_true_and_where_named(drawn):
    figure = scores_figure(NAMES, 6)
    axes = figure.axes[0]
    true, named = axes.collections
    assert sorted(map(tuple, true.get_offsets())) == [
        *((1, 1), (1, 4), (2, 2), (2, 5))
    ]
    assert len(named.get_offsets()) == 6
    assert legend_of(figure) == ["true", "named"]
    labels = [each.get_text() for each in axes.get_xticklabels()]
    assert labels[0] == "action  ≥ 0.50"
    assert axes.images[0].get_array().shape == (6, 3)


def test_of_many_genres_the_scores_of_those_that_are_named_are_drawn(drawn):
    names = names_of(200)
    figure = scores_figure(names, 7)
    assert figure.axes[0].images[0].get_array().shape == (7, 7)
    assert "7 of 200 genres" in figure.get_suptitle()
    assert scores_figure(names, 150).axes[0].images[0].get_array().shape == (
        *(100, 100),
    )


def test_a_film_without_a_genre_has_marks_of_none(drawn):
    film = {"film": "a", "genres": [], "verdict": [], "scores": {}}
    for names in (NAMES, names_of(50)):
        film["scores"] = dict.fromkeys(names, 0.1)
        thresholds = dict.fromkeys(names, 0.5)
        figure = figures.scores_figure([film], names, thresholds, "t")
        assert [len(x.get_offsets()) for x in figure.axes[0].collections] == [
            *(0, 0)
        ]


@pytest.mark.parametrize("name", ["confusion", "genre", "motion", "splits"])
def test_figures_grow_with_the_genres_and_letters_stay_readable(drawn, name):
    areas = []
    for count in (3, 21, 200):
        figure = DRAWN[name](names_of(count))
        figure.draw_without_rendering()
        areas.append(np.prod(figure.get_size_inches()))
        axes = figure.axes[0]
        labels = axes.get_yticklabels()
        points = 72 * axes.get_window_extent().height / figure.dpi
        size = labels[0].get_fontsize()
        # Rows are higher than letters, and these are of eleven pixels.
        assert points / len(labels) > 1.2 * size and size >= 6.9
    assert areas == sorted(areas) and areas[2] > 4 * areas[0]


def test_counts_are_in_cells_that_are_large_enough(drawn):
    def counts_of(names):
        axes = DRAWN["confusion"](names).axes[0]
        return [each.get_text() for each in axes.texts]

    assert counts_of(NAMES).count("1,234") == 3
    assert len(counts_of(names_of(30))) == 900
    assert counts_of(names_of(31)) == []


def test_of_more_than_200_genres_those_most_mixed_up_are_drawn(drawn):
    names = [f"genre_{place}" for place in range(250)]
    confusion = np.eye(250, dtype=int)
    confusion[249, 240] = 3
    figure = figures.confusion_figure(confusion, names, "t")
    labels = film_names(figure)
    assert len(labels) == 200
    assert labels[-3:] == ["genre 197", "genre 240", "genre 249"]
    assert "200 of 250 genres" in figure.get_suptitle()
    shares = figure.axes[0].images[0].get_array()
    assert shares[-1].tolist()[-2:] == [0.75, 0.25]


def test_chance_is_drawn_only_if_given(drawn):
    shares = dict.fromkeys(NAMES, 0.5) | {"romance": None}
    (axes,) = figures.genre_figure(shares, "t").axes
    assert not axes.lines and axes.get_xlabel() == "accuracy, %"
    assert [each.get_text() for each in axes.texts][-1] == "-"
    figure = figures.genre_figure(shares, "t", "average precision", 1 / 3)
    (axes,) = figure.axes
    assert axes.lines[0].get_xdata()[0] == pytest.approx(100 / 3)
    assert axes.get_xlabel() == "average precision, % (dashed: chance, 33 %)"


def test_curves_are_of_the_metric_given(drawn):
    history = {"loss": [2.0], "average_precision": [0.5]}
    history["val_average_precision"] = [0.25]
    figure = figures.curves_figure(history, "t", "average_precision")
    _, axes = figure.axes
    assert axes.get_ylabel() == "average precision"
    assert axes.get_ylim() == (0, 1.02) and len(axes.lines) == 2


def test_reliability_is_the_share_that_is_right_of_each_bin(drawn):
    scores = np.array([0.21, 0.25, 0.91, 0.95])
    is_right = np.array([False, True, True, True])
    nothing = (np.zeros(0), np.zeros(0, bool))
    figure = figures.reliability_figure(
        {"all": (scores, is_right), "none": nothing}, "t"
    )
    axes, _ = figure.axes
    assert axes.get_ylabel() == "share that is right"
    x, y = axes.lines[1].get_data()
    assert x == pytest.approx([0.23, 0.93]) and y == pytest.approx([0.5, 1])


def test_text_is_shortened_to_its_width():
    for text in ("W" * 100, "한국 영화 " * 20, "a b\nc " * 50):
        short = figures.fitted(text, 200, 10)
        assert short.endswith("…") and "\n" not in short
        assert 150 < figures.text_width(short, 10) <= 200
        lines = figures.wrapped(text, 200, 10, 3)
        assert len(lines) <= 3
        assert all(figures.text_width(line, 10) <= 200 for line in lines)
    assert figures.fitted("romance", 200, 10) == "romance"
    # Not 5 %.
    short = figures.fitted("horror 90 %, romance 57 %", 122, 10)
    assert short == "horror 90 %, romance…"


def test_a_long_title_is_wrapped_and_leaves_the_legend_free(drawn):
    title = "a data set of a long name " * 10
    films = films_of(NAMES, 30)
    figure = figures.saturation_figure(films, NAMES, 0.02, title)
    figure.canvas.draw()
    assert figure.get_suptitle().count("\n") == 2
    (legend,) = figure.legends
    entries = [text.get_window_extent() for text in legend.get_texts()]
    lowest = figure._suptitle.get_window_extent().y0
    assert max(entry.y1 for entry in entries) < lowest
    assert min(e.x0 for e in entries) > figure.axes[0].get_window_extent().x1


def test_strengths_of_a_penalty_stand_as_numbers(drawn):
    history = {"l2": [1.0, 0.1, 1e-5], "loss": [3, 2, 1], "accuracy": [0, 1, 1]}
    for axes in figures.curves_figure(history, "t").axes:
        labels = [label.get_text() for label in axes.get_xticklabels()]
        assert labels == ["1", "0.1", "1e-05"]
        assert not axes.get_xticklabels(minor=True)
        assert axes.get_xlabel() == "L2 penalty"


def test_letters_that_no_font_has_are_told_once(monkeypatch, capsys):
    monkeypatch.setattr(figures, "_letters", lambda: set(map(ord, "ab ")))
    monkeypatch.setattr(figures, "_told", set())
    figures.fitted("ab 한 a", 1000, 10)
    figures.fitted("한", 1000, 10)
    told = capsys.readouterr().err
    assert told.count("한") == 1
    assert "Install a font" in told


def test_letters_of_fonts_that_are_there_are_not_told(monkeypatch, capsys):
    monkeypatch.setattr(figures, "_told", set())
    assert figures.fitted("Ä γ ж א", 1000, 10) == "Ä γ ж א"
    assert capsys.readouterr().err == ""
