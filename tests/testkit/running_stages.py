"""Named stages at work for as long as a test needs them, as a supervisor would have them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager


@asynccontextmanager
async def running_stages(stages: Iterable[tuple[str, Callable[[], Awaitable[None]]]]) -> AsyncIterator[None]:
    """Runs them and cancels them at the end."""
    tasks = [asyncio.ensure_future(stage()) for _, stage in stages]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
