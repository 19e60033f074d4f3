"""What slurmctld's hooks write reaches the job's page, once, whatever lies in the folder and whenever the hub dies."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from slurmlens.dropbox import ControllerDropbox
from slurmlens.hub.access.viewer import EVERYBODY, Role, Viewer
from slurmlens.hub.controller_hooks.facts import ControllerWord
from slurmlens.hub.controller_hooks.keeping import MOST_EVENTS, ControllerEventStore
from slurmlens.hub.controller_hooks.read import ControllerQueries
from slurmlens.hub.controller_hooks.stage import ControllerHooks, owners_of
from slurmlens.hub.news import SightingEnded
from slurmlens.hub.views.job.build import build_job_view
from slurmlens.hub.views.job.surroundings import RunSurroundings
from slurmlens.slurm.records import JobState
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from slurmlens.wire.controller_hook import ControllerRole
from testkit.hub_history import History, record
from testkit.manual_clock import ManualClock
from testkit.told_events import at_ns
from testkit.waiting import until

BOB = Viewer("bob", frozenset({Role.USER}))


def write(folder: Path, role: ControllerRole, job_id: int, number: int = 0, **variables: str) -> Path:
    """A file as the emitter leaves it."""
    env = {"SLURM_JOB_ID": str(job_id), "SLURM_CLUSTER_NAME": "demo", **variables}
    document = {"v": 1, "id": f"{number:032x}", "role": role.value, "time_ns": at_ns(1 + number)}
    path = folder / f"{number:020d}-1-{role.value}.json"
    path.write_text(json.dumps({**document, "boot_id": "b", "boottime_ns": 1, "env": env}))
    return path


@asynccontextmanager
async def draining(history: History, folder: Path, counters: Counters, clock: ManualClock) -> AsyncIterator[None]:
    reporter = Reporter(counters, clock)
    dropbox = ControllerDropbox(folder, frozenset({os.getuid()}), reporter, clock)
    stage = ControllerHooks(dropbox, ControllerEventStore(history.store, "demo"), "demo", history.news, reporter)
    task = asyncio.create_task(stage.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def words(history: History, job_id: int = 7, viewer: Viewer = EVERYBODY) -> tuple[ControllerWord, ...]:
    return await ControllerQueries(history.store, "demo").of_run(viewer, job_id, 1, 0, None)


async def test_what_the_hooks_told_stands_on_the_jobs_time_line_and_accounting_is_asked_at_once(
    history: History, clock: ManualClock, tmp_path: Path
) -> None:
    await history.learn(record(JobState.FAILED, job_id=7, end=60))
    write(tmp_path, ControllerRole.PROLOG, 7, 1, SLURM_JOB_COMMENT="a\u0000<b>", SLURM_JOB_DEPENDENCY="afterok:6")
    write(tmp_path, ControllerRole.EPILOG, 7, 59, SLURM_JOB_EXIT_CODE2="42:0")
    heard = history.news.subscribe(SightingEnded)
    async with draining(history, tmp_path, Counters(), clock):
        await until(lambda: not list(tmp_path.glob("*.json")), "the files are taken")
    assert [fact.job_id for fact in heard.take_all() if isinstance(fact, SightingEnded)] == [7]
    facts = await history.queries.job_facts(EVERYBODY, 7)
    assert facts is not None
    marks = [mark.text for mark in build_job_view(facts, RunSurroundings(controller=await words(history))).marks]
    assert "slurmctld took its nodes back, exit code 42:0" in marks
    (granted,) = [text for text in marks if text.startswith("slurmctld gave it its nodes")]
    assert "depends on afterok:6; comment: a" in granted
    assert await words(history, viewer=BOB) == ()


async def test_odd_files_are_set_aside_and_keep_no_other_from_being_told(
    history: History, clock: ManualClock, tmp_path: Path
) -> None:
    await history.learn(record(JobState.RUNNING, job_id=7))
    (tmp_path / "00000000000000000000-1-prolog.json").write_bytes(b"\x00\xff")
    write(tmp_path, ControllerRole.EPILOG, 7, 1).write_text('{"v":1,"role":"epilog"}')
    write(tmp_path, ControllerRole.PROLOG, 7, 2, SLURM_CLUSTER_NAME="elsewhere")
    write(tmp_path, ControllerRole.PROLOG, 7, 3, SLURM_JOB_UID="nobody")
    counters = Counters()
    async with draining(history, tmp_path, counters, clock):
        await until(lambda: not list(tmp_path.glob("*.json")), "the files are taken")
    assert len(await words(history)) == 1
    assert len(list((tmp_path / ".refused").iterdir())) == 2


async def test_a_hub_that_died_before_the_file_went_keeps_its_event_once(
    history: History, clock: ManualClock, tmp_path: Path
) -> None:
    await history.learn(record(JobState.RUNNING, job_id=7))
    for _ in range(2):
        write(tmp_path, ControllerRole.PROLOG, 7, 1)
        async with draining(history, tmp_path, Counters(), clock):
            await until(lambda: not list(tmp_path.glob("*.json")), "the files are taken")
    assert len(await words(history)) == 1


async def test_a_job_that_is_requeued_for_ever_keeps_a_bounded_number(
    history: History, clock: ManualClock, tmp_path: Path
) -> None:
    await history.learn(record(JobState.RUNNING, job_id=7))
    for number in range(MOST_EVENTS + 20):
        write(tmp_path, ControllerRole.PROLOG, 7, number)
    async with draining(history, tmp_path, Counters(), clock):
        await until(lambda: not list(tmp_path.glob("*.json")), "the files are taken")
    kept = await words(history)
    assert len(kept) == MOST_EVENTS
    assert kept[0].time_ns == at_ns(21)


def test_only_slurm_user_and_root_are_believed(clock: ManualClock) -> None:
    counters = Counters()
    assert owners_of("64030", Reporter(counters, clock)) == {0, 64030}
    assert owners_of("nobody-of-that-name", Reporter(counters, clock)) == {0}
    assert any("controller_user_unknown" in name for name in counters.snapshot())
