"""The C arithmetic of a tick (`cext/slurmlens_tick.h`) for Python: accounts, profiles and points of all jobs at once.

Owns the table of metrics as C sees it and the bindings; what they mean stands with those who use them (`node.sampler`'s
accounts, recorder and points). With 200 jobs the same in Python cost twice what reading the counters costs.

Invariants: an object is used by one thread at a time; C keeps no pointer beyond the call, but `TickBatch` keeps alive
what its array points to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from slurmlens._cgroup import ffi, lib
from slurmlens.cgroup.reader import CgroupReader, OpenCgroup, ReadingBatch
from slurmlens.cgroup.reading import Reading
from slurmlens.metrics import FIELD_INDEX, FIELDS, METRICS, Kind, Metric, Source, Tier

NO_VALUE = float("nan")

GAUGE_FIELDS = frozenset(
    {
        "memory_current_bytes",
        "memory_peak_bytes",
        "memory_limit_bytes",
        "memory_rss_bytes",
        "memory_cache_bytes",
        "memory_swap_bytes",
        "pids_current",
        "pids_peak",
    }
)
"""Fields whose newest value counts; of all others the growth."""

SOURCE_NUMBER = {
    Source.CGROUP: lib.SL_FROM_CGROUP,
    Source.PROCESSES: lib.SL_FROM_PROCESSES,
    Source.NODE: lib.SL_FROM_NODE,
}
TIER_NUMBER = {Tier.FAST: lib.SL_TIER_FAST, Tier.SLOW: lib.SL_TIER_SLOW}


def tier_of(metric: Metric) -> Tier:
    """When a metric is measured: with its field, but always slowly where processes have to be walked."""
    return Tier.SLOW if metric.source is Source.PROCESSES else FIELDS[FIELD_INDEX[metric.field]].tier


COLUMN_OF = {metric.name: column for column, metric in enumerate(metric for metric in METRICS if metric.in_profile)}
"""Where a metric's bins are in a profile."""


def _rules() -> Any:
    assert len(METRICS) <= lib.SL_METRICS_MAX, "raise SL_METRICS_MAX in cext/slurmlens_tick.h"
    rules = ffi.new("struct sl_rules *")
    for index, metric in enumerate(METRICS):
        one = rules.metric[index]
        one.field = FIELD_INDEX[metric.field]
        one.source = SOURCE_NUMBER[metric.source]
        one.is_gauge = metric.kind is Kind.GAUGE
        one.tier = TIER_NUMBER[tier_of(metric)]
        one.column = COLUMN_OF.get(metric.name, -1)
        one.scale = metric.scale
    rules.metrics = len(METRICS)
    rules.columns = len(COLUMN_OF)
    rules.gauges = sum(1 << FIELD_INDEX[name] for name in GAUGE_FIELDS)
    return rules


RULES = _rules()


def new_account(*, from_zero: bool) -> Any:
    """A `struct sl_account`; not from zero: it counts from its first reading on."""
    return ffi.new("struct sl_account *", {"counts_from_next": not from_zero})


def take(account: Any, reading: Reading, now_ns: int) -> None:
    """One more reading for one account."""
    record = ffi.new("struct sl_reading *", {"value": reading.values, "have": reading.have})
    lib.sl_account_take(account, RULES, record, now_ns)


def total(account: Any, field: int) -> int:
    """A counter's growth since the job began, by the field's number."""
    return int(lib.sl_account_total(account, field))


def new_profile(*, offset_ns: int, width_ns: int, first_bin: int, max_points: int) -> Any:
    """A `struct sl_profile` that frees its bins when it goes."""
    profile = ffi.new("struct sl_profile *")
    profile.offset_ns, profile.width_ns = offset_ns, width_ns
    profile.first_bin, profile.max_points = first_bin, max_points
    return ffi.gc(profile, lib.sl_profile_free)


def begin(profile: Any, born_ns: int) -> None:
    """The cgroup was born at boottime `born_ns`, its counters zero."""
    lib.sl_profile_begin(profile, RULES, born_ns)


def follow(profile: Any, source: Source, account: Any, have: int, now_ns: int, gap_ns: int, slow_gap_ns: int) -> None:
    """The account took a reading of the fields in `have`. Raises MemoryError."""
    rc = lib.sl_profile_follow(profile, RULES, SOURCE_NUMBER[source], account, have, now_ns, gap_ns, slow_gap_ns)
    if rc:
        raise MemoryError("no memory for a job's profile")


def add(profile: Any, metric: str, from_ns: int, to_ns: int, value: float) -> None:
    """`metric` was `value` from boottime `from_ns` to `to_ns`. Raises MemoryError."""
    if lib.sl_profile_add(profile, RULES, COLUMN_OF[metric], from_ns, to_ns, value):
        raise MemoryError("no memory for a job's profile")


