import types

import numpy as np
import pytest

from keras_ssc.films import frame_index
from keras_ssc.films import image_files
from keras_ssc.metrics import figures
from keras_ssc.prediction import verdict_pictures
from keras_ssc.prediction import words
from tests.helpers import drawn_films

ORANGE, GREY, NONE = (0xD5, 0x5E, 0x00), (0x99,) * 3, (0xDD,) * 3


def names_of(count):
    return ["로맨틱 코미디", *(f"genre_{place}" for place in range(1, count))]


def verdict_of(shots, names, thresholds=None, path="film.mp4"):
    """A film of one-second shots, each a dict of scores; None: not judged."""

    def named(scores):
        ranked = sorted(scores, key=lambda name: -scores[name])
        if thresholds is None:
            return ranked[:1]
        return [name for name in ranked if scores[name] >= thresholds[name]]

    film = {}
    for name in names:
        film[name] = np.mean([shot.get(name, 0.0) for shot in shots if shot])
    drawn = []
    for place, own in enumerate(shots):
        scores = own and dict.fromkeys(names, 0.0) | own
        genres = scores and named(scores)
        drawn.append(
            types.SimpleNamespace(
                start_seconds=float(place),
                end_seconds=place + 1.0,
                scores=scores,
                genres=genres,
                genre=genres[0] if genres else None,
                is_unlike=False,
                motion_magnitude=scores and 0.5,
                picture=np.full((135, 240, 3), 60, np.uint8) if own else None,
            )
        )
    return types.SimpleNamespace(
        path=path,
        scores=film,
        genres=named(film),
        thresholds=thresholds,
        shots=drawn,
        seconds=float(len(shots)),
        aspect=None,
    )


@pytest.fixture(autouse=True)
def _words(monkeypatch):
    """Says the genres that these stand-ins have."""

    def text(named):
        if named.genres is None:
            return "not judged"
        return ", ".join(named.genres) or "no genre"

    monkeypatch.setattr(words, "headline", text)
    monkeypatch.setattr(words, "shot_text", text)


@pytest.fixture
def drawn(monkeypatch):
    """Keeps figures as they are, not as PNGs."""
    monkeypatch.setattr(figures, "png_of", lambda figure: figure)
    yield
    figures.plt.close("all")


def labels_of(figure):
    return [axes.get_ylabel() for axes in figure.axes]


def has(picture, colour):
    return (picture == np.array(colour)).all(axis=-1).any()


def test_timeline_of_few_genres_is_one_stack_with_all_in_its_legend(drawn):
    names = names_of(3)
    shots = [{names[0]: 0.75, names[1]: 0.25}, None, {names[2]: 1.0}]
    figure = verdict_pictures.timeline(verdict_of(shots, names))
    assert labels_of(figure) == ["score", "motion\nmagnitude"]
    (legend,) = figure.legends
    assert [each.get_text() for each in legend.get_texts()] == [
        *("로맨틱 코미디", "genre 1", "genre 2")
    ]
    assert "not shown" not in figure.axes[-1].get_xlabel()


def test_timeline_of_many_genres_sums_those_without_a_colour(drawn):
    names = names_of(200)
    shots = [dict.fromkeys(names[:20], 0.05)] * 3
    figure = verdict_pictures.timeline(verdict_of(shots, names))
    (legend,) = figure.legends
    assert len(legend.get_texts()) == 9
    assert legend.get_texts()[-1].get_text() == "other genres"
    tops = [bar.get_y() + bar.get_height() for bar in figure.axes[0].patches]
    assert max(tops) == pytest.approx(1)
    assert len(tops) == 9 * 3


def test_timeline_of_several_genres_has_a_row_and_a_threshold_for_each(drawn):
    names = names_of(3)
    thresholds = dict(zip(names, (0.5, 0.3, 0.9), strict=True))
    shots = [{names[0]: 0.9, names[1]: 0.4}, None, {names[1]: 0.35}]
    figure = verdict_pictures.timeline(verdict_of(shots, names, thresholds))
    # The film's genre, then the one of a shot, then the one of none.
    assert labels_of(figure) == [
        *("✓ genre 1", "로맨틱 코미디", "genre 2", "motion\nmagnitude")
    ]
    drawn_at = [axes.lines[0].get_ydata()[0] for axes in figure.axes[:-1]]
    assert drawn_at == [0.3, 0.5, 0.9]


