"""Malformed and malicious files end in a result or in one named error."""

import collections
import json
import os
import pathlib

import pytest

from keras_ssc import files
from keras_ssc import models
from keras_ssc.data import extraction
from keras_ssc.data import sampling
from keras_ssc.errors import FilmListError
from keras_ssc.errors import VideoError
from keras_ssc.films import black_bars
from keras_ssc.films import cleaning
from keras_ssc.films import frame_index
from keras_ssc.films import image_files
from keras_ssc.films.film_list import Film
from keras_ssc.films.film_list import Scene
from keras_ssc.films.film_list import read_film_list
from keras_ssc.metrics import calibration
from keras_ssc.page import page
from keras_ssc.prediction import predictor
from keras_ssc.serving import exported
from keras_ssc.serving import exporting
from keras_ssc.training import checkpoints
from keras_ssc.training import evaluation
from keras_ssc.training import loop
from keras_ssc.training import runs
from tests.campaigns import hostile
from tests.campaigns import hostile_corpus
from tests.helpers import drawn_films

# Of each entry point: its good file, and others from all over the corpus.
NUM_OF_ENTRY = 3


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    made = hostile.Ground(tmp_path_factory.mktemp("hostile") / "ground")
    made.prepare()
    return made


@pytest.fixture(scope="module")
def tasks(ground):
    return hostile.tasks(ground, hostile_corpus.write(ground.corpus))


def test_the_corpus_is_large_and_always_the_same(ground, tasks, tmp_path):
    assert len({task.file for task in tasks}) >= 300
    again = hostile_corpus.write(tmp_path / "corpus")
    num_compared = 0
    for path in (path for paths in again.values() for path in paths):
        twin = ground.corpus / path.relative_to(tmp_path / "corpus")
        if path.is_file() and not path.is_symlink():
            assert path.read_bytes() == twin.read_bytes(), path
            num_compared += 1
    assert num_compared >= 300


