"""The report's table and its question on any films, with folds and seeds.

    python -m experiments.reproduce --dataset scene_genre/sample --budget small

Every variant is trained once for each fold over the films and each seed.
Trainings that are finished in --out are not repeated, interrupted ones are
resumed. After each fold and seed the tables and figures are written anew from
what is finished. The work goes in rounds: each tests every film once, with
seeds that differ from fold to fold, so that the first round already answers.
"""

import argparse
import collections
import dataclasses
import json
import os
import pathlib
import re
import statistics

import numpy as np
from scipy import stats

from experiments import baselines
from experiments import benchmark
from experiments import drawing
from experiments import film_data
from experiments import film_splits
from experiments import readme
from experiments import trainings
from keras_ssc import command
from keras_ssc import files
from keras_ssc import models
from keras_ssc.data import datasets
from keras_ssc.films import cleaning
from keras_ssc.genres import GENRES
from keras_ssc.metrics import tables
from keras_ssc.models import backbones
from keras_ssc.training import loop
from keras_ssc.training import train_config
from keras_ssc.training.train_config import TrainConfig

BUDGETS = {
    "report": {name: each.report for name, each in models.MODELS.items()},
    "small": {name: each.sample for name, each in models.MODELS.items()},
}

# Of the bootstrap over films.
_NUM_DRAWS, _CONFIDENCE = 10_000, 0.95

# The results that the README's table of the models is written from.
SAMPLE = "reproduce_sample"


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
    "a split by frame overestimates the accuracy of fc": (
        "fc, split by frame",
        "fc",
    ),
    "a split by frame overestimates the accuracy of inception_v3": (
        "inception_v3, split by frame",
        "inception_v3",
    ),
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
    if variant.settings.get("weights") != "imagenet":
        return None
    name = backbones.BACKBONES["inception_v3"].file_name
    home = pathlib.Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser()
    if (home / "models" / name).exists():
        return None
    return f"{name} is not in {home.name}/models of Keras"


