"""Counts what was refused, by reason; the counts are kept in the database and so outlive the process.

Owns what was not written yet. Fed by `ingest`; its stage gives it to history every few seconds.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping

from slurmlens.clock import Clock

WRITE_EVERY_S = 5.0

Keep = Callable[[Mapping[str, int], int], Awaitable[None]]
"""Adds counts by reason, at a wall time in ns, to those that are kept."""


class Refusals:
    """Counts of one hub."""

    def __init__(self, keep: Keep, clock: Clock) -> None:
        self._keep = keep
        self._clock = clock
        self._counts: Counter[str] = Counter()

    def add(self, reason: str) -> None:
        """Something was refused for a reason from a bounded set."""
        self._counts[reason] += 1

    async def run(self) -> None:
        """A stage: writes what was counted, for ever."""
        while True:
            await asyncio.sleep(WRITE_EVERY_S)
            await self.write()

    async def write(self) -> None:
        """Gives the counts to whoever keeps them; where that fails they are given again."""
        counts, self._counts = self._counts, Counter()
        if not counts:
            return
        try:
            await self._keep(counts, self._clock.wall_ns())
        except BaseException:
            self._counts += counts
            raise
