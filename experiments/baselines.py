"""What a model must beat: answers from few numbers, without any network.

    python -m experiments.baselines --dataset scene_genre/sample

The numbers of each pair are computed once (`features_of`); which films are
learnt from and which are asked about is chosen afterwards, by their names
(`PairFeatures.of_films`), so that many splits cost little.
"""

import argparse
import collections
import dataclasses
import pathlib
import typing

import numpy as np
from sklearn import dummy
from sklearn import ensemble
from sklearn import naive_bayes
from sklearn.utils import class_weight

from experiments import benchmark
from keras_ssc import command
from keras_ssc import datasets
from keras_ssc import evaluation
from keras_ssc import files
from keras_ssc import flow
from keras_ssc import tables
from keras_ssc.data.simple_features import MAGNITUDE_FLOOR
from keras_ssc.data.simple_features import colour_classifier
from keras_ssc.data.simple_features import colour_histogram
from keras_ssc.genres import GENRES

# The size of the frames that the sample's smallest model sees. Colours and
# mean motion need no larger one.
IMAGE_SIZE = (68, 120)


@dataclasses.dataclass(frozen=True, eq=False)
class PairFeatures:
    """Some numbers of each pair.

    Attributes:
        values: Dict from a name to a float array (pairs, numbers): `colours`,
            `magnitude` and `flow`, see `features_of`.
        label: int64 array (pairs,), places in `GENRES`.
        film: Array of strings (pairs,).
    """

    values: dict
    label: np.ndarray
    film: np.ndarray

    @property
    def num_pairs(self):
        """How many pairs there are."""
        return len(self.label)

    def of_films(self, films):
        """Returns the `PairFeatures` of the films of these names."""
        is_theirs = np.isin(self.film, list(films))
        return PairFeatures(
            {name: each[is_theirs] for name, each in self.values.items()},
            self.label[is_theirs],
            self.film[is_theirs],
        )


def join(parts):
    """Puts pairs behind one another.

    Args:
        parts: Sequence of `PairFeatures` with the same values, at least one.

    Returns:
        `PairFeatures`.
    """
    return PairFeatures(
        {
            name: np.concatenate([part.values[name] for part in parts])
            for name in parts[0].values
        },
        np.concatenate([part.label for part in parts]),
        np.concatenate([part.film for part in parts]),
    )


