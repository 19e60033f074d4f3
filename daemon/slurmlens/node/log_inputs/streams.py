"""Syslog over TCP: many senders, frames by length or by line; whoever is too fast waits.

Owns the connections, a bounded number; one more is closed as it comes and counted. A sender learns nothing of what
arrived (TCP syslog acknowledges nothing): what the kernel had taken and this daemon had not read when it ended is lost,
and nobody can count it. Feeds `road`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from slurmlens.log_lines import LogLine
from slurmlens.node.log_inputs.datagrams import AGAIN_S, UNAVAILABLE, Datagram
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
        where = "{}:{}".format(*self._address)
        while True:
            try:
                server = await asyncio.start_server(self._serve, *self._address)
            except OSError as error:
                self._reporter.report(UNAVAILABLE, where=where, problem=error.strerror or str(error))
                await asyncio.sleep(AGAIN_S)
                continue
            self._reporter.over(UNAVAILABLE, where)
            try:
                async with server:
                    await server.serve_forever()
            finally:
                for connection in self._connections:
                    connection.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._connections) >= self._most_connections:
            self._reporter.report(TOO_MANY, most=self._most_connections)
            writer.close()
            return
        self._connections.add(task)
        try:
            with suppress(ConnectionError):
                await self._take_all(reader)
        finally:
            self._connections.discard(task)
            writer.close()

    async def _take_all(self, reader: asyncio.StreamReader) -> None:
        frames = SyslogFrames()
        while data := await reader.read(READ_BYTES):
            await self._road.take([self._line_of(Datagram(message)) for message in frames.feed(data)])
        if (last := frames.end()) is not None:
            await self._road.take([self._line_of(Datagram(last))])
