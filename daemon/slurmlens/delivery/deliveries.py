"""All sinks of one program at work on one queue: their stages, how they fare, how they come to an end.

Owns nothing but the `sinks.delivery.Delivery` of each. Made by `pipeline` of what `receivers` made, and run there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.config.shared import ReplayConfig
from slurmlens.delivery.batches import BatchQueue
from slurmlens.delivery.receivers import Receiver
from slurmlens.delivery.sinks.delivery import Delivery
from slurmlens.delivery.status import SinkStatus
from slurmlens.runtime.supervisor import Stage
from slurmlens.telemetry.internal import InternalEvent, Reporter

DRAIN_LOOK_S = 0.2

STOPPED_SHORT = InternalEvent(
    "stopped_with_backlog", logging.WARNING, "{lines} lines had not reached {sink} when this daemon ended", ("sink",)
)


class Deliveries:
    """One `Delivery` a receiver."""

    def __init__(
        self, receivers: Sequence[Receiver], queue: BatchQueue, replay: ReplayConfig, reporter: Reporter, clock: Clock
    ) -> None:
        self._queue = queue
        self._reporter = reporter
        self._clock = clock
        self._all = [
            Delivery(one.sink, queue, reporter, clock, max_bytes=one.max_bytes, backoff=one.backoff, replay=replay)
            for one in receivers
        ]

    def stages(self) -> Iterator[tuple[str, Stage]]:
        """What a supervisor is to run, by name."""
        for delivery in self._all:
            yield f"sink {delivery.sink.name}", delivery.run

    @property
    def away(self) -> list[str]:
        """Names of the sinks whose receivers take nothing now."""
        return [one.sink.name for one in self._all if one.state.failures_in_a_row]

    async def drain(self) -> None:
        """Wait until everything has arrived, or until only receivers that are away have yet to take something."""
        while any(self._queue.backlog(one.sink.name).lines and not one.state.failures_in_a_row for one in self._all):
            try:
                async with asyncio.timeout(DRAIN_LOOK_S):
                    await self._queue.drained()
            except TimeoutError:
                continue

    def tell_backlog(self) -> None:
        """Say what has not arrived at the end of the program."""
        for delivery in self._all:
            lines = self._queue.backlog(delivery.sink.name).lines
            if lines:
                self._reporter.report(STOPPED_SHORT, count=lines, lines=lines, sink=delivery.sink.name)

    def statuses(self) -> tuple[SinkStatus, ...]:
        """How each fares, now."""
        return tuple(self._status(delivery) for delivery in self._all)

    def _status(self, delivery: Delivery) -> SinkStatus:
        backlog = self._queue.backlog(delivery.sink.name)
        state = delivery.state
        now_ns = self._clock.monotonic_ns()
        delivered_ns = state.last_delivered_ns
        return SinkStatus(
            name=delivery.sink.name,
            backlog_batches=backlog.batches,
            backlog_lines=backlog.lines,
            backlog_bytes=backlog.size_bytes,
            lag_s=backlog.oldest_age_s,
            delivered_ago_s=None if delivered_ns is None else (now_ns - delivered_ns) / NS_PER_S,
            failures_in_a_row=state.failures_in_a_row,
            last_error=state.last_error,
        )
