"""Made-up and recorded machines: text archives of procfs and sysfs, unpacked into a folder; and how one is recorded.

An archive is `tests/fixtures/machines/NAME.txt`: `== PATH` begins a file, `-> PATH TARGET` is a symbolic link, `==
PATH/` a folder, and lines that begin with `#` before the first of them say where it is from. `python -m
testkit.machines` (in tests/) writes the archive of this machine.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "fixtures" / "machines"
NAMES = tuple(sorted(path.stem for path in FOLDER.glob("*.txt")))

RECORDED = (
    "proc/stat",
    "proc/loadavg",
    "proc/meminfo",
    "proc/vmstat",
    "proc/pressure/*",
    "proc/diskstats",
    "proc/self/mountinfo",
    "proc/self/mountstats",
    "proc/net/dev",
    "proc/net/snmp",
    "proc/net/netstat",
    "proc/net/softnet_stat",
    "proc/net/rpc/nfs",
    "sys/class/net/*/speed",
    "sys/class/net/*/carrier_changes",
    "sys/devices/system/node/node*/meminfo",
    "sys/devices/system/node/node*/numastat",
    "sys/devices/system/cpu/cpu*/topology/core_id",
    "sys/class/hwmon/*/*",
    "sys/class/powercap/*/*",
    "sys/devices/system/edac/mc/*/*_count",
)


def unpack(name: str, root: Path, *, change: dict[str, str] | None = None) -> Path:
    """The machine `name` below `root`; `change` replaces files (path to content). Returns `root`."""
    for kind, path, content in _entries((FOLDER / f"{name}.txt").read_text()):
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if kind == "link":
            target.symlink_to(content)
        elif kind == "folder":
            target.mkdir(exist_ok=True)
        else:
            target.write_text(content)
    for path, content in (change or {}).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
    return root


def _entries(text: str) -> Iterator[tuple[str, str, str]]:
    path: str | None = None
    lines: list[str] = []
    for line in [*text.splitlines(), "== end/"]:
        if not line.startswith(("== ", "-> ")):
            lines.append(line)
            continue
        if path is not None:
            yield "file", path, "".join(f"{one}\n" for one in lines)
        path, lines = None, []
        if line.startswith("-> "):
            _, link, target = line.split(" ", 2)
            yield "link", link, target
        elif line.endswith("/"):
            yield "folder", line[3:-1], ""
        else:
            path = line[3:]


def record(root: Path = Path("/")) -> str:
    """The archive of a machine: what collectors read of it."""
    found = []
    for path in sorted({path for pattern in RECORDED for path in _matching(root, pattern)}):
        try:
            text = (root / path).read_text(errors="replace")
        except OSError:
            continue
        found.append(f"== {path}\n{text}" + ("" if not text or text.endswith("\n") else "\n"))
    found += [f"== sys/block/{name}/\n" for name in sorted(os.listdir(root / "sys/block"))]
    return "".join(found)


def _matching(root: Path, pattern: str) -> Iterator[str]:
    """Those below the root that match, component by component: procfs and sysfs are not walked."""
    paths = [""]
    for component in pattern.split("/"):
        paths = [
            f"{path}/{name}".lstrip("/")
            for path in paths
            for name in (_names(root / path) if "*" in component else [component])
            if fnmatch(name, component)
        ]
    yield from paths


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


if __name__ == "__main__":
    sys.stdout.write(record())
