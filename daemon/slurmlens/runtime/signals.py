"""Signals of the process as awaitable facts: SIGTERM and SIGINT ask to stop, SIGHUP to look at the settings again.

Owns the handlers while `handling` is open and puts the loop's own back afterwards. Used by `node.main` and `hub.main`.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopRequest:
    """Set once somebody asked the program to stop; `hurried` when they asked again."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        self.hurried = asyncio.Event()

    def ask(self) -> None:
        """Ask to stop; a second time asks to stop without waiting for anything."""
        if self._asked.is_set():
            self.hurried.set()
        self._asked.set()

    @property
    def asked(self) -> bool:
        return self._asked.is_set()

    async def wait(self) -> None:
        """Return when the program was asked to stop."""
        await self._asked.wait()


@contextmanager
def handling(on_reload: Callable[[], None] | None = None) -> Iterator[StopRequest]:
    """Take the process's signals over for the running loop."""
    loop = asyncio.get_running_loop()
    request = StopRequest()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, request.ask)
    # Without a handler SIGHUP would end the process.
    loop.add_signal_handler(signal.SIGHUP, on_reload or (lambda: None))
    try:
        yield request
    finally:
        for number in (*STOP_SIGNALS, signal.SIGHUP):
            loop.remove_signal_handler(number)
