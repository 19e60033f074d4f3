"""Who watches lines as they come: each watcher gets what fits his query and his rights, and costs bounded memory.

Owns the watchers. Publishing never waits: a watcher who is slower than the lines loses the oldest that wait for him and
is told how many. Fed by `intake`; `web` writes to browsers and command lines. Everything lives on one event loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from slurmlens.hub.access.predicates import entitlements
from slurmlens.hub.access.viewer import Viewer
from slurmlens.hub.logs.query import LogQuery, StoredLine
from slurmlens.hub.logs.words import Term, are_in, terms_of

MOST_WAITING = 500


class Tailed(NamedTuple):
    """Lines in the order in which they came, and how many were skipped before them."""

    lines: tuple[StoredLine, ...]
    skipped: int


class LogTail:
    """All watchers of one hub."""

    def __init__(self) -> None:
        self._watchers: list[_Watcher] = []

    def publish(self, lines: Iterable[StoredLine]) -> None:
        """These lines have come."""
        if self._watchers:
            for line in lines:
                for watcher in self._watchers:
                    watcher.offer(line)

    @contextmanager
    def watch(self, viewer: Viewer, query: LogQuery) -> Iterator[AsyncIterator[Tailed]]:
        """What comes and fits until the block is left."""
        watcher = _Watcher(viewer, query)
        self._watchers.append(watcher)
        try:
            yield watcher
        finally:
            self._watchers.remove(watcher)

    def close(self) -> None:
        """Every watcher's lines end."""
        for watcher in self._watchers:
            watcher.end()


class _Watcher:
    def __init__(self, viewer: Viewer, query: LogQuery) -> None:
        self._viewer = viewer
        self._query = query
        self._terms = terms_of(query.text or "")
        self._waiting: deque[StoredLine] = deque(maxlen=MOST_WAITING)
        self._skipped = 0
        self._some = asyncio.Event()
        self._has_ended = False

    def end(self) -> None:
        self._has_ended = True
        self._some.set()

    def offer(self, stored: StoredLine) -> None:
        if not fits(self._viewer, self._query, stored, self._terms):
            return
        self._skipped += len(self._waiting) == MOST_WAITING
        self._waiting.append(stored)
        self._some.set()

    def __aiter__(self) -> _Watcher:
        return self

    async def __anext__(self) -> Tailed:
        await self._some.wait()
        if self._has_ended:
            raise StopAsyncIteration
        self._some.clear()
        tailed = Tailed(tuple(self._waiting), self._skipped)
        self._waiting.clear()
        self._skipped = 0
        return tailed


def fits(viewer: Viewer, query: LogQuery, stored: StoredLine, terms: Sequence[Term]) -> bool:
    """Whether a line is one that was asked for and may be seen; what the store decides in SQL."""
    line, owner = stored.line, stored.owner
    reasons = entitlements(viewer)
    if reasons is not None:
        is_own = any(getattr(owner, reason.column) == reason.value for reason in reasons)
        if line.job_id is None or not is_own:
            return False
    told = {"job_id": line.job_id, "node": line.node, "program": line.program, "kind": line.kind}
    told |= {"user": owner.user, "partition": owner.partition}
    if any(getattr(query, name) not in (None, value) for name, value in told.items()):
        return False
    if query.kinds is not None and line.kind not in query.kinds:
        return False
    if query.severity is not None and line.severity > query.severity:
        return False
    return are_in(terms, line.message)
