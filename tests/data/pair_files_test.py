import pytest

from keras_ssc import genres
from keras_ssc.data import pair_files


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(exist_ok=True)
        path.touch()


def test_class_ids_are_the_reports():
    assert genres.REPORT_GENRES.index("action") == 0
    assert genres.REPORT_GENRES.index("animation_2d") == 3
    assert genres.REPORT_GENRES.index("science_fiction") == 5


def test_names_are_written_as_they_are_read():
    name = pair_files.frame_name("animation_2d", 7, 39)
    assert name == "ani2D_movie7_039.png"
    assert pair_files.parse_frame_name(name) == ("animation_2d", 7, 39)
    assert pair_files.parse_frame_name("sf_movie1_1001.png")[2] == 1001


@pytest.mark.parametrize(
    "name", ["ani2D_139.png", "ani2D_movie7_139.jpg", "a|b_movie1_001.png"]
)
def test_other_names_are_refused(name):
    with pytest.raises(ValueError, match="Expected"):
        pair_files.parse_frame_name(name)
    with pytest.raises(ValueError, match="Expected one of: horror. Received: "):
        pair_files.parse_frame_name("x_movie1_001.png", ["horror"])


def test_an_odd_frame_and_the_even_one_behind_it_are_a_pair(tmp_path):
    touch(
        tmp_path,
        "action_train/action_movie7_139.png",
        "action_train/action_movie7_140.png",
        "sf_test/sf_movie2_001.png",
        "sf_test/sf_movie2_002.png",
    )
    found, problems = pair_files.list_pairs(tmp_path)
    assert not problems
    assert [(p.genre, p.split, p.movie, p.number) for p in found] == [
        ("action", "train", 7, 139),
        ("science_fiction", "test", 2, 1),
    ]
    assert found[0].next_frame_path.name == "action_movie7_140.png"


def test_folders_say_the_genres_where_nothing_else_does(tmp_path):
    frames = ("film_noir_movie1_001.png", "film_noir_movie1_002.png")
    touch(tmp_path, *(f"film_noir_train/{name}" for name in frames))
    found, problems = pair_files.list_pairs(tmp_path)
    assert not problems
    assert [pair.genre for pair in found] == ["film_noir"]
    assert pair_files.genres_of(tmp_path, ["film_noir", "horror"]) == (
        "horror",
        "film_noir",
    )
    # As folders were before there were other genres.
    assert pair_files.genres_of(tmp_path, ["horror"]) == genres.REPORT_GENRES


def test_genres_that_are_written_down_are_those_of_a_folder(tmp_path):
    (tmp_path / "genres.txt").write_text("Film Noir\nC++ / Döme\n")
    for genre in ("Film Noir", "C++ / Döme", "western"):
        folder = pair_files.folder_name(genre, "train")
        names = [pair_files.frame_name(genre, 1, number) for number in (1, 2)]
        touch(tmp_path, *(f"{folder}/{name}" for name in names))
    found, problems = pair_files.list_pairs(tmp_path)
    assert {pair.genre for pair in found} == {"Film Noir", "C++ / Döme"}
    ((path, reason),) = problems
    assert path.name == "western_train"
    assert "Unknown genre. Expected one of: Film Noir, C++ / Döme" in reason
    assert pair_files.genres_of(tmp_path, []) == ("Film Noir", "C++ / Döme")


def test_genres_may_be_spelt_out_in_names(tmp_path):
    touch(
        tmp_path,
        "animation_2d_test/animation_2d_movie1_001.png",
        "animation_2d_test/animation_2d_movie1_002.png",
    )
    found, problems = pair_files.list_pairs(tmp_path)
    assert not problems
    assert found[0].genre == "animation_2d"


def test_what_is_no_pair_is_told(tmp_path):
    touch(
        tmp_path,
        "action_train/action_movie7_139.png",
        "action_train/action_movie7_142.png",
        "action_train/action_movie7_143.png",
        "action_train/horror_movie1_001.png",
        "action_train/Thumbs.db",
        "action_train/action_movie8_001.png",
        "action_train/action_movie8_002.png",
        "action_train/action_movie8_0001.png",
    )
    found, problems = pair_files.list_pairs(tmp_path)
    assert [(pair.movie, pair.number) for pair in found] == [(8, 1)]
    reasons = {path.name: reason for path, reason in problems}
    assert (
        "action_movie7_140.png is missing" in reasons["action_movie7_139.png"]
    )
    assert (
        "action_movie7_141.png is missing" in reasons["action_movie7_142.png"]
    )
    assert "horror in action" in reasons["horror_movie1_001.png"]
    assert "Expected a frame named" in reasons["Thumbs.db"]
    # Which of 1 and 0001 comes first is the file system's sorted order.
    assert len(reasons) == 6


@pytest.mark.parametrize(
    "first, last, stride, expected",
    [
        (0, 5, 1, [1, 3]),
        (1, 6, 1, [1, 3, 5]),
        (1, 5, 1, [1, 3]),
        (1, 2, 1, [1]),
        (2, 3, 1, []),
        (7, 7, 1, []),
        (0, 9, 4, [1, 3, 5]),
    ],
)
def test_key_frames_are_odd_and_stay_in_their_range(
    first, last, stride, expected
):
    assert list(pair_files.key_frames(first, last, stride)) == expected
