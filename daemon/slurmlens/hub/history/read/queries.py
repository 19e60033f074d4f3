"""Answers what reports, pages and the command line ask of history: the read side's front door.

Owns the questions; rows become values of `facts` in `job_reader` and `job_list`, and nothing above knows a table. Each
answer is one consistent view of the database, as far as the viewer who asks may see it.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from sqlalchemy import and_, exists, func, select

from slurmlens.clock import Clock
from slurmlens.hub.access.predicates import visible_runs
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.database import tables as schema
from slurmlens.hub.database.store import Store
from slurmlens.hub.history.facts import HistoryStatus, JobFacts, JobFilter, JobRow
from slurmlens.hub.history.read.job_list import list_jobs
from slurmlens.hub.history.read.job_reader import JobReader
from slurmlens.hub.history.read.reading import fetch, node_heard, of_job
from slurmlens.hub.history.record.drops import dropped_totals


class Queries:
    """The read side of history for one cluster. `accounting`: the scheduler has it, and it will have the last word.

    `scheduler_silent_since` answers None while the scheduler does.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        cluster: str,
        *,
        accounting: bool = True,
        scheduler_silent_since: Callable[[], int | None] = lambda: None,
    ) -> None:
        self._accounting = accounting
        self._scheduler_silent_since = scheduler_silent_since
        self._store = store
        self._clock = clock
        self._cluster = cluster

    async def job_facts(
        self, viewer: Viewer, job_id: int, run: int | None = None, cluster: str | None = None
    ) -> JobFacts | None:
        """Everything known of one run of a job, the latest unless named; None where there is none that may be seen."""
        cluster = cluster or self._cluster
        async with self._store.read() as connection:
            query = select(schema.runs).where(of_job(schema.runs, cluster, job_id), visible_runs(viewer))
            query = query.order_by(schema.runs.c.number)
            runs = await fetch(connection, query)
            chosen = next((row for row in runs if (row["is_latest"] if run is None else row["number"] == run)), None)
            if chosen is None:
                return None
            now_ns = self._clock.wall_ns()
            reader = JobReader(viewer, connection, cluster, job_id, now_ns, accounting=self._accounting)
            facts = await reader.facts(chosen, runs)
        return msgspec.structs.replace(facts, scheduler_silent_since_ns=self._scheduler_silent_since())

    async def jobs(self, viewer: Viewer, which: JobFilter) -> tuple[JobRow, ...]:
        """Jobs by their latest run, as `JobFilter` says."""
        async with self._store.read() as connection:
            return await list_jobs(viewer, connection, self._cluster, which)

    async def job_events(self, viewer: Viewer, job_id: int, run: int | None = None) -> list[bytes]:
        """The documents of a job's events, of all runs or of one, oldest first.

        Profile deltas that a summary has made superfluous are no longer kept.
        """
        events, sightings = schema.events, schema.sightings
        query = select(events.c.body).where(of_job(events, self._cluster, job_id), events.c.body.is_not(None))
        if run is not None:
            same = and_(*(events.c[name] == sightings.c[name] for name in ("cluster", "node", "sighting")))
            query = query.join(sightings, same).where(sightings.c.run == run)
        runs = schema.runs
        may_see = exists().where(of_job(runs, self._cluster, job_id), visible_runs(viewer))
        query = query.where(may_see)
        async with self._store.read() as connection:
            found = await connection.execute(query.order_by(events.c.time_ns, events.c.id))
            return list(found.scalars())

    async def status(self, viewer: Viewer) -> HistoryStatus:
        """What history says of itself; `viewer` is asked for nothing yet, since it names no run."""
        sightings, refusals, nodes = schema.sightings, schema.refusals, schema.nodes
        held_query = (
            select(sightings.c.held_reason, func.count())
            .where(sightings.c.held_reason.is_not(None))
            .group_by(sightings.c.held_reason)
        )
        async with self._store.read() as connection:
            refused = await connection.execute(select(refusals.c.reason, refusals.c["count"]))
            held = await connection.execute(held_query)
            heard = await fetch(connection, select(nodes).order_by(nodes.c.cluster, nodes.c.node))
            dropped = await dropped_totals(connection)
            return HistoryStatus(
                refused={row.reason: row[1] for row in refused},
                held={row.held_reason: row[1] for row in held},
                nodes=tuple(node_heard(row, dropped.get((row["cluster"], row["node"]), ())) for row in heard),
            )
