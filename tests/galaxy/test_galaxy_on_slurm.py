"""The assess workflow on a real Slurm's idle nodes: Galaxy's command-line runner hands its jobs there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from deploy.components.galaxy import Galaxy
from deploy.errors import MachineLacks
from deploy.slurm import SmallSlurm, small_slurm

from slurmlens.hub.workflows.trigger import TriggerState
from testkit.hub_history import History
from testkit.manual_clock import ManualClock
from testkit.triggering_hub import a_hub_with_a_failed_job

pytestmark = [pytest.mark.slow, pytest.mark.galaxy]

IDLE = """PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PartitionName=idle Nodes=ALL PriorityTier=0 PreemptMode=REQUEUE GraceTime=0 MaxTime=10 DefMemPerCPU=1000 State=UP
"""


@pytest.fixture
def slurm() -> Iterator[SmallSlurm]:
    try:
        with small_slurm(nodes=2, extra_conf=IDLE) as started:
            yield started
    except MachineLacks as error:
        pytest.skip(str(error))


@pytest.fixture
async def history(tmp_path: Path) -> AsyncIterator[History]:
    opened = await History.open(f"sqlite:///{tmp_path}/hub.sqlite3", ManualClock())
    yield opened
    await opened.close()


async def test_every_job_of_the_workflow_runs_in_the_idle_partition(
    history: History, slurm: SmallSlurm, gallery_hub: str
) -> None:
    galaxy = Galaxy(slurm.sandbox, gallery_hub, "galaxy-on-slurm", partition="idle")
    await asyncio.to_thread(galaxy.start_and_wait)
    try:
        hub = await a_hub_with_a_failed_job(history, galaxy, "on-slurm")
        done = await hub.until(hub.runner(), lambda one: one.state in (TriggerState.DONE, TriggerState.FAILED))
        assert done.state is TriggerState.DONE, done.problem
        assert done.report is not None
        assert "exited with 42" in done.report.headline
        ran = [job for job in slurm.accounted() if job.state == "COMPLETED"]
        assert len(ran) >= 7  # three exports, join, score, match, report
        assert {job.partition for job in ran} == {"idle"}
    finally:
        galaxy.stop()
