"""The report's table and its question on any films, with folds and seeds.

    python -m experiments.reproduce --dataset scene_genre/sample --budget small

Every variant is trained once for each fold over the films and each seed.
Trainings that are finished in --out are not repeated, interrupted ones are
resumed. After each fold the tables and figures are written anew from what is
finished. The work goes in rounds: each tests every film once, with seeds that
differ from fold to fold, so that the first round already answers.
"""

import argparse
import collections
import dataclasses
import json
import os
import pathlib
import re
import statistics
import typing

import numpy as np

from experiments import baselines
from experiments import drawing
from experiments import film_data
from experiments import film_splits
from experiments import trainings
from experiments.measured import as_json
from experiments.measured import machine
from keras_ssc import checks
from keras_ssc import command
from keras_ssc import files
from keras_ssc import models
from keras_ssc import sample_films
from keras_ssc.data import datasets
from keras_ssc.data import folds
from keras_ssc.films import cleaning
from keras_ssc.genres import ONE
from keras_ssc.genres import genre_words
from keras_ssc.metrics import intervals
from keras_ssc.metrics import tables
from keras_ssc.metrics.intervals import CONFIDENCE
from keras_ssc.metrics.intervals import NUM_DRAWS
from keras_ssc.models import backbones
from keras_ssc.training import loop
from keras_ssc.training import settings
from keras_ssc.training import train_config
from keras_ssc.training.train_config import TrainConfig
from keras_ssc.training.trainings import share_devices

BUDGETS = {
    "report": {name: each.report for name, each in settings.OF_MODELS.items()},
    "small": {name: each.sample for name, each in settings.OF_MODELS.items()},
}


_BASELINE = "baseline: "

# What tables have of a training, beside the accuracy by pair: the column, the
# result's name, what it is multiplied by and the digits behind the point.
_COLUMNS = (
    ("by scene, %", "scene", 100, 1),
    ("by film, %", "film", 100, 1),
    ("macro F1 by pair, %", "macro_f1", 100, 1),
    ("calibration error", "expected_calibration_error", 1, 3),
    ("seconds", "seconds", 1, 0),
)
_KEPT = (
    *("pair", "per_genre", "inputs", "parameters", "gains"),
    *(name for _, name, *_ in _COLUMNS),
)


@dataclasses.dataclass(frozen=True)
class Variant:
    """A model with its settings and data.

    Attributes:
        model: String, a key of `models.MODELS`.
        what: String, how it differs from the model; "" for the model itself.
        settings: Dict of fields of `TrainConfig` that differ from the
            budget's.
        split: Dict of fields of `film_splits.FoldConfig` that differ from the
            defaults.
        batch_factor: Float, times the budget's batch size.
        drawn: Dict of fields of `cleaning.ExtractConfig`, with which its pairs
            are extracted from the films; None for the data set as it was
            built.
    """

    model: str
    what: str = ""
    settings: dict = dataclasses.field(default_factory=dict)
    split: dict = dataclasses.field(default_factory=dict)
    batch_factor: float = 1.0
    drawn: dict | None = None

    @property
    def name(self):
        """The variant's name in tables."""
        return f"{self.model}, {self.what}" if self.what else self.model

    @property
    def slug(self):
        """The variant's folder."""
        return _slug(self.name)


def _slug(text):
    return re.sub(r"\W+", "_", text)


# How many frames later the next frame is.
_STRIDES = (2, 4, 8, 12)

_SHUFFLED = {"change": "next_frame_of_another_pair"}
_IMAGENET = {"weights": "imagenet"}


def _frozen(model, what="", settings=None, **split):
    """Returns a variant with a linear head on a frozen, pretrained trunk."""
    given = train_config.settings_of("frozen", model)
    return Variant(model, f"frozen{what}", {**given, **(settings or {})}, split)


# Dense layers in the place of the linear one.
_DENSE = {
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "epochs": 20,
    "dense_units": (256,),
}


