import re
import shutil

import pytest

from keras_ssc.data import datasets
from keras_ssc.data import extraction
from keras_ssc.data import folds
from keras_ssc.data import provenance
from keras_ssc.films import cleaning
from keras_ssc.films import image_files
from keras_ssc.training import loop
from tests.helpers import drawn_films
from tests.helpers import scene_genre
from tests.helpers import tiny_runs

SMALL = cleaning.ExtractConfig(num_pairs=4, width=64, height=36)


@pytest.fixture
def frames(tmp_path):
    """A folder in the report's layout: a film in each split."""
    root = tmp_path / "frames"
    for number, split in enumerate(("train", "validation", "test"), start=1):
        for genre in ("action", "romance"):
            shot = drawn_films.shot(10 * number + len(genre), 8)
            drawn_films.write_frames(root, genre, split, number, shot)
    return root


@pytest.fixture
def films(tmp_path):
    """A film list and its two films."""
    for number, name in enumerate(("sun", "moon"), start=1):
        drawn_films.write_film(
            tmp_path / f"{name}.mp4", drawn_films.shot(number, 24)
        )
    return drawn_films.write_list(
        tmp_path / "films.csv",
        "Sun,ani2D,train,sun.mp4,,",
        "Moon,sf,test,moon.mp4,,",
    )


def add_film(frames):
    shot = drawn_films.shot(99, 8)
    drawn_films.write_frames(frames, "horror", "train", 7, shot)


def test_frames_that_changed_are_found(frames):
    built = provenance.of_frames(frames)
    assert built["films"]["action_movie1"]["count"] == 4
    assert provenance.differences(built, provenance.of_frames(frames)) == []
    add_film(frames)
    (frames / "action_test" / "action_movie3_007.png").unlink()
    other = image_files.encode_frame(drawn_films.shot(3, 1)[0])
    (frames / "romance_train" / "romance_movie1_001.png").write_bytes(other)
    found = provenance.differences(built, provenance.of_frames(frames))
    assert found == [
        "film 'action_movie3' has changed (count 4 -> 3)",
        "film 'horror_movie7' is new",
        "film 'romance_movie1' has changed (other content)",
    ]
    back = provenance.differences(provenance.of_frames(frames), built)
    assert "film 'horror_movie7' is gone" in back
    assert provenance.told([*found, "x", "y"]).endswith("and 2 more")


def test_extracted_films_that_changed_are_found(films, tmp_path):
    out = tmp_path / "out"
    extraction.extract(films, out, SMALL, workers=1)
    built = provenance.of_frames(out)
    assert set(built["films"]) == {"Sun", "Moon"}
    drawn_films.write_list(
        films, "Sun,ani2D,test,sun.mp4,,", "Moon,sf,test,moon.mp4,,"
    )
    extraction.extract(films, out, SMALL, workers=1)
    found = provenance.differences(built, provenance.of_frames(out))
    assert len(found) == 1
    assert "film 'Sun' has changed (split train -> test)" in found[0]


def test_films_that_changed_are_found(films, tmp_path):
    built = provenance.of_films(tmp_path)
    assert provenance.differences(built, provenance.of_films(tmp_path)) == []
    data = bytearray((tmp_path / "moon.mp4").read_bytes())
    data[-1] ^= 1
    (tmp_path / "moon.mp4").write_bytes(data)
    found = provenance.differences(built, provenance.of_films(tmp_path))
    assert found == ["film 'Moon' has changed (other content)"]
    drawn_films.write_list(films, "Sun,ani2D,train,sun.mp4,00:00:00.5,")
    found = provenance.differences(built, provenance.of_films(tmp_path))
    assert found == [
        "film 'Moon' is gone",
        "film 'Sun' has changed (other content)",
        "the genres changed (['animation_2d', 'science_fiction'] -> "
        "['animation_2d'])",
    ]


