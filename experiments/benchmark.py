"""Measures this project against the report's way, side by side.

    python -m experiments.benchmark --out results/benchmark

Every figure is a ratio of two ways of doing the same work, timed in turn in
one run, so that a machine that slows down slows both. The report's way is
written anew from its description; it is a baseline and used nowhere else.
"""

import argparse
import concurrent.futures
import contextlib
import dataclasses
import functools
import importlib.util
import math
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

import av
import cv2
import keras
import numpy as np
import tensorflow as tf
import tqdm

from experiments import readme
from keras_ssc import batching
from keras_ssc import cleaning
from keras_ssc import command
from keras_ssc import datasets
from keras_ssc import export_formats
from keras_ssc import film_list
from keras_ssc import film_reader
from keras_ssc import flow
from keras_ssc import frame_folder
from keras_ssc import frame_index
from keras_ssc import image_files
from keras_ssc import loop
from keras_ssc import models
from keras_ssc import predictor
from keras_ssc import resizing
from keras_ssc import sampling
from keras_ssc import served_model
from keras_ssc import tables
from keras_ssc import train_config
from keras_ssc.errors import OutsideError
from keras_ssc.train_config import TrainConfig


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Two ways of the same work, timed in turn.

    Attributes:
        name: String, what is compared.
        unit: String, what a figure counts.
        ours: List of floats, one a run.
        theirs: List of floats, one a run.
        goal: String, what the ratio should be, or what ours should.
        larger_is_better: Boolean, whether the figures are rates; they are
            seconds otherwise.
    """

    name: str
    unit: str
    ours: list
    theirs: list
    goal: str
    larger_is_better: bool

    def ratios(self):
        """Returns how many times as fast ours was, run by run."""
        pairs = zip(self.ours, self.theirs, strict=True)
        if self.larger_is_better:
            return [ours / theirs for ours, theirs in pairs]
        return [theirs / ours for ours, theirs in pairs]

    def row(self):
        """Returns the comparison as a table's row of strings."""
        ratios = self.ratios()
        return [
            self.name,
            self.unit,
            f"{statistics.median(self.ours):.3g}",
            f"{statistics.median(self.theirs):.3g}",
            f"{statistics.median(ratios):.2f}",
            f"{min(ratios):.2f} to {max(ratios):.2f}",
            self.goal,
        ]


HEADER = [
    "what",
    "unit",
    "ours",
    "baseline",
    "times as fast",
    "from to",
    "goal",
]


def in_turn(runs, ours, theirs):
    """Calls both ways in turn; returns two lists of what they return."""
    measured = ([], [])
    for _ in range(runs):
        measured[0].append(ours())
        measured[1].append(theirs())
    return measured


