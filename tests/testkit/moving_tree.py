"""A recorded cgroup tree that moves: jobs come from the recorded one as template, use CPU and memory, and go.

What the kernel does with counters is done by hand: a parent counts what its children use, and keeps it when they are
gone. What plain files cannot do: a descriptor of a removed file still reads, where the kernel's would say ENODEV.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from slurmlens.cgroup.layout import CgroupPlace, Hierarchy
from slurmlens.cgroup.mounts import CgroupLocator
from testkit.recorded_cgroups import RECORDING_BY_NAME, Recording, unpack

_TICKS_PER_S = 100
_UNREAD = shutil.ignore_patterns(
    "*kmem*", "*numa*", "*percpu*", "cpuset.*", "cgroup.[!p]*", "*memsw*", "tasks", "task_*"
)
"""What is left out of the template, to have the tests quick."""


class MovingTree:
    """One node without jobs, as recorded on real Slurm (`name` as in `recorded_cgroups.RECORDINGS`)."""

    def __init__(self, name: str, target: Path, cache: Path) -> None:
        """Made in the folder `target`; `cache` keeps what was unpacked, for the next one."""
        recording = RECORDING_BY_NAME[name]
        if not (cache / name).exists():
            _prepare(recording, cache / name)
        self._template = cache / name / "template"
        self.root = target / "root"
        shutil.copytree(cache / name / "root", self.root)
        self.node = recording.node
        found = CgroupLocator(self.root, self.node).find()
        assert found is not None
        self.place = found.place
        self._bases = tuple(dict.fromkeys(found.folders.values()))
        self._staging = target / "staging"
        self._staging.mkdir()
        self._jobs: dict[int, str] = {}

    @property
    def is_v2(self) -> bool:
        return self.place.hierarchy is Hierarchy.V2

    def start_job(self, job_id: int, *, uid: int = 2000, steps: tuple[str, ...] = ("batch",)) -> None:
        """Make a job's folder with zeroed counters; `steps` are Slurm's names of those it begins with."""
        key = f"uid_{uid}/job_{job_id}" if self.place.hierarchy is Hierarchy.V1 else f"job_{job_id}"
        self._jobs[job_id] = key
        for number, base in enumerate(self._bases):
            self._make_user(number, base, base / key)
            staged = self._staging / f"{number}-{job_id}"
            shutil.copytree(self._template / str(number), staged, ignore=_steps_but(steps))
            _appear(staged, base / key)

    def burn(self, job_id: int, step: str, seconds: float, *, system_share: float = 0.25) -> None:
        """A step uses CPU; everything above it counts that too, as far as the node's folder."""
        system_s = seconds * system_share
        # The kernel counts in all of them at one time. Here whoever reads in between must not find that a job used more
        # than the folder above it, which then seems to have lost what others used.
        for folder in reversed(list(self._lineage(self.step_place(job_id, step).cpu))):
            _add_cpu(folder, seconds - system_s, system_s)

    def hold(self, job_id: int, step: str, size_bytes: int) -> None:
        """A step has so much memory charged, and so has its job."""
        for folder in (self.step_place(job_id, step).memory, self.job_place(job_id).memory):
            _set_memory(folder, size_bytes)

    def runs(self, job_id: int, step: str, pid: int, name: str, *, threads: int = 1) -> None:
        """A process of a step, as /proc and the step's folder show it."""
        (self.root / f"proc/{pid}").mkdir(parents=True, exist_ok=True)
        stat = f"{pid} ({name}) R 1 1 1 0 -1 0 0 0 0 0 100 0 0 0 20 0 {threads} 0 5 6 7\n"
        (self.root / f"proc/{pid}/stat").write_text(stat)
        (self.step_place(job_id, step).cpu / "cgroup.procs").write_text(f"{pid}\n")

    def kill(self, job_id: int, step: str) -> None:
        """The kernel kills a process of a step for memory: on v2 that counts in all folders above."""
        for folder in reversed(list(self._lineage(self.step_place(job_id, step).cpu))):
            _add_keyed(folder / "memory.events", {"oom_kill": 1})

    def populate(self, job_id: int, step: str, *, populated: bool) -> None:
        """Processes are in a step, or the last one has left it (v2)."""
        events = self.step_place(job_id, step).cpu / "cgroup.events"
        events.write_text(f"populated {int(populated)}\nfrozen 0\n")

    def end_step(self, job_id: int, step: str) -> None:
        """Remove a step's folders."""
        for base in self._bases:
            shutil.rmtree(base / self._jobs[job_id] / f"step_{step}", ignore_errors=True)

    def end_job(self, job_id: int) -> None:
        """Remove a job's folders; what it used stays on its parents' record."""
        key = self._jobs.pop(job_id)
        for base in self._bases:
            shutil.rmtree(base / key, ignore_errors=True)

    def job_place(self, job_id: int) -> CgroupPlace:
        key = self._jobs[job_id]
        return CgroupPlace(self.place.hierarchy, self.place.cpu / key, self.place.memory / key)

    def parent_place(self, job_id: int) -> CgroupPlace:
        job = self.job_place(job_id)
        return CgroupPlace(job.hierarchy, job.cpu.parent, job.memory.parent)

    def step_place(self, job_id: int, step: str) -> CgroupPlace:
        job = self.job_place(job_id)
        below = f"step_{step}/user" if job.hierarchy is Hierarchy.V2 else f"step_{step}"
        return CgroupPlace(job.hierarchy, job.cpu / below, job.memory / below)

    def _lineage(self, folder: Path) -> Iterator[Path]:
        yield folder
        while folder != self.place.cpu:
            folder = folder.parent
            yield folder

    def _make_user(self, number: int, base: Path, folder: Path) -> None:
        """v1's folder of a user, counting from zero."""
        parent = folder.parent
        if parent != base and not parent.exists():
            staged = self._staging / f"{number}-{parent.name}"
            shutil.copytree(base, staged, ignore=lambda _, names: [one for one in names if (base / one).is_dir()])
            _zero(staged)
            _appear(staged, parent)


