"""One genre a film: scores that sum to one, and the highest is the answer."""

import dataclasses
import typing

import numpy as np
from scipy import special

from keras_ssc.genres import ONE
from keras_ssc.metrics import calibration
from keras_ssc.metrics import figures
from keras_ssc.metrics import scoring
from keras_ssc.metrics.tables import percent
from keras_ssc.tasks import genre_task
from keras_ssc.tasks import linear


@dataclasses.dataclass(frozen=True)
class OneGenre(genre_task.GenreTask):
    """A film has one genre.

    A label is the genre's place, int64.

    Attributes:
        genres: Tuple of strings, in the order of the model's outputs.
        temperature: Float above 0, see `calibration.fit_temperature`.
    """

    name = ONE

    # The training's metric, as Keras' history calls it.
    metric = "accuracy"

    # What makes scores of logits, as Keras calls it.
    activation = "softmax"

    # Of `measure`, what a table shows, and its words.
    measures: typing.ClassVar = {"accuracy": "accuracy", "macro_f1": "macro F1"}
    per_genre = "share of its pairs or films that are right"

    # Of `film_values`, what heads are compared by.
    film_value = "films right"

    genres: tuple
    temperature: float = 1.0

    # Labels.

    def label_feature(self):
        """Returns the TFDS feature of a label."""
        import tensorflow_datasets as tfds

        return tfds.features.ClassLabel(names=list(self.genres))

    def example_label(self, genres):
        """Returns a film's label as the builder hands it to TFDS."""
        return genres[0]

    def label_of(self, genres):
        """Returns the label of a film, as it is prepared, of its genres."""
        return self.genres.index(genres[0])

    def prepared_label(self, label):
        """Returns a label of TFDS, a tensor, as it is prepared."""
        return label

    def targets(self, label):
        """Returns labels (batch,) as the loss takes them: float32 one-hot."""
        # Not Keras' operations: batches are TensorFlow's on any backend.
        import tensorflow as tf

        return tf.one_hot(label, len(self.genres))

    def is_of(self, label):
        """Says which genres pairs have: a bool array (pairs, genres)."""
        return np.asarray(label)[:, None] == np.arange(len(self.genres))

    def true_genres(self, label):
        """Returns the genres of a label, a list of strings."""
        return [self.genres[int(label)]]

    # Training.

    def loss(self, label, label_smoothing=0.0, balanced=False):
        """Returns the loss, of logits."""
        # Only now: what is not trained is asked without Keras.
        import keras

        del label, balanced  # pairs of rare genres are drawn more often
        return keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=label_smoothing
        )

    def log_loss(self, label, logits):
        """Returns the mean loss of logits, a float, without Keras.

        Args:
            label: Integer array (pairs,).
            logits: Float array (pairs, genres).
        """
        logs = special.log_softmax(logits, axis=1)
        return float(-logs[np.arange(len(label)), label].mean())

    def metrics(self):
        """Returns what is measured at each step."""
        from keras_ssc.metrics.balanced_accuracy import BalancedAccuracy

        return ["accuracy", BalancedAccuracy(len(self.genres))]

    def balanced_shares(self, label, film):
        """Returns how often each pair is drawn where a training is balanced.

        Args:
            label: int64 array (pairs,).
            film: Array of strings (pairs,).

        Returns:
            Float array (pairs,), of sum 1. A film's share is
            1 / (genres x films of its genre), a pair's that of its film / its
            pairs.
        """
        _, place, size = np.unique(
            film, return_inverse=True, return_counts=True
        )
        label_of_film = np.zeros(len(size), np.int64)
        label_of_film[place] = label
        films_of_label = np.bincount(label_of_film)
        shares = 1 / (size[place] * films_of_label[label])
        return shares / shares.sum()

    def linear_fits(self, features, label, shares, strengths):
        """Fits linear classifiers, see `linear.fits`.

        Args:
            features: float32 array (pairs, n).
            label: int64 array (pairs,).
            shares: Float array (pairs,), of sum 1.
            strengths: See `linear.fits`.

        Yields:
            For each strength, the logits' kernel (n, genres) and bias
            (genres,).
        """
        present = np.unique(label)
        kernel = np.zeros((features.shape[1], len(self.genres)))
        bias = np.full(len(self.genres), linear.NEVER)
        if len(present) == 1:
            bias[present] = 0.0
            yield from ((kernel, bias) for _ in strengths)
            return
        for own_kernel, own_bias in linear.fits(
            features, label, shares, strengths
        ):
            kernel[:, present], bias[present] = own_kernel, own_bias
            yield kernel.copy(), bias.copy()

    # Answers.

    def scores(self, logits):
        """Turns logits into calibrated probabilities.

        Args:
            logits: Float NumPy array or Keras tensor (pairs, genres).

        Returns:
            What `logits` is, float32 (pairs, genres): softmax(logits /
            temperature).
        """
        return calibration.probabilities(logits, self.temperature)

    @property
    def scaling(self):
        """What calibration multiplies logits with, and then adds to them."""
        return 1 / self.temperature, 0.0

    def named(self, scores):
        """Decides: the places of the genres that scores (genres,) name."""
        return [int(scoring.best(np.asarray(scores)))]

    def verdict(self, scores):
        """Returns the genre that scores (genres,) name, as `measure` has it."""
        return self.named_genres(scores)[0]

    def is_sure(self, scores, min_confidence):
        """Says whether an answer is certain: its score is high enough."""
        return bool(np.max(scores) >= min_confidence)

    @property
    def thresholds(self):
        """Dict from genres to the scores that name them; None: the highest."""
        return None

    def served(self, scores):
        """Returns what the served model says beside the scores, as strings.

        Args:
            scores: float32 tensor (pairs, genres).

        Returns:
            A dict of tensors with a row for each pair.
        """
        import tensorflow as tf

        return {
            "genre": tf.gather(tf.constant(self.genres), scoring.best(scores))
        }

    # Calibration.

    def calibrated(self, logits, label, film):
        """Fits the calibration, and applies it if it helps on other films.

        Args:
            logits: Float array (pairs, genres), of pairs that the model was
                not trained on.
            label: int64 array (pairs,).
            film: Array of strings (pairs,).

        Returns:
            A dict of plain values, see `calibration.choose_temperature`, for
            `with_calibration`.
        """
        return calibration.choose_temperature(logits, label, film)

    def not_calibrated(self):
        """Returns what `calibrated` does where there is nothing to fit on."""
        return {"temperature": 1.0}

    def with_calibration(self, told):
        """Returns the task with what `calibrated` returned.

        Raises:
            ValueError: If it is malformed.
        """
        return dataclasses.replace(
            self, temperature=calibration.checked_temperature(told)
        )

    def limits_text(self, has_familiarity=False):
        """Says what the answers of a model cannot be, for its card.

        Args:
            has_familiarity: Boolean, whether it notices films that are unlike
                the training films.
        """
        known = f"It knows {len(self.genres)} genres and "
        if has_familiarity:
            return known + (
                "names one, unless a film is unlike the training films: a film "
                "of none of them that looks like these, or of two, gets one "
                "nevertheless."
            )
        return known + (
            "always names one: a film of none of them, or of two, gets one "
            "nevertheless."
        )

    def calibration_text(self, measured):
        """Says in some sentences how the scores are calibrated."""
        fitted = measured["calibration"]
        error = fitted["expected_calibration_error"]
        if fitted["split"] is None:
            return (
                "Not calibrated: the data set has no validation split. "
                "Expected calibration error by pair: "
                f"{error['before']:.3f}."
            )
        # Evaluated before it was tried on films left out: it was applied.
        tried = fitted.get("log_loss")
        found = fitted.get("fitted_temperature", fitted["temperature"])
        text = f"Temperature {found:.3f}, fitted on "
        text += f"{fitted['num_pairs']:,} pairs of the {fitted['split']} split"
        if tried is None:
            text += ". "
        elif tried["before"] is None:
            text += ", one film. It cannot be tried on another, and is not "
            text += "applied. "
        else:
            is_applied = fitted["temperature"] != 1
            text += (
                f". On its {fitted['num_films']} films, each left out in turn, "
                f"it changes the log loss from {tried['before']:.3f} to "
                f"{tried['after']:.3f}: it is {'' if is_applied else 'not '}"
                "applied. "
            )
        return (
            f"{text}Expected calibration error by pair, "
            f"{measured['split']} split: {error['before']:.3f} before, "
            f"{error['after']:.3f} after."
        )

    def judgements(self, label, scores):
        """Returns each answer's score and whether it is right, two arrays."""
        is_right = scoring.best(scores) == label
        return scores.max(axis=1).astype(np.float64), is_right

    # Measuring.

    def measure(self, label, film, scores, scene=None):
        """Computes the metrics of predictions, by pair, scene and film.

        A film's scores are those of `scoring.film_scores`.

        Args:
            label: int64 array (pairs,).
            film: Array of strings (pairs,).
            scores: Float array (pairs, genres).
            scene: Integer array (pairs,), or None.

        Returns:
            A dict of plain values, see `evaluation.evaluate`.
        """
        films = []
        for places in scoring.places_of(film):
            true = int(label[places[0]])
            mean = scoring.film_scores(scores[places])
            is_right = scoring.best(scores[places]) == true
            films.append(
                {
                    "film": str(film[places[0]]),
                    "genre": self.genres[true],
                    "num_pairs": len(places),
                    "pair_accuracy": float(np.mean(is_right)),
                    **self.answered(mean),
                }
            )
        pair = self._scores_of(label, scores)
        measured = {
            "pair": pair,
            "film": self.measure_films(films),
            "films": films,
            "confusion": pair.pop("confusion"),
        }
        if scene is not None:
            keys = scoring.scene_keys(film, scene)
            firsts, means = scoring.means_of(keys, scores)
            measured["scene"] = self._scores_of(label[firsts], means)
            del measured["scene"]["confusion"]  # the list of films says more
        return measured

    def _scores_of(self, label, scores):
        return scoring.scores_of(label, scoring.best(scores), self.genres)

    def measure_films(self, films):
        """Computes the measures of the answers for films, see `measure`.

        Args:
            films: List of dicts, as `measure` has them, perhaps of several
                models.
        """
        place = {genre: number for number, genre in enumerate(self.genres)}
        measured = scoring.scores_of(
            [place[film["genre"]] for film in films],
            [place[film["verdict"]] for film in films],
            self.genres,
        )
        del measured["confusion"]
        return measured

    def film_values(self, film):
        """Returns what is measured of one film: a dict from words to floats."""
        return {
            "films right": float(film["verdict"] == film["genre"]),
            "pairs right of a film": film["pair_accuracy"],
        }

    def headline(self, measured):
        """Says the most important of `measure`'s numbers in some words."""
        return f"{percent(measured['accuracy'])} right"

    def film_rows(self, films):
        """Returns the table of `measure`'s films: a header, and rows."""
        header = ["film", "genre", "verdict", "its score", "pairs right"]
        return header, [
            [
                *(each[name] for name in ("film", "genre", "verdict")),
                percent(each["scores"][each["verdict"]]),
                percent(each["pair_accuracy"]),
            ]
            for each in films
        ]

    def draw(self, measured, title):
        """Draws what `measure` returned: a dict from names to PNGs."""
        return {
            "confusion": figures.confusion_figure(
                measured["confusion"], self.genres, title
            ),
            "genres": figures.genre_figure(
                measured["pair"]["per_genre"],
                title,
                chance=1 / len(self.genres),
            ),
            "films": figures.films_figure(
                measured["films"], self.genres, title
            ),
        }
