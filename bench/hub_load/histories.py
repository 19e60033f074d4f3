"""Fills a hub's database with a made history of any length, in bulk: for lists, plans and retention at size.

    python -m bench.hub_load.histories --database sqlite:////tmp/hub.sqlite3 --jobs 1000000

Owns how a made job (`job_mix`) becomes rows of the hub's own tables. What nodes would have told stands in `sightings`
and `events`, the scheduler's record in `executions`, and the runs are concluded from these by the hub's own pure part,
so that a hub which concludes them again finds nothing to change. Bodies and courses fill most of a real database and
are asked about least: the newest days alone have them. Works on an empty database, on SQLite and PostgreSQL.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import random
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Column, ColumnElement, Connection, MetaData, Table, func, insert, select, true

from bench.hub_load.job_mix import DAY_S, JobMix, MadeJob, MadeRun, jobs_of, node_name
from slurmlens.clock import NS_PER_S
from slurmlens.events import (
    EventKind,
    Figure,
    FigureSource,
    JobEnd,
    JobIdentity,
    JobStart,
    JobSummary,
    Point,
    Profile,
    Totals,
    Witness,
)
from slurmlens.hub.database.bulk import Transaction
from slurmlens.hub.database.store import Store
from slurmlens.hub.history import tables as schema
from slurmlens.hub.history.conclude.assignment import assign
from slurmlens.hub.history.conclude.executions import as_executions, is_over
from slurmlens.hub.history.conclude.run_rows import Section, run_row, seen_of
from slurmlens.hub.history.conclude.tellers import Teller, Tellers, encode_tellers
from slurmlens.hub.history.profiles.blob import pack
from slurmlens.hub.history.profiles.course import course_of
from slurmlens.hub.history.record.packing import PACKED
from slurmlens.hub.history.record.sighting_fold import NO_FACTS
from slurmlens.hub.history.record.storing import KINDS, WITNESSES
from slurmlens.metrics import METRICS
from slurmlens.slurm.records import JobState
from slurmlens.wire import ecs

CLUSTER = "demo"
JOBS_A_TRANSACTION = 2_000
LINES_A_BODY = 200
UNLIKE_COURSES = 32
BINS = 60
BOOT = "11111111-2222-3333-4444-{number:012}"

_TYPES = {EventKind.JOB_START: JobStart, EventKind.JOB_END: JobEnd, EventKind.JOB_SUMMARY: JobSummary}
_KINDS = {_TYPES[kind]: number for number, kind in enumerate(KINDS) if kind in _TYPES}
_HOOK = WITNESSES.index(Witness.HOOK)
_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class HistoryShape:
    """Which jobs, and for how many of the newest days there are bodies as sent and courses."""

    mix: JobMix
    bodies_days: float = 1.0
    courses_days: float = 1.0


@dataclass(slots=True)
class _Rows:
    """What is put into the tables next, by table; rows of one table have one set of columns."""

    by_table: dict[Table, list[tuple[Any, ...]]] = field(default_factory=dict)

    def add(self, table: Table, row: dict[str, Any]) -> None:
        self.by_table.setdefault(table, []).append(tuple(map(row.get, _columns(table))))

    def put(self, transaction: Transaction) -> None:
        for table, rows in self.by_table.items():
            transaction.insert_new(table, _columns(table), rows)
        self.by_table.clear()


async def fill(store: Store, shape: HistoryShape, jobs: Iterable[MadeJob] | None = None) -> None:
    """Puts the whole history into the empty database of an open store, and has its statistics made.

    It is of the mix's jobs, or of these in their place.
    """
    filling = _Filling(shape)
    waiting = iter(jobs_of(shape.mix) if jobs is None else jobs)
    while some := list(islice(waiting, JOBS_A_TRANSACTION)):
        await store.write(lambda transaction, some=some: filling.put(transaction, some))
    await store.write(filling.finish)


async def fill_at(url: str, shape: HistoryShape, times: int = 1) -> None:
    """The same at the URL of an empty database, or of one to be made."""
    store = await Store.open(url)
    try:
        await fill(store, shape)
        if times > 1:
            await lengthen(store, shape.mix, times)
    finally:
        await store.close()


async def lengthen(store: Store, mix: JobMix, times: int) -> None:
    """Makes a filled history so many times as long, as far as lists go: `runs`, `run_nodes` and `executions`.

    The jobs that are over are there again and again, each time as much earlier as they span, under other ids. Some
    ten times as fast as making them one by one; their sightings and events are not repeated.
    """
    await store.write(lambda transaction: _lengthen(transaction.core, mix, times))


def _lengthen(connection: Connection, mix: JobMix, times: int) -> None:
    runs, run_nodes, executions = schema.runs, schema.run_nodes, schema.executions
    last = connection.execute(select(func.max(runs.c.rid))).scalar_one()
    indexes = [index for table in (runs, executions) for index in table.indexes if not index.unique]
    for index in indexes:
        index.drop(connection)
    again = _Again(connection, mix, last, times)
    again.put(runs, runs.c.section.in_((Section.OVER.value, Section.NOT_LISTED.value)), ("rid",))
    again.put(run_nodes, run_nodes.c.section == Section.OVER.value, ("node", "section", "order_ns", "run"))
    again.put(executions, executions.c.is_open == 0, ("cluster", "job_id", "submit_s"))
    for index in indexes:
        index.create(connection)
    connection.exec_driver_sql("ANALYZE")


class _Again:
    """Puts the rows of a table there again and again, in the order of its key: the other way a tree is slow to grow."""

    def __init__(self, connection: Connection, mix: JobMix, runs: int, times: int) -> None:
        self._connection = connection
        connection.exec_driver_sql("CREATE TEMP TABLE turns (turn BIGINT)")
        connection.execute(insert(_turns), [{"turn": turn} for turn in range(1, times)])
        span_s = mix.jobs * DAY_S // mix.jobs_a_day
        later = dict.fromkeys(("rid", "run"), runs) | dict.fromkeys(("job_id", "array_job_id"), mix.jobs)
        earlier = {"submit_s": -span_s} | dict.fromkeys(
            ("order_ns", "start_ns", "end_ns", "heard_ns"), -span_s * NS_PER_S
        )
        self._moved = later | earlier

    def put(self, table: Table, which: ColumnElement[bool], key: Sequence[str]) -> None:
        moved = {
            column.name: (column + _turns.c.turn * self._moved[column.name] if column.name in self._moved else column)
            for column in table.columns
        }
        query = select(*moved.values()).select_from(table.join(_turns, true())).where(which)
        self._connection.execute(
            insert(table).from_select(_columns(table), query.order_by(*(moved[name] for name in key)))
        )


_turns = Table("turns", MetaData(), Column("turn", BigInteger))


class _Filling:
    """Goes through the jobs in their order and numbers their rows."""

    def __init__(self, shape: HistoryShape) -> None:
        self._shape = shape
        self._rows = _Rows()
        self._body: list[bytes] = []
        self._body_heard_ns = 0
        self._last = {"runs": 0, "sightings": 0}
        self._batch = 1

    def put(self, transaction: Transaction, jobs: Sequence[MadeJob]) -> None:
        for job in jobs:
            self._job(job)
        self._rows.put(transaction)

    def finish(self, transaction: Transaction) -> None:
        """Writes what is left, and the mark up to which profiles are packed."""
        self._end_body()
        self._rows.add(schema.marks, {"name": PACKED, "value": self._batch})
        self._rows.put(transaction)
        transaction.core.exec_driver_sql("ANALYZE")

    def _job(self, job: MadeJob) -> None:
        records = [run.record for run in job.runs]
        sightings = [self._sighting(run, node) for run in job.runs for node in run.nodes]
        assignment = assign([seen_of(row) for row in sightings], as_executions(records))
        by_name = {(row["node"], row["sighting"]): row for row in sightings}
        by_submit = {record.submit_s: record for record in records}
        for run in assignment.runs:
            assert run.execution is not None
            record = by_submit[run.execution.submit_s]
            members = [by_name[seen.node, seen.sighting] for seen in run.members]
            for row in members:
                row["run"] = run.number
            made = run_row(run, record, members, is_latest=run is assignment.runs[-1])
            rid = self._next("runs")
            place = {"section": made.columns["section"], "order_ns": made.columns["order_ns"], "run": rid}
            columns = {"rid": rid, "cluster": CLUSTER, "job_id": job.job_id, **made.columns}
            self._rows.add(schema.runs, {**columns, "nodes": schema.encode_nodes(made.nodes)})
            for node in made.nodes:
                self._rows.add(schema.run_nodes, {"node": node, **place})
            key = {"cluster": CLUSTER, "job_id": job.job_id, "submit_s": record.submit_s}
            told = {"heard_ns": (record.end_s or self._shape.mix.now_s) * NS_PER_S, "is_open": int(not is_over(record))}
            self._rows.add(schema.executions, {**key, **told, "record": _encoder.encode(record)})
        for row in sightings:
            self._rows.add(schema.sightings, row)

    def _sighting(self, run: MadeRun, node: int) -> dict[str, Any]:
        """The row that a node's events of a run add up to; the events' rows, bodies and course beside it."""
        events = _events(run, node)
        rid, last = self._next("sightings"), events[-1]
        heard_ns = last.time_ns + NS_PER_S
        for event in events:
            self._event(rid, event, heard_ns)
        age_days = self._shape.mix.now_s / DAY_S - heard_ns / NS_PER_S / DAY_S
        if isinstance(last, JobSummary) and age_days < self._shape.courses_days:
            self._rows.add(schema.courses, {"sighting": rid, "course": _course(rid % UNLIKE_COURSES)})
        start = events[0]
        assert isinstance(start, JobStart)
        row = NO_FACTS | {
            "rid": rid,
            "cluster": CLUSTER,
            "node": last.node,
            "sighting": last.sighting,
            "job_id": run.record.job_id,
            "boot_id": last.boot_id,
            "first_boottime_ns": start.boottime_ns,
            "last_boottime_ns": last.boottime_ns,
            "heard_ns": heard_ns,
            "start_ns": start.time_ns,
            "start_witness": start.witness.value,
            "slot": start.slot,
            "prolog_restart_count": start.job.restart_count,
            "tellers": encode_tellers(_tellers(events)),
        }
        if isinstance(last, JobSummary):
            assert last.totals.cpu_s is not None
            assert last.totals.memory_peak_bytes is not None
            row |= {
                "end_ns": last.end_ns,
                "end_witness": last.end_witness.value,
                "summary_id": last.id,
                "totals": _encoder.encode(last.totals),
                "unseen_s": last.unseen_s,
                "samples": last.totals.samples,
                "cpu_s": last.totals.cpu_s.value,
                "memory_peak_bytes": last.totals.memory_peak_bytes.value,
                "oom_kills": last.totals.oom_kills,
            }
        return row

    def _event(self, rid: int, event: JobStart | JobEnd | JobSummary, heard_ns: int) -> None:
        has_body = self._shape.mix.now_s - heard_ns / NS_PER_S < self._shape.bodies_days * DAY_S
        if has_body:
            self._body.append(ecs.encode(event))
            self._body_heard_ns = max(self._body_heard_ns, heard_ns)
        place = {"batch": self._batch, "line": max(1, len(self._body))}
        when = {"boottime_ns": event.boottime_ns, "time_ns": event.time_ns}
        witness = None if isinstance(event, JobSummary) else _HOOK
        told = {"sighting": rid, "id": event.id, "kind": _KINDS[type(event)], "witness": witness}
        self._rows.add(schema.events, {**told, **when, **place})
        if len(self._body) == LINES_A_BODY:
            self._end_body()

    def _end_body(self) -> None:
        if self._body:
            body = gzip.compress(b"\n".join(self._body) + b"\n", 1, mtime=0)
            row = {"id": self._batch, "received_ns": self._body_heard_ns, "encoding": "gzip", "body": body}
            self._rows.add(schema.batches, row)
            self._body, self._body_heard_ns = [], 0
            self._batch += 1

    def _next(self, table: str) -> int:
        self._last[table] += 1
        return self._last[table]


def _events(run: MadeRun, node: int) -> list[JobStart | JobEnd | JobSummary]:
    """What a node tells of its part: a start, and of a run that is over an end and a summary."""
    record, name = run.record, node_name(node)
    assert record.start_s is not None
    sighting = f"{name}-{record.job_id}-{record.restart_count}"
    job = JobIdentity(
        job_id=record.job_id,
        restart_count=record.restart_count,
        user_id=record.user_id,
        user_name=record.user,
        account=record.account,
        partition=record.partition,
        job_name=record.name,
        node_count=record.node_count,
        cpus_per_node=str((record.cpu_count or 0) // (record.node_count or 1)),
        array_job_id=record.array_job_id,
        array_task_id=record.array_task_id,
    )

    def envelope(at_s: float, what: str) -> dict[str, Any]:
        time_ns = round(at_s * NS_PER_S)
        boot = {"boot_id": BOOT.format(number=node), "boottime_ns": time_ns - 10**18}
        return {
            "id": f"{sighting}-{what}",
            "time_ns": time_ns,
            "cluster": CLUSTER,
            "node": name,
            "sighting": sighting,
        } | boot

    begin_s = record.start_s + 0.1 + node % 7 / 10
    start = JobStart(job=job, witness=Witness.HOOK, slot=node % 4, **envelope(begin_s, "s"))
    if record.end_s is None:
        return [start]
    end_s = max(record.end_s + 0.2 + node % 5 / 10, begin_s + 0.1)
    end = JobEnd(job=job, witness=Witness.HOOK, **envelope(end_s, "e"))
    return [start, end, _summary(run, start, end, envelope(end_s + 0.5, "m"))]


def _summary(run: MadeRun, start: JobStart, end: JobEnd, envelope: dict[str, Any]) -> JobSummary:
    ran_s = (end.time_ns - start.time_ns) / NS_PER_S
    share = (run.record.job_id * 7919 % 1000) / 1000
    totals = Totals(
        samples=max(1, round(ran_s / 10)),
        cpu_s=Figure(value=round(ran_s * 32 * share, 3), source=FigureSource.TASK_EXIT),
        memory_peak_bytes=Figure(value=round(128e9 * share), source=FigureSource.LAST_SAMPLE),
        oom_kills=int(run.record.state is JobState.OUT_OF_MEMORY),
    )
    return JobSummary(
        job=end.job,
        start_ns=start.time_ns,
        end_ns=end.time_ns,
        start_witness=start.witness,
        end_witness=end.witness,
        unseen_s=0.0,
        slot=start.slot,
        totals=totals,
        profile=None,
        **envelope,
    )


def _tellers(events: Sequence[JobStart | JobEnd | JobSummary]) -> Tellers:
    told = [Teller(event.boottime_ns, event.id, event.job) for event in events]
    return Tellers(told[0]) if len(told) == 1 else Tellers(told[0], told[2], told[1])


@cache
def _columns(table: Table) -> tuple[str, ...]:
    return tuple(column.name for column in table.columns)


@cache
def _course(number: int) -> bytes:
    """One of a few unlike courses: an hour in bins of a minute, all metrics of a profile."""
    rng = random.Random(number)
    columns = {metric.name: list(_points(rng)) for metric in METRICS if metric.in_profile}
    course = course_of(Profile(start_ns=0, width_s=64.0, columns=columns))
    assert course is not None
    return pack(course)


def _points(rng: random.Random) -> Iterator[Point]:
    value = rng.uniform(5, 60)
    for _ in range(BINS):
        value = max(0.0, value + rng.uniform(-0.5, 0.5))
        yield Point(round(value * 0.93, 6), round(value, 6), round(value * 1.05, 6))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.hub_load.histories", description=__doc__.split("\n")[0])
    parser.add_argument("--database", required=True, help="URL of an empty database, or of one to be made")
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=1, help="as far as lists go so many times as long")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--bodies-days", type=float, default=1.0)
    parser.add_argument("--courses-days", type=float, default=1.0)
    options = parser.parse_args()
    mix = JobMix(options.jobs, now_s=int(time.time()), seed=options.seed)
    began_s = time.monotonic()
    shape = HistoryShape(mix, options.bodies_days, options.courses_days)
    asyncio.run(fill_at(options.database, shape, options.times))
    print(f"{options.jobs * options.times} jobs in {time.monotonic() - began_s:.0f} s")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
