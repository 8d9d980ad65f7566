"""Whether a served model answers for a frame as the run that it was made of.

    python -m experiments.served_as_trained RUN EXPORT --server URL

The run's test pairs are encoded as they may come from anywhere: between bars,
compressed, large, grey. Each is asked of the run in Keras, of the export's
graph, and of a server of the export through the client. The bars that the
graph finds are compared with `black_bars`: in these pairs, and in those of the
films that are given, as they are and between bars.
"""

import argparse
import dataclasses
import functools
import itertools
import pathlib

import cv2
import numpy as np
import tensorflow as tf
import tqdm

from experiments import letterbox
from experiments import measured
from keras_ssc import checks
from keras_ssc import command
from keras_ssc import files
from keras_ssc.data import datasets
from keras_ssc.films import black_bars
from keras_ssc.films import film_reader
from keras_ssc.metrics import tables
from keras_ssc.prediction import predictor
from keras_ssc.serving import client as serving_client
from keras_ssc.serving import graph_bars
from keras_ssc.training import runs

# What each bar takes of the height above and below, of the width beside.
BARS = {
    "letterbox 2.39:1": (letterbox.SHARE, 0),
    "letterbox 1.85:1": (0.0196, 0),
    "pillarbox 4:3": (0, 0.125),
    "windowbox": (letterbox.SHARE, 0.125),
}

_BATCH = 8

# Of frames that take seconds each, every fourth pair is enough.
_STEP = {"4K": 4}


def _encode(frame, suffix=".png", quality=95):
    setting = [cv2.IMWRITE_JPEG_QUALITY, quality] if suffix == ".jpg" else []
    _, data = cv2.imencode(suffix, frame[..., ::-1], setting)
    return data.tobytes()


def _sized(frame, width, height):
    return cv2.resize(frame, (width, height), interpolation=cv2.INTER_CUBIC)


def kinds():
    """Returns a dict from what is done to a frame to a function of it.

    The function returns the encoded image.
    """
    return {
        "clean": _encode,
        **{
            name: functools.partial(_encode_barred, shares=shares)
            for name, shares in BARS.items()
        },
        **{
            f"JPEG {quality}": functools.partial(
                _encode, suffix=".jpg", quality=quality
            )
            for quality in (95, 60, 30)
        },
        "720p": lambda frame: _encode(_sized(frame, 1280, 720)),
        # As PNG it would be encoded for longer than it is classified.
        "4K": lambda frame: _encode(_sized(frame, 3840, 2160), ".jpg"),
        "grey": lambda frame: _encode(
            cv2.cvtColor(black_bars.grey(frame), cv2.COLOR_GRAY2RGB)
        ),
    }


def _encode_barred(frame, shares):
    return _encode(_barred(frame, shares))


def _barred(frame, shares):
    return letterbox.barred(frame, frame.shape[1::-1], *shares)


def measure(run_dir, export, url=None, films=(), every=1, progress=False):
    """Compares a run, its export and a server of it.

    Args:
        run_dir: Path of a run of one genre a film that was evaluated.
        export: Path of its export's version, a SavedModel.
        url: String, of a server of the export, see `serving_client.Client`;
            None to leave it out.
        films: Sequence of paths of films, whose pairs' bars are looked for.
        every: Integer, of how many test pairs one is taken.
        progress: Boolean, whether to show a progress bar.

    Returns:
        A dict of plain values: `machine`; `model`; `kinds`, a list of dicts,
        see `_measure_kind`; and `films`, what `_compare_bars` says of their
        pairs, None without any.
    """
    checks.at_least("every", every, 1)
    signature = tf.saved_model.load(str(export)).signatures["serving_default"]
    asked = {
        "Keras": predictor.load(run_dir).predict,
        "served graph": functools.partial(_ask_graph, signature),
    }
    if url is not None:
        asked["client"] = serving_client.Client(url, 600.0, _BATCH).predict
    config = runs.read_config(run_dir)
    builder = datasets.open_dataset(config.dataset, config.data_dir)
    genres = datasets.task_of(builder).genres
    stored = [
        (genres[example["label"]], (example["frame"], example["next_frame"]))
        for example in builder.as_dataset(split="test").as_numpy_iterator()
    ][::every]
    return {
        "machine": measured.machine(),
        "model": config.model,
        "kinds": [
            _measure_kind(name, make, stored[:: _STEP.get(name, 1)], asked)
            for name, make in tqdm.tqdm(
                kinds().items(), unit="kind", disable=not progress
            )
        ],
        "films": _compare_bars(_film_pairs(films)) if films else None,
    }


