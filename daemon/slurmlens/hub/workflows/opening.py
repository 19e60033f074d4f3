"""Makes the stage of workflows as the settings say. Called by `hub.pipeline`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from slurmlens.clock import Clock
from slurmlens.config.hub import HubConfig
from slurmlens.hub.database.store import Store
from slurmlens.hub.news import News
from slurmlens.hub.workflows.due import FoundJob
from slurmlens.hub.workflows.store import TriggerStore
from slurmlens.runtime.supervisor import Stage
from slurmlens.telemetry.internal import Reporter


def open_workflows(
    config: HubConfig,
    store: Store,
    news: News,
    clock: Clock,
    reporter: Reporter,
    touched: Callable[[], Awaitable[Sequence[tuple[int, int]]]],
) -> tuple[TriggerStore, Stage] | None:
    """The triggers and the stage that carries them on; None where no Galaxy is named.

    `touched` tells the open findings by number, each with the first job it touched.
    """
    if config.workflows is None:
        return None
    from slurmlens.hub.workflows.galaxy import open_galaxy  # late: most hubs have none
    from slurmlens.hub.workflows.runner import WorkflowRunner

    async def found() -> list[FoundJob]:
        return [FoundJob(*one) for one in await touched()]

    triggers = TriggerStore(store, config.cluster)
    service = open_galaxy(config.workflows)
    runner = WorkflowRunner(triggers, service, config.workflows, config.cluster, news, clock, reporter, found)
    return triggers, runner.run
