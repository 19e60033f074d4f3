"""What nodes had to give up: every total that a node told, once, and how much of it falls into a time.

Owns the table `drops`. A node's notice repeats all its totals, and totals only grow; so a total is stored when it is
first told, one that comes again or too late tells nothing else, and what was given up between two notices is the
difference of two rows. The rows of a node are bounded: where a total has too many, one is left of each piece of its
time, and always the greatest, so that the sum stays exact and what was when is told less closely. Written by `apply`;
read by `job_reader` and `queries`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import and_, delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from slurmlens.events import DroppedLines, LinesDropped
from slurmlens.hub.database import tables as schema
from slurmlens.hub.database.statements import NodeRows, chunks
from slurmlens.hub.history.facts import DroppedEvents

Row = Mapping[str, Any]

_EVENTS = "events"

COURSE_ROWS_MAX = 64
"""Rows of one total over time. Only the totals of events have a course: jobs ask when it was."""

KINDS_MAX = 128
"""Totals of one node, each for what, why and since when: a spool has about ten of them, and each new spool begins anew.
Beyond that the oldest are forgotten."""


class _Kind(NamedTuple):
    """What one total of a node counts; `since_ns` is when its spool began to count."""

    stream: str
    reason: str
    since_ns: int


async def keep_drops(own: NodeRows, notices: Iterable[LinesDropped]) -> None:
    """Stores the totals that these notices tell, and forgets what is more than `drops` may hold of the node."""
    rows: list[dict[str, Any]] = [
        {
            "cluster": own.cluster,
            "node": own.node,
            "stream": told.stream,
            "reason": told.reason,
            "since_ns": told.since_ns,
            "lines": told.lines,
            "told_ns": notice.time_ns,
        }
        for notice in notices
        for told in notice.dropped
        if told.lines
    ]
    if rows:
        await own.connection.execute(own.upsert(schema.drops).on_conflict_do_nothing(), rows)
        for kind in {_Kind(row["stream"], row["reason"], row["since_ns"]) for row in rows}:
            await _thin(own, kind)
        await _forget_oldest(own)


async def _thin(own: NodeRows, kind: _Kind) -> None:
    table, of_kind = schema.drops, _of(own, kind)
    query = select(table.c.lines, table.c.told_ns).where(of_kind).order_by(table.c.lines)
    course = [(lines, told_ns) for lines, told_ns in await own.connection.execute(query)]
    many = superfluous(course, COURSE_ROWS_MAX if kind.stream == _EVENTS else 1)
    for chunk in chunks(many):
        await own.connection.execute(delete(table).where(of_kind, table.c.lines.in_(chunk)))


async def _forget_oldest(own: NodeRows) -> None:
    table = schema.drops
    kinds = (table.c.stream, table.c.reason, table.c.since_ns)
    query = select(*kinds).where(own.of(table)).distinct().order_by(table.c.since_ns.desc()).offset(KINDS_MAX)
    for row in (await own.connection.execute(query)).all():
        await own.connection.execute(delete(table).where(_of(own, _Kind(*row))))


def _of(own: NodeRows, kind: _Kind) -> Any:
    table = schema.drops
    return and_(own.of(table), *(table.c[name] == value for name, value in kind._asdict().items()))


def superfluous(course: Sequence[tuple[int, int]], rows_max: int) -> list[int]:
    """Which totals may go where there are more than `rows_max`; `course` holds (lines, told_ns), the least first.

    The time is cut into half as many pieces, so that not every notice has to do it again; each keeps its greatest.
    """
    if len(course) <= rows_max:
        return []
    times_ns = [told_ns for _, told_ns in course]
    begin_ns, pieces = min(times_ns), max(1, rows_max // 2)
    width_ns = (max(times_ns) - begin_ns) // pieces + 1
    kept = {(told_ns - begin_ns) // width_ns: lines for lines, told_ns in course}
    return sorted({lines for lines, _ in course} - {*kept.values(), course[-1][0]})


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
    table = schema.drops
    found: dict[str, list[Row]] = {}
    for chunk in chunks(nodes):
        query = select(table).where(table.c.cluster == cluster, table.c.node.in_(chunk))
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
