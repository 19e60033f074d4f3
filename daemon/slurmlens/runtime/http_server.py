"""A small HTTP/1.1 server, for programs that answer few kinds of requests: h11 on asyncio streams, as in `http`.

Owns connections and bodies. Invariants: what a peer sends is bounded (head, body, all bodies together, connections,
idle time, and where that is set the time of a whole exchange) whatever it claims; every request that can be answered
is, by TLS where that is to be spoken; what goes wrong on one connection ends that one. What is answered is the
`HttpService`'s affair: events at the relay's port, figures at the node's. ADR 15 says why this is no framework.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

import h11
import msgspec

from slurmlens.errors import NO_TLS, ConfigError, TransportError
from slurmlens.runtime.channel import Channel
from slurmlens.telemetry.internal import InternalEvent, Reporter

if TYPE_CHECKING:
    from slurmlens.runtime.tls import ServerTls

STALL_TIMEOUT_S = 30.0
"""How long a peer may take for the next bytes of a request that it has begun, or to take an answer."""
LINGER_BYTES = 16 * 1024 * 1024
LINGER_TIMEOUT_S = 2.0
"""A peer that is refused while it sends is still read for so long: a reset would destroy the answer on its way."""
RETRY_AFTER_S = 5
COME_BACK = (429, 503)
"""Statuses with which a peer is told when to try again."""

CONNECTION_FAILED = InternalEvent(
    "http_connections_failed",
    logging.DEBUG,
    "connection of {peer} to the {server} ended: {error}",
    ("server", "reason"),
)
REQUEST_FAILED = InternalEvent(
    "http_requests_failed", logging.ERROR, "a request of {peer} to the {server} failed: {error}", ("server",)
)
TURNED_AWAY = InternalEvent(
    "http_requests_turned_away",
    logging.WARNING,
    "{peer} was turned away by the {server}: {reason}",
    ("server", "reason"),
)
TLS_FAILED = InternalEvent(
    "http_tls_failed", logging.WARNING, "no TLS of {peer} with the {server}: {error}", ("server", "reason")
)


class HttpRequest(msgspec.Struct, frozen=True):
    """A request that has come whole; `path` without its query, `headers` by lower-case name."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    peer: str | None


class HttpAnswer(msgspec.Struct, frozen=True):
    """What goes back."""

    status: int
    body: bytes
    content_type: str = "application/json"


class HttpService(Protocol):
    """What is answered; `name` stands in log and counters."""

    @property
    def name(self) -> str: ...

    def early(self, method: str, path: str) -> HttpAnswer | None:
        """What can be said before the body is there; None where it is wanted. The connection ends with it."""

    async def answer(self, request: HttpRequest) -> HttpAnswer:
        """The answer; what it raises ends the connection without one."""

    def refusal(self, status: int, reason: str, message: str) -> HttpAnswer:
        """What the server itself refuses, in the service's form: 400, 413, 426, 431 and 503."""


class HttpLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What peers may take. `exchange_timeout_s` bounds a whole exchange, from its connection's first byte to the last
    of the answer; with `is_kept` False a connection is for one request.
    """

    max_body_bytes: int
    pending_bytes: int
    connections: int
    idle_timeout_s: float
    max_head_bytes: int = 64 * 1024
    exchange_timeout_s: float | None = None
    is_kept: bool = True


class _Refused(Exception):
    """This request is answered early, and the connection ends."""

    def __init__(self, reason: str, answer: HttpAnswer) -> None:
        super().__init__(reason)
        self.answer = answer
        self.reason = reason


class HttpServer:
    """Serves until cancelled."""

    def __init__(
        self,
        host: str,
        port: int,
        service: HttpService,
        limits: HttpLimits,
        reporter: Reporter,
        tls: ServerTls | None = None,
    ) -> None:
        self._tls = tls
        self._host = host
        self._asked_port = port
        self._service = service
        self._limits = limits
        self._reporter = reporter
        self._server: asyncio.Server | None = None
        self._open = 0
        self._held_bytes = 0
        self.port: int | None = None
        """The port that is bound, once `bind` has returned."""

    async def bind(self) -> None:
        """Takes the port; ConfigError where it cannot be had."""
        try:
            self._server = await asyncio.start_server(self._serve, self._host, self._asked_port, backlog=1024)
        except OSError as error:
            message = f"{self._host}:{self._asked_port} cannot be bound: {error.strerror}"
            raise ConfigError(message, key="listen") from error
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def run(self) -> None:
        """Answers until cancelled."""
        assert self._server is not None
        async with self._server:
            await self._server.serve_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = _peer_of(writer)
        self._open += 1
        channel = Channel(reader, writer, None if self._tls is None else self._tls.session())
        connection = _ServedConnection(channel, self._limits, self._service)
        try:
            async with asyncio.timeout(self._limits.exchange_timeout_s):
                await self._converse(channel, connection, peer)
        except (OSError, TimeoutError, h11.RemoteProtocolError, h11.LocalProtocolError, TransportError) as error:
            self._reporter.report(
                CONNECTION_FAILED, server=self._service.name, peer=peer, reason=type(error).__name__, error=error
            )
        except Exception as error:  # a defect of ours costs one connection
            self._reporter.report(REQUEST_FAILED, server=self._service.name, cause=error, peer=peer, error=repr(error))
        finally:
            self._open -= 1
            channel.end()
            if connection.is_broken:
                writer.transport.abort()
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _converse(self, channel: Channel, connection: _ServedConnection, peer: str | None) -> None:
        if not await self._agree(channel, connection, peer):
            return
        while await self._serve_one(connection, peer) and self._limits.is_kept:
            pass

    async def _agree(self, channel: Channel, connection: _ServedConnection, peer: str | None) -> bool:
        """On TLS, where it is to be spoken; False where that did not come about."""
        try:
            async with asyncio.timeout(STALL_TIMEOUT_S):
                await channel.handshake()
        except TransportError as error:
            self._reporter.report(TLS_FAILED, server=self._service.name, peer=peer, reason=error.reason, error=error)
            if error.reason == NO_TLS:
                channel.without_tls()
                speak_tls = "TLS is spoken here: begin the url with https://"
                await connection.respond(self._service.refusal(426, NO_TLS, speak_tls), last=True)
                await connection.linger()
            return False
        return True

    async def _serve_one(self, connection: _ServedConnection, peer: str | None) -> bool:
        """One request; False where the connection is over."""
        head = await connection.request()
        if head is None:
            return False
        held = 0
        try:
            method, path = head.method.decode("latin-1"), head.target.partition(b"?")[0].decode("latin-1")
            self._check(method, path, head)
            body = bytearray()
            while chunk := await connection.chunk():
                body += chunk
                held += len(chunk)
                self._held_bytes += len(chunk)
                self._check_size(len(body))
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}
            told = await self._service.answer(HttpRequest(method, path, headers, bytes(body), peer))
        except _Refused as refused:
            self._reporter.report(TURNED_AWAY, server=self._service.name, peer=peer, reason=refused.reason)
            await connection.respond(refused.answer, last=True)
            await connection.linger()
            return False
        finally:
            self._held_bytes -= held
        return await connection.respond(told, last=not self._limits.is_kept)

    def _check(self, method: str, path: str, head: h11.Request) -> None:
        """What can be said before the body is there."""
        if self._open > self._limits.connections:
            raise self._refused(503, "connections", "too many are connected; come back later")
        if (told := self._service.early(method, path)) is not None:
            raise _Refused("method" if told.status == 405 else "address", told)
        length = next((value for name, value in head.headers if name == b"content-length"), b"0")
        self._check_size(int(length))

    def _check_size(self, size_bytes: int) -> None:
        if size_bytes > self._limits.max_body_bytes:
            message = f"the body has {size_bytes} bytes, at most {self._limits.max_body_bytes} are taken"
            raise self._refused(413, "too_large", message)
        if self._held_bytes > self._limits.pending_bytes:
            raise self._refused(503, "busy", "too many requests are being taken; come back later")

    def _refused(self, status: int, reason: str, message: str) -> _Refused:
        return _Refused(reason, self._service.refusal(status, reason, message))


class _ServedConnection:
    """One peer's connection and h11's state of it."""

    def __init__(self, channel: Channel, limits: HttpLimits, service: HttpService) -> None:
        self._channel = channel
        self._idle_timeout_s = limits.idle_timeout_s
        self._service = service
        self._protocol = h11.Connection(h11.SERVER, max_incomplete_event_size=limits.max_head_bytes)
        self.is_broken = False

    async def request(self) -> h11.Request | None:
        """The next request's head; None where the peer has no more, or is silent for too long."""
        try:
            event = await self._event(self._idle_timeout_s)
        except TimeoutError:
            return None
        except h11.RemoteProtocolError as error:
            await self._complain(error)
            raise
        return event if isinstance(event, h11.Request) else None

    async def chunk(self) -> bytes:
        """The next part of the body; empty at its end."""
        if self._protocol.they_are_waiting_for_100_continue:
            await self._send(self._protocol.send(h11.InformationalResponse(status_code=100, headers=[])))
        event = await self._event(STALL_TIMEOUT_S)
        if isinstance(event, h11.Data):
            return bytes(event.data)
        if isinstance(event, h11.EndOfMessage):
            return b""
        raise ConnectionResetError("closed in the middle of a request")

    async def respond(self, told: HttpAnswer, *, last: bool) -> bool:
        """Answers; False where the connection is over."""
        headers = [("Content-Type", told.content_type), ("Content-Length", str(len(told.body)))]
        if told.status in COME_BACK:
            headers.append(("Retry-After", str(RETRY_AFTER_S)))
        if last:
            headers.append(("Connection", "close"))
        events = (h11.Response(status_code=told.status, headers=headers), h11.Data(data=told.body), h11.EndOfMessage())
        await self._send(b"".join(self._protocol.send(event) or b"" for event in events))
        if last or (self._protocol.our_state, self._protocol.their_state) != (h11.DONE, h11.DONE):
            return False
        self._protocol.start_next_cycle()
        return True

    async def linger(self) -> None:
        """Reads what is still coming, and throws it away, so that the answer arrives."""
        with suppress(OSError, TimeoutError):
            self._channel.end()
            self._channel.writer.write_eof()
            async with asyncio.timeout(LINGER_TIMEOUT_S):
                await self._channel.throw_away(LINGER_BYTES)

    async def _complain(self, error: h11.RemoteProtocolError) -> None:
        with suppress(OSError, TimeoutError, h11.LocalProtocolError):
            await self.respond(self._service.refusal(error.error_status_hint, "http", str(error)), last=True)

    async def _event(self, timeout_s: float) -> object:
        while (event := self._protocol.next_event()) is h11.NEED_DATA:
            async with asyncio.timeout(timeout_s):
                self._protocol.receive_data(await self._channel.read())
        return event

    async def _send(self, data: bytes | None) -> None:
        self._channel.write(data or b"")
        try:
            async with asyncio.timeout(STALL_TIMEOUT_S):
                await self._channel.writer.drain()
        except TimeoutError:
            self.is_broken = True
            raise


def _peer_of(writer: asyncio.StreamWriter) -> str | None:
    name = writer.get_extra_info("peername")
    return str(name[0]) if name else None
