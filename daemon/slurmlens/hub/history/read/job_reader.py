"""Reads everything known of one run of one job: rows and documents in, `JobFacts` out.

Owns the SELECTs behind a job's page; how a node's part is put together is `node_facts`'. Used by `queries`, inside one
transaction of its.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
from sqlalchemy import ColumnElement, Connection, Table, select

from slurmlens.clock import NS_PER_S
from slurmlens.events import EventKind, Totals
from slurmlens.hub.access.predicates import visible_runs, visible_sightings
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.database.pieces import pieces_of
from slurmlens.hub.history import tables as schema
from slurmlens.hub.history.conclude.executions import awaits_accounting, decode_record, is_over, superseded
from slurmlens.hub.history.conclude.node_facts import Part, node_facts, unheard
from slurmlens.hub.history.conclude.run_rows import identity_of_rows
from slurmlens.hub.history.facts import (
    Detail,
    HeldReason,
    HeldSighting,
    JobFacts,
    NodeFacts,
    NodeState,
    RunFacts,
    StateFilter,
    TimelineEntry,
    TimeSource,
)
from slurmlens.hub.history.read.course_memory import CourseMemory
from slurmlens.hub.history.read.profiles import courses_of
from slurmlens.hub.history.read.reading import (
    Row,
    fetch,
    heard_nodes,
    nanoseconds,
    of_job,
    outcome_of_row,
)
from slurmlens.hub.history.record.drops import dropped_events, dropped_within
from slurmlens.hub.history.record.node_beats import NodeBeats
from slurmlens.hub.history.record.storing import KINDS, WITNESSES
from slurmlens.slurm.records import JobRecord, JobState

_totals_decoder = msgspec.json.Decoder(Totals)
_TIMELINE_KINDS = (KINDS.index(EventKind.JOB_START), KINDS.index(EventKind.JOB_END))
_FAILED_SHOWN = 20
_FAILED_READ = 5_000
"""So many of a day's failed runs are looked through, the latest first."""


