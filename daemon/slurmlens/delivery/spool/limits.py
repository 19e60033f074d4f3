"""The bounds of the spool, and the rule by which batches give way: metrics before events, oldest first.

What a sink has in its hands does not give way: it may be delivered this very moment, and a line is delivered or told as
dropped, never both. So each sink may hold one read's worth beyond its age, and beyond the bounds where nothing else is
left that could go.
Pure: takes lanes, takes batches from them and says why. Part of `spool`, which tells and counts every one.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from slurmlens.clock import NS_PER_S
from slurmlens.config.spool import SpoolConfig
from slurmlens.delivery.batches import Stream
from slurmlens.delivery.spool.index import Slip
from slurmlens.delivery.spool.stream_queue import Lane


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
    slip: Slip
    was_stored: bool
    reason: str


def give_way(events: Lane, metrics: Lane, limits: SpoolLimits, max_bytes: int, now_ns: int) -> Iterator[Drop]:
    """Take from the lanes what exceeds `limits`; `max_bytes` is the disk's bound here and now."""
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


def _too_old(events: Lane, metrics: Lane, born_before_ns: int) -> Iterator[Drop]:
    for lane in (metrics, events):
        while (slip := lane.oldest_free()) is not None and slip.born_ns < born_before_ns:
            yield _given_up(lane, slip, "age")


def _oldest(lane: Lane, reason: str) -> Drop | None:
    slip = lane.oldest_free()
    return None if slip is None else _given_up(lane, slip, reason)


def _loose(lane: Lane) -> Drop | None:
    """Take the oldest that only memory has."""
    slip = lane.oldest_loose()
    return None if slip is None else _given_up(lane, slip, "memory_limit")


def _given_up(lane: Lane, slip: Slip, reason: str) -> Drop:
    lane.drop(slip)
    return Drop(lane.stream, slip, slip.position <= max(lane.stored_upto, lane.writing_upto), reason)
