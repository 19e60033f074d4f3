"""Takes metrics from nodes: carbon's plaintext on TCP, lines as they come into the relay's batches.

Owns the connections. Invariants: only whole lines of carbon's form are passed on, as they came; what is none is counted
by reason and thrown away (a line cut off by a broken connection is sent again by its node); while there is no room
nothing is read, so the node comes to wait and its own queue holds what it has. Nobody proves himself here: the protocol
has no place for it. Fed by nodes' carbon sinks; feeds the outlet of `pipeline`.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress

from slurmlens.config.relay import RelayCarbonConfig
from slurmlens.delivery.batches import Stream
from slurmlens.errors import ConfigError
from slurmlens.relay.room import Room
from slurmlens.telemetry.internal import InternalEvent, Reporter

READ_BYTES = 65_536
MAX_LINE_BYTES = 4096
IDLE_TIMEOUT_S = 900.0

LINE_REFUSED = InternalEvent(
    "relay_metrics_refused", logging.WARNING, "{count} lines of {peer} are no metrics: {reason}", ("reason",)
)

_LINE = re.compile(rb"[!-~]{1,1024} [-+]?[0-9.]{1,32}(?:[eE][-+]?[0-9]{1,3})? [0-9]{1,12}(?:\.[0-9]{1,9})?\n?")

Points = Callable[[bytes, int], Awaitable[None]]


class CarbonListener:
    """Serves until cancelled; `points` takes joined lines and their number."""

    def __init__(self, config: RelayCarbonConfig, points: Points, room: Room, reporter: Reporter) -> None:
        self._config = config
        self._points = points
        self._room = room
        self._reporter = reporter
        self._server: asyncio.Server | None = None
        self._open = 0
        self.port: int | None = None
        """The port that is bound, once `bind` has returned."""

    async def bind(self) -> None:
        """Takes the port; ConfigError where it cannot be had."""
        try:
            self._server = await asyncio.start_server(self._serve, self._config.host, self._config.port, backlog=1024)
        except OSError as error:
            message = f"{self._config.host}:{self._config.port} cannot be bound: {error.strerror}"
            raise ConfigError(message, key="carbon") from error
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def run(self) -> None:
        """Takes metrics until cancelled."""
        assert self._server is not None
        async with self._server:
            await self._server.serve_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open <= self._config.connections:
                await self._take(reader, str((writer.get_extra_info("peername") or ("?",))[0]))
        except (OSError, TimeoutError):
            pass  # its node connects again, and sends again what it cannot know to have arrived
        finally:
            self._open -= 1
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _take(self, reader: asyncio.StreamReader, peer: str) -> None:
        rest = b""
        while True:
            await self._room.wait_for(Stream.METRICS)
            async with asyncio.timeout(IDLE_TIMEOUT_S):
                received = await reader.read(READ_BYTES)
            if not received:
                break
            whole, newline, rest = (rest + received).rpartition(b"\n")
            if newline:
                await self._pass_on(whole + newline, peer)
            if len(rest) > MAX_LINE_BYTES:
                self._refuse(1, "too_long", peer)
                return
        if rest:
            self._refuse(1, "cut", peer)

    async def _pass_on(self, lines: bytes, peer: str) -> None:
        told = lines.splitlines(keepends=True)
        good = [line for line in told if _LINE.fullmatch(line)]
        if len(good) < len(told):
            self._refuse(len(told) - len(good), "malformed", peer)
        if good:
            await self._points(b"".join(good), len(good))

    def _refuse(self, count: int, reason: str, peer: str) -> None:
        self._reporter.report(LINE_REFUSED, count=count, reason=reason, peer=peer)
