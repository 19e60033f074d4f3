"""Delivers events to logstash's beats input, or whatever else speaks Beats v2: every event is acknowledged.

Owns the connection and the memory of what is acknowledged. A payload is sent in windows, one after the other, so order
is kept; it counts as delivered when all of it is acknowledged. Where that ends half-way, the acknowledged events are
remembered, and when the same payload is delivered again (`delivery` repeats it until it is taken) only the rest is
sent. What a receiver took but did not come to acknowledge is sent again: at least once, `event.id` being the same.

Invariant: an acknowledgement counts for the window it was waited for only. Whatever a receiver says while nothing is
outstanding ends the connection, so that a late word can never be taken for the answer to the next window. A receiver
that says "still alive" (0) is waited for without end: it is busy. Driven by `delivery`; the frames are `wire.beats`'.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Sequence
from typing import TYPE_CHECKING

from slurmlens.config.sinks import BeatsSinkConfig
from slurmlens.delivery.sinks.connection import Connection, connect
from slurmlens.errors import DecodeError, DeliveryError
from slurmlens.runtime.endpoint import Address, AddressRotation, Endpoint, text_of
from slurmlens.wire.beats import Acknowledgements, Window, encode_window

if TYPE_CHECKING:
    from slurmlens.runtime.tls import ClientTls


class _BeatsLink:
    """A connection on which somebody always listens, so that its end is known before the next window."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._acknowledgements = Acknowledgements()
        self._hearing = asyncio.create_task(connection.read(), name="beats listens")

    @property
    def is_quiet(self) -> bool:
        """Whether it stands, with nothing said that nobody asked for."""
        is_idle = not self._hearing.done() and self._acknowledgements.is_between_frames
        return is_idle and not self.connection.is_closing

    async def sequences(self, timeout_s: float) -> list[int]:
        """The next acknowledgements; TimeoutError where nothing at all is said."""
        async with asyncio.timeout(timeout_s):
            said = await asyncio.shield(self._hearing)
        if not said:
            raise ConnectionResetError(errno.ECONNRESET, "closed by the receiver before it acknowledged all")
        self._hearing = asyncio.create_task(self.connection.read(), name="beats listens")
        return self._acknowledgements.feed(said)

    async def aclose(self) -> None:
        await self.connection.aclose()
        self._hearing.cancel()
        await asyncio.gather(self._hearing, return_exceptions=True)


class BeatsSink:
    """Sends events by Beats v2."""

    name = "beats"

    def __init__(self, config: BeatsSinkConfig, endpoint: Endpoint, tls: ClientTls | None = None) -> None:
        self._config = config
        self._endpoint = AddressRotation(endpoint)
        self._tls = tls
        self._address: Address | None = None
        self._link: _BeatsLink | None = None
        self._payload = b""
        self._acknowledged = 0

    async def deliver(self, payload: bytes, count: int) -> int:
        """See `delivery.Sink`; returns when all of it is acknowledged.

        DeliveryError, always retriable, with reason undiscovered, timeout, network, garbage, tls, no_tls or tls_files.
        """
        if payload != self._payload:
            self._payload, self._acknowledged = payload, 0
        documents = payload.split(b"\n")[:-1]
        addresses = self._endpoint.addresses()
        try:
            while waiting := documents[self._acknowledged :][: self._config.window_events]:
                await self._send(await self._connected(addresses), waiting)
        except TimeoutError as error:
            raise await self._failed("timeout", f"no word for {self._config.timeout_s:g} s") from error
        except DecodeError as error:
            raise await self._failed("garbage", str(error)) from error
        except DeliveryError as error:
            raise await self._failed(error.reason, str(error)) from error
        except OSError as error:
            raise await self._failed("network", error.strerror or str(error)) from error
        except asyncio.CancelledError:
            self._abort()
            raise
        self._payload, self._acknowledged = b"", 0
        return count

    async def aclose(self) -> None:
        """See `delivery.Sink`."""
        link, self._link = self._link, None
        if link is not None:
            await link.aclose()

    async def _connected(self, addresses: tuple[Address, ...]) -> _BeatsLink:
        link = self._link
        if link is not None and link.is_quiet and link.connection.address in addresses:
            return link
        await self.aclose()
        self._address = addresses[0]
        self._link = _BeatsLink(await connect(self._address, self._config.timeout_s, self._tls))
        return self._link

    async def _send(self, link: _BeatsLink, documents: Sequence[bytes]) -> None:
        """One window, until it is acknowledged; what is acknowledged meanwhile counts whatever happens then."""
        window, before = Window(len(documents)), self._acknowledged
        # In a thread: compressing takes its time.
        await link.connection.write(await asyncio.to_thread(encode_window, documents, self._config.compression_level))
        while not window.is_complete:
            for sequence in await link.sequences(self._config.timeout_s):
                window.note(sequence)
                self._acknowledged = before + window.acknowledged

    async def _failed(self, reason: str, message: str) -> DeliveryError:
        self._abort()
        await self.aclose()
        self._endpoint.failed(self._address)
        return DeliveryError(f"beats at {text_of(self._address)}: {message}", reason=reason)

    def _abort(self) -> None:
        if self._link is not None:
            self._link.connection.abort()
