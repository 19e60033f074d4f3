"""The event loop of one Kafka producer, in which no connection outlives the producer.

Owns the connections of a producer's loop. Why: aiokafka closes a connection that failed without waiting for it, and
over TLS asyncio then waits 30 s for the other side's close_notify; and a connection that asks for its first metadata
when it is cancelled is not closed at all. The loop ends at once, so their sockets would stay open until the garbage
collector finds them. Invariant: after `end_connections` no socket of the loop is open.
Used by `kafka_producer`.
"""

from __future__ import annotations

import asyncio
from asyncio.trsock import TransportSocket
from contextlib import suppress
from typing import Any, NamedTuple

CLOSE_TIMEOUT_S = 0.5
"""So long a broker may take to say good-bye over TLS."""
_POLL_S = 0.01


class _BrokerConnection(NamedTuple):
    transport: asyncio.Transport
    below: TransportSocket
    over_tls: bool

    def is_open(self) -> bool:
        return self.below.fileno() != -1

    def abort(self) -> None:
        """End it now, where that can be: one of TLS that was closed may have let go of the transport below."""
        if not (self.over_tls and self.transport.is_closing()):
            self.transport.abort()


class ConnectionsLoop(asyncio.SelectorEventLoop):
    """A loop that remembers what `create_connection` made."""

    def __init__(self) -> None:
        super().__init__()
        self._made: list[_BrokerConnection] = []

    async def create_connection(self, *arguments: Any, **options: Any) -> Any:
        """See `asyncio.loop.create_connection`."""
        over_tls = options.get("ssl") is not None
        if over_tls:
            options["ssl_shutdown_timeout"] = CLOSE_TIMEOUT_S
        transport, protocol = await super().create_connection(*arguments, **options)
        self._made = [one for one in self._made if one.is_open()]
        self._made.append(_BrokerConnection(transport, transport.get_extra_info("socket"), over_tls))
        return transport, protocol

    async def end_connections(self) -> None:
        """Abort what can be aborted, and wait for what is being closed, `2 * CLOSE_TIMEOUT_S` at most."""
        for connection in self._made:
            connection.abort()
        with suppress(TimeoutError):
            async with asyncio.timeout(2 * CLOSE_TIMEOUT_S):
                while any(one.is_open() for one in self._made):  # noqa: ASYNC110  # nothing tells that a socket is closed
                    await asyncio.sleep(_POLL_S)
