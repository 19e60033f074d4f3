"""Follows one thing in Consul by blocking queries for ever, and tells each state of it.

Owns the loop: the index (`blocking`), the waits after failures and between answers, and what `slurmlens status` shows.
Invariants: a failure forgets the index and nothing else, so whoever listens keeps what it was told last; an answer is
no proof of a change, so listeners compare. Run under its program's supervisor.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import msgspec

from slurmlens.clock import Clock
from slurmlens.config.consul import ConsulConfig
from slurmlens.discovery.blocking import START, QueryPace, next_index, wait_of
from slurmlens.discovery.client import ConsulClient, Reply
from slurmlens.errors import DiscoveryError
from slurmlens.runtime.backoff import Backoff
from slurmlens.telemetry.internal import InternalEvent, Reporter, lasting

T = TypeVar("T")

BURST = 8
REFILL_S = 2.0

UNANSWERED = lasting(
    "consul_watch_failed",
    logging.WARNING,
    "{watch}: {problem}; what is known stays good, trying again in {wait_s:.1f} s",
    ("watch", "reason"),
)
ANSWERS_AGAIN = InternalEvent(
    "consul_watch_recovered", logging.INFO, "{watch}: Consul answers again after {failures} failures", ("watch",)
)


class WatchState(msgspec.Struct):
    """How one watch fares; times are monotonic."""

    heard_ns: int | None = None
    failures_in_a_row: int = 0
    last_error: str | None = None


class ConsulWatch(Generic[T]):
    """Asks `query` (with index and wait) on a client of its own and hands every answer to `heard`."""

    def __init__(
        self,
        name: str,
        config: ConsulConfig,
        query: Callable[[ConsulClient, int, float], Awaitable[Reply[T]]],
        heard: Callable[[T], None],
        reporter: Reporter,
        clock: Clock,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.name = name
        self.state = WatchState()
        self._config = config
        self._query = query
        self._heard = heard
        self._reporter = reporter
        self._clock = clock
        self._sleep = sleep
        self._draw = draw
        self._backoff = Backoff(config.backoff_min_s, config.backoff_max_s, draw)
        self._pace = QueryPace(BURST, REFILL_S)

    async def run(self) -> None:
        """Watch for ever; cancelling it closes the connection."""
        client = ConsulClient(self._config)
        index = START
        try:
            while True:
                await self._sleep(self._pace.take(self._clock.monotonic_ns()))
                try:
                    reply = await self._query(client, index, wait_of(self._config.wait_s, self._draw()))
                except DiscoveryError as error:
                    index = START
                    await self._failed(error)
                else:
                    index = next_index(index, reply.index)
                    self._told(reply.value)
        finally:
            await client.aclose()

    def _told(self, value: T) -> None:
        state = self.state
        if state.failures_in_a_row:
            self._reporter.report(ANSWERS_AGAIN, watch=self.name, failures=state.failures_in_a_row)
        state.heard_ns, state.failures_in_a_row, state.last_error = self._clock.monotonic_ns(), 0, None
        self._backoff.reset()
        self._heard(value)

    async def _failed(self, error: DiscoveryError) -> None:
        self.state.failures_in_a_row += 1
        self.state.last_error = str(error)
        wait_s = self._backoff.next_s()
        self._reporter.report(UNANSWERED, watch=self.name, reason=error.reason, problem=str(error), wait_s=wait_s)
        await self._sleep(wait_s)
