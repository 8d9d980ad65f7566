"""Pictures of a training, for TensorBoard: example pairs and the confusion."""

import itertools

import keras
import numpy as np
import tensorflow as tf

from keras_ssc import flow
from keras_ssc.genres import genre_words
from keras_ssc.metrics import balanced_accuracy
from keras_ssc.metrics import figures
from keras_ssc.metrics import scoring
from keras_ssc.metrics.tables import percent

NUM_PAIRS = 8


class Pictures(keras.callbacks.Callback):
    """Draws the same pairs, and the confusion matrix, after each epoch.

    They are of the validation split where there is one, else of the training
    split, and lie in the folder where Keras' own TensorBoard callback writes
    that split's curves.

    Args:
        folder: `pathlib.Path` of the run's logs; None to draw nothing, as all
            hosts but one do.
        splits: Dict from the splits' names to a `PreparedSplit`.
    """

    def __init__(self, folder, splits):
        super().__init__()
        self.folder = self.writer = None
        if folder is not None:
            self._choose(folder, splits)

    def _choose(self, folder, splits):
        self.split = "validation" if "validation" in splits else "train"
        self.folder = folder / self.split
        prepared = splits[self.split]
        # Chosen once: what the model makes of a pair can then be followed.
        places = example_places(prepared, NUM_PAIRS)
        self.labels, self.task = prepared.label[places], prepared.task
        self.inputs = {
            name: array[places] for name, array in prepared.features.items()
        }

    def on_train_begin(self, logs=None):
        """Opens the log, and draws what stays the same."""
        if self.folder is not None:
            self.writer = tf.summary.create_file_writer(str(self.folder))
            self.pictures = _pictures_of(
                {**self.inputs, **_flow_inside(self.model, self.inputs)}
            )

    def on_epoch_end(self, epoch, logs=None):
        """Draws and writes an epoch's pictures."""
        # On all hosts: each holds a part of the counts.
        confusion = balanced_accuracy.read_confusion(self.model)
        if self.folder is None:
            return
        title = f"{self.split} split, epoch {epoch + 1}"
        drawn = {
            "pairs": figures.pairs_figure(
                self.pictures,
                self._answers(),
                f"{len(self.labels)} pairs of the {title}",
            )
        }
        if confusion is not None:
            drawn["confusion"] = figures.confusion_figure(
                np.rint(confusion).astype(int),
                self.task.genres,
                f"Pairs of the {title}",
            )
        with self.writer.as_default(step=epoch):
            for name, png in drawn.items():
                picture = tf.io.decode_png(png, channels=3)
                tf.summary.image(name, picture[tf.newaxis])
        # An epoch's pictures are seen while the next one is trained.
        self.writer.flush()

    def on_train_end(self, logs=None):
        """Closes the log."""
        if self.writer is not None:
            self.writer.close()

    def _answers(self):
        """Returns what is true and what the model says of each pair."""
        # Not model.predict: it would take the place of what fit has compiled.
        inputs = {
            name: tf.convert_to_tensor(array)
            for name, array in self.inputs.items()
        }
        logits = self.model(inputs, training=False)
        scores = keras.ops.convert_to_numpy(self.task.scores(logits))
        return [
            self._answer(*each)
            for each in zip(self.labels, scores, strict=True)
        ]

    def _answer(self, label, scores):
        scored = dict(zip(self.task.genres, scores.tolist(), strict=True))
        true = self.task.true_genres(label)
        named = self.task.named_genres(scores)
        is_right = sorted(true) == sorted(named)
        return _listed(true, scored), _listed(named, scored), is_right


def _listed(genres, scores):
    """Writes genres with their scores."""
    return "\n".join(
        f"{genre_words(genre)}, {percent(scores[genre])}" for genre in genres
    )


def _flow_inside(model, inputs):
    """Returns the `flow` that a model computes itself, if it does."""
    if not any(isinstance(layer, flow.OpticalFlow) for layer in model.layers):
        return {}
    pairs = zip(inputs["frame"], inputs["next_frame"], strict=True)
    return {"flow": np.stack([flow.farneback_flow(*pair) for pair in pairs])}


def _pictures_of(inputs):
    """Returns columns for `figures.pairs_figure`, of what the model sees."""
    pictures = {
        name.replace("_", " "): inputs[name]
        for name in ("frame", "next_frame")
        if name in inputs
    }
    if "flow" in inputs:
        # One scale for all, as the amount of motion distinguishes genres.
        longest = flow.longest_motion(inputs["flow"])
        pictures[f"flow\n(full: {longest:.1f} pixels)"] = np.stack(
            [flow.flow_colours(motion, longest) for motion in inputs["flow"]]
        )
    return pictures


def example_places(prepared, num_pairs):
    """Chooses pairs that stand for a split, always the same.

    Genres take turns, and within a genre its films; pairs of one film are
    spread over its time.

    Args:
        prepared: A `PreparedSplit`.
        num_pairs: Integer, how many pairs.

    Returns:
        Integer array (n,), places of the pairs, genre by genre; fewer than
        `num_pairs` if films have too few.
    """
    in_time = np.lexsort((prepared.frame_number, prepared.scene))
    is_of = prepared.task.is_of(prepared.label)
    by_genre = [
        [
            in_time[prepared.film[in_time] == film]
            for film in np.unique(prepared.film[own])
        ]
        for own in is_of.T
    ]
    # A film of each genre in turn; one of several genres once.
    turns = itertools.chain(*itertools.zip_longest(*by_genre))
    films = {
        int(places[0]): places for places in turns if places is not None
    }.values()
    chosen = []
    for turn, places in enumerate(films):
        count = len(range(turn, num_pairs, len(films)))
        middles = (np.arange(count) + 0.5) * len(places) / count
        chosen.extend(places[np.unique(middles.astype(int))])
    first = scoring.best(is_of)
    return np.array(sorted(chosen, key=lambda place: first[place]))