def test_timeline_of_several_of_many_genres_shows_those_named(drawn):
    names = names_of(200)
    thresholds = dict.fromkeys(names, 0.5)
    shots = [{names[150]: 0.9, names[7]: 0.4}, {names[199]: 0.6}]
    figure = verdict_pictures.timeline(verdict_of(shots, names, thresholds))
    labels = labels_of(figure)[:-1]
    assert labels[:3] == ["genre 150", "genre 199", "genre 7"]
    assert len(labels) == 4
    assert "(196 more genres are not shown)" in figure.axes[-1].get_xlabel()
    shots = [dict.fromkeys(names, 0.9)] * 2
    figure = verdict_pictures.timeline(verdict_of(shots, names, thresholds))
    assert len(labels_of(figure)) == 8 + 1


@pytest.mark.parametrize("several", [False, True])
def test_timeline_of_many_shots_shows_means_over_slices(drawn, several):
    names = names_of(3)
    shots = [{names[0]: 0.75, names[1]: 0.25}, {names[2]: 1.0}] * 500
    thresholds = dict.fromkeys(names, 0.5) if several else None
    verdict = verdict_of(shots, names, thresholds)
    for shot in verdict.shots[400:500]:
        shot.is_unlike = True
    figure = verdict_pictures.timeline(verdict)
    first = figure.axes[0]
    assert not [line for line in first.lines if line.get_color() == "white"][1:]
    label = figure.axes[-1].get_xlabel()
    assert "1,000 shots; each bar is the mean over 5 seconds" in label
    bars = first.patches
    places = sorted({bar.get_x() for bar in bars})
    assert places == pytest.approx(np.arange(0, 1000, 5))
    if not several:
        for place in (0, 20, 150):
            heights = {
                bar.get_facecolor(): bar.get_height()
                for bar in bars
                if bar.get_x() == places[place] and bar.get_height()
            }
            # Three of the one kind and two of the other, or the reverse.
            assert sum(heights.values()) == pytest.approx(1)
            assert len(heights) == 3
        grey = [bar for bar in bars if bar.get_x() == places[90]][-1]
        assert grey.get_height() == pytest.approx(1)


@pytest.mark.parametrize(
    ("start", "end", "step"),
    [
        (0, 6.5, 1),
        (0, 24, 5),
        (1.5, 100, 10),
        (0, 5400, 600),
        (0, 90000, 10800),
    ],
)
def test_ticks_of_a_timeline_are_where_a_clock_has_them(start, end, step):
    ticks = verdict_pictures._ticks(start, end)
    assert start <= ticks[0] < start + step
    assert set(np.diff(ticks)) == {step}
    assert end - step < ticks[-1] <= end


def test_nothing_of_a_timeline_is_cut_off():
    names = ["W" * 100, "한" * 100, *names_of(10)[1:]]
    for thresholds in (None, dict.fromkeys(names, 0.1)):
        shots = [{name: 0.1 for name in names[:10]}] * 4
        verdict = verdict_of(shots, names, thresholds, "a long name " * 30)
        picture = image_files.decode_frame(verdict_pictures.timeline(verdict))
        for edge in (picture[:, :3], picture[:, -3:], picture[-3:]):
            assert (edge == 255).all()


def test_sheet_has_the_colour_of_the_first_genre_of_each_shot():
    names = names_of(30)
    thresholds = dict.fromkeys(names, 0.5)
    shots = [{names[0]: 0.9, names[1]: 0.6}, {names[2]: 0.1}]
    sheet = image_files.decode_frame(
        verdict_pictures.contact_sheet(verdict_of(shots, names, thresholds))
    )
    strip = sheet[6 + 135 + 1]
    assert tuple(strip[6 + 1]) == ORANGE
    assert tuple(strip[6 + 246 + 1]) == NONE
    # Of many shots that are each of another genre, eight have a colour.
    shots = [{name: 1.0} for name in names]
    sheet = image_files.decode_frame(
        verdict_pictures.contact_sheet(verdict_of(shots, names))
    )
    strips = [sheet[6 + 135 + 1 + 163 * row, 7::246] for row in range(6)]
    colours = [tuple(colour) for colour in np.concatenate(strips)]
    assert len(set(colours)) == 9 and colours.count(GREY) == 22


