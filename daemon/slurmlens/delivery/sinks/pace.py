"""How fast a backlog may be delivered: bounded, so that a receiver that comes back is not run over.

Sans-IO: handed the time, never asks for it. What has waited longer than `after_s` is replayed: it leaves at
`bytes_per_s` at most. What is younger never waits here, so a healthy delivery cannot be slowed down. New lines wait
behind a backlog, for order's sake, but not for ever: the least rate that can be set is a multiple of what a node makes.

That a cluster's nodes do not all begin at once is not decided here: their tries are jittered (`runtime.backoff`), over
half a minute and more after an outage of two minutes and more. Used by `delivery`.
"""

from __future__ import annotations

from slurmlens.clock import NS_PER_S
from slurmlens.config.shared import ReplayConfig


class ReplayPace:
    """The rate of one sink."""

    def __init__(self, config: ReplayConfig) -> None:
        self._after_ns = round(config.after_s * NS_PER_S)
        self._ns_per_byte = NS_PER_S / config.bytes_per_s
        self._free_ns = 0

    def wait_ns(self, size_bytes: int, born_ns: int, now_ns: int) -> int:
        """How long lines of which the oldest was born at `born_ns` are to be held back; they count as delivered then.

        Times are monotonic.
        """
        if now_ns - born_ns <= self._after_ns:
            return 0
        begin_ns = max(now_ns, self._free_ns)
        self._free_ns = begin_ns + round(size_bytes * self._ns_per_byte)
        return begin_ns - now_ns
