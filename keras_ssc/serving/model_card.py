"""What a served model is, what it was trained on and what it can do."""

import time

import tensorflow as tf

from keras_ssc import __version__
from keras_ssc import tasks
from keras_ssc.films import image_limits
from keras_ssc.metrics import tables
from keras_ssc.metrics.unlike import UNLIKE
from keras_ssc.serving import export_formats
from keras_ssc.serving import exported
from keras_ssc.training import run_familiarity
from keras_ssc.training import settings

_LIMITS = (
    "It was measured on the films of the split above; on other kinds of films "
    "it may do worse.",
    "Both frames are to be of one shot and consecutive. Over a cut, motion "
    "means nothing.",
    "Farneback's flow sees little motion in flat areas: the magnitude mixes "
    "motion with texture.",
)

# Only the SavedModel does that itself.
_BARS_LIMIT = "Bars are not cropped: give it frames without, as in training."

_FAMILIARITY_LIMITS = (
    "Familiarity is of single frames: it does not notice a new genre that "
    "differs in motion alone, nor one that looks like those it knows.",
    "Training films that are very unlike each other make all films familiar.",
)


def card(config, metrics, model_format, parity, familiarity_bytes=None):
    """Puts together what is known of a model.

    Args:
        config: The run's `TrainConfig`.
        metrics: What `evaluation.evaluate` returned.
        model_format: String, what it is exported as.
        parity: Dict, how far the exported model's scores are from the run's.
        familiarity_bytes: Integer, what familiarity takes of the exported
            model; None if it does not have it.

    Returns:
        A dict of plain values, as `model_card.json` has it; `card_version` is
        raised when a field changes its meaning.
    """
    task = tasks.of_metrics(metrics, metrics["run"])
    accuracy = settings.of_model(config.model).report_accuracy
    has_familiarity = familiarity_bytes is not None
    limits = [task.limits_text(has_familiarity), *_LIMITS]
    if model_format != "savedmodel":
        limits.append(_BARS_LIMIT)
    familiarity = None
    if has_familiarity:
        limits += _FAMILIARITY_LIMITS
        familiarity = {
            **metrics["familiarity"],
            "num_judged": len(metrics["films"]),
            "threshold": UNLIKE,
            "num_bytes": familiarity_bytes,
        }
    return {
        "card_version": exported.CARD_VERSION,
        "model": config.model,
        "format": model_format,
        "keras_ssc": __version__,
        # What runs it may be older, and lack an operation.
        "tensorflow": tf.__version__,
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "run": metrics["run"],
        "seed": config.seed,
        **task.described(),
        "thresholds": task.thresholds,
        "image_size": list(config.image_size),
        "max_pixels": image_limits.MAX_PIXELS,
        "dataset": metrics["dataset"],
        "data": metrics["data"],
        "split": metrics["split"],
        "metrics": {
            "pair": metrics["pair"],
            # A head over a film's pairs is not exported.
            "film": metrics.get("film_mean", metrics["film"]),
        },
        "calibration": metrics["calibration"],
        "parity": parity,
        "report_accuracy": accuracy and accuracy / 100,
        "familiarity": familiarity,
        "limits": limits,
    }


def markdown(card):
    """Writes a card for people.

    Args:
        card: What `card` returned.

    Returns:
        String, Markdown.
    """
    height, width = card["image_size"]
    task = tasks.read(card)
    parts = [
        f"# {card['model']}: the genre of a film from two consecutive frames\n",
        f"Exported by keras_ssc {card['keras_ssc']} on "
        f"{tables.day(card['created'])} as "
        f"{card['format']}, from the run {card['run']} (seed {card['seed']}). "
        f"It sees frames of {width}x{height} pixels.\n",
        f"## Data: {card['dataset']}\n",
        "Films (pairs) of each genre; no film is in two splits.\n",
        tables.films_table(card["data"]),
        f"## Measured on the {card['split']} split\n",
        tables.metrics_table(*card["metrics"].values(), task.measures),
        f"The row of a genre has the {task.per_genre}.\n",
        *_compared(card, task),
        f"## Calibration\n\n{task.calibration_text(card)}\n",
        "## Exported against trained\n",
        f"On {card['parity']['num_pairs']} pairs of moving textures the "
        "exported model's scores differ from the run's; above the bound, it "
        "would not have been exported.\n",
        tables.markdown_table(
            ["computed in", "by at most", "bound"],
            [
                [
                    precision,
                    f"{measured['largest_difference']:.1e}",
                    f"{measured['bound']:g}",
                ]
                for precision, measured in card["parity"]["computed_in"].items()
            ],
        ),
        *_familiarity(card),
        *_loading(card["format"]),
        "## Limits\n",
        "".join(f"- {limit}\n" for limit in card["limits"]),
    ]
    return "\n".join(parts)


def _compared(card, task):
    if task != tasks.REPORT or card["report_accuracy"] is None:
        return []
    return [
        f"The 2019 report measured {tables.percent(card['report_accuracy'])} "
        "by pair with its model of this name, on films of its own: not "
        "comparable.\n"
    ]


def _familiarity(card):
    found = card["familiarity"]
    if found is None:
        return []
    return [
        "## Films unlike the training films\n",
        "The output `familiarity` says how much a pair looks like the training "
        f"films, of which {found['num_rows']:,} pairs are in the model. Below "
        f"{found['threshold']}, do not take its genre. On the {card['split']} "
        f"split, {run_familiarity.text(found, found['num_judged'])}\n",
    ]


def _loading(model_format):
    if model_format not in export_formats.LOADING:
        return []
    code = export_formats.LOADING[model_format]
    return [
        "## How to load it\n",
        "`frame` and `next_frame` are uint8 arrays (pairs, height, width, 3), "
        "RGB, of the size above.\n",
        f"```python\n{code}```\n",
    ]
