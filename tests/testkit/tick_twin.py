"""The arithmetic of a tick in plain Python: what tests compare `slurmlens.cgroup.tick` (C) with.

It is what the sampler ran on before; it is slow and easy to read. Names and meanings are those of
`slurmlens.node.sampler`'s accounts, recorder and points.
"""

from __future__ import annotations

from array import array

from slurmlens.cgroup.reading import Reading
from slurmlens.cgroup.tick import tier_of
from slurmlens.clock import NS_PER_S
from slurmlens.events import Point, Profile
from slurmlens.metrics import FIELD_INDEX, FIELDS, METRICS, Kind, Metric, Source, Tier

METRICS_OF_TIER: dict[Tier, tuple[Metric, ...]] = {
    tier: tuple(metric for metric in METRICS if tier_of(metric) is tier) for tier in Tier
}

GAUGES = frozenset(
    FIELD_INDEX[name]
    for name in (
        "memory_current_bytes",
        "memory_peak_bytes",
        "memory_limit_bytes",
        "memory_rss_bytes",
        "memory_cache_bytes",
        "memory_swap_bytes",
        "pids_current",
        "pids_peak",
    )
)
_COUNTERS = tuple(index for index in range(len(FIELDS)) if index not in GAUGES)


class Account:
    """What one cgroup used so far; `samples` says on how many readings that stands."""

    __slots__ = ("_base", "_carried", "_fallen", "_highest", "_last", "_pending_base", "first_ns", "last_ns", "samples")

    def __init__(self, *, from_zero: bool = True) -> None:
        self.samples = 0
        self.first_ns = 0
        self.last_ns = 0
        self._last: list[int | None] = [None] * len(FIELDS)
        self._carried = [0] * len(FIELDS)
        self._fallen = [0] * len(FIELDS)
        self._highest: list[int | None] = [None] * len(FIELDS)
        self._pending_base = not from_zero

    def take(self, reading: Reading, now_ns: int) -> None:
        """One more reading, at boottime `now_ns`; what it lacks stays as it was."""
        self.samples += 1
        self.last_ns = now_ns
        self.first_ns = self.first_ns or now_ns
        if self._pending_base:
            self._rebase(reading)
        last, values, have = self._last, reading.values, reading.have
        for index in _COUNTERS:
            if have >> index & 1:
                before, value = last[index], values[index]
                if before is not None and value < before:
                    self._fallen[index] += before - value
                elif before is not None and 0 < self._fallen[index] <= value - before:
                    self._fallen[index] = 0
                last[index] = value
        for index in GAUGES:
            if have >> index & 1:
                last[index] = values[index]
                self._highest[index] = max(values[index], self._highest[index] or 0)

    def _rebase(self, reading: Reading) -> None:
        self._pending_base = False
        for index in _COUNTERS:
            self._carried[index] = -reading.values[index]

    def renew(self) -> None:
        """The cgroup is gone and a new one follows, whose counters start at zero again."""
        for index in _COUNTERS:
            self._carried[index] += (self._last[index] or 0) + self._fallen[index]
            self._fallen[index] = 0
            if self._last[index] is not None:
                self._last[index] = 0

    def correct(self, name: str, counted: int) -> None:
        """The final value of a counter is known from elsewhere (the parent's rest)."""
        index = FIELD_INDEX[name]
        self._last[index] = max(counted, self._last[index] or 0)

    def total(self, name: str) -> int | None:
        """A counter's growth since the job began; None where it was never read."""
        index = FIELD_INDEX[name]
        value = self._last[index]
        return None if value is None else value + self._carried[index] + self._fallen[index]

    def current(self, name: str) -> int | None:
        """A gauge's newest value."""
        return self._last[FIELD_INDEX[name]]

    def highest(self, name: str) -> int | None:
        """The highest value of a gauge that any reading showed."""
        return self._highest[FIELD_INDEX[name]]


_NO_POINT = Point(None, None, None)
_PROFILED: dict[Source, tuple[Metric, ...]] = {
    source: tuple(metric for metric in METRICS if metric.in_profile and metric.source is source) for source in Source
}