def seconds_of(function):
    """Returns how long a call takes, in seconds."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def draw_long_film(path, num_frames, size=(1280, 720)):
    """Draws a film as cameras and stores make them: H.264, B-frames.

    A noisy camera moves over a large picture, so that packets have the size
    that those of films have.
    """
    width, height = size
    generator = np.random.default_rng(0)
    noise = generator.uniform(0, 255, (height * 2, width * 2, 3))
    picture = cv2.GaussianBlur(noise.astype(np.float32), (0, 0), 4)
    picture = np.clip((picture - 128) * 6 + 128, 0, 255).astype(np.uint8)
    temporary = path.with_suffix(".unfinished.mp4")
    with av.open(str(temporary), "w") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"preset": "medium", "g": "250", "bf": "3"}
        for number in tqdm.trange(num_frames, desc="draw the film"):
            angle = number / 120
            x = round(width / 2 * (1 + math.sin(angle)))
            y = round(height / 2 * (1 + math.cos(0.7 * angle)))
            frame = picture[y : y + height, x : x + width]
            packet = av.VideoFrame.from_ndarray(
                np.ascontiguousarray(frame), format="rgb24"
            )
            container.mux(stream.encode(packet))
        container.mux(stream.encode())
    os.replace(temporary, path)


def compare_extraction(folder, runs, num_frames=5000, num_pairs=300):
    """Compares extract with a seek for every single frame."""
    path = folder / f"film_{num_frames}.mp4"
    if not path.exists():
        draw_long_film(path, num_frames)
    scene = film_list.Scene(path, 0.0, math.inf, 2)
    film = film_list.Film("film", "action", "train", (scene,))
    config = cleaning.ExtractConfig(num_pairs=num_pairs)
    drawn = {}

    def ours():
        with tempfile.TemporaryDirectory() as out:
            out = pathlib.Path(out)
            frame_folder.open_folder(out, {})
            start = time.perf_counter()
            extraction = sampling.extract_pairs(film, config)
            place = frame_folder.Place(1, ())
            frame_folder.store(film, place, extraction, out)
            seconds = time.perf_counter() - start
        drawn["pairs"] = extraction.kept
        return seconds

    def theirs():
        with tempfile.TemporaryDirectory() as out:
            return seconds_of(
                lambda: extract_as_the_report(path, drawn["pairs"], out)
            )

    measured = in_turn(runs, ours, theirs)
    return Comparison(
        f"extraction, {num_pairs} pairs of a {num_frames:,}-frame "
        "1280x720 H.264 film, against a seek for every frame",
        "seconds",
        *measured,
        "8 or more",
        larger_is_better=False,
    )


def extract_as_the_report(path, outcomes, out):
    """Extracts the same pairs with a seek for every single frame."""
    capture = cv2.VideoCapture(str(path))
    for outcome in outcomes:
        candidate = outcome.candidate
        stored = (outcome.frame_png, outcome.next_frame_png)
        numbers = (candidate.frame_number, candidate.next_frame_number)
        for number, png in zip(numbers, stored, strict=True):
            capture.set(cv2.CAP_PROP_POS_FRAMES, number)
            _, frame = capture.read()
            frame = cv2.resize(frame, (480, 270), interpolation=cv2.INTER_AREA)
            cv2.imwrite(f"{out}/{number:05d}.png", frame)
            expected = image_files.decode_frame(png)[..., ::-1]
            difference = np.abs(frame.astype(int) - expected).mean()
            if difference > 3:  # two converters from YUV differ by about 1
                raise RuntimeError(f"Not the same frame: {number}")


def _store_frames(prepared_source, folder, num_pairs):
    """Writes stored pairs as PNG files, as the report's loader reads them."""
    paths = []
    for place, example in enumerate(prepared_source.take(num_pairs)):
        for step, name in enumerate(("frame", "next_frame")):
            data = image_files.encode_frame(example[name].numpy())
            path = folder / f"{2 * place + step:05d}.png"
            path.write_bytes(data)
            paths.append(str(path))
    return list(zip(paths[::2], paths[1::2], strict=True))


def load_as_the_report(paths, size):
    """Reads a pair as the report's loader does."""
    frames = [
        cv2.resize(cv2.imread(path), (size, size)).astype(np.float32) / 255
        for path in paths
    ]
    return np.concatenate(frames, axis=2)


def compare_loading(builder, folder, runs, size=299, batch_size=16):
    """Compares the input pipeline with reading two PNGs for every pair."""
    num_pairs = min(builder.info.splits["train"].num_examples, 480)
    split = f"train[:{num_pairs}]"
    paths = _store_frames(builder.as_dataset(split=split), folder, num_pairs)
    prepared = datasets.prepare(
        builder, "train", (size, size), datasets.FEATURES, True
    )
    num_batches = num_pairs // batch_size

    def ours():
        # A new iterator, and many epochs: what was fetched in advance while
        # the other way ran must not count.
        dataset = batching.training_batches(prepared, batch_size, 0)
        batches = iter(dataset.take(10 * num_batches))
        seconds = seconds_of(lambda: [None for _ in batches])
        return 10 * num_batches * batch_size / seconds

    def theirs():
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:

            def load(chunk):
                return np.stack(
                    list(pool.map(lambda p: load_as_the_report(p, size), chunk))
                )

            chunks = [
                paths[start : start + batch_size]
                for start in range(0, num_batches * batch_size, batch_size)
            ]
            seconds = seconds_of(lambda: [load(chunk) for chunk in chunks])
        return num_batches * batch_size / seconds

    return Comparison(
        f"input pipeline at {size} pixels, frames and flow, against the "
        "report's loader, frames alone",
        "pairs a second",
        *in_turn(runs, ours, theirs),
        "3 or more",
        larger_is_better=True,
    )


# How long each way of a step is timed. fit takes some hundredths of a second
# to begin, which must not count.
_STEP_SECONDS = 2.0


