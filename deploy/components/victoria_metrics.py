"""VictoriaMetrics 1.151, which takes carbon's lines and answers Graphite's /render.

`VictoriaMetrics.port` takes plaintext lines, `render` asks. Built when a slow test wants it (Go 1.26.6 or newer): `make
components` does without.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from deploy import json_client
from deploy.component import listens
from deploy.components.fetch import go_program
from deploy.components.server import Server
from deploy.sandbox import Sandbox


class VictoriaMetrics(Server):
    """The single server on the loopback address; `step_s` is the interval of the series that are sent to it."""

    def __init__(self, sandbox: Sandbox, name: str = "victoria-metrics", *, step_s: int = 1) -> None:
        self.port, self._query_port = sandbox.ports.take(), sandbox.ports.take()
        self._step_s = step_s
        super().__init__(sandbox, name, lambda: listens(self.port) and listens(self._query_port))

    def command(self) -> list[str]:
        return [
            str(program()),
            f"-storageDataPath={self.folder}/data",
            f"-graphiteListenAddr=127.0.0.1:{self.port}",
            f"-httpListenAddr=127.0.0.1:{self._query_port}",
            f"-search.graphiteStorageStep={self._step_s}s",
            "-search.latencyOffset=0s",
            "-inmemoryDataFlushInterval=1s",
            "-memory.allowedBytes=256MB",
            "-loggerLevel=WARN",
        ]

    def render(self, target: str, from_s: int, until_s: int) -> list[dict[str, Any]]:
        """/render as JSON: [{"target": …, "datapoints": [[value or None, epoch], …]}, …]."""
        query = {"target": target, "from": from_s, "until": until_s, "format": "json", "nocache": "1"}
        found: list[dict[str, Any]] = json_client.get(f"http://127.0.0.1:{self._query_port}/render", query)
        return found


def program() -> Path:
    """The built program, from the cache."""
    return go_program("victoria-metrics", "github.com/VictoriaMetrics/VictoriaMetrics/app/victoria-metrics")
