"""A Beats v2 (Lumberjack) receiver on Elastic's own server code: `modules/lumber` says what it does with an event.

`Lumber.port` takes connections, `Lumber.events()` is what has arrived and may have been acknowledged.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.component import listens
from deploy.components.fetch import go_program
from deploy.components.server import Server
from deploy.sandbox import Sandbox


@dataclass(frozen=True)
class Tls:
    """PEM files of the server; with `client_ca` a client must show a certificate of that authority."""

    certificate: Path
    key: Path
    client_ca: Path | None = None


class Lumber(Server):
    """The receiver; `options` are more flags of the program, such as `-partial` or `-delay=200ms`."""

    def __init__(
        self, sandbox: Sandbox, name: str = "lumber", *, tls: Tls | None = None, options: Sequence[str] = ()
    ) -> None:
        self.port = sandbox.ports.take()
        super().__init__(sandbox, name, lambda: listens(self.port))
        self.output = self.folder / "events.ndjson"
        self._tls, self._options = tls, options

    def command(self) -> list[str]:
        argv = [str(program()), f"-listen=127.0.0.1:{self.port}", f"-output={self.output}"]
        return [*argv, *self._tls_options(), *self._options]

    def events(self) -> list[Any]:
        """Every event in the file, in the order of arrival, duplicates too, but for a line still being written."""
        lines = self.output.read_bytes().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith(b"\n")]

    def _tls_options(self) -> list[str]:
        """Flags for copies in the folder: the sandbox has a /tmp of its own."""
        if self._tls is None:
            return []
        files = {"certificate": self._tls.certificate, "key": self._tls.key, "client-ca": self._tls.client_ca}
        return [f"-{flag}={shutil.copy(file, self.folder / flag)}" for flag, file in files.items() if file]


def program() -> Path:
    """The built program, from the cache."""
    return go_program("lumber")
