"""The report's table and its question, on any films, with folds and seeds.

    python -m experiments.reproduce --dataset scene_genre/sample --budget small

Every variant is trained once for each fold over the films and each seed. What
is finished in --out is not repeated, and what was stopped goes on. After each
fold and seed the tables and figures are written anew, of what there is. The
work goes in rounds: each asks about every film once, with seeds that differ
from fold to fold, so that the first ones already tell something.
"""

import argparse
import collections
import dataclasses
import os
import pathlib
import re
import statistics

import numpy as np
from scipy import stats

from experiments import baselines
from experiments import benchmark
from experiments import film_data
from experiments import film_splits
from experiments import model_table
from experiments import readme
from experiments import trainings
from keras_ssc import cleaning
from keras_ssc import command
from keras_ssc import datasets
from keras_ssc import figures
from keras_ssc import files
from keras_ssc import loop
from keras_ssc import models
from keras_ssc import runs
from keras_ssc import tables
from keras_ssc import train_config
from keras_ssc.genres import GENRES
from keras_ssc.models import backbones
from keras_ssc.train_config import TrainConfig

BUDGETS = {
    "report": {name: each.report for name, each in models.MODELS.items()},
    "small": {name: each.sample for name, each in models.MODELS.items()},
}

# Draws of films for an interval, and how sure it is.
_NUM_DRAWS, _CONFIDENCE = 10_000, 0.95

_SEES_FLOW = ("frame", "flow")


@dataclasses.dataclass(frozen=True)
class Variant:
    """What is trained.

    Attributes:
        name: String, what it is called in tables.
        model: String, a key of `models.MODELS`.
        settings: Dict of fields of `TrainConfig` that differ from the
            budget's.
        deal: Dict of fields of `film_splits.Deal` that differ.
        batch_factor: Float, times the budget's batch size.
        drawn: Dict of fields of `cleaning.ExtractConfig`, how its pairs are
            drawn from the films anew; None for the data set as it was built.
    """

    name: str
    model: str
    settings: dict = dataclasses.field(default_factory=dict)
    deal: dict = dataclasses.field(default_factory=dict)
    batch_factor: float = 1.0
    drawn: dict | None = None

    @property
    def slug(self):
        """The variant's folder."""
        return _slug(self.name)


def _slug(text):
    return re.sub(r"\W+", "_", text)


@dataclasses.dataclass(frozen=True)
class Question:
    """A claim that two variants' test accuracies decide.

    Attributes:
        claim: String, that `one` is more accurate than `other`; or, with
            `is_control`, that they cannot be told apart.
        one: String, a variant's name.
        other: String, a variant's name.
        is_control: Boolean.
    """

    claim: str
    one: str
    other: str
    is_control: bool = False


# How many frames on the next frame is.
_STRIDES = (2, 4, 8, 12)

_TABLE = [Variant(name, name) for name in models.MODELS]

_MORE = [
    Variant(
        "double_stack, separate trunks", "double_stack", {"trunk": "separate"}
    ),
    Variant(
        "double_stack, FlowNet-S for the flow",
        "double_stack",
        {"trunk": "flownet"},
    ),
    Variant(
        "motion_magnitude_stack, one neuron",
        "motion_magnitude_stack",
        {"encoding": 1},
    ),
    Variant("flownet_fc, one frame", "flownet_fc", {"single_frame": True}),
    Variant(
        "double_stack, next frames shuffled",
        "double_stack",
        deal={"change": "next_frame_of_another_pair"},
    ),
    Variant(
        "inception_v3_6ch, next frames shuffled",
        "inception_v3_6ch",
        deal={"change": "next_frame_of_another_pair"},
    ),
    Variant(
        "double_stack, flow alone", "double_stack", deal={"change": "no_frame"}
    ),
    Variant("fc, split by frame", "fc", deal={"by": "pair"}),
    Variant(
        "inception_v3, split by frame", "inception_v3", deal={"by": "pair"}
    ),
    *[
        Variant(
            f"double_stack, {told} a genre",
            "double_stack",
            deal={"films_per_genre": number},
        )
        for number, told in enumerate(("1 film", "2 films"), start=1)
    ],
    *[
        Variant(
            f"double_stack, batch x {factor:g}",
            "double_stack",
            batch_factor=factor,
        )
        for factor in (0.5, 2.0)
    ],
    *[
        Variant(
            f"double_stack, stride {stride}",
            "double_stack",
            drawn={"stride": stride},
        )
        for stride in (1, *_STRIDES)
    ],
    *[
        Variant(
            f"inception_v3, bars {'cropped' if is_cropped else 'kept'}",
            "inception_v3",
            drawn={"crop_bars": is_cropped},
        )
        for is_cropped in (True, False)
    ],
    Variant(
        "inception_v3, ImageNet's weights",
        "inception_v3",
        {"weights": "imagenet"},
    ),
    Variant(
        "double_stack, ImageNet's weights",
        "double_stack",
        {"weights": "imagenet"},
    ),
]

