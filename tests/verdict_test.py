import numpy as np
import pytest

from keras_ssc import film_reader
from keras_ssc import verdict
from keras_ssc.genres import GENRES


def collect(shots, pairs_of_shot):
    """Collects pairs whose frames all have their number as their colour."""
    collector = verdict.Collector(pictures=True)
    scores = np.full(len(GENRES), 1 / len(GENRES), np.float32)
    number = 0
    for shot in shots:
        length = shot.end_seconds - shot.start_seconds
        for share in (np.arange(pairs_of_shot) + 0.5) / pairs_of_shot:
            seconds = shot.start_seconds + share * length
            frame = np.full((270, 480, 3), number % 256, np.uint8)
            pair = film_reader.Pair(seconds, "", frame, frame)
            collector.add(pair, scores, 1.0)
            number += 1
        collector.end_shot(shot)
    return collector


def test_picture_of_a_shot_is_of_its_middle_and_the_only_one_kept():
    shots = [film_reader.Shot(0, 9), film_reader.Shot(9, 10)]
    collector = collect(shots, 25)
    assert len(collector._pictures) == 2
    first, second = collector.verdict("film.mp4").shots
    assert first.picture.shape == second.picture.shape == (135, 240, 3)
    assert (first.picture == 12).all() and (second.picture == 37).all()


@pytest.mark.parametrize("longest", [slice(0, 200), slice(100, 300)])
def test_of_many_shots_the_longest_have_pictures(longest):
    lengths = np.ones(300)
    lengths[longest] = 2
    ends = np.cumsum(lengths)
    shots = [
        film_reader.Shot(end - length, end)
        for end, length in zip(ends, lengths, strict=True)
    ]
    collector = collect(shots, 2)
    assert len(collector._pictures) == 200
    found = collector.verdict("film.mp4")
    has_picture = [shot.picture is not None for shot in found.shots]
    assert has_picture == (lengths == 2).tolist()
    assert len(found.shots) == 300
