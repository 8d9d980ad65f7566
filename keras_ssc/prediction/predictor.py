"""A trained model, wherever it is -> the scores of pairs of frames.

    predictor = predictor.load("runs/20260101-120000_double_stack")
    answer = predictor.predict_pair(frame, next_frame)
    verdict = predictor.predict_film("film.mp4")

A run, an export and a running TF Serving have one interface.
"""

import collections
import contextlib
import dataclasses
import functools
import itertools
import pathlib

import keras
import numpy as np
import tensorflow as tf

from keras_ssc import files
from keras_ssc import flow
from keras_ssc import models
from keras_ssc import tasks
from keras_ssc.data import frame_folder
from keras_ssc.data import pair_files
from keras_ssc.errors import VideoError
from keras_ssc.films import black_bars
from keras_ssc.films import film_reader
from keras_ssc.films import image_files
from keras_ssc.films import side_by_side
from keras_ssc.genres import choose
from keras_ssc.prediction import grad_cam
from keras_ssc.prediction import pair_inputs
from keras_ssc.prediction import verdict
from keras_ssc.serving import client as serving_client
from keras_ssc.serving import exported
from keras_ssc.serving import served_model
from keras_ssc.serving.client import Answer
from keras_ssc.training import film_head
from keras_ssc.training import run_familiarity
from keras_ssc.training import runs

# Pairs asked at once.
_BATCH = 16

# What is read of a film until it is asked about: there are shots among the
# pairs.
_NUM_ITEMS = 2 * _BATCH


def load(model, timeout=60.0):
    """Loads what answers.

    Args:
        model: Path of a run that was evaluated, of an export's version (or of
            the folder of versions: the newest one), or the URL of a running
            TF Serving, see `serving_client.Client`.
        timeout: Float, seconds that a server may keep silent.

    Returns:
        A `Predictor`.

    Raises:
        ValueError: If it is none of these.
    """
    text = str(model)
    if text.startswith(("http://", "https://", "grpc://")):
        client = serving_client.Client(text, timeout)
        task = functools.partial(_task_of_server, client)
        return Predictor(client.url, _ask_server(client), (270, 480), task)
    path = pathlib.Path(model)
    if (path / "config.json").exists():
        model, metrics = runs.load_model(path), _metrics_of_run(path)
        task = tasks.of_metrics(metrics, path)
        known = run_familiarity.find(path, metrics)
        over_films = runs.load_film_head(path)
        return of_model(model, task, text, known, over_films)
    version = exported.newest_version(path)
    if version is None:
        raise ValueError(
            "Expected a run's folder, an export's folder or a server's URL. "
            f"Received: {model}"
        )
    return Predictor(str(version), *_ask_export(version))


def of_model(
    model,
    task=tasks.REPORT,
    name="model",
    familiarity=None,
    over_films=None,
):
    """Makes a predictor of a Keras model that is at hand.

    Args:
        model: A `keras.Model` of `models.MODELS`.
        task: Its task, calibrated, see `tasks`.
        name: String, what it is called.
        familiarity: A `familiarity.Familiarity` of its training films and the
            embedded encoder, see `models.embedded_encoder`; None if it is not
            known.
        over_films: A head over a film's pairs, see `models.film_head`; None
            for the mean of the pairs' scores.

    Returns:
        A `Predictor`.
    """
    film_scores = None
    if over_films is not None:
        film_scores = functools.partial(film_head.scores, over_films, task)
    asked = _Model(model, task, familiarity, over_films is not None)
    return Predictor(
        *(name, asked.ask, None, lambda: task),
        *(asked.heat_maps, film_scores),
    )


