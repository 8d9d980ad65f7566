import pathlib
import re

import pytest

import keras_ssc
from experiments import readme
from keras_ssc.training import settings

BLOCK = re.compile(r"<!-- (\w+) -->\n(.*?)<!-- /\1 -->\n", re.DOTALL)
BLOCKS = {
    name: text
    for path in readme.READMES
    for name, text in BLOCK.findall(path.read_text("utf-8"))
}


def test_every_table_is_written_from_its_results_and_no_other_is_there():
    written = {name: text.strip() for name, text in readme.texts().items()}
    assert {name: text.strip() for name, text in BLOCKS.items()} == written


@pytest.mark.parametrize("path", readme.READMES, ids=str)
def test_outside_the_tables_nothing_is_measured(path):
    """Numbers with a unit of what a script measures stand in its tables."""
    text = BLOCK.sub("", path.read_text("utf-8"))
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    # The report's own, which are facts of the report.
    told = {f"{each.report_accuracy} %" for each in settings.OF_MODELS.values()}
    unit = r"(?:%|s|ms|seconds|minutes|hours|MB|MiB|GB|GiB|times)"
    found = set(re.findall(rf"\b\d[\d.,]* {unit}(?![\w/])", text))
    assert found - told <= SAID


# Not measured: what chance is, of six genres.
SAID = {"16.7 %"}


def test_a_block_is_put_where_its_marks_are(tmp_path):
    paths = [tmp_path / "one.md", tmp_path / "other.md"]
    paths[0].write_text("first\n")
    paths[1].write_text("a\n<!-- b -->\nold\n<!-- /b -->\nc\n")
    readme.put("b", "new", paths)
    assert paths[0].read_text() == "first\n"
    put = "a\n<!-- b -->\n\nnew\n\n<!-- /b -->\nc\n"
    assert paths[1].read_text() == put
    with pytest.raises(ValueError, match="lines <!-- x --> and <!-- /x -->"):
        readme.put("x", "new", paths)


def test_every_figure_that_is_shown_is_there_and_no_other():
    manual_pages = pathlib.Path(keras_ssc.__file__).parent.glob("*/README.md")
    shown = {
        (path.parent / link).resolve()
        for path in (*readme.READMES, *manual_pages)
        for link in re.findall(
            r"!\[[^]]+\]\(([^)]+)\)", path.read_text("utf-8")
        )
    }
    assert shown == {path.resolve() for path in readme.FIGURES.iterdir()}
