"""The running account of one cgroup: from readings to totals, peaks and the last gauges.

A job's counters start at zero with its cgroup, so the newest reading *is* the total, even when this daemon came late;
only what breaks that is corrected here: a counter that falls (a cgroup made anew, a device that left `io.stat`) is
carried on from where it was, and a cgroup that served an earlier run counts from its first reading.

Pure. Fed by `engine` with readings in the order of time; asked by `totals`.
"""

from __future__ import annotations

from slurmlens.cgroup.reading import Reading
from slurmlens.metrics import FIELD_INDEX, FIELDS

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

    __slots__ = ("_base", "_carried", "_highest", "_last", "_pending_base", "first_ns", "last_ns", "samples")

    def __init__(self, *, from_zero: bool = True) -> None:
        self.samples = 0
        self.first_ns = 0
        self.last_ns = 0
        self._last: list[int | None] = [None] * len(FIELDS)
        self._carried = [0] * len(FIELDS)
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
                    self._carried[index] += before
                last[index] = value
        for index in GAUGES:
            if have >> index & 1:
                last[index] = values[index]
                if values[index] > (self._highest[index] or 0):
                    self._highest[index] = values[index]

    def _rebase(self, reading: Reading) -> None:
        self._pending_base = False
        for index in _COUNTERS:
            self._carried[index] = -reading.values[index]

    def renew(self) -> None:
        """The cgroup is gone and a new one follows, whose counters start at zero again."""
        for index in _COUNTERS:
            self._carried[index] += self._last[index] or 0
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
        return None if value is None else value + self._carried[index]

    def current(self, name: str) -> int | None:
        """A gauge's newest value."""
        return self._last[FIELD_INDEX[name]]

    def highest(self, name: str) -> int | None:
        """The highest value of a gauge that any reading showed."""
        return self._highest[FIELD_INDEX[name]]
