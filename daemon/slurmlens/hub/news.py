"""Who watches which job, and what they are told: publish and subscribe inside one hub process.

Owns the watches and what is known of which jobs run on which node. Fed by `ingest` and the reconcile task (what
changed); feeds `web`'s server-sent events and the answer to nodes (how often profile deltas are wanted).

Invariants: publishing never waits; a watch's queue is bounded, and one that overflows is emptied and told RESYNC once,
so a slow browser costs bounded memory and sees the truth again by reading anew. Lives on one event loop, keeps nothing.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import contextmanager

import msgspec

from slurmlens.config.hub import HubProfileConfig
from slurmlens.events import Profile
from slurmlens.hub.access.viewer import Viewer

QUEUE_CHANGES = 256
LOOKED_S = 60.0
"""How long somebody who asked once (a terminal, a program) counts as somebody who looks."""


class ChangeKind(enum.Enum):
    """VIEW: read the job's facts again. POINTS: the profile grew by what is attached. RESYNC: changes were lost."""

    VIEW = "view"
    POINTS = "points"
    RESYNC = "resync"


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that changed about one job; `node` and `profile` come with POINTS."""

    kind: ChangeKind
    job_id: int
    node: str | None = None
    profile: Profile | None = None


class NewsWatch:
    """One reader's view of the changes of one job (or of all, where `job_id` is None); an async iterator of `Change`.

    Ends when the hub closes. Leaving the `with` block of `Live.watch` forgets it.
    """

    def __init__(self, job_id: int | None, size: int = QUEUE_CHANGES) -> None:
        self.job_id = job_id
        self._size = size
        self._changes: list[Change] = []
        self._more = asyncio.Event()
        self._closed = False

    def offer(self, change: Change) -> None:
        """Takes a change if it is of this watch's job; never waits."""
        if self.job_id not in (None, change.job_id):
            return
        if len(self._changes) >= self._size:
            self._changes = [Change(kind=ChangeKind.RESYNC, job_id=change.job_id)]
        elif not (change.kind is ChangeKind.VIEW and change in self._changes):
            self._changes.append(change)
        self._more.set()

    def close(self) -> None:
        """Lets the reader finish what is queued, then ends its iteration."""
        self._closed = True
        self._more.set()

    def __aiter__(self) -> AsyncIterator[Change]:
        return self

    async def __anext__(self) -> Change:
        while not self._changes:
            if self._closed:
                raise StopAsyncIteration
            self._more.clear()
            await self._more.wait()
        return self._changes.pop(0)


class Live:
    """All watches of this hub process."""

    def __init__(self, settings: HubProfileConfig, queue_changes: int = QUEUE_CHANGES) -> None:
        self._settings = settings
        self._queue_changes = queue_changes
        self._watches: set[NewsWatch] = set()
        self._running: dict[str, frozenset[int]] = {}
        self._looked: dict[int, float] = {}
        self._closed = False

    @contextmanager
    def watch(self, viewer: Viewer, job_id: int | None) -> Iterator[NewsWatch]:
        """A watch of one job's changes, or of every job's with None, until the block is left.

        The viewer has read the job before: a change tells nothing but that it is to be read again, or bins of it.
        """
        watch = NewsWatch(job_id, self._queue_changes)
        if self._closed:
            watch.close()
        self._watches.add(watch)
        try:
            yield watch
        finally:
            self._watches.discard(watch)

    def looked(self, viewer: Viewer, job_id: int) -> None:
        """The viewer has asked for a job once; its nodes shall send what is new for a while, as for a live page."""
        now_s = asyncio.get_running_loop().time()
        self._looked.pop(job_id, None)
        self._looked = {other: until_s for other, until_s in self._looked.items() if until_s > now_s}
        self._looked[job_id] = now_s + LOOKED_S

    def publish(self, change: Change) -> None:
        """Tells every watch that cares."""
        for watch in self._watches:
            watch.offer(change)

    def is_watched(self, job_id: int) -> bool:
        """Whether somebody would be told of a change of this job."""
        return any(watch.job_id in (None, job_id) for watch in self._watches)

    def runs_on(self, node: str, job_ids: Collection[int]) -> None:
        """Replaces what is known of the jobs on a node (its heartbeat lists them)."""
        self._running[node] = frozenset(job_ids)

    def started_on(self, node: str, job_id: int) -> None:
        """Adds a job to a node between two heartbeats."""
        self._running[node] = self._running.get(node, frozenset()) | {job_id}

    def wanted_interval_s(self, node: str) -> float:
        """How often this node shall send what is new of its jobs' profiles now."""
        watched = {watch.job_id for watch in self._watches}
        if self._looked:
            now_s = asyncio.get_running_loop().time()
            watched.update(job_id for job_id, until_s in self._looked.items() if until_s > now_s)
        is_watched = not watched.isdisjoint(self._running.get(node, frozenset()))
        return self._settings.live_interval_s if is_watched else self._settings.idle_interval_s

    @property
    def watcher_count(self) -> int:
        """How many readers are there now."""
        return len(self._watches)

    def close(self) -> None:
        """Ends every watch, now and to come: the hub stops."""
        self._closed = True
        for watch in self._watches:
            watch.close()