def features_of(prepared):
    """Computes the numbers of a split's pairs, one pair after the other.

    Args:
        prepared: An `datasets.PreparedSplit` with `frame` and `flow`.

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
    """A way to answer.

    Attributes:
        sees: String, what it is told of a pair.
        values: String, which of `PairFeatures.values` that is.
        build: Function from a seed to a scikit-learn classifier; None for
            answers at random, which are computed and not drawn.
        is_balanced: Boolean, whether every genre counts as much in training,
            however many pairs it has.
    """

    sees: str
    values: str
    build: typing.Callable | None
    is_balanced: bool = True


def _majority(seed):
    return dummy.DummyClassifier(strategy="most_frequent", random_state=seed)


def _of_magnitude(seed):
    # A genre's magnitudes are about log-normal, so mean and spread are all
    # that there is to learn from one number.
    return naive_bayes.GaussianNB()


def _of_flow(seed):
    # Neighbouring pairs say the same: a leaf holds several.
    return ensemble.RandomForestClassifier(
        n_estimators=200, min_samples_leaf=5, random_state=seed
    )


BASELINES = {
    "chance": Baseline("nothing, any genre as likely", "magnitude", None),
    "majority": Baseline(
        "nothing, the most frequent genre", "magnitude", _majority, False
    ),
    "colour_histogram": Baseline(
        "64 colours of the first frame", "colours", colour_classifier
    ),
    "magnitude": Baseline("the motion magnitude", "magnitude", _of_magnitude),
    "flow_statistics": Baseline("four numbers of the flow", "flow", _of_flow),
}


def evaluate(name, train, test, seed=0):
    """Trains a baseline on some films and measures it on others.

    Args:
        name: String, one of `BASELINES`.
        train: `PairFeatures` to learn from.
        test: `PairFeatures` to be asked about, of other films.
        seed: Integer.

    Returns:
        A dict: `baseline` and `seed`; `pair` and `film`, each with `num`,
        `accuracy`, `balanced_accuracy` (the mean over the genres that are
        there) and `macro_f1`; `films`, a list of dicts with `film`, `genre`,
        `verdict` (of the mean of its pairs' probabilities; None at random),
        `num_pairs` and `pair_accuracy`.

    Raises:
        ValueError: If there is no such baseline, no pair to learn from or to
            be asked about, or a film is in both.
    """
    if name not in BASELINES:
        raise ValueError(
            "Unknown baseline. Expected one of: "
            f"{', '.join(BASELINES)}. Received: {name!r}"
        )
    _check_films(train, test)
    baseline = BASELINES[name]
    if baseline.build is None:
        measured = _measure_chance(train, test)
    else:
        measured = _measure(_fit(baseline, train, seed), baseline, test)
    return {"baseline": name, "seed": seed, **measured}


def _check_films(train, test):
    if not train.num_pairs or not test.num_pairs:
        raise ValueError(
            "Expected pairs to learn from and pairs to be asked about. "
            f"Received: {train.num_pairs} and {test.num_pairs}"
        )
    both = sorted(set(train.film.tolist()) & set(test.film.tolist()))
    if both:
        raise ValueError(
            "Expected other films to be asked about than to learn from. In "
            f"both: {', '.join(both)}"
        )


def _fit(baseline, train, seed):
    weight = class_weight.compute_sample_weight(
        "balanced" if baseline.is_balanced else None, train.label
    )
    model = baseline.build(seed)
    return model.fit(train.values[baseline.values], train.label, weight)


def _measure(model, baseline, test):
    probabilities = np.zeros((test.num_pairs, len(GENRES)))
    # Genres that were not there to be learnt have no column in the model's.
    probabilities[:, model.classes_] = model.predict_proba(
        test.values[baseline.values]
    )
    measured = evaluation.measure(test.label, test.film, probabilities)
    kept = ("film", "genre", "verdict", "num_pairs", "pair_accuracy")
    return {
        **{by: _scores(measured[by]) for by in ("pair", "film")},
        "films": [
            {name: film[name] for name in kept} for film in measured["films"]
        ],
    }


def _scores(scores):
    recalls = [
        each for each in scores["per_genre"].values() if each is not None
    ]
    return {
        "num": scores["num"],
        "accuracy": scores["accuracy"],
        "balanced_accuracy": float(np.mean(recalls)),
        "macro_f1": scores["macro_f1"],
    }


def _measure_chance(train, test):
    """Computes what answers at random get on average, of many draws."""
    learnt = set(train.label.tolist())
    recall = 1 / len(learnt)
    counts = collections.Counter(
        zip(test.film.tolist(), test.label.tolist(), strict=True)
    )
    films = [
        {
            "film": film,
            "genre": GENRES[label],
            "verdict": None,
            "num_pairs": num_pairs,
            "pair_accuracy": recall if label in learnt else 0.0,
        }
        for (film, label), num_pairs in sorted(counts.items())
    ]
    labels_of_films = np.array([label for _, label in sorted(counts)])
    return {
        "pair": _scores_of_chance(test.label, learnt),
        "film": _scores_of_chance(labels_of_films, learnt),
        "films": films,
    }


def _scores_of_chance(labels, learnt):
    present, counts = np.unique(labels, return_counts=True)
    share = counts / counts.sum()
    recall = np.isin(present, list(learnt)) / len(learnt)
    # Of the answers that name a genre, as many are right as it has pairs.
    f1 = 2 * share * recall / (share + recall)
    return {
        "num": len(labels),
        "accuracy": float(share @ recall),
        "balanced_accuracy": float(recall.mean()),
        "macro_f1": float(f1.mean()),
    }


def run(dataset, data_dir=None, seed=0, progress=False):
    """Measures every baseline on a data set's test films.

    Args:
        dataset: String, such as `scene_genre/sample`.
        data_dir: Where data sets are; TFDS's default if None.
        seed: Integer.
        progress: Boolean, whether to show progress bars.

    Returns:
        A dict of plain values, `baselines` a list of what `evaluate` returns.

    Raises:
        datasets.DatasetError: If the data set is not built, or has no
            train or test split.
    """
    builder = datasets.open_dataset(dataset, data_dir)
    train, test = (
        features_of(
            datasets.prepare(
                builder, split, IMAGE_SIZE, ("frame", "flow"), progress
            )
        )
        for split in ("train", "test")
    )
    return {
        "version": 1,
        "machine": benchmark.machine(),
        "dataset": builder.info.full_name,
        "image_size": list(IMAGE_SIZE),
        "seed": seed,
        "baselines": [evaluate(name, train, test, seed) for name in BASELINES],
    }


def table(results):
    """Returns a Markdown table, one row a baseline.

    Args:
        results: List of dicts of `evaluate`, at least one.
    """
    pair, film = (results[0][by]["num"] for by in ("pair", "film"))
    header = [
        "baseline",
        "sees",
        f"accuracy by pair ({pair:,}), %",
        "macro F1 by pair, %",
        f"accuracy by film ({film:,}), %",
        "macro F1 by film, %",
    ]
    rows = [
        [
            result["baseline"],
            BASELINES[result["baseline"]].sees,
            *(
                f"{100 * result[by][name]:.1f}"
                for by in ("pair", "film")
                for name in ("accuracy", "macro_f1")
            ),
        ]
        for result in results
    ]
    return tables.markdown_table(header, rows)


def main():
    """Runs the command."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.baselines",
        description="Measures on a data set's test films what needs no model.",
    )
    add = parser.add_argument
    add("--dataset", default="scene_genre/sample", help="default: %(default)s")
    add("--data-dir", metavar="DIR", help="where data sets are")
    add("--seed", type=int, default=0, metavar="N", help="default: %(default)s")
    add("--out", type=pathlib.Path, metavar="FILE.json", help="file to write")
    arguments = parser.parse_args()
    measured = run(arguments.dataset, arguments.data_dir, arguments.seed, True)
    print(f"{measured['dataset']}, trained on train, measured on test:\n")
    print(table(measured["baselines"]))
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        files.write_json(arguments.out, measured)
        print(f"written: {arguments.out}")


if __name__ == "__main__":
    command.run(main)
