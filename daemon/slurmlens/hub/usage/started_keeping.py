"""Keeps the sums over runs by when they started, beside the ledger and in its transaction.

Owns the writing of `usage_waits`, `usage_job_types`, `usage_habits` and `usage_bursts`: of each hour and of each day of
UTC. Invariants: they are the sums of the ledger's runs at any moment; what would be nothing has no row; a day is the
sum of its hours. Called by `keeping`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from sqlalchemy import Table

from slurmlens.hub.database.bulk import Transaction
from slurmlens.hub.usage import tables as schema
from slurmlens.hub.usage.charges import DAY_S, HOUR_S, RunCharge
from slurmlens.hub.usage.row_sums import Place, Sums, SumTable, negative, summed_by_place, write_sums
from slurmlens.hub.usage.started_sums import (
    StartedParts,
    burst_parts,
    habit_parts,
    job_type_parts,
    wait_parts,
)

Changed = tuple[RunCharge | None, RunCharge | None]
"""A run's charge before and after."""


class KeptStarted(NamedTuple):
    """A table of sums, and what a run adds to it."""

    rows: SumTable
    parts: StartedParts


def _kept(table: Table, parts: StartedParts, own_key: tuple[str, ...], sums: tuple[str, ...]) -> KeptStarted:
    return KeptStarted(SumTable(table, ("cluster", "width_s", "begin_s", *own_key), sums), parts)


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
        write_sums(transaction, kept.rows, cluster, started_changes(kept, listed))


def started_changes(kept: KeptStarted, changed: Collection[Changed]) -> Mapping[Place, Sums]:
    """By width, begin and key of a row what it gains."""
    hours = summed_by_place(_hourly(kept.parts, changed))
    days = summed_by_place(
        ((DAY_S, begin_s - begin_s % DAY_S, *key), sums) for (_, begin_s, *key), sums in hours.items()
    )
    return hours | days


def _hourly(parts: StartedParts, changed: Iterable[Changed]) -> Iterator[tuple[Place, Sums]]:
    """What is to be added, and what is to be taken away as negative numbers, by rows of hours."""
    for before, after in changed:
        old, new = _parts(parts, before), _parts(parts, after)
        if old != new:
            yield from ((place, negative(sums)) for place, sums in old)
            yield from new


def _parts(parts: StartedParts, charge: RunCharge | None) -> list[tuple[Place, Sums]]:
    if charge is None:
        return []
    begin_s = charge.start_s - charge.start_s % HOUR_S
    return [((HOUR_S, begin_s, *key), sums) for key, sums in parts(charge)]
