"""The hub's points: kept while carbon is away, sent again where a connection broke, bounded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from slurmlens.hub.carbon_writer import WAITING_MAX, CarbonWriter
from slurmlens.runtime.endpoint import Address, Endpoint, FixedEndpoint
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from testkit.manual_clock import ManualClock
from testkit.waiting import until


class Listener:
    """A carbon that keeps lines and can hang up; the endpoint of itself."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.news = asyncio.Condition()
        self.connections = 0
        self._writers: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None
        self.port = 0

    def addresses(self) -> tuple[Address, ...]:
        return (("127.0.0.1", self.port),)

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await self._server.wait_closed()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        self.connections += 1
        while line := await reader.readline():
            async with self.news:
                self.lines.append(line)
                self.news.notify_all()
        writer.close()

    async def until(self, count: int) -> list[bytes]:
        async with self.news, asyncio.timeout(20):
            await self.news.wait_for(lambda: len(self.lines) >= count)
        return self.lines


class Carbons:
    """An endpoint whose carbons change."""

    def __init__(self, *carbons: Listener) -> None:
        self.carbons = carbons

    def addresses(self) -> tuple[Address, ...]:
        return tuple(address for carbon in self.carbons for address in carbon.addresses())


@asynccontextmanager
async def writing(
    carbon: Listener, clock: ManualClock, counters: Counters, endpoint: Endpoint | None = None
) -> AsyncIterator[CarbonWriter]:
    """The stage at work; carbon ends with it."""

    async def sleep(_seconds: float) -> None:
        await asyncio.sleep(0.01)

    writer = CarbonWriter(endpoint or carbon, Reporter(counters, clock), clock, sleep=sleep)
    running = asyncio.create_task(writer.run())
    try:
        yield writer
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await carbon.stop()


async def test_what_was_given_while_carbon_was_away_arrives_in_order(clock: ManualClock) -> None:
    carbon, counters = Listener(), Counters()
    await carbon.start()
    await carbon.stop()
    async with writing(carbon, clock, counters) as writer:
        for number in range(5):
            writer.write(b"a.b %d 1\n" % number, 1)
        await until(lambda: "carbon_away_total" in counters.snapshot(), "carbon was tried")
        await carbon.start()
        assert await carbon.until(5) == [b"a.b %d 1\n" % number for number in range(5)]


async def test_what_was_written_just_before_a_connection_broke_is_sent_again(clock: ManualClock) -> None:
    carbon = Listener()
    await carbon.start()
    async with writing(carbon, clock, Counters()) as writer:
        writer.write(b"a.b 1 1\n", 1)
        await carbon.until(1)
        clock.advance(60)
        writer.write(b"a.b 2 2\n", 1)
        await carbon.until(2)
        await carbon.stop()
        await carbon.start()
        writer.write(b"a.b 3 3\n", 1)
        # The first was written a minute ago: carbon has had it for long.
        assert (await carbon.until(4))[2:] == [b"a.b 2 2\n", b"a.b 3 3\n"]


async def test_a_carbon_that_moves_is_followed_and_gets_what_the_last_one_got_just_before(clock: ManualClock) -> None:
    first, second, counters = Listener(), Listener(), Counters()
    await first.start()
    await second.start()
    where = Carbons(first)
    async with writing(second, clock, counters, where) as writer:
        writer.write(b"a.b 1 1\n", 1)
        await first.until(1)
        where.carbons = (second,)
        writer.write(b"a.b 2 2\n", 1)
        assert await second.until(2) == [b"a.b 1 1\n", b"a.b 2 2\n"]
        assert first.lines == [b"a.b 1 1\n"]
    await first.stop()
    assert "carbon_away_total" not in counters.snapshot(), "to move is no failure"


async def test_of_several_carbons_the_next_is_tried_when_one_is_dead(clock: ManualClock) -> None:
    dead, alive = Listener(), Listener()
    await dead.start()
    await dead.stop()
    await alive.start()
    async with writing(alive, clock, Counters(), Carbons(dead, alive)) as writer:
        writer.write(b"a.b 1 1\n", 1)
        assert await alive.until(1) == [b"a.b 1 1\n"]


async def test_what_waits_is_bounded_and_the_oldest_is_dropped_and_counted(clock: ManualClock) -> None:
    carbon, counters = Listener(), Counters()
    writer = CarbonWriter(FixedEndpoint("127.0.0.1", 9), Reporter(counters, clock), clock)
    for number in range(WAITING_MAX + 3):
        writer.write(b"a.b %d 1\na.c 0 1\n" % number, 2)
    assert counters.snapshot()["carbon_points_dropped_total"] == 6
    await carbon.start()
    async with writing(carbon, clock, counters) as other:
        other._waiting.extend(writer._waiting)
        other.write(b"", 0)
        assert (await carbon.until(2))[0] == b"a.b 4 1\n"
