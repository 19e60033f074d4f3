"""One TCP connection of a sink, with TLS or without, which knows by the byte how much of it the peer's kernel has.

Owns the socket and its settings, and the counting. Invariants: after `write` our own process holds nothing any more,
all of it is with the kernel; a peer that takes anything at all is waited for, one that takes nothing for `timeout_s` is
given up; a peer that vanished without a word `stands_still`. What the kernel holds when this process ends it goes on
sending, for `LEFT_BEHIND_S` where nobody would send it again. Raises OSError (TimeoutError among them), which the sinks
translate, and of TLS's own DeliveryError. Used by `unacknowledged` and by sinks that await answers.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from slurmlens.errors import DeliveryError, TransportError
from slurmlens.runtime.channel import Channel
from slurmlens.runtime.endpoint import Address

if TYPE_CHECKING:
    from slurmlens.runtime.tls import ClientTls
    from slurmlens.runtime.tls_session import Session

SIOCOUTQ = 0x5411  # linux/sockios.h; tcp(7): bytes in the send queue, unacknowledged ones included
CLOSE_TIMEOUT_S = 1.0

LEFT_BEHIND_S = 600.0
"""A receiver that reads nothing for so long loses what a daemon that has ended left with its kernel."""


class Connection:
    """Made by `connect`."""

    def __init__(
        self,
        address: Address,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        timeout_s: float,
        session: Session | None = None,
    ) -> None:
        self.address = address
        self._channel = Channel(reader, writer, session)
        # Why the peer ended it, in its own words; better than what writing to it then fails with.
        self._verdict: DeliveryError | None = None
        self._writer = writer
        self._timeout_s = timeout_s
        self._acknowledged_bytes = 0
        self._moved_s = asyncio.get_running_loop().time()
        # drain() then waits until the kernel has everything.
        writer.transport.set_write_buffer_limits(high=0)

    @property
    def written_bytes(self) -> int:
        """What went onto the wire so far."""
        return self._channel.written_bytes

    @property
    def is_closing(self) -> bool:
        """Whether this side gave the connection up, or writing to it failed."""
        return self._writer.is_closing()

    def unacknowledged_bytes(self) -> int:
        """What is still in our own buffers: asyncio's, and the kernel's."""
        transport = self._writer.transport
        descriptor = transport.get_extra_info("socket").fileno()
        if descriptor < 0:
            raise ConnectionResetError(errno.ECONNRESET, "Connection lost")
        queued = fcntl.ioctl(descriptor, SIOCOUTQ, b"\0" * 4)
        return transport.get_write_buffer_size() + int.from_bytes(queued, sys.byteorder)

    def stands_still(self) -> bool:
        """Whether for `timeout_s` the peer's kernel has taken nothing of what it was sent; ask before each `write`."""
        left_bytes, now_s = self.unacknowledged_bytes(), asyncio.get_running_loop().time()
        acknowledged_bytes = self.written_bytes - left_bytes
        if not left_bytes or acknowledged_bytes > self._acknowledged_bytes:
            self._acknowledged_bytes, self._moved_s = acknowledged_bytes, now_s
        return now_s - self._moved_s > self._timeout_s

    async def write(self, data: bytes) -> None:
        """Write, and wait for the kernel to take it for as long as anything moves at all."""
        try:
            with _translating():
                self._channel.write(data)
            await self._drain()
        except (OSError, DeliveryError):
            if self._verdict is not None:
                raise self._verdict from None
            raise

    async def _drain(self) -> None:
        while self._writer.transport.get_write_buffer_size():
            before = self.unacknowledged_bytes()
            try:
                async with asyncio.timeout(self._timeout_s):
                    await self._writer.drain()
                return
            except TimeoutError:
                if self.unacknowledged_bytes() >= before:
                    raise
        # Nothing is left to be waited for: this only raises what writing failed with.
        await self._writer.drain()

    async def read(self) -> bytes:
        """What the peer says next, however long that takes; empty where it has said all."""
        try:
            with _translating():
                return await self._channel.read()
        except DeliveryError as error:
            self._verdict = error
            raise

    async def handshake(self) -> None:
        """Agree with the peer on TLS; before anything else."""
        with _translating():
            await self._channel.handshake()

    async def aclose(self) -> None:
        """End it in an orderly way; the kernel goes on sending what it has."""
        self._channel.end()
        self._writer.close()
        # A peer that reads no more must not hold up the end of the program.
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._writer.wait_closed()
        self._writer.transport.abort()

    def abort(self) -> None:
        """End it at once; what this process still holds is thrown away, the kernel goes on sending what it has.

        Not by a reset: a receiver that hangs has taken more than it has read, and would lose that.
        """
        self._writer.transport.abort()


async def connect(
    address: Address, timeout_s: float, tls: ClientTls | None = None, *, send_buffer_bytes: int | None = None
) -> Connection:
    """Connect within `timeout_s`, TLS included; the kernel will hold at most about twice `send_buffer_bytes` for the
    peer, where that is given.
    """
    with _translating():
        session = None if tls is None else await asyncio.to_thread(tls.session, address[0])
    async with asyncio.timeout(timeout_s):
        reader, writer = await asyncio.open_connection(*address)
        _tune(writer.get_extra_info("socket"), timeout_s, send_buffer_bytes)
        connection = Connection(address, reader, writer, timeout_s, session)
        try:
            await connection.handshake()
        except BaseException:
            await connection.aclose()
            raise
    return connection


@contextmanager
def _translating() -> Iterator[None]:
    """What TLS says, as sinks say it."""
    try:
        yield
    except TransportError as error:
        raise DeliveryError(str(error), reason=error.reason) from error


def _tune(sock: socket.socket, timeout_s: float, send_buffer_bytes: int | None) -> None:
    """Bound what the kernel holds for us, and let it notice a peer that vanished without a word."""
    if send_buffer_bytes is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer_bytes)
    # It also ends what a process that is gone has left: where nothing is acknowledged, nobody would send that again.
    given_up_s = timeout_s if send_buffer_bytes is None else max(timeout_s, LEFT_BEHIND_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(given_up_s * 1000))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in ((socket.TCP_KEEPIDLE, 30), (socket.TCP_KEEPINTVL, 10), (socket.TCP_KEEPCNT, 3)):
        sock.setsockopt(socket.IPPROTO_TCP, option, value)
