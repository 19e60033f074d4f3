"""Waiting for a descriptor without being woken for every line: what comes within `GATHER_S` is read at once.

Owns the one way in which pipes and sockets of log inputs are awaited. While nothing comes it costs nothing; a program
that logs a thousand lines a second, each with a write of its own, wakes the daemon twenty times and not a thousand.
"""

from __future__ import annotations

import asyncio
import socket

GATHER_S = 0.05


async def readable(one: socket.socket | int) -> None:
    """Until there is something to read; a descriptor in epoll costs nothing until then."""
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_reader(one, lambda: None if ready.done() else ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_reader(one)