class _Column:
    """One metric's bins: lowest, highest, mean and how many seconds of the bin are covered (0: a gap)."""

    __slots__ = ("covered", "high", "low", "mean")

    def __init__(self, bins: int) -> None:
        nothing = array("f", bytes(4 * bins))
        self.low = array("f", nothing)
        self.high = array("f", nothing)
        self.mean = array("f", nothing)
        self.covered = nothing

    def __len__(self) -> int:
        return len(self.low)

    def extend(self, bins: int) -> None:
        nothing = bytes(4 * bins)
        for values in (self.low, self.high, self.mean, self.covered):
            values.frombytes(nothing)

    def add(self, index: int, seconds: float, value: float) -> None:
        covered = self.covered[index]
        if covered == 0.0:
            self.low[index] = self.high[index] = self.mean[index] = value
        else:
            self.low[index] = min(self.low[index], value)
            self.high[index] = max(self.high[index], value)
            self.mean[index] += (value - self.mean[index]) * seconds / (covered + seconds)
        self.covered[index] = covered + seconds

    def halve(self, lead: int) -> None:
        """Join bins in pairs; `lead` 1 puts an empty bin before the first, so that pairs stay aligned."""
        old = _Column(0)
        old.low, old.high, old.mean, old.covered = self.low, self.high, self.mean, self.covered
        fresh = _Column((len(old) + lead + 1) // 2)
        self.low, self.high, self.mean, self.covered = fresh.low, fresh.high, fresh.mean, fresh.covered
        for index, seconds in enumerate(old.covered):
            if seconds > 0:
                self._join((index + lead) // 2, old, index)

    def _join(self, index: int, old: _Column, source: int) -> None:
        seconds = old.covered[source]
        covered = self.covered[index]
        first = covered == 0.0
        self.low[index] = old.low[source] if first else min(self.low[index], old.low[source])
        self.high[index] = old.high[source] if first else max(self.high[index], old.high[source])
        self.mean[index] += (old.mean[source] - self.mean[index]) * seconds / (covered + seconds)
        self.covered[index] = covered + seconds

    def points(self, first: int) -> list[Point]:
        return [
            Point(self.low[index], self.mean[index], self.high[index]) if self.covered[index] > 0 else _NO_POINT
            for index in range(first, len(self))
        ]


class ProfileBins:
    """One sighting's profile in the making."""

    __slots__ = ("_before", "_bins", "_columns", "_first_bin", "_max_points", "_offset_ns", "_sent_ns", "_width_ns")

    def __init__(self, start_wall_ns: int, start_boottime_ns: int, width_s: float, max_points: int) -> None:
        self._offset_ns = start_wall_ns - start_boottime_ns
        self._width_ns = round(width_s * NS_PER_S)
        self._max_points = max_points
        self._first_bin = start_wall_ns // self._width_ns
        self._bins = 0
        self._columns: dict[str, _Column] = {}
        self._before: dict[str, tuple[int, int]] = {}
        self._sent_ns = 0

    def begin(self, born_ns: int) -> None:
        """The cgroup appeared at boottime `born_ns`: all its counters were zero then."""
        self._before = {metric.name: (0, born_ns) for metric in _PROFILED[Source.CGROUP] + _PROFILED[Source.PROCESSES]}

    def follow(self, source: Source, account: Account, have: int, now_ns: int, gap_ns: int) -> None:
        """The account took a reading of the fields in the mask `have`; a pause above `gap_ns` leaves a gap."""
        for metric in _PROFILED[source]:
            if not have >> FIELD_INDEX[metric.field] & 1:
                continue
            value = account.current(metric.field) if metric.kind is Kind.GAUGE else account.total(metric.field)
            if value is None:
                continue
            before, before_ns = self._before.get(metric.name, (value, now_ns))
            self._before[metric.name] = (value, now_ns)
            if not 0 < now_ns - before_ns <= gap_ns:
                continue
            if metric.kind is Kind.GAUGE:
                self.add(metric.name, before_ns, now_ns, value * metric.scale)
            else:
                rate = max(0, value - before) * metric.scale * NS_PER_S / (now_ns - before_ns)
                self.add(metric.name, before_ns, now_ns, rate)

    def add(self, metric: str, from_ns: int, to_ns: int, value: float) -> None:
        """`metric` was `value` from boottime `from_ns` to `to_ns`; an instant counts as covering a moment."""
        begin = max(from_ns + self._offset_ns, self._first_bin * self._width_ns)
        end = max(to_ns + self._offset_ns, begin + 1)
        self._make_room(end)
        column = self._columns.get(metric)
        if column is None:
            column = self._columns[metric] = _Column(self._bins)
        width_ns = self._width_ns
        for number in range(begin // width_ns, (end - 1) // width_ns + 1):
            seconds = (min(end, (number + 1) * width_ns) - max(begin, number * width_ns)) / NS_PER_S
            column.add(number - self._first_bin, seconds, value)

    def halve(self) -> None:
        """Half the points, twice the width."""
        lead = self._first_bin % 2
        for column in self._columns.values():
            column.halve(lead)
        self._bins = (self._bins + lead + 1) // 2
        self._first_bin //= 2
        self._width_ns *= 2

    def profile(self) -> Profile | None:
        """The whole profile; None where nothing was measured."""
        return self._from(0)

    def delta(self) -> Profile | None:
        """What is new since the last call: the bins that were not full then, and those after them."""
        first = max(0, self._sent_ns // self._width_ns - self._first_bin)
        news = self._from(first) if first < self._bins else None
        if news is not None:
            self._sent_ns = (self._first_bin + self._bins - 1) * self._width_ns
        return news

    def _make_room(self, end_ns: int) -> None:
        while (end_ns - 1) // self._width_ns - self._first_bin >= self._max_points:
            self.halve()
        missing = (end_ns - 1) // self._width_ns - self._first_bin + 1 - self._bins
        if missing > 0:
            for column in self._columns.values():
                column.extend(missing)
            self._bins += missing

    def _from(self, first: int) -> Profile | None:
        if not self._columns:
            return None
        return Profile(
            start_ns=(self._first_bin + first) * self._width_ns,
            width_s=self._width_ns / NS_PER_S,
            columns={name: column.points(first) for name, column in self._columns.items()},
        )


class Points:
    """One job's points of one tier; remembers the totals at the last point."""

    __slots__ = ("_before", "_last_tick_ns", "_metrics")

    def __init__(self, tier: Tier, *, from_zero: bool) -> None:
        self._metrics = METRICS_OF_TIER[tier]
        self._before: list[int | None] = [
            0 if from_zero and metric.source is not Source.NODE else None for metric in self._metrics
        ]
        self._last_tick_ns: int | None = None

    def values(self, accounts: dict[Source, Account], tick_ns: int, interval_ns: int) -> list[float | None]:
        """One value per metric of the tier for the interval that ends at `tick_ns`; None where there is none."""
        period_ns = interval_ns if self._last_tick_ns is None else max(interval_ns, tick_ns - self._last_tick_ns)
        self._last_tick_ns = tick_ns
        return [self._value(index, metric, accounts, period_ns) for index, metric in enumerate(self._metrics)]

    def _value(self, index: int, metric: Metric, accounts: dict[Source, Account], period_ns: int) -> float | None:
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