def sample(tasks):
    by_entry = collections.defaultdict(list)
    for task in tasks:
        # The longest ones are the whole measurement's.
        if task.file != hostile.ALL_FILMS:
            by_entry[task.entry].append(task)
    for its_tasks in by_entry.values():
        yield from its_tasks[:: len(its_tasks) // NUM_OF_ENTRY][:NUM_OF_ENTRY]


def test_a_sample_of_all_kinds_does_no_harm(ground, tasks):
    chosen = list(sample(tasks))
    assert len(chosen) >= 40
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
    worker = hostile.Worker(ground)
    try:
        for outcome in (hostile.RESULT, hostile.ERROR, *hostile.BAD):
            task = hostile.Task("bad", outcome, outcome, ())
            assert worker.do(task, max_seconds=5).outcome == outcome
    finally:
        worker.stop()


def made_up(outcome, memory=2**20):
    task = hostile.Task("an entry", "a file", "predict", ())
    return hostile.Ending(task, outcome, "", memory)


@pytest.mark.parametrize("outcome", hostile.BAD)
def test_anything_wrong_is_wrong(outcome):
    good = [made_up(hostile.RESULT), made_up(hostile.ERROR)]
    nothing = {"an entry": []}
    assert hostile.is_right(good, nothing)
    assert not hostile.is_right([*good, made_up(outcome)], nothing)
    assert not hostile.is_right(good, {"an entry": ["/etc/passwd"]})
    large = made_up(hostile.RESULT, hostile.MAX_MEMORY + 1)
    assert not hostile.is_right([large], nothing)


def test_a_table_counts():
    endings = [made_up(hostile.RESULT), made_up(hostile.CRASH, 5 * 2**20)]
    lines = hostile.table(endings, {"an entry": ["/x"]}).splitlines()
    assert lines[2:] == [
        "| an entry | 2 | 1 | 0 | 0 | 1 | 0 | 5 | 1 |",
        "| all | 2 | 1 | 0 | 0 | 1 | 0 | 5 | 1 |",
    ]


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


def test_a_link_in_a_circle_is_told_and_the_other_films_are_read(tmp_path):
    (tmp_path / "circle.mp4").symlink_to("circle.mp4")
    drawn_films.write_film(tmp_path / "good.mp4", drawn_films.shot(1, 12))
    film_list = drawn_films.write_list(
        tmp_path / "films.csv",
        "A,action,train,circle.mp4,,",
        "B,horror,train,good.mp4,,",
        f"C,horror,train,{'x' * 300}.mp4,,",
        "D,horror,train,go\0od.mp4,,",
    )
    config = cleaning.ExtractConfig(num_pairs=2)
    records, problems = extraction.extract(
        film_list, tmp_path / "frames", config, workers=1
    )
    assert [record["film"] for record in records] == ["B"]
    for words in ("'A'", "'C'", "line 5, column path: it has a zero byte"):
        assert sum(words in problem for problem in problems) == 1


def test_a_cell_may_have_lines_of_its_own(tmp_path):
    names = ["go\nod.mp4", "go\u2028od.mp4", "go\x1cod.mp4"]
    rows = [f'{n},action,train,"{name}",,' for n, name in enumerate(names)]
    films, problems = read_film_list(
        drawn_films.write_list(tmp_path / "films.csv", *rows)
    )
    assert not problems
    assert [film.scenes[0].path.name for film in films] == names


@pytest.mark.parametrize(
    "make", [os.mkfifo, lambda p: p.symlink_to("/dev/zero")]
)
def test_what_has_no_end_is_no_list_and_no_json(tmp_path, make):
    path = tmp_path / "x.csv"
    make(path)
    with pytest.raises(FilmListError, match="it is not a file"):
        read_film_list(path)
    with pytest.raises(ValueError, match=r"x\.csv: expected a file"):
        files.read_json(path)


def frames_folder(root, **changes):
    hostile_corpus.write_tree(
        root,
        {
            "extract.json": json.dumps(hostile_corpus.SETTINGS),
            "index/action_movie1.json": json.dumps(hostile_corpus.RECORD),
            **changes,
        },
    )
    return root


def extract_into(out, folder):
    film = drawn_films.write_film(folder / "good.mp4", drawn_films.shot(1, 12))
    film_list = drawn_films.write_list(
        folder / "films.csv", f"A film,action,train,{film},,"
    )
    config = cleaning.ExtractConfig(**hostile_corpus.SETTINGS)
    return extraction.extract(film_list, out, config, workers=1)


@pytest.mark.parametrize(
    "name, known",
    [
        ("genre", "../action"),
        ("movie", "1/../../../canary"),
        ("movie", 0),
        ("movie", True),
    ],
)
def test_what_is_outside_a_folder_is_not_deleted(tmp_path, name, known):
    canary = tmp_path / "canary.json"
    canary.write_text("{}")
    text = json.dumps({**hostile_corpus.RECORD, name: known})
    out = frames_folder(
        tmp_path / "frames", **{"index/action_movie1.json": text}
    )
    with pytest.raises(ValueError, match=r"action_movie1\.json: expected"):
        extract_into(out, tmp_path)
    assert canary.exists()


@pytest.mark.parametrize("name", ["action_train", "index.csv"])
def test_nothing_is_written_through_a_link(tmp_path, name):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    out = frames_folder(tmp_path / "frames")
    (out / name).symlink_to(elsewhere)
    with pytest.raises(ValueError, match=f"{name} is a link"):
        extract_into(out, tmp_path)
    assert not list(elsewhere.iterdir())


def test_no_temporary_file_is_written_through_a_link(tmp_path):
    canary = tmp_path / "canary"
    canary.write_text("untouched")
    (tmp_path / ".x.json.tmp").symlink_to(canary)
    with pytest.raises(OSError):
        files.write_json(tmp_path / "x.json", {})
    assert canary.read_text() == "untouched"


def test_a_bomb_is_refused_by_its_header():
    data = hostile_corpus.png(30_000, 30_000)
    assert len(data) < 200_000
    with pytest.raises(ValueError, match="received one of 30000x30000"):
        image_files.decode_frame(data)


def test_a_film_of_bombs_is_refused(tmp_path):
    path = tmp_path / "bomb.mov"
    hostile_corpus.write_bomb(path, 16_000, 24)
    assert path.stat().st_size < 10 * 2**20
    with pytest.raises(VideoError, match="Received: 16000x16000"):
        frame_index.index_frames(path)


def test_bars_are_sought_in_grey(tmp_path, monkeypatch):
    path = drawn_films.write_film(tmp_path / "f.mp4", drawn_films.shot(1, 12))
    film = Film("f", "action", "train", (Scene(path, 0.0, 1e9, 2),))
    kept = []
    monkeypatch.setattr(black_bars, "find_bars", kept.extend)
    sampling._find_bars(film, {path: frame_index.index_frames(path)})
    assert len(kept) == 12 and all(frame.ndim == 2 for frame in kept)


def test_a_frame_that_is_no_file_is_refused(tmp_path):
    path = tmp_path / "frame.png"
    path.symlink_to("/dev/zero")
    with pytest.raises(ValueError, match=r"frame\.png: Expected the path of"):
        image_files.read_frame(path)


@pytest.fixture(scope="module")
def tampered(ground):
    """Runs whose model is tampered with, by the model's name."""
    data = (ground.run_dir / "model.keras").read_bytes()
    return dict(
        [
            *hostile_corpus.keras_changes(data, ground.outside, seed=0),
            *hostile_corpus.other_models(ground.out / "others"),
        ]
    )


@pytest.mark.parametrize(
    "name",
    [
        "empty.keras",
        "model with 64 bits flipped.keras",
        "lambda.keras",
        "class os.system.keras",
        "function of code.keras",
        "vocabulary of a secret.keras",
        "config bomb.keras",
        "weights external link.keras",
        "weights absurd shape.keras",
        "units x.keras",
        "sequence.keras",
        "three genres.keras",
        "other names.keras",
    ],
)
def test_a_model_that_is_none_of_ours_is_named(
    ground, tampered, tmp_path, name
):
    path = tmp_path / "model.keras"
    path.write_bytes(tampered[name])
    with pytest.raises(
        models.ModelError, match="Expected a (Keras )?model"
    ) as told:
        runs.load_model(tmp_path)
    assert str(path) in str(told.value)
    assert not (ground.outside / "escaped").exists()


def change_json(path, **changes):
    value = json.loads(path.read_text("utf-8"))
    files.write_json(path, {**value, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"image_size": "18"},
        {"image_size": [18]},
        {"image_size": [-18, 32]},
        {"epochs": "1"},
        {"batch_size": None},
        {"model": "../fc"},
        {"data_dir": []},
        {"dense_units": [[1]]},
    ],
)
def test_a_config_of_other_types_is_none(ground, changes):
    run_dir = ground.copy_of(ground.run_dir, f"config {len(str(changes))}")
    change_json(run_dir / "config.json", **changes)
    with pytest.raises(ValueError, match="missing or malformed"):
        runs.read_config(run_dir)


