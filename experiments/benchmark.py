"""Measures this project's speed beside the report's way of the same work.

    python -m experiments.benchmark --out results/benchmark
    KERAS_BACKEND=jax python -m experiments.benchmark --parts flow steps \
        --settings report --models double_stack inception_v3

Every figure is a ratio of two ways of the same work, timed in turn in one run,
so that a machine that slows down slows both. The report's way is written anew
from its description; it is a baseline and used nowhere else. `flow` and `steps`
run on the backend and the device that Keras uses, such as a GPU.
"""

import argparse
import concurrent.futures
import csv
import functools
import importlib.util
import itertools
import math
import os
import pathlib
import random
import shutil
import statistics
import tempfile
import time
import typing

import av
import cv2
import keras
import numpy as np
import tensorflow as tf
import tqdm

from experiments import flow_parity
from experiments.measured import as_json
from experiments.measured import gpus
from experiments.measured import machine
from experiments.measured import processor_seconds
from experiments.shots import detectors
from keras_ssc import checks
from keras_ssc import command
from keras_ssc import files
from keras_ssc import flow
from keras_ssc import models
from keras_ssc import tasks
from keras_ssc.data import batching
from keras_ssc.data import datasets
from keras_ssc.data import frame_folder
from keras_ssc.data import resizing
from keras_ssc.data import sampling
from keras_ssc.films import cleaning
from keras_ssc.films import film_list
from keras_ssc.films import film_reader
from keras_ssc.films import frame_index
from keras_ssc.films import image_files
from keras_ssc.films import shot_detection
from keras_ssc.metrics import tables
from keras_ssc.prediction import predictor
from keras_ssc.serving import export_formats
from keras_ssc.serving import served_model
from keras_ssc.training import evaluation
from keras_ssc.training import loop
from keras_ssc.training import settings
from keras_ssc.training import train_config

# Of the film list: an archive's, with genres of its own.
NUM_LISTED_FILMS, NUM_LISTED_GENRES = 10_000, 200

_RATE = "pairs a second"  # every other unit is of seconds


class Comparison(typing.NamedTuple):
    """Two ways of the same work.

    Attributes:
        name: String, what is compared.
        unit: String, of what both return.
        goal: String, what the ratio should be, or what ours should.
        ours: Function without arguments, which works and returns a figure.
        theirs: The same, the other way.
    """

    name: str
    unit: str
    goal: str
    ours: typing.Callable
    theirs: typing.Callable


def measure(comparison, runs):
    """Calls both ways in turn.

    Args:
        comparison: A `Comparison`.
        runs: Integer, how often.

    Returns:
        Dict with its fields; of both ways, a list of figures, one a run.
    """
    figures = [(comparison.ours(), comparison.theirs()) for _ in range(runs)]
    ours, theirs = map(list, zip(*figures, strict=True))
    return {**comparison._asdict(), "ours": ours, "theirs": theirs}


def ratios(row):
    """Returns how many times as fast ours was, run by run."""
    pairs = zip(row["ours"], row["theirs"], strict=True)
    if row["unit"] == _RATE:
        return [ours / theirs for ours, theirs in pairs]
    return [theirs / ours for ours, theirs in pairs]


def seconds_of(function, *arguments):
    """Returns how long a call takes, in seconds."""
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def timed(function):
    """Returns a function that times a call; it is traced now, if ever."""
    function()
    return functools.partial(seconds_of, function)


