"""How long the event loop was held at once: the CPU time from one look at its sockets and timers to the next.

Owns the figures. A hold is all that ran in one turn of the loop, so many small callbacks in a row count as the one long
pause that they are for everybody who waits. It is CPU time of the loop's own thread: what the machine gave to others
meanwhile does not count, and waiting costs none. The clock is a system call, so it is read once a turn; the call that
asks the kernel for what is ready is in the figure, some ten microseconds. A program that wants to know runs its loop
with `watched_loop`; whoever tells asks `watch_of_running_loop`.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable

import msgspec

HELD_MS = 50.0
"""What is at least so long is counted: nothing that a hub does should hold its loop so long."""


class LoopHolds(msgspec.Struct, frozen=True, kw_only=True):
    """What a loop's watch tells: the longest hold, and how many were at least `HELD_MS` long."""

    longest_hold_ms: float
    longest_hold_ns: int
    """When the longest one ended, since the epoch."""
    held: int


class LoopWatch(selectors.DefaultSelector):
    """A selector that measures what the loop does between two calls of `select`."""

    def __init__(
        self, cpu_time_ns: Callable[[], int] = time.thread_time_ns, wall_ns: Callable[[], int] = time.time_ns
    ) -> None:
        super().__init__()
        self._cpu_time_ns = cpu_time_ns
        self._wall_ns = wall_ns
        self._last_ns: int | None = None
        self._longest_ns = 0
        self._longest_at_ns = 0
        self._held = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """As any selector; what ran since the last call is measured before."""
        now_ns = self._cpu_time_ns()
        if self._last_ns is not None:
            self._ran(now_ns - self._last_ns)
        self._last_ns = now_ns
        return super().select(timeout)

    def _ran(self, hold_ns: int) -> None:
        if hold_ns > self._longest_ns:
            self._longest_ns, self._longest_at_ns = hold_ns, self._wall_ns()
        if hold_ns >= HELD_MS * 1e6:
            self._held += 1

    def holds(self) -> LoopHolds:
        """The figures so far."""
        return LoopHolds(
            longest_hold_ms=round(self._longest_ns / 1e6, 1), longest_hold_ns=self._longest_at_ns, held=self._held
        )

    def forget(self) -> None:
        """Begin anew, with what is left of this turn: what a start costs says nothing about what follows."""
        self._last_ns = self._cpu_time_ns()
        self._longest_ns = self._longest_at_ns = self._held = 0


class WatchedLoop(asyncio.SelectorEventLoop):
    """An event loop on a `LoopWatch`."""

    def __init__(self) -> None:
        self.watch = LoopWatch()
        super().__init__(self.watch)


def watched_loop() -> WatchedLoop:
    """A loop for `asyncio.Runner(loop_factory=...)`."""
    return WatchedLoop()


def watch_of_running_loop() -> LoopWatch | None:
    """The watch of the loop that runs; None where it has none."""
    loop = asyncio.get_running_loop()
    return loop.watch if isinstance(loop, WatchedLoop) else None
