"""The one work folder of an instance, /tmp/slurmlens-<id>: made, marked with its owner, found again, removed.

Invariants: everything that an instance writes lies below its folder; the folder is marked before it gets its name, so
a folder without a live owner is dead for certain; two instances never have the same id, hence never the same node
names, hence never the same cgroup folders. A dead instance's folder and its empty cgroup folders are removed by the
next start.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from deploy import cgroup_folders
from deploy.errors import DeployError

BASE = Path("/tmp")  # fixed and short: the cleaning must see every instance, and unix sockets hold 108 bytes
PREFIX = "slurmlens-"
UNNAMED_PREFIX = ".slurmlens-new-"
UNNAMED_MAX_AGE_S = 600.0
MARK = "owner.json"
ID_PATTERN = re.compile(r"d[0-9a-f]{3}")


def create() -> Path:
    """A new work folder, marked as owned by this process; leftovers of dead instances are removed first."""
    remove_leftovers()
    unnamed = Path(tempfile.mkdtemp(prefix=UNNAMED_PREFIX, dir=BASE))
    unnamed.chmod(0o755)
    mark(unnamed, os.getpid())
    for _ in range(100):
        folder = BASE / f"{PREFIX}d{secrets.token_hex(2)[:3]}"
        try:
            unnamed.rename(folder)  # onto an existing, marked folder this fails: ids are unique
        except OSError:
            continue
        return folder
    raise DeployError(f"no free instance name below {BASE}: remove old {PREFIX}* folders")


def identity(folder: Path) -> str:
    """The id of the instance, four characters; node names begin with it."""
    return folder.name.removeprefix(PREFIX)


def mark(folder: Path, *pids: int) -> None:
    """Writes whose folder this is; it is live while any of the processes lives."""
    owners = [{"pid": pid, "started": start_ticks(pid)} for pid in pids]
    temporary = folder / f"{MARK}.new"
    temporary.write_text(json.dumps(owners))
    temporary.rename(folder / MARK)


def is_live(folder: Path) -> bool:
    """Whether a process that owns the folder still runs; a pid that was given to another process does not count."""
    try:
        owners = json.loads((folder / MARK).read_text())
        return any(start_ticks(owner["pid"]) == owner["started"] for owner in owners if owner["started"] is not None)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def start_ticks(pid: int) -> int | None:
    """Start time of a process in clock ticks since boot (/proc/PID/stat, field 22); None when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def folders() -> Iterator[Path]:
    """Work folders of all instances, dead and alive."""
    for folder in BASE.glob(f"{PREFIX}d???"):
        if ID_PATTERN.fullmatch(identity(folder)) and folder.is_dir() and not folder.is_symlink():
            yield folder


def remove(folder: Path) -> None:
    """Removes the folder and the instance's empty cgroup folders; call when its processes are gone."""
    cgroup_folders.remove_empty(identity(folder))
    shutil.rmtree(folder, ignore_errors=True)


def remove_leftovers() -> list[str]:
    """Removes what dead instances left and returns their ids.

    Cgroups without a folder here are left alone: another container's instance may live in them.
    """
    removed = []
    for folder in folders():
        if not is_live(folder):
            remove(folder)
            removed.append(identity(folder))
    for unnamed in BASE.glob(f"{UNNAMED_PREFIX}*"):
        if not is_live(unnamed) and _age_s(unnamed) > UNNAMED_MAX_AGE_S:
            shutil.rmtree(unnamed, ignore_errors=True)
    return sorted(removed)


def _age_s(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0.0
