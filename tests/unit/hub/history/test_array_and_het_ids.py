"""Tasks of arrays and parts of heterogeneous jobs are found by the id that squeue shows."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from slurmlens.hub.access.viewer import EVERYBODY, Viewer
from slurmlens.hub.history.facts import JobFilter
from slurmlens.slurm.job_ids import parse_job_reference
from slurmlens.slurm.records import JobState
from testkit.database_versions import take_back_to
from testkit.hub_history import History, record
from testkit.manual_clock import ManualClock
from testkit.told_events import Told

NOBODY = Viewer("nobody", frozenset())


async def found(history: History, shown: str, viewer: Viewer = EVERYBODY) -> int | None:
    return await history.queries.own_job_id(viewer, parse_job_reference(shown))


async def test_a_task_is_found_by_its_array_as_the_scheduler_tells(history: History) -> None:
    await history.learn(
        record(JobState.RUNNING, job_id=4711, array_job_id=4700, array_task_id=11),
        record(JobState.RUNNING, job_id=4712, array_job_id=4700, array_task_id=0),
    )
    assert [await found(history, shown) for shown in ("4700_11", "4700_0", "4700_12")] == [4711, 4712, None]


async def test_a_part_is_found_by_the_leader_of_its_heterogeneous_job(history: History) -> None:
    await history.learn(
        record(JobState.RUNNING, job_id=4711, het_job_id=4711, het_job_offset=0),
        record(JobState.RUNNING, job_id=4712, het_job_id=4711, het_job_offset=1),
    )
    assert [await found(history, shown) for shown in ("4711+0", "4711+1", "4711+2")] == [4711, 4712, None]


async def test_a_hook_alone_tells_it_as_well(history: History) -> None:
    await history.hear(Told(4711).start(0, array_job_id=4700, array_task_id=11))
    assert await found(history, "4700_11") == 4711


async def test_of_ids_that_slurm_used_again_the_latest_is_meant(history: History) -> None:
    await history.learn(record(JobState.COMPLETED, job_id=4711, end=5, array_job_id=4700, array_task_id=1))
    await history.learn(record(JobState.RUNNING, job_id=9, submit=90, start=100, array_job_id=4700, array_task_id=1))
    assert await found(history, "4700_1") == 9


@pytest.mark.parametrize("shown", ["4711", "4700_[1-9]", "4711.batch"])
async def test_any_other_id_is_the_jobs_own(history: History, shown: str) -> None:
    assert await found(history, shown) == parse_job_reference(shown).job_id


async def test_who_may_not_see_a_task_does_not_learn_that_it_is_there(history: History) -> None:
    await history.learn(record(JobState.RUNNING, job_id=4711, array_job_id=4700, array_task_id=11))
    assert await found(history, "4700_11", NOBODY) is None


async def test_jobs_of_before_the_upgrade_are_found_once_they_are_concluded_anew(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/hub.sqlite3"
    history = await History.open(url, ManualClock())
    await history.learn(record(JobState.RUNNING, job_id=4711, array_job_id=4700, array_task_id=11))
    await history.hear(Told(20).start(0, het_job_id=19, het_job_offset=1), Told(21).start(0))
    await history.close()
    as_version_4(url)
    history = await History.open(url, ManualClock())
    try:
        before = await history.listed(JobFilter())
        await history.refresh()
        assert [await found(history, "4700_11"), await found(history, "19+1")] == [4711, 20]
        assert await history.listed(JobFilter()) == before
    finally:
        await history.close()


def as_version_4(url: str) -> None:
    """Takes the database back to before the upgrade."""
    engine = create_engine(url)
    with engine.begin() as connection:
        for index in ("runs_of_array", "runs_of_het_job"):
            connection.execute(text(f"DROP INDEX {index}"))
        for column in ("array_job_id", "array_task_id", "het_job_id", "het_job_offset"):
            connection.execute(text(f"ALTER TABLE runs DROP COLUMN {column}"))
        take_back_to(connection, 4)
    engine.dispose()
