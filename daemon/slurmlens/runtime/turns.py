"""A bound for how many go on in one turn of the event loop.

Owns the queue of those who wait. A thousand tasks that one answer wakes would all run before the loop looks at its
sockets again; with `take` before what costs something, the others' answers come in between. Used by `hub.web`.
"""

from __future__ import annotations

import asyncio


class Turns:
    """Lets `most` through in one turn, in the order in which they came."""

    def __init__(self, most: int) -> None:
        self._free = asyncio.Semaphore(most)

    async def take(self) -> None:
        """Go on now, or in a later turn; what is done then, and for how long it waits, does not matter."""
        await self._free.acquire()
        asyncio.get_running_loop().call_soon(self._free.release)
