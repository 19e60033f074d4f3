"""How a blocking query goes on: the rules of Consul's index, the length of the wait, and a limit on the rate.

Sans-IO: told the time. The rules are those of https://developer.hashicorp.com/consul/api-docs/features/blocking and of
what was seen on agents that lost their data: a client that keeps an index which is too high misses every change until
its wait is over. Used by `watch`.
"""

from __future__ import annotations

from slurmlens.clock import NS_PER_S

START = 0
"""The index that asks for the present state at once."""

JITTER_SHARE = 0.1
SERVER_JITTER_SHARE = 1 / 16
"""By how much of the wait asked for a server may answer later."""


def next_index(previous: int, returned: int) -> int:
    """The index to ask with next. One that went back means another history: begin anew. Zero, which a server must not
    say, would make a busy loop of the watch: 1 is always safe to wait with.
    """
    if returned < 1:
        return 1
    return START if returned < previous else returned


def wait_of(longest_s: float, drawn: float) -> float:
    """The wait to ask for: up to a tenth less than the longest, so that a cluster does not ask in step."""
    return longest_s * (1 - JITTER_SHARE * drawn)


def time_limit(wait_s: float, timeout_s: float) -> float:
    """After how long an answer to a query with that wait will not come any more."""
    return wait_s * (1 + SERVER_JITTER_SHARE) + timeout_s


class QueryPace:
    """A token bucket: some answers in quick succession are welcome, a flood of them is not asked for."""

    def __init__(self, burst: int, refill_s: float) -> None:
        self._burst = burst
        self._refill_ns = round(refill_s * NS_PER_S)
        self._full_at_ns: int | None = None

    def take(self, now_ns: int) -> float:
        """Take one; returns for how many seconds to wait before using it."""
        full_at_ns = now_ns if self._full_at_ns is None else max(self._full_at_ns, now_ns)
        self._full_at_ns = full_at_ns + self._refill_ns
        return max(0, self._full_at_ns - now_ns - self._burst * self._refill_ns) / NS_PER_S