def test_a_config_of_another_model_is_told(ground):
    run_dir = ground.copy_of(ground.run_dir, "config of another")
    change_json(run_dir / "config.json", image_size=[10**6, 10**6])
    with pytest.raises(ValueError, match="model and config of one run"):
        evaluation.evaluate(run_dir, verbose=False)


@pytest.mark.parametrize(
    "temperature", [0, -1, "x", None, True, [1], float("nan"), float("inf")]
)
def test_a_temperature_is_a_number_above_nothing(temperature):
    metrics = {"calibration": {"temperature": temperature}}
    with pytest.raises(ValueError, match="run that was evaluated"):
        calibration.temperature_of(metrics, "run")


def test_metrics_that_are_none_make_no_card(ground, tmp_path):
    run_dir = ground.copy_of(ground.run_dir, "metrics of nothing")
    change_json(run_dir / "metrics.json", pair=[1])
    with pytest.raises(ValueError, match="what evaluate writes"):
        exporting.export(run_dir, tmp_path / "served", verbose=False)
    assert not list((tmp_path / "served").iterdir())


def test_an_export_that_was_changed_is_not_loaded(ground):
    version = ground.copy_of(ground.version, "version")
    exported.check_sums(version)
    path = version / "saved_model.pb"
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.write_bytes(data)
    with pytest.raises(
        ValueError, match="saved_model.pb is missing, or is not"
    ):
        predictor.load(version)


@pytest.mark.parametrize(
    "changes", [{"epoch": "1"}, {"step": -1}, {"best_loss": "x"}]
)
def test_a_state_is_numbers(changes):
    with pytest.raises(ValueError, match="Received"):
        checkpoints.State(**{"epoch": 1, **changes})


def test_a_checkpoint_of_another_model_is_told(ground, tampered):
    run_dir = ground.copy_of(ground.run_dir, "of another model")
    (run_dir / "model.keras").unlink()
    (path,) = (run_dir / "checkpoints").glob("epoch_*.keras")
    path.write_bytes(tampered["three genres.keras"])
    with pytest.raises(ValueError, match="model of this project"):
        loop.resume(run_dir, verbose=False)


def test_a_weights_file_that_is_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "weights.h5")
    with pytest.raises(models.WeightsError, match="There is no file"):
        models.build_model("vgg16", (32, 32), weights=tmp_path / "weights.h5")


def test_a_visitors_mistake_leaves_no_traceback(tmp_path):
    one = page.Page(None, tmp_path)
    with pytest.raises(page.gradio.Error) as told:
        one.judge_pair(None, None)
    assert told.value.print_exception is False
    assert pathlib.Path(tmp_path).exists()