_VARIANTS = [
    *map(Variant, models.MODELS),
    Variant("double_stack", "separate trunks", {"trunk": "separate"}),
    Variant("double_stack", "FlowNet-S for the flow", {"trunk": "flownet"}),
    Variant("motion_magnitude_stack", "one neuron", {"encoding": 1}),
    Variant("flownet_fc", "one frame", {"single_frame": True}),
    Variant("double_stack", "next frames shuffled", split=_SHUFFLED),
    Variant("inception_v3_6ch", "next frames shuffled", split=_SHUFFLED),
    Variant("double_stack", "flow alone", split={"change": "no_frame"}),
    Variant("fc", "split by frame", split={"by": "pair"}),
    Variant("inception_v3", "split by frame", split={"by": "pair"}),
    Variant("double_stack", "1 film a genre", split={"films_per_genre": 1}),
    Variant("double_stack", "2 films a genre", split={"films_per_genre": 2}),
    Variant("double_stack", "batch x 0.5", batch_factor=0.5),
    Variant("double_stack", "batch x 2", batch_factor=2.0),
    *[
        Variant("double_stack", f"stride {stride}", drawn={"stride": stride})
        for stride in (1, *_STRIDES)
    ],
    Variant("inception_v3", "bars cropped", drawn={"crop_bars": True}),
    Variant("inception_v3", "bars kept", drawn={"crop_bars": False}),
    Variant("inception_v3", "ImageNet's weights", _IMAGENET),
    Variant("double_stack", "ImageNet's weights", _IMAGENET),
    _frozen("double_stack"),
    _frozen("inception_v3"),
    _frozen("double_stack", ", dense layers", _DENSE),
    _frozen("double_stack", ", flow alone", change="no_frame"),
    _frozen("double_stack", ", next frames shuffled", **_SHUFFLED),
]

VARIANTS = {variant.name: variant for variant in _VARIANTS}

# Claims that the first variant or baseline is more accurate than the second.
QUESTIONS = {
    "a single frame beats its colours": (
        "inception_v3",
        "baseline: colour_histogram",
    ),
    "a frame and its flow beat four numbers of the flow": (
        "double_stack",
        "baseline: flow_statistics",
    ),
    "a frame and its flow beat the frame alone": (
        "double_stack",
        "inception_v3",
    ),
    "two stacked frames beat one frame": ("inception_v3_6ch", "inception_v3"),
    "a frame and its motion magnitude beat the frame alone": (
        "motion_magnitude_stack",
        "inception_v3",
    ),
    "flow beats stacked frames": ("double_stack", "inception_v3_6ch"),
    "flow beats its mean magnitude": ("double_stack", "motion_magnitude_stack"),
    "FlowNet-S on two frames beats FlowNet-S on one": (
        "flownet_fc",
        "flownet_fc, one frame",
    ),
    "a frame and its flow beat the flow alone": (
        "double_stack",
        "double_stack, flow alone",
    ),
    "the flow alone beats the frame alone": (
        "double_stack, flow alone",
        "inception_v3",
    ),
    "control: a frame and the flow of shuffled frames beat the frame alone": (
        "double_stack, next frames shuffled",
        "inception_v3",
    ),
    "control: two stacked frames, shuffled, beat one frame": (
        "inception_v3_6ch, next frames shuffled",
        "inception_v3",
    ),
    "a shared trunk beats separate trunks": (
        "double_stack",
        "double_stack, separate trunks",
    ),
    "Inception v3 beats FlowNet-S as the trunk for the flow": (
        "double_stack",
        "double_stack, FlowNet-S for the flow",
    ),
    "all features beside the magnitude beat one neuron": (
        "motion_magnitude_stack",
        "motion_magnitude_stack, one neuron",
    ),
    **{
        f"a split by frame overestimates the accuracy of {model}": (
            f"{model}, split by frame",
            model,
        )
        for model in ("fc", "inception_v3")
    },
    "training on all films beats two films a genre": (
        "double_stack",
        "double_stack, 2 films a genre",
    ),
    "two training films a genre beat one": (
        "double_stack, 2 films a genre",
        "double_stack, 1 film a genre",
    ),
    "a batch twice as large is better": (
        "double_stack, batch x 2",
        "double_stack",
    ),
    "a batch half as large is worse": (
        "double_stack",
        "double_stack, batch x 0.5",
    ),
    **{
        f"a next frame {stride} frames later beats the very next": (
            f"double_stack, stride {stride}",
            "double_stack, stride 1",
        )
        for stride in _STRIDES
    },
    "kept bars raise the accuracy of inception_v3": (
        "inception_v3, bars kept",
        "inception_v3, bars cropped",
    ),
    "ImageNet's weights help the frame alone": (
        "inception_v3, ImageNet's weights",
        "inception_v3",
    ),
    "ImageNet's weights help double_stack": (
        "double_stack, ImageNet's weights",
        "double_stack",
    ),
    "frozen: a frame and its flow beat the frame alone": (
        "double_stack, frozen",
        "inception_v3, frozen",
    ),
    "frozen: a frame and its flow beat the flow alone": (
        "double_stack, frozen",
        "double_stack, frozen, flow alone",
    ),
    "frozen: the flow alone beats the frame alone": (
        "double_stack, frozen, flow alone",
        "inception_v3, frozen",
    ),
    "control, frozen: a frame and the flow of shuffled frames beat the frame "
    "alone": (
        "double_stack, frozen, next frames shuffled",
        "inception_v3, frozen",
    ),
}


