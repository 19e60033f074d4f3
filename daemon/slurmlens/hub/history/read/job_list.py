"""Reads lists of jobs: one row a job, its latest run.

Owns the SELECT behind the jobs page, its filters and its order. Used by `queries`, inside one transaction of its.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, FromClause, Select, and_, func, select, tuple_

from slurmlens.events import JobIdentity
from slurmlens.hub.access.predicates import Entitlement, entitlements, visible_runs, visible_sightings
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.database.pieces import pieces_of
from slurmlens.hub.history import tables as schema
from slurmlens.hub.history.conclude.executions import decode_record
from slurmlens.hub.history.conclude.run_rows import Section, identity_of
from slurmlens.hub.history.facts import JobFilter, JobList, JobRow, ListPlace, StateFilter
from slurmlens.hub.history.read.reading import Row, fetch, nanoseconds, outcome_of_row
from slurmlens.slurm.records import JobRecord, JobState, RecordSource

MOST_LOOKED_AT = 10_000
"""Rows of a list that are looked through for one page, where not every one of them fits."""

_SECTIONS = (Section.RUNNING, Section.PENDING, Section.OVER)
"""The sections of a list in their order; a query each, so that the long one goes by its index."""

_SECTIONS_OF = {
    StateFilter.RUNNING: (Section.RUNNING,),
    StateFilter.PENDING: (Section.PENDING,),
    StateFilter.FAILED: (Section.OVER,),
    StateFilter.FINISHED: (Section.OVER,),
}


def list_jobs(viewer: Viewer, connection: Connection, cluster: str, which: JobFilter) -> JobList:
    """Jobs by their latest run, as `JobFilter` says."""
    sections = _SECTIONS_OF[which.state] if isinstance(which.state, StateFilter) else _SECTIONS
    wanted = which.limit + 1  # one more shows whether there is more
    rows: list[Row] = []
    looked_until: ListPlace | None = None
    for section in sections:
        if which.after is not None and section < which.after.section:
            continue
        own, looked_until = _section_rows(viewer, connection, cluster, which, section, wanted - len(rows))
        rows += own
        if looked_until is not None or len(rows) >= wanted:
            break
    held = _held_counts(viewer, connection, cluster, {row["job_id"] for row in rows})
    shown = rows[: which.limit]
    identities = _identities(viewer, connection, cluster, {row["job_id"] for row in shown if row["record"] is None})
    listed = tuple(_job_row(row, identities.get((row["job_id"], row["number"])), held) for row in shown)
    return JobList(rows=listed, next=listed[-1].place if len(rows) > len(shown) else looked_until)


def _section_rows(
    viewer: Viewer, connection: Connection, cluster: str, which: JobFilter, section: Section, limit: int
) -> tuple[list[Row], ListPlace | None]:
    """One section's rows that the viewer may see, and how far was looked, None where that is all of it.

    Whoever does not see all is asked for by each of his entitlements: each goes by its index, where all at once would
    walk through everybody's jobs.
    """
    own = entitlements(viewer)
    if own is None or which.node is not None or which.user is not None or which.account is not None:
        until = _looked_until(viewer, connection, which, section)
        return fetch(connection, list_query(viewer, cluster, which, section, limit, until=until)), until
    found: dict[int, Row] = {}
    looked: list[ListPlace] = []
    for entitlement in own:
        until = _looked_until(viewer, connection, which, section, entitlement)
        looked += [until] if until else []
        rows = fetch(connection, list_query(viewer, cluster, which, section, limit, entitlement, until))
        found.update((row["rid"], row) for row in rows)
    newest = max(looked, default=None)  # all entitlements were looked through as far as here
    ordered = sorted(found.values(), key=lambda row: (row["order_ns"], row["rid"]), reverse=True)
    kept = [row for row in ordered if newest is None or (row["order_ns"], row["rid"]) >= newest[1:]]
    return kept[:limit], newest


def list_query(
    viewer: Viewer,
    cluster: str,
    which: JobFilter,
    section: Section,
    limit: int,
    entitlement: Entitlement | None = None,
    until: ListPlace | None = None,
) -> Select[Any]:
    """One section's rows, those of one entitlement where one is named, none of them behind `until`. The first filter
    that is set goes by its index, which has the rows in the list's order; the others are looked at row by row, and kept
    from tempting the database to take their index and sort.
    """
    runs, executions = schema.runs, schema.executions
    same = and_(*(runs.c[name] == executions.c[name] for name in ("cluster", "job_id", "submit_s")))
    walk = _walk(which, section, entitlement)
    conditions = [*walk.conditions, *(_unindexed(runs.c[name]) == value for name, value in walk.others)]
    if until is not None:
        conditions.append(tuple_(*walk.place) >= tuple_(until.order_ns, until.run))
    query = (
        select(runs, executions.c.record)
        .select_from(walk.table.outerjoin(executions, same))
        .where(runs.c.cluster == cluster, visible_runs(viewer), *conditions)
    )
    return query.order_by(*(column.desc() for column in walk.place)).limit(limit)


class _Walk(NamedTuple):
    """How the rows of a section are found in the list's order: by which index, and what is left to be looked at."""

    table: FromClause
    place: tuple[ColumnElement[Any], ...]
    conditions: list[ColumnElement[bool]]
    others: list[tuple[str, str]]


