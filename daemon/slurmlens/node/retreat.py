"""The daemon watches what it costs itself, and retreats where that is more than it may: the whole program, not its
sampler alone, which keeps to a budget of its own.

Owns the measure: CPU time of this process over the last `WINDOW_S`. Where it is above `retreat_share` of a core the
node is silenced as by the flag file (only a job's begin and end are read) for `REST_S`, twice as long each time that it
happens again, until it has kept within its share for `FORGIVEN_S`. Whatever hooks say is taken all the while. Fed by
the kernel's account of this process; silences as the kill switch does. Made and run by `pipeline`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.telemetry.internal import InternalEvent, Reporter

WINDOW_S = 60.0
REST_S = 600.0
MOST_REST_S = 4 * 3600.0
FORGIVEN_S = 3600.0

RETREATED = InternalEvent(
    "node_retreated",
    logging.ERROR,
    "this daemon took {percent} % of a core over a minute, more than retreat_share: silent for {rest_s} s",
)


class Retreat:
    """The stage. `on_change` is told whether the daemon is to be silent."""

    def __init__(
        self,
        share: float,
        cpu_s: Callable[[], float],
        on_change: Callable[[bool], None],
        clock: Clock,
        reporter: Reporter,
    ) -> None:
        self._share = share
        self._cpu_s = cpu_s
        self._on_change = on_change
        self._clock = clock
        self._reporter = reporter
        self._rest_s = REST_S
        self._last_s = (self._now_s(), cpu_s())
        self._silent_until_s: float | None = None
        self._returned_s = self._now_s()

    async def run(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(WINDOW_S)
            self.look()

    def look(self) -> None:
        """Compares what was used since the last look."""
        now_s, cpu_s = self._now_s(), self._cpu_s()
        (last_s, last_cpu_s), self._last_s = self._last_s, (now_s, cpu_s)
        if self._silent_until_s is not None:
            if now_s >= self._silent_until_s:
                self._silent_until_s, self._returned_s = None, now_s
                self._on_change(False)
            return
        if now_s - self._returned_s >= FORGIVEN_S:
            self._rest_s = REST_S
        share = (cpu_s - last_cpu_s) / max(now_s - last_s, 1.0)
        if share > self._share:
            self._reporter.report(RETREATED, percent=round(100 * share), rest_s=round(self._rest_s))
            self._silent_until_s = now_s + self._rest_s
            self._rest_s = min(2 * self._rest_s, MOST_REST_S)
            self._on_change(True)

    def _now_s(self) -> float:
        return self._clock.monotonic_ns() / NS_PER_S
