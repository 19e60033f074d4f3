"""Cgroups of our own in the kernel's v1 hierarchies: what the recorded trees cannot show, because frozen files never
vanish."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from slurmlens.cgroup.layout import V1_MEASURING, V1_TRACKING
from slurmlens.cgroup.mounts import CgroupLocator


def missing() -> str | None:
    """Why this machine cannot have them, None when it can."""
    mounts = CgroupLocator(Path("/"), "x").mounts()
    wanting = [name for name in (*V1_MEASURING, V1_TRACKING) if not os.access(mounts.v1.get(name, "/nowhere"), os.W_OK)]
    return f"no writable cgroup v1 {', '.join(wanting)}" if wanting else None


class RealNode:
    """A node of its own name whose job folders a test makes and removes as slurmstepd would."""

    def __init__(self) -> None:
        self.name = f"t{secrets.token_hex(4)}"
        mounts = CgroupLocator(Path("/"), self.name).mounts()
        self._bases = [Path(mounts.v1[name]) / f"slurm_{self.name}" for name in (V1_TRACKING, *V1_MEASURING)]

    def make(self, key: str = "") -> None:
        """Makes a folder and those above it in every controller."""
        for base in self._bases:
            (base / key).mkdir(parents=True, exist_ok=True)

    def remove(self, key: str) -> None:
        """Removes a folder and those below it from every controller; its processes must have ended."""
        for base in reversed(self._bases):
            for folder in sorted((path for path in (base / key).rglob("*") if path.is_dir()), reverse=True):
                folder.rmdir()
            if (base / key).is_dir():
                (base / key).rmdir()

    def folder(self, controller: str, key: str = "") -> Path:
        """One controller's folder of `key`."""
        return (
            next(base for base in self._bases if base.parent.name == controller or controller in base.parent.name) / key
        )


@contextmanager
def real_node() -> Iterator[RealNode]:
    node = RealNode()
    try:
        yield node
    finally:
        node.remove("")


def missing_v2() -> str | None:
    """Why this machine cannot have a v2 cgroup of ours, None when it can (on hybrid machines: without controllers)."""
    mount = CgroupLocator(Path("/"), "x").mounts().v2
    return None if mount and os.access(mount, os.W_OK) else "no writable cgroup v2 mount"


@contextmanager
def real_v2_cgroup() -> Iterator[Path]:
    """A v2 folder of our own with a child `task_0`; the test may have removed both."""
    folder = Path(CgroupLocator(Path("/"), "x").mounts().v2 or "/nowhere") / f"t{secrets.token_hex(4)}"
    (folder / "task_0").mkdir(parents=True)
    try:
        yield folder
    finally:
        for path in (folder / "task_0", folder):
            if path.is_dir():
                path.rmdir()
