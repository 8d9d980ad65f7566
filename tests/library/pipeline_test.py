"""Scans by Apache Beam: the same as a scan, and nothing is lost."""

import os
import shutil

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

import keras_ssc
from keras_ssc.errors import OutsideError
from keras_ssc.errors import VideoError
from keras_ssc.films import film_reader
from keras_ssc.library import database
from keras_ssc.library import features
from keras_ssc.library import learning
from keras_ssc.library import pipeline
from keras_ssc.library import reading
from keras_ssc.library import scanning
from keras_ssc.training import evaluation
from tests.helpers import drawn_films

PLAN = film_reader.Plan(num_pairs=3, quick=True)

# In this process, where the light encoder is.
HERE = ("--direct_running_mode=in_memory", "--direct_num_workers=1")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    drawn_films.write_library(folder)
    return folder


@pytest.fixture
def films(drawn, tmp_path):
    """A folder with two films, a copy of one, and one that is none."""
    folder = tmp_path / "films 한글 [x]"
    shutil.copytree(drawn, folder)
    shutil.copy2(drawn / "wood.mp4", folder / os.fsdecode(b"\xff wood.mp4"))
    return folder


def _library(tmp_path, name="library.sqlite"):
    return database.Library(tmp_path / name, create=True)


def _state(library):
    """Returns all that is known of films, without when it was read."""
    films = {film.content: film for film in library.films()}
    found = {}
    for content, film in films.items():
        stored = features.load(library.path, content)
        shots = library.shots(film.id)
        found[content] = (
            *(film.seconds, film.width, film.height, film.notes, film.error),
            sorted(library.files(film.id), key=lambda x: x.path)[0].size,
            {file.path for file in library.files(film.id)},
            *(shots, [library.picture(film.id, x.number) for x in shots]),
            stored and [x.tolist() for x in vars(stored).values()],
        )
    return found


def test_a_pipeline_finds_what_a_scan_finds(films, tmp_path):
    out = tmp_path / "results [1]"
    assert pipeline.scan([films, films], out, options=HERE, plan=PLAN) == 4
    with _library(tmp_path, "a.sqlite") as one, _library(tmp_path) as other:
        loaded = pipeline.load(one, out)
        assert (loaded.num_new, loaded.num_known) == (2, 0)
        (error,) = loaded.errors
        assert "broken.mp4" in error and not loaded.is_complete
        scanning.scan(other, [films], PLAN, workers=1)
        assert _state(one) == _state(other)
        assert len(one.films()) == 3 and len(one.files()) == 4
        means = [np.sort(x.means()[1], axis=0) for x in (one, other)]
        np.testing.assert_array_equal(*means)
        assert one.setting("encoder") == other.setting("encoder")
        # Again, and into a library that knows the films: nothing changes.
        again, known = pipeline.load(one, out), pipeline.load(other, out)
        assert again.num_known == known.num_known == 2
        assert _state(one) == _state(other)


def test_a_pipeline_resumes(films, tmp_path, monkeypatch):
    out = tmp_path / "results"
    pipeline.scan([films], out, options=HERE, plan=PLAN)
    written = {x: x.read_bytes() for x in (out / "films").iterdir()}
    assert len(written) == 3
    for path in written:
        os.utime(path, (drawn_films.LONG_AGO, drawn_films.LONG_AGO))
    # One that was cut by a crash is read once more, and is the same.
    first = max(written, key=lambda path: len(written[path]))
    first.write_bytes(written[first][:1000])
    read_films, read = reading.read_films, []

    def noted(paths, *args, **kwargs):
        read.extend(paths)
        return read_films(paths, *args, **kwargs)

    monkeypatch.setattr(reading, "read_films", noted)
    pipeline.scan([films], out, options=HERE, plan=PLAN)
    assert {x: x.read_bytes() for x in (out / "films").iterdir()} == written
    # It, and the one that cannot be read, which may be whole by now.
    assert len(read) == 2
    with _library(tmp_path) as library:
        assert pipeline.load(library, out).num_new == 2


