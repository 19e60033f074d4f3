"""Reads lists of jobs: one row a job, its latest run.

Owns the SELECT behind the jobs page, its filters and its order. Used by `queries`, inside one transaction of its.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Select, and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from slurmlens.hub.access.predicates import visible_runs
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.database import tables as schema
from slurmlens.hub.database.statements import chunks
from slurmlens.hub.history.conclude.executions import decode_record
from slurmlens.hub.history.facts import JobFilter, JobRow, StateFilter
from slurmlens.hub.history.read.reading import Row, fetch, nanoseconds, nodes_of_runs, outcome_of_row
from slurmlens.slurm.records import JobRecord, JobState, RecordSource

_PARTS = (
    (StateFilter.RUNNING,),
    (StateFilter.PENDING,),
    (StateFilter.FINISHED, StateFilter.FAILED),
)
"""The parts of a list in their order; a query each, so that the long one goes by its index."""

_PARTS_OF = {
    StateFilter.RUNNING: ((StateFilter.RUNNING,),),
    StateFilter.PENDING: ((StateFilter.PENDING,),),
    StateFilter.FAILED: ((StateFilter.FAILED,),),
    StateFilter.FINISHED: ((StateFilter.FINISHED, StateFilter.FAILED),),
}


async def list_jobs(viewer: Viewer, connection: AsyncConnection, cluster: str, which: JobFilter) -> tuple[JobRow, ...]:
    """Jobs by their latest run, as `JobFilter` says."""
    parts = _PARTS_OF[which.state] if isinstance(which.state, StateFilter) else _PARTS
    rows: list[Row] = []
    for part in parts:
        if len(rows) < which.limit:
            rows += await fetch(connection, _list_query(viewer, cluster, which, part, which.limit - len(rows)))
    job_ids = {row["job_id"] for row in rows}
    held = await _held_counts(connection, cluster, job_ids)
    nodes = await nodes_of_runs(connection, cluster, job_ids)
    return tuple(_job_row(row, nodes.get((row["job_id"], row["number"]), ()), held) for row in rows)


def _list_query(
    viewer: Viewer, cluster: str, which: JobFilter, groups: tuple[StateFilter, ...], limit: int
) -> Select[Any]:
    runs, executions = schema.runs, schema.executions
    same = and_(*(runs.c[name] == executions.c[name] for name in ("cluster", "job_id", "submit_s")))
    query = select(runs, executions.c.record).outerjoin(executions, same)
    query = query.where(runs.c.cluster == cluster, runs.c.is_latest == 1, visible_runs(viewer))
    query = query.where(runs.c.state_group.in_([group.value for group in groups]))
    if isinstance(which.state, JobState):
        query = query.where(runs.c.state == which.state.value)
    for name in ("user", "account", "partition"):
        if (value := getattr(which, name)) is not None:
            query = query.where(runs.c[name] == value)
    if which.node is not None:
        run_nodes = schema.run_nodes
        same_run = and_(*(runs.c[name] == run_nodes.c[name] for name in ("cluster", "job_id", "number")))
        query = query.join(run_nodes, same_run).where(run_nodes.c.node == which.node)
    return query.order_by(runs.c.order_ns.desc(), runs.c.job_id.desc()).limit(limit)


async def _held_counts(connection: AsyncConnection, cluster: str, job_ids: Collection[int]) -> dict[int, int]:
    table = schema.sightings
    held: dict[int, int] = {}
    for chunk in chunks(job_ids):
        query = (
            select(table.c.job_id, func.count())
            .where(table.c.cluster == cluster, table.c.job_id.in_(chunk), table.c.held_reason.is_not(None))
            .group_by(table.c.job_id)
        )
        held.update((job_id, count) for job_id, count in await connection.execute(query))
    return held


def _job_row(row: Row, nodes: tuple[str, ...], held: Mapping[int, int]) -> JobRow:
    record = decode_record(row["record"]) if row["record"] else None
    told = record or JobRecord(job_id=row["job_id"], state=JobState.UNKNOWN, source=RecordSource.QUEUE)
    node_count = told.node_count or len(nodes) or None
    return JobRow(
        cluster=row["cluster"],
        job_id=row["job_id"],
        run=row["number"],
        outcome=outcome_of_row(row),
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
        time_limit_s=told.time_limit_s,
        nodes=told.nodes or nodes,
        node_count=node_count,
        cpu_count=told.cpu_count,
        cpu_s=row["cpu_s"],
        memory_peak_bytes=row["memory_peak_bytes"],
        memory_per_node_bytes=told.memory_bytes // node_count if told.memory_bytes and node_count else None,
        array_job_id=told.array_job_id,
        array_task_id=told.array_task_id,
        array_tasks=told.array_tasks,
        held=held.get(row["job_id"], 0),
    )
