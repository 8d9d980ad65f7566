"""The trainings of an experiment, each done once.

A training that is finished in its folder is not repeated, an interrupted one is
resumed.
"""

import dataclasses
import json
import multiprocessing
import os
import pathlib
import shutil
import signal
import threading
import time
from concurrent import futures
from concurrent.futures import process

import keras

from keras_ssc import files
from keras_ssc.data import datasets
from keras_ssc.training import checkpoints
from keras_ssc.training import evaluation
from keras_ssc.training import loop
from keras_ssc.training import runs


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
        by pair; `films`, as `evaluate` has them; the
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
    _check_settings(run_dir, config)
    result = run_dir / "result.json"
    if not result.exists():
        seconds = _train(run_dir, config, splits)
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


def share_devices():
    """Lets this process and those of its trainings share one GPU.

    Otherwise the first takes all of its memory. To be called before anything
    is computed.
    """
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")


def in_a_process(config, splits=None):
    """Does what `train_and_evaluate` does, in a process of its own.

    TensorFlow keeps the graphs of a training until its process ends, half a
    gigabyte for Inception v3: many trainings would fill the memory.

    Args:
        config: See `train_and_evaluate`.
        splits: The same.

    Returns:
        What `train_and_evaluate` returns.

    Raises:
        TrainingError: Also if the process was killed.
        ValueError: See `train_and_evaluate`.
    """
    if (pathlib.Path(config.run_dir) / "result.json").exists():
        return train_and_evaluate(config, splits)
    # A forked copy of a process with TensorFlow's threads can hang.
    context = multiprocessing.get_context("spawn")
    with futures.ProcessPoolExecutor(1, context, _end_with_parent) as pool:
        try:
            return pool.submit(train_and_evaluate, config, splits).result()
        except process.BrokenProcessPool:
            raise loop.TrainingError(
                f"The process that trained {config.run_dir} was killed, "
                "perhaps for lack of memory. Run the same command again to "
                "resume it."
            ) from None
        finally:
            # Also if this process is interrupted: a killed training is resumed.
            for child in multiprocessing.active_children():
                child.kill()


def _end_with_parent():
    """Ends this process with its parent, and not by a terminal's Ctrl-C.

    It would train on beside the process that resumes in the same folder.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def wait():
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _check_settings(run_dir, config):
    """Raises `ValueError` if the folder holds another training."""
    if not (run_dir / "config.json").exists():
        return
    given, found = (
        {**dataclasses.asdict(each), "run_dir": None, "data_dir": None}
        for each in (config, runs.read_config(run_dir))
    )
    other = [name for name in given if given[name] != found[name]]
    if other:
        raise ValueError(
            f"Expected {run_dir} to hold a training with "
            f"{', '.join(f'{name} {given[name]}' for name in other)}. Found "
            f"{', '.join(f'{name} {found[name]}' for name in other)}. Give "
            "another --out, or delete the folder."
        )


def _train(run_dir, config, splits):
    """Trains, or resumes an interrupted training.

    Returns:
        The seconds that it took; None if a part was done before.
    """
    is_begun = bool(checkpoints.by_age(run_dir / "checkpoints"))
    if is_begun or (run_dir / "model.keras").exists():
        loop.resume(run_dir, splits=splits)
        return None
    # Interrupted before there was anything to resume.
    shutil.rmtree(run_dir, ignore_errors=True)
    start = time.perf_counter()
    loop.train(config, splits=splits)
    return time.perf_counter() - start
