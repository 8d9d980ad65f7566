import pytest

from keras_ssc import genres
from keras_ssc.data import pair_files


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(exist_ok=True)
        path.touch()


@pytest.mark.parametrize("genre", genres.REPORT_GENRES)
def test_genres_and_their_prefixes_are_read(genre):
    assert genres.genre_named(genre) == genre
    assert genres.genre_named(genres.PREFIXES[genre]) == genre
    assert genres.genre_named(f" {genre.upper()} ") == genre


def test_an_unknown_genre_is_answered_with_the_names():
    with pytest.raises(ValueError, match="science_fiction.*ani2D.*'musical'"):
        genres.genre_named("musical")


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
    "name", ["ani2D_139.png", "ani2D_movie7_139.jpg", "x_movie1_001.png"]
)
def test_other_names_are_refused(name):
    with pytest.raises(ValueError, match="Expected"):
        pair_files.parse_frame_name(name)


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


def test_a_folder_of_an_unknown_genre_is_told(tmp_path):
    touch(tmp_path, "western_train/western_movie1_001.png")
    found, problems = pair_files.list_pairs(tmp_path)
    assert not found
    assert problems[0][0].name == "western_train"
    assert "Unknown genre" in problems[0][1]


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
