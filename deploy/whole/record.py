"""What a running stack writes of itself, `stack.json` in its folder, and finding a stack by its name.

Written by the supervisor alone, in one rename; read by every command. `version` is the description's that it was
brought up with.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from deploy import instance
from deploy.errors import DeployError
from deploy.whole.description import VERSION

FILE = "stack.json"


@dataclass
class ServiceRecord:
    """How one service, or one compute node, fares."""

    name: str
    state: str  # waiting, starting, up, leaving, given up
    restarts: int = 0
    said: str = ""


@dataclass
class StackRecord:
    """A stack as its supervisor last wrote it."""

    name: str
    phase: str  # starting, up, failed, stopping
    said: str = ""
    version: int = VERSION
    rows: list[str] = field(default_factory=list)
    compute: list[int] = field(default_factory=list)
    services: list[ServiceRecord] = field(default_factory=list)
    addresses: dict[str, str] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Writes it into the stack's folder."""
        new = folder / f"{FILE}.new"
        new.write_text(json.dumps(asdict(self)))
        new.rename(folder / FILE)


def read(folder: Path) -> StackRecord | None:
    """The stack in that folder; None where the instance is none, such as a demo."""
    try:
        told = json.loads((folder / FILE).read_text())
        services = [ServiceRecord(**one) for one in told.pop("services")]
        known = {key: value for key, value in told.items() if key in StackRecord.__dataclass_fields__}
        return StackRecord(**known, services=services)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def running() -> dict[str, Path]:
    """Folders of the stacks that run, by name."""
    found = {}
    for folder in instance.folders():
        record = read(folder) if instance.is_live(folder) else None
        if record is not None:
            found[record.name] = folder
    return found


def find(name: str) -> tuple[Path, StackRecord]:
    """The running stack of that name; DeployError says which there are."""
    stacks = running()
    folder = stacks.get(name)
    record = read(folder) if folder else None
    if folder is None or record is None:
        raise DeployError(f"no stack {name!r} is up; up are: {', '.join(sorted(stacks)) or 'none'}")
    return folder, record


def refuse_other_version(record: StackRecord) -> None:
    """A stack that another release brought up is shown and ended, and not changed."""
    if record.version != VERSION:
        raise DeployError(
            f"stack {record.name!r} was brought up by a release with description {record.version}, this one has"
            f" {VERSION}: `slurmlens stack down --name {record.name}` and up again"
        )