VARIANTS = {variant.name: variant for variant in [*_TABLE, *_MORE]}

_CONTROL = "control, next frames shuffled"

QUESTIONS = [
    Question(
        "a single frame tells more than its colours",
        "inception_v3",
        "baseline: colour_histogram",
    ),
    Question(
        "a frame and its flow tell more than four numbers of the flow",
        "double_stack",
        "baseline: flow_statistics",
    ),
    Question(
        "a frame and its flow pass the frame alone",
        "double_stack",
        "inception_v3",
    ),
    Question("two frames stacked pass one", "inception_v3_6ch", "inception_v3"),
    Question(
        "a frame and its magnitude of motion pass the frame alone",
        "motion_magnitude_stack",
        "inception_v3",
    ),
    Question("flow passes stacked frames", "double_stack", "inception_v3_6ch"),
    Question(
        "flow passes its mean magnitude",
        "double_stack",
        "motion_magnitude_stack",
    ),
    Question(
        "FlowNet-S of two frames passes it of one",
        "flownet_fc",
        "flownet_fc, one frame",
    ),
    Question(
        "a frame and its flow pass the flow alone",
        "double_stack",
        "double_stack, flow alone",
    ),
    Question(
        "the flow alone passes the frame alone",
        "double_stack, flow alone",
        "inception_v3",
    ),
    Question(
        f"{_CONTROL}: double_stack is no better than a single frame",
        "double_stack, next frames shuffled",
        "inception_v3",
        is_control=True,
    ),
    Question(
        f"{_CONTROL}: inception_v3_6ch is no better than a single frame",
        "inception_v3_6ch, next frames shuffled",
        "inception_v3",
        is_control=True,
    ),
    Question(
        "one trunk for both passes one for each",
        "double_stack",
        "double_stack, separate trunks",
    ),
    Question(
        "Inception v3 passes FlowNet-S for the flow",
        "double_stack",
        "double_stack, FlowNet-S for the flow",
    ),
    Question(
        "all features beside the magnitude pass one neuron",
        "motion_magnitude_stack",
        "motion_magnitude_stack, one neuron",
    ),
    Question("a split by frame flatters fc", "fc, split by frame", "fc"),
    Question(
        "a split by frame flatters inception_v3",
        "inception_v3, split by frame",
        "inception_v3",
    ),
    Question(
        "all films pass two a genre",
        "double_stack",
        "double_stack, 2 films a genre",
    ),
    Question(
        "two films a genre pass one",
        "double_stack, 2 films a genre",
        "double_stack, 1 film a genre",
    ),
    Question(
        "a batch twice as large is better",
        "double_stack, batch x 2",
        "double_stack",
    ),
    Question(
        "a batch half as large is worse",
        "double_stack",
        "double_stack, batch x 0.5",
    ),
    *[
        Question(
            f"{stride} frames on tell more than the very next",
            f"double_stack, stride {stride}",
            "double_stack, stride 1",
        )
        for stride in _STRIDES
    ],
    Question(
        "bars that are kept flatter inception_v3",
        "inception_v3, bars kept",
        "inception_v3, bars cropped",
    ),
    Question(
        "ImageNet's weights help the frame alone",
        "inception_v3, ImageNet's weights",
        "inception_v3",
    ),
    Question(
        "ImageNet's weights help the double stack",
        "double_stack, ImageNet's weights",
        "double_stack",
    ),
]


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
        return "its pairs are drawn anew: needs --films"
    if variant.settings.get("weights") != "imagenet":
        return None
    name = backbones.BACKBONES["inception_v3"].file_name
    home = pathlib.Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser()
    if (home / "models" / name).exists():
        return None
    return f"{name} is not in {home.name}/models of Keras"