def _appear(staged: Path, folder: Path) -> None:
    """Folders are made, for that is what inotify tells of cgroups; files come whole, never half written."""
    folder.mkdir()
    for path in sorted(staged.iterdir(), key=Path.is_dir):
        if path.is_dir():
            _appear(path, folder / path.name)
        else:
            path.rename(folder / path.name)
    staged.rmdir()


def _prepare(recording: Recording, folder: Path) -> None:
    """Unpack a recording into `root`, the node without its jobs, and `template`, the recorded job."""
    unpacked = unpack(recording, folder / "whole")
    found = CgroupLocator(unpacked, recording.node).find()
    assert found is not None
    for number, base in enumerate(dict.fromkeys(found.folders.values())):
        shutil.copytree(base / recording.key, folder / "template" / str(number), ignore=_UNREAD)
        _zero(folder / "template" / str(number))
        empty = folder / "root" / base.relative_to(unpacked)
        empty.mkdir(parents=True)
        for path in base.iterdir():
            if path.is_file():
                shutil.copy(path, empty)
    shutil.copytree(unpacked / "proc", folder / "root/proc", ignore=shutil.ignore_patterns("[0-9]*"))
    shutil.rmtree(folder / "whole")


def write_in_place(path: Path, text: str) -> None:
    """New content in the same file, which a kept descriptor sees."""
    with path.open("r+") as file:
        file.write(text)
        file.truncate()


def _steps_but(wanted: tuple[str, ...]):  # type: ignore[no-untyped-def]
    keep = {f"step_{step}" for step in wanted}
    return lambda _, names: [one for one in names if one.startswith("step_") and one not in keep]


def _zero(folder: Path) -> None:
    """As the kernel makes them: nothing used yet."""
    for path in folder.rglob("*"):
        if path.name in ("cpuacct.usage", "memory.usage_in_bytes", "memory.max_usage_in_bytes", "memory.current"):
            write_in_place(path, "0\n")
        elif path.name in ("cpuacct.stat", "cpu.stat", "memory.peak", "memory.events"):
            write_in_place(path, re.sub(r"\d+", "0", path.read_text()))
        elif path.name == "cgroup.procs":
            write_in_place(path, "")


def _add_cpu(folder: Path, user_s: float, system_s: float) -> None:
    if (folder / "cpu.stat").exists():
        added = {"usage_usec": user_s + system_s, "user_usec": user_s, "system_usec": system_s}
        _add_keyed(folder / "cpu.stat", {key: round(value * 1_000_000) for key, value in added.items()})
        return
    usage = folder / "cpuacct.usage"
    write_in_place(usage, f"{int(usage.read_text()) + round((user_s + system_s) * 1e9)}\n")
    ticks = {"user": round(user_s * _TICKS_PER_S), "system": round(system_s * _TICKS_PER_S)}
    _add_keyed(folder / "cpuacct.stat", ticks)


def _add_keyed(path: Path, added: dict[str, int]) -> None:
    lines = []
    for line in path.read_text().splitlines():
        key, value = line.split()
        lines.append(f"{key} {int(value) + added.get(key, 0)}\n")
    write_in_place(path, "".join(lines))


def _set_memory(folder: Path, size_bytes: int) -> None:
    current, peak = ("memory.current", "memory.peak")
    if not (folder / current).exists():
        current, peak = ("memory.usage_in_bytes", "memory.max_usage_in_bytes")
    write_in_place(folder / current, f"{size_bytes}\n")
    write_in_place(folder / peak, f"{max(size_bytes, int((folder / peak).read_text()))}\n")