class Reproduction:
    """Trainings over folds and seeds, and their tables.

    Args:
        builder: What `datasets.open_dataset` returned.
        out: `pathlib.Path` of the results' folder.
        names: Sequence of keys of `VARIANTS`; without any, the baselines
            alone.
        budget: String, a key of `BUDGETS`.
        num_folds: Integer, how many folds the films are split into.
        settings: Dict of fields of `TrainConfig` for all trainings.
        films: Path of the list of the data set's films, for variants whose
            pairs are extracted anew; None to leave them out.
        drawn: Dict of fields of `cleaning.ExtractConfig` for all of those.
        is_training: Boolean; without, only finished trainings are taken.
        train_and_evaluate: Function of a config and splits, see
            `trainings.train_and_evaluate`.
    """

    def __init__(
        self,
        builder,
        out,
        names,
        budget,
        num_folds,
        settings,
        films=None,
        drawn=None,
        is_training=True,
        train_and_evaluate=trainings.in_a_process,
    ):
        self._builder = builder
        self._out = out
        self._budget = budget
        self._num_folds = num_folds
        self._settings = settings
        self._films, self._drawn = films, drawn or {}
        self._is_training = is_training
        self._train_and_evaluate = train_and_evaluate
        self._data = {}  # how pairs are extracted -> film_data.FilmData
        self._features = None
        reasons = {name: why_left_out(VARIANTS[name], films) for name in names}
        self.left_out = {name: why for name, why in reasons.items() if why}
        self._variants = [
            VARIANTS[name] for name in names if name not in self.left_out
        ]
        self.results = collections.defaultdict(list)  # variant -> dicts
        self.baselines = collections.defaultdict(list)
        self.failures = []
        self.problems = set()  # films that could not be extracted anew
        self.untested = {}  # film -> why no model is tested on it

    def run(self, fold, seed):
        """Trains and evaluates every variant on a fold with a seed."""
        self._leave_out_bars()
        runs = [
            (variant, self._out / variant.slug / f"fold{fold}_seed{seed}")
            for variant in self._variants
        ]
        if not self._is_training:
            runs = [run for run in runs if (run[1] / "result.json").exists()]
            if not runs:
                return
        for variant, run_dir in runs:
            builder, source = self._data_of(variant)
            settings = {**self._settings, **source}
            config = config_of(variant, self._budget, seed, run_dir, **settings)
            splits = self._splits(builder, fold, **variant.split)
            try:
                result = self._train_and_evaluate(config, splits)
            except loop.TrainingError as error:
                # The others are worth as much without it.
                self.failures.append(
                    {
                        "variant": variant.name,
                        "fold": fold,
                        "seed": seed,
                        "reason": str(error),
                    }
                )
                continue
            self.results[variant.name].append(_condensed(fold, seed, result))
        self._run_baselines(fold, seed)

    def _splits(self, builder, fold, **changes):
        return film_splits.FoldSplits(
            builder, film_splits.FoldConfig(self._num_folds, fold, **changes)
        )

    def _data_of(self, variant):
        """Returns a variant's builder, and its config's fields."""
        if variant.drawn is None:
            return self._builder, {}
        data = self._draw(variant.drawn)
        return data.builder, {
            "dataset": film_data.DATASET,
            "data_dir": data.data_dir,
        }

    def _draw(self, changes):
        """Returns the data that is extracted so from the films."""
        # Cropping is the default: variants that say so share the data.
        fields = dataclasses.asdict(
            cleaning.ExtractConfig(**{**self._drawn, **changes})
        )
        name = _slug(" ".join(f"{key} {fields[key]}" for key in fields))
        if name not in self._data:
            data = film_data.draw(
                self._films, self._out / "data" / name, True, **fields
            )
            self._data[name] = data
            self.problems |= set(data.problems)
        return self._data[name]

    def _leave_out_bars(self):
        """Leaves out variants with and without bars where there are none."""
        about_bars = [
            variant
            for variant in self._variants
            if "crop_bars" in (variant.drawn or {})
        ]
        if about_bars and not self._draw({"crop_bars": True}).num_with_bars:
            for variant in about_bars:
                self._variants.remove(variant)
                self.left_out[variant.name] = "no film has bars"

    def _run_baselines(self, fold, seed):
        splits = self._splits(self._builder, fold)
        self.untested |= {
            film: reason
            for film, reason in splits.left_out.items()
            if reason.startswith("the only film")
        }
        if self._features is None:
            self._features = baselines.features_of(
                film_splits.all_pairs(
                    self._builder, baselines.IMAGE_SIZE, ("frame", "flow")
                )
            )
        for name in baselines.BASELINES:
            measured = baselines.evaluate(
                name,
                self._features.of_films(splits.films["train"]),
                self._features.of_films(splits.films["test"]),
                seed,
            )
            self.baselines[name].append(_condensed(fold, seed, measured))

    def summary(self):
        """Returns what tables and figures are made of, as plain values."""
        unfinished = {
            variant.name: "none of its trainings is finished"
            for variant in self._variants
            if not self._is_training and variant.name not in self.results
        }
        return {
            "version": 2,
            "machine": benchmark.machine(),
            "dataset": self._builder.info.full_name,
            "budget": self._budget,
            "num_folds": self._num_folds,
            "epochs": self._settings.get("epochs"),
            "results": dict(self.results),
            "baselines": dict(self.baselines),
            "left_out": self.left_out | unfinished,
            "untested": self.untested,
            "failures": self.failures,
            "problems": sorted(self.problems),
        }

    def write(self):
        """Writes the results, the tables and the figures; returns the text."""
        summary = self.summary()
        text = text_of(summary)
        files.write_text(self._out / "results.json", as_json(summary))
        files.write_text(self._out / "tables.md", text)
        figures = self._out / "figures"
        figures.mkdir(exist_ok=True)
        for name, png in figures_of(summary).items():
            files.write_bytes(figures / f"{name}.png", png)
        return text


