"""Work that is all CPU, done beside the event loop.

Owns one thread, and so the bound: one such piece of work at a time, in the order in which they were asked for. Python
lets only one thread compute, but hands over every few milliseconds, so the loop goes on answering; two threads of this
kind would only make each other late, and the loop twice as late (`docs/adr/0022-heavy-views-beside-the-loop.md`). What
is handed over must not be touched by the loop until the answer is there.

Used by `hub.history.read` (rows to courses) and `hub.web` (facts to views to HTML).
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_Made = TypeVar("_Made")

_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="beside")


async def beside(work: Callable[[], _Made]) -> _Made:
    """What `work` returns or raises, once the thread has come to it and done it. Work that has begun is not ended by
    a cancelled wait. It sees the context variables of whoever asked."""
    context = contextvars.copy_context()
    return await asyncio.get_running_loop().run_in_executor(_thread, context.run, work)
