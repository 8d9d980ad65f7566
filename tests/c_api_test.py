import pathlib
import shutil
import subprocess

import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from keras_ssc import serving_client
from tests import tiny_served

SOURCE = pathlib.Path(__file__).parent / "served_model.c"


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    compiler = shutil.which("gcc") or shutil.which("cc")
    if not compiler:
        pytest.skip("no C compiler here: apt-get install -y gcc libc6-dev")
    path = tmp_path_factory.mktemp("c") / "served_model"
    libraries = tf.sysconfig.get_lib()
    compiled = subprocess.run(
        [
            *(compiler, "-std=c11", "-Wall", "-Wextra", "-Werror"),
            *("-isystem", tf.sysconfig.get_include(), SOURCE, "-o", path),
            f"{libraries}/libtensorflow_cc.so.2",
            f"{libraries}/libtensorflow_framework.so.2",
            f"-Wl,-rpath,{libraries}",
        ],
        capture_output=True,
        text=True,
    )
    assert compiled.returncode == 0, compiled.stderr
    return path


@pytest.fixture(scope="module")
def tensors(served_dir):
    """The signature's tensors, as the program takes them."""
    model = saved_model_pb2.SavedModel.FromString(
        (served_dir / "saved_model.pb").read_bytes()
    )
    signature = model.meta_graphs[0].signature_def["serving_default"]
    named = {**signature.inputs, **signature.outputs}
    return [f"{name}={tensor.name}" for name, tensor in named.items()]


def write(folder, images):
    paths = [folder / f"{place}.png" for place in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        path.write_bytes(image)
    return paths


def run(*command):
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True
    )


@pytest.mark.parametrize("copies", [1, 3])
def test_c_gives_pythons_answer(program, served_dir, tensors, tmp_path, copies):
    pair = tiny_served.pairs(4)[3]
    ended = run(
        program, "-n", copies, served_dir, *write(tmp_path, pair), *tensors
    )
    assert ended.returncode == 0, ended.stderr
    answers = serving_client.read_response(ended.stdout, copies)
    expected = tf.saved_model.load(str(served_dir)).signatures[
        "serving_default"
    ](
        frame_bytes=tf.constant(pair[:1]),
        next_frame_bytes=tf.constant(pair[1:]),
    )
    for answer in answers:
        assert answer.genre == expected["genre"].numpy()[0].decode()
        assert list(answer.scores.values()) == pytest.approx(
            expected["scores"].numpy()[0].tolist(), abs=1e-5
        )
        assert answer.motion_magnitude == pytest.approx(
            float(expected["motion_magnitude"][0]), abs=1e-5
        )


def test_c_tells_of_a_bad_image_by_its_place(
    program, served_dir, tensors, tmp_path
):
    frame, next_frame = tiny_served.pairs(1)[0]
    paths = write(tmp_path, (frame, next_frame[:3000]))
    ended = run(program, "-n", 2, served_dir, *paths, *tensors)
    assert (ended.returncode, ended.stdout) == (1, "")
    message = ended.stderr.rpartition("error: the model: ")[2]
    assert serving_client.explain_error(message) in {
        f"next_frame_bytes[{place}] is cut off or corrupt "
        "(Invalid PNG data, size 3000)"
        for place in (0, 1)
    }


@pytest.mark.parametrize(
    "missing,expected",
    [
        ("folder", "error: {}/none: "),
        ("image", "error: {}/none: cannot be opened"),
        ("tensor", "error: motion_magnitude: expected NAME=TENSOR"),
    ],
)
def test_c_tells_what_is_missing(
    program, served_dir, tensors, tmp_path, missing, expected
):
    folder, (frame, next_frame) = served_dir, write(tmp_path, [b"", b""])
    if missing == "folder":
        folder = tmp_path / "none"
    elif missing == "image":
        frame = tmp_path / "none"
    else:
        tensors = [name for name in tensors if "motion_" not in name]
    ended = run(program, folder, frame, next_frame, *tensors)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert expected.format(tmp_path) in ended.stderr
