"""Holds batches in memory until every sink of their stream has acknowledged them, within stated bounds.

Owns two streams (events, metrics) with one cursor a sink. Invariants: each sink reads its stream in order; an entry
leaves only when all its sinks have acknowledged it, or when it is dropped; metrics are dropped before events, oldest
first; every drop is told with its reason. Implements `flow.BatchQueue`; what it holds does not survive the process,
which is why `on_acknowledged` is called on acknowledgement and not before (the dropbox keeps its file until then).
Fed by `pipeline` from the batcher, read by `sinks.delivery`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping

import msgspec

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.node.flow import Backlog, Batch, Entry, Stream


class QueueLimits(msgspec.Struct, frozen=True):
    """The bounds of a queue; ages count from a batch's birth."""

    total_bytes: int
    metrics_bytes: int
    metrics_age_s: float
    events_age_s: float

    def stream_bytes(self, stream: Stream) -> int:
        return self.metrics_bytes if stream is Stream.METRICS else self.total_bytes

    def age_ns(self, stream: Stream) -> int:
        return round(NS_PER_S * (self.metrics_age_s if stream is Stream.METRICS else self.events_age_s))


class Drop(msgspec.Struct, frozen=True):
    """One batch that no longer waits; `reason` is age, metrics_limit, total_limit or too_large."""

    batch: Batch
    reason: str


class _Lane(msgspec.Struct):
    """One stream: its entries in order and how far each of its sinks has come."""

    cursors: dict[str, int]
    entries: deque[Entry] = msgspec.field(default_factory=deque)
    size_bytes: int = 0
    next_position: int = 1
    arrived: asyncio.Event = msgspec.field(default_factory=asyncio.Event)

    def push(self, batch: Batch) -> None:
        self.entries.append(Entry(self.next_position, batch))
        self.next_position += 1
        self.size_bytes += len(batch.payload)
        self.arrived.set()

    def pop(self) -> Batch:
        entry = self.entries.popleft()
        self.size_bytes -= len(entry.batch.payload)
        return entry.batch

    def waiting(self, sink: str) -> list[Entry]:
        cursor = self.cursors[sink]
        return [entry for entry in self.entries if entry.position > cursor]


class MemoryQueue:
    """`flow.BatchQueue` in memory. `sinks` says which stream each sink reads; a stream without sinks holds nothing."""

    def __init__(
        self,
        sinks: Mapping[str, Stream],
        limits: QueueLimits,
        clock: Clock,
        on_drop: Callable[[Drop], None],
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._on_drop = on_drop
        self._left = asyncio.Event()
        self._stream_of = dict(sinks)
        self._lanes = {
            stream: _Lane({sink: 0 for sink, its_stream in sinks.items() if its_stream is stream}) for stream in Stream
        }

    async def append(self, batch: Batch) -> None:
        """Take a batch, dropping what must give way; never waits."""
        lane = self._lanes[batch.stream]
        if not lane.cursors:
            _acknowledged(batch)
        elif len(batch.payload) > self._limits.stream_bytes(batch.stream):
            self._on_drop(Drop(batch, "too_large"))
        else:
            lane.push(batch)
            self._drop_what_exceeds()

    async def read(self, sink: str, max_bytes: int) -> list[Entry]:
        """See `flow.BatchQueue.read`; entries that have grown too old while waiting are dropped first."""
        lane = self._lanes[self._stream_of[sink]]
        while True:
            self._drop_what_exceeds()
            waiting = lane.waiting(sink)
            if waiting:
                return _up_to(waiting, max_bytes)
            lane.arrived.clear()
            await lane.arrived.wait()

    async def acknowledge(self, sink: str, upto: int) -> None:
        """See `flow.BatchQueue.acknowledge`; an older position than before changes nothing."""
        lane = self._lanes[self._stream_of[sink]]
        lane.cursors[sink] = max(lane.cursors[sink], min(upto, lane.next_position - 1))
        slowest = min(lane.cursors.values())
        while lane.entries and lane.entries[0].position <= slowest:
            _acknowledged(self._pop(lane))

    async def drained(self) -> None:
        """See `flow.BatchQueue.drained`."""
        while any(lane.entries for lane in self._lanes.values()):
            self._left.clear()
            await self._left.wait()

    def backlog(self, sink: str) -> Backlog:
        """What `sink` has yet to take."""
        waiting = [entry.batch for entry in self._lanes[self._stream_of[sink]].waiting(sink)]
        age_s = (self._clock.monotonic_ns() - waiting[0].born_ns) / NS_PER_S if waiting else None
        return Backlog(len(waiting), sum(b.count for b in waiting), sum(len(b.payload) for b in waiting), age_s)

    @property
    def size_bytes(self) -> int:
        """Of everything held."""
        return sum(lane.size_bytes for lane in self._lanes.values())

    def _drop_what_exceeds(self) -> None:
        now_ns = self._clock.monotonic_ns()
        metrics, events = self._lanes[Stream.METRICS], self._lanes[Stream.EVENTS]
        for stream, lane in self._lanes.items():
            while lane.entries and now_ns - lane.entries[0].batch.born_ns > self._limits.age_ns(stream):
                self._drop(lane, "age")
        while metrics.size_bytes > self._limits.metrics_bytes:
            self._drop(metrics, "metrics_limit")
        while self.size_bytes > self._limits.total_bytes:
            self._drop(metrics if metrics.entries else events, "total_limit")

    def _drop(self, lane: _Lane, reason: str) -> None:
        self._on_drop(Drop(self._pop(lane), reason))

    def _pop(self, lane: _Lane) -> Batch:
        self._left.set()
        return lane.pop()


def _acknowledged(batch: Batch) -> None:
    for callback in batch.on_acknowledged:
        callback()


def _up_to(entries: list[Entry], max_bytes: int) -> list[Entry]:
    """The first entry, and those behind it that fit."""
    taken = entries[:1]
    size_bytes = len(entries[0].batch.payload)
    for entry in entries[1:]:
        size_bytes += len(entry.batch.payload)
        if size_bytes > max_bytes:
            break
        taken.append(entry)
    return taken
