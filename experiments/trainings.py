"""The trainings of an experiment, each done once.

A training that is finished in its folder is not repeated, an interrupted one is
resumed.
"""

import json
import pathlib
import shutil

import keras

from keras_ssc import files
from keras_ssc.data import datasets
from keras_ssc.training import evaluation
from keras_ssc.training import runs
from keras_ssc.training import trainings


def train_and_evaluate(config, splits=None):
    """Trains and evaluates a model unless that is done.

    The checkpoints of the run are deleted afterwards.

    Args:
        config: A `TrainConfig` that is filled in, with its `run_dir`.
        splits: Where the pairs come from, see
            `datasets.DatasetSplits`; the config's data set as it was
            built if None.

    Returns:
        A dict: `model`, `seed`; `dataset`, the splits' name; `pair`, `scene`
        and `film`, accuracies on the test split; `macro_f1` and `per_genre`,
        by pair; `films`, as `evaluate` has them; `gains`, of a model with a
        head over a film's pairs, see `_gains`; the
        `expected_calibration_error`; `seconds` that the training took, None
        if it was interrupted; `inputs`, names of what the model sees of a
        pair; `parameters`, their number.

    Raises:
        ValueError: If the folder holds a training with other settings or of
            another data set.
    """
    run_dir = pathlib.Path(config.run_dir)
    if splits is None:
        splits = datasets.DatasetSplits(config.dataset, config.data_dir)
    result = run_dir / "result.json"
    trainings.check_settings(config)
    if not result.exists():
        seconds = trainings.train_once(config, splits)
        metrics = evaluation.evaluate(run_dir, splits=splits)
        model = runs.load_model(run_dir)
        measured = {
            "model": config.model,
            "seed": config.seed,
            "dataset": splits.name,
            "pair": metrics["pair"]["accuracy"],
            "scene": metrics["scene"]["accuracy"],
            "film": metrics["film"]["accuracy"],
            "macro_f1": metrics["pair"]["macro_f1"],
            "per_genre": metrics["pair"]["per_genre"],
            "films": metrics["films"],
            **_gains(metrics),
            "expected_calibration_error": metrics["calibration"][
                "expected_calibration_error"
            ]["after"],
            "seconds": seconds,
            "inputs": list(model.input),
            "parameters": model.count_params(),
        }
        files.write_json(result, measured)
    measured = json.loads(result.read_text("utf-8"))
    if measured.get("dataset", splits.name) != splits.name:
        raise ValueError(
            f"Expected {run_dir} to hold a result on {splits.name}. Found one "
            f"on {measured['dataset']}. Give another --out, or delete the "
            "folder."
        )
    # A whole model each, with its optimizer: gigabytes in all.
    shutil.rmtree(run_dir / "checkpoints", ignore_errors=True)
    keras.backend.clear_session()
    return measured


def _gains(metrics):
    """Says of which films a head is right and the mean is not.

    Returns:
        A dict: `gains`, a dict from each film to 1, or to -1 where it is the
        other way, or to 0; empty of a model without such a head.
    """
    if "films_mean" not in metrics:
        return {}
    head, mean = (
        {x["film"]: int(x["verdict"] == x["genre"]) for x in metrics[name]}
        for name in ("films", "films_mean")
    )
    return {"gains": {film: head[film] - mean[film] for film in head}}


def in_a_process(config, splits=None):
    """Does what `train_and_evaluate` does, in a process of its own.

    See `keras_ssc.training.trainings.in_a_process`.
    """
    if (pathlib.Path(config.run_dir) / "result.json").exists():
        return train_and_evaluate(config, splits)
    return trainings.in_a_process(train_and_evaluate, config, splits)
