"""The pause between two parts of a tick: a parallel job feels one long burst of its node's daemon, not many short ones.

Taken by `engine` and `recorder`, and between the parts of a reading in C.
"""

from __future__ import annotations

import time

from slurmlens.clock import NS_PER_S


class Rest:
    """Off the CPU for `length_ns`; calling it takes one. Due after `busy_ns` on the CPU, where that can be told."""

    def __init__(self, length_ns: int, busy_ns: int) -> None:
        self.length_ns = length_ns
        self.busy_ns = busy_ns

    def __call__(self) -> None:
        if self.length_ns:
            time.sleep(self.length_ns / NS_PER_S)


NO_REST = Rest(0, 0)

SHORT_REST = Rest(length_ns=200_000, busy_ns=800_000)
"""Long enough to be off the CPU, short enough to find its caches warm: a millisecond made a tick 4 % dearer. Each costs
some 30 µs of its own, so there are no more of them than a bound of 2 ms for one burst needs.
"""
