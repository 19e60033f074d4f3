"""Asks slurmctld once a minute how it fares by its own counters (`sdiag`), for the operator's page.

A stage of its own, apart from the poller: the answer is small, takes no lock that scheduling waits for, and is worth
nothing when it is old. Owns the pace (a failure doubles the pause; a controller without answer is not asked more often)
and keeps the last two answers in `SchedulerState`, so that rates are of the last minute.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.errors import SourceError
from slurmlens.hub.scheduler.state import SchedulerState
from slurmlens.slurm.politeness import Politeness
from slurmlens.slurm.sdiag_text import SchedulerStatistics
from slurmlens.telemetry.internal import InternalEvent, Reporter

STATISTICS_UNKNOWN = InternalEvent(
    "scheduler_statistics_not_told", logging.WARNING, "sdiag: {error}: how slurmctld fares is not known", lines=1
)
INTERVAL_S = 60.0


class StatisticsPoller:
    """The stage. `ask` is the source's `statistics`."""

    def __init__(
        self,
        ask: Callable[[], Awaitable[SchedulerStatistics]],
        state: SchedulerState,
        clock: Clock,
        reporter: Reporter,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._ask = ask
        self._state = state
        self._clock = clock
        self._reporter = reporter
        self._sleep = sleep
        self._pace = Politeness(INTERVAL_S, burst=1)

    async def run(self) -> None:
        """Works until cancelled."""
        while True:
            now_ns = self._clock.monotonic_ns()
            await self._sleep((self._pace.next_ns(now_ns) - now_ns) / NS_PER_S)
            await self.poll()

    async def poll(self) -> None:
        """Asks once."""
        self._pace.began(self._clock.monotonic_ns())
        try:
            told = await self._ask()
        except SourceError as error:
            self._pace.ended(self._clock.monotonic_ns(), well=False)
            self._reporter.report(STATISTICS_UNKNOWN, error=error)
            return
        self._pace.ended(self._clock.monotonic_ns(), well=True)
        self._state.statistics_before, self._state.statistics = self._state.statistics, told