_KEPT = (
    *("pair", "scene", "film", "macro_f1", "per_genre"),
    *("expected_calibration_error", "seconds", "inputs", "parameters"),
)


def _condensed(fold, seed, result):
    """Returns what tables need of a training, in six digits."""
    condensed = {
        "fold": fold,
        "seed": seed,
        **{name: result[name] for name in _KEPT if name in result},
        "films": {
            film["film"]: film["pair_accuracy"] for film in result["films"]
        },
    }
    return json.loads(
        json.dumps(condensed),
        parse_float=lambda digits: round(float(digits), 6),
    )


def as_json(summary):
    """Writes a summary as JSON, a training a line."""
    text = json.dumps(summary, indent=2, ensure_ascii=False)
    return re.sub(r"\n(?: {8,}| {6}(?=\}))", " ", text) + "\n"


def figures_of(summary):
    """Returns a dict from a figure's name to a PNG."""
    of_models = [
        (name, *accuracy(results)[:3])
        for name, results in _with_baselines(summary).items()
        if name in models.MODELS or name in _baselines(summary)
    ]
    of_questions = [
        (claim, *found[:3]) for claim, found in _answered(summary).items()
    ]
    interval = f"line: {100 * _CONFIDENCE:.0f} % interval over the test films"
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
    figures = {
        name: ([row for row in rows if row[2] is not None], *words)
        for name, (rows, *words) in figures.items()
    }
    return {
        name: drawing.intervals_figure(*given)
        for name, given in figures.items()
        if given[0]
    }


def _reported(name):
    """Returns the report's accuracy of a model, None if it has none."""
    model = models.MODELS.get(name)
    return model and model.report_accuracy


def _baselines(summary):
    return {
        f"baseline: {name}": given
        for name, given in summary["baselines"].items()
    }


def _with_baselines(summary):
    """Returns a dict from all names in tables to their results."""
    return summary["results"] | _baselines(summary)


def text_of(summary):
    """Writes the tables of a summary as Markdown.

    Args:
        summary: Dict, see `Reproduction.summary`.

    Returns:
        String.
    """
    results = summary["results"]
    runs = sorted(
        {
            (each["fold"], each["seed"])
            for some in _with_baselines(summary).values()
            for each in some
        }
    )
    text = [
        f"{summary['machine']}; {summary['dataset']}, films split into "
        f"{summary['num_folds']} folds; settings: {summary['budget']}. "
        f"{_trainings(results)} each (fold, seed): "
        f"{', '.join(f'({fold + 1}, {seed})' for fold, seed in runs)}. "
        f"By pair: the mean over the test films with its "
        f"{100 * _CONFIDENCE:.0f} % interval (bootstrap over films, "
        f"{_NUM_DRAWS:,} draws); the other columns: mean ± standard deviation "
        f"over the trainings. {_hours(results)}",
        _table_of_models(summary),
    ]
    if results:
        text += [
            "Accuracy by pair of each genre, %:",
            _table_of_genres(results),
        ]
    answered = _answered(summary)
    if answered:
        text += [
            "Questions. The difference is that of the mean accuracy by pair "
            "of a test film, in points; the bootstrap draws films, paired, "
            f"for a {100 * _CONFIDENCE:.0f} % interval of each claim alone, "
            "not corrected for multiple comparisons.",
            _table_of_questions(answered),
        ]
    for title, told in (
        ("Not trained", summary["left_out"]),
        ("In no split", summary["untested"]),
    ):
        by_reason = collections.defaultdict(list)
        for name, reason in told.items():
            by_reason[reason].append(name)
        text += [
            f"{title}, {reason}: {'; '.join(names)}."
            for reason, names in by_reason.items()
        ]
    if summary["problems"]:
        text.append(f"Not extracted anew: {'; '.join(summary['problems'])}.")
    for failure in summary["failures"]:
        text.append(
            f"**Failed**: {failure['variant']}, fold {failure['fold'] + 1}, "
            f"seed {failure['seed']}: {failure['reason']}"
        )
    return "\n\n".join(part.strip() for part in text) + "\n"


