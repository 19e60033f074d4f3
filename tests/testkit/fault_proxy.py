"""A TCP proxy on the loopback that breaks connections on command, or by a script laid down beforehand.

Owns one port for its whole life and the pairs of connections through it. `Way.UP` leads to the receiver, `Way.DOWN`
back to whoever delivers. What happens at once: `cut`, `reset`, `half_close`, `stall` and `flow`, `slow`, `refuse` and
`accept`. What happens in the middle of a frame is a `Trap`: so many bytes pass, then it springs; `arm` lays one for the
bytes that come next, `script` one for each connection to come. Nothing here asks the time but `slow`, whose pauses are
handed in; everything that happened can be awaited with `until`.
"""

from __future__ import annotations

import asyncio
import enum
import socket
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from testkit.scripted_server import reset as send_reset

PIECE_BYTES = 16 * 1024


class Way(enum.Enum):
    """Direction of bytes: UP to the receiver, DOWN to whoever delivers."""

    UP = "up"
    DOWN = "down"


class Harm(enum.Enum):
    """What a trap does. CORRUPT changes the byte that comes next, all others come before it."""

    CUT = "cut"
    RESET = "reset"
    HALF_CLOSE = "half-close"
    STALL = "stall"
    CORRUPT = "corrupt"


@dataclass(eq=False)
class Trap:
    """Springs when `after_bytes` have passed on `way`; `mask` is what CORRUPT flips."""

    harm: Harm
    way: Way
    after_bytes: int
    mask: int = 0x20
    is_sprung: bool = False


