import json
import pathlib
import shutil
import sys
import types
from unittest import mock

import cv2
import numpy as np
import pytest

from keras_ssc import command
from keras_ssc import dataset_card
from keras_ssc import files
from keras_ssc.data import card as cards
from keras_ssc.data import card_measures
from keras_ssc.data import card_warnings
from keras_ssc.data import datasets
from keras_ssc.data import extraction
from keras_ssc.data import pair_files
from keras_ssc.data.simple_features import MAGNITUDE_FLOOR
from keras_ssc.films import black_bars
from keras_ssc.films import film_list
from keras_ssc.films import image_files
from keras_ssc.genres import REPORT_GENRES
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
    # It ends in a flat frame, which has no hash.
    (
        *("action", "test", 3),
        [*drawn_films.shot(3, 10, speed=0), *drawn_films.black(2)],
    ),
    ("horror", "train", 1, grey(drawn_films.shot(4, 12))),
    ("horror", "test", 2, grey(drawn_films.shot(5, 12))),
    ("romance", "train", 1, barred(drawn_films.shot(6, 12))),
    ("romance", "test", 2, barred(drawn_films.shot(7, 12))),
    ("animation_2d", "train", 1, drawn_films.shot(8, 12)),
    ("science_fiction", "train", 1, drawn_films.shot(9, 12)),
    ("science_fiction", "test", 2, encoded_again(drawn_films.shot(1, 8))),
]


@pytest.fixture(scope="module")
def traps_dir(build_frames, tmp_path_factory):
    """A data folder whose data set has most of what is warned of."""
    root = tmp_path_factory.mktemp("frames")
    for film in TRAPS:
        drawn_films.write_frames(root, *film)
    (root / "action_train" / "action_movie9_001.png").write_bytes(
        image_files.encode_frame(TRAPS[0][3][0])
    )
    return build_frames(root, "traps")


@pytest.fixture(scope="module")
def card_folder(traps_dir, tmp_path_factory):
    out = tmp_path_factory.mktemp("cards") / "new" / "card"
    cards.write_card("scene_genre/traps", out, traps_dir, most_pairs=4)
    return out


@pytest.fixture(scope="module")
def card(card_folder):
    return json.loads((card_folder / "card.json").read_text("utf-8"))


