import json
import re

import pytest

from experiments import benchmark
from experiments import readme
from experiments import reproduce
from keras_ssc import models

# Who wrote a block: its name's first word says.
WRITERS = {
    "benchmark": benchmark,
    "reproduce": reproduce,
}

BLOCK = re.compile(r"<!-- (\w+) -->\n(.*?)<!-- /\1 -->\n", re.DOTALL)
BLOCKS = {
    name: text
    for path in readme.READMES
    for name, text in BLOCK.findall(path.read_text("utf-8"))
}


def test_every_result_has_its_table_and_every_table_its_result():
    stored = {path.stem for path in readme.RESULTS.glob("*.json")}
    assert stored | {"models"} == set(BLOCKS)
    assert {name.split("_")[0] for name in stored} == set(WRITERS)


def results_of(name):
    return json.loads((readme.RESULTS / f"{name}.json").read_text("utf-8"))


@pytest.mark.parametrize("name", sorted(set(BLOCKS) - {"models"}))
def test_a_table_says_what_its_results_say(name):
    text = WRITERS[name.split("_")[0]].text_of(results_of(name))
    assert BLOCKS[name].strip() == text.strip()


def test_the_table_of_the_models_is_written_from_the_sample_s_results():
    text = reproduce.models_text_of(results_of(reproduce.SAMPLE))
    assert BLOCKS["models"].strip() == text.strip()


@pytest.mark.parametrize("path", readme.READMES, ids=str)
def test_outside_the_tables_nothing_is_measured(path):
    """Numbers with a unit of what a script measures stand in its tables."""
    text = BLOCK.sub("", path.read_text("utf-8"))
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    # The report's own, which are facts of the report.
    told = {f"{each.report_accuracy} %" for each in models.MODELS.values()}
    unit = r"(?:%|s|ms|seconds|minutes|hours|MB|MiB|GB|GiB|times)"
    found = set(re.findall(rf"\b\d[\d.,]* {unit}(?![\w/])", text))
    assert found - told <= SAID


# Not measured: what chance is, of six genres.
SAID = {"16.7 %"}


def test_results_of_another_machine_are_not_kept(tmp_path):
    path = tmp_path / "growth.json"
    assert readme.earlier(path, machine="one") == {}
    path.write_text('{"machine": "one", "num_files": 2, "film": {"pairs": 3}}')
    assert readme.earlier(path, machine="one")["film"] == {"pairs": 3}
    assert readme.earlier(path, machine="another") == {}
    assert readme.earlier(path, machine="one", num_files=3) == {}


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
    shown = {
        (path.parent / link).resolve()
        for path in readme.READMES
        for link in re.findall(
            r"!\[[^]]+\]\(([^)]+)\)", path.read_text("utf-8")
        )
    }
    assert shown == {path.resolve() for path in readme.FIGURES.iterdir()}


def test_figures_that_are_shown_are_replaced_and_others_are_not_put(tmp_path):
    path, figures = tmp_path / "one.md", tmp_path / "figures"
    path.write_text("![what](figures/run_models.png)\n")
    new = tmp_path / "new"
    for folder in (figures, new):
        folder.mkdir()
    for name in ("models", "curves"):
        (new / f"{name}.png").write_bytes(name.encode())
    (figures / "run_models.png").write_bytes(b"old")
    readme.put_figures("run", new, [path], figures)
    (only,) = figures.iterdir()
    assert only.read_bytes() == b"models"