def config_of(variant, budget, seed, run_dir, **settings):
    """Returns the `TrainConfig` of a variant's training."""
    given = {**BUDGETS[budget][variant.model], **variant.settings, **settings}
    batch_size = round(given["batch_size"] * variant.batch_factor)
    return train_config.fill_in(
        TrainConfig(
            model=variant.model,
            seed=seed,
            run_dir=str(run_dir),
            **{**given, "batch_size": max(batch_size, 1)},
        )
    )


def why_left_out(variant, films=None):
    """Says why a variant cannot be trained here; None if it can."""
    if variant.drawn is not None and films is None:
        return "its pairs are extracted anew: needs --films"
    if variant.settings != _IMAGENET:
        return None
    name = backbones.BACKBONES["inception_v3"].file_name
    home = pathlib.Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser()
    if (home / "models" / name).exists():
        return None
    return f"{name} is not in {home.name}/models of Keras"


@dataclasses.dataclass
class Reproduction:
    """Trainings over folds and seeds, and their tables.

    Attributes:
        builder: What `datasets.open_dataset` returned.
        out: `pathlib.Path` of the results' folder.
        variants: List of `Variant`s; without any, the baselines alone.
        budget: String, a key of `BUDGETS`.
        num_folds: Integer, how many folds the films are split into.
        settings: Dict of fields of `TrainConfig` for all trainings.
        films: Path of the list of the data set's films, for variants whose
            pairs are extracted anew; None to leave them out.
        drawn: Dict of fields of `cleaning.ExtractConfig` for all of those.
        is_training: Boolean; without, only finished trainings are taken.
        train_and_evaluate: Function of a config and splits, see
            `trainings.train_and_evaluate`.
        results: Dict from the name of a variant or a baseline to a list of
            dicts, one a training.
        notes: Dict from what the tables lack, and why, to a list of names.
    """

    builder: object
    out: pathlib.Path
    variants: list
    budget: str
    num_folds: int
    settings: dict
    films: str | None = None
    drawn: dict = dataclasses.field(default_factory=dict)
    is_training: bool = True
    train_and_evaluate: typing.Callable = trainings.in_a_process
    results: dict = dataclasses.field(default_factory=dict)
    notes: dict = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        self._data = {}  # how pairs are extracted -> what `draw` returned
        self._features = None
        for variant in self.variants:
            reason = why_left_out(variant, self.films)
            if reason:
                self._leave_out(variant, reason)

    def _leave_out(self, variant, reason):
        self.variants = [each for each in self.variants if each != variant]
        self._note(f"Not trained, {reason}", variant.name)

    def _note(self, what, name):
        names = self.notes.setdefault(what, [])
        if name not in names:
            names.append(name)

    def run(self, fold, seed):
        """Trains and evaluates every variant on a fold with a seed."""
        self._leave_out_bars()
        folder = f"fold{fold}_seed{seed}"
        runs = [(each, self.out / each.slug / folder) for each in self.variants]
        if not self.is_training:
            runs = [run for run in runs if (run[1] / "result.json").exists()]
            if not runs:
                return
        for variant, run_dir in runs:
            builder, source = self._data_of(variant)
            settings = {**self.settings, **source}
            config = config_of(variant, self.budget, seed, run_dir, **settings)
            splits = self._splits(builder, fold, **variant.split)
            try:
                result = self.train_and_evaluate(config, splits)
            except loop.TrainingError as error:
                # The others are worth as much without it.
                where = f"{variant.name}, fold {fold + 1}, seed {seed}"
                self._note("**Failed**", f"{where}: {error}")
                continue
            self._keep(variant.name, fold, seed, result)
        self._run_baselines(fold, seed)

    def _keep(self, name, fold, seed, result):
        """Keeps what tables need of a training, in six digits."""
        films = {x["film"]: x["pair_accuracy"] for x in result["films"]}
        kept = {name: result[name] for name in _KEPT if name in result}
        kept = {"fold": fold, "seed": seed, **kept, "films": films}
        kept = json.loads(
            json.dumps(kept), parse_float=lambda text: round(float(text), 6)
        )
        self.results.setdefault(name, []).append(kept)

    def _splits(self, builder, fold, **changes):
        return film_splits.FoldSplits(
            builder, film_splits.FoldConfig(self.num_folds, fold, **changes)
        )

    def _data_of(self, variant):
        """Returns a variant's builder, and its config's fields."""
        if variant.drawn is None:
            return self.builder, {}
        data_dir, _ = self._draw(variant.drawn)
        builder = datasets.open_dataset(film_data.DATASET, data_dir)
        return builder, {"dataset": film_data.DATASET, "data_dir": data_dir}

    def _draw(self, changes):
        """Extracts the films' pairs so, once; see `film_data.draw`."""
        # Cropping is the default: variants that say so share the data.
        # To the letter of the report: the very next frame.
        changes = {"stride": 1, **self.drawn, **changes}
        config = cleaning.ExtractConfig(**changes)
        fields = dataclasses.asdict(config)
        name = _slug(" ".join(f"{key} {fields[key]}" for key in fields))
        if name not in self._data:
            folder = self.out / "data" / name
            data_dir, records, problems = film_data.draw(
                self.films, folder, config, progress=True
            )
            self._data[name] = data_dir, records
            for problem in problems:
                self._note("Not extracted anew", problem)
        return self._data[name]

    def _leave_out_bars(self):
        """Leaves out variants with and without bars where there are none."""
        for variant in self.variants:
            if "crop_bars" in (variant.drawn or {}):
                _, records = self._draw({})
                if not any(record["bars"] for record in records):
                    self._leave_out(variant, "no film has bars")

    def _run_baselines(self, fold, seed):
        splits = self._splits(self.builder, fold)
        for film, reason in splits.left_out.items():
            self._note(f"In no split, {reason}", film)
        if self._features is None:
            self._features = baselines.features_of(
                folds.all_pairs(
                    self.builder, baselines.IMAGE_SIZE, ("frame", "flow")
                )
            )
        train, test = (
            self._features.of_films(splits.films[split])
            for split in ("train", "test")
        )
        for name in baselines.BASELINES:
            measured = baselines.evaluate(name, train, test, seed)
            self._keep(f"{_BASELINE}{name}", fold, seed, measured)

    def summary(self):
        """Returns what tables and figures are made of, as plain values."""
        for variant in self.variants:
            if not self.is_training and variant.name not in self.results:
                reason = "Not trained, none of its trainings is finished"
                self._note(reason, variant.name)
        names = sorted(self.results, key=lambda x: x.startswith(_BASELINE))
        return {
            "machine": machine(),
            "dataset": self.builder.info.full_name,
            "budget": self.budget,
            "num_folds": self.num_folds,
            "results": {name: self.results[name] for name in names},
            "notes": self.notes,
        }

    def write(self):
        """Writes the results, the tables and the figures; returns the text."""
        summary = self.summary()
        text = text_of(summary)
        files.write_text(self.out / "results.json", as_json(summary))
        files.write_text(self.out / "tables.md", text)
        figures = self.out / "figures"
        figures.mkdir(exist_ok=True)
        for name, png in figures_of(summary).items():
            files.write_bytes(figures / f"{name}.png", png)
        return text


