"""Familiarity on features that are few enough to be counted by hand."""

import functools
import os

import numpy as np
import pytest

from keras_ssc.metrics import familiarity
from keras_ssc.metrics.unlike import UNLIKE
from keras_ssc.metrics.unlike import is_unlike

# By lengths too: what is counted by hand has one feature.
fit = functools.partial(familiarity.Familiarity.fit, is_unit=False)


def column(*numbers):
    return np.array(numbers, np.float32)[:, np.newaxis]


def noise(seed, num_pairs, centre=0.0, size=8):
    generator = np.random.default_rng(seed)
    return generator.normal(centre, 1.0, (num_pairs, size)).astype(np.float32)


def test_p_values_are_those_counted_by_hand():
    # One row a film, at 0, 1 and 3. Each has two rows of other films: 0 is
    # (1 + 3) / 2 away from them, and so on.
    fitted = fit(column(0, 1, 3), np.array(list("abc")))
    assert (fitted.num_films, fitted.rows_each) == (2, 1)
    assert fitted.distances.tolist() == [2.0, 1.5, 2.5]
    # At 0 the two nearest rows are 0 and 1 away: every film is at least as
    # far. At 5 they are 2 and 4 away, further than any; at -1 1 and 2.
    assert fitted.judge(column(0, 5, -1)).tolist() == pytest.approx([1, 0, 1])
    # 1.75 from its two nearest: two of three films are at least as far.
    assert fitted.judge(column(-1.25)).tolist() == pytest.approx([2 / 3])
    # As far as the furthest film counts.
    assert fitted.judge(column(4.5)).tolist() == pytest.approx([1 / 3])


def test_a_film_s_own_rows_do_not_make_it_familiar():
    # Two films, each of pairs that are all alike, 10 away from the other.
    features, film = column(0, 0, 0, 10, 10, 10), np.array(list("aaabbb"))
    fitted = fit(features, film)
    assert fitted.distances.tolist() == [10.0] * 6
    # What is 10 away from all is as familiar as each film is to the other.
    assert fitted.judge(column(20)).tolist() == [1.0]
    assert fitted.judge(column(20.1)).tolist() == [0.0]


def test_films_weigh_the_same_whatever_their_number_of_pairs():
    # Film b's only pair is far from the rest, a and c's many are not.
    features = column(*[0] * 20, 8, *[1] * 20)
    film = np.array(["a"] * 20 + ["b"] + ["c"] * 20)
    fitted = fit(features, film)
    assert fitted.num_rows.tolist() == [20, 1, 20]
    assert fitted.weights.sum() == pytest.approx(1)
    # 2 away from b and 9 from c: only b's pair is as far, one of three films.
    assert fitted.judge(column(10)).tolist() == pytest.approx([1 / 3])


def test_directions_are_compared_and_not_lengths():
    features, film = np.float32([[9, 1], [9, -1]]), np.array(["a", "b"])
    fitted = familiarity.Familiarity.fit(features, film)
    assert np.linalg.norm(fitted.rows, axis=1) == pytest.approx(1, abs=1e-3)
    asked = np.float32([[9, 1], [900, 100], [1, 9], [0, 0]])
    near, far, other, _ = fitted.distances_of(asked)
    assert near == pytest.approx(far, abs=1e-3) and other > near + 0.5
    assert np.isfinite(fitted.judge(asked)).all()


def test_pairs_in_any_order_give_the_same():
    features, film = noise(1, 60), np.repeat(["b", "a", "c"], 20)
    mixed = np.random.default_rng(0).permutation(60)
    one, other = (
        fit(features[order], film[order]) for order in (np.arange(60), mixed)
    )
    asked = noise(2, 30, 0.5)
    np.testing.assert_allclose(one.judge(asked), other.judge(asked), atol=1e-6)


def test_many_pairs_are_thinned_evenly_and_equally():
    features, film = column(*range(100)), np.repeat(["a", "b"], [90, 10])
    fitted = fit(features, film, most_rows=20)
    assert fitted.num_rows.tolist() == [10, 10]
    first = fitted.rows[:10, 0]
    assert first[[0, -1]].tolist() == [0, 89]
    assert set(np.diff(first).tolist()) <= {9, 10}
    many = np.array([f"film {number:02d}" for number in range(50)])
    fitted = fit(noise(0, 50), many, most_rows=20)
    assert fitted.num_rows.tolist() == [1] * 20