def test_what_is_missing_or_damaged_is_told(films, tmp_path):
    out = tmp_path / "results"
    pipeline.scan([films], out, options=HERE, plan=PLAN)
    by_size = sorted((out / "films").iterdir(), key=lambda x: x.stat().st_size)
    by_size[0].unlink()
    table = parquet.read_table(by_size[1])
    shot = pyarrow.array([[99] * 3], pyarrow.list_(pyarrow.int64()))
    place = table.schema.get_field_index("pair_shot")
    parquet.write_table(
        table.set_column(place, table.schema.field(place), shot), by_size[1]
    )
    evil = table.set_column(
        0, table.schema.field(0), pyarrow.array(["../../evil"])
    )
    parquet.write_table(evil, out / "films" / "evil.parquet")
    (out / "films" / "text.parquet").write_text("text")
    (out / "films" / "x.parquet.1.tmp").write_text("of a crash")
    with _library(tmp_path) as library:
        loaded = pipeline.load(library, out)
        assert len(loaded.damaged) == 3 and loaded.num_new == 1
        assert any("broken.mp4" in x for x in loaded.missing)
        assert any("not read yet" in x for x in pipeline.lines(loaded))
        with pytest.raises(ValueError, match="Expected the folder"):
            pipeline.load(library, tmp_path)


def test_results_of_another_encoder_are_refused(films, tmp_path):
    out = tmp_path / "results"
    pipeline.scan([films], out, options=HERE, plan=PLAN)
    with _library(tmp_path) as library:
        library.set_encoder("another")
        with pytest.raises(ValueError, match="encoder"):
            pipeline.load(library, out)
        assert not library.films()


def test_a_file_that_changes_meanwhile_is_left(films, tmp_path, monkeypatch):
    read_films = reading.read_films

    def changed(paths, *args, **kwargs):
        yield from read_films(paths, *args, **kwargs)
        with open(films / "harbour.mp4", "ab") as file:
            file.write(b"more")

    monkeypatch.setattr(reading, "read_films", changed)
    out = tmp_path / "results"
    pipeline.scan([films], out, options=HERE, plan=PLAN)
    with _library(tmp_path) as library:
        loaded = pipeline.load(library, out)
        assert str(films / "harbour.mp4") in loaded.unsettled
        assert not library.film_of_content("harbour")


def test_mistakes_are_told(tmp_path):
    with pytest.raises(ValueError, match="in it"):
        pipeline.scan([tmp_path / "none"], tmp_path / "out")
    (tmp_path / "a.mp4").touch()
    with pytest.raises(ValueError, match="nonesuch"):
        pipeline.scan([tmp_path], tmp_path / "out", "nonesuch")
    assert not (tmp_path / "out").exists()


def test_a_pipeline_that_fails_says_so(films, tmp_path, monkeypatch):
    def fail():
        raise OutsideError("the weights cannot be had")

    monkeypatch.setattr(reading, "encoder_key", fail)
    with pytest.raises(OutsideError, match="weights cannot be had"):
        pipeline.scan([films], tmp_path / "out", options=HERE, plan=PLAN)


def _in_two_processes(films, tmp_path, *args):
    out = tmp_path / "results"
    assert pipeline.scan([films], out, *args, plan=PLAN, workers=2) == 4
    with _library(tmp_path) as library:
        loaded = pipeline.load(library, out)
        assert (loaded.num_new, len(loaded.errors)) == (2, 1)
        assert not loaded.missing and not loaded.damaged
        assert library.means()[1].shape[1] == 2 * 1280


def test_in_several_processes(films, tmp_path):
    _in_two_processes(films, tmp_path)


def test_on_dask(films, tmp_path):
    distributed = pytest.importorskip("dask.distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None
    ) as cluster:
        flags = ["--dask_client_address", cluster.scheduler_address]
        _in_two_processes(films, tmp_path, "DaskRunner", flags)


def test_a_model_says_the_same_in_a_pipeline(films, tmp_path, small_run):
    evaluation.evaluate(small_run, verbose=False)
    asked = pipeline.BeamPredictor(
        small_run, tmp_path / "scores", "DirectRunner", HERE
    )
    paths = sorted(films.iterdir())
    found = list(asked.predict_films(paths, PLAN))
    expected = list(keras_ssc.load(small_run).predict_films(paths, PLAN))
    assert len(found) == len(expected) == 4
    for one, other in zip(found, expected, strict=True):
        if isinstance(other, VideoError):
            assert str(one) == str(other)
        else:
            assert (one.scores, one.genres) == (other.scores, other.genres)
            assert one.familiarity == other.familiarity
    with pytest.raises(ValueError, match="new folder"):
        next(asked.predict_films(paths, PLAN))
    with _library(tmp_path) as library:
        scanning.scan(library, [films], PLAN, workers=1)
        asked = pipeline.BeamPredictor(
            small_run, tmp_path / "more", "DirectRunner", HERE
        )
        learning.learn(library, asked)
        suggested = library.suggestions()
        learning.learn(library, small_run)
        assert suggested == library.suggestions() and len(suggested) == 2
