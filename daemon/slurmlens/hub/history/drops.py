"""What nodes had to give up: every total that a node told, once, and how much of it falls into a time.

Owns the table `drops`. A node's notice repeats all its totals, and totals only grow; so a total is stored when it is
first told, one that comes again or too late changes nothing, and what was given up between two notices is the
difference of two rows. Written by `apply`; read by `job_reader` and `queries`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from slurmlens.events import AnyEvent, DroppedLines, LinesDropped
from slurmlens.hub.history import schema
from slurmlens.hub.history.facts import DroppedEvents

Row = Mapping[str, Any]

_EVENTS = "events"
_CHUNK = 400


async def keep_drops(connection: AsyncConnection, upsert: Any, events: Iterable[AnyEvent]) -> None:
    """Stores the totals that notices among these events tell."""
    rows = [
        {
            "cluster": event.cluster,
            "node": event.node,
            "stream": told.stream,
            "reason": told.reason,
            "since_ns": told.since_ns,
            "lines": told.lines,
            "told_ns": event.time_ns,
        }
        for event in events
        if isinstance(event, LinesDropped)
        for told in event.dropped
        if told.lines
    ]
    if rows:
        await connection.execute(upsert(schema.drops).on_conflict_do_nothing(), rows)


async def dropped_totals(connection: AsyncConnection) -> dict[tuple[str, str], tuple[DroppedLines, ...]]:
    """The newest totals by cluster and node."""
    table = schema.drops
    kind = (table.c.cluster, table.c.node, table.c.stream, table.c.reason, table.c.since_ns)
    query = select(*kind, func.max(table.c.lines)).group_by(*kind).order_by(*kind)
    found: dict[tuple[str, str], list[DroppedLines]] = {}
    for cluster, node, stream, reason, since_ns, lines in await connection.execute(query):
        told = DroppedLines(stream=stream, reason=reason, since_ns=since_ns, lines=lines)
        found.setdefault((cluster, node), []).append(told)
    return {place: tuple(told) for place, told in found.items()}


async def dropped_events(connection: AsyncConnection, cluster: str, nodes: Collection[str]) -> dict[str, list[Row]]:
    """Everything that these nodes ever told of events given up."""
    table, names = schema.drops, list(nodes)
    found: dict[str, list[Row]] = {}
    for begin in range(0, len(names), _CHUNK):
        query = select(table).where(table.c.cluster == cluster, table.c.node.in_(names[begin : begin + _CHUNK]))
        for row in (await connection.execute(query.where(table.c.stream == _EVENTS))).mappings():
            found.setdefault(row["node"], []).append(dict(row))
    return found


def dropped_within(rows: Sequence[Row], start_ns: int, end_ns: int) -> DroppedEvents | None:
    """What one node gave up in a time, as closely as its notices tell: from the one before to the one that says it."""
    lines, begins, ends = 0, [], []
    last: dict[tuple[str, int], Row] = {}
    for row in sorted(rows, key=lambda row: (row["since_ns"], row["lines"])):
        kind = (row["reason"], row["since_ns"])
        before = last.get(kind)
        last[kind] = row
        from_ns = min(row["since_ns"] if before is None else before["told_ns"], row["told_ns"])
        if from_ns <= end_ns and row["told_ns"] >= start_ns:
            lines += row["lines"] - (0 if before is None else before["lines"])
            begins.append(from_ns)
            ends.append(row["told_ns"])
    return DroppedEvents(lines=lines, from_ns=min(begins), until_ns=max(ends)) if lines else None
