"""Series of log lines for carbon: `slurm.CLUSTER.logs.NAME`, with what a rule is split by as one component more.

Owns the loop. A hub that starts counts the window anew from what is kept, so that a restart costs no point; where that
is too much, or the store does not answer, the series begin with the next whole interval. Hears of new lines from
`keeping`; feeds `delivery.points`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.hub.access.viewer import EVERYBODY
from slurmlens.hub.logs.aggregates import RuleCounts, SeriesPoint
from slurmlens.hub.logs.query import MOST_LINES, StoredLine
from slurmlens.hub.logs.rules import LogRule
from slurmlens.hub.logs.store import LogReads, LogStoreError
from slurmlens.runtime.intervals import next_interval
from slurmlens.telemetry.internal import InternalEvent, Reporter
from slurmlens.wire import carbon

EVERY_S = 10
MOST_PAGES = 50
TOO_LATE = InternalEvent(
    "log_series_lines_too_late", logging.WARNING, "{count} lines came too late for {rule}: raise [log_series] late_s"
)
NOT_RECOUNTED = InternalEvent(
    "log_series_not_recounted", logging.WARNING, "{rule} begins with the next interval: {problem}"
)


class LogSeries:
    """All rules of one hub."""

    def __init__(
        self,
        rules: Sequence[LogRule],
        late_s: float,
        cluster: str,
        write: Callable[[bytes, int], None],
        store: LogReads,
        clock: Clock,
        reporter: Reporter,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._counts = [RuleCounts(rule, late_s) for rule in rules]
        self._prefix = f"slurm.{carbon.component(cluster)}.logs"
        self._write = write
        self._store = store
        self._clock = clock
        self._reporter = reporter
        self._sleep = sleep
        self._heard: list[StoredLine] | None = []
        """Lines that came while the window was counted; None when it has been."""

    def hear(self, lines: Sequence[StoredLine]) -> None:
        """These lines are new."""
        if self._heard is not None:
            self._heard += lines
            return
        now_s = self._clock.wall_ns() / NS_PER_S
        for counts in self._counts:
            for stored in lines:
                counts.take(stored, now_s)

    async def run(self) -> None:
        """A stage: counts what is kept of the window, then tells points for ever."""
        if self._heard is not None:
            await self.recount()
        while True:
            due_ns = await next_interval(EVERY_S * NS_PER_S, self._clock, self._sleep)
            self.tell(due_ns // NS_PER_S)

    async def recount(self) -> None:
        """Counts the lines of the window that the store has."""
        known = [await self._recount(counts) for counts in self._counts]
        heard, self._heard = self._heard or [], None
        now_s = self._clock.wall_ns() / NS_PER_S
        for counts, ids in zip(self._counts, known, strict=True):
            for stored in heard:
                if stored.line.id not in ids:
                    counts.take(stored, now_s)

    async def _recount(self, counts: RuleCounts) -> set[str]:
        now_s = self._clock.wall_ns() / NS_PER_S
        since_ns = counts.oldest_s(now_s) * NS_PER_S
        query = msgspec.structs.replace(counts.rule.query, since_ns=since_ns, limit=MOST_LINES)
        known: set[str] = set()
        try:
            for _ in range(MOST_PAGES):
                page = await self._store.search(EVERYBODY, query)
                for stored in page.lines:
                    counts.take(stored, now_s)
                    known.add(stored.line.id)
                if not page.has_more:
                    return known
                query = msgspec.structs.replace(query, after=page.lines[-1].place)
            problem = f"more than {MOST_PAGES * MOST_LINES} lines are in its window"
        except LogStoreError as error:
            problem = str(error)
        counts.from_s = int(now_s // counts.rule.interval_s + 1) * counts.rule.interval_s
        self._reporter.report(NOT_RECOUNTED, rule=counts.rule.name, problem=problem)
        return known

    def tell(self, now_s: int) -> None:
        """Writes what is due."""
        lines = [self._line(point) for counts in self._counts for point in counts.due(now_s)]
        self._write(b"".join(lines), len(lines))
        for counts in self._counts:
            if counts.too_late:
                self._reporter.report(TOO_LATE, count=counts.too_late, rule=counts.rule.name)
                counts.too_late = 0

    def _line(self, point: SeriesPoint) -> bytes:
        split = f".{carbon.component(point.split)}" if point.split else ""
        return f"{self._prefix}.{point.rule.name}{split} {point.value:.15g} {point.time_s}\n".encode("ascii")
