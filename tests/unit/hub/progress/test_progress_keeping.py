"""What jobs told is kept once, of the right run, for those who may see it; and the upgrade makes the tables for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from slurmlens.clock import NS_PER_S
from slurmlens.events import JobMessage, JobProgress, TaskProgress
from slurmlens.hub.access.viewer import EVERYBODY, Viewer
from slurmlens.hub.database.metadata import metadata
from slurmlens.hub.news import ProgressTold
from slurmlens.hub.progress import keeping
from slurmlens.hub.progress.retention import kinds_of_progress
from testkit.database_versions import take_back_to
from testkit.hub_history import History
from testkit.manual_clock import ManualClock
from testkit.told_events import Told, at_ns

ONE = Told(job_id=42)


def progress(seconds: float, done: float, *, rank: int | None = 0, number: int = 0, **values: float) -> JobProgress:
    start = ONE.start(0)
    return JobProgress(
        id=f"p{seconds}-{number}",
        time_ns=at_ns(seconds),
        boot_id=start.boot_id,
        boottime_ns=round(seconds * NS_PER_S),
        cluster=start.cluster,
        node=start.node,
        sighting=start.sighting,
        job_id=42,
        tasks=(TaskProgress(step="0", rank=rank, time_ns=at_ns(seconds), done=done, total=100.0, values=dict(values)),),
    )


def message(seconds: float, text: str) -> JobMessage:
    told = progress(seconds, 0)
    return JobMessage(
        id=f"m{seconds}",
        time_ns=told.time_ns,
        boot_id=told.boot_id,
        boottime_ns=told.boottime_ns,
        cluster=told.cluster,
        node=told.node,
        sighting=told.sighting,
        job_id=42,
        step="0",
        text=text,
    )


@pytest.fixture
async def history(tmp_path: Path, clock: ManualClock) -> AsyncIterator[History]:
    history = await History.open(f"sqlite:///{tmp_path}/hub.sqlite3", clock)
    yield history
    await history.close()


async def test_reports_make_one_course_and_what_comes_again_changes_nothing(history: History) -> None:
    await history.hear(ONE.start(0), progress(5, 10, loss=0.5))
    again = await history.hear(progress(5, 10, loss=0.5), progress(10, 20, loss=0.25), progress(2, 5))
    assert [event.id for event in again.new] == ["p10-0"]
    (task,) = (await history.progress.of_job(EVERYBODY, 42, 1)).tasks
    assert [sample.done for sample in task.course.samples] == [10, 20]
    assert (task.step, task.rank, task.values) == ("0", 0, {"loss": 0.25})


async def test_messages_are_kept_in_their_order_and_bounded(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "MOST_MESSAGES", 3)
    await history.hear(ONE.start(0), *(message(seconds, f"n{seconds}") for seconds in (9, 3, 7, 5, 1)))
    told = (await history.progress.of_job(EVERYBODY, 42, 1)).messages
    assert [one.text for one in told] == ["n5", "n7", "n9"]


async def test_the_tasks_of_a_sighting_are_bounded(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "MOST_TASKS", 2)
    await history.hear(ONE.start(0), *(progress(5, 1, rank=rank, number=rank) for rank in range(4)))
    await history.hear(progress(6, 2, rank=1), progress(6, 2, rank=3, number=3))
    tasks = (await history.progress.of_job(EVERYBODY, 42, 1)).tasks
    assert sorted((task.rank, task.course.last.done) for task in tasks) == [(0, 1), (1, 2)]


async def test_many_runs_are_asked_for_at_once(history: History) -> None:
    await history.hear(ONE.start(0), progress(5, 10))
    found = await history.progress.of_runs(EVERYBODY, {(42, 1), (42, 2), (43, 1)})
    assert list(found) == [(42, 1)]
    assert await history.progress.of_runs(EVERYBODY, set()) == {}


async def test_nobody_sees_the_progress_of_a_job_that_is_not_theirs(history: History) -> None:
    await history.hear(ONE.start(0), progress(5, 10), message(6, "secret"))
    stranger = Viewer("mallory", frozenset())
    told = await history.progress.of_job(stranger, 42, 1)
    assert (told.tasks, told.messages) == ((), ())
    assert await history.progress.of_runs(stranger, {(42, 1)}) == {}


async def test_progress_before_the_jobs_start_is_its_own_once_that_came(history: History) -> None:
    await history.hear(progress(5, 10))
    assert (await history.progress.of_job(EVERYBODY, 42, 1)).tasks == ()
    await history.hear(ONE.start(0))
    assert len((await history.progress.of_job(EVERYBODY, 42, 1)).tasks) == 1


async def test_whoever_looks_at_the_job_hears_of_it(history: History) -> None:
    heard = history.news.subscribe(ProgressTold, job_id=42)
    await history.hear(ONE.start(0), progress(5, 10))
    assert heard.take_all() == [ProgressTold(42)]
    await history.hear(progress(5, 10))
    assert heard.take_all() == []


async def test_what_is_old_goes_and_what_spoke_again_stays(history: History) -> None:
    await history.hear(ONE.start(0), progress(5, 10), progress(5, 1, rank=1, number=1), message(6, "old"))
    kinds = kinds_of_progress(1.0)
    found = [
        await history.store.read(lambda connection, kind=kind: kind.due(connection, at_ns(7), 10)) for kind in kinds
    ]
    await history.hear(progress(8, 20))
    for kind, due in zip(kinds, found, strict=True):
        assert due is not None
        assert due.oldest_ns in (at_ns(5), at_ns(6))
        await history.store.write(lambda transaction, kind=kind, due=due: kind.remove(transaction, due.items))
    told = await history.progress.of_job(EVERYBODY, 42, 1)
    assert [(task.rank, task.course.last.done) for task in told.tasks] == [(0, 20)]
    assert told.messages == ()
    for kind in kinds:
        assert await history.store.read(lambda connection, kind=kind: kind.due(connection, at_ns(7), 10)) is None


async def test_a_database_of_before_has_the_tables_after_its_upgrade(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/hub.sqlite3"
    await (await History.open(url, ManualClock())).close()
    engine = create_engine(url)
    with engine.begin() as connection:
        take_back_to(connection, 8)
    history = await History.open(url, ManualClock())
    try:
        await history.hear(ONE.start(0), progress(5, 10), message(6, "half"))
        assert (await history.progress.of_job(EVERYBODY, 42, 1)).messages[0].text == "half"
        with engine.connect() as connection:
            different = compare_metadata(MigrationContext.configure(connection), metadata)
        assert [one for one in different if "progress_" in repr(one)] == []
    finally:
        await history.close()
        engine.dispose()
