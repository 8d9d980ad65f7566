import csv
import io
import json

import numpy as np
import pytest

from keras_ssc import tasks
from keras_ssc.errors import VideoError
from keras_ssc.films import film_reader
from keras_ssc.genres import REPORT_GENRES
from keras_ssc.prediction import predictor
from keras_ssc.prediction import verdict
from keras_ssc.prediction import words
from tests.helpers import drawn_films


def scores_of(genre, score):
    """Scores with one genre's given; the others share what is left."""
    scores = np.full(
        len(REPORT_GENRES), (1 - score) / (len(REPORT_GENRES) - 1), np.float32
    )
    scores[REPORT_GENRES.index(genre)] = score
    return scores


def collect(shots, pictures=False, dropped=()):
    """Collects shots, each a length and its pairs.

    A pair is (genre, score); behind them may be its familiarity, and "extra"
    if it is one. Pairs lie at even times in their shot; their frames have
    their number as colour.
    """
    collector = verdict.Collector(tasks.REPORT, pictures)
    for reason in dropped:
        collector.drop(film_reader.Pair(0.0, reason))
    start, number = 0.0, 0
    for length, pairs in shots:
        for place, (genre, score, *more) in enumerate(pairs):
            seconds = start + (place + 0.5) / len(pairs) * length
            frame = np.full((270, 480, 3), number % 256, np.uint8)
            is_extra, known = "extra" in more, set(more) - {"extra"}
            pair = film_reader.Pair(seconds, "", frame, frame, is_extra)
            measured = (0.25 * number, *known)
            collector.add(pair, scores_of(genre, score), *measured)
            number += 1
        collector.end_shot(film_reader.Shot(start, start + length))
        start += length
    return collector


def judge(shots, min_confidence=0.5, **settings):
    return collect(shots, **settings).verdict("film.mp4", min_confidence)


TWO_SHOTS = [
    (9.0, [("romance", 0.9)]),
    (1.0, [("horror", 0.8), ("horror", 0.6), ("romance", 0.4)]),
]


def test_film_is_the_mean_of_its_pairs_and_a_shot_of_its_own():
    found = judge(TWO_SHOTS)
    assert found.num_pairs == 4
    assert found.scores["romance"] == pytest.approx(
        (0.9 + 0.04 + 0.08 + 0.4) / 4
    )
    assert found.scores["horror"] == pytest.approx(
        (0.02 + 0.8 + 0.6 + 0.12) / 4
    )
    assert sum(found.scores.values()) == pytest.approx(1)
    first, second = found.shots
    assert (first.genre, second.genre) == ("romance", "horror")
    assert second.scores["horror"] == pytest.approx((0.8 + 0.6 + 0.12) / 3)
    assert (first.num_pairs, second.num_pairs) == (1, 3)
    assert second.motion_magnitude == pytest.approx((0.25 + 0.5 + 0.75) / 3)
    assert (second.start_seconds, second.end_seconds, found.seconds) == (
        *(9, 10),
        10,
    )


def test_shares_are_those_of_the_shots_lengths():
    shares = judge(TWO_SHOTS).shares
    assert shares["romance"] == pytest.approx(0.9)
    assert shares["horror"] == pytest.approx(0.1)
    assert sum(shares.values()) == pytest.approx(1)


def test_extra_pair_counts_for_its_shot_alone():
    even = [(5.0, [("romance", 0.9)] * 3)]
    found = judge([*even, (5.0, [("horror", 0.9, "extra")])])
    assert found.scores == judge(even).scores
    assert found.shots[1].genre == "horror"
    assert found.shares["horror"] == pytest.approx(0.5)
    assert found.num_pairs == 4


def test_film_without_a_usable_pair_at_even_times_has_its_extra_ones():
    found = judge(
        [(1.0, [("horror", 0.9, "extra")]), (1.0, [("horror", 0.5, "extra")])]
    )
    assert found.scores["horror"] == pytest.approx(0.7)


def test_shot_without_a_pair_is_not_judged_and_has_no_share():
    found = judge([(4.0, []), (1.0, [("horror", 0.9)])])
    unjudged = found.shots[0]
    assert unjudged.num_pairs == 0
    assert unjudged.genre is unjudged.scores is None
    assert unjudged.motion_magnitude is unjudged.picture is None
    assert found.shares["horror"] == pytest.approx(1)
    assert (found.seconds, found.num_pairs) == (5.0, 1)


