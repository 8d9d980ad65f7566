"""Puts measured tables into READMEs, so that no number is typed by hand."""

import pathlib

from keras_ssc import files

README = pathlib.Path(__file__).parent.parent / "README.md"

# Results that tables are written from, committed beside them.
RESULTS = pathlib.Path(__file__).parent / "results"


def put(name, text, path=README):
    """Replaces what stands between a block's two marks.

    Args:
        name: String, the block's name: the marks are `<!-- NAME -->` and
            `<!-- /NAME -->`, each on a line of its own.
        text: String, Markdown.
        path: `pathlib.Path` of the README.

    Raises:
        ValueError: If the README lacks the marks.
    """
    content = path.read_text("utf-8")
    first, last = f"<!-- {name} -->\n", f"<!-- /{name} -->\n"
    if content.count(first) != 1 or content.count(last) != 1:
        raise ValueError(
            f"Expected the lines {first.strip()} and {last.strip()} once in "
            f"{path}."
        )
    before, _, rest = content.partition(first)
    _, _, after = rest.partition(last)
    files.write_text(path, f"{before}{first}\n{text.strip()}\n\n{last}{after}")


def put_results(name, results, text):
    """Puts a table into experiments/README.md, and its results beside it.

    Args:
        name: String, the block's name, see `put`, and the results' file's.
        results: What the table is written from, plain values.
        text: String, the table.

    Raises:
        ValueError: If the README lacks the block's marks.
    """
    put(name, text, pathlib.Path(__file__).parent / "README.md")
    RESULTS.mkdir(exist_ok=True)
    files.write_json(RESULTS / f"{name}.json", results)
