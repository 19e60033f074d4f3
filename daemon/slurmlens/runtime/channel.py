"""A connection of asyncio with TLS in it, or without: the same calls, whichever it is.

Owns the carrying of bytes between a socket and a `tls_session`, and their counting. Invariants: `write` has handed all
of its bytes to asyncio when it returns, as records where TLS is spoken; an end that the peer announced is as good as
its FIN. Raises OSError, and TransportError of TLS's own. Used by `http`, by the sinks' connection and by the relay's
server.
"""

from __future__ import annotations

import asyncio
import errno
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slurmlens.runtime.tls_session import Session

READ_BYTES = 65_536


class Channel:
    """`written_bytes` is what went onto the wire so far."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, session: Session | None = None
    ) -> None:
        self.writer = writer
        self.written_bytes = 0
        self._reader = reader
        self._session = session
        self._has_ended = False
        self._has_told_all = False

    @property
    def is_up(self) -> bool:
        """Whether neither side is known to have ended it."""
        return not (self._has_ended or self._reader.at_eof() or self.writer.is_closing())

    async def handshake(self) -> None:
        """Agree with the peer on TLS, where that is to be spoken; before anything else."""
        session, received = self._session, b""
        while session is not None:
            try:
                is_done = session.handshake(received)
            finally:
                # Also where it failed: the peer is told why.
                self._put(session.take())
            if is_done:
                return
            received = await self._reader.read(READ_BYTES)
            if not received:
                raise ConnectionResetError(errno.ECONNRESET, "closed by the peer during the TLS handshake")

    async def read(self) -> bytes:
        """What the peer says next, however long that takes; empty where it has said all."""
        session = self._session
        if session is None:
            return await self._reader.read(READ_BYTES)
        received = b""  # what came together with the handshake's end is in the session already
        while not self._has_ended:
            said, self._has_ended = session.decrypt(received)
            self._put(session.take())
            if said:
                return said
            if not self._has_ended and not (received := await self._reader.read(READ_BYTES)):
                break
        return b""

    def write(self, data: bytes) -> None:
        """Hand over `data`; `writer.drain` waits for it to leave."""
        self._put(data if self._session is None else self._session.encrypt(data))

    def without_tls(self) -> None:
        """Go on in plain text: to tell a peer that does not speak TLS."""
        self._session = None

    def end(self) -> None:
        """Say that nothing more will come from us."""
        if self._session is not None and not (self._has_told_all or self.writer.is_closing()):
            self._has_told_all = True
            self._put(self._session.end())

    async def throw_away(self, most_bytes: int) -> None:
        """Read what still comes, until the peer has ended or so much of it came."""
        left = most_bytes
        while left > 0 and (received := await self._reader.read(READ_BYTES)):
            left -= len(received)

    async def abort(self) -> None:
        """Throw away what nobody has taken yet."""
        self.writer.transport.abort()
        with suppress(OSError):
            await self.writer.wait_closed()

    def _put(self, data: bytes) -> None:
        if data:
            self.writer.write(data)
            self.written_bytes += len(data)
