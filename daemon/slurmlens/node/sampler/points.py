"""From accounts to carbon: what a job did in one interval, as lines.

A point describes the interval that begins at its timestamp, as whisper keeps it: a rate is the growth within that
interval divided by the interval, also where the job lived in only a part of it, so the sum over the points times the
interval is the job's total. A rate needs two readings; the first one of a job that was born before our eyes is zero by
definition. Fields of the slow tier make points at slow ticks alone.

Pure; the names of series come from `wire.carbon`. Fed by `engine` with accounts, once per regular tick and once at the
end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from slurmlens.clock import NS_PER_S
from slurmlens.metrics import FIELD_INDEX, FIELDS, METRICS, Kind, Metric, Source, Tier
from slurmlens.node.sampler.accounts import Account
from slurmlens.wire.carbon import SeriesBlock

Accounts = Mapping[Source, Account]

NOT_SUMMED = frozenset({"memory_limit_bytes", "memory_peak_bytes"})
"""Gauges whose sum over several jobs means nothing."""

BLOCKS_KEPT = 16
"""Which fields a job offers changes a few times in its life at most."""


def tier_of(metric: Metric) -> Tier:
    """When a metric is measured: with its field, but always slowly where processes have to be walked."""
    return Tier.SLOW if metric.source is Source.PROCESSES else FIELDS[FIELD_INDEX[metric.field]].tier


METRICS_OF_TIER: dict[Tier, tuple[Metric, ...]] = {
    tier: tuple(metric for metric in METRICS if tier_of(metric) is tier) for tier in Tier
}


@dataclass(frozen=True, slots=True)
class Lines:
    """Carbon plaintext, ready to be sent, and how many points it holds."""

    payload: bytes = b""
    count: int = 0

    @classmethod
    def joined(cls, parts: Iterable[Lines]) -> Lines:
        """All of them, in this order."""
        found = list(parts)
        return cls(b"".join(part.payload for part in found), sum(part.count for part in found))


class Points:
    """One job's points of one tier; remembers the totals at the last point."""

    __slots__ = ("_before", "_last_tick_ns", "_metrics")

    def __init__(self, tier: Tier, *, from_zero: bool) -> None:
        self._metrics = METRICS_OF_TIER[tier]
        self._before: list[int | None] = [
            0 if from_zero and metric.source is not Source.NODE else None for metric in self._metrics
        ]
        self._last_tick_ns: int | None = None

    def values(self, accounts: Accounts, tick_ns: int, interval_ns: int) -> list[float | None]:
        """One value per metric of the tier for the interval that ends at `tick_ns`; None where there is none."""
        period_ns = interval_ns if self._last_tick_ns is None else max(interval_ns, tick_ns - self._last_tick_ns)
        self._last_tick_ns = tick_ns
        return [self._value(index, metric, accounts, period_ns) for index, metric in enumerate(self._metrics)]

    def _value(self, index: int, metric: Metric, accounts: Accounts, period_ns: int) -> float | None:
        account = accounts.get(metric.source)
        if account is None:
            return None
        if metric.kind is Kind.GAUGE:
            value = account.current(metric.field)
            return None if value is None else value * metric.scale
        total, before = account.total(metric.field), self._before[index]
        self._before[index] = total
        if total is None or before is None:
            return None
        return max(0, total - before) * metric.scale * NS_PER_S / period_ns


class SlotSeries:
    """The series of one slot: names encoded once, for those metrics alone that have values."""

    __slots__ = ("_blocks", "_prefix")

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._blocks: dict[tuple[bool, ...], SeriesBlock] = {}

    def lines(self, tier: Tier, values: Sequence[float | None], time_s: int) -> Lines:
        """The points of one tier at one time."""
        there = (tier is Tier.FAST, *(value is not None for value in values))
        block = self._blocks.get(there)
        if block is None:
            if len(self._blocks) >= BLOCKS_KEPT:
                self._blocks.clear()
            names = [m.name for m, value in zip(METRICS_OF_TIER[tier], values, strict=True) if value is not None]
            block = self._blocks[there] = SeriesBlock(self._prefix, names)
        present = [value for value in values if value is not None]
        return Lines(block.encode(present, time_s), len(present))


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
