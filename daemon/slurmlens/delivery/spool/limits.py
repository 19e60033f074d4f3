"""The bounds of the spool, and the rule by which batches give way: metrics, then log lines, then events, oldest first.

What a sink has in its hands does not give way: it may be delivered this very moment, and a line is delivered or
reported as dropped, never both. So each sink may hold one read's worth beyond its age, and beyond the bounds where
nothing else is left that could go. Pure: takes queues, takes batches from them and says why. Part of `spool`, which
tells and counts every one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from slurmlens.clock import NS_PER_S
from slurmlens.config.spool import SpoolConfig
from slurmlens.delivery.batches import Stream
from slurmlens.delivery.spool.index import BatchHeader
from slurmlens.delivery.spool.stream_queue import StreamQueue


class SpoolLimits(msgspec.Struct, frozen=True):
    """How much may wait, and for how long; ages count from a batch's birth.

    `max_bytes` bounds payloads on the disk, of all streams together (the file is a fifth larger for batches of 500
    bytes, at worst twice that); `memory_bytes` what is in memory, of which metrics get `metrics_memory_bytes`,
    log lines `logs_memory_bytes`, and both are written to the disk from half of it on.
    """

    max_bytes: int
    max_age_s: float
    memory_bytes: int
    metrics_memory_bytes: int
    logs_memory_bytes: int
    writes_logs_at_once: bool = False
    """As events are; else only while a sink is behind, as metrics are."""

    @classmethod
    def of(cls, config: SpoolConfig) -> SpoolLimits:
        """As the settings say."""
        return cls(
            max_bytes=config.max_bytes,
            max_age_s=config.max_age_s,
            memory_bytes=config.memory_bytes,
            metrics_memory_bytes=config.metrics_memory_bytes,
            logs_memory_bytes=config.logs_memory_bytes,
            writes_logs_at_once=config.writes_logs_at_once,
        )

    def loose_bytes(self, stream: Stream) -> int:
        """The most that may be in memory alone, of a stream that is not written at once."""
        return self.logs_memory_bytes if stream is Stream.LOGS else self.metrics_memory_bytes

    def spill_bytes(self, stream: Stream) -> int:
        """With more than so much in memory alone the stream is written: at once, or when a sink is behind."""
        is_at_once = stream is Stream.EVENTS or (stream is Stream.LOGS and self.writes_logs_at_once)
        return 0 if is_at_once else self.loose_bytes(stream) // 2


class Drop(msgspec.Struct, frozen=True):
    """One batch that gave way; `reason` is age, memory_limit or spool_limit. `on_acknowledged` as in `Batch`."""

    stream: Stream
    header: BatchHeader
    was_stored: bool
    reason: str
    on_acknowledged: tuple[Callable[[], None], ...] = ()


_GIVE_WAY = (Stream.METRICS, Stream.LOGS, Stream.EVENTS)
"""The order in which streams give way."""


def give_way(queues: Mapping[Stream, StreamQueue], limits: SpoolLimits, max_bytes: int, now_ns: int) -> Iterator[Drop]:
    """Take from the queues what exceeds `limits`; `max_bytes` is the disk's bound here and now."""
    in_order = [queues[stream] for stream in _GIVE_WAY]
    yield from _too_old(in_order, now_ns - round(limits.max_age_s * NS_PER_S))
    for queue in in_order:
        if queue.stream is not Stream.EVENTS:
            while queue.loose_bytes > limits.loose_bytes(queue.stream) and (drop := _loose(queue)):
                yield drop
    while sum(queue.memory_bytes for queue in in_order) > limits.memory_bytes:
        if queues[Stream.EVENTS].evict():
            continue
        loose = _first(_loose(queue) for queue in in_order)
        if loose is None:
            break
        yield loose
    while sum(queue.size_bytes for queue in in_order) > max_bytes:
        oldest = _first(_oldest(queue, "spool_limit") for queue in in_order)
        if oldest is None:
            break
        yield oldest


def _first(drops: Iterator[Drop | None]) -> Drop | None:
    """The first that there is; no further queue is looked at."""
    return next((drop for drop in drops if drop is not None), None)


def _too_old(queues: Sequence[StreamQueue], born_before_ns: int) -> Iterator[Drop]:
    for queue in queues:
        while (header := queue.oldest_free()) is not None and header.born_ns < born_before_ns:
            yield _given_up(queue, header, "age")


def _oldest(queue: StreamQueue, reason: str) -> Drop | None:
    header = queue.oldest_free()
    return None if header is None else _given_up(queue, header, reason)


def _loose(queue: StreamQueue) -> Drop | None:
    """Take the oldest that only memory has."""
    header = queue.oldest_loose()
    return None if header is None else _given_up(queue, header, "memory_limit")


def _given_up(queue: StreamQueue, header: BatchHeader, reason: str) -> Drop:
    batch = queue.drop(header)
    to_tell = () if batch is None else batch.on_acknowledged
    return Drop(queue.stream, header, header.position <= max(queue.stored_upto, queue.writing_upto), reason, to_tell)
