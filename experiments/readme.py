"""Puts measured tables into READMEs, so that no number is typed by hand.

What a table was written from is committed beside it, and a test writes every
table anew from that.
"""

import pathlib

from keras_ssc import files

_FOLDER = pathlib.Path(__file__).parent

# Their marks say which of them a table is for.
READMES = (_FOLDER.parent / "README.md", _FOLDER / "README.md")

# Results that tables are written from.
RESULTS = _FOLDER / "results"

# What READMEs show.
FIGURES = _FOLDER / "figures"


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


def put_results(name, results, text):
    """Puts a table into its README, and its results into `RESULTS`.

    Args:
        name: String, the block's name, see `put`, and the results' file's.
        results: What the table is written from, plain values.
        text: String, the table.

    Raises:
        ValueError: If no README has the block's marks.
    """
    put(name, text)
    RESULTS.mkdir(exist_ok=True)
    write(name, results, None, RESULTS)


def put_figures(name, folder, paths=READMES, figures=FIGURES):
    """Replaces the figures of a block that a README shows.

    Args:
        name: String, the block's name.
        folder: `pathlib.Path` of the new ones, `FIGURE.png`; those that a
            README shows as `NAME_FIGURE.png` are taken.
        paths: Sequence of `pathlib.Path` of READMEs.
        figures: `pathlib.Path` of the folder of what READMEs show.
    """
    shown = "".join(path.read_text("utf-8") for path in paths)
    for figure in folder.glob("*.png"):
        own_name = f"{name}_{figure.name}"
        if f"/{own_name})" in shown:
            files.write_bytes(figures / own_name, figure.read_bytes())


def earlier(path, **same):
    """Reads results of which some are to be kept.

    Args:
        path: `pathlib.Path` of a JSON file; it may be missing.
        **same: What they must agree in with those that are measured now, such
            as their `machine`.

    Returns:
        Dict; it is empty if there are none, or none to stand beside these.
    """
    results = files.read_json(path) if path.exists() else {}
    agrees = all(results.get(name) == value for name, value in same.items())
    return results if agrees else {}


def write(name, results, text, out):
    """Writes `NAME.json` and, of text that is not None, `NAME.md`.

    Args:
        name: String.
        results: Plain values.
        text: String, Markdown; or None.
        out: `pathlib.Path` of a folder.
    """
    if text is not None:
        files.write_text(out / f"{name}.md", f"{text.strip()}\n")
    files.write_json(out / f"{name}.json", results)
