"""Several genres a film: each genre is judged by itself, none is an answer."""

import dataclasses
import typing

import numpy as np
from scipy import special

from keras_ssc.genres import SEVERAL
from keras_ssc.genres import genre_words
from keras_ssc.genres import listing
from keras_ssc.metrics import calibration
from keras_ssc.metrics import figures
from keras_ssc.metrics import scoring
from keras_ssc.metrics.tables import percent
from keras_ssc.tasks import genre_task
from keras_ssc.tasks import linear

# How much more a film of a rare genre may count than one that lacks it.
_LARGEST_WEIGHT = 20.0

_THRESHOLD = 0.5

# Of the genres that a sentence lists.
_MOST_NAMED = 8


@dataclasses.dataclass(frozen=True)
class SeveralGenres(genre_task.GenreTask):
    """A film has any number of genres. See `OneGenre`, whose methods it has.

    A label is multi-hot: uint8 (genres,).

    Attributes:
        genres: Tuple of strings, in the order of the model's outputs.
        scales: Tuple of floats, what each genre's logits are multiplied with;
            None: 1.
        biases: Tuple of floats, what is added then; None: 0.
        limits: Tuple of floats, the score from which on each genre is named;
            None: a half.
    """

    name = SEVERAL
    metric = "average_precision"
    measures: typing.ClassVar = {
        "map_macro": "mean average precision, macro",
        "map_weighted": "the same, weighted",
        "map_micro": "the same, micro",
        "map_samples": "the same, by samples",
        "macro_f1": "macro F1",
        "micro_f1": "micro F1",
    }
    per_genre = "average precision"
    film_value = "average precision of a film's genres"
    activation = "sigmoid"

    genres: tuple
    scales: tuple | None = None
    biases: tuple | None = None
    limits: tuple | None = None

    def label_feature(self):
        """Returns the TFDS feature of a label."""
        import tensorflow_datasets as tfds

        return tfds.features.Sequence(
            tfds.features.ClassLabel(names=list(self.genres))
        )

    def example_label(self, genres):
        """Returns a film's label as the builder hands it to TFDS."""
        return list(genres)

    def label_of(self, genres):
        """Returns the label of a film, as it is prepared, of its genres."""
        return np.uint8([genre in genres for genre in self.genres])

    def prepared_label(self, label):
        """Returns a label of TFDS, a tensor, as it is prepared."""
        import tensorflow as tf

        hot = tf.one_hot(label, len(self.genres), dtype=tf.uint8)
        return tf.reduce_max(hot, axis=0)

    def targets(self, label):
        """Returns labels (batch, genres) as the loss takes them: float32."""
        # Not Keras' operations: batches are TensorFlow's on any backend.
        import tensorflow as tf

        return tf.cast(label, tf.float32)

    def is_of(self, label):
        """Says which genres pairs have: a bool array (pairs, genres)."""
        return np.asarray(label, bool)

    def true_genres(self, label):
        """Returns the genres of a label, a list of strings."""
        return [self.genres[place] for place in np.flatnonzero(label)]

    def loss(self, label, label_smoothing=0.0, balanced=False):
        """Returns the loss, of logits.

        Args:
            label: uint8 array (pairs, genres), of the training pairs.
            label_smoothing: Float.
            balanced: Boolean, whether a pair of a rare genre counts more: as
                many times as there are pairs without the genre for each with
                it, 20 at most.
        """
        weights = np.ones(len(self.genres))
        if balanced:
            counts = self.is_of(label).sum(axis=0)
            ratios = (len(label) - counts) / np.maximum(counts, 1)
            weights = np.clip(ratios, 1.0, _LARGEST_WEIGHT)
        # Only now: what is not trained is asked without Keras.
        from keras_ssc.tasks import losses

        return losses.WeightedBinaryCrossentropy(
            weights.tolist(), label_smoothing
        )

    def log_loss(self, label, logits):
        """Returns the mean loss of logits; see `OneGenre`."""
        sign = np.where(self.is_of(label), 1, -1)
        return float(-special.log_expit(sign * logits).mean())

    def metrics(self):
        """Returns what is measured at each step."""
        import keras

        return [
            keras.metrics.AUC(
                curve="PR",
                multi_label=True,
                num_labels=len(self.genres),
                from_logits=True,
                name=self.metric,
            )
        ]

    def balanced_shares(self, label, film):
        """Returns how often each pair is drawn where a training is balanced.

        All films equally often: the loss has weights for rare genres.
        """
        del label
        _, place, size = np.unique(
            film, return_inverse=True, return_counts=True
        )
        shares = 1 / size[place]
        return shares / shares.sum()

    def linear_fits(self, features, label, shares, strengths):
        """Fits linear classifiers, each genre by itself; see `OneGenre`."""
        genres = [
            linear.binary_fits(features, own, shares, strengths)
            for own in self.is_of(label).T
        ]
        for fitted in zip(*genres, strict=True):
            kernels, biases = zip(*fitted, strict=True)
            yield np.stack(kernels, axis=1), np.stack(biases)

    def scores(self, logits):
        """Turns logits into calibrated probabilities, each genre by itself.

        Args:
            logits: Float NumPy array or Keras tensor (pairs, genres).

        Returns:
            What `logits` is, float32 (pairs, genres).
        """
        scale, bias = map(np.float32, self.scaling)
        if isinstance(logits, np.ndarray):
            return special.expit(np.float32(logits) * scale + bias)
        from keras import ops

        return ops.sigmoid(ops.cast(logits, "float32") * scale + bias)

    @property
    def scaling(self):
        """See `OneGenre.scaling`."""
        if self.scales is None:
            return 1.0, 0.0
        return np.array(self.scales), np.array(self.biases)

    def named(self, scores):
        """Decides: the places of the genres that scores (genres,) name."""
        scores = np.asarray(scores)
        places = np.flatnonzero(self._is_named(scores))
        return places[np.argsort(-scores[places], kind="stable")].tolist()

    def verdict(self, scores):
        """Returns the genres that scores (genres,) name."""
        return self.named_genres(scores)

    def _is_named(self, scores):
        # In float32, as a served model compares them.
        return np.asarray(scores, np.float32) >= self._limits()

    def _limits(self):
        limits = self.limits or (_THRESHOLD,) * len(self.genres)
        return np.float32(limits)

    def is_sure(self, scores, min_confidence):
        """Says whether an answer is certain: thresholds decide, so it is."""
        del scores, min_confidence
        return True

    @property
    def thresholds(self):
        """Dict from genres to the scores from which on they are named."""
        return dict(zip(self.genres, self._limits().tolist(), strict=True))

    def served(self, scores):
        """Returns what the served model says beside the scores.

        Args:
            scores: float32 tensor (pairs, genres).

        Returns:
            A dict of tensors with a row for each pair: `thresholds`, float32.
        """
        import tensorflow as tf

        limits = tf.constant(self._limits())
        return {"thresholds": tf.tile(limits[None], [tf.shape(scores)[0], 1])}

    def calibrated(self, logits, label, film):
        """Fits calibration and thresholds, see `OneGenre.calibrated`.

        Each genre has its own: none, a temperature, or Platt's scale and
        bias, whichever has the smallest log loss on films left out. The
        thresholds are those of the best F1 of the films.

        Returns:
            A dict of plain values: `num_films`; `log_loss` of films left out,
            `before` and `after`, the genres' mean, None if it cannot be tried;
            `genres`, a dict from each genre to its `way`, `scale`, `bias`,
            `threshold`, and `num_films` that are of it.
        """
        is_of = self.is_of(label)
        chosen = calibration.choose_by_genre(logits, is_of, film)
        told = {
            genre: {"way": way, "scale": scale, "bias": bias}
            for genre, (way, scale, bias) in zip(
                self.genres, chosen["genres"], strict=True
            )
        }
        task = dataclasses.replace(
            self,
            scales=tuple(each["scale"] for each in told.values()),
            biases=tuple(each["bias"] for each in told.values()),
        )
        firsts, means = scoring.means_of(film, task.scores(logits))
        for place, each in enumerate(told.values()):
            own = is_of[firsts, place]
            each["threshold"] = scoring.best_threshold(own, means[:, place])
            each["num_films"] = int(own.sum())
        return {**chosen, "genres": told}

    def not_calibrated(self):
        """Returns what `calibrated` does where there is nothing to fit on."""
        plain = {"way": "none", "scale": 1.0, "bias": 0.0}
        plain |= {"threshold": _THRESHOLD, "num_films": 0}
        return {"genres": {genre: dict(plain) for genre in self.genres}}

    def with_calibration(self, told):
        """Returns the task with what `calibrated` returned.

        Raises:
            ValueError: If it is malformed.
        """
        own = [told["genres"][genre] for genre in self.genres]
        columns = {
            "scales": [each["scale"] for each in own],
            "biases": [each["bias"] for each in own],
            "limits": [each["threshold"] for each in own],
        }
        numbers = [number for column in columns.values() for number in column]
        if not all(
            type(number) in (int, float) and abs(number) <= 1e4
            for number in numbers
        ):
            raise ValueError("a number of the calibration is none")
        return dataclasses.replace(
            self, **{name: tuple(each) for name, each in columns.items()}
        )

    def limits_text(self, has_familiarity=False):
        """Says what the answers of a model cannot be, see `OneGenre`."""
        text = (
            f"It knows {len(self.genres)} genres and judges each by itself: a "
            "film of another genre gets none of them, or the wrong ones."
        )
        if has_familiarity:
            text += " A film that is unlike the training films gets none."
        return text

    def calibration_text(self, measured):
        """Says in some sentences how the scores are calibrated."""
        fitted = measured["calibration"]
        error = fitted["expected_calibration_error"]
        own = fitted["genres"]
        if fitted["split"] is None:
            return (
                "Not calibrated: the data set has no validation split, and the "
                f"thresholds are all {_THRESHOLD}. Expected calibration error "
                f"of all scores: {error['before']:.3f}."
            )
        ways = {
            way: [genre for genre in own if own[genre]["way"] == way]
            for way in ("platt", "temperature", "none")
        }
        told = ". ".join(
            f"{words}: {_listed(ways[way])}"
            for way, words in (
                ("platt", "With Platt's scale and bias"),
                ("temperature", "With a temperature"),
                (
                    "none",
                    "Left as they are, since neither helps on films left out",
                ),
            )
            if ways[way]
        )
        unknown = [genre for genre in own if not own[genre]["num_films"]]
        lacking = (
            f" None of these films is of {_listed(unknown)}: the threshold is "
            f"{_THRESHOLD}."
            if unknown
            else ""
        )
        return (
            f"Calibrated genre by genre on {fitted['num_pairs']:,} pairs of "
            f"{fitted['num_films']} films of the {fitted['split']} split. "
            f"{told}. Thresholds are those of the best F1 of these films."
            f"{lacking} Expected calibration error of all scores, "
            f"{measured['split']} split: {error['before']:.3f} before, "
            f"{error['after']:.3f} after."
        )

    def judgements(self, label, scores):
        """Returns each score of each genre and whether it holds, two arrays."""
        return scores.ravel().astype(np.float64), self.is_of(label).ravel()

    def measure(self, label, film, scores, scene=None):
        """Computes the metrics of predictions, see `OneGenre.measure`.

        Args:
            label: uint8 array (pairs, genres).
            film: Array of strings (pairs,).
            scores: Float array (pairs, genres).
            scene: Integer array (pairs,), or None.
        """
        films = []
        for places in scoring.places_of(film):
            mean = scoring.film_scores(scores[places])
            films.append(
                {
                    "film": str(film[places[0]]),
                    "genres": self.true_genres(label[places[0]]),
                    "num_pairs": len(places),
                    **self.answered(mean),
                }
            )
        measured = {
            "pair": self._scores_of(label, scores),
            "film": self.measure_films(films),
            "films": films,
            "thresholds": self.thresholds,
        }
        if scene is not None:
            keys = scoring.scene_keys(film, scene)
            firsts, means = scoring.means_of(keys, scores)
            measured["scene"] = self._scores_of(label[firsts], means)
        return measured

    def _scores_of(self, label, scores):
        return scoring.precision_scores(
            self.is_of(label), scores, self._is_named(scores), self.genres
        )

    def measure_films(self, films):
        """Computes the measures of the answers for films, see `OneGenre`."""
        labels, predicted = (
            np.array([[x in film[key] for x in self.genres] for film in films])
            for key in ("genres", "verdict")
        )
        scores = np.array([list(film["scores"].values()) for film in films])
        return scoring.precision_scores(labels, scores, predicted, self.genres)

    def film_values(self, film):
        """Returns what is measured of one film: a dict from words to floats."""
        measured = self.measure_films([film])
        return {
            "average precision of a film's genres": measured["map_samples"],
            "films of which all genres are right, and no other": float(
                set(film["genres"]) == set(film["verdict"])
            ),
        }

    def headline(self, measured):
        """Says the most important of `measure`'s numbers in some words."""
        return f"mean average precision {_number(measured['map_macro'])}"

    def film_rows(self, films):
        """Returns the table of `measure`'s films: a header, and rows."""
        return ["film", "genres", "named", "their scores"], [
            [
                each["film"],
                ", ".join(each["genres"]),
                ", ".join(each["verdict"]) or "none",
                ", ".join(
                    percent(each["scores"][genre]) for genre in each["verdict"]
                )
                or "-",
            ]
            for each in films
        ]

    def draw(self, measured, title):
        """Draws what `measure` returned: a dict from names to PNGs."""
        return {
            "genres": figures.genre_figure(
                measured["pair"]["per_genre"], title, self.per_genre
            ),
            "films": figures.scores_figure(
                measured["films"], self.genres, self.thresholds, title
            ),
        }


def _number(value):
    return "-" if value is None else f"{value:.3f}"


def _listed(genres):
    """Names some genres in a sentence."""
    return listing(list(map(genre_words, genres)), _MOST_NAMED)