def figures_of(summary):
    """Returns a dict from a figure's name to a PNG."""
    of_models = [
        (name, *accuracy(results)[:3])
        for name, results in summary["results"].items()
        if name in models.MODELS or name.startswith(_BASELINE)
    ]
    of_questions = [
        (claim, *found[:3]) for claim, found in _answered(summary).items()
    ]
    interval = f"line: {100 * CONFIDENCE:.0f} % interval over the test films"
    figures = {
        "models": (
            [(*row, f"{row[1]:.1f}") for row in of_models],
            f"accuracy by pair, %; {interval}",
            f"Test accuracy, {summary['dataset']}",
        ),
        "questions": (
            [(*row, answer(*row[2:]).replace("*", "")) for row in of_questions],
            f"difference of the accuracies by pair, points; {interval}",
            f"Differences, {summary['dataset']}",
        ),
    }
    return {
        name: drawing.intervals_figure(known, *words)
        for name, (rows, *words) in figures.items()
        if (known := [row for row in rows if row[2] is not None])
    }


def text_of(summary):
    """Writes the tables of a summary as Markdown.

    Args:
        summary: Dict, see `Reproduction.summary`.

    Returns:
        String.
    """
    results = summary["results"]
    every = [each for some in results.values() for each in some]
    runs = sorted({(each["fold"] + 1, each["seed"]) for each in every})
    text = [
        f"{summary['machine']}; {summary['dataset']}, films split into "
        f"{summary['num_folds']} folds; settings: {summary['budget']}. "
        f"Trainings (fold, seed): {', '.join(map(str, runs))}. "
        f"By pair: the mean over the test films with its "
        f"{100 * CONFIDENCE:.0f} % interval (bootstrap over films, "
        f"{NUM_DRAWS:,} draws); the other columns: mean ± standard deviation "
        f"over the trainings. {_hours(every)}",
        _table_of_models(results),
    ]
    of_genres = {
        name: [each["per_genre"] for each in some]
        for name, some in results.items()
        if not name.startswith(_BASELINE)
    }
    if of_genres:
        genres = list(next(iter(of_genres.values()))[0])
        rows = [
            [name, *(_mean_and_spread(some, genre) for genre in genres)]
            for name, some in of_genres.items()
        ]
        text += [
            "Accuracy by pair of each genre, %:",
            tables.markdown_table(["", *map(genre_words, genres)], rows),
        ]
    answered = _answered(summary)
    if answered:
        text += [
            "Questions. The difference is that of the mean accuracy by pair "
            "of a test film, in points; the bootstrap draws films, paired, "
            f"for a {100 * CONFIDENCE:.0f} % interval of each claim alone, "
            "not corrected for multiple comparisons.",
            _table_of_questions(answered),
        ]
    text += [
        _gain_text(name, some)
        for name, some in results.items()
        if "gains" in some[0]
    ]
    for what, names in summary["notes"].items():
        text.append(f"{what}: {'; '.join(names)}.")
    return "\n\n".join(part.strip() for part in text) + "\n"


