from experiments import drawing


def test_an_interval_with_zero_is_not_shown_by_colour_alone(monkeypatch):
    monkeypatch.setattr(drawing, "png_of", lambda figure: figure)
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