class JobReader:
    """Reads one run of one job inside a transaction."""

    def __init__(
        self,
        viewer: Viewer,
        connection: Connection,
        beats: NodeBeats,
        courses: CourseMemory,
        cluster: str,
        job_id: int,
        now_ns: int,
        *,
        accounting: bool,
    ) -> None:
        self._viewer = viewer
        self._accounting = accounting
        self._connection = connection
        self._beats = beats
        self._courses = courses
        self._cluster = cluster
        self._job_id = job_id
        self._now_ns = now_ns

    def facts(self, run: Row, runs: Sequence[Row]) -> JobFacts:
        """The facts of `run`, one of `runs`, which are all under this job id by number."""
        record, heard_ns = self._record(run["submit_s"])
        sightings = self._all(schema.sightings, visible_sightings(self._viewer))
        own = [row for row in sightings if row["run"] == run["number"]]
        parts = self._parts(own)
        nodes = self._nodes(run, record, parts)
        over = is_over(record) if record else all(not part.is_open for part in parts)
        same_job = [row for row in runs if row["incarnation"] == run["incarnation"]]
        return JobFacts(
            cluster=self._cluster,
            job_id=self._job_id,
            run=run["number"],
            runs=tuple(_run_facts(row) for row in same_job),
            outcome=outcome_of_row(run),
            as_of_ns=self._now_ns,
            record=record,
            identity=identity_of_rows(own),
            submit_ns=nanoseconds(record.submit_s if record else None),
            eligible_ns=nanoseconds(record.eligible_s if record else None),
            start_ns=run["start_ns"],
            end_ns=run["end_ns"],
            start_source=TimeSource(run["start_source"]) if run["start_source"] else None,
            end_source=TimeSource(run["end_source"]) if run["end_source"] else None,
            is_live=not over or self._awaits_more(record, parts),
            nodes=nodes,
            timeline=self._timeline(own),
            held=tuple(_held(row) for row in sightings if row["held_reason"]),
            scheduler_heard_ns=heard_ns,
            detail=Detail(max((row["detail"] for row in own), default=Detail.ALL.value)),
            reused_id=run["incarnation"] > 1,
        )

    def _awaits_more(self, record: JobRecord | None, parts: Sequence[Part]) -> bool:
        """Whether what is shown of a run that is over will still change by itself."""
        if any(part.awaits_summary for part in parts):
            return True
        if self._accounting and record is not None and awaits_accounting(record, self._now_ns / NS_PER_S):
            return True
        return bool(self._all(schema.stale_jobs))  # recorded, and not yet part of the run

    def _all(self, table: Table, *conditions: ColumnElement[bool]) -> list[Row]:
        return fetch(self._connection, select(table).where(of_job(table, self._cluster, self._job_id), *conditions))

    def _record(self, submit_s: int | None) -> tuple[JobRecord | None, int | None]:
        """The execution with this submit time, seen in the light of those after it."""
        rows = self._all(schema.executions)
        records = {record.submit_s: record for record in superseded(decode_record(row["record"]) for row in rows)}
        heard = {row["submit_s"]: row["heard_ns"] for row in rows}
        return records.get(submit_s), heard.get(submit_s)

    def _parts(self, rows: Sequence[Row]) -> list[Part]:
        courses = courses_of(self._connection, [row["rid"] for row in rows], self._courses)
        return [Part(row, _totals(row), courses.get(row["rid"])) for row in rows]

    def _nodes(self, run: Row, record: JobRecord | None, parts: Sequence[Part]) -> tuple[NodeFacts, ...]:
        by_node: dict[str, list[Part]] = {node: [] for node in (record.nodes if record else ())}
        for part in parts:
            by_node.setdefault(part.row["node"], []).append(part)
        heard = heard_nodes(self._beats, self._cluster, by_node)
        failed = self._failed(by_node, run["end_ns"] or self._now_ns)
        dropped = dropped_events(self._connection, self._cluster, by_node)
        nodes = (
            node_facts(node, own, heard.get(node), failed.get(node, ()), self._now_ns)
            if own
            else unheard(node, heard.get(node), failed.get(node, ()))
            for node, own in by_node.items()
        )
        return tuple(self._with_drops(node, dropped.get(node.node, ()), run) for node in nodes)

    def _with_drops(self, node: NodeFacts, rows: Sequence[Row], run: Row) -> NodeFacts:
        """A node whose last word is here can have lost nothing of the run after its end; another one may have."""
        if not rows or run["start_ns"] is None:
            return node
        has_last_word = node.state is NodeState.ENDED and node.totals is not None
        end_ns = run["end_ns"] if has_last_word and run["end_ns"] is not None else self._now_ns
        return msgspec.structs.replace(node, dropped=dropped_within(rows, run["start_ns"], end_ns))

    def _failed(self, nodes: Collection[str], day_ns: int) -> dict[str, tuple[int, ...]]:
        """Other jobs that failed on these nodes on that day, latest first."""
        begin = datetime.fromtimestamp(day_ns // NS_PER_S, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        begin_ns, end_ns = (int(day.timestamp()) * NS_PER_S for day in (begin, begin + timedelta(days=1)))
        runs, wanted = schema.runs, frozenset(nodes)
        query = (
            select(runs.c.job_id, runs.c.nodes)
            .where(runs.c.state_group == StateFilter.FAILED.value, runs.c.cluster == self._cluster)
            .where(visible_runs(self._viewer))
            .where(runs.c.end_ns >= begin_ns, runs.c.end_ns < end_ns, runs.c.job_id != self._job_id)
            .order_by(runs.c.end_ns.desc())
            .limit(_FAILED_READ)
        )
        failed: dict[str, list[int]] = {}
        for job_id, own in self._connection.execute(query):
            for node in wanted.intersection(schema.decode_nodes(own)):
                failed.setdefault(node, []).append(job_id)
        return {node: tuple(dict.fromkeys(own))[:_FAILED_SHOWN] for node, own in failed.items()}

    def _timeline(self, sightings: Sequence[Row]) -> tuple[TimelineEntry, ...]:
        nodes = {row["rid"]: row["node"] for row in sightings}
        events = schema.events
        found: list[TimelineEntry] = []
        for piece in pieces_of(nodes):
            query = select(events.c.sighting, events.c.id, events.c.time_ns, events.c.kind, events.c.witness)
            query = query.where(events.c.sighting.in_(piece), events.c.kind.in_(_TIMELINE_KINDS))
            found.extend(_timeline_entry(nodes[rid], *rest) for rid, *rest in self._connection.execute(query))
        return tuple(sorted(found, key=lambda entry: (entry.time_ns, entry.node)))


def _run_facts(row: Row) -> RunFacts:
    return RunFacts(
        number=row["number"],
        state=JobState(row["state"]),
        label=outcome_of_row(row).label,
        submit_ns=nanoseconds(row["submit_s"]),
        start_ns=row["start_ns"],
        end_ns=row["end_ns"],
        nodes=schema.decode_nodes(row["nodes"]),
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


def _timeline_entry(node: str, event_id: str, time_ns: int, kind: int, witness: int | None) -> TimelineEntry:
    told_by = None if witness is None else WITNESSES[witness]
    return TimelineEntry(id=event_id, time_ns=time_ns, kind=KINDS[kind], node=node, witness=told_by)


def _totals(row: Row) -> Totals | None:
    return _totals_decoder.decode(row["totals"]) if row["totals"] else None
