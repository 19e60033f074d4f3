"""Reads everything known of one run of one job: rows and documents in, `JobFacts` out.

Owns the SELECTs behind a job's page; how a node's part is put together is `node_facts`'. Used by `queries`, inside one
transaction of its.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
from sqlalchemy import Table, and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from slurmlens.clock import NS_PER_S
from slurmlens.events import EventKind, Witness
from slurmlens.hub.access.predicates import visible_runs
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.database import tables as schema
from slurmlens.hub.database.statements import chunks
from slurmlens.hub.history.conclude.executions import awaits_accounting, decode_record, is_over, superseded
from slurmlens.hub.history.conclude.node_facts import Part, node_facts, unheard
from slurmlens.hub.history.conclude.run_rows import merged_identity
from slurmlens.hub.history.facts import (
    HeldReason,
    HeldSighting,
    JobFacts,
    NodeFacts,
    NodeState,
    RunFacts,
    TimelineEntry,
    TimeSource,
)
from slurmlens.hub.history.read.profiles import courses_of_job, totals_of
from slurmlens.hub.history.read.reading import (
    Row,
    fetch,
    heard_nodes,
    nanoseconds,
    nodes_of_runs,
    of_job,
    outcome_of_row,
)
from slurmlens.hub.history.record.drops import dropped_events, dropped_within
from slurmlens.runtime.beside import beside
from slurmlens.slurm.records import ENDED_UNWELL, JobRecord, JobState
from slurmlens.wire import ecs

_FAILED_STATES = tuple(state.value for state in ENDED_UNWELL)
_FAILED_SHOWN = 20


class JobReader:
    """Reads one run of one job inside a transaction."""

    def __init__(
        self,
        viewer: Viewer,
        connection: AsyncConnection,
        cluster: str,
        job_id: int,
        now_ns: int,
        *,
        accounting: bool,
    ) -> None:
        self._viewer = viewer
        self._accounting = accounting
        self._connection = connection
        self._cluster = cluster
        self._job_id = job_id
        self._now_ns = now_ns

    async def facts(self, run: Row, runs: Sequence[Row]) -> JobFacts:
        """The facts of `run`, one of `runs`, which are all under this job id by number."""
        record, heard_ns = await self._record(run["submit_s"])
        sightings = await self._all(schema.sightings)
        own = [row for row in sightings if row["run"] == run["number"]]
        parts = await self._parts(own)
        nodes = await self._nodes(run, record, parts)
        over = is_over(record) if record else all(not part.is_open for part in parts)
        same_job = [row for row in runs if row["incarnation"] == run["incarnation"]]
        run_nodes = await nodes_of_runs(self._connection, self._cluster, {self._job_id})
        return JobFacts(
            cluster=self._cluster,
            job_id=self._job_id,
            run=run["number"],
            runs=tuple(_run_facts(row, run_nodes.get((self._job_id, row["number"]), ())) for row in same_job),
            outcome=outcome_of_row(run),
            as_of_ns=self._now_ns,
            record=record,
            identity=merged_identity(own),
            submit_ns=nanoseconds(record.submit_s if record else None),
            eligible_ns=nanoseconds(record.eligible_s if record else None),
            start_ns=run["start_ns"],
            end_ns=run["end_ns"],
            start_source=TimeSource(run["start_source"]) if run["start_source"] else None,
            end_source=TimeSource(run["end_source"]) if run["end_source"] else None,
            is_live=not over or await self._awaits_more(record, parts),
            nodes=nodes,
            timeline=await self._timeline(own),
            held=tuple(_held(row) for row in sightings if row["held_reason"]),
            scheduler_heard_ns=heard_ns,
            reused_id=run["incarnation"] > 1,
        )

    async def _awaits_more(self, record: JobRecord | None, parts: Sequence[Part]) -> bool:
        """Whether what is shown of a run that is over will still change by itself."""
        if any(part.awaits_summary for part in parts):
            return True
        if self._accounting and record is not None and awaits_accounting(record, self._now_ns / NS_PER_S):
            return True
        return bool(await self._all(schema.stale_jobs))  # told, and not yet part of the run

    async def _all(self, table: Table) -> list[Row]:
        return await fetch(self._connection, select(table).where(of_job(table, self._cluster, self._job_id)))

    async def _record(self, submit_s: int | None) -> tuple[JobRecord | None, int | None]:
        """The execution with this submit time, seen in the light of those after it."""
        rows = await self._all(schema.executions)
        records = {record.submit_s: record for record in superseded(decode_record(row["record"]) for row in rows)}
        heard = {row["submit_s"]: row["heard_ns"] for row in rows}
        return records.get(submit_s), heard.get(submit_s)

    async def _parts(self, rows: Sequence[Row]) -> list[Part]:
        parts = {(row["node"], row["sighting"]): Part(row) for row in rows}
        events = schema.events
        query = select(events.c.node, events.c.sighting, events.c.body).where(
            of_job(events, self._cluster, self._job_id), events.c.kind == EventKind.JOB_SUMMARY.value
        )
        summaries = list(await self._connection.execute(query))
        told = await beside(lambda: {(node, sighting): totals_of(body) for node, sighting, body in summaries})
        for key, totals in told.items():
            if part := parts.get(key):
                part.totals = totals
        for key, course in (await courses_of_job(self._connection, self._cluster, self._job_id)).items():
            if part := parts.get(key):
                part.course = course
        return list(parts.values())

    async def _nodes(self, run: Row, record: JobRecord | None, parts: Sequence[Part]) -> tuple[NodeFacts, ...]:
        by_node: dict[str, list[Part]] = {node: [] for node in (record.nodes if record else ())}
        for part in parts:
            by_node.setdefault(part.row["node"], []).append(part)
        heard = await heard_nodes(self._connection, self._cluster, by_node)
        failed = await self._failed(by_node, run["end_ns"] or self._now_ns)
        dropped = await dropped_events(self._connection, self._cluster, by_node)

        def made(node: str, own: Sequence[Part]) -> NodeFacts:
            others = failed.get(node, ())
            if own:
                facts = node_facts(node, own, heard.get(node), others, self._now_ns)
            else:
                facts = unheard(node, heard.get(node), others)
            return self._with_drops(facts, dropped.get(node, ()), run)

        return await beside(lambda: tuple(made(node, own) for node, own in by_node.items()))

    def _with_drops(self, node: NodeFacts, rows: Sequence[Row], run: Row) -> NodeFacts:
        """A node whose last word is here can have lost nothing of the run after its end; another one may have."""
        if not rows or run["start_ns"] is None:
            return node
        has_last_word = node.state is NodeState.ENDED and node.totals is not None
        end_ns = run["end_ns"] if has_last_word and run["end_ns"] is not None else self._now_ns
        return msgspec.structs.replace(node, dropped=dropped_within(rows, run["start_ns"], end_ns))

    async def _failed(self, nodes: Collection[str], day_ns: int) -> dict[str, tuple[int, ...]]:
        """Other jobs that failed on these nodes on that day, latest first."""
        begin = datetime.fromtimestamp(day_ns // NS_PER_S, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        begin_ns, end_ns = (int(day.timestamp()) * NS_PER_S for day in (begin, begin + timedelta(days=1)))
        runs, run_nodes = schema.runs, schema.run_nodes
        same = and_(*(runs.c[name] == run_nodes.c[name] for name in ("cluster", "job_id", "number")))
        failed: dict[str, list[int]] = {}
        for chunk in chunks(nodes):
            query = (
                select(run_nodes.c.node, runs.c.job_id)
                .join(runs, same)
                .where(run_nodes.c.cluster == self._cluster, run_nodes.c.node.in_(chunk))
                .where(runs.c.state.in_(_FAILED_STATES), runs.c.job_id != self._job_id, visible_runs(self._viewer))
                .where(runs.c.end_ns >= begin_ns, runs.c.end_ns < end_ns)
                .order_by(runs.c.end_ns.desc())
            )
            for node, job_id in await self._connection.execute(query):
                failed.setdefault(node, []).append(job_id)
        return {node: tuple(dict.fromkeys(own))[:_FAILED_SHOWN] for node, own in failed.items()}

    async def _timeline(self, sightings: Sequence[Row]) -> tuple[TimelineEntry, ...]:
        own = {(row["node"], row["sighting"]) for row in sightings}
        events = schema.events
        kinds = (EventKind.JOB_START.value, EventKind.JOB_END.value)
        query = select(events).where(of_job(events, self._cluster, self._job_id), events.c.kind.in_(kinds))
        rows = await fetch(self._connection, query.order_by(events.c.time_ns, events.c.node))
        return await beside(
            lambda: tuple(_timeline_entry(row) for row in rows if (row["node"], row["sighting"]) in own)
        )


def _run_facts(row: Row, nodes: tuple[str, ...]) -> RunFacts:
    return RunFacts(
        number=row["number"],
        state=JobState(row["state"]),
        label=outcome_of_row(row).label,
        submit_ns=nanoseconds(row["submit_s"]),
        start_ns=row["start_ns"],
        end_ns=row["end_ns"],
        nodes=nodes,
    )


def _held(row: Row) -> HeldSighting:
    return HeldSighting(
        node=row["node"],
        sighting=row["sighting"],
        start_ns=row["start_ns"],
        end_ns=row["end_ns"],
        reason=HeldReason(row["held_reason"]),
        since_ns=row["held_since_ns"],
    )


def _timeline_entry(row: Row) -> TimelineEntry:
    event = ecs.decode(row["body"])
    witness: Witness | None = getattr(event, "witness", None)
    return TimelineEntry(
        id=row["id"], time_ns=row["time_ns"], kind=EventKind(row["kind"]), node=row["node"], witness=witness
    )
