"""Finds jobs and steps from the cgroup tree alone: what no hook reported, what began before us, what ended unnoticed.

Owns the course of looking: at once when the kernel says that a folder appeared or vanished, every few milliseconds
while a folder has no name yet (26.05: until slurmstepd wrote its title), and over the whole tree at a slow interval,
because inotify may lose, refuse or lack. A look over the whole tree goes into every job only where inotify did one of
these; otherwise it compares names and goes into a few jobs in turn, because 200 jobs cost as much as reading all their
counters ten times. The node's folder may not exist yet and may vanish. Yields `CgroupSeen`, `CgroupGone`,
`StepStirred` and, once the whole tree was looked at, `TreeSeen` (`cgroup.sighting`); reads no counter and no
environment, writes nothing.

Fed by the kernel and by `learn` (what hooks said of SLUIDs); feeds the registry and the sampler.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec

from slurmlens.cgroup.folder_watch import NOTHING, FolderChanges, FolderWatch
from slurmlens.cgroup.layout import DEFAULT_SLICE
from slurmlens.cgroup.mounts import CgroupLocator
from slurmlens.cgroup.sighting import CgroupRoster, Sighting, TreeSeen
from slurmlens.cgroup.tree import CgroupTree, JobCgroup
from slurmlens.clock import Clock, Moment, now

RESCAN_S = 30.0
BLIND_RESCAN_S = 1.0
"""Between looks over the whole tree: where inotify tells everything, and where it does not."""

PAUSE_S = 0.001
"""Between two jobs of a rescan that only makes sure: a job on this node feels one long burst, not many short ones."""

LOOKED_INTO_AT_A_RESCAN = 8
"""Jobs whose steps are looked at, in turn, although no event came of them."""

FIRST_RETRY_S = 0.002
"""After this a folder without a name is looked at again; doubled each time up to the rescan's interval."""


class RediscoverState(msgspec.Struct, frozen=True):
    """How well the tree can be seen now, for `slurmlens status`."""

    found: bool
    watching: bool
    unnamed: int
    overflows: int
    refused_watches: int