def draw_film(folder, num_frames, size=(1280, 720)):
    """Draws a film as cameras and stores make them: H.264, B-frames.

    A camera moves over a large picture of noise, so that packets have the size
    that those of films have.

    Args:
        folder: `pathlib.Path`; a film that is there is not drawn again.
        num_frames: Integer.
        size: Tuple of two integers, (width, height).

    Returns:
        `pathlib.Path` of the film.
    """
    path = folder / f"film_{num_frames}.mp4"
    if path.exists():
        return path
    width, height = size
    picture = _draw_noise(np.random.default_rng(0), height * 2, width * 2)
    temporary = path.with_suffix(".unfinished.mp4")
    with av.open(str(temporary), "w") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"preset": "medium", "g": "250", "bf": "3"}
        for number in tqdm.trange(num_frames, desc="draw the film"):
            x = round(width / 2 * (1 + math.sin(number / 120)))
            y = round(height / 2 * (1 + math.cos(0.7 * number / 120)))
            frame = picture[y : y + height, x : x + width].copy()
            frame = av.VideoFrame.from_ndarray(frame, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    os.replace(temporary, path)
    return path


def draw_pairs(num_pairs, size):
    """Draws pairs of noise that moves by three pixels.

    Args:
        num_pairs: Integer.
        size: Tuple of two integers, (height, width).

    Returns:
        A dict of `frame` and `next_frame`, uint8 (pairs, height, width, 3).
    """
    generator = np.random.default_rng(0)
    height, width = size
    pictures = np.stack(
        [_draw_noise(generator, height, width + 3) for _ in range(num_pairs)]
    )
    return {
        "frame": pictures[:, :, 3:].copy(),
        "next_frame": pictures[:, :, :-3].copy(),
    }


def _draw_noise(generator, height, width):
    noise = generator.uniform(0, 255, (height, width, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 4)
    return np.clip((smooth - 128) * 6 + 128, 0, 255).astype(np.uint8)


def seek_pairs(path, numbers, size):
    """Reads pairs of a film with a seek for every frame, as the report does.

    Args:
        path: Path of the film.
        numbers: Iterable of integers, the first frame of each pair.
        size: Tuple of two integers, (width, height) to resize to.

    Yields:
        Lists of two uint8 arrays (height, width, 3), RGB.
    """
    capture = cv2.VideoCapture(str(path))
    for first in numbers:
        pair = []
        for number in (first, first + 1):
            capture.set(cv2.CAP_PROP_POS_FRAMES, number)
            _, frame = capture.read()
            frame = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
            pair.append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
        yield pair


def compare_extraction(arguments, num_frames=5000, num_pairs=300):
    """Compares extract with a seek for every single frame."""
    path = draw_film(arguments.work_dir, num_frames)
    scene = film_list.Scene(path, 0.0, math.inf, 2)
    film = film_list.Film("film", "action", "train", (scene,))
    config = cleaning.ExtractConfig(num_pairs=num_pairs)
    kept = []

    def ours():
        with tempfile.TemporaryDirectory() as out:
            out = pathlib.Path(out)
            frame_folder.open_folder(out, {})
            start = time.perf_counter()
            extraction = sampling.extract_pairs(film, config)
            place = frame_folder.Place(1, ())
            frame_folder.store(film, place, extraction, out)
            seconds = time.perf_counter() - start
        kept[:] = extraction.kept
        return seconds

    yield Comparison(
        f"extraction, {num_pairs} pairs of a {num_frames:,}-frame "
        "1280x720 H.264 film, against a seek for every frame",
        "seconds",
        "8 or more",
        ours,
        lambda: seconds_of(_extract_by_seek, path, kept),
    )


def _extract_by_seek(path, outcomes):
    """Extracts the same pairs with a seek for every single frame."""
    numbers = [outcome.candidate.frame_number for outcome in outcomes]
    pairs = seek_pairs(path, numbers, (480, 270))
    with tempfile.TemporaryDirectory() as out:
        for outcome, pair in zip(outcomes, pairs, strict=True):
            stored = (outcome.frame_png, outcome.next_frame_png)
            for name, frame, png in zip("ab", pair, stored, strict=True):
                cv2.imwrite(f"{out}/{name}.png", frame[..., ::-1])
                expected = image_files.decode_frame(png)
                difference = np.abs(frame.astype(int) - expected).mean()
                if difference > 3:  # two converters from YUV differ by about 1
                    raise RuntimeError(
                        f"Not the same pair: {outcome.candidate}"
                    )


def compare_loading(arguments, size=299, batch_size=16):
    """Compares the input pipeline with reading two PNGs for every pair."""
    builder = _open(arguments)
    num_batches = builder.info.splits["train"].num_examples // batch_size
    num_batches = min(num_batches, 480 // batch_size)
    num_pairs = num_batches * batch_size
    paths = []
    dataset = builder.as_dataset(split=f"train[:{num_pairs}]")
    for place, example in enumerate(dataset):
        names = [f"{place:05d}_{name}.png" for name in "ab"]
        paths.append([arguments.work_dir / name for name in names])
        for path, name in zip(paths[-1], ("frame", "next_frame"), strict=True):
            path.write_bytes(image_files.encode_frame(example[name].numpy()))
    prepared = datasets.prepare(
        builder, "train", (size, size), datasets.FEATURES, True
    )

    def ours():
        # A new iterator, and many epochs: what was fetched in advance while
        # the other way ran must not count.
        dataset = batching.training_batches(prepared, batch_size, 0)
        batches = iter(dataset.take(10 * num_batches))
        return 10 * num_pairs / seconds_of(lambda: [None for _ in batches])

    def load(pair):
        frames = [cv2.resize(cv2.imread(str(x)), (size, size)) for x in pair]
        return np.concatenate(frames, axis=2).astype(np.float32) / 255

    def load_all(pool):
        for start in range(0, num_pairs, batch_size):
            np.stack([*pool.map(load, paths[start : start + batch_size])])

    def theirs():
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            return num_pairs / seconds_of(load_all, pool)

    yield Comparison(
        f"input pipeline at {size} pixels, frames and flow, against the "
        "report's loader, frames alone",
        _RATE,
        "3 or more",
        ours,
        theirs,
    )


def compare_steps(arguments, seconds=2.0):
    """Compares models' steps in training with the bare networks'.

    Ours is the step of `train`: its compile, its input pipeline, and the
    callbacks that watch every step, TensorBoard's among them. The other way
    is `fit` of the network on one batch in memory, with nothing else. `fit`
    takes some hundredths of a second to begin: a run takes about `seconds`.
    """
    builder = _open(arguments)
    for name in arguments.models:
        # The last model's graph and weights would stay with this one's.
        keras.backend.clear_session()
        own = getattr(settings.of_model(name), arguments.settings)
        config = train_config.fill_in(
            train_config.TrainConfig(model=name, **own)
        )
        build = functools.partial(
            models.build_model,
            name,
            config.image_size,
            **config.model_options(),
        )
        model, bare = build(), build()
        bare.compile(
            config.optimizer,
            keras.losses.CategoricalCrossentropy(from_logits=True),
            jit_compile=config.jit_compile,
        )
        prepared = datasets.prepare(
            builder, "train", config.image_size, model.input, True
        )
        rate = config.learning_rate
        loop.compile_model(model, config, rate, prepared)
        batches = loop.with_targets(
            prepared.task,
            batching.training_batches(prepared, config.batch_size, 0),
        )
        batch = tf.data.Dataset.from_tensors(next(iter(batches))).repeat()
        seconds_a_step(bare, batch, 1)  # traced and compiled
        num_steps = max(4, math.ceil(seconds / seconds_a_step(bare, batch, 4)))
        ours = functools.partial(_watched_step, model, batches, num_steps)
        ours()  # traced, before anything counts
        height, width = config.image_size
        yield Comparison(
            f"{name}'s training step at {width}x{height} pixels, batch "
            f"{config.batch_size}, against the bare network's on a batch in "
            "memory",
            "seconds a step",
            "0.91 or more",
            ours,
            functools.partial(seconds_a_step, bare, batch, num_steps),
        )


def _watched_step(model, batches, num_steps):
    with tempfile.TemporaryDirectory() as folder:
        callbacks = loop.watching_callbacks(pathlib.Path(folder))
        return seconds_a_step(model, batches, num_steps, callbacks)


def seconds_a_step(model, dataset, num_steps, callbacks=()):
    """Trains a compiled model some steps; returns the seconds of one."""
    fit = functools.partial(
        model.fit,
        dataset,
        steps_per_epoch=num_steps,
        shuffle=False,
        callbacks=list(callbacks),
        verbose=0,
    )
    return seconds_of(fit) / num_steps


# Pairs in a batch on each kind of device, and the pairs a second to reach.
_FLOW_DEVICES = {"CPU": (8, "10"), "GPU": (128, "1,000")}


def compare_flow(arguments, size=(299, 299)):
    """Compares `OpticalFlow` in a graph with OpenCV on one thread.

    On the device that Keras uses, from frames in the machine's memory to a
    number a pair there: no flow is carried back. First the flow is compared
    with OpenCV's, on drawn pairs and on those of the films that are given.
    """
    device = "GPU" if gpus() else "CPU"
    batch_size, goal = _FLOW_DEVICES[device]
    frames = list(draw_pairs(batch_size, size).values())
    model = flow_parity.flow_model(size)
    read = {film: _film_pairs(film, size) for film in arguments.films}
    for name, pairs in {"drawn pairs": frames, **read}.items():
        computed = model.predict(pairs, verbose=0)
        parity = flow_parity.compare(computed, opencv_flow(pairs))
        print(f"{name}: {parity}")
        if not parity.holds:
            raise RuntimeError(f"{name}: not the same flow: {parity}")
    number = keras.ops.mean(model.output, axis=(1, 2, 3))
    ways = {"a plain graph": False, "XLA": True}
    if keras.backend.backend() == "jax":
        del ways["a plain graph"]  # it has none
    for way, is_compiled in ways.items():
        network = keras.Model(model.input, number)
        network.compile(jit_compile=is_compiled)
        ours = timed(functools.partial(network.predict_on_batch, frames))
        yield Comparison(
            f"OpticalFlow at {size[1]}x{size[0]} pixels, {way} on a "
            f"{device}, batch {batch_size}, against OpenCV on one thread",
            _RATE,
            f"ours {goal} or more",
            lambda: batch_size / ours(),  # noqa: B023
            lambda: batch_size / seconds_of(opencv_flow, frames),
        )


def _film_pairs(film, size, num_pairs=16):
    """Reads pairs of a film, none over a cut."""
    plan = film_reader.Plan(num_pairs, quick=True)
    pairs = [
        [cv2.resize(frame, size[::-1]) for frame in (x.frame, x.next_frame)]
        for x in film_reader.read_film(film, plan)
        if isinstance(x, film_reader.Pair) and not x.reason
    ]
    return list(np.stack(pairs, axis=1))


def opencv_flow(frames):
    """Computes the flow of pairs with OpenCV, on one thread."""
    num_threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        return flow_parity.opencv_flow(*frames)
    finally:
        cv2.setNumThreads(num_threads)


def compare_serving(
    arguments, name="double_stack", batch_sizes=(1, 8), size=None
):
    """Compares a served model with the sum of its parts, and with OpenVINO.

    The parts, each alone: decoding and resizing PNGs of the stored size, the
    flow layer if the model sees flow, and the bare network. OpenVINO gets
    frames, a batch of the last size; it computes the network in bfloat16
    where the processor has it. The weights are random.

    Args:
        arguments: The command's; no data is needed.
        name: String, a key of `models.MODELS`.
        batch_sizes: Sequence of integers, pairs of a request.
        size: Tuple of two integers, (height, width); the report's if None.

    Yields:
        A `Comparison` for each batch size, and, if OpenVINO is installed, one
        with it.
    """
    del arguments
    keras.backend.clear_session()
    size = size or settings.of_model(name).report["image_size"]
    model = models.build_model(name, size)
    label = f"{name} at {size[1]}x{size[0]}"
    served = served_model.ServedModel(model, tasks.REPORT)
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(served, folder, signatures=served.signatures())
        # Kept: its signatures do not hold its variables.
        loaded = tf.saved_model.load(folder)
        for batch_size in batch_sizes:
            encoded = {
                f"{key}_bytes": tf.constant([*map(image_files.encode_frame, x)])
                for key, x in draw_pairs(batch_size, (270, 480)).items()
            }
            parts = _parts_of(model, size, list(encoded.values()))
            times = [timed(function) for function in parts.values()]
            whole = loaded.signatures["serving_default"]
            yield Comparison(
                f"{label}, serving_default, batch {batch_size}, against the "
                f"sum of {', '.join(parts)} alone",
                "seconds",
                "0.8 or more",
                timed(functools.partial(whole, **encoded)),
                lambda: sum(seconds() for seconds in times),  # noqa: B023
            )
        if importlib.util.find_spec("openvino") is None:
            return
        precision, openvino = export_formats.fastest_openvino(model, folder)
        pairs = draw_pairs(batch_sizes[-1], size)
        tensors = {key: tf.constant(x) for key, x in pairs.items()}
        yield Comparison(
            f"{label}, batch {batch_sizes[-1]}, frames to scores: OpenVINO in "
            f"{precision}, against the SavedModel in float32",
            "seconds",
            "1.7 or more" if precision == "bfloat16" else "-",
            timed(lambda: openvino(pairs)),
            timed(lambda: loaded.signatures["frames"](**tensors)),
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

    pair = [decode(images) for images in encoded]
    inputs = dict(zip(("frame", "next_frame"), pair, strict=True))
    parts = {"decoding": lambda: [decode(images) for images in encoded]}
    if "flow" in model.input:
        layer = flow.OpticalFlow()
        graph = tf.function(lambda *pair: layer(list(pair)))
        inputs["flow"] = graph(*pair)
        parts["flow"] = lambda: graph(*pair)
    network = tf.function(lambda inputs: model(inputs, training=False))
    inputs = {key: inputs[key] for key in model.input}
    parts["network"] = lambda: network(inputs)
    return parts


def compare_verdict(arguments, num_frames=5000, num_pairs=300, size=(128, 128)):
    """Compares a film's verdict with the report's way of it.

    Double stack with random weights. The report's way seeks for every frame
    and computes flow and network pair by pair, of the same pairs.

    Args:
        arguments: The command's.
        num_frames: Integer, the film's length.
        num_pairs: Integer, the pairs that are classified.
        size: Tuple of two integers, (height, width).

    Yields:
        A `Comparison` without the search for shots, and one with it.
    """
    keras.backend.clear_session()
    path = draw_film(arguments.work_dir, num_frames)
    model = models.build_model("double_stack", size)
    asked = predictor.of_model(model)
    for is_quick in (True, False):
        plan = film_reader.Plan(num_pairs, quick=is_quick)
        numbers = _frame_numbers(path, plan)
        ours = functools.partial(asked.predict_film, path, plan)
        theirs = functools.partial(classify_by_seek, path, numbers, model)
        # Traced before anything counts, and the same film for both.
        difference = np.abs(theirs() - list(ours().scores.values())).max()
        if difference > 0.02:  # two converters from YUV differ by about 1
            raise RuntimeError(f"Not the same verdict: {difference}")
        yield Comparison(
            f"verdict of a {num_frames:,}-frame 1280x720 H.264 film by "
            f"{len(numbers)} pairs, double_stack at {size[1]} pixels, "
            f"{'--quick' if is_quick else 'with every shot found'}, against a "
            "seek for every frame, flow and network pair by pair",
            "seconds",
            "5 or more" if is_quick else "-",
            functools.partial(seconds_of, ours),
            functools.partial(seconds_of, theirs),
        )


def _frame_numbers(path, plan):
    """Returns the first frame's number of each pair that ours classifies."""
    index = frame_index.index_frames(path)
    seconds = [
        item.seconds
        for item in film_reader.read_film(path, plan)
        if isinstance(item, film_reader.Pair) and not item.reason
    ]
    return np.searchsorted(index.seconds, np.array(seconds) - 1e-6).tolist()


def classify_by_seek(path, numbers, model):
    """Returns a film's scores by a seek for each frame, pair by pair."""
    height, width = model.input["frame"].shape[1:3]
    scores = []
    for pair in seek_pairs(path, numbers, (width, height)):
        motion = flow.farneback_flow(*pair)
        given = {"frame": pair[0][np.newaxis], "flow": motion[np.newaxis]}
        logits = model.predict(given, verbose=0)
        scores.append(keras.ops.convert_to_numpy(keras.ops.softmax(logits))[0])
    return np.mean(scores, axis=0)


def compare_list(arguments):
    """Yields the time of a long film list, beside that of its cells alone."""
    path = arguments.work_dir / "films.csv"
    generator = random.Random(0)
    lines = ["film,genre,path\n"]
    for number in range(NUM_LISTED_FILMS):
        genres = generator.sample(range(NUM_LISTED_GENRES), 2)
        named = "|".join(f"genre {genre}" for genre in genres)
        lines.append(f"film {number},{named},films/{number}.mp4\n")
    files.write_text(path, "".join(lines))

    def read_cells():
        with open(path, newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    yield Comparison(
        f"reading, checking and dealing a list of {NUM_LISTED_FILMS:,} films "
        f"of {NUM_LISTED_GENRES} genres, two each, against reading its cells",
        "s",
        "below 10 s",
        functools.partial(seconds_of, film_list.read_film_list, path),
        functools.partial(seconds_of, read_cells),
    )


def compare_frozen(arguments, num_pairs=256, batch_size=8):
    """Compares what trains on a frozen, pretrained trunk.

    First the pass of the trunk over a data set, then a whole training, from
    the built data set to the evaluated run.
    """
    settings = train_config.settings_of("frozen", "double_stack")
    config = train_config.fill_in(
        train_config.TrainConfig(**settings, dataset=arguments.dataset)
    )
    model = models.build_model(
        config.model, config.image_size, **config.model_options()
    )
    encoders = {
        "a frame": models.embedded_encoder(),
        "a frame and its flow": models.Encoder(model),
    }
    for what, encoder in encoders.items():
        yield _compare_encoding(
            _open(arguments), encoder, what, config, num_pairs, batch_size
        )
    yield Comparison(
        "double_stack with --settings frozen on the sample, from the built "
        "data set to the evaluated run, against its own settings",
        "s",
        "90 s or less",
        functools.partial(_train_anew, arguments, settings),
        functools.partial(_train_anew, arguments, {}),
    )


def _compare_encoding(builder, encoder, what, config, num_pairs, batch_size):
    """Compares a frozen trunk's pass over a data set with the trunk alone."""
    size, inputs = config.image_size, encoder.inputs

    def read():
        batches = datasets.examples(builder, "train", size, inputs, batch_size)
        return itertools.islice(batches, num_pairs // batch_size)

    def encode(batches):
        for batch in batches:
            encoder({name: batch[name] for name in inputs}, encoder.sizes)

    in_memory = [next(read())] * (num_pairs // batch_size)
    encode(in_memory[:1])  # traced
    return Comparison(
        f"features of {what} by {config.backbone} at {size[1]} pixels, with "
        "reading, against the network on a batch in memory",
        _RATE,
        "0.8 or more",
        lambda: num_pairs / seconds_of(lambda: encode(read())),
        lambda: num_pairs / seconds_of(encode, in_memory),
    )


def _train_anew(arguments, settings):
    """Returns how long a training takes where nothing is prepared."""
    builder = _open(arguments)
    with tempfile.TemporaryDirectory(dir=arguments.work_dir) as folder:
        data_dir = pathlib.Path(folder) / "data"
        shutil.copytree(
            builder.data_path,
            data_dir / builder.info.full_name,
            ignore=shutil.ignore_patterns("prepared"),
        )
        config = train_config.TrainConfig(
            dataset=arguments.dataset,
            data_dir=str(data_dir),
            run_dir=f"{folder}/run",
            **settings,
        )
        start = time.perf_counter()
        evaluation.evaluate(loop.train(config, verbose=False), verbose=False)
        seconds = time.perf_counter() - start
    keras.backend.clear_session()
    return seconds


def compare_shots(arguments, num_frames=5000):
    """Yields what finding every shot costs beside decoding and PySceneDetect.

    Of the films that `--films` names, or of a drawn one.
    """
    films = list(map(pathlib.Path, arguments.films))
    for path in films or [draw_film(arguments.work_dir, num_frames)]:
        index = frame_index.index_frames(path)
        what = (
            f"every shot of a {index.num_frames:,}-frame "
            f"{index.width}x{index.height} {index.codec} film"
        )
        find = functools.partial(shot_detection.list_shots, path)
        decode = functools.partial(detectors.decoding, path)
        for unit, timer, goal in (
            ("processor seconds", processor_seconds_of, "0.67 or more"),
            ("seconds", seconds_of, "-"),
        ):
            yield Comparison(
                f"{what}, in {unit}, against decoding alone",
                unit,
                goal,
                functools.partial(timer, find),
                functools.partial(timer, decode),
            )
        adaptive = "pyscenedetect-adaptive"
        if not detectors.missing(adaptive):
            theirs = functools.partial(detectors.DETECTORS[adaptive], path)
            yield Comparison(
                f"{what}, against PySceneDetect's AdaptiveDetector",
                "processor seconds",
                "1 or more",
                functools.partial(processor_seconds_of, find),
                functools.partial(processor_seconds_of, theirs),
            )


def processor_seconds_of(function, *arguments):
    """Returns what a call costs, here and in processes that it ends."""
    start = processor_seconds()
    function(*arguments)
    return processor_seconds() - start


def _open(arguments):
    return datasets.open_dataset(arguments.dataset, arguments.data_dir)


# Functions of the command's arguments, which yield `Comparison`s.
PARTS = {
    "steps": compare_steps,
    "extraction": compare_extraction,
    "loading": compare_loading,
    "flow": compare_flow,
    "serving": compare_serving,
    "verdict": compare_verdict,
    "list": compare_list,
    "shots": compare_shots,
    "frozen": compare_frozen,
}


def write(rows, path):
    """Writes what was measured as JSON.

    What stands there and was not measured anew stays, if it is of the same
    machine.

    Args:
        rows: Iterable of what `measure` returns.
        path: `pathlib.Path` of the file.

    Returns:
        Dict of what stands there then: `machine` and `comparisons`.
    """
    old = files.read_json(path) if path.exists() else {}
    kept = old["comparisons"] if old.get("machine") == machine() else []
    rows = {row["name"]: row for row in [*kept, *rows]}
    results = {"machine": machine(), "comparisons": list(rows.values())}
    files.write_text(path, as_json(results))
    return results


def text_of(results):
    """Writes what `write` returns as Markdown."""
    runs = sorted({len(row["ours"]) for row in results["comparisons"]})
    header = [
        "what",
        "unit",
        "ours",
        "baseline",
        "times as fast",
        "from to",
        "goal",
    ]
    rows = []
    for row in results["comparisons"]:
        times = ratios(row)
        medians = map(statistics.median, (row["ours"], row["theirs"]))
        rows.append(
            [
                row["name"],
                row["unit"],
                *(f"{median:.3g}" for median in medians),
                f"{statistics.median(times):.2f}",
                f"{min(times):.2f} to {max(times):.2f}",
                row["goal"],
            ]
        )
    return (
        f"{results['machine']}; the median of "
        f"{' or '.join(map(str, runs))} runs in turn.\n\n"
        f"{tables.markdown_table(header, rows)}"
    )


def main():
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m experiments.benchmark")
    add = parser.add_argument
    add("--parts", nargs="+", choices=PARTS, default=PARTS)
    add(
        "--models",
        nargs="+",
        choices=models.MODELS,
        default=("double_stack", "fc"),
        help="whose training steps are timed (default: double_stack fc)",
    )
    add(
        "--settings",
        choices=("sample", "report"),
        default="sample",
        help="image size and batch size of these steps (default: sample)",
    )
    add("--dataset", default="scene_genre/sample")
    add("--data-dir", metavar="DIR")
    add(
        "--films",
        nargs="+",
        default=(),
        metavar="FILM",
        help="flow: these too; shots: these",
    )
    add("--out", default="results/benchmark", type=pathlib.Path)
    add("--work-dir", default="results/work", type=pathlib.Path)
    add("--runs", type=int, default=5, metavar="N")
    arguments = parser.parse_args()
    checks.above_zero("--runs", arguments.runs)
    for folder in (arguments.out, arguments.work_dir):
        folder.mkdir(parents=True, exist_ok=True)
    path = arguments.out / "benchmark.json"
    for part in arguments.parts:
        for comparison in PARTS[part](arguments):
            results = write([measure(comparison, arguments.runs)], path)
    print(text_of(results))
    print(f"written: {path}")


if __name__ == "__main__":
    command.run(main)