def _hours(results):
    seconds = [each["seconds"] for some in results.values() for each in some]
    whole = [each for each in seconds if each is not None]
    text = f"Training took {sum(whole) / 3600:.1f} hours in all"
    if len(whole) == len(seconds):
        return f"{text}."
    interrupted = f"{len(seconds) - len(whole)} of {len(seconds)}"
    return f"{text}, without {interrupted} that were interrupted."


def _trainings(results):
    numbers = {len(each) for each in results.values()} or {0}
    least, most = min(numbers), max(numbers)
    if least != most:
        return f"{least} to {most} trainings"
    return "1 training" if most == 1 else f"{most} trainings"


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
    low = high = None
    if len(by_film) >= 3:
        low, high = stats.bootstrap(
            (by_film,),
            np.mean,
            n_resamples=_NUM_DRAWS,
            confidence_level=_CONFIDENCE,
            method="percentile",
            rng=np.random.default_rng(0),
        ).confidence_interval
    return float(by_film.mean()), low, high, len(by_film)


def _with_interval(results):
    mean, low, high, _ = accuracy(results)
    return f"{mean:.1f}" + (
        "" if low is None else f" ({low:.1f} to {high:.1f})"
    )


def _mean_and_spread(values, digits=1):
    """Writes a mean and, of several values, the standard deviation."""
    if not values:
        return "-"
    mean = f"{statistics.mean(values):.{digits}f}"
    if len(values) == 1:
        return mean
    return f"{mean} ± {statistics.stdev(values):.{digits}f}"


def _table_of_models(summary):
    rows = []
    for name, results in _with_baselines(summary).items():
        # Baselines lack some numbers, interrupted trainings their seconds.
        values = {
            key: [each[key] for each in results if each.get(key) is not None]
            for key in _KEPT
        }
        shares = (
            [100 * share for share in values[key]]
            for key in ("scene", "film", "macro_f1")
        )
        seconds = values["seconds"]
        rows.append(
            [
                f"*{name}*" if name in _baselines(summary) else name,
                len(results),
                _with_interval(results),
                *map(_mean_and_spread, shares),
                _mean_and_spread(values["expected_calibration_error"], 3),
                f"{statistics.median(seconds):.0f}" if seconds else "-",
                _reported(name) or "-",
            ]
        )
    return tables.markdown_table(
        [
            "",
            "trainings",
            "by pair, %",
            "by scene, %",
            "by film, %",
            "macro F1 by pair, %",
            "calibration error",
            "seconds",
            "the report's, % on films of its own: not comparable",
        ],
        rows,
    )


def _table_of_genres(results):
    rows = [
        [name]
        + [
            _mean_and_spread(
                [
                    100 * each["per_genre"][genre]
                    for each in given
                    if each["per_genre"][genre] is not None
                ]
            )
            for genre in GENRES
        ]
        for name, given in results.items()
    ]
    names = [genre.replace("_", " ") for genre in GENRES]
    return tables.markdown_table(["", *names], rows)


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
        f"{100 * _CONFIDENCE:.0f} % interval (bootstrap over the films). "
        f"Chance is {100 / len(GENRES):.1f} %.\n"
    )


def _answered(summary):
    """Returns a dict from a claim to what `compare` returned for it."""
    results = _with_baselines(summary)
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
    return tables.markdown_table(
        [
            "claim",
            "one",
            "other",
            "difference",
            "interval",
            "films",
            "trainings of each",
            "answer",
        ],
        rows,
    )


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
    differences = [
        {
            film: share - twins[each["fold"], each["seed"]][film]
            for film, share in each["films"].items()
            if film in twins[each["fold"], each["seed"]]
        }
        for each in one
        if (each["fold"], each["seed"]) in twins
    ]
    if not any(differences):
        return None
    return *accuracy([{"films": each} for each in differences]), len(
        differences
    )