class Predictor:
    """Answers for pairs and for films; `load` makes it.

    Args:
        name: String, what was loaded.
        ask: Function of two uint8 arrays (pairs, height, width, 3), RGB, that
            returns what `scores` does, and for `film_scores` the features of
            the pairs (pairs, n).
        image_size: Tuple of two integers, (height, width), that images are
            decoded to; None for their own.
        find_task: Function without arguments that returns the task, see
            `tasks`: of a server it is known when it answers.
        heat_maps: Function of two such arrays and a genre's place, see
            `grad_cam.GradCam`; None if what was loaded has none.
        film_scores: See `verdict.Collector`.
    """

    def __init__(
        self,
        name,
        ask,
        image_size,
        find_task,
        heat_maps=None,
        film_scores=None,
    ):
        self.name = name
        self._film_scores = film_scores
        self._ask = ask
        self._find_task = find_task
        self._heat_maps = heat_maps
        # As a graph, as it is served.
        self._decode_pairs = tf.function(
            lambda *images: served_model.decode_pairs(*images, image_size),
            input_signature=[tf.TensorSpec([None], tf.string)] * 2,
        )

    @functools.cached_property
    def task(self):
        """What the model is to say of a film, see `tasks`."""
        return self._find_task()

    def scores(self, frame, next_frame):
        """Computes the calibrated scores of pairs.

        Bars that both frames of a pair have are cropped, see `black_bars`.

        Args:
            frame: uint8 array (pairs, height, width, 3), RGB.
            next_frame: The same, the frames after them.

        Returns:
            A tuple: scores, float32 (pairs, genres), as `task.genres` is;
            motion magnitudes, float32 (pairs,), or None of a model that does
            not see motion; familiarity, float32 (pairs,), 0 to 1, see
            `familiarity.Familiarity`, or None of a model that does not know
            its training films.

        Raises:
            ValueError: If the frames are something else, or the model gives
                no numbers.
        """
        return self._answers(frame, next_frame)[:3]

    def _answers(self, frame, next_frame):
        """Returns what `scores` does, and the pairs' features or None."""
        frame, next_frame = np.asarray(frame), np.asarray(next_frame)
        for name, array in (("frame", frame), ("next_frame", next_frame)):
            is_frames = array.ndim == 4 and array.shape[-1] == 3
            if array.dtype != np.uint8 or not is_frames:
                raise ValueError(
                    f"Expected {name} as uint8 RGB of shape (pairs, height, "
                    f"width, 3). Received: {array.dtype} of {array.shape}"
                )
        if frame.shape != next_frame.shape:
            raise ValueError(
                "Expected frame and next_frame of one shape. Received: "
                f"{frame.shape} and {next_frame.shape}"
            )
        answers = [
            self._ask(*batch) for batch in _without_bars(frame, next_frame)
        ]
        if not answers:
            none = np.zeros((0, len(self.task.genres)), np.float32)
            return none, None, None, None
        answers = map(_joined, zip(*answers, strict=True))
        scores, magnitudes, familiarity, *features = answers
        if not np.isfinite(scores).all():
            raise ValueError(
                f"Expected scores that are numbers. {self.name} gives none: "
                "its weights are damaged, or its training diverged."
            )
        features = features[0] if features else None
        return scores, magnitudes, familiarity, features

    def predict_pair(self, frame, next_frame):
        """Classifies one pair.

        Args:
            frame: uint8 array (height, width, 3), RGB.
            next_frame: uint8 array of the same shape, the frame after it.

        Returns:
            A `serving_client.Answer`.
        """
        scores, *measured = self.scores(
            np.asarray(frame)[np.newaxis], np.asarray(next_frame)[np.newaxis]
        )
        named = self.task.named_genres(scores[0])
        magnitude, familiarity = (
            None if array is None else float(array[0]) for array in measured
        )
        return Answer(
            named[0] if named else None,
            dict(zip(self.task.genres, scores[0].tolist(), strict=True)),
            magnitude,
            named,
            self.task.thresholds,
            familiarity,
        )

    def heat_maps(self, frame, next_frame, genre):
        """Shows where in a pair the evidence for a genre is.

        As `scores`, it sees them without bars, see `black_bars.crop_pair`.

        Args:
            frame: uint8 array (height, width, 3), RGB.
            next_frame: uint8 array of the same shape, the frame after it.
            genre: String, one of `task.genres`.

        Returns:
            A dict from what the model looks at (`"frame"`, `"flow"`) to a
            float32 array of the model's height and width, 0..1, see
            `grad_cam.GradCam`. Empty of a model without convolutions, of an
            export and of a server: these give no gradients.
        """
        if self._heat_maps is None:
            return {}
        names = self.task.genres
        place = names.index(choose(genre, names))
        frame, next_frame = black_bars.crop_pair(frame, next_frame)
        maps = self._heat_maps(frame[np.newaxis], next_frame[np.newaxis], place)
        return {name: heat[0] for name, heat in maps.items()}

    def predict(self, encoded):
        """Classifies pairs of encoded images, as `serving_client.Client`.

        They are taken as people see them, see `serving_client.seen_pairs`.

        Args:
            encoded: List of pairs (frame_bytes, next_frame_bytes): each the
                bytes of a JPEG or a PNG.

        Returns:
            A list of `serving_client.Answer`, one a pair.

        Raises:
            serving_client.ImageError: If an image is refused.
        """
        seen = serving_client.seen_pairs(encoded)
        return [
            self.predict_pair(*self._decode(pair, place))
            for place, pair in enumerate(seen)
        ]

    def _decode(self, pair, place):
        """Decodes a pair's images, each alone: pairs are of any size."""
        error, *frames = self._decode_pairs(*(tf.constant([x]) for x in pair))
        if error := error[0].numpy().decode():
            raise serving_client.ImageError(error).at(place)
        return [frame[0].numpy() for frame in frames]

    def predict_film(
        self,
        path,
        plan=film_reader.DEFAULT_PLAN,
        min_confidence=verdict.MIN_CONFIDENCE,
        progress=None,
        pictures=False,
    ):
        """Classifies a film.

        Args:
            path: Path of a film file on this machine.
            plan: A `film_reader.Plan`, what is read of it.
            min_confidence: Float, the score below which the verdict is
                uncertain.
            progress: Function of a string and two integers, called while
                frames or pairs are read: what is read, how many of how many.
            pictures: Boolean, whether the verdict keeps a small frame of
                each shot, of the 200 longest ones at most, for a contact
                sheet, and the pair with the most evidence for its genre.

        Returns:
            A `verdict.FilmVerdict`.

        Raises:
            VideoError: If the film cannot be read, or none of its pairs can
                be used.
        """
        (found,) = self.predict_films(
            [path],
            plan,
            min_confidence,
            progress and (lambda _, *done: progress(*done)),
            pictures,
        )
        if isinstance(found, VideoError):
            raise found
        return found

    def predict_films(
        self,
        paths,
        plan=film_reader.DEFAULT_PLAN,
        min_confidence=verdict.MIN_CONFIDENCE,
        progress=None,
        pictures=False,
        workers=None,
    ):
        """Classifies films that are read side by side.

        Args:
            paths: List of paths of film files on this machine.
            plan: As of `predict_film`.
            min_confidence: The same.
            progress: The same; before the string it is given the film's place
                in the list.
            pictures: The same.
            workers: Integer, how many films are read at once; None for one a
                core, at most 8.

        Returns:
            A generator of one result a film, in order: its
            `verdict.FilmVerdict`, or the `VideoError` that it ended in. Close
            it to end the processes that read.

        Raises:
            ValueError: If `workers` is below 1.
        """
        workers = side_by_side.num_workers(workers, len(paths))
        reading = side_by_side.read_films(paths, plan, workers)
        return side_by_side.in_order(
            self._judge_films(
                *(reading, paths, min_confidence, progress, pictures)
            )
        )

    def _judge_films(self, reading, paths, min_confidence, progress, pictures):
        """Yields each film's place and result, as soon as it has ended."""
        # Each with a batch of its own: what it is asked with does not depend
        # on which others are read.
        films = collections.defaultdict(
            lambda: (
                [],
                verdict.Collector(self.task, pictures, self._film_scores),
            )
        )
        with contextlib.closing(reading):
            for place, value in reading:
                batch, collected = films[place]
                if isinstance(value, StopIteration):
                    self._answer(batch, collected)
                    try:
                        value = collected.verdict(paths[place], min_confidence)
                    except VideoError as error:
                        value = error
                if isinstance(value, (Exception, verdict.FilmVerdict)):
                    del films[place]
                    yield place, value
                elif not isinstance(value, tuple):
                    batch.append(value)
                    if len(batch) == _NUM_ITEMS:
                        self._answer(batch, collected)
                        batch.clear()
                elif progress is not None:
                    progress(place, *value)

    def predict_frames(self, root, min_confidence=verdict.MIN_CONFIDENCE):
        """Classifies the films of a folder of pairs, as `evaluate` does.

        Args:
            root: Path of a folder that extract wrote, or of the report's
                layout, see `pair_files.list_pairs`.
            min_confidence: See `predict_film`.

        Returns:
            A list of `verdict.FilmVerdict`, without shots: a film's scores
            are the mean of its pairs'.

        Raises:
            ValueError: If a frame cannot be decoded, or there is no pair.
        """
        by_film = collections.defaultdict(list)
        for pair in pair_files.list_pairs(root)[0]:
            by_film[pair_files.movie_name(pair.genre, pair.movie)].append(pair)
        if not by_film:
            raise ValueError(
                f"Expected a folder of frames. {root} has no pair."
            )
        records = frame_folder.read_records(root)
        names = {
            pair_files.movie_name(record["genre"], record["movie"]): record[
                "film"
            ]
            for record in records
        }
        # Without a record, all are at one time, as they are in training.
        seconds = {
            row["frame_file"]: row["seconds"]
            for record in records
            for row in record["pairs"]
        }
        verdicts = []
        for movie, stored in by_film.items():
            collected = verdict.Collector(
                self.task, film_scores=self._film_scores
            )
            reading = (
                film_reader.Pair(
                    seconds.get("/".join(pair.frame_path.parts[-2:]), 0.0),
                    "",
                    image_files.read_frame(pair.frame_path),
                    image_files.read_frame(pair.next_frame_path),
                )
                for pair in stored
            )
            whole = film_reader.Shot(0.0, 1.0)
            self._collect(itertools.chain(reading, [whole]), collected)
            verdicts.append(
                dataclasses.replace(
                    collected.verdict(names.get(movie, movie), min_confidence),
                    seconds=None,
                    shots=[],
                )
            )
        return verdicts

    def _collect(self, reading, collected):
        """Answers for pairs as they are read, a batch at a time."""
        reading = iter(reading)
        while batch := list(itertools.islice(reading, _NUM_ITEMS)):
            self._answer(batch, collected)

    def _answer(self, batch, collected):
        """Answers for a batch of what was read of one film."""
        pairs = [item for item in batch if _is_pair(item)]
        answers = iter(())
        if pairs:
            answers = self._answers(
                np.stack([pair.frame for pair in pairs]),
                np.stack([pair.next_frame for pair in pairs]),
            )
            unknown = [None] * len(pairs)
            answers = zip(
                *(unknown if each is None else each for each in answers),
                strict=True,
            )
        for item in batch:
            if isinstance(item, film_reader.Picture):
                collected.begin(item)
            elif isinstance(item, film_reader.Shot):
                collected.end_shot(item)
            elif item.reason:
                collected.drop(item)
            else:
                collected.add(item, *next(answers))


