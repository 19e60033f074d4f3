"""The bounds of the spool, and the rule by which batches give way: metrics before events, oldest first.

What a sink has in its hands does not give way: it may be delivered this very moment, and a line is delivered or told as
dropped, never both. So each sink may hold one read's worth beyond its age, and beyond the bounds where nothing else is
left that could go.
Pure: takes queues, takes batches from them and says why. Part of `spool`, which tells and counts every one.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from slurmlens.clock import NS_PER_S
from slurmlens.config.spool import SpoolConfig
from slurmlens.delivery.batches import Stream
from slurmlens.delivery.spool.index import BatchHeader
from slurmlens.delivery.spool.stream_queue import StreamQueue


class SpoolLimits(msgspec.Struct, frozen=True):
    """How much may wait, and for how long; ages count from a batch's birth.

    `max_bytes` bounds payloads on the disk, of both streams together (the file is a fifth larger for batches of 500
    bytes, at worst twice that); `memory_bytes` what is in memory, of which metrics get `metrics_memory_bytes` and are
    written to the disk from half of it on.
    """

    max_bytes: int
    max_age_s: float
    memory_bytes: int
    metrics_memory_bytes: int

    @classmethod
    def of(cls, config: SpoolConfig) -> SpoolLimits:
        """As the settings say."""
        return cls(
            max_bytes=config.max_bytes,
            max_age_s=config.max_age_s,
            memory_bytes=config.memory_bytes,
            metrics_memory_bytes=config.metrics_memory_bytes,
        )

    @property
    def spill_bytes(self) -> int:
        """With so many metrics in memory a sink is behind."""
        return self.metrics_memory_bytes // 2


class Drop(msgspec.Struct, frozen=True):
    """One batch that gave way; `reason` is age, memory_limit or spool_limit."""

    stream: Stream
    header: BatchHeader
    was_stored: bool
    reason: str


def give_way(
    events: StreamQueue, metrics: StreamQueue, limits: SpoolLimits, max_bytes: int, now_ns: int
) -> Iterator[Drop]:
    """Take from the queues what exceeds `limits`; `max_bytes` is the disk's bound here and now."""
    yield from _too_old(events, metrics, now_ns - round(limits.max_age_s * NS_PER_S))
    while metrics.loose_bytes > limits.metrics_memory_bytes and (drop := _loose(metrics)):
        yield drop
    while events.memory_bytes + metrics.memory_bytes > limits.memory_bytes:
        if events.evict():
            continue
        loose = _loose(metrics) or _loose(events)
        if loose is None:
            break
        yield loose
    while events.size_bytes + metrics.size_bytes > max_bytes:
        drop = _oldest(metrics, "spool_limit") or _oldest(events, "spool_limit")
        if drop is None:
            break
        yield drop


def _too_old(events: StreamQueue, metrics: StreamQueue, born_before_ns: int) -> Iterator[Drop]:
    for queue in (metrics, events):
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
    queue.drop(header)
    return Drop(queue.stream, header, header.position <= max(queue.stored_upto, queue.writing_upto), reason)
