"""Calls a served model through TensorFlow's C API, without Python's TensorFlow.

TensorFlow Serving loads a SavedModel by the same C++ code.
"""

import pathlib
import shutil
import subprocess

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

SOURCE = pathlib.Path(__file__).parents[2] / "experiments" / "served_model.c"


class ProgramError(Exception):
    """The message of a program that failed."""


def build(folder):
    """Compiles the program against the libraries of Python's package.

    Args:
        folder: `pathlib.Path` of the folder to write it to.

    Returns:
        `pathlib.Path` of the program.

    Raises:
        OSError: If there is no compiler.
        ProgramError: If it cannot be compiled; with the compiler's message.
    """
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise OSError(
            None, "no C compiler here: apt-get install -y gcc libc6-dev", "cc"
        )
    program = folder / "served_model"
    libraries = tf.sysconfig.get_lib()
    compiled = subprocess.run(
        [
            *(compiler, "-std=c11", "-Wall", "-Wextra", "-Werror"),
            *("-isystem", tf.sysconfig.get_include(), SOURCE, "-o", program),
            f"{libraries}/libtensorflow_cc.so.2",
            f"{libraries}/libtensorflow_framework.so.2",
            f"-Wl,-rpath,{libraries}",
        ],
        capture_output=True,
        text=True,
    )
    if compiled.returncode:
        raise ProgramError(compiled.stderr)
    return program


def tensors_of(folder):
    """Returns the tensors of `serving_default`, as the program takes them."""
    model = saved_model_pb2.SavedModel.FromString(
        (folder / "saved_model.pb").read_bytes()
    )
    signature = model.meta_graphs[0].signature_def["serving_default"]
    named = {**signature.inputs, **signature.outputs}
    return [f"{name}={tensor.name}" for name, tensor in named.items()]


def ask(program, folder, paths, tensors=None):
    """Runs the program on pairs of image files, as one batch.

    Args:
        program: `pathlib.Path`, see `build`.
        folder: `pathlib.Path` of a SavedModel.
        paths: List of paths, frame and next frame in turn.
        tensors: List of strings; `tensors_of(folder)` if None.

    Returns:
        Bytes, the answers as TensorFlow Serving's REST API has them, see
        `serving_client.read_response`.

    Raises:
        ProgramError: If it fails.
    """
    tensors = tensors_of(folder) if tensors is None else tensors
    ended = subprocess.run(
        [str(part) for part in (program, folder, *tensors, *paths)],
        capture_output=True,
    )
    if ended.returncode or not ended.stdout:
        raise ProgramError(ended.stderr.decode("utf-8", "replace"))
    return ended.stdout