class Reproduction:
    """Trainings over folds and seeds, and what they say.

    Args:
        builder: What `datasets.open_dataset` returned.
        out: `pathlib.Path` of the results' folder.
        names: Sequence of keys of `VARIANTS`.
        budget: String, a key of `BUDGETS`.
        num_folds: Integer, into which the films are dealt.
        settings: Dict of fields of `TrainConfig` for all trainings.
        films: Path of the list of the data set's films, for variants whose
            pairs are drawn anew; None to leave them out.
        drawn: Dict of fields of `cleaning.ExtractConfig` for all of those.
        is_training: Boolean; without, only what is finished is taken.
        is_apart: Boolean, whether each training has a process of its own.
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
        is_apart=False,
    ):
        self._builder = builder
        self._out = out
        self._budget = budget
        self._num_folds = num_folds
        self._settings = settings
        self._films, self._drawn = films, drawn or {}
        self._is_training = is_training
        self._is_apart = is_apart
        self._data = {}  # how pairs are drawn -> film_data.FilmData
        self._features = None
        self.left_out = {}
        self._variants = []
        for name in names:
            reason = why_left_out(VARIANTS[name], films)
            if reason is None:
                self._variants.append(VARIANTS[name])
            else:
                self.left_out[name] = reason
        self.results = collections.defaultdict(list)  # variant -> dicts
        self.baselines = collections.defaultdict(list)
        self.failures = []
        self.problems = set()  # films that could not be drawn anew
        self.untested = {}  # film -> why no model is asked about it

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
        train_and_evaluate = (
            trainings.in_a_process
            if self._is_apart
            else trainings.train_and_evaluate
        )
        for variant, run_dir in runs:
            builder, source = self._data_of(variant)
            splits = self._splits(builder, fold, **variant.deal)
            config = config_of(
                variant,
                self._budget,
                seed,
                run_dir,
                **{**self._settings, **source},
            )
            try:
                result = train_and_evaluate(config, splits)
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
            self.results[variant.name].append({**result, "fold": fold})
        self._run_baselines(fold, seed)

    def _splits(self, builder, fold, **changes):
        return film_splits.DealtSplits(
            builder, film_splits.Deal(self._num_folds, fold, **changes)
        )

    def _data_of(self, variant):
        """Returns a variant's builder, and what its config says of it."""
        if variant.drawn is None:
            return self._builder, {}
        data = self._draw(variant.drawn)
        return data.builder, {
            "dataset": film_data.DATASET,
            "data_dir": data.data_dir,
        }

    def _draw(self, changes):
        """Returns the data that is drawn so, of the films."""
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
        """Leaves out variants that tell bars apart where there are none."""
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
            self._features = baselines.join(
                [
                    baselines.features_of(
                        datasets.prepare(
                            self._builder,
                            split,
                            baselines.IMAGE_SIZE,
                            _SEES_FLOW,
                        )
                    )
                    for split in self._builder.info.splits
                ]
            )
        for name in baselines.BASELINES:
            measured = baselines.evaluate(
                name,
                self._features.of_films(splits.films["train"]),
                self._features.of_films(splits.films["test"]),
                seed,
            )
            self.baselines[name].append({**measured, "fold": fold})

    def summary(self):
        """Returns what tables and figures are made of, as plain values."""
        return {
            "version": 1,
            "machine": benchmark.machine(),
            "dataset": self._builder.info.full_name,
            "budget": self._budget,
            "num_folds": self._num_folds,
            "epochs": self._settings.get("epochs"),
            "results": {
                name: [_condensed(each) for each in results]
                for name, results in self.results.items()
            },
            "baselines": {
                name: [_condensed(each) for each in results]
                for name, results in self.baselines.items()
            },
            "left_out": self.left_out
            | {
                variant.name: "none of its trainings is finished"
                for variant in self._variants
                if not self._is_training and variant.name not in self.results
            },
            "untested": self.untested,
            "failures": self.failures,
            "problems": sorted(self.problems),
        }

    def write(self):
        """Writes the results, the tables and the figures; returns the text."""
        summary = self.summary()
        text = text_of(summary)
        files.write_json(self._out / "results.json", summary)
        files.write_text(self._out / "tables.md", text)
        figures = self._out / "figures"
        figures.mkdir(exist_ok=True)
        for name, png in self._figures(summary).items():
            files.write_bytes(figures / f"{name}.png", png)
        return text

    def _figures(self, summary):
        """Returns a dict from a figure's name to a PNG."""
        dataset = summary["dataset"]
        magnitudes = np.exp(self._features.values["magnitude"][:, 0])
        drawn = {
            "models": _models_figure(summary),
            "motion": figures.motion_figure(
                {
                    genre: magnitudes[self._features.label == label]
                    for label, genre in enumerate(GENRES)
                },
                baselines.MAGNITUDE_FLOOR,
                f"Motion magnitude of the pairs of {dataset}",
            ),
        }
        questions = _questions_figure(summary)
        if questions is not None:
            drawn["questions"] = questions
        for name, results in self.results.items():
            slug, first = VARIANTS[name].slug, results[0]
            drawn[f"confusion_{slug}"] = figures.confusion_figure(
                sum(np.array(each["confusion"]) for each in results),
                GENRES,
                f"{name}: test pairs of {_trainings(len(results))}",
            )
            run_dir = f"fold{first['fold']}_seed{first['seed']}"
            drawn[f"curves_{slug}"] = figures.curves_figure(
                runs.read_history(self._out / slug / run_dir),
                f"{name}, fold {first['fold'] + 1}, seed {first['seed']}",
            )
        return drawn