def test_a_card_names_what_is_wrong_and_nothing_else(card):
    found = [(each["code"], each["evidence"]) for each in card["warnings"]]
    assert found == [
        ("missing_genre", {"genres": ["animation_3d"]}),
        ("missing_split", {"split": "validation"}),
        ("no_film_in_split", {"split": "test", "genres": ["animation_2d"]}),
        (
            "single_film",
            {"genre": "animation_2d", "film": "ani2D_movie1", "split": "train"},
        ),
        ("few_test_films", {"num_films": 4}),
        (
            "grey_genre",
            {
                "genre": "horror",
                "films": ["horror_movie1", "horror_movie2"],
                "saturation": 0,
                "palest_colour_film": mock.ANY,
            },
        ),
        (
            "bars_left",
            {
                "genre": "romance",
                "with_bars": 2,
                "films": 2,
                "others_with_bars": 0,
                "others": 8,
            },
        ),
        ("twins_across_splits", {"twins": [mock.ANY]}),
    ]
    (twin,) = found[-1][1]["twins"]
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
        assert (film["pairs"], film["looked_at"]) == (len(frames) // 2, 4)
        assert film["black_and_white"] == (genre == "horror")
        height = 10 if genre == "romance" else 0
        assert list(film["bars_left"].values()) == [height, height, 0, 0]
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
    assert (card["left_out"], card["card_version"]) == (1, 1)


def test_a_card_for_people_says_the_same(card, card_folder):
    text = (card_folder / "card.md").read_text("utf-8")
    assert "\n10 films, 58 pairs. Of 9 films with more than 4 pairs, " in text
    assert "drawn by seed 0: 40 first frames in all" in text
    assert "Which pairs were dropped, and why, is not known" in text
    assert "Which bars extract cropped is not known" in text
    assert "## Warnings: 8\n" in text
    for each in card["warnings"]:
        assert each["text"] in text and each["what_to_do"] in text
    assert "| romance_movie1 | train | romance | 6 | not known | " in text
    assert " | 10, 10, 0, 0 | not known | " in text
    for name in ("motion", "splits", "saturation"):
        assert f"](figures/{name}.png)" in text
        picture = cv2.imread(str(card_folder / "figures" / f"{name}.png"))
        assert min(picture.shape[:2]) > 300 and picture.std() > 13
    (only,) = card_folder.parent.iterdir()
    assert only == card_folder


def test_a_card_replaces_an_earlier_one_when_it_is_whole(
    card_folder, traps_dir, tmp_path, monkeypatch
):
    out = tmp_path / "card"
    shutil.copytree(card_folder, out)
    earlier = (out / "card.json").read_bytes()
    write = files.write_bytes

    def write_bytes(path, data):
        if path.name == "splits.png":
            raise OSError("full")
        write(path, data)

    def write_card(seed):
        return cards.write_card(
            "scene_genre/traps", out, traps_dir, most_pairs=2, seed=seed
        )

    with monkeypatch.context() as patched:
        patched.setattr(files, "write_bytes", write_bytes)
        with pytest.raises(OSError, match="full"):
            write_card(seed=1)
    assert (out / "card.json").read_bytes() == earlier
    assert [path.name for path in tmp_path.iterdir()] == ["card"]
    card = write_card(seed=2)
    assert json.loads((out / "card.json").read_text("utf-8")) == card
    assert (card["seed"], card["looked_at"]) == (2, 20)
    assert [path.name for path in tmp_path.iterdir()] == ["card"]


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
    for film in card_measures.measure(builder, 100):
        numbers = [*range(1, 2 * len(film.magnitudes), 2)]
        assert sorted(film.frame_numbers) == numbers
        flat = [11] if film.film == "action_movie3" else []
        assert sorted([*film.hashes, *flat]) == numbers
        assert len(film.colours) == len(numbers)


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


def test_a_hash_knows_a_copy_and_no_other_place():
    place, *others = (drawn_films.shot(n, 1)[0] for n in range(1, 12))
    copy, *others = (
        cv2.norm(*map(card_measures.difference_hash, both), cv2.NORM_HAMMING)
        for both in zip(
            [place] * 11, [*encoded_again([place]), *others], strict=True
        )
    )
    assert copy <= card_measures.MOST_DIFFERING_BITS
    assert min(others) > 2 * card_measures.MOST_DIFFERING_BITS


def test_flat_frames_have_no_hash():
    title = np.zeros((64, 96, 3), np.uint8)
    title[30:34, 40:56] = 255
    assert card_measures.difference_hash(title) is None
    films = [measured("a", "action", x, hashes={}) for x in ("train", "test")]
    assert not card_measures.find_twins(films)


def test_twins_are_counted_and_named_by_their_frames():
    generator = np.random.default_rng(0)
    hashes = generator.integers(256, size=(2, 5, 32)).astype(np.uint8)
    # Two frames of the first film come again, the second of them exactly.
    hashes[1, 2] = hashes[0, 0] ^ np.eye(1, 32, dtype=np.uint8)[0]
    hashes[1, 3] = hashes[0, 4]
    train, test, beside = (
        measured(name, "action", split, hashes=dict(enumerate(own)))
        for name, split, own in (
            ("a", "train", hashes[0]),
            ("b", "test", hashes[1]),
            ("b", "train", hashes[1]),
        )
    )
    assert card_measures.find_twins([train, test]) == [
        {
            "films": ["a", "b"],
            "splits": ["train", "test"],
            "genres": ["action", "action"],
            "num_frames": 2,
            "frame_numbers": [4, 3],
            "differing_bits": 0,
        }
    ]
    assert not card_measures.find_twins([train, beside])


def measured(name, genre, split, num_pairs=5, **changes):
    """Made-up measures of a film with nothing wrong about it."""
    generator = np.random.default_rng([*map(ord, name + genre + split)])
    hashes = generator.integers(256, size=(5, 32)).astype(np.uint8)
    measures = {
        "magnitudes": np.full(num_pairs, 0.01, np.float32),
        "frame_numbers": np.arange(5),
        "frame_sizes": ["480x270"] * 5,
        "rate": 24.0,
        "repeated": 0.0,
        "saturation": 0.2,
        "colours": generator.random((5, 64), np.float32),
        "hashes": dict(enumerate(hashes)),
        "bars": black_bars.Bars(),
    }
    return card_measures.FilmMeasures(
        name, split, (genre,), **measures | changes
    )


def five_films(changed=(), extracted=None, **changes):
    """A card of five films of each genre, of which some are changed."""
    splits = ("train", "train", "train", "validation", "test")
    films = [
        measured(name, genre, split, **(changes if name in changed else {}))
        for genre in REPORT_GENRES
        for number, split in enumerate(splits)
        for name in [f"{genre}_{number}"]
    ]
    return cards.describe(films, REPORT_GENRES, extracted)


EVERY_FILM = [
    f"{genre}_{number}" for genre in REPORT_GENRES for number in range(5)
]
OF_HORROR = [name for name in EVERY_FILM if name.startswith("horror")]


def test_a_good_data_set_has_no_warning():
    card = five_films()
    assert card["warnings"] == []
    assert card["colours_predict"]["num_films"] == 6
    assert cards.warnings_text(card).startswith("None of")


@pytest.mark.parametrize(
    "changes, code, text",
    [
        ({"rate": 30.0}, "frame_rates", "horror have 30 frames a second"),
        ({"repeated": 0.3}, "repeated", "30.0 % of the pairs of horror"),
    ],
)
def test_motion_that_is_another_for_technical_reasons_is_found(
    changes, code, text
):
    (found,) = five_films(OF_HORROR, **changes)["warnings"]
    assert found["code"] == code
    assert text in found["text"]
    # One odd film, or a difference that nobody sees, makes no genre.
    assert five_films(OF_HORROR[:2], **changes)["warnings"] == []
    few = {name: value - 0.12 for name, value in changes.items()}
    few = {"rate": 25.0} if code == "frame_rates" else few
    assert five_films(OF_HORROR, **few)["warnings"] == []


def test_a_film_s_frame_rate_is_read_off_its_pairs():
    scenes = np.array([1, 1, 2, 2, 3])
    numbers = np.array([49, 1, 3, 99, 7])
    seconds = np.array([2.0, 0.0, 4.0, 8.0, 100.0])
    rate = card_measures.frame_rate(scenes, numbers, seconds)
    assert rate == 24.0
    assert card_measures.frame_rate(scenes, numbers, 0 * seconds) is None


def test_colours_that_classify_the_films_are_found():
    films = [
        measured(f"{split}{number}", genre, split, colours=colours)
        for number, genre in enumerate(REPORT_GENRES)
        for colours in [np.eye(64, dtype=np.float32)[[number] * 5]]
        for split in film_list.SPLITS
    ]
    (found,) = cards.describe(films, REPORT_GENRES)["warnings"]
    assert found["code"] == "colours_predict"
    assert found["evidence"] == {
        "num_films": 6,
        "balanced_accuracy": 1.0,
        "low": 1.0,
        "high": 1.0,
        "chance": pytest.approx(1 / 6),
    }
    assert "100.0 %" in found["text"] and "16.7 %" in found["text"]


def test_of_few_films_colours_say_nothing():
    films = [
        measured(f"{genre}{split}", genre, split)
        for genre in ("action", "horror")
        for split in ("train", "test")
    ]
    card = cards.describe(films, REPORT_GENRES)
    prediction = card["colours_predict"]
    assert prediction["num_films"] == 2 and prediction["chance"] == 0.5
    assert prediction["balanced_accuracy"] is not None
    assert prediction["low"] is None
    codes = [each["code"] for each in card["warnings"]]
    assert "few_test_films" in codes and "colours_predict" not in codes
    one = card_measures.predict_by_colours(films[:2])
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
        measured(f"film {place}", "action", "train", count)
        for place, count in enumerate(counts)
    ]
    warnings = cards.describe(films, REPORT_GENRES)["warnings"]
    found = {each["code"]: each["evidence"] for each in warnings}
    assert found.get("unequal_films") == (
        {
            "genre": "action",
            "film": "film 0",
            "share": pytest.approx(counts[0] / sum(counts)),
        }
        if is_unequal
        else None
    )


