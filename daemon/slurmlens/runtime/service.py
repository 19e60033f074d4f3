"""The life of a daemon between "ready" and its end: its work, systemd's watchdog, and the signals that end both.

Owns the waiting, no process: signals are `signals`', systemd's side is `sd_notify`'s. Used by each program's `main`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from slurmlens.runtime.sd_notify import Notifier
from slurmlens.runtime.signals import StopRequest

EXIT_ENDED = 3
"""Of a daemon whose work ended although nobody asked it to."""


class EndedByItself(Exception):
    """The work ended and nobody had asked for it; `cause` is what it raised, None where it returned."""

    def __init__(self, cause: BaseException | None) -> None:
        super().__init__(str(cause))
        self.cause = cause


async def live(work: Coroutine[Any, Any, None], stop: StopRequest, notifier: Notifier, status: str) -> None:
    """Work until somebody asks to stop, then wait for the work's own end, unless somebody asks again.

    `status` is what systemd shows meanwhile. Raises EndedByItself. Where it is to begin anew, the caller's process does
    that (`reload.begin_anew`): for systemd the unit goes on.
    """
    working = asyncio.create_task(work, name="pipeline")
    notifier.ready(status)
    watchdog = asyncio.create_task(_watchdog(notifier), name="watchdog")
    try:
        await _first_of(working, stop.wait())
        if stop.begins_anew:
            notifier.reloading()
        else:
            notifier.stopping()
        if not stop.asked:
            raise EndedByItself(None if working.cancelled() else working.exception())
        working.cancel()
        await _first_of(working, stop.hurried.wait())
    finally:
        watchdog.cancel()


async def _first_of(working: asyncio.Task[None], signal: Coroutine[Any, Any, object]) -> None:
    """Return when either is there."""
    waiting = asyncio.create_task(signal)
    await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()


async def _watchdog(notifier: Notifier) -> None:
    """Tells systemd that the loop turns, where it wants to know."""
    while notifier.watchdog_interval_s is not None:
        notifier.alive()
        await asyncio.sleep(notifier.watchdog_interval_s)
