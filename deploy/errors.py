"""What deploy/ raises.

DeployError
├── MachineLacks      the machine has not got what a part needs; tests skip with its text, the demo says it and stops
└── ComponentFailed   a component ended or was not ready in time; carries the tail of its log
"""

from __future__ import annotations

from pathlib import Path

LOG_TAIL_LINES = 15


class DeployError(Exception):
    """Base of everything that deploy/ raises on purpose."""


class MachineLacks(DeployError):
    """The machine has not got what a part needs."""


class ComponentFailed(DeployError):
    """A component ended, or did not become ready in time."""

    def __init__(self, name: str, what: str, log: Path | None = None) -> None:
        self.name = name
        super().__init__(f"{name}: {what}{_tail(log)}")


def _tail(log: Path | None) -> str:
    if log is None or not log.exists():
        return ""
    lines = log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
    return f"\nend of {log}:\n" + "\n".join(f"    {line}" for line in lines)
