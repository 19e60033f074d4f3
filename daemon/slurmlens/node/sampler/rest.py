"""The pause between two parts of a tick: a parallel job feels one long burst of its node's daemon, not many short ones.

Taken by `engine` and `recorder`, and between the parts of a reading in C.
"""

from __future__ import annotations

import time

from slurmlens.clock import NS_PER_S


class Rest:
    """Off the CPU for so long; calling it takes one."""

    def __init__(self, length_ns: int) -> None:
        self.length_ns = length_ns

    def __call__(self) -> None:
        if self.length_ns:
            time.sleep(self.length_ns / NS_PER_S)


NO_REST = Rest(0)

SHORT_REST = Rest(200_000)
"""Long enough to be off the CPU, short enough to find its caches warm: a millisecond made a tick 4 % dearer."""
