"""Sends to a receiver that acknowledges nothing: what may not have arrived is kept, and sent again after a reconnect.

Owns the connection and what is kept. The receiver says nothing, so what was sent is safe only when the peer's kernel
has it and `resend_window_s` have passed: until then it is kept, and sent again after a reconnect, whole (so the
receiver may get it twice). Invariant: what the own kernel holds unacknowledged is never more than what is kept, because
the socket's send buffer is bounded to less; so a receiver that does not read slows its sink down and fills the queue,
and loses nothing. What a receiver's own process had read and not yet put away when it died is safe only within the
window, and within `resend_limit_bytes`. A receiver that takes a connection and ends it soon after (a balancer with
nobody behind it, one that misses a client certificate) is doubted: the next connection has to last, longer each time,
before anything counts as sent. Used by the sinks of protocols without acknowledgement.
"""

from __future__ import annotations

import asyncio
import errno
import logging
from collections import deque
from typing import TYPE_CHECKING, Protocol

import msgspec

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.delivery.sinks.connection import Connection, connect
from slurmlens.errors import DeliveryError
from slurmlens.runtime.endpoint import Address, AddressRotation, Endpoint, text_of
from slurmlens.telemetry.internal import InternalEvent, Reporter

if TYPE_CHECKING:
    from slurmlens.runtime.tls import ClientTls

RESENT = InternalEvent(
    "sink_resent_bytes",
    logging.INFO,
    "connected to {sink} at {address}; sending the last {size_bytes} bytes again",
    ("sink",),
)


YOUNG_S = 10.0
"""A connection that ends within this time of its beginning, without our doing, makes the next one doubtful."""

LEAST_PROOF_S = 0.5


class ResendSettings(Protocol):
    """What of a sink's table is asked here."""

    @property
    def resend_window_s(self) -> float: ...
    @property
    def resend_limit_bytes(self) -> int: ...
    @property
    def timeout_s(self) -> float: ...


class _Piece(msgspec.Struct):
    """What was sent at once. `end` is its last byte's place in the connection, None before it was sent on this one."""

    payload: bytes
    end: int | None = None
    settled_ns: int | None = None


class _Link(msgspec.Struct):
    """A connection, and who waits for its end: what a receiver says meanwhile is of no interest."""

    connection: Connection
    listening: asyncio.Task[str]
    began_ns: int

    @property
    def is_up(self) -> bool:
        return not self.listening.done() and not self.connection.is_closing