def compare_step(builder, name, runs, seconds=_STEP_SECONDS):
    """Compares a model's step in training with the bare network's.

    Ours is the step of `train`: its compile, its input pipeline, and the
    callbacks that watch every step, TensorBoard's among them. The other way
    is `fit` of the same network on one batch in memory, with nothing else.

    Args:
        builder: A `tfds.core.DatasetBuilder`, see `open_dataset`.
        name: String, a key of `models.MODELS`; it has the sample's settings.
        runs: Integer, how often each way is timed.
        seconds: Float, how long about.

    Returns:
        A `Comparison`.
    """
    # The last model's graph and weights would stay with this one's.
    keras.backend.clear_session()
    settings = models.MODELS[name].sample
    config = train_config.fill_in(TrainConfig(model=name, **settings))
    model, bare = _two_networks(config)
    prepared = datasets.prepare(
        builder, "train", config.image_size, model.input, True
    )
    batches = batching.training_batches(prepared, config.batch_size, 0)
    in_memory = tf.data.Dataset.from_tensors(next(iter(batches))).repeat()
    num_steps = _num_steps_for(seconds, bare, in_memory)

    def ours():
        with tempfile.TemporaryDirectory() as folder:
            return seconds_a_step(
                model,
                loop.one_hot(batches),
                num_steps,
                loop.watching_callbacks(pathlib.Path(folder)),
            )

    ours()  # traced once, before anything counts
    height, width = config.image_size
    return Comparison(
        f"{name}'s training step at {width}x{height} pixels, batch "
        f"{config.batch_size}, against the bare network's on a batch in memory",
        "seconds a step",
        *in_turn(
            runs, ours, lambda: seconds_a_step(bare, in_memory, num_steps)
        ),
        "0.91 or more",
        larger_is_better=False,
    )


def _two_networks(config):
    """Builds a model as `train` compiles it, and its bare twin."""
    model, bare = (
        models.build_model(
            config.model, config.image_size, **config.model_options()
        )
        for _ in range(2)
    )
    loop.compile_model(model, config, config.learning_rate, 100, 100)
    bare.compile(
        config.optimizer,
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=config.jit_compile,
    )
    return model, bare


def _num_steps_for(seconds, model, dataset):
    """Returns how many steps take so long; the model is traced after it."""
    seconds_a_step(model, dataset, 1)
    return max(4, math.ceil(seconds / seconds_a_step(model, dataset, 4)))


# Keras' other backends: what stands in KERAS_BACKEND is the package's name.
_BACKENDS = ("jax", "torch")


def compare_backends(runs, name="inception_v3"):
    """Compares a network's step in Keras on TensorFlow with other backends.

    Args:
        runs: Integer, how often each is timed.
        name: String, a key of `models.MODELS`; it has the sample's settings.

    Yields:
        A `Comparison` for each backend that is installed.
    """
    settings = models.MODELS[name].sample
    config = train_config.fill_in(TrainConfig(model=name, **settings))
    size = (*config.image_size, config.batch_size)
    for backend in _BACKENDS:
        if importlib.util.find_spec(backend) is None:
            continue
        with (
            stepper("tensorflow", name, *size) as ours,
            stepper(backend, name, *size) as theirs,
        ):
            measured = in_turn(runs, ours, theirs)
        yield Comparison(
            f"{name}'s step in Keras at {size[1]}x{size[0]} pixels, batch "
            f"{size[2]}, on TensorFlow, against Keras on {backend}",
            "seconds a step",
            *measured,
            "-",
            larger_is_better=False,
        )


@contextlib.contextmanager
def stepper(backend, *arguments):
    """Gives a function that times a step in a process of its own.

    Args:
        backend: String, Keras' backend.
        *arguments: Those of `experiments.backend_step`.

    Raises:
        OutsideError: From the function, if the process has ended.
    """
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "experiments.backend_step",
            *map(str, arguments),
        ],
        env=os.environ | {"KERAS_BACKEND": backend},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def step():
        # Of a process that has ended, nothing is read either.
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write("\n")
            process.stdin.flush()
        said = process.stdout.readline()
        if not said:
            raise OutsideError(
                f"The step on {backend} ended with exit code {process.wait()}."
            )
        return float(said)

    try:
        yield step
    finally:
        process.kill()
        process.wait()
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()  # with what it never took
        process.stdout.close()


