"""Whether a node is to be silent, asked by the node of its relay and by the relay of the hub.

Owns what the hub said last of each node, for `FRESH_S`, so that a hub is not asked twice by a node that asks twice.
While the hub is away a node is answered 503, and what it was told last holds. Mounted by `events_port`.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.errors import DiscoveryError, TransportError
from slurmlens.runtime.http import HttpClient
from slurmlens.wire.ingest import IngestAnswer, answer

TARGET = "/api/v1/silence/"
FRESH_S = 1.0
AWAY_S = 5.0
MOST_NODES = 4096
_HEADERS = [("Accept", "application/json")]
_AWAY = answer(503, reason="away", message="the hub is away")


class _HubsWord(NamedTuple):
    answer: IngestAnswer
    until_ns: int


class SilenceAsker:
    """One relay's. `client` is None where the relay has no hub."""

    def __init__(self, client: HttpClient | None, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._turn = asyncio.Lock()
        self._words: dict[str, _HubsWord] = {}
        self._away_until_ns = 0

    async def aclose(self) -> None:
        """Ends the connection to the hub."""
        if self._client is not None:
            await self._client.aclose()

    async def ask(self, path: str) -> IngestAnswer:
        """The hub's answer to the same question; 503 while it is away."""
        if self._client is None:
            return answer(404, reason="address", message="this relay has no hub, which could silence a node")
        async with self._turn:  # one connection, one question at a time
            known = self._words.get(path)
            if known is not None and known.until_ns > self._clock.monotonic_ns():
                return known.answer
            if self._clock.monotonic_ns() < self._away_until_ns:
                return _AWAY
            try:
                told = await self._client.request("GET", path, _HEADERS)
            except (TransportError, DiscoveryError):  # the sink says so; one that hangs holds up no second node
                self._away_until_ns = self._clock.monotonic_ns() + round(AWAY_S * NS_PER_S)
                return _AWAY
            if len(self._words) >= MOST_NODES:
                self._words.clear()
            word = _HubsWord(
                IngestAnswer(told.status, told.body), self._clock.monotonic_ns() + round(FRESH_S * NS_PER_S)
            )
            self._words[path] = word
            return word.answer
