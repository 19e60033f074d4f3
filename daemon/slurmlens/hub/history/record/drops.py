"""What nodes had to give up: every total that a node reported, once, and how much of it falls into a time.

Owns the table `drops`. A node's notice repeats all its totals, and totals only grow; so a total is stored when it first
comes, one that comes again or too late changes nothing, and what was given up between two notices is the difference of
two rows. The rows of a node are bounded: where a total has too many, one is left of each piece of its time, and always
the greatest, so that the sum stays exact and only the times become coarser. Written by `storing`; read by `job_reader`
and `queries`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, select

from slurmlens.events import DroppedLines, LinesDropped
from slurmlens.hub.database.bulk import Transaction
from slurmlens.hub.database.pieces import pieces_of
from slurmlens.hub.history import tables as schema
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

    cluster: str
    node: str
    stream: str
    reason: str
    since_ns: int


_KIND = _Kind._fields


def keep_drops(transaction: Transaction, notices: Iterable[LinesDropped]) -> None:
    """Stores the totals that these notices report, and forgets what is more than `drops` may hold of a node."""
    rows = [
        (notice.cluster, notice.node, told.stream, told.reason, told.since_ns, told.lines, notice.time_ns)
        for notice in notices
        for told in notice.dropped
        if told.lines
    ]
    transaction.insert_new(schema.drops, (*_KIND, "lines", "told_ns"), rows)
    for kind in {_Kind(*row[:5]) for row in rows}:
        _thin(transaction, kind)
    for cluster, node in {row[:2] for row in rows}:
        _forget_oldest(transaction, cluster, node)


def _thin(transaction: Transaction, kind: _Kind) -> None:
    course = sorted(transaction.find(schema.drops, ("lines", "told_ns"), _KIND, [kind]))
    many = superfluous(course, COURSE_ROWS_MAX if kind.stream == _EVENTS else 1)
    transaction.take_away(schema.drops, (*_KIND, "lines"), [(*kind, lines) for lines in many])


def _forget_oldest(transaction: Transaction, cluster: str, node: str) -> None:
    found = transaction.find(schema.drops, _KIND, ("cluster", "node"), [(cluster, node)])
    kinds = sorted({_Kind(*row) for row in found}, key=lambda kind: kind.since_ns, reverse=True)
    transaction.take_away(schema.drops, _KIND, kinds[KINDS_MAX:])


def superfluous(course: Sequence[tuple[int, ...]], rows_max: int) -> list[int]:
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


def dropped_totals(connection: Connection) -> dict[tuple[str, str], tuple[DroppedLines, ...]]:
    """The newest totals by cluster and node."""
    table = schema.drops
    kind = (table.c.cluster, table.c.node, table.c.stream, table.c.reason, table.c.since_ns)
    query = select(*kind, func.max(table.c.lines)).group_by(*kind).order_by(*kind)
    found: dict[tuple[str, str], list[DroppedLines]] = {}
    for cluster, node, stream, reason, since_ns, lines in connection.execute(query):
        told = DroppedLines(stream=stream, reason=reason, since_ns=since_ns, lines=lines)
        found.setdefault((cluster, node), []).append(told)
    return {place: tuple(told) for place, told in found.items()}


def dropped_events(connection: Connection, cluster: str, nodes: Collection[str]) -> dict[str, list[Row]]:
    """Everything that these nodes ever reported of events given up."""
    table = schema.drops
    found: dict[str, list[Row]] = {}
    for piece in pieces_of(nodes):
        query = select(table).where(table.c.cluster == cluster, table.c.node.in_(piece))
        for row in connection.execute(query.where(table.c.stream == _EVENTS)).mappings():
            found.setdefault(row["node"], []).append(dict(row))
    return found


def dropped_within(rows: Sequence[Row], start_ns: int, end_ns: int) -> DroppedEvents | None:
    """What one node gave up in a time, as closely as its notices say: from the one before to the one that says it."""
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
