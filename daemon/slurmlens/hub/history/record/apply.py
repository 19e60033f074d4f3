"""Takes events into history: each once, all of a batch or nothing.

Owns the transaction that stores a batch, and who shares it. What is stored of each event is others': `sighting_writer`,
`heartbeats`, `drops`. A batch that comes twice changes nothing the second time. Fed by `ingest`; `refresh` works off
the jobs that are marked stale on the way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from slurmlens.events import AnyEvent, LinesDropped, NodeHeartbeat
from slurmlens.hub.database import tables as schema
from slurmlens.hub.database.statements import NodeRows
from slurmlens.hub.database.store import Store, StoreError
from slurmlens.hub.history.record.drops import keep_drops
from slurmlens.hub.history.record.heartbeats import hear
from slurmlens.hub.history.record.sighting_rows import is_sighting_event
from slurmlens.hub.history.record.sighting_writer import SightingWriter


class Applied(NamedTuple):
    """What a batch did: the events that were new, and how many were known before."""

    new: tuple[AnyEvent, ...]
    known: int


class _Batch(NamedTuple):
    """A batch that waits to be stored."""

    events: Sequence[AnyEvent]
    received_ns: int
    applied: asyncio.Future[Applied]


class Applier:
    """The write side of history for events.

    Batches that wait at the same time share one transaction, hence one sync of the disk: whoever gets the turn stores
    everything that waits. Where that fails each is tried alone, so that none fails for another's sake.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._turn = asyncio.Lock()
        self._waiting: list[_Batch] = []

    async def apply(self, events: Sequence[AnyEvent], received_ns: int) -> Applied:
        """Stores what is new of a batch; StoreError where nothing of it was stored."""
        own = _Batch(events, received_ns, asyncio.get_running_loop().create_future())
        self._waiting.append(own)
        async with self._turn:
            if not own.applied.done():
                group, self._waiting = self._waiting, []
                await self._store_group(group)
        return own.applied.result()

    async def _store_group(self, group: Sequence[_Batch]) -> None:
        try:
            await self._store_together(group)
        except Exception as error:
            if len(group) == 1:
                group[0].applied.set_exception(error)
                return
            for batch in group:
                await self._store_group([batch])
        finally:
            for batch in group:  # only where this task was cancelled: whoever sent it shall send it again
                if not batch.applied.done():
                    batch.applied.set_exception(StoreError("storing was interrupted", reason="database"))

    async def _store_together(self, group: Sequence[_Batch]) -> None:
        news: list[tuple[AnyEvent, ...]] = []
        async with self._store.write() as connection:
            for batch in group:
                new: list[AnyEvent] = []
                for (cluster, node), own in _by_node(batch.events):
                    rows = NodeRows(connection, self._store.upsert, cluster, node, batch.received_ns)
                    new += await _store(rows, own)
                news.append(tuple(new))
        for batch, stored in zip(group, news, strict=True):
            batch.applied.set_result(Applied(stored, len(batch.events) - len(stored)))

    async def count_refusals(self, refusals: Mapping[str, int], now_ns: int) -> None:
        """Adds to the counts, by reason, of what was turned away since the database was made."""
        table = schema.refusals
        async with self._store.write() as connection:
            for reason, count in refusals.items():
                statement = self._store.upsert(table).values(reason=reason, count=count, last_ns=now_ns)
                more = {"count": table.c["count"] + count, "last_ns": now_ns}
                await connection.execute(statement.on_conflict_do_update(index_elements=["reason"], set_=more))


async def _store(rows: NodeRows, events: Sequence[AnyEvent]) -> list[AnyEvent]:
    """Stores one node's part of a batch; returns what was new of it."""
    await keep_drops(rows, [event for event in events if isinstance(event, LinesDropped)])
    new = await SightingWriter(rows).write([event for event in events if is_sighting_event(event)])
    return [*new, *await hear(rows, [event for event in events if isinstance(event, NodeHeartbeat)])]


def _by_node(events: Iterable[AnyEvent]) -> Iterator[tuple[tuple[str, str], list[AnyEvent]]]:
    def place(event: AnyEvent) -> tuple[str, str]:
        return event.cluster, event.node

    for key, own in groupby(sorted(events, key=place), key=place):
        yield key, list(own)
