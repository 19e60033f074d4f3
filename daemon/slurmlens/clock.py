"""Time as a value that is handed in.

Three clocks, each for what only it can do:
wall (CLOCK_REALTIME) stamps what people and other machines see; monotonic measures durations;
boottime (CLOCK_BOOTTIME, monotonic that goes on during suspend) orders the events of one boot.
Sans-IO modules receive times as arguments; whoever needs to ask receives a `Clock`.
"""

from __future__ import annotations

import time
from typing import Protocol

import msgspec

NS_PER_S = 1_000_000_000


def next_whole_ns(now_ns: int, interval_ns: int) -> int:
    """The first whole multiple of the interval after now: where points of all nodes fall together."""
    return (now_ns // interval_ns + 1) * interval_ns


class Moment(msgspec.Struct, frozen=True):
    """One instant on two clocks: wall for people, boottime for order and durations within this boot."""

    wall_ns: int
    boottime_ns: int


class Clock(Protocol):
    """Where the programs take the time from; tests pass one that they turn by hand."""

    def wall_ns(self) -> int:
        """Nanoseconds since the epoch, UTC."""

    def monotonic_ns(self) -> int:
        """Nanoseconds since an arbitrary point; never goes back."""

    def boottime_ns(self) -> int:
        """Nanoseconds since this machine booted, suspend included."""


def now(clock: Clock) -> Moment:
    """This instant on both clocks of a `Moment`."""
    return Moment(clock.wall_ns(), clock.boottime_ns())


class SystemClock:
    """The machine's clocks."""

    def wall_ns(self) -> int:
        return time.time_ns()

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()

    def boottime_ns(self) -> int:
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
