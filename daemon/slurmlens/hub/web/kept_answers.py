"""Answers that several ask for within seconds, made once.

Owns the few that are fresh. Invariants: askers of one key share one making and nobody waits for another key's; an
answer is never older than `fresh_s` when it is given; one that could not be made is not kept. Used by `pages`; keys
hold the viewer, so nobody is given what was read for somebody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class KeptAnswers(Generic[Key, Value]):
    """The last `most` answers, each good for `fresh_s` from when its making began."""

    def __init__(self, fresh_s: float, most: int) -> None:
        self._fresh_s = fresh_s
        self._most = most
        self._kept: dict[Key, tuple[float, asyncio.Future[Value]]] = {}

    async def get(self, key: Key, make: Callable[[], Awaitable[Value]]) -> Value:
        """The kept answer, or what `make` gives; raises what it raises."""
        now = asyncio.get_running_loop().time()
        began, answer = self._kept.get(key, (float("-inf"), None))
        if answer is None or (answer.done() and now - began > self._fresh_s):
            answer = asyncio.ensure_future(make())
            self._kept.pop(key, None)
            self._kept[key] = now, answer
            answer.add_done_callback(lambda done: self._forget_failed(key, done))
            self._keep_within_bounds()
        # shielded: one browser that leaves must not take the answer away from the others
        return await asyncio.shield(answer)

    def _forget_failed(self, key: Key, done: asyncio.Future[Value]) -> None:
        if (done.cancelled() or done.exception()) and self._kept.get(key, (0.0, None))[1] is done:
            del self._kept[key]

    def _keep_within_bounds(self) -> None:
        for key, (_, answer) in list(self._kept.items()):
            if len(self._kept) <= self._most:
                return
            if answer.done():
                del self._kept[key]
