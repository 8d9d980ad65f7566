import json
import pathlib
import shutil
import sys
import types

import cv2
import numpy as np
import pytest
import tensorflow_datasets as tfds

from keras_ssc import command
from keras_ssc import dataset_card
from keras_ssc import files
from keras_ssc.data import card as cards
from keras_ssc.data import card_measures
from keras_ssc.data import card_warnings
from keras_ssc.data import datasets
from keras_ssc.data import frame_folder
from keras_ssc.data import pair_files
from keras_ssc.data import sampling
from keras_ssc.data.simple_features import MAGNITUDE_FLOOR
from keras_ssc.films import black_bars
from keras_ssc.films import cleaning
from keras_ssc.films import film_list
from keras_ssc.films import image_files
from keras_ssc.genres import GENRES
from tests.helpers import drawn_films


def grey(frames):
    return [
        np.repeat(frame.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)
        for frame in frames
    ]


def barred(frames):
    framed = [frame.copy() for frame in frames]
    for frame in framed:
        frame[:10] = frame[-10:] = 0
    return framed


def encoded_again(frames):
    """The same place in another copy: smaller, darker, compressed."""
    copies = []
    for frame in frames:
        small = cv2.resize(frame, (72, 48), interpolation=cv2.INTER_AREA)
        _, data = cv2.imencode(".jpg", (0.8 * small).astype(np.uint8))
        copies.append(cv2.imdecode(data, cv2.IMREAD_COLOR))
    return copies


# Genre, split, the film's number in its genre, its frames.
TRAPS = [
    ("action", "train", 1, drawn_films.shot(1, 12)),
    ("action", "train", 2, drawn_films.shot(2, 12)),
    ("action", "test", 3, drawn_films.shot(3, 12, speed=0)),
    ("horror", "train", 1, grey(drawn_films.shot(4, 12))),
    ("horror", "test", 2, grey(drawn_films.shot(5, 12))),
    ("romance", "train", 1, barred(drawn_films.shot(6, 12))),
    ("romance", "test", 2, barred(drawn_films.shot(7, 12))),
    ("animation_2d", "train", 1, drawn_films.shot(8, 12)),
    ("science_fiction", "train", 1, drawn_films.shot(9, 12)),
    ("science_fiction", "test", 2, encoded_again(drawn_films.shot(1, 8))),
]


def build(builder_module, frames, data_dir):
    config = builder_module.SceneGenreConfig(name="traps", source="frames")
    builder = builder_module.Builder(data_dir=data_dir, config=config)
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(manual_dir=frames)
    )
    return data_dir