def seconds_a_step(model, dataset, num_steps, callbacks=()):
    """Trains a compiled model some steps; returns the seconds of one."""
    fit = lambda: model.fit(  # noqa: E731
        dataset,
        steps_per_epoch=num_steps,
        shuffle=False,
        callbacks=list(callbacks),
        verbose=0,
    )
    return seconds_of(fit) / num_steps


@contextlib.contextmanager
def _served(model):
    """Gives the signatures of a model as it is served, saved and loaded."""
    served = served_model.ServedModel(model)
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(served, folder, signatures=served.signatures())
        # Kept: its signatures do not hold its variables.
        loaded = tf.saved_model.load(folder)
        yield loaded.signatures


def compare_openvino(name, runs, batch_sizes=(1, 8), image_size=None):
    """Compares OpenVINO with the SavedModel, each asked with frames.

    OpenVINO computes the network in bfloat16 where the processor has it. The
    weights are random.

    Args:
        name: String, a key of `models.MODELS`.
        runs: Integer, how often each way is timed.
        batch_sizes: Iterable of integers, pairs of a request.
        image_size: Tuple of two integers, (height, width); the report's if
            None.

    Yields:
        A `Comparison` for each batch size; none where OpenVINO is missing.
    """
    if importlib.util.find_spec("openvino") is None:
        return
    keras.backend.clear_session()
    size = image_size or models.MODELS[name].report["image_size"]
    model = models.build_model(name, size)
    with _served(model) as signatures, tempfile.TemporaryDirectory() as folder:
        precision, ours = export_formats.fastest_openvino(model, folder)
        for batch_size in batch_sizes:
            pairs = dict(
                zip(
                    ("frame", "next_frame"),
                    drawn_pairs(batch_size, size),
                    strict=True,
                )
            )
            tensors = {key: tf.constant(x) for key, x in pairs.items()}
            ways = (
                functools.partial(ours, pairs),
                functools.partial(signatures["frames"], **tensors),
            )
            for way in ways:
                way()  # traced or compiled, before anything counts
            yield Comparison(
                f"{name} at {size[1]}x{size[0]}, batch {batch_size}, frames "
                f"to scores: OpenVINO in {precision}, against the SavedModel "
                "in float32",
                "seconds",
                *in_turn(
                    runs,
                    *(functools.partial(seconds_of, way) for way in ways),
                ),
                "1.7 or more" if precision == "bfloat16" else "-",
                larger_is_better=False,
            )


# Kind of device, pairs in a batch, and the pairs a second to be reached.
_FLOW_DEVICES = (("CPU", 8, "10"), ("GPU", 32, "1,000"))


def compare_flow(runs, seconds=_STEP_SECONDS, size=(299, 299)):
    """Compares `OpticalFlow` in a graph with OpenCV on one thread.

    Args:
        runs: Integer, how often each way is timed.
        seconds: Float, how long about.
        size: Tuple of two integers, (height, width).

    Yields:
        A `Comparison` for each kind of device that is here, plain and with
        XLA.
    """
    for device, batch_size, goal in _FLOW_DEVICES:
        if not tf.config.list_logical_devices(device):
            continue
        frames = drawn_pairs(batch_size, size)
        theirs = functools.partial(opencv_flow, frames)
        for way, is_compiled in (("a plain graph", False), ("XLA", True)):
            ours = _graph_flow(frames, device, is_compiled)
            yield Comparison(
                f"OpticalFlow at {size[1]}x{size[0]} pixels, {way} on a "
                f"{device}, batch {batch_size}, against OpenCV on one thread",
                "pairs a second",
                *in_turn(
                    runs,
                    rate_of(ours, batch_size, seconds),
                    rate_of(theirs, batch_size, seconds),
                ),
                f"ours {goal} or more",
                larger_is_better=True,
            )


def drawn_pairs(num_pairs, size):
    """Draws pairs of noise that moves by three pixels.

    Args:
        num_pairs: Integer.
        size: Tuple of two integers, (height, width).

    Returns:
        A list of two arrays, frames and next frames, uint8 (pairs, height,
        width, 3), RGB.
    """
    generator = np.random.default_rng(0)
    height, width = size
    pictures = np.empty((num_pairs, height, width + 3, 3), np.uint8)
    for picture in pictures:
        noise = generator.uniform(0, 255, picture.shape).astype(np.float32)
        smooth = cv2.GaussianBlur(noise, (0, 0), 3)
        picture[:] = cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX)
    return [
        np.ascontiguousarray(part)
        for part in (pictures[:, :, 3:], pictures[:, :, :-3])
    ]


