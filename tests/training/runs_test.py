import pytest

from keras_ssc.training import runs


@pytest.mark.parametrize(
    "text, reason",
    [
        (None, r"malformed \(No such file or directory\)\.$"),
        ("{", r"malformed \(expected JSON, received something else"),
        ("{}", r"malformed \('model'\)\.$"),
    ],
)
def test_config_that_cannot_be_read_is_named_once(tmp_path, text, reason):
    path = tmp_path / "config.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ValueError, match=reason) as raised:
        runs.read_config(tmp_path)
    assert str(raised.value).count(str(path)) == 1
