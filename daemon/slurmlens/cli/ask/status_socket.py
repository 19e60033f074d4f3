"""Asks a daemon's status socket. Used by `status`."""

from __future__ import annotations

import socket
from pathlib import Path

TIMEOUT_S = 5.0
MAX_ANSWER_BYTES = 16 * 1024 * 1024


def ask(path: Path, order: bytes = b"") -> bytes:
    """Send a line, or nothing; everything the socket says until it hangs up. Raises OSError (TimeoutError included)."""
    parts: list[bytes] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(TIMEOUT_S)
        connection.connect(str(path))
        connection.sendall(order)
        connection.shutdown(socket.SHUT_WR)
        while part := connection.recv(65_536):
            parts.append(part)
            if sum(map(len, parts)) > MAX_ANSWER_BYTES:
                raise OSError("the answer does not end")
    return b"".join(parts)
