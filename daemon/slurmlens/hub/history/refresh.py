"""Makes the runs of stale jobs anew from what was told.

Owns `runs`, `run_nodes` and the run numbers in `sightings`, all of which are projections. A job
that can't be made anew spoils no other. Called by the hub's pipeline after facts came in, and at its start for what a
crash left over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Table, and_, delete, insert, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from slurmlens.hub.database import tables as schema
from slurmlens.hub.database.store import Store
from slurmlens.hub.history.conclude.assignment import Assignment, assign
from slurmlens.hub.history.conclude.executions import as_executions, decode_record, superseded
from slurmlens.hub.history.conclude.run_rows import run_row, seen_of
from slurmlens.hub.history.facts import ClosedReason
from slurmlens.slurm.records import JobRecord

LEAST_JOBS = 5
"""So many are made anew in each turn, however much is brought in: what people see must not stand still."""

Row = Mapping[str, Any]


class JobKey(NamedTuple):
    """A job id in a cluster."""

    cluster: str
    job_id: int


class Refreshed(NamedTuple):
    """Jobs whose runs were made anew, and those where that failed."""

    done: tuple[JobKey, ...]
    failed: Mapping[JobKey, Exception]


class Refresher:
    """Works off the marks in `stale_jobs`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def refresh(self, now_ns: int, limit: int = 50) -> Refreshed:
        """Makes anew the runs of at most `limit` stale jobs; nothing is in the answer where nothing is left to do.

        One transaction for all, with a savepoint for each. It ends early where ingest waits: a node that gets no answer
        in time sends the same again, and a hub with much to make anew would only hear repetitions.
        """
        stale = schema.stale_jobs
        done: list[JobKey] = []
        failed: dict[JobKey, Exception] = {}
        async with self._store.write() as connection:
            found = await connection.execute(select(stale.c.cluster, stale.c.job_id).limit(limit))
            keys = [JobKey(*row) for row in found]
            for key in keys:
                if self._store.is_wanted and len(done) + len(failed) >= LEAST_JOBS:
                    break
                await connection.execute(delete(stale).where(_is(stale, key)))
                try:
                    async with connection.begin_nested():
                        await _refresh_job(connection, key, now_ns)
                    done.append(key)
                except SQLAlchemyError:
                    raise
                except Exception as error:  # whatever is odd about this job, the others must go on
                    failed[key] = error
        return Refreshed(tuple(done), failed)


async def _refresh_job(connection: AsyncConnection, key: JobKey, now_ns: int) -> None:
    executions, sightings = schema.executions, schema.sightings
    blobs = await connection.execute(select(executions.c.record).where(_is(executions, key)))
    records = superseded(decode_record(blob) for blob in blobs.scalars())
    found = await connection.execute(select(sightings).where(_is(sightings, key)))
    rows: list[Row] = [dict(row) for row in found.mappings()]
    assignment = assign([seen_of(row) for row in rows], as_executions(records))
    await _write_runs(connection, key, assignment, records, rows)
    await _write_assignment(connection, key, assignment, rows, now_ns)


async def _write_runs(
    connection: AsyncConnection, key: JobKey, assignment: Assignment, records: Sequence[JobRecord], rows: Sequence[Row]
) -> None:
    by_sighting = {(row["node"], row["sighting"]): row for row in rows}
    by_submit = {record.submit_s or 0: record for record in records}
    await connection.execute(delete(schema.run_nodes).where(_is(schema.run_nodes, key)))
    await connection.execute(delete(schema.runs).where(_is(schema.runs, key)))
    place = {"cluster": key.cluster, "job_id": key.job_id}
    for run in assignment.runs:
        own = [by_sighting[seen.node, seen.sighting] for seen in run.members]
        record = by_submit[run.execution.submit_s] if run.execution else None
        columns, nodes = run_row(run, record, own, is_latest=run is assignment.runs[-1])
        await connection.execute(insert(schema.runs).values(place | columns))
        if nodes:
            numbered = place | {"number": run.number}
            await connection.execute(insert(schema.run_nodes), [numbered | {"node": node} for node in nodes])


async def _write_assignment(
    connection: AsyncConnection, key: JobKey, assignment: Assignment, rows: Sequence[Row], now_ns: int
) -> None:
    """Writes each sighting's run, or why it is held and since when; only what changed."""
    numbers = {(seen.node, seen.sighting): run.number for run in assignment.runs for seen in run.members}
    table = schema.sightings
    for row in rows:
        sighting = row["node"], row["sighting"]
        held = assignment.held.get(sighting)
        reason = held.value if held else None
        if (row["run"], row["held_reason"]) == (numbers.get(sighting), reason):
            continue
        since_ns = (row["held_since_ns"] or now_ns) if held else None
        values = {"run": numbers.get(sighting), "held_reason": reason, "held_since_ns": since_ns}
        closed = ClosedReason(row["closed_reason"]) if row["closed_reason"] else None
        if closed and closed.holds_for_one_run and row["run"] != values["run"]:
            values |= {"closed_ns": None, "closed_reason": None}  # to be judged anew
        await connection.execute(
            update(table)
            .where(_is(table, key), table.c.node == sighting[0], table.c.sighting == sighting[1])
            .values(values)
        )


def _is(table: Table, key: JobKey) -> Any:
    return and_(table.c.cluster == key.cluster, table.c.job_id == key.job_id)
