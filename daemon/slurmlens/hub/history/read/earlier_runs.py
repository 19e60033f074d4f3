"""Reads a user's earlier runs of the same job: those of the same name, but for the numbers in it.

Owns the SELECT, by the index of a user's list. A name with numbers (`relax-017`, `sweep_3_of_10`) is one job with the
same name of other numbers: that is how scripts that are made from a template are called. Feeds the job's view.
"""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import Connection, select

from slurmlens.hub.access.predicates import visible_runs
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.database.store import Store
from slurmlens.hub.history.conclude.run_rows import Section
from slurmlens.hub.history.facts import EarlierRun, JobFacts
from slurmlens.hub.history.tables import runs
from slurmlens.slurm.records import JobState

MOST_LOOKED_AT = 400
MOST_RUNS = 50
_NUMBERS = re.compile(r"\d+")


def _earlier(row: Any) -> EarlierRun:
    return EarlierRun(job_id=row.job_id, run=row.number, state=JobState(row.state), ran_ns=row.end_ns - row.start_ns)


def template_of(name: str) -> str:
    """A job's name without what differs from run to run."""
    return _NUMBERS.sub("#", name)


class EarlierRuns:
    """The question, of one cluster."""

    def __init__(self, store: Store, cluster: str) -> None:
        self._store = store
        self._cluster = cluster

    async def of_job(self, viewer: Viewer, facts: JobFacts) -> tuple[EarlierRun, ...]:
        """Runs of the same user, template and partition that were over before this one began, the newest first."""
        record, hook = facts.record, facts.identity
        name = record.name if record else hook.job_name if hook else None
        user = record.user if record else hook.user_name if hook else None
        partition = record.partition if record else hook.partition if hook else None
        if not name or not user or facts.start_ns is None:
            return ()
        wanted, before_ns = template_of(name), facts.start_ns
        columns = runs.c
        query = (
            select(columns.job_id, columns.number, columns.name, columns.partition, columns.state)
            .add_columns(columns.start_ns, columns.end_ns)
            .where(columns.cluster == self._cluster, columns.user == user, columns.section == Section.OVER)
            .where(columns.order_ns < before_ns, visible_runs(viewer))
            .order_by(columns.order_ns.desc(), columns.rid.desc())
            .limit(MOST_LOOKED_AT)
        )

        def work(connection: Connection) -> list[EarlierRun]:
            return [
                _earlier(row)
                for row in connection.execute(query)
                if row.name and template_of(row.name) == wanted and row.partition == partition
                if row.start_ns is not None and row.end_ns is not None and row.start_ns < row.end_ns <= before_ns
            ]

        return tuple((await self._store.read(work))[:MOST_RUNS])
