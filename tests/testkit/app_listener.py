"""Who listens at the socket for jobs in a test of its clients: keeps what is said, and answers, or does not."""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path


class Listener:
    """A daemon that says yes, or nothing; keeps what it heard."""

    def __init__(self, path: Path, answer: bytes | None = b"ok 7.0\n") -> None:
        self.heard: list[str] = []
        self.answer = answer
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.bind(str(path))
        self._socket.listen(64)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            with connection:
                line = connection.recv(2048).decode()
                if line == "end":
                    return
                self.heard.append(line)
                with contextlib.suppress(OSError):
                    if self.answer is not None:
                        connection.send(self.answer)
                    else:
                        connection.recv(1)

    def close(self, path: Path) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as last:
            last.connect(str(path))
            last.send(b"end")
        self._thread.join()
        self._socket.close()
