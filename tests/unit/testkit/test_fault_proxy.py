"""The fault proxy does what it is told, to the byte: a judge that stands behind it must know what was done."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import pytest

from testkit.fault_proxy import FaultProxy, Harm, Trap, Way, fault_proxy
from testkit.scripted_server import Handler, LineServer, serving

Pause = Callable[[float], Awaitable[object]]


@dataclass
class Line:
    """A receiver that keeps what comes, behind a proxy, and somebody who sends."""

    receiver: LineServer
    proxy: FaultProxy

    writers: list[asyncio.StreamWriter]

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.proxy.port)
        self.writers.append(writer)
        return reader, writer


@asynccontextmanager
async def line(handler: Handler | None = None, pause: Pause = asyncio.sleep) -> AsyncIterator[Line]:
    receiver = LineServer()
    async with serving(handler or receiver) as port, fault_proxy(port, pause=pause) as proxy:
        there = Line(receiver, proxy, [])
        yield there
        for writer in there.writers:
            writer.transport.abort()
            with suppress(OSError):
                await writer.wait_closed()


async def ended_how(reader: asyncio.StreamReader) -> str:
    try:
        async with asyncio.timeout(10):
            rest = await reader.read()
    except ConnectionResetError:
        return "reset"
    return f"end after {len(rest)}"


async def test_unharmed_bytes_pass_both_ways() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data)

    async with line(echo) as there:
        reader, writer = await there.connect()
        writer.write(b"there and back")
        assert await reader.readexactly(14) == b"there and back"
        writer.write_eof()
        assert await ended_how(reader) == "end after 0"
        await there.proxy.until(lambda: there.proxy.living == 0)
        assert there.proxy.passed == {Way.UP: 14, Way.DOWN: 14}


@pytest.mark.parametrize(("harm", "seen"), [(Harm.RESET, "reset"), (Harm.CUT, "end after 0")])
async def test_a_connection_breaks_in_the_middle_of_a_frame_at_the_byte_asked_for(harm: Harm, seen: str) -> None:
    async with line() as there:
        trap = there.proxy.arm(Trap(harm, Way.UP, after_bytes=5))
        reader, writer = await there.connect()
        writer.write(b"first\nsecond\n")
        assert await ended_how(reader) == seen
        assert trap.is_sprung
        assert there.proxy.passed[Way.UP] == 5
        assert bytes(there.receiver.received) in (b"first", b"")  # a reset throws away what was not read yet
        _, writer = await there.connect()
        writer.write(b"again\n")
        await there.receiver.until(b"again\n")


async def test_a_script_gives_each_connection_its_own_fate() -> None:
    async with line() as there:
        there.proxy.script([Trap(Harm.CUT, Way.UP, 2), None, Trap(Harm.CUT, Way.UP, 4)])
        for text, arrives in ((b"abcdef", b"ab"), (b"ghijkl", b"ghijkl"), (b"mnopqr", b"mnop")):
            reader, writer = await there.connect()
            writer.write(text)
            writer.write_eof()
            await there.receiver.until(arrives)
            await ended_how(reader)
        assert bytes(there.receiver.received) == b"abghijklmnop"


async def test_one_byte_is_changed_and_no_other() -> None:
    async with line() as there:
        there.proxy.arm(Trap(Harm.CORRUPT, Way.UP, after_bytes=3, mask=0x20))
        _, writer = await there.connect()
        writer.write(b"abcdef")
        await there.receiver.until(b"f")
        assert bytes(there.receiver.received) == b"abcDef"


async def test_traps_across_pieces_spring_at_the_sum_of_what_passed() -> None:
    async with line() as there:
        traps = [there.proxy.arm(Trap(Harm.CORRUPT, Way.UP, after)) for after in (1, 4, 6)]
        _, writer = await there.connect()
        for piece in (b"ab", b"cd", b"efgh"):
            writer.write(piece)
            await writer.drain()
            await there.proxy.until(lambda: there.proxy.living == 1)
        await there.receiver.until(b"h")
        assert bytes(there.receiver.received) == b"aBcdEfGh"
        assert all(trap.is_sprung for trap in traps)


async def test_a_stalled_way_fills_up_and_flows_on_without_a_gap() -> None:
    async with line() as there:
        _, writer = await there.connect()
        await there.proxy.until(lambda: there.proxy.living == 1)
        there.proxy.stall(Way.UP)
        writer.transport.set_write_buffer_limits(high=0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        text = b"x" * 3_000_000 + b"\n"
        writer.write(text)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await writer.drain()
        assert there.receiver.received == b""
        there.proxy.flow()
        await writer.drain()
        await there.receiver.until(b"\n")
        assert bytes(there.receiver.received) == text


async def test_a_half_closed_connection_still_answers() -> None:
    async def says_goodbye(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got = await reader.read()
        writer.write(b"got %d, bye" % len(got))

    async with line(says_goodbye) as there:
        there.proxy.arm(Trap(Harm.HALF_CLOSE, Way.UP, after_bytes=3))
        reader, writer = await there.connect()
        writer.write(b"abcdef")
        assert await reader.readexactly(10) == b"got 3, bye"


async def test_a_slow_way_waits_for_each_piece_as_long_as_it_is_worth() -> None:
    waited: list[float] = []

    async def note(pause_s: float) -> None:
        waited.append(pause_s)

    async with line(pause=note) as there:
        there.proxy.slow(100)
        _, writer = await there.connect()
        writer.write(b"y" * 55)
        await there.proxy.until(lambda: there.proxy.passed[Way.UP] == 55)
        assert sum(waited) == pytest.approx(0.55)
        assert max(waited) == pytest.approx(0.1)


async def test_refusing_keeps_the_port_and_taking_again_finds_it() -> None:
    async with line() as there:
        there.proxy.refuse()
        with pytest.raises(ConnectionRefusedError):
            await there.connect()
        await there.proxy.heal()
        _, writer = await there.connect()
        writer.write(b"back\n")
        await there.receiver.until(b"back\n")


async def test_all_connections_are_cut_or_reset_at_once() -> None:
    async with line() as there:
        readers = [(await there.connect())[0] for _ in range(3)]
        await there.proxy.until(lambda: there.proxy.living == 3)
        there.proxy.reset()
        assert {await ended_how(reader) for reader in readers} == {"reset"}
        readers = [(await there.connect())[0] for _ in range(3)]
        await there.proxy.until(lambda: there.proxy.living == 3)
        there.proxy.cut()
        assert {await ended_how(reader) for reader in readers} == {"end after 0"}


async def test_with_nobody_behind_it_connections_are_reset() -> None:
    async with line() as there:
        with socket.create_server(("127.0.0.1", 0)) as reserved:
            there.proxy.target_port = reserved.getsockname()[1]
        reader, _ = await there.connect()
        assert await ended_how(reader) == "reset"
        assert there.proxy.connections == 1