def _condensed(result):
    """Returns what tables need of a training."""
    films = [
        {key: film[key] for key in ("film", "pair_accuracy")}
        for film in result["films"]
    ]
    return {**result, "films": films}


def _models_figure(summary):
    rows = {
        name: (
            [100 * each["pair"] for each in results],
            models.MODELS[name].report_accuracy,
        )
        for name, results in summary["results"].items()
        if name in models.MODELS
    }
    return figures.models_figure(
        rows,
        f"Test accuracy by pair, {summary['dataset']}",
        {
            _baseline(name): [
                100 * each["pair"]["accuracy"] for each in results
            ]
            for name, results in summary["baselines"].items()
        },
    )


def _questions_figure(summary):
    """Draws the questions that have an interval; None if none has."""
    rows = [
        (question.claim, *found[:3], answer(question, *found[1:3]))
        for question, found in _answered(summary)
        if found[1] is not None
    ]
    if not rows:
        return None
    return figures.intervals_figure(
        [(*row[:-1], row[-1].replace("*", "")) for row in rows],
        "accuracy by pair of a test film, one less other, points; line: "
        f"{100 * _CONFIDENCE:.0f} % interval",
        f"What differs, {summary['dataset']}",
    )


def _baseline(name):
    return f"baseline: {name}"


