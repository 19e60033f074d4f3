"""A small HTTP/1.1 client: one kept connection, one request at a time, over asyncio streams.

Owns the connection and h11's state of it, and translates whatever goes wrong into TransportError. Used by the node's
hub sink and by `discovery`; aiohttp would do the same for 13 MiB more. Invariant: after any failure (being cancelled
included) the connection is closed, so that a late answer can never be taken for the answer to the next request.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import h11
import msgspec

from slurmlens.errors import TransportError
from slurmlens.runtime.channel import Channel
from slurmlens.runtime.endpoint import Address, AddressRotation, Endpoint, text_of

if TYPE_CHECKING:
    from slurmlens.runtime.tls import ClientTls

Headers = list[tuple[str, str]]

MAX_ANSWER_BYTES = 1024 * 1024
STALE = "stale"
"""Reason of the failure where the server had closed a kept connection meanwhile: worth another try at once."""
HANGS_UP_ON_HTTP = "; if it speaks TLS, the url must begin with https://"
HANGS_UP_ON_STRANGERS = "; if it lets in only who shows a certificate, certificate_file and key_file must be set"
"""asyncio's servers do both without a word."""


class Answer(msgspec.Struct, frozen=True):
    """What the server said."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()
    """Names in lower case."""

    def header(self, name: str) -> str | None:
        """The value of the first header of that name (in lower case)."""
        wanted = name.encode()
        return next((value.decode("latin-1") for one, value in self.headers if one == wanted), None)


class _Connection(msgspec.Struct):
    channel: Channel
    protocol: h11.Connection
    is_fresh: bool = True
    is_sent: bool = False
    is_heard: bool = False


class HttpClient:
    """Asks one server, wherever it is now; with `tls` by TLS. One that fails, or finds fault with itself (5xx), is not
    asked again before the others that the endpoint has.
    """

    def __init__(self, endpoint: Endpoint, *, timeout_s: float, tls: ClientTls | None = None) -> None:
        self._endpoint = AddressRotation(endpoint)
        self._address: Address | None = None
        self._timeout_s = timeout_s
        self._tls = tls
        self._kept: _Connection | None = None

    async def request(
        self, method: str, target: str, headers: Headers, body: bytes = b"", *, timeout_s: float | None = None
    ) -> Answer:
        """Send one request and read its answer, within `timeout_s` (else the client's limit), connecting included.

        TransportError with reason connect, timeout, network, garbage, too_long, request, `STALE`, or tls, no_tls or
        tls_files; and whatever the endpoint raises where it knows no address.
        """
        limit_s = self._timeout_s if timeout_s is None else timeout_s
        try:
            async with asyncio.timeout(limit_s):
                connection = await self._connection()
                request = self._encode(connection, method, target, headers, body)
                answer = await self._exchange(connection, request)
        except TimeoutError as error:
            await self.aclose()
            self._endpoint.failed(self._address)
            raise self._failure("timeout", f"no answer within {limit_s:g} s") from error
        except TransportError as error:
            await self.aclose()
            if error.reason != STALE:
                self._endpoint.failed(self._address)
            raise
        except BaseException:
            await self.aclose()
            raise
        turns_away = answer.status >= 500 and self._endpoint.failed(self._address)
        if turns_away or not _may_be_kept(connection):
            await self.aclose()
        return answer

    async def aclose(self) -> None:
        """Close the kept connection, if any."""
        kept, self._kept = self._kept, None
        if kept is not None:
            await kept.channel.abort()

    async def _connection(self) -> _Connection:
        kept, addresses = self._kept, self._endpoint.addresses()
        if kept is not None and self._address in addresses and kept.channel.is_up:
            kept.is_fresh = kept.is_sent = kept.is_heard = False
            return kept
        await self.aclose()
        self._address = addresses[0]
        try:
            self._kept = _Connection(await self._connect(self._address), h11.Connection(h11.CLIENT))
        except TimeoutError:
            raise
        except TransportError as error:
            raise self._failure(error.reason, str(error)) from error
        except OSError as error:
            raise self._failure("connect", f"{error.strerror or error}") from error
        return self._kept

    async def _connect(self, address: Address) -> Channel:
        session = None if self._tls is None else await asyncio.to_thread(self._tls.session, address[0])
        channel = Channel(*await asyncio.open_connection(*address), session)
        try:
            await channel.handshake()
        except BaseException:
            await channel.abort()
            raise
        return channel

    async def _exchange(self, connection: _Connection, request: bytes) -> Answer:
        # Sending and reading go on together: a server may answer, and close, before it has read all.
        sending = asyncio.create_task(_send(connection, request))
        try:
            return await self._receive(connection)
        finally:
            connection.is_sent = sending.done()
            sending.cancel()
            with suppress(asyncio.CancelledError, OSError, TransportError):
                await sending

    def _encode(self, connection: _Connection, method: str, target: str, headers: Headers, body: bytes) -> bytes:
        head = [("Host", text_of(self._address)), ("Content-Length", str(len(body))), *headers]
        try:
            request = h11.Request(method=method, target=target, headers=head)
            events = (request, h11.Data(data=body), h11.EndOfMessage())
            return b"".join(connection.protocol.send(event) or b"" for event in events)
        except h11.LocalProtocolError as error:
            raise self._failure("request", f"the request cannot be made: {error}") from error

    async def _receive(self, connection: _Connection) -> Answer:
        status, body = 0, bytearray()
        headers: tuple[tuple[bytes, bytes], ...] = ()
        while True:
            event = await self._next_event(connection)
            if isinstance(event, h11.Response):
                status = event.status_code
                headers = tuple((name, value) for name, value in event.headers)
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > MAX_ANSWER_BYTES:
                    raise self._failure("too_long", f"the answer is longer than {MAX_ANSWER_BYTES} bytes")
            elif isinstance(event, h11.EndOfMessage):
                return Answer(status, bytes(body), headers)

    async def _next_event(self, connection: _Connection) -> object:
        try:
            while (event := connection.protocol.next_event()) is h11.NEED_DATA:
                connection.protocol.receive_data(await self._heard(connection))
        except h11.RemoteProtocolError as error:
            if not connection.channel.is_up:
                raise self._failure("network", "connection closed in the middle of the answer") from error
            raise self._failure("garbage", f"the answer is not HTTP: {error}") from error
        return event

    async def _heard(self, connection: _Connection) -> bytes:
        try:
            received = await connection.channel.read()
        except TransportError as error:
            raise self._failure(error.reason, str(error)) from error
        except TimeoutError:
            raise
        except OSError as error:
            raise self._closed(connection, error.strerror or str(error)) from error
        if not received and not connection.is_heard:
            raise self._closed(connection, "closed before the answer")
        connection.is_heard = True
        return received

    def _closed(self, connection: _Connection, how: str) -> TransportError:
        is_stale = not connection.is_fresh and not connection.is_heard
        is_puzzling = connection.is_fresh and not connection.is_heard
        hint = HANGS_UP_ON_HTTP if self._tls is None else HANGS_UP_ON_STRANGERS
        return self._failure(STALE if is_stale else "network", f"connection {how}{hint if is_puzzling else ''}")

    def _failure(self, reason: str, message: str) -> TransportError:
        scheme = "http" if self._tls is None else "https"
        return TransportError(f"{scheme}://{text_of(self._address)}: {message}", reason=reason)


async def _send(connection: _Connection, request: bytes) -> None:
    connection.channel.write(request)
    await connection.channel.writer.drain()


def _may_be_kept(connection: _Connection) -> bool:
    """Only where both sides said all they had to say, and not a byte more."""
    protocol = connection.protocol
    if not connection.is_sent or (protocol.our_state, protocol.their_state) != (h11.DONE, h11.DONE):
        return False
    protocol.start_next_cycle()
    return not protocol.trailing_data[0]
