"""What the runs that started in a window were like: kinds of jobs, habits of users and bursts.

Owns these SELECTs. Each is over one set of rows: the sums that are kept of the window's whole days and hours, and the
ledger's runs of what is left of it (of all of it for who may not see everybody's, or names somebody), which give what
`started_sums` keeps of them. Used by `read`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    Subquery,
    Table,
    case,
    func,
    literal,
    select,
    union_all,
)

from slurmlens.hub.usage import tables as schema
from slurmlens.hub.usage.asked import UsageAsked
from slurmlens.hub.usage.charges import FOREVER_S
from slurmlens.hub.usage.facts import JobTypeUse, StartedRuns, SubmitBurst, UserHabits
from slurmlens.hub.usage.started_sums import BURST_S, FAILED, IDLE_SHARE, SHORT_S
from slurmlens.hub.usage.tables import usage_runs as runs

MOST_TYPES = 20
_SLOTS = 2**33
"""More than any second since the epoch until the year 2242."""

_HELD_S = runs.c.end_s - runs.c.start_s
_CORE_S = runs.c.core_count * _HELD_S
_IS_OVER = runs.c.end_s < FOREVER_S


def started_runs(connection: Connection, asked: UsageAsked) -> StartedRuns:
    """All three, of the runs that started within the window."""
    return StartedRuns(
        job_types=job_types(connection, asked), habits=_habits(connection, asked), bursts=_bursts(connection, asked)
    )


def job_types(connection: Connection, asked: UsageAsked) -> tuple[JobTypeUse, ...]:
    """The most common kinds of jobs, of runs that are over."""
    has_failed = _where(runs.c.state.in_(sorted(FAILED)), 1)
    ledger = select(runs.c.job_type, runs.c.size_class, runs.c.user, literal(1), _CORE_S, has_failed).where(_IS_OVER)
    rows = _rows(asked, schema.usage_job_types, (*schema.JOB_TYPE_KEY, *schema.JOB_TYPE_SUMS), ledger)
    users = func.count(rows.c.user.distinct())
    keys = rows.c.job_type, rows.c.size_class
    query = select(*keys, users, *(func.sum(rows.c[name]) for name in schema.JOB_TYPE_SUMS)).group_by(*keys)
    found = [
        JobTypeUse(
            job_type=row[0], size_class=row[1], users=row[2], runs=int(row[3]), core_s=int(row[4]), failed=int(row[5])
        )
        for row in connection.execute(query)
    ]
    return tuple(sorted(found, key=lambda one: (-one.runs, one.job_type, one.size_class))[:MOST_TYPES])


def _habits(connection: Connection, asked: UsageAsked) -> tuple[UserHabits, ...]:
    is_measured, has_peak, has_limit = runs.c.cpu_ms > 0, runs.c.peak_mib > 0, runs.c.limit_s.is_not(None)
    sums = {
        "runs": literal(1),
        "failed": _where(runs.c.state.in_(sorted(FAILED)), 1),
        "short": _where(_HELD_S < SHORT_S, 1),
        "core_s": _CORE_S,
        "measured_core_s": _where(is_measured, _CORE_S),
        "cpu_ms": runs.c.cpu_ms,
        "idle_core_s": _where(is_measured & (runs.c.cpu_ms * IDLE_SHARE < _CORE_S * 1000), _CORE_S),
        "given_mib_s": _where(has_peak, runs.c.memory_mib * _HELD_S),
        "peak_mib_s": _where(has_peak, runs.c.peak_mib * _HELD_S),
        "limit_core_s": _where(has_limit, runs.c.core_count * func.coalesce(runs.c.limit_s, 0)),
        "limited_core_s": _where(has_limit, _CORE_S),
    }
    ledger = select(runs.c.user, *(sums[name] for name in schema.HABIT_SUMS)).where(_IS_OVER)
    rows = _rows(asked, schema.usage_habits, ("user", *schema.HABIT_SUMS), ledger)
    query = select(rows.c.user, *(func.sum(rows.c[name]) for name in schema.HABIT_SUMS)).group_by(rows.c.user)
    found = [
        UserHabits(user=user, **dict(zip(schema.HABIT_SUMS, map(int, values), strict=True)))
        for user, *values in connection.execute(query)
    ]
    return tuple(sorted(found, key=lambda one: one.user))


def _bursts(connection: Connection, asked: UsageAsked) -> tuple[SubmitBurst, ...]:
    """Each user's largest, the largest first."""
    slot_s = runs.c.submit_s - runs.c.submit_s % BURST_S
    ledger = select(runs.c.user, slot_s, literal(1)).where(runs.c.submit_s.is_not(None))
    rows = _rows(asked, schema.usage_bursts, ("user", "slot_s", "runs"), ledger)
    slots = select(rows.c.user, rows.c.slot_s, func.sum(rows.c.runs).label("runs"))
    by_slot = slots.group_by(rows.c.user, rows.c.slot_s).subquery()
    # most runs, and of as many the earliest slot, as one number: ranking the slots would sort all of them
    largest = func.max(by_slot.c.runs * literal(_SLOTS, BigInteger) - by_slot.c.slot_s)
    found = []
    for user, packed in connection.execute(select(by_slot.c.user, largest).group_by(by_slot.c.user)):
        count = -(-int(packed) // _SLOTS)
        found.append(SubmitBurst(user, count * _SLOTS - int(packed), count))
    return tuple(sorted(found, key=lambda one: (-one.runs, one.user, one.from_s)))


def _rows(asked: UsageAsked, table: Table, names: Sequence[str], ledger: Select[Any]) -> Subquery:
    """Rows of these names: the table's, of what is kept; those that a SELECT over the ledger makes, of what is left."""
    parts = asked.started_parts
    kept = (select(*(table.c[name] for name in names)).where(*asked.kept_within(table, span)) for span in parts.kept)
    left = (ledger.where(*asked.started_within(edge)) for edge in parts.edges)
    return union_all(*(one.with_only_columns(*_named(one, names)) for one in (*kept, *left))).subquery()


def _named(query: Select[Any], names: Sequence[str]) -> list[ColumnElement[Any]]:
    return [column.label(name) for column, name in zip(query.inner_columns, names, strict=True)]


def _where(condition: ColumnElement[bool], value: ColumnElement[int] | int) -> ColumnElement[int]:
    return case((condition, value), else_=0)
