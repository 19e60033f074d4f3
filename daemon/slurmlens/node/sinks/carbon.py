"""Delivers metrics to carbon: plaintext lines over one TCP connection, which nobody acknowledges.

Owns the connection and what may have to be sent again. Carbon says nothing, so a line is safe only when the peer's
kernel has it and `resend_window_s` have passed: until then it is kept, and sent again after a reconnect (the same line
twice is the same point). Invariant: what the own kernel holds unacknowledged is never more than what is kept, because
the socket's send buffer is bounded to less; so a carbon that does not read slows this sink down and fills the queue,
and loses nothing. Driven by `delivery`.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import socket
import sys
from collections import deque
from contextlib import suppress

import msgspec

from slurmlens.clock import NS_PER_S, Clock
from slurmlens.config.sinks import CarbonSinkConfig
from slurmlens.errors import DeliveryError
from slurmlens.node.sinks.endpoint import Address, Endpoint, text_of
from slurmlens.telemetry.internal import InternalEvent, Reporter

SIOCOUTQ = 0x5411  # linux/sockios.h; tcp(7): bytes in the send queue, unacknowledged ones included
CARBON_RESENT = InternalEvent(
    "carbon_resent_bytes", logging.INFO, "connected to carbon at {address}; sending the last {size_bytes} bytes again"
)


class _Piece(msgspec.Struct):
    """What was sent at once. `end` is its last byte's place in the connection, None before it was sent on this one."""

    payload: bytes
    end: int | None = None
    settled_ns: int | None = None


class _Link(msgspec.Struct):
    """One connection and how much went into it."""

    address: Address
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    written_bytes: int = 0

    @property
    def is_up(self) -> bool:
        return not self.reader.at_eof() and not self.writer.is_closing()

    def unacknowledged_bytes(self) -> int:
        """What is still in our own buffers: asyncio's, and the kernel's."""
        transport = self.writer.transport
        queued = fcntl.ioctl(transport.get_extra_info("socket").fileno(), SIOCOUTQ, b"\0" * 4)
        return transport.get_write_buffer_size() + int.from_bytes(queued, sys.byteorder)


class CarbonSink:
    """Sends carbon plaintext."""

    name = "carbon"

    def __init__(self, config: CarbonSinkConfig, endpoint: Endpoint, reporter: Reporter, clock: Clock) -> None:
        self._config = config
        self._endpoint = endpoint
        self._reporter = reporter
        self._clock = clock
        self._address: Address | None = None
        self._link: _Link | None = None
        self._kept: deque[_Piece] = deque()
        self._kept_bytes = 0

    async def deliver(self, payload: bytes, count: int) -> int:
        """See `delivery.Sink`; returns when the kernel has all of it."""
        try:
            link = await self._connected()
            piece = _Piece(payload)
            await self._send(link, piece)
        except TimeoutError as error:
            raise await self._failed("timeout", f"nothing moved for {self._config.timeout_s:g} s") from error
        except OSError as error:
            raise await self._failed("network", error.strerror or str(error)) from error
        self._keep(piece)
        self._forget_settled(link)
        return count

    async def aclose(self) -> None:
        """See `delivery.Sink`; the kernel goes on sending what it has."""
        link, self._link = self._link, None
        if link is not None:
            link.writer.close()
            # A carbon that reads no more must not hold up the end of the program.
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(1):
                    await link.writer.wait_closed()
            link.writer.transport.abort()

    async def _connected(self) -> _Link:
        addresses = self._endpoint.addresses()
        if self._link is not None and self._link.is_up and self._link.address in addresses:
            return self._link
        await self.aclose()
        self._address = addresses[0]
        async with asyncio.timeout(self._config.timeout_s):
            reader, writer = await asyncio.open_connection(*self._address)
        # drain() then waits until the kernel has everything.
        writer.transport.set_write_buffer_limits(high=0)
        _tune(writer.get_extra_info("socket"), self._config)
        self._link = _Link(self._address, reader, writer)
        await self._resend(self._link)
        return self._link

    async def _resend(self, link: _Link) -> None:
        for piece in self._kept:
            piece.end = piece.settled_ns = None
        if self._kept:
            address, size_bytes = text_of(link.address), self._kept_bytes
            self._reporter.report(CARBON_RESENT, count=size_bytes, address=address, size_bytes=size_bytes)
        for piece in self._kept:
            await self._send(link, piece)

    async def _send(self, link: _Link, piece: _Piece) -> None:
        """Write, and wait for the kernel to take it for as long as anything moves at all."""
        link.writer.write(piece.payload)
        link.written_bytes += len(piece.payload)
        piece.end = link.written_bytes
        while True:
            before = link.unacknowledged_bytes()
            try:
                async with asyncio.timeout(self._config.timeout_s):
                    await link.writer.drain()
                return
            except TimeoutError:
                if link.unacknowledged_bytes() >= before:
                    raise

    def _keep(self, piece: _Piece) -> None:
        self._kept.append(piece)
        self._kept_bytes += len(piece.payload)
        while self._kept_bytes > self._config.resend_limit_bytes and len(self._kept) > 1:
            self._forget_oldest()

    def _forget_settled(self, link: _Link) -> None:
        """Let go of what the peer's kernel has had for longer than the window."""
        now_ns = self._clock.monotonic_ns()
        acknowledged = link.written_bytes - link.unacknowledged_bytes()
        for piece in self._kept:
            if piece.settled_ns is None and piece.end is not None and piece.end <= acknowledged:
                piece.settled_ns = now_ns
        window_ns = round(self._config.resend_window_s * NS_PER_S)
        while self._kept and (settled_ns := self._kept[0].settled_ns) is not None and now_ns - settled_ns >= window_ns:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        self._kept_bytes -= len(self._kept.popleft().payload)

    async def _failed(self, reason: str, message: str) -> DeliveryError:
        if self._link is not None:
            self._link.writer.transport.abort()
        await self.aclose()
        return DeliveryError(f"carbon at {text_of(self._address)}: {message}", reason=reason)


def _tune(sock: socket.socket, config: CarbonSinkConfig) -> None:
    """Bound what the kernel holds for us, and let it notice a peer that vanished without a word."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, config.resend_limit_bytes // 4)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(config.timeout_s * 1000))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in ((socket.TCP_KEEPIDLE, 30), (socket.TCP_KEEPINTVL, 10), (socket.TCP_KEEPCNT, 3)):
        sock.setsockopt(socket.IPPROTO_TCP, option, value)
