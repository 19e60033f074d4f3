"""The relay's two ports under attack: whatever a peer sends is bounded, answered where it can be, and ends alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slurmlens.config.relay import RelayCarbonConfig
from slurmlens.delivery.batches import Stream
from slurmlens.errors import ConfigError
from slurmlens.relay.carbon_listener import CarbonListener
from slurmlens.relay.events_port import EventsPort
from slurmlens.relay.room import Room
from slurmlens.runtime.http_server import HttpLimits, HttpServer
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from slurmlens.wire.ingest import IngestAnswer, answer
from testkit.manual_clock import ManualClock

HEAD = b"POST /api/v1/events HTTP/1.1\r\nHost: relay\r\n"
LIMITS = HttpLimits(max_body_bytes=1000, pending_bytes=2000, connections=8, idle_timeout_s=30.0)


class Taking:
    """Remembers bodies; waits while `gate` is shut."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, body: bytes, headers: Mapping[str, str], peer: str | None) -> IngestAnswer:
        self.bodies.append(body)
        await self.gate.wait()
        if body == b"explode":
            raise RuntimeError("a defect")
        return answer(200, accepted=len(body), peer=peer, node=headers.get("x-slurmlens-node"))


async def silent(path: str) -> IngestAnswer:
    return answer(200, silent=True)