@pytest.mark.parametrize(
    ("least", "is_sure"), [(0.0, True), (0.75, True), (0.7501, False)]
)
def test_verdict_is_sure_from_the_least_confidence_on(least, is_sure):
    found = judge([(1.0, [("action", 0.75)])], least)
    assert found.confidence == found.scores["action"] == 0.75
    assert found.is_sure == is_sure
    assert ("uncertain; best guess: " in words.headline(found)) != is_sure


def test_runner_up_has_the_second_highest_score():
    found = judge([(1.0, [("horror", 0.6)] * 3 + [("action", 0.7)])])
    assert (found.genre, found.runner_up) == ("horror", "action")
    assert sorted(found.scores.values())[-1] == found.confidence


def test_of_equal_scores_the_first_genre_is_named_everywhere():
    found = judge([(1.0, [("action", 1 / len(REPORT_GENRES))])])
    assert found.genre == found.shots[0].genre == REPORT_GENRES[0]
    assert found.runner_up == REPORT_GENRES[1]


def test_dropped_pairs_are_counted_by_their_reason():
    found = judge(TWO_SHOTS, dropped=["blank", "cut", "blank"])
    assert found.dropped == {"blank": 2, "cut": 1}
    assert found.num_pairs == 4


@pytest.mark.parametrize(
    ("dropped", "reason"),
    [(["blank", "blank", "cut"], "2 blank, 1 cut"), ([], "a single frame")],
)
def test_film_without_a_judged_pair_is_named_with_the_reasons(dropped, reason):
    with pytest.raises(VideoError, match=rf"film\.mp4: no pair.*{reason}"):
        judge([(1.0, []), (2.0, [])], dropped=dropped)


def test_model_that_sees_no_motion_says_nothing_of_it():
    collector = verdict.Collector(tasks.REPORT)
    pair = film_reader.Pair(0.5, "", None, None)
    collector.add(pair, scores_of("action", 0.9), None)
    collector.end_shot(film_reader.Shot(0.0, 1.0))
    found = collector.verdict("film.mp4")
    assert found.shots[0].motion_magnitude is None
    assert found.as_json()["shots"][0]["motion_magnitude"] is None
    assert found.as_csv().splitlines()[1].endswith(",,")


def test_json_has_plain_values_under_a_version():
    found = judge(TWO_SHOTS, pictures=True, dropped=["cut"])
    plain = json.loads(json.dumps(found.as_json()))
    assert plain == found.as_json()
    assert list(plain) == [
        *("version", "path", "genre", "genres", "confidence", "is_sure"),
        *("runner_up", "thresholds", "scores", "shares", "seconds"),
        *("num_pairs", "num_repeated", "dropped", "shots", "notes", "aspect"),
        *("familiarity", "is_unlike", "num_unlike"),
    ]
    assert list(plain["shots"][0]) == [
        *("start_seconds", "end_seconds", "num_pairs", "genre", "genres"),
        *("scores", "motion_magnitude", "familiarity", "is_unlike"),
        *("first_frame", "end_frame", "transition"),
    ]
    assert plain["version"] == verdict.VERSION == 1


def test_csv_has_a_row_for_each_shot_and_empty_cells_without_a_pair():
    found = judge([(1.5, [("horror", 0.9)]), (3599.0, [])])
    first, second = csv.DictReader(io.StringIO(found.as_csv()))
    assert list(first) == [
        *("start", "end", "pairs", "genre", *REPORT_GENRES),
        *("motion_magnitude", "familiarity"),
    ]
    assert (first["start"], first["end"]) == ("00:00:00.000", "00:00:01.500")
    assert (first["pairs"], first["genre"]) == ("1", "horror")
    assert first["horror"] == "0.9" and first["motion_magnitude"] == "0"
    assert (second["end"], second["pairs"]) == ("01:00:00.500", "0")
    assert {second[name] for name in ("genre", *REPORT_GENRES)} == {""}


def test_words_for_people_have_all_of_it():
    found = judge(TWO_SHOTS, 0.5, dropped=["blank", "blank", "cut"])
    lines = words.film_text(found).splitlines()
    assert lines[0] == (
        "film.mp4: uncertain; best guess: horror, 38.5 %; then romance, 35.5 %"
    )
    assert lines[1] == "  horror           38.5 %   10.0 % of the film"
    assert len(lines) == 2 + len(REPORT_GENRES)
    assert lines[-1] == (
        "  00:00:10 long, 2 shots, 4 pairs; dropped: 2 blank, 1 cut"
    )
    assert words.page_lines(found) == [
        "film.mp4, 00:00:10",
        "Evidence for romance in 90.0 % of the film, horror in 10.0 % of the "
        "film. The runner-up is romance.",
        "Based on 4 pairs of 2 shots; pairs not used: 2 blank, 1 cut.",
    ]
    sure = judge([(1.0, [("science_fiction", 0.75)])])
    assert words.headline(sure) == "science fiction, 75.0 %"