def _graph_flow(frames, device, is_compiled):
    """Returns a function that computes a batch's flow on a kind of device."""
    layer = flow.OpticalFlow()
    graph = tf.function(
        lambda *frames: layer(list(frames)), jit_compile=is_compiled
    )
    with tf.device(f"{device}:0"):
        tensors = [tf.constant(part) for part in frames]

    def compute():
        with tf.device(f"{device}:0"):
            graph(*tensors)
        tf.test.experimental.sync_devices()

    return compute


def opencv_flow(frames):
    """Computes the flow of pairs with OpenCV, on one thread.

    Args:
        frames: Sequence of two uint8 arrays (pairs, height, width, 3), RGB.
    """
    num_threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        for pair in zip(*frames, strict=True):
            flow.farneback_flow(*pair)
    finally:
        cv2.setNumThreads(num_threads)


def rate_of(function, num_pairs, seconds):
    """Returns a function that times some calls, in pairs a second.

    Args:
        function: Function without arguments.
        num_pairs: Integer, of a call.
        seconds: Float, how long about.
    """
    function()  # traced and compiled, before anything counts
    num_calls = math.ceil(seconds / seconds_of(function))

    def calls():
        for _ in range(num_calls):
            function()

    return lambda: num_calls * num_pairs / seconds_of(calls)


def compare_serving(name, runs, batch_sizes=(1, 8), image_size=None):
    """Compares a served model with the sum of its parts, each alone.

    The parts: decoding and resizing PNGs of the stored size, the flow layer
    if the model sees flow, and the bare network. The weights are random.

    Args:
        name: String, a key of `models.MODELS`.
        runs: Integer, how often each way is timed.
        batch_sizes: Iterable of integers, pairs of a request.
        image_size: Tuple of two integers, (height, width); the report's if
            None.

    Yields:
        A `Comparison` for each batch size.
    """
    keras.backend.clear_session()
    settings = models.MODELS[name].report
    size = image_size or settings["image_size"]
    options = {
        key: settings[key] for key in ("dense_units",) if key in settings
    }
    model = models.build_model(name, size, **options)
    with _served(model) as signatures:
        for batch_size in batch_sizes:
            frames = drawn_pairs(batch_size, (270, 480))
            encoded = [
                tf.constant([image_files.encode_frame(x) for x in part])
                for part in frames
            ]
            parts = _parts_of(model, size, encoded)
            whole = functools.partial(
                signatures["serving_default"],
                frame_bytes=encoded[0],
                next_frame_bytes=encoded[1],
            )
            for function in (whole, *parts.values()):
                function()  # traced, before anything counts
            yield Comparison(
                f"{name} at {size[1]}x{size[0]}, serving_default, batch "
                f"{batch_size}, against the sum of {', '.join(parts)} alone",
                "seconds",
                *in_turn(
                    runs,
                    lambda: seconds_of(whole),  # noqa: B023
                    lambda: sum(map(seconds_of, parts.values())),  # noqa: B023
                ),
                "0.8 or more",
                larger_is_better=False,
            )


def _parts_of(model, size, encoded):
    """Returns functions of the parts of serving, by their names."""

    @tf.function
    def decode(images):
        return tf.map_fn(
            lambda image: resizing.resize(
                tf.io.decode_png(image, channels=3), size
            ),
            images,
            fn_output_signature=tf.TensorSpec((*size, 3), tf.uint8),
        )

    decoded = dict(
        zip(("frame", "next_frame"), map(decode, encoded), strict=True)
    )
    parts = {"decoding": lambda: [decode(images) for images in encoded]}
    if "flow" in model.input:
        layer = flow.OpticalFlow()
        graph = tf.function(lambda *pair: layer(list(pair)))
        pair = (decoded["frame"], decoded["next_frame"])
        decoded["flow"] = graph(*pair)
        parts["flow"] = lambda: graph(*pair)
    network = tf.function(lambda inputs: model(inputs, training=False))
    inputs = {key: decoded[key] for key in model.input}
    parts["network"] = lambda: network(inputs)
    return parts