def _ask_graph(signature, pairs):
    """Returns the answers to encoded pairs, as a client's."""
    frame, next_frame = map(tf.constant, zip(*pairs, strict=True))
    outputs = signature(frame_bytes=frame, next_frame_bytes=next_frame)
    genres = [name.decode() for name in outputs["genres"][0].numpy()]
    return [
        serving_client.Answer(
            genres[row.argmax()], dict(zip(genres, row.tolist(), strict=True))
        )
        for row in outputs["scores"].numpy()
    ]


def _measure_kind(name, make, stored, asked):
    """Asks all for the stored pairs, each made of one kind.

    Returns:
        A dict: the kind's `name`; `num_pairs`; `accuracy` and `confidence`, in
        percent, a dict each from who was asked; `largest_difference` of a
        score to Keras'; and what `_compare_bars` says.
    """
    scores, labels, bars = {way: [] for way in asked}, [], []
    stored = iter(stored)
    while batch := list(itertools.islice(stored, _BATCH)):
        own, pairs = zip(*batch, strict=True)
        labels += own
        encoded = [tuple(map(make, pair)) for pair in pairs]
        for way, ask in asked.items():
            scores[way] += [answer.scores for answer in ask(encoded)]
        bars.append(_compare_bars(map(_decoded, encoded)))
    arrays = {
        way: np.array([list(row.values()) for row in rows])
        for way, rows in scores.items()
    }
    genres = list(scores["Keras"][0])
    is_right = {
        way: np.array(genres)[rows.argmax(axis=1)] == labels
        for way, rows in arrays.items()
    }
    return {
        "name": name,
        "num_pairs": len(labels),
        "accuracy": {
            way: 100 * float(right.mean()) for way, right in is_right.items()
        },
        "confidence": {
            way: 100 * float(rows.max(axis=1).mean())
            for way, rows in arrays.items()
        },
        "largest_difference": max(
            float(np.abs(rows - arrays["Keras"]).max())
            for rows in arrays.values()
        ),
        "bars": {key: sum(each[key] for each in bars) for key in bars[0]},
    }


def _decoded(pair):
    return [
        tf.io.decode_image(image, 3, expand_animations=False).numpy()
        for image in pair
    ]


def _compare_bars(pairs):
    """Returns of how many pairs bars are found, and the graph's are others."""
    found = {"num_pairs": 0, "num_barred": 0, "num_other": 0}
    for pair in pairs:
        bars = black_bars.find_bars(pair)
        graphs = graph_bars.find_bars(*pair).numpy().tolist()
        found["num_pairs"] += 1
        found["num_barred"] += bool(bars)
        found["num_other"] += list(dataclasses.astuple(bars)) != graphs
    return found


def _film_pairs(films):
    """Yields pairs as predict reads them, and the same between bars."""
    shares = itertools.cycle(BARS.values())
    for film in films:
        plan = film_reader.Plan(50, quick=True)
        for item in film_reader.read_film(film, plan):
            if isinstance(item, film_reader.Pair) and not item.reason:
                pair = item.frame, item.next_frame
                yield pair
                share = next(shares)
                yield [_barred(frame, share) for frame in pair]


def text_of(results):
    """Returns the results' table, Markdown."""
    ways = list(results["kinds"][0]["accuracy"])
    heads = ["test pairs", "pairs", *ways, "confidence", "scores differ by"]
    rows = [
        [
            kind["name"],
            str(kind["num_pairs"]),
            *(f"{kind['accuracy'][way]:.1f}" for way in ways),
            f"{kind['confidence']['Keras']:.1f}",
            f"{kind['largest_difference']:.1g}",
            str(kind["bars"]["num_barred"]),
            str(kind["bars"]["num_other"]),
        ]
        for kind in results["kinds"]
    ]
    heads += ["with bars", "other bars in the graph"]
    table = tables.markdown_table(heads, rows)
    text = (
        f"{results['machine']}; {results['model']}. Accuracy by pair, %; "
        f"confidence: the mean of Keras' highest scores, %.\n\n{table}"
    )
    if results["films"]:
        text += (
            "\nPairs of films, as they are and between bars: "
            "{num_pairs}; bars are found in {num_barred}, and in the graph "
            "others in {num_other}.".format(**results["films"])
        )
    return text


def main():
    """Runs the command."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.served_as_trained"
    )
    add = parser.add_argument
    add("run", metavar="RUN")
    add("export", metavar="EXPORT", help="a version's folder")
    add("--server", metavar="URL", help="TensorFlow Serving with the export")
    add("--films", nargs="+", default=[], metavar="FILM")
    add("--every", type=int, default=1, metavar="N", help="of N pairs, one")
    add("--out", type=pathlib.Path, metavar="OUT.json")
    arguments = parser.parse_args()
    results = measure(
        *(arguments.run, arguments.export, arguments.server),
        *(arguments.films, arguments.every, True),
    )
    if arguments.out is not None:
        files.write_text(arguments.out, measured.as_json(results))
    print(text_of(results))


if __name__ == "__main__":
    command.run(main)
