"""Answers what reports, pages and the command line ask of history: the read side's front door.

Owns the questions; rows become values of `facts` in `job_reader` and `job_list`, and nothing above knows a table. Each
answer is one consistent view of the database. It holds what the viewer who asks may see.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from sqlalchemy import Connection, func, select

from slurmlens.clock import Clock
from slurmlens.hub.access.predicates import visible_runs, visible_sightings
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.database.store import Store
from slurmlens.hub.history import tables as schema
from slurmlens.hub.history.bodies import LinePlace, lines_at
from slurmlens.hub.history.facts import HistoryStatus, JobFacts, JobFilter, JobList
from slurmlens.hub.history.read.course_memory import CourseMemory
from slurmlens.hub.history.read.job_list import list_jobs
from slurmlens.hub.history.read.job_reader import JobReader
from slurmlens.hub.history.read.reading import fetch, node_heard, of_job
from slurmlens.hub.history.record.drops import dropped_totals
from slurmlens.hub.history.record.node_beats import NodeBeats
from slurmlens.slurm.job_ids import JobReference


class Queries:
    """The read side of history for one cluster. `accounting`: the scheduler has it, and it will have the last word.

    `scheduler_silent_since` answers None while the scheduler does.
    """

    def __init__(
        self,
        store: Store,
        beats: NodeBeats,
        clock: Clock,
        cluster: str,
        *,
        accounting: bool = True,
        scheduler_silent_since: Callable[[], int | None] = lambda: None,
    ) -> None:
        self._accounting = accounting
        self._scheduler_silent_since = scheduler_silent_since
        self._store = store
        self._beats = beats
        self._courses = CourseMemory()
        self._clock = clock
        self._cluster = cluster

    async def job_facts(
        self, viewer: Viewer, job_id: int, run: int | None = None, cluster: str | None = None
    ) -> JobFacts | None:
        """Everything known of one run of a job, the latest unless named; None where there is none that may be seen."""
        facts = await self._store.read(
            lambda connection: self._job_facts(viewer, connection, job_id, run, cluster or self._cluster)
        )
        if facts is None:
            return None
        return msgspec.structs.replace(facts, scheduler_silent_since_ns=self._scheduler_silent_since())

    def _job_facts(
        self, viewer: Viewer, connection: Connection, job_id: int, run: int | None, cluster: str
    ) -> JobFacts | None:
        query = (
            select(schema.runs)
            .where(of_job(schema.runs, cluster, job_id), visible_runs(viewer))
            .order_by(schema.runs.c.number)
        )
        runs = fetch(connection, query)
        chosen = next((row for row in reversed(runs) if run in (None, row["number"])), None)
        if chosen is None:
            return None
        now_ns = self._clock.wall_ns()
        reader = JobReader(
            *(viewer, connection, self._beats, self._courses, cluster, job_id, now_ns), accounting=self._accounting
        )
        return reader.facts(chosen, runs)

    async def own_job_id(self, viewer: Viewer, reference: JobReference) -> int | None:
        """The id of its own that a task of an array, or a part of a heterogeneous job, has beside the one it is shown
        by; the latest where ids were used again. Any other job's is the one in the reference, unasked.

        None where no such part is known, or may be seen.
        """
        runs = schema.runs
        if reference.array_task_id is not None:
            is_it = (runs.c.array_job_id == reference.job_id) & (runs.c.array_task_id == reference.array_task_id)
        elif reference.het_job_offset is not None:
            is_it = (runs.c.het_job_id == reference.job_id) & (runs.c.het_job_offset == reference.het_job_offset)
        else:
            return reference.job_id
        query = (
            select(runs.c.job_id)
            .where(runs.c.cluster == self._cluster, is_it, visible_runs(viewer))
            .order_by(runs.c.order_ns.desc())
            .limit(1)
        )
        return await self._store.read(lambda connection: connection.execute(query).scalar())

    def silent_since_ns(self, viewer: Viewer) -> int | None:
        """Since when the scheduler gives no answers; None while it does."""
        return self._scheduler_silent_since()

    async def jobs(self, viewer: Viewer, which: JobFilter) -> JobList:
        """A page of jobs by their latest run, as `JobFilter` says."""
        return await self._store.read(lambda connection: list_jobs(viewer, connection, self._cluster, which))

    async def job_events(self, viewer: Viewer, job_id: int, run: int | None = None) -> list[bytes]:
        """The documents of a job's events as they were sent, of all runs or of one, oldest first.

        Those that are gone by age are left out.
        """
        return await self._store.read(lambda connection: self._job_events(viewer, connection, job_id, run))

    def _job_events(self, viewer: Viewer, connection: Connection, job_id: int, run: int | None) -> list[bytes]:
        events, sightings = schema.events, schema.sightings
        query = select(events.c.batch, events.c.line).join(sightings, sightings.c.rid == events.c.sighting)
        query = query.where(of_job(sightings, self._cluster, job_id), visible_sightings(viewer))
        if run is not None:
            query = query.where(sightings.c.run == run)
        ordered = [LinePlace(*row) for row in connection.execute(query.order_by(events.c.time_ns, events.c.id))]
        lines = dict(lines_at(connection, ordered))
        return [lines[place] for place in ordered if place in lines]

    async def status(self, viewer: Viewer) -> HistoryStatus:
        """What history says of itself: nothing to who may not see the hub, no job ids to who does not see all jobs."""
        if not viewer.sees_the_hub:
            return HistoryStatus(refused={}, held={}, nodes=())
        return await self._store.read(lambda connection: self._status(viewer, connection))

    def _status(self, viewer: Viewer, connection: Connection) -> HistoryStatus:
        sightings, refusals = schema.sightings, schema.refusals
        held_query = (
            select(sightings.c.held_reason, func.count())
            .where(sightings.c.held_reason.is_not(None))
            .group_by(sightings.c.held_reason)
        )
        refused = connection.execute(select(refusals.c.reason, refusals.c["count"]))
        held = connection.execute(held_query)
        dropped = dropped_totals(connection)
        nodes = (node_heard(place, beat, dropped.get(place, ())) for place, beat in sorted(self._beats.known.items()))
        return HistoryStatus(
            refused={row.reason: row[1] for row in refused},
            held={row.held_reason: row[1] for row in held},
            nodes=tuple(node if viewer.sees_all_jobs else msgspec.structs.replace(node, running=()) for node in nodes),
        )