@pytest.fixture(scope="module")
def traps_dir(builder_module, tmp_path_factory):
    """A data folder whose data set has most of what is warned of."""
    root = tmp_path_factory.mktemp("frames")
    for genre, split, movie, frames in TRAPS:
        folder = root / pair_files.folder_name(genre, split)
        folder.mkdir(exist_ok=True)
        for number, frame in enumerate(frames, start=1):
            name = pair_files.frame_name(genre, movie, number)
            (folder / name).write_bytes(image_files.encode_frame(frame))
    (root / "action_train" / "action_movie9_001.png").write_bytes(
        image_files.encode_frame(TRAPS[0][3][0])
    )
    return build(builder_module, root, tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def card_folder(traps_dir, tmp_path_factory):
    out = tmp_path_factory.mktemp("cards") / "new" / "card"
    cards.write_card("scene_genre/traps", out, traps_dir, most_pairs=4)
    return out


@pytest.fixture(scope="module")
def card(card_folder):
    return json.loads((card_folder / "card.json").read_text("utf-8"))


def test_a_card_names_what_is_wrong_and_nothing_else(card):
    found = {each["code"]: each for each in card["warnings"]}
    assert list(found) == [
        "missing_genre",
        "missing_split",
        "no_film_in_split",
        "single_film",
        "few_test_films",
        "grey_genre",
        "bars_left",
        "twins_across_splits",
    ]
    assert len(card["warnings"]) == len(found)
    evidence = {code: each["evidence"] for code, each in found.items()}
    assert evidence["missing_genre"] == {"genres": ["animation_3d"]}
    assert evidence["missing_split"] == {"split": "validation"}
    assert evidence["no_film_in_split"] == {
        "split": "test",
        "genres": ["animation_2d"],
    }
    assert evidence["single_film"]["film"] == "ani2D_movie1"
    assert evidence["few_test_films"] == {"num_films": 4}
    assert evidence["grey_genre"]["genre"] == "horror"
    assert evidence["grey_genre"]["saturation"] == 0
    assert evidence["bars_left"] == {
        "genre": "romance",
        "with_bars": 2,
        "films": 2,
        "others_with_bars": 0,
        "others": 8,
    }
    (twin,) = evidence["twins_across_splits"]["twins"]
    assert twin["films"] == ["action_movie1", "sf_movie2"]
    assert twin["splits"] == ["train", "test"]
    assert twin["genres"] == ["action", "science_fiction"]
    for each in card["warnings"]:
        assert each["text"].endswith(".") and each["what_to_do"].endswith(".")


def test_a_card_lists_every_film(card):
    listed = {film["film"]: film for film in card["films"]}
    assert len(listed) == len(card["films"]) == len(TRAPS)
    for genre, split, movie, frames in TRAPS:
        film = listed[pair_files.movie_name(genre, movie)]
        assert (film["genre"], film["split"]) == (genre, split)
        assert film["pairs"] == len(frames) // 2
        assert film["looked_at"] == 4
        assert film["black_and_white"] == (genre == "horror")
        bars = {"top": 10, "bottom": 10, "left": 0, "right": 0}
        assert film["bars_left"] == (
            bars if genre == "romance" else dict.fromkeys(bars, 0)
        )
        assert film["dropped"] is film["bars_cropped"] is None
        is_still = (genre, movie) == ("action", 3)
        assert film["still"] == is_still
        assert (film["motion"] < MAGNITUDE_FLOOR) == is_still
    assert card["counts"]["train"]["action"] == {"films": 2, "pairs": 12}
    assert card["counts"]["validation"]["action"] == {"films": 0, "pairs": 0}
    assert card["bars"] == {"left": 2, "cropped": None}
    assert card["frame_sizes"] == {"96x64": 36, "72x48": 4}
    assert card["motion"]["animation_3d"] is None
    assert card["motion"]["action"]["pairs"] == 18
    assert card["motion"]["action"]["still"] == pytest.approx(1 / 3)
    assert card["left_out"] == 1
    assert card["card_version"] == 1


def test_a_card_for_people_says_the_same(card, card_folder):
    text = (card_folder / "card.md").read_text("utf-8")
    assert "\n10 films, 58 pairs. Of 9 films with more than 4 pairs, " in text
    assert "drawn by seed 0: 40 first frames in all" in text
    assert "Which pairs were dropped, and why, is not known" in text
    assert "Which bars extract cropped is not known" in text
    assert "## Warnings: 8\n" in text
    for each in card["warnings"]:
        assert each["text"] in text and each["what_to_do"] in text
    assert (
        "| romance_movie1 | train | romance | 6 | not known | " in text
        and " | 10, 10, 0, 0 | not known | " in text
    )
    for name in ("motion", "splits", "saturation"):
        assert f"](figures/{name}.png)" in text
        picture = cv2.imread(str(card_folder / "figures" / f"{name}.png"))
        assert picture.shape[0] > 300 and picture.std() > 10
    assert sorted(path.name for path in card_folder.parent.iterdir()) == [
        "card"
    ]


def test_a_card_replaces_an_earlier_one_when_it_is_whole(
    card_folder, traps_dir, tmp_path, monkeypatch
):
    out = tmp_path / "card"
    shutil.copytree(card_folder, out)

    def written(seed):
        cards.write_card(
            "scene_genre/traps", out, traps_dir, most_pairs=2, seed=seed
        )

    with monkeypatch.context() as patched:
        patched.setattr(files, "write_bytes", full_disk_at("splits.png"))
        with pytest.raises(OSError, match="full"):
            written(seed=1)
    assert (out / "card.json").read_bytes() == (
        card_folder / "card.json"
    ).read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["card"]
    written(seed=2)
    card = json.loads((out / "card.json").read_text("utf-8"))
    assert (card["seed"], card["looked_at"]) == (2, 20)
    assert [path.name for path in tmp_path.iterdir()] == ["card"]


def full_disk_at(name):
    write = files.write_bytes

    def write_bytes(path, data):
        if path.name == name:
            raise OSError("full")
        write(path, data)

    return write_bytes


def test_pairs_are_drawn_by_seed_and_film(traps_dir):
    builder = datasets.open_dataset("scene_genre/traps", traps_dir)
    one, same, other = (
        {
            film.film: film.frame_numbers.tolist()
            for film in card_measures.measure(builder, 2, seed)
        }
        for seed in (1, 1, 2)
    )
    assert one == same != other
    assert all(len(set(numbers)) == 2 for numbers in one.values())
    # Not the same places of every film.
    assert len(set(map(tuple, one.values()))) > 2


def test_a_film_with_few_pairs_is_looked_at_whole(traps_dir):
    builder = datasets.open_dataset("scene_genre/traps", traps_dir)
    films = card_measures.measure(builder, 100)
    for film in films:
        count = len(film.magnitudes)
        assert sorted(film.frame_numbers) == [*range(1, 2 * count, 2)]
        assert len(film.colours) == len(film.hashes) == count
    described = cards.describe(films, None, None)
    card = {"most_pairs": 100, "seed": 0, **described}
    assert "all pairs were looked at" in cards._looked_at(card)


def test_saturation_is_that_counted_by_hand():
    frame = np.zeros((2, 2, 3), np.uint8)
    frame[0, 0] = (255, 0, 0)
    frame[0, 1] = (90, 90, 90)
    frame[1, 0] = (10, 112, 61)
    expected = (255 + 0 + 102 + 0) / 255 / 4
    assert card_measures.saturation(frame) == pytest.approx(expected)
    # As HSV has it, these would be half as colourful as can be.
    nearly_black = np.full((4, 4, 3), (2, 1, 1), np.uint8)
    assert card_measures.saturation(nearly_black) < 0.005


def differing(frame, other):
    bits, _ = card_measures.difference_hash(frame)
    other_bits, _ = card_measures.difference_hash(other)
    return int(cv2.norm(bits, other_bits, cv2.NORM_HAMMING))


def test_a_hash_knows_a_copy_and_no_other_place():
    place = drawn_films.shot(1, 1)
    limit = card_measures.MOST_DIFFERING_BITS
    assert differing(place[0], encoded_again(place)[0]) <= limit
    for number in range(2, 12):
        (other,) = drawn_films.shot(number, 1)
        assert differing(place[0], other) > 2 * limit


def test_flat_frames_are_no_twins():
    title = np.zeros((64, 96, 3), np.uint8)
    title[30:34, 40:56] = 255
    bits, is_telling = card_measures.difference_hash(title)
    assert bits.shape == (32,) and not is_telling
    assert card_measures.difference_hash(drawn_films.shot(1, 1)[0])[1]
    films = [
        drawn_film("a", "action", split, hashes=np.tile(bits, (5, 1)))
        for split in ("train", "test")
    ]
    assert card_measures.find_twins(films)
    for film in films:
        film.is_telling[:] = False
    assert not card_measures.find_twins(films)


def test_twins_are_counted_and_named_by_their_frames():
    generator = np.random.default_rng(0)
    hashes = generator.integers(256, size=(2, 5, 32)).astype(np.uint8)
    # Two frames of the first film come again, the second of them exactly.
    hashes[1, 2] = hashes[0, 0] ^ np.eye(1, 32, dtype=np.uint8)[0]
    hashes[1, 3] = hashes[0, 4]
    train, test = (
        drawn_film(name, "action", split, hashes=own)
        for name, split, own in zip(
            "ab", ("train", "test"), hashes, strict=True
        )
    )
    (twin,) = card_measures.find_twins([train, test])
    assert twin["films"] == ["a", "b"] and twin["num_frames"] == 2
    assert twin["frame_numbers"] == [4, 3] and twin["differing_bits"] == 0
    beside = drawn_film("b", "action", "train", hashes=hashes[1])
    assert not card_measures.find_twins([train, beside])


def drawn_film(name, genre, split, num_pairs=5, **changes):
    """Made-up measures of a film with nothing wrong about it."""
    generator = np.random.default_rng([*map(ord, name + genre + split)])
    measured = {
        "magnitudes": np.full(num_pairs, 0.01, np.float32),
        "saturation": np.full(5, 0.2, np.float32),
        "colours": generator.random((5, 64), np.float32),
        "hashes": generator.integers(256, size=(5, 32)).astype(np.uint8),
        "is_telling": np.ones(5, bool),
        "frame_numbers": np.arange(5),
        "frame_sizes": np.tile([480, 270], (5, 1)),
        "bars": black_bars.Bars(),
    }
    return card_measures.FilmMeasures(
        name, split, genre, **{**measured, **changes}
    )


def drawn_data(**changes):
    """Five films of each genre; changes: genre_number to changed measures."""
    splits = ("train", "train", "train", "validation", "test")
    return [
        drawn_film(
            f"{genre}_{number}",
            genre,
            split,
            **changes.get(f"{genre}_{number}", {}),
        )
        for genre in GENRES
        for number, split in enumerate(splits)
    ]


def warnings_of(films, records=None):
    return card_warnings.find_warnings(
        films,
        records,
        card_warnings.predict_by_colours(films),
        card_measures.find_twins(films),
    )


def test_a_good_data_set_has_no_warning():
    films = drawn_data()
    assert warnings_of(films) == []
    described = cards.describe(films, None, None)
    assert described["warnings"] == []
    assert described["colours_predict"]["num_films"] == 6
    assert cards.warnings_text(described).startswith("None of")


def test_colours_that_tell_the_genre_are_found():
    def colours(genre):
        return np.tile(
            np.eye(64, dtype=np.float32)[GENRES.index(genre)], (5, 1)
        )

    films = drawn_data(
        **{
            f"{genre}_{number}": {"colours": colours(genre)}
            for genre in GENRES
            for number in range(5)
        }
    )
    (found,) = warnings_of(films)
    assert found["code"] == "colours_predict"
    assert found["evidence"] == {
        "num_films": 6,
        "balanced_accuracy": 1.0,
        "low": 1.0,
        "high": 1.0,
        "chance": pytest.approx(1 / 6),
    }
    assert "100.0 %" in found["text"] and "16.7 %" in found["text"]


def test_of_few_films_colours_tell_nothing():
    films = [
        drawn_film(f"{genre}{split}", genre, split)
        for genre in ("action", "horror")
        for split in ("train", "test")
    ]
    prediction = card_warnings.predict_by_colours(films)
    assert prediction["num_films"] == 2 and prediction["chance"] == 0.5
    assert prediction["balanced_accuracy"] is not None
    assert prediction["low"] is None
    codes = [each["code"] for each in warnings_of(films)]
    assert "few_test_films" in codes and "colours_predict" not in codes
    one = card_warnings.predict_by_colours(films[:2])
    assert one["balanced_accuracy"] is None


@pytest.mark.parametrize(
    ("counts", "is_unequal"),
    [
        ((51, 49), False),
        ((80, 20), True),
        ((60, 20, 20), True),
        ((45, 35, 20), False),
        ((100,), False),
    ],
)
def test_a_film_with_most_of_its_genre_is_found(counts, is_unequal):
    films = [
        drawn_film(f"film {place}", "action", "train", count)
        for place, count in enumerate(counts)
    ]
    found = {each["code"]: each["evidence"] for each in warnings_of(films)}
    assert ("unequal_films" in found) == is_unequal
    if is_unequal:
        assert found["unequal_films"] == {
            "genre": "action",
            "film": "film 0",
            "share": pytest.approx(counts[0] / sum(counts)),
        }


def greyed(*names):
    saturation = np.full(5, 0.019, np.float32)
    return {name: {"saturation": saturation} for name in names}


def test_a_genre_is_grey_if_all_its_films_are():
    every = [f"horror_{number}" for number in range(5)]
    (found,) = warnings_of(drawn_data(**greyed(*every)))
    assert found["code"] == "grey_genre"
    assert found["evidence"]["films"] == every
    assert found["evidence"]["saturation"] == pytest.approx(0.019)
    assert found["evidence"]["palest_colour_film"] == pytest.approx(0.2)
    assert warnings_of(drawn_data(**greyed(*every[1:]))) == []
    # Where nothing has colours, none tells.
    names = [film.film for film in drawn_data()]
    assert warnings_of(drawn_data(**greyed(*names))) == []


def with_bars(*names):
    return {name: {"bars": black_bars.Bars(top=9, bottom=9)} for name in names}


@pytest.mark.parametrize(
    ("names", "genres"),
    [
        (["romance_1"], ["romance"]),  # only there
        ([f"romance_{number}" for number in range(5)], ["romance"]),
        # Always there, and in one of another genre too.
        ([*(f"romance_{n}" for n in range(5)), "action_1"], ["romance"]),
        (["romance_1", "action_1"], []),
        ([f"{genre}_{n}" for genre in GENRES for n in range(5)], []),
    ],
)
def test_bars_that_tell_a_genre_are_found(names, genres):
    found = warnings_of(drawn_data(**with_bars(*names)))
    assert [each["code"] for each in found] == ["bars_left"] * len(genres)
    assert [each["evidence"]["genre"] for each in found] == genres


def test_bars_that_were_cropped_tell_by_the_shape():
    films = drawn_data()
    records = {film.film: {"bars": {}, "pairs": []} for film in films}
    assert warnings_of(films, records) == []
    records["horror_2"]["bars"] = {"film.mp4": {"top": 50}}
    (found,) = warnings_of(films, records)
    assert found["code"] == "bars_cropped"
    assert found["evidence"]["with_bars"] == 1
    # A genre's only film has some shape, and says nothing of the genre's.
    single = [
        film
        for film in films
        if film.genre != "horror" or film.film == "horror_2"
    ]
    codes = [each["code"] for each in warnings_of(single, records)]
    assert "single_film" in codes and "bars_cropped" not in codes


@pytest.fixture(scope="module")
def extracted(builder_module, tmp_path_factory):
    """A frames folder of two films, and the data set that is built of it."""
    root = tmp_path_factory.mktemp("films")
    out = root / "frames"
    frame_folder.open_folder(out, {})
    # An odd frame is the last before the cut: a pair lies over it.
    cut = drawn_films.shot(1, 10) + drawn_films.shot(2, 10)
    for name, genre, split, frames in (
        ("Cut | pasted", "action", "train", cut),
        ("Letterbox", "romance", "test", barred(drawn_films.shot(3, 9))),
    ):
        path = drawn_films.write_film(root / f"{genre}.mp4", frames)
        scene = film_list.Scene(path, 0.0, float("inf"), 2)
        film = film_list.Film(name, genre, split, (scene,))
        extraction = sampling.extract_pairs(film, cleaning.ExtractConfig())
        frame_folder.store(film, frame_folder.Place(1, ()), extraction, out)
    data_dir = tmp_path_factory.mktemp("data")
    return build(builder_module, out, data_dir), out


def test_a_frames_folder_adds_dropped_pairs_and_cropped_bars(
    extracted, tmp_path
):
    data_dir, frames = extracted
    card = cards.write_card(
        "scene_genre/traps", tmp_path / "card", data_dir, frames
    )
    cut, letterbox = card["films"]
    num_dropped = cut["dropped"]["cut"]
    assert num_dropped >= 1 and letterbox["dropped"] == {}
    assert card["dropped"] == {"cut": num_dropped}
    assert cut["candidates"] == cut["pairs"] + num_dropped
    assert cut["bars_cropped"] == {}
    (bars,) = letterbox["bars_cropped"].values()
    assert bars["top"] >= 10 and bars["bottom"] >= 10
    assert list(letterbox["bars_cropped"]) == ["romance.mp4"]
    assert card["bars"] == {"left": 0, "cropped": 1}
    text = (tmp_path / "card" / "card.md").read_text("utf-8")
    assert f"| cut | {num_dropped} |" in text
    assert "not known" not in text
    # A bar in a name ends no cell.
    assert rf"| Cut \| pasted | train | action | {cut['pairs']} |" in text


def test_frames_of_another_data_set_are_refused(extracted, traps_dir, tmp_path):
    data_dir, frames = extracted
    out = tmp_path / "card"
    with pytest.raises(ValueError, match="other pairs of 12 films, such as"):
        cards.write_card("scene_genre/traps", out, traps_dir, frames)
    with pytest.raises(ValueError, match="folder that extract wrote"):
        cards.write_card("scene_genre/traps", out, data_dir, tmp_path)
    changed = shutil.copytree(frames, tmp_path / "changed")
    (path,) = (changed / "index").glob("romance*.json")
    record = json.loads(path.read_text("utf-8"))
    for row in record["pairs"]:
        row["frame_number"] += 2
    path.write_text(json.dumps(record), "utf-8")
    with pytest.raises(ValueError, match="1 films, such as 'Letterbox'"):
        cards.write_card("scene_genre/traps", out, data_dir, changed)
    assert not out.exists()


def test_what_a_build_of_films_dropped_is_read(tmp_path):
    builder = types.SimpleNamespace(data_path=tmp_path)
    assert card_measures.read_drops(builder) is None
    header = "film,scene,path,frame_number,seconds,reason"
    for split, rows in (
        ("test", ["Fog,1,f.mp4,9,0.3,cut", '"A, B",1,g.mp4,1,0.1,blank']),
        ("train", ["Fog,1,f.mp4,11,0.4,cut"]),
    ):
        text = "\n".join([header, *rows]) + "\n"
        (tmp_path / f"dropped_{split}.csv").write_text(text, "utf-8")
    dropped = card_measures.read_drops(builder)
    assert dropped == {"Fog": {"cut": 2}, "A, B": {"blank": 1}}
    films = [drawn_film("Fog", "action", "test")]
    described = cards.describe(films, None, dropped)
    assert described["dropped"] == {"cut": 2, "blank": 1}
    assert described["films"][0]["dropped"] == {"cut": 2}
    assert described["films"][0]["bars_cropped"] is None


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--dataset", "scene_genre/none"], "'scene_genre/none' is not built"),
        (["--pairs", "0"], "1 or more pairs of a film. Received: 0"),
        (["--frames", "nowhere"], "records in nowhere/index"),
        (["--out", "."], "holds something else"),
    ],
)
def test_a_mistake_is_one_line(
    traps_dir, tmp_path, monkeypatch, capsys, arguments, line
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    given = ["--dataset", "scene_genre/traps", "--data-dir", str(traps_dir)]
    monkeypatch.setattr(sys, "argv", ["", *given, *arguments])
    with pytest.raises(SystemExit) as stop:
        command.run(dataset_card.main)
    assert stop.value.code == 2
    said = capsys.readouterr().err.splitlines()
    assert [each for each in said if each.startswith("error: ")] == [said[-1]]
    assert line in said[-1]
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_the_command_says_what_it_found(
    traps_dir, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    given = ["--dataset", "scene_genre/traps", "--data-dir", str(traps_dir)]
    monkeypatch.setattr(sys, "argv", ["", *given])
    dataset_card.main()
    said = capsys.readouterr().out
    assert "warnings: 8" in said and "**grey genre**: All of horror" in said
    out = pathlib.Path("results/dataset_card/traps")
    assert f"written: {out}/card.md" in said and (out / "card.md").exists()


def test_the_floor_of_the_motion_is_that_of_the_baselines():
    magnitudes = np.array([0, 0.5, 1, 2], np.float32)
    magnitudes *= MAGNITUDE_FLOOR
    film = drawn_film("a", "action", "train", magnitudes=magnitudes)
    described = cards.describe([film], None, None)
    assert described["films"][0]["still"] == 0.5
    assert described["motion"]["action"]["still"] == 0.5
    assert described["motion"]["horror"] is None
