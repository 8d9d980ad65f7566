"""Writes files as PyTorch does, without PyTorch."""

import collections
import io
import pickle
import typing

import numpy as np


class _Global:
    """Stands for a name of a module, which a pickle asks for."""

    def __init__(self, module, name):
        self.module, self.name = module, name


class _Storage:
    def __init__(self, dtype, key, length):
        self.pid = (
            "storage",
            _Global("torch", dtype),
            key,
            "cpu",
            length,
            None,
        )


class _Pickler(pickle._Pickler):
    """Python's own pickler: its other one cannot write names."""

    dispatch: typing.ClassVar = dict(pickle._Pickler.dispatch)
    pid_length = 6

    def persistent_id(self, value):
        is_storage = isinstance(value, _Storage)
        return value.pid[: self.pid_length] if is_storage else None

    def save_global_name(self, value):
        self.write(b"c" + f"{value.module}\n{value.name}\n".encode())

    dispatch[_Global] = save_global_name


class _Rebuilt:
    def __init__(self, module, name, arguments):
        self.name, self.arguments = _Global(module, name), arguments


def _save_rebuilt(pickler, value):
    pickler.save(value.name)
    pickler.save(value.arguments)
    pickler.write(pickle.REDUCE)


_Pickler.dispatch[_Rebuilt] = _save_rebuilt


def call(module, name, *arguments):
    """Stands for a call that a pickle asks for."""
    return _Rebuilt(module, name, arguments)


def tensor(key, array, offset=0, size=None, stride=None, length=None):
    """Stands for a tensor: an array's numbers as another shape, if given."""
    kind = "FloatStorage" if array.dtype == np.float32 else "LongStorage"
    size = array.shape if size is None else size
    steps = [step // array.itemsize for step in array.strides]
    stride = tuple(steps) if stride is None else stride
    length = array.size if length is None else length
    storage = _Storage(kind, key, length)
    given = (storage, offset, size, stride, False)
    hooks = call("collections", "OrderedDict")
    return _Rebuilt("torch._utils", "_rebuild_tensor_v2", (*given, hooks))


def pickled(tensors):
    """Returns the pickle of a dict from names to `tensor`, as since 1.6."""
    file = io.BytesIO()
    pickler = _Pickler(file, 2)
    pickler.pid_length = 5
    pickler.dump(collections.OrderedDict(tensors))
    return file.getvalue()


def legacy_file(tensors, storages, magic=0x1950A86A20F9469CFC6C):
    """Returns the bytes of a file.

    Args:
        tensors: What is pickled, such as a dict from names to `tensor`.
        storages: Dict from keys to arrays.
        magic: Integer, the file's first.
    """
    file = io.BytesIO()
    whole = collections.OrderedDict(tensors)
    for value in (magic, 1001, {"little_endian": True}, whole):
        _Pickler(file, 2).dump(value)
    _Pickler(file, 2).dump(list(storages))
    for array in storages.values():
        file.write(np.int64(array.size).tobytes() + array.tobytes())
    return file.getvalue()
