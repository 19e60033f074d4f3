"""Where the kernel shows cgroups on this machine, and where in there a node's Slurm folder is or will be.

Owns the reading of `/proc/mounts` and the search for the node's folder. Everything is below a `root` that is handed in
("/" in service, a recorded tree in tests). Fed by config (node name, slice); feeds `tree` and `node.rediscover`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from slurmlens.cgroup.layout import (
    DEFAULT_SLICE,
    LAYOUTS,
    V1_MEASURING,
    V1_TRACKING,
    CgroupPlace,
    Hierarchy,
    Layout,
)

_OCTAL = re.compile(r"\\([0-7]{3})")
_SCOPE_SEARCH_DEPTH = 3
"""`a-b.slice` lies in `a.slice/a-b.slice`; deeper slices have to be named in the config."""


class CgroupMounts(msgspec.Struct, frozen=True):
    """The mount points as `/proc/mounts` says them: v1 by controller, and the v2 tree."""

    v1: dict[str, str] = msgspec.field(default_factory=dict)
    v2: str | None = None

    @property
    def hierarchy(self) -> Hierarchy | None:
        """Which of the two Slurm can use here: v1 wherever the kernel gives it a measuring controller (also on hybrid
        machines, whose v2 tree then has no controllers), else v2; None where there are no cgroups at all."""
        if any(controller in self.v1 for controller in (*V1_MEASURING, V1_TRACKING)):
            return Hierarchy.V1
        return Hierarchy.V2 if self.v2 is not None else None


def parse_mounts(text: str) -> CgroupMounts:
    """The cgroup mounts in the text of `/proc/mounts` (proc(5)); lines that are none are passed over. The first wins:
    later ones are bind mounts of it."""
    v1: dict[str, str] = {}
    v2: str | None = None
    for line in text.splitlines():
        words = line.split(" ")
        if len(words) < 4:
            continue
        point = _OCTAL.sub(lambda match: chr(int(match[1], 8)), words[1])
        if words[2] == "cgroup2":
            v2 = v2 or point
        elif words[2] == "cgroup":
            for option in words[3].split(","):
                if option in (*V1_MEASURING, V1_TRACKING):
                    v1.setdefault(option, point)
    return CgroupMounts(v1, v2)


def parse_mount_roots(text: str) -> dict[str, str]:
    """Which folder of the whole tree each cgroup mount shows, by mount point, from the text of `/proc/self/mountinfo`
    (proc(5)): "/" but in a container without a cgroup namespace of its own."""
    roots: dict[str, str] = {}
    for line in text.splitlines():
        words = line.split(" ")
        if len(words) > 7 and "-" in words[6:] and words[words.index("-", 6) + 1] in ("cgroup", "cgroup2"):
            root, point = (_OCTAL.sub(lambda match: chr(int(match[1], 8)), word) for word in words[3:5])
            roots.setdefault(point, root)
    return roots


def parse_process_cgroups(text: str) -> dict[str, str]:
    """A process's cgroup in each hierarchy, by controller ("" is v2's), from the text of `/proc/PID/cgroup`
    (cgroups(7)); paths are those of the whole tree as far as the reader's own cgroup namespace shows it."""
    paths: dict[str, str] = {}
    for line in text.splitlines():
        _number, colon, rest = line.partition(":")
        controllers, second, path = rest.partition(":")
        if colon and second and path.startswith("/"):
            for controller in controllers.split(","):
                paths.setdefault(controller, path)
    return paths


class NodeCgroups(msgspec.Struct, frozen=True):
    """The folders that hold all jobs of one node: on v1 one per mounted controller (Slurm may make them later or
    never), on v2 the scope alone."""

    layout: Layout
    folders: dict[str, Path]

    @property
    def hierarchy(self) -> Hierarchy:
        return self.layout.hierarchy

    @property
    def place(self) -> CgroupPlace:
        """The node's own folder as a cgroup: it outlives its jobs, and its CPU counter keeps what dead ones used."""
        some = next(iter(self.folders.values()))
        return CgroupPlace(self.hierarchy, self.folders.get("cpuacct", some), self.folders.get("memory", some))


