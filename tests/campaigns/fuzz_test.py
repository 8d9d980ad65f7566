"""Any text at all gives the parsers a value or one named error."""

import dataclasses
import json
import math
import pathlib
import tempfile

import hypothesis
import pytest
from hypothesis import strategies

from keras_ssc import genres
from keras_ssc.data import extraction
from keras_ssc.data import frame_folder
from keras_ssc.data import pair_files
from keras_ssc.errors import FilmListError
from keras_ssc.films import film_list
from keras_ssc.genres import REPORT_GENRES
from keras_ssc.serving import client as serving_client
from keras_ssc.serving import exported
from keras_ssc.training import runs
from keras_ssc.training import train_config
from tests.campaigns import hostile_corpus

# The same examples always, and few enough for every run.
fuzz = hypothesis.settings(
    derandomize=True,
    max_examples=100,
    deadline=None,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)

LISTS = sorted(
    name
    for name, text in hostile_corpus.FILM_LISTS.items()
    if len(text) < 10_000
)

# Texts that look like what is read, and any other.
CELLS = strategies.one_of(
    strategies.sampled_from(
        ["action", "ani2D", "train", "good.mp4", "00:00:01", "..", '"', "\0"]
    ),
    strategies.text(max_size=12),
)
ROWS = strategies.lists(
    strategies.lists(CELLS, min_size=1, max_size=8).map(",".join), max_size=4
)
LIST_TEXTS = ROWS.map(
    lambda rows: "\n".join(["film,genre,split,path,start,end", *rows])
)

PLAIN = strategies.recursive(
    strategies.one_of(
        strategies.none(),
        strategies.booleans(),
        strategies.integers(),
        strategies.floats(),
        strategies.text(max_size=8),
        strategies.sampled_from(
            [*REPORT_GENRES, *film_list.SPLITS, "savedmodel", "kept"]
        ),
    ),
    lambda inner: (
        strategies.lists(inner, max_size=3)
        | strategies.dictionaries(
            strategies.text(max_size=8), inner, max_size=3
        )
    ),
    max_leaves=8,
)


def like(value):
    """Returns a strategy of dicts with some of a dict's values replaced."""
    return strategies.dictionaries(
        strategies.sampled_from(sorted(value)), PLAIN, max_size=3
    ).map(lambda changes: json.dumps({**value, **changes}))


JSON_TEXTS = strategies.one_of(
    strategies.text(max_size=40), PLAIN.map(json.dumps)
)


def examples(*values):
    """Adds values of the seed corpus to a test."""

    def add(test):
        for value in values:
            test = hypothesis.example(value)(test)
        return test

    return add


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


@fuzz
@hypothesis.given(strategies.text(max_size=20))
@examples(
    *("00:00:00", "999:59:59.999", "00:60:00", "1:2:3", "00:00:00,5"),
    *("00:00:00.1234567", "999:59:59." + "9" * 5000),
    *("٠٠:٠٠:٠١", "९:00:00", "00:00:00.²", "-1:00:00", "nan", "\0", "9" * 5000),
)
def test_a_time_is_seconds_or_an_error(text):
    try:
        seconds = film_list.parse_time(text)
    except ValueError as error:
        assert "Expected a time as hh:mm:ss" in str(error)
    else:
        assert 0 <= seconds <= 1000 * 3600


@fuzz
@hypothesis.given(strategies.floats(0, 1e7))
def test_a_written_time_is_read_again(seconds):
    text = film_list.format_time(seconds)
    hypothesis.assume(seconds < 999 * 3600)
    assert math.isclose(film_list.parse_time(text), seconds, abs_tol=0.00051)


@fuzz
@hypothesis.given(strategies.one_of(LIST_TEXTS, strategies.text(max_size=60)))
@examples(*(hostile_corpus.FILM_LISTS[name] for name in LISTS))
def test_a_film_list_is_films_and_problems_or_an_error(folder, text):
    path = folder / "films.csv"
    data = text if isinstance(text, bytes) else text.encode("utf-8", "replace")
    path.write_bytes(data)
    circle = folder / "circle.mp4"
    if not circle.is_symlink():
        circle.symlink_to("circle.mp4")
    try:
        listed = film_list.read_film_list(path)
    except FilmListError as error:
        assert str(path) in str(error)
        return
    films, problems = listed.films, listed.problems
    assert films or problems
    assert all(problem.startswith(f"{path}, line ") for problem in problems)
    for film in films:
        assert (
            film.name
            and set(film.genres) <= set(listed.genres)
            and film.split in film_list.SPLITS
        )
        assert all(s.start_seconds < s.end_seconds for s in film.scenes)
    # What reads the films next must not fail on any of them either.
    left, _ = extraction.without_duplicates(films)
    assert {film.name for film in left} <= {film.name for film in films}


@fuzz
@hypothesis.given(
    strategies.one_of(
        strategies.text(max_size=30),
        strategies.from_regex(
            r"\w{1,5}_movie\d{1,4}_\d{1,4}\.png", fullmatch=True
        ),
    )
)
@examples(
    *("ani2D_movie7_139.png", "ani2D_movie٧_١٣٩.png", "../ani2D_movie7_1.png"),
    *("ani2D_movie" + "9" * 5000 + "_1.png", "ani2D_movie7_139.png\n", ""),
)
def test_a_frame_name_is_a_frame_or_an_error(name):
    try:
        genre, movie, number = pair_files.parse_frame_name(name)
    except ValueError:
        return
    assert genres.genre_named(genre) == genre and movie >= 0 and number >= 0
    written = pair_files.frame_name(genre, movie, number)
    assert "/" not in written and len(written.encode()) < 5255
    found = pair_files.parse_frame_name(written, [genre])
    assert found == (genre, movie, number)


