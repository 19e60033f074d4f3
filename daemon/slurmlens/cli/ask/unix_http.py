"""HTTP on a Unix socket for urllib. Used by `cli.ask.hub`."""

from __future__ import annotations

import http.client
import socket
import urllib.request
from functools import partial
from typing import Any


class UnixHttpHandler(urllib.request.HTTPHandler):
    """Sends every http request of its opener to one Unix socket, whichever host the request names."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        """Called by the opener."""
        connection: Any = partial(UnixHttpConnection, path=self._path)
        return self.do_open(connection, req)


class UnixHttpConnection(http.client.HTTPConnection):
    """A connection to a Unix socket at `path`."""

    def __init__(self, host: str, *, path: str, **options: Any) -> None:
        super().__init__(host, **options)
        self._path = path

    def connect(self) -> None:
        """Raises OSError where nobody listens."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
