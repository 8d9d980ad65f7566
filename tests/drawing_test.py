import pytest

from experiments import drawing


@pytest.fixture(autouse=True)
def figures_kept(monkeypatch):
    """Keeps figures as they are, not as PNGs."""
    monkeypatch.setattr(drawing, "png_of", lambda figure: figure)


def test_a_mean_is_not_beside_the_report_s_mark():
    rows = {
        "fc": (45.0, [45.0], 36.7),
        "inception_v3": (51.0, [50.0, 52.0], 99.0),
        "a_new_one": (30.0, [30.0], None),
        "baseline: chance": (16.7, [16.7], None),
    }
    figure = drawing.models_figure(rows, ["baseline: chance"], "t")
    (axes,) = figure.axes
    figure.canvas.draw()
    words = {each.get_text(): each.get_window_extent() for each in axes.texts}
    assert list(words) == ["45.0", "51.0", "30.0", "16.7", "mean"]
    marks = axes.transData.transform([(100, 0)])[0, 0]
    assert all(extent.x0 > marks for extent in words.values())
    assert all(extent.x1 < axes.bbox.x1 for extent in words.values())
    (legend,) = figure.legends
    extent = legend.get_window_extent()
    assert 0 <= extent.x0 < extent.x1 <= figure.bbox.x1
    names = [each.get_text() for each in axes.get_yticklabels()]
    assert names == [*rows]
    *model, baseline = (bar.get_facecolor() for bar in axes.patches)
    assert len(set(model)) == 1 and baseline not in model


def test_an_interval_with_zero_is_not_shown_by_colour_alone():
    rows = [
        ("a long claim, " * 5, 5.0, 2.0, 8.0, "yes"),
        ("another", 1.0, -2.0, 4.0, "no significant difference"),
        ("a third", -3.0, -4.0, -2.0, "no: worse"),
    ]
    figure = drawing.intervals_figure(rows, "points", "t")
    axes, words = figure.axes
    figure.canvas.draw()
    assert [each.get_text() for each in words.texts] == [
        row[-1] for row in rows
    ]
    for text in words.texts:
        assert text.get_window_extent().x1 < figure.bbox.x1
    assert axes.get_yticklabels()[0].get_window_extent().x0 >= 0
    points = [line for line in axes.lines if line.get_marker() == "o"]
    assert [line.get_xdata()[0] for line in points] == [5.0, 1.0, -3.0]
    hollow = [line.get_markerfacecolor() == "white" for line in points]
    assert hollow == [False, True, False]
    assert len({line.get_color() for line in points}) == 3
