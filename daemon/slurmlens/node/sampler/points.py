"""From accounts to carbon: what a job did in one interval, as lines.

A point describes the interval that begins at its timestamp, as whisper keeps it: a rate is the growth within that
interval divided by the interval, also where the job lived in only a part of it, so the sum over the points times the
interval is the job's total. A rate needs two readings; the first one of a job that was born before our eyes is zero by
definition. Fields of the slow tier make points at slow ticks alone.

The arithmetic is C (`cgroup.tick`); the names of series come from `wire.carbon`. Fed by `engine` with accounts, once
per regular tick and once at the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from slurmlens.cgroup import tick
from slurmlens.metrics import METRICS, Metric, Source, Tier
from slurmlens.node.sampler.accounts import Account
from slurmlens.wire.carbon import SeriesBlock

Accounts = Mapping[Source, Account]

NOT_SUMMED = frozenset({"memory_limit_bytes", "memory_peak_bytes"})
"""Gauges whose sum over several jobs means nothing."""

BLOCKS_KEPT = 16
"""Which fields a job offers changes a few times in its life at most."""


METRICS_OF_TIER: dict[Tier, tuple[Metric, ...]] = {
    tier: tuple(metric for metric in METRICS if tick.tier_of(metric) is tier) for tier in Tier
}


class Lines(msgspec.Struct, frozen=True):
    """Carbon plaintext, ready to be sent, and how many points it holds."""

    payload: bytes = b""
    count: int = 0

    @classmethod
    def joined(cls, parts: Iterable[Lines]) -> Lines:
        """All of them, in this order."""
        found = list(parts)
        return cls(b"".join(part.payload for part in found), sum(part.count for part in found))


class Points:
    """One job's points of one tier; remembers the totals at the last point. `record` is what C works on."""

    __slots__ = ("record",)

    def __init__(self, tier: Tier, *, from_zero: bool) -> None:
        self.record: Any = tick.new_points(tier, from_zero=from_zero)

    def values(self, accounts: Accounts, tick_ns: int, interval_ns: int) -> list[float | None]:
        """One value per metric of the tier for the interval that ends at `tick_ns`; None where there is none."""
        records = [accounts[source].record if source in accounts else None for source in tick.SOURCE_NUMBER]
        return _known(tick.points_values(self.record, records, tick_ns, interval_ns))


class JobsPoints:
    """The points of one tier of several jobs, in one call."""

    __slots__ = ("_batch",)

    def __init__(self, jobs: Sequence[tuple[Points, Account, Account, Account | None]]) -> None:
        """Of each job: its points; the accounts of its cgroup, of its processes and, where wanted, of its node."""
        self._batch = tick.PointsBatch(
            [
                (points.record, (own.record, processes.record, node and node.record))
                for points, own, processes, node in jobs
            ]
        )

    def each(self, tick_ns: int, interval_ns: int) -> tuple[list[int], list[float]]:
        """Of each job a mask of the metrics of the tier that it has a value for; and those values, job after job."""
        return self._batch.each(tick_ns, interval_ns)

    def summed(self, tick_ns: int, interval_ns: int) -> list[float | None]:
        """As `Points.values`, the sum of each metric over the jobs that have it."""
        return _known(self._batch.summed(tick_ns, interval_ns))


def _known(values: Iterable[float]) -> list[float | None]:
    """C says NaN where there is no value."""
    return [None if value != value else value for value in values]  # the fastest test for NaN


class SlotSeries:
    """The series of one slot: names encoded once, for those metrics alone that have values."""

    __slots__ = ("_blocks", "_prefix")

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._blocks: dict[tuple[bool, int], SeriesBlock] = {}

    def lines(self, tier: Tier, values: Sequence[float | None], time_s: int) -> Lines:
        """The points of one tier at one time; None for a metric that has none."""
        mask = sum(1 << index for index, value in enumerate(values) if value is not None)
        there = [value for value in values if value is not None]
        return Lines(self.block(tier, mask).encode(there, time_s), len(there))

    def block(self, tier: Tier, mask: int) -> SeriesBlock:
        """The series of the metrics in the mask."""
        there = (tier is Tier.FAST, mask)
        block = self._blocks.get(there)
        if block is None:
            if len(self._blocks) >= BLOCKS_KEPT:
                self._blocks.clear()
            names = [metric.name for index, metric in enumerate(METRICS_OF_TIER[tier]) if mask >> index & 1]
            block = self._blocks[there] = SeriesBlock(self._prefix, names)
        return block


def summed(tier: Tier, rows: Iterable[Sequence[float | None]]) -> list[float | None]:
    """The rest in one: per metric the sum over those who have it; nothing for what cannot be summed."""
    sums: list[float | None] = [None] * len(METRICS_OF_TIER[tier])
    for row in rows:
        for index, value in enumerate(row):
            if value is not None:
                sums[index] = value + (sums[index] or 0.0)
    for index, metric in enumerate(METRICS_OF_TIER[tier]):
        if metric.name in NOT_SUMMED or metric.source is Source.NODE:
            sums[index] = None
    return sums
