import collections
import csv
import shutil

import numpy as np
import pytest
import tensorflow_datasets as tfds

from keras_ssc import flow
from keras_ssc.data import extraction
from keras_ssc.films import image_files
from keras_ssc.genres import REPORT_GENRES
from tests.helpers import drawn_films
from tests.helpers import make_dummy_data
from tests.helpers import scene_genre

DUMMY_DATA = make_dummy_data.FOLDER

scene_genre_dataset_builder = scene_genre.builder_module()


class FramesTest(tfds.testing.DatasetBuilderTestCase):
    DATASET_CLASS = scene_genre_dataset_builder.Builder
    BUILDER_CONFIG_NAMES_TO_TEST = ["frames"]
    EXAMPLE_DIR = DUMMY_DATA / "frames"
    SPLITS = {"train": 4, "test": 2}


class FilmsTest(tfds.testing.DatasetBuilderTestCase):
    DATASET_CLASS = scene_genre_dataset_builder.Builder
    BUILDER_CONFIG_NAMES_TO_TEST = ["films"]
    EXAMPLE_DIR = DUMMY_DATA / "films"
    SPLITS = {"train": 8, "test": 4}


class SampleTest(tfds.testing.DatasetBuilderTestCase):
    """The config `sample`, with shorter films."""

    DATASET_CLASS = scene_genre_dataset_builder.Builder
    BUILDER_CONFIG_NAMES_TO_TEST = [
        scene_genre_dataset_builder.SceneGenreConfig(
            name="short",
            source="sample",
            num_pairs=4,
            films_per_genre=2,
            film_seconds=1.0,
        )
    ]
    # It reads nothing from there.
    EXAMPLE_DIR = DUMMY_DATA / "frames"
    SPLITS = {"train": 24, "test": 24}


def build(config, manual_dir, data_dir):
    builder = scene_genre_dataset_builder.Builder(
        config=config, data_dir=data_dir
    )
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(manual_dir=manual_dir)
    )
    return builder


def examples_of(builder, split):
    return list(tfds.as_numpy(builder.as_dataset(split=split)))


def test_a_build_without_a_config_is_the_sample():
    builder = scene_genre_dataset_builder.Builder
    assert [config.name for config in builder.BUILDER_CONFIGS] == ["sample"]
    assert set(builder.builder_configs) == {"sample", "frames", "films"}


def test_old_data_loads_as_it_is(tmp_path):
    builder = build("frames", DUMMY_DATA / "frames", tmp_path)
    examples = {
        (example["film"].decode(), int(example["frame_number"])): example
        for example in examples_of(builder, "train")
    }
    assert set(examples) == {
        (film, number)
        for film in ("ani2D_movie7", "sf_movie1")
        for number in (1, 139)
    }
    example = examples["ani2D_movie7", 139]
    folder = DUMMY_DATA / "frames" / "ani2D_train"
    frame, next_frame = (
        image_files.read_frame(folder / f"ani2D_movie7_{number}.png")
        for number in (139, 140)
    )
    np.testing.assert_array_equal(example["frame"], frame)
    np.testing.assert_array_equal(example["next_frame"], next_frame)
    assert REPORT_GENRES[example["label"]] == "animation_2d"
    assert example["scene"] == 0 and np.isnan(example["seconds"])
    assert example["motion_magnitude"] == pytest.approx(
        flow.motion_magnitude(flow.farneback_flow(frame, next_frame)),
        rel=1e-4,
    )


def test_films_and_their_extracted_frames_give_the_same_pairs(tmp_path):
    films = DUMMY_DATA / "films"
    extraction.extract(films / "films.csv", tmp_path / "frames", workers=1)
    from_films = build("films", films, tmp_path / "a")
    from_frames = build("frames", tmp_path / "frames", tmp_path / "b")
    for split in ("train", "test"):
        one, two = (
            sorted(
                examples_of(builder, split),
                key=lambda example: (example["film"], example["frame_number"]),
            )
            for builder in (from_films, from_frames)
        )
        assert len(one) == len(two) > 0
        for example, twin in zip(one, two, strict=True):
            assert example.keys() == twin.keys()
            for name in example:
                np.testing.assert_array_equal(example[name], twin[name])


def copy(tmp_path, name):
    shutil.copytree(DUMMY_DATA / name, tmp_path / name)
    return tmp_path / name


