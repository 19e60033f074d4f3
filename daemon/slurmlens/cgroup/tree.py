"""One node's jobs and steps as its cgroup tree shows them now.

Owns the walk of the tree. Folders come and go while it walks: what vanishes between two calls is simply not in the
answer, and no call raises for it. A job whose id no folder name says is named by root's process title (`titles`), or
stays unnamed (`job_id` None) until a later look.

Fed by `mounts.CgroupLocator`; feeds `sighting`, `node.rediscover` and `node.sampler`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import msgspec

from slurmlens.cgroup.layout import (
    V1_MEASURING,
    V1_TRACKING,
    CgroupPlace,
    Hierarchy,
    JobFolderName,
    is_task_folder,
    job_folder_name,
    step_of_folder,
    step_place,
    uid_of_folder,
)
from slurmlens.cgroup.mounts import NodeCgroups
from slurmlens.cgroup.titles import title_of_step, user_of_tasks

EVENTS_FILE = "cgroup.events"

PARENTS_KEPT = 64
"""A node has one (v2), or one for each user with jobs (v1)."""


class JobFolder(msgspec.Struct, frozen=True):
    """A job's folder: `key` is its path below the node's folder (`uid_2000/job_7`, `job_7`, `sAZNM81GJARB00`).

    `inodes` has one (controller, inode) for each controller that has the folder; they tell it from an earlier folder of
    the same name (a requeued job), of which it has none. `measured`: a controller that we read has it already.
    """

    key: str
    name: JobFolderName
    uid: int | None
    inodes: frozenset[tuple[str, int]]
    measured: bool


class StepCgroup(msgspec.Struct, frozen=True):
    """A step of a job on this node; `step` is Slurm's name for it: "0", "batch", "extern", "interactive"."""

    step: str
    place: CgroupPlace


class JobCgroup(msgspec.Struct, frozen=True):
    """A job on this node. None is not told: `job_id` before a title was seen, `sluid` in layouts without, `uid` of
    root's jobs on v2."""

    key: str
    inodes: frozenset[tuple[str, int]]
    job_id: int | None
    sluid: str | None
    uid: int | None
    place: CgroupPlace
    parent: CgroupPlace
    """v1: the user's folder, which goes with the user's last job; v2: the scope. `NodeCgroups.place` outlives both."""
    steps: tuple[StepCgroup, ...]


class JobMember(msgspec.Struct, frozen=True):
    """Where in a job a process is: the key of its job's folder, what that folder's name says, and the step, None
    directly below the job."""

    key: str
    name: JobFolderName
    step: str | None


