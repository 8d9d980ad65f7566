"""What campaigns need of processes: their descendants, memory and cost."""

import contextlib
import dataclasses
import importlib.metadata
import os
import pathlib
import platform
import re
import subprocess
import sys
import tempfile
import time

from keras_ssc import command

ROOT = pathlib.Path(__file__).parents[2]
BUILDER = ROOT / "tfds_builder" / "scene_genre"


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a command took.

    Attributes:
        seconds: Float, by the clock.
        core_seconds: Float, of all its processes together.
        megabytes: Float, the largest memory of one of its processes.
    """

    seconds: float
    core_seconds: float
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
        while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
            # Not the usage's ru_maxrss: that begins with the memory of the
            # process that started it, this one, which holds TensorFlow.
            most = max(most, *map(memory_of, family(process.pid)))
            time.sleep(0.02)
        _, status, usage = ended
        process.returncode = os.waitstatus_to_exitcode(status)
        log.seek(0)
        lines = log.read().decode("utf-8", "replace").strip().splitlines()
    if process.returncode:
        raise command.OutsideError(
            f"{' '.join(map(str, arguments))} ended with exit code "
            f"{process.returncode}: {' '.join(lines[-1:])}"
        )
    return Cost(
        time.perf_counter() - start,
        usage.ru_utime + usage.ru_stime,
        most / 2**20,
    )


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


def build_command(config, manual_dir, data_dir):
    """Returns the arguments of `tfds build` of one of the builder's configs."""
    return [
        *(sys.executable, "-m", "tensorflow_datasets.scripts.cli.main"),
        *("build", BUILDER, "--config", config),
        *("--manual_dir", manual_dir, "--data_dir", data_dir),
    ]


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
