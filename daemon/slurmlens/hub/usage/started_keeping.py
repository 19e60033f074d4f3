"""Keeps the sums over runs by when they started, beside the ledger and in its transaction.

Owns the writing of `usage_waits`, `usage_job_types`, `usage_habits` and `usage_bursts`: of each hour and of each day of
UTC. Invariants: they are the sums of the ledger's runs at any moment; what would be nothing has no row. Rows are added
to by the database itself, so that two hubs that charge different jobs at once lose nothing. Called by `keeping`.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import Table

from slurmlens.hub.database.bulk import Transaction
from slurmlens.hub.usage import tables as schema
from slurmlens.hub.usage.charges import DAY_S, HOUR_S, RunCharge
from slurmlens.hub.usage.started_sums import (
    StartedPart,
    StartedParts,
    burst_parts,
    habit_parts,
    job_type_parts,
    wait_parts,
)

Changed = tuple[RunCharge | None, RunCharge | None]
"""A run's charge before and after."""


class _KeptTable(NamedTuple):
    """A table of sums, what a run adds to it, and how its rows are named."""

    table: Table
    parts: StartedParts
    key: tuple[str, ...]
    sums: tuple[str, ...]


def _kept(table: Table, parts: StartedParts, own_key: tuple[str, ...], sums: tuple[str, ...]) -> _KeptTable:
    return _KeptTable(table, parts, ("cluster", "width_s", "begin_s", *own_key), sums)


KEPT = (
    _kept(schema.usage_waits, wait_parts, schema.WAIT_KEY, schema.WAIT_SUMS),
    _kept(schema.usage_job_types, job_type_parts, schema.JOB_TYPE_KEY, schema.JOB_TYPE_SUMS),
    _kept(schema.usage_habits, habit_parts, ("user",), schema.HABIT_SUMS),
    _kept(schema.usage_bursts, burst_parts, ("user", "slot_s"), ("runs",)),
)


def write_started(transaction: Transaction, cluster: str, changed: Iterable[Changed]) -> None:
    """Adds what these runs' charges gave otherwise before."""
    listed = list(changed)
    for kept in KEPT:
        names = (*kept.key, *kept.sums)
        changes = sorted(_changes(kept, listed).items(), key=itemgetter(0))
        rows = [dict(zip(names, (cluster, *key, *sums), strict=True)) for key, sums in changes if any(sums)]
        transaction.add(kept.table, kept.key, rows)
        emptied = [(*(row[name] for name in kept.key), 0) for row in rows if row["runs"] < 0]
        transaction.take_away(kept.table, (*kept.key, "runs"), emptied)


def _changes(kept: _KeptTable, changed: Iterable[Changed]) -> Mapping[tuple[Any, ...], tuple[int, ...]]:
    """By width, begin and key of a row what it gains; a run's rows are most often its own, so that nothing is added."""
    changes: dict[tuple[Any, ...], tuple[int, ...]] = {}
    for start_s, key, sums in _differing(kept.parts, changed):
        for width_s in (HOUR_S, DAY_S):
            place = (width_s, start_s - start_s % width_s, *key)
            own = changes.get(place)
            changes[place] = sums if own is None else tuple(map(operator.add, own, sums))
    return changes


def _differing(parts: StartedParts, changed: Iterable[Changed]) -> Iterator[StartedPart]:
    """What is to be added, and what is to be taken away as negative numbers."""
    for before, after in changed:
        old = () if before is None else parts(before)
        new = () if after is None else parts(after)
        if old != new:
            yield from (StartedPart(one.start_s, one.key, tuple(map(operator.neg, one.sums))) for one in old)
            yield from new