def _walk(which: JobFilter, section: Section, entitlement: Entitlement | None) -> _Walk:
    runs, run_nodes = schema.runs, schema.run_nodes
    equal = [*(() if entitlement is None else ((entitlement.column, entitlement.value),)), *_equal_columns(which)]
    if which.node is not None:
        joined = run_nodes.join(runs, runs.c.rid == run_nodes.c.run)
        own = [run_nodes.c.node == which.node, run_nodes.c.section == section.value]
        walk = _Walk(joined, (run_nodes.c.order_ns, run_nodes.c.run), own, equal)
    else:
        first = [runs.c[name] == value for name, value in equal[:1]] or [schema.of_any]
        own = [runs.c.section == section.value, *first]
        walk = _Walk(runs, (runs.c.order_ns, runs.c.rid), own, equal[1:])
    if which.after is not None and which.after.section == section:
        walk.conditions.append(tuple_(*walk.place) < tuple_(which.after.order_ns, which.after.run))
    return walk


def _looked_until(
    viewer: Viewer, connection: Connection, which: JobFilter, section: Section, entitlement: Entitlement | None = None
) -> ListPlace | None:
    """The last row that may be looked at for this page, None where all that there is may be."""
    walk = _walk(which, section, entitlement)
    shows_all = viewer.sees_all_jobs or entitlement is not None
    if shows_all and not walk.others:
        return None  # whatever the index has is listed
    source = schema.run_nodes if which.node is not None else schema.runs
    query = select(*walk.place).select_from(source).where(*walk.conditions)
    query = query.order_by(*(column.desc() for column in walk.place)).offset(MOST_LOOKED_AT - 1).limit(1)
    last = connection.execute(query).first()
    return None if last is None else ListPlace(section.value, *last)


def _equal_columns(which: JobFilter) -> list[tuple[str, str]]:
    """Columns and the values they must have, the most selective first."""
    equal = [(name, value) for name in ("user", "account") if (value := getattr(which, name)) is not None]
    if which.state is StateFilter.FAILED:
        equal.append(("state_group", StateFilter.FAILED.value))
    elif isinstance(which.state, JobState):
        equal.append(("state", which.state.value))
    return equal if which.partition is None else [*equal, ("partition", which.partition)]


def _unindexed(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return column + ""


def _held_counts(viewer: Viewer, connection: Connection, cluster: str, job_ids: Collection[int]) -> dict[int, int]:
    table = schema.sightings
    held: dict[int, int] = {}
    for piece in pieces_of(job_ids):
        query = (
            select(table.c.job_id, func.count())
            .where(table.c.cluster == cluster, table.c.job_id.in_(piece), table.c.held_reason.is_not(None))
            .where(visible_sightings(viewer))
            .group_by(table.c.job_id)
        )
        held.update((job_id, count) for job_id, count in connection.execute(query))
    return held


def _identities(
    viewer: Viewer, connection: Connection, cluster: str, job_ids: Collection[int]
) -> dict[tuple[int, int], JobIdentity]:
    """By job id and run, what the hooks of one node said of the job: those of the others say the same."""
    table = schema.sightings
    found: dict[tuple[int, int], JobIdentity] = {}
    for piece in pieces_of(job_ids):
        first = (
            select(func.min(table.c.rid))
            .where(table.c.cluster == cluster, table.c.job_id.in_(piece), table.c.run.is_not(None))
            .where(visible_sightings(viewer))
            .group_by(table.c.job_id, table.c.run)
        )
        for row in fetch(connection, select(table).where(table.c.rid.in_(first))):
            if (identity := identity_of(row)) is not None:
                found[row["job_id"], row["run"]] = identity
    return found


def _job_row(row: Row, identity: JobIdentity | None, held: Mapping[int, int]) -> JobRow:
    nodes = schema.decode_nodes(row["nodes"])
    record = decode_record(row["record"]) if row["record"] else None
    told = record or JobRecord(job_id=row["job_id"], state=JobState.UNKNOWN, source=RecordSource.QUEUE)
    return JobRow(
        cluster=row["cluster"],
        job_id=row["job_id"],
        run=row["number"],
        outcome=outcome_of_row(row),
        record=record,
        identity=identity,
        name=row["name"],
        user=row["user"],
        account=row["account"],
        partition=row["partition"],
        qos=told.qos,
        reason=told.reason,
        reason_text=told.reason_text,
        submit_ns=nanoseconds(told.submit_s),
        expected_start_ns=nanoseconds(told.expected_start_s),
        start_ns=row["start_ns"],
        end_ns=row["end_ns"],
        nodes=nodes,
        cpu_s=row["cpu_s"],
        memory_peak_bytes=row["memory_peak_bytes"],
        array_job_id=told.array_job_id,
        array_task_id=told.array_task_id,
        array_tasks=told.array_tasks,
        held=held.get(row["job_id"], 0),
        place=ListPlace(row["section"], row["order_ns"], row["rid"]),
    )