def compare_verdict(
    folder, runs, num_frames=5000, num_pairs=300, image_size=(128, 128)
):
    """Compares a film's verdict with the report's way of it.

    Double stack with random weights. The report's way seeks for every frame
    and computes flow and network pair by pair, of the same pairs.

    Args:
        folder: `pathlib.Path` of a folder for the film.
        runs: Integer, how often each way is timed.
        num_frames: Integer, the film's length.
        num_pairs: Integer, the pairs that are judged.
        image_size: Tuple of two integers, (height, width).

    Yields:
        A `Comparison` without the search for shots, and one with it.
    """
    keras.backend.clear_session()
    path = folder / f"film_{num_frames}.mp4"
    if not path.exists():
        draw_long_film(path, num_frames)
    model = models.build_model("double_stack", image_size)
    asked = predictor.of_model(model)
    for is_quick in (True, False):
        plan = film_reader.Plan(num_pairs, quick=is_quick)
        numbers = _frame_numbers(path, plan)

        def ours():
            return seconds_of(lambda: asked.predict_film(path, plan))  # noqa: B023

        def theirs():
            return seconds_of(
                lambda: judge_as_the_report(path, numbers, model)  # noqa: B023
            )

        # Traced before anything counts, and the same film for both.
        verdict = asked.predict_film(path, plan)
        scores = judge_as_the_report(path, numbers, model)
        difference = np.abs(scores - list(verdict.scores.values())).max()
        if difference > 0.02:  # each shot counts by its length in ours
            raise RuntimeError(f"Not the same verdict: {difference}")
        yield Comparison(
            f"verdict of a {num_frames:,}-frame 1280x720 H.264 film by "
            f"{len(numbers)} pairs, double_stack at {image_size[1]} pixels, "
            f"{'--quick' if is_quick else 'with every shot found'}, against a "
            "seek for every frame, flow and network pair by pair",
            "seconds",
            *in_turn(runs, ours, theirs),
            "5 or more" if is_quick else "-",
            larger_is_better=False,
        )


def _frame_numbers(path, plan):
    """Returns the first frame's number of each pair that ours judges."""
    index = frame_index.index_frames(path)
    seconds = [
        item.seconds
        for item in film_reader.read_film(path, plan)
        if isinstance(item, film_reader.Pair) and not item.reason
    ]
    return np.searchsorted(index.seconds, np.array(seconds) - 1e-6).tolist()


def judge_as_the_report(path, numbers, model):
    """Judges a film with a seek for each frame, pair by pair.

    Args:
        path: Path of the film.
        numbers: List of integers, the first frame of each pair.
        model: A `keras.Model` that takes `frame` and `flow`.

    Returns:
        float array (genres,), the mean of the pairs' scores.
    """
    capture = cv2.VideoCapture(str(path))
    height, width = model.input["frame"].shape[1:3]
    scores = []
    for first in numbers:
        pair = []
        for number in (first, first + 1):
            capture.set(cv2.CAP_PROP_POS_FRAMES, number)
            _, frame = capture.read()
            frame = cv2.resize(
                cv2.cvtColor(frame, cv2.COLOR_BGR2RGB),
                (width, height),
                interpolation=cv2.INTER_AREA,
            )
            pair.append(frame)
        motion = flow.farneback_flow(*pair)
        given = {"frame": pair[0][np.newaxis], "flow": motion[np.newaxis]}
        logits = model.predict(given, verbose=0)
        scores.append(keras.ops.convert_to_numpy(keras.ops.softmax(logits))[0])
    return np.mean(scores, axis=0)


def machine():
    """Describes the machine in a line."""
    versions = {
        "Python": platform.python_version(),
        "TensorFlow": tf.__version__,
        "OpenCV": cv2.__version__,
        "PyAV": av.__version__,
    }
    if keras.backend.backend() == "jax":
        import jax  # only the JAX backend needs it

        gpus = [d.device_kind for d in jax.devices() if d.platform != "cpu"]
        versions = {"Keras on JAX": jax.__version__} | versions
    else:
        gpus = [
            tf.config.experimental.get_device_details(gpu).get(
                "device_name", "GPU"
            )
            for gpu in tf.config.get_visible_devices("GPU")
        ]
    return ", ".join(
        [
            f"{os.cpu_count()} cores",
            platform.machine(),
            *gpus,
            *(f"{name} {version}" for name, version in versions.items()),
        ]
    )


