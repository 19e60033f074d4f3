"""Stores what nodes sent, in bulk: bodies as they came, a small row for each event, sightings folded, runs concluded.

Owns `batches`, `events` and the fact columns of `sightings`. All requests of one commit share some fourteen statements.
Invariants: each event once, by its sighting and its id, whatever comes twice; all of a request or nothing; what is
stored of an event is the line that its node sent, fields of a newer release among it. Runs in the writer's thread, in
the transaction that `applying` opens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from slurmlens.events import EventKind, LinesDropped, NodeHeartbeat, Witness
from slurmlens.hub.database.bulk import Transaction
from slurmlens.hub.history import tables as schema
from slurmlens.hub.history.conclude.closing import opens_again, told_more
from slurmlens.hub.history.facts import BY_THE_SCHEDULERS_SILENCE, ClosedReason
from slurmlens.hub.history.record.concluding import Concluded, Concluder, JobKey
from slurmlens.hub.history.record.drops import keep_drops
from slurmlens.hub.history.record.node_beats import SightingName
from slurmlens.hub.history.record.numbers import RowNumbers
from slurmlens.hub.history.record.recent_profiles import RecentProfiles
from slurmlens.hub.history.record.sighting_fold import NO_FACTS, FactRow, fold, is_sighting_event
from slurmlens.wire.received import (
    ReceivedEvent,
    ReceivedLine,
    ReceivedProfile,
    ReceivedSummary,
    SightingEvent,
)

KINDS: tuple[EventKind, ...] = (
    EventKind.JOB_START,
    EventKind.JOB_END,
    EventKind.JOB_PROFILE,
    EventKind.JOB_SUMMARY,
)
"""By the number that stands in `events.kind`."""

WITNESSES: tuple[Witness, ...] = (Witness.HOOK, Witness.CGROUP)
"""By the number that stands in `events.witness`."""

_KIND_NUMBERS = {kind: number for number, kind in enumerate(KINDS)}
_WITNESS_NUMBERS = {witness: number for number, witness in enumerate(WITNESSES)}
_EVENT_COLUMNS = tuple(column.name for column in schema.events.columns)
_NAME = ("cluster", "node", "sighting")


class Request(NamedTuple):
    """What one request brought: its lines as they were sent, and those of them that are taken.

    `profiles` are the columns that came packed beside the lines.
    """

    body: bytes
    encoding: str
    lines: Sequence[ReceivedLine]
    received_ns: int
    profiles: bytes = b""


class Keeper(NamedTuple):
    """What a room above keeps of events of these types, in this room's transaction: the ids of those that were new."""

    types: tuple[type[ReceivedEvent], ...]
    keep: Callable[[Transaction, Sequence[Any]], set[str]]


class Stored(NamedTuple):
    """What a commit did: for each of its requests the events that were new, and the jobs that were concluded."""

    new: list[list[ReceivedEvent]]
    concluded: Concluded


@dataclass(slots=True)
class _Placed:
    """A sighting's event and the place of its line."""

    request: int
    batch: int
    line: int
    event: SightingEvent
    name: SightingName


@dataclass(slots=True)
class _Sightings:
    """Rows of the sightings that a commit touches, by name, and the jobs they were of before."""

    rows: dict[SightingName, FactRow] = field(default_factory=dict)
    jobs: set[JobKey] = field(default_factory=set)


class Storing:
    """Stores requests; lives in the writer's thread."""

    def __init__(
        self, numbers: RowNumbers, concluder: Concluder, recent: RecentProfiles, keepers: Sequence[Keeper]
    ) -> None:
        self._numbers = numbers
        self._recent = recent
        self._concluder = concluder
        self._keepers = tuple(keepers)

    def store(
        self, transaction: Transaction, requests: Sequence[Request], to_open: Iterable[SightingName] = ()
    ) -> Stored:
        """Stores what is new of these requests, and opens sightings again that a heartbeat listed."""
        batches = [self._numbers.next("batches") for _ in requests]
        placed = _placed(requests, batches)
        sightings = self._sightings(transaction, placed)
        new = _insert_events(transaction, placed, sightings)
        now_ns = max((request.received_ns for request in requests), default=0)
        self._store_bodies(transaction, requests, batches, {one.batch for one in new})
        _store_drops(transaction, requests)
        _fold_new(transaction, requests, new, sightings)
        opened = _open_again(transaction, to_open)
        keys = sightings.jobs | opened
        concluded = self._concluder.conclude_or_mark(transaction, keys, now_ns) if keys else Concluded()
        by_request: list[list[ReceivedEvent]] = [[] for _ in requests]
        for one in new:
            by_request[one.request].append(one.event)
        for keeper in self._keepers:
            _store_told(keeper, transaction, requests, by_request)
        return Stored(by_request, concluded)

    def _store_bodies(
        self, transaction: Transaction, requests: Sequence[Request], batches: Sequence[int], with_news: set[int]
    ) -> None:
        rows, beside = [], []
        for request, batch in zip(requests, batches, strict=True):
            if batch in with_news:
                rows.append((batch, request.received_ns, request.encoding, request.body))
                self._recent.keep(batch, request.lines)
                if request.profiles:
                    beside.append((batch, request.profiles))
        transaction.insert_new(schema.batches, ("id", "received_ns", "encoding", "body"), rows)
        transaction.insert_new(schema.packed_profiles, ("batch", "profiles"), beside)

    def _sightings(self, transaction: Transaction, placed: Sequence[_Placed]) -> _Sightings:
        """The sightings' rows; one that was never heard of gets its number here."""
        sightings = _Sightings()
        names = dict.fromkeys(one.name for one in placed)
        for row in transaction.find_rows(schema.sightings, _NAME, names):
            sightings.rows[SightingName(row["cluster"], row["node"], row["sighting"])] = row
        for name in names:
            if name not in sightings.rows:
                sightings.rows[name] = {
                    "rid": self._numbers.next("sightings"),
                    **name._asdict(),
                    "job_id": None,
                    "heard_ns": None,
                    **NO_FACTS,
                }
        return sightings


