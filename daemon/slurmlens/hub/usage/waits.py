"""How long the runs had waited that started in a window, by whose they were and by size.

Owns these SELECTs. Whole days and hours come from the sums that are kept, what is left of a window from the ledger; of
both a wait is rounded alike (`started_sums.rounded_wait_s`), so that a percentile does not depend on how it was read.
Mean waits are exact. Used by `read`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, func, select

from slurmlens.hub.usage.asked import UsageAsked
from slurmlens.hub.usage.charges import DAY_S
from slurmlens.hub.usage.facts import DayFigure, UsageWindow, WaitCount
from slurmlens.hub.usage.started_sums import rounded_wait_s
from slurmlens.hub.usage.tables import usage_runs as runs
from slurmlens.hub.usage.tables import usage_waits as waits
from slurmlens.hub.usage.windows import KeptSpan

_Waited = tuple[str, int, int]
"""Whose, of which size, and how long."""


def wait_counts(connection: Connection, asked: UsageAsked, dimensions: Sequence[str]) -> dict[str, list[WaitCount]]:
    """By each of the dimensions (`partition`, `user`, `account`, `qos`) and by size, how often which wait came."""
    found: dict[str, dict[_Waited, int]] = {name: {} for name in dimensions}
    parts = asked.started_parts
    for dimension, waited, count in (
        *(one for span in parts.kept for name in dimensions for one in _kept(connection, asked, name, span)),
        *(one for edge in parts.edges for one in _of_ledger(connection, asked, dimensions, edge)),
    ):
        own = found[dimension]
        own[waited] = own.get(waited, 0) + count
    return {name: [WaitCount(*waited, count) for waited, count in own.items()] for name, own in found.items()}


def _kept(
    connection: Connection, asked: UsageAsked, dimension: str, span: KeptSpan
) -> Iterator[tuple[str, _Waited, int]]:
    columns = waits.c.name, waits.c.size_class, waits.c.wait_s
    query = (
        select(*columns, func.sum(waits.c.runs))
        .where(waits.c.dimension == dimension, *asked.kept_within(waits, span))
        .group_by(*columns)
    )
    for name, size_class, wait_s, count in connection.execute(query):
        yield dimension, (name, size_class, wait_s), int(count)


def _of_ledger(
    connection: Connection, asked: UsageAsked, dimensions: Sequence[str], window: UsageWindow
) -> Iterator[tuple[str, _Waited, int]]:
    """One reading for all dimensions, whose groups are as fine as all of them."""
    # the wait first: SQLite sorts what it groups, and numbers that differ are told apart sooner than names
    columns = (runs.c.wait_s, runs.c.size_class, *(runs.c[name] for name in dimensions))
    query = select(*columns, func.count()).where(*asked.started_within(window)).group_by(*columns)
    for wait_s, size_class, *names, count in connection.execute(query):
        for dimension, name in zip(dimensions, names, strict=True):
            yield dimension, (name, size_class, rounded_wait_s(wait_s)), count


def daily_means(connection: Connection, asked: UsageAsked) -> list[DayFigure]:
    """Of each day of UTC on which a run started within the window: the mean wait in seconds."""
    found: dict[int, tuple[int, int]] = {}
    parts = asked.started_parts
    for day_s, waited_s, count in (
        *(one for span in parts.kept for one in _kept_days(connection, asked, span)),
        *(one for edge in parts.edges for one in _ledger_days(connection, asked, edge)),
    ):
        before = found.get(day_s, (0, 0))
        found[day_s] = before[0] + waited_s, before[1] + count
    return [DayFigure(day_s, waited_s / count) for day_s, (waited_s, count) in sorted(found.items())]


def _kept_days(connection: Connection, asked: UsageAsked, span: KeptSpan) -> Iterator[tuple[int, int, int]]:
    day = waits.c.begin_s - waits.c.begin_s % DAY_S
    query = (
        select(day.label("day"), func.sum(waits.c.waited_s), func.sum(waits.c.runs))
        .where(waits.c.dimension == "partition", *asked.kept_within(waits, span))  # every run once
        .group_by(day)
    )
    for day_s, waited_s, count in connection.execute(query):
        yield int(day_s), int(waited_s), int(count)


def _ledger_days(connection: Connection, asked: UsageAsked, window: UsageWindow) -> Iterator[tuple[int, int, int]]:
    day = runs.c.start_s - runs.c.start_s % DAY_S
    query = (
        select(day.label("day"), func.sum(runs.c.wait_s), func.count())
        .where(*asked.started_within(window))
        .group_by(day)
    )
    for day_s, waited_s, count in connection.execute(query):
        yield int(day_s), int(waited_s), int(count)