PARTS = (
    "extraction",
    "loading",
    "step",
    "backends",
    "flow",
    "serving",
    "openvino",
    "verdict",
)


def benchmark(parts, names, dataset, data_dir, work_dir, runs):
    """Runs the named parts.

    Args:
        parts: Iterable of names in `PARTS`.
        names: Iterable of keys of `models.MODELS`, which are timed.
        dataset: String, a built data set, such as `scene_genre/sample`.
        data_dir: Where data sets are; TFDS's default if None.
        work_dir: `pathlib.Path` of a folder for films and frames.
        runs: Integer, how often each way is timed.

    Yields:
        A `Comparison` after the other.
    """
    work_dir.mkdir(parents=True, exist_ok=True)
    if "extraction" in parts:
        yield compare_extraction(work_dir, runs)
    if {"loading", "step"} & set(parts):
        builder = datasets.open_dataset(dataset, data_dir)
    if "loading" in parts:
        yield compare_loading(builder, work_dir, runs)
    if "step" in parts:
        for name in names:
            yield compare_step(builder, name, runs)
    if "backends" in parts:
        yield from compare_backends(runs)
    if "flow" in parts:
        yield from compare_flow(runs)
    if "serving" in parts:
        for name in names:
            yield from compare_serving(name, runs)
    if "openvino" in parts:
        for name in names:
            yield from compare_openvino(name, runs)
    if "verdict" in parts:
        yield from compare_verdict(work_dir, runs)


def write(comparisons, out):
    """Writes `benchmark.md` and `benchmark.json`.

    What stands in `benchmark.json` and was not measured anew stays in the
    table, if it is of the same machine.

    Args:
        comparisons: Iterable of `Comparison`.
        out: `pathlib.Path` of the folder.

    Returns:
        Dict of what stands in `benchmark.json`: `machine` and `comparisons`,
        dicts of `Comparison`s.
    """
    old = _written(out / "benchmark.json")
    rows = {c.name: c for c in [*old, *comparisons]}.values()
    results = {
        "machine": machine(),
        "comparisons": [dataclasses.asdict(row) for row in rows],
    }
    readme.write("benchmark", results, text_of(results), out)
    return results


def text_of(results):
    """Writes what `write` returns as Markdown."""
    rows = [Comparison(**row) for row in results["comparisons"]]
    runs = sorted({len(row.ours) for row in rows})
    table = tables.markdown_table(HEADER, [row.row() for row in rows])
    return (
        f"{results['machine']}; the median of "
        f"{' or '.join(map(str, runs))} runs in turn.\n\n{table}"
    )


def _written(path):
    """Returns the comparisons of this machine that a file holds."""
    written = readme.earlier(path, machine=machine())
    return [Comparison(**row) for row in written.get("comparisons", [])]


def main():
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m experiments.benchmark")
    add = parser.add_argument
    add("--parts", nargs="+", choices=PARTS, default=PARTS)
    add("--models", nargs="+", choices=models.MODELS, default=models.MODELS)
    add("--dataset", default="scene_genre/sample")
    add("--data-dir", metavar="DIR")
    add("--out", default="results/benchmark", metavar="DIR")
    add("--work-dir", default="results/work", metavar="DIR")
    add("--runs", type=int, default=5, metavar="N")
    add("--readme", action="store_true", help="put the table into the README")
    arguments = parser.parse_args()
    if arguments.runs < 1:
        raise ValueError(f"Expected --runs above 0. Received: {arguments.runs}")
    out = pathlib.Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    comparisons = []
    for comparison in benchmark(
        arguments.parts,
        arguments.models,
        arguments.dataset,
        arguments.data_dir,
        pathlib.Path(arguments.work_dir),
        arguments.runs,
    ):
        comparisons.append(comparison)
        results = write(comparisons, out)
    text = text_of(results)
    print(text)
    print(f"written: {out}/benchmark.md, {out}/benchmark.json")
    if arguments.readme:
        readme.put_results("benchmark", results, text)


if __name__ == "__main__":
    command.run(main)
