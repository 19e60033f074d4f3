"""The loop that every sink shares: read from the queue, deliver, acknowledge; on failure wait and try again.

Owns the retrying, the pacing of what had to wait (`pace`), the counting and the state that `slurmlens status` shows of
a sink. Invariants: an entry is acknowledged only after the receiver took it or refused it for ever, so delivery is at
least once and in order; what is refused for ever is counted as lost and reported; a receiver that is away costs nothing
but its own backlog. Reads a `flow.BatchQueue`; drives anything that is a `Sink`; supervised by `pipeline`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.config.shared import ReplayConfig
from slurmlens.delivery.batches import BatchQueue
from slurmlens.delivery.sinks.pace import ReplayPace
from slurmlens.errors import DeliveryError
from slurmlens.runtime.backoff import Backoff
from slurmlens.telemetry.internal import InternalEvent, Reporter, lasting

SINK_FAILED = lasting(
    "sink_failed",
    logging.WARNING,
    "{sink} did not take {lines} lines: {problem}; trying again in {wait_s:.1f} s",
    ("sink", "reason"),
)
SINK_LOST = InternalEvent(
    "sink_lost_lines",
    logging.ERROR,
    "{sink} will never take {lines} lines, they are lost: {problem}",
    ("sink", "reason"),
)
SINK_RECOVERED = InternalEvent(
    "sink_recovered", logging.INFO, "{sink} takes lines again after {failures} failures", ("sink",)
)


class Sink(Protocol):
    """A receiver. `name` is also its cursor in the queue and its label on counters."""

    @property
    def name(self) -> str: ...

    async def deliver(self, payload: bytes, count: int) -> int:
        """Hand over `count` joined lines; returns how many of them the receiver took, the rest it refused for ever
        (and the sink has reported it). DeliveryError where it took none, or may not have.
        """

    async def aclose(self) -> None:
        """Let go of connections and files."""


class SinkState(msgspec.Struct):
    """How one sink fares; times are monotonic."""

    last_delivered_ns: int | None = None
    failures_in_a_row: int = 0
    last_error: str | None = None


class Delivery:
    """Drives one sink from the queue until cancelled."""

    def __init__(
        self,
        sink: Sink,
        queue: BatchQueue,
        reporter: Reporter,
        clock: Clock,
        *,
        max_bytes: int,
        backoff: Backoff,
        replay: ReplayConfig | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.sink = sink
        self.state = SinkState()
        self._queue = queue
        self._reporter = reporter
        self._clock = clock
        self._max_bytes = max_bytes
        self._backoff = backoff
        self._pace = ReplayPace(replay or ReplayConfig())
        self._sleep = sleep
        counters = reporter.counters
        self._lines = counters.counter("sink_delivered_lines_total", "lines a receiver took", ("sink",))
        self._bytes = counters.counter("sink_delivered_bytes_total", "bytes of them, before compression", ("sink",))
        self._backlog_bytes = counters.gauge("sink_backlog_bytes", "what waits for a receiver", ("sink",))
        self._lag_s = counters.gauge("sink_lag_s", "age of the oldest that waits for a receiver", ("sink",))

    async def run(self) -> None:
        """Deliver for ever; cancelling it closes the sink."""
        try:
            while True:
                entries = await self._queue.read(self.sink.name, self._max_bytes)
                payload = b"".join(entry.batch.payload for entry in entries)
                await self._hold_back(len(payload), entries[0].batch.born_ns)
                await self._deliver(payload, sum(entry.batch.count for entry in entries))
                await self._queue.acknowledge(self.sink.name, entries[-1].position)
                self.measure()
        finally:
            await self.sink.aclose()

    def measure(self) -> None:
        """Bring the gauges up to date: after each delivery, and when somebody asks for them."""
        backlog = self._queue.backlog(self.sink.name)
        self._backlog_bytes.set(backlog.size_bytes, self.sink.name)
        self._lag_s.set(backlog.oldest_age_s or 0.0, self.sink.name)

    async def _hold_back(self, size_bytes: int, born_ns: int) -> None:
        wait_ns = self._pace.wait_ns(size_bytes, born_ns, self._clock.monotonic_ns())
        if wait_ns:
            await self._sleep(wait_ns / NS_PER_S)

    async def _deliver(self, payload: bytes, count: int) -> None:
        """Try until the receiver took it, or refused it for ever."""
        while True:
            try:
                taken = await self.sink.deliver(payload, count)
            except DeliveryError as error:
                if not error.retriable:
                    self._lost(error, count)
                    return
                await self._wait(error, count)
            else:
                self._delivered(payload, taken)
                return

    def _delivered(self, payload: bytes, taken: int) -> None:
        name = self.sink.name
        self._lines.add(taken, name)
        self._bytes.add(len(payload), name)
        if self.state.failures_in_a_row:
            self._reporter.over(SINK_FAILED, name)
            self._reporter.report(SINK_RECOVERED, sink=name, failures=self.state.failures_in_a_row)
        self.state.last_delivered_ns = self._clock.monotonic_ns()
        self.state.failures_in_a_row = 0
        self.state.last_error = None
        self._backoff.reset()

    def _lost(self, error: DeliveryError, count: int) -> None:
        self.state.last_error = str(error)
        self._reporter.report(
            SINK_LOST, count=count, sink=self.sink.name, reason=error.reason, lines=count, problem=str(error)
        )

    async def _wait(self, error: DeliveryError, count: int) -> None:
        self.state.failures_in_a_row += 1
        self.state.last_error = str(error)
        self.measure()
        wait_s = error.wait_s + self._backoff.next_s()  # the jitter after it, so that not all come back at once
        self._reporter.report(
            SINK_FAILED, sink=self.sink.name, reason=error.reason, lines=count, problem=str(error), wait_s=wait_s
        )
        await self._sleep(wait_s)
