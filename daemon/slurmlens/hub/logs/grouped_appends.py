"""What several senders ask to be kept at about the same time, kept as one: a transaction costs more than its lines.

Owns who waits for the next transaction. Invariants: one is written at a time, in the order of asking; the first that
comes after a pause is written at once; whoever asks is answered when his lines are kept, and by his own error: where a
group fails, each of it is tried alone. Used by `sqlite_store`, whose writer's thread does the work.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

from slurmlens.hub.logs.query import StoredLine
from slurmlens.hub.logs.store import Lines

COMMIT_EVERY_S = 0.25
ENOUGH_LINES = 500
"""So many do not wait for more."""

MOST_LINES = 10_000
"""In one transaction."""

New = tuple[StoredLine, ...]
Write = Callable[[Sequence[Lines]], Awaitable[Sequence[New]]]


class _WaitingAppend(NamedTuple):
    lines: Lines
    kept: asyncio.Future[New]


class GroupedAppends:
    """One store's. `write` keeps several groups in one transaction, or none, and returns what was new of each."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._waiting: list[_WaitingAppend] = []
        self._enough = asyncio.Event()
        self._writing: asyncio.Task[None] | None = None
        self._next_s = 0.0

    async def append(self, lines: Lines) -> New:
        """Returns what was new, once it is kept."""
        kept: asyncio.Future[New] = asyncio.get_running_loop().create_future()
        self._waiting.append(_WaitingAppend(lines, kept))
        if sum(len(one.lines) for one in self._waiting) >= ENOUGH_LINES:
            self._enough.set()
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all())
        return await kept

    async def done(self) -> None:
        """Waits until all that was asked for is answered."""
        self._enough.set()
        if self._writing is not None:
            await self._writing

    async def _write_all(self) -> None:
        """Until nobody waits any more."""
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(self._next_s):
                        await self._enough.wait()
                self._next_s = loop.time() + COMMIT_EVERY_S
                await self._answer(self._take())
        finally:
            self._writing = None

    def _take(self) -> list[_WaitingAppend]:
        lines, count = 0, 0
        for one in self._waiting:
            lines += len(one.lines)
            count += 1
            if lines >= MOST_LINES:
                break
        group, self._waiting = self._waiting[:count], self._waiting[count:]
        if sum(len(one.lines) for one in self._waiting) < ENOUGH_LINES:
            self._enough.clear()
        return group

    async def _answer(self, group: Sequence[_WaitingAppend]) -> None:
        try:
            new = await self._write([one.lines for one in group])
        except Exception as error:
            if len(group) == 1:
                _settle(group[0].kept, error)
            else:
                for one in group:
                    await self._answer([one])
            return
        for one, own in zip(group, new, strict=True):
            _settle(one.kept, own)


def _settle(kept: asyncio.Future[New], answer: New | Exception) -> None:
    """Answers whoever still waits."""
    if kept.done():
        return
    if isinstance(answer, Exception):
        kept.set_exception(answer)
    else:
        kept.set_result(answer)
