"""Puts measured tables into READMEs, so that no number is typed by hand.

    cp results/reproduce/results.json experiments/results/reproduce_sample.json
    python -m experiments.readme

What the tables and figures are written from is in `experiments/results`, named
as the blocks are; the first word says which experiment writes them.
"""

import pathlib

from experiments import benchmark
from experiments import copies
from experiments import familiarity
from experiments import labelling
from experiments import reproduce
from experiments import served_as_trained
from experiments import versions
from experiments.shots import comparing
from keras_ssc import command
from keras_ssc import files

_FOLDER = pathlib.Path(__file__).parent

# Their marks say which of them a table is for.
READMES = (_FOLDER.parent / "README.md", _FOLDER / "README.md")

# Results that tables are written from.
RESULTS = _FOLDER / "results"

# What READMEs show.
FIGURES = _FOLDER / "figures"


WRITERS = {
    "benchmark": benchmark,
    "copies": copies,
    "familiarity": familiarity,
    "labelling": labelling,
    "reproduce": reproduce,
    "served": served_as_trained,
    "shots": comparing,
    "versions": versions,
}


def texts():
    """Returns a dict from a block's name to what its results say."""
    written = {}
    for path in sorted(RESULTS.glob("*.json")):
        writer = WRITERS[path.stem.split("_")[0]]
        written[path.stem] = writer.text_of(files.read_json(path))
    sample = files.read_json(RESULTS / "reproduce_sample.json")
    return written | {"models": reproduce.models_text_of(sample)}


def put(name, text, paths=READMES):
    """Replaces what stands between a block's two marks.

    Args:
        name: String, the block's name: the marks are `<!-- NAME -->` and
            `<!-- /NAME -->`, each on a line of its own.
        text: String, Markdown.
        paths: Sequence of `pathlib.Path`, of which one has the marks.

    Raises:
        ValueError: If none has the marks, or one has them twice.
    """
    first, last = f"<!-- {name} -->\n", f"<!-- /{name} -->\n"
    for path in paths:
        content = path.read_text("utf-8")
        if content.count(first) == content.count(last) == 1:
            break
    else:
        raise ValueError(
            f"Expected the lines {first.strip()} and {last.strip()} once in "
            f"{' or '.join(map(str, paths))}."
        )
    before, _, rest = content.partition(first)
    _, _, after = rest.partition(last)
    files.write_text(path, f"{before}{first}\n{text.strip()}\n\n{last}{after}")


def main():
    """Runs the command."""
    for name, text in texts().items():
        put(name, text)
    for path in FIGURES.glob("*_*.png"):
        name, _, figure = path.stem.rpartition("_")
        results = RESULTS / f"{name}.json"
        # Others are pictures of the page and of films.
        if results.exists():
            writer = WRITERS[name.split("_")[0]]
            drawn = writer.figures_of(files.read_json(results))
            files.write_bytes(path, drawn[figure])


if __name__ == "__main__":
    command.run(main)
