"""A page in headless Chromium, driven by its keys.

Over the pipes of Chrome's DevTools protocol, so that nothing is to be
installed but Chromium.
"""

import base64
import contextlib
import itertools
import json
import os
import shutil
import subprocess
import tempfile
import time

_NAMES = ("chromium", "chromium-browser", "google-chrome")

# What a page may take on a machine that is busy, seconds.
_PATIENCE = 60.0

# What is sent with a key besides its name.
_TEXTS = {"Enter": "\r", " ": " "}


def found():
    """Returns the path of Chromium; None if there is none."""
    return next(filter(None, map(shutil.which, _NAMES)), None)


@contextlib.contextmanager
def opened(width=1400, height=900):
    """Gives a `Page` of a browser, which keeps nothing of earlier ones."""
    to_browser, to_us = os.pipe(), os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [
            *(found(), "--headless=new", "--no-sandbox", "--disable-gpu"),
            *("--remote-debugging-pipe", f"--user-data-dir={profile}"),
            *("--no-first-run", f"--window-size={width},{height}"),
        ]
        # It reads from 3 and writes to 4. Not sh: some know fds to 9 only.
        process = subprocess.Popen(
            [
                *("bash", "-c", f'exec "$@" 3<&{to_browser[0]} 4>&{to_us[1]}'),
                *("bash", *command),
            ],
            pass_fds=(to_browser[0], to_us[1]),
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser[0])
        os.close(to_us[1])
        try:
            with (
                os.fdopen(to_browser[1], "wb") as into,
                os.fdopen(to_us[0], "rb") as out,
            ):
                yield Page(into, out, width, height)
        finally:
            process.kill()
            process.wait()


class Page:
    """A page of a browser, see `opened`.

    Attributes:
        errors: List of strings, what went wrong in the page's scripts.
    """

    def __init__(self, into, out, width, height):
        self._into, self._out = into, out
        self._numbers = itertools.count(1)
        self._session = None
        self.errors = []
        target = self._call("Target.createTarget", url="about:blank")
        self._session = self._call(
            "Target.attachToTarget", targetId=target["targetId"], flatten=True
        )["sessionId"]
        self._call("Page.enable")
        self._call("Runtime.enable")
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )

    def _call(self, method, **values):
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": values}
        if self._session:
            message["sessionId"] = self._session
        self._into.write(json.dumps(message).encode() + b"\0")
        self._into.flush()
        while True:
            answer = self._read()
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            if answer.get("method") == "Runtime.exceptionThrown":
                self.errors.append(str(answer["params"]["exceptionDetails"]))

    def _read(self):
        text = bytearray()
        while (letter := self._out.read(1)) != b"\0":
            if not letter:
                raise RuntimeError("The browser has ended.")
            text += letter
        return json.loads(text)

    def open(self, url):
        """Goes to an address; returns when the page is there."""
        self._call("Page.navigate", url=url)
        self.wait_for("document.readyState === 'complete'")

    def evaluate(self, script):
        """Returns what a script's expression is, a plain value."""
        result = self._call(
            "Runtime.evaluate",
            expression=script,
            returnByValue=True,
            awaitPromise=True,
        )
        if "exceptionDetails" in result:
            raise RuntimeError(f"{script}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def wait_for(self, script):
        """Waits until a script's expression is true."""
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            # While a page is left, it cannot be asked.
            with contextlib.suppress(RuntimeError):
                if self.evaluate(script):
                    return
            time.sleep(0.05)
        raise TimeoutError(f"{script}; errors: {self.errors}")

    def text(self, selector):
        """Returns the text of an element."""
        return self.evaluate(
            f"document.querySelector({json.dumps(selector)})"
            ".textContent.trim().replace(/\\s+/g, ' ')"
        )

    def press(self, *keys):
        """Presses keys, by the names that JavaScript has for them."""
        for key in keys:
            text = _TEXTS.get(key, key if len(key) == 1 else "")
            code = 13 if key == "Enter" else 0
            self._call(
                "Input.dispatchKeyEvent",
                type="keyDown",
                key=key,
                text=text,
                windowsVirtualKeyCode=code,
            )
            self._call("Input.dispatchKeyEvent", type="keyUp", key=key)

    def press_and_go(self, key):
        """Presses a key that leads to another page, and waits for it."""
        self.evaluate("window.isLeft = false")
        self.press(key)
        self.wait_for(
            "window.isLeft === undefined && document.readyState === 'complete'"
        )

    def screenshot(self, path):
        """Writes what is seen as a PNG."""
        data = self._call("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(data))
