"""A clock that stands still until a test moves it."""

from __future__ import annotations

NS_PER_S = 1_000_000_000


class ManualClock:
    """Satisfies `slurmlens.clock.Clock`. Wall starts at 2026-11-23T08:00:00Z, boottime at 1000 s."""

    def __init__(self) -> None:
        self._wall_ns = 1_795_420_800 * NS_PER_S
        self._boot_ns = 1000 * NS_PER_S

    def wall_ns(self) -> int:
        return self._wall_ns

    def monotonic_ns(self) -> int:
        return self._boot_ns

    def boottime_ns(self) -> int:
        return self._boot_ns

    def advance(self, seconds: float) -> None:
        """Time passes on all three clocks."""
        step_ns = round(seconds * NS_PER_S)
        self._wall_ns += step_ns
        self._boot_ns += step_ns

    def jump_wall(self, seconds: float) -> None:
        """The wall clock is set; the others do not notice."""
        self._wall_ns += round(seconds * NS_PER_S)
