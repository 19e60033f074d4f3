"""The one way to wait for what another process, thread or the kernel does: look, and look again until a deadline.

A test never waits a fixed time and hopes: it names what it looks at. The deadline is only there to end a test that
would wait for ever; it is generous, so that a busy machine changes how long a test takes and not what it says.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any

PATIENCE_S = 20.0
POLL_S = 0.01


async def until(
    holds: Callable[[], Awaitable[Any] | Any], what: str, patience_s: float = PATIENCE_S, poll_s: float = POLL_S
) -> Any:
    """The first true answer of `holds`, which may be a coroutine function; AssertionError with `what` when none comes.

    `poll_s` 0 gives the loop one turn between two looks.
    """
    deadline_s = time.monotonic() + patience_s
    while True:
        found = holds()
        if inspect.isawaitable(found):
            found = await found
        if found:
            return found
        assert time.monotonic() < deadline_s, f"{what}: not within {patience_s:g} s"
        await asyncio.sleep(poll_s)


def until_blocking(holds: Callable[[], Any], what: str, patience_s: float = PATIENCE_S, poll_s: float = POLL_S) -> Any:
    """`until` for a test without a loop."""
    deadline_s = time.monotonic() + patience_s
    while not (found := holds()):
        assert time.monotonic() < deadline_s, f"{what}: not within {patience_s:g} s"
        time.sleep(poll_s)
    return found
