"""Stores what nodes told of their sightings, each event once, and writes those sightings anew.

Owns the tables `events` and, but for what was concluded of them, `sightings`; what a sighting's events add up to is
`sighting_rows`'. Idempotent by (node, event id). Profile deltas come often, so one of a sighting that is known only
moves its last sign; those that a summary contains lose their bodies. Fed by `apply`, inside its transaction; `refresh`
works off the jobs that are marked.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import and_, insert, select, update

from slurmlens.events import KIND_OF, EventKind, JobProfile, JobSummary
from slurmlens.hub.database import tables as schema
from slurmlens.hub.database.statements import NodeRows, chunks
from slurmlens.hub.history.record.sighting_rows import (
    Row,
    SightingEvent,
    facts_of,
    is_sighting_event,
    job_id_of,
    moved_facts,
)
from slurmlens.wire import ecs

_KEY = ("cluster", "node", "sighting")


class SightingWriter:
    """The sightings of one node, inside a transaction."""

    def __init__(self, own: NodeRows) -> None:
        self._own = own
        self._connection = own.connection

    async def write(self, events: Sequence[SightingEvent]) -> list[SightingEvent]:
        """Stores what is new and returns it."""
        told = {event.id: event for event in events}
        known = await self._known(told)
        new = [event for event_id, event in told.items() if event_id not in known]
        if new:
            await self._store_events(new)
            await self._write_sightings(new)
        return new

    async def _known(self, ids: Collection[str]) -> set[str]:
        column = schema.events.c.id
        known: set[str] = set()
        for chunk in chunks(ids):
            query = select(column).where(self._own.of(schema.events), column.in_(chunk))
            known.update((await self._connection.execute(query)).scalars())
        return known

    async def _store_events(self, new: Sequence[SightingEvent]) -> None:
        rows = [
            {
                "cluster": self._own.cluster,
                "node": self._own.node,
                "id": event.id,
                "kind": KIND_OF[type(event)].value,
                "job_id": job_id_of(event),
                "sighting": event.sighting,
                "boottime_ns": event.boottime_ns,
                "time_ns": event.time_ns,
                "received_ns": self._own.received_ns,
                "body": ecs.encode(event),
            }
            for event in new
        ]
        await self._connection.execute(insert(schema.events), rows)

    async def _write_sightings(self, new: Sequence[SightingEvent]) -> None:
        fresh: dict[str, list[SightingEvent]] = {}
        for event in new:
            fresh.setdefault(event.sighting, []).append(event)
        rows = await self._rows(fresh)
        only_deltas = {key for key, own in fresh.items() if all(isinstance(event, JobProfile) for event in own)}
        told = await self._told(fresh.keys() - (only_deltas & rows.keys()))
        for key, own in fresh.items():
            await self._write_sighting(key, rows.get(key), told.get(key), own)
        late = {key for key in only_deltas & rows.keys() if rows[key]["summary_id"]}
        await self._drop_superfluous(_profile_starts(told | await self._told(late)))

    async def _write_sighting(
        self, key: str, row: Row | None, told: Sequence[SightingEvent] | None, new: Sequence[SightingEvent]
    ) -> None:
        """Writes one sighting; `told` is all that is known of it but deltas, None where only its last sign moves."""
        deltas = [event for event in new if isinstance(event, JobProfile)]
        facts = {} if told is None else facts_of([*told, *deltas])
        moved = moved_facts(facts, row, new) | {"heard_ns": self._own.received_ns}
        if told is None:
            await self._move(key, moved)
            return
        await self._own.put(schema.sightings, moved | {"sighting": key}, _KEY)
        was = row["job_id"] if row else facts["job_id"]
        for job_id in sorted({was, facts["job_id"]}):  # two only where a node contradicts itself
            await self._own.mark_stale(job_id)

    async def _rows(self, keys: Collection[str]) -> dict[str, Row]:
        table = schema.sightings
        rows: dict[str, Row] = {}
        for chunk in chunks(keys):
            query = select(table).where(self._own.of(table), table.c.sighting.in_(chunk))
            rows.update({row["sighting"]: row for row in (await self._connection.execute(query)).mappings()})
        return rows

    async def _told(self, keys: Collection[str]) -> dict[str, list[SightingEvent]]:
        """All events of these sightings but their deltas."""
        events = schema.events
        found: dict[str, list[SightingEvent]] = {key: [] for key in keys}
        for chunk in chunks(keys):
            query = select(events.c.sighting, events.c.body).where(
                self._own.of(events), events.c.sighting.in_(chunk), events.c.kind != EventKind.JOB_PROFILE.value
            )
            for sighting, body in await self._connection.execute(query):
                event = ecs.decode(body)
                if is_sighting_event(event):
                    found[sighting].append(event)
        return found

    async def _move(self, key: str, values: dict[str, Any]) -> None:
        table = schema.sightings
        moved = update(table).where(self._own.of(table), table.c.sighting == key).values(values)
        await self._connection.execute(moved)

    async def _drop_superfluous(self, profile_starts: Mapping[str, int]) -> None:
        """Empties the deltas that the summary's own profile contains: not those of before the daemon's restart."""
        events = schema.events
        for sighting, start_ns in profile_starts.items():
            contained = and_(
                self._own.of(events),
                events.c.sighting == sighting,
                events.c.kind == EventKind.JOB_PROFILE.value,
                events.c.time_ns >= start_ns,
            )
            await self._connection.execute(update(events).where(contained).values(body=None))


def _profile_starts(told: Mapping[str, Sequence[SightingEvent]]) -> dict[str, int]:
    """When the profile begins that a sighting's summary holds. One without leaves the deltas: they are all there is."""
    return {
        key: event.profile.start_ns
        for key, events in told.items()
        for event in events
        if isinstance(event, JobSummary) and event.profile is not None
    }
