"""Keeps other websites out of a server without a login.

A website that is open in the same browser can send requests to this machine,
and by a name that it lets point here (DNS rebinding) it could also read the
answers. So a request must name this machine as its host, one that changes
something must come from a page of this server, and pages load nothing from
elsewhere.
"""

import ipaddress
import socket
import urllib.parse

from starlette.datastructures import Headers
from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse

# What a page may load: its own files alone, and no script within its text.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; media-src 'self'; connect-src 'self'; frame-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
)

# Of what a request sends, bytes; a label takes hundreds.
_MOST_BYTES = 2**16


class OriginGuard:
    """Refuses what other websites ask a server for.

    Args:
        app: The ASGI application behind it.
        host: String, the address that the server listens at.
        apart: String, the beginning of addresses whose pages have rules of
            their own for what they load and receive.
    """

    def __init__(self, app, host, apart):
        self._app = app
        self._names = {"localhost", socket.gethostname().lower(), host.lower()}
        self._apart = apart

    async def __call__(self, scope, receive, send):
        """Passes a request on, or refuses it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        is_apart = scope["path"].startswith(self._apart)
        if problem := self._problem(scope, is_apart):
            await PlainTextResponse(problem, 403)(scope, receive, send)
            return

        async def with_policy(message):
            if message["type"] == "http.response.start" and not is_apart:
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = _POLICY
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "same-origin"
            await send(message)

        await self._app(scope, receive, with_policy)

    def _problem(self, scope, is_apart):
        """Returns why a request is refused; None if it is not."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._is_here(host):
            return (
                "Refused: expected this machine's name or address as the "
                "host. Open the address that the program printed."
            )
        if scope.get("method") in ("GET", "HEAD"):
            return None
        origin = headers.get("origin")
        if origin is not None and urllib.parse.urlsplit(origin).netloc != host:
            return "Refused: the request comes from another website."
        length = headers.get("content-length", "")
        if not is_apart and not (
            length.isdecimal() and int(length) <= _MOST_BYTES
        ):
            return f"Refused: expected at most {_MOST_BYTES:,} bytes."
        return None

    def _is_here(self, host):
        try:
            name = urllib.parse.urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name in self._names:
            return True
        # No website can make an address point elsewhere, only a name.
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True
