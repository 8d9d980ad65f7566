"""Which folder may import which: the house's rules, read from the code."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parent.parent

# Words that every folder may use.
BASE = {"checks", "command", "errors", "files", "genres"}

# What each folder of keras_ssc may import of the others.
FOLDERS = {
    "flow": set(),
    "films": {"flow"},
    "editing": {"films"},
    "models": {"flow"},
    "metrics": set(),
    "tasks": {"metrics"},
    "sample_films": {"films"},
    "data": {"films", "flow", "metrics", "tasks"},
    "training": {"data", "models", "metrics", "tasks", "flow"},
    "serving": {
        *("training", "data", "models", "metrics", "tasks"),
        *("flow", "films"),
    },
    "prediction": {
        *("serving", "training", "data", "models", "metrics"),
        *("tasks", "flow", "films", "editing"),
    },
    "library": {
        *("prediction", "data", "models", "metrics", "tasks"),
        *("flow", "films"),
    },
    # It offers sample films to try it with.
    "page": {
        *("library", "prediction", "serving", "films", "sample_films"),
        *("metrics", "flow"),
    },
}


def _modules(folder):
    return sorted((ROOT / folder).rglob("*.py"))


def _imported(path):
    """Returns the dotted names that a file imports, also within functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _own(path):
    """Returns what a file imports of keras_ssc, as parts: ("films", ...)."""
    return {
        tuple(name.split(".")[1:])
        for name in _imported(path)
        if name.startswith("keras_ssc.")
    }


def _commands():
    """Returns the names of the modules that are run as a command."""
    return {
        path.stem
        for path in (ROOT / "keras_ssc").glob("*.py")
        if "__main__" in path.read_text("utf-8")
    }


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_imports_what_it_may(folder):
    wrong = {
        f"{path.relative_to(ROOT)} imports {'.'.join(parts)}"
        for path in _modules(f"keras_ssc/{folder}")
        for parts in _own(path)
        if parts[0] not in {folder, *FOLDERS[folder], *BASE, "__version__"}
    }
    assert not wrong


def test_every_folder_has_its_rule():
    folders = {path.parent.name for path in ROOT.glob("keras_ssc/*/*.py")}
    assert folders == set(FOLDERS)


def test_the_base_imports_no_folder():
    for name in BASE:
        own = _own(ROOT / "keras_ssc" / f"{name}.py")
        assert {parts[0] for parts in own} <= BASE, name


def test_no_module_imports_a_command():
    commands = _commands()
    assert {"train", "predict", "export", "app"} <= commands
    for path in _modules("keras_ssc"):
        assert not {parts[0] for parts in _own(path)} & commands, path


def test_no_circle_of_folders():
    def reached(folder, seen=()):
        assert folder not in seen, seen
        for other in FOLDERS[folder]:
            reached(other, (*seen, folder))

    for folder in FOLDERS:
        reached(folder)


def test_experiments_import_no_tests_and_the_product_neither():
    for folder, foreign in (
        ("experiments", {"tests"}),
        ("keras_ssc", {"tests", "experiments", "tfds_builder"}),
        ("tfds_builder/scene_genre", {"experiments"}),
    ):
        for path in _modules(folder):
            roots = {name.partition(".")[0] for name in _imported(path)}
            # The command that builds is the builder's own.
            own = {"tfds_builder"} if path.name == "build.py" else set()
            assert not roots & foreign - own, path


def test_tests_import_no_test_module_and_no_conftest():
    for path in _modules("tests"):
        wrong = {
            name
            for name in _imported(path)
            for part in name.split(".")
            if name.startswith("tests.")
            and (part.endswith("_test") or part == "conftest")
        }
        assert not wrong, path
