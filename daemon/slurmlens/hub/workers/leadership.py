"""Which of several workers does what one alone shall do: ask the scheduler, conclude what is left, pack, take away.

Owns whether this worker leads, and what runs only while it does. A stage that is led is begun when this worker takes
the lead and cancelled when it loses it; what it had begun to write is written or not, as when a hub is killed, and the
next who leads begins as a hub does that was started. Told by `membership`.
"""

from __future__ import annotations

import asyncio

from slurmlens.runtime.supervisor import Stage


class Leadership:
    """Whether this worker leads; nobody does before `membership` says so."""

    def __init__(self) -> None:
        self._leading = asyncio.Event()
        self._following = asyncio.Event()
        self._following.set()

    @property
    def leads(self) -> bool:
        """Whether this worker leads now."""
        return self._leading.is_set()

    def gain(self) -> None:
        """This worker has the lock."""
        self._following.clear()
        self._leading.set()

    def lose(self) -> None:
        """This worker has it no more."""
        self._leading.clear()
        self._following.set()

    def led(self, stage: Stage) -> Stage:
        """A stage that works while this worker leads, and waits while it does not."""

        async def run() -> None:
            while True:
                await self._leading.wait()
                if not await self._until_lost(stage):
                    return

        return run

    async def _until_lost(self, stage: Stage) -> bool:
        """Whether the lead was lost; False where the stage ended by itself."""
        working = asyncio.ensure_future(stage())
        lost = asyncio.ensure_future(self._following.wait())
        try:
            await asyncio.wait({working, lost}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()
                return False
            return True
        finally:
            lost.cancel()
            working.cancel()
            await asyncio.gather(working, lost, return_exceptions=True)
