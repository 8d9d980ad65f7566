"""Puts measured tables into READMEs, so that no number is typed by hand."""

import pathlib

from keras_ssc import files

README = pathlib.Path(__file__).parent.parent / "README.md"


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
