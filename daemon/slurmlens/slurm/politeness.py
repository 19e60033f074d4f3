"""How often slurmctld may be asked: sans-IO, told the time.

Invariants: the first two requests may come together; from then on there is one an interval, so that in any two
intervals there are two at most (with the default of 30 s: two a minute); asking never takes more than about a tenth of
the time; each failure doubles the pause, up to `MAX_PAUSE_S`. Fed and asked by the hub's poller.
"""

from __future__ import annotations

from slurmlens.clock import NS_PER_S

BURST = 2
SHARE = 10
MAX_PAUSE_S = 600.0


class Politeness:
    """Remembers when the last requests were, how long they took and how many failed."""

    def __init__(self, interval_s: float, burst: int = BURST) -> None:
        self._interval_s = interval_s
        self._burst = burst
        self._began_ns: list[int] = []
        self._not_before_ns = 0
        self._failures = 0

    @property
    def failures(self) -> int:
        """How many requests failed in a row."""
        return self._failures

    def next_ns(self, now_ns: int, requests: int = 1) -> int:
        """The earliest time at which the next request may begin; `now_ns` where that is now.

        `requests` is how many it counts for, up to the burst: two at once need room for two.
        """
        allowed = max(now_ns, self._not_before_ns)
        if len(self._began_ns) < self._burst:
            return allowed
        interval_ns = round(self._interval_s * NS_PER_S)
        last_of_burst_ns = self._began_ns[requests - 1 - self._burst]
        return max(allowed, self._began_ns[-1] + interval_ns, last_of_burst_ns + self._burst * interval_ns)

    def began(self, now_ns: int) -> None:
        """A request begins."""
        self._began_ns = [*self._began_ns[1 - self._burst :], now_ns] if self._burst > 1 else [now_ns]

    def ended(self, now_ns: int, *, well: bool) -> None:
        """The request that began last has ended."""
        self._failures = 0 if well else self._failures + 1
        took_s = (now_ns - self._began_ns[-1]) / NS_PER_S if self._began_ns else 0.0
        pause_s = took_s * SHARE if well else self._interval_s * 2.0 ** min(self._failures, 20)
        self._not_before_ns = now_ns + round(min(pause_s, MAX_PAUSE_S) * NS_PER_S)
