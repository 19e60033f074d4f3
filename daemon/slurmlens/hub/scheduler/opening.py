"""Makes the stages that ask the scheduler. Called by `hub.pipeline`."""

from __future__ import annotations

from functools import partial

from slurmlens.clock import Clock
from slurmlens.config.hub import HubConfig
from slurmlens.hub.access.control import RuledAccess
from slurmlens.hub.database.store import Store
from slurmlens.hub.news import News
from slurmlens.hub.scheduler.account_poller import AccountPoller
from slurmlens.hub.scheduler.poller import Poller
from slurmlens.hub.scheduler.records import SchedulerRecords
from slurmlens.hub.scheduler.state import SchedulerState
from slurmlens.hub.scheduler.statistics_poller import StatisticsPoller
from slurmlens.hub.scheduler.unconfirmed import Unconfirmed
from slurmlens.hub.stages import RoomStages
from slurmlens.slurm.source import CommandSource, Scheduler
from slurmlens.telemetry.internal import Reporter


def stages_of_scheduler(
    scheduler: Scheduler,
    records: SchedulerRecords,
    state: SchedulerState,
    config: HubConfig,
    store: Store,
    news: News,
    clock: Clock,
    reporter: Reporter,
) -> RoomStages:
    """One hub asks: for the queue, for what has ended, for what is heard of alone."""
    poller = Poller(
        scheduler,
        records,
        news,
        state,
        interval_s=config.slurm.poll_interval_s,
        clock=clock,
        reporter=reporter,
        cluster=config.cluster,
        asks_topology=config.inventory.topology_file is None,
    )
    unconfirmed = Unconfirmed(
        store,
        records,
        config.cluster,
        last_queue_ns=lambda: state.last_queue_ns,
        clock=clock,
        started_ns=clock.wall_ns(),
    )
    statistics = StatisticsPoller(CommandSource(config.slurm).statistics, state, clock, reporter)
    return RoomStages(
        led=(
            ("queue", poller.poll_queue),
            ("accounting", poller.poll_accounting),
            ("sightings", poller.hear),
            ("unconfirmed", unconfirmed.run),
            ("scheduler-statistics", statistics.run),
        )
    )


def stages_of_access(ruled: RuledAccess | None, config: HubConfig, news: News, reporter: Reporter) -> RoomStages:
    """Who looked at whose job, and who belongs to which account; nothing where there are no rules."""
    if ruled is None:
        return RoomStages()
    looks = (("looks", ruled.looks.run),)
    if not config.slurm.accounting:
        return RoomStages(everywhere=looks)
    ask = partial(CommandSource(config.slurm).account_people, config.cluster)
    interval_s = ruled.settings.accounts_interval_s
    accounts = AccountPoller(ask, ruled.people.replace, news, interval_s=interval_s, reporter=reporter)
    return RoomStages(led=(("accounts", accounts.run),), everywhere=looks)
