"""How long to wait before the next try: doubling, bounded, with jitter so that a cluster does not try in step.

Pure but for the random numbers, which are handed in. Used by `supervisor` and by the node's sinks.
"""

from __future__ import annotations

import random
from collections.abc import Callable


class Backoff:
    """Waits between `least_s` and `most_s`; each is drawn from the upper half of the doubled one before."""

    def __init__(self, least_s: float, most_s: float, draw: Callable[[], float] = random.random) -> None:
        self._least_s = least_s
        self._most_s = most_s
        self._draw = draw
        self._next_s = least_s

    def next_s(self) -> float:
        """The wait before the next try; grows until `reset`."""
        ceiling_s = self._next_s
        self._next_s = min(self._most_s, ceiling_s * 2)
        return ceiling_s * (0.5 + 0.5 * self._draw())

    def reset(self) -> None:
        """It worked: the next wait is the shortest again."""
        self._next_s = self._least_s
