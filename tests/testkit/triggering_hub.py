"""A hub whose trigger starts the assess workflow in a real Galaxy, for tests in tests/galaxy."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from bioblend.galaxy import GalaxyInstance
from deploy.components.galaxy import TOOLS, Galaxy

from slurmlens.config.workflows import WorkflowsConfig
from slurmlens.hub.access.viewer import EVERYBODY
from slurmlens.hub.workflows.galaxy import GalaxyApi
from slurmlens.hub.workflows.runner import WorkflowRunner
from slurmlens.hub.workflows.store import TriggerStore
from slurmlens.hub.workflows.trigger import Trigger
from slurmlens.slurm.records import JobState
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from testkit.hub_history import History, record

JOB_ID = 4711
ENDS_IN_S = 240.0


class TriggeringHub:
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


async def a_hub_with_a_failed_job(history: History, galaxy: Galaxy, cluster: str) -> TriggeringHub:
    hub = TriggeringHub(history, galaxy, "demo")
    runner = hub.runner()
    await runner.turn()
    failed = record(JobState.FAILED, job_id=JOB_ID, submit=hash_of(cluster), start=1, end=60)
    history.clock.advance(60)
    await history.learn(failed)
    return hub


def hash_of(name: str) -> int:
    """A submit time before the run that tells this test's key from others'."""
    return -10 - sum(name.encode()) % 10_000
