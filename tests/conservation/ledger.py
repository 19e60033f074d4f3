"""What was accepted, by the producer's own log: the documents that it renamed into the dropbox, in that order.

Owns the judge's own reading of a hook's document (`docs/specs/hook-event.md`), made without the product's decoder, so
that the two cannot be wrong together. Read by `verdict`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KIND_OF_ROLE = {"prolog": "job-start", "epilog": "job-end"}


def _text(value: str) -> str:
    return value.encode("latin-1").decode("utf-8", "replace")


IDENTITY: dict[str, tuple[str, Callable[[str], object]]] = {
    "SLURM_JOB_ID": ("job_id", int),
    "SLURM_JOB_UID": ("user_id", int),
    "SLURM_JOB_USER": ("user_name", _text),
    "SLURM_JOB_ACCOUNT": ("account", _text),
    "SLURM_JOB_PARTITION": ("partition", _text),
    "SLURM_JOB_NAME": ("job_name", _text),
    "SLURM_JOB_RESTART_COUNT": ("restart_count", int),
}
"""Variables that the producer sets, and where and as what a receiver must find them."""


@dataclass(frozen=True)
class Accepted:
    """One event that was renamed into the dropbox."""

    id: str
    kind: str
    job_id: int
    payload: dict[str, object]
    """Every field that a receiver must have, with its value."""


def accepted(document: dict[str, Any]) -> Accepted:
    """One line of the producer's log."""
    env: dict[str, str] = document["env"]
    payload = {name: read(env[variable]) for variable, (name, read) in IDENTITY.items() if variable in env}
    if "SLURM_JOB_EXIT_CODE2" in env:
        code, _, number = env["SLURM_JOB_EXIT_CODE2"].partition(":")
        payload |= {"exit_code": int(code), "exit_signal": int(number)}
    payload |= {name: document[name] for name in ("time_ns", "boot_id", "boottime_ns")}
    return Accepted(document["id"], KIND_OF_ROLE[document["role"]], int(env["SLURM_JOB_ID"]), payload)


class Ledger:
    """The producer's log, read on as it grows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self.events: dict[str, Accepted] = {}

    def read_on(self) -> int:
        """Take in what is new; returns how many events were accepted so far."""
        if self._path.exists():
            with self._path.open("rb") as log:
                log.seek(self._offset)
                new = log.read()
            whole = new[: new.rfind(b"\n") + 1]
            self._offset += len(whole)
            self.add(accepted(json.loads(line)) for line in whole.splitlines())
        return len(self.events)

    def add(self, events: Iterable[Accepted]) -> None:
        """More events, in the order in which they were renamed."""
        for event in events:
            assert event.id not in self.events, f"the producer made the id {event.id} twice"
            self.events[event.id] = event
