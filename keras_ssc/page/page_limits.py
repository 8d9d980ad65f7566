"""What the page's visitors may ask for, and what is kept of them."""

import contextlib
import dataclasses
import os
import pathlib
import threading
import time
import traceback
import uuid

from keras_ssc import checks
from keras_ssc.errors import VideoError

# Uploads and pictures are deleted after this time; judged films at once.
_LEFT_OVER_SECONDS = 600


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a visitor may ask for.

    Attributes:
        megabytes: Integer, the size of an upload.
        minutes: Float, the length of a film.
        seconds: Float, how long a film may be worked on.
        waiting: Integer, how many requests wait for their turn; excess
            requests are refused as busy.
    """

    megabytes: int = 4096
    minutes: float = 240.0
    seconds: float = 1800.0
    waiting: int = 16

    def of_film(self):
        """Says how large and how long a film may be."""
        size, length = f"{self.megabytes} MB", f"{self.minutes:g} minutes"
        if self.megabytes % 1024 == 0:
            size = f"{self.megabytes // 1024} GB"
        if self.minutes > 60 and self.minutes % 60 == 0:
            length = f"{self.minutes / 60:g} hours"
        return f"at most {size} and {length}"

    def __post_init__(self):
        for field in dataclasses.fields(self):
            checks.above_zero(field.name, getattr(self, field.name))


class Guard:
    """Answers a request that breaks the server's code with status 400.

    Args:
        app: The ASGI application that is asked first.
    """

    def __init__(self, app):
        self._app = app

    async def __call__(self, scope, receive, send):
        """Passes a request on."""
        has_begun = False

        async def watched(message):
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception:
            if scope["type"] != "http":
                raise
            traceback.print_exc()
            if not has_begun:
                head = {"type": "http.response.start", "status": 400}
                await send({**head, "headers": []})
                await send({"type": "http.response.body", "body": b"refused"})


class StoppedError(Exception):
    """A visitor has cancelled, or left."""


class Visitors:
    """The films of visitors that wait, and the work that is under way.

    Args:
        folder: `pathlib.Path` of the page's folder; Gradio's lies in it.
        limits: A `Limits`.
    """

    def __init__(self, folder, limits):
        self._folder = folder
        self._limits = limits
        self._taken = {}  # visitor -> the film that waits, and its name
        self._stops = {}  # visitor -> the `threading.Event` that stops it

    def take(self, visitor, upload):
        """Takes a visitor's film in place of an earlier one.

        Args:
            visitor: String.
            upload: Path of the film.

        Returns:
            String, the film's name.
        """
        # At once, and under a name that no visitor has chosen. A link, since
        # another may have uploaded the same: Gradio keeps one file of both.
        film = self._folder / f"{uuid.uuid4().hex}.film"
        os.link(upload, film)
        self._forget(visitor)
        name = pathlib.Path(upload).name
        self._taken[visitor] = film, name
        return name

    def pop(self, visitor):
        """Returns the path and the name of a visitor's film, or two Nones."""
        return self._taken.pop(visitor, (None, None))

    def _forget(self, visitor):
        film, _ = self.pop(visitor)
        if film is not None:
            film.unlink(missing_ok=True)

    @contextlib.contextmanager
    def working(self, visitor, name):
        """Gives a function that raises when the work on a film is to end.

        It raises `StoppedError` after `stop`, and `VideoError` when the film
        has been worked on for too long.
        """
        stop = self._stops[visitor] = threading.Event()
        started = time.monotonic()

        def check():
            if stop.is_set():
                raise StoppedError
            if time.monotonic() - started > self._limits.seconds:
                raise VideoError(
                    f"{name}: stopped after {self._limits.seconds:g} seconds, "
                    "as long as a film may be worked on here. Ask for fewer "
                    "pairs, or for quick."
                )

        try:
            yield check
        finally:
            self._stops.pop(visitor, None)

    def stop(self, visitor):
        """Ends what a visitor who cancels, or has left, is waiting for."""
        self._forget(visitor)
        if stop := self._stops.get(visitor):
            stop.set()

    def stop_all(self):
        """Ends the work for all visitors."""
        for stop in list(self._stops.values()):
            stop.set()

    def sweep(self):
        """Deletes what lies in Gradio's folder for longer than ten minutes.

        Gradio's own `delete_cache` leaves what an upload that was cut off had
        brought. Films that were taken stay as long as the longest wait.
        """
        for path in (self._folder / "gradio").rglob("*"):
            with contextlib.suppress(OSError):  # gone, or a folder in use
                if _age(path) < _LEFT_OVER_SECONDS:
                    continue
                path.rmdir() if path.is_dir() else path.unlink()
        # Gradio does not tell of all who leave: a program need not stay
        # connected after it has sent a film.
        longest = self._limits.seconds * (self._limits.waiting + 1)
        for visitor, (film, _) in list(self._taken.items()):
            with contextlib.suppress(OSError):  # judged by now
                if _age(film) >= longest + _LEFT_OVER_SECONDS:
                    self._taken.pop(visitor, None)
                    film.unlink()

    def sweep_until(self, closed):
        """Sweeps again and again until a `threading.Event` is set."""
        while not closed.wait(_LEFT_OVER_SECONDS / 10):
            self.sweep()


def _age(path):
    return time.time() - path.stat().st_mtime
