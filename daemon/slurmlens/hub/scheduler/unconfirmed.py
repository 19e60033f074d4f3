"""Runs that all their nodes have ended while the scheduler is silent: they are over, although it last said otherwise.

Owns that conclusion. Invariants: nothing is concluded while the scheduler answers, for it decides; each node that it
named must have reported the job's end or a boot; and no sighting of the job may be open anywhere, for a requeue would
look the same. What is concluded is marked as vanished, so that whatever the scheduler says next wins. A stage of the
hub's beside `reconcile`, which closes what nodes do not end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, and_, exists, select

from slurmlens.clock import Clock
from slurmlens.hub.database.store import Store
from slurmlens.hub.history import tables as schema
from slurmlens.hub.history.conclude.closing import END_GRACE_NS, Now
from slurmlens.hub.history.conclude.run_rows import Section
from slurmlens.hub.history.facts import ClosedReason
from slurmlens.hub.history.read.reading import fetch, of_job
from slurmlens.hub.history.record.executions import ExecutionKey
from slurmlens.hub.scheduler.records import SchedulerRecords

Row = Mapping[str, Any]

LOOK_EVERY_S = 5.0


class Unconfirmed:
    """Ends what the nodes have ended; `started_ns` is when this hub began to listen."""

    def __init__(
        self,
        store: Store,
        records: SchedulerRecords,
        cluster: str,
        *,
        last_queue_ns: Callable[[], int | None],
        clock: Clock,
        started_ns: int,
    ) -> None:
        self._store = store
        self._records = records
        self._cluster = cluster
        self._last_queue_ns = last_queue_ns
        self._clock = clock
        self._started_ns = started_ns

    async def run(self) -> None:
        """A stage: looks every few seconds, for ever."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await self.end(self._clock.wall_ns(), self._last_queue_ns())

    async def end(self, now_ns: int, scheduler_ns: int | None) -> set[int]:
        """The jobs of which a run is over by the word of its nodes alone.

        `scheduler_ns` is when the scheduler last gave its queue; None where it did not yet.
        """
        now = Now(now_ns, self._started_ns, scheduler_ns)
        if now.scheduler_answers or now.silent_ns(scheduler_ns or 0) <= END_GRACE_NS:
            return set()
        over = await self._store.read(lambda connection: self._over(connection, now))
        return await self._records.forget(over, now_ns) if over else set()

    def _over(self, connection: Connection, now: Now) -> list[ExecutionKey]:
        return [
            ExecutionKey(run["job_id"], run["submit_s"])
            for run in fetch(connection, self._without_open_parts())
            if self._all_told(connection, run, now)
        ]

    def _without_open_parts(self) -> Any:
        """Runs that the scheduler last called running, of whose job nodes hold nothing for open."""
        runs, executions, sightings = schema.runs, schema.executions, schema.sightings
        same = and_(*(runs.c[name] == executions.c[name] for name in ("cluster", "job_id", "submit_s")))
        of_the_job = and_(sightings.c.cluster == runs.c.cluster, sightings.c.job_id == runs.c.job_id)
        is_open = and_(of_the_job, sightings.c.end_ns.is_(None), sightings.c.closed_ns.is_(None))
        return (
            select(runs.c.job_id, runs.c.number, runs.c.submit_s, runs.c.nodes)
            .join(executions, same)
            .where(runs.c.cluster == self._cluster, runs.c.section == Section.RUNNING.value, executions.c.is_open == 1)
            .where(~exists().where(is_open))
        )

    def _all_told(self, connection: Connection, run: Row, now: Now) -> bool:
        """Whether every node of the run has reported its end, long enough ago for the scheduler to know it, too."""
        table = schema.sightings
        rows = fetch(connection, select(table).where(of_job(table, self._cluster, run["job_id"])))
        told = _ended_on(row for row in rows if row["run"] == run["number"])
        is_late = all(now.silent_ns(row["heard_ns"]) > END_GRACE_NS for row in rows)
        return bool(rows) and is_late and told.issuperset(schema.decode_nodes(run["nodes"]))


def _ended_on(rows: Iterable[Row]) -> set[str]:
    """The nodes whose last part in the run has ended by their own word."""
    last = {row["node"]: row for row in sorted(rows, key=lambda row: (row["start_ns"], row["first_boottime_ns"]))}
    booted = ClosedReason.NODE_BOOTED.value
    return {node for node, row in last.items() if row["end_ns"] is not None or row["closed_reason"] == booted}