def test_a_data_set_is_of_what_it_was_built_from(
    frames, tmp_path, monkeypatch, capsys
):
    data_dir = tmp_path / "data"
    scene_genre.build(data_dir, frames, source="frames")
    # Unchanged, nothing is read again.
    monkeypatch.setattr(image_files, "decode_frame", None)
    scene_genre.build(data_dir, frames, source="frames")
    add_film(frames)
    with pytest.raises(
        ValueError, match="differs.*'horror_movie7' is new.*--overwrite"
    ):
        scene_genre.build(data_dir, frames, source="frames")
    # Neither is a folder of nothing, or one that is not there, in silence.
    for name, said in (("empty", "is gone"), ("no folder", "as a folder")):
        if name == "empty":
            (tmp_path / name).mkdir()
        with pytest.raises(ValueError, match=said):
            scene_genre.build(data_dir, tmp_path / name, source="frames")
    # As a data set that was built before: it is used, and told.
    (source,) = data_dir.rglob(provenance.FILE_NAME)
    source.unlink()
    capsys.readouterr()
    scene_genre.build(data_dir, frames, source="frames")
    assert "was built from is not known" in capsys.readouterr().out


def test_train_says_that_its_data_set_is_older(frames, tmp_path, capsys):
    data_dir = tmp_path / "data"
    scene_genre.build(data_dir, frames, source="frames")
    add_film(frames)
    config = tiny_runs.small(data_dir, tmp_path / "run", batch_size=4)
    capsys.readouterr()
    loop.train(config, verbose=False)
    warned = capsys.readouterr().err
    assert re.search(
        rf"warning: scene_genre/small.* was built from {frames}, which has "
        "changed since: film 'horror_movie7' is new. .*--config <its config> "
        f"--manual_dir {frames} --data_dir {data_dir} --overwrite",
        warned,
    )
    (source,) = data_dir.rglob(provenance.FILE_NAME)
    for text in (
        *("", "[]", '{"source": "x"}', '{"source": "frames"}'),
        '{"source": "frames", "path": 1, "films": {}}',
        '{"source": "frames", "path": "x", "films": []}',
    ):
        source.write_text(text)
        assert provenance.warning(source.parent, "scene_genre/small") == ""


def test_a_fold_says_that_its_data_set_is_older(frames, tmp_path):
    scene_genre.build(tmp_path / "data", frames, source="frames")
    builder = datasets.open_dataset("scene_genre/small", tmp_path / "data")
    splits = folds.FoldSplits(builder, num_folds=2, fold=0)
    assert splits.warning == ""
    add_film(frames)
    assert "changed since: film 'horror_movie7' is new" in splits.warning


def test_a_list_that_changed_is_built_anew_where_that_is_asked_for(
    films, tmp_path
):
    data_dir = tmp_path / "data"
    scene_genre.build(data_dir, tmp_path, source="films", num_pairs=2)
    with open(films, "a") as file:
        file.write("Sea,western|sf,train,sea.mp4,,\n")
    drawn_films.write_film(tmp_path / "sea.mp4", drawn_films.shot(9, 24))
    told = (
        r"task changed \(one -> several\).*film 'Sea' is new|film 'Sea' is new"
    )
    with pytest.raises(ValueError, match=told):
        scene_genre.build(data_dir, tmp_path, source="films", num_pairs=2)
    shutil.rmtree(data_dir)  # as --overwrite does
    scene_genre.build(data_dir, tmp_path, source="films", num_pairs=2)
    splits = datasets.DatasetSplits("scene_genre/small", data_dir)
    assert splits.task.name == "several"
    assert splits.task.genres == ("animation_2d", "science_fiction", "western")
    assert splits.prepare("train", (18, 32), ()).num_pairs == 4
    # A row that cannot be read is told by train, too.
    films.write_text(films.read_text().replace("western|sf", "western|"))
    assert "it cannot be read" in splits.warning
    assert "column genre" in splits.warning