def _gain_text(name, results):
    """Says whether a head over a film's pairs passes their mean."""
    points, low, high, num_films = accuracy(
        [{"films": each["gains"]} for each in results]
    )
    interval = "" if low is None else f" ({low:+.1f} to {high:+.1f})"
    return (
        f"{name}, its head over a film's pairs beats their mean: "
        f"{points:+.1f} points{interval} of {num_films} films right, in "
        f"{len(results)} trainings: {answer(low, high)}."
    )


def _hours(results):
    seconds = [each["seconds"] for each in results if "seconds" in each]
    hours = sum(filter(None, seconds)) / 3600
    return (
        f"Training took {hours:.1f} hours in all ({seconds.count(None)} of "
        f"{len(seconds)} were interrupted and are not counted)."
    )


def accuracy(results):
    """Computes the accuracy by pair as the mean over the test films.

    Args:
        results: List of dicts with `films`, a dict from a film to its
            accuracy by pair.

    Returns:
        A tuple: the mean in percent; the ends of its interval by a bootstrap
        over films, None with fewer than three films; the number of films.
    """
    shares = collections.defaultdict(list)
    for result in results:
        for film, share in result["films"].items():
            shares[film].append(share)
    # Trainings of a film are not independent of each other: films are.
    by_film = 100 * np.array([np.mean(each) for each in shares.values()])
    return *intervals.mean_of_films(by_film), len(by_film)


