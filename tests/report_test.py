import io

import matplotlib.image
import numpy as np
import pytest

from keras_ssc import report

NAMES = ("action", "animation_2d", "romance")


def test_scores_are_those_counted_by_hand():
    scores = report.scores_of(
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
    table = report.markdown_table(["a", "b"], [[1, "x"]])
    assert table == "| a | b |\n| --- | --- |\n| 1 | x |\n"


def picture_of(png):
    return matplotlib.image.imread(io.BytesIO(png))


@pytest.mark.parametrize(
    "draw",
    [
        lambda: report.confusion_figure(np.eye(3, dtype=int), NAMES, "t"),
        lambda: report.genre_figure({"action": 0.5, "romance": None}, "t"),
        lambda: report.curves_figure(
            {"loss": [2.0, 1.0], "accuracy": [0.2, 0.6]}, "t"
        ),
        lambda: report.films_figure(
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
