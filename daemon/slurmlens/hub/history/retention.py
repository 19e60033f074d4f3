"""What of history ages, and in which steps: bodies, then fine courses, then events' rows, then coarse courses.

Owns the order in which a sighting loses detail (`Detail`, in `sightings.detail`) and which rows go with each step.
Invariants: runs, their nodes, the scheduler's records and the sightings that they follow from are never touched, so
that whatever is concluded anew comes out the same; a body goes only after its profiles were packed; a sighting ages
from when the hub last heard of it, by the hub's own clock, and not before it is over; an event that comes after all
gives it all detail again, and it ages anew. `database.retention` takes the steps.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, select

from slurmlens.config.retention import RetentionConfig
from slurmlens.errors import DecodeError
from slurmlens.hub.database.bulk import Transaction
from slurmlens.hub.database.pieces import pieces_of
from slurmlens.hub.database.retention import AgingKind, DueItems
from slurmlens.hub.history import tables as schema
from slurmlens.hub.history.facts import Detail
from slurmlens.hub.history.profiles import blob
from slurmlens.hub.history.profiles.coarse import coarsen
from slurmlens.hub.history.record.packing import PACKED

DAY_S = 86_400
MOST_COURSES = 32
"""Courses made coarse in one step: about a millisecond each, in a reader's thread."""


def kinds_of_history(settings: RetentionConfig) -> list[AgingKind]:
    """All that ages, each with its own age."""
    return [
        AgedBodies(settings.bodies_days * DAY_S),
        FineCourses(settings.profiles_days * DAY_S),
        AgedEvents(settings.events_days * DAY_S),
        CoarseCourses(settings.coarse_profiles_days * DAY_S),
    ]


class AgedBodies:
    """Requests as nodes sent them."""

    name = "bodies"

    def __init__(self, kept_s: float) -> None:
        self.kept_s = kept_s

    def due(self, connection: Connection, before_ns: int, most: int) -> DueItems | None:
        """The oldest, as far as their profiles are packed."""
        batches, marks = schema.batches, schema.marks
        packed = connection.execute(select(marks.c.value).where(marks.c.name == PACKED)).scalar() or 0
        query = (
            select(batches.c.id, batches.c.received_ns)
            .where(batches.c.received_ns < before_ns, batches.c.id <= packed)
            .order_by(batches.c.received_ns)
            .limit(most)
        )
        found = connection.execute(query).all()
        return DueItems([(row.id,) for row in found], found[0].received_ns) if found else None

    def remove(self, transaction: Transaction, items: Sequence[Any]) -> int:
        """A body never changes."""
        transaction.take_away(schema.batches, ("id",), items)
        return len(items)


class _Aging(NamedTuple):
    """A sighting that loses a step of detail; it is left alone where it was heard of since."""

    rid: int
    heard_ns: int


class _Coarse(NamedTuple):
    """A sighting and its course as it is kept from now on; None where it has none, or one that cannot be read."""

    sighting: _Aging
    course: bytes | None


class FineCourses:
    """Courses as finely as nodes sent them, with the pieces that were never folded."""

    name = "fine profiles"

    def __init__(self, kept_s: float) -> None:
        self.kept_s = kept_s

    def due(self, connection: Connection, before_ns: int, most: int) -> DueItems | None:
        """The oldest, made coarse here."""
        aging = _aging(connection, Detail.ALL, before_ns, min(most, MOST_COURSES))
        if not aging:
            return None
        blobs = _blobs(connection, [one.rid for one in aging])
        return DueItems([_Coarse(one, _made_coarse(blobs[one.rid])) for one in aging], aging[0].heard_ns)

    def remove(self, transaction: Transaction, items: Sequence[Any]) -> int:
        """Puts the coarse course in the place of the fine one."""
        still = _still(transaction, [one.sighting for one in items], Detail.ALL)
        made = [one for one in items if one.sighting in still and one.course is not None]
        transaction.put(
            schema.courses, ("sighting",), [{"sighting": one.sighting.rid, "course": one.course} for one in made]
        )
        transaction.take_away(schema.course_pieces, ("sighting",), [(one.rid,) for one in still])
        _lower(transaction, still, Detail.COARSE)
        return len(made)


class _EventsDue(NamedTuple):
    """Keys of events' rows, and the sightings that have no others."""

    keys: list[tuple[Any, ...]]
    sightings: list[_Aging]
    done: list[_Aging]


