import subprocess
import sys
import textwrap

import pytest


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
    ("error", "code", "line"),
    [
        ("ValueError('Expected\\n one')", 2, "error: Expected one"),
        ("errors.OutsideError('no room')", 1, "error: no room"),
        ("OSError(28, 'No space left', 'a.txt')", 1, "error: a.txt: No space"),
        (
            "KeyboardInterrupt()",
            130,
            "error: Interrupted. Run the same command",
        ),
    ],
)
def test_an_end_is_one_line_and_a_code(tmp_path, error, code, line):
    program = f"""
        from keras_ssc import command
        from keras_ssc import errors
        def main():
            raise {error}
        command.run(main)
    """
    process = ended(tmp_path, program)
    assert process.returncode == code
    assert process.stderr.startswith(line)
    assert process.stderr.count("\n") == 1


def test_a_bug_keeps_its_traceback(tmp_path):
    program = """
        from keras_ssc import command
        from keras_ssc import errors
        command.run(lambda: 1 / 0)
    """
    process = ended(tmp_path, program)
    assert process.returncode == 1
    assert process.stderr.splitlines()[-1].startswith("ZeroDivisionError")


def test_what_tensorflow_cannot_write_is_one_line(tmp_path):
    """TensorBoard's log, in a folder that became read-only or is full."""
    program = """
        import tensorflow as tf
        from keras_ssc import command
        from keras_ssc import errors
        def main():
            raise tf.errors.PermissionDeniedError(
                None,
                None,
                "{{function_node __wrapped__Flush}} run/logs/events\\n"
                "\\tCould not flush events file. [Op:Flush] name: x",
            )
        command.run(main)
    """
    process = ended(tmp_path, program)
    assert process.returncode == 1
    assert "Traceback" not in process.stderr
    assert process.stderr.splitlines()[-1] == (
        "error: run/logs/events Could not flush events file."
    )
