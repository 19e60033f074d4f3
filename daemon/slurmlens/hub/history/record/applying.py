"""Takes requests into history: each event once, all of a request or nothing, answered when it is on the disk.

Owns which requests share a commit: those that wait while another commit is under way, and under load those of the next
few milliseconds. Where a commit fails each of its requests is tried alone, so that none fails for another's sake. A
request of heartbeats alone is answered at once: a heartbeat is superseded by the next. Fed by `intake`; what is done in
the transaction is `storing`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from slurmlens.events import NodeHeartbeat
from slurmlens.hub.database.bulk import Transaction
from slurmlens.hub.database.store import Store, StoreError
from slurmlens.hub.history import tables as schema
from slurmlens.hub.history.record.announcing import Announcer
from slurmlens.hub.history.record.concluding import Concluder
from slurmlens.hub.history.record.node_beats import NodeBeats, NodeName, SightingName
from slurmlens.hub.history.record.numbers import RowNumbers
from slurmlens.hub.history.record.recent_profiles import RecentProfiles
from slurmlens.hub.history.record.storing import Keeper, Request, Stored, Storing, beats_of
from slurmlens.wire.received import ReceivedEvent

GATHER_S = 0.01
"""How long a commit under load waits for more: ten lines a commit cost three times as much a line as a hundred."""

MOST_LINES = 2_000
"""A commit of more lines would keep the next ones waiting."""


class Applied(NamedTuple):
    """What a request did: the events that were new, and how many were known before."""

    new: tuple[ReceivedEvent, ...]
    known: int


class _Waiting(NamedTuple):
    """A request that waits to be stored."""

    request: Request
    applied: asyncio.Future[Applied]


class Applier:
    """The write side of history for events. Make it with `await Applier.load(…)`.

    `keepers` are what the rooms above do with what jobs and nodes reported, in the same transaction.
    """

    def __init__(self, store: Store, announcer: Announcer, keepers: Sequence[Keeper]) -> None:
        self._store = store
        self._announcer = announcer
        self._waiting: list[_Waiting] = []
        self._committing: asyncio.Task[None] | None = None
        self.numbers = RowNumbers()
        self.concluder = Concluder(self.numbers)
        self.beats = NodeBeats()
        self.recent_profiles = RecentProfiles(0) if store.is_shared else RecentProfiles()
        """Where several hubs write, one that failed to may have had another's number: bodies are read instead."""
        self._storing = Storing(self.numbers, self.concluder, self.recent_profiles, keepers)

    @classmethod
    async def load(cls, store: Store, announcer: Announcer, keepers: Sequence[Keeper]) -> Applier:
        """Goes on where the hub before stopped."""
        applier = cls(store, announcer, keepers)
        await store.read(applier.numbers.load)
        store.before_writing(applier.numbers.load)
        await store.read(applier.beats.load)
        return applier

    async def apply(self, request: Request) -> Applied:
        """Stores what is new of a request; StoreError where nothing of it was stored."""
        if not _is_to_be_stored(request, self.beats):
            newer = self._hear(request)
            self._announcer.events(newer)
            return Applied(tuple(newer), len(request.lines) - len(newer))
        waiting = _Waiting(request, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._committing is None or self._committing.done():
            self._committing = asyncio.create_task(self._commit_all())
        return await waiting.applied

    async def _commit_all(self) -> None:
        """Commits until nothing waits any more."""
        while self._waiting:
            group = self._next_group()
            await self._commit(group)
            if self._waiting:
                await asyncio.sleep(GATHER_S)

    def _next_group(self) -> list[_Waiting]:
        count = lines = 0
        while count < len(self._waiting) and (count == 0 or lines < MOST_LINES):
            lines += len(self._waiting[count].request.lines)
            count += 1
        group, self._waiting = self._waiting[:count], self._waiting[count:]
        return group

    async def _commit(self, group: Sequence[_Waiting]) -> None:
        try:
            stored = await self._store_together([waiting.request for waiting in group])
        except Exception as error:
            if len(group) == 1:
                _settle(group[0].applied, error=error)
                return
            for waiting in group:
                await self._commit([waiting])
            return
        except BaseException:
            for waiting in group:  # only where the hub stops: whoever sent it shall send it again
                _settle(waiting.applied, error=StoreError("storing was interrupted", reason="database"))
            raise
        for waiting, new in zip(group, stored.new, strict=True):
            beats = self._hear(waiting.request)
            known = len(waiting.request.lines) - len(new) - len(beats)
            applied = Applied((*new, *beats), known)
            _settle(waiting.applied, applied)
            self._announcer.events(applied.new)
        self._announcer.concluded(stored.concluded)

    async def _store_together(self, requests: Sequence[Request]) -> Stored:
        to_open: list[SightingName] = []
        for request in requests:
            to_open += self.beats.to_open_again(beats_of(request.lines))

        def work(transaction: Transaction) -> Stored:
            return self._storing.store(transaction, requests, to_open)

        stored = await self._store.write(work)
        self.beats.closed.difference_update(to_open)
        return stored

    def _hear(self, request: Request) -> list[NodeHeartbeat]:
        """Notes that the nodes of a request live; returns the heartbeats that were news."""
        by_node: dict[NodeName, list[NodeHeartbeat]] = {}
        for _, event in request.lines:
            own = by_node.setdefault(NodeName(event.cluster, event.node), [])
            if isinstance(event, NodeHeartbeat):
                own.append(event)
        newer: list[NodeHeartbeat] = []
        for place, beats in by_node.items():
            newer += self.beats.hear(place, request.received_ns, beats)
        return newer

    async def count_refusals(self, refusals: Mapping[str, int], now_ns: int) -> None:
        """Adds to the counts, by reason, of what was turned away since the database was made."""

        def work(transaction: Transaction) -> None:
            keys = [(reason,) for reason in refusals]
            found = transaction.find(schema.refusals, ("reason", "count"), ("reason",), keys)
            known: dict[str, int] = dict(found)
            rows = [
                {"reason": reason, "count": known.get(reason, 0) + count, "last_ns": now_ns}
                for reason, count in refusals.items()
            ]
            transaction.put(schema.refusals, ("reason",), rows)

        await self._store.write(work)


def _is_to_be_stored(request: Request, beats: NodeBeats) -> bool:
    """Whether a request says more than that its nodes live."""
    if any(not isinstance(event, NodeHeartbeat) for _, event in request.lines):
        return True
    return bool(beats.to_open_again(beats_of(request.lines)))


def _settle(future: asyncio.Future[Applied], applied: Applied | None = None, error: Exception | None = None) -> None:
    """Answers whoever waits, if somebody still does."""
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    elif applied is not None:
        future.set_result(applied)
