from tests.campaigns import library_growth


def test_a_library_is_filled_and_used(tmp_path):
    path = tmp_path / "library.sqlite"
    # 32 pairs of 2,560 numbers of two bytes, and what NumPy adds.
    assert 163_840 < library_growth.fill(path, 12) < 170_000
    found = library_growth.use(path)
    assert set(found) == {"open", "copies", "learn", "page"}
    assert all(seconds > 0 for seconds in found.values())


def test_a_film_must_not_cost_more_among_many():
    assert library_growth.is_right({10: 20.0, 100: 120.0})
    assert not library_growth.is_right({10: 1.0, 100: 20.0})


def test_many_are_told_by_the_last_two_sizes():
    *_, (_, number, cost) = library_growth._with_many(
        {10: {"scan": 1.0}, 100: {"scan": 11.0}, 200: {"scan": 13.0}}
    )
    assert number == 100_000
    assert cost["scan"] == 13.0 + 0.02 * 99_800
