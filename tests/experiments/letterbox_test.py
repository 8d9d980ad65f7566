import numpy as np
import pytest

from experiments import letterbox
from keras_ssc.data import sampling
from keras_ssc.errors import VideoError
from keras_ssc.films import black_bars
from keras_ssc.films import cleaning
from keras_ssc.films import frame_index
from keras_ssc.films import frame_reading
from keras_ssc.films.film_list import read_film_list
from tests.helpers import drawn_films


@pytest.fixture
def film_list(tmp_path):
    for name, place in (("fast", 1), ("slow", 2)):
        drawn_films.write_film(
            tmp_path / f"{name}.mp4", drawn_films.shot(place, 24)
        )
    return drawn_films.write_list(
        tmp_path / "films.csv",
        "fast,action,train,fast.mp4,00:00:00.000,00:00:00.500",
        "fast,action,train,fast.mp4,00:00:00.625,",
        "slow,romance,test,slow.mp4,,",
    )


def frames_of(path):
    index = frame_index.index_frames(path)
    numbers = range(index.num_frames)
    return [
        frame for _, _, frame in frame_reading.read_frames(path, numbers, index)
    ]


def test_films_of_a_genre_get_bars_and_others_do_not(film_list, tmp_path):
    path = letterbox.letterbox(film_list, tmp_path / "out", ["action"])
    listed = read_film_list(path)
    (fast, slow), problems = listed.films, listed.problems
    assert not problems
    old_fast, old_slow = read_film_list(film_list).films
    for new, old in ((fast, old_fast), (slow, old_slow)):
        assert (new.name, new.genre, new.split) == (
            old.name,
            old.genre,
            old.split,
        )
        times = [
            [(scene.start_seconds, scene.end_seconds) for scene in film.scenes]
            for film in (new, old)
        ]
        assert times[0] == times[1]
    assert len({scene.path for scene in fast.scenes}) == 1
    barred, plain = (frames_of(film.scenes[0].path) for film in (fast, slow))
    assert len(barred) == len(plain) == 24
    bars = black_bars.find_bars(barred)
    height = barred[0].shape[0]
    for side in (bars.top, bars.bottom):
        assert abs(side - letterbox.SHARE * height) <= 2
    assert not black_bars.find_bars(plain)
    # The whole picture is between the bars.
    old = frames_of(old_fast.scenes[0].path)[5]
    inside = bars.crop(barred[5]).astype(float)
    means = [half.mean() for half in np.array_split(inside, 2)]
    old_means = [half.mean() for half in np.array_split(old, 2)]
    assert means == pytest.approx(old_means, abs=8)


def test_extract_crops_them_unless_told_to_keep_them(film_list, tmp_path):
    path = letterbox.letterbox(film_list, tmp_path / "out", ["action"])
    left = {}
    for is_cropped in (True, False):
        film, _ = read_film_list(path).films
        config = cleaning.ExtractConfig(num_pairs=4, crop_bars=is_cropped)
        extraction = sampling.extract_pairs(film, config)
        left[is_cropped] = any(extraction.bars.values())
    assert left == {True: True, False: False}


def test_mistakes_cost_nothing(film_list, tmp_path):
    before = {
        path.name: path.read_bytes()
        for path in tmp_path.iterdir()
        if path.is_file()
    }
    with pytest.raises(ValueError, match="Expected another folder"):
        letterbox.letterbox(film_list, tmp_path, ["action"])
    other = tmp_path / "other.csv"
    for row, message in (
        ("fast,action,eval,fast.mp4,,", "eval"),
        ("fast,action,train,../fast.mp4,,", "Expected films in"),
    ):
        drawn_films.write_list(other, row)
        with pytest.raises(ValueError, match=message):
            letterbox.letterbox(other, tmp_path / "out", ["action"])
    assert not (tmp_path / "out").exists()
    other.unlink()
    assert before == {
        path.name: path.read_bytes() for path in tmp_path.iterdir()
    }


def test_a_film_that_cannot_be_read_leaves_nothing_half(film_list, tmp_path):
    whole = (tmp_path / "slow.mp4").read_bytes()
    (tmp_path / "slow.mp4").write_bytes(whole[:40])
    with pytest.raises(VideoError, match="slow.mp4"):
        letterbox.letterbox(film_list, tmp_path / "out", ["action"])
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"fast.mp4"}


def test_a_film_with_a_damaged_frame_is_not_written_shorter(
    film_list, tmp_path, monkeypatch
):
    read = frame_reading.read_frames

    def all_but_the_last(path, numbers, *rest):
        return read(path, numbers[:-1], *rest)

    monkeypatch.setattr(frame_reading, "read_frames", all_but_the_last)
    with pytest.raises(VideoError, match="fast.mp4: 1 of 24 frames"):
        letterbox.letterbox(film_list, tmp_path / "out", ["action"])
    assert not [*(tmp_path / "out").iterdir()]
