"""The hub's points: kept while carbon is away, sent again where a connection broke, bounded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from slurmlens.delivery.points import INTERVALS_KEPT, PointDelivery, carbon_points
from slurmlens.runtime.endpoint import Address, Endpoint
from slurmlens.runtime.supervisor import Supervisor
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


def points_to(endpoint: Endpoint, clock: ManualClock, counters: Counters) -> PointDelivery:
    """As the hub makes it, to where Consul says carbon is."""
    find = lambda sink, host, port: endpoint  # noqa: E731
    return carbon_points("127.0.0.1", 2003, "demo", find, clock, Reporter(counters, clock))


@asynccontextmanager
async def at_work(points: PointDelivery, clock: ManualClock, *carbons: Listener) -> AsyncIterator[PointDelivery]:
    """Its stages run; carbon ends with them."""
    supervisor = Supervisor(Reporter(Counters(), clock), clock)
    for name, stage in points.stages():
        supervisor.add(name, stage)
    running = asyncio.create_task(supervisor.run())
    try:
        yield points
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        for carbon in carbons:
            await carbon.stop()


async def test_what_was_given_while_carbon_was_away_arrives_in_order(clock: ManualClock) -> None:
    carbon, counters = Listener(), Counters()
    await carbon.start()
    await carbon.stop()
    async with at_work(points_to(carbon, clock, counters), clock, carbon) as points:
        for number in range(5):
            points.put(b"a.b %d 1\n" % number, 1)
        await until(lambda: points.sink_statuses()[0].failures_in_a_row, "carbon was tried")
        assert points.sink_statuses()[0].backlog_lines == 5
        await carbon.start()
        assert await carbon.until(5) == [b"a.b %d 1\n" % number for number in range(5)]
    assert any(name.startswith("sink_failed_total") for name in counters.snapshot())


async def test_what_was_written_just_before_a_connection_broke_is_sent_again(clock: ManualClock) -> None:
    carbon = Listener()
    await carbon.start()
    async with at_work(points_to(carbon, clock, Counters()), clock, carbon) as points:
        points.put(b"a.b 1 1\n", 1)
        await carbon.until(1)
        clock.advance(1)
        points.put(b"a.b 2 2\n", 1)
        await carbon.until(2)
        clock.advance(60)
        points.put(b"a.b 3 3\n", 1)
        await carbon.until(3)
        await until(lambda: not points.sink_statuses()[0].backlog_lines, "all are acknowledged")
        await carbon.stop()
        await carbon.start()
        points.put(b"a.b 4 4\n", 1)
        # The first two were written a minute before: carbon has had them for long.
        assert (await carbon.until(5))[3:] == [b"a.b 3 3\n", b"a.b 4 4\n"]


async def test_a_carbon_that_moves_is_followed_and_gets_what_the_last_one_got_just_before(clock: ManualClock) -> None:
    first, second, counters = Listener(), Listener(), Counters()
    await first.start()
    await second.start()
    where = Carbons(first)
    async with at_work(points_to(where, clock, counters), clock, first, second) as points:
        points.put(b"a.b 1 1\n", 1)
        await first.until(1)
        where.carbons = (second,)
        points.put(b"a.b 2 2\n", 1)
        assert await second.until(2) == [b"a.b 1 1\n", b"a.b 2 2\n"]
        assert first.lines == [b"a.b 1 1\n"]
    assert not any(name.startswith("sink_failed") for name in counters.snapshot()), "to move is no failure"


async def test_of_several_carbons_the_next_is_tried_when_one_is_dead(clock: ManualClock) -> None:
    dead, alive = Listener(), Listener()
    await dead.start()
    await dead.stop()
    await alive.start()
    async with at_work(points_to(Carbons(dead, alive), clock, Counters()), clock, alive) as points:
        points.put(b"a.b 1 1\n", 1)
        assert await alive.until(1) == [b"a.b 1 1\n"]


async def test_what_waits_is_bounded_and_the_oldest_is_dropped_and_counted(clock: ManualClock) -> None:
    carbon, counters = Listener(), Counters()
    await carbon.start()
    points = points_to(carbon, clock, counters)
    for number in range(INTERVALS_KEPT + 3):
        points.put(b"a.b %d 1\na.c 0 1\n" % number, 2)
    assert counters.snapshot()['queue_dropped_lines_total{stream="metrics",reason="memory_limit"}'] == 6
    async with at_work(points, clock, carbon):
        assert (await carbon.until(2 * INTERVALS_KEPT))[0] == b"a.b 3 1\n"


async def test_what_has_not_arrived_at_the_end_is_told(clock: ManualClock) -> None:
    carbon, counters = Listener(), Counters()
    points = points_to(carbon, clock, counters)
    points.put(b"a.b 1 1\n", 1)
    points.tell_backlog()
    assert counters.snapshot()['stopped_with_backlog_total{sink="carbon"}'] == 1