def _with_interval(results):
    mean, low, high, _ = accuracy(results)
    return f"{mean:.1f}" + (
        "" if low is None else f" ({low:.1f} to {high:.1f})"
    )


def _mean_and_spread(results, key, factor=100, digits=1):
    """Writes a mean and, of several values, the standard deviation."""
    values = [each.get(key) for each in results]
    values = [factor * value for value in values if value is not None]
    if not values:
        return "-"
    mean = f"{statistics.mean(values):.{digits}f}"
    if len(values) == 1:
        return mean
    return f"{mean} ± {statistics.stdev(values):.{digits}f}"


def _table_of_models(results):
    reported = {
        name: each.report_accuracy for name, each in settings.OF_MODELS.items()
    }
    rows = [
        [
            f"*{name}*" if name.startswith(_BASELINE) else name,
            len(some),
            _with_interval(some),
            *(_mean_and_spread(some, *column[1:]) for column in _COLUMNS),
            reported.get(name) or "-",
        ]
        for name, some in results.items()
    ]
    return tables.markdown_table(
        [
            "",
            "trainings",
            "by pair, %",
            *(title for title, *_ in _COLUMNS),
            "the report's, % on films of its own: not comparable",
        ],
        rows,
    )


def models_text_of(summary):
    """Writes the README's table of the models from a summary.

    Args:
        summary: Dict, see `Reproduction.summary`.

    Returns:
        String, Markdown.
    """
    rows, num_films = [], 0
    for name, model in models.MODELS.items():
        if name not in summary["results"]:
            continue
        results = summary["results"][name]
        num_films = accuracy(results)[-1]
        description = model.build.__doc__.splitlines()[0]
        height, width = BUDGETS[summary["budget"]][name]["image_size"]
        rows.append(
            [
                f"`{name}`",
                " and ".join(results[0]["inputs"]).replace("_", " "),
                description.removeprefix("Builds ").removesuffix(".")
                + f" ({results[0]['parameters'] / 1e6:.1f} M parameters, "
                f"{width}x{height} pixels)",
                _with_interval(results),
            ]
        )
    table = tables.markdown_table(
        ["name", "sees", "what it is", "accuracy on the sample films, %"], rows
    )
    return (
        f"{table}\nAccuracy by pair: the mean over {num_films} films, each "
        "tested by models that did not see it in training "
        f"({summary['num_folds']} folds), with its "
        f"{100 * CONFIDENCE:.0f} % interval (bootstrap over the films). "
        f"Chance is {100 / len(sample_films.GENRES):.1f} %.\n"
    )


def _answered(summary):
    """Returns a dict from a claim to what `compare` returned for it."""
    results = summary["results"]
    found = {
        claim: compare(results[one], results[other])
        for claim, (one, other) in QUESTIONS.items()
        if {one, other} <= set(results)
    }
    return {claim: compared for claim, compared in found.items() if compared}


def _table_of_questions(answered):
    rows = [
        [
            claim,
            *QUESTIONS[claim],
            f"{points:+.1f}",
            "-" if low is None else f"{low:+.1f} to {high:+.1f}",
            *numbers,
            answer(low, high),
        ]
        for claim, (points, low, high, *numbers) in answered.items()
    ]
    header = ["claim", "one", "other", "difference", "interval", "films"]
    return tables.markdown_table([*header, "trainings of each", "answer"], rows)


