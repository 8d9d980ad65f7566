import numpy as np
import pytest
from sklearn import metrics

from experiments import baselines
from keras_ssc import flow
from keras_ssc.data import datasets
from keras_ssc.genres import REPORT_GENRES


def features(films, values):
    """Pairs of films; films: (name, genre, pairs), values: one a pair."""
    counts = [count for *_, count in films]
    column = np.array(values, np.float32)
    return baselines.PairFeatures(
        {
            name: column.reshape(len(column), -1)
            for name in ("colours", "magnitude", "flow")
        },
        np.repeat(
            [REPORT_GENRES.index(genre) for _, genre, _ in films], counts
        ),
        np.repeat([name for name, *_ in films], counts),
    )


def test_flow_statistics_are_those_counted_by_hand():
    motion = np.zeros((4, 9, 2), np.float32)
    motion[:, :] = (3, -4)
    motion[:2] = 0
    # Half of the vectors are 5 long; the unit is sqrt(4 x 9).
    np.testing.assert_allclose(
        baselines.flow_statistics(motion),
        np.array([1.5, -2, 2.5, 2.5]) / 6,
        rtol=1e-6,
    )


def test_features_are_those_of_their_pairs(validation_dir):
    builder = datasets.open_dataset("scene_genre/small", validation_dir)
    prepared = datasets.prepare(builder, "test", (18, 32), ("frame", "flow"))
    computed = baselines.features_of(prepared)
    np.testing.assert_array_equal(computed.film, prepared.film)
    np.testing.assert_array_equal(computed.label, prepared.label)
    for pair in (0, prepared.num_pairs - 1):
        np.testing.assert_array_equal(
            computed.values["colours"][pair],
            baselines.colour_histogram(prepared.features["frame"][pair]),
        )
        magnitude = flow.motion_magnitude(prepared.features["flow"][pair])
        np.testing.assert_allclose(
            computed.values["magnitude"][pair],
            [np.log(max(magnitude, 1e-4))],
            rtol=1e-6,
        )
    assert computed.values["flow"].shape == (prepared.num_pairs, 4)


def test_a_pair_without_motion_has_a_magnitude():
    prepared = datasets.PreparedSplit(
        {
            "frame": np.zeros((1, 4, 4, 3), np.uint8),
            "flow": np.zeros((1, 4, 4, 2), np.float32),
        },
        **{
            name: np.zeros(1, int)
            for name in ("label", "film", "scene", "frame_number", "seconds")
        },
    )
    (value,) = baselines.features_of(prepared).values["magnitude"]
    assert value == pytest.approx(np.log(1e-4))


def test_films_are_chosen_by_name():
    films = [("a", "action", 2), ("b", "horror", 1), ("c", "action", 2)]
    chosen = features(films, range(5)).of_films(["b", "c"])
    assert chosen.film.tolist() == ["b", "c", "c"]
    assert chosen.label.tolist() == [1, 0, 0]
    assert chosen.values["flow"].ravel().tolist() == [2, 3, 4]


TRAIN = features(
    [("a", "action", 30), ("h", "horror", 30), ("r", "romance", 30)],
    [*[1.0] * 29, 1.2, *[5.0] * 29, 5.2, *[9.0] * 29, 9.2],
)


@pytest.mark.parametrize(
    "name", ["colour_histogram", "magnitude", "flow_statistics"]
)
def test_a_baseline_learns_its_numbers(name):
    films = [("b", "action", 3), ("i", "horror", 3), ("s", "romance", 3)]
    # One pair of three looks like another genre: the film's mean is right.
    test = features(films, [1.1, 1.1, 9.1, 5.1, 5.1, 5.1, 9.1, 9.1, 1.1])
    if name != "magnitude":
        # They expect several numbers: the others are constant.
        test, train = (
            baselines.PairFeatures(
                {
                    each: np.hstack([values, np.zeros((len(values), 3))])
                    for each, values in part.values.items()
                },
                part.label,
                part.film,
            )
            for part in (test, TRAIN)
        )
    else:
        train = TRAIN
    result = baselines.evaluate(name, train, test, seed=3)
    assert result["pair"] == pytest.approx(7 / 9)
    expected = metrics.f1_score(
        test.label, [0, 0, 2, 1, 1, 1, 2, 2, 0], average="macro"
    )
    assert result["macro_f1"] == pytest.approx(expected)
    if name != "magnitude":  # whose probabilities are all but 0 and 1
        assert result["film"] == 1
    assert [film["film"] for film in result["films"]] == ["b", "i", "s"]
    assert result["films"][0]["pair_accuracy"] == pytest.approx(2 / 3)


def test_majority_answers_the_most_frequent_genre():
    # The first two genres are in neither split.
    train = features(
        [("a", "romance", 1), ("h", "animation_3d", 3)], [0, 0, 0, 0]
    )
    test = features([("b", "romance", 1), ("i", "animation_3d", 1)], [0, 0])
    result = baselines.evaluate("majority", train, test)
    assert [film["verdict"] for film in result["films"]] == ["animation_3d"] * 2
    assert result["pair"] == 0.5
    assert result["macro_f1"] == pytest.approx(1 / 3)


def test_chance_is_the_mean_of_many_draws():
    # Romance has a test film and no training film.
    train = features([("a", "action", 1), ("h", "horror", 1)], [0, 0])
    films = [("b", "action", 6), ("i", "horror", 3), ("s", "romance", 1)]
    test = features(films, [0] * 10)
    result = baselines.evaluate("chance", train, test)
    draws = 4000
    drawn = np.random.default_rng(0).integers(2, size=10 * draws)
    labels = np.tile(test.label, draws)
    accuracy = metrics.accuracy_score(labels, drawn)
    assert result["pair"] == pytest.approx(accuracy, abs=0.01)
    f1 = metrics.f1_score(labels, drawn, average="macro", zero_division=0)
    assert result["macro_f1"] == pytest.approx(f1, abs=0.01)
    assert result["film"] == pytest.approx(1 / 3)
    shares = {film["film"]: film["pair_accuracy"] for film in result["films"]}
    assert shares == {"b": 0.5, "i": 0.5, "s": 0.0}


def test_a_genre_with_few_pairs_counts_as_much():
    generator = np.random.default_rng(0)
    films = [("a", "action", 400), ("h", "horror", 10)]
    values = generator.normal([0.0] * 400 + [2.0] * 10)
    train = features(films, values)
    test = features([("i", "horror", 100)], generator.normal(2, 1, 100))
    result = baselines.evaluate("magnitude", train, test)
    # With a genre's share of the pairs as its weight, it is 0.3.
    assert result["pair"] > 0.7


def test_a_seed_decides():
    generator = np.random.default_rng(1)
    films = [("a", "action", 20), ("h", "horror", 20)]
    train = features(films, generator.normal(size=(40, 4)))
    test = features([("b", "action", 300)], generator.normal(size=(300, 4)))
    one, same, *others = (
        baselines.evaluate("flow_statistics", train, test, seed)["pair"]
        for seed in (5, 5, 6, 7, 8)
    )
    assert one == same
    assert any(other != one for other in others)


def test_films_to_train_and_to_test_with_are_others():
    with pytest.raises(ValueError, match="In both: a"):
        baselines.evaluate("majority", TRAIN, TRAIN.of_films(["a"]))