def test_strongest_pair_is_kept_for_the_evidence():
    found = judge(TWO_SHOTS, pictures=True)
    pair = found.strongest
    place = {"romance": 0, "horror": 1}[found.genre]
    assert (pair.frame == place).all()
    assert judge(TWO_SHOTS).strongest is None


def test_picture_of_a_shot_is_of_its_middle_and_the_only_one_kept():
    pairs = [("action", 0.5)] * 25
    collector = collect([(9.0, pairs), (1.0, pairs)], pictures=True)
    assert len(collector._pictures) == 2
    first, second = collector.verdict("film.mp4").shots
    assert first.picture.shape == second.picture.shape == (135, 240, 3)
    assert (first.picture == 12).all() and (second.picture == 37).all()


@pytest.mark.parametrize("longest", [slice(0, 200), slice(100, 300)])
def test_of_many_shots_the_longest_have_pictures(longest):
    lengths = np.ones(300)
    lengths[longest] = 2
    pairs = [("action", 0.5)] * 2
    collector = collect([(length, pairs) for length in lengths], pictures=True)
    assert len(collector._pictures) == 200
    found = collector.verdict("film.mp4")
    has_picture = [shot.picture is not None for shot in found.shots]
    assert has_picture == (lengths == 2).tolist()
    assert len(found.shots) == 300


def test_pairs_that_are_unlike_do_not_vote():
    # A title card of one genre before, credits of another behind.
    found = judge(
        [
            (1.0, [("action", 1.0, 0.0)]),
            (4.0, [("horror", 0.9, 0.5), ("romance", 1.0, 0.049)]),
            (4.0, [("horror", 0.7, 0.05), ("horror", 0.7, 0.9)]),
        ]
    )
    assert found.genre == "horror" and not found.is_unlike
    assert found.scores["horror"] == pytest.approx((0.9 + 0.7 + 0.7) / 3)
    assert (found.num_pairs, found.num_unlike) == (5, 2)
    assert found.familiarity == pytest.approx(0.05)
    card, first, second = found.shots
    assert first.scores["horror"] == pytest.approx(0.9)
    assert (first.num_pairs, second.num_pairs) == (1, 2)
    assert first.familiarity == pytest.approx((0.5 + 0.049) / 2)
    # A shot of nothing else keeps its scores, and names no genre.
    assert card.is_unlike and card.genre is None and card.genres == []
    assert card.scores["action"] == 1.0 and card.num_pairs == 1
    assert found.shares["action"] == 0.0
    assert found.shares["horror"] == pytest.approx(8 / 9)


def test_film_whose_pairs_are_all_unlike_keeps_its_scores_of_all():
    found = judge([(1.0, [("action", 0.9, 0.01), ("action", 0.5, 0.03)])])
    assert found.is_unlike and not found.is_sure
    assert found.genre is None and found.genres == []
    assert found.scores["action"] == found.confidence == pytest.approx(0.7)
    assert found.familiarity == pytest.approx(0.02) and found.num_unlike == 0
    assert words.headline(found) == (
        "unlike the films it was trained on (familiarity 0.02); best guess: "
        "action, 70.0 %"
    )
    lines = words.film_text(found).splitlines()
    assert lines[0] == f"film.mp4: {words.headline(found)}"
    assert lines[1] == "  action           70.0 %    0.0 % of the film"
    assert lines[-1] == "  familiarity 0.02."
    assert words.shot_text(found.shots[0]) == "unlike the training films"
    assert "runner-up" not in "".join(words.page_lines(found))


def test_film_is_unlike_by_the_median_of_its_pairs_at_even_times():
    pairs = [("action", 0.9, 0.0)] * 3 + [("action", 0.9, 0.5)] * 2
    found = judge([(1.0, pairs), (1.0, [("action", 0.9, 0.5, "extra")] * 3)])
    assert found.is_unlike and found.familiarity == 0.0
    assert found.num_unlike == 3


def test_familiarity_is_told_to_people_and_programs():
    found = judge(
        [(1.0, [("horror", 0.9, 0.25), ("action", 1.0, 0.0)]), (2.0, [])]
    )
    assert words.remarks(found) == [
        "familiarity 0.12; 1 of 2 pairs are unlike the films it was trained "
        "on (below 0.05) and do not vote."
    ]
    plain = json.loads(json.dumps(found.as_json()))
    assert plain["familiarity"] == 0.125 and plain["num_unlike"] == 1
    assert plain["is_unlike"] is plain["shots"][0]["is_unlike"] is False
    assert plain["shots"][1]["familiarity"] is None
    first, second = csv.DictReader(io.StringIO(found.as_csv()))
    assert (first["familiarity"], second["familiarity"]) == ("0.125", "")


