"""Who may stay connected, and for how long: bounds that keep room for nodes when strangers crowd the port.

Owns every connection of the port from its first byte to its last. Invariants: there are never more than the process has
descriptors for; connections that have proved no node never take more than their share, and give way, the one that has
waited longest first, when it is full; a head, a body and an idle connection have their time. What is turned away is
logged once a minute at most. Made by `hub.pipeline`; `app` says which requests began and ended and who proved a node.

A connection is wrapped, not patched: `WatchedConnection` stands between the transport and aiohttp's own handler and
passes everything on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import NamedTuple, cast

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from slurmlens.runtime.http_server import RETRY_AFTER_S
from slurmlens.telemetry.internal import InternalEvent, Reporter

HEAD_S = 10.0
BODY_S = 30.0
IDLE_STRANGER_S = 75.0
IDLE_NODE_S = 900.0
LOOK_EVERY_S = 2.0
DESCRIPTORS_SPARE = 256
"""For the database, the log, Slurm's commands and what Python opens."""
STRANGERS_SHARE = 4
"""One of so many connections may be of somebody who has proved no node."""
MOST_READERS = 48
"""Pages and data in the making at once; more are asked to come back, so that events go first."""
MOST_LIVE = 4000

TURNED_AWAY = InternalEvent(
    "connections_turned_away",
    logging.WARNING,
    "{reason}: connections are turned away or cut off; {open} are open, {strangers} of them proved no node",
    ("reason",),
    lines=1,
)
READERS_TURNED_AWAY = InternalEvent(
    "readers_turned_away",
    logging.WARNING,
    "{readers} pages are in the making: more are asked to come back",
    lines=1,
)

_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: %d\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    % RETRY_AFTER_S
)


class Bounds(NamedTuple):
    """How many connections there may be, and how many of them of strangers."""

    connections: int
    strangers: int

    @classmethod
    def of_descriptors(cls, limit: int) -> Bounds:
        """What a process with this many descriptors can bear."""
        connections = max(64, limit - DESCRIPTORS_SPARE)
        return cls(connections, max(32, connections // STRANGERS_SHARE))


class WatchedConnection(asyncio.Protocol):
    """One connection: aiohttp's handler, and what it is doing since when (of the loop's clock)."""

    def __init__(self, doors: Doors, inner: asyncio.Protocol) -> None:
        self._doors = doors
        self.inner = inner
        self.transport: asyncio.Transport | None = None
        self.has_proved = False
        self.requests = 0
        """That are being answered now."""
        self.since = 0.0
        self.has_begun_a_head = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        if self._doors.admit(self):
            self.inner.connection_made(transport)
        else:
            self.transport.write(_FULL)
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if self._doors.forget(self):
            self.inner.connection_lost(error)

    def data_received(self, data: bytes) -> None:
        if not self.requests and not self.has_begun_a_head:
            self.has_begun_a_head, self.since = True, self._doors.now()
        self.inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self.inner.eof_received()

    def pause_writing(self) -> None:
        self.inner.pause_writing()

    def resume_writing(self) -> None:
        self.inner.resume_writing()

    def is_over_time(self, now: float) -> str | None:
        """Why it is to be cut off; None where it may stay."""
        if self.requests:
            return None
        waited_s = now - self.since
        if self.has_begun_a_head:
            return "head" if waited_s > HEAD_S else None
        return "idle" if waited_s > (IDLE_NODE_S if self.has_proved else IDLE_STRANGER_S) else None


class Doors:
    """All connections of one port."""

    def __init__(self, bounds: Bounds, reporter: Reporter, now: Callable[[], float] | None = None) -> None:
        self._bounds = bounds
        self._reporter = reporter
        self.now = now or asyncio.get_running_loop().time
        self._open: dict[asyncio.Protocol, WatchedConnection] = {}
        """By aiohttp's handler, which is what a request knows."""
        self._strangers: dict[WatchedConnection, None] = {}
        """In the order in which they came or last did something."""
        self._readers = 0
        self._live = 0

    @property
    def connection_count(self) -> int:
        return len(self._open)

    def admit(self, connection: WatchedConnection) -> bool:
        """Takes a connection in, at the cost of the stranger that has waited longest where there is no room."""
        if len(self._strangers) >= self._bounds.strangers and not self._make_room():
            self._tell("strangers")
            return False
        if len(self._open) >= self._bounds.connections and not self._make_room():
            self._tell("full")
            return False
        connection.since = self.now()
        self._open[connection.inner] = connection
        self._strangers[connection] = None
        return True

    def forget(self, connection: WatchedConnection) -> bool:
        """It has gone; whether it had been admitted."""
        self._strangers.pop(connection, None)
        return self._open.pop(connection.inner, None) is not None

    def proved(self, request: web.BaseRequest) -> None:
        """Somebody proved a node over this request's connection."""
        connection = self._of(request)
        if connection is not None and not connection.has_proved:
            connection.has_proved = True
            self._strangers.pop(connection, None)

    def began(self, request: web.BaseRequest) -> None:
        """A request's head is whole."""
        if (connection := self._of(request)) is not None:
            connection.requests += 1
            connection.has_begun_a_head = False

    def ended(self, request: web.BaseRequest) -> None:
        """A request was answered."""
        if (connection := self._of(request)) is not None:
            connection.requests -= 1
            connection.since = self.now()
            if self._strangers.pop(connection, self) is None:
                self._strangers[connection] = None  # behind those that wait longer

    async def watch(self) -> None:
        """A stage: cuts off what takes too long."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self.cut_off()

    def cut_off(self) -> None:
        """Ends every connection whose time is over."""
        now = self.now()
        for connection in list(self._open.values()):
            reason = connection.is_over_time(now)
            if reason is not None and connection.transport is not None:
                if reason == "head":
                    self._tell(reason)
                connection.transport.abort()

    def middleware(self) -> Middleware:
        """Counts what is being answered, and turns readers away while too many wait already."""

        @web.middleware
        async def doors(request: web.Request, handler: Handler) -> web.StreamResponse:
            self.began(request)
            try:
                return await self._answer(request, handler)
            finally:
                self.ended(request)

        return doors

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method == "POST":
            return await handler(request)
        if request.path.endswith("/live"):
            if self._live >= MOST_LIVE:
                return self._come_back()
            self._live += 1
            try:
                return await handler(request)
            finally:
                self._live -= 1
        if self._readers >= MOST_READERS:
            self._reporter.report(READERS_TURNED_AWAY, readers=self._readers)
            return self._come_back()
        self._readers += 1
        try:
            return await handler(request)
        finally:
            self._readers -= 1

    @staticmethod
    def _come_back() -> web.Response:
        text = "The hub is busy with other pages: try again in a moment.\n"
        return web.Response(status=503, text=text, headers={"Retry-After": str(RETRY_AFTER_S)})

    def _make_room(self) -> bool:
        """Cuts off the stranger that has waited longest; False where all are being answered."""
        for connection in self._strangers:
            if not connection.requests and connection.transport is not None:
                self._tell("crowd")
                connection.transport.abort()
                self._strangers.pop(connection)
                return True
        return False

    def _of(self, request: web.BaseRequest) -> WatchedConnection | None:
        return self._open.get(request.protocol)

    def _tell(self, reason: str) -> None:
        self._reporter.report(TURNED_AWAY, reason=reason, open=len(self._open), strangers=len(self._strangers))
