"""Whether other versions of TensorFlow load an export and answer alike.

    python -m experiments.versions RUN EXPORT --versions 2.18 2.21

Each version is installed alone, in a virtual environment of its own, and asked
for the run's test pairs and for a pair with a broken image. What it answers is
compared with the version that made the export.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import tensorflow as tf

from experiments import measured
from keras_ssc import command
from keras_ssc import errors
from keras_ssc import files
from keras_ssc.data import datasets
from keras_ssc.films import image_files
from keras_ssc.metrics import tables
from keras_ssc.training import runs

_PROGRAM = pathlib.Path(__file__).with_name("ask_served.py")

_BROKEN = b"no image"


def measure(run_dir, export, versions, environments, num_pairs=24, say=print):
    """Asks an export in several versions of TensorFlow.

    Args:
        run_dir: Path of the run, whose test pairs are asked for.
        export: Path of its export's version, a SavedModel.
        versions: Sequence of strings, such as "2.18".
        environments: `pathlib.Path` of the folder of their virtual
            environments, which are kept.
        num_pairs: Integer, how many test pairs are taken, at even steps.
        say: Function that is given a line at each step.

    Returns:
        A dict of plain values: `machine`, `num_pairs`, and `versions`, a list
        of dicts, of what `ask_served` printed and how far the scores are from
        those of this process's TensorFlow.
    """
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        _write_pairs(run_dir, folder, num_pairs)
        own = _ask(sys.executable, export, folder)
        found = []
        for version in versions:
            say(f"TensorFlow {version}")
            python = _python_with(version, environments / version)
            found.append(_compared(_ask(python, export, folder), own))
    return {
        "machine": measured.machine(),
        "num_pairs": num_pairs,
        "versions": found,
    }


def _write_pairs(run_dir, folder, num_pairs):
    config = runs.read_config(run_dir)
    builder = datasets.open_dataset(config.dataset, config.data_dir)
    stored = list(builder.as_dataset(split="test").as_numpy_iterator())
    for number in np.linspace(0, len(stored) - 1, num_pairs).astype(int):
        for name, key in (("frame", "frame"), ("next", "next_frame")):
            image = image_files.encode_frame(stored[number][key])
            (folder / f"{number:06d}_{name}").write_bytes(image)
    (folder / "000000_broken_frame").write_bytes(_BROKEN)
    (folder / "000000_broken_next").write_bytes(image)


def _python_with(version, folder):
    """Returns the interpreter of an environment with a TensorFlow."""
    python = folder / "bin" / "python"
    done = folder / "installed"
    if not done.exists():
        _run(sys.executable, "-m", "venv", "--clear", str(folder))
        pip = (str(python), "-m", "pip", "--disable-pip-version-check")
        _run(*pip, "install", "--quiet", f"tensorflow=={version}.*")
        done.touch()
    return str(python)


def _ask(python, export, folder):
    # Isolated: nothing of this project is to be found.
    printed = _run(python, "-I", str(_PROGRAM), str(export), str(folder))
    return json.loads(printed.splitlines()[-1])


def _run(*words):
    ended = subprocess.run(words, capture_output=True, text=True)
    if ended.returncode:
        last = ended.stderr.strip().splitlines()[-1:]
        raise errors.OutsideError(f"{' '.join(words)} failed: {' '.join(last)}")
    return ended.stdout


def _compared(found, own):
    scores, expected = (np.array(each["scores"]) for each in (found, own))
    is_good = [not error for error in own["errors"]]
    return {
        "tensorflow": found["tensorflow"],
        "python": found["python"],
        "seconds": found["seconds"],
        "largest_difference": float(np.abs(scores - expected).max()),
        "num_other_genre": int(
            (scores.argmax(axis=1) != expected.argmax(axis=1))[is_good].sum()
        ),
        "same_errors": found["errors"] == own["errors"],
        "num_errors": len(is_good) - sum(is_good),
    }


def text_of(results):
    """Returns the results' table, Markdown."""
    heads = (
        *("TensorFlow", "Python", "loads in, s", "scores differ by"),
        *("pairs of another genre", "errors by pair, as expected"),
    )
    rows = [
        [
            *(found["tensorflow"], found["python"], f"{found['seconds']:.1f}"),
            f"{found['largest_difference']:.1g}",
            f"{found['num_other_genre']} of {results['num_pairs']}",
            f"{'yes' if found['same_errors'] else 'no'}, "
            f"{found['num_errors']} of {results['num_pairs'] + 1}",
        ]
        for found in results["versions"]
    ]
    table = tables.markdown_table(heads, rows)
    return f"Exported and compared on: {results['machine']}.\n\n{table}"


def main():
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m experiments.versions")
    add = parser.add_argument
    add("run", metavar="RUN")
    add("export", metavar="EXPORT", type=pathlib.Path)
    add("--versions", nargs="+", metavar="V", default=[tf.__version__])
    add(
        "--environments",
        type=pathlib.Path,
        default=pathlib.Path("results/tensorflow"),
        help="folder of the virtual environments, 2 GB each",
    )
    add("--out", type=pathlib.Path, metavar="OUT.json")
    arguments = parser.parse_args()
    results = measure(
        *(arguments.run, arguments.export, arguments.versions),
        arguments.environments,
    )
    if arguments.out is not None:
        files.write_text(arguments.out, measured.as_json(results))
    print(text_of(results))


if __name__ == "__main__":
    command.run(main)
