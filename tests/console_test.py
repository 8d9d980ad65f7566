"""All commands under one name, and their help."""

import os
import pathlib
import re
import subprocess
import sys
import textwrap

import pytest

import keras_ssc
from keras_ssc import __main__ as console
from tests.helpers import drawn_films

ROOT = pathlib.Path(keras_ssc.__file__).parent


def _python(program, **environment):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, **environment},
    )


def _run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["keras-ssc", *arguments])
    return console.main()


def test_no_command_is_forgotten():
    modules = [*ROOT.glob("*.py"), *ROOT.glob("*/__main__.py")]
    commands = {
        (path.parent if path.stem == "__main__" else path).stem
        for path in modules
        if 'if __name__ == "__main__":' in path.read_text("utf-8")
    }
    assert set(console.JOBS) == commands - {"keras_ssc"}


def test_help_needs_no_tensorflow():
    ended = _python(
        """
        import contextlib, sys
        from keras_ssc import __main__ as console

        for job in console.JOBS:
            sys.argv = ["keras-ssc", job, "--help"]
            with contextlib.suppress(SystemExit):
                console.main()
        print({"tensorflow", "keras", "gradio"} & set(sys.modules))
        """
    )
    assert ended.stdout.endswith("set()\n"), ended.stdout + ended.stderr
    for job in console.JOBS:
        assert re.search(rf"^usage: keras-ssc {job}", ended.stdout, re.M)


def test_a_wrong_job_names_those_there_are(monkeypatch, capsys):
    with pytest.raises(SystemExit) as ended:
        _run(monkeypatch, "traim")
    assert ended.value.code == 2
    assert "'train'" in capsys.readouterr().err


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_shell_completes_every_flag(monkeypatch, capsys, tmp_path, shell):
    assert _run(monkeypatch, "completion", shell) == 0
    script = capsys.readouterr().out
    for word in ("sample-films", "--learning-rate", "--contact-sheet"):
        assert word in script
    if shell == "bash":
        path = tmp_path / "completion"
        path.write_text(script)
        subprocess.run(["bash", "-n", path], check=True, timeout=60)


def test_build_says_what_it_builds_from(monkeypatch, tmp_path):
    other = tmp_path / "other.csv"
    other.touch()
    with pytest.raises(ValueError, match=r"called films\.csv"):
        _run(monkeypatch, "build", str(other))


# ---- other systems ----


def test_films_are_read_without_what_only_some_systems_have(tmp_path):
    """As Windows is without it, in each process that is begun, too."""
    (tmp_path / "sitecustomize.py").write_text(
        textwrap.dedent(
            """
            import os, signal, sys

            import psutil  # has a part of its own for each system

            for name in ("resource", "fcntl", "pwd", "grp", "termios"):
                sys.modules[name] = None
            del os.fork, os.O_NOFOLLOW, os.sched_getaffinity
            del signal.pthread_sigmask
            """
        )
    )
    film = tmp_path / "film.mp4"
    drawn_films.write_film(film, drawn_films.shot(1, 24))
    ended = _python(
        f"""
        import os
        import keras_ssc
        from keras_ssc.films import film_reader

        assert not hasattr(os, "fork")
        print(len(keras_ssc.detect_shots({str(film)!r})))
        plan = film_reader.Plan(num_pairs=2, quick=True)
        found = [
            item
            for item in film_reader.read_film({str(film)!r}, plan)
            if isinstance(item, film_reader.Pair)
        ]
        print(len(found))
        """,
        PYTHONPATH=os.pathsep.join([str(tmp_path), *sys.path]),
    )
    assert ended.returncode == 0, ended.stderr
    num_shots, num_pairs = map(int, ended.stdout.split())
    assert num_shots >= 1 and num_pairs == 2
