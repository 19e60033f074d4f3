"""A failed job starts the workflow in a real Galaxy once: also when Galaxy stalls in the middle of a request, or dies.

The oracle is Galaxy's own list of jobs: how often the first tool ran, of all histories that are named by the key.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from deploy.component import wait_ready
from deploy.components.galaxy import READY_MAX_S, Galaxy

from slurmlens.hub.workflows.trigger import TriggerState
from testkit.hub_history import History
from testkit.manual_clock import ManualClock
from testkit.triggering_hub import a_hub_with_a_failed_job

pytestmark = [pytest.mark.slow, pytest.mark.galaxy]

STALL_S = 4.0


@pytest.fixture
async def history(tmp_path: Path) -> AsyncIterator[History]:
    opened = await History.open(f"sqlite:///{tmp_path}/hub.sqlite3", ManualClock())
    yield opened
    await opened.close()


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
