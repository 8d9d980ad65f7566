import io
import os
import zipfile

import numpy as np
import pytest

from keras_ssc.models import torch_weights
from tests.helpers import torch_files

NUMBERS = np.arange(12, dtype=np.float32)


def archive(parts, compression=zipfile.ZIP_STORED):
    """Returns the bytes of a file as torch.save writes it since 1.6."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as whole:
        for name, data in parts.items():
            whole.writestr(f"archive/{name}", data)
    return file.getvalue()


def read(tmp_path, data):
    path = tmp_path / "weights.pth"
    path.write_bytes(data)
    return torch_weights.read(path)


def test_tensors_are_read_with_their_strides(tmp_path):
    whole = NUMBERS.reshape(3, 4)
    steps = np.array([7], np.int64)
    data = torch_files.legacy_file(
        {
            "whole": torch_files.tensor("0", whole),
            "turned": torch_files.tensor(
                "0", NUMBERS, size=(4, 3), stride=(1, 4)
            ),
            "row": torch_files.tensor(
                "0", NUMBERS, offset=4, size=(4,), stride=(1,)
            ),
            "steps": torch_files.tensor("1", steps, size=(), stride=()),
        },
        {"0": NUMBERS, "1": steps},
    )
    found = read(tmp_path, data)
    np.testing.assert_array_equal(found["whole"], whole)
    np.testing.assert_array_equal(found["turned"], whole.T)
    np.testing.assert_array_equal(found["row"], whole[1])
    assert found["steps"] == 7 and found["steps"].dtype == np.int64


def test_archives_are_read_as_well(tmp_path):
    turned = torch_files.tensor("7", NUMBERS, size=(4, 3), stride=(1, 4))
    data = archive(
        {
            "data.pkl": torch_files.pickled({"turned": turned}),
            "data/7": NUMBERS.tobytes(),
        }
    )
    found = read(tmp_path, data)
    np.testing.assert_array_equal(found["turned"], NUMBERS.reshape(3, 4).T)


@pytest.mark.parametrize(
    "module, name, arguments",
    [
        ("os", "system", ("touch harmed",)),
        ("posix", "system", ("touch harmed",)),
        ("builtins", "eval", ("open('harmed', 'w')",)),
        ("builtins", "getattr", ("x", "y")),
        ("numpy.core.multiarray", "_reconstruct", ()),
        ("torch", "DoubleStorage", ()),
        ("collections", "Counter", ("x",)),
    ],
)
def test_what_asks_for_more_than_tensors_is_refused(
    tmp_path, monkeypatch, module, name, arguments
):
    monkeypatch.chdir(tmp_path)
    call = torch_files.call(module, name, *arguments)
    data = torch_files.legacy_file({"x": call}, {})
    with pytest.raises(ValueError, match=f"it asks for {module}.{name}"):
        read(tmp_path, data)
    assert not os.path.exists("harmed")


@pytest.mark.parametrize(
    "changes",
    [
        {"size": (13,), "stride": (1,)},
        {"size": (2, 2), "stride": (1, 11)},
        {"size": (2,), "stride": (-1,)},
        {"size": (10**9,), "stride": (0,)},
        {"offset": 12, "size": (1,), "stride": (1,)},
        {"size": (2, 2), "stride": (1,)},
        {"length": 11},
    ],
)
def test_tensors_beyond_their_storage_are_refused(tmp_path, changes):
    data = torch_files.legacy_file(
        {"x": torch_files.tensor("0", NUMBERS, **changes)}, {"0": NUMBERS}
    )
    with pytest.raises(ValueError, match="cut off, damaged, or not to be"):
        read(tmp_path, data)


def test_other_files_and_cut_off_ones_are_refused(tmp_path):
    data = torch_files.legacy_file(
        {"x": torch_files.tensor("0", NUMBERS)}, {"0": NUMBERS}
    )
    for end in range(0, len(data), 7):
        with pytest.raises(ValueError, match=r"weights\.pth is cut off"):
            read(tmp_path, data[:end])
    whole = torch_files.tensor("0", NUMBERS)
    pickled, numbers = torch_files.pickled({"x": whole}), NUMBERS.tobytes()
    for other in (
        archive({"data.pkl": data}),
        archive({"data.pkl": pickled}),
        archive({"data.pkl": pickled, "data/0": numbers[:-4]}),
        archive({"data.pkl": pickled, "data/0": numbers}, zipfile.ZIP_DEFLATED),
        archive({"data.pkl": pickled, "data/0": numbers})[:-30],
        b"\x89HDF\r\n\x1a\n",
        torch_files.legacy_file({}, {}, magic=1),
    ):
        with pytest.raises(ValueError, match="Expected weights"):
            read(tmp_path, other)
