"""Programs in a process of their own, which has other devices or a backend."""

import contextlib
import io
import json
import os
import runpy
import subprocess
import sys


def run(*arguments, **environment):
    """Runs a Python program that has to succeed; returns what it prints."""
    ended = subprocess.run(
        [sys.executable, *map(str, arguments)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    return ended.stdout


def run_commands(*commands, **environment):
    """Runs commands one after the other in one process: its start is slow.

    Args:
        *commands: Lists, a module and its arguments; before it may be
            NAME=VALUE, for all that follow too, as with the shell's export.
        **environment: What the process has besides the environment.

    Returns:
        A list of (exit code, what it printed), one for each command.
    """
    given = json.dumps([list(map(str, command)) for command in commands])
    printed = run("-m", "tests.helpers.programs", given, **environment)
    return json.loads(printed.splitlines()[-1])


def run_here(module, *arguments):
    """Runs a command in this process; returns (exit code, what it printed).

    Its mistakes are told and counted here as they are in its own process, of
    which there is a test for each command.
    """
    given, sys.argv = sys.argv, [module, *map(str, arguments)]
    printed = io.TextIOWrapper(io.BytesIO(), "utf-8")
    with (
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
    ):
        try:
            runpy.run_module(module, run_name="__main__")
            code = 0
        except SystemExit as ended:
            code = ended.code
        finally:
            sys.argv = given
    printed.flush()
    return code, printed.buffer.getvalue().decode("utf-8")


def _run_or_set(first, *others):
    name, is_setting, value = first.partition("=")
    if not is_setting:
        return run_here(first, *others)
    os.environ[name] = value
    return _run_or_set(*others)


if __name__ == "__main__":
    ended = [_run_or_set(*command) for command in json.loads(sys.argv[1])]
    print(json.dumps(ended))
