"""Whose the job of a line is, and which job a line of a node is about: by what history holds, valid at the line's time.

Owns the questions and what is remembered of their answers. A line that names its job gets that job's user, account and
partition. A line of trouble (one that a table understood) that names no job, but a node, gets the job that ran on that
node then, if it was one alone; whatever else a node says is not given to a job by time. A job that is not known yet is
asked for again when its next line comes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, select

from slurmlens.hub.database.store import Store
from slurmlens.hub.history import tables as schema
from slurmlens.hub.history.conclude.run_rows import Section
from slurmlens.hub.logs.query import NOBODY, JobOwner
from slurmlens.log_lines import JobSource, LogLine

REMEMBERED = 10_000
_LOOKED_AT = 50
"""Runs of a node before a moment, the latest of each part of the lists."""
_STARTED = (Section.RUNNING, Section.OVER, Section.NOT_LISTED)


class _OwnJob(NamedTuple):
    """A job, and whose it is."""

    job_id: int
    owner: JobOwner


class Enricher:
    """Asks one cluster's history."""

    def __init__(self, store: Store, cluster: str) -> None:
        self._store = store
        self._cluster = cluster
        self._owners: OrderedDict[int, JobOwner] = OrderedDict()

    async def enriched(self, lines: Sequence[LogLine]) -> list[tuple[LogLine, JobOwner]]:
        """The lines, each with its job where that can be known, and with whose that is."""
        unknown = {line.job_id for line in lines if line.job_id is not None} - self._owners.keys()
        troubles = {(line.node, line.time_ns) for line in lines if line.job_id is None and line.kind is not None}
        if not unknown and not troubles:
            return [(line, self._owner(line.job_id)) for line in lines]
        owners, jobs = await self._store.read(lambda connection: self._ask(connection, unknown, troubles))
        for job_id, owner in owners.items():
            self._remember(job_id, owner)
        return [self._with_job(line, jobs.get((line.node, line.time_ns))) for line in lines]

    def _with_job(self, line: LogLine, on_node: _OwnJob | None) -> tuple[LogLine, JobOwner]:
        if line.job_id is None and line.kind is not None and on_node is not None:
            line = msgspec.structs.replace(line, job_id=on_node.job_id, job_source=JobSource.TIME)
            return line, on_node.owner
        return line, self._owner(line.job_id)

    def _owner(self, job_id: int | None) -> JobOwner:
        return NOBODY if job_id is None else self._owners.get(job_id, NOBODY)

    def _remember(self, job_id: int, owner: JobOwner) -> None:
        self._owners[job_id] = owner
        while len(self._owners) > REMEMBERED:
            self._owners.popitem(last=False)

    def _ask(
        self, connection: Connection, job_ids: set[int], moments: set[tuple[str, int]]
    ) -> tuple[dict[int, JobOwner], dict[tuple[str, int], _OwnJob]]:
        owners: dict[int, JobOwner] = {}
        for job_id in job_ids:
            if (owner := self._owner_of(connection, job_id)) is not None:
                owners[job_id] = owner
        jobs = {}
        for node, time_ns in moments:
            if (own := self._alone_on(connection, node, time_ns)) is not None:
                jobs[node, time_ns] = own
        return owners, jobs

    def _owner_of(self, connection: Connection, job_id: int) -> JobOwner | None:
        runs = schema.runs
        query = (
            select(runs.c.user, runs.c.account, runs.c.partition)
            .where(runs.c.cluster == self._cluster, runs.c.job_id == job_id, runs.c.user.is_not(None))
            .order_by(runs.c.number.desc())
            .limit(1)
        )
        row = connection.execute(query).first()
        return None if row is None else JobOwner(*row)

    def _alone_on(self, connection: Connection, node: str, time_ns: int) -> _OwnJob | None:
        """The job that ran on a node at a moment; None where none did, or several."""
        runs, run_nodes = schema.runs, schema.run_nodes
        columns = (runs.c.job_id, runs.c.user, runs.c.account, runs.c.partition, runs.c.start_ns, runs.c.end_ns)
        found: dict[int, JobOwner] = {}
        for section in _STARTED:  # each by the key of `run_nodes`, however long the node's past
            query = (
                select(*columns)
                .join(run_nodes, run_nodes.c.run == runs.c.rid)
                .where(run_nodes.c.node == node, run_nodes.c.section == section.value)
                .where(run_nodes.c.order_ns <= time_ns)
                .order_by(run_nodes.c.order_ns.desc(), run_nodes.c.run.desc())
                .limit(_LOOKED_AT)
            )
            for job_id, *owner, start_ns, end_ns in connection.execute(query):
                if start_ns is not None and start_ns <= time_ns and (end_ns is None or end_ns >= time_ns):
                    found[job_id] = JobOwner(*owner)
        return _OwnJob(*found.popitem()) if len(found) == 1 else None
