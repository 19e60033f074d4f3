"""The made history is one that a hub could have: seeded, and concluded as the hub itself concludes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from bench.hub_load.histories import CLUSTER, HistoryShape, fill, lengthen
from bench.hub_load.job_mix import JobMix, jobs_of
from sqlalchemy import Connection, Table, select

from slurmlens.hub.access.viewer import EVERYBODY
from slurmlens.hub.history import tables as schema
from slurmlens.hub.history.facts import JobFilter
from slurmlens.hub.history.record.concluding import JobKey
from slurmlens.slurm.records import JobState
from testkit.hub_history import History
from testkit.manual_clock import ManualClock
from testkit.told_events import BEGIN_S

MIX = JobMix(400, now_s=BEGIN_S, jobs_a_day=200, seed=7)


def test_equal_mixes_give_equal_jobs_and_other_seeds_others() -> None:
    assert list(jobs_of(MIX)) == list(jobs_of(MIX))
    assert list(jobs_of(MIX)) != list(jobs_of(JobMix(400, now_s=BEGIN_S, jobs_a_day=200, seed=8)))


def test_a_mix_has_what_clusters_have() -> None:
    jobs = list(jobs_of(JobMix(5000, now_s=BEGIN_S, jobs_a_day=5000)))
    assert [job.job_id for job in jobs] == list(range(1, 5001))
    records = [run.record for job in jobs for run in job.runs]
    states = Counter(record.state for record in records)
    assert {JobState.RUNNING, JobState.PENDING, JobState.FAILED, JobState.REQUEUED, JobState.TIMEOUT} <= set(states)
    assert states[JobState.COMPLETED] > len(jobs) / 2
    assert 0.1 < sum(record.array_job_id is not None for record in records) / len(records) < 0.5
    assert max(len(run.nodes) for job in jobs for run in job.runs) >= 64
    assert len({record.user for record in records}) > 100
    submitted = [job.runs[0].record.submit_s or 0 for job in jobs]
    assert submitted == sorted(submitted)
    assert submitted[-1] < BEGIN_S


async def test_a_hub_that_concludes_a_made_history_again_changes_nothing(tmp_path: Path) -> None:
    history = await History.open(f"sqlite:///{tmp_path}/hub.sqlite3", ManualClock())
    try:
        await fill(history.store, HistoryShape(MIX, bodies_days=1000, courses_days=1000))
        await history.store.read(history.applier.numbers.load)
        tables = (schema.runs, schema.run_nodes, schema.sightings)
        before = [
            await history.store.read(lambda connection, table=table: _rows(connection, table)) for table in tables
        ]
        keys = [JobKey(CLUSTER, job.job_id) for job in jobs_of(MIX)]
        concluded = await history.store.write(
            lambda transaction: history.concluder.conclude(transaction, keys, history.clock.wall_ns())
        )
        assert not concluded.failed
        after = [await history.store.read(lambda connection, table=table: _rows(connection, table)) for table in tables]
        assert after == before
        assert not (await history.packer.pack()).batches
        facts = await history.facts(next(job.job_id for job in jobs_of(MIX) if job.runs[0].record.end_s))
        assert facts.nodes[0].profile is not None
        assert len(await history.queries.job_events(EVERYBODY, facts.job_id)) >= 3
    finally:
        await history.close()


async def test_a_lengthened_history_lists_its_jobs_again_and_again(tmp_path: Path) -> None:
    history = await History.open(f"sqlite:///{tmp_path}/hub.sqlite3", ManualClock())
    try:
        await fill(history.store, HistoryShape(MIX, 0, 0))
        over = [row for row in await history.listed(JobFilter(limit=10_000)) if row.end_ns]
        await lengthen(history.store, MIX, 4)
        rows = await history.listed(JobFilter(limit=10_000))
        assert len({row.job_id for row in rows}) == len(rows) == MIX.jobs + 3 * len(over)
        times = [row.start_ns or 0 for row in rows if row.end_ns]
        assert times == sorted(times, reverse=True)
        of_a_node = await history.listed(JobFilter(node=over[0].nodes[0], limit=10_000))
        assert len([row for row in of_a_node if row.end_ns]) == 4 * sum(over[0].nodes[0] in row.nodes for row in over)
    finally:
        await history.close()


def _rows(connection: Connection, table: Table) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key.columns))]