def text_of(summary):
    """Writes the tables of a summary as Markdown.

    Args:
        summary: Dict, see `Reproduction.summary`.

    Returns:
        String.
    """
    results = summary["results"]
    num_runs = {len(each) for each in results.values()} or {0}
    deals = sorted(
        {
            (each["fold"], each["seed"])
            for some in results.values()
            for each in some
        }
    )
    text = [
        f"{summary['machine']}; {summary['dataset']}, films dealt to "
        f"{summary['num_folds']} folds; settings: {summary['budget']}. "
        f"{_trainings(*num_runs)} each (fold, seed): "
        f"{', '.join(f'({fold + 1}, {seed})' for fold, seed in deals)}. "
        f"Mean ± standard deviation over them. {_hours(results)}",
        _table_of_models(summary),
        "Accuracy by pair of each genre, %:",
        _table_of_genres(results),
        "Questions. The difference is that of the mean accuracy by pair of a "
        "test film, in points; films are what the interval draws from "
        f"({100 * _CONFIDENCE:.0f} %, {_NUM_DRAWS:,} draws, paired), "
        "for each claim alone: not corrected for how many there are.",
        _table_of_questions(summary),
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
        text.append(f"Not drawn anew: {'; '.join(summary['problems'])}.")
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
    if len(whole) < len(seconds):
        text += (
            f", without {len(seconds) - len(whole)} of {len(seconds)} that "
            "were stopped in between"
        )
    return f"{text}."


def _trainings(*numbers):
    least, most = min(numbers), max(numbers)
    if least != most:
        return f"{least} to {most} trainings"
    return "1 training" if most == 1 else f"{most} trainings"


def _table_of_models(summary):
    rows = []
    for name, results in summary["results"].items():
        seconds = [each["seconds"] for each in results if each["seconds"]]
        rows.append(
            [
                name,
                len(results),
                *(
                    model_table.mean_and_spread(
                        [100 * each[key] for each in results]
                    )
                    for key in ("pair", "scene", "film", "macro_f1")
                ),
                model_table.mean_and_spread(
                    [each["expected_calibration_error"] for each in results], 3
                ),
                f"{statistics.median(seconds):.0f}" if seconds else "-",
                models.MODELS[name].report_accuracy
                if name in models.MODELS
                else "-",
            ]
        )
    for name, results in summary["baselines"].items():
        rows.append(
            [
                f"*{_baseline(name)}*",
                len(results),
                model_table.mean_and_spread(
                    [100 * each["pair"]["accuracy"] for each in results]
                ),
                "-",
                model_table.mean_and_spread(
                    [100 * each["film"]["accuracy"] for each in results]
                ),
                model_table.mean_and_spread(
                    [100 * each["pair"]["macro_f1"] for each in results]
                ),
                *("-",) * 3,
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
    rows = []
    for name, given in results.items():
        cells = []
        for genre in GENRES:
            shares = [
                100 * each["per_genre"][genre]
                for each in given
                if each["per_genre"][genre] is not None
            ]
            cells.append(model_table.mean_and_spread(shares) if shares else "-")
        rows.append([name, *cells])
    names = [genre.replace("_", " ") for genre in GENRES]
    return tables.markdown_table(["", *names], rows)


def _answered(summary):
    """Returns tuples of a question and what `compare` returned of it."""
    results = summary["results"] | {
        _baseline(name): given for name, given in summary["baselines"].items()
    }
    asked = (
        (each, compare(results[each.one], results[each.other]))
        for each in QUESTIONS
        if {each.one, each.other} <= set(results)
    )
    return [(each, found) for each, found in asked if found is not None]


def _table_of_questions(summary):
    rows = [
        [
            question.claim,
            question.one,
            question.other,
            f"{points:+.1f}",
            "-" if low is None else f"{low:+.1f} to {high:+.1f}",
            num_films,
            num_trainings,
            answer(question, low, high),
        ]
        for question, (
            points,
            low,
            high,
            num_films,
            num_trainings,
        ) in _answered(summary)
    ]
    return tables.markdown_table(
        [
            "claim",
            "one",
            "other",
            "one less other",
            "interval",
            "films",
            "trainings of each",
            "answer",
        ],
        rows,
    )


def answer(question, low, high):
    """Says what an interval says of a claim."""
    if low is None:
        return "too few films to tell"
    if low > 0:
        return "**no**: it is better" if question.is_control else "**yes**"
    if high < 0:
        return "yes: it is worse" if question.is_control else "**no**: less"
    return "yes: not told apart" if question.is_control else "not told apart"


def compare(one, other):
    """Compares two variants on the films that both were asked about.

    Args:
        one: List of dicts of `trainings.train_and_evaluate` with `fold`.
        other: The same, of another variant.

    Returns:
        A tuple: the mean over the films of the difference of the accuracies
        by pair, in points; the ends of its interval by a paired bootstrap
        over films, None with fewer than three films; how many films; how
        many trainings of each. None if no training of both has a fold, a seed
        and a film in common.
    """
    others = {(each["fold"], each["seed"]): each for each in other}
    differences, num_trainings = collections.defaultdict(list), 0
    for result in one:
        twin = others.get((result["fold"], result["seed"]))
        if twin is None:
            continue
        num_trainings += 1
        accuracy = {
            film["film"]: film["pair_accuracy"] for film in twin["films"]
        }
        for film in result["films"]:
            if film["film"] in accuracy:
                differences[film["film"]].append(
                    film["pair_accuracy"] - accuracy[film["film"]]
                )
    if not differences:
        return None
    # Trainings of a film are not independent of each other: films are.
    by_film = 100 * np.array([np.mean(each) for each in differences.values()])
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
    return float(by_film.mean()), low, high, len(by_film), num_trainings


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
        nargs="+",
        choices=VARIANTS,
        default=list(VARIANTS),
        metavar="NAME",
        help=f"default: all. {'; '.join(VARIANTS)}",
    )
    add(
        "--rounds",
        type=int,
        metavar="N",
        help="each asks about every film once; default: as many as seeds",
    )
    add(
        "--finished",
        action="store_true",
        help="train nothing: tables of what --out holds",
    )
    add("--epochs", type=int, metavar="N", help="default: the budget's")
    add(
        "--films",
        metavar="FILMS.csv",
        help="the list of the data set's films, for the variants whose pairs "
        "are drawn anew: strides, bars",
    )
    add(
        "--pairs",
        type=int,
        default=cleaning.ExtractConfig.num_pairs,
        metavar="N",
        help="pairs a film that are drawn anew (default: %(default)s)",
    )
    add(
        "--readme",
        metavar="NAME",
        help="put the tables into experiments/README.md, and the results "
        "beside it, under this name",
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
        is_apart=True,
    )
    for name, reason in done.left_out.items():
        print(f"left out: {name}: {reason}")
    for fold, seed in in_rounds(folds, arguments.seeds, arguments.rounds):
        done.run(fold - 1, seed)
        if not arguments.finished:
            done.write()
    if not done.results and not done.failures:
        told = "".join(
            f" {name}: {reason}." for name, reason in done.left_out.items()
        )
        raise ValueError(f"There is nothing to tabulate in {out}.{told}")
    text = done.write()
    print(text)
    print(f"written: {out}/tables.md, {out}/results.json, {out}/figures")
    if arguments.readme:
        readme.put_results(arguments.readme, done.summary(), text)
        readme.put_figures(arguments.readme, out / "figures")
    return 1 if done.failures else 0


if __name__ == "__main__":
    command.run(main)
