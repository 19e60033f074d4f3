"""The running account of one cgroup: from readings to totals, peaks and the last gauges.

A job's counters start at zero with its cgroup, so the newest reading *is* the total, even when this daemon came late;
only what breaks that is corrected here: a cgroup made anew adds to what the last one used (`renew`), a counter that
falls within one life (a device left `io.stat`) is carried on from where it was and does not count twice when it comes
back, and a cgroup that served an earlier run counts from its first reading.

The arithmetic is C (`cgroup.tick`), so that a tick takes the readings of all jobs in one call; `take` is for the odd
reading. Fed by `engine` with readings in the order of time; asked by `watched`.
"""

from __future__ import annotations

from typing import Any

from slurmlens.cgroup import tick
from slurmlens.cgroup.reading import Reading
from slurmlens.metrics import FIELD_INDEX, FIELDS

_COUNTERS = tuple(index for index, field in enumerate(FIELDS) if field.name not in tick.GAUGE_FIELDS)


class Account:
    """What one cgroup used so far; `samples` says on how many readings that stands. `record` is what C works on."""

    __slots__ = ("record",)

    def __init__(self, *, from_zero: bool = True) -> None:
        self.record: Any = tick.new_account(from_zero=from_zero)

    @property
    def samples(self) -> int:
        return int(self.record.samples)

    @property
    def first_ns(self) -> int:
        """Boottime of the first reading, 0 before it."""
        return int(self.record.first_ns)

    @property
    def last_ns(self) -> int:
        """Boottime of the newest reading, 0 before the first."""
        return int(self.record.last_ns)

    @property
    def falls(self) -> int:
        """How often a counter fell within the life of one cgroup: its total stands on a guess then."""
        return int(self.record.falls)

    def take(self, reading: Reading, now_ns: int) -> None:
        """One more reading, at boottime `now_ns`; what it lacks stays as it was."""
        tick.take(self.record, reading, now_ns)

    def forget(self) -> None:
        """Nothing of it is known (any more)."""
        self.record.known = self.record.samples = 0

    def renew(self) -> None:
        """The cgroup is gone and a new one follows, whose counters start at zero again."""
        for index in _COUNTERS:
            self.record.carried[index] = tick.total(self.record, index)
            self.record.last[index] = self.record.fallen[index] = 0

    def correct(self, name: str, counted: int) -> None:
        """The final value of a counter is known from elsewhere (the parent's rest)."""
        index = FIELD_INDEX[name]
        self.record.last[index] = max(counted, self.record.last[index])
        self.record.known |= 1 << index

    def total(self, name: str) -> int | None:
        """A counter's growth since the job began; None where it was never read."""
        index = FIELD_INDEX[name]
        if not self.record.known >> index & 1:
            return None
        return tick.total(self.record, index)

    def current(self, name: str) -> int | None:
        """The newest value as it was read; None where there was none."""
        index = FIELD_INDEX[name]
        return int(self.record.last[index]) if self.record.known >> index & 1 else None

    def highest(self, name: str) -> int | None:
        """The highest value of a gauge that any reading showed, 0 included; None where it was never read."""
        index = FIELD_INDEX[name]
        return int(self.record.highest[index]) if self.record.known >> index & 1 else None
