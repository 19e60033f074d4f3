"""The lines of one hub, as web and intake know them: store and tail behind one door, and the loop that forgets.

Made by `pipeline` where `[logs]` is enabled.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager

from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.logs.query import LogPage, LogPlace, LogQuery, StoredLine
from slurmlens.hub.logs.sqlite_store import Lines, Slot, SqliteLogStore
from slurmlens.hub.logs.tail import LogTail, Tailed
from slurmlens.telemetry.internal import InternalEvent, Reporter

FORGET_EVERY_S = 3_600.0
DAYS_FORGOTTEN = InternalEvent("log_days_forgotten", logging.INFO, "lines of {count} days were removed by age: {days}")


class LogRoom:
    """What is kept and who watches."""

    def __init__(self, store: SqliteLogStore, reporter: Reporter) -> None:
        self._store = store
        self._tail = LogTail()
        self._reporter = reporter

    async def append(self, lines: Lines) -> Sequence[StoredLine]:
        """Keeps lines and shows the new ones to who watches; returns these."""
        new = await self._store.append(lines)
        self._tail.publish(new)
        return new

    async def search(self, viewer: Viewer, query: LogQuery) -> LogPage:
        """The newest lines that fit."""
        return await self._store.search(viewer, query)

    async def around(self, viewer: Viewer, node: str, place: LogPlace) -> LogPage:
        """What a node said before and after a line."""
        return await self._store.around(viewer, node, place)

    async def histogram(self, viewer: Viewer, query: LogQuery, since_ns: int, width_ns: int) -> Sequence[Slot]:
        """How many lines fit, over time."""
        return await self._store.histogram(viewer, query, since_ns, width_ns)

    def watch(self, viewer: Viewer, query: LogQuery) -> AbstractContextManager[AsyncIterator[Tailed]]:
        """What comes and fits until the block is left."""
        return self._tail.watch(viewer, query)

    async def run(self) -> None:
        """A stage: removes days by age, for ever."""
        while True:
            if gone := await self._store.forget_old():
                self._reporter.report(DAYS_FORGOTTEN, count=len(gone), days=", ".join(gone))
            await asyncio.sleep(FORGET_EVERY_S)

    def end_watching(self) -> None:
        """Nobody watches any more."""
        self._tail.close()

    def close(self) -> None:
        """Closes the files."""
        self._store.close()
