"""Where events and points leave: encoded once, formed into batches, put into the queue in the order they came.

Owns the two batchers and the moment at which a lingering batch is closed. Fed by `pipeline`; feeds the queue, from
which the sinks read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.config.node import BatchConfig
from slurmlens.delivery.batcher import Batcher
from slurmlens.delivery.batches import BatchQueue, Stream
from slurmlens.events import AnyEvent
from slurmlens.wire import ecs, names_2015


class Outlet:
    """One door for both streams; for the event loop's thread."""

    def __init__(self, config: BatchConfig, queue: BatchQueue, clock: Clock, *, with_fields_2015: bool = False) -> None:
        self._with_fields_2015 = with_fields_2015
        self._queue = queue
        self._clock = clock
        self._events = Batcher(Stream.EVENTS, linger_s=config.event_linger_s, max_bytes=config.event_max_bytes)
        self._metrics = Batcher(Stream.METRICS, linger_s=config.metric_linger_s, max_bytes=config.metric_max_bytes)
        self._due = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

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
            self._set_timer()
            await self._due.wait()
            self._due.clear()
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
        due_ns = batcher.due_ns
        full = batcher.add(payload, self._clock.monotonic_ns(), count=count, on_acknowledged=on_acknowledged)
        if batcher.due_ns != due_ns:
            self._set_timer()
        for batch in full:
            await self._queue.append(batch)

    def _set_timer(self) -> None:
        """Have `run` wake up when the first open batch is due: a timer costs less than a task that every line wakes."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = [one for one in (self._events.due_ns, self._metrics.due_ns) if one is not None]
        if due:
            wait_s = max(0, min(due) - self._clock.monotonic_ns()) / NS_PER_S
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._due.set)

    async def _close_due(self) -> None:
        now_ns = self._clock.monotonic_ns()
        for batcher in (self._events, self._metrics):
            batch = batcher.take_due(now_ns)
            if batch is not None:
                await self._queue.append(batch)