def _is_pair(item):
    return isinstance(item, film_reader.Pair) and not item.reason


def _without_bars(frame, next_frame):
    """Yields batches of pairs whose bars are cropped, of one size each."""
    pairs = map(black_bars.crop_pair, frame, next_frame)
    for _, alike in itertools.groupby(pairs, lambda pair: pair[0].shape):
        while batch := list(itertools.islice(alike, _BATCH)):
            yield map(np.stack, zip(*batch, strict=True))


def _joined(parts):
    """Joins the arrays of batches; None where there are none."""
    if any(part is None for part in parts):
        return None
    return np.concatenate(parts)


def _ask_server(client):
    def ask(frame, next_frame):
        answers = client.predict(
            [
                tuple(image_files.encode_frame(each) for each in pair)
                for pair in zip(frame, next_frame, strict=True)
            ]
        )
        measured = (
            [getattr(answer, name) for answer in answers]
            for name in ("motion_magnitude", "familiarity")
        )
        return (
            np.float32([list(answer.scores.values()) for answer in answers]),
            *(None if None in each else np.float32(each) for each in measured),
        )

    return ask


def _task_of_server(client):
    """Returns the task of a server, which a small grey pair makes known."""
    grey = image_files.encode_frame(np.full((32, 32, 3), 128, np.uint8))
    return tasks.of_answer(client.predict([(grey, grey)])[0])