def in_rounds(folds, seeds, num_rounds=None):
    """Orders folds and seeds in rounds.

    Args:
        folds: Sequence of integers.
        seeds: Sequence of integers.
        num_rounds: Integer, of how many rounds; None for all, one a seed.

    Returns:
        List of tuples (fold, seed). A round holds every fold once; all of them
        hold every fold with every seed.
    """
    return [
        (fold, seeds[(place + turn) % len(seeds)])
        for turn in range(len(seeds))[:num_rounds]
        for place, fold in enumerate(folds)
    ]


def main():
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m experiments.reproduce")
    add = parser.add_argument
    add("--dataset", default="scene_genre/sample")
    add("--data-dir", metavar="DIR")
    add("--out", default="results/reproduce", metavar="DIR")
    add("--budget", choices=BUDGETS, default="report")
    add("--seeds", nargs="+", type=int, default=[0, 1, 2], metavar="N")
    add("--num-folds", type=int, default=5, metavar="N")
    add(
        "--folds",
        nargs="+",
        type=int,
        metavar="N",
        help="from 1; default: all of them",
    )
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
        metavar="N",
        help="each tests every film once; default: as many as seeds",
    )
    add(
        "--finished",
        action="store_true",
        help="train nothing: tables of the finished trainings in --out",
    )
    add("--epochs", type=int, metavar="N", help="default: the budget's")
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
    add(
        "--readme",
        metavar="NAME",
        help="put the tables into experiments/README.md, and the results "
        f"beside it, under this name; {SAMPLE} also writes the README's table "
        "of the models",
    )
    arguments = parser.parse_args()
    trainings.share_devices()
    folds = arguments.folds or range(1, arguments.num_folds + 1)
    if arguments.rounds is not None and arguments.rounds < 1:
        raise ValueError(
            f"Expected --rounds above 0. Received: {arguments.rounds}"
        )
    builder = datasets.open_dataset(arguments.dataset, arguments.data_dir)
    out = pathlib.Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    settings = {
        "dataset": arguments.dataset,
        "data_dir": arguments.data_dir,
        "strategy": "one_device",
    }
    if arguments.epochs is not None:
        settings["epochs"] = arguments.epochs
    done = Reproduction(
        builder,
        out,
        arguments.variants,
        arguments.budget,
        arguments.num_folds,
        settings,
        arguments.films,
        {"num_pairs": arguments.pairs},
        not arguments.finished,
    )
    for name, reason in done.left_out.items():
        print(f"left out: {name}: {reason}")
    for fold, seed in in_rounds(folds, arguments.seeds, arguments.rounds):
        done.run(fold - 1, seed)
        if not arguments.finished:
            done.write()
    is_asked = arguments.variants or arguments.finished
    if is_asked and not done.results and not done.failures:
        told = "".join(
            f" {name}: {reason}." for name, reason in done.left_out.items()
        )
        raise ValueError(f"There is nothing to tabulate in {out}.{told}")
    text = done.write()
    print(text)
    print(f"written: {out}/tables.md, {out}/results.json, {out}/figures")
    if arguments.readme:
        put(arguments.readme, done.summary())
        readme.put_figures(arguments.readme, out / "figures")
    return 1 if done.failures else 0


def put(name, summary):
    """Puts tables into READMEs, and what they are written from beside them.

    Args:
        name: String, the block's name, see `readme.put`.
        summary: Dict, see `Reproduction.summary`.
    """
    readme.put(name, text_of(summary))
    if name == SAMPLE:
        readme.put("models", models_text_of(summary))
    files.write_text(readme.RESULTS / f"{name}.json", as_json(summary))


if __name__ == "__main__":
    command.run(main)
