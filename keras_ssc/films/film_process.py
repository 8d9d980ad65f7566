"""Films, each read in a process of its own.

A file that hangs the decoder, crashes it or makes it take all memory ends
that process, and is one named error here; the other films are read on.
"""

import contextlib
import multiprocessing.connection
import os
import signal
import subprocess
import sys
import time

import cv2
import psutil

from keras_ssc.errors import FilmListError
from keras_ssc.errors import VideoError
from keras_ssc.films import container

# What the process may take, in bytes of address space: frames of 8K that are
# decoded by several threads, with room to spare.
_MAX_MEMORY = 6 * 2**30

# What the process runs.
_PROGRAM = (
    "import sys; from keras_ssc.films import film_process; "
    "film_process.work(*sys.argv[1:])"
)

# A file without time stamps is decoded to its end for its list of frames, a
# transport stream to the first pair: minutes in which the process sends nothing
# and reads its file. One that reads longer than so many silences is in a loop.
_MAX_SILENCES = 15


class ReaderDiedError(VideoError):
    """A film whose process died: killed, crashed or out of memory."""


def run(function, tasks, workers=1, max_silence=120.0, room=0):
    """Calls a function for each film, in processes of their own.

    Args:
        function: Function at the top of a module. Its first argument is a
            function that sends a value, which also shows that the process
            is alive.
        tasks: List of tuples (name, arguments): what the film is called in
            messages, and the function's other arguments.
        workers: Integer, how many films are read at once.
        max_silence: Float, seconds that a process may neither send anything
            nor read its file before it is ended.
        room: Integer, bytes that a process may take in addition, for what it
            keeps of its film.

    Yields:
        Tuples (place, value): a task's place in the list, and what its
        function sent. The last value of each task is an exception:
        `StopIteration`, or the `VideoError`, `FilmListError` or `OSError`
        with which it ended.
    """
    waiting = list(enumerate(tasks))[::-1]
    readers = {}
    try:
        while waiting or readers:
            while waiting and len(readers) < workers:
                place, (name, arguments) = waiting.pop()
                reader = _Reader(place, name, (function, name, arguments, room))
                readers[reader.connection] = reader
            for reader in _heard(readers, max_silence):
                value = reader.value()
                if isinstance(value, Exception):
                    readers.pop(reader.connection).end()
                yield reader.place, value
    finally:
        for reader in readers.values():
            reader.end()


def run_one(function, name, *arguments, max_silence=120.0):
    """Calls a function for one film, in a process of its own.

    Args:
        function: As of `run`.
        name: What the film is called in messages.
        arguments: The function's other arguments.
        max_silence: As of `run`.

    Yields:
        What the function sent.

    Raises:
        Exception: The one with which it ended, as of `run`.
    """
    tasks = [(name, arguments)]
    running = run(function, tasks, max_silence=max_silence)
    with contextlib.closing(running):
        for _, value in running:
            if isinstance(value, StopIteration):
                return
            if isinstance(value, Exception):
                raise value
            yield value


def _heard(readers, max_silence):
    """Waits; returns the readers that sent something, ended or hang."""
    checked = min(reader.checked for reader in readers.values())
    timeout = max(checked + max_silence - time.monotonic(), 0)
    ready = multiprocessing.connection.wait(readers, timeout)
    return [readers[connection] for connection in ready] or [
        reader for reader in readers.values() if reader.hangs(max_silence)
    ]


class _Reader:
    """A process that reads a film.

    Args:
        place: Integer, the task's place.
        name: What the film is called in messages.
        call: Tuple, what `work` is sent.
    """

    def __init__(self, place, name, call):
        self.place, self._name, self._error = place, name, None
        self.connection, other = multiprocessing.Pipe()
        number = other.fileno()
        # Not one of multiprocessing's own: those begin by running the
        # caller's script once more, which is to be written for that.
        with _without_ctrl_c():
            self._process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, str(number)],
                stdin=subprocess.DEVNULL,
                # Decoders have threads; others for such small arrays would
                # only wait, at the price of work.
                env={"OPENBLAS_NUM_THREADS": "1", **os.environ},
                **_inheriting(number),
            )
        other.close()
        self._seen = psutil.Process(self._process.pid)
        with contextlib.suppress(ConnectionError):  # reported when it is read
            self.connection.send(call)
        self._sign_of_life()

    def value(self):
        """Returns what it sent, or the exception with which it ended."""
        if self._error is not None:
            return self._error
        self._sign_of_life()
        try:
            return self.connection.recv()
        except (EOFError, ConnectionError):
            code = self._process.wait()
        ending = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return ReaderDiedError(
            f"{self._name}: its reader died ({ending}). The file is damaged, "
            "or needs more memory than it may take. Convert it, as with "
            "ffmpeg -i, or leave it out."
        )

    def hangs(self, max_silence):
        """Says whether it neither sends nor reads, or reads in a loop."""
        now = time.monotonic()
        if now < self.checked + max_silence:
            return False
        work, silence = self._work_done(), now - self._heard
        is_reading = work != self._work
        self.checked, self._work = now, work
        if is_reading and silence < _MAX_SILENCES * max_silence:
            return False
        self._error = VideoError(
            f"{self._name}: its reader did not respond for {silence:.3g} "
            "seconds. Convert the film, as with ffmpeg -i, or leave it out."
        )
        return True

    def _sign_of_life(self):
        self._heard = self.checked = time.monotonic()
        self._work = self._work_done()

    def _work_done(self):
        """Returns how much it has read; 0 if the system hides it.

        Where the system does not count that, how long it has computed.
        """
        try:
            return self._seen.io_counters().read_chars
        except AttributeError:  # macOS and Windows
            return sum(self._seen.cpu_times()[:2])
        except psutil.Error:
            return 0

    def end(self):
        """Ends the process, if it has not ended."""
        self._process.kill()
        self._process.wait()
        self.connection.close()


@contextlib.contextmanager
def _without_ctrl_c():
    """Ctrl-C is for this process, which ends those that are begun inside."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _inheriting(number):
    """Returns what gives a process one end of a pipe, by its number."""
    if sys.platform != "win32":
        return {"pass_fds": [number]}
    os.set_handle_inheritable(number, True)
    start = subprocess.STARTUPINFO(lpAttributeList={"handle_list": [number]})
    return {
        "startupinfo": start,
        "creationflags": subprocess.CREATE_NEW_PROCESS_GROUP,
    }


def _connection(number):
    """Returns one end of a pipe that this process was given."""
    if sys.platform != "win32":
        return multiprocessing.connection.Connection(number)
    return multiprocessing.connection.PipeConnection(number)


def _limit_memory(room):
    """Limits what this process may take, where the system can do so."""
    try:
        import resource
    except ImportError:  # Windows
        return
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = _MAX_MEMORY + room
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    # macOS refuses some limits.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


def work(number):
    """Reads a film in a process of its own; sends what it finds.

    Args:
        number: String, the number of the pipe to the calling process.
    """
    connection = _connection(int(number))
    cv2.setNumThreads(1)
    function, name, arguments, room = connection.recv()
    _limit_memory(room)
    try:
        function(connection.send, *arguments)
        ending = StopIteration()
    except ConnectionError:
        return  # the other process has closed the pipe
    except (VideoError, FilmListError, OSError) as caught:
        ending = caught
    except (MemoryError, cv2.error) as caught:
        if isinstance(caught, cv2.error) and caught.code != cv2.Error.StsNoMem:
            raise
        ending = container.out_of_memory(name)
    connection.send(ending)
