"""Holds one stream's batches in memory alone, for a program without a spool: bounded by their number.

Implements `batches.BatchQueue` on the same `StreamQueue` as the spool. Invariants: to put never waits; the oldest gives
way first, but never what a sink has in its hands, for that may be delivered this very moment; every line that gives way
is counted and reported, as the spool does. What waits when the program ends is lost, and reported as such
(`deliveries`). Fed through `delivery.points`; read by the sinks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from slurmlens.clock import Clock
from slurmlens.delivery.batches import Backlog, Batch, Entry, Stream
from slurmlens.delivery.spool.internal_events import DROPPED
from slurmlens.delivery.spool.stream_queue import StreamQueue
from slurmlens.telemetry.internal import Reporter


class MemoryQueue:
    """At most `most_batches` of one stream, and one read's worth of each sink."""

    def __init__(
        self, stream: Stream, sinks: Iterable[str], most_batches: int, clock: Clock, reporter: Reporter
    ) -> None:
        self._queue = StreamQueue(stream, sinks)
        self._most_batches = most_batches
        self._clock = clock
        self._reporter = reporter
        self._changed = asyncio.Event()

    def put(self, batch: Batch) -> None:
        """Takes a batch; the oldest gives way where there are too many."""
        self._queue.append(batch)
        while len(self._queue) > self._most_batches and (header := self._queue.oldest_free()) is not None:
            self._queue.drop(header)
            self._reporter.report(
                DROPPED,
                count=header.lines,
                lines=header.lines,
                stream=batch.stream.value,
                reason="memory_limit",
            )
        self._changed.set()

    async def append(self, batch: Batch) -> None:
        """See `BatchQueue.append`."""
        self.put(batch)

    async def read(self, sink: str, max_bytes: int) -> list[Entry]:
        """See `BatchQueue.read`."""
        while not (entries := self._queue.give_from_memory(sink, max_bytes)):
            await self._change()
        return entries

    async def acknowledge(self, sink: str, upto: int) -> None:
        """See `BatchQueue.acknowledge`."""
        for batch in self._queue.acknowledge(sink, upto)[0]:
            for tell in batch.on_acknowledged:
                tell()
        self._changed.set()

    async def drained(self) -> None:
        """See `BatchQueue.drained`."""
        while len(self._queue):
            await self._change()

    def backlog(self, sink: str) -> Backlog:
        """See `BatchQueue.backlog`."""
        return self._queue.backlog(sink, self._clock.monotonic_ns())

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()
