"""The stage that keeps the ledger and its sums while jobs start and end.

Owns the writing of `usage_runs`, `usage_hours` and `usage_days`. History marks each job whose runs, or whose record,
changed (`uncharged_jobs`, in the transaction of the change); this stage charges marked jobs anew and adds to the sums,
and has `started_keeping` add to its own, in what that differs from the ledger. Invariants: mark, ledger and sums change
in one transaction, so that a kill at any moment leaves work to do and nothing counted twice; the sums are always those
of the ledger, whatever the order in which facts came; an hour or a day in which there is nothing has no row. Closed
hours in which nodes turn out to have been busy otherwise are marked for `node_keeping`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import astuple
from sqlalchemy import select

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.hub.database.bulk import Transaction
from slurmlens.hub.database.store import Store
from slurmlens.hub.history import tables as history
from slurmlens.hub.history.conclude.executions import decode_record, superseded
from slurmlens.hub.news import News, QueueReceived, RunsChanged
from slurmlens.hub.usage import tables as schema
from slurmlens.hub.usage.charges import (
    DAY_S,
    DIMENSIONS,
    FOREVER_S,
    HOUR_S,
    NO_GPU_USE,
    SUM_NAMES,
    RunCharge,
    UsageKey,
    charge_of,
    hourly,
)
from slurmlens.hub.usage.gpu_use import gpu_use
from slurmlens.hub.usage.row_sums import Place, Sums, SumTable, negative, summed_by_place, write_sums
from slurmlens.hub.usage.started_keeping import write_started
from slurmlens.slurm.records import JobRecord

JOBS_AT_ONCE = 400
"""Of one transaction: some 40 ms of the writer's time."""
GATHER_S = 1.0
REST_S = 0.02
"""Between two transactions: nodes' events are written meanwhile."""
GRACE_S = 300
"""How long after its end an hour of the nodes stays open: the scheduler is asked now and then."""

_RUN_KEY = ("cluster", "job_id", "run")
_RUN_COLUMNS = (
    "job_id",
    "number",
    "submit_s",
    "state",
    "name",
    "user",
    "account",
    "partition",
    "start_ns",
    "end_ns",
    "cpu_s",
    "memory_peak_bytes",
    "nodes",
)
_OWN = tuple(name for name in RunCharge.__struct_fields__ if name != "key")
_key_of, _own_of = itemgetter(*DIMENSIONS), itemgetter(*_OWN)
_SAME_FOR_NODES = ("node_count", "core_count", "gpu_count", "memory_mib")
_HOURS = SumTable(schema.usage_hours, schema.HOUR_KEY, SUM_NAMES)
_DAYS = SumTable(schema.usage_days, schema.DAY_KEY, SUM_NAMES)

RunId = tuple[int, int]


class ChargedJobs(NamedTuple):
    """What one step did: jobs that it took, and runs whose charge changed."""

    jobs: int = 0
    changed: int = 0


class UsageKeeper:
    """The ledger's stage for one cluster."""

    def __init__(self, store: Store, cluster: str, news: News, clock: Clock) -> None:
        self._store = store
        self._cluster = cluster
        self._clock = clock
        self._heard = news.subscribe(RunsChanged, QueueReceived)

    async def run(self) -> None:
        """A stage: charges what is marked, first of all what a hub before left, for ever."""
        while True:
            self._heard.take_all()
            kept = await self.step()
            while kept.jobs:
                await asyncio.sleep(REST_S)
                kept = await self.step()
            await self._heard.wait()
            await asyncio.sleep(GATHER_S)

    async def step(self, most: int = JOBS_AT_ONCE) -> ChargedJobs:
        """Charges at most so many of the marked jobs; `jobs` is 0 where none is marked."""
        now_s = self._clock.wall_ns() // NS_PER_S
        return await self._store.write(lambda transaction: _step(transaction, self._cluster, now_s, most))


def _step(transaction: Transaction, cluster: str, now_s: int, most: int) -> ChargedJobs:
    marks = history.uncharged_jobs
    query = select(marks.c.job_id).where(marks.c.cluster == cluster).order_by(marks.c.job_id).limit(most)
    job_ids = [row[0] for row in transaction.core.execute(query)]
    if not job_ids:
        return ChargedJobs()
    keys = [(cluster, job_id) for job_id in job_ids]
    transaction.take_away(marks, ("cluster", "job_id"), keys)  # first: what is marked from now on stays marked
    before, after = _ledger(transaction, keys), _charges(transaction, keys)
    changed = {one for one in before.keys() | after.keys() if before.get(one) != after.get(one)}
    _write_ledger(transaction, cluster, before, after, changed)
    _write_sums(transaction, cluster, before, after, changed)
    write_started(transaction, cluster, ((before.get(one), after.get(one)) for one in changed))
    _mark_hours(transaction, cluster, before, after, changed, now_s)
    return ChargedJobs(len(job_ids), len(changed))


