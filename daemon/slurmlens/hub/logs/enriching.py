"""Whose the job of a line is, and which job a line of a node is about: by what history holds, valid at the line's time.

Owns the questions and what is remembered of their answers. A line that names its job gets that job's name, user,
account and partition, of the run that there was then: job ids are used again. A line of trouble (one that a table
understood) that names no job, but a node, gets the job that ran on that node then, if it was one alone; whatever else a
node says is not given to a job by time. What is remembered of a job is forgotten when its runs change. While the
database does not answer, lines go on with what is remembered; `keeping` completes them later.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Select, bindparam, select

from slurmlens.clock import NS_PER_S
from slurmlens.hub.database.store import Store, StoreError
from slurmlens.hub.history import tables as schema
from slurmlens.hub.history.conclude.run_rows import Section
from slurmlens.hub.logs.query import JobOwner
from slurmlens.hub.news import FactOfJob, News, RunsChanged
from slurmlens.log_lines import JobSource, LogLine
from slurmlens.slurm.hostlist import fold_or_list

REMEMBERED = 10_000
MOST_FACTS = 10_000
SKEW_NS = 300 * NS_PER_S
"""So much before its submission a line may be about a job: clocks of nodes differ."""
_RUNS_LOOKED_AT = 20
_LOOKED_AT = 50
"""Runs of a node before a moment, the latest of each part of the lists."""
_STARTED = (Section.RUNNING, Section.OVER, Section.NOT_LISTED)
_runs = schema.runs.c
_run_nodes = schema.run_nodes.c
_TOLD = (_runs.job_id, _runs.user, _runs.account, _runs.partition, _runs.name, _runs.nodes)

# Made once: to make a statement takes SQLAlchemy ten times as long as the database takes to answer it.

_RUNS_OF_JOB = (
    select(*_TOLD, _runs.submit_s, _runs.order_ns)
    .where(_runs.cluster == bindparam("cluster"), _runs.job_id == bindparam("job_id"), _runs.user.is_not(None))
    .order_by(_runs.number.desc())
    .limit(_RUNS_LOOKED_AT)
)


def _latest_on_node(section: Section) -> Select[Any]:
    """Runs of one part of a node's list, by the key of `run_nodes`, however long the node's past."""
    return (
        select(*_TOLD, _runs.start_ns, _runs.end_ns)
        .join(schema.run_nodes, _run_nodes.run == _runs.rid)
        .where(_run_nodes.node == bindparam("node"), _run_nodes.section == section.value)
        .where(_run_nodes.order_ns <= bindparam("time_ns"))
        .order_by(_run_nodes.order_ns.desc(), _run_nodes.run.desc())
        .limit(_LOOKED_AT)
    )


_LATEST_ON_NODE = tuple(_latest_on_node(section) for section in _STARTED)


class KnownJob(NamedTuple):
    """A job as history has it; `nodes` is a hostlist, `first_node` the one where its batch script runs."""

    job_id: int
    owner: JobOwner
    name: str | None
    nodes: str
    first_node: str | None


class EnrichedLine(NamedTuple):
    """A line, and its job as far as history knows it; `was_asked` is False where the database did not answer."""

    line: LogLine
    job: KnownJob | None
    was_asked: bool = True


class _Run(NamedTuple):
    begin_ns: int
    job: KnownJob


class Enricher:
    """Asks one cluster's history."""

    def __init__(self, store: Store, cluster: str, news: News) -> None:
        self._store = store
        self._cluster = cluster
        self._heard = news.subscribe(RunsChanged, most_waiting=MOST_FACTS)
        self._known: OrderedDict[int, tuple[_Run, ...]] = OrderedDict()
        """Runs of jobs, the newest first."""

    async def enriched(self, lines: Sequence[LogLine]) -> list[EnrichedLine]:
        """The lines, each with its job where that can be known."""
        self._forget_changed()
        unknown = {line.job_id for line in lines if line.job_id is not None} - self._known.keys()
        troubles = {(line.node, line.time_ns) for line in lines if line.job_id is None and line.kind is not None}
        jobs: dict[tuple[str, int], KnownJob] = {}
        was_asked = True
        if unknown or troubles:
            try:
                known, jobs = await self._store.read(lambda connection: self._ask(connection, unknown, troubles))
            except StoreError:  # whoever keeps the lines asks again
                known, was_asked = {}, False
            self._remember(known)
        return [self._with_job(line, jobs.get((line.node, line.time_ns)), was_asked) for line in lines]

    def _forget_changed(self) -> None:
        for fact in self._heard.take_all():
            if isinstance(fact, FactOfJob):
                self._known.pop(fact.job_id, None)
            else:  # facts were missed
                self._known.clear()

    def _remember(self, known: dict[int, tuple[_Run, ...]]) -> None:
        self._known.update(known)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    def _with_job(self, line: LogLine, on_node: KnownJob | None, was_asked: bool) -> EnrichedLine:
        if line.job_id is None and line.kind is not None and on_node is not None:
            line = msgspec.structs.replace(line, job_id=on_node.job_id, job_source=JobSource.TIME)
            return EnrichedLine(line, on_node)
        runs = self._known.get(line.job_id, ()) if line.job_id is not None else ()
        return EnrichedLine(line, _valid_at(runs, line.time_ns), was_asked)

    def _ask(
        self, connection: Connection, job_ids: set[int], moments: set[tuple[str, int]]
    ) -> tuple[dict[int, tuple[_Run, ...]], dict[tuple[str, int], KnownJob]]:
        runs = {job_id: self._runs_of(connection, job_id) for job_id in job_ids}
        jobs = {moment: self._alone_on(connection, *moment) for moment in moments}
        return (
            {job_id: found for job_id, found in runs.items() if found},
            {moment: job for moment, job in jobs.items() if job is not None},
        )

    def _runs_of(self, connection: Connection, job_id: int) -> tuple[_Run, ...]:
        found = connection.execute(_RUNS_OF_JOB, {"cluster": self._cluster, "job_id": job_id})
        return tuple(
            _Run(row.order_ns if row.submit_s is None else row.submit_s * NS_PER_S, _job(row)) for row in found
        )

    def _alone_on(self, connection: Connection, node: str, time_ns: int) -> KnownJob | None:
        """The job that ran on a node at a moment; None where none did, or several."""
        found: dict[int, Sequence[Any]] = {}
        for statement in _LATEST_ON_NODE:
            for row in connection.execute(statement, {"node": node, "time_ns": time_ns}):
                if row.start_ns is not None and row.start_ns <= time_ns and (row.end_ns or time_ns) >= time_ns:
                    found[row.job_id] = row
        return _job(found.popitem()[1]) if len(found) == 1 else None


def _valid_at(runs: Sequence[_Run], time_ns: int) -> KnownJob | None:
    """The job of the newest run that had been submitted by then; the oldest where none had."""
    if not runs:
        return None
    return next((run.job for run in runs if run.begin_ns <= time_ns + SKEW_NS), runs[-1].job)


def _job(row: Sequence[Any]) -> KnownJob:
    job_id, user, account, partition, name, nodes = row[: len(_TOLD)]
    names = schema.decode_nodes(nodes)
    return KnownJob(job_id, JobOwner(user, account, partition), name, fold_or_list(names), names[0] if names else None)
