"""Takes events into history: each once, all of a batch or nothing.

Owns the one transaction that stores a batch's events, writes the sightings they belong to anew, notes the node as
heard of, and marks the jobs whose runs are now stale. Idempotent by (node, event id): a batch that comes twice changes
nothing the second time. Fed by `ingest`; `refresh` works off what it marks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple, TypeVar

import msgspec
from sqlalchemy import ColumnElement, Table, and_, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from slurmlens.clock import NS_PER_S
from slurmlens.events import KIND_OF, AnyEvent, EventKind, JobProfile, JobSummary, NodeHeartbeat
from slurmlens.hub.history import schema
from slurmlens.hub.history.drops import keep_drops
from slurmlens.hub.history.facts import ClosedReason
from slurmlens.hub.history.sighting_rows import Row, SightingEvent, facts_of, is_sighting_event, job_id_of, moved_facts
from slurmlens.hub.history.store import Store, StoreError
from slurmlens.wire import ecs

CHUNK = 400
"""Values in one IN list: databases limit the parameters of a statement."""

BOOT_PATIENCE_S = 150.0
"""How long no heartbeat of the boot that is known has come before one whose clock is older is believed."""

_Item = TypeVar("_Item")
_encoder = msgspec.json.Encoder()


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
                    writer = _NodeWriter(self._store, connection, cluster, node, batch.received_ns)
                    new += await writer.write(own)
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


class _NodeWriter:
    """One node's part of a batch, inside the transaction."""

    def __init__(self, store: Store, connection: AsyncConnection, cluster: str, node: str, received_ns: int) -> None:
        self._upsert = store.upsert
        self._connection = connection
        self._cluster = cluster
        self._node = node
        self._received_ns = received_ns

    async def write(self, events: Sequence[AnyEvent]) -> list[AnyEvent]:
        """Stores what is new and returns it."""
        beats = [event for event in events if isinstance(event, NodeHeartbeat)]
        await keep_drops(self._connection, self._upsert, events)
        told = {event.id: event for event in events if is_sighting_event(event)}
        known = await self._known(told)
        new = [event for event_id, event in told.items() if event_id not in known]
        if new:
            await self._store_events(new)
            await self._write_sightings(new)
        return [*new, *await self._hear(beats)]

    async def _known(self, ids: Collection[str]) -> set[str]:
        column = schema.events.c.id
        known: set[str] = set()
        for chunk in chunks(ids):
            found = await self._connection.execute(select(column).where(self._mine(schema.events), column.in_(chunk)))
            known.update(found.scalars())
        return known

    async def _store_events(self, new: Sequence[SightingEvent]) -> None:
        rows = [
            {
                "cluster": self._cluster,
                "node": self._node,
                "id": event.id,
                "kind": KIND_OF[type(event)].value,
                "job_id": job_id_of(event),
                "sighting": event.sighting,
                "boottime_ns": event.boottime_ns,
                "time_ns": event.time_ns,
                "received_ns": self._received_ns,
                "body": ecs.encode(event),
            }
            for event in new
        ]
        await self._connection.execute(insert(schema.events), rows)

    async def _write_sightings(self, new: Sequence[SightingEvent]) -> None:
        """Writes sightings anew. Profile deltas of one that is known only move its last sign: they come often."""
        fresh: dict[str, list[SightingEvent]] = {}
        for event in new:
            fresh.setdefault(event.sighting, []).append(event)
        rows = await self._rows(fresh)
        only_deltas = {key for key, own in fresh.items() if all(isinstance(event, JobProfile) for event in own)}
        told = await self._told(fresh.keys() - (only_deltas & rows.keys()))
        for key, own in fresh.items():
            deltas = [event for event in own if isinstance(event, JobProfile)]
            facts = {} if key not in told else facts_of([*told[key], *deltas])
            moved = moved_facts(facts, rows.get(key), own) | {"heard_ns": self._received_ns}
            if key in told:
                await self._put(schema.sightings, moved | {"sighting": key}, ("cluster", "node", "sighting"))
                was = rows[key]["job_id"] if key in rows else facts["job_id"]
                for job_id in sorted({was, facts["job_id"]}):  # two only where a node contradicts itself
                    await mark_stale(self._connection, self._upsert, self._cluster, job_id)
            else:
                await self._move(key, moved)
        late = {key for key in only_deltas & rows.keys() if rows[key]["summary_id"]}
        await self._drop_superfluous(_profile_starts(told | await self._told(late)))

    async def _rows(self, keys: Collection[str]) -> dict[str, Row]:
        table = schema.sightings
        rows: dict[str, Row] = {}
        for chunk in chunks(keys):
            found = await self._connection.execute(select(table).where(self._mine(table), table.c.sighting.in_(chunk)))
            rows.update({row["sighting"]: row for row in found.mappings()})
        return rows

    async def _told(self, keys: Collection[str]) -> dict[str, list[SightingEvent]]:
        """All events of these sightings but their deltas."""
        events = schema.events
        found: dict[str, list[SightingEvent]] = {key: [] for key in keys}
        for chunk in chunks(keys):
            query = select(events.c.sighting, events.c.body).where(
                self._mine(events), events.c.sighting.in_(chunk), events.c.kind != EventKind.JOB_PROFILE.value
            )
            for sighting, body in await self._connection.execute(query):
                event = ecs.decode(body)
                if is_sighting_event(event):
                    found[sighting].append(event)
        return found

    async def _move(self, key: str, values: dict[str, Any]) -> None:
        table = schema.sightings
        await self._connection.execute(update(table).where(self._mine(table), table.c.sighting == key).values(values))

    async def _drop_superfluous(self, profile_starts: Mapping[str, int]) -> None:
        """Empties the deltas that the summary's own profile contains: not those of before the daemon's restart."""
        events = schema.events
        for sighting, start_ns in profile_starts.items():
            contained = and_(
                self._mine(events),
                events.c.sighting == sighting,
                events.c.kind == EventKind.JOB_PROFILE.value,
                events.c.time_ns >= start_ns,
            )
            await self._connection.execute(update(events).where(contained).values(body=None))

    async def _hear(self, beats: Sequence[NodeHeartbeat]) -> list[AnyEvent]:
        """Notes that the node lives. A heartbeat counts if it is newer than the last one; it is not kept."""
        nodes = schema.nodes
        last = (await self._connection.execute(select(nodes).where(self._mine(nodes)))).mappings().first()
        row: dict[str, Any] = {"heard_ns": self._received_ns}
        known: Mapping[str, Any] = dict(last) if last else {}
        newer: list[NodeHeartbeat] = []
        for beat in beats:
            if _is_newer(beat, known, self._received_ns):
                newer.append(beat)
                row |= self._of_beat(beat)
                known = row
        await self._put(nodes, row, ("cluster", "node"))
        if newer:
            await self._open_again(newer[-1])
        return list(newer)

    async def _open_again(self, beat: NodeHeartbeat) -> None:
        """What a node lists runs there, whatever was concluded while it was silent; unless the scheduler ended it."""
        table = schema.sightings
        for chunk in chunks({sighting for _, sighting in beat.running}):
            listed = and_(
                self._mine(table),
                table.c.sighting.in_(chunk),
                table.c.closed_ns.is_not(None),
                table.c.end_ns.is_(None),
                table.c.closed_reason != ClosedReason.RUN_ENDED.value,
            )
            found = await self._connection.execute(select(table.c.job_id).where(listed))
            job_ids = sorted(set(found.scalars()))
            if job_ids:
                opened = update(table).where(listed).values(closed_ns=None, closed_reason=None)
                await self._connection.execute(opened)
            for job_id in job_ids:
                await mark_stale(self._connection, self._upsert, self._cluster, job_id)

    def _of_beat(self, beat: NodeHeartbeat) -> dict[str, object]:
        return {
            "beat_ns": beat.time_ns,
            "beat_heard_ns": self._received_ns,
            "boot_id": beat.boot_id,
            "boottime_ns": beat.boottime_ns,
            "version": beat.version,
            "interval_s": beat.interval_s,
            "skew_s": (beat.time_ns - self._received_ns) / NS_PER_S,
            "running": _encoder.encode(beat.running),
        }

    async def _put(self, table: Table, row: dict[str, object], key: tuple[str, ...]) -> None:
        values = {"cluster": self._cluster, "node": self._node} | row
        changes = {name: value for name, value in row.items() if name not in key}
        statement = self._upsert(table).values(values).on_conflict_do_update(index_elements=list(key), set_=changes)
        await self._connection.execute(statement)

    def _mine(self, table: Table) -> ColumnElement[bool]:
        return and_(table.c.cluster == self._cluster, table.c.node == self._node)


