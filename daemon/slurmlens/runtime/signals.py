"""Signals of the process as awaitable facts: SIGTERM and SIGINT ask to stop, SIGHUP to look at the settings again.

Owns the handlers while `handling` is open and puts the loop's own back afterwards. What SIGHUP does is `reload`'s. Used
by each program's `main`.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopRequest:
    """Set once somebody asked the program to stop; `hurried` when they asked again.

    `begins_anew`: it is to stop in order and then to begin again, with the settings that are there by then.
    """

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        self.hurried = asyncio.Event()
        self.begins_anew = False

    def ask(self) -> None:
        """Ask to stop for good; a second time asks to stop without waiting for anything."""
        if self._asked.is_set() and not self.begins_anew:
            self.hurried.set()
        self.begins_anew = False
        self._asked.set()

    def ask_to_begin_anew(self) -> None:
        """Ask to stop and begin again; nothing where it stops for good already."""
        if not self._asked.is_set():
            self.begins_anew = True
            self._asked.set()

    @property
    def asked(self) -> bool:
        return self._asked.is_set()

    async def wait(self) -> None:
        """Return when the program was asked to stop."""
        await self._asked.wait()


@contextmanager
def handling(on_reload: Callable[[StopRequest], None] | None = None) -> Iterator[StopRequest]:
    """Take the process's signals over for the running loop."""
    loop = asyncio.get_running_loop()
    request = StopRequest()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, request.ask)
    # Without a handler SIGHUP would end the process.
    loop.add_signal_handler(signal.SIGHUP, on_reload or (lambda _: None), request)
    try:
        yield request
    finally:
        for number in (*STOP_SIGNALS, signal.SIGHUP):
            loop.remove_signal_handler(number)
