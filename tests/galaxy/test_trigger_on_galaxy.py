"""A failed job starts the workflow in a real Galaxy once: also when Galaxy stalls in the middle of a request, or dies.

The oracle is Galaxy's own list of jobs: how often the first tool ran, of all histories that are named by the key.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from bioblend.galaxy import GalaxyInstance
from deploy.component import wait_ready
from deploy.components.galaxy import READY_MAX_S, TOOLS, Galaxy

from slurmlens.config.workflows import WorkflowsConfig
from slurmlens.hub.access.viewer import EVERYBODY
from slurmlens.hub.workflows.galaxy import GalaxyApi
from slurmlens.hub.workflows.runner import WorkflowRunner
from slurmlens.hub.workflows.store import TriggerStore
from slurmlens.hub.workflows.trigger import Trigger, TriggerState
from slurmlens.slurm.records import JobState
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from testkit.hub_history import History, record
from testkit.manual_clock import ManualClock

pytestmark = [pytest.mark.slow, pytest.mark.galaxy]

JOB_ID = 4711
ENDS_IN_S = 240.0
STALL_S = 4.0


class Hub:
    """History, trigger and runner, whose key is this test's own: its cluster has a name of its own."""

    def __init__(self, history: History, galaxy: Galaxy, cluster: str) -> None:
        self.history, self.galaxy, self.cluster = history, galaxy, cluster
        self.key = galaxy.user_key()
        self.store = TriggerStore(history.store, cluster)

    def runner(self, timeout_s: float = 60.0) -> WorkflowRunner:
        """As a hub makes it that comes up."""
        text = (TOOLS / "assess.gxwf.yml").read_text()
        api = GalaxyApi(self.galaxy.url, self.key, text, timeout_s)
        settings = WorkflowsConfig(poll_interval_s=1.0, retry_s=5.0)
        clock, news = self.history.clock, self.history.news
        reporter = Reporter(Counters(), clock)
        return WorkflowRunner(self.store, api, settings, self.cluster, news, clock, reporter)

    async def trigger(self) -> Trigger | None:
        found = await self.store.of_run(EVERYBODY, JOB_ID, 1)
        return found[0] if found else None

    async def until(self, runner: WorkflowRunner, wanted: Callable[[Trigger], bool]) -> Trigger:
        """Turns of the runner until the trigger is as wanted."""
        deadline_s = time.monotonic() + ENDS_IN_S
        while time.monotonic() < deadline_s:
            await runner.turn()
            trigger = await self.trigger()
            if trigger is not None and wanted(trigger):
                return trigger
            self.history.clock.advance(2)
            await asyncio.sleep(0.5)
        raise AssertionError(f"the trigger is {await self.trigger()}")

    def first_jobs(self, trigger: Trigger) -> int:
        """How often the workflow's first tool ran for the key, by Galaxy's own word."""
        api = GalaxyInstance(self.galaxy.url, self.key)
        named = [one["id"] for one in api.histories.get_histories() if trigger.ticket.key in one["name"]]
        jobs = [job for one in named for job in api.jobs.get_jobs(history_id=one)]
        return sum("slurmlens_export_metrics" in job["tool_id"] for job in jobs)


@pytest.fixture
async def history(tmp_path: Path) -> AsyncIterator[History]:
    opened = await History.open(f"sqlite:///{tmp_path}/hub.sqlite3", ManualClock())
    yield opened
    await opened.close()


async def a_hub_with_a_failed_job(history: History, galaxy: Galaxy, cluster: str) -> Hub:
    hub = Hub(history, galaxy, "demo")
    runner = hub.runner()
    await runner.turn()
    failed = record(JobState.FAILED, job_id=JOB_ID, submit=hash_of(cluster), start=1, end=60)
    history.clock.advance(60)
    await history.learn(failed)
    return hub


def hash_of(name: str) -> int:
    """A submit time before the run that tells this test's key from others'."""
    return -10 - sum(name.encode()) % 10_000


async def test_the_report_of_a_failed_job_comes_back(history: History, galaxy: Galaxy) -> None:
    hub = await a_hub_with_a_failed_job(history, galaxy, "plain")
    done = await hub.until(hub.runner(), lambda one: one.state in (TriggerState.DONE, TriggerState.FAILED))
    assert done.state is TriggerState.DONE, done.problem
    assert done.report is not None
    assert "exited with 42" in done.report.headline
    assert hub.first_jobs(done) == 1


async def test_a_galaxy_that_stands_still_during_a_request_runs_it_once(history: History, galaxy: Galaxy) -> None:
    hub = await a_hub_with_a_failed_job(history, galaxy, "stalled")
    impatient = hub.runner(timeout_s=2.0)
    for stall in range(3):  # during the history's making, the upload, the invocation: wherever it is by then
        turn = asyncio.create_task(impatient.turn())
        await asyncio.sleep(0.05 + 0.2 * stall)
        galaxy.server.pause()
        await asyncio.sleep(STALL_S)
        galaxy.server.resume()
        await turn
        hub.history.clock.advance(2)
    done = await hub.until(hub.runner(), lambda one: one.state in (TriggerState.DONE, TriggerState.FAILED))
    assert done.state is TriggerState.DONE, done.problem
    assert hub.first_jobs(done) == 1


async def test_a_galaxy_that_is_killed_and_a_hub_that_comes_up_anew_run_it_once(
    history: History, galaxy: Galaxy
) -> None:
    hub = await a_hub_with_a_failed_job(history, galaxy, "killed")
    await hub.until(hub.runner(), lambda one: one.state is not TriggerState.WAITING)
    galaxy.server.kill()
    await hub.runner(timeout_s=2.0).turn()
    galaxy.server.start()
    await asyncio.to_thread(wait_ready, galaxy.server, READY_MAX_S)
    done = await hub.until(hub.runner(), lambda one: one.state in (TriggerState.DONE, TriggerState.FAILED))
    assert done.state is TriggerState.DONE, done.problem
    assert hub.first_jobs(done) == 1
