import io
import pathlib
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


class Terminal(io.StringIO):
    """What a terminal is sent."""

    def isatty(self):
        return True


def terminal(monkeypatch):
    """Shows standard error on a terminal; pytest has it until a test begins."""
    monkeypatch.setattr(sys, "stderr", Terminal())
    return sys.stderr


def test_one_film_has_a_bar_for_each_thing_done(monkeypatch):
    shown = terminal(monkeypatch)
    with command.bars([pathlib.Path("a.mp4")]) as progress:
        progress(0, "frames", 0, 48)
        progress(0, "pictures", 0, 2)
    written = shown.getvalue()
    assert "a.mp4: frames:" in written and " 0/48 " in written
    assert "a.mp4: pictures:" in written and " 0/2 " in written


def test_several_films_have_one_bar(monkeypatch):
    shown = terminal(monkeypatch)
    films = [pathlib.Path("a.mp4"), pathlib.Path("b.mp4")]
    with command.bars(films) as progress:
        assert "0.0/2 films" in shown.getvalue()
        for place in (0, 1):
            progress(place, "film", 0, 48)
            progress(place, "frames", 36, 48)
        # What is told stands above the bar, which is drawn anew below.
        command.tell("a.mp4: horror", sys.stderr)
        assert " 75%|" in shown.getvalue().rpartition("horror\n")[2]
        assert "1.5/2 films" in shown.getvalue()
    assert "a.mp4: frames" not in shown.getvalue()


def test_what_is_told_without_a_bar_is_as_printed(capsys):
    command.tell("a line\nand another")
    command.tell("error: none", sys.stderr)
    assert capsys.readouterr() == ("a line\nand another\n", "error: none\n")
