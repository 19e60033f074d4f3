"""The flight recorder: a job's course at a bounded number of points, kept in memory for as long as the job runs.

Owns the bins. A course starts with narrow bins; when it would exceed its number of points, two neighbours become one
and the bins are twice as wide. Bins are aligned to multiples of their width on the wall clock, so that those of all
nodes lie on top of each other. A reading stands for the time since the one before it and is spread over the bins it
covers; a bin that nothing covered is a gap and stays one. Time runs on boottime from the course's first moment, so a
wall clock that is set does not tear it.

Fed by `engine`; `Course.delta` is what the hub has not heard yet, `Course.profile` everything.
"""

from __future__ import annotations

from array import array

from slurmlens.clock import NS_PER_S
from slurmlens.events import Point, Profile
from slurmlens.metrics import FIELD_INDEX, METRICS, Kind, Metric, Source
from slurmlens.node.sampler.accounts import Account

_NO_POINT = Point(None, None, None)
_PROFILED: dict[Source, tuple[Metric, ...]] = {
    source: tuple(metric for metric in METRICS if metric.in_profile and metric.source is source) for source in Source
}
BYTES_PER_BIN = 16
"""Low, high, mean and covered seconds of one metric, four bytes each."""


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


class Course:
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

    @property
    def size_bytes(self) -> int:
        return len(self._columns) * self._bins * BYTES_PER_BIN

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
        """The whole course; None where nothing was measured."""
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


class Recorder:
    """The courses of all sightings of a node, within one bound of memory."""

    def __init__(self, width_s: float, max_points: int, memory_limit_bytes: int) -> None:
        self._width_s = width_s
        self._max_points = max_points
        self._memory_limit_bytes = memory_limit_bytes
        self._courses: dict[int, Course] = {}

    def start(self, number: int, wall_ns: int, boottime_ns: int) -> Course:
        """A course for sighting `number`, or the one it has."""
        course = self._courses.get(number)
        if course is None:
            course = self._courses[number] = Course(wall_ns, boottime_ns, self._width_s, self._max_points)
        return course

    def stop(self, number: int) -> Course | None:
        """The finished course; the recorder forgets it."""
        return self._courses.pop(number, None)

    def course(self, number: int) -> Course | None:
        return self._courses.get(number)

    @property
    def size_bytes(self) -> int:
        return sum(course.size_bytes for course in self._courses.values())

    def keep_within_bound(self) -> int:
        """Halve the largest courses until all fit; returns how many times that was needed. Call it at slow ticks."""
        halved = 0
        while self._courses and self.size_bytes > self._memory_limit_bytes:
            largest = max(self._courses.values(), key=lambda course: course.size_bytes)
            largest.halve()
            halved += 1
        return halved