def answer(low, high):
    """Says what an interval means for a claim."""
    if low is None:
        return "too few films"
    if low > 0:
        return "**yes**"
    return "**no**: worse" if high < 0 else "no significant difference"


def compare(one, other):
    """Compares two variants on the films that both were tested on.

    Args:
        one: List of dicts with `fold`, `seed` and `films`, see `accuracy`.
        other: The same, of another variant.

    Returns:
        A tuple: what `accuracy` returns, for the paired differences, in
        points; how many trainings of each. None if no training of both has a
        fold, a seed and a film in common.
    """
    twins = {(each["fold"], each["seed"]): each["films"] for each in other}
    pairs = [
        (each["films"], twins.get((each["fold"], each["seed"]))) for each in one
    ]
    differences = [
        {
            "films": {
                film: films[film] - twin[film] for film in films if film in twin
            }
        }
        for films, twin in pairs
        if twin is not None
    ]
    if not any(each["films"] for each in differences):
        return None
    return *accuracy(differences), len(differences)


def in_rounds(num_folds, num_rounds):
    """Orders the work in rounds, each of which holds every fold once.

    Args:
        num_folds: Integer.
        num_rounds: Integer, how many trainings each fold has.

    Returns:
        List of tuples (fold, seed), none twice. The seeds differ from fold to
        fold; as many rounds as folds hold every fold with every seed.
    """
    return [
        (fold, turn - turn % num_folds + (fold + turn) % num_folds)
        for turn in range(num_rounds)
        for fold in range(num_folds)
    ]


def main():
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m experiments.reproduce")
    add = parser.add_argument
    add("--dataset", default="scene_genre/sample")
    add("--data-dir", metavar="DIR")
    add("--out", default="results/reproduce", metavar="DIR")
    add("--budget", choices=BUDGETS, default="report")
    add("--num-folds", type=int, default=5, metavar="N")
    add(
        "--variants",
        nargs="*",
        choices=VARIANTS,
        default=list(VARIANTS),
        metavar="NAME",
        help="default: all; without a name, the baselines alone. "
        f"{'; '.join(VARIANTS)}",
    )
    add(
        "--rounds",
        type=int,
        default=3,
        metavar="N",
        help="each tests every film once, with other seeds (default: 3)",
    )
    add(
        "--finished",
        action="store_true",
        help="train nothing: tables of the finished trainings in --out",
    )
    add(
        "--films",
        metavar="FILMS.csv",
        help="the list of the data set's films, for the variants whose pairs "
        "are extracted anew: strides, bars",
    )
    add(
        "--pairs",
        type=int,
        default=cleaning.ExtractConfig.num_pairs,
        metavar="N",
        help="pairs a film that are extracted anew (default: %(default)s)",
    )
    arguments = parser.parse_args()
    share_devices()
    checks.above_zero("--rounds", arguments.rounds)
    builder = datasets.open_dataset(arguments.dataset, arguments.data_dir)
    task = datasets.task_of(builder)
    if task.name != ONE:
        raise ValueError(
            "Expected a data set of one genre a film, as the report's. "
            f"{arguments.dataset} has several. Train and evaluate on it with "
            "python -m keras_ssc.train --folds 5."
        )
    out = pathlib.Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    settings = {
        "dataset": arguments.dataset,
        "data_dir": arguments.data_dir,
        "strategy": "one_device",
    }
    done = Reproduction(
        builder,
        out,
        [VARIANTS[name] for name in arguments.variants],
        arguments.budget,
        arguments.num_folds,
        settings,
        arguments.films,
        {"num_pairs": arguments.pairs},
        not arguments.finished,
    )
    for fold, seed in in_rounds(arguments.num_folds, arguments.rounds):
        done.run(fold, seed)
        if not arguments.finished:
            done.write()
    if not done.results:
        raise ValueError(f"There is nothing to tabulate in {out}.")
    print(done.write())
    print(f"written: {out}/tables.md, {out}/results.json, {out}/figures")
    return 1 if "**Failed**" in done.notes else 0


if __name__ == "__main__":
    command.run(main)
