"""The carbon sink over real TCP: a carbon that is away, dies, resets, or stops reading."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import pytest

from slurmlens.config.sinks import CarbonSinkConfig
from slurmlens.delivery.sinks.carbon import CarbonSink
from slurmlens.delivery.sinks.connection import Connection
from slurmlens.errors import DeliveryError
from slurmlens.runtime.endpoint import FixedEndpoint
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from testkit.manual_clock import ManualClock
from testkit.scripted_server import LineServer, reset, serving


def lines(*values: int) -> bytes:
    return b"".join(b"slurm.c.nodes.n0.slots.0.cpu_cores %d 1795420800\n" % value for value in values)


@dataclass
class Setup:
    clock: ManualClock = field(default_factory=ManualClock)
    reporter: Reporter = field(init=False)

    def __post_init__(self) -> None:
        self.reporter = Reporter(Counters(), self.clock)

    @asynccontextmanager
    async def sink(self, port: int, **settings: float) -> AsyncIterator[CarbonSink]:
        config = CarbonSinkConfig(port=port, **settings)  # type: ignore[arg-type]
        sink = CarbonSink(config, FixedEndpoint("127.0.0.1", port), self.reporter, self.clock)
        try:
            yield sink
        finally:
            await sink.aclose()


@pytest.fixture
def setup(clock: ManualClock) -> Setup:
    return Setup(clock)


async def settle(sink: CarbonSink) -> None:
    """Wait until the peer's kernel has acknowledged everything."""
    connection = sink.sender.connection
    assert connection is not None
    async with asyncio.timeout(5):
        while connection.unacknowledged_bytes():
            await asyncio.sleep(0)


async def lose(carbon: LineServer, sink: CarbonSink, *, hard: bool = True) -> None:
    """End the connection from carbon's side and wait until ours has heard of it."""
    writer = carbon.connections[-1]
    if hard:
        reset(writer)
    else:
        writer.close()
    async with asyncio.timeout(5):
        while sink.sender.connection is not None:
            await asyncio.sleep(0)


async def test_lines_arrive_over_one_connection(setup: Setup) -> None:
    carbon = LineServer()
    async with serving(carbon) as port, setup.sink(port) as sink:
        assert await sink.deliver(lines(1, 2), 2) == 2
        assert await sink.deliver(lines(3), 1) == 1
        await carbon.until(lines(1, 2, 3))
        assert len(carbon.connections) == 1


async def test_a_carbon_that_is_not_there_is_a_named_failure_and_later_welcome(setup: Setup) -> None:
    async with serving(LineServer()) as port:
        pass
    carbon = LineServer()
    async with setup.sink(port) as sink:
        with pytest.raises(DeliveryError, match=rf"carbon at 127.0.0.1:{port}: .*Connect call failed") as caught:
            await sink.deliver(lines(1), 1)
        assert (caught.value.reason, caught.value.retriable) == ("network", True)
        async with serving(carbon, port):
            await sink.deliver(lines(1), 1)
            await carbon.until(lines(1))


async def test_a_host_name_that_is_none_is_a_named_failure(setup: Setup) -> None:
    sink = CarbonSink(CarbonSinkConfig(), FixedEndpoint("nowhere.invalid", 2003), setup.reporter, setup.clock)
    with pytest.raises(DeliveryError, match=r"carbon at nowhere\.invalid:2003"):
        await sink.deliver(lines(1), 1)


@pytest.mark.parametrize("hard", [True, False])
async def test_after_a_reconnect_the_last_seconds_are_sent_again(setup: Setup, hard: bool) -> None:
    carbon = LineServer()
    async with serving(carbon) as port, setup.sink(port, resend_window_s=15) as sink:
        await sink.deliver(lines(1), 1)
        await carbon.until(lines(1))
        await lose(carbon, sink, hard=hard)
        carbon.received.clear()
        await sink.deliver(lines(2), 1)
        await carbon.until(lines(1, 2))
    assert setup.reporter.counters.snapshot()['sink_resent_bytes_total{sink="carbon"}'] == len(lines(1))


async def test_what_carbon_has_had_for_longer_than_the_window_is_not_sent_again(setup: Setup) -> None:
    carbon = LineServer()
    async with serving(carbon) as port, setup.sink(port, resend_window_s=15) as sink:
        await sink.deliver(lines(1), 1)
        await settle(sink)
        await sink.deliver(lines(2), 1)  # 1 is seen to have settled, its window begins
        setup.clock.advance(15)
        await sink.deliver(lines(3), 1)  # 1 is let go
        await carbon.until(lines(1, 2, 3))
        await lose(carbon, sink)
        carbon.received.clear()
        await sink.deliver(lines(4), 1)
        await carbon.until(lines(3, 4))
        assert lines(1) not in carbon.received