def _ask_export(version):
    card = exported.read_card(version)
    if card["format"] != "savedmodel":
        raise ValueError(
            f"Expected an export as savedmodel. {version} is {card['format']}."
        )
    exported.check_sums(version)
    try:
        signature = tf.saved_model.load(str(version)).signatures["frames"]
    # As many kinds as a graph can be broken in ways.
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        made_with = str(card.get("tensorflow", tf.__version__))[:40]
        advice = "Export the model again."
        if made_with != tf.__version__:
            advice = (
                f"TensorFlow {made_with} wrote it, and this is "
                f"{tf.__version__}: install that one, or export the run here."
            )
        raise ValueError(
            "Expected a SavedModel of keras_ssc.export that TensorFlow can "
            f"load. {version} is none: {reason}. {advice}"
        ) from error

    def ask(frame, next_frame):
        answer = signature(
            frame=tf.constant(frame), next_frame=tf.constant(next_frame)
        )
        names = ("scores", "motion_magnitude", "familiarity")
        return tuple(
            answer[name].numpy() if name in answer else None for name in names
        )

    try:
        task = tasks.of_card(card)
    except ValueError as error:
        raise ValueError(
            f"Expected an export of keras_ssc.export. {version} says of its "
            f"genres: {error}. Export the model again."
        ) from error
    return ask, None, lambda: task