@pytest.mark.parametrize("name", ["로맨틱 코미디", "comédie", "W" * 100])
def test_letters_are_drawn_within_their_width(name):
    drawn = verdict_pictures._lettering(
        f"00:00:00  {name}", 12, 230, (0, 0, 0), (255, 255, 255)
    )
    assert 12 <= len(drawn) <= 22 and drawn.shape[1] <= 230
    assert (drawn[:, [0, -1]] > 200).all() and (drawn < 100).any()


@pytest.mark.parametrize(
    ("genre", "is_red"),
    [(None, False), ("genre_1", False), ("genre_2", True)],
)
def test_annotated_film_is_red_where_the_true_genre_is_not_named(
    tmp_path, genre, is_red
):
    names = names_of(3)
    path = drawn_films.write_film(
        tmp_path / "film.mp4", drawn_films.shot(1, 12)
    )
    shots = [{names[0]: 0.9, names[1]: 0.6}]
    verdict = verdict_of(shots, names, dict.fromkeys(names, 0.5), str(path))
    out = tmp_path / "annotated.webm"
    verdict_pictures.annotate(verdict, out, genre)
    assert frame_index.index_frames(out).num_frames == 12
    frame = np.zeros((480, 640, 3), np.uint8)
    motion = np.full((120, 160, 3), 255, np.uint8)
    verdict_pictures._draw(frame, verdict.shots[0], motion, genre)
    corner = frame[8:60, 8:300]
    assert has(corner, verdict_pictures._RED) == is_red
    assert has(corner, verdict_pictures._WHITE) != is_red


def test_shot_without_a_genre_is_not_wrong():
    names = names_of(3)
    verdict = verdict_of([{names[0]: 0.1}], names, dict.fromkeys(names, 0.5))
    frame = np.zeros((480, 640, 3), np.uint8)
    motion = np.full((120, 160, 3), 255, np.uint8)
    verdict_pictures._draw(frame, verdict.shots[0], motion, names[0])
    assert not has(frame, verdict_pictures._RED)


@pytest.mark.parametrize("several", [False, True])
def test_timeline_is_grey_where_a_shot_is_unlike(drawn, several):
    names = names_of(3)
    thresholds = dict.fromkeys(names, 0.5) if several else None
    verdict = verdict_of([{names[0]: 1.0}] * 2, names, thresholds)
    label = verdict_pictures.timeline(verdict).axes[-1].get_xlabel()
    assert label == "time"
    verdict.shots[1].is_unlike, verdict.shots[1].genres = True, []
    figure = verdict_pictures.timeline(verdict)
    grey = [
        bar
        for bar in figure.axes[0].patches
        if bar.get_facecolor()[:3] == tuple(np.array(NONE) / 255)
    ]
    heights = {bar.get_x(): bar.get_height() for bar in grey}
    assert heights == {0.0: 0, 1.0: 1}
    coloured = [bar for bar in figure.axes[0].patches if bar not in grey]
    assert all(bar.get_height() == 0 for bar in coloured if bar.get_x() == 1)
    label = figure.axes[-1].get_xlabel()
    assert label == "time (light grey: unlike the training films)"


def test_unlike_shot_is_grey_on_the_sheet_and_never_wrong():
    names = names_of(3)
    verdict = verdict_of([{names[0]: 1.0}], names)
    shot = verdict.shots[0]
    shot.is_unlike, shot.genres = True, []
    sheet = image_files.decode_frame(verdict_pictures.contact_sheet(verdict))
    assert tuple(sheet[6 + 135 + 1, 6 + 1]) == NONE
    frame = np.zeros((480, 640, 3), np.uint8)
    motion = np.full((120, 160, 3), 255, np.uint8)
    verdict_pictures._draw(frame, shot, motion, names[1])
    assert not has(frame, verdict_pictures._RED)
