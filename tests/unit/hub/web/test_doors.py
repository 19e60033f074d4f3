"""Who may stay connected: strangers never take the nodes' room, and nothing waits for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from slurmlens.config.hub import HubConfig
from slurmlens.hub.web import doors as doors_module
from slurmlens.hub.web.app import make_app
from slurmlens.hub.web.doors import (
    BODY_S,
    HEAD_S,
    IDLE_NODE_S,
    IDLE_STRANGER_S,
    Bounds,
    Doors,
    WatchedConnection,
)
from slurmlens.hub.web.listener import DoorSite
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from testkit.job_hub import FixedHistory, FixedInventory, Live, StillClock, ToldInside, plain_status
from testkit.manual_clock import ManualClock


class Inner(asyncio.Protocol):
    """Stands where aiohttp's handler does."""


class Wire(asyncio.Transport):
    """Remembers what became of it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_gone = False

    def write(self, data: bytes) -> None:  # type: ignore[override]
        self.written += data

    def close(self) -> None:
        self.is_gone = True

    def abort(self) -> None:
        self.is_gone = True


class Bench:
    """Doors with a clock turned by hand."""

    def __init__(self, connections: int = 8, strangers: int = 3) -> None:
        self.time_s = 0.0
        self.counters = Counters()
        self.doors = Doors(
            Bounds(connections, strangers), Reporter(self.counters, ManualClock()), now=lambda: self.time_s
        )

    def connect(self) -> tuple[WatchedConnection, Wire]:
        connection, wire = WatchedConnection(self.doors, Inner()), Wire()
        connection.connection_made(wire)
        return connection, wire

    def node(self) -> tuple[WatchedConnection, Wire]:
        connection, wire = self.connect()
        connection.has_proved = True
        self.doors._strangers.pop(connection)
        return connection, wire


def test_strangers_beyond_their_share_cost_the_one_that_waits_longest() -> None:
    bench = Bench(strangers=3)
    wires = [bench.connect()[1] for _ in range(4)]
    assert [wire.is_gone for wire in wires] == [True, False, False, False]


def test_strangers_that_are_all_being_answered_turn_the_next_one_away() -> None:
    bench = Bench(strangers=2)
    for _ in range(2):
        bench.connect()[0].requests = 1
    _, wire = bench.connect()
    assert wire.is_gone
    assert wire.written.startswith(b"HTTP/1.1 503")
    assert b"Retry-After" in wire.written


def test_nodes_are_never_cut_off_for_strangers() -> None:
    bench = Bench(connections=4, strangers=3)
    nodes = [bench.node()[1] for _ in range(4)]
    _, stranger = bench.connect()
    assert stranger.is_gone
    assert not any(wire.is_gone for wire in nodes)


@pytest.mark.parametrize(
    ("begins_a_head", "is_node", "allowed_s"),
    [(True, False, HEAD_S), (True, True, HEAD_S), (False, False, IDLE_STRANGER_S), (False, True, IDLE_NODE_S)],
)
def test_what_takes_too_long_is_cut_off_and_not_before(begins_a_head: bool, is_node: bool, allowed_s: float) -> None:
    bench = Bench()
    connection, wire = bench.node() if is_node else bench.connect()
    if begins_a_head:
        connection.data_received(b"GET / HT")
    bench.time_s = allowed_s
    bench.doors.cut_off()
    assert not wire.is_gone
    bench.time_s = allowed_s + 0.1
    bench.doors.cut_off()
    assert wire.is_gone


def test_a_head_that_comes_byte_by_byte_gains_no_time() -> None:
    bench = Bench()
    connection, wire = bench.connect()
    for _ in range(11):
        connection.data_received(b"G")
        bench.time_s += 1.0
    bench.doors.cut_off()
    assert wire.is_gone


def test_one_that_is_being_answered_is_never_cut_off() -> None:
    bench = Bench()
    connection, wire = bench.connect()
    connection.requests, bench.time_s = 1, 10_000.0
    bench.doors.cut_off()
    assert not wire.is_gone


def test_what_has_gone_is_forgotten() -> None:
    bench = Bench()
    connections = [bench.connect()[0] for _ in range(5)]
    for connection in connections:
        connection.connection_lost(None)
    assert bench.doors.connection_count == 0


async def take_from_nodes(body: bytes, headers: Mapping[str, str], peer: str | None) -> tuple[int, bytes]:
    """An intake for which a header is proof enough."""
    return (200 if "x-slurmlens-node" in headers else 401), b"{}"


@asynccontextmanager
async def a_port(bounds: Bounds) -> AsyncIterator[tuple[int, Doors]]:
    """The real application behind doors on a real port."""
    doors = Doors(bounds, Reporter(Counters(), ManualClock()))
    app = make_app(
        queries=FixedHistory({}),
        progress=ToldInside(),
        inventory=FixedInventory(),
        live=Live().demand,
        take_events=take_from_nodes,
        status=plain_status,
        settings=HubConfig(),
        doors=doors,
        clock=StillClock(),
    )
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await DoorSite(runner, doors, "127.0.0.1", 0).start()
    try:
        yield int(runner.addresses[0][1]), doors
    finally:
        await runner.cleanup()


async def test_a_crowd_of_idle_strangers_keeps_no_node_out_and_no_page() -> None:
    async with a_port(Bounds(connections=80, strangers=32)) as (port, doors), AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession(f"http://127.0.0.1:{port}"))
        for _ in range(3):
            async with session.post("/api/v1/events", data=b"x", headers={"X-Slurmlens-Node": "n1"}) as answer:
                assert answer.status == 200
        crowd = [await asyncio.open_connection("127.0.0.1", port) for _ in range(150)]
        async with session.post("/api/v1/events", data=b"x", headers={"X-Slurmlens-Node": "n1"}) as answer:
            assert answer.status == 200
        async with session.get("/jobs.json") as answer:
            assert answer.status == 200
        assert doors.connection_count <= 80
        for _, writer in crowd:
            writer.close()


async def test_a_body_that_does_not_come_is_answered_and_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slurmlens.hub.web.app.BODY_S", 0.05)
    assert BODY_S > 1
    async with a_port(Bounds(80, 32)) as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\nhalf")
        assert (await reader.readline()).startswith(b"HTTP/1.1 408")
        writer.close()


async def test_too_many_readers_are_told_to_come_back_and_events_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors_module, "MOST_READERS", 0)
    async with a_port(Bounds(80, 32)) as (port, _), aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        async with session.get("/jobs") as answer:
            assert answer.status == 503
            assert answer.headers["Retry-After"]
        async with session.post("/api/v1/events", data=b"x", headers={"X-Slurmlens-Node": "n1"}) as answer:
            assert answer.status == 200