class Rediscover:
    """Watches one node's cgroups. `root` is "/" in service and a made-up tree in tests."""

    def __init__(
        self,
        root: Path,
        node: str,
        clock: Clock,
        *,
        slice_name: str = DEFAULT_SLICE,
        rescan_s: float = RESCAN_S,
        blind_rescan_s: float = BLIND_RESCAN_S,
    ) -> None:
        self._locator = CgroupLocator(root, node, slice_name)
        self._proc = root / "proc"
        self._clock = clock
        self._rescan_s = rescan_s
        self._blind_rescan_s = blind_rescan_s
        self._roster = CgroupRoster()
        self._watch: FolderWatch | None = None
        self._tree: CgroupTree | None = None
        self._steps: dict[Path, tuple[str, str]] = {}
        """Of each event file that is watched the job's key and the step."""
        self._overflows = 0
        self._turn = 0

    @property
    def tree(self) -> CgroupTree | None:
        """The node's tree, None as long as Slurm has made none; its `place` is the parent whose CPU counter outlives
        jobs."""
        return self._tree

    @property
    def state(self) -> RediscoverState:
        watch = self._watch
        return RediscoverState(
            found=self._tree is not None,
            watching=watch is not None and watch.active,
            unnamed=len(self._roster.unnamed),
            overflows=self._overflows,
            refused_watches=watch.refused if watch is not None else 0,
        )

    def learn(self, sluid: str, job_id: int) -> None:
        """A hook of root's said whose SLUID this is: its folder needs no title."""
        self._roster.learn(sluid, job_id)

    def member(self, process_cgroups: str) -> tuple[int, str | None] | None:
        """Job id and step of a process, whose `/proc/PID/cgroup` this is; None outside every job that has a name."""
        tree = self._tree
        member = tree.member(self._locator.folders_of_process(process_cgroups)) if tree is not None else None
        if member is None:
            return None
        known = self._roster.known(member.key)
        job_id = known.job_id if known is not None else member.name.job_id
        return None if job_id is None else (job_id, member.step)

    async def sightings(self) -> AsyncIterator[Sighting]:
        """What appears and what goes, for ever; first all that is there already, and that this was all.
        Close it (`aclose`) to end the watch."""
        with FolderWatch() as watch:
            self._watch = watch
            pace = _Pace(self._rescan_s, self._blind_rescan_s)
            changes, seen_whole = NOTHING, False
            while True:
                mistrusted = self._needs_rescan(changes)
                if mistrusted or pace.is_due(_now_s()):
                    async for sighting in self._rescan(watch, mistrusted=mistrusted):
                        yield sighting
                    if not seen_whole and self._locator.is_mounted:
                        seen_whole = True
                        yield TreeSeen(self._now())
                    pace.rescanned(_now_s(), watching=watch.active and not watch.refused)
                else:
                    for sighting in self._look_at_changes(watch, changes):
                        yield sighting
                for sighting in self._stirred(changes):
                    yield sighting
                changes = await watch.wait(pace.pause_s(_now_s(), self._roster.unnamed))
                self._overflows += changes.lost

    def _needs_rescan(self, changes: FolderChanges) -> bool:
        """Whether a look at what changed is not enough: the kernel lost some of it, or the node's own folder came or
        went."""
        tree = self._tree
        if tree is None or not tree.exists():
            return changes.lost or bool(changes.paths)
        return changes.lost or any(tree.is_base(path) for path in changes.paths)

    async def _rescan(self, watch: FolderWatch, *, mistrusted: bool) -> AsyncIterator[Sighting]:
        """Looks at the whole tree, job by job, so that nobody else on the event loop waits long."""
        mistrusted = mistrusted or not watch.active
        watch.start()
        if self._tree is None or not self._tree.exists():
            found = self._locator.find()
            self._tree = CgroupTree(found, self._proc) if found else None
        for point in self._locator.watch_points():
            watch.add(point)
        pause_s = 0 if mistrusted else PAUSE_S
        there = await self._keys(watch, pause_s)
        for key in sorted(self._worth_a_look(there, everything=mistrusted or watch.refused > 0)):
            for sighting in self._look_at(watch, key):
                yield sighting
            await asyncio.sleep(pause_s)

    def _worth_a_look(self, there: frozenset[str], *, everything: bool) -> frozenset[str]:
        """Keys of the jobs to look into: those whose folder came or went untold, those without a name, some others."""
        known = self._roster.keys
        if everything:
            return known | there
        others = sorted(known & there)
        begin = self._turn if self._turn < len(others) else 0
        self._turn = begin + LOOKED_INTO_AT_A_RESCAN
        return (known ^ there) | self._roster.unnamed | frozenset(others[begin : self._turn])

    async def _keys(self, watch: FolderWatch, pause_s: float) -> frozenset[str]:
        """All jobs that have a folder, after watches were set on the folders that these appear in."""
        if self._tree is None:
            return frozenset()
        known = self._roster.keys
        keys: set[str] = set()
        # One by one: the tree lists a folder's users only after that folder is watched, so none slips in between.
        for parent in self._tree.watch_folders():
            watch.add(parent)
            keys.update(self._tree.keys_in(parent, known))
            await asyncio.sleep(pause_s)
        return frozenset(keys)

    def _look_at_changes(self, watch: FolderWatch, changes: FolderChanges) -> Iterator[Sighting]:
        """Looks only at jobs that came, went or changed, and at those without a name."""
        if self._tree is None:
            return
        touched = set(self._roster.unnamed)
        for path in changes.paths:
            key = self._tree.key_of(path)
            if key is not None:
                touched.add(key)
            elif self._tree.is_users(path):
                watch.add(path)
                touched.update(self._tree.keys_in(path))
        for key in sorted(touched):
            yield from self._look_at(watch, key)

    def _stirred(self, changes: FolderChanges) -> Iterator[Sighting]:
        """Steps that were emptied, or that a process came into."""
        for path in sorted(changes.files):
            key, step = self._steps.get(path, ("", ""))
            yield from self._roster.stirred(key, step)

    def _look_at(self, watch: FolderWatch, key: str) -> Iterator[Sighting]:
        """Sets the watches first and looks then: the watch reports what appears in between."""
        job = None
        if self._tree is not None:
            for path in self._tree.watch_folders_of_job(key):
                watch.add(path)
            folder = self._tree.folder(key)
            job = self._tree.job(folder, self._roster.known(key)) if folder is not None else None
            self._watch_ends(watch, key, job)
        yield from self._roster.look_at(key, job, self._now())

    def _watch_ends(self, watch: FolderWatch, key: str, job: JobCgroup | None) -> None:
        """Watches the event files of the steps that there are now; those of others went with their folders."""
        known = self._roster.known(key)
        before = dict(self._tree.event_files(known)) if self._tree is not None and known is not None else {}
        after = dict(self._tree.event_files(job)) if self._tree is not None and job is not None else {}
        for step in before.keys() - after.keys():
            self._steps.pop(before[step], None)
        for step, path in after.items():
            if path not in self._steps or known is None:
                self._steps[path] = (key, step)
                watch.add_file(path)

    def _now(self) -> Moment:
        return now(self._clock)


class _Pace:
    """When to look again without an event of the watch; the caller hands in the time."""

    def __init__(self, rescan_s: float, blind_rescan_s: float) -> None:
        self._rescan_s = rescan_s
        self._blind_rescan_s = blind_rescan_s
        self._due_s = 0.0
        self._retry_s = FIRST_RETRY_S
        self._unnamed: frozenset[str] = frozenset()

    def is_due(self, now_s: float) -> bool:
        """Whether it is time to look at the whole tree."""
        return now_s >= self._due_s

    def rescanned(self, now_s: float, *, watching: bool) -> None:
        """The whole tree was looked at; without inotify that is due again soon."""
        self._due_s = now_s + (self._rescan_s if watching else self._blind_rescan_s)

    def pause_s(self, now_s: float, unnamed: frozenset[str]) -> float:
        """How long to wait for changes. Short while a folder has no name, from the start for a new one of these."""
        until_rescan_s = max(0.0, self._due_s - now_s)
        if not unnamed:
            return until_rescan_s
        self._retry_s = FIRST_RETRY_S if unnamed - self._unnamed else min(self._retry_s * 2, self._rescan_s)
        self._unnamed = unnamed
        return min(until_rescan_s, self._retry_s)


def _now_s() -> float:
    return asyncio.get_running_loop().time()