class AgedEvents:
    """Events' rows."""

    name = "events"

    def __init__(self, kept_s: float) -> None:
        self.kept_s = kept_s

    def due(self, connection: Connection, before_ns: int, most: int) -> DueItems | None:
        """Events of the oldest sightings; one of very many events is gone through in several steps."""
        aging = _aging(connection, Detail.COARSE, before_ns, most)
        if not aging:
            return None
        events = schema.events
        keys: list[tuple[Any, ...]] = []
        for piece in pieces_of(sorted(one.rid for one in aging)):
            query = select(events.c.sighting, events.c.id).where(events.c.sighting.in_(piece))
            query = query.order_by(events.c.sighting, events.c.id).limit(most - len(keys))
            keys += (tuple(row) for row in connection.execute(query))
            if len(keys) >= most:
                break
        reached = keys[-1][0] if len(keys) >= most else None
        done = [one for one in aging if reached is None or one.rid < reached]
        return DueItems([_EventsDue(keys, aging, done)], aging[0].heard_ns)

    def remove(self, transaction: Transaction, items: Sequence[Any]) -> int:
        """Takes the rows away; what the sighting adds up to stays."""
        (due,) = items
        still = _still(transaction, due.sightings, Detail.COARSE)
        rids = {one.rid for one in still}
        keys = [key for key in due.keys if key[0] in rids]
        transaction.take_away(schema.events, ("sighting", "id"), keys)
        _lower(transaction, still.intersection(due.done), Detail.NO_EVENTS)
        return len(keys)


class CoarseCourses:
    """Courses that were made coarse."""

    name = "coarse profiles"

    def __init__(self, kept_s: float) -> None:
        self.kept_s = kept_s

    def due(self, connection: Connection, before_ns: int, most: int) -> DueItems | None:
        """The oldest."""
        aging = _aging(connection, Detail.NO_EVENTS, before_ns, most)
        return DueItems(aging, aging[0].heard_ns) if aging else None

    def remove(self, transaction: Transaction, items: Sequence[Any]) -> int:
        """Takes them away; totals and peaks stay in the sighting."""
        still = _still(transaction, items, Detail.NO_EVENTS)
        transaction.take_away(schema.courses, ("sighting",), [(one.rid,) for one in still])
        _lower(transaction, still, Detail.NO_COURSE)
        return len(still)


def _aging(connection: Connection, detail: Detail, before_ns: int, most: int) -> list[_Aging]:
    """Sightings that are over, have this much detail and were last heard of before that moment, the oldest first."""
    return [_Aging(*row) for row in connection.execute(aging_query(detail, before_ns, most))]


def aging_query(detail: Detail, before_ns: int, most: int) -> Select[Any]:
    """Its statement, in the words of the index `sightings_aging`."""
    sightings = schema.sightings
    return (
        select(sightings.c.rid, sightings.c.heard_ns)
        .where(schema.is_aging, sightings.c.detail == detail.value, sightings.c.heard_ns < before_ns)
        .order_by(sightings.c.heard_ns)
        .limit(most)
    )


def _still(transaction: Transaction, aging: Collection[_Aging], detail: Detail) -> set[_Aging]:
    """Those that nothing was heard of since they were read."""
    columns = ("rid", "heard_ns", "detail", "summary_id", "closed_ns")
    found = transaction.find(schema.sightings, columns, ("rid",), [(one.rid,) for one in aging])
    unchanged = {
        _Aging(rid, heard_ns)
        for rid, heard_ns, has_detail, summary_id, closed_ns in found
        if has_detail == detail.value and (summary_id is not None or closed_ns is not None)
    }
    return unchanged.intersection(aging)


def _lower(transaction: Transaction, sightings: Collection[_Aging], detail: Detail) -> None:
    changes = [{"rid": one.rid, "detail": detail.value} for one in sightings]
    transaction.change(schema.sightings, ("rid",), changes)


def _blobs(connection: Connection, sightings: Sequence[int]) -> dict[int, list[bytes]]:
    """The courses of sightings and the pieces that wait to be folded into them."""
    whole, waiting = schema.courses, schema.course_pieces
    found: dict[int, list[bytes]] = defaultdict(list)
    for query in (
        select(whole.c.sighting, whole.c.course).where(whole.c.sighting.in_(sightings)),
        select(waiting.c.sighting, waiting.c.piece).where(waiting.c.sighting.in_(sightings)),
    ):
        for rid, course in connection.execute(query):
            found[rid].append(course)
    return found


def _made_coarse(blobs: Sequence[bytes]) -> bytes | None:
    """One coarse course of them; None where there is nothing, or nothing that can be read."""
    try:
        return coarsen(blobs[0] if len(blobs) == 1 else blob.fold(blobs)) if blobs else None
    except DecodeError:
        return None