def test_one_film_cannot_be_compared():
    with pytest.raises(ValueError, match=r"two training films.*Received: 1"):
        fit(column(1, 2), np.array(["a", "a"]))


def test_own_films_are_seldom_unlike_and_others_are():
    film = np.repeat([f"film {place}" for place in range(20)], 50)
    fitted = fit(noise(0, 1000), film)
    own = fitted.judge(noise(1, 1000))
    assert own.dtype == np.float32 and own.min() >= 0 and own.max() <= 1
    assert np.mean(own < UNLIKE) < 0.1
    assert (fitted.judge(noise(2, 50, centre=4.0)) == 0).all()


def test_strength_is_of_each_genre_left_out():
    films = [f"film {place}" for place in range(9)]
    features = noise(0, 270, size=64)
    genre = np.repeat(np.arange(9) // 3, 30)
    # The second genre is elsewhere; the third looks like the first. The
    # fourth has no film.
    features[genre == 1, :4] += 9
    features[genre != 1, 4:8] += np.resize([9, -9], 180)[:, np.newaxis]
    found = familiarity.strength(
        features,
        np.repeat(films, 30),
        genre[:, np.newaxis] == np.arange(4),
    )
    assert found[1] == 1.0 and found[3] is None
    assert max(found[0], found[2]) < 0.2


def test_without_two_films_left_no_strength_is_known():
    is_of = np.array([[True, False], [True, False], [False, True]])
    found = familiarity.strength(column(0, 1, 2), np.array(list("abc")), is_of)
    assert found[0] is None and found[1] is not None


def test_what_is_stored_says_the_same(tmp_path):
    path = tmp_path / "familiarity.npz"
    film = np.repeat(["a", "봄날", "c"], 20)
    fitted = fit(noise(1, 60), film, "0123456789ab")
    fitted.save(path)
    assert os.listdir(tmp_path) == [path.name]
    loaded = familiarity.Familiarity.load(path)
    assert loaded.encoder == "0123456789ab"
    asked = noise(2, 30, 0.5)
    np.testing.assert_array_equal(loaded.judge(asked), fitted.judge(asked))


@pytest.mark.parametrize(
    "change",
    [
        {"rows": np.zeros((3, 2), np.float16)},
        {"rows": np.zeros((4, 2), np.float32)},
        {"rows": np.full((4, 2), np.nan, np.float16)},
        {"num_rows": np.array([4])},
        {"num_rows": np.array([4, 0])},
        {"distances": np.zeros((4, 1), np.float32)},
        {"distances": np.array([None] * 4)},
        {"encoder": np.array(3)},
        {"is_unit": np.array(3)},
    ],
)
def test_a_malformed_file_is_one_error(tmp_path, change):
    whole = {
        "rows": np.zeros((4, 2), np.float16),
        "num_rows": np.array([2, 2]),
        "distances": np.zeros(4, np.float32),
        "encoder": np.array("key"),
        "is_unit": np.array(True),
    }
    path = tmp_path / "familiarity.npz"
    np.savez(path, **whole)
    familiarity.Familiarity.load(path)
    np.savez(path, **whole | change)
    again = r"what evaluate writes .*python -m keras_ssc\.evaluate "
    with pytest.raises(ValueError, match=again):
        familiarity.Familiarity.load(path)


def test_a_file_that_is_cut_off_or_none_is_one_error(tmp_path):
    path = tmp_path / "familiarity.npz"
    for data in (b"", b"no file of NumPy's", b"PK\3\4" + bytes(40)):
        path.write_bytes(data)
        with pytest.raises(ValueError, match="what evaluate writes"):
            familiarity.Familiarity.load(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ValueError, match="what evaluate writes .not a file"):
        familiarity.Familiarity.load(path)


def test_features_of_another_encoder_are_refused():
    fitted = fit(column(0, 1), np.array(["a", "b"]))
    with pytest.raises(ValueError, match=r"Expected features \(pairs, 1\)"):
        fitted.judge(np.zeros((3, 2), np.float32))


def test_what_is_not_known_is_not_unlike():
    assert is_unlike(0.049) and not is_unlike(0.05) and not is_unlike(None)