async def test_what_was_sent_again_has_its_window_anew(setup: Setup) -> None:
    carbon = LineServer()
    async with serving(carbon) as port, setup.sink(port, resend_window_s=15) as sink:
        await sink.deliver(lines(1), 1)
        await settle(sink)
        await sink.deliver(lines(2), 1)  # 1 is seen to have settled
        setup.clock.advance(10)
        await lose(carbon, sink)
        await sink.deliver(lines(3), 1)
        setup.clock.advance(10)
        await sink.deliver(lines(4), 1)
        await carbon.until(lines(4))
        await lose(carbon, sink)
        carbon.received.clear()
        await sink.deliver(lines(5), 1)
        await carbon.until(lines(1, 2, 3, 4, 5))


async def fill(sink: CarbonSink, clock: ManualClock, pause_s: float) -> tuple[bytes, int]:
    """Deliver until nothing moves; returns what was taken and how much of it the own kernel still held."""
    taken, held_bytes = b"", 0
    for start in range(0, 1_000_000, 500):
        payload = lines(*range(start, start + 500))
        try:
            await sink.deliver(payload, 500)
        except DeliveryError:
            return taken, held_bytes
        taken += payload
        assert sink.sender.connection is not None
        held_bytes = sink.sender.connection.unacknowledged_bytes()
        clock.advance(pause_s)
    raise AssertionError("a carbon that does not read took everything")


@pytest.mark.parametrize("pause_s", [0, 60])
async def test_what_a_stopped_carbon_never_got_is_sent_again_however_old_it_is(setup: Setup, pause_s: float) -> None:
    stopped, carbon = LineServer(), LineServer()
    stopped.reading.clear()
    async with AsyncExitStack() as stack:
        async with serving(stopped, receive_buffer_bytes=65_536) as port:
            limits = {"resend_limit_bytes": 2_000_000, "timeout_s": 0.2, "resend_window_s": 15}
            sink = await stack.enter_async_context(setup.sink(port, **limits))
            taken, held_bytes = await fill(sink, setup.clock, pause_s)
        async with serving(carbon, port):
            await sink.deliver(lines(-1), 1)
            await carbon.until(lines(-1))
    assert held_bytes > 10_000
    again = bytes(carbon.received).removesuffix(lines(-1))
    # Within the window all of it; after it at least what the own kernel still held.
    assert again == taken if pause_s == 0 else taken.endswith(again)
    assert len(again) >= held_bytes


async def test_a_carbon_that_reads_slowly_is_waited_for_as_long_as_anything_moves(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    carbon, looks = LineServer(), asyncio.Semaphore(0)
    payload = lines(*range(8000))
    really_look = Connection.unacknowledged_bytes

    def look(connection: Connection) -> int:
        looks.release()
        return really_look(connection)

    async def reads_once_a_look(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # So one time limit passes for each read, and still the sink must not give up.
        while await looks.acquire() and (data := await reader.read(65_536)):
            await carbon.take(data)

    monkeypatch.setattr(Connection, "unacknowledged_bytes", look)
    slow = serving(reads_once_a_look, receive_buffer_bytes=16_384)
    async with slow as port, setup.sink(port, timeout_s=0.1, resend_limit_bytes=40_000) as sink:
        await sink.deliver(payload, 8000)
        for _ in range(100):
            looks.release()
        await carbon.until(payload)
    assert setup.reporter.counters.snapshot() == {}


async def test_the_kept_lines_are_bounded(setup: Setup) -> None:
    carbon = LineServer()
    async with serving(carbon) as port, setup.sink(port, resend_limit_bytes=4096) as sink:
        for value in range(200):
            await sink.deliver(lines(value), 1)
        assert sink.sender.kept_bytes <= 4096
        assert sink.sender.kept_bytes == sum(len(piece.payload) for piece in sink.sender._kept)


async def test_closing_does_not_wait_for_a_carbon_that_reads_no_more(setup: Setup) -> None:
    stopped = LineServer()
    stopped.reading.clear()
    async with serving(stopped) as port, setup.sink(port) as sink:
        await sink.deliver(lines(1), 1)
        async with asyncio.timeout(3):
            await sink.aclose()


async def test_what_carbon_says_back_disturbs_nobody(setup: Setup) -> None:
    carbon = LineServer()
    async with serving(carbon) as port, setup.sink(port) as sink:
        await sink.deliver(lines(1), 1)
        await carbon.until(lines(1))
        carbon.connections[0].write(b"garbage " * 20_000)
        await sink.deliver(lines(2), 1)
        await carbon.until(lines(1, 2))
