"""Answers who used what in any window, to the second: the read side's front door of usage.

Owns the SELECTs over `usage_days`, `usage_hours`, `usage_node_hours` and the ledger. Whole days and hours come from the
sums that are kept of them; what of a window is less than an hour, and runs that go on, come from the ledger; so a
window need not begin at an hour, and its parts add up to it. Each question takes a viewer first: who may not see all
usage gets the sums over what he may see.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from sqlalchemy import Connection, func, select

from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.database.store import Store
from slurmlens.hub.history import tables as history
from slurmlens.hub.usage import tables as schema
from slurmlens.hub.usage.asked import EVERYBODYS, UsageAsked
from slurmlens.hub.usage.charges import (
    DAY_S,
    DIMENSIONS,
    HOUR_S,
    OPEN_SPAN,
    SUM_NAMES,
    UsageKey,
    UsageSums,
    portion,
    summed,
)
from slurmlens.hub.usage.facts import (
    DayFigure,
    HourFigure,
    JobTypeUse,
    NodeTimeFacts,
    Outage,
    StartedRuns,
    UsageBacklog,
    UsageFacts,
    UsageFilter,
    UsageWindow,
    WaitCount,
)
from slurmlens.hub.usage.generations import TypedRun
from slurmlens.hub.usage.keeping import charge_of_row
from slurmlens.hub.usage.node_time import CLUSTER, NodeSums, UnitState
from slurmlens.hub.usage.on_nodes import typed_runs
from slurmlens.hub.usage.outages import outages
from slurmlens.hub.usage.rebuild import rebuild_usage
from slurmlens.hub.usage.service_levels import OUT_OF_PLAN
from slurmlens.hub.usage.spans import CLOSED_CLASSES, node_times, overlapping
from slurmlens.hub.usage.started import job_types, started_runs
from slurmlens.hub.usage.waits import daily_means, wait_counts
from slurmlens.hub.usage.windows import KeptSpan


class UsageQueries:
    """The read side of usage of one cluster."""

    def __init__(self, store: Store, cluster: str) -> None:
        self._store = store
        self._cluster = cluster

    async def usage(
        self, viewer: Viewer, window: UsageWindow, now_s: int, which: UsageFilter = EVERYBODYS
    ) -> UsageFacts:
        """Who used what within the window, up to now."""

        def question(connection: Connection) -> UsageFacts:
            until = UsageWindow(window.from_s, max(window.from_s, min(window.to_s, now_s)))
            by_key = _by_key(connection, UsageAsked(viewer, self._cluster, until, which))
            return UsageFacts(window=until, by_key=by_key, backlog=_backlog(connection, self._cluster))

        return await self._store.read(question)

    async def usage_of_pieces(
        self, viewer: Viewer, pieces: Sequence[UsageWindow], now_s: int, which: UsageFilter = EVERYBODYS
    ) -> list[tuple[UsageWindow, UsageFacts]]:
        """Who used what within each piece of a longer time, as of one moment: what adds up to the whole of it."""

        def question(connection: Connection) -> list[tuple[UsageWindow, UsageFacts]]:
            backlog = _backlog(connection, self._cluster)
            found = []
            for piece in pieces:
                until = UsageWindow(piece.from_s, max(piece.from_s, min(piece.to_s, now_s)))
                by_key = _by_key(connection, UsageAsked(viewer, self._cluster, until, which))
                found.append((piece, UsageFacts(window=until, by_key=by_key, backlog=backlog)))
            return found

        return await self._store.read(question)

    async def nodes(self, viewer: Viewer, window: UsageWindow, now_s: int) -> NodeTimeFacts:
        """What the nodes did within the window, up to now; everybody may know."""

        def question(connection: Connection) -> NodeTimeFacts:
            until = UsageWindow(window.from_s, max(window.from_s, min(window.to_s, now_s)))
            return _node_time_facts(connection, self._cluster, until)

        return await self._store.read(question)

    async def waits(
        self, viewer: Viewer, window: UsageWindow, by: Collection[str] = ("partition",), which: UsageFilter = EVERYBODYS
    ) -> dict[str, list[WaitCount]]:
        """How long the runs had waited that started within the window, by each of these dimensions and by size.

        A wait is rounded, by one part in 32 at most (`started_sums.rounded_wait_s`).
        """
        asked, dimensions = UsageAsked(viewer, self._cluster, window, which), list(dict.fromkeys(by))
        return await self._store.read(lambda connection: wait_counts(connection, asked, dimensions))

    async def outages(self, viewer: Viewer, window: UsageWindow, machine_users: Collection[str]) -> list[Outage]:
        """When nodes took no new jobs within the window, and who did something about it; everybody may know."""
        return await self._store.read(lambda connection: outages(connection, self._cluster, window, machine_users))

    async def started(self, viewer: Viewer, window: UsageWindow, which: UsageFilter = EVERYBODYS) -> StartedRuns:
        """What the runs were like that started within the window: kinds of jobs, habits, bursts."""
        asked = UsageAsked(viewer, self._cluster, window, which)
        return await self._store.read(lambda connection: started_runs(connection, asked))

    async def job_types(
        self, viewer: Viewer, window: UsageWindow, which: UsageFilter = EVERYBODYS
    ) -> tuple[JobTypeUse, ...]:
        """The kinds of jobs alone."""
        asked = UsageAsked(viewer, self._cluster, window, which)
        return await self._store.read(lambda connection: job_types(connection, asked))

    async def typed_runs(self, viewer: Viewer, window: UsageWindow) -> list[TypedRun]:
        """Runs that started within the window and completed, with their nodes: of each span class the newest."""
        asked = UsageAsked(viewer, self._cluster, window)
        return await self._store.read(lambda connection: typed_runs(connection, asked))

    async def daily_utilisation(self, viewer: Viewer, window: UsageWindow) -> list[DayFigure]:
        """Of each whole day of UTC in the window: cores allocated, of all that were in service; everybody may know."""
        found = await self._store.read(lambda connection: _utilisation(connection, self._cluster, window, DAY_S))
        return [DayFigure(*one) for one in found]

    async def hourly_utilisation(self, viewer: Viewer, window: UsageWindow) -> list[HourFigure]:
        """The same of each hour that was counted; an hour is some minutes after its end."""
        found = await self._store.read(lambda connection: _utilisation(connection, self._cluster, window, HOUR_S))
        return [HourFigure(*one) for one in found]

    async def daily_waits(
        self, viewer: Viewer, window: UsageWindow, which: UsageFilter = EVERYBODYS
    ) -> list[DayFigure]:
        """Of each day of UTC in the window: the mean wait in seconds of the runs that started on it."""
        asked = UsageAsked(viewer, self._cluster, window, which)
        return await self._store.read(lambda connection: daily_means(connection, asked))

    async def rebuild(self, viewer: Viewer) -> int:
        """Has everything counted again, for whoever sees all jobs; returns how many jobs that is."""
        assert viewer.sees_all_jobs
        return await rebuild_usage(self._store, self._cluster)


def _by_key(connection: Connection, asked: UsageAsked) -> dict[UsageKey, UsageSums]:
    by_key: dict[UsageKey, list[UsageSums]] = {}
    for key, sums in _parts(connection, asked):
        by_key.setdefault(key, []).append(sums)
    return {key: summed(parts) for key, parts in by_key.items()}


def _parts(connection: Connection, asked: UsageAsked) -> Iterator[tuple[UsageKey, UsageSums]]:
    """The window in whole days and hours and what is left of it, of runs that are over; and of runs that go on."""
    parts = asked.parts
    for span in parts.kept:
        yield from _kept(connection, asked, span)
    for edge in parts.edges:
        yield from _from_ledger(connection, asked, edge, CLOSED_CLASSES)
    yield from _from_ledger(connection, asked, asked.window, (OPEN_SPAN,))


_STRETCHES = {
    HOUR_S: (schema.usage_hours, schema.usage_hours.c.hour_s),
    DAY_S: (schema.usage_days, schema.usage_days.c.day_s),
}


def _kept(connection: Connection, asked: UsageAsked, span: KeptSpan) -> Iterator[tuple[UsageKey, UsageSums]]:
    table, begin_s = _STRETCHES[span.width_s]
    keys = [table.c[name] for name in DIMENSIONS]
    query = (
        select(*keys, *(func.sum(table.c[name]) for name in SUM_NAMES))
        .where(table.c.cluster == asked.cluster, begin_s >= span.window.from_s, begin_s < span.window.to_s)
        .where(*asked.visible(table))
        .group_by(*keys)
    )
    for row in connection.execute(query):
        sums = dict(zip(SUM_NAMES, map(int, row[len(keys) :]), strict=True))
        yield UsageKey(*row[: len(keys)]), UsageSums(**sums)


def _from_ledger(
    connection: Connection, asked: UsageAsked, window: UsageWindow, classes: Iterable[int]
) -> Iterator[tuple[UsageKey, UsageSums]]:
    runs, (from_s, to_s) = schema.usage_runs, (window.from_s, window.to_s)
    for span_class in classes:
        query = select(runs).where(overlapping(asked.cluster, span_class, from_s, to_s), *asked.visible(runs))
        for row in connection.execute(query).mappings():
            charge = charge_of_row(dict(row))
            yield charge.key, portion(charge, from_s, to_s)


def _backlog(connection: Connection, cluster: str) -> UsageBacklog:
    """Counted up to a bound: it says that something is to be done, and how much of it as long as that is little."""
    counts = []
    for table in (history.uncharged_jobs, schema.usage_due_hours):
        some = select(table.c.cluster).where(table.c.cluster == cluster).limit(MOST_COUNTED).subquery()
        counts.append(connection.execute(select(func.count()).select_from(some)).scalar_one())
    return UsageBacklog(*counts)


MOST_COUNTED = 10_000


def _node_time_facts(connection: Connection, cluster: str, window: UsageWindow) -> NodeTimeFacts:
    hours = schema.usage_node_hours
    last = connection.execute(select(func.max(hours.c.hour_s)).where(hours.c.cluster == cluster)).scalar()
    closed_s = 0 if last is None else int(last) + HOUR_S
    begin_s = -(-window.from_s // HOUR_S) * HOUR_S
    end_s = min(window.to_s // HOUR_S * HOUR_S, closed_s)
    totals: dict[tuple[str, UnitState], NodeSums] = {}
    course: dict[tuple[int, UnitState], NodeSums] = {}

    def take(hour_s: int, partition: str, state: UnitState, sums: NodeSums) -> None:
        totals[partition, state] = totals.get((partition, state), NodeSums()).plus(sums)
        if partition == CLUSTER:
            course[hour_s, state] = course.get((hour_s, state), NodeSums()).plus(sums)

    if begin_s < end_s:
        query = select(hours).where(hours.c.cluster == cluster, hours.c.hour_s >= begin_s, hours.c.hour_s < end_s)
        for row in connection.execute(query).mappings():
            sums = NodeSums(*(row[name] for name in schema.NODE_SUMS))
            take(row["hour_s"], row["partition"], UnitState(row["state"]), sums)
        edges = [(window.from_s, begin_s), (end_s, window.to_s)]
    else:
        edges = [(window.from_s, window.to_s)]
    for from_s, to_s in edges:
        for piece_s, piece_end_s in _pieces(from_s, to_s):
            for (partition, state), sums in node_times(connection, cluster, piece_s, piece_end_s).items():
                take(piece_s // HOUR_S * HOUR_S, partition, state, sums)
    return NodeTimeFacts(window=window, totals=totals, course=course)


def _utilisation(connection: Connection, cluster: str, window: UsageWindow, width_s: int) -> list[tuple[int, float]]:
    """Of each stretch of whole hours: its first second, and its share of cores allocated of those in service."""
    hours = schema.usage_node_hours
    stretch = hours.c.hour_s - hours.c.hour_s % width_s
    query = (
        select(stretch.label("stretch"), hours.c.state, func.sum(hours.c.core_s))
        .where(hours.c.cluster == cluster, hours.c.hour_s >= window.from_s, hours.c.hour_s < window.to_s)
        .where(hours.c.partition == CLUSTER)
        .group_by(stretch, hours.c.state)
    )
    held: dict[int, int] = {}
    in_service: dict[int, int] = {}
    for begin_s, word, core_s in connection.execute(query):
        state = UnitState(word)
        if state is UnitState.ALLOCATED:
            held[int(begin_s)] = int(core_s)
        if state not in OUT_OF_PLAN and state is not UnitState.OVERSUBSCRIBED:
            in_service[int(begin_s)] = in_service.get(int(begin_s), 0) + int(core_s)
    return [(begin_s, held.get(begin_s, 0) / core_s) for begin_s, core_s in sorted(in_service.items()) if core_s]


def _pieces(from_s: int, to_s: int) -> Iterator[tuple[int, int]]:
    """A span cut at full hours; what lies a day before its end and more is one piece, for its hours are due anyway."""
    first_s = max(from_s, (to_s - 24 * HOUR_S) // HOUR_S * HOUR_S)
    if from_s < first_s:
        yield from_s, first_s
    while first_s < to_s:
        next_s = min(to_s, first_s // HOUR_S * HOUR_S + HOUR_S)
        yield first_s, next_s
        first_s = next_s
