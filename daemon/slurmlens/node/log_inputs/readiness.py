"""Waiting for a descriptor without being woken for every line: what comes within `GATHER_S` is read at once.

Owns the one way in which pipes and sockets of log inputs are awaited. Where a queue is short (a log socket's is ten
datagrams, net.unix.max_dgram_qlen) and fills, less is let gather: whoever writes there waits while it is full. While
nothing comes it costs nothing; a program that logs a thousand lines a second, each with a write of its own, wakes the
daemon twenty times and not a thousand; the journal, whose pipe holds more, less than three times.
"""

from __future__ import annotations

import asyncio
import socket

GATHER_S = 0.05
LEAST_GATHER_S = 0.001


class Gathering:
    """How long datagrams may gather before the next read; `queue` is how many the kernel surely holds."""

    def __init__(self, queue: int) -> None:
        self._queue = queue
        self._wait_s = GATHER_S

    def after(self, found: int) -> float:
        """Seconds to wait after a read that found so many: half as long where they filled half of the queue."""
        fills = 2 * found >= self._queue
        self._wait_s = max(self._wait_s / 2, LEAST_GATHER_S) if fills else min(2 * self._wait_s, GATHER_S)
        return self._wait_s


async def readable(one: socket.socket | int) -> None:
    """Until there is something to read; a descriptor in epoll costs nothing until then."""
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_reader(one, lambda: None if ready.done() else ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_reader(one)
