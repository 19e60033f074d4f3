"""The spool's front: a `flow.BatchQueue` in the event loop, which never waits for the disk.

Owns the queues: what is held, who has it, what gives way. Invariants: nothing is lost without being counted and
reported; sinks read from memory what is there, committed or not, so a disk that fails costs durability and never
delivery. Fed by `outlet`, read by `sinks.delivery`; made by `pipeline`, which opens it before anything comes and closes
it after the last. `writer` does what needs the disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from slurmlens.clock import Clock
from slurmlens.delivery.batches import Backlog, Batch, Entry, Stream
from slurmlens.delivery.spool.disk import Disk
from slurmlens.delivery.spool.ledger import Ledger
from slurmlens.delivery.spool.limits import SpoolLimits, give_way
from slurmlens.delivery.spool.store import DropKind, DropTotal
from slurmlens.delivery.spool.stream_queue import BATCH_COST_BYTES, StreamQueue
from slurmlens.delivery.spool.unreported_drops import UnreportedDrops
from slurmlens.delivery.spool.writer import RETRY_S, Writer, tell
from slurmlens.telemetry.internal import Reporter


class SpoolState(msgspec.Struct, frozen=True):
    """For `slurmlens status`: `mode` is lasting, volatile, memory or failing; `failure` says why."""

    mode: str
    size_bytes: int
    max_bytes: int
    stored_bytes: int
    memory_bytes: int
    failure: str | None
    dropped: Mapping[DropKind, DropTotal]
    """What is certain to be lost, by this daemon and those before it."""


Notice = Callable[[Mapping[DropKind, DropTotal]], bytes]
"""Makes the line that tells the totals of what was dropped."""


class Spool:
    """See the module. `sinks` says which stream each sink reads; `disk` None keeps everything in memory.

    `unreported` is where totals of drops are left to the next daemon while the disk takes nothing.
    """

    def __init__(
        self,
        sinks: Mapping[str, Stream],
        limits: SpoolLimits,
        disk: Disk | None,
        boot_id: str,
        clock: Clock,
        reporter: Reporter,
        *,
        notice: Notice | None = None,
        unreported: Path | None = None,
        retry_s: float = RETRY_S,
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._stream_of = dict(sinks)
        self._queues = {
            stream: StreamQueue(stream, [sink for sink, its_stream in sinks.items() if its_stream is stream])
            for stream in Stream
        }
        self._ledger = Ledger(clock, reporter, None if unreported is None else UnreportedDrops(unreported, reporter))
        self._writer = Writer(
            self._queues,
            limits,
            disk,
            boot_id,
            clock,
            reporter,
            self._ledger,
            retry_s=retry_s,
            on_turn=self._look_again,
        )
        self._notice = notice
        self._stirred = asyncio.Event()
        self._left = asyncio.Event()

    # --- flow.BatchQueue

    async def append(self, batch: Batch) -> None:
        """Take a batch. Metrics and log lines never wait; events until they are committed, or the disk has refused."""
        queue = self._queues[batch.stream]
        if not queue.cursors:
            tell(batch.on_acknowledged)
        elif len(batch.payload) + BATCH_COST_BYTES > min(self._limits.memory_bytes, self._writer.max_bytes):
            self.give_up(batch.stream, "too_large", batch.count)
            if batch.stream is Stream.LOGS:
                tell(batch.on_acknowledged)
        else:
            if batch.stream is Stream.EVENTS:
                await self._room_in_memory(len(batch.payload))
            position = queue.append(batch)
            self._look_again()
            if self._wants_writing():
                self._writer.write_soon()
            if batch.stream is Stream.EVENTS:
                await self._committed(position)

    async def read(self, sink: str, max_bytes: int) -> list[Entry]:
        """See `flow.BatchQueue.read`; what has grown too old while waiting is dropped first, what is given is not."""
        queue = self._queues[self._stream_of[sink]]
        while True:
            self._make_room()
            if queue.next_header(sink) is not None:
                entries = queue.give_from_memory(sink, max_bytes) or await self._writer.read(queue, sink, max_bytes)
                if entries:
                    return entries
                continue
            await self._stir()

    async def acknowledge(self, sink: str, upto: int) -> None:
        """See `flow.BatchQueue.acknowledge`; positions that `sink` was not given change nothing."""
        queue = self._queues[self._stream_of[sink]]
        left, touches_disk = queue.acknowledge(sink, upto)
        for batch in left:
            tell(batch.on_acknowledged)
        self._left.set()
        # What was in its hands may have outstayed its time, for other sinks.
        self._make_room()
        self._notify()
        if touches_disk and queue.stream is Stream.EVENTS:
            self._writer.write_soon()
        elif touches_disk:
            # A point that is delivered twice is the same point, so this can wait for what comes next.
            self._writer.write_later()

    async def drained(self) -> None:
        """See `flow.BatchQueue.drained`."""
        while any(len(queue) for queue in self._queues.values()):
            self._left.clear()
            await self._left.wait()

    def backlog(self, sink: str) -> Backlog:
        """What `sink` has yet to take."""
        return self._queues[self._stream_of[sink]].backlog(sink, self._clock.monotonic_ns())

    # --- for the pipeline

    def give_up(self, stream: Stream, reason: str, lines: int) -> None:
        """Lines that never came here were dropped before: they are counted and reported as those that give way here."""
        if self._queues[stream].cursors and lines:
            self._ledger.give_up(stream, reason, lines, was_stored=False)
            self._look_again()
            self._writer.write_soon()

    @property
    def state(self) -> SpoolState:
        """How the spool fares, now."""
        queues = self._queues.values()
        return SpoolState(
            mode=self._writer.mode,
            size_bytes=sum(queue.size_bytes for queue in queues),
            max_bytes=self._writer.max_bytes,
            stored_bytes=sum(queue.stored_bytes for queue in queues),
            memory_bytes=sum(queue.memory_bytes for queue in queues),
            failure=self._writer.failure,
            dropped=self._ledger.accounts,
        )

    async def open(self) -> None:
        """Take up what an earlier daemon left. ConfigError where another one is at it; no other failure is raised."""
        await self._writer.open()

    async def retry(self) -> None:
        """Try the disk again now."""
        await self._writer.retry()

    async def close(self) -> None:
        """Write what is in memory alone, of all streams, and let go of the disk; a second time it does nothing."""
        await self._writer.close()

    # --- inside

    def _wants_writing(self) -> bool:
        return any(queue.loose_bytes > self._limits.spill_bytes(stream) for stream, queue in self._queues.items())

    async def _committed(self, position: int) -> None:
        """Wait until the batch at `position` is committed; else it is in memory, and its file stays in the dropbox."""
        queue = self._queues[Stream.EVENTS]
        await self._writer.until(lambda: position <= queue.stored_upto or not queue.has(position))

    async def _room_in_memory(self, size_bytes: int) -> None:
        """Let the disk come up with whoever writes faster than it does, before anything would have to be dropped."""
        queue = self._queues[Stream.EVENTS]
        await self._writer.until(lambda: queue.loose_bytes + size_bytes <= self._limits.memory_bytes // 2)

    def _look_again(self) -> None:
        self._make_room()
        self._notify()
        self._stirred.set()
        self._left.set()

    async def _stir(self) -> None:
        """Wait until there may be something to read."""
        self._stirred.clear()
        await self._stirred.wait()

    def _notify(self) -> None:
        """Tell in the stream of events what was dropped; while one such notice waits there is no second one."""
        queue = self._queues[Stream.EVENTS]
        if self._notice is None or not self._ledger.has_news or not queue.cursors or queue.has(queue.notice):
            return
        payload = self._notice(self._ledger.accounts)
        self._ledger.mark_reported()
        queue.notice = queue.append(Batch(Stream.EVENTS, payload, 1, self._clock.monotonic_ns()))
        self._make_room()
        self._stirred.set()
        self._writer.write_soon()

    def _make_room(self) -> None:
        events = self._queues[Stream.EVENTS]
        for drop in give_way(self._queues, self._limits, self._writer.max_bytes, self._clock.monotonic_ns()):
            if drop.stream is Stream.EVENTS and drop.header.position == events.notice:
                self._ledger.mark_unreported()
            else:
                self._ledger.give_up(drop.stream, drop.reason, drop.header.lines, was_stored=drop.was_stored)
            if drop.stream is Stream.LOGS:
                tell(drop.on_acknowledged)
            if drop.was_stored:
                self._writer.forget(drop.stream, drop.header.position)
            self._left.set()
            # Of what memory alone had the total is written, too.
            self._writer.write_soon()
