"""The carbon sink against carbon-c-relay and go-carbon: what they take arrives unchanged, and what they lose is known.

What a receiver has is read from its own store: the relay's output file, go-carbon's whisper files.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from deploy.component import Service, start_and_wait, wait_ready
from deploy.components.carbon_c_relay import CarbonCRelay
from deploy.components.go_carbon import GoCarbon
from deploy.sandbox import Sandbox

from slurmlens.clock import SystemClock
from slurmlens.config.sinks import CarbonSinkConfig
from slurmlens.delivery.sinks.carbon import CarbonSink
from slurmlens.errors import DeliveryError
from slurmlens.metrics import METRICS
from slurmlens.runtime.endpoint import FixedEndpoint
from slurmlens.telemetry.counters import Counters
from slurmlens.telemetry.internal import Reporter
from slurmlens.wire.carbon import SeriesBlock, slot_prefix
from testkit.components import private
from testkit.scripted_server import LineServer, serving
from testkit.waiting import until
from testkit.whisper import finest_points, series_file

ARRIVES_WITHIN_S = 20.0
NAMES = ("cpu_cores", "memory_bytes", "io_read_bytes_per_second")
ODD_NAMES = ("node-1", "n0.cluster.example", "nœud 7/á", "..", "tab\tnew\nline", "x" * 300, "{a,b}*?[0-9]", "a;tag=b")
LONGEST = [max((metric.name for metric in METRICS), key=len)]
MINUTE_S, HOUR_S = 60, 3600


@asynccontextmanager
async def sink_to(port: int) -> AsyncIterator[CarbonSink]:
    clock = SystemClock()
    sink = CarbonSink(CarbonSinkConfig(), FixedEndpoint("127.0.0.1", port), Reporter(Counters(), clock), clock)
    try:
        yield sink
    finally:
        await sink.aclose()


def ticks(cluster: str, count: int, begin_s: int) -> list[bytes]:
    """Lines of one slot for each second, with values that tell them apart."""
    block = SeriesBlock(slot_prefix(cluster, "n0", 3), NAMES)
    return [block.encode([number + 0.25, 2.0**40 + number, number / 3], begin_s + number) for number in range(count)]


def texts(payloads: Sequence[bytes]) -> list[str]:
    return b"".join(payloads).decode().splitlines()


async def deliver_with_retries(sink: CarbonSink, payload: bytes, server: Service) -> int:
    """As the delivery loop does, but that a dead server is started; returns how often it was found missing."""
    missing = 0
    while True:
        try:
            await sink.deliver(payload, payload.count(b"\n"))
            return missing
        except DeliveryError:
            missing += 1
            await asyncio.to_thread(wait_ready, server)


async def test_the_relay_passes_on_every_line_as_it_was_sent_with_its_own_time(carbon_c_relay: CarbonCRelay) -> None:
    sent = ticks("relay-times", 100, int(time.time()) - HOUR_S)
    async with sink_to(carbon_c_relay.port) as sink:
        for payload in sent:
            await sink.deliver(payload, len(NAMES))

        def arrived() -> list[str]:
            return [line for line in carbon_c_relay.lines() if line.startswith("slurm.relay-times.")]

        await until(lambda: len(arrived()) == 100 * len(NAMES), "not all lines came through")
        assert arrived() == texts(sent)


async def test_no_name_is_changed_or_split_on_its_way_through_the_relay(carbon_c_relay: CarbonCRelay) -> None:
    sent = [SeriesBlock(slot_prefix(f"odd-{name}", name, 63), LONGEST).encode([1.0], 1) for name in ODD_NAMES]
    wanted = texts(sent)
    async with sink_to(carbon_c_relay.port) as sink:
        await sink.deliver(b"".join(sent), len(sent))
        await until(
            lambda: set(wanted) <= set(carbon_c_relay.lines()),
            f"missing: {set(wanted) - set(carbon_c_relay.lines())}",
        )


async def test_a_relay_killed_in_the_middle_has_every_line_after_its_restart() -> None:
    with private(CarbonCRelay) as relay:
        sent = ticks("killed", 60, int(time.time()) - HOUR_S)
        async with sink_to(relay.port) as sink:
            missing = 0
            for number, payload in enumerate(sent):
                missing += await deliver_with_retries(sink, payload, relay)
                if number == 30:
                    relay.kill()  # what it has read and not yet written is lost with it
                    await asyncio.to_thread(start_and_wait, relay)
            await until(lambda: set(texts(sent)) <= set(relay.lines()), "lines are missing")
        assert set(relay.lines()) == set(texts(sent))


async def test_a_relay_that_ended_the_idle_connection_is_connected_to_anew_without_a_failure() -> None:
    # It does so after ten minutes without a line, and when it is restarted in good order.
    with private(CarbonCRelay) as relay:
        first, second = ticks("idle", 2, int(time.time()))
        async with sink_to(relay.port) as sink:
            await sink.deliver(first, len(NAMES))
            await until(lambda: relay.lines() == texts([first]), "the first lines did not come through")
            relay.stop()
            await asyncio.to_thread(start_and_wait, relay)
            await until(lambda: sink.sender.connection is None, "the end of the connection went unnoticed")
            await sink.deliver(second, len(NAMES))
            await until(lambda: set(texts([first, second])) == set(relay.lines()), "lines are missing")


async def test_what_the_relay_throws_away_while_its_backend_is_away_nobody_is_told() -> None:
    # Not ours to mend: it takes every line and keeps the newest of its queue (-q, 25,000 by default).
    backend = LineServer()
    async with serving(backend) as backend_port:
        pass

    def small_queue(sandbox: Sandbox) -> CarbonCRelay:
        return CarbonCRelay(sandbox, forward_to=[backend_port], options=["-b", "50", "-q", "150", "-L", "0"])

    with private(small_queue) as relay:
        sent = ticks("backend", 200, int(time.time()))
        async with sink_to(relay.port) as sink:
            assert sum([await sink.deliver(payload, len(NAMES)) for payload in sent]) == 600
            await until(lambda: not unread(sink), "the relay has not read everything")
            async with serving(backend, backend_port):
                await backend.until(texts(sent)[-1].encode())
                arrived = bytes(backend.received).decode().splitlines()
    assert 0 < len(arrived) < 600
    assert set(arrived) < set(texts(sent))


def unread(sink: CarbonSink) -> int:
    assert sink.sender.connection is not None
    return sink.sender.connection.unacknowledged_bytes()


async def test_a_line_longer_than_the_relay_takes_ends_the_connection_and_ours_are_never_that_long() -> None:
    with private(CarbonCRelay) as relay:
        reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
        writer.write(b"before 1 1\n")
        await until(lambda: relay.lines() == ["before 1 1"], "the relay takes nothing")
        writer.write(b"x" * 40_000 + b" 1 1\nbehind 1 1\n")
        with pytest.raises(ConnectionResetError):
            async with asyncio.timeout(ARRIVES_WITHIN_S):
                await reader.read(1)
        writer.close()
        ours = SeriesBlock(slot_prefix("c" * 300, "n" * 300, 63), LONGEST).encode([0.123456], int(time.time()))
        async with sink_to(relay.port) as sink:
            await sink.deliver(ours, 1)
            await until(lambda: relay.lines() == ["before 1 1", *texts([ours])], "our longest did not come through")


def stored(server: GoCarbon, cluster: str, metric: str) -> dict[int, float]:
    return finest_points(series_file(server.whisper, f"{slot_prefix(cluster, 'n0', 3)}{metric}"))


async def test_go_carbon_keeps_every_point_of_the_last_hour_at_its_own_second(go_carbon: GoCarbon) -> None:
    begin_s = int(time.time()) - HOUR_S
    async with sink_to(go_carbon.port) as sink:
        for payload in ticks("times", 100, begin_s):
            await sink.deliver(payload, len(NAMES))
        wanted = {begin_s + number: number + 0.25 for number in range(100)}
        await until(lambda: stored(go_carbon, "times", "cpu_cores") == wanted, "cpu_cores differs")
        wanted = {begin_s + number: 2.0**40 + number for number in range(100)}
        await until(lambda: stored(go_carbon, "times", "memory_bytes") == wanted, "memory_bytes differs")


async def test_every_name_has_a_file_of_its_own_in_go_carbon(go_carbon: GoCarbon) -> None:
    begin_s = int(time.time()) // MINUTE_S * MINUTE_S  # a metric of the slow tier is kept by longer intervals
    prefixes = [slot_prefix(f"odd-{name}", name, 63) for name in ODD_NAMES]
    files = [series_file(go_carbon.whisper, f"{prefix}{LONGEST[0]}") for prefix in prefixes]
    assert len(set(files)) == len(ODD_NAMES)
    async with sink_to(go_carbon.port) as sink:
        for number, prefix in enumerate(prefixes):
            await sink.deliver(SeriesBlock(prefix, LONGEST).encode([float(number)], begin_s), 1)
        for number, file in enumerate(files):
            await until(lambda file=file, number=number: finest_points(file) == {begin_s: number}, f"not {file}")


async def test_a_go_carbon_killed_in_the_middle_has_every_point_after_its_restart() -> None:
    with private(GoCarbon) as go_carbon:
        begin_s = int(time.time()) - HOUR_S
        async with sink_to(go_carbon.port) as sink:
            for number, payload in enumerate(ticks("killed", 60, begin_s)):
                await deliver_with_retries(sink, payload, go_carbon)
                if number == 30:
                    go_carbon.kill()  # what it has not yet written to its files is lost with it
                    await asyncio.to_thread(start_and_wait, go_carbon)
            wanted = {begin_s + number: number + 0.25 for number in range(60)}
            await until(lambda: stored(go_carbon, "killed", "cpu_cores") == wanted, "points are missing")


async def test_a_line_that_go_carbon_cannot_read_costs_that_line_alone(go_carbon: GoCarbon) -> None:
    begin_s = int(time.time())
    first, second = ticks("spoilt", 2, begin_s)
    async with sink_to(go_carbon.port) as sink:
        await sink.deliver(first + b"no number at all\n" + b"x" * 70_000 + b" 1 1\n" + second, 8)
        wanted = {begin_s: 0.25, begin_s + 1: 1.25}
        await until(lambda: stored(go_carbon, "spoilt", "cpu_cores") == wanted, "good lines are missing")
