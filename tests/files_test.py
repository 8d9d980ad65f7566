import subprocess
import sys

import pytest

from keras_ssc import command
from keras_ssc import files
from keras_ssc.errors import OutsideError
from keras_ssc.errors import VideoError


def test_a_file_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "a.json"
    files.write_text(path, "old")
    files.write_json(path, {"영화": 1})
    assert path.read_text("utf-8") == '{\n  "영화": 1\n}\n'
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_leaves_what_was_there(tmp_path):
    path = tmp_path / "a.txt"
    files.write_text(path, "old")
    with pytest.raises(TypeError):
        files.write_bytes(path, "text is no bytes")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_kill_in_the_middle_leaves_what_was_there(tmp_path):
    path = tmp_path / "a.txt"
    files.write_text(path, "old")
    program = (
        "import os, signal, sys\n"
        "from keras_ssc import files\n"
        "files.os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)\n"
        "files.write_text(sys.argv[1], 'new' * 100000)\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(path)])
    assert killed.returncode == -9
    assert path.read_text() == "old"


@pytest.mark.parametrize(
    "error, code, line",
    [
        (ValueError("Expected a.\nReceived: b"), 2, "Expected a. Received: b"),
        (VideoError("film.mp4: empty"), 1, "film.mp4: empty"),
        (OutsideError("it is gone"), 1, "it is gone"),
        (OSError(28, "No space left on device", "x/y"), 1, "x/y: No space"),
        (KeyboardInterrupt(), 130, "Run the same command again"),
    ],
)
def test_a_command_ends_in_one_line_and_a_code(capsys, error, code, line):
    def main():
        raise error

    with pytest.raises(SystemExit) as ended:
        command.run(main)
    assert ended.value.code == code
    written = capsys.readouterr().err
    assert written.startswith("error: ") and line in written
    assert written.count("\n") == 1


def test_a_bug_keeps_its_traceback():
    def main():
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        command.run(main)


@pytest.mark.parametrize("returned, code", [(None, 0), (0, 0), (1, 1)])
def test_a_command_that_ends_gives_its_code(returned, code):
    with pytest.raises(SystemExit) as ended:
        command.run(lambda: returned)
    assert ended.value.code == code
