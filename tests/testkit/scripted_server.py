"""Real TCP servers on the loopback that misbehave by script: one for HTTP, one that just reads lines."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(
    handler: Handler, port: int = 0, *, receive_buffer_bytes: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Run `handler` for every connection; yields the port. Leaving closes the server and all its connections.

    `receive_buffer_bytes` bounds what the kernel takes for a handler that does not read; with `tls` it is spoken.
    """
    listener = socket.create_server(("127.0.0.1", port))
    if receive_buffer_bytes:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
    writers: set[asyncio.StreamWriter] = set()
    tasks: set[asyncio.Task[None]] = set()

    async def tracked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        tasks.add(asyncio.current_task())  # type: ignore[arg-type]
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await handler(reader, writer)
        writer.close()

    server = await asyncio.start_server(tracked, sock=listener, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in writers:
            with suppress(AttributeError):  # TLS that has ended already, in asyncio of Python 3.11
                writer.transport.abort()


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection as a dying machine does: RST instead of FIN."""
    linger_not = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_not)
    writer.transport.abort()


@dataclass(frozen=True)
class Request:
    """One HTTP request as it came in."""

    line: str
    headers: dict[str, str]
    body: bytes
    connection: int

    @property
    def lines(self) -> list[bytes]:
        """The NDJSON in the body."""
        unpacked = zlib.decompress(self.body, 31) if self.headers.get("content-encoding") == "gzip" else self.body
        return unpacked.splitlines()


Act = Callable[[asyncio.StreamWriter, Request], Awaitable[None]]


@dataclass
class ScriptedHttp:
    """Answers request after request with the next of `script`; the last one goes on for ever."""

    script: list[Act]
    requests: list[Request] = field(default_factory=list)
    connections: int = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        while not writer.is_closing():
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:-2])}
            body = await reader.readexactly(int(headers["content-length"]))
            request = Request(head[0], headers, body, number)
            self.requests.append(request)
            act = self.script.pop(0) if len(self.script) > 1 else self.script[0]
            await act(writer, request)


def answer(status: int, body: bytes = b"", *headers: str) -> Act:
    """A whole answer."""
    head = [f"HTTP/1.1 {status} Told", f"Content-Length: {len(body)}", *headers]

    async def act(writer: asyncio.StreamWriter, _: Request) -> None:
        writer.write("\r\n".join([*head, "", ""]).encode() + body)
        await writer.drain()

    return act


def raw(data: bytes, *, then_close: bool = True) -> Act:
    """Any bytes at all, then the end of the connection."""

    async def act(writer: asyncio.StreamWriter, _: Request) -> None:
        writer.write(data)
        await writer.drain()
        if then_close:
            writer.close()

    return act


def resetting(data: bytes = b"") -> Act:
    """Some bytes, then RST."""

    async def act(writer: asyncio.StreamWriter, _: Request) -> None:
        writer.write(data)
        await writer.drain()
        reset(writer)

    return act


async def never(_: asyncio.StreamWriter, __: Request) -> None:
    """Takes the request and says nothing, for ever."""
    await asyncio.Event().wait()


@dataclass
class LineServer:
    """Keeps what comes in, as carbon would; `paused` stops it from reading."""

    received: bytearray = field(default_factory=bytearray)
    connections: list[asyncio.StreamWriter] = field(default_factory=list)
    reading: asyncio.Event = field(default_factory=asyncio.Event)
    _grown: asyncio.Condition = field(default_factory=asyncio.Condition)

    def __post_init__(self) -> None:
        self.reading.set()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append(writer)
        while True:
            await self.reading.wait()
            data = await reader.read(65_536)
            if not data:
                return
            await self.take(data)

    async def take(self, data: bytes) -> None:
        """What came in; a handler with a reading habit of its own calls this too."""
        async with self._grown:
            self.received += data
            self._grown.notify_all()

    async def until(self, wanted: bytes) -> None:
        """Wait until `wanted` has come in."""
        async with self._grown, asyncio.timeout(10):
            await self._grown.wait_for(lambda: wanted in self.received)
