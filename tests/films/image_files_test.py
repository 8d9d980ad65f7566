import pytest

from keras_ssc.films import image_files


@pytest.mark.parametrize("data", [b"no image", None])
def test_frame_that_cannot_be_read_is_named_once(tmp_path, data):
    path = tmp_path / "frame.png"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(ValueError, match=r"frame\.png") as raised:
        image_files.read_frame(path)
    assert str(raised.value).count(str(path)) == 1
