"""What a model must beat: classifiers of a few numbers, without a network.

The numbers of each pair are computed once (`features_of`); the training and
test films are chosen afterwards by name (`PairFeatures.of_films`), so that many
splits cost little. `experiments.reproduce` tabulates them.
"""

import dataclasses
import typing

import numpy as np
from sklearn import dummy
from sklearn import ensemble
from sklearn import naive_bayes
from sklearn.utils import class_weight

from keras_ssc import flow
from keras_ssc import tasks
from keras_ssc.data.simple_features import MAGNITUDE_FLOOR
from keras_ssc.data.simple_features import colour_classifier
from keras_ssc.data.simple_features import colour_histogram

# The size of the frames that the sample's smallest model sees. Colours and
# mean motion need no larger one.
IMAGE_SIZE = (68, 120)


@dataclasses.dataclass(frozen=True, eq=False)
class PairFeatures:
    """Some numbers of each pair.

    Attributes:
        values: Dict from a name to a float array (pairs, numbers): `colours`,
            `magnitude` and `flow`, see `features_of`.
        label: int64 array (pairs,), places in `task.genres`.
        film: Array of strings (pairs,).
        task: Their task, see `keras_ssc.tasks`.
    """

    values: dict
    label: np.ndarray
    film: np.ndarray
    task: object = tasks.REPORT

    def of_films(self, films):
        """Returns the `PairFeatures` of the films of these names."""
        is_theirs = np.isin(self.film, list(films))
        return PairFeatures(
            {name: each[is_theirs] for name, each in self.values.items()},
            self.label[is_theirs],
            self.film[is_theirs],
            self.task,
        )


def features_of(prepared):
    """Computes the numbers of a split's pairs, one pair after the other.

    Args:
        prepared: A `datasets.PreparedSplit` with `frame` and `flow`.

    Returns:
        `PairFeatures`: `colours` as `colour_histogram` has them, of the first
        frame; `magnitude`, the logarithm of the motion magnitude; `flow` as
        `flow_statistics` has it.
    """
    values = {"colours": [], "magnitude": [], "flow": []}
    frames, motions = (prepared.features[name] for name in ("frame", "flow"))
    for frame, motion in zip(frames, motions, strict=True):
        statistics = flow_statistics(motion)
        magnitude = max(statistics[2], MAGNITUDE_FLOOR)
        values["colours"].append(colour_histogram(frame))
        values["magnitude"].append([np.log(magnitude)])
        values["flow"].append(statistics)
    return PairFeatures(
        {name: np.array(each, np.float32) for name, each in values.items()},
        prepared.label,
        prepared.film,
        prepared.task,
    )


def flow_statistics(motion):
    """Computes four numbers of a flow.

    Args:
        motion: float32 array (height, width, 2), pixels, (x, y).

    Returns:
        float32 array (4,): the means of x and of y, the mean and the standard
        deviation of the length; all divided by sqrt(height x width), as the
        motion magnitude is, which is the third.
    """
    unit = np.sqrt(np.prod(motion.shape[:2]))
    length = np.hypot(motion[..., 0], motion[..., 1])
    mean_x, mean_y = motion.mean(axis=(0, 1), dtype=np.float64) / unit
    return np.array(
        [
            mean_x,
            mean_y,
            flow.motion_magnitude(motion),
            length.std(dtype=np.float64) / unit,
        ],
        np.float32,
    )


@dataclasses.dataclass(frozen=True)
class Baseline:
    """A classifier of a few numbers.

    Attributes:
        values: String, which of `PairFeatures.values` it sees.
        build: Function from a seed to a scikit-learn classifier; None for
            random answers, whose mean is computed without drawing any.
        is_balanced: Boolean, whether every genre counts equally in training,
            however many pairs it has.
    """

    values: str
    build: typing.Callable | None
    is_balanced: bool = True


def _majority(seed):
    return dummy.DummyClassifier(strategy="most_frequent", random_state=seed)


def _of_magnitude(seed):
    # A genre's magnitudes are about log-normal: mean and spread of the
    # logarithm describe them.
    return naive_bayes.GaussianNB()


def _of_flow(seed):
    # Neighbouring pairs are nearly equal: a leaf holds several.
    return ensemble.RandomForestClassifier(
        n_estimators=200, min_samples_leaf=5, random_state=seed
    )


BASELINES = {
    "chance": Baseline("magnitude", None),
    "majority": Baseline("magnitude", _majority, is_balanced=False),
    "colour_histogram": Baseline("colours", colour_classifier),
    "magnitude": Baseline("magnitude", _of_magnitude),
    "flow_statistics": Baseline("flow", _of_flow),
}


def evaluate(name, train, test, seed=0):
    """Trains a baseline on some films and measures it on others.

    Args:
        name: String, one of `BASELINES`.
        train: `PairFeatures` to learn from.
        test: `PairFeatures` to be tested on, of other films.
        seed: Integer.

    Returns:
        A dict: `pair` and `film`, accuracies; `macro_f1`, by pair; `films`, a
        list of dicts, one a test film, with its `film`, `genre` and
        `pair_accuracy`.

    Raises:
        ValueError: If a film is in both.
    """
    both = sorted(set(train.film.tolist()) & set(test.film.tolist()))
    if both:
        raise ValueError(
            "Expected other films to test on than to train on. In both: "
            f"{', '.join(both)}"
        )
    baseline = BASELINES[name]
    if baseline.build is None:
        return _measure_chance(train, test)
    return _measure(_fit(baseline, train, seed), baseline, test)


def _fit(baseline, train, seed):
    weight = class_weight.compute_sample_weight(
        "balanced" if baseline.is_balanced else None, train.label
    )
    model = baseline.build(seed)
    return model.fit(train.values[baseline.values], train.label, weight)


def _measure(model, baseline, test):
    probabilities = np.zeros((len(test.label), len(test.task.genres)))
    # Genres without a training film have no column in the classifier's.
    probabilities[:, model.classes_] = model.predict_proba(
        test.values[baseline.values]
    )
    measured = test.task.measure(test.label, test.film, probabilities)
    return {
        "pair": measured["pair"]["accuracy"],
        "film": measured["film"]["accuracy"],
        "macro_f1": measured["pair"]["macro_f1"],
        "films": measured["films"],
    }


def _measure_chance(train, test):
    """Computes the mean over many draws of random answers."""
    learnt = np.unique(train.label)
    recall = np.isin(test.label, learnt) / len(learnt)
    films, first = np.unique(test.film, return_index=True)
    present, counts = np.unique(test.label, return_counts=True)
    share = counts / counts.sum()
    of_genre = np.isin(present, learnt) / len(learnt)
    return {
        "pair": float(recall.mean()),
        "film": float(recall[first].mean()),
        # The precision of a random answer is the genre's share of the pairs.
        "macro_f1": float(np.mean(2 * share * of_genre / (share + of_genre))),
        "films": [
            {
                "film": str(film),
                "genre": test.task.genres[test.label[place]],
                "pair_accuracy": float(recall[place]),
            }
            for film, place in zip(films, first, strict=True)
        ],
    }
