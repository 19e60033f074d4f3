"""QEMU's own way in (QMP): what a machine is told that its guest knows nothing of.

Owns the socket's protocol: a greeting, capabilities, then one JSON object a line each way, with events in between that
nobody here asks for. One connection a question: QEMU serves one client at a time.
"""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any, TextIO

from deploy.errors import ComponentFailed


class Monitor:
    """`ask` in QMP's words, `tell` in those of QEMU's console; both raise ComponentFailed on an error."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def ask(self, command: str, **arguments: str) -> Any:
        """What QEMU returned. Raises OSError where no QEMU listens."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(self.path))
            with sock.makefile("rw") as lines:
                _answer(lines)
                _say(lines, {"execute": "qmp_capabilities"})
                answer = _say(lines, {"execute": command, "arguments": arguments})
        if "error" in answer:
            raise ComponentFailed("virtual machine", f"QEMU on `{command}`: {answer['error']['desc']}")
        return answer["return"]

    def tell(self, line: str) -> None:
        """For what has no command of its own: QEMU says nothing there unless it failed."""
        said = self.ask("human-monitor-command", **{"command-line": line})
        if said.strip():
            raise ComponentFailed("virtual machine", f"QEMU on `{line}`: {said.strip()}")


def _say(lines: TextIO, question: dict[str, Any]) -> dict[str, Any]:
    lines.write(json.dumps(question) + "\n")
    lines.flush()
    return _answer(lines)


def _answer(lines: TextIO) -> dict[str, Any]:
    """The next line that is no event; an empty answer where QEMU ended instead, as `quit` may have it."""
    for line in lines:
        found: dict[str, Any] = json.loads(line)
        if "event" not in found:
            return found
    return {"return": None}
