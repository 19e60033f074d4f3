"""Starts and asks the counting carbon and hub (`counting_receivers`), whose CPU time counts for nobody."""

from __future__ import annotations

import json
import subprocess
import sys
from types import TracebackType
from typing import Any, Self


class Receivers:
    """A running carbon and hub; a context manager. `carbon_port` and `hub_port` are on 127.0.0.1."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.counting_receivers"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        ports = self._read()
        self.carbon_port: int = ports["carbon"]
        self.hub_port: int = ports["hub"]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def counts(self) -> dict[str, Any]:
        """Points, bytes, requests, events by action, distinct ids."""
        return self._ask("counts")

    def ids(self) -> dict[str, int]:
        """How often each event id arrived."""
        return dict(self._ask("ids")["ids"])

    def _ask(self, question: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(question + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        return dict(json.loads(self._process.stdout.readline()))
