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


def pairs_figure(headings, names=NAMES, size=(30, 48), shares=(1, 0, 0)):
    """Two pairs, purple and grey, whose true class is the second."""
    colours = np.array([[[[120, 0, 120]]], [[[90, 90, 90]]]], np.uint8)
    pictures = np.broadcast_to(colours, (2, *size, 3))
    return figures.pairs_figure(
        dict.fromkeys(headings, pictures),
        np.array([1, 1]),
        np.tile(np.array(shares, float), (2, 1)),
        names,
        "8 pairs of the validation split, epoch 100",
    )


@pytest.mark.parametrize(
    "draw",
    [
        lambda: figures.confusion_figure(np.eye(3, dtype=int), NAMES, "t"),
        lambda: figures.genre_figure({"action": 0.5, "romance": None}, "t"),
        lambda: figures.curves_figure(
            {"loss": [2.0, 1.0], "accuracy": [0.2, 0.6]}, "t"
        ),
        lambda: pairs_figure(("frame", "flow")),
        lambda: figures.films_figure(
            [
                {
                    "film": "봄날",
                    "genre": "action",
                    "verdict": "romance",
                    "scores": {
                        "action": 0.25,
                        "animation_2d": 0.25,
                        "romance": 0.5,
                    },
                }
            ],
            NAMES,
            "t",
        ),
    ],
)
def test_a_figure_is_a_picture_with_something_on_it(draw):
    picture = picture_of(draw())
    assert picture.shape[0] > 100 and picture.shape[1] > 100
    assert picture[..., :3].std() > 0.05


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


@pytest.mark.parametrize("size", [(96, 96), (68, 120)])
def test_the_longest_words_of_a_pair_are_not_cut_off(size):
    names = ("science_fiction", "animation_3d", "romance")
    picture = picture_of(pairs_figure(("frame",), names, size))[..., :3]
    assert (picture[:, -8:] == 1).all() and (picture[:, :8] == 1).all()


def test_a_long_name_leaves_room_for_what_is_drawn():
    films = [
        {"film": "a" * length, "genre": "action", "saturation": 0.2}
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
    right = picture_of(pairs_figure(("frame",), shares=(0, 1, 0)))[..., :3]
    assert has(wrong, orange) and not has(wrong, blue)
    assert has(right, blue) and not has(right, orange)


@pytest.fixture
def drawn(monkeypatch):
    """Keeps figures as they are, not as PNGs."""
    monkeypatch.setattr(figures, "png_of", lambda figure: figure)


def test_powers_of_ten_are_numbers_and_no_mathematics(drawn):
    magnitudes = {"action": np.array([1e-4, 1e-2])}
    figure = figures.motion_figure(magnitudes, 1e-4, "t")
    figure.canvas.draw()
    (axes,) = figure.axes
    labels = [each.get_text() for each in axes.get_xticklabels()]
    assert {"0.0001", "0.001", "0.01"} <= set(labels)
    assert not any("$" in label for label in labels)
