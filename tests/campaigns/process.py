"""What campaigns need of processes: their descendants, memory and cost."""

import contextlib
import dataclasses
import importlib.metadata
import os
import pathlib
import platform
import random
import re
import runpy
import subprocess
import sys
import tempfile
import threading
import time

from keras_ssc import errors

ROOT = pathlib.Path(__file__).parents[2]

# A year of seconds: by so much the clock jumps, back or forth.
_JUMP = 365 * 86_400


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a command took.

    Attributes:
        seconds: Float, by the clock.
        megabytes: Float, the largest memory of one of its processes.
    """

    seconds: float
    megabytes: float


def cost_of(*arguments):
    """Runs a command; returns its `Cost`.

    Raises:
        OutsideError: If it ends with another exit code than 0.
    """
    start = time.perf_counter()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [str(each) for each in arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
        )
        most = 0
        while process.poll() is None:
            # Not the usage's ru_maxrss: that begins with the memory of the
            # process that started it, this one, which holds TensorFlow.
            most = max(most, *map(memory_of, family(process.pid)))
            time.sleep(0.02)
        log.seek(0)
        lines = log.read().decode("utf-8", "replace").strip().splitlines()
    if process.returncode:
        raise errors.OutsideError(
            f"{' '.join(map(str, arguments))} ended with exit code "
            f"{process.returncode}: {' '.join(lines[-1:])}"
        )
    return Cost(time.perf_counter() - start, most / 2**20)


def family(pid):
    """Returns the ids of a process and of all that it has started."""
    found = [pid]
    for parent in found:
        with contextlib.suppress(OSError):
            for path in pathlib.Path(f"/proc/{parent}/task").glob("*/children"):
                found += map(int, path.read_text().split())
    return found


def memory_of(pid, field="VmHWM"):
    """Returns a process's memory in bytes; 0 if it has ended.

    Args:
        pid: Integer, or "self".
        field: String, `VmHWM` for the most so far, `VmRSS` for now.
    """
    with contextlib.suppress(OSError):
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        if found := re.search(rf"^{field}:\s+(\d+) kB", status, re.MULTILINE):
            return 1024 * int(found[1])
    return 0


def machine():
    """Describes the machine in a line."""
    versions = {
        "Python": platform.python_version(),
        "TensorFlow": importlib.metadata.version("tensorflow"),
        "OpenCV": importlib.metadata.version("opencv-python"),
        "PyAV": importlib.metadata.version("av"),
    }
    return ", ".join(
        [
            f"{os.cpu_count()} cores",
            platform.machine(),
            *(f"{name} {version}" for name, version in versions.items()),
        ]
    )


def run_with_jumping_clock(module, *arguments):
    """Runs a module as a program whose clock jumps by a year, to and fro."""
    now, offset = time.time, [0.0]
    time.time = lambda: now() + offset[0]

    def jump():
        generator = random.Random(os.getpid())
        while True:
            time.sleep(generator.uniform(0.05, 2.0))
            offset[0] = generator.choice((-_JUMP, 0.0, _JUMP))

    threading.Thread(target=jump, daemon=True).start()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    run_with_jumping_clock(*sys.argv[1:])