async def mark_stale(connection: AsyncConnection, upsert: Any, cluster: str, job_id: int) -> None:
    """Notes that a job's runs are to be made anew."""
    values = {"cluster": cluster, "job_id": job_id}
    await connection.execute(upsert(schema.stale_jobs).values(values).on_conflict_do_nothing())


def chunks(values: Collection[_Item]) -> Iterator[list[_Item]]:
    """Values in lists short enough for one statement."""
    ordered = list(values)
    for begin in range(0, len(ordered), CHUNK):
        yield ordered[begin : begin + CHUNK]


def _by_node(events: Iterable[AnyEvent]) -> Iterator[tuple[tuple[str, str], list[AnyEvent]]]:
    def place(event: AnyEvent) -> tuple[str, str]:
        return event.cluster, event.node

    for key, own in groupby(sorted(events, key=place), key=place):
        yield key, list(own)


def _profile_starts(told: Mapping[str, Sequence[SightingEvent]]) -> dict[str, int]:
    """When the profile begins that a sighting's summary holds. One without leaves the deltas: they are all there is."""
    return {
        key: event.profile.start_ns
        for key, events in told.items()
        for event in events
        if isinstance(event, JobSummary) and event.profile is not None
    }


def _is_newer(beat: NodeHeartbeat, known: Mapping[str, Any], received_ns: int) -> bool:
    """Whether a heartbeat tells more than the last one that is `known`.

    Boots are told apart by the node's clock, and where that is wrong by patience: an old boot's heartbeat may come
    again for a moment, a new boot's keep coming.
    """
    if known.get("boot_id") is None:
        return True
    if known["boot_id"] == beat.boot_id:
        return beat.boottime_ns > int(known["boottime_ns"])
    silent_s = (received_ns - known["beat_heard_ns"]) / NS_PER_S
    return beat.time_ns > int(known["beat_ns"]) or silent_s > BOOT_PATIENCE_S
