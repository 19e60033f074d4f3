"""Whether the relay has room for more: the rule by which it lets the nodes keep what it cannot.

A node has a spool of its own, and knows what it dropped; so a relay that is nearly full takes no more, instead of
dropping what was entrusted to it. Asked by `intake` and `carbon_listener` before they take anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

from slurmlens.delivery.batches import BatchQueue, Stream

LOOK_AGAIN_S = 0.2


class Room:
    """For one queue; `sinks` are those that read it, `limit_bytes` says what may wait for one of them now."""

    def __init__(
        self, queue: BatchQueue, sinks: Collection[tuple[str, Stream]], limit_bytes: Callable[[], int]
    ) -> None:
        self._queue = queue
        self._sinks = tuple(sinks)
        self._limit_bytes = limit_bytes

    def has_for(self, stream: Stream) -> bool:
        """Whether the slowest sink of that stream lags by less than the limit."""
        return self.waiting_bytes(stream) < self._limit_bytes()

    def waiting_bytes(self, stream: Stream) -> int:
        """What waits for the slowest sink of that stream."""
        names = [name for name, its_stream in self._sinks if its_stream is stream]
        return max((self._queue.backlog(name).size_bytes for name in names), default=0)

    async def wait_for(self, stream: Stream) -> None:
        """Return when there is room. Whoever waits here reads nothing, so its sender comes to wait, too."""
        while not self.has_for(stream):  # noqa: ASYNC110  # a queue tells nobody that it has become shorter
            await asyncio.sleep(LOOK_AGAIN_S)
