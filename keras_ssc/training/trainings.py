"""Many trainings: each is done once, each in a process of its own.

A training that is finished in its folder is not repeated, an interrupted one is
resumed.
"""

import dataclasses
import multiprocessing
import os
import pathlib
import shutil
import signal
import threading
import time
from concurrent import futures
from concurrent.futures import process

from keras_ssc.training import checkpoints
from keras_ssc.training import loop
from keras_ssc.training import runs


def train_once(config, splits):
    """Trains, resumes an interrupted training, or finds it done.

    Args:
        config: A `TrainConfig` that is filled in, with its `run_dir`.
        splits: Where the pairs come from, see `datasets.DatasetSplits`.

    Returns:
        Float, the seconds that it took; None if a part was done before.

    Raises:
        ValueError: If the folder holds a training with other settings.
    """
    run_dir = pathlib.Path(config.run_dir)
    check_settings(config)
    is_begun = bool(checkpoints.by_age(run_dir / "checkpoints"))
    if is_begun or (run_dir / "model.keras").exists():
        loop.resume(run_dir, splits=splits)
        return None
    # Interrupted before there was anything to resume.
    shutil.rmtree(run_dir, ignore_errors=True)
    start = time.perf_counter()
    loop.train(config, splits=splits)
    return time.perf_counter() - start


def in_a_process(function, config, *arguments):
    """Calls a function of a training in a process of its own.

    TensorFlow keeps the graphs of a training until its process ends, half a
    gigabyte for Inception v3: many trainings would fill the memory.

    Args:
        function: A function of a module.
        config: A `TrainConfig`, its first argument.
        *arguments: Its others.

    Returns:
        What it returns.

    Raises:
        TrainingError: Also if the process was killed.
        Exception: What the function raises.
    """
    # A forked copy of a process with TensorFlow's threads can hang.
    context = multiprocessing.get_context("spawn")
    with futures.ProcessPoolExecutor(1, context, _end_with_parent) as pool:
        try:
            return pool.submit(function, config, *arguments).result()
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


def share_devices():
    """Lets this process and those of its trainings share one GPU.

    Otherwise the first takes all of its memory. To be called before anything
    is computed.
    """
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")


def check_settings(config):
    """Raises `ValueError` if a config's folder holds another training."""
    run_dir = pathlib.Path(config.run_dir)
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
            f"{', '.join(f'{name} {found[name]}' for name in other)}. Name "
            "another folder, or delete this one."
        )
