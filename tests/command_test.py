import subprocess
import sys
import textwrap

import pytest

from keras_ssc import command
from keras_ssc.errors import OutsideError
from keras_ssc.errors import VideoError


def ended(tmp_path, program):
    path = tmp_path / "program.py"
    path.write_text(textwrap.dedent(program))
    return subprocess.run(
        [sys.executable, str(path)],
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize(
    "error, code, line",
    [
        (ValueError("Expected a.\nReceived: b"), 2, "Expected a. Received: b"),
        (VideoError("film.mp4: empty"), 1, "film.mp4: empty"),
        (OutsideError("it is gone"), 1, "it is gone"),
        (OSError(28, "No space left on device", "x/y"), 1, "x/y: No space"),
        (KeyboardInterrupt(), 130, "Interrupted. Run the same command again"),
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


@pytest.mark.parametrize("returned, code", [(None, 0), (0, 0), (1, 1)])
def test_a_command_that_ends_gives_its_code(returned, code):
    with pytest.raises(SystemExit) as ended:
        command.run(lambda: returned)
    assert ended.value.code == code


def test_a_bug_keeps_its_traceback(tmp_path):
    program = """
        from keras_ssc import command
        command.run(lambda: 1 / 0)
    """
    process = ended(tmp_path, program)
    assert process.returncode == 1
    assert process.stderr.splitlines()[-1].startswith("ZeroDivisionError")


def test_what_tensorflow_cannot_write_is_one_line(capsys):
    """TensorBoard's log, in a folder that became read-only or is full."""

    def main():
        import tensorflow as tf

        raise tf.errors.PermissionDeniedError(
            None,
            None,
            "{{function_node __wrapped__Flush}} run/logs/events\n"
            "\tCould not flush events file. [Op:Flush] name: x",
        )

    with pytest.raises(SystemExit) as ended:
        command.run(main)
    assert ended.value.code == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        "error: run/logs/events Could not flush events file."
    )