def test_a_genre_is_grey_if_all_its_films_are():
    (found,) = five_films(OF_HORROR, saturation=0.019)["warnings"]
    assert found["code"] == "grey_genre"
    assert found["evidence"] == {
        "genre": "horror",
        "films": OF_HORROR,
        "saturation": 0.019,
        "palest_colour_film": 0.2,
    }
    # One has colours; and where nothing has, none is a shortcut.
    for names in (OF_HORROR[1:], EVERY_FILM):
        assert five_films(names, saturation=0.019)["warnings"] == []


@pytest.mark.parametrize(
    ("names", "genres"),
    [
        (["horror_1"], ["horror"]),  # only there
        (OF_HORROR, ["horror"]),
        # Always there, and in one of another genre too.
        ([*OF_HORROR, "action_1"], ["horror"]),
        (["horror_1", "action_1"], []),
        (EVERY_FILM, []),
    ],
)
def test_bars_that_separate_a_genre_are_found(names, genres):
    bars = black_bars.Bars(top=9, bottom=9)
    found = five_films(names, bars=bars)["warnings"]
    assert [each["code"] for each in found] == ["bars_left"] * len(genres)
    assert [each["evidence"]["genre"] for each in found] == genres


def test_bars_that_were_cropped_are_found_by_the_shape():
    extracted = {name: {"bars_cropped": {}} for name in EVERY_FILM}
    assert five_films(extracted=extracted)["warnings"] == []
    extracted["horror_2"]["bars_cropped"] = {"film.mp4": {"top": 50}}
    card = five_films(extracted=extracted)
    (found,) = card["warnings"]
    assert found["code"] == "bars_cropped"
    assert found["evidence"]["with_bars"] == 1
    # A genre's only film has some shape, and says nothing of the genre's.
    single = [
        film
        for film in card["films"]
        if film["genre"] != "horror" or film["film"] == "horror_2"
    ]
    warnings = card_warnings.find_warnings(
        single, REPORT_GENRES, card["colours_predict"], []
    )
    codes = [each["code"] for each in warnings]
    assert "single_film" in codes and "bars_cropped" not in codes


