"""Reads a file of PyTorch's weights without PyTorch.

The legacy format: four pickles (a magic number, a version, the machine, the
tensors), a list of keys, and after it each storage's length and numbers. Since
1.6: a zip archive of one pickle, `data.pkl`, and each storage's numbers, named
by its key. A pickle can call any function: this reader knows a few names, makes
nothing of them but arrays, and refuses every other.
"""

import collections
import dataclasses
import math
import pathlib
import pickle
import zipfile

import numpy as np

_MAGIC, _VERSION = 0x1950A86A20F9469CFC6C, 1001

_DTYPES = {"FloatStorage": "<f4", "LongStorage": "<i8"}


@dataclasses.dataclass(frozen=True)
class _Tensor:
    storage: tuple
    offset: int
    size: tuple
    stride: tuple


def _rebuild(storage, offset, size, stride, *_):
    return _Tensor(storage, offset, tuple(size), tuple(stride))


# What a file may name, and what stands for it here.
_KNOWN = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild,
    **{("torch", name): name for name in _DTYPES},
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module, name):
        if (module, name) not in _KNOWN:
            raise ValueError(f"it asks for {module}.{name}")
        return _KNOWN[module, name]

    def persistent_load(self, pid):
        kind, dtype, key, _, length, *_ = pid
        if kind != "storage" or dtype not in _DTYPES:
            raise ValueError(f"it asks for {str(pid)[:80]}")
        return str(key), dtype, int(length)


def read(path):
    """Reads the tensors of a file; nothing that is stored in it is run.

    Args:
        path: Path of a `.pth` file as `torch.save` writes it.

    Returns:
        A dict from names to arrays, float32 or int64.

    Raises:
        ValueError: If it is something else, is cut off, or asks for anything
            but tensors.
        OSError: If it cannot be read.
    """
    path = pathlib.Path(path)
    with open(path, "rb") as file:
        try:
            if zipfile.is_zipfile(file):
                return _read_archive(file)
            file.seek(0)
            return _read(file, path.stat().st_size)
        # As many kinds as a pickle can be malformed in ways.
        except (
            *(ValueError, TypeError, KeyError, IndexError, AttributeError),
            *(EOFError, OverflowError, MemoryError, RecursionError),
            *(pickle.UnpicklingError, zipfile.BadZipFile),
        ) as error:
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise ValueError(
                f"Expected weights as torch.save wrote them. {path} is cut "
                f"off, damaged, or not to be trusted: {reason}"
            ) from error


def _read(file, size):
    if _Unpickler(file).load() != _MAGIC or _Unpickler(file).load() != _VERSION:
        raise ValueError("another format")
    _Unpickler(file).load()  # the machine's, of no use here
    tensors, keys = _Unpickler(file).load(), _Unpickler(file).load()
    lengths = {tensor.storage[0]: tensor.storage for tensor in tensors.values()}
    storages = {}
    for key in keys:
        (length,) = np.frombuffer(file.read(8), "<i8")
        _, dtype, expected = lengths[key]
        num_bytes = int(length) * np.dtype(_DTYPES[dtype]).itemsize
        if length != expected or not 0 <= num_bytes <= size:
            raise ValueError(f"storage {key} has {length} numbers")
        storages[key] = np.frombuffer(file.read(num_bytes), _DTYPES[dtype])
        if len(storages[key]) != length:
            raise ValueError(f"storage {key} is cut off")
    return {
        str(name): _array(tensor, storages[tensor.storage[0]])
        for name, tensor in tensors.items()
    }


def _read_archive(file):
    with zipfile.ZipFile(file) as archive:
        # PyTorch compresses nothing; what is compressed may expand without end.
        if any(x.compress_type != zipfile.ZIP_STORED for x in archive.filelist):
            raise ValueError("a compressed archive")
        (pickled,) = (x for x in archive.namelist() if x.endswith("/data.pkl"))
        folder = pickled.removesuffix(".pkl")
        tensors = _Unpickler(archive.open(pickled)).load()
        return {
            str(name): _array(
                tensor,
                np.frombuffer(
                    archive.read(f"{folder}/{tensor.storage[0]}"),
                    _DTYPES[tensor.storage[1]],
                ),
            )
            for name, tensor in tensors.items()
        }


def _array(tensor, storage):
    """Returns a tensor's numbers as an array of its own."""
    numbers = (tensor.offset, *tensor.size, *tensor.stride)
    if len(tensor.size) != len(tensor.stride) or any(
        type(number) is not int or number < 0 for number in numbers
    ):
        raise ValueError("a tensor of no shape")
    steps = zip(tensor.size, tensor.stride, strict=True)
    last = tensor.offset + sum((n - 1) * step for n, step in steps)
    # A stride of 0 repeats a number without end.
    if math.prod(tensor.size) > len(storage) - tensor.offset or last >= len(
        storage
    ):
        raise ValueError("a tensor beyond its storage")
    return np.lib.stride_tricks.as_strided(
        storage[tensor.offset :],
        tensor.size,
        [step * storage.itemsize for step in tensor.stride],
    ).copy()
