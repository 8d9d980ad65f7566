"""What a film file is known by."""

import pytest

from keras_ssc.library import identity


def test_name_and_place_do_not_matter(tmp_path):
    one, other = tmp_path / "a.mp4", tmp_path / "b" / "c.mkv"
    other.parent.mkdir()
    one.write_bytes(b"film")
    other.write_bytes(b"film")
    assert identity.content_of(one) == identity.content_of(other)


@pytest.mark.parametrize("place", [0, 1000, 2**22 - 1])
def test_a_small_file_is_hashed_whole(tmp_path, place):
    path = tmp_path / "a.mp4"
    data = bytearray(2**22)
    path.write_bytes(data)
    before = identity.content_of(path)
    data[place] = 1
    path.write_bytes(data)
    assert identity.content_of(path) != before


def test_a_large_file_is_known_by_size_beginning_and_end(tmp_path):
    path = tmp_path / "a.mp4"
    found = set()
    for size, place in [(2**23, None), (2**23, 0), (2**23, -1), (2**23 + 1, 0)]:
        data = bytearray(size)
        if place is not None:
            data[place] = 1
        path.write_bytes(data)
        found.add(identity.content_of(path))
    assert len(found) == 4


def test_unreadable_files_are_known_by_their_paths(tmp_path):
    one, other = (identity.of_unreadable(tmp_path / x) for x in "ab")
    assert one == identity.of_unreadable(tmp_path / "a") != other
