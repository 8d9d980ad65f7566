"""Malformed and malicious files end in a result or in one named error."""

import collections
import re

import pytest

from keras_ssc import files
from keras_ssc.data import sampling
from keras_ssc.films import black_bars
from keras_ssc.films import frame_index
from keras_ssc.films.film_list import Film
from keras_ssc.films.film_list import Scene
from keras_ssc.films.film_list import read_film_list
from keras_ssc.training import checkpoints
from tests.campaigns import hostile
from tests.helpers import drawn_films

# Of each entry point: its good file, and others from all over the corpus.
NUM_OF_ENTRY = 2


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A ground, and the tasks on it."""
    ground = hostile.Ground(tmp_path_factory.mktemp("hostile") / "ground")
    return ground, hostile.tasks(ground.prepare())


@pytest.fixture(scope="module")
def ground(made):
    return made[0]


def is_of(task, entry, files):
    return task.entry == entry and re.fullmatch(files, task.file)


def sample(tasks):
    by_entry = collections.defaultdict(list)
    for task in tasks:
        by_entry[task.entry].append(task)
    # The longest one is the whole measurement's.
    del by_entry["extract, all films"]
    for its_tasks in by_entry.values():
        yield from its_tasks[:: len(its_tasks) // NUM_OF_ENTRY][:NUM_OF_ENTRY]


# What was found, each with the smallest file that showed it: the entry point,
# the file's names, and what the error says.
FOUND = [
    ("extract, a film list", "one bad among good.csv", "line 4.*a zero byte"),
    ("extract, a film list", "one bad among good.csv", "'B'.*'D'"),
    ("extract, a film list", "a (pipe|link to zeros).csv", "it is not a file"),
    ("extract, into a folder", "records of zeros", "expected a file"),
    (
        "extract, into a folder",
        "record (outside|genre odd 4|movie odd [1245])",
        r"action_movie1\.json: expected",
    ),
    ("extract, into a folder", "(links|index) through.*", "is a link"),
    ("predict, two images", "bomb of a gigapixel.png", "is 30000x30000"),
    ("tfds build, two images", "bomb of a gigapixel.png", "one of 30000x30000"),
    ("predict, a film", "bomb.mov", "Received: 16000x16000"),
    ("predict, two images", "link to zeros.png", "Expected the path of a JPEG"),
    ("tfds build, two images", "link to zeros.png", "Expected the path of"),
    (
        "predict, a run",
        "(empty|model with 64 bits flipped|lambda|class of system|function|"
        "vocabulary|config bomb|weights external link|weights absurd shape|"
        "units x|sequence|three genres|other names).keras",
        r"Expected a (Keras )?model.*model\.keras",
    ),
    (
        "evaluate, a config",
        "epochs odd 5|batch_size odd 0|dense_units odd 8|model odd 5|"
        "data_dir odd 6|image_size [136]",
        "missing or malformed",
    ),
    ("evaluate, a config", "image_size 2", "model and config of one run"),
    ("predict, a run", "temperature [0-7]", "run that was evaluated"),
    ("export, metrics", "pair odd 6", "what evaluate writes"),
    (
        "predict, an export",
        "saved_model with 1 bits flipped.pb",
        "saved_model.pb is missing, or is not",
    ),
    ("train, --resume", "three genres.keras", "model of this project"),
    ("train, --weights", "pipe.h5", "There is no file"),
    # A visitor's mistake leaves no traceback.
    ("app, two images", "rgb cut at 3 tenths.png", "cut off or cor"),
]


def test_a_sample_of_all_kinds_does_no_harm(made):
    ground, tasks = made
    assert len({task.file for task in tasks}) >= 300
    sampled = list(sample(tasks))
    chosen = [
        task
        for task in tasks
        if task in sampled or any(is_of(task, *found[:2]) for found in FOUND)
    ]
    worker = hostile.Worker(ground)
    try:
        for entry in ("predict", "tfds build", "app"):
            worker.do(hostile.warm_up(ground, entry))
        before = ground.seen()
        endings = [worker.do(task) for task in chosen]
    finally:
        worker.stop()
    for ending in endings:
        assert not ending.is_wrong(), ending
    assert ground.seen() == before
    outcomes = {ending.outcome for ending in endings}
    assert outcomes == {hostile.RESULT, hostile.ERROR}
    for *found, words in FOUND:
        own = [each for each in endings if is_of(each.task, *found)]
        assert own, found
        for ending in own:
            assert re.search(words, ending.said, re.DOTALL), ending


PROGRAMS = """
import os, pathlib, time
from tests.campaigns import hostile
hostile.PROGRAMS.update({
    hostile.RESULT: lambda: None,
    hostile.ERROR: lambda: pathlib.Path("/nowhere").read_text(),
    hostile.TRACEBACK: lambda: {}["x"],
    hostile.CRASH: lambda: os.kill(os.getpid(), 11),
    hostile.HANG: lambda: time.sleep(60),
})
"""


def test_what_goes_wrong_is_seen(ground, monkeypatch):
    program = f"{PROGRAMS}\n{hostile._PROGRAM}"
    monkeypatch.setattr(hostile, "_PROGRAM", program)
    entries = {
        outcome: hostile.Entry((), lambda ground, given, name=outcome: (name,))
        for outcome in (hostile.RESULT, hostile.ERROR, *hostile.BAD)
    }
    monkeypatch.setattr(hostile, "ENTRIES", entries)
    worker = hostile.Worker(ground)
    try:
        for outcome in entries:
            task = hostile.Task(outcome, "a file", ())
            assert worker.do(task, max_seconds=1).outcome == outcome
    finally:
        worker.stop()


def test_what_is_written_outside_is_seen(ground):
    before = ground.seen()
    path = ground.here / "left over"
    path.write_text("x")
    assert set(ground.seen()) - set(before) == {str(path)}
    path.unlink()
    assert ground.seen() == before
    (ground.out / "allowed").write_text("x")
    assert ground.seen() == before


# What was found, each with the smallest file that showed it.


def test_a_cell_may_have_lines_of_its_own(tmp_path):
    names = ["go\nod.mp4", "go\u2028od.mp4", "go\x1cod.mp4"]
    rows = [f'{n},action,train,"{name}",,' for n, name in enumerate(names)]
    listed = read_film_list(
        drawn_films.write_list(tmp_path / "films.csv", *rows)
    )
    assert not listed.problems
    assert [film.scenes[0].path.name for film in listed.films] == names


def test_no_temporary_file_is_written_through_a_link(tmp_path):
    canary = tmp_path / "canary"
    canary.write_text("untouched")
    (tmp_path / ".x.json.tmp").symlink_to(canary)
    with pytest.raises(OSError):
        files.write_json(tmp_path / "x.json", {})
    assert canary.read_text() == "untouched"


def test_bars_are_sought_in_grey(tmp_path, monkeypatch):
    path = drawn_films.write_film(tmp_path / "f.mp4", drawn_films.shot(1, 12))
    film = Film("f", "action", "train", (Scene(path, 0.0, 1e9, 2),))
    kept = []
    monkeypatch.setattr(black_bars, "find_bars", kept.extend)
    sampling._find_bars(film, {path: frame_index.index_frames(path)})
    assert len(kept) == 12 and all(frame.ndim == 2 for frame in kept)


@pytest.mark.parametrize(
    "changes", [{"epoch": "1"}, {"step": -1}, {"best_loss": "x"}]
)
def test_a_state_is_numbers(changes):
    with pytest.raises(ValueError, match="Received"):
        checkpoints.State(**{"epoch": 1, **changes})