@dataclass(eq=False)
class _Pair:
    """One connection from each side; `traps` are those of its own, `shut` the ways whose end was told."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    traps: list[Trap] = field(default_factory=list)
    shut: set[Way] = field(default_factory=set)

    def towards(self, way: Way) -> asyncio.StreamWriter:
        return self.server if way is Way.UP else self.client

    def shut_down(self, way: Way) -> None:
        self.shut.add(way)
        with suppress(OSError):
            if not self.towards(way).is_closing():
                self.towards(way).write_eof()

    def end(self, how: Callable[[asyncio.StreamWriter], None]) -> None:
        for writer in (self.client, self.server):
            with suppress(OSError):  # the peer may have broken it first
                how(writer)


class FaultProxy:
    """Made by `fault_proxy`; forwards faithfully until told otherwise."""

    def __init__(self, target_port: int, pause: Callable[[float], Awaitable[object]]) -> None:
        self.target_port = target_port
        self.port = 0
        self.connections = 0
        self.passed = dict.fromkeys(Way, 0)
        self._pause = pause
        self._server: asyncio.Server | None = None
        self._pairs: set[_Pair] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._open = {way: asyncio.Event() for way in Way}
        self._armed: list[Trap] = []
        self._script: deque[Trap | None] = deque()
        self._bytes_per_s: float | None = None
        self._changed = asyncio.Event()
        for gate in self._open.values():
            gate.set()

    @property
    def living(self) -> int:
        """Connections that go through now."""
        return len(self._pairs)

    # --- commands

    async def accept(self) -> None:
        """Listen (again), on the same port as ever."""
        if self._server is not None:
            return
        listener = socket.create_server(("127.0.0.1", self.port))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, PIECE_BYTES)
        self._server = await asyncio.start_server(self._connected, sock=listener, limit=PIECE_BYTES)
        self.port = listener.getsockname()[1]

    def refuse(self) -> None:
        """Nobody listens any more: connecting fails; what is connected goes on."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def cut(self) -> None:
        """Close every connection in order (FIN to both sides)."""
        self._end_all(_close)

    def reset(self) -> None:
        """Break every connection as a dying machine does (RST to both sides)."""
        self._end_all(send_reset)

    def half_close(self, way: Way) -> None:
        """Tell the end of the stream on one way; the other goes on."""
        for pair in list(self._pairs):
            self._shut_down(pair, way)

    def stall(self, *ways: Way) -> None:
        """Let nothing pass any more, and say nothing."""
        for way in ways or Way:
            self._open[way].clear()

    def flow(self) -> None:
        """Undo `stall` and `slow`, forget traps and script."""
        self._bytes_per_s = None
        self._armed.clear()
        self._script.clear()
        for pair in self._pairs:
            pair.traps.clear()
        for gate in self._open.values():
            gate.set()

    def slow(self, bytes_per_s: float) -> None:
        """Let so much pass on each way of each connection."""
        self._bytes_per_s = bytes_per_s

    def arm(self, trap: Trap) -> Trap:
        """Lay a trap for the bytes that come next, of whichever connection."""
        self._armed.append(trap)
        return trap

    def script(self, traps: Iterable[Trap | None]) -> None:
        """One for each connection to come, counting its own bytes; None lets one through unharmed."""
        self._script.extend(traps)

    async def heal(self) -> None:
        """Forward faithfully again."""
        self.flow()
        await self.accept()

    async def until(self, holds: Callable[[], bool], patience_s: float = 10) -> None:
        """Wait until something that this proxy knows is so."""
        async with asyncio.timeout(patience_s):
            while not holds():
                self._changed.clear()
                await self._changed.wait()

    async def close(self) -> None:
        """End everything."""
        self.refuse()
        self.reset()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- connections

    async def _connected(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._changed.set()
        try:
            up_reader, server = await asyncio.open_connection("127.0.0.1", self.target_port, limit=PIECE_BYTES)
        except OSError:
            # Nobody is behind us: as near to a refused connection as one comes that was taken.
            send_reset(client)
            return
        pair = _Pair(client, server, [trap] if self._script and (trap := self._script.popleft()) else [])
        self._pairs.add(pair)
        for way, source in ((Way.UP, reader), (Way.DOWN, up_reader)):
            task = asyncio.create_task(self._pump(pair, way, source))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._changed.set()

    async def _pump(self, pair: _Pair, way: Way, source: asyncio.StreamReader) -> None:
        try:
            while pair in self._pairs and (data := await source.read(PIECE_BYTES)):
                await self._pass(pair, way, data)
            if pair in self._pairs:
                await self._open[way].wait()
                self._shut_down(pair, way)
        except OSError:
            self._end(pair, send_reset)
        except asyncio.CancelledError:
            self._end(pair, send_reset)
            raise

    async def _pass(self, pair: _Pair, way: Way, data: bytes) -> None:
        """Forward, up to the first trap on the way, then what is left of the data."""
        rest = data
        while rest and pair in self._pairs:
            trap = self._next_trap(pair, way)
            if trap is None or trap.after_bytes >= len(rest):
                harmless, rest = rest, b""
            else:
                harmless, rest = rest[: trap.after_bytes], rest[trap.after_bytes :]
            await self._forward(pair, way, harmless)
            self._count(pair, way, len(harmless))
            if trap is not None and rest:
                rest = self._spring(trap, pair, rest)

    async def _forward(self, pair: _Pair, way: Way, data: bytes) -> None:
        rest = data
        while rest and self._is_open(pair, way):
            await self._open[way].wait()
            size = len(rest)
            if self._bytes_per_s is not None:
                size = max(1, min(size, int(self._bytes_per_s / 10)))
                await self._pause(size / self._bytes_per_s)
            if not self._is_open(pair, way):
                return
            writer = pair.towards(way)
            writer.write(rest[:size])
            await writer.drain()
            rest = rest[size:]

    def _count(self, pair: _Pair, way: Way, size: int) -> None:
        self.passed[way] += size
        for trap in (*pair.traps, *self._armed):
            if trap.way is way:
                trap.after_bytes -= size
        self._changed.set()

    def _next_trap(self, pair: _Pair, way: Way) -> Trap | None:
        traps = [trap for trap in (*pair.traps, *self._armed) if trap.way is way]
        return min(traps, key=lambda trap: trap.after_bytes, default=None)

    def _spring(self, trap: Trap, pair: _Pair, rest: bytes) -> bytes:
        """Do the harm; returns what is left to forward."""
        for traps in (pair.traps, self._armed):
            if trap in traps:
                traps.remove(trap)
        trap.is_sprung = True
        self._changed.set()
        match trap.harm:
            case Harm.CORRUPT:
                return bytes([rest[0] ^ trap.mask]) + rest[1:]
            case Harm.STALL:
                self.stall(trap.way)
                return rest
            case Harm.HALF_CLOSE:
                self._shut_down(pair, trap.way)
            case Harm.CUT:
                self._end(pair, _close)
            case Harm.RESET:
                self._end(pair, send_reset)
        return b""

    def _is_open(self, pair: _Pair, way: Way) -> bool:
        return pair in self._pairs and way not in pair.shut and not pair.towards(way).is_closing()

    def _shut_down(self, pair: _Pair, way: Way) -> None:
        """The end of the stream, one way; with both ways shut the connection is over."""
        pair.shut_down(way)
        if pair.shut == set(Way):
            self._end(pair, _close)

    def _end_all(self, how: Callable[[asyncio.StreamWriter], None]) -> None:
        for pair in list(self._pairs):
            self._end(pair, how)

    def _end(self, pair: _Pair, how: Callable[[asyncio.StreamWriter], None]) -> None:
        if pair in self._pairs:
            self._pairs.discard(pair)
            pair.end(how)
            self._changed.set()


def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()


@asynccontextmanager
async def fault_proxy(
    target_port: int, *, pause: Callable[[float], Awaitable[object]] = asyncio.sleep
) -> AsyncIterator[FaultProxy]:
    """A listening proxy before the receiver on `target_port`; leaving ends it and all its connections."""
    proxy = FaultProxy(target_port, pause)
    await proxy.accept()
    try:
        yield proxy
    finally:
        await proxy.close()