class CgroupLocator:
    """Finds a node's Slurm folder, which may not exist yet, and says what to watch until it does."""

    def __init__(self, root: Path, node: str, slice_name: str = DEFAULT_SLICE) -> None:
        self._root = root
        self._node = node
        self._slice = slice_name
        self._shown: tuple[CgroupMounts, dict[str, str]] | None = None

    def mounts(self) -> CgroupMounts:
        """The machine's cgroup mounts; none where `/proc/mounts` cannot be read."""
        try:
            return parse_mounts((self._root / "proc/mounts").read_text("utf-8", "replace"))
        except OSError:
            return CgroupMounts()

    @property
    def is_mounted(self) -> bool:
        """Whether there is a cgroup tree at all: without one, a look for Slurm's folder says nothing of any job."""
        return self.mounts().hierarchy is not None

    def obstacle(self) -> str | None:
        """Why no job's counters can ever be found with these mounts; None where they can, now or later."""
        mounts = self.mounts()
        if mounts.hierarchy is None:
            return "no cgroup file system is mounted here (a container needs the host's /sys/fs/cgroup)"
        if mounts.hierarchy is Hierarchy.V1 or mounts.v2 is None:
            return None
        try:
            controllers = (self._inside(mounts.v2) / "cgroup.controllers").read_text("ascii").split()
        except OSError:
            return None  # a recorded tree, or one that is not for us: the look for Slurm's folder tells
        if {"cpu", "memory"} <= set(controllers):
            return None
        has = " ".join(controllers) or "none"
        return (
            f"the cgroup v2 tree at {mounts.v2} has no controllers for cpu and memory ({has}): v1 has them, mount that"
        )

    def find(self) -> NodeCgroups | None:
        """The node's folders, None as long as Slurm has made none."""
        self._shown = None
        mounts = self.mounts()
        for layout in LAYOUTS:
            if layout.hierarchy is not mounts.hierarchy:
                continue
            name = layout.base.format(node=self._node)
            folders = (
                self._v1_folders(mounts, name) if layout.hierarchy is Hierarchy.V1 else self._v2_folder(mounts, name)
            )
            if folders:
                return NodeCgroups(layout, folders)
        return None

    def folders_of_process(self, process_cgroups: str) -> dict[str, Path]:
        """Where the folders of a process's cgroups are in this machine's mounts, by controller ("" is v2's);
        `process_cgroups` is the text of its `/proc/PID/cgroup`. What no mount shows is left out."""
        if self._shown is None:
            self._shown = self.mounts(), self._mount_roots()
        mounts, roots = self._shown
        found: dict[str, Path] = {}
        for controller, path in parse_process_cgroups(process_cgroups).items():
            point = mounts.v1.get(controller) if controller else mounts.v2
            if point is None or "/../" in f"{path}/":
                continue
            root = roots.get(point, "/").rstrip("/")
            if path == root or path.startswith(f"{root}/"):
                found[controller] = self._inside(point) / path[len(root) :].lstrip("/")
        return found

    def watch_points(self) -> tuple[Path, ...]:
        """The existing folders in which the node's folder will appear."""
        mounts = self.mounts()
        if mounts.hierarchy is Hierarchy.V1:
            return tuple(path for path in map(self._inside, dict.fromkeys(mounts.v1.values())) if path.is_dir())
        if mounts.v2 is None:
            return ()
        top = self._inside(mounts.v2)
        wanted = top / self._slice
        return (wanted,) if wanted.is_dir() else (top,) if top.is_dir() else ()

    def _mount_roots(self) -> dict[str, str]:
        try:
            return parse_mount_roots((self._root / "proc/self/mountinfo").read_text("utf-8", "replace"))
        except OSError:
            return {}

    def _inside(self, mount_point: str) -> Path:
        return self._root / mount_point.lstrip("/")

    def _v1_folders(self, mounts: CgroupMounts, name: str) -> dict[str, Path]:
        found = {controller: self._inside(point) / name for controller, point in mounts.v1.items()}
        return found if any(path.is_dir() for path in found.values()) else {}

    def _v2_folder(self, mounts: CgroupMounts, name: str) -> dict[str, Path]:
        top = self._inside(mounts.v2 or "")
        for parent in self._v2_parents(top):
            if (parent / name).is_dir():
                return {"": parent / name}
        return {}

    def _v2_parents(self, top: Path) -> Iterator[Path]:
        """Where the scope may be: the named slice; in a container without a cgroup namespace, below pid 1's own; else
        any slice."""
        yield top / self._slice
        container = self._container_prefix()
        if container:
            yield top / container / self._slice
        yield from _slices(top, _SCOPE_SEARCH_DEPTH)

    def _container_prefix(self) -> str:
        """Folder above the cgroup of pid 1: Slurm takes that for the tree's root (`IgnoreSystemd=` in containers)."""
        try:
            text = (self._root / "proc/1/cgroup").read_text("utf-8", "replace")
        except OSError:
            return ""
        for line in text.splitlines():
            if line.startswith("0::/"):
                return line[4:].rpartition("/")[0]
        return ""


def _slices(folder: Path, depth: int) -> Iterator[Path]:
    """`folder` and the slices below it, nearest first; what vanishes meanwhile is passed over."""
    if depth == 0:
        return
    try:
        below = sorted(path for path in folder.iterdir() if path.name.endswith(".slice"))
    except OSError:
        return
    yield folder
    for path in below:
        yield from _slices(path, depth - 1)