def _store_told(
    keeper: Keeper, transaction: Transaction, requests: Sequence[Request], new: Sequence[list[ReceivedEvent]]
) -> None:
    told = [
        (index, event)
        for index, request in enumerate(requests)
        for _, event in request.lines
        if isinstance(event, keeper.types)
    ]
    ids = keeper.keep(transaction, [event for _, event in told]) if told else set()
    for index, event in told:
        if event.id in ids:
            new[index].append(event)


def _placed(requests: Sequence[Request], batches: Sequence[int]) -> list[_Placed]:
    return [
        _Placed(index, batch, number, event, SightingName(event.cluster, event.node, event.sighting))
        for index, (request, batch) in enumerate(zip(requests, batches, strict=True))
        for number, event in request.lines
        if is_sighting_event(event)
    ]


def _insert_events(transaction: Transaction, placed: list[_Placed], sightings: _Sightings) -> list[_Placed]:
    """Inserts the events' rows; returns those that were new.

    All are new nearly always, and the number of inserted rows says so. Else the rows themselves say it: one that does
    not stand where this commit put it was there before.
    """
    rows = [_event_row(one, sightings.rows[one.name]["rid"]) for one in placed]
    if transaction.insert_new(schema.events, _EVENT_COLUMNS, rows) == len(rows):
        return placed
    keys = {row[:2] for row in rows}
    found = transaction.find(schema.events, ("sighting", "id", "batch", "line"), ("sighting", "id"), keys)
    place = {(sighting, event_id): (batch, line) for sighting, event_id, batch, line in found}
    return [one for one, row in zip(placed, rows, strict=True) if place[row[0], row[1]] == (one.batch, one.line)]


def _event_row(one: _Placed, rid: int) -> tuple[Any, ...]:
    event = one.event
    if isinstance(event, ReceivedProfile):
        kind, witness = EventKind.JOB_PROFILE, None
    elif isinstance(event, ReceivedSummary):
        kind, witness = EventKind.JOB_SUMMARY, None
    else:
        kind = EventKind(event.__struct_config__.tag)
        witness = _WITNESS_NUMBERS[event.witness]
    return rid, event.id, _KIND_NUMBERS[kind], witness, event.boottime_ns, event.time_ns, one.batch, one.line


def _store_drops(transaction: Transaction, requests: Sequence[Request]) -> None:
    notices = [event for request in requests for _, event in request.lines if isinstance(event, LinesDropped)]
    if notices:
        keep_drops(transaction, notices)


def _fold_new(
    transaction: Transaction, requests: Sequence[Request], new: Iterable[_Placed], sightings: _Sightings
) -> None:
    """Takes the new events into their sightings and writes those."""
    by_name: dict[SightingName, list[_Placed]] = {}
    for one in new:
        by_name.setdefault(one.name, []).append(one)
    for name, own in by_name.items():
        row = sightings.rows[name]
        jobs = {row["job_id"]}
        fold(row, [one.event for one in own], max(requests[one.request].received_ns for one in own))
        is_opened = _open_by_news(row)
        if is_opened or jobs != {row["job_id"]} or not all(isinstance(one.event, ReceivedProfile) for one in own):
            jobs.add(row["job_id"])  # two only where a node contradicts itself
            sightings.jobs.update(JobKey(name.cluster, job_id) for job_id in jobs if job_id is not None)
    transaction.put(schema.sightings, ("rid",), [_ordered(sightings.rows[name]) for name in by_name])


_SIGHTING_COLUMNS = tuple(column.name for column in schema.sightings.columns)


def _ordered(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in _SIGHTING_COLUMNS}


def _open_again(transaction: Transaction, names: Iterable[SightingName]) -> set[JobKey]:
    """What a node lists runs there, whatever was concluded while it was silent; unless `opens_again` says otherwise."""
    closed = [row for row in transaction.find_rows(schema.sightings, _NAME, names) if _is_closed_without_end(row)]
    opened = [row for row in closed if opens_again(ClosedReason(row["closed_reason"]), told_more=_told_more(row))]
    changes = [{"rid": row["rid"], "closed_ns": None, "closed_reason": None} for row in opened]
    transaction.change(schema.sightings, ("rid",), changes)
    return {JobKey(row["cluster"], row["job_id"]) for row in opened}


def _open_by_news(row: FactRow) -> bool:
    """Opens a sighting of which its node tells more, although the scheduler forgot its run or never knew it."""
    if not _is_closed_without_end(row) or ClosedReason(row["closed_reason"]) not in BY_THE_SCHEDULERS_SILENCE:
        return False
    row["closed_ns"] = row["closed_reason"] = None
    return True


def _is_closed_without_end(row: Mapping[str, Any]) -> bool:
    return row["closed_ns"] is not None and row["end_ns"] is None


def _told_more(row: Mapping[str, Any]) -> bool:
    return told_more(row["first_boottime_ns"], row["last_boottime_ns"])


def beats_of(lines: Iterable[ReceivedLine]) -> list[NodeHeartbeat]:
    """The heartbeats among these lines."""
    return [event for _, event in lines if isinstance(event, NodeHeartbeat)]