class CgroupTree:
    """The Slurm cgroups of one node."""

    def __init__(self, cgroups: NodeCgroups, proc: Path) -> None:
        self._cgroups = cgroups
        self._proc = proc
        self._parents_places: dict[str, CgroupPlace] = {}

    @property
    def place(self) -> CgroupPlace:
        """The node's own folder, whose CPU counter keeps what dead jobs used."""
        return self._cgroups.place

    @property
    def hierarchy(self) -> Hierarchy:
        return self._cgroups.hierarchy

    def exists(self) -> bool:
        """Whether Slurm's folder of this node is still there."""
        return any(folder.is_dir() for folder in self._cgroups.folders.values())

    def jobs(self) -> tuple[JobCgroup, ...]:
        """All jobs there are now, with their steps, in order of key."""
        seen = (self.job(folder) for folder in self.folders())
        return tuple(job for job in seen if job is not None)

    def folders(self) -> tuple[JobFolder, ...]:
        """The jobs' folders alone, in order of key."""
        keys: set[str] = set()
        for base in self._cgroups.folders.values():
            for parent in self._parents(base):
                keys.update(self.keys_in(parent))
        found = (self.folder(key) for key in sorted(keys))
        return tuple(folder for folder in found if folder is not None)

    def present(self) -> Iterator[tuple[str, str | None]]:
        """Keys of all jobs that have a folder, each with None and then with the names of its steps."""
        for folder in self.folders():
            yield folder.key, None
            jobs = [base / folder.key for base in self._cgroups.folders.values()]
            steps = {step.name.removeprefix("step_") for job in jobs for step in self._step_folders(job)}
            yield from ((folder.key, step) for step in sorted(steps))

    def folder(self, key: str) -> JobFolder | None:
        """One job's folder, None when no controller has it."""
        user, _slash, own = key.rpartition("/")
        name = job_folder_name(own)
        measuring = self._measuring().keys()
        inodes = frozenset(
            (controller, inode)
            for controller, base in self._cgroups.folders.items()
            if (inode := _folder_inode(f"{base}/{key}")) is not None
        )
        if name is None or not inodes:
            return None
        measured = any(controller in measuring for controller, _inode in inodes)
        return JobFolder(key, name, uid_of_folder(user), inodes, measured)

    def keys_in(self, parent: Path, known: Collection[str] = frozenset()) -> tuple[str, ...]:
        """Keys of the jobs in one of `watch_folders`; what is in `known` is a job's without a look at its name."""
        user = "" if self.is_base(parent) else f"{parent.name}/"
        keys = ((f"{user}{entry.name}", entry.name) for entry in _subfolders(parent))
        return tuple(key for key, name in keys if key in known or job_folder_name(name) is not None)

    def job(self, folder: JobFolder, known: JobCgroup | None = None) -> JobCgroup | None:
        """One job with its steps, None when it has gone or is not measured yet. What an earlier look knows (`known`) is
        not asked for again."""
        if known is not None and not known.inodes & folder.inodes:
            known = None
        if known is None and not folder.measured:
            return None
        place = self._place_of(folder.key)
        steps = self._steps(folder.key, place, known)
        job_id = known.job_id if known else folder.name.job_id
        if job_id is None:
            title = title_of_step(self._proc, self._slurmstepd_folders(folder.key))
            job_id = title.job_id if title else None
        uid = known.uid if known and known.uid is not None else folder.uid
        if uid is None:
            uid = user_of_tasks(self._proc, self._task_folders(steps))
        parent = self._parent_place_of(folder.key)
        return JobCgroup(folder.key, folder.inodes, job_id, folder.name.sluid, uid, place, parent, steps)

    def watch_folders(self) -> Iterator[Path]:
        """The folders in which jobs appear and vanish."""
        for base in self._cgroups.folders.values():
            yield from self._parents(base)

    def watch_folders_of_job(self, key: str) -> Iterator[Path]:
        """The folders in which a job's steps appear and vanish; on v2 also the steps', whose `user` comes later."""
        for base in self._cgroups.folders.values():
            yield base / key
            if self.hierarchy is Hierarchy.V2:
                yield from self._step_folders(base / key)

    def event_files(self, job: JobCgroup) -> Iterator[tuple[str, Path]]:
        """(step, the file in which the kernel says that the step's last process has left, or the first one came); v2
        alone has them."""
        if self.hierarchy is Hierarchy.V2:
            yield from ((step.step, step.place.cpu / EVENTS_FILE) for step in job.steps)

    def is_base(self, path: Path) -> bool:
        """Whether this is the node's own folder in some controller."""
        return path in self._cgroups.folders.values()

    def is_users(self, path: Path) -> bool:
        """Whether this is a v1 user's folder, in which that user's jobs appear."""
        return self.is_base(path.parent) and uid_of_folder(path.name) is not None

    def key_of(self, path: Path) -> str | None:
        """The job's key of a path at or below a job's folder, None for any other."""
        depth = 2 if self.hierarchy is Hierarchy.V1 else 1
        for base in self._cgroups.folders.values():
            if path.is_relative_to(base):
                parts = path.relative_to(base).parts
                if len(parts) >= depth and job_folder_name(parts[depth - 1]) is not None:
                    return "/".join(parts[:depth])
        return None

    def member(self, folders: Mapping[str, Path]) -> JobMember | None:
        """Which job and step a process in these folders (by controller, as `CgroupLocator.folders_of_process` makes
        them) belongs to; None for a process outside all jobs of this node.

        Only root makes folders at the depth where jobs and steps are: what a user makes below changes nothing.
        """
        for controller in sorted(self._cgroups.folders, key=lambda name: name != V1_TRACKING):
            path = folders.get(controller)
            key = self.key_of(path) if path is not None else None
            name = job_folder_name(key.rpartition("/")[2]) if key is not None else None
            if path is not None and key is not None and name is not None:
                below = path.relative_to(self._cgroups.folders[controller] / key).parts
                return JobMember(key, name, step_of_folder(below[0]) if below else None)
        return None

    def _measuring(self) -> dict[str, Path]:
        """The folders whose jobs can be read. Freezer's (proctrack/cgroup) only where Slurm makes no other."""
        folders = self._cgroups.folders
        if self.hierarchy is Hierarchy.V2:
            return folders
        measuring = {name: folders[name] for name in V1_MEASURING if name in folders and folders[name].is_dir()}
        return measuring or folders

    def _parents(self, base: Path) -> Iterator[Path]:
        """`base` and, on v1, the users' folders in it: jobs are in the latter, new users appear in the former."""
        yield base
        if self.hierarchy is Hierarchy.V1:
            for entry in _subfolders(base):
                if uid_of_folder(entry.name) is not None:
                    yield Path(entry.path)

    def _place_of(self, key: str) -> CgroupPlace:
        place = self._cgroups.place
        cpu = place.cpu / key
        return CgroupPlace(place.hierarchy, cpu, cpu if place.memory == place.cpu else place.memory / key)

    def _parent_place_of(self, key: str) -> CgroupPlace:
        """One object for all jobs of a parent: there may be hundreds, kept as long as they run."""
        above = os.path.dirname(key)
        if above not in self._parents_places:
            if len(self._parents_places) >= PARENTS_KEPT:
                self._parents_places.clear()
            self._parents_places[above] = self._place_of(above)
        return self._parents_places[above]

    def _steps(self, key: str, place: CgroupPlace, known: JobCgroup | None) -> tuple[StepCgroup, ...]:
        """The steps that can be read, and those known that are in any controller's folder still."""
        in_each = {
            controller: {entry.name for entry in _subfolders(base / key) if step_of_folder(entry.name) is not None}
            for controller, base in self._cgroups.folders.items()
        }
        there = set().union(*in_each.values())
        measuring = set().union(*(in_each[controller] for controller in self._measuring()))
        reported = {f"step_{step.step}" for step in known.steps} if known else set()
        names = sorted(measuring | (there & reported))
        steps = (StepCgroup(name.removeprefix("step_"), step_place(place, name)) for name in names)
        return tuple(step for step in steps if self.hierarchy is Hierarchy.V1 or step.place.cpu.is_dir())

    def _step_folders(self, job: Path) -> Iterator[Path]:
        for entry in _subfolders(job):
            if step_of_folder(entry.name) is not None:
                yield Path(entry.path)

    def _slurmstepd_folders(self, key: str) -> Iterator[Path]:
        """Where slurmstepd itself is: v2 in `step_N/slurm`, v1 in memory's step and in freezer's job folder."""
        for base in self._cgroups.folders.values():
            yield base / key
            for step in self._step_folders(base / key):
                yield step / "slurm" if self.hierarchy is Hierarchy.V2 else step

    def _task_folders(self, steps: tuple[StepCgroup, ...]) -> Iterator[Path]:
        for step in steps:
            if step.step != "extern":
                yield from (Path(entry.path) for entry in _subfolders(step.place.cpu) if is_task_folder(entry.name))


def _subfolders(folder: Path) -> list[os.DirEntry[str]]:
    """The folders in `folder`, none where it has gone."""
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []


def _folder_inode(path: str) -> int | None:
    """The inode of a folder, None when there is none."""
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status.st_ino if stat.S_ISDIR(status.st_mode) else None
