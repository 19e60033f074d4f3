"""Syslog over TCP: many senders, frames by length or by line; whoever is too fast waits.

Owns the connections, a bounded number; one more is closed as it comes and counted. A sender learns nothing of what
arrived (TCP syslog acknowledges nothing): what the kernel had taken and this daemon had not read when it ended is lost,
and nobody can count it. Feeds `road`.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from contextlib import suppress

from slurmlens.log_lines import LogLine
from slurmlens.node.log_inputs.datagrams import AGAIN_S, UNAVAILABLE, Datagram
from slurmlens.node.log_inputs.readiness import GATHER_S, readable
from slurmlens.node.log_inputs.road import LogRoad
from slurmlens.telemetry.internal import InternalEvent, Reporter
from slurmlens.wire.syslog_frames import SyslogFrames

READ_BYTES = 64 * 1024
TOO_MANY = InternalEvent("log_streams_refused", logging.WARNING, "more than {most} syslog connections: one was closed")


class SyslogStreams:
    """One listening port."""

    def __init__(
        self,
        address: tuple[str, int],
        most_connections: int,
        line_of: Callable[[Datagram], LogLine],
        road: LogRoad,
        reporter: Reporter,
    ) -> None:
        self._address = address
        self._most_connections = most_connections
        self._line_of = line_of
        self._road = road
        self._reporter = reporter
        self._connections: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """A stage: listens for ever."""
        while True:
            listener = self._open()
            if listener is not None:
                try:
                    with listener:
                        await self._accept_for_ever(listener)
                finally:
                    for connection in self._connections:
                        connection.cancel()
            await asyncio.sleep(AGAIN_S)

    def _open(self) -> socket.socket | None:
        host, port = self._address
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            listener = socket.create_server(self._address, family=family)
        except OSError as error:
            self._reporter.report(UNAVAILABLE, where=f"{host}:{port}", problem=error.strerror or str(error))
            return None
        self._reporter.over(UNAVAILABLE, f"{host}:{port}")
        listener.setblocking(False)
        return listener

    async def _accept_for_ever(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            connection, _ = await loop.sock_accept(listener)
            if len(self._connections) >= self._most_connections:
                self._reporter.report(TOO_MANY, most=self._most_connections)
                connection.close()
                continue
            connection.setblocking(False)
            task = asyncio.create_task(self._serve(connection))
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)

    async def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            await self._take_all(connection)

    async def _take_all(self, connection: socket.socket) -> None:
        frames = SyslogFrames()
        while True:
            await readable(connection)
            data = connection.recv(READ_BYTES)
            if not data:
                break
            await self._road.take([self._line_of(Datagram(message)) for message in frames.feed(data)])
            if len(data) < READ_BYTES:
                await asyncio.sleep(GATHER_S)
        if (last := frames.end()) is not None:
            await self._road.take([self._line_of(Datagram(last))])