@pytest.fixture(scope="module")
def extracted(build_frames, tmp_path_factory):
    """A frames folder of two films, and the data set that is built of it."""
    root = tmp_path_factory.mktemp("films")
    # An odd frame is the last before the cut: a pair lies over it.
    cut = drawn_films.shot(1, 10) + drawn_films.shot(2, 10)
    drawn_films.write_film(root / "action.mp4", cut)
    letterbox = barred(drawn_films.shot(3, 9))
    drawn_films.write_film(root / "romance.mp4", letterbox)
    films = drawn_films.write_list(
        root / "films.csv",
        "Cut | 봄날,action,train,action.mp4,,",
        "Letterbox,romance,test,romance.mp4,,",
    )
    out = root / "frames"
    extraction.extract(films, out, workers=1)
    return build_frames(out, "traps"), out


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
    assert list(letterbox["bars_cropped"]) == ["romance.mp4"]
    bars = letterbox["bars_cropped"]["romance.mp4"]
    assert bars["top"] >= 10 and bars["bottom"] >= 10
    assert card["bars"] == {"left": 0, "cropped": 1}
    text = (tmp_path / "card" / "card.md").read_text("utf-8")
    assert f"| cut | {num_dropped} |" in text
    assert "not known" not in text
    # A bar in a name ends no cell.
    assert rf"| Cut \| 봄날 | train | action | {cut['pairs']} |" in text


def test_frames_of_another_data_set_are_refused(extracted, traps_dir, tmp_path):
    data_dir, frames = extracted
    changed = shutil.copytree(frames, tmp_path / "changed")
    (path,) = (changed / "index").glob("romance*.json")
    record = json.loads(path.read_text("utf-8"))
    for row in record["pairs"]:
        row["frame_number"] += 2
    path.write_text(json.dumps(record), "utf-8")
    out = tmp_path / "card"
    for data, folder, expected in (
        (traps_dir, frames, "other pairs of 12 films, such as"),
        (data_dir, tmp_path, "folder that extract wrote"),
        (data_dir, changed, "1 films, such as 'Letterbox'"),
    ):
        with pytest.raises(ValueError, match=expected):
            cards.write_card("scene_genre/traps", out, data, folder)
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
    assert dropped == {
        "Fog": {"dropped": {"cut": 2}},
        "A, B": {"dropped": {"blank": 1}},
    }
    # The other film lost all pairs.
    films = [measured(name, "action", "test") for name in ("Fog", "C")]
    card = cards.describe(films, REPORT_GENRES, dropped)
    assert card["dropped"] == {"cut": 2, "blank": 1}
    lost = [film["dropped"] for film in card["films"]]
    assert lost == [{"cut": 2}, {}]
    assert card["films"][0]["bars_cropped"] is None


@pytest.fixture
def run_card(traps_dir, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        given = ["--dataset", "scene_genre/traps", "--data-dir", str(traps_dir)]
        monkeypatch.setattr(sys, "argv", ["", *given, *arguments])
        with pytest.raises(SystemExit) as stop:
            command.run(dataset_card.main)
        return stop.value.code

    return run


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--dataset", "scene_genre/none"], "'scene_genre/none' is not built"),
        (["--pairs", "0"], "1 or more pairs of a film. Received: 0"),
        (["--frames", "nowhere"], "records in nowhere/index"),
        (["--out", "."], "holds something else"),
    ],
)
def test_a_mistake_is_one_line(run_card, tmp_path, capsys, arguments, line):
    (tmp_path / "notes.txt").write_text("mine")
    assert run_card(*arguments) == 2
    said = capsys.readouterr().err.splitlines()
    assert [each for each in said if each.startswith("error: ")] == [said[-1]]
    assert line in said[-1]
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_the_command_says_what_it_found(run_card, capsys):
    assert run_card() == 0
    said = capsys.readouterr().out
    assert "warnings: 8" in said and "**grey genre**: All of horror" in said
    out = pathlib.Path("results/dataset_card/traps")
    assert f"written: {out}/card.md" in said
    text = (out / "card.md").read_text("utf-8")
    assert "The first frames of all pairs were looked at." in text


def test_pairs_below_the_floor_are_still():
    magnitudes = np.array([0, 0.5, 1, 2], np.float32) * MAGNITUDE_FLOOR
    film = measured("a", "action", "train", magnitudes=magnitudes)
    card = cards.describe([film], REPORT_GENRES)
    assert card["films"][0]["still"] == 0.5
    assert card["motion"]["action"]["still"] == 0.5
    assert card["motion"]["horror"] is None