NAMES = strategies.one_of(
    strategies.text(
        strategies.characters(
            exclude_characters="/\0", exclude_categories=["Cs"]
        ),
        min_size=1,
        max_size=20,
    ),
    strategies.sampled_from(
        ["action_train", "opera_train", "ani2D_test", "action_train_train"]
    ),
).filter(lambda name: name not in (".", ".."))


@fuzz
@hypothesis.given(
    strategies.dictionaries(
        NAMES, strategies.lists(NAMES, max_size=3), max_size=3
    )
)
@examples(
    {"action_train": ["action_movie1_001.png", "action_movie1_002.png"]},
    {"action_train": ["action_movie01_1.png", "action_movie1_001.png"]},
    {"action_train": ["action_movie" + "9" * 90 + "_001.png"]},
)
def test_any_folder_lists_each_file_once(tree):
    with tempfile.TemporaryDirectory() as root:
        root = pathlib.Path(root)
        for name, inside in tree.items():
            (root / name).mkdir(exist_ok=True)
            for file in inside:
                (root / name / file).touch()
        found, problems = pair_files.list_pairs(root)
        in_pairs = [p.frame_path for p in found] + [
            p.next_frame_path for p in found
        ]
        named = in_pairs + [path for path, _ in problems]
        assert len(named) == len(set(named))


CONFIG = json.loads(
    json.dumps(
        dataclasses.asdict(train_config.fill_in(train_config.TrainConfig("fc")))
    )
)
CARD = {"card_version": 1, "format": "savedmodel", "image_size": [18, 32]}


def read_index(folder):
    for record in frame_folder.read_records(folder):
        assert genres.genre_named(record["genre"]) == record["genre"]
        assert record["movie"] > 0
        assert record["split"] in film_list.SPLITS
    frame_folder.write_index(folder)


def read_config(folder):
    config = runs.read_config(folder)
    hash(config)  # each value is one that the fields may have
    assert config.epochs > 0 and config.batch_size > 0


def read_card(folder):
    try:
        card = exported.read_card(folder)
    except ValueError as error:
        # It is ours or none, or of a later version.
        assert "update keras_ssc" in str(error)
        return
    if card is not None:
        height, width = card["image_size"]
        assert card["format"] in exported.FORMATS and height > 0 < width


def json_texts(value, *names, changes=()):
    """Returns examples of a JSON file that is tampered with."""
    texts = [text for _, text in hostile_corpus.json_changes(value, *names)]
    return texts + [json.dumps({**value, **change}) for change in changes]


# What reads a file, the file, a good value of it and examples of bad ones.
READERS = {
    "index": (
        *(read_index, "index/action_movie1.json", hostile_corpus.RECORD),
        json_texts(
            *(hostile_corpus.RECORD, "pairs"),
            changes=[
                {"movie": "1/../../x"},
                {"genre": "../x"},
                {"pairs": [{"status": "kept"}]},
            ],
        ),
    ),
    "a folder's settings": (
        lambda out: frame_folder.open_folder(out, hostile_corpus.SETTINGS),
        *("extract.json", hostile_corpus.SETTINGS),
        json_texts(hostile_corpus.SETTINGS, "seed"),
    ),
    "a run's config": (
        *(read_config, "config.json", CONFIG),
        [text for _, text in hostile_corpus.config_changes(CONFIG)],
    ),
    "a card": (read_card, exported.CARD, CARD, json_texts(CARD, *CARD)),
}


@pytest.mark.parametrize("name", READERS)
def test_json_is_read_or_an_error(tmp_path, name):
    read, file, value, texts = READERS[name]
    path = tmp_path / file
    # Settings that differ are told of the folder.
    named = tmp_path if file == "extract.json" else path

    @fuzz
    @hypothesis.given(strategies.one_of(JSON_TEXTS, like(value)))
    @examples(*texts)
    def read_or_refuse(text):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text.encode("utf-8", "replace"))
        try:
            read(tmp_path)
        except ValueError as error:
            assert str(named) in str(error)

    read_or_refuse()


ROW = {
    "genre": "action",
    "scores": [0.5, 0.5],
    "genres": ["action", "horror"],
    "motion_magnitude": 0.5,
}


@fuzz
@hypothesis.given(
    strategies.one_of(
        strategies.binary(max_size=40),
        JSON_TEXTS.map(str.encode),
        like(ROW).map(lambda row: f'{{"predictions": [{row}]}}'.encode()),
    )
)
@examples(
    json.dumps({"predictions": [ROW]}).encode(),
    b'{"predictions": [{}]}',
    b'{"predictions": [{"genre": [], "scores": [], "genres": [], '
    b'"motion_magnitude": 1}]}',
    b'{"predictions": {"0": 1}}',
    b"[" * 100_000,
    b"9" * 5000,
    b'{"predictions": [' + b"9" * 5000 + b"]}",
    b"\xff\xfe",
)
def test_a_response_is_answers_or_an_error(body):
    try:
        (answer,) = serving_client.read_response(body, 1)
    except serving_client.ResponseError:
        return
    assert answer.genre in answer.scores
    assert all(map(math.isfinite, answer.scores.values()))


@fuzz
@hypothesis.given(strategies.text(max_size=200))
@examples(
    "assertion failed: [x]",
    "{{node frame_bytes_3_is_cut_off_or_corrupt/",
    "x [[{{function_node y}}{{node a/frame_bytes_3_is_cut_off_or_corrupt/",
    "(0) " * 250_000,
    "assertion failed: [" * 50_000,
    "[[{{node " * 100_000,
)
def test_an_error_of_a_server_is_explained_or_not(text):
    assert serving_client.explain_error(text) is None or text
