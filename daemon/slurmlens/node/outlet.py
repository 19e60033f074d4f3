"""Where events and points leave: encoded once, formed into batches, put into the queue in the order they came.

Owns the two batchers and the moment at which a lingering batch is closed. Fed by `pipeline`; feeds the queue, from
which the sinks read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.config.node import BatchConfig
from slurmlens.events import AnyEvent
from slurmlens.node.batcher import Batcher
from slurmlens.node.flow import BatchQueue, Stream
from slurmlens.wire import ecs, names_2015


class Outlet:
    """One door for both streams; for the event loop's thread."""

    def __init__(self, config: BatchConfig, queue: BatchQueue, clock: Clock, *, with_fields_2015: bool = False) -> None:
        self._with_fields_2015 = with_fields_2015
        self._queue = queue
        self._clock = clock
        self._events = Batcher(Stream.EVENTS, linger_s=config.event_linger_s, max_bytes=config.event_max_bytes)
        self._metrics = Batcher(Stream.METRICS, linger_s=config.metric_linger_s, max_bytes=config.metric_max_bytes)
        self._begun = asyncio.Event()

    async def event(self, event: AnyEvent, on_acknowledged: Callable[[], None] | None = None) -> None:
        """Send an event; `on_acknowledged` is called when every receiver of events has it."""
        line = ecs.encode(event)
        if self._with_fields_2015:
            line = names_2015.with_fields_2015(line, event)
        line += b"\n"
        await self._put(self._events, line, 1, on_acknowledged)

    async def points(self, payload: bytes, count: int) -> None:
        """Send `count` lines of carbon plaintext."""
        await self._put(self._metrics, payload, count, None)

    async def run(self) -> None:
        """Close batches whose linger is over, until cancelled."""
        while True:
            due = [one for one in (self._events.due_ns, self._metrics.due_ns) if one is not None]
            self._begun.clear()
            timeout_s = max(0.0, (min(due) - self._clock.monotonic_ns()) / NS_PER_S) if due else None
            try:
                async with asyncio.timeout(timeout_s):
                    await self._begun.wait()
            except TimeoutError:
                await self._close_due()

    async def flush(self) -> None:
        """Close everything now: the program ends."""
        for batcher in (self._events, self._metrics):
            batch = batcher.flush()
            if batch is not None:
                await self._queue.append(batch)

    async def _put(
        self, batcher: Batcher, payload: bytes, count: int, on_acknowledged: Callable[[], None] | None
    ) -> None:
        if batcher.due_ns is None:
            # Only then is something due sooner than `run` knows: what joins a batch leaves with it.
            self._begun.set()
        for batch in batcher.add(payload, self._clock.monotonic_ns(), count=count, on_acknowledged=on_acknowledged):
            await self._queue.append(batch)

    async def _close_due(self) -> None:
        now_ns = self._clock.monotonic_ns()
        for batcher in (self._events, self._metrics):
            batch = batcher.take_due(now_ns)
            if batch is not None:
                await self._queue.append(batch)