class _Model:
    """A Keras model, asked as evaluate does, with OpenCV's flow."""

    def __init__(self, model, task, familiarity, has_features):
        self._model = model
        self._task = task
        self._familiarity = familiarity
        self._grad_cam = None
        self._sees_flow = (
            "flow" in model.input or served_model.flow_layer(model) is not None
        )
        image_size = tuple(model.input["frame"].shape[1:3])
        self._inputs = pair_inputs.PairInputs(image_size, self._sees_flow)
        outputs = {"logits": model.output}
        if familiarity is not None and run_familiarity.has_encoder(model):
            # One pass for both.
            layer = model.get_layer(models.EMBEDDED_FEATURES)
            outputs["embedded"] = layer.output
        if has_features:
            outputs["features"] = model.get_layer("logits").input
        self._network = keras.Model(model.input, outputs)

    def ask(self, frame, next_frame):
        inputs = self._inputs(frame, next_frame)
        answer = self._network.predict_on_batch(
            {name: inputs[name] for name in self._model.input}
        )
        scores = self._task.scores(np.asarray(answer["logits"]))
        magnitudes = familiarity = None
        if self._sees_flow:
            magnitudes = flow.motion_magnitude(inputs["flow"])
        if self._familiarity is not None:
            if "embedded" not in answer:
                answer["embedded"] = run_familiarity.encode(frame)
            familiarity = self._familiarity.judge(
                np.asarray(answer["embedded"])
            )
        if "features" not in answer:
            return scores, magnitudes, familiarity
        # As precise as the features that the head was trained on.
        features = np.float16(answer["features"])
        return scores, magnitudes, familiarity, features

    def heat_maps(self, frame, next_frame, genre):
        if self._grad_cam is None:
            self._grad_cam = grad_cam.GradCam(self._model)
        inputs = self._inputs(frame, next_frame)
        return self._grad_cam(
            {name: inputs[name] for name in self._model.input}, genre
        )


def _metrics_of_run(run_dir):
    """Returns what `metrics.json` has, which may be malformed, or None."""
    try:
        return files.read_json(run_dir / "metrics.json")
    except (OSError, ValueError):
        return None