def halve(profile: Any) -> None:
    """Half the bins, twice as wide."""
    lib.sl_profile_halve(profile, RULES)


def profile_bytes(profile: Any) -> int:
    """The memory of its bins, in whole pages."""
    return int(lib.sl_profile_bytes(profile))


VALUES_PER_BIN = 4


def column_bins(profile: Any, metric: str, first: int) -> Iterator[tuple[float, ...]] | None:
    """Lowest, mean, highest and seconds covered of each of a metric's bins from `first` on; None where it has none."""
    column = COLUMN_OF[metric]
    if not profile.there >> column & 1:
        return None
    count = VALUES_PER_BIN * (profile.count - first)
    rows = ffi.new("double[]", count)
    lib.sl_profile_column(profile, column, first, rows)
    values = iter(ffi.unpack(rows, count))
    return zip(*[values] * VALUES_PER_BIN, strict=True)


def new_points(tier: Tier, *, from_zero: bool) -> Any:
    """A `struct sl_points`. From zero: what was counted before the first point was counted in its interval."""
    known = sum(1 << i for i, metric in enumerate(METRICS) if from_zero and metric.source is not Source.NODE)
    return ffi.new("struct sl_points *", {"tier": TIER_NUMBER[tier], "known": known})


_VALUES = ffi.typeof("double[]")
_ACCOUNTS = ffi.typeof("struct sl_account *[]")


def points_values(points: Any, accounts: Sequence[Any | None], tick_ns: int, interval_ns: int) -> list[float]:
    """One value per metric of the tier, NaN where there is none; `accounts` in the order of `SOURCE_NUMBER`."""
    values = ffi.new(_VALUES, len(METRICS))
    pointers = ffi.new(_ACCOUNTS, [account or ffi.NULL for account in accounts])
    count = lib.sl_points_values(points, RULES, pointers, tick_ns, interval_ns, values)
    return list(ffi.unpack(values, count))


class PointsBatch:
    """The points of several jobs of one tier, made in one call; made anew when it is of other jobs."""

    def __init__(self, jobs: Sequence[tuple[Any, Sequence[Any | None]]]) -> None:
        """Of each job its points and its accounts, as for `points_values`."""
        rows = [(points, [account or ffi.NULL for account in accounts]) for points, accounts in jobs]
        self._kept = tuple(jobs)
        self._jobs = ffi.new("struct sl_pointed[]", rows)
        self._values = ffi.new(_VALUES, lib.SL_METRICS_MAX * max(1, len(self._kept)))
        self._masks = ffi.new("uint32_t[]", max(1, len(self._kept)))

    def each(self, tick_ns: int, interval_ns: int) -> tuple[list[int], list[float]]:
        """Of each job a mask of the metrics of the tier that it has a value for; and those values, job after job."""
        count = len(self._kept)
        used = lib.sl_points_all(self._jobs, count, RULES, tick_ns, interval_ns, self._values, self._masks)
        return ffi.unpack(self._masks, count), ffi.unpack(self._values, used)

    def summed(self, tick_ns: int, interval_ns: int) -> list[float]:
        """As `points_values`; NaN where none of the jobs has a value."""
        count = lib.sl_points_sum(self._jobs, len(self._kept), RULES, tick_ns, interval_ns, self._values)
        return list(ffi.unpack(self._values, count))


class TickMember(msgspec.Struct, frozen=True):
    """What a reading of one cgroup goes into; a step has no profile, but on v1 its job's account. All are C structs."""

    cgroup: OpenCgroup
    account: Any
    profile: Any | None = None
    node_account: Any | None = None
    job_account: Any | None = None


def _parts(member: TickMember) -> tuple[Any | None, ...]:
    return member.profile, member.node_account, member.job_account


class TickBatch(ReadingBatch):
    """Cgroups that are read together and whose readings go into accounts and profiles in the same breath."""

    def __init__(self, reader: CgroupReader, members: Iterable[TickMember], ends: Sequence[int] = ()) -> None:
        self._kept = tuple(members)
        super().__init__(reader, [member.cgroup for member in self._kept], ends)
        rows = [[one or ffi.NULL for one in (member.account, *_parts(member))] for member in self._kept]
        self._members = ffi.new("struct sl_member[]", rows or 1)
        self._tick = ffi.new("struct sl_tick *")

    def take(self, now_ns: int, gap_ns: int, slow_gap_ns: int, node_pressure: ReadingBatch | None) -> int:
        """Takes the last readings, which belong to boottime `now_ns`; says how many of them have an error."""
        tick = self._tick
        tick.now_ns, tick.gap_ns, tick.slow_gap_ns = now_ns, gap_ns, slow_gap_ns
        there = node_pressure is not None and node_pressure.records[0].have
        tick.node_pressure = node_pressure.records if node_pressure is not None and there else ffi.NULL
        return int(lib.sl_take_all(self._members, self.records, len(self), RULES, tick))
