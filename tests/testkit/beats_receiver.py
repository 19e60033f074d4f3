"""A Beats v2 receiver that answers by script, as strict as Elastic's: used where that one cannot misbehave.

Owns the decoding of windows, written from the frames' description and not with the product's code. For
`scripted_server.serving`.
"""

from __future__ import annotations

import asyncio
import io
import struct
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from testkit.scripted_server import reset

Act = Callable[[asyncio.StreamWriter, int], Awaitable[None]]
"""Answers one window, given how many documents it held."""


def decode_window(data: bytes) -> tuple[list[bytes], bytes]:
    """The documents of the window at the beginning, and what comes after; AssertionError where Elastic would close."""
    frames = io.BytesIO(data)
    assert frames.read(2) == b"2W"
    count = number(frames)
    assert 0 < count <= 10_000
    if data[6:8] == b"2C":
        frames.read(2)
        inside = io.BytesIO(zlib.decompress(exactly(frames, number(frames))))
        documents = [document(inside, sequence) for sequence in range(1, count + 1)]
        assert inside.read() == b""
    else:
        documents = [document(frames, sequence) for sequence in range(1, count + 1)]
    return documents, frames.read()


def document(frames: io.BytesIO, sequence: int) -> bytes:
    assert frames.read(2) == b"2J"
    assert number(frames) == sequence
    return exactly(frames, number(frames))


def number(frames: io.BytesIO) -> int:
    return int(struct.unpack(">I", exactly(frames, 4))[0])


def exactly(frames: io.BytesIO, size: int) -> bytes:
    data = frames.read(size)
    if len(data) < size:
        raise EOFError
    return data


@dataclass
class BeatsReceiver:
    """Answers window after window with the next of `script`; the last one goes on for ever."""

    script: list[Act]
    windows: list[list[bytes]] = field(default_factory=list)
    connections: list[asyncio.StreamWriter] = field(default_factory=list)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append(writer)
        rest = b""
        while data := await reader.read(65_536):
            rest += data
            while rest and not writer.is_closing():
                try:
                    documents, rest = decode_window(rest)
                except EOFError:
                    break
                self.windows.append(documents)
                act = self.script.pop(0) if len(self.script) > 1 else self.script[0]
                await act(writer, len(documents))

    @property
    def documents(self) -> list[bytes]:
        """All that came, in order, duplicates too."""
        return [document for window in self.windows for document in window]


def frame(sequence: int) -> bytes:
    return b"2A" + struct.pack(">I", sequence)


async def acknowledge_all(writer: asyncio.StreamWriter, count: int) -> None:
    """As it should be."""
    writer.write(frame(count))


def saying(data: bytes) -> Act:
    """Any bytes, and the connection stays."""

    async def act(writer: asyncio.StreamWriter, _: int) -> None:
        writer.write(data)

    return act


def acknowledging(*sequences: int) -> Act:
    """These, one after the other."""
    return saying(b"".join(map(frame, sequences)))


def then_closing(first: Act, *, hard: bool = False) -> Act:
    """`first`, then the end of the connection."""

    async def act(writer: asyncio.StreamWriter, count: int) -> None:
        await first(writer, count)
        await writer.drain()
        if hard:
            reset(writer)
        else:
            writer.close()

    return act
