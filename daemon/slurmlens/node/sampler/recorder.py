"""The flight recorder: a job's profile at a bounded number of points, kept in memory for as long as the job runs.

Owns the bins. A profile starts with narrow bins; when it would exceed its number of points, two neighbours become one
and the bins are twice as wide. Bins are aligned to multiples of their width on the wall clock, so that those of all
nodes lie on top of each other. A reading stands for the time since the one before it and is spread over the bins it
covers; a bin that nothing covered is a gap and stays one. Time runs on boottime from the profile's first moment, so a
wall clock that is set does not tear it.

The bins and their arithmetic are C (`cgroup.tick`). Fed by `engine`; `ProfileBins.delta` is what the hub has not heard
yet, `ProfileBins.profile` everything.
"""

from __future__ import annotations

import heapq
import os
from collections.abc import Callable, Iterable
from typing import Any

from slurmlens.cgroup import tick
from slurmlens.clock import NS_PER_S
from slurmlens.events import Point, Profile
from slurmlens.metrics import Source
from slurmlens.node.sampler.accounts import Account

_NO_POINT = Point(None, None, None)
LEAST_BYTES = os.sysconf("SC_PAGESIZE")
"""A profile that is this small gives nothing back when it is halved."""

HALVED_IN_ONE_GO = 16
"""Some 20 µs each; then somebody else may want the CPU."""


class ProfileBins:
    """One sighting's profile in the making. `record` is what C works on."""

    __slots__ = ("_sent_ns", "record")

    def __init__(self, start_wall_ns: int, start_boottime_ns: int, width_s: float, max_points: int) -> None:
        width_ns = round(width_s * NS_PER_S)
        self.record: Any = tick.new_profile(
            offset_ns=start_wall_ns - start_boottime_ns,
            width_ns=width_ns,
            first_bin=start_wall_ns // width_ns,
            max_points=max_points,
        )
        self._sent_ns = 0

    @property
    def size_bytes(self) -> int:
        """The memory of its bins, what the kernel gives for them: whole pages."""
        return tick.profile_bytes(self.record)

    def begin(self, born_ns: int) -> None:
        """The cgroup appeared at boottime `born_ns`: all its counters were zero then."""
        tick.begin(self.record, born_ns)

    def follow(
        self, source: Source, account: Account, have: int, now_ns: int, gap_ns: int, slow_gap_ns: int | None = None
    ) -> None:
        """The account took a reading of the fields in the mask `have`; a pause above `gap_ns` leaves a gap, for fields
        of the slow tier one above `slow_gap_ns` where that is given."""
        slow_ns = gap_ns if slow_gap_ns is None else slow_gap_ns
        tick.follow(self.record, source, account.record, have, now_ns, gap_ns, slow_ns)

    def add(self, metric: str, from_ns: int, to_ns: int, value: float) -> None:
        """`metric` was `value` from boottime `from_ns` to `to_ns`; an instant counts as covering a moment."""
        tick.add(self.record, metric, from_ns, to_ns, value)

    def halve(self) -> None:
        """Half the points, twice the width."""
        tick.halve(self.record)

    def profile(self) -> Profile | None:
        """The whole profile; None where nothing was measured."""
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
        found = {name: tick.column_bins(self.record, name, first) for name in tick.COLUMN_OF}
        return Profile(
            start_ns=(self.record.first_bin + first) * self.record.width_ns,
            width_s=self.record.width_ns / NS_PER_S,
            columns={name: _points(bins) for name, bins in found.items() if bins is not None},
        )


def _points(bins: Iterable[tuple[float, ...]]) -> list[Point]:
    return [Point(low, mean, high) if seconds > 0 else _NO_POINT for low, mean, high, seconds in bins]


class FlightRecorder:
    """The profiles of all sightings of a node, within one bound of memory."""

    def __init__(self, max_points: int, memory_limit_bytes: int) -> None:
        self._max_points = max_points
        self._memory_limit_bytes = memory_limit_bytes
        self._profiles: dict[int, ProfileBins] = {}

    def start(self, number: int, wall_ns: int, boottime_ns: int, width_s: float) -> ProfileBins:
        """A profile for sighting `number`, of bins of `width_s` to begin with; or the one it has."""
        profile = self._profiles.get(number)
        if profile is None:
            profile = self._profiles[number] = ProfileBins(wall_ns, boottime_ns, width_s, self._max_points)
        return profile

    def stop(self, number: int) -> ProfileBins | None:
        """The finished profile; the recorder forgets it."""
        return self._profiles.pop(number, None)

    def profile_bins(self, number: int) -> ProfileBins | None:
        return self._profiles.get(number)

    @property
    def size_bytes(self) -> int:
        return sum(profile.size_bytes for profile in self._profiles.values())

    def keep_within_bound(self, rest: Callable[[], None] = lambda: None) -> int:
        """Halve the largest profiles until all fit, or none can become smaller; returns how many times that was needed.
        Call it at slow ticks; `rest` is called between some and some more."""
        sizes = [(-profile.size_bytes, number) for number, profile in self._profiles.items()]
        excess = -sum(size for size, _ in sizes) - self._memory_limit_bytes
        halved = 0
        if excess > 0:
            heapq.heapify(sizes)
        while excess > 0 and -sizes[0][0] > LEAST_BYTES:
            before, number = sizes[0]
            self._profiles[number].halve()
            heapq.heapreplace(sizes, (-self._profiles[number].size_bytes, number))
            excess -= -before - self._profiles[number].size_bytes
            halved += 1
            if halved % HALVED_IN_ONE_GO == 0:
                rest()
        return halved