class UnacknowledgedSender:
    """Sends to one receiver; `name` is the sink's."""

    def __init__(
        self,
        name: str,
        settings: ResendSettings,
        endpoint: Endpoint,
        reporter: Reporter,
        clock: Clock,
        tls: ClientTls | None = None,
    ) -> None:
        self._name = name
        self._settings = settings
        self._endpoint = AddressRotation(endpoint)
        self._reporter = reporter
        self._clock = clock
        self._tls = tls
        self._address: Address | None = None
        self._link: _Link | None = None
        self._kept: deque[_Piece] = deque()
        self._kept_bytes = 0
        self._proof_s = 0.0

    @property
    def kept_bytes(self) -> int:
        """What would be sent again after a reconnect now."""
        return self._kept_bytes

    @property
    def connection(self) -> Connection | None:
        """The present one, None where it ended or none was made yet."""
        return self._link.connection if self._link is not None and self._link.is_up else None

    async def send(self, payload: bytes) -> None:
        """Send, after what has to be sent again; returns when the kernel has all of it.

        DeliveryError, always retriable, with reason undiscovered, timeout, network, tls, no_tls or
        tls_files.
        """
        addresses = self._endpoint.addresses()
        try:
            link = await self._connected(addresses)
            if link.connection.stands_still():
                raise TimeoutError
            piece = _Piece(payload)
            await self._write(link.connection, piece)
            await self._prove(link)
        except TimeoutError as error:
            raise await self._failed("timeout", f"nothing moved for {self._settings.timeout_s:g} s") from error
        except DeliveryError as error:
            raise await self._failed(error.reason, str(error)) from error
        except OSError as error:
            raise await self._failed("network", error.strerror or str(error)) from error
        self._keep(piece)
        self._forget_settled(link.connection)

    async def aclose(self) -> None:
        """Let go of the connection; the kernel goes on sending what it has."""
        link, self._link = self._link, None
        if link is not None:
            await link.connection.aclose()
            link.listening.cancel()
            await asyncio.wait({link.listening})

    async def _connected(self, addresses: tuple[Address, ...]) -> _Link:
        link = self._link
        if link is not None and link.is_up and link.connection.address in addresses:
            return link
        if link is not None and not link.is_up:
            self._judge(link)
        await self.aclose()
        self._address = addresses[0]
        connection = await connect(
            self._address,
            self._settings.timeout_s,
            self._tls,
            send_buffer_bytes=self._settings.resend_limit_bytes // 4,
        )
        listening = asyncio.create_task(_listen(connection), name=f"{self._name} listens")
        self._link = link = _Link(connection, listening, self._clock.monotonic_ns())
        if self._proof_s:
            # Before anything is written: a peer that refuses us can then say why before it closes.
            await self._last(link, LEAST_PROOF_S)
        await self._resend(connection)
        return link

    def _judge(self, link: _Link) -> None:
        """A connection ended without our doing: how far is the next one to be trusted?"""
        age_s = (self._clock.monotonic_ns() - link.began_ns) / NS_PER_S
        if age_s >= max(YOUNG_S, 2 * self._proof_s):
            self._proof_s = 0.0
        else:
            self._proof_s = max(LEAST_PROOF_S, min(2 * self._proof_s, self._settings.resend_window_s))

    async def _prove(self, link: _Link) -> None:
        """After one that ended young, let a connection show that it lasts."""
        age_s = (self._clock.monotonic_ns() - link.began_ns) / NS_PER_S
        await self._last(link, self._proof_s - age_s)

    async def _last(self, link: _Link, time_s: float) -> None:
        if time_s > 0:
            await asyncio.wait({link.listening}, timeout=time_s)
        if link.listening.done():
            raise ConnectionResetError(errno.ECONNRESET, link.listening.result())

    async def _resend(self, connection: Connection) -> None:
        for piece in self._kept:
            piece.end = piece.settled_ns = None
        if self._kept:
            address, size_bytes = text_of(connection.address), self._kept_bytes
            self._reporter.report(RESENT, count=size_bytes, sink=self._name, address=address, size_bytes=size_bytes)
        for piece in self._kept:
            await self._write(connection, piece)

    async def _write(self, connection: Connection, piece: _Piece) -> None:
        await connection.write(piece.payload)
        piece.end = connection.written_bytes

    def _keep(self, piece: _Piece) -> None:
        self._kept.append(piece)
        self._kept_bytes += len(piece.payload)
        while self._kept_bytes > self._settings.resend_limit_bytes and len(self._kept) > 1:
            self._forget_oldest()

    def _forget_settled(self, connection: Connection) -> None:
        """Let go of what the peer's kernel has had for longer than the window."""
        now_ns = self._clock.monotonic_ns()
        acknowledged = connection.written_bytes - connection.unacknowledged_bytes()
        for piece in self._kept:
            if piece.settled_ns is None and piece.end is not None and piece.end <= acknowledged:
                piece.settled_ns = now_ns
        window_ns = round(self._settings.resend_window_s * NS_PER_S)
        while self._kept and (settled_ns := self._kept[0].settled_ns) is not None and now_ns - settled_ns >= window_ns:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        self._kept_bytes -= len(self._kept.popleft().payload)

    async def _failed(self, reason: str, message: str) -> DeliveryError:
        if self._link is not None:
            self._judge(self._link)
            self._link.connection.abort()
        await self.aclose()
        self._endpoint.failed(self._address)
        return DeliveryError(f"{self._name} at {text_of(self._address)}: {message}", reason=reason)


async def _listen(connection: Connection) -> str:
    """Return when the peer has said all, or the connection broke; says which."""
    try:
        while await connection.read():
            pass
    except DeliveryError as error:
        return str(error)
    except OSError as error:
        return error.strerror or str(error)
    return "closed by the receiver"