def test_without_familiarity_nothing_is_said_of_it():
    found = judge(TWO_SHOTS)
    assert found.familiarity is found.shots[0].familiarity is None
    assert not found.is_unlike and found.num_unlike == 0
    assert "famil" not in words.film_text(found)


def test_no_genre_of_several_is_named_of_an_unlike_film():
    task = tasks.of("several", REPORT_GENRES)
    collector = verdict.Collector(task)
    pair = film_reader.Pair(0.5, "", None, None)
    scores = np.full(len(REPORT_GENRES), 0.9, np.float32)
    collector.add(pair, scores, None, 0.0)
    collector.end_shot(film_reader.Shot(0.0, 1.0))
    found = collector.verdict("film.mp4")
    assert found.is_unlike and found.genres == found.shots[0].genres == []
    assert "best guess: " in words.headline(found)


def test_an_unlike_pair_is_no_evidence_where_there_is_another():
    pairs = [("action", 1.0, 0.0), ("action", 0.6, 0.5)]
    assert (judge([(1.0, pairs)], pictures=True).strongest.frame == 1).all()
    alone = judge([(1.0, pairs[:1])], pictures=True)
    assert (alone.strongest.frame == 0).all()


def brightness(frame, next_frame):
    """Scores that say how bright a frame is."""
    share = frame.mean(axis=(1, 2, 3)) / 255
    return np.stack([scores_of("action", x) for x in share]), None, None


@pytest.fixture(scope="module")
def asked():
    return predictor.Predictor(
        "bright", brightness, (270, 480), lambda: tasks.REPORT
    )


def test_quick_and_all_shots_say_the_same_of_a_constant_film(asked, tmp_path):
    frames = drawn_films.shot(1, 48, speed=0)
    film = drawn_films.write_film(tmp_path / "still.mp4", frames)
    quick, whole = (
        asked.predict_film(film, film_reader.Plan(8, quick=is_quick))
        for is_quick in (True, False)
    )
    assert (len(quick.shots), len(whole.shots)) == (8, 1)
    assert quick.num_pairs == whole.num_pairs == 8
    assert quick.scores == pytest.approx(whole.scores, abs=1e-3)
    assert quick.seconds == whole.seconds


def test_pair_read_for_a_shot_without_one_is_extra(asked, tmp_path):
    frames = [*drawn_films.shot(1, 36), *drawn_films.shot(2, 12)]
    film = drawn_films.write_film(tmp_path / "film.mp4", frames)
    found = asked.predict_film(film, film_reader.Plan(1))
    assert [shot.num_pairs for shot in found.shots] == [1, 1]
    assert found.scores == pytest.approx(found.shots[0].scores)
    assert found.scores != pytest.approx(found.shots[1].scores, abs=1e-3)


@pytest.mark.parametrize("num_repeated, is_left_out", [(2, True), (4, False)])
def test_pairs_of_one_picture_are_left_out_where_they_are_few(
    num_repeated, is_left_out
):
    collector = verdict.Collector(tasks.REPORT)
    for number in range(8):
        repeated = number < num_repeated
        genre = "romance" if repeated else "action"
        pair = film_reader.Pair(number / 8, "", repeated=repeated)
        collector.add(pair, scores_of(genre, 1.0), 0.0 if repeated else 2.0)
    collector.end_shot(film_reader.Shot(0.0, 1.0))
    # A shot that has no other pair is judged by these.
    still = film_reader.Pair(1.5, "", repeated=True)
    collector.add(still, scores_of("romance", 1.0), 0.0)
    collector.end_shot(film_reader.Shot(1.0, 2.0))
    found = collector.verdict("film.mp4")
    assert (found.num_pairs, found.num_repeated) == (9, num_repeated + 1)
    left = 6 if is_left_out else 9
    assert found.scores["romance"] == pytest.approx(
        0.0 if is_left_out else 5 / left
    )
    assert found.shots[0].num_pairs == (6 if is_left_out else 8)
    assert found.shots[0].motion_magnitude == (2.0 if is_left_out else 1.0)
    assert found.shots[1].genre == "romance"
    text = words.film_text(found)
    assert f"{num_repeated + 1} of 9 pairs" in text
    assert "are one picture that is shown twice" in text