def _charges(transaction: Transaction, keys: Collection[tuple[Any, ...]]) -> dict[RunId, RunCharge]:
    """What history says now of the runs of these jobs."""
    place = ("cluster", "job_id")
    records: dict[int, list[JobRecord]] = {}
    heard_s: dict[tuple[int, int], int] = {}
    for job_id, heard_ns, blob in transaction.find(history.executions, ("job_id", "heard_ns", "record"), place, keys):
        record = decode_record(blob)
        records.setdefault(job_id, []).append(record)
        heard_s[job_id, record.submit_s or 0] = heard_ns // NS_PER_S
    by_submit = {
        (job_id, record.submit_s or 0): record for job_id, own in records.items() for record in superseded(own)
    }
    gpus = gpu_use(transaction, keys)
    charges: dict[RunId, RunCharge] = {}
    for found in transaction.find(history.runs, _RUN_COLUMNS, place, keys):
        row = dict(zip(_RUN_COLUMNS, found, strict=True))
        row["node_count"] = len(history.decode_nodes(row["nodes"]))
        execution = row["job_id"], row["submit_s"] or 0
        used = gpus.get((row["job_id"], row["number"]), NO_GPU_USE)
        charge = charge_of(row, by_submit.get(execution), heard_s.get(execution), used)
        if charge is not None:
            charges[charge.job_id, charge.run] = charge
    return charges


def _ledger(transaction: Transaction, keys: Collection[tuple[Any, ...]]) -> dict[RunId, RunCharge]:
    rows = transaction.find_rows(schema.usage_runs, ("cluster", "job_id"), keys)
    return {(row["job_id"], row["run"]): charge_of_row(row) for row in rows}


def charge_of_row(row: Mapping[str, Any]) -> RunCharge:
    """The charge that a row of the ledger holds."""
    return RunCharge(key=UsageKey(*_key_of(row)), **dict(zip(_OWN, _own_of(row), strict=True)))


def _write_ledger(
    transaction: Transaction,
    cluster: str,
    before: Mapping[RunId, RunCharge],
    after: Mapping[RunId, RunCharge],
    changed: Iterable[RunId],
) -> None:
    ordered = sorted(changed)
    gone = [(cluster, *one) for one in ordered if one not in after]
    transaction.take_away(schema.usage_runs, _RUN_KEY, gone)
    transaction.put(schema.usage_runs, _RUN_KEY, [_row(cluster, after[one]) for one in ordered if one in after])


def _row(cluster: str, charge: RunCharge) -> dict[str, Any]:
    own = msgspec.structs.asdict(charge)
    key = msgspec.structs.asdict(own.pop("key"))
    return {"cluster": cluster, **own, **key, "span_class": charge.span_class, "size_class": charge.size_class}


def _write_sums(
    transaction: Transaction,
    cluster: str,
    before: Mapping[RunId, RunCharge],
    after: Mapping[RunId, RunCharge],
    changed: Collection[RunId],
) -> None:
    taken = ((place, negative(sums)) for one in changed for place, sums in _hours(before.get(one)))
    given = (part for one in changed for part in _hours(after.get(one)))
    hours = summed_by_place(chain(taken, given))
    days = summed_by_place(((place[0] // DAY_S * DAY_S, *place[1:]), sums) for place, sums in hours.items())
    write_sums(transaction, _HOURS, cluster, hours)
    write_sums(transaction, _DAYS, cluster, days)


def _hours(charge: RunCharge | None) -> Iterator[tuple[Place, Sums]]:
    """The parts of a run by the rows of hours to which they add."""
    if charge is not None:
        whose = astuple(charge.key)
        for hour_s, sums in hourly(charge):
            yield (hour_s, *whose), astuple(sums)


def _mark_hours(
    transaction: Transaction,
    cluster: str,
    before: Mapping[RunId, RunCharge],
    after: Mapping[RunId, RunCharge],
    changed: Iterable[RunId],
    now_s: int,
) -> None:
    """Closed hours in which a run now is, and was not, or is no longer."""
    closed_s = (now_s - GRACE_S) // HOUR_S * HOUR_S
    hours: set[int] = set()
    for one in changed:
        for begin_s, end_s in _spans_that_differ(before.get(one), after.get(one)):
            hours.update(range(begin_s // HOUR_S * HOUR_S, min(end_s, closed_s), HOUR_S))
    mark_hours(transaction, cluster, hours, now_s * NS_PER_S)


def mark_hours(transaction: Transaction, cluster: str, hours: Iterable[int], now_ns: int) -> None:
    """Has what the nodes did in these hours counted again."""
    rows = [{"cluster": cluster, "hour_s": hour_s, "marked_ns": now_ns} for hour_s in sorted(hours)]
    transaction.put(schema.usage_due_hours, ("cluster", "hour_s"), rows)


def _spans_that_differ(old: RunCharge | None, new: RunCharge | None) -> Sequence[tuple[int, int]]:
    spans = [(one.start_s, one.end_s) for one in (old, new) if one is not None]
    if old is None or new is None or any(getattr(old, name) != getattr(new, name) for name in _SAME_FOR_NODES):
        return spans
    ends = sorted((old.end_s, new.end_s)), sorted((old.start_s, new.start_s))
    return [(begin_s, min(end_s, FOREVER_S)) for begin_s, end_s in ends if begin_s < end_s]
