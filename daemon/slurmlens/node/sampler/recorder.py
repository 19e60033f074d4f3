"""The flight recorder: a job's course at a bounded number of points, kept in memory for as long as the job runs.

Owns the bins. A course starts with narrow bins; when it would exceed its number of points, two neighbours become one
and the bins are twice as wide. Bins are aligned to multiples of their width on the wall clock, so that those of all
nodes lie on top of each other. A reading stands for the time since the one before it and is spread over the bins it
covers; a bin that nothing covered is a gap and stays one. Time runs on boottime from the course's first moment, so a
wall clock that is set does not tear it.

The bins and their arithmetic are C (`cgroup.tally`). Fed by `engine`; `Course.delta` is what the hub has not heard
yet, `Course.profile` everything.
"""

from __future__ import annotations

import heapq
import os
from collections.abc import Callable, Iterable
from typing import Any

from slurmlens.cgroup import tally
from slurmlens.clock import NS_PER_S
from slurmlens.events import Point, Profile
from slurmlens.metrics import Source
from slurmlens.node.sampler.accounts import Account

_NO_POINT = Point(None, None, None)
LEAST_BYTES = os.sysconf("SC_PAGESIZE")
"""A course that is this small gives nothing back when it is halved."""

HALVED_IN_ONE_GO = 16
"""Some 20 µs each; then somebody else may want the CPU."""


class Course:
    """One sighting's profile in the making. `record` is what C works on."""

    __slots__ = ("_sent_ns", "record")

    def __init__(self, start_wall_ns: int, start_boottime_ns: int, width_s: float, max_points: int) -> None:
        width_ns = round(width_s * NS_PER_S)
        self.record: Any = tally.new_course(
            offset_ns=start_wall_ns - start_boottime_ns,
            width_ns=width_ns,
            first_bin=start_wall_ns // width_ns,
            max_points=max_points,
        )
        self._sent_ns = 0

    @property
    def size_bytes(self) -> int:
        """The memory of its bins, what the kernel gives for them: whole pages."""
        return tally.course_bytes(self.record)

    def begin(self, born_ns: int) -> None:
        """The cgroup appeared at boottime `born_ns`: all its counters were zero then."""
        tally.begin(self.record, born_ns)

    def follow(
        self, source: Source, account: Account, have: int, now_ns: int, gap_ns: int, slow_gap_ns: int | None = None
    ) -> None:
        """The account took a reading of the fields in the mask `have`; a pause above `gap_ns` leaves a gap, for fields
        of the slow tier one above `slow_gap_ns` where that is given."""
        slow_ns = gap_ns if slow_gap_ns is None else slow_gap_ns
        tally.follow(self.record, source, account.record, have, now_ns, gap_ns, slow_ns)

    def add(self, metric: str, from_ns: int, to_ns: int, value: float) -> None:
        """`metric` was `value` from boottime `from_ns` to `to_ns`; an instant counts as covering a moment."""
        tally.add(self.record, metric, from_ns, to_ns, value)

    def halve(self) -> None:
        """Half the points, twice the width."""
        tally.halve(self.record)

    def profile(self) -> Profile | None:
        """The whole course; None where nothing was measured."""
        return self._from(0)

    def delta(self) -> Profile | None:
        """What is new since the last call: the bins that were not full then, and those after them."""
        record = self.record
        first = max(0, self._sent_ns // record.width_ns - record.first_bin)
        news = self._from(first) if first < record.count else None
        if news is not None:
            self._sent_ns = (record.first_bin + record.count - 1) * record.width_ns
        return news

    def _from(self, first: int) -> Profile | None:
        if not self.record.there:
            return None
        found = {name: tally.column_bins(self.record, name, first) for name in tally.COLUMN_OF}
        return Profile(
            start_ns=(self.record.first_bin + first) * self.record.width_ns,
            width_s=self.record.width_ns / NS_PER_S,
            columns={name: _points(bins) for name, bins in found.items() if bins is not None},
        )


def _points(bins: Iterable[tuple[float, ...]]) -> list[Point]:
    return [Point(low, mean, high) if seconds > 0 else _NO_POINT for low, mean, high, seconds in bins]


class Recorder:
    """The courses of all sightings of a node, within one bound of memory."""

    def __init__(self, max_points: int, memory_limit_bytes: int) -> None:
        self._max_points = max_points
        self._memory_limit_bytes = memory_limit_bytes
        self._courses: dict[int, Course] = {}

    def start(self, number: int, wall_ns: int, boottime_ns: int, width_s: float) -> Course:
        """A course for sighting `number`, of bins of `width_s` to begin with; or the one it has."""
        course = self._courses.get(number)
        if course is None:
            course = self._courses[number] = Course(wall_ns, boottime_ns, width_s, self._max_points)
        return course

    def stop(self, number: int) -> Course | None:
        """The finished course; the recorder forgets it."""
        return self._courses.pop(number, None)

    def course(self, number: int) -> Course | None:
        return self._courses.get(number)

    @property
    def size_bytes(self) -> int:
        return sum(course.size_bytes for course in self._courses.values())

    def keep_within_bound(self, rest: Callable[[], None] = lambda: None) -> int:
        """Halve the largest courses until all fit, or none can become smaller; returns how many times that was needed.
        Call it at slow ticks; `rest` is called between some and some more."""
        sizes = [(-course.size_bytes, number) for number, course in self._courses.items()]
        excess = -sum(size for size, _ in sizes) - self._memory_limit_bytes
        halved = 0
        if excess > 0:
            heapq.heapify(sizes)
        while excess > 0 and -sizes[0][0] > LEAST_BYTES:
            before, number = sizes[0]
            self._courses[number].halve()
            heapq.heapreplace(sizes, (-self._courses[number].size_bytes, number))
            excess -= -before - self._courses[number].size_bytes
            halved += 1
            if halved % HALVED_IN_ONE_GO == 0:
                rest()
        return halved