def test_dropped_pairs_of_films_are_listed_beside_the_data_set(tmp_path):
    films = copy(tmp_path, "films")
    config = scene_genre_dataset_builder.SceneGenreConfig(
        name="both_films_in_one", source="films"
    )
    # Two films in a row are one film with a cut in the middle.
    drawn_films.write_film(
        films / "Fog.mp4",
        drawn_films.shot(60, 10) + drawn_films.shot(90, 10),
    )
    builder = build(config, films, tmp_path / "data")
    with open(builder.data_path / "dropped_test.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["film"], row["frame_number"]) == ("Fog", "9")
    assert row["reason"] == "cut"
    assert builder.info.splits["test"].num_examples == 8


def test_a_film_in_two_splits_is_named(tmp_path):
    frames = copy(tmp_path, "frames")
    (frames / "ani2D_test").mkdir()
    for number in ("001", "002"):
        name = f"ani2D_movie7_{number}.png"
        shutil.copy(frames / "ani2D_train" / name, frames / "ani2D_test")
    with pytest.raises(ValueError, match="'ani2D_movie7' is in two splits"):
        build("frames", frames, tmp_path / "data")


@pytest.mark.parametrize("damage", ["cut short", "empty", "text"])
def test_a_damaged_frame_fails_the_build_with_its_name(tmp_path, damage):
    frames = copy(tmp_path, "frames")
    path = frames / "ani2D_train" / "ani2D_movie7_140.png"
    data = path.read_bytes()
    path.write_bytes(
        {"cut short": data[: len(data) // 2], "empty": b"", "text": b"hi"}[
            damage
        ]
    )
    with pytest.raises(ValueError, match=r"ani2D_movie7_140\.png"):
        build("frames", frames, tmp_path / "data")


def test_frames_of_two_sizes_fail_the_build(tmp_path):
    frames = copy(tmp_path, "frames")
    path = frames / "ani2D_train" / "ani2D_movie7_140.png"
    frame = image_files.read_frame(path)
    path.write_bytes(image_files.encode_frame(frame[:-2]))
    with pytest.raises(ValueError, match="two frames of one size"):
        build("frames", frames, tmp_path / "data")


def test_a_frame_that_the_index_names_and_is_missing_fails_the_build(tmp_path):
    film_list = DUMMY_DATA / "films" / "films.csv"
    extraction.extract(film_list, tmp_path / "frames", workers=1)
    (tmp_path / "frames" / "sf_train" / "sf_movie1_002.png").unlink()
    with pytest.raises(ValueError, match=r"missing in .*sf_movie1_001\.png"):
        build("frames", tmp_path / "frames", tmp_path / "data")


@pytest.mark.parametrize("is_first", [True, False])
def test_a_film_whose_record_is_gone_fails_the_build(tmp_path, is_first):
    """After a killed extract, or if a file vanished."""
    film_list = DUMMY_DATA / "films" / "films.csv"
    extraction.extract(film_list, tmp_path / "frames", workers=1)
    records = sorted((tmp_path / "frames" / "index").iterdir())
    assert len(records) > 1
    for path in records[:1] if is_first else records:
        path.unlink()
    with pytest.raises(ValueError, match=r"no record of .*Run extract again"):
        build("frames", tmp_path / "frames", tmp_path / "data")


def test_an_odd_frame_without_its_even_one_is_left_out_and_reported(
    tmp_path, capsys
):
    frames = copy(tmp_path, "frames")
    (frames / "ani2D_train" / "ani2D_movie7_140.png").unlink()
    builder = build("frames", frames, tmp_path / "data")
    assert builder.info.splits["train"].num_examples == 3
    assert "1 files" in capsys.readouterr().out
    listed = (builder.data_path / "left_out.tsv").read_text()
    assert "ani2D_movie7_139.png" in listed
    assert "ani2D_movie7_140.png is missing" in listed


def test_a_folder_without_frames_is_refused(tmp_path):
    (tmp_path / "manual" / "photos").mkdir(parents=True)
    with pytest.raises(ValueError, match="ani2D_train/ani2D_movie7_139"):
        build("frames", tmp_path / "manual", tmp_path / "data")


def test_a_bad_film_list_fails_the_build(tmp_path):
    films = copy(tmp_path, "films")
    with open(films / "films.csv", "a") as file:
        file.write("Gone,western|,train,gone.mp4,,\n")
    with pytest.raises(ValueError, match="line 5, column genre") as raised:
        build("films", films, tmp_path / "data")
    assert str(raised.value).count("films.csv") == 1


def test_an_unreadable_film_fails_the_build_with_its_name(tmp_path):
    films = copy(tmp_path, "films")
    (films / "Fog.mp4").write_bytes(b"")
    with pytest.raises(Exception, match=r"Fog\.mp4"):
        build("films", films, tmp_path / "data")


def test_validation_is_a_split_where_the_list_names_it(tmp_path):
    films = copy(tmp_path, "films")
    text = (films / "films.csv").read_text()
    (films / "films.csv").write_text(text.replace("sf,train", "sf,validation"))
    builder = build("films", films, tmp_path / "data")
    counts = collections.Counter(
        {name: info.num_examples for name, info in builder.info.splits.items()}
    )
    assert counts == {"train": 4, "validation": 4, "test": 4}
