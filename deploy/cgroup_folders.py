"""The cgroup folders that a small Slurm's nodes make, found by the instance's id, and removed when they are empty.

A cgroup folder is removed with rmdir alone, which the kernel refuses while a process is in it: nothing that lives is
ever touched.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

CGROUP_ROOT = Path("/sys/fs/cgroup")
DYING_MAX_S = 3.0
# cgroup v1: <controller>/slurm_<node>; v2: …/<node>_slurmstepd.scope
FOLDER_PATTERN = re.compile(r"(?:slurm_)?(d[0-9a-f]{3})-compute\d+(?:_slurmstepd\.scope)?")


def find() -> Iterator[tuple[str, Path]]:
    """(instance id, folder) of every node's folder, in all controllers."""
    for pattern in ("*/slurm_d???-compute*", "*/d???-compute*_slurmstepd.scope"):
        for folder in CGROUP_ROOT.glob(pattern):
            match = FOLDER_PATTERN.fullmatch(folder.name)
            if match:
                yield match[1], folder


def owners() -> set[str]:
    """Ids of the instances that have cgroup folders."""
    return {owner for owner, _ in find()}


def processes(instance: str) -> list[int]:
    """Processes in any cgroup of the instance."""
    pids: set[int] = set()
    for owner, folder in find():
        if owner == instance:
            for procs in folder.rglob("cgroup.procs"):
                pids.update(_pids(procs))
    return sorted(pids)


def remove_empty(instance: str) -> None:
    """Removes the instance's folders from the leaves up, again for a moment while processes in them are dying."""
    deadline = time.monotonic() + DYING_MAX_S
    while not _removed(instance) and time.monotonic() < deadline:
        time.sleep(0.05)


def _removed(instance: str) -> bool:
    complete = True
    for owner, folder in list(find()):
        if owner == instance:
            for path, _, _ in os.walk(folder, topdown=False):
                complete = _rmdir(path) and complete
    return complete


def _rmdir(path: str) -> bool:
    try:
        os.rmdir(path)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _pids(procs: Path) -> list[int]:
    try:
        return [int(line) for line in procs.read_text().split()]
    except OSError:
        return []