@asynccontextmanager
async def listening(taking: Taking, limits: HttpLimits = LIMITS) -> AsyncIterator[HttpServer]:
    server = HttpServer("127.0.0.1", 0, EventsPort(taking, taking, silent), limits, Reporter(Counters(), ManualClock()))
    await server.bind()
    running = asyncio.create_task(server.run())
    try:
        yield server
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def say(server: HttpServer, data: bytes, *, more: bool = False) -> bytes:
    """Everything that is answered; the peer then hangs up, or says nothing more."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    with suppress(ConnectionError):
        writer.write(data)
        if not more:
            writer.write_eof()
        async with asyncio.timeout(10):
            heard = await reader.read()
    writer.close()
    return heard


def post(body: bytes, *headers: bytes) -> bytes:
    return HEAD + b"".join(one + b"\r\n" for one in (b"Content-Length: %d" % len(body), *headers)) + b"\r\n" + body


def statuses(heard: bytes) -> list[int]:
    return [int(part[:3]) for part in heard.split(b"HTTP/1.1 ")[1:]]


async def test_requests_on_one_connection_are_answered_one_after_another() -> None:
    taking = Taking()
    async with listening(taking) as server:
        heard = await say(server, post(b"one", b"X-Slurmlens-Node: n1") + post(b"two"))
    assert (statuses(heard), taking.bodies) == ([200, 200], [b"one", b"two"])
    assert b'"node":"n1"' in heard


async def test_a_body_in_chunks_and_one_that_waits_to_be_asked_for_are_taken() -> None:
    taking = Taking()
    chunked = HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    async with listening(taking) as server:
        assert statuses(await say(server, chunked)) == [200]
        assert statuses(await say(server, post(b"x", b"Expect: 100-continue"))) == [100, 200]
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(HEAD + b"Content-Length: 1\r\nExpect: 100-continue\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
        writer.close()
    assert taking.bodies == [b"abcde", b"x"]


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /api/v1/events HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (b"POST / HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        (HEAD + b"Content-Length: 1001\r\n\r\n", 413),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"3e8\r\n" + b"x" * 1000 + b"\r\n1\r\nx\r\n", 413),
        (b"no HTTP at all\r\n\r\n", 400),
        (b"POST /api/v1/events HTTP/1.1\r\n" + b"X: " + b"y" * 100_000, 431),
        (HEAD + b"Content-Length: -1\r\n\r\n", 400),
    ],
)
async def test_what_cannot_be_taken_is_answered_and_ends(request_: bytes, status: int) -> None:
    taking = Taking()
    async with listening(taking) as server:
        assert statuses(await say(server, request_, more=True)) == [status]
        assert statuses(await say(server, post(b"fine"))) == [200]
    assert taking.bodies == [b"fine"]


async def test_a_peer_that_ends_in_the_middle_of_a_request_is_not_taken_for_done() -> None:
    taking = Taking()
    async with listening(taking) as server:
        assert await say(server, HEAD + b"Content-Length: 9\r\n\r\nhalf") == b""
    assert taking.bodies == []


async def test_a_silent_connection_is_closed() -> None:
    limits = HttpLimits(max_body_bytes=1000, pending_bytes=2000, connections=8, idle_timeout_s=0.05)
    async with listening(Taking(), limits) as server:
        assert await say(server, b"", more=True) == b""


async def test_who_comes_while_too_much_is_held_is_told_to_come_back_and_when() -> None:
    taking = Taking()
    taking.gate.clear()
    async with listening(taking) as server:
        held = [asyncio.create_task(say(server, post(b"x" * 900))) for _ in range(3)]
        while len(taking.bodies) < 2:
            await asyncio.sleep(0)
        heard = await say(server, post(b"y" * 900))
        assert statuses(heard) == [503]
        assert b"Retry-After: 5" in heard
        assert json.loads(heard.rpartition(b"\r\n")[2])["reason"] == "busy"
        taking.gate.set()
        assert statuses((await asyncio.gather(*held))[0]) == [200]
        assert statuses(await say(server, post(b"z"))) == [200]


async def test_one_connection_too_many_is_turned_away() -> None:
    limits = HttpLimits(max_body_bytes=1000, pending_bytes=2000, connections=1, idle_timeout_s=30.0)
    async with listening(Taking(), limits) as server:
        _, first = await asyncio.open_connection("127.0.0.1", server.port)
        assert statuses(await say(server, post(b"x"))) == [503]
        first.close()


async def test_a_defect_in_taking_costs_one_connection() -> None:
    async with listening(Taking()) as server:
        assert await say(server, post(b"explode")) == b""
        assert statuses(await say(server, post(b"x"))) == [200]


async def test_a_port_that_is_taken_is_a_setting_to_mend() -> None:
    async with listening(Taking()) as server:
        with pytest.raises(ConfigError, match="cannot be bound"):
            await HttpServer(
                "127.0.0.1",
                server.port or 0,
                EventsPort(Taking(), Taking(), silent),
                LIMITS,
                Reporter(Counters(), ManualClock()),
            ).bind()


@given(st.binary(max_size=300))
@settings(max_examples=30, deadline=None)
def test_no_bytes_at_all_bring_the_server_down(data: bytes) -> None:
    async def attack() -> None:
        taking = Taking()
        async with listening(taking) as server:
            await say(server, data)
            assert statuses(await say(server, post(b"x"))) == [200]

    asyncio.run(attack())


# --- metrics


class Points:
    """What the listener passed on."""

    def __init__(self) -> None:
        self.lines = b""
        self.count = 0

    async def __call__(self, lines: bytes, count: int) -> None:
        self.lines += lines
        self.count += count


class Shut:
    """A queue whose sink lags by so many bytes."""

    def __init__(self) -> None:
        self.size_bytes = 0

    def backlog(self, sink: str) -> Shut:
        return self


@asynccontextmanager
async def metrics(points: Points, queue: Shut, counters: Counters) -> AsyncIterator[int]:
    room = Room(queue, [("carbon", Stream.METRICS)], lambda: 100)  # type: ignore[arg-type]
    listener = CarbonListener(RelayCarbonConfig(port=0), points, room, Reporter(counters, ManualClock()))
    await listener.bind()
    running = asyncio.create_task(listener.run())
    try:
        assert listener.port
        yield listener.port
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def send_and_end(port: int, *parts: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for part in parts:
        writer.write(part)
        await writer.drain()
    writer.write_eof()
    with suppress(ConnectionError):
        await reader.read()
    writer.close()


async def test_whole_lines_are_passed_on_as_they_came_and_the_rest_is_counted() -> None:
    points, counters = Points(), Counters()
    good = b"slurm.demo.nodes.n1.node.load_count 0.5 1795420800\nslurm.x -1e-05 1795420810\n"
    async with metrics(points, Shut(), counters) as port:
        await send_and_end(port, good[:30], good[30:], b"nonsense\nslurm.x nan 1\n\xff\xfe 1 2\nslurm.y 1 17954")
    assert (points.lines, points.count) == (good, 2)
    assert counters.snapshot() == {
        'relay_metrics_refused_total{reason="malformed"}': 3,
        'relay_metrics_refused_total{reason="cut"}': 1,
    }


async def test_a_line_that_does_not_end_is_not_kept() -> None:
    points, counters = Points(), Counters()
    async with metrics(points, Shut(), counters) as port:
        await send_and_end(port, b"x" * 100_000)
    assert (points.count, counters.snapshot()) == (0, {'relay_metrics_refused_total{reason="too_long"}': 1})


async def test_while_there_is_no_room_nothing_is_read() -> None:
    points, queue = Points(), Shut()
    queue.size_bytes = 1000
    async with metrics(points, queue, Counters()) as port:
        sending = asyncio.create_task(send_and_end(port, b"slurm.x 1 1795420800\n"))
        done, _ = await asyncio.wait({sending}, timeout=0.1)
        assert not done
        assert points.count == 0
        queue.size_bytes = 0
        await sending
    assert points.count == 1
